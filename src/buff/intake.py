"""Intake: CSV files in, a stored dataset out, every step a journal event.

Paths and options go in; a `Dataset` under `_datasets/` comes out, or the coded error and an `ingest_rejected` event.
What was parsed is told before it is made durable; validated and stored are told together, once both are true. An
ingest that is interrupted leaves no file behind, and its `ingest_started` without an end shows that it was.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from attrs import evolve, frozen

from buff.canonical import document
from buff.datasets import Dataset, DatasetWriter, base_bars, publish, staged_bars
from buff.errors import BuffError, DataError, DataInvalid, DataSourceNotFound, LimitExceeded, Refused
from buff.files import Disk
from buff.inputs import Named, called, opened
from buff.journal.events import DatasetStored, IngestParsed, IngestRejected, IngestStarted, IngestValidated
from buff.journal.record import Entry
from buff.market.bars import Bars
from buff.market.ingest import Ingested, ingest
from buff.market.options import CsvOptions
from buff.market.profiles import CSV
from buff.market.quality import report, resample_facts
from buff.market.resample import resample
from buff.market.rules import Offence
from buff.market.source import Source
from buff.registry.state import DatasetEntry
from buff.settings import Settings
from buff.store import Store
from buff.times import iso

Progress = Callable[[str, int, int], None]
READING = "reading"
SHOWN = 16  # digits of an id that people see and type


@frozen(kw_only=True)
class Task:
    """What a creation is done for: a build by its id, or nothing but its caller.

    `guard` is asked under the journal's lock just before the commit, and may raise; `planned` is told the id of the run
    as soon as it is known. `ended`, given the ids of the run, if one was to be made, and of the dataset, and whether
    it existed, returns what is to be recorded in the batch of the result.
    """

    job: str | None = None
    guard: Callable[[], None] = lambda: None
    planned: Callable[[str], None] = lambda run_id: None
    ended: Callable[[str | None, str, bool], Sequence[Entry]] = lambda run_id, dataset_id, existed: ()


ALONE = Task()  # of a creation that is no build


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
    disk: Disk,
    directory: str,
    paths: Sequence[Named],
    options: CsvOptions,
    *,
    settings: Settings,
    progress: Progress,
    parsed: Callable[[Ingested], None] = lambda ingested: None,
) -> tuple[Dataset, Ingested]:
    """Read files into a new directory of canonical columns; `parsed` is told when all is read and not yet durable.

    Raises DataInvalid, LimitExceeded, DataSourceNotFound.
    """
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
        _check_bytes(ingested, files)
        parsed(ingested)
        return writer.finish(), doubted(ingested, files)
    finally:
        writer.close()


def _check_bytes(ingested: Ingested, files: Sequence[Source]) -> None:
    """Raise DataSourceNotFound when a file that Buff keeps no longer has the bytes that came."""
    for file, source in zip(files, ingested.sources, strict=True):
        if file.sha256 not in (None, source["sha256"]):
            raise DataSourceNotFound(
                f"{file.name} is damaged: its stored bytes are not those that were uploaded",
                hint="upload the file again",
                details={"name": file.name, "expected": file.sha256, "found": source["sha256"]},
            )


def doubted(ingested: Ingested, files: Sequence[Source]) -> Ingested:
    """Return what was read with warnings of files that may not be what they were meant to be.

    A last line without its end may have been cut anywhere, so that its last number is another; nothing in it tells.
    """
    doubts = []
    for file, source in zip(files, ingested.sources, strict=True):
        if file.changed():
            doubts.append(f"{file.name}: the file changed while it was read; what is stored is what was read")
        if source["type"] == CSV and not file.ends_line():
            doubts.append(f"{file.name}: the file does not end with a line end: was it cut short?")
    return evolve(ingested, warnings=(*ingested.warnings, *doubts))


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


def take_in(
    store: Store, paths: Sequence[Named], options: CsvOptions, *, symbol: str, progress: Progress, task: Task = ALONE
) -> Intake:
    """Return the dataset these files are, stored and journalled. Raises what `read_into` does, recorded as an event.

    What is recorded when `task` has ended is recorded with it.
    """
    ingest_id = f"ing_{store.host.token()}"
    owner, disk, watch = store.owner, store.disk, _Watch(store.host.monotonic)
    staged = owner.path(ingest_id)

    def parsed(ingested: Ingested) -> None:
        store.record(_parsed(ingest_id, ingested, watch.lap()))

    try:
        files = opened(paths)
        store.record(_started(ingest_id, owner.name, files, options, symbol, store.settings.user))
        check_free(store)
        dataset, ingested = read_into(
            disk, staged, paths, options, settings=store.settings, progress=progress, parsed=parsed
        )
        verdict = _report(dataset, staged_bars(staged, dataset))["verdict"]
        validated = watch.lap()
        with store.journal().exclusive() as hold:
            task.guard()
            existed = publish(disk, store.root, staged, dataset)
            intake = _intake(store, dataset, ingested, options, symbol, existed=existed)
            told = (
                _validated(ingest_id, intake, ingested, verdict=verdict, milliseconds=validated),
                dataset_stored(
                    ingest_id,
                    dataset,
                    symbol=symbol,
                    existed=existed,
                    source=intake.source,
                    milliseconds=watch.lap(),
                ),
            )
            hold.append([*(Entry(event=event) for event in told), *task.ended(None, dataset.id, existed)])
    except (DataError, Refused) as error:
        owner.discard(ingest_id)
        store.record(rejected(ingest_id, error, paths, store.settings.user, milliseconds=watch.total()))
        raise
    except BaseException:
        owner.discard(ingest_id)  # Ctrl-C, a full disk, a bug: nothing half-made stays
        raise
    return intake


def _intake(
    store: Store, dataset: Dataset, ingested: Ingested, options: CsvOptions, symbol: str, *, existed: bool
) -> Intake:
    return Intake(
        dataset=dataset,
        source=source_of(ingested, options),
        symbol=symbol,
        fresh=not existed,
        warnings=(
            *ingested.warnings,
            *_unfinished(dataset, store.host.clock()),
            *_overlaps(dataset, symbol, store.state.datasets),
        ),
    )


def check_free(store: Store, size_bytes: int = 0) -> None:
    """Raise LimitExceeded when the disk of the root has less room than the settings ask for, and `size_bytes` more."""
    least, free = store.settings.free_bytes_min + size_bytes, store.disk.free_bytes(store.root)
    if free < least:
        raise LimitExceeded(
            f"{free:,} bytes are free on the disk of the runs root, {least:,} must be",
            hint="free some space, or lower BUFF_FREE_BYTES_MIN",
            details={"free_bytes": free, "limit": least, "setting": "BUFF_FREE_BYTES_MIN"},
        )


def report_of(root: str, dataset: Dataset) -> dict[str, Any]:
    """Return the quality report of a stored dataset as it is, at its own timeframe. Raises RunDamaged."""
    return _report(dataset, base_bars(root, dataset))


def _report(dataset: Dataset, bars: Bars) -> dict[str, Any]:
    return report(dataset.quality, resample_facts(resample(bars, dataset.base)))


class _Watch:
    """Counts whole milliseconds on a clock that never goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = self._last = clock()

    def lap(self) -> int:
        """Return the time since the lap before, and begin another."""
        before, self._last = self._last, self._clock()
        return round((self._last - before) * 1000)

    def total(self) -> int:
        """Return the time since the beginning."""
        return round((self._clock() - self._began) * 1000)


def _overlaps(dataset: Dataset, symbol: str, known: Mapping[str, DatasetEntry]) -> tuple[str, ...]:
    """Tell of earlier datasets of the same symbol and base whose range meets this one: a file that was revised."""
    same = known.get(dataset.id)
    if same is not None and symbol in same.symbols:
        return ()  # nothing new was said of this symbol
    earlier = [
        entry
        for entry in known.values()
        if entry.dataset_id != dataset.id
        and symbol in entry.symbols
        and entry.base_timeframe == dataset.base.value
        and entry.first_ts <= dataset.last_ts
        and dataset.first_ts <= entry.last_ts
    ]
    if not earlier:
        return ()
    last = max(earlier, key=lambda entry: entry.seq).dataset_id
    many = "an earlier dataset" if len(earlier) == 1 else f"{len(earlier):,} earlier datasets"
    return (
        f"the range overlaps that of {many} of {symbol} {dataset.base.value}; "
        f"see what changed: buff data diff {last[:SHOWN]} {dataset.id[:SHOWN]}",
    )


def _unfinished(dataset: Dataset, now: str) -> tuple[str, ...]:
    """Warn of a last candle that had not ended when it was read; no rule, since a clock must decide nothing."""
    assert dataset.base.step_ms is not None, "a base has a fixed length"
    end = iso(dataset.last_ts + dataset.base.step_ms)
    if end[:-1] <= now[: len(end) - 1]:
        return ()
    return (f"the last candle ends at {end}, after the time of this ingest ({now}): its source may still change it",)


def source_of(ingested: Ingested, options: CsvOptions) -> dict[str, Any]:
    """Return what a manifest says of where the data came from: the file, or the list of files they were."""
    files = [{**source, "gaps": options.gaps} for source in ingested.sources]
    if len(files) == 1:
        return files[0]
    return {
        **files[0],
        "name": f"{len(files)} files",
        "path": None,
        "size": sum(source["size"] for source in files),
        "sha256": None,
        "files": files,
    }


def rejected(
    ingest_id: str, error: BuffError, paths: Sequence[Named], by: str, *, milliseconds: int | None
) -> IngestRejected:
    """Return the event of a refusal: its code, its rule, its counts and its first line."""
    offences: Any = error.details.get("offences") or [{}]
    counts: Any = error.details.get("counts", {})
    return IngestRejected(
        ingest=ingest_id,
        files=[called(path) for path in paths],
        code=error.code,
        rule=error.rule if isinstance(error, DataInvalid) else None,
        message=error.message[:500],
        counts=dict(counts),
        line=offences[0].get("line"),
        milliseconds=milliseconds,
        by=by,
    )


def _started(
    ingest_id: str, owner: str, files: Sequence[Source], options: CsvOptions, symbol: str, by: str
) -> IngestStarted:
    return IngestStarted(
        ingest=ingest_id,
        owner=owner,
        files=[file.name for file in files],
        size_bytes=sum(file.size or 0 for file in files),
        symbol=symbol,
        options={**options.described(), "gaps": options.gaps, "base_timeframe": options.base.value},
        by=by,
    )


def _parsed(ingest_id: str, ingested: Ingested, milliseconds: int) -> IngestParsed:
    return IngestParsed(
        ingest=ingest_id,
        rows=ingested.rows,
        sha256=[each["sha256"] for each in ingested.sources],
        milliseconds=milliseconds,
    )


def _validated(
    ingest_id: str, intake: Intake, ingested: Ingested, *, verdict: str, milliseconds: int
) -> IngestValidated:
    return IngestValidated(
        ingest=ingest_id,
        gaps=ingested.gap_count,
        missing=ingested.missing,
        filled=ingested.filled,
        zero_volume=ingested.zero_volume,
        verdict=verdict,
        warnings=list(intake.warnings),
        milliseconds=milliseconds,
    )


def dataset_stored(
    ingest_id: str,
    dataset: Dataset,
    *,
    symbol: str,
    existed: bool,
    source: Mapping[str, Any],
    milliseconds: int | None,
) -> DatasetStored:
    """Return the event of a dataset that is on disk, as `ingest_id` brought it."""
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
        milliseconds=milliseconds,
    )
