"""Salvage: what stands of a damaged journal becomes a new root beside the old one, and the rest is listed.

A damaged root goes in; what is proven of it, what is not, and on demand a new root come out. The proven events, whole
batches from the first up to the damage, are taken over byte for byte, so every hash and every receipt up to there holds
in the new root, too. What is valid by itself behind the damage is never taken for a fact: `salvage.json` lists it for
a person to judge. Nothing is ever written into the old root.
"""

import contextlib
import functools
import itertools
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from attrs import asdict, field, frozen

from buff.audit import verify_all, worst
from buff.datasets import FOLDER as DATASETS
from buff.datasets import check
from buff.errors import (
    BuffError,
    JournalCorrupt,
    RunDamaged,
    RunsRootInvalid,
    StorageUnreadable,
)
from buff.files import Disk, not_written, read_chunks, remove_tree, write_file
from buff.host import Host
from buff.journal import head as heads
from buff.journal.chain import valid_lines
from buff.journal.events import JournalRecovered
from buff.journal.head import START, Head, Position
from buff.journal.line import BATCH_BYTES_MAX, LINE_BYTES_MAX, Line
from buff.journal.reader import Verdict
from buff.journal.record import recorded
from buff.journal.recovery import Layout
from buff.journal.survey import FOLDER, HEAD, Findings, read_index, segment_path, segments, survey
from buff.proof import Verdict as Proof
from buff.registry.projection import project
from buff.registry.state import RegistryState
from buff.store import Store

SALVAGEABLE = frozenset({"R04", "R05", "R06", "R09"})
REPORT = "salvage.json"
PARTIAL = ".partial"


@frozen(kw_only=True)
class Survivor:
    """A line that is valid by itself and not proven: nothing whole leads up to it."""

    segment: str
    offset: int
    line: Line = field(repr=False)

    @property
    def end(self) -> int:
        """The byte behind it."""
        return self.offset + len(self.line.raw)

    def as_dict(self) -> dict[str, Any]:
        """Return what a person needs to judge it."""
        line = self.line
        return {
            "segment": self.segment,
            "offset": self.offset,
            "seq": line.seq,
            "type": line.type,
            "key": line.key,
            "sha256": line.sha256,
        }


@frozen(kw_only=True)
class Damage:
    """The bytes `start` to `end` of a segment that are no whole line."""

    segment: str
    start: int
    end: int


@frozen(kw_only=True)
class Wreck:
    """What is left of a damaged journal: the lines of each segment that are proven, the damage, what stands behind it.

    `claimed` is the last event that anybody says was acknowledged.
    """

    journal: str
    row: str
    says: str
    claimed: int
    kept: Mapping[int, tuple[Line, ...]] = field(repr=False)
    damage: tuple[Damage, ...]
    survivors: tuple[Survivor, ...] = field(repr=False)

    @property
    def end(self) -> Position:
        """Where the proven events end, in segments that hold nothing else."""
        first = max((first for first, lines in self.kept.items() if lines), default=None)
        if first is None:
            return START
        last = self.kept[first][-1]
        return Position(segment=first, offset=_size(self.kept[first]), seq=last.seq, sha256=last.sha256)

    @property
    def batches(self) -> int:
        """How many whole batches are proven."""
        return sum(line.seq == line.last for lines in self.kept.values() for line in lines)

    @functools.cached_property
    def state(self) -> RegistryState:
        """What the proven events say. Raises RunsRootInvalid at one this version of Buff does not know."""
        return project(recorded(line) for lines in self.kept.values() for line in lines)

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs that the proven events name, in the order of their commits, without those that were given up."""
        return tuple(run_id for run_id, entry in self.state.runs.items() if entry.state != "reclaimed")

    def values(self) -> dict[str, object]:
        """Return what a plan says of it, under short names."""
        return {
            "batches": self.batches,
            "damaged": [f"bytes {each.start} to {each.end} of {each.segment}" for each in self.damage],
            "unproven": [_passage(passage) for passage in _passages(self.survivors)],
        }


@frozen(kw_only=True)
class Salvaged:
    """What the new root holds: the runs and datasets it names, and those of them that are not whole."""

    runs: tuple[str, ...]
    verdicts: tuple[Proof, ...]
    datasets: Mapping[str, str]

    @property
    def exit_code(self) -> int:
        """0, or that of the gravest fault of what the proven events name."""
        return worst(self.verdicts) or (RunDamaged("").exit_code if self.datasets else 0)

    def values(self) -> dict[str, object]:
        """Return what a report says of it, under short names."""
        return {
            "runs": list(self.runs),
            "not_whole": [f"{proof.run_id} {proof.outcome}: {'; '.join(proof.findings)}" for proof in self.verdicts]
            + [f"dataset {name}: {says}" for name, says in self.datasets.items()],
        }


def inspect(disk: Disk, root: str, verdict: Verdict, head: Head | None) -> Wreck:
    """Return what is left of a journal that the table says is to be salvaged. Raises StorageUnreadable."""
    lines: list[Line] = []
    findings = survey(disk, root, since=1, known=START, claimed=(), receive=lines.extend, strays=True)
    if findings.layout is Layout.IO and findings.flaw is not None:
        # It could be read a moment ago, when the table asked for a salvage: what it holds may be as good as the rest.
        raise StorageUnreadable(
            f"the journal could not be read: {findings.flaw.says}", hint="check the disk and its permissions"
        )
    try:
        kept, damage, survivors = _look(disk, os.path.join(root, FOLDER), lines, findings)
    except OSError as error:
        raise StorageUnreadable(
            f"the journal could not be read: {error.strerror}", hint="check the disk and its permissions"
        ) from error
    claims = [each for each in (head, read_index(disk, root)) if each is not None and each.journal == findings.journal]
    return Wreck(
        journal=findings.journal or "",
        row=verdict.row.name,
        says=verdict.row.says,
        claimed=max([findings.end.seq, *(each.seq for each in claims)]),
        kept=kept,
        damage=tuple(damage),
        survivors=tuple(survivors),
    )


def check_target(disk: Disk, root: str, wreck: Wreck, target: str) -> None:
    """Refuse a target that holds anything or lies in the old root, and a journal of which nothing is proven.

    Raises RunsRootInvalid, JournalCorrupt.
    """
    if not wreck.end.seq:
        raise JournalCorrupt(
            "no event is proven: the journal is damaged from its first line on",
            hint="restore a backup, or make the runs again in a new root: the same inputs get the same ids",
            details={"row": wreck.row, "seq": 0},
        )
    if disk.exists(target) and not (disk.is_directory(target) and not disk.names(target)):
        raise RunsRootInvalid("the target is there already, and nothing is overwritten", hint="name a new directory")
    if disk.exists(target + PARTIAL):
        raise RunsRootInvalid(
            f"{os.path.basename(target)}{PARTIAL} is there: a salvage was interrupted, or is under way",
            hint="remove it when nobody works on it, and do the same again",
        )
    if not os.path.isdir(os.path.dirname(target)):
        raise RunsRootInvalid("the directory that shall hold the new root does not exist", hint="make it first")
    old = os.path.realpath(root)
    if os.path.commonpath((old, os.path.realpath(target))) == old:
        raise RunsRootInvalid("the target lies in the damaged root", hint="name a directory outside of it")


def rescue(disk: Disk, root: str, wreck: Wreck, target: str, *, host: Host, why: str) -> Salvaged:
    """Make the new root at `target`, which `check_target` let pass: whole under its name, or not there.

    Raises StorageFull, ArtifactsWriteFailed and what opening a root for writing raises.
    """
    partial = target + PARTIAL
    try:
        disk.mkdir(partial)
        try:
            salvaged = _build(disk, root, wreck, partial, host=host, why=why)
            # Without this the name may be durable and what is below it not.
            disk.sync_directory(partial)
            if disk.exists(target):
                disk.rmdir(target)  # not every system renames a directory over an empty one
            disk.rename(partial, target)
        except BaseException:
            with contextlib.suppress(OSError):
                remove_tree(disk, partial)
            raise
        # Without this a root that was announced may be found under its partial name after a crash.
        disk.sync_directory(os.path.dirname(target))
    except OSError as error:
        raise not_written(
            error,
            "the new root could not be made",
            hint="the old root is as it was; mend the cause and do the same again",
        ) from error
    return salvaged


# The old journal


def _look(
    disk: Disk, folder: str, lines: Sequence[Line], findings: Findings
) -> tuple[dict[int, tuple[Line, ...]], list[Damage], list[Survivor]]:
    """Return the proven lines of each segment, the damaged bytes and the survivors of all files. Raises OSError."""
    names = [name for name in disk.names(folder) if name.endswith(".jsonl") and not name.startswith(".")]
    kept = _kept([name for name in names if segments((name,))], lines)
    known = {line.sha256 for line in lines}
    damage: list[Damage] = []
    survivors: list[Survivor] = []
    for name in names:
        path = os.path.join(folder, name)
        if disk.is_directory(path):
            continue
        first = int(name[:20]) if segments((name,)) else 0
        start, size = _size(kept.get(first, ())), disk.size(path)
        found = [Survivor(segment=name, offset=at, line=line) for at, line in _standing(disk, path, start, size)]
        survivors += [each for each in found if each.line.sha256 not in known]
        if findings.flaw is not None and first >= max(findings.end.segment, 1):
            damage += _gaps(name, start, size, found)
    return kept, damage, survivors


def _kept(names: Sequence[str], lines: Sequence[Line]) -> dict[int, tuple[Line, ...]]:
    """Return the proven lines of each segment: each line once, in the segment that holds it last."""
    firsts = sorted(int(name[:20]) for name in names)
    bounds = itertools.pairwise([*firsts, len(lines) + 1])
    return {first: tuple(lines[first - 1 : max(following - 1, 0)]) for first, following in bounds}


def _size(lines: Sequence[Line]) -> int:
    return sum(len(line.raw) for line in lines)


def _standing(disk: Disk, path: str, start: int, size: int) -> Iterator[tuple[int, Line]]:
    """Yield every valid line behind byte `start`, in place or not, and where it begins."""
    for at in range(start, size, BATCH_BYTES_MAX):
        window = disk.read(path, at, min(BATCH_BYTES_MAX + LINE_BYTES_MAX, size - at))
        begin = 0
        for line in valid_lines(window, BATCH_BYTES_MAX):
            begin = window.index(line.raw, begin)
            yield at + begin, line
            begin += len(line.raw)


def _gaps(name: str, start: int, size: int, found: Sequence[Survivor]) -> Iterator[Damage]:
    """Yield the bytes between `start` and `size` that belong to none of the lines found there."""
    edges = [start, *itertools.chain.from_iterable((each.offset, each.end) for each in found), size]
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        if begin < end:
            yield Damage(segment=name, start=begin, end=end)


def _passages(survivors: Sequence[Survivor]) -> list[list[Survivor]]:
    """Return the survivors in groups that follow each other in their file and by their seqs."""
    passages: list[list[Survivor]] = []
    for each in survivors:
        last = passages[-1][-1] if passages else None
        place = (each.segment, each.offset, each.line.seq)
        if last is not None and (last.segment, last.end, last.line.seq + 1) == place:
            passages[-1].append(each)
        else:
            passages.append([each])
    return passages


def _passage(passage: Sequence[Survivor]) -> str:
    first, last = passage[0], passage[-1]
    events = f"event {first.line.seq}" if first is last else f"events {first.line.seq} to {last.line.seq}"
    return f"{events}, bytes {first.offset} to {last.end} of {first.segment}"


# The new root


def _build(disk: Disk, root: str, wreck: Wreck, partial: str, *, host: Host, why: str) -> Salvaged:
    _write_journal(disk, wreck, partial, boot=host.boot)
    event = JournalRecovered(
        reason=f"salvaged into a new root: {wreck.says} ({wreck.row})",
        claimed=wreck.claimed,
        kept=wreck.end.seq,
        who=host.user,
        why=why,
    )
    with Store(partial, host=host, disk=disk) as store:
        store.record(event)
    runs, datasets = wreck.runs, tuple(wreck.state.datasets)
    _copy_content(disk, root, partial, runs, datasets)
    salvaged = _verified(disk, partial, runs, datasets, host=host)
    report = {
        "schema": 1,
        "journal": wreck.journal,
        "row": wreck.row,
        "says": wreck.says,
        "kept": wreck.end.seq,
        "sha256": wreck.end.sha256,
        "claimed": wreck.claimed,
        "who": host.user,
        "why": why,
        **salvaged.values(),
        "damage": [asdict(each) for each in wreck.damage],
        "unproven": [each.as_dict() for each in wreck.survivors],
    }
    text = msgspec.json.format(msgspec.json.encode(report)) + b"\n"
    write_file(disk, os.path.join(partial, REPORT), (text,))
    return salvaged


def _write_journal(disk: Disk, wreck: Wreck, partial: str, *, boot: str) -> None:
    """Write the proven lines under the names of their segments, and the HEAD that says they are all there is."""
    folder = os.path.join(partial, FOLDER)
    disk.mkdir(folder)
    for first, lines in wreck.kept.items():
        if lines:
            write_file(disk, segment_path(partial, first), (line.raw for line in lines))
    head = heads.make(wreck.end, gen=0, boot=boot, journal=wreck.journal)
    write_file(disk, os.path.join(folder, HEAD), (heads.whole(head),))
    disk.sync_directory(folder)


def _copy_content(disk: Disk, root: str, partial: str, runs: Sequence[str], datasets: Sequence[str]) -> None:
    """Copy the directories that the proven events name. One that is not there is found missing by the verification."""
    folder = os.path.join(partial, DATASETS)
    disk.mkdir(folder)
    for parts in [*((DATASETS, name) for name in datasets), *((name,) for name in runs)]:
        source = os.path.join(root, *parts)
        if disk.is_directory(source):
            _copy(disk, source, os.path.join(partial, *parts))
    disk.sync_directory(folder)


def _copy(disk: Disk, source: str, target: str) -> None:
    disk.mkdir(target)
    for name in disk.names(source):
        inner, copy = os.path.join(source, name), os.path.join(target, name)
        if disk.is_directory(inner):
            _copy(disk, inner, copy)
        elif stat.S_ISREG(os.lstat(inner).st_mode):
            write_file(disk, copy, read_chunks(inner), mode=0o444)
    disk.sync_directory(target)
    disk.chmod(target, stat.S_IMODE(os.stat(source).st_mode))


def _verified(disk: Disk, partial: str, runs: Sequence[str], datasets: Sequence[str], *, host: Host) -> Salvaged:
    """Compare every stored byte of the new root with the hashes that its events and manifests name."""
    verdicts = verify_all(Store(partial, host=host, disk=disk), stored_bytes_only=True, record=False)
    faulty = {}
    for dataset_id in datasets:
        try:
            check(partial, dataset_id)
        except BuffError as error:
            faulty[dataset_id] = error.message
    return Salvaged(
        runs=tuple(runs),
        verdicts=tuple(verdict for verdict in verdicts if verdict.outcome != "whole"),
        datasets=faulty,
    )
