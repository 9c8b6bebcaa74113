"""The calendar of missing bars, against counting by hand and day by day."""

from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from buff import Timeframe
from buff.market.timeframe import DAY_MS
from buff_web import calendar

HOUR = 3_600_000
BEGIN = int(datetime(2024, 1, 31, tzinfo=UTC).timestamp()) * 1000


def test_a_day_without_bars_and_one_with_half_of_them() -> None:
    hours = [*range(6, 24), *range(48, 60), *range(72, 80)]
    found = calendar.of(BEGIN + np.array(hours) * HOUR, Timeframe.HOUR_1)
    assert found is not None
    assert [month.name for month in found.months] == ["2024-02"]
    assert (found.lacking, found.total, found.missing_days) == (1, 2, 2)
    days = [day for day in found.months[0].days if day]
    assert [(day.date, day.bars, day.of, day.share) for day in days] == [
        ("2024-02-01", 0, 24, "none"),
        ("2024-02-02", 12, 24, "half"),
        ("2024-02-03", 8, 8, "all"),
    ]
    assert found.months[0].days[3] is None, "the range ends"


def test_a_bar_longer_than_a_day_has_no_calendar() -> None:
    assert calendar.of(np.array([BEGIN]), Timeframe.WEEK_1) is None


@given(st.sets(st.integers(0, 24 * 40), min_size=1))
def test_every_bar_is_counted_on_its_day(hours: set[int]) -> None:
    """Invariants checked: whatever is missing, the days add up to the bars there are, and to those that could be."""
    ts = BEGIN + np.array(sorted(hours), np.int64) * HOUR
    found = calendar.of(ts, Timeframe.HOUR_1)
    assert found is not None
    lacking = {day.date: day for month in found.months for day in month.days if day}
    by_day: dict[str, int] = {}
    for stamp in ts.tolist():
        date = datetime.fromtimestamp(stamp / 1000, UTC).strftime("%Y-%m-%d")
        by_day[date] = by_day.get(date, 0) + 1
    assert {date: day.bars for date, day in lacking.items() if day.bars} == {
        date: count for date, count in by_day.items() if date in lacking
    }
    could = (max(hours) - min(hours)) + 1
    absent = sum(day.of - day.bars for day in lacking.values())
    assert absent == could - len(hours)
    assert found.missing_days == sum(day.bars < day.of for day in lacking.values())
    assert DAY_MS == 24 * HOUR
