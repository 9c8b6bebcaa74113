"""`/api/v1`: runs as JSON, read-only. Requests go in; what the registry and the artifacts say comes out.

Every handler runs in a thread, because it reads files. Errors leave as exceptions and are told by `problems`.
"""

from collections.abc import Callable
from typing import Any

from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream

from buff import Run
from buff_web import downloads, query
from buff_web.reading import entry_of, row_document, rows, run_document, trades_of
from buff_web.series import Cut, bars_columns, cut, equity_columns
from buff_web.site import Asked, Site, json_answer, tagged, unless_known

WINDOW = ("from", "to", "max")


@get("/runs", sync_to_thread=True)
def list_runs(request: Asked, site: NamedDependency[Site]) -> Response[bytes]:
    """Return a page of runs, filtered and sorted."""
    asked = query.given(request.scope["query_string"], allowed=(*query.FILTERS, "limit", "after"))
    page = site.store.runs(**query.run_filters(asked))
    problem = site.store.problem
    return json_answer(
        request,
        {
            "items": [row_document(row) for row in rows(site.store, page)],
            "total": page.total,
            "next": page.next,
            "problem": {"code": problem.code, "message": problem.message} if problem else None,
        },
    )


@get("/runs/{run_id:str}", sync_to_thread=True)
def show_run(request: Asked, site: NamedDependency[Site], run_id: FromPath[str]) -> Response[bytes]:
    """Return one run: registry facts, manifest and metrics."""
    query.given(request.scope["query_string"], allowed=())
    return json_answer(request, run_document(_run(site, run_id)))


@get("/runs/{run_id:str}/bars", sync_to_thread=True)
def show_bars(request: Asked, site: NamedDependency[Site], run_id: FromPath[str]) -> Response[bytes]:
    """Return a window of the bars the run was decided on, as columns of at most `max` buckets."""
    return _series(request, site, run_id, lambda run, part: bars_columns(run.bars, part))


@get("/runs/{run_id:str}/equity", sync_to_thread=True)
def show_equity(request: Asked, site: NamedDependency[Site], run_id: FromPath[str]) -> Response[bytes]:
    """Return a window of equity, drawdown and position, in the same buckets as the bars."""
    return _series(request, site, run_id, equity_columns)


@get("/runs/{run_id:str}/trades", sync_to_thread=True)
def show_trades(request: Asked, site: NamedDependency[Site], run_id: FromPath[str]) -> Response[bytes]:
    """Return a page of the trades alive in a window, in the order of entry."""
    asked = query.given(request.scope["query_string"], allowed=("from", "to", "limit", "after"))
    found = trades_of(_run(site, run_id), query.trades_asked(asked))
    return json_answer(request, {"items": list(found.items), "total": found.total, "next": found.next})


@get("/runs/{run_id:str}/timeline", sync_to_thread=True)
def show_timeline(request: Asked, site: NamedDependency[Site], run_id: FromPath[str]) -> Response[bytes]:
    """Return the run's events in order, on market time."""
    query.given(request.scope["query_string"], allowed=())
    return json_answer(request, {"items": _run(site, run_id).timeline})


@get("/runs/{run_id:str}/artifacts/{name:path}", sync_to_thread=True)
def show_artifact(
    request: Asked, site: NamedDependency[Site], run_id: FromPath[str], name: FromPath[str]
) -> Response[bytes] | Stream:
    """Return the bytes of one artifact the manifest names, once they are known to be the committed ones."""
    query.given(request.scope["query_string"], allowed=())
    found = downloads.download(_run(site, run_id), name.removeprefix("/"))
    tag = f'"{found.sha256}"'
    known = unless_known(request, tag)
    if known is not None:
        return known
    headers = {**tagged(tag), "content-disposition": f'inline; filename="{found.file_name}"'}
    if found.size <= downloads.CHUNK_BYTES:
        return Response(b"".join(found.chunks()), media_type=found.media_type, headers=headers)
    headers["content-length"] = str(found.size)
    return Stream(found.chunks(), media_type=found.media_type, headers=headers)


def _run(site: Site, run_id: str) -> Run:
    return site.store.run(entry_of(site.store, run_id).run_id)


def _series(
    request: Asked, site: Site, run_id: str, columns: Callable[[Run, Cut], dict[str, list[Any]]]
) -> Response[bytes]:
    asked = query.given(request.scope["query_string"], allowed=WINDOW)
    run = _run(site, run_id)
    bars = run.bars
    part = cut(bars.ts, bars.timeframe, query.window(asked))
    document = {
        "run_id": run.id,
        "timeframe": bars.timeframe.value,
        "bucket": part.bucket.value,
        "first_ms": int(bars.ts[0]),
        "last_ms": int(bars.ts[-1]),
        "bars": part.high - part.low,
        "columns": columns(run, part),
    }
    return json_answer(request, document)


def router() -> Router:
    """Return the routes of the API."""
    handlers = [list_runs, show_run, show_bars, show_equity, show_trades, show_timeline, show_artifact]
    return Router("/api/v1", route_handlers=handlers)
