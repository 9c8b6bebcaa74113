"""The journal's protocol as a small explicit-state model: a state in, every state that may follow out.

A state is what the disk shows and what it would keep, the writers with the steps they still have to take, one slow
reader, and the longest history anybody was promised. Whoever may take a step takes it, any process may be killed, any
write or sync may fail once, the power may go at any point and leave any part of what was not synced. The steps are
those of `buff.journal.writer` and `buff.journal.log`, in their order; what to do with a journal as it was found is
asked of the real decision table. `Rule` names what can be left out of the protocol, one at a time.

Nothing is read or written here. A batch is one event; an event's hash stands for all before it, so a history, the
tuple of events up to it, is its hash. An offset counts batches.
"""

import functools
import itertools
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from attrs import frozen

from buff.journal.recovery import Action, Body, Claim, Facts, Layout, Row, Tail, decide

History = tuple[str, ...]


class Rule(Enum):
    """A rule of the protocol that can be left out, with the place that states it."""

    BATCH_SYNC = "the batch is synced (17)"
    HEAD_AFTER_SYNC = "HEAD is written after the sync (17)"
    SEGMENT_SYNC = "a new segment is synced before its rename (17)"
    NAME_SYNC = "`_journal` is synced after the rename (17)"
    ROOT_SYNC = "RUNS_ROOT is synced at creation (17)"
    BOTH_SLOTS = "both HEAD slots are initialised (17)"
    HEAL = "a HEAD with a torn slot is made anew before its other slot is touched (17)"
    SLOW_PATH = "HEAD that is not the end of its file asks for a closer look (17)"
    CARRY = "the last batch beyond HEAD is carried, not trusted in place (17)"
    NEW_INODE = "a failed sync is followed by a new file, not by another sync (17)"
    NEXT_NAME = "a segment that HEAD does not know is looked for by its name (17)"
    SUPERSEDE = "the next segment's name ends the one before (17)"
    BOOT_MARK = "HEAD is marked with the running boot before anything is written (17)"
    BOUNDED_READERS = "readers stop at HEAD (17)"
    BOUNDED_INDEX = "the index stops at HEAD (17)"
    INDEX_AFTER_HEAD = "HEAD is synced before the index is written (17)"
    LOCK_UNTIL_HEAD = "the lock is held until HEAD is written (I1)"
    SETTLE = "names somebody else made are synced before they count (I7)"
    HEAD_AFTER_NAME = "HEAD names a new segment after `_journal` is synced (3)"
    HEAD_BIRTH_SYNC = "a new HEAD is synced before its rename (3)"
    HEAD_RENEWED = "a HEAD whose write or sync failed is made anew (I6)"
    HEAD_DURABLE = "HEAD is synced at commits and at every new segment (3)"
    JOURNAL_ID_KEPT = "a HEAD with seq 0 keeps its journal id (8)"
    HEAD_BEFORE_BATCH = "no batch is written while there is no HEAD (I5)"
    FORGET = "after an error nothing remembered is trusted (7)"


# The disk


class Kept(Enum):
    """What the disk would keep of bytes: all of it, perhaps, or perhaps even after later syncs say they saved it."""

    DURABLE = "durable"
    UNSYNCED = "unsynced"
    LOST = "lost"

    __hash__ = object.__hash__  # Enum's own hash is computed in Python each time


class Piece(NamedTuple):
    """The bytes of one batch in a segment. One that is not whole may hold valid lines of it; () are zeros."""

    history: History
    whole: bool
    kept: Kept


class Segment(NamedTuple):
    """A segment's file. `named`: its name is durable. `doomed`: a sync failed, and later ones save nothing (ext4)."""

    first: int
    named: bool
    doomed: bool
    pieces: tuple[Piece, ...]


class Position(NamedTuple):
    """A place between two events, as in `buff.journal.head`."""

    segment: int
    offset: int
    history: History


class Mark(NamedTuple):
    """What one slot of HEAD says, as `buff.journal.head.Head`."""

    gen: int
    boot: int
    journal: str
    position: Position


Slot = tuple[Mark | None, ...]  # versions since the last sync, the durable first, the visible last; None is not valid


class Head(NamedTuple):
    """A HEAD file. `doomed` as in a segment."""

    slots: tuple[Slot, Slot]
    doomed: bool


class Disk(NamedTuple):
    """What is under RUNS_ROOT. `folder`: the name of `_journal` is durable.

    `heads` and `indexes` are the files of that name since the directory's last sync, the visible one last: a rename
    that was not synced may be lost.
    """

    boot: int
    folder: bool
    segments: tuple[Segment, ...]
    heads: tuple[Head | None, ...]
    indexes: tuple[History, ...]


START = Position(1, 0, ())
EMPTY = Disk(boot=0, folder=False, segments=(), heads=(None,), indexes=((),))


def current(head: Head | None) -> Mark | None:
    """Return the slot that counts, as `Slots.current`."""
    marks = () if head is None else tuple(slot[-1] for slot in head.slots if slot[-1] is not None)
    return max(marks, key=lambda mark: mark.gen, default=None)


def torn(head: Head | None) -> bool:
    """Say whether a slot is not valid, as `Slots.torn`."""
    return head is not None and None in (head.slots[0][-1], head.slots[1][-1])


def extends(history: History, start: History) -> bool:
    """Say whether `history` begins with `start`."""
    return history[: len(start)] == start


# What a walk over the disk finds: `buff.journal.survey`


class Found(NamedTuple):
    """The findings of a survey: the end of the last whole batch, its segment's size and number of whole batches."""

    layout: Layout
    body: Body
    tail: Tail
    end: Position
    size: int
    batches: int


def survey(segments: tuple[Segment, ...], *, superseded: bool = True) -> Found:
    """Walk the segments as `survey.survey` does. `superseded=False` forgets that a name ends the segment before."""
    found = Found(Layout.OK, Body.OK, Tail.CLEAN, START, 0, 0)
    if not segments:
        return found._replace(layout=Layout.MISSING)
    if segments[0].first != 1:
        return found._replace(layout=Layout.BAD)
    for segment, after in itertools.zip_longest(segments, segments[1:]):
        following = None if after is None else after.first
        found = _walk(found, segment, following if superseded else None)
        if found.batches == 0 or (following is not None and found.tail is not Tail.CLEAN):
            return found._replace(body=Body.BAD)
        if found.layout is not Layout.OK or found.body is not Body.OK:
            return found
        if following is not None and len(found.end.history) != following - 1:
            return found._replace(layout=Layout.BAD)
    return found


def _walk(found: Found, segment: Segment, following: int | None) -> Found:
    """Take in one segment, as `_Surveyor._segment`."""
    history, at, broken = found.end.history, 0, False
    for piece in segment.pieces:
        if not piece.whole or len(history) + 1 == following:
            break
        if piece.history[:-1] != history:
            broken = True
            break
        history, at = piece.history, at + 1
    size = len(segment.pieces)
    found = found._replace(end=Position(segment.first, at, history), size=size, batches=at)
    # The tail rule: what valid lines there are belong to the batch that was being written.
    ours = all(len(piece.history) in (0, len(history) + 1) for piece in segment.pieces[at:])
    if following is not None:
        if len(history) != following - 1:
            return found._replace(layout=Layout.BAD) if at == size else found._replace(body=Body.BAD)
        return found if ours else found._replace(body=Body.BAD)
    if at == size:
        return found
    return found._replace(tail=Tail.BREAK if broken else Tail.TORN if ours else Tail.MIXED)


def claim(journal: str | None, said: History, found: Found) -> Claim:
    """Judge what somebody says, as `survey.claim`. `journal` None means any."""
    history = found.end.history
    if journal is not None and journal != (history[0] if history else None):
        return Claim.FOREIGN
    if len(said) > len(history):
        return Claim.AHEAD
    return Claim.OK if extends(history, said) else Claim.CONFLICT


def facts(found: Found, head: Mark | None, index: History, known: History) -> Facts:
    """Return the facts that the real table asks for, as `survey.facts`."""
    return Facts(
        layout=found.layout,
        body=found.body,
        tail=found.tail,
        head=Claim.NONE if head is None else claim(head.journal, head.position.history, found),
        head_zero=head is not None and not head.position.history,
        head_at_end=head is not None and head.position == found.end._replace(offset=found.size),
        index=claim(index[0], index, found) if index else Claim.NONE,
        receipt=claim(known[0] if known else None, known, found),
        born=found.batches == 1,
        has_runs=bool(index),
    )


_decide = functools.cache(decide)
_VIEWS_MAX = 200_000  # bounds the memory of a long search, not what it explores


def reaches(segments: tuple[Segment, ...], goal: Position) -> bool:
    """Say whether a walk from the start arrives exactly at `goal`, as `reader.advance`."""
    between = [segment for segment in segments if segment.first <= goal.segment]
    at = START
    for segment, after in itertools.zip_longest(between, between[1:]):
        if after is None:
            segment = segment._replace(pieces=segment.pieces[: goal.offset])
        until = len(goal.history) if after is None else after.first - 1
        found = _walk(Found(Layout.OK, Body.OK, Tail.CLEAN, at, 0, 0), segment, until + 1)
        at = found.end
        if len(at.history) != until:
            return False
    return at == goal


# The processes


class Step(NamedTuple):
    """One thing a writer still has to do. `value` is what with."""

    does: str
    value: object = None


Program = tuple[Step, ...]


class Writer(NamedTuple):
    """A process that writes.

    `done` counts its requests answered. `known` is how far it verified the journal and `sure` whether it may trust
    that, as in `Journal`. `headed` says whether it holds a HEAD it may update (`Writer._head`). `program` is what it
    still has to do.
    """

    done: int
    known: Position
    sure: bool
    headed: bool
    program: Program


FRESH = Writer(done=0, known=START, sure=False, headed=False, program=())


class Reader(NamedTuple):
    """A process that reads without the lock and takes its time between one look and the next."""

    at: str
    mark: Mark | None
    index: History = ()
    firsts: tuple[int, ...] = ()
    history: History = ()
    refused: bool = False


class State(NamedTuple):
    """Everything. `promised` is the longest history that was acknowledged, delivered or shown to anybody.

    `broken` says which invariant does not hold; such a state has no successors.
    """

    disk: Disk
    writers: tuple[Writer, ...]
    reader: Reader | None
    holder: int | None
    promised: History
    kills: int
    faults: int
    cuts: int
    reads: int
    broken: str


@frozen(kw_only=True)
class Bounds:
    """How much may happen.

    `requests` are those of each writer: a name is an event, one with `!` a run's commit, whose batch syncs HEAD, one
    with `+` too large for the segment, so that a new one is begun; `index` writes index.json, `close` ends the process
    and begins another. A writer asks again until it is answered. `kills`, `faults`, `cuts` and `reads` are how many
    processes die, writes and syncs fail, power cuts and slow readers there may be. `ext4`: a sync that failed dooms its
    file, otherwise only the range it should have saved (XFS, Btrfs). `copied`: the root is a copy that holds two events
    and no HEAD.
    """

    requests: tuple[tuple[str, ...], ...]
    kills: int = 0
    faults: int = 0
    cuts: int = 0
    reads: int = 0
    ext4: bool = True
    copied: bool = False


Move = tuple[str, State]


class View(NamedTuple):
    """What everybody can see of a disk: the row for a writer, the end of what is whole, and what a reader shows."""

    row: Row
    end: History
    shown: History
    headless: bool


class Protocol:
    """The protocol within bounds, with at most one rule left out."""

    def __init__(self, bounds: Bounds, *, without: Rule | None = None) -> None:
        self.bounds = bounds
        self.without = without
        self._views: dict[Disk, View] = {}
        self._steps = {
            "write": self._write,
            "finish": self._finish,
            "sync batch": self._sync_batch,
            "segment": self._segment,
            "sync folder": self._sync_folder,
            "sync root": self._sync_root,
            "put": self._put,
            "put whole": self._put_whole,
            "mark": self._mark,
            "sync HEAD": self._sync_head,
            "new HEAD": self._new_head,
            "sync new HEAD": self._sync_new_head,
            "unlock": self._unlock,
            "release": self._release,
            "index": self._index,
        }

    def start(self) -> State:
        """Return the first state: an empty folder, or a copy without HEAD."""
        disk = EMPTY
        if self.bounds.copied:
            pieces = tuple(Piece(("open", "old")[:count], True, Kept.DURABLE) for count in (1, 2))
            disk = disk._replace(folder=True, segments=(Segment(1, True, False, pieces),))
        bounds = self.bounds
        writers = tuple(FRESH for _ in bounds.requests)
        return State(disk, writers, None, None, (), bounds.kills, bounds.faults, bounds.cuts, bounds.reads, "")

    def moves(self, state: State) -> Iterator[Move]:
        """Yield every step anybody can take, in a fixed order, with what it is and the state after it."""
        if state.broken:
            return
        for index, writer in enumerate(state.writers):
            name = "abc"[index]
            if writer.program:
                for label, after in self._steps[writer.program[0].does](state, index, writer.program[0].value):
                    yield f"{name}: {label}", self._judge(after)
            elif self._wants(index, writer) == "close":
                for label, after in self._close(state, index):
                    yield f"{name}: {label}", self._judge(after)
            elif self._wants(index, writer) and state.holder is None:
                yield f"{name}: takes the lock", self._judge(self._look(state, index))
            if state.kills and (writer.program or writer.sure):
                yield f"{name}: is killed", self._killed(state, index)
        if state.reader is not None or state.reads:
            yield "reader", self._judge(self._read(state))
        if state.cuts:
            for disk in images(state.disk):
                yield "the power goes", self._judge(self._cut(state, disk))

    def _wants(self, index: int, writer: Writer) -> str:
        requests = self.bounds.requests[index]
        return requests[writer.done] if writer.done < len(requests) else ""

    # What must hold

    def view(self, disk: Disk) -> View:
        """Return what everybody can see of `disk`."""
        found = self._views.get(disk)
        if found is None:
            if len(self._views) == _VIEWS_MAX:
                self._views.clear()
            found = self._views[disk] = self._view(disk)
        return found

    def _view(self, disk: Disk) -> View:
        mark = current(disk.heads[-1])
        found = self._survey(disk.segments)
        row = _decide(facts(found, mark, disk.indexes[-1], ()))
        end = found.end.history
        shown: History = ()
        if mark is not None:
            # `reader.read`: up to HEAD, or to the end while no writer has been here since the power came back.
            if mark.boot != disk.boot or self.without is Rule.BOUNDED_READERS:
                shown = end
            elif self._reaches(disk.segments, mark.position):
                shown = mark.position.history
        headless = mark is None and bool(disk.segments) and not self.bounds.copied
        return View(row, end, shown, headless)

    def _judge(self, state: State) -> State:
        """Let a reader look, and say which invariant the state breaks."""
        if state.broken:
            return state
        view = self.view(state.disk)
        state = _promise(state, view.shown)
        if state.broken:
            return state
        if view.row.action is Action.REFUSE:
            return state._replace(broken=f"an honest state is refused: {view.row.name}, {view.row.says}")
        if not extends(view.end, state.promised):
            return state._replace(broken="promised events are lost or changed")
        if view.headless and state.promised:
            return state._replace(broken="no slot of HEAD is valid: a cut journal could not be told from this one")
        names = [event.partition("@")[0] for event in view.end if event[0] in "abc"]
        if len(set(names)) < len(names):
            return state._replace(broken="a request was recorded twice")
        return state

    def _survey(self, segments: tuple[Segment, ...]) -> Found:
        return survey(segments, superseded=self.without is not Rule.SUPERSEDE)

    def _reaches(self, segments: tuple[Segment, ...], goal: Position) -> bool:
        if self.without is Rule.SUPERSEDE:
            return extends(survey(segments, superseded=False).end.history, goal.history)
        return reaches(segments, goal)

    # Entering: `Journal._enter`, `_follow`, `_recover`, `_apply`; `Writer.look`, `settle`, `begin`

    def _look(self, state: State, index: int) -> State:
        """Take the lock and look at HEAD (`Writer.look`); mark it when it is torn or of another boot."""
        head = state.disk.heads[-1]
        mark = current(head)
        state = _with(state._replace(holder=index), index, headed=mark is not None)
        if mark is not None and torn(head) and self.without is not Rule.HEAL:
            value = (mark.position, mark.journal, "give up")
            return self._go(state, index, (Step("new HEAD", value), Step("enter")))
        if mark is not None and mark.boot != state.disk.boot and self.without is not Rule.BOOT_MARK:
            return self._go(state, index, (Step("mark"), Step("enter")))
        return self._enter(state, index)

    def _mark(self, state: State, index: int, _value: object) -> Iterator[Move]:
        """Write HEAD at its own position: in flight it is torn. A failure is the caller's."""
        mark = current(state.disk.heads[-1])
        assert mark is not None, "there is a HEAD to mark"
        yield from self._overwrite(state, index, mark.position, Step("give up"))

    def _enter(self, state: State, index: int) -> State:
        """Follow HEAD when everything is as it says, else look at the journal itself and recover."""
        writer, disk = state.writers[index], state.disk
        mark = current(disk.heads[-1])
        if writer.sure and mark is not None and self._follows(disk, writer, mark.position):
            return self._go(_with(state, index, known=mark.position), index, (Step("request"),))
        index_claim = disk.indexes[-1]
        found = self._survey(disk.segments)
        action = _decide(facts(found, mark, index_claim, writer.known.history)).action
        if action is Action.REFUSE:
            return state._replace(broken="a writer is refused an honest state")
        settle: Program = () if self.without is Rule.SETTLE else (Step("sync folder"),)
        program = (*settle, *self._recovery(state, index, action, found, mark), Step("request"))
        return self._go(_with(state, index, sure=False), index, program)

    def _follows(self, disk: Disk, writer: Writer, head: Position) -> bool:
        """Say whether the fast way will do (`Journal._follow`)."""
        sizes = {segment.first: len(segment.pieces) for segment in disk.segments}
        if self.without is not Rule.SLOW_PATH and sizes.get(head.segment) != head.offset:
            return False
        if self.without is not Rule.NEXT_NAME and len(head.history) + 1 in sizes:
            return False
        if not extends(head.history, writer.known.history):
            return False
        return head == writer.known or self._reaches(disk.segments, head)

    def _recovery(self, state: State, index: int, action: Action, found: Found, mark: Mark | None) -> Program:
        """Return what a row says to do (`Journal._apply`)."""
        end = found.end
        recovered: Program = () if mark is not None else (Step("write", self._event(state, index, "unknown")),)
        match action:
            case Action.CREATE:
                return self._creation(state, index, mark)
            case Action.SUPERSEDE:
                # The torn bytes were copied to quarantine/ first, which begins with a sync of `_journal`.
                batch = (*end.history, self._event(state, index, "torn"))
                return (Step("sync folder"), Step("segment", batch))
            case Action.CARRY if self.without is not Rule.CARRY:
                return (Step("segment", end.history), *recovered)
            case Action.CARRY | Action.ADOPT:
                return (Step("put", (end, True)), Step("learn", end), *recovered)
        return (Step("learn", end),)

    def _creation(self, state: State, index: int, mark: Mark | None) -> Program:
        opened = self._event(state, index, "open") if mark is None else mark.journal
        if self.without is Rule.JOURNAL_ID_KEPT and mark is not None:
            opened += "'"
        root: Program = () if self.without is Rule.ROOT_SYNC else (Step("sync root"),)
        head: Program = () if mark is not None else (Step("new HEAD", (START, opened, "give up")),)
        return (*root, *head, Step("segment", (opened,)))

    # Asking: `Hold.append`, `Journal._write`, `Store.write_index`

    def _request(self, state: State, index: int) -> Program:
        """Return what a writer does once it has entered and knows where the journal ends."""
        writer = state.writers[index]
        request = self.bounds.requests[index][writer.done]
        history = writer.known.history
        if request == "index":
            sync: Program = (Step("sync HEAD", (writer.known, "give up")),)
            return (
                *(() if self.without is Rule.INDEX_AFTER_HEAD else sync),
                Step("release", False),
                Step("index", history),
            )
        if any(event.partition("@")[0] == request for event in history):
            return (Step("release", True),)
        rotation: Program = ()
        if "+" in request:
            rotation = (Step("segment", (*history, self._event(state, index, "next"))),)
        return (*rotation, Step("write", self._event(state, index, request)), Step("release", True))

    def _event(self, state: State, index: int, name: str) -> str:
        """Return an event that no other process under another boot would write: its bytes hold a time."""
        return f"{name}@{state.disk.boot}" if name[0] in "abc" else f"{name}-{'abc'[index]}@{state.disk.boot}"

    # Writing a batch: `Writer.append`

    def _write(self, state: State, index: int, event: object) -> Iterator[Move]:
        """Begin to write: a kill or a failure leaves a torn batch."""
        known = state.writers[index].known
        if not state.writers[index].headed and self.without is not Rule.HEAD_BEFORE_BATCH:
            value = (known, known.history[0], "give up")
            yield from self._new_head(state, index, value, Step("write", event))
            return
        batch = (*known.history, str(event))
        begun = state._replace(disk=_appended(state.disk, known.segment, Piece(batch, False, Kept.UNSYNCED)))
        yield f"begins to write {event}", self._next(begun, index, Step("finish", batch))
        if state.faults:
            yield f"the write of {event} fails", self._fail(begun._replace(faults=state.faults - 1), index)

    def _finish(self, state: State, index: int, batch: History) -> Iterator[Move]:
        """All bytes are written; that they lie where HEAD ends is checked."""
        known = state.writers[index].known
        segment = _find(state.disk, known.segment)
        pieces = (*segment.pieces[:-1], segment.pieces[-1]._replace(whole=True))
        state = state._replace(disk=_changed(state.disk, segment._replace(pieces=pieces)))
        if len(pieces) != known.offset + 1:
            yield "the segment grew by other bytes than ours", self._fail(state, index)
        elif self.without is Rule.HEAD_AFTER_SYNC:
            end = Position(known.segment, known.offset + 1, batch)
            early = (Step("put", (end, False)), Step("sync batch", batch))
            yield f"{batch[-1]} is written", self._next(state, index, *early)
        else:
            yield f"{batch[-1]} is written", self._next(state, index, Step("sync batch", batch))

    def _sync_batch(self, state: State, index: int, batch: History) -> Iterator[Move]:
        known = state.writers[index].known
        end = Position(known.segment, known.offset + 1, batch)
        then = (Step("put", (end, "!" in batch[-1])), Step("learn", end))
        if self.without is Rule.HEAD_AFTER_SYNC:
            then = then[1:]
        if self.without is Rule.LOCK_UNTIL_HEAD:
            then = (Step("unlock"), *then)
        if self.without is Rule.BATCH_SYNC:
            yield "does not sync", self._next(state, index, *then)
            return
        segment = _find(state.disk, known.segment)
        synced = state._replace(disk=_changed(state.disk, _synced(segment)))
        yield "the batch is synced", self._next(synced, index, *then)
        if state.faults:
            failed = state._replace(
                disk=_changed(state.disk, _failed(segment, ext4=self.bounds.ext4)), faults=state.faults - 1
            )
            again = Step("segment", batch) if self.without is not Rule.NEW_INODE else Step("sync batch", batch)
            yield "the sync of the batch fails", self._next(failed, index, again)

    # A new segment: `Writer.new_segment`

    def _segment(self, state: State, index: int, batch: History) -> Iterator[Move]:
        """Write, sync and rename. Before the rename nothing can be seen, so that is one step."""
        kept = Kept.UNSYNCED if self.without is Rule.SEGMENT_SYNC else Kept.DURABLE
        segment = Segment(len(batch), False, False, (Piece(batch, True, kept),))
        end = Position(len(batch), 1, batch)
        then = (Step("sync folder"), Step("put", (end, True)), Step("learn", end))
        if self.without is Rule.NAME_SYNC:
            then = then[1:]
        if self.without is Rule.HEAD_AFTER_NAME:
            then = (then[1], then[0], then[2])
        # Only when a rule is left out is there one of that name already; the rename replaces it.
        others = tuple(other for other in state.disk.segments if other.first != segment.first)
        disk = state.disk._replace(segments=tuple(sorted((*others, segment))))
        yield f"segment {segment.first} is there", self._next(state._replace(disk=disk), index, *then)
        if state.faults:
            yield "the new segment fails", self._fail(state._replace(faults=state.faults - 1), index)

    def _sync_folder(self, state: State, index: int, _value: object) -> Iterator[Move]:
        """Sync `_journal`. A file system that cannot do that stops for good, so a later sync does not lie about it."""
        yield "_journal is synced", self._next(state._replace(disk=_synced_folder(state.disk)), index)
        if state.faults:
            yield "the sync of _journal fails", self._fail(state._replace(faults=state.faults - 1), index)

    def _sync_root(self, state: State, index: int, _value: object) -> Iterator[Move]:
        yield "the root is synced", self._next(state._replace(disk=state.disk._replace(folder=True)), index)
        if state.faults:
            yield "the sync of the root fails", self._fail(state._replace(faults=state.faults - 1), index)

    # HEAD: `Writer.acknowledge`, `_put`, `_sync_head`, `_create_head`, `_renew_head`

    def _put(self, state: State, index: int, value: tuple[Position, bool]) -> Iterator[Move]:
        """Acknowledge a position. A failure makes HEAD anew, and if that fails too HEAD lags."""
        position, durable = value
        if not state.writers[index].headed:
            yield from self._new_head(state, index, (position, position.history[0], "renew"))
            return
        then = (Step("sync HEAD", (position, "renew")),) if durable and self.without is not Rule.HEAD_DURABLE else ()
        yield from self._overwrite(state, index, position, Step("renew", position), *then)

    def _overwrite(self, state: State, index: int, position: Position, otherwise: Step, *then: Step) -> Iterator[Move]:
        """Begin to write the slot whose turn it is: until that is done, or when it fails, it is torn for all."""
        head = state.disk.heads[-1]
        mark = current(head)
        assert head is not None
        assert mark is not None, "there is a HEAD to update"
        new = Mark(mark.gen + 1, state.disk.boot, mark.journal, position)
        begun = state._replace(disk=_slot(state.disk, new.gen % 2, (*head.slots[new.gen % 2], None)))
        yield f"begins to write HEAD {len(position.history)}", self._next(begun, index, Step("put whole", new), *then)
        if state.faults:
            failed = begun._replace(faults=state.faults - 1)
            yield "the write of HEAD fails", self._otherwise(failed, index, otherwise)

    def _put_whole(self, state: State, index: int, mark: Mark) -> Iterator[Move]:
        head = state.disk.heads[-1]
        assert head is not None, "there is a HEAD to update"
        versions = (*head.slots[mark.gen % 2][:-1], mark)
        yield "HEAD is written", self._next(state._replace(disk=_slot(state.disk, mark.gen % 2, versions)), index)

    def _sync_head(self, state: State, index: int, value: tuple[Position, str]) -> Iterator[Move]:
        position, otherwise = value
        yield "HEAD is synced", self._next(state._replace(disk=_synced_head(state.disk)), index)
        if state.faults:
            step = Step(otherwise, position) if otherwise == "renew" else Step("new HEAD", (position, "", "give up"))
            yield "the sync of HEAD fails", self._otherwise(_doomed_head(state), index, step)

    def _otherwise(self, state: State, index: int, step: Step) -> State:
        """Go on after a failure as `step` says."""
        if step.does == "give up":
            return self._fail(state, index)
        if step.does == "renew":
            if self.without is Rule.HEAD_RENEWED:
                return self._next(state, index)
            return self._next(state, index, Step("new HEAD", (step.value, "", "go on")))
        if step.does == "go on":  # `_renew_head` failed too: HEAD lags, and the next one is made anew
            return self._next(_with(state, index, headed=False), index)
        return self._next(state, index, step)

    def _new_head(self, state: State, index: int, value: tuple[Position, str, str], *after: Step) -> Iterator[Move]:
        """Make HEAD anew: write and sync a temporary file, rename it, then sync `_journal`."""
        position, journal, otherwise = value
        mark = Mark(0, state.disk.boot, journal or position.history[0], position)
        second = None if self.without is Rule.BOTH_SLOTS else mark
        slots = ((mark,), (second,))
        if self.without is Rule.HEAD_BIRTH_SYNC:
            slots = ((None, mark), (None, second))
        disk = state.disk._replace(heads=(*state.disk.heads, Head(slots, False)))
        then = Step("sync new HEAD", (position, otherwise))
        yield "there is a new HEAD", self._next(state._replace(disk=disk), index, then, *after)
        if state.faults:
            failed = state._replace(faults=state.faults - 1)
            yield "the new HEAD fails", self._otherwise(failed, index, Step(otherwise, position))

    def _sync_new_head(self, state: State, index: int, value: tuple[Position, str]) -> Iterator[Move]:
        position, otherwise = value
        synced = _with(state._replace(disk=_synced_folder(state.disk)), index, headed=True)
        yield "_journal is synced", self._next(synced, index)
        if state.faults:
            failed = state._replace(faults=state.faults - 1)
            yield "the sync of _journal fails", self._otherwise(failed, index, Step(otherwise, position))

    # Leaving

    def _unlock(self, state: State, index: int, _value: object) -> Iterator[Move]:
        yield "gives the lock back early", self._next(state._replace(holder=None), index)

    def _release(self, state: State, index: int, answered: bool) -> Iterator[Move]:
        """Give the lock back and answer the request."""
        writer = state.writers[index]
        state = _with(state, index, done=writer.done + answered)
        yield "gives the lock back", self._next(_freed(state, index), index)

    def _close(self, state: State, index: int) -> Iterator[Move]:
        """Sync HEAD without the lock, as good as possible (`Writer.close`); what comes after is a new process."""
        closed = _with(state, index, done=state.writers[index].done + 1, known=START, sure=False)
        yield "closes", closed._replace(disk=_synced_head(state.disk))
        if state.faults and state.disk.heads[-1] is not None:
            yield "closes, and the sync of HEAD fails", _doomed_head(closed)

    def _index(self, state: State, index: int, history: History) -> Iterator[Move]:
        """Write index.json by rename, without the lock; it may fail without harm (`Store.write_index`)."""
        if self.without is Rule.BOUNDED_INDEX:
            history = self.view(state.disk).end
        state = _with(state, index, done=state.writers[index].done + 1)
        disk = state.disk._replace(indexes=(*state.disk.indexes, history))
        yield "index.json is renamed", self._next(state._replace(disk=disk), index)
        yield "index.json is durable", self._next(state._replace(disk=disk._replace(indexes=(history,))), index)

    def _next(self, state: State, index: int, *then: Step) -> State:
        """Take the first step off the program and put `then` in its place."""
        return self._go(state, index, (*then, *state.writers[index].program[1:]))

    def _go(self, state: State, index: int, program: Program) -> State:
        """Set the program, and take the steps at its head that touch no disk: nobody can come between."""
        while program and program[0].does in ("learn", "enter", "request"):
            does, value = program[0]
            program = program[1:]
            if does == "learn":
                assert isinstance(value, Position)
                state = _promise(_with(state, index, known=value), value.history)  # the listener is told
            elif does == "enter":
                return self._enter(_with(state, index, program=()), index)
            elif does == "request":
                state = _with(state, index, sure=True)
                program = self._request(state, index)
        return _with(state, index, program=program)

    def _fail(self, state: State, index: int) -> State:
        """An error reaches the caller: the lock is given back and nothing is trusted; the caller will ask again."""
        sure = state.writers[index].sure and self.without is Rule.FORGET
        return _freed(_with(state, index, program=(), sure=sure), index)

    def _killed(self, state: State, index: int) -> State:
        writers = list(state.writers)
        writers[index] = FRESH._replace(done=writers[index].done)
        return _freed(state._replace(writers=tuple(writers), kills=state.kills - 1), index)

    def _cut(self, state: State, disk: Disk) -> State:
        writers = tuple(FRESH._replace(done=writer.done) for writer in state.writers)
        return state._replace(disk=disk, writers=writers, reader=None, holder=None, cuts=state.cuts - 1)

    # A reader that takes its time: `reader.read`

    def _read(self, state: State) -> State:
        """Take the reader's next look: HEAD, then the names, then the segments, then, where it must, HEAD again."""
        reader, disk = state.reader, state.disk
        mark = current(disk.heads[-1])
        if reader is None:
            return state._replace(reader=Reader("list", mark), reads=state.reads - 1)
        if reader.at == "list":
            firsts = tuple(segment.first for segment in disk.segments)
            return state._replace(reader=reader._replace(at="walk", index=disk.indexes[-1], firsts=firsts))
        listed = tuple(segment for segment in disk.segments if segment.first in reader.firsts)
        bounded = reader.mark is not None and reader.mark.boot == disk.boot
        if reader.at == "walk" and bounded and self.without is not Rule.BOUNDED_READERS:
            if self._reaches(listed, reader.mark.position):
                return _promise(state._replace(reader=None), reader.mark.position.history)
            return state._replace(reader=reader._replace(at="judge"))
        if reader.at == "judge":
            found = self._survey(disk.segments)
            refused = _decide(facts(found, reader.mark, disk.indexes[-1], ())).action is Action.REFUSE
            return state._replace(reader=None, broken="a reader reports damage where there is none" if refused else "")
        if reader.at == "walk":
            found = self._survey(listed)
            refused = _decide(facts(found, reader.mark, reader.index, ())).action is Action.REFUSE
            return state._replace(reader=reader._replace(at="again", history=found.end.history, refused=refused))
        if mark != reader.mark and self.without is not Rule.BOUNDED_READERS:
            return state._replace(reader=None)
        if reader.refused:
            return state._replace(broken="a reader reports damage where there is none")
        return _promise(state._replace(reader=None), reader.history if mark is not None else ())


# What happens to a disk


def _find(disk: Disk, first: int) -> Segment:
    return next(segment for segment in disk.segments if segment.first == first)


def _changed(disk: Disk, changed: Segment) -> Disk:
    return disk._replace(
        segments=tuple(changed if segment.first == changed.first else segment for segment in disk.segments)
    )


def _appended(disk: Disk, first: int, piece: Piece) -> Disk:
    segment = _find(disk, first)
    return _changed(disk, segment._replace(pieces=(*segment.pieces, piece)))


def _synced(segment: Segment) -> Segment:
    """A sync that succeeds, or says so."""
    if segment.doomed:
        return segment
    return segment._replace(
        pieces=tuple(
            piece._replace(kept=Kept.DURABLE) if piece.kept is Kept.UNSYNCED else piece for piece in segment.pieces
        )
    )


def _failed(segment: Segment, *, ext4: bool) -> Segment:
    """A sync that fails: the bytes stay visible, and no later sync of this file saves them."""
    if ext4:
        return segment._replace(doomed=True)
    return segment._replace(
        pieces=tuple(
            piece._replace(kept=Kept.LOST) if piece.kept is Kept.UNSYNCED else piece for piece in segment.pieces
        )
    )


def _synced_folder(disk: Disk) -> Disk:
    segments = tuple(segment if segment.named else segment._replace(named=True) for segment in disk.segments)
    return disk._replace(segments=segments, heads=disk.heads[-1:])


def _slot(disk: Disk, number: int, versions: Slot) -> Disk:
    head = disk.heads[-1]
    assert head is not None, "there is a HEAD to update"
    slots = (versions, head.slots[1]) if number == 0 else (head.slots[0], versions)
    return disk._replace(heads=(*disk.heads[:-1], head._replace(slots=slots)))


def _synced_head(disk: Disk) -> Disk:
    head = disk.heads[-1]
    if head is None or head.doomed:
        return disk
    slots = (head.slots[0][-1:], head.slots[1][-1:])
    return disk._replace(heads=(*disk.heads[:-1], head._replace(slots=slots)))


def _doomed_head(state: State) -> State:
    """A sync of HEAD that fails. Both flavours are taken as ext4's, which leaves all that the other does and more."""
    head = state.disk.heads[-1]
    assert head is not None, "there is a HEAD to sync"
    disk = state.disk._replace(heads=(*state.disk.heads[:-1], head._replace(doomed=True)))
    return state._replace(disk=disk, faults=state.faults - 1)


def _promise(state: State, history: History) -> State:
    """Somebody is told of a history: it must be the one that everybody is told."""
    shorter, longer = sorted((history, state.promised), key=len)
    if not extends(longer, shorter):
        return state._replace(broken="somebody is told another history than was promised")
    return state._replace(promised=longer)


def _with(state: State, index: int, **changes: object) -> State:
    writers = list(state.writers)
    writers[index] = writers[index]._replace(**changes)
    return state._replace(writers=tuple(writers))


def _freed(state: State, index: int) -> State:
    return state._replace(holder=None) if state.holder == index else state


# The power goes


def images(disk: Disk) -> Iterator[Disk]:
    """Yield every disk that a power cut may leave of `disk`, each once: all that is on it is durable."""
    seen = set()
    boot = disk.boot + 1
    heads = list(dict.fromkeys(kept for head in disk.heads for kept in _heads(head)))
    indexes = list(dict.fromkeys(disk.indexes))
    segments = [list(_segments(segment)) for segment in disk.segments]
    for *kept, head, index in itertools.product(*segments, heads, indexes):
        image = Disk(boot, True, tuple(segment for segment in kept if segment is not None), (head,), (index,))
        if image not in seen:
            seen.add(image)
            yield image
    if not disk.folder:
        yield EMPTY._replace(boot=boot)


def _heads(head: Head | None) -> Iterator[Head | None]:
    """Each slot at any version since its last sync."""
    if head is None:
        yield None
    else:
        for first, second in itertools.product(*head.slots):
            yield Head(((first,), (second,)), False)


def _segments(segment: Segment) -> Iterator[Segment | None]:
    """The segment as the cut may leave it; None when its name was not durable and is lost."""
    if not segment.named:
        yield None
    choices = [_pieces(piece) for piece in segment.pieces]
    for kept in dict.fromkeys(_without_gone(pieces) for pieces in itertools.product(*choices)):
        yield Segment(segment.first, True, False, kept)


def _pieces(piece: Piece) -> tuple[Piece | None, ...]:
    """The bytes of one batch as the cut may leave them: whole, torn or gone."""
    durable = piece._replace(kept=Kept.DURABLE)
    if piece.kept is Kept.DURABLE:
        return (durable,)
    return (durable, durable._replace(whole=False), None) if piece.whole else (durable, None)


def _without_gone(pieces: tuple[Piece | None, ...]) -> tuple[Piece, ...]:
    """A file whose later bytes survived has zeros where the earlier did not."""
    size = max((at for at, piece in enumerate(pieces, 1) if piece is not None), default=0)
    zeros = Piece((), False, Kept.DURABLE)
    return tuple(zeros if piece is None else piece for piece in pieces[:size])


# What a trace shows


def draw(disk: Disk) -> str:
    """Return a disk in one line: ~ torn, ? not synced, ! lost to a failed sync; names that may be lost in brackets."""
    parts = []
    for segment in disk.segments:
        events = " ".join(_draw(piece) for piece in segment.pieces)
        name = f"{segment.first}" if segment.named else f"({segment.first})"
        parts.append(f"{name}{'!' if segment.doomed else ''}[{events}]")
    mark = current(disk.heads[-1])
    parts.append("no HEAD" if mark is None else f"HEAD {len(mark.position.history)} in {mark.position.segment}")
    if torn(disk.heads[-1]):
        parts.append("(a slot is torn)")
    if disk.indexes[-1]:
        parts.append(f"index {len(disk.indexes[-1])}")
    return " ".join(parts)


def _draw(piece: Piece) -> str:
    mark = {Kept.DURABLE: "", Kept.UNSYNCED: "?", Kept.LOST: "!"}[piece.kept]
    return ("" if piece.whole else "~") + (piece.history[-1] if piece.history else "zeros") + mark
