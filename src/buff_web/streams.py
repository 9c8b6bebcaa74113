"""Event streams: what happens, told as it happens, over one connection that stays open (server-sent events).

A function that looks what is new goes in; bytes of `text/event-stream` come out. It is asked ten times a second in a
thread of its own, so that nothing waits for a disk in the event loop. A stream ends when there is nothing more to tell,
when its client leaves, and when the server begins to end; whatever ended it, nothing of it stays.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol, TypeVar

import msgspec
from attrs import frozen
from litestar.response import Stream

from buff import BuffError
from buff.errors import RateLimited, RunConfigInvalid
from buff_web.guard import HEADERS_ALONE
from buff_web.problems import problem
from buff_web.site import Asked

MEDIA_TYPE: Final = "text/event-stream"
STREAMS_MAX: Final = 32
LOOK_SECONDS: Final = 0.1
HEARTBEAT_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 5
AT_ONCE: Final = 64  # events in one piece
HEARTBEAT: Final = b": nothing new\n\n"
BEGINNING: Final = b"retry: 2000\n\n"  # milliseconds until a client that lost its connection asks again

T = TypeVar("T")


@frozen(kw_only=True)
class News:
    """What one look found: events ready to be sent, and whether these are the last."""

    events: Sequence[bytes] = ()
    over: bool = False


class Source(Protocol):
    """What a stream tells of."""

    def __call__(self) -> News:
        """Return what is new since the last call. Called by one thread at a time; may raise BuffError."""
        ...


def event(data: Any, *, name: str | None = None, seq: int | None = None) -> bytes:
    """Return one event: JSON on one line, its name, and the journal's sequence number as the id to resume from."""
    lines = [b"" if seq is None else b"id: %d\n" % seq, b"" if name is None else b"event: %s\n" % name.encode()]
    return b"".join((*lines, b"data: ", msgspec.json.encode(data, order="sorted"), b"\n\n"))


def resumed(header: str | None, given: int | None = None) -> int | None:
    """Return the sequence number behind which a client wants to go on: that of its Last-Event-ID, else what is given.

    A client that lost its connection asks the same address again, and only the header knows what it has seen since.
    Raises RunConfigInvalid.
    """
    if header is None or not header.strip():
        return given
    if not (header.isascii() and header.isdigit() and len(header) <= 15):
        raise RunConfigInvalid(
            "Last-Event-ID is no sequence number", hint="leave it out", details={"field": "Last-Event-ID"}
        )
    return int(header)


class Streams:
    """The streams of one server: so many at most. `closing` is set when the server begins to end."""

    def __init__(self, closing: asyncio.Event, *, root: str, most: int = STREAMS_MAX) -> None:
        """Nothing is open yet. `root` is the runs root, which is never named."""
        self._closing, self._root, self._most = closing, root, most
        self._pool = ThreadPoolExecutor(2, "buff-streams")
        self.open = 0

    async def ask(self, function: Callable[[], T]) -> T:
        """Return what a function returns that reads files, called in a thread of ours."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function)

    def check(self) -> None:
        """Raise RateLimited when there are as many streams as there may be."""
        if self.open >= self._most:
            raise RateLimited(
                f"{self.open} event streams are open, and {self._most} may be",
                hint="close one, or ask for the same without a stream",
                details={"limit": self._most, "retry_after_seconds": RETRY_SECONDS},
            )

    def response(self, request: Asked, source: Source) -> Stream:
        """Return the answer that tells what a source tells; to HEAD, one that ends at once. Raises RateLimited."""
        self.check()
        told = self.told(source) if HEADERS_ALONE not in request.scope else _nothing()
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return Stream(told, media_type=MEDIA_TYPE, headers=headers)

    async def told(self, source: Source) -> AsyncIterator[bytes]:
        """Yield the bytes of a stream, until its end."""
        # No await in `finally`: a client that leaves cancels this wherever it waits.
        self.open += 1
        clock = asyncio.get_running_loop().time
        try:
            yield BEGINNING
            said = clock()
            over = False
            while not over:
                found = await self._look(source)
                for at in range(0, len(found.events), AT_ONCE):
                    yield b"".join(found.events[at : at + AT_ONCE])
                    said = clock()
                if clock() - said >= HEARTBEAT_SECONDS:
                    yield HEARTBEAT
                    said = clock()
                over = found.over or await self._ending(LOOK_SECONDS)
        finally:
            self.open -= 1

    async def _look(self, source: Source) -> News:
        try:
            return await self.ask(source)
        except BuffError as error:
            return News(events=[event(problem(error, root=self._root).document, name="problem")], over=True)

    async def _ending(self, seconds: float) -> bool:
        """Wait, and say whether the server began to end meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Give back the threads; what they read is read to its end."""
        self._pool.shutdown(wait=False)


async def _nothing() -> AsyncIterator[bytes]:
    yield b""
