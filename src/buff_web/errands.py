"""Errands: long work that makes no run, each in a process of its own, a few at a time.

What is to be done goes in as plain values; what came of it comes out, or the error that doing it raised. A file of
millions of rows takes seconds and memory that the server must not spend, and a process gives both back. An errand goes
on when its client leaves, and ends with the server.
"""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from buff import BuffError, Store
from buff.errors import Internal, LimitExceeded, RateLimited

AT_ONCE: Final = 2
WAITING_MAX: Final = 8
SECONDS_MAX: Final = 600.0
RETRY_SECONDS: Final = 10
GOODBYE_SECONDS: Final = 0.5
COMMAND: Final = ("-m", "buff_web.errand")

_LOG = logging.getLogger("buff_web")


class Errands:
    """The errands of one server."""

    def __init__(self, store: Store, *, seconds_max: float = SECONDS_MAX) -> None:
        """Start nothing yet. An errand is done with the settings of the store, in the name of its user."""
        self._store, self._seconds_max = store, seconds_max
        self._room = asyncio.Semaphore(AT_ONCE)
        self.asked = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, kind: str, values: Mapping[str, Any]) -> Any:
        """Return what came of an errand: `verify`, `preview` or `inspect`.

        Raises RateLimited when too many wait already, LimitExceeded when it takes too long, and what it raised.
        """
        if self.asked >= AT_ONCE + WAITING_MAX:
            raise RateLimited(
                f"{self.asked} such requests are under way already",
                hint="try again when some are done",
                details={"limit": AT_ONCE + WAITING_MAX, "retry_after_seconds": RETRY_SECONDS},
            )
        task = asyncio.create_task(self._run(kind, values))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End all that are under way."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, kind: str, values: Mapping[str, Any]) -> Any:
        self.asked += 1
        try:
            async with self._room:
                return await self._done(kind, values)
        finally:
            self.asked -= 1

    async def _done(self, kind: str, values: Mapping[str, Any]) -> Any:
        store = self._store
        environment = {**store.host.environment, **store.settings.as_env()}
        environment.pop("BUFF_TOKEN", None)  # it opens no door
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *COMMAND,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the server, which ends it
        )
        try:
            async with asyncio.timeout(self._seconds_max):
                asked = msgspec.json.encode({"root": store.root, "kind": kind, "values": values})
                said, _ = await process.communicate(asked)
        except TimeoutError as error:
            raise LimitExceeded(
                f"this took longer than {self._seconds_max:g} s",
                hint="do it with the command line, which has no such limit",
                details={"limit": self._seconds_max},
            ) from error
        finally:
            await _ended(process)
        return _told(said, process.returncode)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """See a process out that has not ended by itself."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), GOODBYE_SECONDS)


def _told(said: bytes, code: int | None) -> Any:
    """Return what a process told, or raise it."""
    if code != 0:
        _LOG.error("an errand ended with exit code %s", code)
        raise Internal("Buff has a bug here and could not answer", hint="the server's log has the details")
    told = msgspec.json.decode(said)
    if "error" in told:
        raise _raised(**told["error"])
    return told["result"]


def _raised(code: str, message: str, details: Mapping[str, object], hint: str) -> BuffError:
    """Return an error of another process, of the class that has its code."""
    kinds: list[type[BuffError]] = [BuffError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    found = [kind for kind in kinds if kind.code == code]
    error = Exception.__new__(found[-1] if found else Internal)
    BuffError.__init__(error, message, hint=hint, details=details)  # some take more to be made
    return error
