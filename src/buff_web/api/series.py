"""`/runs/{id}/bars` and `/runs/{id}/equity`: a window of a run's columns, in so many buckets as can be drawn.

An id and a window go in; columns of equal length come out, on the same buckets for both.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency

from buff import Run, Timeframe
from buff.errors import RunDamaged, RunNotFound
from buff_web import query
from buff_web.api.runs import RunId, run_of
from buff_web.openapi import answers
from buff_web.query import Window
from buff_web.series import Cut, bars_columns, cut, equity_columns
from buff_web.site import Asked, Site, json_answer


class BarsColumns(msgspec.Struct, kw_only=True):
    """OHLCV of every bucket: `ts` is its start in epoch milliseconds, `bars` how many bars it holds."""

    ts: list[int]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]
    bars: list[int]


class EquityColumns(msgspec.Struct, kw_only=True):
    """`equity` and `position` at the end of every bucket, and the deepest `drawdown` in it."""

    ts: list[int]
    equity: list[float]
    drawdown: list[float]
    position: list[int]


class Series(msgspec.Struct, kw_only=True):
    """Where a window lies: `bucket` is the timeframe of the columns, `bars` how many bars they hold."""

    run_id: str
    timeframe: Timeframe
    bucket: Timeframe
    first_ms: int
    last_ms: int
    bars: int


class BarsWindow(Series, kw_only=True):
    """A window of the bars a run was decided on."""

    columns: BarsColumns


class EquityWindow(Series, kw_only=True):
    """A window of a run's equity, drawdown and position."""

    columns: EquityColumns


@get(
    "/runs/{run_id:str}/bars",
    sync_to_thread=True,
    dependencies={"window": query.WINDOW},
    responses=answers(BarsWindow, RunNotFound, RunDamaged),
)
def show_bars(
    request: Asked, site: NamedDependency[Site], run_id: RunId, window: NamedDependency[Window]
) -> Response[bytes]:
    """Return a window of the bars the run was decided on, as columns of at most `max` buckets.

    Where the window holds more bars than `max`, the answer is in the finest coarser timeframe that fits. A window is
    widened to whole buckets, so that one bucket is the same in every answer.
    """
    return _series(request, site, run_id, window, lambda run, part: bars_columns(run.bars, part))


@get(
    "/runs/{run_id:str}/equity",
    sync_to_thread=True,
    dependencies={"window": query.WINDOW},
    responses=answers(EquityWindow, RunNotFound, RunDamaged),
)
def show_equity(
    request: Asked, site: NamedDependency[Site], run_id: RunId, window: NamedDependency[Window]
) -> Response[bytes]:
    """Return a window of equity, drawdown and position, in the same buckets as the bars."""
    return _series(request, site, run_id, window, equity_columns)


def _series(
    request: Asked, site: Site, run_id: str, window: Window, columns: Callable[[Run, Cut], dict[str, list[Any]]]
) -> Response[bytes]:
    run = run_of(site, run_id)
    bars = run.bars
    part = cut(bars.ts, bars.timeframe, window)
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


HANDLERS = (show_bars, show_equity)
