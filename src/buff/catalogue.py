"""Catalogue: what a root holds of datasets, where each came from, who uses it, and what became of every ingest.

A store goes in; plain values and frozen entries come out. Nothing is read of the bars themselves but what a report
says of them, nothing is hashed, and nothing is written.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import asdict, evolve, frozen

from buff.columns import HEADER_BYTES
from buff.datasets import FOLDER, SCHEMA, load, stored_resamples
from buff.files import Disk
from buff.intake import report_of
from buff.journal.events import DatasetStored, IngestParsed, IngestRejected, IngestStarted, IngestValidated
from buff.journal.record import Recorded
from buff.market.bars import COLUMNS, DTYPES
from buff.registry.queries import find_dataset
from buff.registry.state import DatasetEntry
from buff.space import tree_bytes
from buff.staging import LOCK, ORPHANS, STAGING
from buff.store import Store
from buff.times import iso

RUNNING, INTERRUPTED, STORED, REJECTED = "running", "interrupted", "stored", "rejected"


@frozen(kw_only=True)
class IngestLog:
    """One ingest as the journal tells it: its state, and of each step that it reached what was counted and how long.

    steps: name -> milliseconds, in order; None where an older event did not say. A refusal before the files were
    opened has no start. `dataset_id` and `existed` once stored; `code`, `rule`, `line`, `message` once rejected.
    `left`: the directories under the root, with `/`, that an interrupted one has left, and `left_bytes` what they hold.
    """

    ingest: str
    seq: int
    time: str
    state: str
    owner: str | None = None
    by: str | None = None
    files: tuple[str, ...] = ()
    size_bytes: int | None = None
    symbol: str | None = None
    options: Mapping[str, Any] | None = None
    steps: Mapping[str, int | None]
    rows: int | None = None
    gaps: int | None = None
    missing: int | None = None
    filled: int | None = None
    zero_volume: int | None = None
    verdict: str | None = None
    warnings: tuple[str, ...] = ()
    dataset_id: str | None = None
    existed: bool | None = None
    source: Mapping[str, Any] | None = None
    code: str | None = None
    rule: str | None = None
    line: int | None = None
    counts: Mapping[str, int] | None = None
    message: str | None = None
    left: tuple[str, ...] = ()
    left_bytes: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as plain values; what is not known of it is None."""
        return asdict(self)


def ingests(store: Store) -> tuple[IngestLog, ...]:
    """Return every ingest the journal knows, in the order in which they began.

    One without an end is running while its owner's lock is held, and interrupted from then on.
    """
    unfinished = {entry.owner for entry in _told(store.events()).values() if entry.state == RUNNING}
    # Locks first, the journal again after them: an ingest that ends in between is then seen to have ended.
    dead = {owner for owner in unfinished if not _lives(store.disk, store.root, owner)}
    return tuple(
        _interrupted(store, entry) if entry.state == RUNNING and entry.owner in dead else entry
        for entry in _told(store.events()).values()
    )


def _interrupted(store: Store, entry: IngestLog) -> IngestLog:
    """Return an ingest whose process ended without a word, with what is left of it where writers put such things."""
    orphans = os.path.join(store.root, ORPHANS)
    aside = store.disk.names(orphans) if store.disk.is_directory(orphans) else ()
    left = [f"{ORPHANS}/{name}" for name in aside if name.startswith(f"{entry.ingest}.")]
    staged = f"{STAGING}/{entry.owner}/{entry.ingest}"
    if entry.owner is not None and store.disk.is_directory(os.path.join(store.root, *staged.split("/"))):
        left.append(staged)
    size = sum(tree_bytes(os.path.join(store.root, *each.split("/"))) for each in left)
    return evolve(entry, state=INTERRUPTED, left=tuple(left), left_bytes=size)


def abandoned_bytes(store: Store) -> int:
    """Return what the folders of dead processes in `_staging/` hold, which the next writer moves to `_orphans/`."""
    staging = os.path.join(store.root, STAGING)
    owners = store.disk.names(staging) if store.disk.is_directory(staging) else ()
    dead = [name for name in owners if not _lives(store.disk, store.root, name)]
    return sum(tree_bytes(os.path.join(staging, name)) for name in dead)


def _lives(disk: Disk, root: str, owner: str | None) -> bool:
    """Say whether the process that works in a folder under `_staging/` still holds its lock."""
    lock = "" if owner is None else os.path.join(root, STAGING, owner, LOCK)
    if not lock or not disk.exists(lock):
        return False
    try:
        handle = disk.open_lock(lock)
    except FileNotFoundError:
        return False  # it left in this very moment
    try:
        return not disk.try_lock(handle, shared=True)
    finally:
        disk.close(handle)


def _told(events: Iterable[Recorded]) -> dict[str, IngestLog]:
    """Fold the events of ingests, by ingest; one without an end is said to be running."""
    found: dict[str, IngestLog] = {}
    for item in events:
        event = item.event
        match event:
            case IngestStarted():
                found[event.ingest] = IngestLog(
                    ingest=event.ingest,
                    seq=item.seq,
                    time=item.time,
                    state=RUNNING,
                    owner=event.owner,
                    by=event.by,
                    files=tuple(event.files),
                    size_bytes=event.size_bytes,
                    symbol=event.symbol,
                    options=event.options,
                    steps={"started": 0},
                )
            case IngestParsed() | IngestValidated() | DatasetStored() | IngestRejected():
                before = found.get(event.ingest) or IngestLog(
                    ingest=event.ingest, seq=item.seq, time=item.time, state=RUNNING, steps={}
                )
                found[event.ingest] = _after(before, event)
    return found


def _after(entry: IngestLog, event: IngestParsed | IngestValidated | DatasetStored | IngestRejected) -> IngestLog:
    steps = dict(entry.steps)
    match event:
        case IngestParsed():
            return evolve(entry, steps={**steps, "parsed": event.milliseconds}, rows=event.rows)
        case IngestValidated():
            return evolve(
                entry,
                steps={**steps, "validated": event.milliseconds},
                gaps=event.gaps,
                missing=event.missing,
                filled=event.filled,
                zero_volume=event.zero_volume,
                verdict=event.verdict,
                warnings=tuple(event.warnings),
            )
        case DatasetStored():
            return evolve(
                entry,
                state=STORED,
                steps={**steps, STORED: event.milliseconds},
                symbol=event.symbol,
                dataset_id=event.dataset_id,
                existed=event.existed,
                source=event.source,
            )
        case IngestRejected():
            return evolve(
                entry,
                state=REJECTED,
                steps={**steps, REJECTED: event.milliseconds},
                by=event.by,
                files=tuple(event.files or entry.files),
                code=event.code,
                rule=event.rule,
                line=event.line,
                counts=event.counts,
                message=event.message,
            )


def listed(store: Store) -> list[dict[str, Any]]:
    """Return every stored dataset, the newest first, with the bytes it takes on disk, resamples included."""
    return rows(store, store.datasets())


def rows(store: Store, entries: Iterable[DatasetEntry]) -> list[dict[str, Any]]:
    """Return some stored datasets as plain values, with the bytes each takes on disk, resamples included."""
    return [
        {
            "dataset_id": entry.dataset_id,
            "seq": entry.seq,
            "created": entry.created,
            "base_timeframe": entry.base_timeframe,
            "rows": entry.rows,
            "first_ts": entry.first_ts,
            "last_ts": entry.last_ts,
            "first": iso(entry.first_ts),
            "last": iso(entry.last_ts),
            "gaps": entry.gaps,
            "filled": entry.filled,
            "symbols": list(entry.symbols),
            "sources": len(entry.sources),
            "source": dict(entry.source),
            "size_bytes": tree_bytes(os.path.join(store.root, FOLDER, entry.dataset_id)),
        }
        for entry in entries
    ]


def described(store: Store, dataset_id: str) -> dict[str, Any]:
    """Return all that is known of a dataset, by its id or the beginning of it, as plain values.

    Raises DatasetNotFound, RunDamaged.
    """
    entry = find_dataset(store.state, dataset_id)
    came = [each for each in ingests(store) if each.dataset_id == entry.dataset_id and each.state == STORED]
    return {
        **about(store, entry),
        "ingests": [each.as_dict() for each in came],
        "runs": [
            {"run_id": run.run_id, "symbol": run.symbol, "timeframe": run.timeframe, "state": run.state}
            for run in reversed(store.runs_of(entry.dataset_id))
        ],
    }


def about(store: Store, entry: DatasetEntry) -> dict[str, Any]:
    """Return what the files of a dataset say: its columns, its quality report, its resamples. Raises RunDamaged."""
    dataset = load(store.root, entry.dataset_id)
    return {
        "dataset_id": dataset.id,
        "schema": SCHEMA,
        "base_timeframe": dataset.base.value,
        "rows": dataset.rows,
        "first": iso(dataset.first_ts),
        "last": iso(dataset.last_ts),
        "gaps": dataset.gaps,
        "missing": dataset.missing,
        "filled": dataset.filled,
        "zero_volume": dataset.zero_volume,
        "symbols": list(entry.symbols),
        "size_bytes": tree_bytes(os.path.join(store.root, FOLDER, dataset.id)),
        "columns": [
            {
                "name": name,
                "dtype": DTYPES[name].name,
                "sha256": dataset.columns[name],
                "size_bytes": HEADER_BYTES + dataset.rows * DTYPES[name].itemsize,
                "decimals": dataset.decimals.get(name),
            }
            for name in COLUMNS
        ],
        "quality": report_of(store.root, dataset),
        "resamples": [
            {
                "timeframe": each.quality["timeframe"],
                "windows": each.quality["windows"],
                "dropped": each.quality["dropped"]["count"],
                "empty": each.quality["empty"],
                "size_bytes": tree_bytes(os.path.join(store.root, FOLDER, dataset.id, each.quality["timeframe"])),
            }
            for each in stored_resamples(store.root, dataset)
        ],
    }
