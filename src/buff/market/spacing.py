"""Spacing: how far apart the rows of a file are, and what its gaps look like.

Stamps go in, a few or block by block; counts of the steps between them and of coarser windows that lack bars, the base
timeframe they suggest and sentences come out, in bounded memory. Nothing is concluded from them by itself: a base is
used when it is declared.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import Factory, define
from numpy.typing import NDArray

from buff.market.timeframe import BASES, DAY_MS, MINUTE_MS, Timeframe, coarser_or_equal
from buff.times import iso

STEPS_MAX = 4_096
NS = 1_000_000
HALF_HOUR_MS = 30 * MINUTE_MS
HOUR_MS = 60 * MINUTE_MS
FEW_BARS = 2
_WEEK_MS = 7 * DAY_MS
_SATURDAY_NOON_MS = 2 * DAY_MS + DAY_MS // 2  # 1970-01-03T12:00:00Z
_UNITS = (("d", DAY_MS), ("h", 60 * MINUTE_MS), ("min", MINUTE_MS), ("s", 1_000), ("ms", 1))
# Kind of gap -> what it looks like. The kinds are told apart by time alone.
GAP_KINDS: Mapping[str, str] = {
    "short": "of a few bars, as where nobody traded or an exchange was down",
    "break": "of up to a day, as nights and session breaks are",
    "weekend": "over a Saturday, as where a market closes for the weekend",
    "long": "of more than a day in the week, as holidays or lost data are",
}


def span(ms: int) -> str:
    """Return a length of time in its largest whole unit, for example `5 min` or `36 h`."""
    for unit, size in _UNITS:
        if ms % size == 0:
            return f"{ms // size:,} {unit}"
    raise AssertionError("every length is a whole number of milliseconds")


def some(count: int, what: str, many: str | None = None) -> str:
    """Return a count with its noun, for example `1 gap` or `2,000 gaps`. many: where it is not `what` with an s."""
    return f"{count:,} {what if count == 1 else many or f'{what}s'}"


def base_of(steps_ms: Iterable[int]) -> Timeframe | None:
    """Return the coarsest base timeframe of which every step is a multiple, or None where there is none."""
    common = math.gcd(*steps_ms)
    return next((base for base in reversed(BASES) if common and common % (base.step_ms or 1) == 0), None)


@define(kw_only=True)
class Spacing:
    """The steps between consecutive stamps (epoch ms, ascending) of one base, counted block by block.

    steps: step in ms -> how often; at most 4,096 different ones, `more` counts the others. gaps: kind -> how many.
    longest: the longest gap as the stamps (ms) before and after it.
    """

    base: Timeframe
    steps: dict[int, int] = Factory(dict)
    more: int = 0
    rows: int = 0
    last_ts: int | None = None
    gaps: dict[str, int] = Factory(lambda: dict.fromkeys(GAP_KINDS, 0))
    longest: tuple[int, int] | None = None

    def take(self, ts: NDArray[np.int64]) -> None:
        """Count the steps of the next block, int64[n]."""
        if not len(ts):
            return
        stamps = ts if self.last_ts is None else np.concatenate(([self.last_ts], ts))
        steps = np.diff(stamps)
        for step, count in zip(*(each.tolist() for each in np.unique(steps, return_counts=True)), strict=True):
            if step in self.steps or len(self.steps) < STEPS_MAX:
                self.steps[step] = self.steps.get(step, 0) + count
            else:
                self.more += count
        self._take_gaps(stamps, steps)
        self.rows, self.last_ts = self.rows + len(ts), int(ts[-1])

    def _take_gaps(self, stamps: NDArray[np.int64], steps: NDArray[np.int64]) -> None:
        step_ms = self.base.step_ms or 0
        at = np.flatnonzero(steps > step_ms)
        if not len(at):
            return
        after, before = stamps[at], stamps[at + 1]
        missing_ms = before - after - step_ms
        saturdays = (before - _SATURDAY_NOON_MS) // _WEEK_MS - (after + step_ms - _SATURDAY_NOON_MS - 1) // _WEEK_MS
        weekend = saturdays > 0
        short = ~weekend & ((missing_ms < HALF_HOUR_MS) | (missing_ms <= FEW_BARS * step_ms))
        rest = ~weekend & ~short
        kinds = {
            "short": short,
            "break": rest & (missing_ms < DAY_MS),
            "weekend": weekend,
            "long": rest & (missing_ms >= DAY_MS),
        }
        for kind, found in kinds.items():
            self.gaps[kind] += int(np.count_nonzero(found))
        widest = int(missing_ms.argmax())
        if self.longest is None or self.longest[1] - self.longest[0] < int(steps[at[widest]]):
            self.longest = int(after[widest]), int(before[widest])

    @property
    def total(self) -> int:
        """How many steps there are."""
        return sum(self.steps.values()) + self.more

    def as_dict(self) -> dict[str, Any] | None:
        """Return what was counted as plain values, or None where there were not two rows."""
        if not self.steps:
            return None
        usual = min(self.steps, key=lambda step: (-self.steps[step], step))
        looks = next((base.value for base in BASES if base.step_ms == usual), None)
        return {
            "step_ms": usual,
            "apart": span(usual),
            "count": self.steps[usual],
            "of": self.total,
            "base_timeframe": looks,
        }

    def gap_dict(self) -> dict[str, Any]:
        """Return the kinds of gaps and the longest one as plain values."""
        longest = None
        if self.longest is not None:
            after, before = self.longest
            missing = (before - after) // (self.base.step_ms or 1) - 1
            longest = {"after": iso(after), "before": iso(before), "missing": missing}
        return {"kinds": {kind: count for kind, count in self.gaps.items() if count}, "longest": longest}


@define(kw_only=True)
class Windows:
    """The windows of a coarser timeframe that hold bars of one base (epoch ms, ascending), counted block by block.

    whole: those in which no bar is missing, and `lacking` the others, without the last one, which may go on.
    """

    base: Timeframe
    timeframe: Timeframe
    whole: int = 0
    lacking: int = 0
    last_start: int | None = None
    last_rows: int = 0

    def take(self, ts: NDArray[np.int64]) -> None:
        """Count the windows of the next block, int64[n]."""
        if not len(ts):
            return
        starts, rows = np.unique(self.timeframe.start(self.timeframe.index(ts)), return_counts=True)
        if self.last_start is not None and self.last_start == starts[0]:
            rows[0] += self.last_rows
        elif self.last_start is not None:
            self._count(np.array([self.last_start]), np.array([self.last_rows]))
        self._count(starts[:-1], rows[:-1])
        self.last_start, self.last_rows = int(starts[-1]), int(rows[-1])

    def _count(self, starts: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        assert self.base.step_ms is not None
        whole = int(np.count_nonzero(rows == (self.timeframe.end(starts) - starts) // self.base.step_ms))
        self.whole, self.lacking = self.whole + whole, self.lacking + len(rows) - whole

    def as_dict(self) -> dict[str, Any]:
        """Return what was counted as plain values, the last window included."""
        end = Windows(base=self.base, timeframe=self.timeframe, whole=self.whole, lacking=self.lacking)
        if self.last_start is not None:
            end._count(np.array([self.last_start]), np.array([self.last_rows]))
        return {"timeframe": self.timeframe.value, "whole": end.whole, "lacking": end.lacking}


def run_timeframe(base: Timeframe, whole_hours: int, length_ms: int) -> Timeframe:
    """Return a timeframe of which bars have whole windows: hours, where there are any and a day of bars, else the base.

    length_ms: from the first open stamp to the last.
    """
    hourly = coarser_or_equal(Timeframe.HOUR_1, base) and whole_hours and length_ms >= DAY_MS - HOUR_MS
    return Timeframe.HOUR_1 if hourly else base


def questions(times: Sequence[tuple[str, int]], step_ms: int, offset_ms: int) -> list[str]:
    """Return what the times of the first rows leave to ask: whether they are ends of bars rather than their openings.

    times: (text, UTC nanoseconds) in the order of the file. step_ms: between them. offset_ms: what is added to UTC for
    the clock of the file.
    """
    asked: list[str] = []
    if not times or step_ms <= 0:
        return asked
    text, first_ns = min(times, key=lambda each: each[1])
    rests = {ns % (step_ms * NS) for _, ns in times}
    short = step_ms * NS - min(rests)
    if len(rests) == 1 and 0 not in rests and short in (1, 1_000, NS, 1_000 * NS):
        asked.append(
            f"every time ends a moment before the next bar ({text}): are these ends of bars? If another column has "
            "their openings, name it with --columns ts=NAME"
        )
    elif (first_ns // NS + offset_ms) % DAY_MS == step_ms and step_ms < DAY_MS:
        asked.append(
            f"the first time ({text}) is one step after midnight: are the times ends of bars? If so, say --stamp close"
        )
    return asked
