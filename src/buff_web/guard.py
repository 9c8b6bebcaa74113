"""The outermost layer: who may ask, and what every answer carries.

Loopback is no boundary: any page in the same browser can send requests here, and a name under a stranger's control can
be made to point at 127.0.0.1. So the Host must be a name of this server's own, and whatever is not a plain read must
come from its own pages. HEAD is answered as GET without the body. Who may ask beyond that is decided by `access`.
"""

import ipaddress
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from typing import Any, TypeAlias

import msgspec
from litestar.datastructures import MutableScopeHeaders

from buff.errors import ForbiddenOrigin
from buff_web.problems import MEDIA_TYPE, Declined, problem

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "same-origin",  # with none, a form of ours would come from the origin "null"
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_ALWAYS = tuple((name.encode(), text.encode()) for name, text in {"cache-control": "no-store", **HEADERS}.items())
AS_STORED = "as_stored"  # the `opt` of a handler whose answers are neither compressed nor changed in any other way
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
HEADERS_ALONE = "buff_web.headers_alone"  # in the scope of what was asked by HEAD: an endless answer must know
_READS = ("GET", "HEAD")
_ELSEWHERE = "ask from a page of this server; a proxy in front says who asked as `Run it as a service` shows"
_NO_WEIGHT = re.compile(r"q=0(\.0*)?")

Headers: TypeAlias = Iterable[tuple[bytes, bytes]]
Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]
App: TypeAlias = Callable[[Any, Receive, Send], Awaitable[None]]


async def secure(message: Any, scope: Any) -> None:
    """Add the security headers to an answer that begins; a `before_send` hook, so errors carry them too.

    What could have been compressed says so, compressed or not: a cache keeps one answer for each way of asking.
    """
    if message["type"] == "http.response.start":
        given = {name.lower(): text for name, text in message["headers"]}
        message["headers"] = [*message["headers"], *(each for each in _ALWAYS if each[0] not in given)]
        if not is_as_stored(scope) and b"accept-encoding" not in given.get(b"vary", b"").lower():
            MutableScopeHeaders.from_message(message).extend_header_value("vary", "accept-encoding")
        if scope["method"] == "OPTIONS" and message["status"] == 204:
            MutableScopeHeaders.from_message(message)["allow"] = ", ".join(_methods(scope))


def _methods(scope: Any) -> list[str]:
    """Return what an address answers to: Litestar names only the verbs of the first handlers that have it."""
    routes = [route for route in scope["litestar_app"].routes if route.path_format == scope.get("path_template")]
    methods = {method for route in routes for method in route.methods}
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


def is_as_stored(scope: Any) -> bool:
    """Say whether a route sends files as they are stored."""
    handler = scope.get("route_handler")
    return handler is not None and bool(handler.opt.get(AS_STORED))


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
        return ForbiddenOrigin("the request comes from another site", hint=_ELSEWHERE, details={"header": "Origin"})
    if any(site not in ("same-origin", "none") for site in found.get(b"sec-fetch-site", [])):
        return ForbiddenOrigin(
            "the request comes from another site", hint=_ELSEWHERE, details={"header": "Sec-Fetch-Site"}
        )
    return None


def _doubtful(headers: Headers) -> Declined | None:
    """Return why nobody can tell where a request ends, or None: what is between us may have read it otherwise."""
    named = [name.lower() for name, _ in headers]
    if b"transfer-encoding" in named and b"content-length" in named:
        return Declined(
            400,
            "the request says its length in two ways",
            hint="send Content-Length or Transfer-Encoding, not both",
            details={"header": "Transfer-Encoding"},
            headers={"connection": "close"},
        )
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
        error = _doubtful(scope["headers"]) or refusal(
            scope["method"], scope["headers"], names=self._names, any_address=self._any_address
        )
        if error is not None:
            await self._refuse(error, scope, send)
        elif scope["method"] == "HEAD":
            alone = {**scope, "method": "GET", HEADERS_ALONE: True}
            await self._app(_asked(alone, without=b"range"), receive, _bodiless(send))
        else:
            await self._app(_asked(scope), receive, send)

    async def _refuse(self, error: Exception, scope: Scope, send: Send) -> None:
        told = problem(error, root=self._root)
        body = msgspec.json.encode(told.document)
        start: Message = {
            "type": "http.response.start",
            "status": told.status,
            "headers": [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
            + [(name.encode(), text.encode()) for name, text in told.headers.items()],
        }
        await secure(start, scope)
        await send(start)
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _asked(scope: Scope, *, without: bytes = b"") -> Scope:
    """Return a request with one Accept-Encoding that says gzip or is not there: Litestar looks for the word alone."""
    said = [text.decode("latin-1") for name, text in scope["headers"] if name.lower() == b"accept-encoding"]
    kept = [(name, text) for name, text in scope["headers"] if name.lower() not in (b"accept-encoding", without)]
    packed = [(b"accept-encoding", b"gzip")] if accepts_gzip(", ".join(said)) else []
    return {**scope, "headers": [*kept, *packed]}


def accepts_gzip(said: str) -> bool:
    """Say whether an Accept-Encoding lets an answer be gzip (RFC 9110 section 12.5.3): named, and not with q=0."""
    weights: dict[str, bool] = {}
    for each in said.lower().split(","):
        name, _, weight = each.strip().partition(";")
        weights[name.strip()] = not _NO_WEIGHT.fullmatch(weight.replace(" ", ""))
    return weights.get("gzip", weights.get("*", False))


def _bodiless(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return sent
