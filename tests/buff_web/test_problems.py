"""Every error is told in one shape, with its code, and without a path or a trace."""

import logging

import pytest
from litestar.exceptions import MethodNotAllowedException, NotFoundException

from buff.errors import CODES, BuffError, RunNotFound
from buff_web.problems import problem


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_code_is_told_with_its_status_of_the_one_table(code: str) -> None:
    kind = type("Error", (BuffError,), {"code": code})
    told = problem(kind("it is so", hint="do this", details={"a": 1}), root="/srv/runs")
    assert told.status == told.document["status"] == CODES[code].status
    assert told.document == {
        "type": f"urn:buff:error:{code}",
        "title": CODES[code].says,
        "status": CODES[code].status,
        "detail": "it is so",
        "code": code,
        "message": "it is so",
        "details": {"a": 1},
        "hint": "do this",
    }


def test_the_root_is_never_named() -> None:
    details = {"file": "/srv/runs/_journal/HEAD", "all": ["/srv/runs", {"x": "/srv/runs/x"}]}
    told = problem(RunNotFound("nothing at /srv/runs/a", details=details), root="/srv/runs")
    assert "/srv" not in str(told.document)
    assert told.document["details"]["file"] == "RUNS_ROOT/_journal/HEAD"


@pytest.mark.parametrize(("error", "status"), [(NotFoundException(), 404), (MethodNotAllowedException(), 405)])
def test_the_router_speaks_our_words(error: Exception, status: int) -> None:
    told = problem(error, root="/srv/runs")
    assert (told.status, told.document["code"]) == (status, "REQUEST_INVALID")


def test_a_bug_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="buff_web"):
        told = problem(ZeroDivisionError("secret"), root="/srv/runs")
    assert (told.status, told.document["code"]) == (500, "INTERNAL")
    assert "secret" not in str(told.document)
    assert caplog.records[0].exc_info is not None
