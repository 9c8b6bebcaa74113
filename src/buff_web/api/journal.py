"""`/journal`: the events of the root in pages, from either end.

A place and types go in; events come out as facts, with their numbers and hashes.
"""

from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency

from buff import chronicle
from buff.errors import StorageUnreadable
from buff_web import query
from buff_web.openapi import answers
from buff_web.reading import event_document
from buff_web.site import Asked, Site, json_answer

LIMIT = 100


class EventDocument(msgspec.Struct, kw_only=True):
    """One event: its number, when it was recorded, its type, what it says, and the hash of its line."""

    seq: int
    time: str
    type: str
    key: str | None
    data: dict[str, Any]
    sha256: str


class JournalPage(msgspec.Struct, kw_only=True):
    """Some events; `next` is the `after` (or the `before`) of the following page, `total` how many there are in all.

    Of one type a page may hold fewer than `limit`, or none, while `next` says that there is more to look at.
    """

    items: list[EventDocument]
    total: int
    next: int | None


@get("/journal", sync_to_thread=True, responses=answers(JournalPage, StorageUnreadable))
def show_journal(
    request: Asked,
    site: NamedDependency[Site],
    after: Annotated[
        int | None, query.number(low=0, high=query.AFTER_MAX, says="oldest first, behind this event")
    ] = None,
    before: Annotated[
        int | None, query.number(low=1, high=query.AFTER_MAX, says="newest first, ahead of this event")
    ] = None,
    kind: Annotated[str | None, query.choice("type", of=chronicle.TYPES, says="only events of this type")] = None,
    limit: Annotated[int, query.number(low=1, high=chronicle.LIMIT_MAX, says="at most so many events")] = LIMIT,
) -> Response[bytes]:
    """Return a page of the journal: the newest events first, or with `after` the oldest behind that one.

    With both it goes from `after` on and ends ahead of `before`.
    """
    types = () if kind is None else (kind,)
    if after is None:
        page = chronicle.newest(site.store, before=before, limit=limit, types=types)
    else:
        page = chronicle.oldest(site.store, after=after, before=before, limit=limit, types=types)
    items = [event_document(item, site.store.root) for item in page.items]
    return json_answer(request, {"items": items, "total": page.total, "next": page.next})


HANDLERS = (show_journal,)
