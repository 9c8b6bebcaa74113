"""`/legacy/{id}`: a run of the previous generation, with what is left of it. It is read and never written.

An id goes in; a page comes out that says what is known, what contradicts itself and what cannot be read.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from markupsafe import Markup

from buff import LegacyRun
from buff.errors import RunNotFound
from buff.legacy.bars import LegacyBars
from buff.runs.drawing import curves
from buff_web import commands, query, words
from buff_web.site import Site

ROWS_MAX = 200  # of decisions, trades and events each; the API has more


@get("/legacy/{run_id:path}", sync_to_thread=True, guards=[query.strict])
def legacy_page(site: NamedDependency[Site], run_id: FromPath[str]) -> Response[bytes]:
    """Return a legacy run. Raises RunNotFound."""
    name = run_id.removeprefix("/")
    run = site.listing.legacy_run(name)
    if run is None:
        raise RunNotFound(f"no legacy run {name!r}", hint="`buff run list --legacy` shows what is there")
    return shown(site, run)


HANDLERS = (legacy_page,)


def shown(site: Site, run: LegacyRun) -> Response[bytes]:
    """Return the page of a legacy run."""
    drawn = run.drawn
    return site.page(
        "legacy.html",
        run=run,
        entry=run.entry,
        picture=None if drawn is None or len(drawn) < 2 else _picture(drawn),
        drawn=drawn,
        equity=_equity(run),
        told="point by point" if _curve(run) else "by the trades, after each of them",
        missing=_missing(run),
        metrics=_plain(run.metrics),
        trades=run.trades[:ROWS_MAX],
        timeline=run.timeline[:ROWS_MAX],
        decisions=run.decisions[:ROWS_MAX],
        stamp=_stamp,
        json=f"/api/v1/legacy/{run.id}",
        command=commands.show(run.id),
    )


def _missing(run: LegacyRun) -> list[str]:
    """Return what the files of a run do not hold, in the words of the page."""
    parts = {
        "what was asked for": run.request,
        "prices": run.drawn,
        "metrics": run.metrics,
        "trades": run.trades,
        "a timeline": run.timeline,
        "decisions": run.decisions,
    }
    return [name for name, found in parts.items() if not found]


def _picture(bars: LegacyBars) -> Markup:
    first, last = (words.price(float(bars.close[place])) for place in (0, -1))
    label = f"Closes of {len(bars):,} bars, from {first} to {last}"
    return Markup(curves(bars.ts, {"equity": bars.close}, label=label))


def _curve(run: LegacyRun) -> bool:
    """Say whether there is a curve of its own to draw."""
    return len(run.equity) > 1


def _equity(run: LegacyRun) -> Markup | None:
    """Return the equity as its own file tells it, else as the trades do; None where fewer than two points are told."""
    after_trades = {
        each.ts if each.exit_ts is None else each.exit_ts: each.equity
        for each in run.trades
        if each.ts is not None and each.equity is not None
    }
    points = run.equity if _curve(run) else sorted(after_trades.items())
    if len(points) < 2:
        return None
    ts = np.array([ms for ms, _ in points], np.int64)
    equity = np.array([value for _, value in points], np.float64)
    first, last = (words.number(float(equity[place])) for place in (0, -1))
    counted = f"at {len(points):,} instants" if _curve(run) else f"after {len(points):,} trades"
    return Markup(curves(ts, {"equity": equity}, label=f"Equity {counted}, {first} to {last}"))


def _stamp(ms: int | None) -> str:
    """Return an instant as text; the previous generation did not always write one that can be read."""
    return "no time" if ms is None else words.short_time(words.stamp(ms))


def _plain(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return metrics as they were written, nested ones by dotted names: their formulas are not ours to round."""
    found: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            found += [(f"{name}.{inner}", text) for inner, text in _plain(value)]
        else:
            found.append((name, words.NOTHING if value is None else str(value)))
    return found
