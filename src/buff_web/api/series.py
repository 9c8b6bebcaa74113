"""`/runs/{id}/bars` and `/runs/{id}/equity`: a window of a run's columns, in so many buckets as can be drawn.

An id and a window go in; columns of equal length come out, on the same buckets for both: as JSON, or as a sheet
(`buff.sheet`) where the request says that it accepts one. Every column of a sheet is float64.
"""

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency

from buff import Run, Timeframe, sheet
from buff.errors import RunDamaged, RunNotFound
from buff.pyramid import Detail, Window
from buff_web import query
from buff_web.api.runs import RunId, run_of
from buff_web.openapi import JSON, answers
from buff_web.site import Asked, Site, answer, json_answer

SHEET = "application/vnd.buff.columns"


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
    """`equity` and `position` at the end of every bucket, the deepest `drawdown` and the worst risk `state` in it.

    `state` is 0 GREEN, 1 YELLOW, 2 RED. The other four count the positions entered and left in it, by side.
    """

    ts: list[int]
    equity: list[float]
    drawdown: list[float]
    position: list[int]
    state: list[int]
    entries_long: list[int]
    exits_long: list[int]
    entries_short: list[int]
    exits_short: list[int]
    bars: list[int]


class Series(msgspec.Struct, kw_only=True):
    """Where a window lies: `bucket` is the timeframe of the columns, `bars` how many bars they hold.

    `first_ms` and `last_ms` are the stamps of the run's first and last bar, whatever the window is.
    """

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
    """A window of what a run made of its bars."""

    columns: EquityColumns


@get(
    "/runs/{run_id:str}/bars",
    sync_to_thread=True,
    dependencies={"window": query.WINDOW},
    responses=answers(BarsWindow, RunNotFound, RunDamaged, media=(JSON, SHEET)),
)
def show_bars(
    request: Asked, site: NamedDependency[Site], run_id: RunId, window: NamedDependency[Window]
) -> Response[bytes]:
    """Return a window of the bars the run was decided on, as columns of at most `max` buckets.

    Where the window holds more bars than `max`, the answer is in the finest coarser timeframe that fits. A window is
    widened to whole buckets, so that one bucket is the same in every answer.
    """
    run = run_of(site, run_id)
    return _series(request, run, site.details.bars(run), window)


@get(
    "/runs/{run_id:str}/equity",
    sync_to_thread=True,
    dependencies={"window": query.WINDOW},
    responses=answers(EquityWindow, RunNotFound, RunDamaged, media=(JSON, SHEET)),
)
def show_equity(
    request: Asked, site: NamedDependency[Site], run_id: RunId, window: NamedDependency[Window]
) -> Response[bytes]:
    """Return a window of equity, drawdown, position, risk state, entries and exits, in the same buckets as the bars."""
    run = run_of(site, run_id)
    return _series(request, run, site.details.equity(run), window)


def _series(request: Asked, run: Run, detail: Detail, window: Window) -> Response[bytes]:
    found = detail.cut(window)
    ts = detail.series.ts
    head = {
        "run_id": run.id,
        "timeframe": detail.series.timeframe.value,
        "bucket": found.bucket.value,
        "first_ms": int(ts[0]),
        "last_ms": int(ts[-1]),
        "bars": found.bars,
    }
    if request.accept.best_match([JSON, SHEET], default=JSON) == SHEET:
        columns = {name: values.astype("<f8") for name, values in found.columns.items()}
        body = b"".join(sheet.chunks(head, columns))
        return answer(request, body, media_type=SHEET, headers={"vary": "accept"})
    columns_told = {name: values.tolist() for name, values in found.columns.items()}
    return json_answer(request, {**head, "columns": columns_told}, headers={"vary": "accept"})


HANDLERS = (show_bars, show_equity)
