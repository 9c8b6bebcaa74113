"""From an error to what a client is told: RFC 9457 problem details with Buff's code, message, details and hint.

An exception goes in; a plain document comes out. Never a stack trace, and never a path of this machine: what stands
below the runs root is told from there, and of any other file only its name.
"""

import logging
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from attrs import field, frozen
from litestar.exceptions import HTTPException

from buff.errors import CODES, BuffError, Internal, LimitExceeded, Meaning, RequestInvalid

MEDIA_TYPE = "application/problem+json"

_LOG = logging.getLogger("buff_web")
_ROUTER = {
    404: ("there is nothing at this address", "the runs are at /runs, the API is described at /api/docs"),
    405: ("this address cannot be asked that way", "the answer's Allow header names what it answers to"),
}
# A whole POSIX or Windows path, where it does not belong to an address: at the beginning of a text, or after what is
# not a letter, a digit, a dot or another slash.
_PATH = re.compile(r"(?<![\w./:\\<-])(?:[A-Za-z]:[\\/]|/(?=[^/\s]+/))[^\s'\"`,;:)\]}]+")
_OURS = re.compile(r"/(?:api|assets|runs|datasets|journal|health|compare)(?:[/?.]|$)")
_RETRY_SECONDS: Mapping[str, int] = {"JOURNAL_LOCK_TIMEOUT": 1}


class Document(msgspec.Struct, kw_only=True):
    """What every error is told as (RFC 9457), with Buff's `code`, `message`, `details` and `hint`."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    message: str
    details: dict[str, Any]
    hint: str


@frozen(kw_only=True)
class Problem:
    """An error as a client sees it, the HTTP status it is told with, and the headers that belong to it."""

    status: int
    document: Mapping[str, Any]
    headers: Mapping[str, str] = field(factory=dict)


class Declined(HTTPException):
    """A refusal that is a matter of HTTP alone: its status, and the sentence, hint and details of a BuffError."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        hint: str = "",
        details: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Keep the parts; `problem` tells them."""
        super().__init__(detail=message, status_code=status, headers=dict(headers or {}))
        self.told = RequestInvalid(message, hint=hint, details={"status": status, **(details or {})})


def meanings(codes: Iterable[str]) -> list[tuple[str, Meaning]]:
    """Return some codes with what they mean, by status."""
    return sorted(((code, CODES[code]) for code in codes), key=lambda each: (each[1].status, each[0]))


def problem(error: Exception, *, root: str) -> Problem:
    """Return what is told about an exception; `root` is the runs root, which is never named."""
    headers: dict[str, str] = {}
    match error:
        case BuffError():
            known, status = error, error.status
        case HTTPException():
            known, status, headers = _refused(error), error.status_code, _kept(error.headers)
        case _:
            _LOG.error("a bug: an answer failed", exc_info=error)
            known = Internal("Buff has a bug here and could not answer", hint="the server's log has the details")
            status = known.status
    told = {
        "type": f"urn:buff:error:{known.code}",
        "title": CODES[known.code].says,
        "status": status,
        "detail": known.message,
        **known.as_dict(),
    }
    return Problem(status=status, document=without_paths(told, root), headers={**headers, **_advice(known)})


def _refused(error: HTTPException) -> BuffError:
    """Return the router's own refusals in our words; they keep their status and share one code."""
    if isinstance(error, Declined):
        return error.told
    if error.status_code == 413:
        return LimitExceeded("the body is larger than this address takes", hint="send less")
    says, hint = _ROUTER.get(error.status_code, ("the request cannot be read", ""))
    return RequestInvalid(says, hint=hint, details={"status": error.status_code})


def _kept(headers: Mapping[str, str] | None) -> dict[str, str]:
    kept = {name.lower(): text for name, text in (headers or {}).items()}
    if "GET" in kept.get("allow", "").split(", "):
        kept["allow"] = f"{kept['allow']}, HEAD"  # every address that is read answers to it, see `guard`
    return kept


def _advice(error: BuffError) -> dict[str, str]:
    """Return the headers that say how to go on: with a token, or later."""
    if error.code == "UNAUTHORIZED":
        return {"www-authenticate": 'Bearer realm="Buff"'}
    seconds = error.details.get("retry_after_seconds", _RETRY_SECONDS.get(error.code))
    return {"retry-after": str(math.ceil(seconds))} if isinstance(seconds, int | float) else {}


def without_paths(value: Any, root: str) -> Any:
    """Return plain values with what stands below the runs root told from there, and of any other path the last name."""
    match value:
        case str():
            return _PATH.sub(_named, value.replace(root, "RUNS_ROOT") if root else value)
        case Mapping():
            return {name: without_paths(item, root) for name, item in value.items()}
        case list() | tuple():
            return [without_paths(item, root) for item in value]
        case _:
            return value


def _named(found: re.Match[str]) -> str:
    path = found[0]
    return path if _OURS.match(path) else re.split(r"[\\/]", path.rstrip("\\/"))[-1]
