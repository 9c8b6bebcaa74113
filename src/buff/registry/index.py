"""`index.json`: a disposable copy of the registry, stamped with the journal position it reflects.

A state goes in, one canonical document with the journal's own trailer comes out, the same bytes for the same journal on
any machine; and back. It is never trusted over the journal: one that does not match is ignored and written anew.

What a run's commit said once for all, its detail, is most of the document and seldom asked for. The details stand in
front, some of them on a line of their own, and the hashes of these lines behind them: a state keeps where they are,
reads a line when somebody looks at a run of it, and believes it by its hash.
"""

import contextlib
import gc
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import msgspec

from buff import canonical
from buff.journal.line import TRAILER_BYTES, LineInvalid, escape, seal_pieces, unseal_pieces
from buff.registry.rows import Row, Rows
from buff.registry.state import BuildEntry, DatasetEntry, IngestEntry, KeyEntry, RegistryState, SweepEntry, SwitchEntry

CHUNK_RUNS = 4_096  # so many are written at once
LINE_RUNS = 16  # so many details stand on a line: more are read in vain for one run, fewer make more lines
LINES_KEPT = 256  # so many lines of one index are kept, decoded, 3 MB: a page is asked for again and again
PIECE_BYTES = 1 << 22
NAME = "index.json"
SCHEMA = "index.v5"
PROJECTOR = 7  # bumped when the fold changes: an index of another projector is ignored

Read = Callable[[int, int], bytes]  # up to so many bytes of a file, from an offset
Again = Callable[[int], bytes]  # the detail of the commit that is this event, from the journal

_OPENING = b'{"details":[\n'
_CLOSING = b"],"


class _Document(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    builds: list[BuildEntry]
    datasets: list[DatasetEntry]
    details_sha256: list[str]
    head_sha256: str
    ingests: list[IngestEntry]
    journal: str
    keys: list[KeyEntry]
    orphans: list[str]
    projector: int
    rejected: int
    runs: list[Row]
    schema: str
    seq: int
    sweeps: list[SweepEntry]
    switch: list[SwitchEntry]


def _nothing(_: object) -> None:
    """Stand for where the detail of a row is: of a class that the encoder does not know, and no part of its JSON."""


_encode = msgspec.json.Encoder(order="sorted").encode
_encode_rows = msgspec.json.Encoder(enc_hook=_nothing).encode
_decode = msgspec.json.Decoder(_Document).decode
_decode_line = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _Source:
    """One index, of which the lines of details are read when they are asked for. Threads may share it."""

    def __init__(self, read: Read, again: Again) -> None:
        self.read, self.again = read, again
        self.details = lru_cache(LINES_KEPT)(self._details)

    def line(self, begin: int, size: int, sha256: str) -> bytes | None:
        """Return the bytes of a line, or None when they are not those that were promised."""
        try:
            data = self.read(begin, size)
        except OSError:
            return None  # another index is at its place by now, or none
        return data if hashlib.sha256(data).hexdigest() == sha256 else None

    def _details(self, begin: int, size: int, sha256: str) -> Mapping[int, bytes]:
        data = self.line(begin, size, sha256)
        raws = () if data is None else map(bytes, _decode_line(data))
        return {int(raw[1 : raw.index(b",")]): raw for raw in raws}


class _Line:
    """A line of details in an index: where it is, and what its bytes must be. The rows of its runs share it."""

    __slots__ = ("begin", "count", "sha256", "size", "source")

    def __init__(self, source: _Source, begin: int, size: int, sha256: str, count: int) -> None:
        self.source, self.begin, self.size, self.sha256, self.count = source, begin, size, sha256, count

    def of(self, seq: int) -> bytes:
        """Return the JSON of a detail: that of the journal, where the line is not there any more."""
        return self.source.details(self.begin, self.size, self.sha256).get(seq) or self.source.again(seq)


def index_bytes(state: RegistryState) -> bytes:
    """Return the bytes of index.json for a state: no clock, no path, nothing but the journal's facts."""
    return b"".join(index_chunks(state))


def index_chunks(state: RegistryState) -> Iterator[bytes]:
    """Yield the same bytes, some thousand runs at a time: whole, they would take as much memory as the state."""
    return seal_pieces(_chunks(state))


def _chunks(state: RegistryState) -> Iterator[bytes]:
    rows, hashes = state.runs.rows(), list[str]()
    last = b""
    for begin in range(0, len(rows), CHUNK_RUNS):
        end = min(begin + CHUNK_RUNS, len(rows))
        lines = [_line_of(rows[at : min(at + LINE_RUNS, end)]) for at in range(begin, end, LINE_RUNS)]
        hashes += [hashlib.sha256(line).hexdigest() for line in lines]
        yield b"".join((last or _OPENING, b",\n".join(lines)))
        last = b",\n"
    yield b"\n" if rows else _OPENING
    yield from map(escape, _rest(state, rows, hashes))


def _line_of(rows: Sequence[Row]) -> bytes:
    """Return the line of some details: that of the index they were read from, if it is the same there."""
    told = rows[0].told
    if isinstance(told, _Line) and told.count == len(rows) and all(row.told is told for row in rows):
        known = told.source.line(told.begin, told.size, told.sha256)
        if known is not None:
            return known
    return b"[%b]" % b",".join([row.detail for row in rows])


def _rest(state: RegistryState, rows: Sequence[Row], hashes: Sequence[str]) -> Iterator[bytes]:
    before = {  # than "runs", in the order of names
        "builds": _canonical(sorted(state.builds.values(), key=lambda entry: entry.seq)),
        "datasets": _canonical(sorted(state.datasets.values(), key=lambda entry: entry.seq)),
        "details_sha256": hashes,
        "head_sha256": state.head_sha256,
        "ingests": _canonical(sorted(state.ingests.values(), key=lambda entry: entry.seq)),
        "journal": state.journal_id,
        "keys": _canonical(list(state.keys.values())),
        "orphans": state.orphans,
        "projector": PROJECTOR,
        "rejected": state.rejected,
    }
    after = {
        "schema": SCHEMA,
        "seq": state.seq,
        "sweeps": _canonical(sorted(state.sweeps.values(), key=lambda entry: entry.seq)),
        "switch": _canonical(sorted(state.switch.values(), key=lambda entry: entry.source)),
    }
    yield b'%b%b,"runs":[' % (_CLOSING, _encode(before)[1:-1])
    for begin in range(0, len(rows), CHUNK_RUNS):
        comma = b"," if begin else b""
        yield comma + _encode_rows(rows[begin : begin + CHUNK_RUNS])[1:-1]
    yield b"],%b" % _encode(after)[1:]


def _canonical(entries: Sequence[Any]) -> msgspec.Raw:
    return msgspec.Raw(canonical.encode(entries))


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Do without the garbage collector: it would look through every entry again and again while they are made."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def state_of(data: bytes) -> RegistryState | None:
    """Return the state an index holds, or None when it is not a whole index of this projector."""
    state = opened(lambda begin, size: data[begin : begin + size], len(data), again=_missing)
    if state is None:
        return None
    try:
        for row in state.runs.rows():
            row.detail  # noqa: B018  # all of it is at hand, so all of it is looked at
    except LineInvalid:
        return None
    return state


def _missing(seq: int) -> bytes:
    raise LineInvalid(f"the index lacks the detail of event {seq}")


def opened(read: Read, size: int, *, again: Again) -> RegistryState | None:
    """Return the state that an index of `size` bytes holds, or None when it is not a whole index of this projector.

    All of it is read, and its hash looked at; the details of runs are read again when they are asked for, by `read` and
    by their own hashes, and had by `again` where what is read is not what it was. Raises what `read` raises.
    """
    end = max(size - TRAILER_BYTES, 0)
    pieces = (read(at, min(PIECE_BYTES, end - at)) for at in range(0, end, PIECE_BYTES))
    try:
        ends, rest = _parts(unseal_pieces(pieces, read(end, TRAILER_BYTES)))
        with _no_collection():
            document = _decode(rest)
    except (LineInvalid, msgspec.DecodeError):
        return None
    if document.schema != SCHEMA or document.projector != PROJECTOR:
        return None
    if not _place(document, ends, _Source(read, again)):
        return None
    return RegistryState(
        journal_id=document.journal,
        seq=document.seq,
        head_sha256=document.head_sha256,
        runs=Rows(document.runs),
        datasets={entry.dataset_id: entry for entry in document.datasets},
        ingests={entry.ingest: entry for entry in document.ingests},
        builds={entry.job: entry for entry in document.builds},
        sweeps={entry.sweep: entry for entry in document.sweeps},
        switch={entry.source: entry for entry in document.switch},
        orphans=document.orphans,
        rejected=document.rejected,
        keys={entry.key: entry for entry in document.keys},
    )


def _parts(pieces: Iterator[bytes]) -> tuple[list[int], bytearray]:
    """Return where the opening and each line of details ends, and what follows them as a document of its own.

    Raises LineInvalid when the pieces are not an index of this form.
    """
    ends, rest, at = [len(_OPENING)], bytearray(), 0
    for piece in pieces:
        if at == 0 and not piece.startswith(_OPENING):
            raise LineInvalid("it does not begin with details")
        begin = 0 if rest else _follow(piece, at, ends)
        if begin is not None:
            rest += memoryview(piece)[begin:]
        at += len(piece)
    if not rest.startswith(_CLOSING):
        raise LineInvalid("the details have no end")
    rest[: len(_CLOSING)] = b" {"
    rest += b"}"
    return ends, rest


def _follow(piece: bytes, at: int, ends: list[int]) -> int | None:
    """Note where the lines of details in a piece end, whose first byte is at `at`; return where what follows begins."""
    while True:
        begin = ends[-1] - at  # of a line, perhaps in an earlier piece
        if begin >= 0 and piece.startswith(_CLOSING[:1], begin):
            return begin
        end = piece.find(b"\n", max(begin, 0)) + 1
        if end == 0:
            return None
        ends.append(at + end)


def _place(document: _Document, ends: Sequence[int], source: _Source) -> bool:
    """Tell the rows where their details are. False when there are not as many of these."""
    rows, hashes = document.runs, document.details_sha256
    if not len(ends) - 1 == len(hashes) == -(-len(rows) // LINE_RUNS):
        return False
    for number, (sha256, (begin, end)) in enumerate(zip(hashes, pairwise(ends), strict=True)):
        some = rows[number * LINE_RUNS : (number + 1) * LINE_RUNS]
        size = end - begin - len(b"\n" if number == len(hashes) - 1 else b",\n")
        line = _Line(source, begin, size, sha256, len(some))
        for row in some:
            msgspec.structs.force_setattr(row, "told", line)
    return True
