"""A calendar of what is missing: of each UTC day how many of its bars are there. A view of stored stamps, no judgement.

Open stamps of a dataset go in; months of days come out, each with the share that is there, for a page to draw. Days
before the first bar and behind the last are no part of it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from buff import Timeframe
from buff.market.timeframe import DAY_MS

MONTHS_MAX = 36  # of those in which something is missing; what follows is said and not drawn


@frozen(kw_only=True)
class Day:
    """One UTC day: how many bars it has, of how many it could have within the range of the data."""

    date: str
    bars: int
    of: int

    @property
    def share(self) -> str:
        """In which of five classes it is: all, most, half, some or none of its bars."""
        if self.bars >= self.of:
            return "all"
        if not self.bars:
            return "none"
        return "most" if self.bars * 10 >= self.of * 9 else "half" if self.bars * 2 >= self.of else "some"


@frozen(kw_only=True)
class Month:
    """One month: its days in order, None for those outside the range."""

    name: str
    days: tuple[Day | None, ...]


@frozen(kw_only=True)
class Calendar:
    """The months in which bars are missing, at most MONTHS_MAX; how many there are, and how many months in all."""

    months: tuple[Month, ...]
    lacking: int
    total: int
    missing_days: int


def of(ts: NDArray[np.int64], base: Timeframe) -> Calendar | None:
    """Return the calendar of a dataset, from its open stamps (int64, ascending, epoch ms). None where a bar is longer
    than a day: then a day says nothing.
    """
    step_ms = base.step_ms
    if step_ms is None or step_ms > DAY_MS or not len(ts):
        return None
    first, last = int(ts[0]), int(ts[-1])
    days = np.arange(first // DAY_MS, last // DAY_MS + 1)
    edges = np.searchsorted(ts, np.append(days, days[-1] + 1) * DAY_MS)
    begins = np.maximum(days * DAY_MS, first)
    ends = np.minimum((days + 1) * DAY_MS, last + step_ms)
    could = -(-(ends - begins) // step_ms)
    return _calendar(days.tolist(), np.diff(edges).tolist(), could.tolist())


def _calendar(days: Sequence[int], bars: Sequence[int], could: Sequence[int]) -> Calendar:
    months: dict[str, list[Day]] = {}
    for day, count, most in zip(days, bars, could, strict=True):
        date = datetime.fromtimestamp(day * DAY_MS // 1000, UTC).strftime("%Y-%m-%d")
        months.setdefault(date[:7], []).append(Day(date=date, bars=count, of=most))
    lacking = {name: found for name, found in months.items() if any(day.bars < day.of for day in found)}
    drawn = tuple(Month(name=name, days=_placed(found)) for name, found in list(lacking.items())[:MONTHS_MAX])
    missing = sum(day.bars < day.of for found in lacking.values() for day in found)
    return Calendar(months=drawn, lacking=len(lacking), total=len(months), missing_days=missing)


def _placed(days: Sequence[Day]) -> tuple[Day | None, ...]:
    """Return the days of a month at their places, None where the range does not reach."""
    by_number = {int(day.date[8:]): day for day in days}
    return tuple(by_number.get(number) for number in range(1, 32))
