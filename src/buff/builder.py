"""create(): gather, decide, write. The only file that knows every stage from CSV to committed run.

A request goes in; a committed run comes out, or a coded error and an event that tells of it, with nothing half-made
left behind. What is decided (`plan`, `artifacts.build`) takes values and returns values.
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

from attrs import asdict, evolve, frozen

from buff import canonical
from buff.admission import Admission, admitted
from buff.datasets import Dataset, Resampled, load, resampled
from buff.decisions.contract import resolve
from buff.decisions.risk import POLICY
from buff.decisions.strategy import check_prices, source_sha256, strategy
from buff.errors import (
    BuffError,
    BuildCancelled,
    BuildLost,
    DataError,
    RateLimited,
    RootError,
    RunConfigInvalid,
    RunsRootInvalid,
    RunsRootUnset,
    StorageError,
)
from buff.files import not_written
from buff.host import Host
from buff.inputs import opened
from buff.intake import ALONE, SHOWN, Intake, Progress, Task, take_in
from buff.journal.events import RunRejected
from buff.journal.line import INTEGER_MAX
from buff.market.bars import Bars
from buff.market.quality import dropped_windows
from buff.market.timeframe import Timeframe, coarser_or_equal
from buff.recipe import Recipe, built_of, finished, windowed
from buff.registry.queries import find_dataset
from buff.registry.state import DatasetEntry, RegistryState
from buff.runs.artifacts import SCHEMAS, pieces
from buff.runs.directory import Piece, write_manifest, write_pieces
from buff.runs.identity import inputs_hash, inputs_of, run_id_of
from buff.runs.request import RunRequest, request_from
from buff.runs.run import Run
from buff.safety import check_settings
from buff.settings import Settings
from buff.store import Store, exists
from buff.times import iso
from buff.uploads import files_of

DETAIL_BYTES_MAX = 4_096  # what the journal keeps of one detail of a refusal
DETAIL_CHARACTERS = 200
DETAIL_ITEMS = 20
DETAIL_DEPTH = 4


def silent(stage: str, done: int, total: int) -> None:
    """Show nothing."""


@frozen(kw_only=True)
class Created:
    """A committed run, whether it was there before, and what to tell the user of its data."""

    run: Run
    existed: bool
    warnings: tuple[str, ...] = ()

    @property
    def archived(self) -> bool:
        """Whether it was there, and lists leave it out."""
        return bool(self.run.facts["state"] == "archived")

    def as_dict(self) -> dict[str, Any]:
        """Return what `run create --json` prints."""
        return {
            "run_id": self.run.id,
            "existed": self.existed,
            "state": self.run.facts["state"],
            "dataset_id": self.run.inputs["dataset_id"],
            "inputs_hash": self.run.manifest["inputs_hash"],
            "inputs": dict(self.run.inputs),
            "warnings": list(self.warnings),
            "metrics": {name: metric.value for name, metric in self.run.metrics.items()},
        }


@frozen(kw_only=True)
class Plan:
    """What a request comes to once its data is known: the resolved inputs, their hash, the id, the window of bars."""

    inputs: Mapping[str, Any]
    inputs_hash: str
    run_id: str
    dataset: Dataset
    resampled: Resampled
    bars: Bars


def root_of(path: str | os.PathLike[str] | None) -> str:
    """Return the root as text. Raises RunsRootUnset when nobody named one."""
    if path is None or not os.fspath(path):
        raise RunsRootUnset("no runs root was given", hint="set RUNS_ROOT, or give --runs-root DIR")
    return os.path.abspath(os.fspath(path))


def open_root(path: str | os.PathLike[str] | None) -> str:
    """Return the root, made if it was not there. Raises RunsRootUnset, RunsRootInvalid."""
    root = root_of(path)
    try:
        os.makedirs(root, exist_ok=True)
    except OSError as error:
        raise RunsRootInvalid(
            f"the runs root cannot be a directory: {error.strerror}", hint="choose another RUNS_ROOT"
        ) from error
    if not os.access(root, os.W_OK | os.X_OK):
        raise RunsRootInvalid("the runs root cannot be written", hint="choose another, or change its permissions")
    return root


def create(
    values: Mapping[str, Any],
    *,
    root: str | os.PathLike[str] | Store | None,
    host: Host,
    settings: Settings,
    progress: Progress = silent,
    task: Task = ALONE,
) -> Created:
    """Return the run that plain values ask for, committed; the same inputs return the run that is there.

    Raises BuffError with the code of what was wrong; where a root exists its journal tells of the refusal.
    """
    if isinstance(root, Store):
        return _create(root, values, progress, task)
    place = root_of(root)
    if not os.path.isdir(place):
        check_settings(settings)
        _check_without_root(values, place)
    with Store(open_root(place), host=host, settings=settings) as store:
        return _create(store, values, progress, task)


def _check_without_root(values: Mapping[str, Any], place: str) -> None:
    """Refuse what can be refused before there is a root: a request that cannot be makes none."""
    request, _ = checked(values)
    if request.dataset is not None:
        stored_entry(None, request)
    opened(files_of(place, request))


def _create(store: Store, values: Mapping[str, Any], progress: Progress, task: Task) -> Created:
    with _told(store), written("the run"):
        request, params = checked(values)
        with admitted(store, "run", progress=progress, task=task) as admission:
            if request.dataset is None:
                admission.check_rate()  # before the work of reading a file; whether its run exists is known only after
            data = data_for(store, request, admission)
            staged = store.owner.path("resample")
            store.owner.discard("resample")  # what a request before this one left when its disk was full
            bars = resampled(store.disk, store.root, data.dataset, request.timeframe, staged, fresh=data.fresh)
            try:
                plan = plan_of(request, params, data.dataset, bars, data.symbol)
            except RunConfigInvalid as error:
                if request.dataset is not None:
                    raise
                raise _stored_all_the_same(error, data.dataset) from error
            task.planned(plan.run_id)
            warnings = warnings_of(data.warnings, bars)
            known = store.state.runs.get(plan.run_id)
            if known is not None and known.inputs_hash != plan.inputs_hash:
                raise exists(known, plan.inputs_hash)
            if known is None or known.state == "reclaimed":
                admission.check_rate()
                return _build(store, request, plan, data.source, warnings, admission)
    return Created(run=store.run(known.run_id), existed=True, warnings=warnings)


def _later(run_id: str | None, dataset_id: str, existed: bool) -> tuple[()]:
    """Record nothing: a run does not end with its data."""
    return ()


def _stored_all_the_same(error: RunConfigInvalid, dataset: Dataset) -> RunConfigInvalid:
    """Return a refusal of what was asked of some files, which says that the files themselves were accepted."""
    says = f"the data are stored as dataset {dataset.id[:SHOWN]}: --dataset needs no file"
    return RunConfigInvalid(
        error.message, hint=f"{error.hint}; {says}", details={**error.details, "dataset_id": dataset.id}
    )


@contextmanager
def told(root: str | os.PathLike[str] | None, *, host: Host, settings: Settings) -> Iterator[None]:
    """Let the journal of a root that is there tell of a refusal before `create`: of a request file, of typed words."""
    try:
        yield
    except BuffError as error:
        if root is not None and os.path.isdir(root):
            with Store(open_root(root), host=host, settings=settings) as store:
                store.record(_rejected(error, settings.user))
        raise


@contextmanager
def _told(store: Store) -> Iterator[None]:
    """Let the journal tell of a refusal.

    Refused data is told of by the intake, and the end of a build by the build; a broken disk can be told nothing. Of
    what comes too often nothing is told: events of it would be what the limit is against.
    """
    store.journal()  # a root that cannot be written refuses before any work is done
    try:
        yield
    except (DataError, BuildCancelled, BuildLost, RateLimited, RootError, StorageError):
        raise
    except BuffError as error:
        store.record(_rejected(error, store.settings.user))
        raise


@contextmanager
def written(what: str, hint: str = "nothing was committed; free space or try again") -> Iterator[None]:
    """Turn what the system says of a write into a coded error with a hint."""
    try:
        yield
    except OSError as error:
        raise not_written(error, f"{what} could not be written", hint=hint) from error


def _rejected(error: BuffError, by: str) -> RunRejected:
    details = {name: _detail(value) for name, value in error.details.items()}
    return RunRejected(code=error.code, message=error.message[:500], details=details, by=by)


def _detail(value: Any) -> Any:
    """Return what the journal keeps of a detail: a plain value, or the beginning of its JSON where it is large."""
    plain = _plain(value)
    told = canonical.encode(plain)
    return plain if len(told) <= DETAIL_BYTES_MAX else told.decode()[:DETAIL_CHARACTERS]


def _plain(value: Any, depth: int = 0) -> Any:
    """Return a value as JSON has it, texts and lists cut; as text what is not plain, too deep or too large."""
    match value:
        case None | bool():
            return value
        case int() if abs(value) <= INTEGER_MAX:
            return value
        case float() if math.isfinite(value):
            return float(value)
        case Mapping() if depth < DETAIL_DEPTH:
            some = islice(value.items(), DETAIL_ITEMS)
            return {str(name)[:DETAIL_CHARACTERS]: _plain(each, depth + 1) for name, each in some}
        case list() | tuple() if depth < DETAIL_DEPTH:
            return [_plain(each, depth + 1) for each in value[:DETAIL_ITEMS]]
        case _:
            return str(value)[:DETAIL_CHARACTERS]


def checked(values: Mapping[str, Any]) -> tuple[RunRequest, Mapping[str, Any]]:
    """Check all that can be checked without the data; return the request and the strategy's resolved parameters."""
    request = request_from(values)
    params = resolve(strategy(request.strategy), request.params)
    if request.dataset is None:
        check_timeframe(request.timeframe, request.options.base)
    return request, params


def check_timeframe(timeframe: Timeframe, base: Timeframe) -> None:
    """Raise RunConfigInvalid when a timeframe cannot be made from bars of the base."""
    if not coarser_or_equal(timeframe, base):
        raise RunConfigInvalid(
            f"timeframe {timeframe.value} cannot be made from {base.value} bars",
            hint=f"choose a timeframe that is a multiple of {base.value}",
            details={"field": "timeframe", "value": timeframe.value, "base_timeframe": base.value},
        )


def data_for(store: Store, request: RunRequest, admission: Admission) -> Intake:
    """Return the dataset a request is about: taken in from its files, or found in the root."""
    if request.dataset is None:
        assert request.symbol is not None, "a request with a file has a symbol"
        files = files_of(store.root, request)
        task = evolve(admission.task, ended=_later)
        return take_in(store, files, request.options, symbol=request.symbol, progress=admission.progress, task=task)
    entry = stored_entry(store, request)
    symbol = request.symbol or only_symbol(entry)
    return Intake(dataset=load(store.root, entry.dataset_id), source=entry.source, symbol=symbol, fresh=False)


def stored_entry(store: Store | None, request: RunRequest) -> DatasetEntry:
    """Return the registry's entry of the dataset a request names, by its id or the beginning of it.

    What is resolved is the whole id, so that a beginning is no part of any identity. Raises DatasetNotFound,
    RunConfigInvalid.
    """
    assert request.dataset is not None, "a request has a CSV or a dataset"
    entry = find_dataset(RegistryState() if store is None else store.state, request.dataset)
    check_timeframe(request.timeframe, Timeframe(entry.base_timeframe))
    return entry


def only_symbol(entry: DatasetEntry) -> str:
    """Return the one symbol ever recorded for a dataset. Raises RunConfigInvalid when that does not settle it."""
    if len(entry.symbols) != 1:
        raise RunConfigInvalid(
            "symbol is missing, and the dataset does not settle it",
            hint=f"give --symbol; recorded for this dataset: {', '.join(entry.symbols) or 'none'}",
            details={"field": "symbol"},
        )
    return entry.symbols[0]


# Decide: values in, values out


def plan_of(request: RunRequest, params: Mapping[str, Any], dataset: Dataset, bars: Resampled, symbol: str) -> Plan:
    """Return what a request comes to with this data.

    Raises RunConfigInvalid when the window holds no complete bar, or prices that nobody can compute with.
    """
    start, end = _window(request, bars.bars)
    window = windowed(bars.bars, start, end)
    check_prices(window)
    rule = strategy(request.strategy)
    inputs = inputs_of(
        dataset_id=dataset.id,
        base_timeframe=dataset.base.value,
        symbol=symbol,
        timeframe=request.timeframe.value,
        start=iso(start),
        end=iso(end),
        gaps="fill" if dataset.filled else "keep" if dataset.gaps else "none",
        strategy={
            "id": rule.id,
            "version": rule.version,
            "params": dict(params),
            "source_sha256": source_sha256(rule),
        },
        risk={"level": request.risk_level, "policy": POLICY},
        costs=asdict(request.costs),
        initial_equity=request.initial_equity,
    )
    hashed = inputs_hash(inputs)
    return Plan(
        inputs=inputs,
        inputs_hash=hashed,
        run_id=request.run_id or run_id_of(hashed),
        dataset=dataset,
        resampled=bars,
        bars=window,
    )


def warnings_of(ingest: Sequence[str], bars: Resampled) -> tuple[str, ...]:
    """Return what to tell the user of a run's data: the warnings of its ingest, and how many windows were dropped."""
    dropped = dropped_windows(bars.quality)
    return (*ingest, *([] if dropped is None else [dropped]))


def _window(request: RunRequest, bars: Bars) -> tuple[int, int]:
    """Return [start, end) in epoch ms: the request's bounds where given, else the data's own."""
    name = request.timeframe.value
    if len(bars) == 0:
        raise RunConfigInvalid(
            f"the data hold no complete {name} window",
            hint="choose a finer timeframe, or bring data that cover one window from its start to its end",
            details={"field": "timeframe", "value": name},
        )
    first, last = int(bars.ts[0]), int(bars.close_ms[-1])
    start = _bound(request.timeframe, "start", request.start, first)
    end = _bound(request.timeframe, "end", request.end, last)
    if start < first or end > last:
        raise RunConfigInvalid(
            f"the window {iso(start)} to {iso(end)} is larger than the data",
            hint=f"complete {name} bars reach from {iso(first)} to {iso(last)}",
            details={"field": "start" if start < first else "end", "first": iso(first), "last": iso(last)},
        )
    if len(windowed(bars, start, end)) == 0:
        raise RunConfigInvalid(
            f"the window {iso(start)} to {iso(end)} holds no complete {name} bar",
            hint=f"complete {name} bars reach from {iso(first)} to {iso(last)}",
            details={"field": "end", "start": iso(start), "end": iso(end)},
        )
    return start, end


def _bound(timeframe: Timeframe, name: str, given: int | None, default: int) -> int:
    if given is None:
        return default
    aligned = timeframe.floor(given)
    if aligned != given:
        raise RunConfigInvalid(
            f"{name} {iso(given)} is not the start of a {timeframe.value} window",
            hint=f"the window that holds it begins at {iso(aligned)}",
            details={"field": name, "value": iso(given)},
        )
    return given


# Write


def _build(
    store: Store,
    request: RunRequest,
    plan: Plan,
    source: Mapping[str, Any],
    warnings: tuple[str, ...],
    admission: Admission,
) -> Created:
    admission.check()
    recipe = recipe_of(store, request, plan, source, job=admission.task.job)
    built = built_of(recipe, plan.bars)
    owner, disk = store.owner, store.disk
    staged = owner.path(plan.run_id)
    owner.discard(plan.run_id)  # what an attempt before this one left, when the disk did not let it clean up
    try:
        artifacts = write_pieces(disk, staged, admission.watched(_shown(pieces(built), admission.progress)))
        manifest, event = finished(recipe, built, artifacts)
        write_manifest(disk, staged, manifest)
        ended = admission.task.ended(plan.run_id, plan.dataset.id, False)
        _, existed = store.commit(plan.run_id, event, guard=admission.guard, also=ended)
    finally:
        with suppress(OSError):  # what happened is told already, and the next attempt or sweep clears this away
            owner.discard(plan.run_id)  # there only when the commit was not reached, or lost to an equal one
    return Created(run=store.run(plan.run_id), existed=existed, warnings=warnings)


def recipe_of(store: Store, request: RunRequest, plan: Plan, source: Mapping[str, Any], *, job: str | None) -> Recipe:
    """Return what it takes to make the run of a plan, by whoever does it."""
    return Recipe(
        root=store.root,
        run_id=plan.run_id,
        bars=len(plan.bars),
        inputs=plan.inputs,
        inputs_hash=plan.inputs_hash,
        dataset=plan.dataset,
        quality=plan.resampled.quality,
        references=plan.resampled.references,
        source=source,
        name=request.name,
        notes=request.notes,
        tags=request.tags,
        by=store.settings.user,
        job=job,
    )


def _shown(parts: Iterator[Piece], progress: Progress) -> Iterator[Piece]:
    for done, piece in enumerate(parts):
        progress(f"writing {piece.name}", done, len(SCHEMAS))
        yield piece
