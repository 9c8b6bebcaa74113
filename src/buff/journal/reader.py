"""Reading without the lock: everything up to HEAD and nothing beyond, verified, with what is wrong said beside it.

A root goes in; the events come out, how far they go, and the problem that ends them if there is one. Nothing is
written and no lock is taken, so a root that cannot be written can be read. A copy without HEAD is read to its end and
flagged as unconfirmed.
"""

import os
from collections.abc import Callable, Iterator, Sequence

from attrs import frozen

from buff.errors import JournalCorrupt, RunsRootInvalid, StorageUnreadable
from buff.files import Disk
from buff.journal.head import START, Head, Position
from buff.journal.line import Line
from buff.journal.record import Recorded, recorded
from buff.journal.recovery import Action, Facts, Row, decide
from buff.journal.survey import (
    FOLDER,
    Claimed,
    Findings,
    Flaw,
    Unreadable,
    facts,
    file_size,
    journal_id,
    locate,
    read_head,
    read_index,
    segment_name,
    segment_path,
    segments,
    survey,
    walk,
)

Receive = Callable[[Sequence[Line]], None]

_ATTEMPTS = 16


@frozen(kw_only=True)
class Reading:
    """What a reader saw: whole batches up to `position`, and the `problem` that ends them, or None.

    `confirmed` is False when no HEAD says how far the journal was acknowledged: a copy, perhaps cut. `since` is where
    the reading began: the lines are those behind it.
    """

    journal_id: str | None
    lines: tuple[Line, ...]
    position: Position
    problem: JournalCorrupt | None
    confirmed: bool
    since: Position = START

    @property
    def events(self) -> Iterator[Recorded]:
        """Yield the events in order. Raises RunsRootInvalid at one this version of Buff does not know."""
        return map(recorded, self.lines)


@frozen(kw_only=True)
class Verdict:
    """What was found, the facts made of it, and the row of the decision table that covers them."""

    findings: Findings
    facts: Facts
    row: Row

    @property
    def problem(self) -> JournalCorrupt | StorageUnreadable | None:
        """The error a writer would get, or None when a writer would go on."""
        return refusal(self.row, self.findings) if self.row.action is Action.REFUSE else None


def read(disk: Disk, root: str, *, boot: str, since: Position = START) -> Reading:
    """Read the journal of a root. `boot` is the boot id of the running kernel.

    `since` is a position proven before: only what is behind it is read and verified, as long as HEAD vouches for that;
    else all of it, and the reading says so. Raises RunsRootInvalid when the root is not a directory, StorageUnreadable
    when the disk could not be read.
    """
    for _ in range(_ATTEMPTS):
        head = read_head(disk, root).current
        if since != START and head is not None and head.boot == boot:
            reading = _behind(disk, root, head, since)
            if reading is not None:
                return reading
        reading = (
            _bounded(disk, root, head) if head is not None and head.boot == boot else _open_ended(disk, root, head)
        )
        if reading is not None:
            return reading
    raise StorageUnreadable("the journal changed each time it was read", hint="try again")


def resume(disk: Disk, root: str, claimed: Claimed) -> Position | None:
    """Return where the event somebody vouches for ends, when the journal holds it as claimed, at the end of a batch.

    Whoever holds what follows from all events up to there needs to read only later ones.
    """
    try:
        found = locate(disk, root, claimed.seq)
        if found is None or journal_id(disk, root) != claimed.journal:
            return None
    except Unreadable:
        return None
    position, line = found
    return position if line.sha256 == claimed.sha256 and line.last == line.seq else None


def between(disk: Disk, root: str, start: Position, seq: int) -> list[Line] | None:
    """Return the verified lines behind `start`, a position proven before, up to event `seq`, which HEAD vouches for.

    No later segment is read. None when they cannot be had in this way.
    """
    if seq <= start.seq:
        return [] if seq == start.seq else None
    lines: list[Line] = []
    if not up_to(disk, root, start, seq, lines.extend):
        return None
    return [line for line in lines if start.seq < line.seq <= seq]


def up_to(disk: Disk, root: str, start: Position, seq: int, receive: Receive) -> bool:
    """Hand over the verified lines behind `start`, a position proven before, up to event `seq`, which HEAD vouches for.

    A batch is handed over whole, so that lines behind `seq` may follow. False when they cannot be had in this way:
    then those that were handed over are not all of them.
    """
    if seq <= start.seq:
        return seq == start.seq
    try:
        found = locate(disk, root, seq)
        goal = None if found is None else locate(disk, root, found[1].last)
    except Unreadable:
        return False
    return goal is not None and reached(disk, root, start, goal[0], receive)


def reached(disk: Disk, root: str, start: Position, goal: Position, receive: Receive) -> bool:
    """Do what `advance` does, and say whether `goal` was reached, for whoever has another way when it was not."""
    try:
        return advance(disk, root, start, goal, receive) is None
    except Unreadable:
        return False


def advance(disk: Disk, root: str, start: Position, goal: Position, receive: Receive) -> Flaw | None:
    """Verify every event behind `start` up to `goal`, which HEAD names, and hand the lines over as they are verified.

    Returns None when `goal` was reached exactly, else where and why not. Raises Unreadable when a read failed.
    Lines up to `start` may be handed over again, when the last batch was carried into a new segment meanwhile.
    """
    if goal.seq <= start.seq:
        return None if goal.seq < start.seq or goal.sha256 == start.sha256 else _other(goal)
    firsts = _between(disk, root, start, goal)
    if goal.segment not in firsts or (firsts[0] != start.segment and firsts[0] > start.seq):
        return Flaw(segment=segment_name(goal.segment), offset=0, says="a segment at or before HEAD is missing")
    at, prev, again = start, None, firsts[0] != start.segment
    if again:  # where we were is superseded: begin with the segment that holds it now
        at, prev = Position(segment=firsts[0], offset=0, seq=firsts[0] - 1, sha256=start.sha256), ""
    for first, following in zip(firsts, (*firsts[1:], None), strict=True):
        if at.segment != first:
            at = Position(segment=first, offset=0, seq=at.seq, sha256=at.sha256)
        path = segment_path(root, first)
        size = goal.offset if following is None else file_size(disk, path)
        until = goal.seq if following is None else following - 1
        for chain in walk(disk, path, at, size, until=until, prev=prev):
            if again and any(line.seq == start.seq and line.sha256 != start.sha256 for line in chain.lines):
                return _other(start)
            receive(chain.lines)
            at = chain.end
        prev = None
        if at.seq != until:
            return Flaw(segment=segment_name(first), offset=at.offset, says="the next batch is not whole or not valid")
    return None if at == goal else _other(goal)


def judge(
    disk: Disk, root: str, *, head: Head | None, receipt: Claimed | None = None, receive: Receive = lambda _: None
) -> Verdict:
    """Walk the whole journal without the lock and return what the decision table says of it. Raises RunsRootInvalid."""
    index = read_index(disk, root)
    claimed = {claim.seq for claim in (head, index, receipt) if claim is not None}
    findings = survey(disk, root, since=1, known=START, claimed=claimed, receive=receive)
    try:
        found = facts(disk, root, findings, head=head, index=index, receipt=receipt)
    except OSError as error:
        raise RunsRootInvalid(
            f"the runs root cannot be read: {error.strerror}", hint="give an existing directory"
        ) from error
    return Verdict(findings=findings, facts=found, row=decide(found))


def refusal(row: Row, findings: Findings) -> JournalCorrupt | StorageUnreadable:
    """Return the error of a row that refuses, with where the journal stops being whole."""
    flaw = findings.flaw
    details: dict[str, object] = {"row": row.name, "seq": findings.end.seq}
    where = ""
    if flaw is not None:
        details |= {"segment": flaw.segment, "offset": flaw.offset, "says": flaw.says}
        where = f": {flaw.says}, {flaw.segment} at byte {flaw.offset}"
    kind = StorageUnreadable if row.name == "R01" else JournalCorrupt
    return kind(f"{row.says} ({row.name}){where}", hint=row.hint, details=details)


def corrupt(flaw: Flaw) -> JournalCorrupt:
    """Return the error of a journal that is not whole up to HEAD."""
    return JournalCorrupt(
        f"the journal is damaged before HEAD: {flaw.says}, {flaw.segment} at byte {flaw.offset}",
        hint="`buff-journal verify` says what is wrong and `buff-journal repair --plan` what can be done",
        details={"segment": flaw.segment, "offset": flaw.offset, "says": flaw.says},
    )


def _behind(disk: Disk, root: str, head: Head, since: Position) -> Reading | None:
    """Read from `since` up to HEAD; None when that is not possible, for whatever reason."""
    lines: list[Line] = []
    try:
        flaw = advance(disk, root, since, head.position, lines.extend)
    except Unreadable:
        return None
    if flaw is not None or head.seq < since.seq:
        return None
    behind = tuple(line for line in lines if line.seq > since.seq)
    return Reading(
        journal_id=head.journal, lines=behind, position=head.position, problem=None, confirmed=True, since=since
    )


def _bounded(disk: Disk, root: str, head: Head) -> Reading | None:
    """Read up to HEAD. None asks for another look: what seemed wrong is explained by a writer at work."""
    lines: list[Line] = []
    try:
        flaw = advance(disk, root, START, head.position, lines.extend)
    except Unreadable as error:
        raise unreadable(error) from error
    if flaw is None:
        return Reading(
            journal_id=head.journal, lines=tuple(lines), position=head.position, problem=None, confirmed=True
        )
    found: list[Line] = []
    problem = judge(disk, root, head=head, receive=found.extend).problem
    if problem is None:
        return None
    if isinstance(problem, StorageUnreadable):
        raise problem
    # What a walk from the beginning proves, for the way to HEAD ends before its first step where a segment is gone.
    proven = tuple(line for line in found if line.seq <= head.seq)
    position = START if not proven else _position(proven[-1], flaw)
    return Reading(journal_id=head.journal, lines=proven, position=position, problem=problem, confirmed=True)


def _open_ended(disk: Disk, root: str, head: Head | None) -> Reading | None:
    """Read whole batches to the end: no writer has been here since the power came back, or there is no HEAD.

    None asks for another look: a writer came meanwhile, and from then on HEAD is the limit.
    """
    lines: list[Line] = []
    verdict = judge(disk, root, head=head, receive=lines.extend)
    if read_head(disk, root).current != head:
        return None
    problem = verdict.problem
    if isinstance(problem, StorageUnreadable):
        raise problem
    return Reading(
        journal_id=verdict.findings.journal,
        lines=tuple(lines),
        position=verdict.findings.end,
        problem=problem,
        confirmed=head is not None or verdict.row.action is Action.CREATE,
    )


def _between(disk: Disk, root: str, start: Position, goal: Position) -> tuple[int, ...]:
    """Return the segments that hold the events behind `start` up to `goal`, ascending."""
    if start.segment == goal.segment:
        return (goal.segment,)
    try:
        found = segments(disk.names(os.path.join(root, FOLDER)))
    except OSError as error:
        raise Unreadable(FOLDER, str(error.strerror)) from error
    begin = max((first for first in found or () if first <= max(start.seq, start.segment)), default=start.segment)
    return tuple(first for first in found or () if begin <= first <= goal.segment)


def _other(position: Position) -> Flaw:
    return Flaw(
        segment=segment_name(position.segment),
        offset=position.offset,
        says=f"event {position.seq} is another than the one that was acknowledged",
    )


def _position(line: Line, flaw: Flaw) -> Position:
    return Position(segment=int(flaw.segment[:20]), offset=flaw.offset, seq=line.seq, sha256=line.sha256)


def unreadable(error: Unreadable) -> StorageUnreadable:
    """Return the error of a read that failed."""
    name, says = error.args
    return StorageUnreadable(
        f"{name} could not be read: {says}", hint="check the disk and its permissions", details={"name": name}
    )
