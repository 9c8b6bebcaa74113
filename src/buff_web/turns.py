"""Turns: what reads much of a run is read by a few at a time, and who asks when these are taken waits in order.

A function goes in; what it returns comes out, called in a thread when its turn has come. A request waits in the event
loop, where waiting costs nothing: a thread that waited would be missing to everybody else.
"""

import asyncio
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from attrs import define, field

from buff.errors import RateLimited

AT_ONCE: Final = 2  # the report of millions of bars takes a hundred megabytes while it is made
WAITING_MAX: Final = 64
RETRY_SECONDS: Final = 2

P = ParamSpec("P")
T = TypeVar("T")


@define(eq=False)
class Turns:
    """The turns of one server: so many at once, and so many that wait for theirs."""

    at_once: int = AT_ONCE
    waiting_max: int = WAITING_MAX
    asked: int = field(default=0, init=False)
    _room: asyncio.Semaphore = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._room = asyncio.Semaphore(self.at_once)

    async def read(self, function: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> T:
        """Return what a function returns that reads much, called when it is its turn.

        Raises RateLimited when too many wait already, and what the function raises.
        """
        if self.asked >= self.at_once + self.waiting_max:
            raise RateLimited(
                f"{self.asked} requests that read much of a run are under way already",
                hint="try again when some are done",
                details={"limit": self.at_once + self.waiting_max, "retry_after_seconds": RETRY_SECONDS},
            )
        self.asked += 1
        try:
            async with self._room:
                return await asyncio.to_thread(function, *arguments, **named)
        finally:
            self.asked -= 1
