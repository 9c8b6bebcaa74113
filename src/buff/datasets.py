"""Datasets: canonical bars on disk, named by their content, with their resamples stored once beside them.

Blocks of columns go in; a directory `_datasets/<dataset_id>` comes out, and mapped `Bars` when it is read:

    _datasets/<dataset_id>/
      dataset.json    the hashed object (schema, base_timeframe, rows, columns), the id, and facts derived from the bars
      quality.json    what the quality report says of the base bars
      ts.npy open.npy high.npy low.npy close.npy volume.npy filled.npy
      1h/             one directory per timeframe that a run has used: resample.json and the same seven columns

`dataset_id` is the SHA-256 of the canonical JSON of the hashed object; a column's hash is that of its raw bytes. File,
profile, zone, symbol and gap policy are not in it: the same bars are the same dataset, by whatever door they came.
Everything is written in a staging directory and becomes true by one rename; nothing here knows journals or runs.
"""

import contextlib
import os
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from buff import columns
from buff.canonical import digest_of, document
from buff.columns import ColumnWriter
from buff.errors import DatasetNotFound, RunDamaged
from buff.files import Disk, remove_tree, write_file
from buff.market import quality, volume
from buff.market.bars import COLUMNS, DTYPES, VALUES, Bars, price_decimals
from buff.market.resample import Resampling, resample
from buff.market.source import Columns
from buff.market.timeframe import BASES, Timeframe

FOLDER = "_datasets"
SCHEMA = "ds.v1"
RESAMPLE_SCHEMA = "resample.v1"
READ_ONLY_FILE, READ_ONLY_DIRECTORY = 0o444, 0o555

_ID = re.compile(r"[0-9a-f]{64}")
_Document = TypeVar("_Document", bound=msgspec.Struct)


@frozen(kw_only=True)
class Dataset:
    """A stored dataset: its identity and what is known of its bars, wherever its directory is.

    columns: name -> SHA-256 of the raw bytes. first_ts, last_ts: epoch ms. gaps: ranges without bars, and `missing`
    the bars in them. decimals: per column, the k of which every value is a whole number of 10^-k, or None.
    quality: the dataset's part of the quality report.
    """

    id: str
    base: Timeframe
    rows: int
    columns: Mapping[str, str]
    first_ts: int
    last_ts: int
    gaps: int
    missing: int
    filled: int
    zero_volume: int
    decimals: Mapping[str, int | None]
    quality: Mapping[str, Any]

    @property
    def price_decimals(self) -> int | None:
        """The k of which every price is a whole number of 10^-k, or None."""
        return price_decimals(self.decimals)


@frozen(kw_only=True)
class Reference:
    """A column of a dataset, or of its resample: its file from the root on, with `/`, and the hash of its raw bytes."""

    column: str
    dataset_id: str
    file: str
    sha256: str


@frozen(kw_only=True, eq=False)
class Resampled:
    """Bars of one timeframe of a dataset: mapped or just made, with the columns they are stored in.

    quality: the resample's part of the quality report.
    """

    bars: Bars
    quality: Mapping[str, Any]
    references: tuple[Reference, ...]


class _Facts(msgspec.Struct):
    first_ts: int
    last_ts: int
    gaps: int
    missing: int
    filled: int
    zero_volume: int
    decimals: dict[str, int | None]


class _Header(msgspec.Struct):
    schema: str
    base_timeframe: str
    rows: int
    columns: dict[str, str]
    dataset_id: str
    facts: _Facts


class _Quality(msgspec.Struct):
    schema: str
    facts: dict[str, Any]


class _ResampleHeader(msgspec.Struct):
    schema: str
    timeframe: str
    rows: int
    columns: dict[str, str]
    quality_schema: str
    quality: dict[str, Any]


# Write


class DatasetWriter:
    """Writes the bars of one dataset, block by block, into a new directory, in bounded memory."""

    def __init__(self, disk: Disk, directory: str, base: Timeframe) -> None:
        """Make the directory (its parent must exist) and the column files in it."""
        self._disk, self._directory, self._base = disk, directory, base
        disk.mkdir(directory)
        self._columns: dict[str, ColumnWriter] = {}
        self._decimals = {name: _Decimals() for name in VALUES}
        self._inspection = quality.Inspection(base=base)
        self._rows = 0
        try:
            for name in COLUMNS:
                self._columns[name] = ColumnWriter(disk, _column_path(directory, name), DTYPES[name])
        except OSError:
            self.close()
            raise

    def write(self, block: Columns) -> None:
        """Append a block: equal-length arrays of all seven columns, with their dtypes, after those before."""
        for name in COLUMNS:
            self._columns[name].write(block[name])
        for name, seen in self._decimals.items():
            seen.see(block[name])
        self._inspection.see(block)
        self._rows += len(block["ts"])

    def finish(self) -> Dataset:
        """Sync the columns, write the header and the quality facts beside them, and return the dataset."""
        assert self._rows, "a dataset has at least one bar"
        hashes = {name: column.finish() for name, column in self._columns.items()}
        bars = _bars(self._directory, self._base, self._rows, None)
        decimals = {name: seen.decimals for name, seen in self._decimals.items()}
        dataset = _dataset(bars, hashes, self._inspection.facts(bars, decimals))
        for name in COLUMNS:
            self._disk.chmod(_column_path(self._directory, name), READ_ONLY_FILE)
        for name, value in (("dataset.json", _header(dataset)), ("quality.json", _quality(dataset))):
            path = os.path.join(self._directory, name)
            write_file(self._disk, path, (document(value),), mode=READ_ONLY_FILE)
        # Without this the directory may come back from a crash without some of its names.
        self._disk.sync_directory(self._directory)
        return dataset

    def close(self) -> None:
        """Close the files of an ingest that was given up; after `finish` nothing is left to close."""
        for column in self._columns.values():
            column.close()


def publish(disk: Disk, root: str, staged_directory: str, dataset: Dataset) -> bool:
    """Give a finished dataset its place under `root`; return whether it was there already (then ours is removed)."""
    folder = os.path.join(root, FOLDER)
    if not disk.is_directory(folder):
        with contextlib.suppress(FileExistsError):  # made by another process since we looked
            disk.mkdir(folder)
    # Without this everything below may be forgotten with the name of the folder, whoever made it.
    disk.sync_directory(root)
    # The directory itself stays writable: resamples are added to it. Its files are read-only.
    return _settle(disk, staged_directory, os.path.join(folder, dataset.id))


def _settle(disk: Disk, staged: str, target: str) -> bool:
    """Rename a synced directory to its place unless one is there; return whether one was."""
    existed = disk.exists(target)
    if not existed:
        try:
            disk.rename(staged, target)
        except OSError:
            # Another process may have come first with the same content; anything else is an error of the disk.
            if not disk.is_directory(target):
                raise
            existed = True
    # Without this a crash may forget the rename: ours, or that of whoever came first and has not synced it yet.
    disk.sync_directory(os.path.dirname(target))
    if existed:
        remove_tree(disk, staged)
    return existed


class _Decimals:
    """The decimals of a column that is seen in blocks."""

    def __init__(self) -> None:
        self._least: int | None = 0
        self._top = 0.0

    def see(self, values: NDArray[np.float64]) -> None:
        if self._least is not None and len(values):
            self._least = volume.decimals(values, self._least)
            self._top = max(self._top, float(values.max()))

    @property
    def decimals(self) -> int | None:
        if self._least is None or self._top * volume.SCALES[self._least] >= volume.UNITS_BELOW:
            return None
        return self._least


def _dataset(bars: Bars, hashes: Mapping[str, str], facts: Mapping[str, Any]) -> Dataset:
    """Return the dataset that these bars, column hashes and quality facts are."""
    checks = facts["checks"]
    return Dataset(
        id=digest_of(_hashed(bars.timeframe, len(bars), hashes)),
        base=bars.timeframe,
        rows=len(bars),
        columns=dict(hashes),
        first_ts=int(bars.ts[0]),
        last_ts=int(bars.ts[-1]),
        gaps=checks["gaps"]["count"],
        missing=checks["gaps"]["missing"],
        filled=checks["filled"]["count"],
        zero_volume=checks["zero_volume"]["count"],
        decimals=facts["decimals"],
        quality=facts,
    )


def _hashed(base: Timeframe, rows: int, hashes: Mapping[str, str]) -> dict[str, Any]:
    return {"schema": SCHEMA, "base_timeframe": base.value, "rows": rows, "columns": dict(hashes)}


def _header(dataset: Dataset) -> dict[str, Any]:
    return {
        **_hashed(dataset.base, dataset.rows, dataset.columns),
        "dataset_id": dataset.id,
        "facts": {
            "first_ts": dataset.first_ts,
            "last_ts": dataset.last_ts,
            "gaps": dataset.gaps,
            "missing": dataset.missing,
            "filled": dataset.filled,
            "zero_volume": dataset.zero_volume,
            "decimals": dict(dataset.decimals),
        },
    }


def _quality(dataset: Dataset) -> dict[str, Any]:
    return {"schema": quality.SCHEMA, "facts": dict(dataset.quality)}


# Read


def load(root: str, dataset_id: str) -> Dataset:
    """Return a stored dataset. Raises DatasetNotFound, or RunDamaged when its files are not what its header says.

    The columns are opened and measured, not hashed; that is what `check` does.
    """
    directory = _directory(root, dataset_id)
    header = _document(os.path.join(directory, "dataset.json"), _Header)
    base = next((each for each in BASES if each.value == header.base_timeframe), None)
    if base is None or header.schema != SCHEMA or set(header.columns) != set(COLUMNS) or header.rows < 1:
        raise _damaged(dataset_id, "dataset.json", "it is not the header of a dataset this version can read")
    if not header.dataset_id == dataset_id == digest_of(_hashed(base, header.rows, header.columns)):
        raise _damaged(dataset_id, "dataset.json", "the identity in it is not that of its directory")
    mapped = _bars(directory, base, header.rows, None)
    stored = _document(os.path.join(directory, "quality.json"), _Quality)
    facts = header.facts
    # Facts of another version of the report are made anew: what a run says must not depend on who stored its data.
    current = stored.facts if stored.schema == quality.SCHEMA else quality.dataset_facts(mapped, facts.decimals)
    return Dataset(
        id=dataset_id,
        base=base,
        rows=header.rows,
        columns=header.columns,
        first_ts=facts.first_ts,
        last_ts=facts.last_ts,
        gaps=facts.gaps,
        missing=facts.missing,
        filled=facts.filled,
        zero_volume=facts.zero_volume,
        decimals=facts.decimals,
        quality=current,
    )


def staged_bars(directory: str, dataset: Dataset) -> Bars:
    """Return the bars of a finished dataset that has no place yet, mapped read-only. Raises RunDamaged."""
    return _bars(directory, dataset.base, dataset.rows, dataset.price_decimals)


def base_bars(root: str, dataset: Dataset) -> Bars:
    """Return the bars of a stored dataset, mapped read-only. Raises RunDamaged."""
    return staged_bars(_directory(root, dataset.id), dataset)


def check(root: str, dataset_id: str) -> Dataset:
    """Return a stored dataset after hashing its columns and deriving its facts again. Raises RunDamaged."""
    dataset = load(root, dataset_id)
    bars = base_bars(root, dataset)
    _prove(dataset_id, bars, dataset.columns)
    decimals = {name: volume.decimals(getattr(bars, name)) for name in VALUES}
    if _dataset(bars, dataset.columns, quality.dataset_facts(bars, decimals)) != dataset:
        raise _damaged(dataset_id, "dataset.json", "its facts are not those of its columns")
    return dataset


def _directory(root: str, dataset_id: str) -> str:
    directory = os.path.join(root, FOLDER, dataset_id)
    if not _ID.fullmatch(dataset_id) or not os.path.isdir(directory):
        raise DatasetNotFound(
            f"there is no dataset {dataset_id}",
            hint="`buff data list` shows what there is",
            details={"dataset_id": dataset_id},
        )
    return directory


def _bars(directory: str, timeframe: Timeframe, rows: int, decimals: int | None) -> Bars:
    mapped = {name: columns.read(_column_path(directory, name), DTYPES[name]) for name in COLUMNS}
    for name, column in mapped.items():
        if len(column) != rows:
            raise RunDamaged(
                f"{name}.npy has {len(column)} rows, its header says {rows}", details={"file": f"{name}.npy"}
            )
    return Bars(timeframe=timeframe, decimals=decimals, **mapped)


def _document(path: str, kind: type[_Document]) -> _Document:
    name = os.path.basename(path)
    try:
        with open(path, "rb") as file:
            return msgspec.json.decode(file.read(), type=kind)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RunDamaged(f"{name} of a dataset cannot be read", details={"file": name}) from error


def _damaged(dataset_id: str, file: str, says: str) -> RunDamaged:
    return RunDamaged(
        f"{file} of dataset {dataset_id[:16]} is damaged: {says}",
        hint="restore the dataset's directory from a copy, or ingest its source again after moving it away",
        details={"dataset_id": dataset_id, "file": file},
    )


def _column_path(directory: str, name: str) -> str:
    return os.path.join(directory, f"{name}.npy")


# Resamples


def resampled(
    disk: Disk, root: str, dataset: Dataset, timeframe: Timeframe, staging_directory: str, *, fresh: bool = False
) -> Resampled:
    """Return the dataset's bars of a timeframe: stored ones, or made now and stored for whoever comes next.

    What was stored before is hashed before it is used, so that no run is made of bytes that changed since; `fresh` says
    that the base columns were written just now. `staging_directory` is a name whose parent exists, on the same file
    system. Raises RunDamaged when what is stored is not whole.
    """
    if timeframe is not dataset.base and disk.exists(_resample_directory(root, dataset.id, timeframe)):
        stored = _stored(root, dataset, timeframe)
        _prove(dataset.id, stored.bars, {each.column: each.sha256 for each in stored.references}, f"{timeframe.value}/")
        return stored
    base = base_bars(root, dataset)
    if not fresh:
        _prove(dataset.id, base, dataset.columns)
    if timeframe is dataset.base:
        return _unchanged(root, dataset)
    made = resample(base, timeframe)
    facts = quality.resample_facts(made)
    if not len(made.bars):  # no run can be made of it
        return Resampled(bars=made.bars, quality=facts, references=())
    hashes = _write(disk, staging_directory, made.bars, facts)
    target = _resample_directory(root, dataset.id, timeframe)
    if not _settle(disk, staging_directory, target):
        # Only now: a directory that may not be written cannot be moved on every system.
        disk.chmod(target, READ_ONLY_DIRECTORY)
    return Resampled(bars=made.bars, quality=facts, references=_references(dataset.id, timeframe.value, hashes))


def proven(root: str, dataset: Dataset, timeframe: Timeframe) -> Resampling:
    """Return the dataset's bars of a timeframe, made now from base columns that were hashed first; nothing is stored.

    Raises RunDamaged when what is stored is not what was hashed.
    """
    base = base_bars(root, dataset)
    _prove(dataset.id, base, dataset.columns)
    return resample(base, timeframe)


def stored_resamples(root: str, dataset: Dataset) -> tuple[Resampled, ...]:
    """Return the resamples that are stored beside a dataset, mapped and not hashed. Raises RunDamaged."""
    directory = _directory(root, dataset.id)
    there = (each for each in Timeframe if os.path.isfile(os.path.join(directory, each.value, "resample.json")))
    return tuple(_stored(root, dataset, each) for each in there)


def _prove(dataset_id: str, bars: Bars, hashes: Mapping[str, str], folder: str = "") -> None:
    found = columns.contents_sha256({name: getattr(bars, name) for name in COLUMNS})
    for name in COLUMNS:
        if found[name] != hashes[name]:
            raise _damaged(dataset_id, f"{folder}{name}.npy", "its content is not what was stored")


def _unchanged(root: str, dataset: Dataset) -> Resampled:
    # The base is its own resample and is never stored again; so `1m` and `1M` never stand side by side, which some
    # file systems take for one name.
    made = resample(base_bars(root, dataset), dataset.base)
    references = _references(dataset.id, None, dataset.columns)
    return Resampled(bars=made.bars, quality=quality.resample_facts(made), references=references)


def _stored(root: str, dataset: Dataset, timeframe: Timeframe) -> Resampled:
    directory = _resample_directory(root, dataset.id, timeframe)
    header = _document(os.path.join(directory, "resample.json"), _ResampleHeader)
    whole = header.schema == RESAMPLE_SCHEMA and header.timeframe == timeframe.value
    if not whole or set(header.columns) != set(COLUMNS):
        raise _damaged(dataset.id, f"{timeframe.value}/resample.json", "it is not the header of this resample")
    facts = header.quality
    if header.quality_schema != quality.SCHEMA:
        facts = quality.resample_facts(resample(base_bars(root, dataset), timeframe))
    return Resampled(
        bars=_bars(directory, timeframe, header.rows, dataset.price_decimals),
        quality=facts,
        references=_references(dataset.id, timeframe.value, header.columns),
    )


def _write(disk: Disk, directory: str, bars: Bars, facts: Mapping[str, Any]) -> dict[str, str]:
    """Write and sync one resample in a new directory; return the hashes of its columns."""
    disk.mkdir(directory)
    hashes = {}
    for name in COLUMNS:
        values = getattr(bars, name)
        write_file(disk, _column_path(directory, name), columns.whole(values), mode=READ_ONLY_FILE)
        hashes[name] = columns.content_sha256(values)
    header = {
        "schema": RESAMPLE_SCHEMA,
        "timeframe": bars.timeframe.value,
        "rows": len(bars),
        "columns": hashes,
        "quality_schema": quality.SCHEMA,
        "quality": dict(facts),
    }
    write_file(disk, os.path.join(directory, "resample.json"), (document(header),), mode=READ_ONLY_FILE)
    # Without this the directory may come back from a crash without some of its names.
    disk.sync_directory(directory)
    return hashes


def _resample_directory(root: str, dataset_id: str, timeframe: Timeframe) -> str:
    return os.path.join(root, FOLDER, dataset_id, timeframe.value)


def _references(dataset_id: str, folder: str | None, hashes: Mapping[str, str]) -> tuple[Reference, ...]:
    place = "/".join(part for part in (FOLDER, dataset_id, folder) if part is not None)
    return tuple(
        Reference(column=name, dataset_id=dataset_id, file=f"{place}/{name}.npy", sha256=hashes[name])
        for name in COLUMNS
    )
