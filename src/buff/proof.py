"""verify(): recompute a run from its inputs, compare every byte, and say who is to blame.

A store and a run id go in; a `Verdict` comes out. Stored files are compared with what was committed (the disk), the
dataset with its id (the data), the strategy's source and the engine's version with the manifest's, and last the bytes
that the same inputs give today with the bytes on disk. If asked, the strategy is tried for looking ahead. Nothing is
repaired.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, BinaryIO

import attrs
import msgspec
import numpy as np
from attrs import frozen

from buff.builder import silent
from buff.columns import HEADER_BYTES, read
from buff.datasets import Dataset, base_bars, check, load
from buff.decisions.plugins import version
from buff.decisions.strategy import check_no_lookahead
from buff.errors import BuffError, DataInvalid, DatasetNotFound, RunDamaged, StrategyInvalid
from buff.inputs import sha256s
from buff.intake import Progress, read_into
from buff.journal.events import DatasetStored, RunVerified
from buff.market.bars import Bars
from buff.market.options import options_of
from buff.market.quality import report, resample_facts
from buff.market.resample import Resampling, resample
from buff.market.timeframe import Timeframe
from buff.recipe import windowed
from buff.registry.queries import held
from buff.registry.rows import RunEntry
from buff.runs.artifacts import Built, build, pieces
from buff.runs.compression import opened
from buff.runs.directory import Piece, committed_manifest, faults
from buff.runs.identity import ENGINE_VERSION
from buff.runs.manifest import NAME
from buff.runs.story import strategy_of
from buff.store import Store
from buff.times import epoch_ms

EXITS = {
    "identical": 0,
    "whole": 0,
    "data_changed": 10,
    "engine_changed": 11,
    "inputs_missing": 12,
    "damaged": 13,
    "strategy_changed": 14,
    "look_ahead": 15,
}
RESAMPLES_KEPT = 2
NAMED_MAX = 5  # so many sources are named in a sentence


@frozen(kw_only=True)
class Difference:
    """The first place where two files differ: record is a line or row from 0, field a name in it."""

    artifact: str
    record: int | None = None
    field: str | None = None
    stored: str | None = None
    recomputed: str | None = None


@frozen(kw_only=True)
class Verdict:
    """What verifying found: an outcome, the first difference, and every finding as a sentence."""

    run_id: str
    outcome: str
    difference: Difference | None = None
    findings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """The exit code of `buff run verify`."""
        return EXITS[self.outcome]

    def lines(self) -> Iterator[str]:
        """Yield the findings for a person, the first difference last."""
        yield from self.findings
        found = self.difference
        if found is not None:
            place = "".join(
                part
                for part in (
                    f"first difference: {found.artifact}",
                    "" if found.record is None else f", record {found.record}",
                    "" if found.field is None else f", field {found.field}",
                )
            )
            values = "" if found.stored is None else f": stored {found.stored}, recomputed {found.recomputed}"
            yield place + values

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as plain values."""
        return {
            "run_id": self.run_id,
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "difference": None if self.difference is None else attrs.asdict(self.difference),
            "findings": list(self.findings),
        }


class Known:
    """What runs have in common, found once for all that are verified together: datasets proven, resamples made.

    Columns that change while that is under way may be missed, as by one long look at one run.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self._proofs: dict[str, Future[Dataset]] = {}
        self._resamples: dict[tuple[str, Timeframe], Resampling] = {}

    def proof(self, beside: Executor, root: str, dataset_id: str) -> "Future[Dataset]":
        """Return the dataset that will have been hashed and derived again, `beside` where nobody asked for it before.

        It raises DatasetNotFound, RunDamaged.
        """
        if dataset_id not in self._proofs:
            self._proofs[dataset_id] = beside.submit(check, root, dataset_id)
        return self._proofs[dataset_id]

    def resample(self, root: str, dataset: Dataset, timeframe: Timeframe) -> Resampling:
        """Return the bars of a dataset, proven or not, at a timeframe. Raises RunDamaged."""
        key = (dataset.id, timeframe)
        found = self._resamples.pop(key, None) or resample(base_bars(root, dataset), timeframe)
        self._resamples[key] = found  # behind those that were asked for before
        if len(self._resamples) > RESAMPLES_KEPT:
            del self._resamples[next(iter(self._resamples))]
        return found


def verify(
    store: Store,
    run_id: str,
    *,
    sources: Sequence[str] = (),
    progress: Progress = silent,
    record: bool = True,
    no_lookahead: bool = False,
) -> Verdict:
    """Return the verdict on a run; `record` writes it into the journal too. `sources` are its original files.

    With `no_lookahead` the strategy is also asked what it decides on prefixes of the run's bars, with other futures
    behind them; one that then decides otherwise has looked ahead. Raises RunNotFound, and DataInvalid when a source
    cannot be read as it was.
    """
    entry = held(store.state, run_id)
    verdict = judge(store, entry, Known(), sources=sources, progress=progress, no_lookahead=no_lookahead)
    if record and not still_stands(entry.verdict, verdict.outcome, no_lookahead):
        artifact = None if verdict.difference is None else verdict.difference.artifact
        store.record(
            RunVerified(run_id=entry.run_id, verdict=verdict.outcome, artifact=artifact, by=store.settings.user)
        )
    return verdict


def still_stands(known: str | None, outcome: str, no_lookahead: bool) -> bool:
    """Say whether a verdict that is known holds beside a new one: only a trial takes back that a rule looks ahead."""
    return known == "look_ahead" and outcome == "identical" and not no_lookahead


def judge(
    store: Store,
    entry: RunEntry,
    known: Known,
    *,
    sources: Sequence[str] = (),
    progress: Progress = silent,
    no_lookahead: bool = False,
) -> Verdict:
    """Return the verdict on a run as `verify` does, with what is `known` of its data, and record nothing.

    The order is: the disk, the data, the strategy, the engine, the rule. The first to blame is the outcome.
    """
    directory = os.path.join(store.root, entry.run_id)
    try:
        manifest = committed_manifest(store.disk, directory, entry.run_id, entry.manifest_sha256)
    except RunDamaged as error:
        return _verdict(entry, "damaged", [error.message], Difference(artifact=NAME))
    early: _Remade | None = None
    with ThreadPoolExecutor(1, "buff-check") as beside:
        checked = known.proof(beside, store.root, manifest["inputs"]["dataset_id"])
        compared = beside.submit(lambda: tuple(faults(directory, manifest)))
        if not sources and not no_lookahead and _rule(manifest) is None:
            early = _early(store, manifest, directory, known, progress)
        outcome, blamed = _inputs(store, manifest, sources, progress, checked)
        faulty = compared.result()
    findings = [*(f"{fault.name} {fault.says}" for fault in faulty), *blamed]
    remade = _Remade()
    if outcome is None or (faulty and outcome != "inputs_missing"):
        remade = early or _remade(store, manifest, directory, known, progress, no_lookahead)
        findings += remade.findings
    elif no_lookahead:
        findings.append("whether the strategy looks ahead was not tried, since the run could not be made again")
    if faulty:
        return _verdict(entry, "damaged", findings, remade.difference or Difference(artifact=faulty[0].name))
    if outcome == "strategy_changed" or remade.outcome == "engine_changed":
        findings += _other_packages(manifest)
    if outcome is not None:
        return _verdict(entry, outcome, [*findings, "the stored files are those that were committed"], None)
    if remade.outcome == "engine_changed":
        findings.append("the files are as committed, but the same inputs give other bytes today")
    return _verdict(entry, remade.outcome, findings, remade.difference)


@frozen(kw_only=True)
class _Remade:
    """What making a run again came to, the first artifact that differs, and what else was found."""

    outcome: str = "identical"
    difference: Difference | None = None
    findings: tuple[str, ...] = ()


def _verdict(entry: RunEntry, outcome: str, findings: Sequence[str], difference: Difference | None) -> Verdict:
    return Verdict(run_id=entry.run_id, outcome=outcome, difference=difference, findings=tuple(findings))


def _inputs(
    store: Store, manifest: Mapping[str, Any], sources: Sequence[str], progress: Progress, checked: Future[Dataset]
) -> tuple[str | None, list[str]]:
    """Say whether data, strategy and engine are those of the manifest; None means that they all are."""
    inputs = manifest["inputs"]
    try:
        checked.result()
    except DatasetNotFound:
        return "inputs_missing", [f"dataset {inputs['dataset_id']} is not in this root"]
    except RunDamaged as error:
        return "data_changed", [error.message]
    if sources:
        found, known = _reread(manifest, sources, store, progress)
        if found != inputs["dataset_id"]:
            return "data_changed", [f"the source files now make dataset {found}, not {inputs['dataset_id']}", *known]
    return _rule(manifest) or (None, [])


def _rule(manifest: Mapping[str, Any]) -> tuple[str, list[str]] | None:
    """Say what is wrong with the strategy or the engine, None where both are those of the manifest."""
    inputs, rule = manifest["inputs"], strategy_of(manifest)
    if isinstance(rule, str):
        return "strategy_changed", [rule]
    if inputs["engine_version"] != ENGINE_VERSION:
        return "engine_changed", [f"this engine is version {ENGINE_VERSION}, the run's is {inputs['engine_version']}"]
    return None


def _other_packages(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for every package the strategy stood on that is of another version here, or absent."""
    for package in manifest.get("packages", ()):
        name, then, now = package["name"], package["version"], version(package["name"])
        if now is None:
            yield f"package {name} {then}, which the run was made with, is not installed here"
        elif now != then:
            yield f"the run was made with package {name} {then}, and {now} is installed here"


def _reread(
    manifest: Mapping[str, Any], sources: Sequence[str], store: Store, progress: Progress
) -> tuple[str, Sequence[str]]:
    """Return the id of the dataset that the source files make today, read as they were read then.

    The dataset may have come from other files, too, each read in its own way: those with the hashes of the given ones
    say how, else the manifest does. Then the files that are known are named in a sentence, beside the id or, where the
    given ones cannot be read so, in the hint of the error.
    """
    readings = _readings(store, manifest)
    given = sha256s(sources)
    known = () if given in readings else (_named(list(readings.values())),)
    source = readings.get(given, manifest["data"]["source"])
    options = options_of(
        source,
        gaps=source.get("gaps") or {"none": "reject"}.get(manifest["inputs"]["gaps"], manifest["inputs"]["gaps"]),
        base=Timeframe(manifest["data"]["base_timeframe"]),
    )
    with tempfile.TemporaryDirectory(prefix="buff-verify-") as folder:
        directory = os.path.join(folder, "dataset")
        try:
            dataset, _ = read_into(store.disk, directory, sources, options, settings=store.settings, progress=progress)
        except DataInvalid as error:
            error.hint = "; ".join(filter(None, (error.hint, *known)))
            raise
        return dataset.id, known


def _readings(store: Store, manifest: Mapping[str, Any]) -> dict[tuple[str | None, ...], Mapping[str, Any]]:
    """Return what is known of every source of a run's dataset, by the hashes of its files; the manifest's is first."""
    dataset_id = manifest["inputs"]["dataset_id"]
    told = (item.event for item in store.events())
    stored = (event.source for event in told if isinstance(event, DatasetStored) and event.dataset_id == dataset_id)
    readings: dict[tuple[str | None, ...], Mapping[str, Any]] = {}
    for source in (manifest["data"]["source"], *stored):
        readings.setdefault(tuple(each["sha256"] for each in source.get("files", [source])), source)
    return readings


def _read_as(source: Mapping[str, Any]) -> str:
    said = [f"profile {source['profile']}", *([] if source["sha256"] is None else [f"sha256 {source['sha256'][:16]}"])]
    return ", ".join(said)


def _named(sources: Sequence[Mapping[str, Any]]) -> str:
    names = [f"{each['name']} ({_read_as(each)})" for each in sources]
    more = f" and {len(names) - NAMED_MAX:,} more" if len(names) > NAMED_MAX else ""
    return f"the dataset is known from other files: {', '.join(names[:NAMED_MAX])}{more}"


def _early(
    store: Store, manifest: Mapping[str, Any], directory: str, known: Known, progress: Progress
) -> _Remade | None:
    """Make the run again while its data and its files are still hashed, so that all of it takes no longer than one.

    What comes of data that are then found to be others is thrown away. None where anything was raised: that may be
    their fault, and it is tried again once they are proven.
    """
    try:
        with np.errstate(all="ignore"):
            return _remade(store, manifest, directory, known, progress, no_lookahead=False)
    except Exception:
        return None


def _remade(
    store: Store, manifest: Mapping[str, Any], directory: str, known: Known, progress: Progress, no_lookahead: bool
) -> _Remade:
    """Make every artifact again from the base bars and compare it with what is stored."""
    inputs = manifest["inputs"]
    try:
        dataset = load(store.root, inputs["dataset_id"])
        made = known.resample(store.root, dataset, Timeframe(inputs["timeframe"]))
        window = windowed(made.bars, epoch_ms(inputs["start"]), epoch_ms(inputs["end"]))
        built = build(inputs, window, report(dataset.quality, resample_facts(made)))
    except BuffError as error:
        return _Remade(outcome="engine_changed", findings=(f"the run cannot be made again: {error.message}",))
    first = None
    for done, piece in enumerate(pieces(built)):
        progress(f"comparing {piece.name}", done, len(manifest["artifacts"]))
        found = compare(os.path.join(directory, *piece.name.split("/")), piece)
        first = first or found
    changed = tuple(_changed_columns(store.root, manifest, made.bars))
    peeked = tuple(_peeked(built, progress)) if no_lookahead else ()
    fine = "look_ahead" if peeked else "identical"
    outcome = "data_changed" if changed else fine if first is None else "engine_changed"
    return _Remade(outcome=outcome, difference=first, findings=changed + peeked)


def _peeked(built: Built, progress: Progress) -> Iterator[str]:
    progress("looking for a look-ahead", 0, 1)
    try:
        check_no_lookahead(built.strategy, built.bars, built.inputs["strategy"]["params"])
    except StrategyInvalid as error:
        yield error.message


def _changed_columns(root: str, manifest: Mapping[str, Any], bars: Bars) -> Iterator[str]:
    for reference in manifest["references"]:
        expected = getattr(bars, reference["column"])
        try:
            stored = read(os.path.join(root, *reference["file"].split("/")), expected.dtype)
        except RunDamaged as error:
            yield f"{reference['file']}: {error.message}"
            continue
        if len(stored) != len(expected) or stored.tobytes() != expected.tobytes():
            yield f"{reference['file']} is not what the dataset resamples to"


# The first difference


def compare(path: str, piece: Piece) -> Difference | None:
    """Return where the file at `path` first differs from a piece, or None. The piece is always read to its end."""
    first: Difference | None = None
    record, done = 0, 0
    try:
        file = opened(path)  # closed below, after the piece has been read to its end
    except OSError:
        for _ in piece.chunks:
            pass
        return Difference(artifact=piece.name)
    with file:
        for chunk in piece.chunks:
            wanted = bytes(chunk)
            if first is None:
                stored = _read(file, len(wanted))
                if stored != wanted:
                    first = _located(piece, record, done, stored, wanted)
                record += wanted.count(b"\n")
                done += len(wanted)
        if first is None and _read(file, 1):
            first = Difference(artifact=piece.name, record=record)
    return first


def _read(file: BinaryIO, size: int) -> bytes:
    """Return so many bytes of a stored file, fewer where it ends, and none where it cannot be read on."""
    try:
        return file.read(size)
    except OSError:
        return b""


def _located(piece: Piece, record: int, done: int, stored: bytes, wanted: bytes) -> Difference:
    """Name the record and field of the first differing byte; `done` bytes and `record` lines came before."""
    short = min(len(stored), len(wanted))
    at = next((index for index in range(short) if stored[index] != wanted[index]), short)
    if piece.name.endswith(".npy"):
        return _element(piece, done, at, stored, wanted)
    line = wanted.count(b"\n", 0, at)
    start = wanted.rfind(b"\n", 0, at) + 1
    pair = (_line(stored, start), _line(wanted, start))
    name, values = _field(*pair)
    number = record + line if piece.name.endswith(".jsonl") else None
    return Difference(artifact=piece.name, record=number, field=name, stored=values[0], recomputed=values[1])


def _line(data: bytes, start: int) -> bytes:
    end = data.find(b"\n", start)
    return data[start : len(data) if end < 0 else end]


def _field(stored: bytes, wanted: bytes) -> tuple[str | None, tuple[str, str]]:
    """Return the first member, in order of name, that differs, and its two values."""
    whole = (_shown(stored), _shown(wanted))
    try:
        one, other = msgspec.json.decode(stored), msgspec.json.decode(wanted)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None, whole
    path = []
    while (name := _first_member(one, other)) is not None:
        path.append(str(name))
        one, other = _member(one, name), _member(other, name)
    return (".".join(path) or None), (_shown(msgspec.json.encode(one)), _shown(msgspec.json.encode(other)))


def _first_member(one: Any, other: Any) -> str | int | None:
    """Return the first name or place at which two objects or two lists differ; None for anything else."""
    names: list[str] | range
    match one, other:
        case dict(), dict():
            names = sorted(one.keys() | other.keys())
        case list(), list():
            names = range(max(len(one), len(other)))
        case _:
            return None
    return next((name for name in names if _member(one, name) != _member(other, name)), None)


def _member(value: Any, name: str | int) -> Any:
    try:
        return value[name]
    except (KeyError, IndexError):
        return None


def _shown(data: bytes) -> str:
    return data[:120].decode("utf-8", "replace")


def _element(piece: Piece, done: int, at: int, stored: bytes, wanted: bytes) -> Difference:
    if done < HEADER_BYTES:
        return Difference(artifact=piece.name, field="header")
    dtype = np.dtype(piece.schema)
    index = at // dtype.itemsize
    values = [
        str(np.frombuffer(data[index * dtype.itemsize :][: dtype.itemsize], dtype)[0])
        if len(data) >= (index + 1) * dtype.itemsize
        else "nothing"
        for data in (stored, wanted)
    ]
    row = (done - HEADER_BYTES) // dtype.itemsize + index
    return Difference(artifact=piece.name, record=row, stored=values[0], recomputed=values[1])
