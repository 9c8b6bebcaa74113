"""The quality report: what was looked for in the data, by which threshold, and what was found.

Bars, whole or block by block, and a resampling go in; plain dicts ready for canonical JSON come out. They are functions
of the bars alone (what a particular file looked like stands in the manifest's source), whatever the blocks. Medians are
order statistics (the lower of two), no float is summed, and nothing is ever repaired.

Thresholds, each a constant below:
- STALE: at least 10 equal OHLCV bars in a row, with volume.
- SPIKE: |close / previous close - 1| above 20 times the median of these; not judged where the median is 0.
- VOLUME: the median volume of a UTC day above 100 times, or below 1/100 of, that of the last day that had one above 0.
Verdict: WARN when anything was found (zero volume is legal and only counted); FAIL when at least half of the bars are
stale, or at least as many windows were dropped as kept.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from attrs import Factory, define
from numpy.typing import NDArray

from buff.market.bars import COLUMNS, VALUES, Bars
from buff.market.resample import Resampling, windows
from buff.market.source import Columns
from buff.market.timeframe import DAY_MS, Timeframe
from buff.times import iso

SCHEMA = "quality.v1"
LISTED_MAX = 1_000
STALE_BARS_MIN = 10
SPIKE_TIMES_MEDIAN = 20.0
VOLUME_TIMES_DAY = 100.0
_LARGEST = sys.float_info.max
BLOCK_ROWS = 1 << 15  # some columns of this many rows stay in the cache of one core

PASS, WARN, FAIL = "PASS", "WARN", "FAIL"


def dataset_facts(bars: Bars, decimals: Mapping[str, int | None]) -> dict[str, Any]:
    """Return what the base bars (at least one) show. decimals: per column, as in the dataset's header."""
    inspection = Inspection(base=bars.timeframe)
    for first in range(0, len(bars), BLOCK_ROWS):
        inspection.see({name: getattr(bars, name)[first : first + BLOCK_ROWS] for name in COLUMNS})
    return inspection.facts(bars, decimals)


def resample_facts(made: Resampling) -> dict[str, Any]:
    """Return what became of the windows of one timeframe."""
    listed = zip(made.dropped_ts[:LISTED_MAX].tolist(), made.dropped_rows[:LISTED_MAX].tolist(), strict=True)
    return {
        "timeframe": made.bars.timeframe.value,
        "windows": len(made.bars),
        "dropped": {
            "count": len(made.dropped_ts),
            "ranges": [{"start": iso(ts), "bars": rows} for ts, rows in listed],
        },
        "empty": made.empty,
        "volume_sums": {"decimal": made.decimal, "fsum": made.fsum},
    }


def dropped_windows(resampled: Mapping[str, Any]) -> str | None:
    """Return a sentence for people on the windows that were dropped, or None where every one was complete."""
    dropped = resampled["dropped"]["count"]
    if not dropped:
        return None
    of = resampled["windows"] + dropped
    were, they = ("was", "it lacks") if dropped == 1 else ("were", "they lack")
    return f"{dropped:,} of {of:,} windows of {resampled['timeframe']} {were} dropped: {they} bars"


def report(dataset: Mapping[str, Any], resampled: Mapping[str, Any]) -> dict[str, Any]:
    """Return the report of a dataset resampled to one timeframe, with a verdict for each check and for the whole."""
    checks = dataset["checks"]
    verdicts = {name: WARN if check["count"] else PASS for name, check in checks.items()}
    verdicts["zero_volume"] = PASS
    if checks["stale"]["bars"] * 2 >= dataset["rows"]:
        verdicts["stale"] = FAIL
    dropped = resampled["dropped"]["count"]
    verdicts["dropped_windows"] = FAIL if dropped and dropped >= resampled["windows"] else WARN if dropped else PASS
    return {
        "schema": SCHEMA,
        "verdict": max(verdicts.values(), key=(PASS, WARN, FAIL).index),
        "verdicts": verdicts,
        "dataset": dict(dataset),
        "resample": dict(resampled),
    }


@define(kw_only=True)
class _Gaps:
    """Missing bars between the rows of blocks."""

    step_ms: int
    before: int | None = None
    count: int = 0
    missing: int = 0
    ranges: list[dict[str, Any]] = Factory(list)

    def see(self, ts: NDArray[np.int64]) -> None:
        before = int(ts[0]) - self.step_ms if self.before is None else self.before
        self.before = int(ts[-1])
        if int(ts[0]) - before == self.step_ms and bool((np.diff(ts) == self.step_ms).all()):
            return
        steps = np.diff(ts, prepend=before)
        at = np.flatnonzero(steps != self.step_ms)
        missing = steps[at] // self.step_ms - 1
        self.count += len(at)
        self.missing += int(missing.sum())
        for gap in range(min(len(at), LISTED_MAX - len(self.ranges))):
            after, end = int(ts[at[gap]] - steps[at[gap]]), int(ts[at[gap]])
            self.ranges.append({"after": iso(after), "before": iso(end), "missing": int(missing[gap])})

    @property
    def facts(self) -> dict[str, Any]:
        return {"count": self.count, "missing": self.missing, "ranges": self.ranges}


@define(kw_only=True)
class _Runs:
    """Runs of marked rows, across blocks.

    reach: rows before its first mark that belong to a run (1 where a mark says that a row is like the one before it).
    least: shorter runs do not count. The run that a block ends in is held: `size` marks, from `first` to `last`.
    """

    reach: int = 0
    least: int = 1
    before: int = 0
    first: int = 0
    last: int = 0
    size: int = 0
    count: int = 0
    bars: int = 0
    ranges: list[dict[str, Any]] = Factory(list)

    def see(self, ts: NDArray[np.int64], marked: NDArray[np.bool_]) -> None:
        """Take the marks of the next rows."""
        edges = np.flatnonzero(np.diff(marked, prepend=False, append=False)) if marked.any() else np.empty(0, np.int64)
        starts, ends = edges[::2], edges[1::2]
        goes_on = bool(len(starts)) and starts[0] == 0
        if not goes_on:
            self.close()
        if len(starts):
            sizes, firsts, lasts = ends - starts, ts[starts - self.reach], ts[ends - 1]
            if goes_on:
                firsts[0] = self.first if self.size else self.before if self.reach else ts[0]
                sizes[0] += self.size
            held = int(ends[-1] == len(ts))
            self.first, self.last, self.size = int(firsts[-1]), int(lasts[-1]), int(sizes[-1]) * held
            whole = len(sizes) - held
            self._add(firsts[:whole], lasts[:whole], sizes[:whole])
        self.before = int(ts[-1])

    def close(self) -> None:
        """End the run that the last block ended in."""
        if self.size:
            self._add(*(np.array([each]) for each in (self.first, self.last, self.size)))
            self.size = 0

    def _add(self, firsts: NDArray[np.int64], lasts: NDArray[np.int64], sizes: NDArray[np.int64]) -> None:
        bars = sizes + self.reach
        long = np.flatnonzero(bars >= self.least)
        self.count += len(long)
        self.bars += int(bars[long].sum())
        for at in long[: LISTED_MAX - len(self.ranges)].tolist():
            self.ranges.append({"first": iso(int(firsts[at])), "last": iso(int(lasts[at])), "bars": int(bars[at])})


@define(kw_only=True)
class _Days:
    """The median volume of each UTC day. Rows are held until there are many, and those of a day that is not over."""

    step_ms: int
    held: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = Factory(list)
    rows: int = 0
    days: list[NDArray[np.int64]] = Factory(list)
    medians: list[NDArray[np.float64]] = Factory(list)

    def see(self, ts: NDArray[np.int64], volume: NDArray[np.float64]) -> None:
        self.held.append((ts, volume))
        self.rows += len(ts)
        if self.rows >= 2 * BLOCK_ROWS:
            self._take(int(ts[-1]) - int(ts[-1]) % DAY_MS)

    def _take(self, end: int) -> None:
        """Take the median of each day before `end` (epoch ms, the start of a day)."""
        ts, volume = (np.concatenate(column) for column in zip(*self.held, strict=True))
        rows = int(np.searchsorted(ts, end))
        if rows:
            first, days, sizes = windows(ts[:rows], Timeframe.DAY_1, self.step_ms)
            self.days.append(days)
            self.medians.append(day_medians(volume[:rows], first, sizes))
        self.held, self.rows = [(ts[rows:].copy(), volume[rows:].copy())], len(ts) - rows

    def jumps(self) -> dict[str, Any]:
        """Return the days whose median is far from that of the last day that had one above 0."""
        self._take(int(self.held[-1][0][-1]) + 1)
        days, medians = np.concatenate(self.days), np.concatenate(self.medians)
        traded = np.flatnonzero(medians > 0.0)
        now, before = medians[traded][1:], medians[traded][:-1]
        with np.errstate(over="ignore"):  # past the largest float is above any volume
            at = np.flatnonzero((now > before * VOLUME_TIMES_DAY) | (now * VOLUME_TIMES_DAY < before))
        listed = at[:LISTED_MAX]
        ranges = zip(days[traded][1:][listed].tolist(), before[listed].tolist(), now[listed].tolist(), strict=True)
        return {
            "threshold": {"times_day_before": VOLUME_TIMES_DAY},
            "count": len(at),
            "ranges": [{"day": iso(ts), "median": median, "median_before": old} for ts, old, median in ranges],
        }


class Inspection:
    """Looks at base bars block by block, once, and in little more memory than a block takes."""

    def __init__(self, *, base: Timeframe) -> None:
        """Begin before the first bar."""
        assert base.step_ms is not None
        self._base, self._zero_volume = base, 0
        self._gaps, self._days = _Gaps(step_ms=base.step_ms), _Days(step_ms=base.step_ms)
        self._filled, self._stale = _Runs(), _Runs(reach=1, least=STALE_BARS_MIN)
        self._last: dict[str, Any] | None = None

    def see(self, block: Columns) -> None:
        """Look at the next bars: equal-length arrays of all seven columns."""
        ts, volume = block["ts"], block["volume"]
        if not len(ts):
            return
        self._gaps.see(ts)
        self._filled.see(ts, block["filled"] != 0)
        self._zero_volume += int(np.count_nonzero(volume == 0.0))
        self._stale.see(ts, _same(block, self._last))
        self._days.see(ts, volume)
        self._last = {name: block[name][-1] for name in VALUES}

    def facts(self, bars: Bars, decimals: Mapping[str, int | None]) -> dict[str, Any]:
        """Return what was seen of `bars`, all of which (at least one) went by; nothing may be shown afterwards."""
        assert bars.timeframe is self._base, "the bars are those that went by"
        self._filled.close()
        self._stale.close()
        return {
            "base_timeframe": self._base.value,
            "rows": len(bars),
            "first": iso(int(bars.ts[0])),
            "last": iso(int(bars.ts[-1])),
            "decimals": {name: decimals[name] for name in VALUES},
            "checks": {
                "gaps": self._gaps.facts,
                "filled": {"count": self._filled.bars, "ranges": self._filled.ranges},
                "zero_volume": {"count": self._zero_volume},
                "stale": {
                    "threshold": {"bars": STALE_BARS_MIN},
                    "count": self._stale.count,
                    "bars": self._stale.bars,
                    "ranges": self._stale.ranges,
                },
                "spikes": _spikes(bars),
                "volume_jumps": self._days.jumps(),
            },
        }


def _same(block: Columns, last: Mapping[str, Any] | None) -> NDArray[np.bool_]:
    """Return which rows have volume and the five values of the row before them, bool[n]."""
    close = block["close"]
    same = np.zeros(len(close), np.bool_)
    np.equal(close[1:], close[:-1], out=same[1:])
    at = np.flatnonzero(same)  # few, as a rule: only these are looked at any further
    for name in VALUES:
        column = block[name]
        at = at[column[at] == column[at - 1]]
    same[:] = False
    same[at] = block["volume"][at] > 0.0
    same[0] = last is not None and block["volume"][0] > 0.0 and all(block[name][0] == last[name] for name in VALUES)
    return same


def _spikes(bars: Bars) -> dict[str, Any]:
    """Judge every close against the one before it. The whole column is needed: its usual move is a median."""
    moves = np.empty(len(bars) - 1)
    for first, part in _moves(bars.close):
        moves[first : first + len(part)] = part
    # In place, and the moves are made again where some are spikes: a column less in memory.
    middle = (len(moves) - 1) // 2
    if len(moves):
        moves.partition(middle)
    median = float(moves[middle]) if len(moves) else 0.0
    limit = min(SPIKE_TIMES_MEDIAN * median, _LARGEST)
    count = int(np.count_nonzero(moves > limit)) if median > 0.0 else 0
    return {
        "threshold": {"times_median": SPIKE_TIMES_MEDIAN, "median": median, "move": limit if median > 0.0 else None},
        "count": count,
        "ranges": _spike_ranges(bars, limit, min(count, LISTED_MAX)),
    }


def _spike_ranges(bars: Bars, limit: float, wanted: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for first, part in _moves(bars.close):
        if len(found) == wanted:
            break
        at = np.flatnonzero(part > limit)[: wanted - len(found)]
        ranges = zip(bars.ts[first + at + 1].tolist(), part[at].tolist(), strict=True)
        found.extend({"ts": iso(ts), "move": move} for ts, move in ranges)
    return found


def _moves(close: NDArray[np.float64]) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield |close / previous close - 1| in blocks, each with the index of its first (0: the move to row 1).

    A move that no float holds is the largest one that it does hold.
    """
    for first in range(0, len(close) - 1, BLOCK_ROWS):
        part = close[first : first + BLOCK_ROWS + 1]
        with np.errstate(over="ignore"):
            moves = part[1:] / part[:-1]
        moves -= 1.0
        np.abs(moves, out=moves)
        yield first, np.minimum(moves, _LARGEST, out=moves)


def day_medians(values: NDArray[np.float64], first: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the lower median (float64) of each group of `rows` values that begins at `first`, both int64[m].

    The groups follow one another and hold all values.
    """
    medians = np.empty(len(first))
    if len(rows) and (rows == rows[0]).all():  # whole days, as a rule: nothing needs to be gathered
        middle = (int(rows[0]) - 1) // 2
        # A copy: a view would hold on to all values.
        return np.partition(values.reshape(len(rows), -1), middle, axis=1)[:, middle].copy()
    for size in sorted(set(rows.tolist())):
        groups = np.flatnonzero(rows == size)
        held = values[first[groups][:, None] + np.arange(size)]
        middle = (size - 1) // 2
        medians[groups] = np.partition(held, middle, axis=1)[:, middle]
    return medians
