"""Store: one open RUNS_ROOT. Reading never locks and never writes; the first write opens the journal and recovers.

A root, a `Host` and a `Disk` go in. Lists and runs come out of the registry the journal projects; a staged directory
becomes a run by one event. The order of its commit is spec/store.md, section 12: intent, rename, event.
"""

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

import msgspec
from attrs import evolve
from msgspec import UNSET, UnsetType

from buff.errors import (
    BuffError,
    JournalLockTimeout,
    Nondeterministic,
    RunConfigInvalid,
    RunExists,
    RunsRootInvalid,
)
from buff.files import Disk, RealDisk, replace_file
from buff.host import Host
from buff.journal.events import Event, OrphanQuarantined, RunCommitted, RunRejected, SegmentOpened
from buff.journal.head import START, Position
from buff.journal.line import SEGMENT_BYTES_MAX
from buff.journal.log import Hold, Journal
from buff.journal.reader import corrupt, reached, read, resume, unreadable, up_to
from buff.journal.record import Answer, Entry, Receipt, Recorded, Resume, recorded
from buff.journal.survey import FOLDER, Claimed, Flaw, Unreadable, locate, read_head
from buff.plans import Plans
from buff.registry import changes, queries, texts
from buff.registry.index import NAME as INDEX
from buff.registry.index import index_chunks, opened
from buff.registry.looks import Looks
from buff.registry.projection import Folding, fold
from buff.registry.queries import Facets, Page, Query, Tried
from buff.registry.rows import Row, Rows, RunEntry, detail_of
from buff.registry.state import BuildEntry, DatasetEntry, RegistryState, SweepEntry
from buff.runs.directory import committed_manifest, read_manifest, seal
from buff.runs.manifest import NAME as MANIFEST
from buff.runs.manifest import content_sha256
from buff.runs.request import words
from buff.runs.run import Run
from buff.settings import Settings
from buff.staging import ORPHANS, Owner, alive, move_aside, sweep

INDEX_RUNS_PER_EVENT = 100  # an event may stay out of the index for each so many runs that writing it would write
CHECKPOINTS = f"{FOLDER}/checkpoints"
CHECKPOINTS_BYTES_MAX = 1 << 30  # above it they are thinned, the older the more
SNAPSHOT_EVENTS_MIN = 4_096  # a shorter journal is verified in full whenever it is opened
_CHECKPOINT = re.compile(r"[0-9]{20}\.json")


class Store:
    """One root: `runs()`, `run(id)`, `datasets()`; a context manager that gives back what it holds."""

    def __init__(
        self,
        root: str,
        *,
        host: Host,
        settings: Settings | None = None,
        disk: Disk | None = None,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
    ) -> None:
        """Open a root for reading. Raises RunsRootInvalid when it is not a directory."""
        self.root = os.path.abspath(root)
        self.host, self.settings, self.disk = host, settings or Settings(), disk or RealDisk()
        if not os.path.isdir(self.root):
            raise RunsRootInvalid(
                "the runs root is not a directory" if os.path.lexists(self.root) else "the runs root does not exist",
                hint="give an existing directory; `buff run create` makes one",
            )
        self._journal: Journal | None = None
        self._owner: Owner | None = None
        self._state = RegistryState()  # what the journal that we opened told us
        self._shown = RegistryState()  # what we read of it, as long as we have not opened it
        self._segment_bytes_max = segment_bytes_max
        self._due: list[RegistryState] = []  # checkpoints to be written
        self._indexed: RegistryState | None = None  # what index.json holds, since we last read or wrote it
        self._position = START  # where the events end that were read
        self._proven = False  # whether HEAD, as this kernel wrote it, vouched for them when they were
        self._seen_head: bytes | None = None
        self._reading, self._opening = threading.Lock(), threading.Lock()
        self._commits = threading.Condition()
        self._committing: set[str] = set()  # the runs that threads of ours are committing now
        self._placed: set[str] = set()  # those of them whose directory has been published
        self.problem: BuffError | None = None
        self._looks = Looks()
        self._plans = Plans(self.disk, self.root)

    # Reading

    @property
    def state(self) -> RegistryState:
        """What the journal says up to its HEAD. A damaged journal serves what is proven and sets `problem`."""
        if self._journal is None:
            return self._read()
        self._journal.refresh()
        return self._state

    def as_of(self, seq: int) -> RegistryState:
        """Return what was true after event `seq`, folded from the journal. Raises RunConfigInvalid beyond its end."""
        last = self.state.seq
        if not 0 <= seq <= last:
            raise RunConfigInvalid(
                f"event {seq} is not in the journal",
                hint=f"its events are 1 to {last}",
                details={"field": "as_of", "value": seq, "last": last},
            )
        state, position = self._checkpoint(seq)
        folded = Folding(state, until=seq)
        if up_to(self.disk, self.root, position, seq, folded.take):
            return folded.state
        reading = read(self.disk, self.root, boot=self.host.boot)
        return fold(RegistryState(), map(recorded, reading.lines[:seq]))

    def _checkpoint(self, seq: int) -> tuple[RegistryState, Position]:
        """Return the last checkpoint at or before an event that the journal agrees with; the beginning when none is."""
        folder = os.path.join(self.root, CHECKPOINTS)
        names = self.disk.names(folder) if self.disk.is_directory(folder) else ()
        for name in sorted((name for name in names if name <= checkpoint_name(seq)), reverse=True):
            state = _stored(self.disk, self.root, os.path.join(folder, name))
            position = None if state is None else resume(self.disk, self.root, _claim(state))
            if state is not None and position is not None and state.seq <= seq:
                return state, position
        return RegistryState(), START

    def events(self, *, after: int = 0) -> Sequence[Recorded]:
        """Return the journal's events behind `after`, up to HEAD."""
        return [item for item in read(self.disk, self.root, boot=self.host.boot).events if item.seq > after]

    def runs(self, *, as_of: int | None = None, **filters: Any) -> Page[RunEntry]:
        """Return a page of runs; filters are those of `queries.Query`."""
        query = Query(**filters)
        if as_of is not None:
            return queries.runs(self.as_of(as_of), query)
        queries.check(query)
        return queries.page(self._list(self.state.runs, queries.listing(query)), query)

    def _list(self, rows: Rows, query: Query) -> Sequence[Row]:
        whole = queries.unfiltered(query)

        def ordered() -> tuple[Row, ...]:
            if query == whole:
                return queries.ordered(queries.let_in(rows.rows(), query), query)
            every = self._list(rows, whole)
            if query.words:
                some: Sequence[Row] = texts.among(every, self._texts(rows, whole, every), query.words)
            else:
                groups = (
                    self._groups(rows, whole, name).get(value, ()) for name, value in queries.wanted(query).items()
                )
                some = min(groups, key=len, default=every)
            return queries.ordered(some, query)

        return self._looks.of(rows, query, ordered, partial(queries.followed, query=query))

    def _groups(self, rows: Rows, whole: Query, name: str) -> Mapping[Any, tuple[Row, ...]]:
        return self._looks.of(
            rows,
            (name, whole),
            lambda: queries.grouped(self._list(rows, whole), name),
            lambda found, changed: queries.regrouped(found, changed, whole, name),
        )

    def _texts(self, rows: Rows, whole: Query, every: Sequence[Row]) -> tuple[str, ...]:
        return self._looks.of(
            rows,
            ("texts", whole),
            lambda: texts.texts_of(every),
            lambda found, changed: texts.continued(found, every, queries.unmoved(every, changed)),
        )

    def _ids(self, rows: Rows) -> Sequence[str]:
        return self._looks.of(rows, "ids", lambda: queries.ids(rows.rows()), queries.ids_after)

    def facets(self, **filters: Any) -> Facets:
        """Return what a list can be narrowed by: the values its runs have, and how many runs have each.

        Filters are those of `runs`; how the list is sorted and cut is not looked at.
        """
        state, query = self.state, evolve(queries.listing(Query(**filters)), sort="created")
        queries.check(query)
        return self._looks.of(
            state.runs,
            ("facets", query),
            lambda: queries.facets(state, query),
            lambda found, changed: queries.recounted(found, changed, query),
        )

    def runs_of(self, dataset_id: str) -> tuple[RunEntry, ...]:
        """Return the runs that were made of a dataset, the newest first; without those whose files were given up."""
        known = self._groups(self.state.runs, queries.unfiltered(Query(state="any")), "dataset_id")
        return tuple(row.entry for row in reversed(known.get(dataset_id, ())) if row.state != "reclaimed")

    def entry(self, run_id: str) -> RunEntry:
        """Return what the registry holds of a run, by its id or the beginning of it. Raises RunNotFound."""
        state = self.state
        return queries.find(state, run_id, partial(self._ids, state.runs))

    def run(self, run_id: str) -> Run:
        """Return a committed run by its id, or by the beginning of it. Raises RunNotFound, RunDamaged."""
        state = self.state
        entry = queries.held(state, run_id, partial(self._ids, state.runs))
        directory = os.path.join(self.root, entry.run_id)
        manifest = committed_manifest(self.disk, directory, entry.run_id, entry.manifest_sha256)
        return Run(root=self.root, manifest=manifest, facts=msgspec.structs.asdict(entry))

    def absent(self, entry: RunEntry) -> bool:
        """Say whether a run that should have a directory has no manifest: one look at one name, for lists."""
        manifest = os.path.join(self.root, entry.run_id, MANIFEST)
        return entry.state != "reclaimed" and not os.path.isfile(manifest)

    def datasets(self) -> tuple[DatasetEntry, ...]:
        """Return every stored dataset, the newest first."""
        return queries.datasets(self.state)

    def sweeps(self) -> tuple[SweepEntry, ...]:
        """Return every sweep, the newest first."""
        return queries.sweeps(self.state)

    def tried(self, entries: Sequence[RunEntry], *, state: RegistryState | None = None) -> tuple[Tried, ...]:
        """Return of each of some runs how many were tried beside it, now or by an earlier state.

        No run directory is opened. A plan is read when it is first asked about; one that cannot be is told of.
        """
        found = self.state if state is None else state
        counts = self._looks.of(
            found.runs, "symbols", lambda: queries.symbols(found.runs.rows()), queries.symbols_after
        )
        inputs = [entry.inputs_hash for entry in entries]
        having = [(each, self._plans.having(each.sweep, each.plan_sha256, inputs)) for each in queries.sweeps(found)]
        unread = tuple(each.sweep for each, known in having if known is None)
        return tuple(
            Tried(
                symbol=entry.symbol,
                on_symbol=counts[entry.symbol],
                sweeps=tuple(each for each, known in having if known is not None and known[place]),
                unread=unread,
            )
            for place, entry in enumerate(entries)
        )

    def _read(self) -> RegistryState:
        # Pages are read by many threads: without this an older reading could end last and pass for the newer HEAD.
        with self._reading:
            head = self._head_bytes()
            if head is None or head != self._seen_head:
                if self._position == START:
                    self._shown, self._position = self._snapshot()
                self._proven = self._follow()
                if not self._proven:
                    reading = read(self.disk, self.root, boot=self.host.boot, since=self._position)
                    self._shown = fold(RegistryState() if reading.since == START else self._shown, reading.events)
                    self._position, self.problem = reading.position, reading.problem
                self._seen_head = head
            return self._shown

    def _follow(self) -> bool:
        """Fold what is behind the position up to HEAD as it is read: of a long journal very little is kept in memory.

        False when HEAD does not vouch for it, or something is wrong, and nothing is changed.
        """
        head = read_head(self.disk, self.root).current
        if head is None or head.boot != self.host.boot or head.seq < self._position.seq:
            return False
        folded = Folding(self._shown)
        if not reached(self.disk, self.root, self._position, head.position, folded.take):
            return False
        self._shown, self._position, self.problem = folded.state, head.position, None
        return True

    def _known(self) -> tuple[RegistryState, Position] | None:
        """Return what was read already of a long journal, and where its events end, where HEAD vouched for them."""
        with self._reading:
            long = self._proven and self._position.seq >= SNAPSHOT_EVENTS_MIN
            return (self._shown, self._position) if long else None

    def _snapshot(self) -> tuple[RegistryState, Position]:
        """Return what index.json holds, or else the last checkpoint, and where its events end; nothing when all of the
        journal is to be read, because it is short or agrees with none.
        """
        head = read_head(self.disk, self.root).current
        if head is not None and head.seq >= SNAPSHOT_EVENTS_MIN:
            return self._index() or self._checkpoint(head.seq)
        return RegistryState(), START

    def _index(self) -> tuple[RegistryState, Position] | None:
        """Return what index.json holds and where its events end, if the journal agrees.

        It is read once: whatever another process has made of it since, the journal still says what follows.
        """
        state = self._indexed or _stored(self.disk, self.root, os.path.join(self.root, INDEX))
        position = None if state is None else resume(self.disk, self.root, _claim(state))
        self._indexed = None if position is None else state
        return None if state is None or position is None else (state, position)

    def _head_bytes(self) -> bytes | None:
        try:
            return self.disk.read(os.path.join(self.root, "_journal", "HEAD"))
        except OSError:
            return None  # the journal's reader says what is wrong

    # Writing

    def journal(self) -> Journal:
        """Return the journal, opened for writing: recovered, swept, with a place of our own under `_staging/`."""
        with self._opening:  # two threads that are the first to write open one journal, with one place
            if self._journal is None:
                self._journal = self._open()
                with self._reading:
                    self._shown, self._position, self._seen_head = RegistryState(), START, None
                    self.problem = None  # a journal that could be opened is whole, whatever a reader saw before
            return self._journal

    def _open(self) -> Journal:
        self._state, position = self._known() or self._snapshot()
        journal = Journal.open(
            self.disk,
            self.root,
            clock=self.host.clock,
            boot=self.host.boot,
            holder=self.host.holder,
            listener=self._listen,
            resume=None if position == START else _resume(self._state, position),
            natural=self._natural,
            segment_bytes_max=self._segment_bytes_max,
            lock_timeout_seconds=self.settings.lock_timeout_seconds,
        )
        try:
            with journal.exclusive() as hold:
                self._settle(hold)
        except BaseException:
            journal.close()  # kept, it would pass for one that is swept and has a place of its own
            raise
        return journal

    def _listen(self, events: Sequence[Recorded]) -> None:
        opened_at = [place for place, item in enumerate(events, 1) if isinstance(item.event, SegmentOpened)]
        begin = 0
        for end in dict.fromkeys((*opened_at, len(events))):
            self._state, begin = fold(self._state, events[begin:end]), end
            if end in opened_at:
                self._due.append(self._state)

    def _write_checkpoint(self) -> None:
        """Keep the states at the beginnings of segments that we began or read, if none is kept; never under the lock.

        One that cannot be used, because another version of Buff wrote it, is written anew.
        """
        due, self._due = self._due, []
        if not due:
            return
        folder = os.path.join(self.root, CHECKPOINTS)
        with contextlib.suppress(OSError):  # disposable: without it the past is folded from further back
            if not self.disk.is_directory(folder):
                self.disk.mkdir(folder)
            for state in due:
                path = os.path.join(folder, checkpoint_name(state.seq))
                if _stored(self.disk, self.root, path) is None:
                    replace_file(self.disk, self.owner.path(".checkpoint.tmp"), path, index_chunks(state))
            sizes = {name: self.disk.size(os.path.join(folder, name)) for name in self.disk.names(folder)}
            for name in thinned(sizes, CHECKPOINTS_BYTES_MAX):
                self.disk.unlink(os.path.join(folder, name))

    def _natural(self, key: str) -> Answer | None:
        """Answer the key of a commit, which the run itself knows."""
        run = self._state.runs.row(key.removeprefix("run:").partition(":")[0])
        if run is None or run.state == "reclaimed" or key != _key(run.run_id, run):
            return None
        return Answer(seq=run.seq, sha256=None, type=RunCommitted.TYPE, identity=(run.run_id, run.inputs_hash))

    def _settle(self, hold: Hold) -> None:
        self._bury(hold)
        self._owner = Owner(self.disk, self.root, f"{self.host.pid}-{self.host.token()}")

    def _bury(self, hold: Hold) -> None:
        """Clear up after processes that died: move aside what they left, and end the builds they were at."""
        kept = [row.run_id for row in self._state.runs.rows() if row.state != "reclaimed"]
        sweep(self.disk, self.root, committed=kept)
        self._record_orphans(hold, "a build died before its run was committed")
        dead = [build for build in self._state.builds.values() if self.abandoned(build)]
        if dead:
            hold.append([changes.end(changes.lost(build, by=self.settings.user)) for build in dead])

    def abandoned(self, build: BuildEntry) -> bool:
        """Say whether a build is running by the journal, and the process that was at it is dead.

        Ask for the build anew before believing it: it may have ended between its entry and this look.
        """
        return build.worker is not None and build.open and not alive(self.disk, self.root, build.worker)

    def look_after(self) -> None:
        """End the builds whose process died, and move aside what it left. Without any nothing is written or locked."""
        if any(self.abandoned(build) for build in self.state.builds.values()):
            with self.journal().exclusive() as hold:
                self._bury(hold)

    def _record_orphans(self, hold: Hold, reason: str, *, identical: bool = False) -> None:
        """Tell the journal of everything in `_orphans/` it does not know: a crash between move and event heals here."""
        folder = os.path.join(self.root, ORPHANS)
        if not self.disk.is_directory(folder):
            return
        unknown = [name for name in self.disk.names(folder) if name not in self._state.orphans]
        if unknown:
            hold.append(
                [Entry(event=OrphanQuarantined(name=name, reason=reason, identical=identical)) for name in unknown]
            )

    @property
    def owner(self) -> Owner:
        """This process's place under `_staging/`."""
        journal = self.journal()
        assert self._owner is not None, "the journal was opened, so we have a place"
        if not self._owner.held:  # this is the child of a fork, and the place is the parent's
            with journal.exclusive():
                self._owner = Owner(self.disk, self.root, f"{self.host.pid}-{self.host.token()}")
        return self._owner

    def record(self, *events: Event) -> tuple[Receipt, ...]:
        """Append events as one batch with one sync; return their receipts."""
        receipts = self.journal().append([Entry(event=event) for event in events])
        self._write_checkpoint()
        return receipts

    def together(self, decide: Callable[[], Sequence[Event]]) -> tuple[Receipt, ...]:
        """Record what `decide` returns as one batch. It is asked under the lock, with all that others recorded known.

        What it raises is raised, and nothing is recorded.
        """
        receipts = self.journal().append((), prepare=lambda hold: [Entry(event=event) for event in decide()])
        self._write_checkpoint()
        return receipts

    def commit(
        self,
        run_id: str,
        event: RunCommitted,
        *,
        guard: Callable[[], None] = lambda: None,
        also: Sequence[Entry] = (),
    ) -> tuple[RunEntry, bool]:
        """Publish the directory staged under `run_id` and append its event: the commit point.

        Runs that threads commit at the same time share a batch, and each of them fails by itself until that is written.
        Returns the entry and whether the run existed already with the same inputs (then ours is discarded); one that
        was reclaimed is published anew, under its old id. `guard` is asked under the lock, just before the rename, and
        may raise; `also` is recorded in the batch of the event. Raises RunExists, Nondeterministic, and what the disk
        says.
        """
        (outcome,) = self.commit_all((event,), guard=guard, also=also)
        if isinstance(outcome, BuffError):
            raise outcome
        return self._state.runs[run_id], outcome

    def commit_all(
        self,
        events: Sequence[RunCommitted],
        *,
        guard: Callable[[], None] = lambda: None,
        also: Sequence[Entry] = (),
    ) -> tuple[bool | BuffError, ...]:
        """Publish directories staged under their run ids and append their events: one lock hold, one batch.

        The runs are different ones. Returns for each whether it existed already (then ours is discarded), or the error
        that befell it alone, as `commit` would raise it: its directory is discarded, too. `guard` is asked under the
        lock before any of them is renamed; what it raises, and what the disk says, befalls all of them. `also` is
        recorded with the events, if there are any.
        """
        outcomes: dict[str, bool | BuffError] = {}

        def publish(hold: Hold) -> Sequence[Entry]:
            keys = self._publish(hold, events, guard, outcomes)
            self._placed.update(keys)
            fresh = [Entry(event=event, key=keys[event.run_id]) for event in events if event.run_id in keys]
            return (*fresh, *(also if fresh else ()))

        with contextlib.ExitStack() as alone:
            for run_id in sorted(event.run_id for event in events):  # in one order, lest two wait for each other
                alone.enter_context(self._committing_alone(run_id))
            self.journal().append((), prepare=publish)
        # The runs exist now, whatever the disk says next: an intent or a copy of ours that stays is swept by a later
        # writer, and a folder that keeps its write permission harms nobody.
        for event in events:
            with contextlib.suppress(OSError):
                if outcomes[event.run_id] is False:
                    self.owner.forget(event.run_id)
                    seal(self.disk, os.path.join(self.root, event.run_id))
                else:
                    self.owner.discard(event.run_id)
        self._write_checkpoint()
        return tuple(outcomes[event.run_id] for event in events)

    def _publish(
        self,
        hold: Hold,
        events: Sequence[RunCommitted],
        guard: Callable[[], None],
        outcomes: dict[str, bool | BuffError],
    ) -> dict[str, str]:
        """Rename what is new to its place, all intents before and one sync behind; return the keys of their events."""
        owner, keys = self.owner, dict[str, str]()
        for event in events:
            known = self._state.runs.get(event.run_id)
            outcomes[event.run_id] = self._met(hold, known, event)
            if outcomes[event.run_id] is False:
                keys[event.run_id] = _key(event.run_id, known)
        if not keys:
            return keys
        guard()
        owner.intend(*keys)
        for event in [event for event in events if event.run_id in keys]:
            target = os.path.join(self.root, event.run_id)
            try:
                if self.disk.exists(target):
                    self._set_aside(hold, target, event)
            except RunsRootInvalid as error:
                outcomes[event.run_id] = error
                del keys[event.run_id]
                continue
            self.disk.rename(owner.path(event.run_id), target)
        # Without this the events may be durable and directories they promise still in the staging folder.
        self.disk.sync_directory(self.root)
        return keys

    def _met(self, hold: Hold, known: RunEntry | None, event: RunCommitted) -> bool | BuffError:
        """Return whether a run exists already with the same inputs and bytes, or what it means that it is another."""
        if known is None:
            return False
        try:
            self._compare(hold, known, event)
        except BuffError as error:
            if not isinstance(error, RunExists | Nondeterministic):
                raise
            return error
        return known.state != "reclaimed"

    @property
    def unrecorded(self) -> int:
        """How many runs of this process have got their place and not yet their event, which they get in one batch."""
        return len([run_id for run_id in tuple(self._placed) if not self._listed(run_id)])

    def _listed(self, run_id: str) -> bool:
        row = self._state.runs.row(run_id)
        return row is not None and row.state != "reclaimed"

    @contextlib.contextmanager
    def _committing_alone(self, run_id: str) -> Iterator[None]:
        """Keep other threads from committing the same run: what shares a batch does not see each other's directory."""
        waited_seconds = self.settings.lock_timeout_seconds
        with self._commits:
            if not self._commits.wait_for(lambda: run_id not in self._committing, waited_seconds):
                raise JournalLockTimeout(
                    f"another thread of this process was committing {run_id} for more than {waited_seconds:g} s",
                    hint="try again",
                    details={"waited_seconds": waited_seconds},
                )
            self._committing.add(run_id)
        try:
            yield
        finally:
            with self._commits:
                self._committing.remove(run_id)
                self._placed.discard(run_id)
                self._commits.notify_all()

    def _set_aside(self, hold: Hold, target: str, event: RunCommitted) -> None:
        """Found bytes are never adopted, not even equal ones: a sync of them proves nothing about what is on disk."""
        if not self.disk.is_directory(target):
            raise RunsRootInvalid(
                f"{event.run_id} is in the way: a file in the runs root that is not Buff's",
                hint="move it elsewhere",
                details={"name": event.run_id},
            )
        try:
            found, _ = read_manifest(self.disk, target, event.run_id)
            identical = content_sha256(found) == event.content_sha256
        except (BuffError, KeyError, TypeError):
            identical = False  # whatever it is, it is not a run like ours
        move_aside(self.disk, self.root, target, event.run_id)
        self._record_orphans(hold, "a directory of this name had no event", identical=identical)

    def _compare(self, hold: Hold, known: RunEntry, event: RunCommitted) -> None:
        if known.inputs_hash != event.inputs_hash:
            raise exists(known, event.inputs_hash)
        if known.content_sha256 != event.content_sha256:
            says = f"{known.run_id} was made again from the same inputs and its bytes differ"
            details = {"run_id": known.run_id, "committed": known.content_sha256, "made": event.content_sha256}
            hold.append(
                [Entry(event=RunRejected(code=Nondeterministic.code, message=says, details=details, by=event.by))]
            )
            raise Nondeterministic(says, hint=f"run `buff run verify {known.run_id}`", details=details)

    def annotate(
        self,
        run_id: str,
        *,
        name: str | UnsetType | None = UNSET,
        notes: str | UnsetType | None = UNSET,
        tags: Sequence[str] | UnsetType | None = UNSET,
    ) -> RunEntry:
        """Give a run another name, notes or tags; what is left out stays, None takes it away. Return its entry.

        None of them is part of the run's identity or of its files. Raises RunNotFound, RunConfigInvalid.
        """
        said = words(name=name, notes=notes, tags=tags)
        return self._change(run_id, lambda entry: changes.annotated(entry, **said, by=self.settings.user))

    def archive(self, run_id: str, *, why: str | None = None) -> RunEntry:
        """Take a run out of the lists; nothing of it is removed. Twice is the same as once. Raises RunNotFound."""
        said = words(why=why)
        return self._change(run_id, lambda entry: changes.archived(entry, **said, by=self.settings.user))

    def restore(self, run_id: str) -> RunEntry:
        """Bring an archived run back into the lists. Raises RunNotFound, also when its directory was reclaimed."""
        return self._change(run_id, lambda entry: changes.restored(entry, by=self.settings.user))

    def _change(self, run_id: str, decide: Callable[[RunEntry], Event | None]) -> RunEntry:
        """Record what is decided of a run's entry as it is under the lock, if anything; return the entry after it."""
        state = self.state
        # An id that is not there opens no journal.
        known = queries.held(state, run_id, partial(self._ids, state.runs)).run_id
        with self.journal().exclusive() as hold:
            event = decide(queries.held(self._state, known))
            if event is not None:
                hold.append([Entry(event=event)])
        return self._state.runs[known]

    def write_index(self) -> bool:
        """Write index.json when it is further behind the journal than its size allows; say whether it was written.

        What is not in it is read from the journal by whoever opens the root.
        """
        journal, state = self.journal(), self._state
        found = self._index()
        if found is not None and not _behind(found[0], state):
            return False
        # Without this an index could come back from a power cut ahead of a HEAD that did not.
        journal.sync_head()
        path = os.path.join(self.root, INDEX)
        replace_file(self.disk, self.owner.path(".index.tmp"), path, index_chunks(state))
        self._indexed = state
        return True

    def close(self) -> None:
        """Write the index if it is behind, leave the staging folder, close the journal."""
        if self._journal is None:
            return
        try:
            self._write_checkpoint()
            self.write_index()
        except (OSError, BuffError):
            pass  # the index is disposable: the journal already holds all of it
        finally:
            if self._owner is not None:
                self._owner.close()
                self._owner = None
            self._journal.close()
            self._journal = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = self.state
        return f"<Store {self.root} {len(state.runs):,} runs, {len(state.datasets):,} datasets, seq {state.seq:,}>"


def exists(known: RunEntry, inputs_hash: str) -> RunExists:
    """Return the error of a run id that is taken by other inputs."""
    return RunExists(
        f"run {known.run_id} exists with other inputs",
        hint="choose another --run-id, or leave it out: the id is then made from the inputs",
        details={"run_id": known.run_id, "committed": known.inputs_hash, "asked": inputs_hash},
    )


def _key(run_id: str, before: Row | RunEntry | None) -> str:
    """Return the key of a commit: another one for each time the run's directory was given up and is made again."""
    times = 0 if before is None else before.reclaimed
    return f"run:{run_id}:{times}" if times else f"run:{run_id}"


def checkpoint_name(first: int) -> str:
    """Return the file name of the state after the first event of a segment."""
    return f"{first:020d}.json"


def thinned(sizes: Mapping[str, int], bytes_max: int) -> list[str]:
    """Return which checkpoints go, of those whose sizes in bytes are given by name, so that the others fit `bytes_max`.

    The newest stays, and the gaps between the others grow with their age: the one goes first whose going makes the
    smallest gap beside the distance of that gap's beginning from the newest (spec/store.md, section 11).
    """
    names, gone = sorted(name for name in sizes if _CHECKPOINT.fullmatch(name)), list[str]()
    total = sum(sizes[name] for name in names)
    while total > bytes_max and len(names) > 1:
        seqs = [0, *(int(name[:20]) for name in names)]
        least = min(range(1, len(names)), key=lambda at: (seqs[at + 1] - seqs[at - 1]) / (seqs[-1] - seqs[at - 1]))
        name = names.pop(least - 1)
        total -= sizes[name]
        gone.append(name)
    return gone


def _claim(state: RegistryState) -> Claimed:
    return Claimed(journal=state.journal_id, seq=state.seq, sha256=state.head_sha256)


def _resume(state: RegistryState, position: Position) -> Resume:
    answers = {
        entry.key: Answer(seq=entry.seq, sha256=entry.sha256, type=entry.type, identity=tuple(entry.identity))
        for entry in state.keys.values()
    }
    return Resume(journal_id=state.journal_id, position=position, answers=answers)


def _stored(disk: Disk, root: str, path: str) -> RegistryState | None:
    """Return what a snapshot holds; it is looked at twice, for another may take its place while it is read."""
    for _ in range(2):
        try:
            state = opened(partial(disk.read, path), disk.size(path), again=partial(_told_again, disk, root))
        except OSError:
            return None
        if state is not None:
            return state
    return None


def _told_again(disk: Disk, root: str, seq: int) -> bytes:
    """Return the detail of a commit from its line in the journal. Raises JournalCorrupt, StorageUnreadable."""
    try:
        found = locate(disk, root, seq)
    except Unreadable as error:
        raise unreadable(error) from error
    event = None if found is None else recorded(found[1]).event
    if not isinstance(event, RunCommitted):
        raise corrupt(Flaw(segment=FOLDER, offset=0, says=f"event {seq} is no commit that can be read"))
    return detail_of(event, seq)


def _behind(stored: RegistryState, state: RegistryState) -> bool:
    """Say whether an index of this history is to be written anew: one that is ahead of what we know, or lags.

    It may lag more in a larger root, so that a commit costs the same share of it, however many runs there are.
    """
    lag = state.seq - stored.seq
    return lag < 0 or lag * INDEX_RUNS_PER_EVENT > len(state.runs)
