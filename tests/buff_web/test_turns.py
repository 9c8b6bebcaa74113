"""A few at a time, in the order of asking, and no more than may wait."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from buff.errors import RateLimited
from buff_web.turns import Turns

PATIENCE_SECONDS = 60


class Reading:
    """Functions that read until they are let go, and what became of them."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.most = self._now = 0
        self._lock, self._go = threading.Lock(), threading.Semaphore(0)

    def of(self, number: int) -> Callable[[], int]:
        def read() -> int:
            with self._lock:
                self.begun.append(number)
                self._now += 1
                self.most = max(self.most, self._now)
            assert self._go.acquire(timeout=PATIENCE_SECONDS)
            with self._lock:
                self._now -= 1
            return number

        return read

    def let(self, count: int) -> None:
        self._go.release(count)


async def _until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not met():
            await asyncio.sleep(0.001)


def test_so_many_read_at_once_and_the_others_in_order() -> None:
    async def ask() -> tuple[list[Any], Reading, Turns]:
        turns, reading = Turns(at_once=2, waiting_max=9), Reading()
        asked = [asyncio.create_task(turns.read(reading.of(number))) for number in range(7)]
        await _until(lambda: len(reading.begun) == 2)
        for done in range(1, 6):
            reading.let(1)
            await _until(lambda done=done: len(reading.begun) == 2 + done)  # type: ignore[misc]
        reading.let(2)
        return await asyncio.gather(*asked), reading, turns

    found, reading, turns = asyncio.run(ask())
    assert found == list(range(7))
    assert sorted(reading.begun[:2]) == [0, 1]
    assert reading.begun[2:] == [2, 3, 4, 5, 6]
    assert reading.most == 2
    assert turns.asked == 0


def test_who_would_wait_behind_too_many_is_told_when_to_ask_again() -> None:
    async def ask() -> RateLimited:
        turns, reading = Turns(at_once=1, waiting_max=1), Reading()
        asked = [asyncio.create_task(turns.read(reading.of(number))) for number in range(2)]
        await _until(lambda: bool(reading.begun))
        with pytest.raises(RateLimited) as caught:
            await turns.read(reading.of(2))
        reading.let(2)
        assert await asyncio.gather(*asked) == [0, 1]
        reading.let(1)
        assert await turns.read(reading.of(3)) == 3
        return caught.value

    error = asyncio.run(ask())
    assert error.details == {"limit": 2, "retry_after_seconds": 2}
    assert error.hint


def test_what_is_raised_ends_a_turn() -> None:
    async def ask() -> int:
        turns = Turns(at_once=1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await turns.read(lambda: 1 // 0)
        return turns.asked

    assert asyncio.run(ask()) == 0
