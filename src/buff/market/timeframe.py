"""The fourteen timeframes: their lengths, and the edges of their windows on the UTC time line.

Epoch milliseconds go in and come out, int64. Windows are left-closed and labelled by their start; weeks begin Monday;
2w counts from Monday 1970-01-05; 3M and 6M begin in January.
"""

from enum import Enum

import numpy as np
from numpy.typing import NDArray

MINUTE_MS = 60_000
DAY_MS = 86_400_000


class Timeframe(Enum):
    """A bar length by the name users type."""

    MINUTE_1 = "1m"
    MINUTE_5 = "5m"
    MINUTE_15 = "15m"
    MINUTE_30 = "30m"
    HOUR_1 = "1h"
    HOUR_2 = "2h"
    HOUR_4 = "4h"
    DAY_1 = "1d"
    WEEK_1 = "1w"
    WEEK_2 = "2w"
    MONTH_1 = "1M"
    MONTH_3 = "3M"
    MONTH_6 = "6M"
    YEAR_1 = "1Y"

    @property
    def step_ms(self) -> int | None:
        """The length in milliseconds, or None where it varies (months and years)."""
        return _STEPS.get(self.value)

    @property
    def months(self) -> int | None:
        """The length in calendar months, or None for fixed lengths."""
        return _MONTHS.get(self.value)

    def index(self, ts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the window that holds each stamp (int64, epoch ms), counted from any fixed origin."""
        if self.months is not None:
            month = ts.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)
            return month // self.months
        assert self.step_ms is not None
        return (ts - self._origin_ms) // self.step_ms

    def start(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the first millisecond (int64) of each window by its number; the inverse of `index`."""
        if self.months is not None:
            return (index * self.months).astype("datetime64[M]").astype("datetime64[ms]").astype(np.int64)
        assert self.step_ms is not None
        return index * self.step_ms + self._origin_ms

    def floor(self, ts: int) -> int:
        """Return the start of the window that holds the stamp `ts` (epoch ms)."""
        return int(self.start(self.index(np.array([ts], np.int64)))[0])

    def end(self, ts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the end (exclusive, epoch ms) of the window that starts at each of `ts`."""
        return self.start(self.index(ts) + 1)

    @property
    def _origin_ms(self) -> int:
        # 1970-01-05 was the first Monday of the epoch.
        return 4 * DAY_MS if self in (Timeframe.WEEK_1, Timeframe.WEEK_2) else 0


_STEPS = {
    "1m": MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": 60 * MINUTE_MS,
    "2h": 120 * MINUTE_MS,
    "4h": 240 * MINUTE_MS,
    "1d": DAY_MS,
    "1w": 7 * DAY_MS,
    "2w": 14 * DAY_MS,
}
_MONTHS = {"1M": 1, "3M": 3, "6M": 6, "1Y": 12}

BASES = tuple(t for t in Timeframe if (t.step_ms or 0) and (t.step_ms or 0) <= DAY_MS)


def coarser_or_equal(target: Timeframe, base: Timeframe) -> bool:
    """This function says whether bars of `base` can be resampled to `target` at all."""
    assert base.step_ms is not None
    if target.step_ms is None:
        return base.step_ms <= DAY_MS
    return target.step_ms % base.step_ms == 0 and target.step_ms >= base.step_ms
