"""`/runs/{id}` and its parts: one run, or what is known of it and what is wrong when it cannot be read.

An id and a place in the run go in; everything its artifacts say comes out. It is all read before the first byte is
sent, so that damage anywhere is told instead of half a page. Trades, decisions and stories are pages of their own too:
scripts take them from there into the run's page, and readers without scripts follow the links.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np
from attrs import frozen
from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from buff import Run
from buff.errors import RunDamaged, RunNotFound
from buff.pyramid import Window
from buff.runs.run import TRADES
from buff.runs.story import SIDES
from buff.runs.words import GROUPS
from buff_web import commands, drawings, metrics, query, words
from buff_web.pages.legacy import shown as legacy_page
from buff_web.query import TradesAsked
from buff_web.reading import entry_of, public_manifest, trades_of
from buff_web.site import Site

DECISIONS_LIMIT = 100
PICTURE_BUCKETS = 300

Trade = Annotated[int | None, query.number(low=0, high=query.AFTER_MAX, says="the trade to show")]
Bar = Annotated[int | None, query.number(low=0, high=query.AFTER_MAX, says="the bar to show")]
At = Annotated[str | None, query.instant(says="an instant within the bar to show")]


@frozen(kw_only=True)
class Place:
    """Where in a run a reader wants to be: a trade or a bar, a window of the chart, a page of the trades."""

    trade: int | None
    bar: int | None
    view: Window
    after: int


def place(
    trade: Trade = None, bar: Bar = None, first: query.First = None, last: query.Last = None, after: query.After = 0
) -> Place:
    """Return the place that an address names: `trade`, `bar`, `from`, `to` and `after`."""
    return Place(trade=trade, bar=bar, view=query.window(first, last), after=after)


@get(
    "/runs/{run_id:str}",
    sync_to_thread=True,
    guards=[query.strict],
    dependencies={"place": query.provided(place)},
)
def run_page(site: NamedDependency[Site], run_id: FromPath[str], place: NamedDependency[Place]) -> Response[Any]:
    """Return one run, or what is known of it and what is wrong when it cannot be read."""
    try:
        entry = site.store.entry(run_id)
    except RunNotFound:
        legacy = site.listing.legacy_run(run_id)
        if legacy is None:
            raise
        return legacy_page(site, legacy)
    if entry.run_id != run_id:
        return Redirect(f"/runs/{entry.run_id}", status_code=302)  # the beginning of an id is enough to find it
    shared: dict[str, Any] = {
        "entry": entry,
        "tried": site.store.tried([entry])[0],
        "verify": commands.verify(entry.run_id),
        "json": f"/api/v1/runs/{entry.run_id}",
        "command": commands.show(entry.run_id),
    }
    try:
        run = site.store.run(run_id)
        shown = {**_run_values(site, run), **_placed(run, place)}
    except RunDamaged as error:
        return site.page("damaged.html", status=error.status, error=error, **shared)
    return site.page("run.html", **shared, **shown)


@get("/runs/{run_id:str}/trades", sync_to_thread=True, guards=[query.strict])
def trades_page(site: NamedDependency[Site], run_id: FromPath[str], after: query.After = 0) -> Response[bytes]:
    """Return a page of a run's trades."""
    return _part(site, run_id, "Trades", "trades", lambda run: _trades(run, after, chosen=None))


@get("/runs/{run_id:str}/trades/{number:int}", guards=[query.strict])
async def trade_page(site: NamedDependency[Site], run_id: FromPath[str], number: FromPath[int]) -> Response[bytes]:
    """Return the story of a trade: what was decided and why, what was filled, what became of it."""
    return await site.turns.read(
        _part, site, run_id, f"Trade {number:,}", "story", lambda run: _story(run, trade=number)
    )


@get("/runs/{run_id:str}/decisions", sync_to_thread=True, guards=[query.strict])
def decisions_page(
    site: NamedDependency[Site], run_id: FromPath[str], at: At = None, bar: Bar = None, after: query.After = 0
) -> Response[bytes]:
    """Return a page of a run's decisions: those that follow `after` others, or those around an instant or a bar."""
    at_ms = None if at is None else query.instant_ms("at", at)
    return _part(site, run_id, "Decisions", "decisions", lambda run: _decisions(run, after, bar=bar, at_ms=at_ms))


@get("/runs/{run_id:str}/decisions/{seq:int}", guards=[query.strict])
async def decision_page(site: NamedDependency[Site], run_id: FromPath[str], seq: FromPath[int]) -> Response[bytes]:
    """Return the story of a bar: what was filled at its open, what was decided at its close, and why."""
    return await site.turns.read(_part, site, run_id, f"Bar {seq:,}", "story", lambda run: _story(run, bar=seq))


@get("/runs/{run_id:str}/report", guards=[query.strict])
async def report_file(site: NamedDependency[Site], run_id: FromPath[str]) -> Response[bytes]:
    """Return the report of a run as a file to keep: one page that needs nothing else, of the same run the same.

    How many runs were tried beside it, which stands in it, grows with the registry. It is saved and not shown, because
    its own style is not one that the policy of these pages allows.
    """
    return await site.turns.read(_report, site, run_id)


HANDLERS = (run_page, trades_page, trade_page, decisions_page, decision_page, report_file)


def _report(site: Site, run_id: str) -> Response[bytes]:
    entry = entry_of(site.store, run_id)
    run, (tried,) = site.details.checked(site.store.run(entry.run_id)), site.store.tried([entry])
    headers = {"content-disposition": f'attachment; filename="{run.id}.html"'}
    return Response("".join(run.report(tried=tried.says)).encode(), media_type=MediaType.HTML, headers=headers)


def _part(site: Site, run_id: str, title: str, part: str, read: Callable[[Run], Mapping[str, Any]]) -> Response[bytes]:
    """Return a part of a run as a page of its own."""
    found = site.store.run(entry_of(site.store, run_id).run_id)
    run = site.details.checked(found, *([TRADES] if part == "trades" else []))
    json = f"/api/v1/runs/{run.id}/{part}" if part != "story" else f"/api/v1/runs/{run.id}"
    command = commands.show(run.id)
    return site.page("part.html", run=run, title=title, part=part, json=json, command=command, **read(run))


# What a place in a run is -------------------------------------------------------------------------------------------


def _placed(run: Run, place: Place) -> dict[str, Any]:
    """Return trades, decisions and story of a place, and the window of the chart; the beginning of what is not said."""
    trade, bar, after = place.trade, place.bar, place.after
    story = _story(run, trade=trade, bar=None if trade is not None else bar)
    if trade is not None:
        after = trade // query.TRADES_LIMIT * query.TRADES_LIMIT
        bar = story["story"]["entry"]["decision"]["seq"]
    decisions = _decisions(run, 0, bar=bar, at_ms=place.view.first_ms)
    return {**_trades(run, after, chosen=trade), **decisions, **story, "view": place.view}


def _trades(run: Run, after: int, *, chosen: int | None) -> dict[str, Any]:
    asked = TradesAsked(first_ms=None, last_ms=None, limit=query.TRADES_LIMIT, after=after)
    return {"trades": trades_of(run, asked), "after": after, "trades_limit": query.TRADES_LIMIT, "chosen": chosen}


def _decisions(run: Run, after: int, *, bar: int | None, at_ms: int | None) -> dict[str, Any]:
    """Return a page of the records: around a bar, which is marked, or around an instant, or behind so many others."""
    total = len(run.records)
    middle = bar
    if middle is None and at_ms is not None:
        middle = int(np.searchsorted(run.bars.ts, at_ms, side="right")) - 1
    begin = after if middle is None else middle - DECISIONS_LIMIT // 2
    first = max(min(begin, total - DECISIONS_LIMIT), 0)
    records = [_shown(each) for each in run.records[first : first + DECISIONS_LIMIT]]
    found = {"records": records, "first": first, "total": total, "chosen": bar, "limit": DECISIONS_LIMIT}
    return {"decisions": found, "sides": SIDES}


def _shown(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with every member that the table asks for."""
    return {"reason": None, "rule": None, "fills": (), **record}


def _story(run: Run, *, trade: int | None = None, bar: int | None = None) -> dict[str, Any]:
    """Return the story of a trade or a bar; None without either."""
    story = None if trade is None and bar is None else run.explain(trade=trade, bar=bar)
    return {"story": story, "sides": SIDES}


# What a run is ------------------------------------------------------------------------------------------------------


def _run_values(site: Site, run: Run) -> dict[str, Any]:
    """Read what a run's page shows beside the place."""
    few = Window(buckets=PICTURE_BUCKETS)
    bars, equity = (detail.cut(few).columns for detail in (site.details.bars(run), site.details.equity(run)))
    site.details.checked(run)  # after them: what has no pyramid yet is read beside its making
    summary, bought = _summary(run), drawings.bought(run)
    start = float(run.inputs["initial_equity"])
    return {
        "run": run,
        "manifest": public_manifest(run),
        "metrics": run.metrics,
        "groups": metrics.groups(run.metrics, run.benchmark),
        "calendar": metrics.calendar(run.returns),
        "bars": len(run.equity),
        "summary": summary,
        "picture": drawings.picture(bars, equity, start=start, bought=bought, label=summary),
        "bought": bought,
        "timeline": run.timeline,
        "quality": run.quality,
        "definitions": {name: says for _, found in GROUPS for name, says in found.items()},
        "create": commands.create(run),
        "export": commands.export(run.id),
    }


def _summary(run: Run) -> str:
    """Return in words what the chart shows."""
    equity, bars = run.equity, run.bars
    trades = sum(int(run.metrics[name].value or 0) for name in ("trades", "trades_open"))
    return (
        f"Equity from {words.number(run.inputs['initial_equity'])} to {words.number(float(equity[-1]))} over "
        f"{len(equity):,} bars of {bars.timeframe.value}; highest close {words.number(float(equity.max()))}, "
        f"lowest {words.number(float(equity.min()))}, deepest drawdown {words.percent(float(run.drawdown.min()))}; "
        f"price from {words.price(float(bars.open[0]))} to {words.price(float(bars.close[-1]))}, "
        f"{trades:,} trades."
    )
