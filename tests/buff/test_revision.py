"""Revision: two datasets row by row, held against a plain loop over dictionaries."""

import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.datasets import FOLDER, Dataset, DatasetWriter, publish
from buff.deposit import deposit
from buff.errors import DatasetNotFound, RunConfigInvalid
from buff.files import RealDisk
from buff.market.bars import COLUMNS, DTYPES
from buff.market.timeframe import Timeframe
from buff.revision import CHANGED, COMPARED, ONLY_NEW, ONLY_OLD, compare, revision
from whole import opened, write_csv

Rows = dict[int, tuple[float, ...]]  # minute -> open, high, low, close, volume, filled


def store(root: Path, rows: Rows, base: Timeframe = Timeframe.MINUTE_1) -> Dataset:
    """Store rows as a dataset and return it."""
    assert base.step_ms is not None
    disk, staged = RealDisk(), str(root / f"staged-{len(list(root.iterdir()))}")
    writer = DatasetWriter(disk, staged, base)
    table = np.array([rows[at] for at in sorted(rows)], dtype=float).reshape(len(rows), 6)
    columns: dict[str, Any] = {name: table[:, at].astype(DTYPES[name]) for at, name in enumerate(COLUMNS[1:])}
    writer.write({"ts": np.array(sorted(rows), DTYPES["ts"]) * base.step_ms, **columns})
    dataset = writer.finish()
    publish(disk, str(root), staged, dataset)
    return dataset


BAR = (10.0, 12.0, 9.0, 11.0, 5.0, 0.0)


def test_what_a_revised_file_changed_is_told_by_row_and_column(tmp_path: Path) -> None:
    old = store(tmp_path, {0: BAR, 1: BAR, 2: BAR, 4: BAR})
    new = store(tmp_path, {0: BAR, 1: (10.0, 13.0, 9.0, 11.0, 6.0, 0.0), 3: BAR, 4: BAR})
    found = compare(str(tmp_path), old, new, limit=10)
    assert found.same == 2
    assert [(change.kind, change.ts) for change in found.listed] == [
        (CHANGED, 60_000),
        (ONLY_OLD, 120_000),
        (ONLY_NEW, 180_000),
    ]
    assert (found.listed[0].old, found.listed[0].new) == ({"high": 12.0, "volume": 5.0}, {"high": 13.0, "volume": 6.0})
    assert found.listed[1].old == dict(zip(COMPARED, BAR, strict=True))
    assert found.listed[1].new == {}
    assert {name: count for name, count in found.columns.items() if count} == {"high": 1, "volume": 1}
    told = found.as_dict()
    assert (told["equal"], told["changed"]) == (
        False,
        {"count": 1, "first": "1970-01-01T00:01:00Z", "last": "1970-01-01T00:01:00Z"},
    )


def test_a_dataset_does_not_differ_from_itself(tmp_path: Path) -> None:
    same = store(tmp_path, {0: BAR, 1: BAR})
    found = compare(str(tmp_path), same, same, limit=10)
    assert (found.differing, found.same, found.listed) == (0, 2, ())


def test_bars_of_two_bases_are_not_compared(tmp_path: Path) -> None:
    minutes, hours = store(tmp_path, {0: BAR}), store(tmp_path, {0: BAR}, Timeframe.HOUR_1)
    with pytest.raises(RunConfigInvalid) as caught:
        compare(str(tmp_path), minutes, hours, limit=10)
    assert caught.value.details == {"field": "base_timeframe", "old": "1m", "new": "1h"}
    assert caught.value.hint


def oracle(old: Rows, new: Rows) -> list[tuple[str, int]]:
    """Say what differs, as a child would."""
    found = []
    for at in sorted({*old, *new}):
        if at not in new:
            found.append((ONLY_OLD, at))
        elif at not in old:
            found.append((ONLY_NEW, at))
        elif list(map(repr, old[at])) != list(map(repr, new[at])):
            found.append((CHANGED, at))
    return found


bars = st.sampled_from(
    [BAR, (10.0, 12.0, 9.0, 11.0, 0.0, 0.0), (10.0, 12.0, 9.0, 11.0, -0.0, 0.0), (9.0, 9.0, 9.0, 9.0, 0.0, 1.0)]
)
tables = st.dictionaries(st.integers(0, 12) | st.integers(0, 10_000), bars, min_size=1, max_size=14)


@given(old=tables, new=tables, size=st.integers(1, 6), limit=st.integers(0, 30))
def test_rows_are_told_as_a_loop_would_tell_them(
    tmp_path_factory: pytest.TempPathFactory, old: Rows, new: Rows, size: int, limit: int
) -> None:
    """Invariants checked: kinds, stamps and counts are those of the loop for every block size; the list is its first
    rows; there is no difference exactly when the ids are equal.
    """
    root = tmp_path_factory.mktemp("revision")
    first, second = store(root, old), store(root, new)
    found = compare(str(root), first, second, limit=limit, rows_at_once=size)
    wanted = oracle(old, new)
    assert [(change.kind, change.ts // 60_000) for change in found.listed] == wanted[:limit]
    for kind, span in found.spans.items():
        stamps = [at * 60_000 for each, at in wanted if each == kind]
        ends = (stamps[0], stamps[-1]) if stamps else (None, None)
        assert (span.count, span.first, span.last) == (len(stamps), *ends)
    assert found.same == len(set(old) & set(new)) - found.spans[CHANGED].count
    assert found.differing == len(wanted)
    assert (found.differing == 0) == (first.id == second.id)
    for change in found.listed:
        assert change.kind != CHANGED or set(change.old) == set(change.new) != set()


def test_memory_does_not_grow_with_the_datasets(tmp_path: Path) -> None:
    """Two hundred thousand rows of 49 bytes, of which every other one differs, in pieces of a thousand."""
    rows = 200_000
    old = store(tmp_path, dict.fromkeys(range(rows), BAR))
    new = store(tmp_path, {at: BAR if at % 2 else (*BAR[:4], 7.0, 0.0) for at in range(rows)})
    tracemalloc.start()
    found = compare(str(tmp_path), old, new, limit=5, rows_at_once=1_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.spans[CHANGED].count == found.columns["volume"] == rows // 2
    assert peak < 1_000_000


def ids(root: Path, tmp_path: Path, seeds: Sequence[int]) -> list[str]:
    with opened(root) as store:
        return [
            deposit(
                {"csv": [str(write_csv(tmp_path / f"{seed}.csv", minutes=60, seed=seed))], "symbol": "X"},
                root=store,
                host=store.host,
                settings=store.settings,
            ).dataset_id
            for seed in seeds
        ]


def test_datasets_are_named_by_the_beginnings_of_their_ids(root: Path, tmp_path: Path) -> None:
    one, other = ids(root, tmp_path, (1, 2))
    found = revision(opened(root), one[:12], other, limit=1)
    assert (found.old, found.new, found.differing, len(found.listed)) == (one, other, 60, 1)
    with pytest.raises(DatasetNotFound):
        revision(opened(root), one, "f" * 64, limit=1)


def test_a_beginning_that_names_two_names_none(root: Path) -> None:
    store = opened(root)
    (known,) = store.state.datasets
    assert revision(store, known[:1], known, limit=0).differing == 0
    for nobody in ("", "x", known + "0", FOLDER):
        with pytest.raises(DatasetNotFound):
            revision(store, nobody, known, limit=0)
