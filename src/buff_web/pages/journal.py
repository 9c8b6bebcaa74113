"""`/journal`: every fact of the root, the newest first, and what the journal's own check says.

A place and a type go in; a page of events comes out, each with all it says. New ones appear by themselves where the
page is at its newest.
"""

from typing import Annotated

from litestar import Response, get
from litestar.di import NamedDependency

from buff import chronicle
from buff_web import query
from buff_web.reading import event_document
from buff_web.site import Site

LIMIT = 50


@get("/journal", sync_to_thread=True, guards=[query.strict])
def journal_page(
    site: NamedDependency[Site],
    kind: Annotated[str | None, query.choice("type", of=chronicle.TYPES, says="only events of this type")] = None,
    before: Annotated[int | None, query.number(low=1, high=query.AFTER_MAX, says="events ahead of this one")] = None,
) -> Response[bytes]:
    """Return a page of the journal."""
    page = chronicle.newest(site.store, before=before, limit=LIMIT, types=() if kind is None else (kind,))
    check = next(check for check in site.health.checks() if check.name == "journal")
    kept = f"type={kind}&" if kind else ""
    return site.page(
        "journal.html",
        events=[event_document(item, site.store.root) for item in page.items],
        total=page.total,
        types=chronicle.TYPES,
        kind=kind,
        live=before is None,
        check=check,
        older=None if page.next is None else f"/journal?{kept}before={page.next}",
        newest=None if before is None else f"/journal?type={kind}" if kind else "/journal",
        json=f"/api/v1/journal?type={kind}" if kind else "/api/v1/journal",
        command="buff-journal show",
    )


HANDLERS = (journal_page,)
