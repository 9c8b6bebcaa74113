"""What takes the space of a root, and the one way to give some of it back.

A store goes in; figures, a plan, or a report of what was freed comes out. What is freed is decided again under the
journal's lock, told to the journal, moved to `_trash/` in the same hold, and removed after it: a crash anywhere leaves
what the next call finishes. Nothing is freed that a run which is not archived refers to, or a living process may use.
"""

import contextlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from attrs import field, frozen

from buff.datasets import FOLDER as DATASETS
from buff.errors import ArtifactsWriteFailed, RunsRootInvalid
from buff.files import Disk, remove_tree
from buff.journal.events import DatasetReclaimed, Event, RunReclaimed, StorageReclaimed
from buff.journal.record import Entry
from buff.journal.survey import FOLDER as JOURNAL
from buff.plans import FOLDER as SWEEPS
from buff.registry.index import NAME as INDEX
from buff.registry.state import RegistryState
from buff.staging import INTENT, ORPHANS, STAGING, make_directory
from buff.store import Store
from buff.uploads import FOLDER as UPLOADS
from buff.uploads import names_of

KINDS = ("archived-runs", "datasets", "uploads", "orphans", "quarantine", "cache")
SHARED = ("datasets",)  # what a living process may use without the journal saying so
TRASH = "_trash"
QUARANTINE = f"{JOURNAL}/quarantine"
CACHE = "_cache"  # all of it is made again when it is wanted, so that no event tells of it
UPLOAD_AGE_SECONDS = 24 * 3600
AT_ONCE = 1_000  # names in one event, and events in one batch

_ID = re.compile(r"[0-9a-f]{64}")
_Item = TypeVar("_Item")


@frozen(kw_only=True)
class Usage:
    """How many of something there are, and the sizes of their files added up."""

    count: int
    size_bytes: int


@frozen(kw_only=True)
class Item:
    """Something to free: its path from the root on; `told` when the journal holds its event from an earlier call."""

    kind: str
    name: str
    path: str
    size_bytes: int
    told: bool = False


@frozen(kw_only=True)
class Plan:
    """What can be freed, and for a kind of which nothing can be freed now, why."""

    items: tuple[Item, ...]
    kept: Mapping[str, str]
    applied: bool = field(default=False)

    @property
    def totals(self) -> dict[str, Usage]:
        """Count and size by kind."""
        return {kind: _usage(item for item in self.items if item.kind == kind) for kind in (*KINDS, "trash")}

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as plain values."""
        items = [{"kind": item.kind, "name": item.name, "size_bytes": item.size_bytes} for item in self.items]
        total = sum(item.size_bytes for item in self.items)
        return {"applied": self.applied, "items": items, "size_bytes": total, "kept": dict(self.kept)}


# Figures


def usage(store: Store) -> dict[str, Usage]:
    """Return what takes the space, by what it is. Sizes are those of the files; links are not followed."""
    root, state = store.root, store.state
    runs = {run_id: tree_bytes(os.path.join(root, run_id)) for run_id in state.runs}
    hidden = {run_id for run_id, entry in state.runs.items() if entry.state in ("archived", "reclaimed")}
    datasets = list(_datasets(store.disk, root))
    resamples = [
        tree_bytes(os.path.join(root, DATASETS, dataset_id, name))
        for dataset_id in datasets
        for name in store.disk.names(os.path.join(root, DATASETS, dataset_id))
        if store.disk.is_directory(os.path.join(root, DATASETS, dataset_id, name))
    ]
    whole = sum(tree_bytes(os.path.join(root, DATASETS, dataset_id)) for dataset_id in datasets)
    quarantine = _folder(store, QUARANTINE)
    segments = [name for name in _names(store.disk, os.path.join(root, JOURNAL)) if name.endswith(".jsonl")]
    journal = tree_bytes(os.path.join(root, JOURNAL)) - quarantine.size_bytes
    return {
        "runs": _sum(size for run_id, size in runs.items() if run_id not in hidden),
        "archived runs": _sum(size for run_id, size in runs.items() if run_id in hidden and size),
        "datasets": Usage(count=len(datasets), size_bytes=whole - sum(resamples)),
        "resamples": _sum(resamples),
        "journal": Usage(count=len(segments), size_bytes=journal),
        "quarantine": quarantine,
        "orphans": _folder(store, ORPHANS),
        "uploads": _folder(store, UPLOADS),
        "sweeps": _folder(store, SWEEPS),
        "staging": _folder(store, STAGING),
        "cache": _folder(store, CACHE),
        "trash": _folder(store, TRASH),
        "index": _sum(filter(None, [tree_bytes(os.path.join(root, INDEX))])),
    }


def tree_bytes(path: str) -> int:
    """Return the sizes of all files at or below a path, added up; 0 when there is nothing."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if os.path.islink(path) or not os.path.isdir(path):
            return os.lstat(path).st_size
        with os.scandir(path) as found:
            return sum(tree_bytes(each.path) for each in found)
    return 0


def _sum(sizes: Iterable[int]) -> Usage:
    known = list(sizes)
    return Usage(count=len(known), size_bytes=sum(known))


def _usage(items: Iterable[Item]) -> Usage:
    return _sum(item.size_bytes for item in items)


def _folder(store: Store, name: str) -> Usage:
    path = os.path.join(store.root, *name.split("/"))
    return _sum(tree_bytes(os.path.join(path, each)) for each in _names(store.disk, path))


def _names(disk: Disk, path: str) -> tuple[str, ...]:
    return disk.names(path) if disk.is_directory(path) else ()


def _datasets(disk: Disk, root: str) -> Iterator[str]:
    """Yield the names in `_datasets/` that are a dataset's; what else is there is not ours."""
    return (name for name in _names(disk, os.path.join(root, DATASETS)) if _ID.fullmatch(name))


# Decide


def plan(store: Store, kinds: Collection[str] = KINDS, *, ours: str | None = None) -> Plan:
    """Return what can be freed of some kinds. Nothing is changed. `ours` is the staging folder that is our own.

    Raises RunsRootInvalid where there is no journal, JournalCorrupt where not all of it can be read.
    """
    state, root = store.state, store.root
    if store.problem is not None:
        raise store.problem  # a part of the journal may name what the rest still needs
    if not state.journal_id:
        raise RunsRootInvalid("this root holds no journal", hint="give the root that holds the runs")
    kept = dict[str, str]()
    others = living(store.disk, root, ours)
    if others:
        says = f"other processes may use them: {', '.join(others)}"
        kept = {kind: says for kind in SHARED if kind in kinds}
    found = {
        "archived-runs": lambda: _archived(store, state),
        "datasets": lambda: _unused(store, state, dropped="archived-runs" in kinds),
        "uploads": lambda: _old_uploads(store),
        "orphans": lambda: _inside(store, "orphans", ORPHANS),
        "quarantine": lambda: _inside(store, "quarantine", QUARANTINE),
        "cache": lambda: _inside(store, "cache", CACHE),
    }
    items = [item for kind in KINDS if kind in kinds and kind not in kept for item in found[kind]()]
    return Plan(items=(*items, *_inside(store, "trash", TRASH)), kept=kept)


def living(disk: Disk, root: str, ours: str | None) -> tuple[str, ...]:
    """Return the staging folders but our own: those of the living, and of the dead since a writer last opened the root.

    Their locks are not tried: a process that is just beginning would find its own lock taken.
    """
    return tuple(name for name in _names(disk, os.path.join(root, STAGING)) if name != ours)


def _archived(store: Store, state: RegistryState) -> Iterator[Item]:
    """Yield archived runs, and directories of reclaimed ones that a crash left where they were."""
    staging = os.path.join(store.root, STAGING)
    intended = {name for owner in _names(store.disk, staging) for name in _names(store.disk, f"{staging}/{owner}")}
    for run_id, entry in state.runs.items():
        path = os.path.join(store.root, run_id)
        told = entry.state == "reclaimed"
        left = told and store.disk.exists(path) and run_id + INTENT not in intended
        if entry.state == "archived" or left:
            yield Item(kind="archived-runs", name=run_id, path=run_id, size_bytes=tree_bytes(path), told=told)


def _unused(store: Store, state: RegistryState, *, dropped: bool) -> Iterator[Item]:
    """Yield datasets to which no run refers; archived runs do not count when they are `dropped` in the same call."""
    gone = ("reclaimed", "archived") if dropped else ("reclaimed",)
    used = {entry.dataset_id for entry in state.runs.values() if entry.state not in gone}
    for dataset_id in sorted({*state.datasets, *_datasets(store.disk, store.root)} - used):
        path = f"{DATASETS}/{dataset_id}"
        size = tree_bytes(os.path.join(store.root, DATASETS, dataset_id))
        yield Item(kind="datasets", name=dataset_id, path=path, size_bytes=size)


def _old_uploads(store: Store) -> Iterator[Item]:
    """Yield uploads that came more than a day ago, but for those of which a build has yet to be made."""
    needed = {name for build in store.state.builds.values() if build.open for name in names_of(build.request)}
    now = datetime.fromisoformat(store.host.clock()).timestamp()
    for item in _inside(store, "uploads", UPLOADS):
        if item.name in needed:
            continue
        with contextlib.suppress(FileNotFoundError):
            if now - os.lstat(os.path.join(store.root, item.path)).st_mtime > UPLOAD_AGE_SECONDS:
                yield item


def _inside(store: Store, kind: str, folder: str) -> Iterator[Item]:
    directory = os.path.join(store.root, *folder.split("/"))
    for name in _names(store.disk, directory):
        size = tree_bytes(os.path.join(directory, name))
        yield Item(kind=kind, name=name, path=f"{folder}/{name}", size_bytes=size, told=kind == "trash")


# Apply


def free(store: Store, kinds: Collection[str]) -> Plan:
    """Free what can be freed of some kinds, and what an earlier call left to be removed; return what it was.

    Raises what `plan`, opening the journal and appending to it raise, and ArtifactsWriteFailed when something cannot be
    removed: the next call tries again.
    """
    plan(store, kinds)  # a root without a journal is not given one
    try:
        found = _freed(store, kinds)
    except OSError as error:
        raise ArtifactsWriteFailed(
            f"not all of it could be removed: {error.strerror}", hint="mend the cause and do the same again"
        ) from error
    return Plan(items=found.items, kept=found.kept, applied=True)


def _freed(store: Store, kinds: Collection[str]) -> Plan:
    ours = os.path.basename(store.owner.directory)
    with store.journal().exclusive() as hold:
        found = plan(store, kinds, ours=ours)
        trash = make_directory(store.disk, store.root, TRASH)
        token, number = store.host.token(), 0
        for items in _parts([item for item in found.items if item.kind != "trash"], AT_ONCE):
            # The event first: what is moved without one would be a run that is damaged. Nothing needs a sync after it:
            # a move that a crash takes back leaves what the journal says is given up, and the next call moves it.
            hold.append([Entry(event=event) for event in _events(items, store.settings.user)])
            for item in items:
                _discard(store.disk, os.path.join(store.root, *item.path.split("/")), f"{trash}/{token}-{number}")
                number += 1
    # Not under the lock: removing many files takes long, and from here on only we know their names.
    for name in store.disk.names(trash):
        with contextlib.suppress(FileNotFoundError):  # another process removes it at this moment
            _remove(store.disk, os.path.join(trash, name))
    return found


def _events(items: Sequence[Item], by: str) -> Iterator[Event]:
    """Yield what the journal is told: an event for each run and dataset, one for all names of another kind."""
    for item in items:
        if item.told:
            continue
        if item.kind == "archived-runs":
            yield RunReclaimed(run_id=item.name, size_bytes=item.size_bytes, by=by)
        elif item.kind == "datasets":
            yield DatasetReclaimed(dataset_id=item.name, size_bytes=item.size_bytes, by=by)
    for kind in ("uploads", "orphans", "quarantine"):
        named = [item for item in items if item.kind == kind]
        if named:
            size = sum(item.size_bytes for item in named)
            yield StorageReclaimed(kind=kind, names=[item.name for item in named], size_bytes=size, by=by)


def _discard(disk: Disk, path: str, target: str) -> None:
    if not disk.exists(path):
        return
    if disk.is_directory(path):
        disk.chmod(path, 0o755)  # a sealed directory cannot be given another parent
    disk.rename(path, target)


def _remove(disk: Disk, path: str) -> None:
    if disk.is_directory(path):
        remove_tree(disk, path)
    else:
        disk.unlink(path)


def _parts(items: Sequence[_Item], size: int) -> Iterator[list[_Item]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
