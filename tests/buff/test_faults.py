"""An error that nobody expected is told by what it is and where it came from, and by nothing it says."""

import os
from collections.abc import Callable

import msgspec
import pytest

from buff.errors import DataInvalid
from buff.faults import ERRORS_MAX, FRAMES_MAX, told
from whole import process


def _failing(secret: str) -> None:
    held = secret
    try:
        int(held)
    except ValueError as error:
        raise RuntimeError(f"it was {held}") from error


def _caught(fail: Callable[[], None]) -> BaseException:
    try:
        fail()
    except BaseException as error:
        return error
    raise AssertionError("it did not fail")


def test_an_error_says_where_and_what_it_is_and_no_value() -> None:
    found = told(_caught(lambda: _failing("hunter2")))
    assert found["error"] == "RuntimeError"
    where = " ".join(found["frames"])
    assert "test_faults._failing:" in where
    assert "ValueError:" in found["frames"]
    assert "hunter2" not in where
    assert os.sep not in where


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DataInvalid("line 3 holds hunter2", rule="CELL"), "DATA_INVALID"),
        (FileNotFoundError(2, "No such file", "/home/hunter2"), "FileNotFoundError ENOENT"),
        (OSError("hunter2"), "OSError"),
        (ExceptionGroup("hunter2", [KeyError("hunter2")]), "ExceptionGroup"),
    ],
)
def test_every_error_is_told_by_its_kind(error: Exception, kind: str) -> None:
    found = told(error)
    assert found["error"] == kind
    assert "hunter2" not in str(found)


def test_a_group_tells_of_what_it_holds() -> None:
    assert "KeyError:" in told(ExceptionGroup("many", [KeyError("x")]))["frames"]


def _deep(depth: int) -> None:
    if depth:
        _deep(depth - 1)
    raise ValueError("hunter2")


def test_what_is_told_is_not_endless() -> None:
    error = _caught(lambda: _deep(500))
    assert len(told(error)["frames"]) == FRAMES_MAX + 1
    for number in range(20):
        error = _caused(RuntimeError(str(number)), error)
    assert len([each for each in told(error)["frames"] if each.endswith(":")]) == ERRORS_MAX


def _caused(error: Exception, by: BaseException) -> BaseException:
    error.__cause__ = by
    return error


_LAST = """
import sys
from buff import faults
sys.excepthook = faults.hook(lambda: "NOW", category="create", event="process_failed", job="bld_1")
raise ValueError("hunter2")
"""


def test_the_last_error_of_a_process_is_one_line() -> None:
    done = process(["-c", _LAST])
    assert done.returncode == 1
    line = msgspec.json.decode(done.stderr)
    assert line == {
        "time": "NOW", "level": "error", "category": "create", "event": "process_failed", "job": "bld_1",
        "error": "ValueError", "frames": ["ValueError:", "__main__.<module>:5"],
    }  # fmt: skip


def test_a_server_that_is_gone_does_not_matter() -> None:
    assert process(["-c", _LAST.replace("raise", "import os; os.close(2); raise")]).returncode == 1
