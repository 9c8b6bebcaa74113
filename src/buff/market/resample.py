"""Resample: base bars in, bars of a coarser timeframe out, only of windows in which no base bar is missing.

Windows are those of the UTC time line (`timeframe`); an incomplete one is dropped wherever it is, and listed. No
Python loop runs over rows, volumes are exact, and nothing here touches the disk.
"""

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from buff.market import volume
from buff.market.bars import Bars
from buff.market.timeframe import Timeframe, coarser_or_equal


@frozen(kw_only=True, eq=False)
class Resampling:
    """Complete bars, and what became of the other windows.

    dropped_ts, dropped_rows: int64[m], the start of each incomplete window and how many base bars it had (1 or more).
    empty: windows between the first and the last without any base bar. decimal, fsum: complete windows whose volume
    was summed as exact decimals, and by math.fsum; both 0 where the timeframe is the base and nothing was summed.
    """

    bars: Bars
    dropped_ts: NDArray[np.int64]
    dropped_rows: NDArray[np.int64]
    empty: int
    decimal: int
    fsum: int


def resample(bars: Bars, timeframe: Timeframe) -> Resampling:
    """Return the complete bars of `timeframe`, which must be a whole multiple of the bars' own.

    Bars of the same timeframe come back as they are; no bars in, none out. `filled` is that of a window's first bar.
    """
    assert coarser_or_equal(timeframe, bars.timeframe), "the request was checked"
    if timeframe is bars.timeframe or len(bars) == 0:
        return _unchanged(bars, timeframe)
    step_ms = bars.timeframe.step_ms
    assert step_ms is not None
    first, starts, rows = windows(bars.ts, timeframe, step_ms)
    complete = rows == (timeframe.end(starts) - starts) // step_ms
    total, exact = volume.sums(bars.volume, first)
    opens = first[complete]
    coarse = Bars(
        timeframe=timeframe,
        decimals=bars.decimals,
        ts=starts[complete],
        open=bars.open[opens],
        high=np.maximum.reduceat(bars.high, first)[complete],
        low=np.minimum.reduceat(bars.low, first)[complete],
        close=bars.close[(first + rows - 1)[complete]],
        volume=total[complete],
        filled=bars.filled[opens],
    )
    decimal = int(np.count_nonzero(exact[complete]))
    return Resampling(
        bars=coarse,
        dropped_ts=starts[~complete],
        dropped_rows=rows[~complete],
        empty=_between(bars.ts, timeframe) - len(starts),
        decimal=decimal,
        fsum=len(coarse) - decimal,
    )


def windows(
    ts: NDArray[np.int64], timeframe: Timeframe, step_ms: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return (first row, start in epoch ms, number of rows) of every window that holds a stamp, int64 each.

    ts: int64[n], strictly increasing on the grid of `step_ms`, n >= 1. Edges are made once for the range, never per
    row, unless the range has more windows than there are rows.
    """
    span = _between(ts, timeframe)
    if span > len(ts):
        index = timeframe.index(ts)
        first = np.flatnonzero(np.diff(index, prepend=index[0] - 1))
        return first, timeframe.start(index[first]), np.diff(np.append(first, len(ts)))
    origin = int(timeframe.index(ts[:1])[0])
    edges = timeframe.start(np.arange(origin, origin + span + 1))
    if ts[-1] - ts[0] == (len(ts) - 1) * step_ms:
        at = np.clip((edges - ts[0]) // step_ms, 0, len(ts))  # without a gap the row follows from the time
    else:
        at = np.searchsorted(ts, edges)
    rows = np.diff(at)
    held = rows > 0
    return at[:-1][held], edges[:-1][held], rows[held]


def _between(ts: NDArray[np.int64], timeframe: Timeframe) -> int:
    first, last = timeframe.index(ts[[0, -1]]).tolist()
    return int(last - first + 1)


def _unchanged(bars: Bars, timeframe: Timeframe) -> Resampling:
    columns = {name: getattr(bars, name) for name in ("ts", "open", "high", "low", "close", "volume", "filled")}
    none = np.empty(0, np.int64)
    same = Bars(timeframe=timeframe, decimals=bars.decimals, **columns)
    return Resampling(bars=same, dropped_ts=none, dropped_rows=none, empty=0, decimal=0, fsum=0)
