"""The log of the service: one line per thing that happened, on stderr, and nothing in it that is a secret.

Facts go in, as an event, a category and plain values that their caller chose one by one; lines come out, as JSON or for
people. No body, header, cookie, query, message of an exception or local value is ever among them. Whoever logs is never
kept waiting: a thread of its own writes, and when nobody reads, lines are dropped, counted and never missed by others.
"""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextvars import ContextVar
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote

import msgspec
import structlog

from buff import faults

Style: TypeAlias = Literal["console", "json"]
Fields: TypeAlias = MutableMapping[str, Any]
LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
LINES_MAX: Final = 10_000  # what may wait to be written: a few megabytes
TOGETHER_SECONDS: Final = 0.02  # how long lines behind one that was written wait for each other
SECRET_CHARACTERS_MIN: Final = 4  # a shorter one would be found in half of all words

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)


class Sink:
    """Lines to somewhere slow, written by a thread. `write` takes bytes and may block; an OSError ends the writing.

    A line that comes alone is written at once. Lines that come soon after it are written together: to wake a thread for
    each would cost more than to make it.
    """

    def __init__(self, write: Callable[[bytes], object], *, lines_max: int = LINES_MAX) -> None:
        """Begin the thread."""
        self._write, self._most = write, lines_max
        self._lines: deque[str] = deque()
        self._some, self._closing = threading.Event(), threading.Event()
        self._dropped = 0
        self._broken = False
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Take a line, or count it as dropped; never wait."""
        if len(self._lines) >= self._most:
            self._dropped += 1
            return
        self._lines.append(line)
        if not self._some.is_set():
            self._some.set()

    debug = info = warning = error = put  # what structlog calls, by level

    def close(self, timeout_seconds: float = 1.0) -> None:
        """Write what waits, for at most so long: who reads may have stopped reading."""
        self._closing.set()
        self._some.set()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        over = False
        while not over:
            self._some.wait()
            self._some.clear()  # before anything is looked at: what comes later is then seen the next time
            over = self._closing.is_set()
            self._out([self._lines.popleft() for _ in range(len(self._lines))])
            if self._dropped and not self._lines:
                dropped, self._dropped = self._dropped, 0
                fields = {"level": "warning", "category": "server", "event": "lines_dropped", "lines": dropped}
                self._out([_line(fields)])
            self._closing.wait(TOGETHER_SECONDS)

    def _out(self, lines: Sequence[str]) -> None:
        if self._broken or not lines:
            return
        try:
            self._write("".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
        except OSError:
            self._broken = True  # nobody is there any more; serving goes on without a log


def descriptor(number: int) -> Callable[[bytes], None]:
    """Return what writes all of some bytes to an open file descriptor, waiting where it is full."""

    def write(data: bytes) -> None:
        while data:
            try:
                data = data[os.write(number, data) :]
            except BlockingIOError:  # a terminal that somebody else made so
                time.sleep(0.01)

    return write


def logger(
    sink: Sink,
    *,
    clock: Callable[[], str],
    style: Style = "json",
    level: str = "info",
    colours: bool = False,
    hidden: Mapping[str, str] | None = None,
) -> Any:
    """Return a structlog logger whose lines go to a sink. `hidden` are texts and what stands in their place."""
    render = _json if style == "json" else _console(colours=colours)

    def stamped(_: object, name: str, fields: Fields) -> Fields:
        request_id = fields.pop("request_id", None) or REQUEST_ID.get()
        event, category = fields.pop("event"), fields.pop("category", "server")
        tail = {"request_id": request_id} if request_id else {}
        known = {key: clean(value) for key, value in {"event": event, **fields, **tail}.items()}
        return {"time": clock(), "level": name, "category": category, **known}

    def clean(value: Any) -> Any:
        match value:
            case str():
                for text, instead in forms.items():
                    value = value.replace(text, instead)
                return value
            case list():
                return [clean(each) for each in value]
            case _:
                return value

    def rendered(bound: object, name: str, fields: Fields) -> tuple[tuple[str], dict[str, Any]]:
        return (render(bound, name, fields),), {}  # the arguments of the sink's method

    forms = _every_form(hidden or {})
    return structlog.wrap_logger(
        sink,
        processors=[stamped, rendered],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        context_class=dict,
    )


def _every_form(hidden: Mapping[str, str]) -> dict[str, str]:
    """Return the texts as they may be met: as they are, and as they stand in an address."""
    kept = {text: instead for text, instead in hidden.items() if len(text) >= SECRET_CHARACTERS_MIN}
    return {form: instead for text, instead in kept.items() for form in (text, quote(text), quote(text, safe=""))}


def _json(_: object, __: str, fields: Fields) -> str:
    return _line(fields)


def _line(fields: Mapping[str, Any]) -> str:
    return msgspec.json.encode(fields).decode()


def _console(*, colours: bool) -> Callable[[Any, str, Fields], str]:
    """Return what renders a line for people: the time of day, and no character that could move a cursor."""
    render = structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=24, timestamp_key="time")

    def console(bound: object, name: str, fields: Fields) -> str:
        shown: Fields = {key: _printable(value) for key, value in fields.items()}
        shown["time"] = str(fields["time"])[11:23]
        return str(render(bound, name, shown))

    return console


def _printable(value: object) -> object:
    text = " ".join(value) if isinstance(value, list) else str(value)
    return text if text.isprintable() else text.encode("unicode_escape").decode()


# What others log through the standard library ----------------------------------------------------------------------


class Bridge(logging.Handler):
    """What uvicorn, asyncio and Buff's own modules log, as lines of ours: their words without the values in them."""

    def __init__(self, log: Any) -> None:
        """Keep the logger that writes lines."""
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, asyncio.CancelledError):
            return  # a request that was cut off when the server ended: its own line says so
        known = next(name for name, level in reversed(LEVELS.items()) if record.levelno >= level or name == "debug")
        says = str(record.msg).partition("\n")[0][:200]
        getattr(self._log, known)(says, logger=record.name, **(faults.told(error) if error else {}))


@contextlib.contextmanager
def bridged(log: Any) -> Iterator[None]:
    """Send what is logged through the standard library, from warnings up, to a logger of ours."""
    root, bridge = logging.getLogger(), Bridge(log)
    handlers, level, hook = root.handlers[:], root.level, threading.excepthook
    root.handlers = [bridge]
    root.setLevel(logging.WARNING)
    threading.excepthook = lambda ended: log.error("thread_failed", **faults.told(ended.exc_value or Exception()))
    try:
        yield
    finally:
        root.handlers = handlers
        root.setLevel(level)
        threading.excepthook = hook
