"""Returns: equity at the end of every UTC day, and what months and years made of it, beside buy and hold.

Bars and a curve of equity go in; the daily series and the document of `returns.json` come out, one row for each month
and each year the bars touch: lists that grow with the calendar and never with the bars. Everything is element-wise
division and subtraction. The definitions stand in `docs/reference/metrics.md`.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from buff.decisions.engine import Outcome
from buff.market.bars import Bars
from buff.market.timeframe import DAY_MS

SCHEMA = "returns.v1"
PERIODS = (("months", "M", "monthly_return.v1"), ("years", "Y", "yearly_return.v1"))

Floats = NDArray[np.float64]
_Result = tuple[float | None, str | None]


def daily_equity(bars: Bars, equity: Floats, start_equity: float) -> Floats:
    """Return q: the start equity and then the equity at the end of every UTC day from the first bar's to the last's.

    A close belongs to the day of its bar's last instant. Days without a close keep the value before them. float64 of
    one more than the days.
    """
    day = (bars.close_ms - 1) // DAY_MS
    days = np.arange(bars.ts[0] // DAY_MS, day[-1] + 1)
    return np.append(start_equity, np.append(start_equity, equity)[np.searchsorted(day, days, side="right")])


def held(bars: Bars, start_equity: float, warmup: int) -> Floats | None:
    """Return what all of the start equity would be at every close, bought at the first open after the warm-up.

    Free of cost; the start equity until then. None where the warm-up leaves no open.
    """
    first = warmup + 1
    if first >= len(bars):
        return None
    return np.append(np.full(first, start_equity), start_equity * (bars.close[first:] / float(bars.open[first])))


def returns(bars: Bars, outcome: Outcome, *, warmup: int) -> dict[str, Any]:
    """Return the document of `returns.json`: every month and year, beside buy and hold (spec/engine.md M3)."""
    start = outcome.initial_equity
    curve = held(bars, start, warmup)
    ours = daily_equity(bars, outcome.equity, start)
    theirs = None if curve is None else daily_equity(bars, curve, start)
    return {
        "schema": SCHEMA,
        **{
            name: {"formula": formula, "unit": "ratio", "rows": _rows(bars, ours, theirs, unit)}
            for name, unit, formula in PERIODS
        },
    }


def _rows(bars: Bars, ours: Floats, theirs: Floats | None, unit: str) -> list[dict[str, Any]]:
    first = bars.ts[0] // DAY_MS
    period = np.arange(first, first + len(ours) - 1).view("datetime64[D]").astype(f"datetime64[{unit}]")
    begins = np.flatnonzero(np.append(True, period[1:] != period[:-1]))
    ends = np.append(begins[1:], len(period))
    opens, closes = ((period[begins] + step).astype("datetime64[ms]").astype(np.int64) for step in (0, 1))
    whole = (bars.ts[0] <= opens) & (closes <= bars.close_ms[-1])
    missing: list[_Result] = [(None, "no_tradable_bar")] * len(begins)
    beside = missing if theirs is None else _results(theirs, begins, ends)
    names, days = np.datetime_as_string(period[begins]).tolist(), (ends - begins).tolist()
    return [
        {
            "period": name,
            "samples": count,
            "value": value,
            "null_reason": reason,
            "flag": None if full else "partial_period",
            "buy_and_hold": other,
            "buy_and_hold_null_reason": other_reason,
        }
        for name, count, full, (value, reason), (other, other_reason) in zip(
            names, days, whole.tolist(), _results(ours, begins, ends), beside, strict=True
        )
    ]


def _results(series: Floats, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> list[_Result]:
    """Return the value at each period's end over the one before its first day, less one; or why there is none."""
    return [_result(*pair) for pair in zip(series[begins].tolist(), series[ends].tolist(), strict=True)]


def _result(before: float, after: float) -> _Result:
    if before <= 0.0:
        return None, "equity_not_positive"
    value = after / before - 1.0
    return (value, None) if math.isfinite(value) else (None, "overflow")
