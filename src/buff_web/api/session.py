"""`/csrf`: the mark that a change needs, for a program without the token.

Nothing goes in; the value comes out, with the cookie that goes with it.
"""

import msgspec
from litestar import Response, get

from buff_web import access
from buff_web.openapi import answers
from buff_web.site import Asked


class Mark(msgspec.Struct, kw_only=True):
    """What to send with a change: this header with this value, and the cookie of this answer."""

    header: str
    value: str


@get("/csrf", sync_to_thread=False, responses=answers(Mark, tagged=False, headers={"set-cookie": "The same value."}))
def show_mark(request: Asked) -> Response[bytes]:
    """Return what a change needs that comes without the token: a header, and a cookie with the same value."""
    known = access.of(request)
    body = msgspec.json.encode(Mark(header=access.HEADER, value=known.mark(request)))
    headers = {"set-cookie": known.mark_cookie(request), "cache-control": "no-store"}
    return Response(body, media_type="application/json", headers=headers)


HANDLERS = (show_mark,)
