"""`/help`: error codes, exit codes, keys, and how the numbers are computed.

The tables the code itself uses go in; a page comes out, so that it cannot say anything else.
"""

import re
from collections.abc import Mapping

from litestar import Response, get
from litestar.di import NamedDependency
from markupsafe import Markup, escape

from buff.decisions.risk import LEVELS
from buff.errors import CODES
from buff.runs.words import GROUPS
from buff_web import query
from buff_web.site import Asked, Site

# What a script may rely on; codes of errors say the rest (docs/reference/cli.md).
EXIT_CODES: Mapping[int, str] = {
    0: "done, or identical",
    1: "a bug in Buff",
    2: "the command line cannot be read",
    3: "the request is refused",
    4: "the data is refused",
    5: "not found",
    6: "exists with other inputs",
    7: "a limit, a switch, or a door that is closed",
    8: "the journal or the root is refused",
    9: "storage",
    10: "verify: the data changed",
    11: "verify: the engine changed",
    12: "verify: inputs are missing",
    13: "verify: the stored files are damaged",
    14: "verify: the strategy changed or is absent",
    15: "verify: the strategy looks ahead",
}


@get("/help", sync_to_thread=True)
def help_page(request: Asked, site: NamedDependency[Site]) -> Response[bytes]:
    """Return the page that explains the others."""
    query.given(request.scope["query_string"], allowed=())
    return site.page(
        "help.html",
        codes=CODES,
        exit_codes=EXIT_CODES,
        levels=LEVELS,
        groups=[(title, {name: _code(says) for name, says in found.items()}) for title, found in GROUPS],
    )


HANDLERS = (help_page,)


def _code(words: str) -> Markup:
    """Return text as HTML, what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(words))))
