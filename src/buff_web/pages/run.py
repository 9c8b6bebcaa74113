"""`/runs/{id}`: one run, or what is known of it and what is wrong when it cannot be read.

An id goes in; everything its artifacts say comes out. It is all read before the first byte is sent, so that damage
anywhere is told instead of half a page.
"""

from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from buff import Run, RunEntry
from buff.errors import BuffError
from buff_web import commands, drawings, metrics, query, words
from buff_web.query import TradesAsked
from buff_web.reading import public_manifest, trades_of
from buff_web.site import Asked, Site


@get("/runs/{run_id:str}", sync_to_thread=True)
def run_page(request: Asked, site: NamedDependency[Site], run_id: FromPath[str]) -> Response[Any]:
    """Return one run, or what is known of it and what is wrong when it cannot be read."""
    asked = query.given(request.scope["query_string"], allowed=("after",))
    entry = site.store.entry(run_id)
    if entry.run_id != run_id:
        return Redirect(f"/runs/{entry.run_id}", status_code=302)  # the beginning of an id is enough to find it
    after = query.whole(asked, "after", default=0, low=0, high=10**9)
    try:
        shown = _run_values(site.store.run(run_id), after)
    except BuffError as error:
        return site.page("damaged.html", status=error.status, entry=entry, error=error, verify=_verify(entry))
    return site.page("run.html", entry=entry, verify=_verify(entry), **shown)


HANDLERS = (run_page,)


def _verify(entry: RunEntry) -> str:
    return commands.verify(entry.run_id)


def _run_values(run: Run, after: int) -> dict[str, Any]:
    """Read everything a run's page shows, so that damage anywhere is found before the first byte is sent."""
    equity, bars = run.equity, run.bars
    asked = TradesAsked(first_ms=None, last_ms=None, limit=query.TRADES_LIMIT, after=after)
    first, last = (words.short_time(run.inputs[bound]) for bound in ("start", "end"))
    summary = _summary(run)
    return {
        "run": run,
        "manifest": public_manifest(run),
        "metrics": run.metrics,
        "groups": metrics.groups(run.metrics, run.benchmark),
        "calendar": metrics.calendar(run.returns),
        "bars": len(bars),
        "summary": summary,
        "still": drawings.still(equity, first=first, last=last, label=summary),
        "trades": trades_of(run, asked),
        "after": after,
        "limit": query.TRADES_LIMIT,
        "timeline": run.timeline,
        "quality": run.quality,
        "create": commands.create(run),
    }


def _summary(run: Run) -> str:
    """Return in words what the chart shows."""
    equity, bars = run.equity, run.bars
    return (
        f"Equity from {words.number(run.inputs['initial_equity'])} to {words.number(float(equity[-1]))} over "
        f"{len(equity):,} bars of {bars.timeframe.value}; highest close {words.number(float(equity.max()))}, "
        f"lowest {words.number(float(equity.min()))}, deepest drawdown {words.percent(float(run.drawdown.min()))}; "
        f"price from {words.price(float(bars.open[0]))} to {words.price(float(bars.close[-1]))}, "
        f"{len(run.trades):,} trades."
    )
