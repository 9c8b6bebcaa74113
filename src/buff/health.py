"""Health: whether a root can keep its promises now. Each check is tried, not assumed, and says what is wrong.

An open store goes in; named checks come out, each with a stable code, a sentence and the time it was made. Where one
fails its code is that of the error which somebody who creates a run would meet. Nothing is repaired, and nothing stays:
what is written to see whether that can be done is removed again.
"""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from attrs import frozen

from buff import jobs, safety
from buff.errors import BuffError, BuildLost, JournalCorrupt, StorageUnreadable
from buff.files import not_written, write_file
from buff.intake import check_free
from buff.journal.survey import read_head
from buff.store import Store

OK: Final = "OK"
PROBE: Final = ".health"
KEPT_SECONDS: Final = 1.0  # so that many who ask cost no more than one
SPAWN_SECONDS: Final = 10.0
_PROOF = "import buff.work"  # what a worker needs, and no more: a process that gets so far could build


@frozen(kw_only=True)
class Check:
    """One check: `code` is OK or that of the error, `message` a sentence, `time` when it was made."""

    name: str
    ok: bool
    code: str
    message: str
    time: str

    def as_dict(self) -> dict[str, str | bool]:
        """Return it as plain values."""
        return {"name": self.name, "ok": self.ok, "code": self.code, "message": self.message, "time": self.time}


@frozen(kw_only=True)
class _Look:
    """How a check is made: what looks, which raises where it fails, and for how many seconds its answer is kept."""

    name: str
    look: Callable[[Store], str]
    kept_seconds: float = KEPT_SECONDS


class Health:
    """The checks of one root, kept for a moment: a process or a sync for everyone who asks would hurt."""

    def __init__(self, store: Store, *, builds: Callable[[], BuffError | None] | None = None) -> None:
        """Know nothing yet: what is asked for first is looked at then.

        `builds` is what keeps a foreman from looking after them, where there is one: it is a check of its own then.
        """
        self._store = store
        self._looks = LOOKS if builds is None else (*LOOKS, _Look(name="builds", look=lambda _: _looked_after(builds)))
        self._known: dict[str, tuple[Check, float]] = {}  # and until when it holds
        self._looking = threading.Lock()

    def checks(self) -> Sequence[Check]:
        """Return every check, in the order of the table. One thread looks; others get what was known, if anything."""
        first = len(self._known) < len(self._looks)
        if self._looking.acquire(blocking=first):
            try:
                for each in self._looks:
                    self._renew(each)
            finally:
                self._looking.release()
        return [self._known[each.name][0] for each in self._looks]

    def _renew(self, each: _Look) -> None:
        now = self._store.host.monotonic()
        if each.name not in self._known or self._known[each.name][1] <= now:
            check = _made(each, self._store)
            self._known[each.name] = check, self._store.host.monotonic() + each.kept_seconds


def _made(each: _Look, store: Store) -> Check:
    try:
        ok, code, message = True, OK, each.look(store)
    except BuffError as error:
        ok, code, message = False, error.code, error.message + (f"; {error.hint}" if error.hint else "")
    except OSError as error:
        unreadable = StorageUnreadable.code
        ok, code, message = False, unreadable, f"the disk of the runs root does not answer: {error.strerror}"
    return Check(name=each.name, ok=ok, code=code, message=message, time=store.host.clock())


# What is looked at -------------------------------------------------------------------------------------------------


def _root(store: Store) -> str:
    """Write, sync and remove a small file: permissions alone say nothing of a full or a dying disk."""
    path = os.path.join(store.root, PROBE)
    try:
        write_file(store.disk, path, (b"ok\n",))
    except OSError as error:
        raise not_written(
            error, "nothing can be written in the runs root", hint="check its disk and permissions"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # another process that asks has the same name
            store.disk.unlink(path)
    return "a file was written, synced and removed"


def _journal(store: Store) -> str:
    """Verify what was recorded since the last look, hash by hash, up to HEAD."""
    seq = store.state.seq
    if store.problem is not None:
        raise store.problem
    head = read_head(store.disk, store.root).current
    if head is None and seq == 0:
        return "there is no journal yet: whoever creates a run begins it"
    if head is None:
        return f"every event up to {seq:,} is whole; HEAD is missing, the next writer makes it anew"
    return f"every event up to {seq:,} was read whole and follows from the one before"


def _projection(store: Store) -> str:
    """Compare what is shown with what is acknowledged."""
    head = read_head(store.disk, store.root).current  # before the state: what is recorded between them is no lag
    seq = store.state.seq
    behind = 0 if head is None else max(head.seq - seq, 0)
    if behind:
        raise JournalCorrupt(f"what is shown ends at event {seq:,}, {behind:,} before the last", hint="see the journal")
    return f"what is shown reflects event {seq:,}, the last there is"


def _worker(store: Store) -> str:
    """Start a process as builds are started and let it load what a build needs."""
    silent = subprocess.DEVNULL
    try:
        child = jobs.spawn(["-c", _PROOF], environment=store.host.environment, stdout=silent, stderr=silent)
    except OSError as error:
        raise _no_worker(f"the system starts none: {error.strerror}") from error
    if not _ended(child, store, SPAWN_SECONDS):
        jobs.kill(child.pid, _PROOF)
        _ended(child, store, 1.0)
        raise _no_worker(f"it was not ready within {SPAWN_SECONDS:g} seconds")
    if child.ended() != 0:
        raise _no_worker(f"it ended with exit code {child.ended()}")
    return "a process for a build can be started"


def _ended(child: jobs.Child, store: Store, seconds: float) -> bool:
    """Wait for a process at most so long; say whether it ended."""
    until = store.host.monotonic() + seconds
    while child.ended() is None and store.host.monotonic() < until:
        time.sleep(0.01)
    return child.ended() is not None


def _no_worker(says: str) -> BuildLost:
    return BuildLost(
        f"no process for a build can be started: {says}",
        hint="free memory or processes of this machine; `python -c 'import buff.work'` says what is missing",
    )


def _disk(store: Store) -> str:
    check_free(store)
    return f"{store.disk.free_bytes(store.root):,} bytes are free"


def _switch(store: Store) -> str:
    safety.check(store)
    return "the kill switch is off"


def _looked_after(problem: Callable[[], BuffError | None]) -> str:
    found = problem()
    if found is not None:
        raise found
    return "builds are started and looked after"


LOOKS: Final = (
    _Look(name="root", look=_root, kept_seconds=5.0),
    _Look(name="journal", look=_journal),
    _Look(name="projection", look=_projection),
    _Look(name="worker", look=_worker, kept_seconds=30.0),
    _Look(name="disk", look=_disk),
    _Look(name="kill_switch", look=_switch),
)
