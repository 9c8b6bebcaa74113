"""Foreman: starts builds that wait, each in a process of its own, and looks after those that run, in one thread.

An open store goes in; processes come out, and events for what no process can tell any more. What runs is counted from
what really runs in the root, whoever started it, so a server that was killed and started anew finds its builds again,
and two servers share one root. A build is never started twice: whose process died ends as BUILD_LOST. To stop the
foreman touches no build.
"""

import logging
import threading
from collections.abc import Sequence
from typing import Self

from buff import admission, builds, jobs, safety
from buff.errors import BuffError, BuildLost
from buff.files import not_written
from buff.jobs import NO_ROOM, Child, Output
from buff.registry.state import BuildEntry
from buff.staging import pid_of
from buff.store import Store

LOOK_SECONDS = 0.5  # between two looks at what others run
REAP_SECONDS = 0.05  # between two looks at processes of our own
CANCEL_SECONDS = 5.0  # so long a cancelled build may take to end by itself
STOP_SECONDS = 1.0
WORKER = ("-m", "buff.worker")

_LOG = logging.getLogger("buff")


class Foreman:
    """The builds of one root, as long as a server runs. Used as a context manager, or by `start` and `stop`."""

    def __init__(
        self, store: Store, *, command: Sequence[str] = WORKER, stdout: Output = None, stderr: Output = None
    ) -> None:
        """Start nothing yet. A worker is this Python with `command`, the root and the build; `stdout` and `stderr` are
        where its output goes, by default where ours does.

        The store should be one that nothing else waits for: the thread may have to wait for the journal's lock.
        """
        self._store, self._command, self._stdout, self._stderr = store, tuple(command), stdout, stderr
        self._children: dict[str, Child] = {}
        self._cancelled: dict[str, float] = {}  # job -> when its cancelling was first seen
        self._crowded_until = 0.0
        self._woken, self._stopping = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self.problem: BuffError | None = None

    def start(self) -> None:
        """Begin to look, in a thread of its own. What cannot be done is tried again, and is `problem` meanwhile."""
        assert self._thread is None, "a foreman is started once"
        self._thread = threading.Thread(target=self._run, name="buff-foreman", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look at once: a build was asked for or cancelled."""
        self._woken.set()

    def stop(self) -> None:
        """Stop looking, within a second. Builds go on, and whoever comes next finds them."""
        self._stopping.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
        for child in self._children.values():
            child.leave()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self.stop()

    def _run(self) -> None:
        due = self._store.host.monotonic()
        while not self._stopping.is_set():
            now = self._store.host.monotonic()
            if self._woken.is_set() or now >= due or self._any_ended():
                self._woken.clear()
                due = now + LOOK_SECONDS
                self._look_safely()
            self._woken.wait(REAP_SECONDS if self._children else LOOK_SECONDS)

    def _any_ended(self) -> bool:
        return any(child.ended() is not None for child in self._children.values())

    def _look_safely(self) -> None:
        before, self.problem = self.problem, self._looked()
        if self.problem is not None and (before is None or before.code != self.problem.code):
            _LOG.warning("builds cannot be looked after", exc_info=self.problem)

    def _looked(self) -> BuffError | None:
        try:
            self.look()
        except BuffError as error:
            return error
        except OSError as error:
            return not_written(error, "builds cannot be looked after", hint="it is tried again all the time")
        return None

    def look(self) -> None:
        """Do one round: end what died, end what does not end, start what waits. Raises what the journal raises."""
        for step in (
            self._store.journal,
            self._reap,
            self._store.look_after,
            self._kill_cancelled,
            self._start_waiting,
        ):
            if self._stopping.is_set():
                return  # who stops us is about to close the store
            step()

    def _reap(self) -> None:
        """Take leave of processes that ended. One that did not even begin its build would not do so another time."""
        for job, child in list(self._children.items()):
            code = child.ended()
            if code is None:
                continue
            if code == NO_ROOM:
                self._crowded_until = self._store.host.monotonic() + LOOK_SECONDS
            else:
                builds.drop(self._store, (job,), _unbegun(job, f"its process ended with code {code}"))
            del self._children[job]

    def _kill_cancelled(self) -> None:
        """End the process of a build that was cancelled and does not end by itself."""
        now, state = self._store.host.monotonic(), self._store.state
        running = [build for build in state.builds.values() if build.status == "running" and build.cancelled_by]
        self._cancelled = {build.job: self._cancelled.get(build.job, now) for build in running}
        for build in running:
            if now - self._cancelled[build.job] > CANCEL_SECONDS and not self._store.abandoned(build):
                pid = pid_of(build.worker or "")
                if pid is not None:
                    jobs.kill(pid, build.job)

    def _start_waiting(self) -> None:
        store = self._store
        waiting = [build for build in builds.startable(store, store.owner.name) if build.job not in self._children]
        if not waiting:
            return
        switch = safety.state(store)
        if switch.problem is not None:
            return  # a journal in doubt stops everything, and ends nothing
        if switch.engaged:
            # What waits is not kept for when the switch is released: nobody may expect it to begin by itself then.
            builds.drop(store, [build.job for build in waiting], switch.error)
            return
        for build in waiting[: self._room(len(waiting))]:
            if not self._stopping.is_set():
                self._start(build)

    def _room(self, wanted: int) -> int:
        """Return how many may be started. The process of each asks again, under the journal's lock."""
        most = self._store.settings.builds_max
        if self._store.host.monotonic() < self._crowded_until:
            return 0
        if most is None:
            return wanted
        running = admission.running(self._store)
        counted = {work.job for work in running}
        starting = [job for job in self._children if job not in counted]
        return max(most - len(running) - len(starting), 0)

    def _start(self, build: BuildEntry) -> None:
        store = self._store
        settings = {**store.host.environment, **store.settings.as_env()}
        settings.pop("BUFF_TOKEN", None)  # a worker opens no door
        try:
            self._children[build.job] = jobs.spawn(
                (*self._command, store.root, build.job),
                environment=settings,
                stdout=self._stdout,
                stderr=self._stderr,
            )
        except OSError as error:
            builds.drop(store, (build.job,), _unbegun(build.job, f"no process could be started: {error.strerror}"))


def _unbegun(job: str, says: str) -> BuildLost:
    return BuildLost(
        f"the build could not be begun: {says}",
        hint="the log of the server says more; build it again when that is put right",
        details={"job": job},
    )
