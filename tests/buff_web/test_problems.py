"""Every error is told in one shape, with its code, and without a path or a trace."""

import logging

import pytest
from litestar.exceptions import MethodNotAllowedException, NotFoundException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from buff.errors import CODES, BuffError, JournalLockTimeout, RateLimited, RunNotFound, Unauthorized
from buff_web.problems import Declined, problem


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


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/home/ann/data/btc.csv cannot be read", "btc.csv cannot be read"),
        ("cannot read '/home/ann/my data/btc.csv'", "cannot read 'my data/btc.csv'"),
        ("see C:\\Users\\ann\\btc.csv, line 3", "see btc.csv, line 3"),
        ("see D:/data/btc.csv", "see btc.csv"),
        ("/srv/runs/_journal/HEAD", "RUNS_ROOT/_journal/HEAD"),
        ("(/etc/ssl/cert.pem)", "(cert.pem)"),
        ("/api/v1/runs/run_0 lists them", "/api/v1/runs/run_0 lists them"),
        ("the runs are at /runs/run_0", "the runs are at /runs/run_0"),
        ("tag a/b/c", "tag a/b/c"),
        ("2024/01/31", "2024/01/31"),
        ("a ratio of 1/2", "a ratio of 1/2"),
        ("application/json", "application/json"),
        ("http://127.0.0.1:8780/runs", "http://127.0.0.1:8780/runs"),
        ("columns/equity.npy", "columns/equity.npy"),
        ("</b>", "</b>"),
        ("/", "/"),
    ],
)
def test_no_other_path_is_named_either(text: str, told: str) -> None:
    found = problem(RunNotFound(text, hint=text, details={"file": text}), root="/srv/runs").document
    assert (found["message"], found["hint"], found["details"]["file"]) == (told, told, told)


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (RateLimited("too many", details={"retry_after_seconds": 12.2}), {"retry-after": "13"}),
        (RateLimited("too many"), {}),
        (JournalLockTimeout("held"), {"retry-after": "1"}),
        (Unauthorized("who?"), {"www-authenticate": 'Bearer realm="Buff"'}),
        (Declined(416, "no", headers={"Content-Range": "bytes */3"}), {"content-range": "bytes */3"}),
        (MethodNotAllowedException(headers={"Allow": "GET, OPTIONS"}), {"allow": "GET, OPTIONS, HEAD"}),
        (RunNotFound("no"), {}),
    ],
)
def test_what_to_do_next_is_a_header_too(error: Exception, headers: dict[str, str]) -> None:
    assert problem(error, root="/srv/runs").headers == headers


def test_a_body_that_is_too_large_is_a_limit() -> None:
    told = problem(RequestEntityTooLarge(), root="/srv/runs")
    assert (told.status, told.document["code"]) == (413, "LIMIT_EXCEEDED")


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
