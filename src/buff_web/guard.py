"""The outermost layer: who may ask, and what every answer carries.

Loopback is no boundary: any page in the same browser can send requests here, and a name under a stranger's control can
be made to point at 127.0.0.1. So the Host must be a name of this server's own, and whatever is not a plain read must
come from its own pages. HEAD is answered as GET without the body.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from typing import Any, TypeAlias

import msgspec

from buff.errors import ForbiddenOrigin
from buff_web.problems import MEDIA_TYPE, problem

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_READS = ("GET", "HEAD")

Headers: TypeAlias = Iterable[tuple[bytes, bytes]]
Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]
App: TypeAlias = Callable[[Any, Receive, Send], Awaitable[None]]


async def secure(message: Any, _scope: object) -> None:
    """Add the security headers to an answer that begins; a `before_send` hook, so errors carry them too."""
    if message["type"] == "http.response.start":
        present = {name.lower() for name, _ in message["headers"]}
        added = {"cache-control": "no-store", **HEADERS}
        message["headers"] = [
            *message["headers"],
            *((name.encode(), text.encode()) for name, text in added.items() if name.encode() not in present),
        ]


def refusal(method: str, headers: Headers, *, names: Collection[str], any_address: bool) -> ForbiddenOrigin | None:
    """Return why a request may not pass, or None. `names` are ours; `any_address` lets every literal IP address in.

    A literal address cannot be rebound: only names can be made to point elsewhere.
    """
    found: dict[bytes, list[str]] = {}
    for name, text in headers:
        found.setdefault(name.lower(), []).append(text.decode("latin-1"))
    hosts = found.get(b"host", [])
    if len(hosts) != 1 or not _ours(hosts[0], names, any_address=any_address):
        return ForbiddenOrigin(
            "the Host of the request is not this server",
            hint="open the address that `buff serve` printed",
            details={"header": "Host"},
        )
    if method in _READS:
        return None
    if any(origin != f"http://{hosts[0]}" for origin in found.get(b"origin", [])):
        return ForbiddenOrigin("the request comes from another site", details={"header": "Origin"})
    if any(site not in ("same-origin", "none") for site in found.get(b"sec-fetch-site", [])):
        return ForbiddenOrigin("the request comes from another site", details={"header": "Sec-Fetch-Site"})
    return None


def _ours(host: str, names: Collection[str], *, any_address: bool) -> bool:
    name, colon, port = host.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()):
        name = host
    if name.lower() in names:
        return True
    return any_address and _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name)
    except ValueError:
        return False
    return True


class Guard:
    """An ASGI application around another: refuses strangers, answers HEAD."""

    def __init__(self, app: App, *, root: str, names: Collection[str] = LOOPBACK, any_address: bool = False) -> None:
        """Keep the inner application and whose requests it may see."""
        self._app, self._root = app, root
        self._names, self._any_address = frozenset(name.lower() for name in names), any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with FORBIDDEN_ORIGIN."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)  # the server's own start and stop
            return
        error = refusal(scope["method"], scope["headers"], names=self._names, any_address=self._any_address)
        if error is not None:
            await self._refuse(error, scope, send)
        elif scope["method"] == "HEAD":
            await self._app({**scope, "method": "GET"}, receive, _bodiless(send))
        else:
            await self._app(scope, receive, send)

    async def _refuse(self, error: ForbiddenOrigin, scope: Scope, send: Send) -> None:
        told = problem(error, root=self._root)
        body = msgspec.json.encode(told.document)
        start: Message = {
            "type": "http.response.start",
            "status": told.status,
            "headers": [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())],
        }
        await secure(start, scope)
        await send(start)
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _bodiless(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return sent
