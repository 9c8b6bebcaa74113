"""`/health`: whether the root can keep its promises now, what it allows, and the kill switch with its history."""

from litestar import Response, get
from litestar.di import NamedDependency

from buff import chronicle, safety
from buff_web import query
from buff_web.problems import without_paths
from buff_web.reading import event_document
from buff_web.site import Asked, Site

HISTORY_MAX = 20
SWITCHED = ("kill_switch_engaged", "kill_switch_released")


@get("/health", sync_to_thread=True)
def health_page(request: Asked, site: NamedDependency[Site]) -> Response[bytes]:
    """Return the checks, the limits, and the kill switch. The page is there also where a check fails."""
    query.given(request.scope["query_string"], allowed=())
    store = site.store
    history = chronicle.newest(store, limit=HISTORY_MAX, types=SWITCHED)
    return site.page(
        "health.html",
        checks=[without_paths(check.as_dict(), store.root) for check in site.health.checks()],
        switch=safety.state(store),
        history=[event_document(item, store.root) for item in history.items],
        settings=store.settings,
        json="/api/v1/health/ready",
        command="buff doctor",
    )


HANDLERS = (health_page,)
