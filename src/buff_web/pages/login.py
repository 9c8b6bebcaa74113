"""`/login` and `/logout`: how a browser shows that it knows the token of the server.

A form with the token goes in; a session comes out, in a cookie that no script can read and no other site's page sends.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from buff_web import access, query
from buff_web.query import Given
from buff_web.site import Asked, Site

HOME = "/runs"
NOTHING: Mapping[str, Any] = {"problem": None, "stopped": None, "creating": False}  # what a stranger sees of the root


@get("/login", sync_to_thread=True, opt=access.OPEN)
def login_page(request: Asked, site: NamedDependency[Site]) -> Response[bytes]:
    """Return the form."""
    asked = query.given(request.scope["query_string"], allowed=("next",))
    return form(site, request, goal=asked.get("next", HOME), status=200)


@post("/login", opt=access.OPEN)
async def log_in(request: Asked, site: NamedDependency[Site]) -> Response[Any]:
    """Begin a session, and go where the form was asked for; or show the form once more."""
    known = access.of(request)
    said = {name: text for name, text in (await request.form()).items() if isinstance(text, str)}
    if not known.is_token(said.get("token", "").strip()):
        return form(site, request, goal=said.get("next", HOME), status=401, wrong=True)
    headers = {"set-cookie": known.session_cookie(request)}
    return Redirect(local(said), status_code=303, headers=headers)


@post("/logout", opt=access.OPEN, sync_to_thread=False)
def log_out(request: Asked) -> Response[Any]:
    """End the session."""
    return Redirect("/login", status_code=303, headers={"set-cookie": access.of(request).no_session_cookie(request)})


def refusal(site: Site, request: Asked) -> Response[bytes]:
    """Return the form in place of a page, to which it leads once the token is given."""
    path, query_string = quote(request.scope["path"]), request.scope["query_string"].decode("latin-1")
    goal = f"{path}?{query_string}" if query_string else path
    return form(site, request, goal=goal if request.method == "GET" else HOME, status=401)


def form(site: Site, request: Asked, *, goal: str, status: int, wrong: bool = False) -> Response[bytes]:
    """Return the page with the form. `goal` is where it leads; `wrong` says that a token was not the one."""
    known = access.of(request)
    return site.page(
        "login.html",
        status=status,
        needed=known.token is not None,
        known=known.session(request),
        wrong=wrong,
        goal=local({"next": goal}),
        field=access.FIELD,
        mark=known.mark(request),
        **({} if known.knows(request) else NOTHING),
    )


def local(said: Given) -> str:
    """Return the address of this server where a form leads, whatever it says: never that of another."""
    goal = said.get("next", HOME)
    plain = goal.isascii() and goal.isprintable() and "\\" not in goal
    return goal if plain and goal.startswith("/") and not goal.startswith("//") else HOME


HANDLERS = (login_page, log_in, log_out)
