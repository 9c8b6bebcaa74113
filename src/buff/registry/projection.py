"""The fold: one state and some recorded events make the next state. Pure, total, the same everywhere.

Recorded events in journal order go in; a `RegistryState` comes out. An event nobody handles is a type error, found
before it ships.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Protocol, assert_never

import msgspec
from attrs import evolve
from msgspec import UNSET

from buff.canonical import digest_of
from buff.journal import events as facts
from buff.journal.events import Fact
from buff.journal.line import Line
from buff.journal.record import identity, recorded
from buff.registry.rows import Row, committed
from buff.registry.state import BuildEntry, DatasetEntry, IngestEntry, KeyEntry, RegistryState, SweepEntry, SwitchEntry

KEYS_MAX = 10_000  # so many keys are answered however long ago they were used
BUILDS_MAX = 1_000  # so many builds that have ended are remembered; the journal knows all


class Recorded(Protocol):
    """What the fold needs of a journal line."""

    @property
    def seq(self) -> int:
        """Position in the journal, from 1."""
        ...

    @property
    def time(self) -> str:
        """When it was recorded, wall clock, informative."""
        ...

    @property
    def sha256(self) -> str:
        """The line's own hash."""
        ...

    @property
    def key(self) -> str | None:
        """What the fact was asked for under."""
        ...

    @property
    def event(self) -> Fact:
        """The fact."""
        ...


class _Draft:
    """What events change of a state. A part is copied when it is first changed: a fold costs what its events change."""

    def __init__(self, state: RegistryState) -> None:
        self.before = state
        self.journal_id, self.seq, self.head_sha256 = state.journal_id, state.seq, state.head_sha256
        self.rejected = state.rejected
        self.runs: dict[str, Row] = {}  # those that changed, and new ones

    @cached_property
    def datasets(self) -> dict[str, DatasetEntry]:
        return dict(self.before.datasets)

    @cached_property
    def ingests(self) -> dict[str, IngestEntry]:
        return dict(self.before.ingests)

    @cached_property
    def builds(self) -> dict[str, BuildEntry]:
        return dict(self.before.builds)

    @cached_property
    def sweeps(self) -> dict[str, SweepEntry]:
        return dict(self.before.sweeps)

    @cached_property
    def switch(self) -> dict[str, SwitchEntry]:
        return dict(self.before.switch)

    @cached_property
    def orphans(self) -> list[str]:
        return list(self.before.orphans)

    @cached_property
    def keys(self) -> dict[str, KeyEntry]:
        return dict(self.before.keys)

    def run(self, run_id: str) -> Row | None:
        return self.runs.get(run_id) or self.before.runs.row(run_id)

    @property
    def state(self) -> RegistryState:
        copied = {name: part for name, part in vars(self).items() if name in _COPIED}
        return evolve(
            self.before,
            journal_id=self.journal_id,
            seq=self.seq,
            head_sha256=self.head_sha256,
            rejected=self.rejected,
            runs=self.before.runs.having(self.runs),
            **copied,
        )


_COPIED = frozenset({"datasets", "ingests", "builds", "sweeps", "switch", "orphans", "keys"})


def fold(state: RegistryState, events: Iterable[Recorded]) -> RegistryState:
    """Return the state after the events; what they do not change is shared with the one before."""
    draft = _Draft(state)
    for item in events:
        assert item.seq == draft.seq + 1, f"event {item.seq} folded after {draft.seq}"
        _apply(draft, item)
        _remember(draft, item)
        draft.seq, draft.head_sha256 = item.seq, item.sha256
    return draft.state


class Folding:
    """A fold of verified lines as they are read: `state` is what is true after those it took, which it does not keep.

    Lines up to the event of the first state, and behind `until`, are passed over.
    """

    def __init__(self, state: RegistryState, *, until: int | None = None) -> None:
        """Begin with a state."""
        self.state, self._until = state, until

    def take(self, lines: Iterable[Line]) -> None:
        """Fold some lines, which follow those before. Raises RunsRootInvalid at an event that is not known here."""
        seq, until = self.state.seq, self._until
        self.state = fold(
            self.state, (recorded(line) for line in lines if line.seq > seq and (until is None or line.seq <= until))
        )


def apply(state: RegistryState, item: Recorded) -> RegistryState:
    """Return the state after one event."""
    return fold(state, (item,))


def project(events: Iterable[Recorded]) -> RegistryState:
    """Return the state after a whole journal, or a prefix of it."""
    return fold(RegistryState(), events)


def _remember(draft: _Draft, item: Recorded) -> None:
    """Keep the latest keys. That of a run's commit is not kept: the run itself answers it."""
    if item.key is None or isinstance(item.event, facts.RunCommitted):
        return
    draft.keys[item.key] = KeyEntry(
        key=item.key, seq=item.seq, sha256=item.sha256, type=item.event.TYPE, identity=list(identity(item.event))
    )
    if len(draft.keys) > KEYS_MAX:
        del draft.keys[next(iter(draft.keys))]


def _apply(draft: _Draft, item: Recorded) -> None:
    event = item.event
    match event:
        case facts.JournalOpened():
            draft.journal_id = event.journal_id
        case facts.SegmentOpened() | facts.TailQuarantined() | facts.JournalRecovered():
            pass  # they change where facts are kept, not what is true
        case facts.IngestStarted():
            draft.ingests[event.ingest] = IngestEntry(
                ingest=event.ingest, seq=item.seq, started=item.time, files=event.files, by=event.by
            )
        case facts.IngestParsed() | facts.IngestValidated():
            pass  # steps of an ingest that is still under way
        case facts.DatasetStored():
            draft.ingests.pop(event.ingest, None)
            _store_dataset(draft, item, event)
        case facts.IngestRejected():
            draft.ingests.pop(event.ingest, None)
            draft.rejected += 1
        case facts.RunCommitted():
            _commit_run(draft, item, event)
        case facts.RunRejected():
            draft.rejected += 1
        case facts.OrphanQuarantined():
            draft.orphans.append(event.name)
        case facts.DatasetReclaimed():
            draft.datasets.pop(event.dataset_id, None)
        case facts.StorageReclaimed():
            if event.kind == "orphans":
                given_up = frozenset(event.names)
                draft.orphans[:] = [name for name in draft.orphans if name not in given_up]
        case (
            facts.RunVerified()
            | facts.RunAnnotated()
            | facts.RunArchived()
            | facts.RunRestored()
            | facts.RunReclaimed()
        ):
            found = draft.run(event.run_id)
            if found is not None:
                draft.runs[event.run_id] = msgspec.structs.replace(found, **_changes(found, event, item.time))
        case facts.BuildRequested():
            draft.builds[event.job] = BuildEntry(seq=item.seq, requested=item.time, **msgspec.structs.asdict(event))
        case facts.BuildStarted() | facts.BuildCancelRequested() | facts.BuildFinished() | facts.BuildFailed():
            _change_build(draft, item, event)
        case facts.SweepPlanned():
            draft.sweeps[event.sweep] = SweepEntry(seq=item.seq, planned=item.time, **msgspec.structs.asdict(event))
        case facts.SweepFinished():
            _finish_sweep(draft, item, event)
        case facts.KillSwitchEngaged():
            draft.switch[event.source] = SwitchEntry(seq=item.seq, since=item.time, **msgspec.structs.asdict(event))
        case facts.KillSwitchReleased():
            draft.switch.pop(event.source, None)
        case _:
            assert_never(event)


def _change_build(
    draft: _Draft,
    item: Recorded,
    event: facts.BuildStarted | facts.BuildCancelRequested | facts.BuildFinished | facts.BuildFailed,
) -> None:
    """Change a build that has not ended; what comes after its end changes nothing."""
    found = draft.builds.get(event.job)
    if found is None or not found.open:
        return
    members: dict[str, Any]
    match event:
        case facts.BuildStarted():
            members = {"status": "running", "started": item.time, "worker": event.owner}
        case facts.BuildCancelRequested():
            members = {"cancelled_by": event.by}
        case facts.BuildFinished():
            told = {name: getattr(event, name) for name in ("run_id", "dataset_id", "existed")}
            members = {"status": "succeeded", "ended": item.time, **told}
        case facts.BuildFailed():
            told = {name: getattr(event, name) for name in ("code", "message", "hint", "details")}
            members = {"status": "failed", "ended": item.time, **told}
        case _:
            assert_never(event)
    draft.builds[event.job] = msgspec.structs.replace(found, **members)
    if len(draft.builds) > BUILDS_MAX:
        _forget_build(draft.builds)


def _forget_build(builds: dict[str, BuildEntry]) -> None:
    """Forget the oldest build that has ended, if any has."""
    ended = next((job for job, build in builds.items() if not build.open), None)
    if ended is not None:
        del builds[ended]


def _finish_sweep(draft: _Draft, item: Recorded, event: facts.SweepFinished) -> None:
    found = draft.sweeps.get(event.sweep)
    if found is not None:
        told = {name: getattr(event, name) for name in ("made", "existed", "failed", "failures")}
        draft.sweeps[event.sweep] = msgspec.structs.replace(found, finished=item.time, **told)


def _changes(
    found: Row,
    event: facts.RunVerified | facts.RunAnnotated | facts.RunArchived | facts.RunRestored | facts.RunReclaimed,
    time: str,
) -> dict[str, Any]:
    """Return the members of a run's row that an event about it changes."""
    match event:
        case facts.RunVerified():
            hidden = found.state in ("archived", "reclaimed")
            state = found.state if hidden else _listed(event.verdict)
            return {"verdict": event.verdict, "verified_at": time, "state": state}
        case facts.RunAnnotated():
            tags = UNSET if event.tags is UNSET else tuple(event.tags)
            members = {"name": event.name, "notes": event.notes, "tags": tags}
            return {name: value for name, value in members.items() if value is not UNSET}
        case facts.RunArchived():
            return {"state": "archived", "why": event.why}
        case facts.RunRestored():
            return {"state": _listed(found.verdict), "why": None}
        case facts.RunReclaimed():
            return {"state": "reclaimed", "reclaimed": found.reclaimed + 1}
        case _:
            assert_never(event)


def _listed(verdict: str | None) -> str:
    """A run whose stored bytes were found changed is damaged until a later check finds them whole."""
    return "damaged" if verdict == "damaged" else "committed"


def _commit_run(draft: _Draft, item: Recorded, event: facts.RunCommitted) -> None:
    before = draft.run(event.run_id)
    draft.runs.pop(event.run_id, None)  # one that was given up and is made again comes last
    draft.runs[event.run_id] = committed(
        event, seq=item.seq, created=item.time, reclaimed=0 if before is None else before.reclaimed
    )
    sweep = None if event.job is None else draft.sweeps.get(event.job)
    if sweep is not None:
        draft.sweeps[sweep.sweep] = msgspec.structs.replace(sweep, committed=sweep.committed + 1, last=item.time)


def _store_dataset(draft: _Draft, item: Recorded, event: facts.DatasetStored) -> None:
    known = draft.datasets.get(event.dataset_id)
    symbols = list(known.symbols) if known else []
    if event.symbol is not None and event.symbol not in symbols:
        symbols.append(event.symbol)
    sources = list(known.sources) if known else []
    source = _source_sha256(event.source)
    if source not in sources:
        sources.append(source)
    if known:
        draft.datasets[event.dataset_id] = msgspec.structs.replace(known, symbols=symbols, sources=sources)
        return
    draft.datasets[event.dataset_id] = DatasetEntry(
        dataset_id=event.dataset_id,
        seq=item.seq,
        created=item.time,
        base_timeframe=event.base_timeframe,
        rows=event.rows,
        first_ts=event.first_ts,
        last_ts=event.last_ts,
        gaps=event.gaps,
        filled=event.filled,
        symbols=symbols,
        sources=sources,
        source=event.source,
    )


def _source_sha256(source: Mapping[str, Any]) -> str:
    """Return what tells one source from another: the hash of the file, or of the hashes of several."""
    whole: str | None = source.get("sha256")
    return whole or digest_of([each["sha256"] for each in source.get("files", ())])
