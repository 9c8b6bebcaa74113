"""Faults: what may be told of an error that nobody expected. What it is and where it came from, never what it says.

An exception goes in; plain values or one JSON line come out. The message of an exception is made of values: a path, a
cell of a file, what a client sent. None of them belongs into a log.
"""

import contextlib
import errno
import sys
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final

import msgspec

from buff.errors import BuffError

FRAMES_MAX: Final = 40
ERRORS_MAX: Final = 5

Hook = Callable[[type[BaseException], BaseException, TracebackType | None], None]


def told(error: BaseException) -> dict[str, Any]:
    """Return the kind of an error, and the places it passed: `module.function:line`, those of its causes behind it."""
    chain = list(_chain(error))[:ERRORS_MAX]
    return {"error": kind(error), "frames": [place for each in chain for place in _places(each)]}


def kind(error: BaseException) -> str:
    """Return the code of an error of the world, the name of the class of any other."""
    match error:
        case BuffError():
            return error.code
        case OSError(errno=int(number)):
            return f"{type(error).__name__} {errno.errorcode.get(number, number)}"
        case _:
            return type(error).__name__


def hook(clock: Callable[[], str], **fields: str) -> Hook:
    """Return a `sys.excepthook` for a process of a server: the last error as one line of the server's log."""

    def tell(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        line = {"time": clock(), "level": "error", **fields, **told(error)}
        with contextlib.suppress(OSError):  # the server may be gone
            sys.stderr.write(msgspec.json.encode(line).decode() + "\n")

    return tell


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, what a group of them holds, and what it was raised from."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _chain(each)
    behind = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if behind is not None:
        yield from _chain(behind)


def _places(error: BaseException) -> list[str]:
    found = []
    trace = error.__traceback__
    while trace is not None:
        code, module = trace.tb_frame.f_code, trace.tb_frame.f_globals.get("__name__", "?")
        found.append(f"{module}.{code.co_qualname}:{trace.tb_lineno}")
        trace = trace.tb_next
    return [f"{kind(error)}:", *found[-FRAMES_MAX:]]
