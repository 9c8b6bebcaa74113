"""Work: what a process does that was started for one build. It begins it, carries it out, and records its end.

A root and the id of a queued build go in; the build comes out as it is then, ended by exactly one event. A run that is
made is committed and its build finished by one batch. While it works it tells in its own folder how far it is, and
whoever makes the run asks five times a second whether somebody wants it to end. The process holds the lock of its
folder from before the build is running until its end is durable, so that whoever finds the lock free knows that nobody
is at work.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from attrs import evolve

from buff import admission, safety
from buff.builder import create
from buff.builds import Progress, record_of
from buff.deposit import deposit
from buff.errors import BuffError, Internal, LimitExceeded
from buff.files import Disk
from buff.host import Host
from buff.intake import Task
from buff.journal.events import BuildFailed, BuildFinished, BuildStarted
from buff.journal.record import Entry
from buff.pyramid import Details
from buff.registry import changes
from buff.registry.queries import find_build
from buff.registry.state import BuildEntry
from buff.settings import Settings
from buff.staging import PROGRESS
from buff.store import Store

TOLD_SECONDS = 0.2  # between two records of how far the work is
STAGE_LETTERS = 60


def run(root: str, job: str, *, host: Host, settings: Settings, disk: Disk | None = None) -> BuildEntry:
    """Do one build that waits, in this process, and return its entry: still queued where there is no room for it.

    One that does not wait is left as it is. What is recorded is recorded in the name of who asked for the build. Raises
    BuildNotFound, and what the journal raises where nothing can be recorded; any other error is the end of the build.
    """
    with Store(root, host=host, settings=settings, disk=disk) as store:
        asked = find_build(store.state, job)
        store.settings = evolve(settings, user=asked.by)
        work = Work(store, asked)
        try:
            if work.begin():
                work.do()
        finally:
            work.leave()
        build = find_build(store.state, asked.job)
        if build.run_id is not None:
            _prepare(store, build.run_id)
        return build


def _prepare(store: Store, run_id: str) -> None:
    """Make what the charts of a long run are cut from, behind its commit: who asked for it is likely to look."""
    with suppress(BuffError):  # the build has ended well; whoever looks is told what is wrong with the run
        Details(store.disk, store.root, token=store.owner.name).prepare(store.run(run_id))


class Work:
    """One build in this process, which is at no other: `begin`, then `do`, and `leave` whatever happened."""

    def __init__(self, store: Store, build: BuildEntry) -> None:
        """Record nothing yet. The store is this build's alone: its place under `_staging/` stands for the build."""
        self._store, self._build, self._job = store, build, build.job
        self._owner = store.owner
        self._leave: Callable[[], None] = lambda: None
        self._handle = -1
        self._progress = Progress(stage="starting", done=0, total=0, run_id=None, at=store.host.monotonic())

    def begin(self) -> bool:
        """Record that the build runs, if it still waits and there is room; say whether it does."""
        try:
            return self._begin()
        except Exception:
            raise
        except BaseException as error:  # a signal to this process, which may have come when the build was running
            self.fail(_unexpected(error, self._build))
            raise

    def _begin(self) -> bool:
        store = self._store
        with store.journal().exclusive() as hold:
            build = store.state.builds.get(self._job)
            if build is None or build.status != "queued":
                return False
            try:
                safety.check(store)
            except BuffError as error:
                hold.append([changes.end(self._failed(error))])
                return False
            try:
                mark = admission.take_held(store, build.kind, self._job)
            except LimitExceeded:
                return False
            self._leave = partial(admission.give_back, store, mark)
            self._tell_first()
            hold.append([Entry(event=BuildStarted(job=self._job, owner=self._owner.name), key=f"start:{self._job}")])
        return True

    def do(self) -> None:
        """Make what was asked for, and record the end, whatever it is."""
        try:
            self.finish(*self._make())
        except BuffError as error:
            self.fail(error)
        except BaseException as error:
            self.fail(_unexpected(error, self._build))
            raise

    def leave(self) -> None:
        """Give back the place among those that work, and close what tells how far this is."""
        self._leave()
        if self._handle >= 0:
            self._store.disk.close(self._handle)
            self._handle = -1

    def _make(self) -> tuple[str | None, str, bool]:
        """Return the ids of the run, if one was asked for, and of the dataset, and whether it existed."""
        store = self._store
        task = Task(job=self._job, guard=self.guard, planned=self._plan, ended=self._ended)
        make: Any = create if self._build.kind == "run" else deposit
        made = make(
            self._build.request,
            root=store,
            host=store.host,
            settings=store.settings,
            progress=self._show,
            task=task,
        )
        if self._build.kind == "run":
            return made.run.id, made.run.inputs["dataset_id"], made.existed
        return None, made.dataset_id, made.existed

    def guard(self) -> None:
        """Raise BuildCancelled when somebody asked that the build end, BuildLost when somebody took it for dead."""
        build = self._store.state.builds.get(self._job)
        if build is None or build.status != "running" or build.worker != self._owner.name:
            raise changes.died(self._build)
        if build.cancelled_by is not None:
            raise changes.cancelled(build)

    def _ended(self, run_id: str | None, dataset_id: str, existed: bool) -> tuple[Entry]:
        event = BuildFinished(job=self._job, run_id=run_id, dataset_id=dataset_id, existed=existed)
        return (changes.end(event),)

    def finish(self, run_id: str | None, dataset_id: str, existed: bool) -> None:
        """Record a result that was there before; one that was made is recorded with what made it."""
        store = self._store
        with store.journal().exclusive() as hold:
            if self._ours():
                self.guard()
                hold.append(self._ended(run_id, dataset_id, existed))

    def fail(self, error: BuffError) -> None:
        """Record the end with an error, unless the build has ended: then what came after it is no concern of it."""
        store, event = self._store, self._failed(error)
        with store.journal().exclusive() as hold:
            if self._ours():
                try:
                    hold.append([changes.end(event)])
                except (LimitExceeded, ValueError):  # it cannot be written as it is; the build ends all the same
                    hold.append([changes.end(changes.shortened(event))])

    def _ours(self) -> bool:
        build = self._store.state.builds.get(self._job)
        return build is not None and build.status == "running" and build.worker == self._owner.name

    def _failed(self, error: BuffError) -> BuildFailed:
        return changes.failed(self._build, error, by=self._store.settings.user)

    # How far it is

    def _tell_first(self) -> None:
        with suppress(OSError):  # only shown: where it cannot be written the work goes on all the same
            self._handle = self._store.disk.create(self._owner.path(PROGRESS))
        self._tell(self._progress)

    def _show(self, stage: str, done: int, total: int) -> None:
        now = self._store.host.monotonic()
        if now - self._progress.at >= TOLD_SECONDS:
            self._tell(
                Progress(stage=stage[:STAGE_LETTERS], done=done, total=total, run_id=self._progress.run_id, at=now)
            )

    def _plan(self, run_id: str) -> None:
        """Tell the id at once: after it, a while may pass without any progress to be told."""
        self._tell(Progress(stage="deciding", done=0, total=0, run_id=run_id, at=self._store.host.monotonic()))

    def _tell(self, progress: Progress) -> None:
        self._progress = progress
        if self._handle >= 0:
            with suppress(OSError):
                self._store.disk.write_at(self._handle, record_of(progress), 0)


def _unexpected(error: BaseException, build: BuildEntry) -> BuffError:
    """Return what the build says of what is no error of the world: a signal to its process, or a bug."""
    if isinstance(error, Exception | SystemExit):
        return Internal(
            "a bug stopped the build; nothing of it was committed",
            hint="the log of the server has the details",
            details={"job": build.job, "type": type(error).__name__},
        )
    return changes.died(build)
