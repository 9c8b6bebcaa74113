"""Errands: done in a process of their own, a few at a time, and ended with the server."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from buff.errors import Internal, LimitExceeded, RateLimited, RunNotFound
from buff_web import errands
from buff_web.errands import AT_ONCE, WAITING_MAX, Errands
from whole import environment, opened, request


def over(root: Path, **options: Any) -> Errands:
    return Errands(opened(root, environment=environment()), **options)


def test_what_came_of_it_comes_back(root: Path) -> None:
    run_id = opened(root).runs().items[0].run_id
    told = asyncio.run(over(root).run("verify", {"run_id": run_id, "no_lookahead": False}))
    assert (told["run_id"], told["outcome"]) == (run_id, "identical")


def test_an_error_comes_back_as_what_it_is(root: Path) -> None:
    with pytest.raises(RunNotFound) as raised:
        asyncio.run(over(root).run("verify", {"run_id": "run_0", "no_lookahead": False}))
    assert raised.value.details == {"run_id": "run_0"}
    assert raised.value.hint


def test_a_bug_is_told_as_one(root: Path) -> None:
    with pytest.raises(Internal):
        asyncio.run(over(root).run("no such deed", {}))


def test_one_that_takes_too_long_is_ended(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errands, "COMMAND", ("-c", "import time; time.sleep(600)"))
    began = time.monotonic()
    with pytest.raises(LimitExceeded, match=r"longer than 0\.2 s"):
        asyncio.run(over(root, seconds_max=0.2).run("verify", {}))
    assert time.monotonic() - began < 60


def test_there_are_so_many_at_most_and_all_end_with_the_server(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errands, "COMMAND", ("-c", "import time; time.sleep(600)"))

    async def act() -> None:
        found = over(root)
        asked = [asyncio.create_task(found.run("verify", {})) for _ in range(AT_ONCE + WAITING_MAX)]
        while found.asked < len(asked):
            await asyncio.sleep(0.01)
        with pytest.raises(RateLimited):
            await found.run("verify", {})
        await found.close()
        await asyncio.gather(*asked, return_exceptions=True)
        assert found.asked == 0

    began = time.monotonic()
    asyncio.run(act())
    assert time.monotonic() - began < 60


def test_it_goes_on_when_its_client_leaves(root: Path) -> None:
    run_id = opened(root).runs().items[0].run_id

    async def act() -> None:
        found = over(root)
        asked = asyncio.create_task(found.run("verify", {"run_id": run_id, "no_lookahead": False}))
        while not found.asked:
            await asyncio.sleep(0.01)
        asked.cancel()
        while found.asked:
            await asyncio.sleep(0.05)

    asyncio.run(act())
    assert opened(root).entry(run_id).verdict == "identical"


def test_a_preview_is_what_the_run_becomes(root: Path, minutes: Path) -> None:
    told = asyncio.run(over(root).run("preview", request(minutes)))
    assert told["run_id"] == opened(root).runs().items[0].run_id
    assert told["exists"] is True
