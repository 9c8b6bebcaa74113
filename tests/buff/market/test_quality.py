"""The quality report: each check against data that has exactly what it looks for."""

import itertools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.canonical import encode
from buff.market import quality
from buff.market.bars import COLUMNS, VALUES, Bars
from buff.market.resample import resample
from buff.market.timeframe import DAY_MS, MINUTE_MS, Timeframe
from buff.times import iso

DECIMALS = dict.fromkeys(VALUES, 2)


def bars(count: int, *, missing: tuple[int, ...] = (), base: Timeframe = Timeframe.MINUTE_1, **columns: Any) -> Bars:
    """Bars whose close goes up and down by a little and whose volume is 1 or 2, unless a column says otherwise."""
    assert base.step_ms
    at = np.arange(count)
    close = columns.get("close", 100.0 + at % 2 / 10)
    made = {
        "ts": at * base.step_ms,
        "open": close,
        "high": close,
        "low": close,
        "close": close,
        "volume": columns.get("volume", 1.0 + at % 2),
        "filled": columns.get("filled", np.zeros(count, np.uint8)),
    }
    kept = np.setdiff1d(at, missing)
    return Bars(timeframe=base, **{name: column[kept] for name, column in made.items()})


def check(data: Bars, name: str) -> Any:
    return quality.dataset_facts(data, DECIMALS)["checks"][name]


def verdict(data: Bars, timeframe: Timeframe = Timeframe.MINUTE_5) -> dict[str, Any]:
    facts = quality.resample_facts(resample(data, timeframe))
    return quality.report(quality.dataset_facts(data, DECIMALS), facts)


def test_nothing_to_find_is_a_pass() -> None:
    found = verdict(bars(100))
    assert found["verdict"] == "PASS"
    assert set(found["verdicts"].values()) == {"PASS"}
    assert found["dataset"]["first"] == "1970-01-01T00:00:00Z"
    assert found["dataset"]["rows"] == 100
    assert encode(found)


def test_gaps_are_listed_with_what_is_missing() -> None:
    data = bars(100, missing=(10, 11, 50))
    assert check(data, "gaps") == {
        "count": 2,
        "missing": 3,
        "ranges": [
            {"after": "1970-01-01T00:09:00Z", "before": "1970-01-01T00:12:00Z", "missing": 2},
            {"after": "1970-01-01T00:49:00Z", "before": "1970-01-01T00:51:00Z", "missing": 1},
        ],
    }
    assert verdict(data)["verdict"] == "WARN"


def test_filled_bars_are_listed_as_runs() -> None:
    marks = np.zeros(20, np.uint8)
    marks[[3, 4, 9]] = 1
    assert check(bars(20, filled=marks), "filled") == {
        "count": 3,
        "ranges": [
            {"first": "1970-01-01T00:03:00Z", "last": "1970-01-01T00:04:00Z", "bars": 2},
            {"first": "1970-01-01T00:09:00Z", "last": "1970-01-01T00:09:00Z", "bars": 1},
        ],
    }


@pytest.mark.parametrize(("equal", "found"), [(9, 0), (10, 1), (30, 1)])
def test_ten_equal_bars_in_a_row_are_stale(equal: int, found: int) -> None:
    volume = np.arange(100.0) + 1
    close = 100.0 + np.arange(100.0)
    volume[20 : 20 + equal], close[20 : 20 + equal] = 7.5, 50.0
    result = check(bars(100, volume=volume, close=close), "stale")
    assert (result["count"], result["bars"]) == (found, equal * found)
    if found:
        assert result["ranges"][0]["first"] == "1970-01-01T00:20:00Z"
        assert result["ranges"][0]["bars"] == equal


def test_equal_bars_without_volume_are_a_quiet_market_not_stale() -> None:
    quiet = bars(100, volume=np.zeros(100), close=np.full(100, 5.0))
    assert check(quiet, "stale")["count"] == 0
    assert check(quiet, "zero_volume") == {"count": 100}
    assert verdict(quiet)["verdict"] == "PASS"


def test_data_that_is_mostly_stale_fails() -> None:
    assert verdict(bars(100, volume=np.ones(100), close=np.full(100, 5.0)))["verdict"] == "FAIL"


def test_a_move_of_twenty_medians_is_a_spike() -> None:
    close = 100.0 + np.arange(100) % 2
    close[40:] += 15.0  # 14 in 101, less than twenty times the usual 1 in 101
    close[80:] += 40.0
    result = check(bars(100, close=close), "spikes")
    assert [each["ts"] for each in result["ranges"]] == ["1970-01-01T01:20:00Z"]
    assert result["ranges"][0]["move"] == abs(155.0 / 116.0 - 1.0)


def test_spikes_are_not_judged_where_most_bars_do_not_move() -> None:
    close = np.full(100, 5.0)
    close[50:] = 9.0
    result = check(bars(100, close=close), "spikes")
    assert (result["count"], result["threshold"]["move"]) == (0, None)


def test_a_change_of_the_unit_of_volume_is_seen_by_day() -> None:
    volume = np.repeat([1.0, 101.0, 0.0, 100.0, 0.9], 1440)
    result = check(bars(5 * 1440, volume=volume), "volume_jumps")
    assert result["ranges"] == [
        {"day": "1970-01-02T00:00:00Z", "median": 101.0, "median_before": 1.0},
        {"day": "1970-01-05T00:00:00Z", "median": 0.9, "median_before": 100.0},
    ]


@pytest.mark.parametrize(
    ("dropped", "says"),
    [
        (0, None),
        (1, "1 of 2,001 windows of 1h was dropped: it lacks bars"),
        (156, "156 of 2,156 windows of 1h were dropped: they lack bars"),
    ],
)
def test_windows_that_were_dropped_are_one_sentence(dropped: int, says: str | None) -> None:
    assert quality.dropped_windows({"timeframe": "1h", "windows": 2_000, "dropped": {"count": dropped}}) == says


def test_dropped_windows_warn_and_fail_when_they_are_as_many_as_the_kept() -> None:
    few, half = bars(100, missing=(7,)), bars(100, missing=tuple(range(0, 50, 5)))
    assert verdict(few)["verdicts"]["dropped_windows"] == "WARN"
    assert verdict(half)["verdicts"]["dropped_windows"] == "FAIL"
    assert verdict(few)["resample"]["dropped"] == {
        "count": 1,
        "ranges": [{"start": "1970-01-01T00:05:00Z", "bars": 4}],
    }


def test_at_most_a_thousand_ranges_are_listed_and_all_are_counted() -> None:
    data = bars(5_000, missing=tuple(range(1, 4_999, 3)))
    found = verdict(data)
    assert found["dataset"]["checks"]["gaps"]["count"] == 1666
    assert len(found["dataset"]["checks"]["gaps"]["ranges"]) == 1000


@pytest.mark.parametrize("base", [Timeframe.MINUTE_1, Timeframe.DAY_1])
def test_one_bar_is_enough_for_a_report(base: Timeframe) -> None:
    assert encode(quality.dataset_facts(bars(1, base=base), DECIMALS))


@given(st.lists(st.lists(st.floats(0.0, 1e9), min_size=1, max_size=9), min_size=1, max_size=9))
def test_day_medians_are_the_lower_middle_of_each_day(days: list[list[float]]) -> None:
    sizes = np.array([len(day) for day in days])
    first = np.cumsum(sizes) - sizes
    found = quality.day_medians(np.concatenate([np.array(day) for day in days]), first, sizes)
    assert found.tolist() == [sorted(day)[(len(day) - 1) // 2] for day in days]
    assert found.base is None, "medians must not hold on to the values they were taken from"


BAR = st.tuples(
    st.integers(1, 3).map(lambda bars: max(bars - 1, 1)),  # mostly no gap
    st.sampled_from((100.0, 100.5, 900.0)),
    st.sampled_from((0.0, 1.0, 1.0, 500.0)),
    st.booleans(),
    st.integers(1, 25),  # how often the bar is repeated
)


@given(
    st.lists(BAR, min_size=1, max_size=12),
    st.sampled_from((Timeframe.MINUTE_1, Timeframe.HOUR_4)),
    st.lists(st.integers(0, 60)),
)
def test_facts_are_those_of_a_slow_look_however_the_bars_are_cut_into_blocks(
    parts: list[tuple[int, float, float, bool, int]], base: Timeframe, cuts: list[int]
) -> None:
    """Invariants checked: gaps, fills, stale runs and volume by day equal a loop over rows; blocks change nothing."""
    assert base.step_ms
    table = [(step if at == 0 else 1, *cells) for step, *cells, times in parts for at in range(times)]
    steps, close, volume, filled = (np.array(column) for column in zip(*table, strict=True))
    columns = dict.fromkeys(("open", "high", "low", "close"), close) | {"volume": volume, "filled": filled}
    data = Bars(timeframe=base, ts=np.cumsum(steps) * base.step_ms, **columns)
    inspection = quality.Inspection(base=base)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for first, last in itertools.pairwise(edges):
        inspection.see({name: getattr(data, name)[first:last] for name in COLUMNS})
    found = inspection.facts(data, DECIMALS)
    assert found == quality.dataset_facts(data, DECIMALS)
    checks = found["checks"]
    missing = [step - 1 for step in steps[1:].tolist() if step > 1]
    assert [each["missing"] for each in checks["gaps"]["ranges"]] == missing
    assert (checks["gaps"]["count"], checks["gaps"]["missing"]) == (len(missing), sum(missing))
    rows = [(row, bool(mark)) for row, mark in enumerate(filled.tolist())]
    fills = [[row for row, _ in group] for mark, group in itertools.groupby(rows, lambda each: each[1]) if mark]
    assert checks["filled"] == {"count": sum(map(len, fills)), "ranges": [_range(data, rows) for rows in fills]}
    bars = list(enumerate(zip(close.tolist(), volume.tolist(), strict=True)))
    equal = [[row for row, _ in group] for bar, group in itertools.groupby(bars, lambda each: each[1]) if bar[1]]
    assert checks["stale"]["ranges"] == [_range(data, rows) for rows in equal if len(rows) >= quality.STALE_BARS_MIN]
    days = [
        (day, sorted(volume[row] for row in rows)[(len(rows) - 1) // 2])
        for day, rows in ((day, list(rows)) for day, rows in itertools.groupby(range(len(data)), _day(data)))
    ]
    traded = [(day, median) for day, median in days if median > 0.0]
    jumps = [(day, now) for (_, old), (day, now) in itertools.pairwise(traded) if now > old * 100 or now * 100 < old]
    assert [(each["day"], each["median"]) for each in checks["volume_jumps"]["ranges"]] == jumps


def _range(data: Bars, rows: list[int]) -> dict[str, Any]:
    return {"first": iso(data.ts[rows[0]]), "last": iso(data.ts[rows[-1]]), "bars": len(rows)}


def _day(data: Bars) -> Callable[[int], str]:
    return lambda row: iso(data.ts[row] - data.ts[row] % DAY_MS)


@given(st.lists(st.sampled_from((1.0, 1.5, 2.0, 300.0)), min_size=1, max_size=100), st.integers(1, 9))
def test_spikes_are_those_of_a_slow_look_however_many_moves_are_made_at_once(close: list[float], rows: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality, "BLOCK_ROWS", rows)
        found = check(bars(len(close), close=np.array(close)), "spikes")
    moves = [abs(now / before - 1.0) for before, now in itertools.pairwise(close)]
    median = sorted(moves)[(len(moves) - 1) // 2] if moves else 0.0
    spikes = [(iso(row * MINUTE_MS), move) for row, move in enumerate(moves, 1) if median and move > 20.0 * median]
    assert found["threshold"]["median"] == median
    assert [(each["ts"], each["move"]) for each in found["ranges"]] == spikes
    assert found["count"] == len(spikes)


def test_constants_are_those_of_the_documentation() -> None:
    assert (MINUTE_MS, DAY_MS) == (60_000, 86_400_000)
    assert (quality.STALE_BARS_MIN, quality.SPIKE_TIMES_MEDIAN, quality.VOLUME_TIMES_DAY) == (10, 20.0, 100.0)


def test_moves_past_the_largest_float_are_the_largest_float() -> None:
    close = np.array([1.0, 9e306, 1e-300, 9e306, 1e-300, 9e306])
    found = verdict(bars(6, close=close, volume=np.full(6, 1e307)))
    assert encode(found)
    assert found["dataset"]["checks"]["spikes"]["threshold"]["move"] == sys.float_info.max
    two_days = bars(2_880, volume=np.repeat([1e-300, 1e308], 1_440))
    assert check(two_days, "volume_jumps")["count"] == 1
