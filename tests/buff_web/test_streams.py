"""Event streams: what is sent, when it ends, and that nothing of one stays."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from buff.errors import RateLimited, RunConfigInvalid, StorageUnreadable
from buff_web import streams
from buff_web.streams import BEGINNING, HEARTBEAT, News, Streams, event, resumed


def test_an_event_is_one_line_of_json_with_the_number_to_resume_from() -> None:
    assert event({"b": 1, "a": "x\ny"}, name="status", seq=7) == (
        b'id: 7\nevent: status\ndata: {"a":"x\\ny","b":1}\n\n'
    )  # fmt: skip
    assert event([1]) == b"data: [1]\n\n"


@pytest.mark.parametrize(
    ("header", "given", "found"), [(None, None, None), (None, 3, 3), ("7", 3, 7), (" ", 3, 3), ("0", None, 0)]
)
def test_what_was_seen_last_is_said_by_the_header_before_the_address(header: Any, given: Any, found: Any) -> None:
    assert resumed(header, given) == found


@pytest.mark.parametrize("header", ["x", "-1", "1.0", "1" * 16, "٣"])
def test_a_header_that_is_no_number_is_refused(header: str) -> None:
    with pytest.raises(RunConfigInvalid):
        resumed(header)


class Script:
    """A source that tells what it was given, look by look, and then nothing."""

    def __init__(self, *looks: Any) -> None:
        self.looks: Iterator[Any] = iter(looks)

    def __call__(self) -> News:
        found = next(self.looks, News())
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, News)
        return found


def _opened(most: int = 2) -> Streams:
    return Streams(asyncio.Event(), root="/root", most=most)


async def _all(found: Streams, source: Script) -> list[bytes]:
    return [piece async for piece in found.told(source)]


def test_a_stream_tells_everything_and_ends_when_its_source_does() -> None:
    async def act() -> list[bytes]:
        found = _opened()
        told = await _all(found, Script(News(events=[b"1", b"2"]), News(), News(events=[b"3"], over=True)))
        assert found.open == 0
        return told

    assert asyncio.run(act()) == [BEGINNING, b"12", b"3"]


def test_many_events_are_sent_in_pieces() -> None:
    async def act() -> list[bytes]:
        return await _all(_opened(), Script(News(events=[b"x"] * 150, over=True)))

    assert [len(piece) for piece in asyncio.run(act())[1:]] == [64, 64, 22]


def test_an_error_is_the_last_thing_told() -> None:
    async def act() -> list[bytes]:
        return await _all(_opened(), Script(News(events=[b"1"]), StorageUnreadable("the disk /srv/x is gone")))

    last = asyncio.run(act())[-1]
    assert last.startswith(b"event: problem\n")
    assert b'"code":"STORAGE_UNREADABLE"' in last
    assert b"/srv/x" not in last


def test_silence_is_broken_by_a_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.0)

    async def act() -> list[bytes]:
        return await _all(_opened(), Script(News(), News(), News(over=True)))

    assert asyncio.run(act()) == [BEGINNING, HEARTBEAT, HEARTBEAT, HEARTBEAT]


def test_the_end_of_the_server_is_the_end_of_a_stream() -> None:
    async def act() -> None:
        closing = asyncio.Event()
        found = Streams(closing, root="/root")
        reading = asyncio.create_task(_all(found, Script()))
        while not found.open:
            await asyncio.sleep(0)
        closing.set()
        assert await asyncio.wait_for(reading, 20) == [BEGINNING]

    asyncio.run(act())


def test_a_client_that_leaves_leaves_nothing() -> None:
    async def act() -> None:
        found = _opened()
        reading = [asyncio.create_task(_all(found, Script())) for _ in range(2)]
        while found.open < 2:
            await asyncio.sleep(0)
        with pytest.raises(RateLimited):
            found.check()
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        assert found.open == 0
        found.check()

    asyncio.run(act())
