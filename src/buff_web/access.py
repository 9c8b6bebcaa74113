"""Who may ask: whoever knows the token, where there is one; and for a change, whoever can read what we answer.

Headers and cookies go in; nothing comes out, or UNAUTHORIZED, or FORBIDDEN_ORIGIN. Three signs are known: the bearer
token of a program, the session that a browser got for the token, and the mark of a page of this server, which a page
of another site cannot read and therefore not send back (double submit: the cookie and a header or form field hold the
same signed value). A request with the bearer token needs no mark: no browser adds that header by itself.

The secret is made anew by every process, so sessions and marks end with the server. Cookies do not know ports, so their
names do: two servers on one machine would take each other's away.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TypeAlias

from attrs import field, frozen
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.enums import RequestEncodingType
from litestar.handlers import BaseRouteHandler

from buff.errors import ForbiddenOrigin, Unauthorized

OPEN: Final[Mapping[str, Any]] = {"open": True}  # the `opt` of a handler that answers without a token
HEADER: Final = "x-csrf-token"
FIELD: Final = "_csrf"
READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_MARK, _SESSION = "buff_csrf", "buff_session"

Asking: TypeAlias = ASGIConnection[Any, Any, Any, Any]


def _fresh() -> bytes:
    return secrets.token_bytes(32)


@frozen(kw_only=True)
class Access:
    """What a server knows its visitors by. `token` is None where everybody may read; `secret` signs what is given."""

    token: str | None = None
    secret: bytes = field(factory=_fresh, repr=False)

    def is_token(self, text: str) -> bool:
        """Say whether a text is the token, in the same time for any text of one length."""
        return self.token is not None and hmac.compare_digest(text.encode(), self.token.encode())

    def sign(self, purpose: str) -> str:
        """Return a new signed value that holds for one purpose, until the process ends."""
        nonce = secrets.token_hex(16)
        return f"{nonce}.{self._signature(purpose, nonce)}"

    def is_signed(self, purpose: str, text: str) -> bool:
        """Say whether a text was signed here, for this purpose."""
        nonce, _, signature = text.partition(".")
        return hmac.compare_digest(signature.encode(), self._signature(purpose, nonce).encode())

    def _signature(self, purpose: str, nonce: str) -> str:
        message = f"{purpose}\0{nonce}\0{self.token or ''}".encode()
        return hmac.new(self.secret, message, hashlib.sha256).hexdigest()

    def bearer(self, connection: Asking) -> bool:
        """Say whether a request carries the token."""
        kind, _, text = connection.headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and self.is_token(text.strip())

    def knows(self, connection: Asking) -> bool:
        """Say whether who asks may read: everybody where there is no token."""
        return self.token is None or self.bearer(connection) or self.session(connection)

    def session(self, connection: Asking) -> bool:
        """Say whether a request comes from a browser that gave the token."""
        return self.is_signed(_SESSION, connection.cookies.get(_named(_SESSION, connection), ""))

    def mark(self, connection: Asking) -> str:
        """Return the mark that pages answered to this request carry: the browser's own, or a new one."""
        state: MutableMapping[str, Any] = connection.scope["state"]
        if "mark" not in state:
            known = connection.cookies.get(_named(_MARK, connection), "")
            state["mark"] = known if self.is_signed(_MARK, known) else self.sign(_MARK)
        mark: str = state["mark"]
        return mark

    def is_marked(self, connection: Asking, shown: str) -> bool:
        """Say whether what a request shows is the mark of its cookie, and ours."""
        kept = connection.cookies.get(_named(_MARK, connection), "")
        return self.is_signed(_MARK, kept) and hmac.compare_digest(kept.encode(), shown.encode())

    def session_cookie(self, connection: Asking) -> str:
        """Return the Set-Cookie that keeps a browser known until it or the server ends; no script can read it."""
        return f"{_cookie(_named(_SESSION, connection), self.sign(_SESSION))}; HttpOnly"

    def mark_cookie(self, connection: Asking) -> str:
        """Return the Set-Cookie of the mark, which scripts of our pages read."""
        return _cookie(_named(_MARK, connection), self.mark(connection))

    def no_session_cookie(self, connection: Asking) -> str:
        """Return the Set-Cookie that ends a session."""
        return f"{_cookie(_named(_SESSION, connection), '')}; HttpOnly; Max-Age=0"


def _cookie(name: str, text: str) -> str:
    # Without Secure: this is plain http on loopback, where some browsers keep no Secure cookie.
    return f"{name}={text}; Path=/; SameSite=Strict"


def _named(cookie: str, connection: Asking) -> str:
    port = connection.headers.get("host", "").rpartition(":")[2]
    return f"{cookie}_{port if port.isascii() and port.isdigit() else 80}"


# The guard of every route ------------------------------------------------------------------------------------------


async def admitted(connection: Asking, handler: BaseRouteHandler) -> None:
    """Let a request pass that may read, and if it is a change may change: a guard of Litestar.

    One and not two: for each Litestar makes a copy of the handler. Raises Unauthorized, ForbiddenOrigin.
    """
    check_authorised(connection, handler)
    await check_marked(connection, handler)


def check_authorised(connection: Asking, handler: BaseRouteHandler) -> None:
    """Let a request pass that may read. Raises Unauthorized."""
    access = of(connection)
    if handler.opt.get("open") or access.knows(connection):
        return
    raise Unauthorized(
        "this server answers only to who knows its token",
        hint="send it as `Authorization: Bearer TOKEN`; in a browser, give it at /login",
    )


async def check_marked(connection: Asking, handler: BaseRouteHandler) -> None:
    """Let a change pass that comes from our own pages or carries the token.

    Nothing but a form is read for it, only when there is no header, and never where a body is streamed, which may be
    of any size. Raises ForbiddenOrigin.
    """
    access = of(connection)
    if not isinstance(connection, Request) or connection.method in READS or access.bearer(connection):
        return
    shown = connection.headers.get(HEADER, "")
    formed = connection.content_type[0] in (RequestEncodingType.URL_ENCODED, RequestEncodingType.MULTI_PART)
    if not shown and formed and "stream" not in handler.opt:
        form = await connection.form()
        field = form.get(FIELD, "")
        shown = field if isinstance(field, str) else ""
        if not access.is_marked(connection, shown):
            await form.close()  # files that came with it; Litestar closes those of a request that passed
    if not access.is_marked(connection, shown):
        raise ForbiddenOrigin(
            "a change needs the mark of a page of this server",
            hint=f"GET /api/v1/csrf gives it: send the cookie back, and its value as the header {HEADER}",
            details={"header": HEADER},
        )


def of(connection: Asking) -> Access:
    """Return the access of the application that a connection asks."""
    access: Access = connection.app.state.access
    return access


async def give_mark(message: Any, scope: Any) -> None:
    """Give a browser its mark with the first page it loads; a `before_send` hook."""
    if message["type"] != "http.response.start" or scope["method"] not in READS:
        return
    kinds = [text for name, text in message["headers"] if name.lower() == b"content-type"]
    if not any(kind.startswith(b"text/html") for kind in kinds):
        return
    connection: Asking = ASGIConnection(scope)
    access = of(connection)
    cookie = access.mark_cookie(connection)
    if connection.cookies.get(_named(_MARK, connection)) != access.mark(connection):
        message["headers"] = [*message["headers"], (b"set-cookie", cookie.encode())]
