"""A run's columns, cut to a window and to so many points that a browser can draw them.

Mapped columns and a window go in; at most `buckets` points come out, on the windows of a coarser timeframe. This is a
view of what is stored: no decision, fill or metric is computed again, and nothing of it is kept.
"""

from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from buff import Bars, Run, Timeframe
from buff_web.query import Window


@frozen(kw_only=True, eq=False)
class Cut:
    """Where the buckets of a window begin.

    `low` and `high` bound the bars used; `starts` (int64, counted from `low`) are the first bar of each bucket; `ts`
    (int64, epoch ms) the stamp of each bucket, the start of its window; `bucket` the timeframe of the buckets.
    """

    bucket: Timeframe
    low: int
    high: int
    starts: NDArray[np.int64]
    ts: NDArray[np.int64]

    @property
    def ends(self) -> NDArray[np.int64]:
        """The last bar of each bucket, int64, from `low`."""
        return np.append(self.starts[1:], self.high - self.low) - 1

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many bars each bucket holds, int64."""
        return self.ends - self.starts + 1


def cut(ts: NDArray[np.int64], timeframe: Timeframe, window: Window) -> Cut:
    """Return the finest cut of a window that has at most `window.buckets` buckets.

    Outer buckets are whole: a window is widened to their edges, so that one bucket is the same in every answer.
    """
    low = 0 if window.first_ms is None else int(np.searchsorted(ts, window.first_ms))
    high = len(ts) if window.last_ms is None else int(np.searchsorted(ts, window.last_ms))
    if high <= low:
        return Cut(bucket=timeframe, low=low, high=low, starts=np.empty(0, np.int64), ts=np.empty(0, np.int64))
    bucket = _finest(ts[[low, high - 1]], high - low, timeframe, window.buckets)
    if bucket is timeframe:
        return Cut(bucket=bucket, low=low, high=high, starts=np.arange(high - low), ts=ts[low:high])
    edges = bucket.start(bucket.index(ts[[low, high - 1]]) + np.array([0, 1]))
    low, high = np.searchsorted(ts, edges).tolist()
    number = bucket.index(ts[low:high])
    starts = np.flatnonzero(np.diff(number, prepend=number[:1] - 1))
    return Cut(bucket=bucket, low=low, high=high, starts=starts, ts=bucket.start(number[starts]))


def _finest(ends: NDArray[np.int64], count: int, own: Timeframe, most: int) -> Timeframe:
    if count <= most:
        return own
    ladder = list(Timeframe)
    coarser = ladder[ladder.index(own) + 1 :]
    fitting = (each for each in coarser if int(np.diff(each.index(ends))[0]) < most)
    return next(fitting, ladder[-1])


def bars_columns(bars: Bars, cut: Cut) -> dict[str, list[Any]]:
    """Return OHLCV of every bucket, and how many bars it holds."""
    part, starts, ends = slice(cut.low, cut.high), cut.starts, cut.ends
    if not len(starts):
        return {name: [] for name in ("ts", "open", "high", "low", "close", "volume", "bars")}
    return {
        "ts": cut.ts.tolist(),
        "open": bars.open[part][starts].tolist(),
        "high": np.maximum.reduceat(bars.high[part], starts).tolist(),
        "low": np.minimum.reduceat(bars.low[part], starts).tolist(),
        "close": bars.close[part][ends].tolist(),
        # A sum in any order will do: it is drawn a few pixels high and never stored.
        "volume": np.add.reduceat(bars.volume[part], starts).tolist(),
        "bars": cut.counts.tolist(),
    }


def equity_columns(run: Run, cut: Cut) -> dict[str, list[Any]]:
    """Return equity and side held at the end of every bucket, and the deepest drawdown in it."""
    part, starts, ends = slice(cut.low, cut.high), cut.starts, cut.ends
    if not len(starts):
        return {name: [] for name in ("ts", "equity", "drawdown", "position")}
    return {
        "ts": cut.ts.tolist(),
        "equity": run.equity[part][ends].tolist(),
        "drawdown": np.minimum.reduceat(run.drawdown[part], starts).tolist(),
        "position": run.position[part][ends].tolist(),
    }
