"""Admission: the one wall that every door meets before it makes a run or takes in data, and while it does.

An open store goes in; an `Admission` comes out for as long as the work lasts, or the coded refusal:
KILL_SWITCH_ENGAGED, LIMIT_EXCEEDED for a full disk or too much at once, RATE_LIMITED. What is being made has a mark in
the folder of its process under `_staging/`, so that all processes of a root count the same; a mark counts only while
its process lives.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from itertools import islice
from math import ceil
from typing import TypeVar

from attrs import evolve, frozen

from buff import safety
from buff.errors import LimitExceeded, RateLimited
from buff.files import Disk
from buff.intake import ALONE, Progress, Task, check_free
from buff.runs.directory import Piece
from buff.staging import MARK, STAGING, alive, pid_of
from buff.store import Store

MINUTE_SECONDS = 60
Chunk = TypeVar("Chunk")
Known = TypeVar("Known")
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"  # as the journal has it
_MARK = re.compile(rf"(run|ingest|import)-([0-9a-z_]+){re.escape(MARK)}")


@frozen(kw_only=True)
class Work:
    """Something that is being made: `kind` is run, ingest or import, `owner` the folder of its process, `process` its
    number, and `job` the build it is, if it is one.
    """

    kind: str
    owner: str
    process: int | None
    job: str | None

    def as_dict(self) -> dict[str, str | int | None]:
        """Return it as plain values."""
        return {"kind": self.kind, "process": self.process, "job": self.job}


class Admission:
    """Leave to make one thing. Made by `admitted`; whoever has it asks along the way whether it still holds."""

    def __init__(self, store: Store, progress: Progress, task: Task) -> None:
        """Ask the kill switch and, beside it, the guard of the task, whose progress is shown to `progress`."""
        self._store, self._progress, self._guard = store, progress, task.guard
        self._watch = safety.Watch(store, self.check)
        self.task = evolve(task, guard=self.check)

    def check(self) -> None:
        """Raise KillSwitchEngaged when the switch is on by now, or what the guard of the task raises."""
        safety.check(self._store)
        self._guard()

    def progress(self, stage: str, done: int, total: int) -> None:
        """Show how far the work is, and ask whether it goes on, at most five times a second."""
        self._watch()
        self._progress(stage, done, total)

    def watched(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """Yield the same pieces; between any two chunks of each it is asked whether the work goes on."""
        for piece in pieces:
            yield evolve(piece, chunks=self.asking(piece.chunks))

    def asking(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Yield the same chunks; before each it is asked whether the work goes on, at most five times a second."""
        for chunk in chunks:
            self._watch()
            yield chunk

    def check_rate(self) -> None:
        """Raise RateLimited when one more run would be more than the settings allow in a minute."""
        check_runs(self._store)

    def guard(self) -> None:
        """Raise what stops a run that is about to be committed. To be asked under the journal's lock."""
        self.check()
        check_runs(self._store)


@contextmanager
def admitted(
    store: Store,
    kind: str,
    *,
    progress: Progress,
    task: Task = ALONE,
) -> Iterator[Admission]:
    """Hold a place for something to be made, from when it is asked for until it is committed or given up.

    `kind` is run, ingest or import. A build whose process took its place already by `take` keeps that. Raises
    KillSwitchEngaged, LimitExceeded.
    """
    safety.note(store)
    admission = Admission(store, progress, task)
    admission.check()
    if kind != "ingest":  # which asks by itself, once it has told of its files
        check_free(store)
    if task.job is not None and store.disk.exists(_path(store, kind, task.job)):
        yield admission
        return
    mark = take(store, kind, task.job)
    try:
        yield admission
    finally:
        give_back(store, mark)


# Concurrency


def take(store: Store, kind: str, job: str | None = None) -> str:
    """Take one of the places for what is made at the same time; return the mark that holds it until `give_back`.

    Raises LimitExceeded when all are taken.
    """
    if store.settings.builds_max is None:
        return _mark(store, kind, job)
    with store.journal().exclusive():
        return take_held(store, kind, job)


def take_held(store: Store, kind: str, job: str | None = None) -> str:
    """Do what `take` does for a caller who holds the journal's lock, without which two could take the last place."""
    found, most = running(store), store.settings.builds_max
    if most is not None and len(found) >= most:
        raise _crowded(found, most)
    return _mark(store, kind, job)


def give_back(store: Store, mark: str) -> None:
    """Give a place back. A mark that the disk does not let go counts until its process ends."""
    with suppress(OSError):
        store.disk.unlink(mark)


def running(store: Store) -> tuple[Work, ...]:
    """Return all that is being made in a root, by any process that lives. Without the journal's lock it is a guess."""
    staging = os.path.join(store.root, STAGING)
    if not store.disk.is_directory(staging):
        return ()
    return tuple(work for owner in store.disk.names(staging) for work in _of(store.disk, store.root, owner))


def _of(disk: Disk, root: str, owner: str) -> Iterator[Work]:
    """Yield what the process of a folder is making, if it lives."""
    try:
        names = disk.names(os.path.join(root, STAGING, owner))
    except OSError:
        return  # it left in this very moment, or is no folder
    marks = [match for match in map(_MARK.fullmatch, names) if match]
    if marks and alive(disk, root, owner):
        for kind, name in (match.groups() for match in marks):
            job = name if name.startswith("bld_") else None
            yield Work(kind=kind, owner=owner, process=pid_of(owner), job=job)


def _mark(store: Store, kind: str, job: str | None) -> str:
    mark = _path(store, kind, job or store.host.token())
    store.disk.close(store.disk.create(mark))  # never synced: it says what a living process does
    return mark


def _path(store: Store, kind: str, name: str) -> str:
    return store.owner.path(f"{kind}-{name}{MARK}")


def _crowded(found: tuple[Work, ...], most: int) -> LimitExceeded:
    shown = ", ".join(f"{work.kind} by process {work.process}" for work in found[:5])
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return LimitExceeded(
        f"{len(found)} of at most {most} are being made already: {shown}{more}",
        hint="try again when one has ended, or raise BUFF_BUILDS_MAX",
        details={"setting": "BUFF_BUILDS_MAX", "limit": most, "running": [work.as_dict() for work in found]},
    )


# Rate


def check_runs(store: Store) -> None:
    """Raise RateLimited when one more run would be more than the settings allow in a minute.

    Runs that share the batch of whoever asks under the journal's lock count too; all runs of a sweep count as one.
    """
    limit = store.settings.requests_per_minute
    if limit is not None:
        row = store.state.runs.last(limit - store.unrecorded + _spared(store))
        _check_age(store, limit, None if row is None else row.created)


def _spared(store: Store) -> int:
    """Return how many runs do not count by themselves, because sweeps that are busy, or were just now, made them."""
    now = datetime.fromisoformat(store.host.clock())
    then, end = (moment.strftime(_TIME) for moment in (now - timedelta(seconds=MINUTE_SECONDS), now))
    # Compared as text, which costs a root of very many sweeps nothing: whoever commits asks this under the lock.
    busy = (entry for entry in store.state.sweeps.values() if entry.last is not None and then < entry.last <= end)
    return sum(entry.committed - 1 for entry in busy)


def check_datasets(store: Store) -> None:
    """Raise RateLimited when one more dataset would be more than the settings allow in a minute."""
    limit = store.settings.requests_per_minute
    if limit is not None:
        entry = _last(store.state.datasets, limit)
        _check_age(store, limit, None if entry is None else entry.created)


def check_builds(store: Store) -> None:
    """Raise RateLimited when one more build would be more than the settings let ask for in a minute."""
    limit = store.settings.requests_per_minute
    if limit is not None:
        entry = _last(store.state.builds, limit)
        _check_age(store, limit, None if entry is None else entry.requested)


def _last(known: Mapping[str, Known], place: int) -> Known | None:
    """Return the value so many places from the end, 1 being the last; None when there are fewer."""
    return next(islice(known.values(), len(known) - place, None)) if place <= len(known) else None


def _check_age(store: Store, limit: int, created: str | None) -> None:
    """Refuse when what is `limit` places from the end of the journal was made less than a minute ago.

    A time to come is none: a clock that was set back would else stop everything until it is that late again.
    """
    if created is not None and _recent(store, created):
        wait = ceil(MINUTE_SECONDS - _age(store, created))
        raise RateLimited(
            f"{limit} were made in the last minute, and the limit is {limit}",
            hint=f"try again in {wait} s, or raise BUFF_REQUESTS_PER_MINUTE",
            details={"setting": "BUFF_REQUESTS_PER_MINUTE", "limit": limit, "retry_after_seconds": wait},
        )


def _recent(store: Store, time: str) -> bool:
    return 0 <= _age(store, time) < MINUTE_SECONDS


def _age(store: Store, time: str) -> float:
    """Return how many seconds ago a wall-clock time was."""
    return (datetime.fromisoformat(store.host.clock()) - datetime.fromisoformat(time)).total_seconds()
