"""Candles of a legacy run: columns, and how long a bar really is.

A file of a folder goes in; frozen arrays come out with the spacing that was measured, whatever the file is called, and
the problems found. Bars are neither sorted, filled nor resampled; only rows without an instant or with no finite
number are left out, and counted.
"""

from typing import Any

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from buff.legacy.fields import TIME, instant, number
from buff.legacy.folder import BARS, Bounds, Folder
from buff.legacy.problem import Problem, damage, limit, warning
from buff.legacy.tables import Columns, columns, stamps_from
from buff.market.timeframe import Timeframe
from buff.times import iso

VALUES = ("open", "high", "low", "close", "volume")
_CALENDAR = (Timeframe.YEAR_1, Timeframe.MONTH_6, Timeframe.MONTH_3, Timeframe.MONTH_1)


def _read_only(values: Any) -> Any:
    held = np.array(values)
    held.setflags(write=False)
    return held


@frozen(kw_only=True, eq=False)
class LegacyBars:
    """Candles as they were drawn: `ts` int64[n] open stamps in epoch ms, five float64[n] columns, all read-only.

    `label` is what the file's name says of their length ("1m"), `timeframe` what their spacing says ("1h"), or None
    where it is no timeframe. `complete` when the file has no more bars.
    """

    file: str
    label: str | None
    timeframe: str | None
    complete: bool
    ts: NDArray[np.int64] = field(converter=_read_only)
    open: NDArray[np.float64] = field(converter=_read_only)
    high: NDArray[np.float64] = field(converter=_read_only)
    low: NDArray[np.float64] = field(converter=_read_only)
    close: NDArray[np.float64] = field(converter=_read_only)
    volume: NDArray[np.float64] = field(converter=_read_only)

    def __len__(self) -> int:
        return len(self.ts)

    @property
    def start(self) -> str | None:
        """The first open stamp."""
        return iso(int(self.ts.min())) if len(self) else None

    @property
    def end(self) -> str | None:
        """The end (exclusive) of the last bar, or its open stamp where the length of a bar is not known."""
        if not len(self):
            return None
        last = self.ts.max()
        return iso(int(last if self.timeframe is None else Timeframe(self.timeframe).end(last)))

    def as_dict(self) -> dict[str, Any]:
        """Return what there is as plain values, without the columns."""
        names = ("file", "label", "timeframe", "complete", "start", "end")
        return {**{name: getattr(self, name) for name in names}, "bars": len(self)}


def read_bars(folder: Folder, bounds: Bounds) -> tuple[tuple[LegacyBars, ...], tuple[Problem, ...]]:
    """Return the candles of every OHLCV file of a run, in the order of their names.

    Where a table is there in both forms the Parquet file is read; the other one only when that cannot be.
    """
    found: list[LegacyBars] = []
    problems: list[Problem] = []
    done = set()
    for name in sorted(folder.names, key=lambda name: (name.partition(".")[0], not name.endswith(".parquet"))):
        match = BARS.fullmatch(name)
        if match is None or match[1] in done:
            continue
        read = columns(folder, name, bounds)
        if isinstance(read, Problem):
            problems.append(read)
            continue
        bars, said = bars_of(read, match[1])
        problems += said
        if bars is not None:
            found.append(bars)
            done.add(match[1])
    return tuple(found), tuple(problems)


def bars_of(table: Columns, label: str | None) -> tuple[LegacyBars | None, tuple[Problem, ...]]:
    """Return the candles of a table, or None where it lacks a column, and what is wrong with them."""
    time = next((name for name in TIME if name in table.values), None)
    absent = [name for name in VALUES if name not in table.values] + ([] if time else ["timestamp"])
    if time is None or absent:
        return None, (damage(table.file, f"has no column {', '.join(absent)}"),)
    ts, known = stamps_from(table.values[time], instant)
    held = {name: _floats(table.values[name]) for name in VALUES}
    usable = np.logical_and.reduce([known, *(np.isfinite(values) for values in held.values())])
    bars = LegacyBars(
        file=table.file,
        label=label,
        timeframe=None if (measured := spacing(ts[usable])) is None else measured.value,
        complete=table.complete,
        ts=ts[usable],
        **{name: values[usable] for name, values in held.items()},
    )
    return bars, tuple(_problems(bars, int(np.count_nonzero(~usable))))


def spacing(ts: NDArray[np.int64]) -> Timeframe | None:
    """Return the timeframe whose windows most neighbouring stamps (epoch ms) lie one apart in, or None.

    Calendar timeframes have no length of their own: every stamp must be the start of such a window.
    """
    ordered = np.unique(ts)
    for timeframe in _CALENDAR:
        index = timeframe.index(ordered)
        if _usual_step(index) == 1 and np.array_equal(timeframe.start(index), ordered):
            return timeframe
    step = _usual_step(ordered)
    return next((timeframe for timeframe in Timeframe if step is not None and timeframe.step_ms == step), None)


def _usual_step(ordered: NDArray[np.int64]) -> int | None:
    """Return the most frequent difference of neighbours, the smallest where several are; None below two values."""
    if len(ordered) < 2:
        return None
    steps, counts = np.unique(np.diff(ordered), return_counts=True)
    return int(steps[np.argmax(counts)])


def _floats(values: Any) -> NDArray[np.float64]:
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        return values.astype(np.float64)
    read = (number(value) for value in (values.tolist() if isinstance(values, np.ndarray) else values))
    return np.array([np.nan if value is None else value for value in read], np.float64)


def _problems(bars: LegacyBars, unusable: int) -> list[Problem]:
    said = []
    if unusable:
        said.append(damage(bars.file, f"{unusable:,} rows without a time or with no finite number are left out"))
    if not bars.complete:
        said.append(limit(bars.file, f"only the first {len(bars):,} bars are read"))
    if bars.label is not None and bars.timeframe is not None and bars.label != bars.timeframe:
        said.append(warning(bars.file, f"the name says {bars.label}, but the bars are {bars.timeframe} apart"))
    if len(bars) > 1 and bars.timeframe is None:
        said.append(warning(bars.file, "the spacing of the bars is that of no timeframe"))
    steps = np.diff(bars.ts)
    if (steps <= 0).any():
        said.append(warning(bars.file, f"{int(np.count_nonzero(steps <= 0)):,} bars are not after the one before them"))
    elif bars.timeframe is not None:
        holes = int(np.count_nonzero(np.diff(Timeframe(bars.timeframe).index(bars.ts)) > 1))
        if holes:
            said.append(warning(bars.file, f"{holes:,} gaps between bars"))
    return said
