"""The journal as the rest of Buff uses it: open, append under the lock, follow what others append.

Events go in and come out again as facts with a seq and a hash, each exactly once and in order, never one that is not
acknowledged. Every writer enters the same way: look at HEAD, take in what others appended, and recover by the decision
table when anything is not as HEAD says. Nothing here syncs or renames by itself (`writer.py`), judges damage
(`recovery.py`) or knows what an event means.
"""

import contextlib
import errno
import os
import secrets
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
from attrs import evolve

from buff.errors import BuffError, JournalCorrupt, KeyConflict, LimitExceeded, RunsRootInvalid
from buff.files import NO_SPACE, Disk
from buff.journal.chain import follow
from buff.journal.codec import encode_all
from buff.journal.events import Event, JournalOpened, JournalRecovered, RunCommitted, SegmentOpened, TailQuarantined
from buff.journal.group import Group, Prepare, Request
from buff.journal.head import START, Head, Position
from buff.journal.line import (
    BATCH_BYTES_MAX,
    BATCH_LINES_MAX,
    SEGMENT_BYTES_MAX,
    Line,
    LineInvalid,
    digest_of,
    form,
    parse,
)
from buff.journal.lock import Lock
from buff.journal.reader import Reading, advance, corrupt, read, refusal, unreadable
from buff.journal.record import Acceptance, Answer, Entry, Receipt, Recorded, Resume, identity, recorded
from buff.journal.recovery import LOSSES, Action, Row, decide
from buff.journal.survey import (
    FOLDER,
    Claimed,
    Findings,
    Flaw,
    Unreadable,
    facts,
    file_size,
    locate,
    read_head,
    read_index,
    segment_path,
    survey,
)
from buff.journal.writer import Batch, Writer, batch_of, failure

__all__ = ["Entry", "Hold", "Journal", "Listener", "Position", "Reading", "Receipt", "Recorded", "read"]

# What must accept a rename to and from the root, because runs, orphans and datasets are moved that way.
BESIDE = (FOLDER, "_staging", "_orphans", "_datasets")

Listener = Callable[[Sequence[Recorded]], None]
_Item = tuple[Event, str | None]  # what is to be recorded, and its key


class Journal:
    """One process's way into the journal of one root. Threads may share it; they take turns."""

    def __init__(
        self,
        disk: Disk,
        root: str,
        *,
        lock: Lock,
        writer: Writer,
        clock: Callable[[], str],
        listener: Listener,
        natural: Callable[[str], Answer | None],
        lock_timeout_seconds: float,
        segment_bytes_max: int,
    ) -> None:
        """Know nothing yet: `open` enters and learns."""
        self.journal_id = ""
        self._disk = disk
        self._root = root
        self._lock = lock
        self._writer = writer
        self._clock = clock
        self._listener = listener
        self._natural = natural
        self._timeout_seconds = lock_timeout_seconds
        self._group = Group(lock, timeout_seconds=lock_timeout_seconds)
        self._segment_bytes_max = segment_bytes_max
        self._position = START
        self._delivered = 0  # seq up to which the listener was told
        self._answers: dict[str, Answer] = {}
        self._sure = False  # whether what we know was so when we last looked; if not, the next enter is slow
        self._closed = False

    @classmethod
    def open(
        cls,
        disk: Disk,
        root: str,
        *,
        clock: Callable[[], str],
        boot: str,
        holder: Mapping[str, object],
        listener: Listener,
        resume: Resume | None = None,
        natural: Callable[[str], Answer | None] = lambda _: None,
        lock_timeout_seconds: float = 10.0,
        create: bool = True,
        new_id: Callable[[], str] = lambda: f"jrn_{secrets.token_hex(8)}",
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
        repair: bool = False,
        accept: Acceptance | None = None,
    ) -> "Journal":
        """Open the journal of an existing root for writing: recover it as the decision table says, or make it.

        `clock` gives the time of an event, `boot` is the running kernel's boot id, `holder` says for people who holds
        the lock. `listener` gets every acknowledged event exactly once and in order, also those of other processes:
        all of them, or those behind `resume`, what is known of the journal's beginning. `natural` answers keys that the
        listener's own state knows.
        `create=False` refuses a root without a journal. `new_id` names a new journal. A batch that would make its
        segment larger than `segment_bytes_max` begins a new one. `repair=True` also sets aside a torn tail when no HEAD
        says that it was never acknowledged (row R10). `accept` goes on although acknowledged events
        are gone (rows R03, R07, R08).

        Raises RunsRootInvalid, JournalCorrupt, JournalLockTimeout, StorageUnreadable, StorageFull, RegistryWriteFailed.
        """
        _prepare(disk, root, create=create)
        journal = cls(
            disk,
            root,
            lock=_lock_of(disk, root, holder),
            writer=Writer(disk, root, boot=boot),
            clock=clock,
            listener=listener,
            natural=natural,
            lock_timeout_seconds=lock_timeout_seconds,
            segment_bytes_max=segment_bytes_max,
        )
        _JOURNALS.add(journal)
        try:
            with journal._lock.held(lock_timeout_seconds):
                _probe(disk, root)
                if resume is not None:
                    journal._take_up(resume)
                journal._enter(new_id=new_id if create else None, repair=repair, accept=accept)
        except BaseException:
            journal.close()
            raise
        return journal

    @property
    def position(self) -> Position:
        """How far this process has verified the journal: never beyond HEAD."""
        return self._position

    def append(
        self,
        entries: Sequence[Entry],
        *,
        prepare: Prepare | None = None,
        timeout_seconds: float | None = None,
    ) -> tuple[Receipt, ...]:
        """Record a group of events as one batch with one sync, under the lock; see `Hold.append`.

        Groups that threads ask for at the same time share a batch; a failed write fails all of them. `prepare` is done
        under the lock before anything is written: what it returns is recorded with the group, and when it raises only
        this group fails. It knows nothing of what others in the batch are about to record. Raises JournalLockTimeout
        when nothing could be begun in time: then nothing was recorded.
        """
        assert not self._closed, "the journal is closed"
        request = Request(entries, prepare)
        wait_seconds = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        self._group.submit(request, self._serve, wait_seconds)
        return request.receipts

    @contextlib.contextmanager
    def exclusive(self, timeout_seconds: float | None = None) -> Iterator["Hold"]:
        """Hold the journal's lock, having taken in everything that others appended.

        A thread that holds the journal may not ask for it again. Raises what `open` raises.
        """
        assert not self._closed, "the journal is closed"
        with self._lock.held(self._timeout_seconds if timeout_seconds is None else timeout_seconds):
            self._enter()
            yield Hold(self)

    def refresh(self) -> None:
        """Take in what others appended, up to HEAD, without the lock. Raises JournalCorrupt, StorageUnreadable."""
        if self._lock.held_here:
            return
        with self._lock.threads(self._timeout_seconds):
            head = read_head(self._disk, self._root).current
            if head is None or head.seq <= self._position.seq:
                return  # nothing new, or HEAD lags what we know to be durable
            try:
                flaw = advance(self._disk, self._root, self._position, head.position, self._deliver)
            except Unreadable as error:
                raise unreadable(error) from error
            if flaw is not None:
                raise corrupt(flaw)
            self._position = head.position

    def sync_head(self) -> None:
        """Make HEAD durable, as it must be before anything that names a position is. Raises RegistryWriteFailed."""
        with self.exclusive():
            self._writer.sync_head()

    def close(self) -> None:
        """Give back what is held. Closing twice is the same as once."""
        if self._closed:
            return
        self._closed = True
        self._group.close()
        self._writer.close()
        _JOURNALS.discard(self)
        if all(other._lock is not self._lock for other in list(_JOURNALS)):
            self._lock.close()

    def after_fork(self) -> None:
        """Forget, in the child of a fork, what belongs to the parent: lock, open files, waiting requests."""
        self._lock.after_fork()
        self._group.after_fork()
        self._writer.after_fork()
        self._sure = False

    # Entering: always under the lock

    def _take_up(self, resume: Resume) -> None:
        """Begin where all before is known. Whether HEAD vouches for what follows is looked at as always."""
        self.journal_id = self._writer.journal = resume.journal_id
        self._position = resume.position
        self._delivered = resume.position.seq
        self._answers = dict(resume.answers)
        self._sure = True

    def _enter(
        self,
        *,
        new_id: Callable[[], str] | None = None,
        repair: bool = False,
        accept: Acceptance | None = None,
    ) -> None:
        head = self._writer.look()
        if not (self._sure and head is not None and self._follow(head)):
            self._sure = False
            self._recover(head, new_id, repair, accept)
            self._sure = True

    def _follow(self, head: Head) -> bool:
        """Take in what others appended, when the journal is as HEAD says. False asks for a closer look."""
        try:
            if file_size(self._disk, segment_path(self._root, head.segment)) != head.offset:
                return False
            if self._disk.exists(segment_path(self._root, head.seq + 1)):
                return False
            if head.position == self._position:
                return True
            if head.seq < self._position.seq:
                return False  # what we know to be durable lies beyond HEAD
            flaw = advance(self._disk, self._root, self._position, head.position, self._deliver)
        except Unreadable:
            return False
        if flaw is None:
            self._position = head.position
        return flaw is None

    def _recover(
        self, head: Head | None, new_id: Callable[[], str] | None, repair: bool, accept: Acceptance | None
    ) -> None:
        """Gather the facts, decide, apply, and only then take in what HEAD did not vouch for."""
        pending: list[Line] = []
        limit = head.seq if head is not None else 0

        def receive(lines: Sequence[Line]) -> None:
            within = max(min(limit - lines[0].seq + 1, len(lines)), 0)
            self._deliver(lines[:within])
            pending.extend(lines[within:])

        index = read_index(self._disk, self._root)
        known = Claimed(journal=self.journal_id or None, seq=self._position.seq, sha256=self._position.sha256)
        claims = (head, index, known)
        findings = survey(
            self._disk,
            self._root,
            since=min(self._position.seq, self._position.seq if head is None else head.seq),
            known=self._position,
            claimed={claim.seq for claim in claims if claim is not None},
            receive=receive,
        )
        row = decide(facts(self._disk, self._root, findings, head=head, index=index, receipt=known))
        if accept is not None and row.name in LOSSES:
            self._accept(accept, row, findings, claims, pending, new_id)
            return
        action = Action.SUPERSEDE if repair and row.name == "R10" else row.action
        if action is Action.REFUSE:
            raise refusal(row, findings)
        if action is Action.CREATE and new_id is None:
            raise RunsRootInvalid("this root holds no journal", hint="create a run, or give the root that holds them")
        try:
            self._apply(action, findings, head, pending, new_id)
        except OSError as error:
            done = "made" if action is Action.CREATE else "recovered"
            raise failure(error, f"the journal could not be {done}") from error
        if head is None and action in (Action.ADOPT, Action.CARRY):
            self._write([(JournalRecovered(reason="there was no valid HEAD"), None)])

    def _accept(
        self,
        accept: Acceptance,
        row: Row,
        findings: Findings,
        claims: Sequence[Head | Claimed | None],
        pending: Sequence[Line],
        new_id: Callable[[], str] | None,
    ) -> None:
        """Go on from what is whole as if nobody had said that there was more, and record who accepted that.

        What records it is in the new segment from its birth; only then HEAD is replaced and the index removed. After a
        crash on the way the journal is refused again as before, or the loss stands in it.
        """
        if findings.end.seq != accept.kept:
            raise JournalCorrupt(
                f"the journal is whole up to event {findings.end.seq}, not {accept.kept}: nothing was done",
                hint=f"look at the plan again; `--accept-loss {findings.end.seq}` would go on from there",
                details={"row": row.name, "seq": findings.end.seq},
            )
        found = facts(self._disk, self._root, findings, head=None, index=None, receipt=None)
        again = decide(evolve(found, has_runs=False))
        action = Action.SUPERSEDE if again.name == "R10" else again.action
        if action is Action.REFUSE:
            raise refusal(again, findings)
        recovered = JournalRecovered(
            reason=row.says,
            claimed=max(claim.seq for claim in claims if claim is not None),
            kept=accept.kept,
            who=accept.who,
            why=accept.why,
        )
        try:
            self._writer.disown_head()
            self._apply(action, findings, None, pending, new_id, also=(recovered,))
            self._writer.remove_index()
        except OSError as error:
            raise failure(error, "the journal could not be recovered") from error

    def _apply(
        self,
        action: Action,
        findings: Findings,
        head: Head | None,
        pending: Sequence[Line],
        new_id: Callable[[], str] | None,
        *,
        also: Sequence[Event] = (),
    ) -> None:
        """Do what the table says; `also` is recorded in the segment that comes of it, with its first bytes."""
        self._writer.settle()
        match action:
            case Action.CREATE:
                assert new_id is not None, "only `open` creates"
                draft = self._begin(new_id() if head is None else head.journal, also)
                self._position = self._writer.new_segment(draft.batch, after=None)
                self._tell(draft.events)
                return
            case Action.SUPERSEDE:
                self._learn(findings)
                draft = self._supersede(findings, also)
                end = self._writer.new_segment(draft.batch, after=findings.end.segment)
                self._deliver(pending, draft.events)
            case Action.CARRY if also:
                self._learn(findings)
                draft = self._draft(findings.end, [(event, None) for event in also])
                batch = batch_of(findings.last_batch, draft.batch)
                end = self._writer.new_segment(batch, after=findings.end.segment)
                self._deliver(pending, draft.events)
            case Action.CARRY:
                self._learn(findings)
                end = self._writer.new_segment(batch_of(findings.last_batch), after=findings.end.segment)
                self._deliver(pending)
            case Action.ADOPT if also:
                self._learn(findings)
                draft = self._draft(findings.end, [(event, None) for event in also])
                end = self._writer.new_segment(draft.batch, after=findings.end.segment)
                self._deliver(pending, draft.events)
            case Action.ADOPT:
                self._learn(findings)
                end = findings.end
                self._writer.acknowledge(end, durable=True)
                self._deliver(pending)
            case _:
                self._learn(findings)
                end = findings.end
        self._position = end

    def _learn(self, findings: Findings) -> None:
        assert findings.journal is not None, "a journal that is whole has an id"
        self.journal_id = self._writer.journal = findings.journal

    def _begin(self, journal: str, also: Sequence[Event]) -> "_Draft":
        self.journal_id = self._writer.journal = journal
        # A HEAD that names nothing would take the place of the one that speaks of the loss, before that is recorded.
        self._writer.begin(head=not also)
        return self._draft(START, [(event, None) for event in (JournalOpened(journal_id=journal), *also)])

    def _supersede(self, findings: Findings, also: Sequence[Event]) -> "_Draft":
        end = findings.end
        size = findings.size - end.offset
        torn = self._disk.read(segment_path(self._root, end.segment), end.offset, size)
        content = self._writer.quarantine(torn, end.segment, end.offset)
        event = TailQuarantined(segment=f"{end.segment:020d}", offset=end.offset, size=size, content=content)
        return self._draft(end, [(each, None) for each in (event, *also)])

    # Appending

    def _serve(self, requests: Sequence[Request]) -> None:
        """Record what several callers ask for as one batch, under the lock; each request ends by itself.

        Raises what fails all that have not ended.
        """
        self._enter()
        hold, batch = Hold(self), _Batch(self)
        for request in requests:
            try:
                if request.prepare is not None:
                    request.entries = (*request.entries, *(request.prepare(hold) or ()))
                batch.add(request)
            except Exception as error:
                request.fail(error)
        try:
            batch.write()
        except (LimitExceeded, ValueError):
            if not self._sure:
                raise
            # One of them asks for too much, or all together do. Nothing was written: let each stand for itself.
            for request in batch.requests:
                self._serve_alone(request)

    def _serve_alone(self, request: Request) -> None:
        batch = _Batch(self)
        try:
            batch.add(request)
            batch.write()
        except (BuffError, ValueError) as error:
            request.fail(error)

    def _write(self, items: Sequence[_Item]) -> list[Recorded]:
        """Append one batch at our position, rotating first when the segment is full; return its events."""
        draft = self._draft(self._position, items)
        try:
            if self._position.offset + len(draft.batch.data) > self._segment_bytes_max:
                self._rotate()
                draft = self._draft(self._position, items)
            self._position = self._writer.append(draft.batch, self._position)
        except BaseException:
            # Whatever happened, the next enter looks at the journal itself and trusts nothing we remember.
            self._sure = False
            self._writer.forget()
            raise
        self._tell(draft.events)
        return draft.events

    def _rotate(self) -> None:
        draft = self._draft(self._position, [(SegmentOpened(), None)])
        try:
            self._position = self._writer.new_segment(draft.batch, after=self._position.segment)
        except OSError as error:
            raise failure(error, "a new segment could not be made; nothing was recorded") from error
        self._tell(draft.events)

    def _draft(self, start: Position, items: Sequence[_Item]) -> "_Draft":
        """Return one batch behind `start`, read back from its own bytes. Raises LimitExceeded."""
        time, prev = self._clock(), start.sha256
        first, last = start.seq + 1, start.seq + len(items)
        raws, events = [], []
        for seq, (event, key), (data, fact) in zip(
            range(first, last + 1), items, encode_all([event for event, _ in items]), strict=True
        ):
            try:
                raw = form(seq=seq, prev=prev, first=first, last=last, time=time, type=event.TYPE, key=key, data=data)
            except LineInvalid as error:
                raise _unrecordable(event, error) from error
            prev = digest_of(raw)
            raws.append(raw)
            events.append(Recorded(seq=seq, time=time, event=fact, sha256=prev, key=key))
        batch = Batch(
            data=b"".join(raws),
            first=first,
            last=last,
            sha256=prev,
            commits=any(isinstance(event, RunCommitted) for event, _ in items),
        )
        _read_back(start, batch, raws, items)
        return _Draft(batch=batch, events=events)

    def _answer(self, key: str) -> Answer | None:
        return self._answers.get(key) or self._natural(key)

    def _receipt(self, answer: Answer) -> Receipt:
        digest = answer.sha256 if answer.sha256 is not None else self._digest(answer.seq)
        return Receipt(journal_id=self.journal_id, seq=answer.seq, sha256=digest)

    def _digest(self, seq: int) -> str:
        """Return the hash of an event that was recorded before. Raises JournalCorrupt, StorageUnreadable."""
        try:
            found = locate(self._disk, self._root, seq)
        except Unreadable as error:
            raise unreadable(error) from error
        if found is None:
            raise corrupt(Flaw(segment=FOLDER, offset=0, says=f"event {seq} cannot be found"))
        return found[1].sha256

    def _deliver(self, lines: Sequence[Line], behind: Sequence[Recorded] = ()) -> None:
        """Tell the listener of every line it was not told of yet, and of the events behind them."""
        self._tell([*(recorded(line) for line in lines if line.seq > self._delivered), *behind])

    def _tell(self, fresh: Sequence[Recorded]) -> None:
        """Tell the listener of events it was not told of yet. They are acknowledged, whatever comes next."""
        if not fresh:
            return
        for item in fresh:
            if item.key is not None:
                self._answers[item.key] = Answer(
                    seq=item.seq, sha256=item.sha256, type=item.event.TYPE, identity=identity(item.event)
                )
        self._delivered = fresh[-1].seq
        self._listener(fresh)
        # What the listener's own state answers by now is not kept twice: it would be an answer for every run there is.
        for item in fresh:
            if isinstance(item.event, RunCommitted) and item.key is not None and self._natural(item.key) is not None:
                self._answers.pop(item.key, None)


class Hold:
    """The journal while its lock is held: nobody else appends."""

    def __init__(self, journal: Journal) -> None:
        """Made by `Journal.exclusive`."""
        self._journal = journal

    def append(self, entries: Sequence[Entry]) -> tuple[Receipt, ...]:
        """Record a group of events as one batch with one sync; return a receipt for each, in order.

        A group whose keys are all known is not recorded again: the stored receipts come back. Equal keys inside a group
        share one event. Raises KeyConflict when a key was used for other facts or only some keys are known,
        LimitExceeded, StorageFull and LockBroken (not recorded), RegistryWriteFailed (perhaps recorded: ask again with
        the same keys).
        """
        request, batch = Request(entries), _Batch(self._journal)
        batch.add(request)
        batch.write()
        return request.receipts


class _Batch:
    """What is to be written at once, and who asked for which part of it."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._items: list[_Item] = []
        self._places: dict[str, int] = {}  # of the keys among the items
        self._asked: list[tuple[Request, list[int | Answer]]] = []

    @property
    def requests(self) -> list[Request]:
        """Those who wait for it."""
        return [request for request, _ in self._asked]

    def add(self, request: Request) -> None:
        """Take in a request, as if those before it were recorded already. Raises KeyConflict."""
        if not self._journal._sure:
            # An append failed earlier in this hold, and may have been recorded all the same: look before asking again.
            self._journal._enter()
        entries, found = request.entries, list[int | Answer]()
        if [entry.key for entry in entries].count(None) == len(entries):  # nothing that could be known or shared
            found += range(len(self._items), len(self._items) + len(entries))
            self._items += [(entry.event, None) for entry in entries]
        elif (stored := _stored(self._known, entries)) is None:
            items, places = _share(entries)
            found = [len(self._items) + place for place in places]
            for entry, place in zip(entries, places, strict=True):
                if entry.key is not None:
                    self._places[entry.key] = len(self._items) + place
            self._items += items
        else:
            found = [self._places.get(key, answer) for key, answer in stored]
        self._asked.append((request, found))

    def write(self) -> None:
        """Write it and answer everybody. Raises what `Hold.append` raises."""
        journal = self._journal
        if not journal._sure:
            journal._enter()  # what a `prepare` recorded by itself failed
        events = journal._write(self._items) if self._items else []
        fresh = [Receipt(journal_id=journal.journal_id, seq=item.seq, sha256=item.sha256) for item in events]
        for request, found in self._asked:
            request.answer(tuple([fresh[each] if isinstance(each, int) else journal._receipt(each) for each in found]))

    def _known(self, key: str) -> Answer | None:
        place = self._places.get(key)
        if place is None:
            return self._journal._answer(key)
        event = self._items[place][0]
        return Answer(seq=0, sha256=None, type=event.TYPE, identity=identity(event))


class _Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A batch to be written and its events, which its lines hold byte for byte."""

    batch: Batch
    events: list[Recorded]


def _read_back(start: Position, batch: Batch, raws: Sequence[bytes], items: Sequence[_Item]) -> None:
    """Read a batch as a reader will, so that nothing is written that could not be read. Raises LimitExceeded."""
    size = len(batch.data)
    if len(raws) > BATCH_LINES_MAX or size > BATCH_BYTES_MAX:
        raise LimitExceeded(
            f"{len(raws)} events of {size} bytes are more than one batch may hold",
            hint=f"record at most {BATCH_LINES_MAX} events and {BATCH_BYTES_MAX} bytes at once",
            details={"events": len(raws), "size_bytes": size},
        )
    if len(raws) > 1 and follow(batch.data, start).end == batch.end(start.segment, start.offset):
        return
    for raw, (event, _) in zip(raws, items, strict=True):
        _parse_back(raw, event)
    assert len(raws) == 1, "lines that are each valid and do not follow one another were formed wrongly"


def _parse_back(raw: bytes, event: Event) -> None:
    try:
        parse(raw)
    except LineInvalid as error:
        raise _unrecordable(event, error) from error


def _unrecordable(event: Event, error: LineInvalid) -> LimitExceeded:
    return LimitExceeded(
        f"an event {event.TYPE} cannot be recorded: {error}",
        hint="keep large or unusual values in a file and let the event carry its hash",
        details={"type": event.TYPE},
    )


def _stored(known: Callable[[str], Answer | None], entries: Sequence[Entry]) -> list[tuple[str, Answer]] | None:
    """Return the keys and answers of a group that was recorded before, None when none of it was. Raises KeyConflict."""
    found = [None if entry.key is None else known(entry.key) for entry in entries]
    if not any(found):
        return None
    stored = []
    for entry, answer in zip(entries, found, strict=True):
        if answer is None or entry.key is None:
            raise _conflict(entry, "a part of the group was recorded before and this part was not")
        if answer.type != entry.event.TYPE or answer.identity != identity(entry.event):
            where = f"event {answer.seq}" if answer.seq else "an event that is being recorded"
            raise _conflict(entry, f"it names {where}, which says something else")
        stored.append((entry.key, answer))
    return stored


def _share(entries: Sequence[Entry]) -> tuple[list[_Item], list[int]]:
    """Return what to write, one event for each key however often the group names it, and each entry's place in it.

    Raises KeyConflict when the group uses a key for two things.
    """
    items: list[_Item] = []
    places: list[int] = []
    place_of: dict[str, int] = {}
    for entry in entries:
        place = len(items) if entry.key is None else place_of.setdefault(entry.key, len(items))
        places.append(place)
        if place == len(items):
            items.append((entry.event, entry.key))
            continue
        event = items[place][0]
        if (event.TYPE, identity(event)) != (entry.event.TYPE, identity(entry.event)):
            raise _conflict(entry, "the same group uses it for something else")
    return items, places


def _conflict(entry: Entry, says: str) -> KeyConflict:
    return KeyConflict(
        f"key {entry.key!r} of an event {entry.event.TYPE} was used before: {says}",
        hint="use one key for one fact, and repeat a group as it was",
        details={"key": entry.key, "type": entry.event.TYPE},
    )


# Opening


def _prepare(disk: Disk, root: str, *, create: bool) -> None:
    """Make the journal's folder when it is not there. Raises RunsRootInvalid, StorageFull."""
    folder = os.path.join(root, FOLDER)
    try:
        if create:
            disk.mkdir(folder)
        elif not disk.is_directory(folder):
            raise RunsRootInvalid("this root holds no journal", hint="create a run, or give the root that holds them")
    except FileExistsError:
        pass
    except OSError as error:
        raise _unusable(error) from error


def _probe(disk: Disk, root: str) -> None:
    """Move a file to and from every folder that runs are moved through: equal device numbers would prove nothing."""
    outside = os.path.join(root, ".probe")
    try:
        disk.close(disk.create(outside))
        for name in BESIDE:
            if disk.exists(os.path.join(root, name)):
                inside = os.path.join(root, name, ".probe")
                disk.rename(outside, inside)
                disk.rename(inside, outside)
        disk.unlink(outside)
    except OSError as error:
        raise _unusable(error) from error


def _unusable(error: OSError) -> BuffError:
    if error.errno in NO_SPACE:
        return failure(error, "the runs root could not be opened for writing")
    hints = {
        errno.ENOENT: "make the directory first",
        errno.ENOTDIR: "the runs root is a file: give a directory",
        errno.EXDEV: "keep the root and its folders on one file system: no mount points or links inside it",
    }
    return RunsRootInvalid(
        f"the runs root cannot be used for writing: {error.strerror}",
        hint=hints.get(error.errno or 0, "give a directory this user may write to; reading needs no such right"),
        details={"error": error.strerror or str(error)},
    )


def _lock_of(disk: Disk, root: str, holder: Mapping[str, object]) -> Lock:
    """Return the one lock of this root in this process: a second one would wait for the first for ever.

    Of a root that was moved or removed the lock may live on (an error that was caught keeps it), and the file system
    gives the numbers of what was removed to what is made next.
    """
    identity = disk.identity(root)
    lock = _LOCKS.get(identity)
    if lock is None or not lock.is_of(identity):
        lock = _LOCKS[identity] = Lock(disk, root, holder)
    return lock


def _after_fork() -> None:
    for journal in list(_JOURNALS):
        journal.after_fork()
    _LOCKS.clear()  # whoever opens the journal anew here gets a lock of this process


_LOCKS: "weakref.WeakValueDictionary[tuple[int, int], Lock]" = weakref.WeakValueDictionary()
_JOURNALS: "weakref.WeakSet[Journal]" = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
