"""Where living builds work, and what dead ones left: `_staging/<owner>/` and `_orphans/`.

A disk and a root go in. An `Owner` is one process's place, held by a lock while it lives; `sweep` moves aside what no
living owner holds and no event names. Nothing is ever deleted that anybody could miss, and nothing outside these
folders is touched unless an intent of ours names it.
"""

import contextlib
import os
import weakref
from collections.abc import Collection
from typing import Final

from buff.errors import RunsRootInvalid
from buff.files import Disk, remove_tree, write_file

STAGING: Final = "_staging"
ORPHANS: Final = "_orphans"
INTENT: Final = ".intent"
LOCK: Final = "lock"
PROGRESS: Final = "progress"
MARK: Final = ".making"  # how the name ends of what says that something is being made


class Owner:
    """One process's folder under `_staging/`, with a lock held as long as the process lives."""

    def __init__(self, disk: Disk, root: str, name: str) -> None:
        """Make the folder and take its lock; the caller holds the journal's lock, so no sweep sees it half-made."""
        self._disk, self._root = disk, root
        self.directory = os.path.join(root, STAGING, name)
        make_directory(disk, root, STAGING)
        disk.mkdir(self.directory)
        self._lock = disk.open_lock(self.path(LOCK))
        try:
            if not disk.try_lock(self._lock):
                raise RunsRootInvalid(f"the new folder {STAGING}/{name} is locked by somebody else")
            # Without this a crash may forget the folder, and with it the intents of what it was about to publish.
            disk.sync_directory(os.path.join(root, STAGING))
        except BaseException:
            disk.close(self._lock)  # kept, it would keep every sweep from the folder
            raise
        _OWNERS.add(self)

    @property
    def name(self) -> str:
        """What the folder is called: by it, others ask whether this process lives."""
        return os.path.basename(self.directory)

    @property
    def held(self) -> bool:
        """Whether the lock is this process's: not after `close`, and not in the child of a fork."""
        return self._lock >= 0

    def path(self, name: str) -> str:
        """Return the path of a name in this folder."""
        return os.path.join(self.directory, name)

    def intend(self, *run_ids: str) -> None:
        """Write down, durably, that directories of these names are about to be published."""
        for run_id in run_ids:
            write_file(self._disk, self.path(run_id + INTENT), (run_id.encode() + b"\n",))
        # Without this a crash between rename and event leaves a directory that nobody may touch.
        self._disk.sync_directory(self.directory)

    def forget(self, run_id: str) -> None:
        """Take the intent back: its event is durable, or its directory never left this folder."""
        self._disk.unlink(self.path(run_id + INTENT))

    def discard(self, name: str) -> None:
        """Remove a directory of our own that is not wanted any more, if it is there, and the intent to publish it.

        A directory that is not there was published: its intent stays until its event is known to be durable.
        """
        if self._disk.is_directory(self.path(name)):
            if self._disk.exists(self.path(name + INTENT)):
                self.forget(name)
            remove_tree(self._disk, self.path(name))

    def close(self) -> None:
        """Leave: remove the folder when nothing is left in it, and give the lock back."""
        if self._lock < 0:
            return
        with contextlib.suppress(OSError):  # what stays is swept by the next writer
            names = self._disk.names(self.directory)
            if all(name in (LOCK, PROGRESS) or name.endswith(MARK) for name in names):
                for name in names:
                    self._disk.unlink(self.path(name))
                self._disk.rmdir(self.directory)
        self.let_go()

    def let_go(self) -> None:
        """Close the lock and touch nothing else: in the child of a fork, the folder is the parent's."""
        if self._lock >= 0:
            self._disk.close(self._lock)
            self._lock = -1


def pid_of(owner: str) -> int | None:
    """Return the process whose folder has this name; None when no process of ours made such a name."""
    pid, _, token = owner.partition("-")
    return int(pid) if token and pid.isascii() and pid.isdigit() else None


def alive(disk: Disk, root: str, owner: str) -> bool:
    """Say whether the process lives whose folder under `_staging/` this is. Nothing is written.

    Once it is dead it stays so, since no name is given twice. Whoever wants to know what it left undone asks this first
    and the journal second: its lock is held until its last event is durable.
    """
    return disk.locked(os.path.join(root, STAGING, owner, LOCK))


def make_directory(disk: Disk, root: str, name: str) -> str:
    """Return the path of a folder of Buff's own under the root, made if it was not there, and durable."""
    path = os.path.join(root, name)
    if not disk.is_directory(path):
        disk.mkdir(path)
    # Always, even when it was there: whoever made it may have died before this. Without it what is renamed into the
    # folder may vanish with it.
    disk.sync_directory(root)
    return path


def move_aside(disk: Disk, root: str, path: str, name: str) -> str:
    """Move a directory to `_orphans/<name>.<k>` with the first free k; return the new name. Both ends are synced."""
    orphans = make_directory(disk, root, ORPHANS)
    taken = set(disk.names(orphans))
    aside = next(f"{name}.{k}" for k in range(len(taken) + 1) if f"{name}.{k}" not in taken)
    disk.chmod(path, 0o755)  # a sealed directory cannot be given another parent
    disk.rename(path, os.path.join(orphans, aside))
    # Without these a crash may bring the directory back where no event names it, or lose it altogether.
    disk.sync_directory(orphans)
    disk.sync_directory(os.path.dirname(path))
    return aside


def sweep(disk: Disk, root: str, *, committed: Collection[str]) -> None:
    """Move aside what dead owners left. The caller holds the journal's lock; a living owner is never touched."""
    staging, orphans = os.path.join(root, STAGING), os.path.join(root, ORPHANS)
    if not disk.is_directory(staging):
        return
    if disk.is_directory(orphans):
        # A sweep that was killed may have moved a directory here and synced nothing. Without these a power cut could
        # bring it back when its intent is gone, or lose it with the owner's folder, while its event stays.
        disk.sync_directory(orphans)
        disk.sync_directory(root)
    for name in disk.names(staging):
        directory = os.path.join(staging, name)
        if disk.is_directory(directory):
            _sweep_owner(disk, root, directory, committed)


def _sweep_owner(disk: Disk, root: str, directory: str, committed: Collection[str]) -> None:
    try:
        handle = disk.open_lock(os.path.join(directory, LOCK))
    except FileNotFoundError:
        return  # it left in this very moment
    try:
        if disk.try_lock(handle):
            _empty(disk, root, directory, committed)
    finally:
        disk.close(handle)


def _empty(disk: Disk, root: str, directory: str, committed: Collection[str]) -> None:
    names = disk.names(directory)
    intents = [name for name in names if name.endswith(INTENT)]
    for run_id in (name.removesuffix(INTENT) for name in intents):
        published = os.path.join(root, run_id)
        if run_id not in committed and disk.exists(published):
            move_aside(disk, root, published, run_id)
    for name in names:
        path = os.path.join(directory, name)
        if disk.is_directory(path):
            move_aside(disk, root, path, name)
    for name in disk.names(directory):
        disk.unlink(os.path.join(directory, name))  # intents only now that what they name is safe; then the lock
    disk.rmdir(directory)


def _after_fork() -> None:
    for owner in list(_OWNERS):
        owner.let_go()  # a lock that a child holds on to would make a dead parent look alive


_OWNERS: "weakref.WeakSet[Owner]" = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
