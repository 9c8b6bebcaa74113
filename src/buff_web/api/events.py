"""`/journal/events`: the journal as it grows, one event of the stream for each of its own.

The number of the last event that a client has seen goes in; every later one comes out, in order, none twice.
"""

from typing import Annotated, Any

from litestar import Response, get
from litestar.di import NamedDependency

from buff.errors import RateLimited, RunConfigInvalid
from buff.feed import Feed
from buff_web import query
from buff_web.api.builds import LastEventId
from buff_web.openapi import answers
from buff_web.reading import event_document
from buff_web.site import Asked, Site
from buff_web.streams import MEDIA_TYPE, News, event, resumed

BEHIND_MAX = 10_000  # events that a stream makes up for; more are read in pages


@get(
    "/journal/events",
    responses=answers(
        bytes,
        RateLimited,
        media=(MEDIA_TYPE,),
        says="One event for each of the journal's, with its number as the id; `skipped` where they are too many.",
        tagged=False,
    ),
)
async def follow_journal(
    request: Asked,
    site: NamedDependency[Site],
    last_event_id: LastEventId = None,
    after: Annotated[
        int | None,
        query.number(low=0, high=query.AFTER_MAX, says="the last event that is known; left out: from now on"),
    ] = None,
) -> Response[Any]:
    """Tell every event of the journal as it is recorded, behind Last-Event-ID or `after`."""
    streams, seen = request.app.state.streams, resumed(last_event_id, after)
    streams.check()
    return streams.response(request, await streams.ask(lambda: JournalSource(site, seen)))  # type: ignore[no-any-return]


class JournalSource:
    """What a stream tells of the journal: all that is behind one event, and then what comes."""

    def __init__(self, site: Site, after: int | None) -> None:
        """Begin behind event `after`, or with what is recorded from now on. Raises RunConfigInvalid beyond the end."""
        self._root, last = site.store.root, site.store.state.seq
        if after is not None and after > last:
            raise RunConfigInvalid(
                f"event {after} is not in the journal",
                hint=f"its last event is {last}",
                details={"field": "after", "value": after, "last": last},
            )
        first = last if after is None else max(after, last - BEHIND_MAX)
        self._skipped = None if after is None or first == after else {"after": after, "first": after + 1, "last": first}
        self._feed = Feed(site.store, after=first)

    def __call__(self) -> News:
        """Return what was recorded since the last call. Raises what reading the journal raises."""
        skipped, self._skipped = self._skipped, None
        events = [] if skipped is None else [event(skipped, name="skipped")]
        events += [event(event_document(item, self._root), seq=item.seq) for item in self._feed.news()]
        if self._feed.problem is not None:
            raise self._feed.problem
        return News(events=events)


HANDLERS = (follow_journal,)
