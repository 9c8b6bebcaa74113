"""`/builds`: what is made in the background: how far it is, what became of it, and what can be done about it.

A build's id goes in; its page comes out, the same as the API says. Cancelling and repeating are forms, so that they
work without scripts.
"""

from typing import Annotated, Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from buff import builds
from buff_web import access, forms, query
from buff_web.api.builds import build_document
from buff_web.logs import REQUEST_ID
from buff_web.site import Asked, Site, creation

LIMIT = 50


@get("/builds", sync_to_thread=True, guards=[query.strict])
def builds_page(
    site: NamedDependency[Site],
    status: Annotated[str | None, query.choice(of=builds.STATUSES, says="only builds that are")] = None,
    kind: Annotated[str | None, query.choice(of=builds.KINDS, says="only builds of a run, or of a dataset")] = None,
    after: query.After = 0,
) -> Response[bytes]:
    """Return a page of builds, the newest first."""
    page = builds.listed(site.store, status=status, kind=kind, limit=LIMIT, after=after)
    chosen = {name: text for name, text in (("status", status), ("kind", kind)) if text is not None}
    return site.page(
        "builds.html",
        builds=[build_document(each, site.store.root) for each in page.items],
        total=page.total,
        first=after,
        chosen=chosen,
        statuses=builds.STATUSES,
        kinds=builds.KINDS,
        newest=query.address("/builds", chosen),
        next=None if page.next is None else query.address("/builds", {**chosen, "after": page.next}),
        json=query.address("/api/v1/builds", chosen),
        command="buff build list",
    )


@get("/builds/{build_id:str}", sync_to_thread=True)
def build_page(request: Asked, site: NamedDependency[Site], build_id: FromPath[str]) -> Response[Any]:
    """Return one build as it is now. Raises BuildNotFound."""
    query.given(request.scope["query_string"], allowed=())
    build = builds.status(site.store, build_id)
    if build.job != build_id:
        return Redirect(f"/builds/{build.job}", status_code=302)  # the beginning of an id is enough to find it
    return site.page(
        "build.html",
        build=build_document(build, site.store.root),
        field=access.FIELD,
        mark=access.of(request).mark(request),
        again=forms.address(forms.texts(build.entry.request)) if build.entry.kind == "run" else None,
        json=f"/api/v1/builds/{build.job}",
        command=f"buff build show {build.job}",
    )


@post("/builds/{build_id:str}/cancel", status_code=200)
async def cancel(site: NamedDependency[Site], build_id: FromPath[str]) -> Redirect:
    """Ask that a build end without a result."""
    entry = await site.writing.do(builds.cancel, site.writing.store, build_id)
    site.writing.wake()
    return Redirect(f"/builds/{entry.job}", status_code=303)


@post("/builds/{build_id:str}/retry", guards=[creation], status_code=200)
async def retry(site: NamedDependency[Site], build_id: FromPath[str]) -> Redirect:
    """Ask for the same once more, as a new build."""
    writing = site.writing
    entry = await writing.do(builds.retry, writing.store, build_id, request_id=REQUEST_ID.get())
    writing.wake()
    return Redirect(f"/builds/{entry.job}", status_code=303)


HANDLERS = (builds_page, build_page, cancel, retry)
