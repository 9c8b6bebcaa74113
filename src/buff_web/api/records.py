"""`/runs/{id}/trades`, `/decisions` and `/timeline`: what a run did, record by record.

An id and a window go in; records come out as they stand in the artifacts.
"""

from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency

from buff.decisions.engine import ACTIONS
from buff.errors import RunDamaged, RunNotFound
from buff.runs.run import TRADES
from buff_web import decisions, query
from buff_web.api.runs import RunId, run_of
from buff_web.openapi import answers
from buff_web.query import TradesAsked
from buff_web.reading import trades_of
from buff_web.site import Asked, Site, json_answer

LIMIT, LIMIT_MAX = 100, 1_000


class TradesPage(msgspec.Struct, kw_only=True):
    """Round trips as in `trades.jsonl`: `next` is the `after` of the following page."""

    items: list[dict[str, Any]]
    total: int
    next: int | None


class DecisionsPage(msgspec.Struct, kw_only=True):
    """Records as in `decision_records.jsonl`: `next` is the bar with which the following page begins."""

    items: list[dict[str, Any]]
    total: int
    next: int | None


class Timeline(msgspec.Struct, kw_only=True):
    """The run's events as in `timeline.json`."""

    items: list[dict[str, Any]]


@get(
    "/runs/{run_id:str}/trades",
    sync_to_thread=True,
    dependencies={"asked": query.TRADES},
    responses=answers(TradesPage, RunNotFound, RunDamaged),
)
def show_trades(
    request: Asked, site: NamedDependency[Site], run_id: RunId, asked: NamedDependency[TradesAsked]
) -> Response[bytes]:
    """Return a page of the trades alive in a window, in the order of entry."""
    found = trades_of(site.details.checked(run_of(site, run_id), TRADES), asked)
    return json_answer(request, {"items": list(found.items), "total": found.total, "next": found.next})


@get(
    "/runs/{run_id:str}/decisions",
    sync_to_thread=True,
    responses=answers(DecisionsPage, RunNotFound, RunDamaged),
)
def show_decisions(
    request: Asked,
    site: NamedDependency[Site],
    run_id: RunId,
    first: query.First = None,
    last: query.Last = None,
    action: Annotated[
        list[str] | None, query.choice(of=ACTIONS, says="only these actions; may be given several times")
    ] = None,
    limit: Annotated[int, query.number(low=1, high=LIMIT_MAX, says="at most so many records")] = LIMIT,
    after: Annotated[
        int, query.number(low=0, high=query.AFTER_MAX, says="the first bar to look at: the `next` of the page before")
    ] = 0,
) -> Response[bytes]:
    """Return a page of decision records, one for each bar, in order; only those of the page are read."""
    run = site.details.checked(run_of(site, run_id))
    first_ms, last_ms = query.bounds(first, last)
    found = decisions.page(run, first_ms=first_ms, last_ms=last_ms, actions=action or (), begin=after, limit=limit)
    return json_answer(request, {"items": list(found.items), "total": found.total, "next": found.next})


@get("/runs/{run_id:str}/timeline", sync_to_thread=True, responses=answers(Timeline, RunNotFound, RunDamaged))
def show_timeline(request: Asked, site: NamedDependency[Site], run_id: RunId) -> Response[bytes]:
    """Return the run's events in order, on market time."""
    return json_answer(request, {"items": run_of(site, run_id).timeline})


HANDLERS = (show_trades, show_decisions, show_timeline)
