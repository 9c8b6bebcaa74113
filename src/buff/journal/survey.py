"""A journal's files in, the facts about them out, and every whole batch on the way.

Reads names, segments, HEAD and index.json through a `Disk`; writes nothing, takes no lock, decides nothing. A writer
calls it under the lock. What it could not read it reports as a fact; it raises nothing of its own.
"""

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from attrs import evolve, frozen

from buff.files import Disk
from buff.journal import head as heads
from buff.journal.chain import Chain, Stop, follow, valid_lines
from buff.journal.events import JournalOpened
from buff.journal.head import START, Head, Position, Slots
from buff.journal.line import BATCH_BYTES_MAX, BATCH_LINES_MAX, LINE_BYTES_MAX, Line, LineInvalid, parse, unseal
from buff.journal.recovery import Body, Claim, Facts, Layout, Tail

FOLDER = "_journal"
HEAD = "HEAD"
INDEX = "index.json"
RUN_ID = re.compile(r"[a-z0-9][a-z0-9_-]{2,63}")

_SEGMENT = re.compile(r"([0-9]{20})\.jsonl")
_OPENED = msgspec.json.Decoder(JournalOpened)
_BATCH = re.compile(rb'"b":\[([0-9]{1,16}),([0-9]{1,16})\]')
_WINDOW = 1 << 16  # what is made of it stays in the processor's cache
_PROBE = 1 << 12


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody says of one event: in `journal`, event `seq` has the hash `sha256`; `journal` None means any."""

    journal: str | None
    seq: int
    sha256: str


@frozen(kw_only=True)
class Flaw:
    """Where the journal stops being whole, and what is wrong there."""

    segment: str
    offset: int
    says: str


@frozen(kw_only=True)
class Findings:
    """What a survey saw.

    `end` is the end of the last whole batch, `size` the size of its segment's file, `batches` how many whole batches
    that segment holds, `last_batch` the lines of the last. `hashes` holds the hash of every event asked for.
    """

    layout: Layout = Layout.OK
    body: Body = Body.OK
    tail: Tail = Tail.CLEAN
    journal: str | None = None
    end: Position = START
    size: int = 0
    batches: int = 0
    last_batch: tuple[Line, ...] = ()
    hashes: Mapping[int, str] = {}
    flaw: Flaw | None = None


class _Stamp(msgspec.Struct):
    """The members of index.json that say which journal it reflects, and how far."""

    journal: str
    seq: int
    head_sha256: str


class Unreadable(Exception):
    """A read failed; kept apart from an OSError of whoever receives the lines."""


def segment_name(first: int) -> str:
    """Return the file name of the segment whose first event is `first`."""
    return f"{first:020d}.jsonl"


def segment_path(root: str, first: int) -> str:
    """Return the path of the segment whose first event is `first`."""
    return f"{root}{os.sep}{FOLDER}{os.sep}{first:020d}.jsonl"


def segments(names: Collection[str]) -> tuple[int, ...] | None:
    """Return the first seqs that the names of segments give, ascending; None when one of them is no segment's name."""
    found = []
    for name in names:
        if name.endswith(".jsonl") and not name.startswith("."):
            match = _SEGMENT.fullmatch(name)
            if match is None:
                return None
            found.append(int(match[1]))
    return tuple(sorted(found))


def read_head(disk: Disk, root: str) -> Slots:
    """Return both slots of HEAD; invalid ones when it is absent or unreadable."""
    try:
        return heads.read(disk.read(os.path.join(root, FOLDER, HEAD), 0, heads.READ_SIZE))
    except OSError:
        return Slots(heads=(None, None))


def read_index(disk: Disk, root: str) -> Claimed | None:
    """Return what index.json says of the journal, or None when it is absent, damaged or unreadable."""
    try:
        raw = disk.read(os.path.join(root, INDEX))
        unseal(raw)
        stamp = msgspec.json.decode(raw, type=_Stamp)
    except (OSError, LineInvalid, msgspec.DecodeError):
        return None
    return Claimed(journal=stamp.journal, seq=stamp.seq, sha256=stamp.head_sha256)


def has_runs(disk: Disk, root: str) -> bool:
    """Say whether the root holds index.json or a directory that has a run's name."""
    return any(
        name == INDEX or (RUN_ID.fullmatch(name) is not None and disk.is_directory(os.path.join(root, name)))
        for name in disk.names(root)
    )


def walk(
    disk: Disk, path: str, start: Position, size: int, *, until: int | None = None, prev: str | None = None
) -> Iterator[Chain]:
    """Yield the whole batches of one segment from `start`, window by window, up to byte `size` or event `until`.

    The last chain says why it ended. The arguments `until` and `prev` are those of `chain.follow`.
    """
    at, wanted = start, _WINDOW
    while True:
        asked = min(wanted, size - at.offset)
        window = _read(disk, path, at.offset, asked)
        chain = follow(window, at, until=until, prev=prev)
        yield chain
        seen = at.offset + len(window)
        at, prev = chain.end, None if chain.lines else prev
        # A window without one whole batch may be too small for it; one larger than any batch is not.
        wanted = _WINDOW if chain.lines else max(2 * wanted, _batch_size(window))
        if chain.stop is not Stop.SHORT or seen >= size or len(window) < asked or wanted > 2 * BATCH_BYTES_MAX:
            return


def _batch_size(window: bytes) -> int:
    """Return about how many bytes the batch at the beginning of a window has, by its first lines; 0 if they are none.

    It is a guess at how much is to be read, no judgement of what was.
    """
    raws = window[: window.rfind(b"\n") + 1].splitlines()
    match = _BATCH.search(raws[0]) if raws else None
    if match is None:
        return 0
    count = min(int(match[2]) - int(match[1]) + 1, BATCH_LINES_MAX)
    return min(count * sum(map(len, raws)) // len(raws) * 9 // 8, 2 * BATCH_BYTES_MAX)


def survey(
    disk: Disk,
    root: str,
    *,
    since: int,
    known: Position,
    claimed: Collection[int],
    receive: Callable[[Sequence[Line]], None],
    strays: bool = False,
) -> Findings:
    """Walk the journal from the segment that holds event `since` to its end and return what is there.

    `receive` gets the lines of the whole batches in order, as they are found. `known` is a position whose hash is
    proven; `claimed` are the seqs whose hashes the findings shall hold, as far as the walk meets them. `strays` passes
    over names that are no segment's, which a writer must not.
    """
    folder = os.path.join(root, FOLDER)
    try:
        names = disk.names(folder)
        firsts = segments([name for name in names if segments((name,)) is not None] if strays else names)
    except (FileNotFoundError, NotADirectoryError):
        return Findings(layout=Layout.MISSING)
    except OSError as error:
        return Findings(layout=Layout.IO, flaw=Flaw(segment=FOLDER, offset=0, says=str(error.strerror)))
    if firsts is None or (firsts and firsts[0] != 1):
        says = "a name ends in .jsonl and is no segment's" if firsts is None else "the first segment is missing"
        return Findings(layout=Layout.BAD, flaw=Flaw(segment=FOLDER, offset=0, says=says))
    if not firsts:
        return Findings(layout=Layout.MISSING)
    return _Surveyor(disk, root, known, claimed, receive).survey(firsts, since)


def locate(disk: Disk, root: str, seq: int) -> tuple[Position, Line] | None:
    """Find event `seq` by bisection, in some twenty small reads: its line and where it ends, or None.

    Proven is the line alone, not what is before it. None says that it is not there or cannot be found in this way.
    Raises Unreadable.
    """
    try:
        firsts = segments(disk.names(os.path.join(root, FOLDER))) or ()
    except OSError:
        return None
    first = max((first for first in firsts if first <= seq), default=0)
    if first == 0:
        return None
    path = segment_path(root, first)
    low, high = 0, file_size(disk, path)  # the line begins at `low` or behind it, and before `high`
    while low < high:
        middle = (low + high) // 2
        end, line = _line_from(disk, path, middle)
        if line is not None and line.seq == seq:
            return Position(segment=first, offset=end, seq=seq, sha256=line.sha256), line
        if line is not None and line.seq < seq:
            low = end
        else:
            high = middle
    return None


def _line_from(disk: Disk, path: str, at: int) -> tuple[int, Line | None]:
    """Return the first line that begins at byte `at` or behind it, if it is valid, and where it ends."""
    wanted = _PROBE
    before = min(at, 1)  # the byte before, which says whether a line begins right here
    while True:
        chunk = _read(disk, path, at - before, wanted)
        begin = chunk.find(b"\n") + 1 if before else 0
        end = chunk.find(b"\n", begin) + 1
        if (begin or not before) and end:
            try:
                return at - before + end, parse(chunk[begin:end])
            except LineInvalid:
                return 0, None
        if len(chunk) < wanted or wanted > 2 * LINE_BYTES_MAX:
            return 0, None
        wanted *= 8


def claim(claimed: Claimed | Head | None, findings: Findings) -> Claim:
    """Judge what somebody says of an event against what was found.

    An event before the walk began was judged when it was first walked over, so nothing is said against it now.
    """
    if claimed is None:
        return Claim.NONE
    if claimed.journal is not None and claimed.journal != findings.journal:
        return Claim.FOREIGN
    if claimed.seq > findings.end.seq:
        return Claim.AHEAD
    return Claim.OK if findings.hashes.get(claimed.seq, claimed.sha256) == claimed.sha256 else Claim.CONFLICT


def facts(
    disk: Disk, root: str, findings: Findings, *, head: Head | None, index: Claimed | None, receipt: Claimed | None
) -> Facts:
    """Return the facts the decision table asks for."""
    end = msgspec.structs.replace(findings.end, offset=findings.size)
    return Facts(
        layout=findings.layout,
        body=findings.body,
        tail=findings.tail,
        oversized=findings.size - findings.end.offset > BATCH_BYTES_MAX,
        head=claim(head, findings),
        head_zero=head is not None and head.seq == 0,
        head_at_end=head is not None and head.position == end,
        index=claim(index, findings),
        receipt=claim(receipt, findings),
        born=findings.batches == 1,
        has_runs=findings.layout is Layout.MISSING and has_runs(disk, root),
    )


class _Surveyor:
    """The state of one walk: what was found so far."""

    def __init__(
        self,
        disk: Disk,
        root: str,
        known: Position,
        claimed: Collection[int],
        receive: Callable[[Sequence[Line]], None],
    ) -> None:
        self._disk = disk
        self._root = root
        self._known = known
        self._claimed = frozenset(claimed)
        self._receive = receive
        self._hashes = {0: START.sha256}
        self._found = Findings(hashes=self._hashes)

    def survey(self, firsts: tuple[int, ...], since: int) -> Findings:
        index = max(at for at, first in enumerate(firsts) if first <= max(since, 1))
        try:
            self._found = evolve(self._found, journal=journal_id(self._disk, self._root))
            if self._found.journal is None:
                self._flaw("the first event is not the opening of a journal", body=Body.BAD)
                return self._found
            for first, following in zip(firsts[index:], (*firsts[index + 1 :], None), strict=True):
                self._segment(first, following, begin=first == firsts[index])
                if self._found.flaw is not None:
                    break
        except Unreadable as error:
            name, says = error.args
            return evolve(
                self._found, layout=Layout.IO, flaw=Flaw(segment=name, offset=self._found.end.offset, says=says)
            )
        return self._found

    def _segment(self, first: int, following: int | None, *, begin: bool) -> None:
        path = segment_path(self._root, first)
        size = file_size(self._disk, path)
        before = self._known if self._known.seq == first - 1 else self._found.end
        start = Position(segment=first, offset=0, seq=first - 1, sha256=START.sha256 if first == 1 else before.sha256)
        # Only the first segment walked may begin after an event whose hash nobody here holds: `known` lies inside it.
        unknown = begin and first > 1 and self._known.seq != first - 1
        until = None if following is None else following - 1
        end, batches, stop = start, 0, Stop.SHORT
        for chain in walk(self._disk, path, start, size, until=until, prev="" if unknown else None):
            self._keep(chain)
            end, batches, stop = chain.end, batches + chain.batches, chain.stop
        self._found = evolve(self._found, end=end, size=size, batches=batches)
        if batches == 0:
            self._flaw("the segment holds no whole batch", body=Body.BAD)
        elif following is not None:
            self._judge_body(path, following)
        elif end.offset < size:
            self._judge_tail(path, stop)

    def _keep(self, chain: Chain) -> None:
        if not chain.lines:
            return
        first, last = chain.lines[0].seq, chain.lines[-1]
        for seq in self._claimed:
            if first <= seq <= last.seq:
                self._hashes[seq] = chain.lines[seq - first].sha256
        self._found = evolve(self._found, last_batch=tuple(chain.lines[last.first - last.last - 1 :]))
        self._receive(chain.lines)

    def _judge_body(self, path: str, following: int) -> None:
        """A segment that is not the last must end just before the next; what it holds beyond that is superseded."""
        end, size = self._found.end, self._found.size
        if end.seq != following - 1:
            if end.offset == size and end.seq < following:
                self._flaw(f"events {end.seq + 1} to {following - 1} are missing", layout=Layout.BAD)
            else:
                self._flaw("the bytes are not the next whole batch", body=Body.BAD)
        elif size - end.offset > BATCH_BYTES_MAX:
            self._flaw("the superseded bytes are longer than a batch", body=Body.BAD)
        elif not self._torn(path):
            self._flaw("the superseded bytes hold an event that does not belong there", body=Body.BAD)

    def _judge_tail(self, path: str, stop: Stop) -> None:
        if stop is Stop.BREAK:
            self._flaw("a valid line does not follow the one before", tail=Tail.BREAK)
        elif self._torn(path):
            self._flaw("the last batch is torn", tail=Tail.TORN)
        else:
            self._flaw("valid events follow the damage", tail=Tail.MIXED)

    def _torn(self, path: str) -> bool:
        """The tail rule: every valid line found anywhere in the bytes belongs to the batch that was being written."""
        end, size = self._found.end, self._found.size
        for at in range(end.offset, size, BATCH_BYTES_MAX):
            window = _read(self._disk, path, at, min(BATCH_BYTES_MAX + LINE_BYTES_MAX, size - at))
            if any(line.first != end.seq + 1 for line in valid_lines(window, BATCH_BYTES_MAX)):
                return False
        return True

    def _flaw(self, says: str, **verdict: Any) -> None:
        end = self._found.end
        flaw = Flaw(segment=segment_name(end.segment), offset=end.offset, says=says)
        self._found = evolve(self._found, flaw=flaw, **verdict)


def journal_id(disk: Disk, root: str) -> str | None:
    """Return the id in the journal's first line, or None when that line is not a journal's first."""
    raw = _read(disk, segment_path(root, 1), 0, 4096)
    try:
        line = parse(raw[: raw.find(b"\n") + 1])
        opened = _OPENED.decode(line.data)
    except (LineInvalid, msgspec.DecodeError):
        return None
    return opened.journal_id if line.seq == 1 and line.type == JournalOpened.TYPE else None


def _read(disk: Disk, path: str, start: int, size: int) -> bytes:
    try:
        return disk.read(path, start, size)
    except OSError as error:
        raise Unreadable(os.path.basename(path), str(error.strerror)) from error


def file_size(disk: Disk, path: str) -> int:
    """Return the size of a file. Raises Unreadable."""
    try:
        return disk.size(path)
    except OSError as error:
        raise Unreadable(os.path.basename(path), str(error.strerror)) from error
