"""copy_root(): one runs root, perhaps in use, into a new directory; the same for a backup and for bringing it back.

A store and a directory that is not there go in; a root that holds what the journal held comes out, every stored byte
compared with the hash that was committed. It grows under another name, `<target>.partial`, and gets its own by one
rename when all of it is verified and synced: a copy that was interrupted never passes for one that was not, and the
next attempt goes on from it. Nothing is ever written into the source, and nothing that is there is overwritten.
"""

import contextlib
import os
import stat
from collections.abc import Collection, Iterator
from typing import Any

from attrs import asdict, field, frozen

from buff.audit import stored, verify_all, worst
from buff.builder import silent
from buff.datasets import FOLDER as DATASETS
from buff.errors import RunsRootInvalid, StorageUnreadable
from buff.files import Disk, not_written, read_chunks, remove_tree, write_file
from buff.intake import Progress
from buff.journal import head as heads
from buff.journal.reader import read
from buff.journal.survey import FOLDER as JOURNAL
from buff.journal.survey import HEAD, segment_name, segments
from buff.plans import FOLDER as SWEEPS
from buff.proof import Verdict
from buff.registry.projection import project
from buff.registry.state import RegistryState
from buff.runs.manifest import NAME as MANIFEST
from buff.store import Store
from buff.uploads import FOLDER as UPLOADS

PARTIAL = ".partial"
CLAIM = ".copying"  # the lock file of a copy that grows; gone when it is whole
ATTEMPTS = 8


@frozen(kw_only=True)
class Copied:
    """A copy that is whole: how far its journal reaches, what is in it, and the runs that are not whole in either."""

    path: str
    seq: int
    runs: int
    datasets: int
    size_bytes: int
    damaged: tuple[Verdict, ...] = field(repr=False)

    @property
    def exit_code(self) -> int:
        """0, or that of the gravest fault the source has itself."""
        return worst(self.damaged)

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as plain values."""
        damaged = [verdict.as_dict() for verdict in self.damaged]
        return {**asdict(self, recurse=False), "damaged": damaged, "exit_code": self.exit_code}


def copy_root(store: Store, target: str, *, progress: Progress = silent) -> Copied:
    """Copy a root into a new directory in the order of spec/store.md section 16, verify the copy, then name it.

    Processes may go on writing: the copy holds what was acknowledged when it began. Runs that are damaged in the source
    are copied as they are and reported. Raises RunsRootInvalid where the target may not be, JournalCorrupt,
    StorageUnreadable when the source or the copy cannot be relied on, StorageFull, ArtifactsWriteFailed.
    """
    target = os.path.abspath(target)
    _check(store, target)
    try:
        with _claimed(store.disk, target + PARTIAL) as partial:
            copied = _Copier(store, partial, progress).copy(target)
            # Without this the name may be durable and what is below it not.
            store.disk.sync_directory(partial)
            store.disk.rename(partial, target)
            # Without this a copy that was announced may be found under its partial name after a crash.
            store.disk.sync_directory(os.path.dirname(target))
            # Not before: without it nobody could tell an unfinished copy from a directory of somebody's own.
            store.disk.unlink(os.path.join(target, CLAIM))
    except FileNotFoundError as error:
        raise StorageUnreadable(
            f"{os.path.basename(error.filename or '')} was removed while it was copied",
            hint="do the same again: it goes on where it ended",
        ) from error
    except OSError as error:
        raise not_written(
            error,
            "the copy could not be finished",
            hint="what was copied is kept beside it; mend the cause and do the same again",
        ) from error
    return copied


def _check(store: Store, target: str) -> None:
    if os.path.lexists(target):
        raise RunsRootInvalid("the target is there already, and nothing is overwritten", hint="name a new directory")
    if not os.path.isdir(os.path.dirname(target)):
        raise RunsRootInvalid("the directory that shall hold the copy does not exist", hint="make it first")
    root = os.path.realpath(store.root)
    if os.path.commonpath((root, os.path.realpath(target))) == root:
        raise RunsRootInvalid("the target lies in the root that is copied", hint="name a directory outside of it")
    if not store.state.journal_id:
        raise RunsRootInvalid("this root holds no journal", hint="give the root that holds the runs")
    if store.problem is not None:
        raise store.problem


@contextlib.contextmanager
def _claimed(disk: Disk, partial: str) -> Iterator[str]:
    """Hold the directory in which a copy grows: a new one, or the one that an interrupted copy left."""
    claim = os.path.join(partial, CLAIM)
    if not disk.exists(partial):
        disk.mkdir(partial)
    elif not disk.exists(claim) and disk.names(partial):
        raise RunsRootInvalid(f"{os.path.basename(partial)} is there and is no copy", hint="move it elsewhere")
    handle = disk.open_lock(claim)
    try:
        if not disk.try_lock(handle):
            raise RunsRootInvalid("another process is making this very copy", hint="wait for it to end")
        # Without this a crash may forget the claim and keep what was copied, and the next attempt would not know it.
        disk.sync_directory(partial)
        yield partial
    finally:
        disk.close(handle)


class _Copier:
    """One attempt to make the copy in `partial`."""

    def __init__(self, store: Store, partial: str, progress: Progress) -> None:
        self._store, self._disk, self._partial, self._progress = store, store.disk, partial, progress
        self._size = 0

    def copy(self, target: str) -> Copied:
        for _ in range(ATTEMPTS):
            self._size = 0
            state = self._journal()
            self._content(state)
            now = self._store.state.runs
            # What was given up meanwhile is in the copied journal and not on disk: begin with a newer journal.
            if not any(now[run_id].reclaimed != entry.reclaimed for run_id, entry in state.runs.items()):
                return Copied(
                    path=target,
                    seq=state.seq,
                    runs=len(_kept(state)),
                    datasets=len(state.datasets),
                    size_bytes=self._size,
                    damaged=self._damaged(),
                )
        raise StorageUnreadable("the root was cleaned each time it was copied", hint="try again")

    # The journal: HEAD first, then the segments it names, up to where it says

    def _journal(self) -> RegistryState:
        folder = os.path.join(self._partial, JOURNAL)
        least = self._store.state.seq
        for _ in range(ATTEMPTS):
            if self._disk.exists(folder):
                remove_tree(self._disk, folder)
            self._disk.mkdir(folder)
            if self._segments(folder):
                break
        else:
            raise StorageUnreadable("the journal changed each time it was copied", hint="try again")
        reading = read(self._disk, self._partial, boot=self._store.host.boot)
        if reading.problem is not None:
            raise reading.problem
        if reading.position.seq < least:
            raise StorageUnreadable(
                f"the copied journal ends at event {reading.position.seq}, {least} were acknowledged",
                hint="`buff-journal verify` says what is wrong with the source",
            )
        return project(reading.events)

    def _segments(self, folder: str) -> bool:
        """Copy HEAD and the segments. False asks for another go: HEAD does not say where to end, and it changed."""
        source = os.path.join(self._store.root, JOURNAL)
        raw = self._head()
        head = heads.read(raw).current if raw else None
        # After a restart HEAD may lag what was acknowledged, as it is then for readers, too: all of it is copied.
        limit = head if head is not None and head.boot == self._store.host.boot else None
        for first in segments(self._disk.names(source)) or ():
            if limit is not None and first > limit.segment:
                continue
            size = limit.offset if limit is not None and first == limit.segment else None
            name = segment_name(first)
            self._size += write_file(
                self._disk,
                os.path.join(folder, name),
                _first(os.path.join(source, name), size),
                mode=stat.S_IMODE(os.stat(os.path.join(source, name)).st_mode),
            )
        if raw:
            self._size += write_file(self._disk, os.path.join(folder, HEAD), (raw,))
        return limit is not None or self._head() == raw

    def _head(self) -> bytes:
        try:
            return self._disk.read(os.path.join(self._store.root, JOURNAL, HEAD))
        except FileNotFoundError:
            return b""

    # Everything else never changes once it has its name

    def _content(self, state: RegistryState) -> None:
        runs = _kept(state)
        self._prune(self._partial, {JOURNAL, DATASETS, SWEEPS, UPLOADS, CLAIM, *runs})
        for name in (SWEEPS, UPLOADS, f"{JOURNAL}/quarantine"):
            self._tree(name)
        # Without this a copy that was announced may come back from a crash without a segment, HEAD or its quarantine.
        self._disk.sync_directory(os.path.join(self._partial, JOURNAL))
        datasets = os.path.join(self._partial, DATASETS)
        if not self._disk.is_directory(datasets):
            self._disk.mkdir(datasets)
        self._prune(datasets, state.datasets)
        for done, dataset_id in enumerate(state.datasets):
            self._progress("copying datasets", done, len(state.datasets))
            self._tree(f"{DATASETS}/{dataset_id}")
        # Without this a copy that was announced may come back from a crash without some of its datasets.
        self._disk.sync_directory(datasets)
        for done, run_id in enumerate(runs):
            self._progress("copying runs", done, len(runs))
            self._tree(run_id)

    def _prune(self, folder: str, wanted: Collection[str]) -> None:
        """Remove what an earlier attempt copied and is not in the source any more."""
        for path in (os.path.join(folder, name) for name in self._disk.names(folder) if name not in wanted):
            if self._disk.is_directory(path):
                remove_tree(self._disk, path)
            else:
                self._disk.unlink(path)

    def _tree(self, name: str) -> None:
        source = os.path.join(self._store.root, *name.split("/"))
        for attempt in range(ATTEMPTS):
            if not self._disk.is_directory(source):
                return  # one that is not there is found missing by the verification
            size = self._size
            try:
                self._directory(source, os.path.join(self._partial, *name.split("/")))
                return
            except FileNotFoundError:  # of a run whose records are compressed at this moment, another name is there
                self._size = size
                if attempt == ATTEMPTS - 1:
                    raise

    def _directory(self, source: str, target: str) -> None:
        if self._disk.is_directory(target):
            self._disk.chmod(target, 0o755)
        else:
            self._disk.mkdir(target)
        names = self._disk.names(source)
        for name in names:
            inner, copy = os.path.join(source, name), os.path.join(target, name)
            if self._disk.is_directory(inner):
                self._directory(inner, copy)
            elif stat.S_ISREG(os.lstat(inner).st_mode):
                self._file(inner, copy)
        self._prune(target, names)
        self._disk.sync_directory(target)
        self._disk.chmod(target, stat.S_IMODE(os.stat(source).st_mode))

    def _file(self, source: str, target: str) -> None:
        """Copy one file under another name first, so that whatever has its own is whole and need not be copied again.

        A manifest is always copied: that of a run that was given up and made again may be another.
        """
        size = self._disk.size(source)
        self._size += size
        there = self._disk.exists(target) and self._disk.size(target) == size
        if there and os.path.basename(target) != MANIFEST:
            return
        write_file(self._disk, target + PARTIAL, read_chunks(source), mode=0o444)
        self._disk.rename(target + PARTIAL, target)

    # The proof

    def _damaged(self) -> tuple[Verdict, ...]:
        """Return the verdicts that are not `whole`. Raises StorageUnreadable on a fault the source does not have."""
        store = self._store
        copy = Store(self._partial, host=store.host, settings=store.settings, disk=store.disk)
        verdicts = verify_all(copy, stored_bytes_only=True, record=False, progress=self._progress)
        found = tuple(verdict for verdict in verdicts if verdict.outcome != "whole")
        for verdict in found:
            if stored(store, store.state.runs[verdict.run_id], {}).outcome == "whole":
                raise StorageUnreadable(
                    f"the copy of {verdict.run_id} is not what was read: {'; '.join(verdict.findings)}",
                    hint=f"check the disk of the copy, remove {os.path.basename(self._partial)}, and try again",
                    details={"run_id": verdict.run_id},
                )
        return found


def _kept(state: RegistryState) -> list[str]:
    return [run_id for run_id, entry in state.runs.items() if entry.state != "reclaimed"]


def _first(path: str, size: int | None) -> Iterator[bytes]:
    """Yield the first `size` bytes of a file in chunks, or all of it."""
    left = size
    for chunk in read_chunks(path):
        yield chunk if left is None else chunk[:left]
        if left is not None:
            left -= min(left, len(chunk))
            if left == 0:
                return
