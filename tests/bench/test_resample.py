"""How fast resampling is: beside a copy of the same memory, pandas and polars."""

import time
from collections.abc import Callable

import numpy as np
import pytest

from buff.market import quality
from buff.market.bars import VALUES, Bars
from buff.market.resample import resample
from buff.market.timeframe import Timeframe

FIVE_YEARS, YEAR = 2_628_000, 525_600
MINUTE_MS = 60_000
RULES = {"5m": "5min", "1h": "1h", "1d": "1D"}


def _minutes(count: int) -> Bars:
    """Minutes of integer arithmetic alone: cents that wander, volumes of five decimals, no gap."""
    at = np.arange(count, dtype=np.int64)
    noise = (at * 2_654_435_761) % 1_009
    close = 4_000_000 + np.cumsum(noise - 504)
    opened = np.concatenate((close[:1], close[:-1]))
    return Bars(
        timeframe=Timeframe.MINUTE_1,
        ts=1_577_836_800_000 + at * MINUTE_MS,
        open=opened / 100,
        high=(np.maximum(opened, close) + noise) / 100,
        low=(np.minimum(opened, close) - noise) / 100,
        close=close / 100,
        volume=(noise * 40_503 % 2_000_003) / 1e5,
        filled=np.zeros(count, np.uint8),
    )


def _seconds(job: Callable[[], object], rounds: int = 5) -> float:
    best = float("inf")
    for _ in range(rounds):
        begin = time.perf_counter()
        job()
        best = min(best, time.perf_counter() - begin)
    return best


@pytest.mark.bench
def test_five_years_of_minutes_beside_a_copy_pandas_and_polars() -> None:
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    bars = _minutes(FIVE_YEARS)
    columns = {name: getattr(bars, name) for name in ("ts", *VALUES)}
    target = {name: np.empty_like(column) for name, column in columns.items()}
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    frame = pd.DataFrame({name: columns[name] for name in VALUES}, index=pd.to_datetime(bars.ts, unit="ms"))
    table = pl.DataFrame(columns).with_columns(pl.from_epoch("ts", time_unit="ms")).set_sorted("ts")
    sums = [
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
    ]

    def copy() -> None:
        for name, column in columns.items():
            np.copyto(target[name], column)

    plain = _seconds(copy)
    print(f"\n{FIVE_YEARS:,} minutes; a copy of the same bytes takes {plain * 1e3:.1f} ms")
    for timeframe in (Timeframe.MINUTE_5, Timeframe.HOUR_1, Timeframe.DAY_1):
        name = timeframe.value
        ours = _seconds(lambda timeframe=timeframe: resample(bars, timeframe))
        pandas = _seconds(lambda name=name: frame.resample(RULES[name]).agg(how), 3)
        polars = _seconds(lambda name=name: table.group_by_dynamic("ts", every=name).agg(sums), 3)
        print(
            f"{name}: {ours * 1e3:5.1f} ms = {ours / plain:4.1f} x the copy (goal for 1h: 4); "
            f"pandas {pandas / ours:.2f} x, polars {polars / ours:.2f} x slower"
        )
        made = frame.resample(RULES[name]).agg(how)
        found = resample(bars, timeframe).bars
        for column in ("open", "high", "low", "close"):
            assert np.array_equal(made[column].to_numpy(), getattr(found, column))
        assert np.allclose(made["volume"].to_numpy(), found.volume, rtol=1e-12)


@pytest.mark.bench
def test_the_facts_of_the_quality_report_of_a_year() -> None:
    bars = _minutes(YEAR)
    took = _seconds(lambda: quality.dataset_facts(bars, dict.fromkeys(VALUES, 2)))
    print(f"\nquality facts of {YEAR:,} minutes: {took * 1e3:.1f} ms (goal 25)")
    assert took < 1.0
