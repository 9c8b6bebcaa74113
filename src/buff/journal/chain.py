"""Bytes of a segment in, the whole batches at their start out: the one place that says what follows what.

A batch counts whole or not at all. What ends the chain is named, not judged: that is the decision table's work.
Nothing here reads a disk.
"""

import contextlib
import io
from collections.abc import Iterator, Sequence
from enum import Enum

from attrs import frozen

from buff.journal.head import Position
from buff.journal.line import BATCH_BYTES_MAX, BATCH_LINES_MAX, LINE_BYTES_MAX, MARKER, Line, LineInvalid, parse
from buff.journal.window import Lines, together

_TOGETHER_BYTES_MIN = 4096  # below it there are so few lines that one at a time is quicker


class Stop(Enum):
    """Why a chain ends.

    SHORT: the bytes end, perhaps inside a batch. REACHED: the last wanted event. DAMAGED: a line that is not valid.
    BREAK: a valid line in place that does not follow the one before.
    """

    SHORT = "short"
    REACHED = "reached"
    DAMAGED = "damaged"
    BREAK = "break"


@frozen(kw_only=True)
class Chain:
    """The lines of the whole batches found, where they end, the size of the last batch, and what ended them."""

    lines: Sequence[Line]
    end: Position
    batches: int
    last_batch_size: int
    stop: Stop


def follow(window: bytes, start: Position, *, until: int | None = None, prev: str | None = None) -> Chain:
    """Return the whole batches at the start of `window`, whose first byte is at `start`.

    `until` is the last seq wanted. `prev` replaces the hash of the event before; "" takes the first line's word for it.
    """
    if len(window) >= _TOGETHER_BYTES_MIN:
        chain = _follow_together(window, start, until, start.sha256 if prev is None else prev)
        if chain is not None:
            return chain
    return follow_plainly(window, start, until=until, prev=prev)


def follow_plainly(window: bytes, start: Position, *, until: int | None = None, prev: str | None = None) -> Chain:
    """Do what `follow` does, line by line: the rule itself, and the judge of every window that is not plainly good."""
    lines: list[Line] = []
    seq, sha = start.seq, start.sha256 if prev is None else prev
    first = last = seq  # of the batch that is being read; seq == last means that none is
    offset = whole = batch = 0  # bytes read, bytes in whole batches, bytes in the last of them
    count = batches = 0  # lines in whole batches, and whole batches
    stop = Stop.SHORT
    for raw in io.BytesIO(window):
        if seq == last:
            if seq == until:
                stop = Stop.REACHED
                break
            first = seq + 1
        try:
            line = parse(raw)
        except LineInvalid:
            stop = Stop.DAMAGED if raw.endswith(b"\n") else Stop.SHORT
            break
        if seq + 1 == first:
            last = line.last
        if line.seq != seq + 1 or line.prev != (sha or line.prev) or line.first != first or line.last != last:
            stop = Stop.BREAK
            break
        lines.append(line)
        offset += len(raw)
        seq, sha = line.seq, line.sha256
        if seq == last:
            if _over(line, offset - whole):
                stop = Stop.BREAK
                break
            batch, whole, count, batches = offset - whole, offset, len(lines), batches + 1
    del lines[count:]
    end = start if not lines else _end(start, whole, lines[-1])
    return Chain(lines=lines, end=end, batches=batches, last_batch_size=batch, stop=stop)


def _follow_together(window: bytes, start: Position, until: int | None, prev: str) -> Chain | None:
    """Return what `follow_plainly` would, when every whole line is good and wanted and no batch is wrong; else None."""
    size = window.rfind(b"\n") + 1
    lines = together(window[:size], start.seq, prev)
    if lines is None or (until is not None and start.seq + len(lines) > until):
        return None
    if _alone(lines, start.seq):
        count = batches = len(lines)
        last_batch = lines[-1:]
    else:
        counts = _batch_counts(lines, start.seq)
        if counts is None:
            return None
        count, batches = sum(counts), len(counts)
        lines, beginning = lines[:count], lines[count:]  # of a batch whose end is not in the window
        size -= beginning.size
        last_batch = lines[count - counts[-1] :] if counts else lines
    return Chain(
        lines=lines,
        end=_end(start, size, lines[-1]) if count else start,
        batches=batches,
        last_batch_size=last_batch.size,
        stop=Stop.SHORT,
    )


def _alone(lines: Lines, seq: int) -> bool:
    """Say whether each of the lines behind event `seq` is a batch of its own, as most are."""
    seqs = range(seq + 1, seq + 1 + len(lines))
    return lines.batches == list(zip(seqs, seqs, strict=True))


def _batch_counts(lines: Lines, seq: int) -> list[int] | None:
    """Return how many lines each whole batch has, the lines being those behind event `seq`; None when one is wrong.

    Lines after the last whole batch are the beginning of another.
    """
    says = lines.batches
    counts: list[int] = []
    at = 0
    while at < len(says):
        first, last = says[at]
        count = last - first + 1
        batch = says[at : at + count]
        if first != seq + at + 1 or not 1 <= count <= BATCH_LINES_MAX or batch.count(says[at]) != len(batch):
            return None
        if len(batch) == count:
            if lines[at : at + count].size > BATCH_BYTES_MAX:
                return None
            counts.append(count)
        at += count
    return counts


def _over(line: Line, size: int) -> bool:
    return line.last - line.first >= BATCH_LINES_MAX or size > BATCH_BYTES_MAX


def _end(start: Position, size: int, line: Line) -> Position:
    return Position(segment=start.segment, offset=start.offset + size, seq=line.seq, sha256=line.sha256)


def valid_lines(window: bytes, limit: int) -> Iterator[Line]:
    """Yield every valid line that begins at one of the first `limit` bytes, in place or not."""
    at = window.find(MARKER)
    while 0 <= at < limit:
        newline = window.find(b"\n", at, at + LINE_BYTES_MAX)
        if newline >= 0:
            with contextlib.suppress(LineInvalid):
                yield parse(window[at : newline + 1])
        at = window.find(MARKER, at + 1)
