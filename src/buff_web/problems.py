"""From an error to what a client is told: RFC 9457 problem details with Buff's code, message, details and hint.

An exception goes in; a plain document comes out. Never a stack trace, and never a path of this machine: what stands
below the runs root is told from there.
"""

import logging
from collections.abc import Mapping
from typing import Any

from attrs import frozen
from litestar.exceptions import HTTPException

from buff.errors import CODES, BuffError, Internal, RequestInvalid

MEDIA_TYPE = "application/problem+json"

_LOG = logging.getLogger("buff_web")
_ROUTER = {
    404: ("there is nothing at this address", "the runs are at /runs, the API at /api/v1/runs"),
    405: ("this address cannot be asked that way", "everything here is read with GET"),
}


@frozen(kw_only=True)
class Problem:
    """An error as a client sees it, and the HTTP status it is told with."""

    status: int
    document: Mapping[str, Any]


def problem(error: Exception, *, root: str) -> Problem:
    """Return what is told about an exception; `root` is the runs root, which is never named."""
    match error:
        case BuffError():
            known, status = error, error.status
        case HTTPException():
            known, status = _refused(error), error.status_code
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
    return Problem(status=status, document=_without(told, root))


def _refused(error: HTTPException) -> BuffError:
    """Return the router's own refusals in our words; they keep their status and share one code."""
    says, hint = _ROUTER.get(error.status_code, ("the request cannot be read", ""))
    return RequestInvalid(says, hint=hint, details={"status": error.status_code})


def _without(value: Any, root: str) -> Any:
    match value:
        case str():
            return value.replace(root, "RUNS_ROOT")
        case Mapping():
            return {name: _without(item, root) for name, item in value.items()}
        case list() | tuple():
            return [_without(item, root) for item in value]
        case _:
            return value
