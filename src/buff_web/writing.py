"""The writing side of a server: a store of its own, in the name of `web`, the foreman of its builds, and long errands.

The store that is read goes in; writes come out as results of threads that no reader waits for. Reading never takes the
journal's lock and writing may wait for it, so the two share nothing but the root. Where creating is off the foreman is
not started, and a server that is only read from never opens the journal for writing.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

from attrs import evolve

from buff import BuffError, Store
from buff.foreman import Foreman
from buff_web.errands import Errands

USER: Final = "web"
THREADS: Final = 4

P = ParamSpec("P")
T = TypeVar("T")


class Writing:
    """What a server writes with. `start` and `stop` belong to its beginning and its end."""

    def __init__(self, reading: Store) -> None:
        """Open nothing yet. `reading` is the store that the server reads from."""
        settings = evolve(reading.settings, user=USER)
        self.store = Store(reading.root, host=reading.host, settings=settings, disk=reading.disk)
        self.errands = Errands(self.store)
        self._pool = ThreadPoolExecutor(THREADS, "buff-write")
        self._foreman: Foreman | None = None

    async def do(self, function: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> T:
        """Return what a function returns that writes, called in a thread of ours; it goes on when the client leaves."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(function, *arguments, **named))

    def later(self, function: Callable[[], object]) -> None:
        """Let a thread of ours call a function, without waiting for it; ours, where the threads have ended."""
        try:
            self._pool.submit(function)
        except RuntimeError:
            function()

    def wake(self) -> None:
        """Let the foreman look at once: a build was asked for, or cancelled."""
        if self._foreman is not None:
            self._foreman.wake()

    @property
    def problem(self) -> BuffError | None:
        """What keeps builds from being looked after now, if anything does."""
        return None if self._foreman is None else self._foreman.problem

    def start(self) -> None:
        """Begin to look after builds, where creating is on."""
        if self.store.settings.web_create:
            self._foreman = Foreman(self.store)
            self._foreman.start()

    async def stop(self) -> None:
        """Stop looking, end errands, and give back what is held. Builds go on."""
        await self.errands.close()
        await asyncio.get_running_loop().run_in_executor(None, self._stop)

    def _stop(self) -> None:
        if self._foreman is not None:
            self._foreman.stop()
        self._pool.shutdown(wait=True)
        self.store.close()
