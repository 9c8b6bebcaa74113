"""The journal's lock: fair between processes, one holder per process, gone with its holder.

A `Disk` and the journal's folder go in; a held lock comes out, or JOURNAL_LOCK_TIMEOUT with who holds it. The kernel
knows who owns a lock; the text in the file is for people. Lock files are never unlinked.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from types import TracebackType

import msgspec

from buff.errors import JournalLockTimeout, RunsRootInvalid
from buff.files import Disk
from buff.journal.survey import FOLDER

_TEXT_SIZE = 512
_WAIT_SECONDS = (0.0002, 0.01)
_STATES = {"T": "stopped", "t": "stopped by a debugger", "Z": "dead but not reaped", "D": "waiting for the disk"}


class Lock:
    """The two lock files of one journal, `turn` and `lock`, and the mutex of this process's threads."""

    def __init__(self, disk: Disk, root: str, holder: Mapping[str, object]) -> None:
        """Open nothing yet. `holder` says for people who we are: pid, started, host, command."""
        self._disk = disk
        self._root = root
        self._paths = {name: os.path.join(root, FOLDER, name) for name in ("turn", "lock")}
        self._text = msgspec.json.encode(dict(holder))[: _TEXT_SIZE - 1].ljust(_TEXT_SIZE - 1) + b"\n"
        self._host = holder.get("host")
        self._mutex = threading.Lock()
        self._owner = 0
        self._handles: dict[str, int] = {}
        self._identities: dict[str, tuple[int, int]] = {}  # of the files the handles are of
        self._forked_while_held = False

    def held(self, timeout_seconds: float) -> "Held":
        """Hold the lock in a `with` block; a thread that holds it may not ask again.

        Entering raises JournalLockTimeout, RunsRootInvalid.
        """
        return Held(self, timeout_seconds)

    def take(self, timeout_seconds: float) -> None:
        """Begin to hold the lock; see `held`."""
        self._enter(timeout_seconds)
        try:
            self._acquire(timeout_seconds)
        except BaseException:
            self._leave()
            raise

    def give_back(self, *, well: bool) -> None:
        """End holding the lock; `well` is False after an error, whatever state that left the handles in."""
        try:
            if well:
                self._disk.unlock(self._handles["lock"])
            else:
                self.close()
        finally:
            self._leave()

    @contextlib.contextmanager
    def threads(self, timeout_seconds: float) -> Iterator[None]:
        """Keep the other threads of this process out, without locking the journal against other processes."""
        self._enter(timeout_seconds)
        try:
            yield
        finally:
            self._leave()

    def _enter(self, timeout_seconds: float) -> None:
        assert not self.held_here, "this thread holds the journal already"
        assert not self._forked_while_held, "this process was forked while the journal was in use: open it again"
        if not (self._mutex.acquire(blocking=False) or self._mutex.acquire(timeout=max(timeout_seconds, 0.0))):
            raise JournalLockTimeout(
                f"another thread of this process used the journal for more than {timeout_seconds:g} s",
                hint="try again",
                details={"waited_seconds": timeout_seconds},
            )
        self._owner = threading.get_ident()

    def _leave(self) -> None:
        self._owner = 0
        self._mutex.release()

    def is_of(self, identity: tuple[int, int]) -> bool:
        """Whether the root this lock was made for still is the directory of that (device, inode)."""
        try:
            return self._disk.identity(self._root) == identity
        except OSError:
            return False

    @property
    def held_here(self) -> bool:
        """Whether the calling thread holds the journal."""
        return self._owner == threading.get_ident()

    def close(self) -> None:
        """Close the lock files, which gives back what is held."""
        while self._handles:
            _, handle = self._handles.popitem()
            with contextlib.suppress(OSError):
                self._disk.close(handle)

    def after_fork(self) -> None:
        """Forget the parent's lock in its child. Closing never unlocks: the parent still has the same open file."""
        self._forked_while_held = self._mutex.locked()
        self._mutex = threading.Lock()
        self._owner = 0
        self.close()

    def _acquire(self, timeout_seconds: float) -> None:
        """Wait in turn, then for the lock: a busy process cannot overtake one that has been waiting."""
        started = time.monotonic()
        deadline = started + timeout_seconds
        try:
            if self._take("turn", deadline) and self._take("lock", deadline):
                self._sign(self._handles["lock"])
                self._disk.unlock(self._handles["turn"])
                return
        except OSError as error:
            self.close()
            raise RunsRootInvalid(
                f"the journal's lock cannot be taken: {error.strerror}",
                hint="give a root this user may write to; reading needs no such right",
                details={"error": error.strerror or str(error)},
            ) from error
        except BaseException:
            self.close()
            raise
        self.close()
        raise self.timeout(time.monotonic() - started)

    def _sign(self, handle: int) -> None:
        """Say who holds the lock, unless it says so already: another write would only make the next sync dearer."""
        # The text is for people: that it cannot be written (a full disk) is no reason to stop.
        if self._disk.read_at(handle, _TEXT_SIZE, 0) != self._text:
            with contextlib.suppress(OSError):
                self._disk.write_at(handle, self._text, 0)

    def _take(self, name: str, deadline: float) -> bool:
        wait_seconds, wait_seconds_max = _WAIT_SECONDS
        while True:
            handle = self._handles.get(name)
            if handle is None:
                handle = self._open(name)
            if self._disk.try_lock(handle):
                if self._is_current(name):
                    return True
                del self._handles[name]  # somebody removed and remade the file: ours locks nobody out
                self._disk.close(handle)
                continue
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(wait_seconds, left))
            wait_seconds = min(2 * wait_seconds, wait_seconds_max)

    def _open(self, name: str) -> int:
        self._handles[name] = handle = self._disk.open_lock(self._paths[name])
        self._identities[name] = self._disk.identity_of(handle)
        return handle

    def _is_current(self, name: str) -> bool:
        try:
            return self._disk.identity(self._paths[name]) == self._identities[name]
        except FileNotFoundError:
            return False

    def timeout(self, waited_seconds: float) -> JournalLockTimeout:
        """Return the error of having waited so long, with who holds the lock and what the kernel says of them."""
        holder = self._holder()
        state = self._state(holder)
        who = f"process {holder['pid']} ({holder.get('command', '?')})" if "pid" in holder else "another process"
        return JournalLockTimeout(
            f"{who} held the journal's lock for more than {waited_seconds:.1f} s"
            + (f"; it is {state}" if state else ""),
            hint="continue or end that process" if state.startswith("stopped") else "wait for it to end, or try again",
            details={"holder": holder, "state": state, "waited_seconds": round(waited_seconds, 3)},
        )

    def _holder(self) -> dict[str, object]:
        try:
            text = self._disk.read(self._paths["lock"], 0, _TEXT_SIZE)
            found: dict[str, object] = msgspec.json.decode(text, type=dict[str, object])
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return {}
        return found

    def _state(self, holder: Mapping[str, object]) -> str:
        """Return what the kernel says of a holder on this machine: `stopped` is why a lock is held for ever."""
        pid = holder.get("pid")
        if not isinstance(pid, int) or holder.get("host") != self._host:
            return ""
        try:
            fields = self._disk.read(f"/proc/{pid}/stat", 0, 4096).rpartition(b")")[2].split()
        except OSError:
            return ""
        return _STATES.get(fields[0].decode(), "running") if fields else ""


class Held:
    """The lock while a `with` block holds it. A class, because one is entered for every append."""

    __slots__ = ("_lock", "_timeout_seconds")

    def __init__(self, lock: Lock, timeout_seconds: float) -> None:
        """Made by `Lock.held`."""
        self._lock = lock
        self._timeout_seconds = timeout_seconds

    def __enter__(self) -> None:
        """Wait for the lock."""
        self._lock.take(self._timeout_seconds)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back."""
        self._lock.give_back(well=kind is None)
