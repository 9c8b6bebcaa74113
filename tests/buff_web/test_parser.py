"""What is no HTTP is refused like everything else, and ends the connection."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from buff_web.guard import HEADERS
from buff_web.parser import TOGETHER_BYTES, Together, refusal
from hostile import asked


def _asked(server: Any, data: bytes) -> tuple[list[bytes], bytes]:
    """Return the statuses that come back for some bytes, and everything."""
    found = asked(int(server.local.rpartition(":")[2]), data)
    return re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", found), found


def test_the_refusal_is_a_problem_with_the_headers_of_every_answer() -> None:
    status, headers, body = refusal()
    named = dict(headers)
    assert (status, json.loads(body)["code"]) == (400, "REQUEST_INVALID")
    assert (named[b"content-type"], named[b"connection"]) == (b"application/problem+json", b"close")
    assert int(named[b"content-length"]) == len(body)
    assert {name.encode() for name in HEADERS} <= set(named)


@pytest.fixture
def server(root: Path, serve: Any, tmp_path: Path) -> Any:
    return serve(root, log=tmp_path / "log")


@pytest.mark.parametrize("data", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"A" * 200_000])
def test_what_is_no_http_is_told_so(server: Any, data: bytes) -> None:
    statuses, found = _asked(server, data)
    assert statuses == [b"400"]
    body = json.loads(found.partition(b"\r\n\r\n")[2])
    assert body["message"] == "what was sent is not HTTP as this server reads it"


def test_a_body_that_breaks_off_into_nonsense_ends_its_request(server: Any, tmp_path: Path) -> None:
    """The handler is waiting for the rest when the reader gives up: it is ended, and nothing is logged as a bug."""
    host = server.local.removeprefix("http://")
    data = f"POST /login HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    assert _asked(server, data.encode() + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n")[0] == [b"400"]
    assert server.end()[0] == 0
    assert '"level":"error"' not in (tmp_path / "log").read_text()


def test_a_request_after_one_that_was_answered_is_no_part_of_it(server: Any) -> None:
    """Two requests on one connection, the second nonsense: the first is answered whole, then the connection ends."""
    host = server.local.removeprefix("http://")
    data = f"GET /api/v1/csrf HTTP/1.1\r\nHost: {host}\r\n\r\nnonsense\r\n\r\n"
    assert _asked(server, data.encode())[0] == [b"200", b"400"]


class Wire:
    """A transport that keeps what it is given to send, and when it was closed."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self) -> None:
        self.sent.append(b"closed")

    def is_closing(self) -> bool:
        return b"closed" in self.sent


def _written(*steps: list[bytes], close: bool = False) -> list[bytes]:
    """Return what a transport is given when pieces are written in some steps of the event loop."""
    wire = Wire()

    async def write() -> None:
        together: Any = Together(wire, asyncio.get_running_loop())  # type: ignore[arg-type]
        for step in steps:
            for piece in step:
                together.write(piece)
            if not close:
                await asyncio.sleep(0)
        if close:
            together.close()
        assert together.is_closing() is close

    asyncio.run(write())
    return wire.sent


def test_what_is_written_in_one_step_is_sent_at_once() -> None:
    assert _written([b"head", b"body", b""], [b"next"]) == [b"headbody", b"next"]


def test_nothing_is_held_back_when_a_connection_is_ended() -> None:
    assert _written([b"head", b"body"], close=True) == [b"headbody", b"closed"]


def test_large_pieces_are_sent_as_they_are_and_at_once() -> None:
    large = b"x" * TOGETHER_BYTES
    assert _written([b"head", large, b"more"]) == [b"head", large, b"more"]
