"""The application: routes, the site they share, and what becomes of an error. Nothing global.

A store and the assets go in; a Litestar application comes out.
"""

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from litestar import Litestar, Response, Router
from litestar.config.compression import CompressionConfig
from litestar.di import Provide
from litestar.exceptions import MethodNotAllowedException, NotFoundException

from buff import Store
from buff.errors import Unauthorized
from buff.health import Health
from buff.trials import Trials
from buff_web import api, pages
from buff_web.access import Access, admitted, give_mark
from buff_web.assets import Assets, library_path, load
from buff_web.bodies import BODY_BYTES_MAX, StrictRequest
from buff_web.dimensions import Layouts
from buff_web.gauges import Counting, Gauges
from buff_web.guard import AS_STORED, secure
from buff_web.listing import Listing
from buff_web.openapi import document
from buff_web.pages import login
from buff_web.problems import MEDIA_TYPE, Problem, problem
from buff_web.site import Asked, Site, details_of
from buff_web.streams import Streams
from buff_web.writing import Writing

GZIP_LEVEL = 4  # above it, time grows tenfold for a few per cent: 173 kB of bars take 6 ms, at level 9 67
PACKED_MIN = 1_024  # bytes below which an answer is sent as it is


def create_app(store: Store, *, assets: Assets | None = None) -> Litestar:
    """Return the application over an open store. `assets` are the installed ones unless given.

    `app.state.closing` is set when the server begins to end: streams wait for it beside what they wait for.
    """
    describe = cache(lambda: document(api.router()))
    writing = Writing(store)
    site = Site(
        store=store,
        assets=assets or load(library_path()),
        describe=describe,
        health=Health(store, builds=(lambda: writing.problem) if store.settings.web_create else None),
        gauges=Gauges(store),
        details=details_of(store),
        listing=Listing(store, store.settings.artifacts_root),
        trials=Trials(store),
        layouts=Layouts(store),
        writing=writing,
    )
    access = Access(token=store.settings.token)
    closing = asyncio.Event()
    streams = Streams(closing, root=store.root)
    app = Litestar(
        # One router for all: where an address is registered twice, for two verbs, Litestar 2.25 would wrap the handler
        # of the first once more for its thread.
        route_handlers=[Router("/", route_handlers=[api.router(), *pages.handlers()])],
        dependencies={"site": Provide(lambda: site, sync_to_thread=False)},
        request_class=StrictRequest,
        request_max_body_size=BODY_BYTES_MAX,
        guards=[admitted],
        middleware=[Counting],
        exception_handlers={Exception: _told(site, access)},
        compression_config=CompressionConfig(
            backend="gzip", gzip_compress_level=GZIP_LEVEL, minimum_size=PACKED_MIN, exclude_opt_key=AS_STORED
        ),
        before_send=[give_mark, secure],
        on_startup=[site.writing.start],
        on_shutdown=[site.writing.stop, streams.close],
        openapi_config=None,
        logging_config=None,
    )
    app.state.site = site
    app.state.access = access
    app.state.closing, app.state.streams = closing, streams
    return app


def _told(site: Site, access: Access) -> Callable[[Asked, Exception], Response[Any]]:
    def handler(request: Asked, error: Exception) -> Response[Any]:
        told = problem(error, root=site.store.root)
        if request.scope["path"].startswith(("/api/", "/assets/")):
            return problem_answer(told)
        # An address that is not there tells a stranger nothing, not even that.
        lost = isinstance(error, NotFoundException | MethodNotAllowedException)
        if isinstance(error, Unauthorized) or (lost and not access.knows(request)):
            return login.refusal(site, request)
        page = pages.error_page(site, told)
        page.headers.update(told.headers)
        return page

    return handler


def problem_answer(told: Problem) -> Response[bytes]:
    """Return a problem as RFC 9457 JSON."""
    body = msgspec.json.encode(told.document, order="sorted")
    return Response(body, status_code=told.status, media_type=MEDIA_TYPE, headers=told.headers)
