"""Revision: what differs between two datasets, row by row, as when a vendor sends a file again with other numbers.

Two stored datasets of one base go in; exact counts and the first differing rows come out. Columns are compared where
they are mapped, some rows at a time, so memory does not grow with them. Two datasets without a difference are the same
dataset, for every column is compared by its bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from buff.datasets import Dataset, base_bars, load
from buff.errors import RunConfigInvalid
from buff.market.bars import COLUMNS, Bars
from buff.registry.queries import find_dataset
from buff.store import Store
from buff.times import iso

ROWS_AT_ONCE = 1 << 16
ONLY_OLD, ONLY_NEW, CHANGED = "only_old", "only_new", "changed"
KINDS = (ONLY_OLD, ONLY_NEW, CHANGED)
COMPARED = COLUMNS[1:]  # rows are matched by `ts`, so it cannot differ

Values = Mapping[str, float | int]


@frozen(kw_only=True)
class Change:
    """One row that differs: its open stamp (epoch ms), its values before and after.

    A row that is in one dataset only has all its values, on that side; a changed one has those that changed.
    """

    kind: str
    ts: int
    old: Values
    new: Values

    def as_dict(self) -> dict[str, Any]:
        """Return the row as plain values."""
        return {"kind": self.kind, "ts": iso(self.ts), "old": dict(self.old) or None, "new": dict(self.new) or None}


@frozen(kw_only=True)
class Span:
    """How many rows there are of one kind, and the open stamps (epoch ms) of the first and the last."""

    count: int = 0
    first: int | None = None
    last: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the span as plain values."""
        first, last = (None if ts is None else iso(ts) for ts in (self.first, self.last))
        return {"count": self.count, "first": first, "last": last}


@frozen(kw_only=True)
class Revision:
    """What differs between an old dataset and a new one.

    spans: by kind. same: rows that both have with the same values. columns: how many changed rows have another value
    there. listed: the first differing rows in order of time, whatever their kind.
    """

    old: str
    new: str
    base_timeframe: str
    same: int
    spans: Mapping[str, Span]
    columns: Mapping[str, int]
    listed: tuple[Change, ...]

    @property
    def differing(self) -> int:
        """How many rows differ."""
        return sum(span.count for span in self.spans.values())

    def as_dict(self) -> dict[str, Any]:
        """Return what `data diff --json` prints."""
        return {
            "old": self.old,
            "new": self.new,
            "base_timeframe": self.base_timeframe,
            "equal": self.differing == 0,
            "same": self.same,
            **{kind: span.as_dict() for kind, span in self.spans.items()},
            "columns": dict(self.columns),
            "items": [change.as_dict() for change in self.listed],
            "next": None,
        }


def revision(store: Store, old: str, new: str, *, limit: int) -> Revision:
    """Return what differs between two datasets of a root, named by ids or the beginnings of them.

    Raises DatasetNotFound, and what `compare` does.
    """
    state = store.state
    first, second = (load(store.root, find_dataset(state, each).dataset_id) for each in (old, new))
    return compare(store.root, first, second, limit=limit)


def compare(root: str, old: Dataset, new: Dataset, *, limit: int, rows_at_once: int = ROWS_AT_ONCE) -> Revision:
    """Return what differs between two stored datasets; at most `limit` rows are listed, all are counted.

    `rows_at_once` changes nothing but memory and speed. Raises RunConfigInvalid where the bases differ, RunDamaged.
    """
    if old.base is not new.base:
        raise RunConfigInvalid(
            f"{old.base.value} bars cannot be compared with {new.base.value} bars",
            hint="compare datasets of the same base timeframe: `buff data list` shows it",
            details={"field": "base_timeframe", "old": old.base.value, "new": new.base.value},
        )
    tally = _Tally(limit=limit)
    for pair in _pairs(base_bars(root, old), base_bars(root, new), rows_at_once):
        tally.add(*pair)
    return Revision(
        old=old.id,
        new=new.id,
        base_timeframe=old.base.value,
        same=tally.same,
        spans=tally.spans,
        columns=tally.columns,
        listed=tuple(tally.listed),
    )


def _pairs(old: Bars, new: Bars, size: int) -> Iterator[tuple[Bars, Bars]]:
    """Yield slices of both that lie in the same time, at most `size` rows of either, in order of time."""
    at, to = 0, 0
    while at < len(old) or to < len(new):
        ends = [int(bars.ts[first + size]) for bars, first in ((old, at), (new, to)) if first + size < len(bars)]
        if ends:
            after, behind = (
                first + int(np.searchsorted(bars.ts[first : first + size], min(ends)))
                for bars, first in ((old, at), (new, to))
            )
        else:
            after, behind = len(old), len(new)
        yield old[at:after], new[to:behind]
        at, to = after, behind


@define(kw_only=True)
class _Tally:
    """What was found so far."""

    limit: int
    same: int = 0
    spans: dict[str, Span] = field(factory=lambda: dict.fromkeys(KINDS, Span()))
    columns: dict[str, int] = field(factory=lambda: dict.fromkeys(COMPARED, 0))
    listed: list[Change] = field(factory=list)

    def add(self, old: Bars, new: Bars) -> None:
        """Compare the rows of both in one stretch of time."""
        found = _match(old, new)
        self.same += found.same
        for name, where in found.other.items():
            self.columns[name] += int(np.count_nonzero(where))
        for kind, rows in found.rows.items():
            self.spans[kind] = _longer(self.spans[kind], (new if kind == ONLY_NEW else old).ts[rows])
        wanted = self.limit - len(self.listed)
        first = [found.change(kind, at) for kind, rows in found.rows.items() for at in range(min(len(rows), wanted))]
        self.listed += sorted(first, key=lambda change: change.ts)[:wanted]


@frozen(kw_only=True, eq=False)
class _Match:
    """Two stretches of bars held against each other.

    rows: int64, by kind, the rows that differ, of the new bars for those only they have, else of the old. partners:
    int64, the new rows of the changed ones. other: bool, by column, which of the rows both have differ there. changed:
    int64, which of these differ at all.
    """

    old: Bars
    new: Bars
    same: int
    rows: Mapping[str, NDArray[np.int64]]
    partners: NDArray[np.int64]
    other: Mapping[str, NDArray[np.bool_]]
    changed: NDArray[np.int64]

    def change(self, kind: str, at: int) -> Change:
        """Return the differing row number `at` of a kind."""
        row = int(self.rows[kind][at])
        if kind == ONLY_NEW:
            return Change(kind=kind, ts=int(self.new.ts[row]), old={}, new=_values(self.new, row, COMPARED))
        ts = int(self.old.ts[row])
        if kind == ONLY_OLD:
            return Change(kind=kind, ts=ts, old=_values(self.old, row, COMPARED), new={})
        names = [name for name, where in self.other.items() if where[self.changed[at]]]
        return Change(
            kind=kind,
            ts=ts,
            old=_values(self.old, row, names),
            new=_values(self.new, int(self.partners[at]), names),
        )


def _match(old: Bars, new: Bars) -> _Match:
    """Hold the rows of both against each other; either may have none."""
    _, in_old, in_new = np.intersect1d(old.ts, new.ts, assume_unique=True, return_indices=True)
    other = {name: _bits(getattr(old, name)[in_old]) != _bits(getattr(new, name)[in_new]) for name in COMPARED}
    changed = np.flatnonzero(np.logical_or.reduce(list(other.values())))
    return _Match(
        old=old,
        new=new,
        same=len(in_old) - len(changed),
        rows={
            ONLY_OLD: np.setdiff1d(np.arange(len(old)), in_old, assume_unique=True),
            ONLY_NEW: np.setdiff1d(np.arange(len(new)), in_new, assume_unique=True),
            CHANGED: in_old[changed],
        },
        partners=in_new[changed],
        other=other,
        changed=changed,
    )


def _bits(values: NDArray[Any]) -> NDArray[Any]:
    """Return the bytes of each value as one integer: 0.0 and -0.0 are two values to a hash, and so they are here."""
    return values.view(f"u{values.dtype.itemsize}")


def _longer(span: Span, ts: NDArray[np.int64]) -> Span:
    if not len(ts):
        return span
    first = int(ts[0]) if span.first is None else span.first
    return Span(count=span.count + len(ts), first=first, last=int(ts[-1]))


def _values(bars: Bars, at: int, names: Sequence[str]) -> Values:
    return {name: getattr(bars, name)[at].item() for name in names}
