"""The outermost layer: an id for every request, a line for every answer, and nothing of what was in them."""

import asyncio
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff_web.guard import Guard
from buff_web.logs import REQUEST_ID, Sink, logger
from buff_web.requests import Requests, path_of
from buff_web.requests import given as given_id

SECRET = "Zq7hunter7qZ"


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Answers /ok with 200 and its request id, /early with half an answer, /fails with an error full of secrets."""
    message = await receive()
    if scope["path"] == "/fails":
        raise ValueError(f"{message} {scope}")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"set-cookie", SECRET.encode())]})
    whole = scope["path"] != "/early"
    await send({"type": "http.response.body", "body": str(REQUEST_ID.get()).encode(), "more_body": not whole})


def _ask(app: Any, path: str = "/ok", *, body: bytes = b"", client: Any = ("127.0.0.1", 5), **more: Any) -> Any:
    """Send one request through the layer; return the answer's messages and the lines of the log."""
    written, sent = io.BytesIO(), []
    sink = Sink(written.write)
    log = logger(sink, clock=lambda: "2026-01-02T03:04:05.000000Z")

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"host", b"localhost")], "client": client, **more,
    }  # fmt: skip
    layer = Requests(app, log=log, token=lambda: "0123456789abcdef")
    try:
        asyncio.run(layer(scope, receive, send))
    except ValueError:
        sent.append({"type": "failed"})
    sink.close(20)
    return sent, written.getvalue().decode()


def test_an_answer_carries_the_id_and_the_log_has_its_line() -> None:
    sent, text = _ask(_app, raw_path=b"/ok%20a")
    assert (b"x-request-id", b"req_0123456789abcdef") in sent[0]["headers"]
    assert sent[1]["body"] == b"req_0123456789abcdef"
    line = json.loads(text)
    assert line.pop("milliseconds") >= 0
    assert line == {
        "time": "2026-01-02T03:04:05.000000Z", "level": "info", "category": "request", "event": "request",
        "method": "GET", "path": "/ok%20a", "status": 200, "bytes": 20, "client": "loopback",
        "request_id": "req_0123456789abcdef",
    }  # fmt: skip


def test_an_answer_that_is_not_finished_says_so() -> None:
    line = json.loads(_ask(_app, "/early")[1])
    assert (line["status"], line["whole"]) == (200, False)


def test_a_request_that_nobody_answered_has_no_status() -> None:
    sent, text = _ask(_app, "/fails")
    assert sent == [{"type": "failed"}]
    line = json.loads(text)
    assert (line["level"], line["status"], line["whole"]) == ("warning", None, False)


@pytest.mark.parametrize(
    ("client", "says"),
    [(("127.0.0.1", 1), "loopback"), (("::1", 1), "loopback"), (("192.0.2.7", 1), "remote"), (None, "remote")],
)
def test_of_the_client_the_log_has_only_where_it_is_from(client: Any, says: str) -> None:
    text = _ask(_app, client=client)[1]
    assert json.loads(text)["client"] == says
    assert "192.0.2.7" not in text


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        (b"a", "a"),
        (b"req_0123-x.y:z", "req_0123-x.y:z"),
        (b"x" * 64, "x" * 64),
        (b"x" * 65, None),
        (b"", None),
        (b"a b", None),
        (b"a\xff", None),
        (b"-a", None),
        (b'a"b', None),
        (b"a\n", None),
    ],
)
def test_a_sane_id_of_the_client_is_taken(header: bytes, taken: str | None) -> None:
    assert given_id([(b"X-Request-ID", header)]) == taken
    assert given_id([(b"x-request-id", header), (b"x-request-id", header)]) is None


def test_a_path_is_told_as_it_was_sent_and_not_endless() -> None:
    assert path_of({"path": "/a b", "raw_path": b"/a%20b?x=1"}) == "/a%20b"
    assert path_of({"path": "/é\n", "raw_path": None}) == "/\\xc3\\xa9\n"
    assert len(path_of({"path": "/", "raw_path": b"/" * 70_000})) == 201


_PLAIN = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)


@given(
    name=_PLAIN,
    around=_PLAIN,
    method=st.sampled_from(["GET", "POST", "HEAD", SECRET]),
    path=st.sampled_from(["/ok", "/early", "/fails"]),
    where=st.sampled_from(["header", "value", "query", "body", "cookie", "authorization", "origin", "id"]),
)
def test_no_secret_of_a_request_is_in_the_log(name: str, around: str, method: str, path: str, where: str) -> None:
    """Invariants checked: a line per request, and none holds what stood in a header, query, cookie, token or body.

    The application behind fails with an error whose message holds all of it, or answers with a cookie.
    """
    secret = f"{around}{SECRET}{around}".encode()
    headers = [(b"host", b"localhost")]
    headers += {
        "header": [(name.lower().encode() + secret, b"x")],
        "value": [(name.lower().encode(), secret)],
        "cookie": [(b"cookie", b"csrftoken=" + secret)],
        "authorization": [(b"authorization", b"Bearer " + secret)],
        "origin": [(b"origin", b"https://" + secret)],
        "id": [(b"x-request-id", b"{" + secret)],
    }.get(where, [])
    query = b"token=" + secret if where == "query" else b""
    body = secret if where == "body" else b""
    guarded = Guard(_app, root="/")
    text = _ask(guarded, path, method=method, headers=headers, query_string=query, body=body)[1]
    assert text.count("\n") == 1
    assert SECRET not in text
