"""Bars resampled by pandas and by polars, as their users do it.

Bars go in; a call for each comes out that makes the frame of a coarser timeframe. Windows that lack bars are not told
from whole ones, and volumes are added in an order of the library's own.
"""

from collections.abc import Callable
from typing import Any

from buff.market.bars import VALUES, Bars

RULES = {"5m": "5min", "1h": "1h", "1d": "1D"}
HOW = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}


def by_pandas(bars: Bars) -> Callable[[str], Any]:
    """Return what resamples the bars to a timeframe by pandas."""
    import pandas as pd

    columns = {name: getattr(bars, name) for name in VALUES}
    frame = pd.DataFrame(columns, index=pd.to_datetime(bars.ts, unit="ms"))
    return lambda timeframe: frame.resample(RULES[timeframe]).agg(HOW)


def by_polars(bars: Bars) -> Callable[[str], Any]:
    """Return what resamples the bars to a timeframe by polars, on all processors."""
    import polars as pl

    columns = {name: getattr(bars, name) for name in ("ts", *VALUES)}
    table = pl.DataFrame(columns).with_columns(pl.from_epoch("ts", time_unit="ms")).set_sorted("ts")
    sums = [
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
    ]
    return lambda timeframe: table.group_by_dynamic("ts", every=timeframe).agg(sums)
