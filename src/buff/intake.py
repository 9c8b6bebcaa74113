"""Intake: CSV files in, a stored dataset out, every step a journal event.

Paths and options go in; a `Dataset` under `_datasets/` comes out, or the coded error and an `ingest_rejected` event.
An ingest that is interrupted leaves no file behind, and its `ingest_started` without an end shows that it was.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from attrs import frozen

from buff.datasets import Dataset, DatasetWriter, publish
from buff.errors import BuffError, DataError, DataInvalid, DataSourceNotFound, LimitExceeded
from buff.files import Disk, read_chunks
from buff.journal.events import DatasetStored, IngestParsed, IngestRejected, IngestStarted, IngestValidated
from buff.market.ingest import Ingested, ingest
from buff.market.options import CsvOptions
from buff.market.source import CsvFile
from buff.settings import Settings
from buff.store import Store

Progress = Callable[[str, int, int], None]
READING = "reading"


@frozen(kw_only=True)
class Intake:
    """A stored dataset and where it came from: `source` is what a manifest says of it, `symbol` what it is called.

    `fresh`: its columns were written just now, so nothing can have happened to them since they were hashed.
    """

    dataset: Dataset
    source: Mapping[str, Any]
    symbol: str
    fresh: bool


def opened(paths: Sequence[str]) -> tuple[CsvFile, ...]:
    """Return the files of some paths, to be read in that order. Raises DataSourceNotFound."""
    return tuple(_opened(path) for path in paths)


def _opened(path: str) -> CsvFile:
    name, shown = _text(os.path.basename(path)), _text(path)
    if not os.path.isfile(path):
        says = "is a directory" if os.path.isdir(path) else "is not a file" if os.path.exists(path) else "is not there"
        raise DataSourceNotFound(f"{shown} {says}", hint="check the path", details={"name": name})
    if not os.access(path, os.R_OK):
        raise DataSourceNotFound(f"{shown} cannot be read", hint="check its permissions", details={"name": name})
    return CsvFile(name=name, path=shown, chunks=partial(read_chunks, path))


def _text(name: str) -> str:
    """Return a file name as text that JSON can carry: bytes that are no UTF-8 become question marks."""
    return name.encode("utf-8", "replace").decode()


def read_into(
    disk: Disk, directory: str, paths: Sequence[str], options: CsvOptions, *, settings: Settings, progress: Progress
) -> tuple[Dataset, Ingested]:
    """Read files into a new directory of canonical columns. Raises DataInvalid, LimitExceeded, DataSourceNotFound."""
    files = opened(paths)
    total = sum(os.path.getsize(path) for path in paths)
    writer = DatasetWriter(disk, directory, options.base)
    try:
        ingested = ingest(
            files,
            options,
            write=writer.write,
            tick=lambda done: progress(READING, done, total),
            rows_max=settings.rows_max,
            bytes_max=settings.csv_bytes_max,
        )
        return writer.finish(), ingested
    finally:
        writer.close()


def take_in(store: Store, paths: Sequence[str], options: CsvOptions, *, symbol: str, progress: Progress) -> Intake:
    """Return the dataset these files are, stored and journalled. Raises what `read_into` does, recorded as an event."""
    ingest_id = f"ing_{store.host.token()}"
    owner, disk, began = store.owner, store.disk, store.host.monotonic()
    staged = owner.path(ingest_id)
    try:
        opened(paths)
        store.record(_started(ingest_id, paths, options, store.settings.user))
        dataset, ingested = read_into(disk, staged, paths, options, settings=store.settings, progress=progress)
        existed = publish(disk, store.root, staged, dataset)
    except (DataError, LimitExceeded) as error:
        owner.discard(ingest_id)
        store.record(rejected(ingest_id, error, store.settings.user))
        raise
    except BaseException:
        owner.discard(ingest_id)  # Ctrl-C, a full disk, a bug: nothing half-made stays
        raise
    source = source_of(ingested)
    milliseconds = round((store.host.monotonic() - began) * 1000)
    store.record(*_ended(ingest_id, dataset, ingested, source, symbol, existed=existed, milliseconds=milliseconds))
    return Intake(dataset=dataset, source=source, symbol=symbol, fresh=not existed)


def source_of(ingested: Ingested) -> dict[str, Any]:
    """Return what a manifest says of where the data came from: the file, or the list of files they were."""
    first = dict(ingested.sources[0])
    if len(ingested.sources) == 1:
        return first
    return {
        **first,
        "name": f"{len(ingested.sources)} files",
        "path": None,
        "size": sum(source["size"] for source in ingested.sources),
        "sha256": None,
        "files": [dict(source) for source in ingested.sources],
    }


def rejected(ingest_id: str, error: BuffError, by: str) -> IngestRejected:
    """Return the event of a refusal: its code, its rule, its counts and its first line."""
    offences: Any = error.details.get("offences") or [{}]
    counts: Any = error.details.get("counts", {})
    return IngestRejected(
        ingest=ingest_id,
        code=error.code,
        rule=error.rule if isinstance(error, DataInvalid) else None,
        message=error.message[:500],
        counts=dict(counts),
        line=offences[0].get("line"),
        by=by,
    )


def _started(ingest_id: str, paths: Sequence[str], options: CsvOptions, by: str) -> IngestStarted:
    return IngestStarted(
        ingest=ingest_id,
        files=[_text(os.path.basename(path)) for path in paths],
        size_bytes=sum(os.path.getsize(path) for path in paths),
        profile=options.profile,
        timezone=options.timezone,
        gaps=options.gaps,
        base_timeframe=options.base.value,
        by=by,
    )


def _ended(
    ingest_id: str,
    dataset: Dataset,
    ingested: Ingested,
    source: Mapping[str, Any],
    symbol: str | None,
    *,
    existed: bool,
    milliseconds: int,
) -> tuple[IngestParsed, IngestValidated, DatasetStored]:
    return (
        IngestParsed(
            ingest=ingest_id,
            rows=ingested.rows,
            sha256=[source["sha256"] for source in ingested.sources],
            milliseconds=milliseconds,
        ),
        IngestValidated(
            ingest=ingest_id,
            gaps=ingested.gap_count,
            filled=ingested.filled,
            zero_volume=ingested.zero_volume,
            warnings=list(ingested.warnings),
        ),
        DatasetStored(
            ingest=ingest_id,
            dataset_id=dataset.id,
            base_timeframe=dataset.base.value,
            rows=ingested.rows,
            first_ts=ingested.first_ts,
            last_ts=ingested.last_ts,
            gaps=ingested.gap_count,
            filled=ingested.filled,
            symbol=symbol,
            existed=existed,
            source=dict(source),
        ),
    )
