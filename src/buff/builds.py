"""Builds: runs and datasets made in the background. Asked for, started, and ended exactly once; the journal says all.

An open store and plain values go in; a `Build` comes out that says how far it is. What may happen to a build is decided
under the journal's lock from what the journal says then: queued, running, and one end (spec/store.md, section 14).
Nothing here starts a process (`foreman.py`) or does the work (`work.py`), and looking writes nothing.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from attrs import frozen

from buff import admission, safety
from buff.builder import checked, stored_entry
from buff.errors import BuffError, LimitExceeded, RunConfigInvalid
from buff.inputs import opened
from buff.intake import check_free
from buff.journal.events import BuildCancelRequested, BuildRequested
from buff.journal.record import Entry
from buff.registry import changes
from buff.registry.queries import BUILD_SORTS, Page, find_build, paged
from buff.registry.state import BuildEntry, RegistryState
from buff.runs.request import RunRequest, data_from, words
from buff.staging import PROGRESS, STAGING, alive
from buff.store import Store
from buff.uploads import files_of

KINDS: Final = ("run", "ingest")
STATUSES: Final = ("queued", "running", "succeeded", "failed")
PROGRESS_BYTES: Final = 256  # one record, rewritten in place: a reader sees one or the other
STALLED_SECONDS: Final = 60.0


class Progress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a build is: `done` of `total` of its stage, bytes or files; `at` is a monotonic time in seconds."""

    stage: str
    done: int
    total: int
    run_id: str | None
    at: float


@frozen(kw_only=True)
class Build:
    """One build as it is now. `position` counts the queue from 1; `progress` is that of one that runs.

    `stalled`: its process lives and has told of no progress for a minute. It is shown, and never ended for that.
    """

    entry: BuildEntry
    position: int | None = None
    progress: Progress | None = None
    stalled: bool = False

    @property
    def job(self) -> str:
        """Its id."""
        return self.entry.job

    @property
    def status(self) -> str:
        """One of queued, running, succeeded, failed."""
        return self.entry.status

    @property
    def run_id(self) -> str | None:
        """The id of the run that is made, as soon as it is known."""
        return self.entry.run_id or (self.progress.run_id if self.progress is not None else None)

    def as_dict(self) -> dict[str, Any]:
        """Return what `build show --json` prints."""
        entry, progress = self.entry, self.progress
        return {
            "build_id": entry.job,
            "kind": entry.kind,
            "status": entry.status,
            "position": self.position,
            "stalled": self.stalled,
            "cancelling": entry.open and entry.cancelled_by is not None,
            "progress": None
            if progress is None
            else {"stage": progress.stage, "done": progress.done, "total": progress.total},
            "run_id": self.run_id,
            "dataset_id": entry.dataset_id,
            "existed": entry.existed,
            "code": entry.code,
            "message": entry.message,
            "hint": entry.hint,
            "details": entry.details,
            "request": dict(entry.request),
            "request_id": entry.request_id,
            "retry_of": entry.retry_of,
            "by": entry.by,
            "cancelled_by": entry.cancelled_by,
            "requested": entry.requested,
            "started": entry.started,
            "ended": entry.ended,
            "seq": entry.seq,
        }


# What may happen


def request(
    store: Store,
    values: Mapping[str, Any],
    *,
    kind: str = "run",
    request_id: str | None = None,
    retry_of: str | None = None,
) -> BuildEntry:
    """Ask for a run, or for files to become a dataset (`kind` is run or ingest), and return the queued build.

    All that can be judged without reading the data is judged before anything is recorded. Raises what `create` and
    `deposit` raise of a request, KillSwitchEngaged, RateLimited, and LimitExceeded when the queue or the disk is full.
    """
    _check(store, values, kind)
    check_free(store)
    event = BuildRequested(
        job=f"bld_{store.host.token()}",
        kind=kind,
        request={name: msgspec.to_builtins(value) for name, value in values.items() if value is not None},
        owner=store.owner.name,
        request_id=request_id,
        retry_of=retry_of,
        by=store.settings.user,
    )
    safety.note(store)
    with store.journal().exclusive() as hold:
        safety.check(store)
        admission.check_builds(store)
        _check_queue(store)
        hold.append([Entry(event=event)])
        return store.state.builds[event.job]


def cancel(store: Store, job: str, *, why: str | None = None) -> BuildEntry:
    """Ask that a build end without a result, and return its entry; one that has ended stays as it is.

    One that waits ends at once; one that runs is stopped by its process, which leaves nothing of it. Raises
    BuildNotFound, RunConfigInvalid.
    """
    known, said = find_build(store.state, job).job, words(why=why)
    with store.journal().exclusive() as hold:
        build = find_build(store.state, known)
        if build.open:
            hold.append(_cancelled(build, said["why"], store.settings.user, waits=_waits(store, build)))
        return store.state.builds[known]


def retry(store: Store, job: str, *, request_id: str | None = None) -> BuildEntry:
    """Ask for the same once more, as a new build, where a build failed; return that. Raises what `request` raises."""
    look_after(store)  # it may have died a moment ago
    build = find_build(store.state, job)
    if build.status != "failed":
        raise RunConfigInvalid(
            f"build {build.job} did not fail: it is {build.status}",
            hint="wait for its end, or cancel it" if build.open else "the same request returns what it made",
            details={"job": build.job, "status": build.status},
        )
    return request(store, build.request, kind=build.kind, request_id=request_id, retry_of=build.job)


def drop(store: Store, jobs: Sequence[str], error: BuffError) -> None:
    """End builds that wait with an error, those of them that still do; where none does no lock is taken."""
    if _waiting(store.state, jobs):
        with store.journal().exclusive() as hold:
            waiting = _waiting(store.state, jobs)
            if waiting:
                hold.append([changes.end(changes.failed(build, error, by=store.settings.user)) for build in waiting])


def _waiting(state: RegistryState, jobs: Sequence[str]) -> list[BuildEntry]:
    return [build for build in queue(state) if build.job in jobs]


def _check(store: Store, values: Mapping[str, Any], kind: str) -> None:
    if kind not in KINDS:
        raise RunConfigInvalid(
            f"kind {kind!r} is not one of {', '.join(KINDS)}", details={"field": "kind", "value": kind}
        )
    wanted = checked(values)[0] if kind == "run" else data_from(values)
    for path in wanted.csv:
        _check_path(path)
    if isinstance(wanted, RunRequest) and wanted.dataset is not None:
        stored_entry(store, wanted)
    else:
        opened(files_of(store.root, wanted))


def _check_path(path: str) -> None:
    """Refuse a path that would mean another file to another process, or that the journal could not hold."""
    shown = path.encode("ascii", "backslashreplace").decode()
    if not os.path.isabs(path):
        raise RunConfigInvalid(
            f"csv {shown} is not an absolute path",
            hint="a build runs in a process of its own: give the path from the root of the file system",
            details={"field": "csv", "value": shown},
        )
    if any("\ud800" <= letter <= "\udfff" for letter in path):
        raise RunConfigInvalid(
            f"csv {shown} is not Unicode", hint="rename the file", details={"field": "csv", "value": shown}
        )


def _check_queue(store: Store) -> None:
    waiting, most = len(queue(store.state)), store.settings.queue_max
    if waiting >= most:
        raise LimitExceeded(
            f"{waiting} builds wait already, and {most} may",
            hint="try again when some are done, cancel one, or raise BUFF_QUEUE_MAX",
            details={"setting": "BUFF_QUEUE_MAX", "limit": most, "queued": waiting},
        )


def _waits(store: Store, build: BuildEntry) -> bool:
    """Say whether nobody is at work on a build who could end it."""
    return build.status == "queued" or store.abandoned(build)


def _cancelled(build: BuildEntry, why: str | None, by: str, *, waits: bool) -> list[Entry]:
    entries = []
    if build.cancelled_by is None:
        entries.append(Entry(event=BuildCancelRequested(job=build.job, why=why, by=by)))
    if waits:
        entries.append(changes.end(changes.failed(build, changes.cancelled(build), by=by)))
    return entries


# Looking


def status(store: Store, job: str) -> Build:
    """Return a build as it is now, by its id or the beginning of it. Nothing is written. Raises BuildNotFound."""
    return _look(store, (find_build(store.state, job),))[0]


def listed(
    store: Store,
    *,
    status: str | None = None,
    kind: str | None = None,
    sort: str = "-created",
    limit: int = 100,
    after: int = 0,
    cursor: str | None = None,
) -> Page[Build]:
    """Return a page of builds as they are now, the newest first; only those of a status and a kind, if any are named.

    Of those that ended the last thousand are remembered; the journal has all. Raises RunConfigInvalid on a sort, limit
    or cursor that cannot be.
    """
    known = store.state.builds.values()
    found = [
        build for build in known if kind in (None, build.kind) and (status is None or _standing(store, build) == status)
    ]
    page = paged(found, BUILD_SORTS, sort=sort, limit=limit, after=after, cursor=cursor)
    return Page(items=_look(store, page.items), total=page.total, next=page.next, cursor=page.cursor)


def _standing(store: Store, entry: BuildEntry) -> str:
    """Return the status in which a build is shown: one whose process died has failed before anybody wrote it down."""
    return "failed" if entry.status == "running" and store.abandoned(entry) else entry.status


def recent(store: Store, *, since: str, limit: int = 20) -> tuple[Build, ...]:
    """Return the builds under way, and those that failed since a time and were not asked for again; the newest first.

    `since` is in the form of the journal's times.
    """
    known = store.state.builds.values()
    again = {build.retry_of for build in known}
    found = [
        build
        for build in known
        if build.open or (build.status == "failed" and (build.ended or "") >= since and build.job not in again)
    ]
    return _look(store, sorted(found, key=lambda build: build.seq, reverse=True)[:limit])


def queue(state: RegistryState) -> tuple[BuildEntry, ...]:
    """Return the builds that wait, in the order in which they are started."""
    waiting = (build for build in state.builds.values() if build.status == "queued")
    return tuple(sorted(waiting, key=lambda build: build.seq))


def look_after(store: Store) -> None:
    """End the builds whose process died, with BUILD_LOST, or BUILD_CANCELLED where that was asked for.

    What the process left is moved aside. Where no process died nothing is written and no lock taken.
    """
    store.look_after()


def _look(store: Store, known: Sequence[BuildEntry]) -> tuple[Build, ...]:
    """Look at the locks first and at the journal second: a process holds its lock until its last event is durable."""
    dead = {build.job for build in known if store.abandoned(build)}
    state = store.state
    positions = {build.job: place for place, build in enumerate(queue(state), 1)}
    return tuple(
        _shown(store, state.builds.get(build.job, build), positions.get(build.job), dead=build.job in dead)
        for build in known
    )


def _shown(store: Store, entry: BuildEntry, position: int | None, *, dead: bool) -> Build:
    if entry.status != "running" or entry.worker is None:
        return Build(entry=entry, position=position)
    if dead:  # whoever may write will record it so
        failed = changes.lost(entry, by=store.settings.user)
        told = {name: getattr(failed, name) for name in ("code", "message", "hint", "details")}
        return Build(entry=msgspec.structs.replace(entry, status="failed", **told))
    progress = progress_of(store, entry.worker)
    old = progress is not None and store.host.monotonic() - progress.at > STALLED_SECONDS
    return Build(entry=entry, progress=progress, stalled=old)


def progress_of(store: Store, owner: str) -> Progress | None:
    """Return what the process of a folder says of how far it is; None when it said nothing that can be read."""
    try:
        data = store.disk.read(os.path.join(store.root, STAGING, owner, PROGRESS), 0, PROGRESS_BYTES)
        return msgspec.json.decode(data, type=Progress)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None  # it left, or was about to write it


def record_of(progress: Progress) -> bytes:
    """Return the record of how far a build is: JSON, filled up with spaces to a fixed size."""
    data = msgspec.json.encode(progress)
    assert len(data) < PROGRESS_BYTES, "stages have short names"
    return data.ljust(PROGRESS_BYTES - 1) + b"\n"


def startable(store: Store, own: str) -> tuple[BuildEntry, ...]:
    """Return the builds that wait and are for this process to start, the next first: its own, and those of the dead."""
    return tuple(
        build for build in queue(store.state) if build.owner == own or not alive(store.disk, store.root, build.owner)
    )
