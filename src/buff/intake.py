"""Intake: CSV files in, a stored dataset out, every step a journal event.

Paths and options go in; a `Dataset` under `_datasets/` comes out, or the coded error and an `ingest_rejected` event.
An ingest that is interrupted leaves no file behind, and its `ingest_started` without an end shows that it was.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from attrs import frozen

from buff.canonical import document
from buff.datasets import Dataset, DatasetWriter, publish
from buff.errors import BuffError, DataError, DataInvalid, LimitExceeded
from buff.files import Disk
from buff.inputs import opened
from buff.journal.events import DatasetStored, IngestParsed, IngestRejected, IngestStarted, IngestValidated
from buff.market.ingest import Ingested, ingest
from buff.market.options import CsvOptions
from buff.market.rules import Offence
from buff.market.source import Source
from buff.settings import Settings
from buff.store import Store
from buff.times import iso

Progress = Callable[[str, int, int], None]
READING = "reading"


@frozen(kw_only=True)
class Intake:
    """A stored dataset and where it came from: `source` is what a manifest says of it, `symbol` what it is called.

    `fresh`: its columns were written just now, so nothing can have happened to them since they were hashed.
    `warnings`: what the user should know of this ingest and no artifact may say.
    """

    dataset: Dataset
    source: Mapping[str, Any]
    symbol: str
    fresh: bool
    warnings: tuple[str, ...] = ()


def read_into(
    disk: Disk, directory: str, paths: Sequence[str], options: CsvOptions, *, settings: Settings, progress: Progress
) -> tuple[Dataset, Ingested]:
    """Read files into a new directory of canonical columns. Raises DataInvalid, LimitExceeded, DataSourceNotFound."""
    files = opened(paths)
    total = sum(file.size or 0 for file in files)
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


def write_offences(
    disk: Disk, target: str, paths: Sequence[str], options: CsvOptions, error: DataInvalid, *, settings: Settings
) -> None:
    """Write every offence of files that were refused with `error` to `target`, one JSON line each, in reading order.

    The files are read once more, for only the first reading tells whether long steps were gaps.
    """
    counts: Any = error.details["counts"]
    handle = disk.create(target)
    try:

        def note(offence: Offence) -> None:
            if offence.rule in counts:
                disk.write(handle, document(offence.as_dict(several=len(paths) > 1)))

        with suppress(DataInvalid):
            ingest(
                opened(paths),
                options,
                write=lambda columns: None,
                note=note,
                rows_max=settings.rows_max,
                bytes_max=settings.csv_bytes_max,
            )
    finally:
        disk.close(handle)


def take_in(store: Store, paths: Sequence[str], options: CsvOptions, *, symbol: str, progress: Progress) -> Intake:
    """Return the dataset these files are, stored and journalled. Raises what `read_into` does, recorded as an event."""
    ingest_id = f"ing_{store.host.token()}"
    owner, disk, began = store.owner, store.disk, store.host.monotonic()
    staged = owner.path(ingest_id)
    try:
        store.record(_started(ingest_id, opened(paths), options, store.settings.user))
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
    warnings = (*ingested.warnings, *_unfinished(dataset, store.host.clock()))
    milliseconds = round((store.host.monotonic() - began) * 1000)
    parsed = IngestParsed(
        ingest=ingest_id,
        rows=ingested.rows,
        sha256=[each["sha256"] for each in ingested.sources],
        milliseconds=milliseconds,
    )
    validated = IngestValidated(
        ingest=ingest_id,
        gaps=ingested.gap_count,
        filled=ingested.filled,
        zero_volume=ingested.zero_volume,
        warnings=list(warnings),
    )
    store.record(parsed, validated, _stored(ingest_id, dataset, source, symbol, existed=existed))
    return Intake(dataset=dataset, source=source, symbol=symbol, fresh=not existed, warnings=warnings)


def _unfinished(dataset: Dataset, now: str) -> tuple[str, ...]:
    """Warn of a last candle that had not ended when it was read; no rule, since a clock must decide nothing."""
    assert dataset.base.step_ms is not None, "a base has a fixed length"
    end = iso(dataset.last_ts + dataset.base.step_ms)
    if end[:-1] <= now[: len(end) - 1]:
        return ()
    return (f"the last candle ends at {end}, after the time of this ingest ({now}): its source may still change it",)


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


def _started(ingest_id: str, files: Sequence[Source], options: CsvOptions, by: str) -> IngestStarted:
    return IngestStarted(
        ingest=ingest_id,
        files=[file.name for file in files],
        size_bytes=sum(file.size or 0 for file in files),
        profile=options.profile.name,
        timezone=options.timezone,
        gaps=options.gaps,
        base_timeframe=options.base.value,
        by=by,
    )


def _stored(
    ingest_id: str, dataset: Dataset, source: Mapping[str, Any], symbol: str, *, existed: bool
) -> DatasetStored:
    return DatasetStored(
        ingest=ingest_id,
        dataset_id=dataset.id,
        base_timeframe=dataset.base.value,
        rows=dataset.rows,
        first_ts=dataset.first_ts,
        last_ts=dataset.last_ts,
        gaps=dataset.gaps,
        filled=dataset.filled,
        symbol=symbol,
        existed=existed,
        source=dict(source),
    )
