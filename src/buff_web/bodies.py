"""What a request's body may be: JSON of exactly the declared shape, or a refusal that names the field.

Bytes and their content type go in; a value of the declared Struct comes out. Nothing is guessed: `"3"` is no number,
`0` is no truth value, a field nobody knows is refused, and so is one that comes twice, of which some reader would keep
the first and another the last.
"""

import json
import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import InternalServerException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from buff.errors import BuffError, LimitExceeded, RequestInvalid, RunConfigInvalid
from buff_web.problems import Declined

T = TypeVar("T")
BODY_BYTES_MAX = 64 << 10  # of a JSON body; an upload has a limit of its own
MEDIA_TYPE = "application/json"

_PATH = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")
_FIELD = re.compile(r"field `([^`]*)`")


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of everything a request may carry: a field that is not declared is refused."""


class StrictRequest(Request[Any, Any, Any]):
    """A request whose body is what its handler declares, or is refused."""

    async def body(self) -> bytes:
        """Return the body. Raises RequestInvalid where a handler that needs one is sent none, else as `stream`."""
        body = await super().body()
        declared = self.route_handler.parsed_fn_signature.parameters.get("data")
        if not body and declared is not None and not declared.has_default:
            raise _unreadable("it is empty")
        return body

    async def json(self) -> Any:
        """Return the body as the type of the handler's `data`. Raises what `check_type`, `stream`, `decode` raise."""
        check_type(self.headers.get("content-type"), MEDIA_TYPE)
        kind = self.route_handler.parsed_fn_signature.parameters["data"].annotation
        return decode(await self.body(), kind)

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the body. Raises LimitExceeded before it is read where its length says so, else as soon as it is.

        Where the client goes away, its request is refused: nobody hears it, and it is no fault of the server.
        """
        try:
            async for chunk in super().stream():
                yield chunk
        except RequestEntityTooLarge as error:
            most = self.route_handler.resolve_request_max_body_size()
            raise LimitExceeded(
                f"the body is larger than the {most:,} bytes this address takes",
                hint="send less",
                details={"limit": "body_bytes", "most": most},
            ) from error
        except InternalServerException as error:
            raise Declined(400, "the client went away before its request was whole") from error


def check_type(content_type: str | None, *allowed: str) -> None:
    """Raise the 415 refusal unless a Content-Type header names one of the allowed types, in UTF-8."""
    named, _, rest = (content_type or "").partition(";")
    parameter = rest.strip().lower().replace('"', "")
    if named.strip().lower() not in allowed or parameter not in ("", "charset=utf-8"):
        raise Declined(
            415,
            "the body is of a type that is not read here",
            hint=f"send it with Content-Type: {' or '.join(allowed)}",
            details={"header": "Content-Type"},
        )


def decode(body: bytes, kind: type[T]) -> T:
    """Return the value that a JSON body says. Raises RequestInvalid, or RunConfigInvalid with the field."""
    _check_text(body)
    try:
        return msgspec.json.decode(body, type=kind, strict=True)
    except msgspec.ValidationError as error:
        raise _misfit(str(error)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise _unreadable(str(error)) from error


def _check_text(body: bytes) -> None:
    """Refuse what is no JSON in UTF-8, and an object that has one name twice."""
    try:
        json.loads(body.decode(), object_pairs_hook=_once)
    except RecursionError as error:
        raise _unreadable("it is nested too deeply") from error
    except ValueError as error:  # not UTF-8, not JSON, or a number of thousands of digits
        raise _unreadable("it is not JSON in UTF-8" if body else "it is empty") from error


def _once(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise RunConfigInvalid(
                f"{name[:80]} is given twice", hint="give it once", details={"field": name[:80]}
            ) from None
        found[name] = value
    return found


def _unreadable(says: str) -> BuffError:
    return RequestInvalid(f"the body cannot be read: {says}", hint="send one JSON object in UTF-8")


def _misfit(says: str) -> BuffError:
    place, name = _PATH.search(says), _FIELD.search(says)
    field = ".".join(part for part in (place and place[1], name and name[1]) if part)
    rule = _PATH.sub("", says)
    return RunConfigInvalid(
        f"{field or 'the body'}: {rule[:1].lower()}{rule[1:]}",
        hint="/api/docs shows what is expected",
        details={"field": field},
    )
