"""Resample: the kernels against a slow, obvious loop over windows."""

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.market.bars import COLUMNS, DTYPES, Bars
from buff.market.resample import Resampling, resample, windows
from buff.market.timeframe import BASES, Timeframe, coarser_or_equal

MINUTE, DAY = 60_000, 86_400_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Row = dict[str, Any]


def make(rows: list[Row], base: Timeframe = Timeframe.MINUTE_1) -> Bars:
    columns = {name: np.array([row[name] for row in rows], DTYPES[name]) for name in COLUMNS}
    return Bars(timeframe=base, decimals=2, **columns)


def bar(ts: int, price: float = 10.0, volume: float = 1.0, filled: int = 0) -> Row:
    return {
        "ts": ts, "open": price, "high": price + 2, "low": price - 1, "close": price + 1, "volume": volume,
        "filled": filled,
    }  # fmt: skip


def window(ts: int, timeframe: Timeframe) -> tuple[int, int]:
    """The oracle of edges: the window [start, end) that holds a stamp, by the calendar."""
    day = (EPOCH + timedelta(milliseconds=ts)).replace(hour=0, minute=0, second=0, microsecond=0)
    months = {"1M": 1, "3M": 3, "6M": 6, "1Y": 12}.get(timeframe.value)
    if months:
        start = day.replace(month=(day.month - 1) // months * months + 1, day=1)
        later = start.month + months
        end = start.replace(year=start.year + (later > 12), month=(later - 1) % 12 + 1)
    elif timeframe.value in ("1w", "2w"):
        start = day - timedelta(days=day.weekday())
        if timeframe.value == "2w" and (start - datetime(1970, 1, 5, tzinfo=UTC)).days % 14:
            start -= timedelta(days=7)
        end = start + timedelta(days=7 if timeframe.value == "1w" else 14)
    else:
        length = {"m": 1, "h": 60, "d": 1440}[timeframe.value[-1]] * int(timeframe.value[:-1]) * MINUTE
        return ts // length * length, ts // length * length + length
    return tuple(int((edge - EPOCH) / timedelta(milliseconds=1)) for edge in (start, end))  # type: ignore[return-value]


def exact(volumes: list[float]) -> tuple[float, bool]:
    """The oracle of sums (spec: engine X1-X3): decimals of the smallest k that reads them all back, else fsum."""
    for k in range(10):
        whole = [round(Fraction(volume) * 10**k) for volume in volumes]
        read_back = all(unit / 10**k == volume for unit, volume in zip(whole, volumes, strict=True))
        if max(volumes) * 10.0**k < 2.0**51 and read_back:
            return float(Fraction(sum(whole), 10**k)), True
    return math.fsum(volumes), False


def slowly(rows: list[Row], timeframe: Timeframe, base: Timeframe) -> tuple[list[Row], list[tuple[int, int]], int, int]:
    """The oracle: one window after another, one bar after another."""
    assert base.step_ms
    held: dict[tuple[int, int], list[Row]] = {}
    for row in rows:
        held.setdefault(window(row["ts"], timeframe), []).append(row)
    made, dropped, decimal = [], [], 0
    for (start, end), inside in held.items():
        if len(inside) * base.step_ms != end - start:
            dropped.append((start, len(inside)))
            continue
        total, in_decimals = exact([row["volume"] for row in inside])
        decimal += in_decimals
        made.append(
            {
                "ts": start,
                "open": inside[0]["open"],
                "high": max(row["high"] for row in inside),
                "low": min(row["low"] for row in inside),
                "close": inside[-1]["close"],
                "volume": total,
                "filled": inside[0]["filled"],
            }
        )
    empty, at, last = 0, window(rows[0]["ts"], timeframe)[1], window(rows[-1]["ts"], timeframe)[0]
    while at <= last:
        empty += window(at, timeframe) not in held
        at = window(at, timeframe)[1]
    return made, dropped, empty, decimal


def check(rows: list[Row], timeframe: Timeframe, base: Timeframe) -> Resampling:
    found = resample(make(rows, base), timeframe)
    made, dropped, empty, decimal = slowly(rows, timeframe, base)
    for name in COLUMNS:
        assert getattr(found.bars, name).tolist() == [row[name] for row in made], name
        assert getattr(found.bars, name).dtype == DTYPES[name]
    assert list(zip(found.dropped_ts.tolist(), found.dropped_rows.tolist(), strict=True)) == dropped
    assert (found.empty, found.decimal, found.fsum) == (empty, decimal, len(made) - decimal)
    assert (found.bars.timeframe, found.bars.decimals) == (timeframe, 2)
    return found


def test_five_minutes_become_one_bar() -> None:
    rows = [bar(at * MINUTE, 10.0 + at, 0.1) for at in range(5)]
    made = resample(make(rows), Timeframe.MINUTE_5).bars
    assert (made.open[0], made.high[0], made.low[0], made.close[0]) == (10.0, 16.0, 9.0, 15.0)
    assert made.volume[0] == 0.5  # five times 0.1 is 0.5, not 0.5000000000000001 or 0.49999999999999994


def test_an_incomplete_window_is_dropped_wherever_it_is() -> None:
    rows = [bar(at * MINUTE) for at in range(3, 22) if at != 12]
    found = resample(make(rows), Timeframe.MINUTE_5)
    assert found.bars.ts.tolist() == [5 * MINUTE, 15 * MINUTE]
    assert found.dropped_ts.tolist() == [0, 10 * MINUTE, 20 * MINUTE]
    assert found.dropped_rows.tolist() == [2, 4, 2]
    assert found.empty == 0


def test_a_window_counts_as_filled_when_its_first_base_bar_is() -> None:
    rows = [bar(at * MINUTE, filled=int(at in (5, 11))) for at in range(15)]
    assert resample(make(rows), Timeframe.MINUTE_5).bars.filled.tolist() == [0, 1, 0]


def test_the_same_timeframe_and_no_bars_come_back_as_they_are() -> None:
    bars = make([bar(0), bar(2 * MINUTE)])
    assert resample(bars, Timeframe.MINUTE_1).bars.ts.tolist() == [0, 2 * MINUTE]
    assert len(resample(make([]), Timeframe.HOUR_1).bars) == 0


@pytest.mark.parametrize("timeframe", list(Timeframe))
def test_two_years_of_days_agree_with_the_calendar(timeframe: Timeframe) -> None:
    start = window(1_577_836_800_000, Timeframe.WEEK_2)[0]
    rows = [bar(start + at * DAY, 10.0 + at % 7, at % 5 / 10) for at in range(800) if at != 700]
    if coarser_or_equal(timeframe, Timeframe.DAY_1) and timeframe is not Timeframe.DAY_1:
        assert len(check(rows, timeframe, Timeframe.DAY_1).bars) > 0


@pytest.mark.parametrize("timeframe", [frame for frame in Timeframe if (frame.step_ms or DAY) <= DAY])
def test_three_days_of_minutes_with_a_gap(timeframe: Timeframe) -> None:
    rows = [bar(at * MINUTE, 10.0 + at % 11, at % 13 / 100) for at in range(3 * 1440) if not 2000 <= at < 2077]
    if timeframe is not Timeframe.MINUTE_1:
        check(rows, timeframe, Timeframe.MINUTE_1)


VOLUMES = st.one_of(
    st.integers(0, 10**7).map(lambda units: units / 10**5),
    st.integers(0, 99).map(float),
    st.sampled_from(
        [0.0, 0.1, 1 / 3, 1e-9, 1e-10, 2.0**50, 2.0**51 - 1, 2.0**51, 1e15 + 0.3, 1e300, 5e-324, 46197.123456789]
    ),
    st.floats(0.0, 1e12),
)


PAIRS = [(base, frame) for base in BASES for frame in Timeframe if coarser_or_equal(frame, base) and frame is not base]


@given(
    pair=st.sampled_from(PAIRS),
    start=st.integers(-40_000, 40_000),
    steps=st.lists(st.sampled_from([1, 1, 1, 1, 1, 2, 3, 50, 900]), min_size=1, max_size=60),
    volumes=st.lists(VOLUMES, min_size=60, max_size=60),
    filled=st.lists(st.integers(0, 1), min_size=60, max_size=60),
)
def test_the_kernels_equal_the_loop(
    pair: tuple[Timeframe, Timeframe], start: int, steps: list[int], volumes: list[float], filled: list[int]
) -> None:
    """Invariants checked: every column, dropped and empty windows, decimal and fsum counts, for random gaps."""
    base, timeframe = pair
    assert base.step_ms is not None
    stamps = (np.cumsum(steps) + start) * base.step_ms
    rows = [
        bar(ts, 10.0 + at % 3, volume, mark)
        for at, (ts, volume, mark) in enumerate(zip(stamps.tolist(), volumes, filled, strict=False))
    ]
    check(rows, timeframe, base)


@given(st.sampled_from([frame for frame in Timeframe if frame is not Timeframe.MINUTE_1]), st.data())
def test_sparse_stamps_give_the_same_windows_as_dense_ones(timeframe: Timeframe, data: st.DataObject) -> None:
    stamps = sorted(data.draw(st.sets(st.integers(-(10**9), 10**9), min_size=1, max_size=20)))
    ts = np.array(stamps, np.int64) * MINUTE
    first, starts, rows = windows(ts, timeframe, MINUTE)
    expected: dict[int, int] = {}
    for each in ts.tolist():
        at = int(timeframe.start(timeframe.index(np.array([each])))[0])
        expected[at] = expected.get(at, 0) + 1
    assert dict(zip(starts.tolist(), rows.tolist(), strict=True)) == expected
    assert first.tolist() == np.append(0, np.cumsum(rows))[:-1].tolist()


def test_sums_are_those_of_decimal() -> None:
    assert exact([0.1] * 10) == (1.0, True)
    assert exact([0.1, 0.2]) == (float(Decimal("0.3")), True)
    assert exact([1 / 3, 1 / 3]) == (2 / 3, False)
