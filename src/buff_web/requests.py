"""The outermost layer: every request gets an id that its answer carries, and a line in the log when it is done.

An application goes in; one that behaves the same comes out. Of a request the log has the method, the path as it was
sent, the status, the bytes of the answer and the time it took: no query, header, cookie or body.
"""

import ipaddress
import re
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final

from buff_web.guard import App, Headers, Message, Receive, Scope, Send
from buff_web.logs import REQUEST_ID

HEADER: Final = "x-request-id"
PATH_CHARACTERS_MAX: Final = 200
_SANE = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Requests:
    """An ASGI application around another. `token` makes 16 random hex digits."""

    def __init__(self, app: App, *, log: Any, token: Callable[[], str]) -> None:
        """Keep the inner application, the log, and where new ids come from."""
        self._app, self._log, self._token = app, log, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and log how it was answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, given(scope["headers"]) or f"req_{self._token()}")
        REQUEST_ID.set(answer.request_id)  # never reset: each request is a task, and uvicorn tells of its failure last
        began = time.perf_counter()
        try:
            await self._app(scope, receive, answer)
        finally:
            self._tell(scope, answer, (time.perf_counter() - began) * 1000)

    def _tell(self, scope: Scope, answer: "_Answer", milliseconds: float) -> None:
        say = self._log.info if 0 < answer.status < 500 else self._log.warning
        say(
            "request",
            category="request",
            method=scope["method"] if scope["method"] in _METHODS else "OTHER",
            path=path_of(scope),
            status=answer.status or None,
            milliseconds=round(milliseconds, 2),
            bytes=answer.size,
            client="loopback" if is_loopback((scope.get("client") or ("",))[0]) else "remote",
            **({} if answer.whole else {"whole": False}),
        )


class _Answer:
    """The sending side of one request: adds the id to the answer, and counts what is sent."""

    def __init__(self, send: Send, request_id: str) -> None:
        self.request_id, self.status, self.size, self.whole = request_id, 0, 0, False
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], (HEADER.encode(), self.request_id.encode())]
        elif message["type"] == "http.response.body":
            self.size += len(message.get("body", b""))
        await self._send(message)
        self.whole = message["type"] == "http.response.body" and not message.get("more_body", False)


def given(headers: Headers) -> str | None:
    """Return the id that a client gave its request: one header of up to 64 plain characters, or None."""
    found: Iterable[bytes] = [text for name, text in headers if name.lower() == HEADER.encode()]
    match list(found):
        case [text] if _SANE.fullmatch(text):
            return text.decode("ascii")
        case _:
            return None


def path_of(scope: Scope) -> str:
    """Return the path of a request as it was sent, so without a control character, and not endless."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path = raw.partition(b"?")[0].decode("ascii", "backslashreplace")
    return path if len(path) <= PATH_CHARACTERS_MAX else f"{path[:PATH_CHARACTERS_MAX]}…"


@lru_cache(maxsize=256)
def is_loopback(address: str) -> bool:
    """Say whether an IP address, as text, is of this machine alone; nothing else is."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
