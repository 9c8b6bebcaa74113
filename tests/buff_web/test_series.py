"""Cutting a window into buckets: what a slow loop over the bars gives."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from buff import Bars, Timeframe
from buff_web.query import Window
from buff_web.series import bars_columns, cut
from worlds import bars_of

WHOLE = Window(first_ms=None, last_ms=None, buckets=50)


def test_a_day_of_minutes_becomes_hours() -> None:
    """1,440 minutes in at most 50 buckets are 48 half hours: the finest timeframe that fits."""
    bars = bars_of(Timeframe.MINUTE_1, [float(i) for i in range(1, 1441)], [float(i) for i in range(2, 1442)])
    part = cut(bars.ts, bars.timeframe, WHOLE)
    columns = bars_columns(bars, part)
    assert part.bucket is Timeframe.MINUTE_30
    assert len(part.ts) == 48
    assert (columns["open"][0], columns["high"][0], columns["low"][0], columns["close"][0]) == (1.0, 31.0, 1.0, 31.0)
    assert set(columns["volume"]) == {30.0}
    assert set(columns["bars"]) == {30}


def test_few_bars_are_not_bucketed_and_no_bars_are_no_buckets() -> None:
    bars = bars_of(Timeframe.HOUR_1, [1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    every = cut(bars.ts, bars.timeframe, WHOLE)
    assert every.bucket is Timeframe.HOUR_1
    assert bars_columns(bars, every)["close"] == [2.0, 3.0, 4.0]
    none = cut(bars.ts, bars.timeframe, Window(first_ms=0, last_ms=1, buckets=50))
    assert bars_columns(bars, none) == {name: [] for name in ("ts", "open", "high", "low", "close", "volume", "bars")}


def test_a_window_is_widened_to_whole_buckets() -> None:
    """A bucket holds the same bars in whatever window it is asked for, so pictures do not flicker."""
    bars = bars_of(Timeframe.MINUTE_1, [1.0] * 3000, [2.0] * 3000)
    first = int(bars.ts[0])
    part = cut(bars.ts, bars.timeframe, Window(first_ms=first + 7 * 60_000, last_ms=first + 400 * 60_000, buckets=50))
    assert part.bucket is Timeframe.MINUTE_15
    assert part.ts[0] == first
    assert set(part.counts.tolist()) == {15}


@st.composite
def _markets(draw: st.DrawFn) -> tuple[Bars, Window]:
    timeframe = draw(st.sampled_from(list(Timeframe)))
    count = draw(st.integers(1, 300))
    seed = np.random.default_rng(draw(st.integers(0, 10_000)))
    opens, closes = (seed.uniform(1, 100, count).tolist() for _ in range(2))
    gaps = seed.choice([0, 0, 0, 1, 7, 100], count).tolist() if draw(st.booleans()) else None
    volume = [float(value) for value in seed.integers(0, 1000, count)]
    bars = bars_of(timeframe, opens, closes, missing=gaps, volume=volume)
    low, high = sorted(draw(st.lists(st.integers(int(bars.ts[0]) - 10, int(bars.ts[-1]) + 10), min_size=2, max_size=2)))
    window = Window(
        first_ms=draw(st.sampled_from([None, low])),
        last_ms=draw(st.sampled_from([None, high])),
        buckets=draw(st.integers(50, 120)),
    )
    return bars, window


@given(_markets())
def test_buckets_are_what_a_slow_loop_makes(world: tuple[Bars, Window]) -> None:
    """Invariants checked: no more buckets than asked (but for years, where there is nothing coarser); every bar of the
    window is in exactly one; each bucket is the whole window of its timeframe, first, highest, lowest, last and sum.
    """
    bars, window = world
    part = cut(bars.ts, bars.timeframe, window)
    columns = bars_columns(bars, part)
    assert len(part.ts) <= window.buckets or part.bucket is Timeframe.YEAR_1
    low = -math.inf if window.first_ms is None else window.first_ms
    high = math.inf if window.last_ms is None else window.last_ms
    wanted = {part.bucket.floor(ts) for ts in bars.ts.tolist() if low <= ts < high}
    assert columns["ts"] == sorted(wanted)
    for index, start in enumerate(columns["ts"]):
        inside = [i for i, ts in enumerate(bars.ts.tolist()) if part.bucket.floor(ts) == start]
        assert columns["open"][index] == bars.open[inside[0]]
        assert columns["high"][index] == max(bars.high[i] for i in inside)
        assert columns["low"][index] == min(bars.low[i] for i in inside)
        assert columns["close"][index] == bars.close[inside[-1]]
        assert columns["volume"][index] == sum(bars.volume[i] for i in inside)
        assert columns["bars"][index] == len(inside)
