"""How fast resampling is: beside a copy of the same memory, pandas and polars; and that all make the same bars."""

import numpy as np
import pytest

from buff.bench import resample as subject
from buff.bench.made import minutes
from buff.bench.rivals import frames
from buff.bench.turns import timed
from buff.market import quality
from buff.market.bars import VALUES
from buff.market.resample import resample
from buff.sample import MONTH, YEAR
from contests import show


@pytest.mark.bench
def test_five_years_of_minutes_beside_a_copy_pandas_and_polars(request: pytest.FixtureRequest) -> None:
    """Goal at 1h: at most four times the copy."""
    show(request, subject.subject)


@pytest.mark.bench
@pytest.mark.parametrize("timeframe", subject.TIMEFRAMES)
def test_pandas_and_polars_make_the_same_bars(timeframe: subject.Timeframe) -> None:
    bars = minutes(MONTH)
    found = resample(bars, timeframe).bars
    for made in (frames.by_pandas(bars)(timeframe.value), frames.by_polars(bars)(timeframe.value)):
        for column in ("open", "high", "low", "close"):
            assert np.array_equal(made[column].to_numpy(), getattr(found, column))
        assert np.allclose(made["volume"].to_numpy(), found.volume, rtol=1e-12)


@pytest.mark.bench
def test_the_facts_of_the_quality_report_of_a_year() -> None:
    bars = minutes(YEAR)
    took = min(timed(lambda: quality.dataset_facts(bars, dict.fromkeys(VALUES, 2))).wall for _ in range(5))
    print(f"\nquality facts of {YEAR:,} minutes: {took * 1e3:.1f} ms (goal 25)")
    assert took < 1.0
