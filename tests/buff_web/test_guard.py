"""Who may ask: names of our own, and our own pages for whatever is not a plain read."""

import asyncio
from typing import Any

import pytest

from buff_web.guard import HEADERS, LOOPBACK, Guard, accepts_gzip, refusal


def _refused(method: str = "GET", *, any_address: bool = False, **headers: str | list[str]) -> str | None:
    sent = [
        (name.replace("_", "-").encode(), text.encode())
        for name, texts in headers.items()
        for text in ([texts] if isinstance(texts, str) else texts)
    ]
    error = refusal(method, sent, names=LOOPBACK, any_address=any_address)
    return None if error is None else str(error.details["header"])


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8780", "localhost:8780", "LOCALHOST", "[::1]:8780", "[::1]", "127.0.0.1:1"]
)
def test_our_own_names_pass(host: str) -> None:
    assert _refused(host=host) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8780",
        "127.0.0.1.evil.example:8780",
        "localhost.evil.example",
        "localhost:8780@evil.example",
        "evil.example#127.0.0.1:8780",
        "127.0.0.1:8780, evil.example",
        "",
        ":8780",
        "::1",
        "0.0.0.0:8780",
        "192.168.0.7:8780",
        "127.0.0.1:٣",
        "localhost.",
        " localhost",
    ],
)
def test_any_other_host_is_refused(host: str) -> None:
    assert _refused(host=host) == "Host"


def test_exactly_one_host() -> None:
    assert _refused() == "Host"
    assert _refused(host=["localhost", "localhost"]) == "Host"


def test_a_literal_address_cannot_be_rebound() -> None:
    assert _refused(any_address=True, host="192.168.0.7:8780") is None
    assert _refused(any_address=True, host="[fe80::1]:8780") is None
    assert _refused(any_address=True, host="evil.example:8780") == "Host"
    assert _refused(any_address=True, host="1.evil.example") == "Host"


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, None),
        ({"origin": "http://localhost:8780"}, None),
        ({"origin": "http://localhost:8780", "sec_fetch_site": "same-origin"}, None),
        ({"origin": "http://localhost:3000"}, "Origin"),
        ({"origin": "https://localhost:8780"}, "Origin"),
        ({"origin": "null"}, "Origin"),
        ({"origin": "http://evil.example"}, "Origin"),
        ({"origin": ["http://localhost:8780", "http://evil.example"]}, "Origin"),
        ({"sec_fetch_site": "cross-site"}, "Sec-Fetch-Site"),
        ({"sec_fetch_site": "same-site"}, "Sec-Fetch-Site"),
    ],
)
def test_what_is_not_a_read_comes_from_our_own_pages(headers: dict[str, Any], refused: str | None) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get"):
        assert _refused(method, host="localhost:8780", **headers) == refused
    for method in ("GET", "HEAD"):
        assert _refused(method, host="localhost:8780", **headers) is None


def test_head_is_get_without_the_body_and_refusals_carry_the_policy() -> None:
    seen = []

    async def inner(scope: Any, _receive: Any, send: Any) -> None:
        seen.append(scope["method"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"body"})

    def ask(method: str, host: bytes) -> list[Any]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError("nothing is read")

        scope = {"type": "http", "method": method, "headers": [(b"host", host)]}
        asyncio.run(Guard(inner, root="/secret")(scope, receive, send))
        return sent

    start, body = ask("HEAD", b"localhost")
    assert (seen, start["headers"], body["body"]) == (["GET"], [(b"content-length", b"4")], b"")
    start, body = ask("GET", b"evil.example")
    assert (seen, start["status"]) == (["GET"], 403)
    assert {name.decode() for name, _ in start["headers"]} >= set(HEADERS)
    assert b"FORBIDDEN_ORIGIN" in body["body"]


@pytest.mark.parametrize(
    ("said", "accepted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("gzip, deflate, br, zstd", True),
        ("br;q=1.0, gzip;q=0.5", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q = 0.000", False),
        ("*;q=0", False),
        ("*, gzip;q=0", False),
        ("*;q=0, gzip", True),
        ("x-gzip-not", False),
        (",;,;q", False),
    ],
)
def test_gzip_is_sent_to_whom_it_is_named(said: str, accepted: bool) -> None:
    assert accepts_gzip(said) is accepted
