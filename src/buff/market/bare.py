"""Bare text: a block of any profile as lines of plain canonical cells, which is what the plain reader reads.

Bytes that end at a line end go in, with the `Reading` they continue; a `Bare` comes out, or None: then the block is for
the judge. Ignored columns, rows of other tickers and times of a vendor's own form are cut out here, all in whole
columns of bytes. Nothing is judged and nothing is moved.
"""

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from buff.market.bars import VALUES
from buff.market.forms import EPOCH_POINT, TIME_WORDS, Form, form
from buff.market.header import Layout
from buff.market.judge import LINE_BYTES_MAX
from buff.market.reading import Reading

_NEWLINE, _COMMA, _SPACE = b"\n, "


@frozen(kw_only=True, eq=False)
class Bare:
    """A block as plain text.

    text: LF-ended lines of comma-separated cells. order: the roles of the cells. rows: lines in the text. lines:
    physical lines of the block. Both are None where the text is the block, whose lines nobody has counted yet.
    ts: int64[rows] epoch ms where the times were of a form and are not in the text, in UTC when `form.zoned`, else on
    the local clock of the file. first: the offsets of the first two rows among the physical lines. others, absent: rows
    that were left out, as `Reading` counts them.
    """

    text: bytes
    order: tuple[str, ...]
    rows: int | None = None
    lines: int | None = None
    ts: NDArray[np.int64] | None = None
    form: Form | None = None
    first: tuple[int, ...] = (0, 1)
    others: int = 0
    absent: int = 0


def bare(block: bytes, reading: Reading) -> Bare | None:
    """Return the block as plain text, or None where that would take a judgement."""
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")
        if b"\r" in block:
            return None  # pyarrow takes a lone CR for the end of a line
    if not block.endswith(b"\n"):
        block += b"\n"
    layout, profile = reading.layout, reading.options.declaration
    written = any(word not in TIME_WORDS or word == EPOCH_POINT for word in profile.times)
    if layout.extras or "ticker" in layout.places or profile.no_bar or profile.delimiter != "," or written:
        return _cut(block, reading)
    return Bare(text=block, order=layout.order)


@frozen(kw_only=True, eq=False)
class _Cells:
    """The bytes of a block and where its cells are. starts, ends: int64[rows, columns]; an end is a separator."""

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def equal(self, column: int, text: str) -> NDArray[np.bool_]:
        """Return which cells of a column are this text, as bool[rows]."""
        wanted = np.frombuffer(text.encode(), np.uint8)
        starts, ends = self.starts[:, column], self.ends[:, column]
        same = ends - starts == len(wanted)
        held = self.data[starts[same][:, None] + np.arange(len(wanted))]
        same[same] = (held == wanted).all(axis=1)
        return np.asarray(same, np.bool_)

    def column(self, column: int, rows: NDArray[np.bool_]) -> NDArray[np.uint8] | None:
        """Return the cells of a column in some rows as uint8[n, width], or None where they differ in width."""
        starts, widths = self.starts[rows, column], (self.ends - self.starts)[rows, column]
        if not len(starts) or (widths != widths[0]).any():
            return None
        held: NDArray[np.uint8] = self.data[starts[:, None] + np.arange(widths[0])]
        return held


def _cells(block: bytes, layout: Layout, delimiter: str) -> _Cells | None:
    """Return the cells of whole lines, or None where they are not plain text in rows of one length.

    Not plain: quotes, NUL, bad UTF-8, a line that is too long, or a comma where something else separates.
    """
    if b'"' in block or b"\0" in block or not _is_utf8(block):
        return None
    if delimiter != "," and b"," in block:
        return None
    data = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero((data == ord(delimiter)) | (data == _NEWLINE))
    if len(ends) % layout.width:
        return None
    table = ends.reshape(-1, layout.width)
    lines = data[table] == _NEWLINE
    if lines[:, :-1].any() or not lines[:, -1].all() or np.diff(table[:, -1], prepend=-1).max() > LINE_BYTES_MAX:
        return None
    starts = np.concatenate(([0], ends[:-1] + 1)).reshape(table.shape)
    return _Cells(data=data, starts=starts, ends=table)


def _cut(block: bytes, reading: Reading) -> Bare | None:
    """Cut out the cells that are read, of the rows that are read; times of a form are read here."""
    layout, profile = reading.layout, reading.options.declaration
    cells = _cells(block, layout, profile.delimiter)
    if cells is None:
        return None
    own = _own(cells, reading)
    kept = own & ~_absent(cells, layout, profile.no_bar)
    rows = np.flatnonzero(kept)
    counts = {"others": int(np.count_nonzero(~own)), "absent": int(np.count_nonzero(own & ~kept))}
    ts, how = _times(cells, kept, reading)
    order = tuple(role for role in layout.order if role in VALUES or (role == "ts" and how is None))
    if how is None and "time" in layout.places and len(rows):
        return None
    return Bare(
        text=_text(cells, kept, [layout.places[role] for role in order], pointed=_pointed(cells, kept, reading)),
        order=order,
        rows=len(rows),
        lines=len(kept),
        ts=ts,
        form=how,
        first=tuple(rows[:2].tolist()),
        **counts,
    )


def _own(cells: _Cells, reading: Reading) -> NDArray[np.bool_]:
    """Return which rows are of the ticker that was asked for."""
    if "ticker" not in reading.layout.places:
        return np.ones(len(cells.ends), np.bool_)
    assert reading.options.ticker is not None, "the options have one where the profile has a column for it"
    return cells.equal(reading.layout.places["ticker"], reading.options.ticker)


def _absent(cells: _Cells, layout: Layout, no_bar: str | None) -> NDArray[np.bool_]:
    """Return which rows say that there was no bar."""
    absent = np.full(len(cells.ends), no_bar is not None)
    if no_bar is not None:
        for name in VALUES:
            if name in layout.places:
                absent &= cells.equal(layout.places[name], no_bar)
    return absent


def _times(cells: _Cells, kept: NDArray[np.bool_], reading: Reading) -> tuple[NDArray[np.int64] | None, Form | None]:
    """Return the times of the kept rows in ms and their form, or None twice where they are not of a form."""
    forms = [form(word) for word in reading.options.declaration.times if word not in TIME_WORDS]
    place = reading.layout.places
    text = cells.column(place["ts"], kept) if forms else None
    if text is not None and "time" in place:
        clock = cells.column(place["time"], kept)
        space = np.full((len(text), 1), _SPACE, np.uint8)
        text = None if clock is None else np.concatenate((text, space, clock), axis=1)
    if text is None:
        return None, None
    for each in forms:
        if reading.kind in (None, each.codes):
            ms = each.instants(text)
            if ms is not None:
                return ms, each
    return None, None


def _pointed(cells: _Cells, kept: NDArray[np.bool_], reading: Reading) -> NDArray[np.int64] | None:
    """Return where the `.0` of epochs begins, for every kept row, or None where they are not all written so."""
    if EPOCH_POINT not in reading.options.declaration.times or not kept.any():
        return None
    at = cells.ends[kept, reading.layout.places["ts"]] - 2
    pointed = (at > cells.starts[kept, reading.layout.places["ts"]]).all() and (cells.data[at] == ord(".")).all()
    return at if pointed and (cells.data[at + 1] == ord("0")).all() else None


def _text(cells: _Cells, kept: NDArray[np.bool_], columns: list[int], *, pointed: NDArray[np.int64] | None) -> bytes:
    """Return the cells of some columns, ascending, in the kept rows, separated by commas and ended by LF."""
    wanted = np.zeros(cells.ends.shape[1], np.bool_)
    wanted[columns] = True
    data = cells.data.copy()
    data[cells.ends[:, columns]] = _COMMA
    data[cells.ends[:, columns[-1]]] = _NEWLINE  # the last cell that stays ends the line
    mask = np.repeat((kept[:, None] & wanted).ravel(), (cells.ends - cells.starts + 1).ravel())
    if pointed is not None:
        mask[pointed] = mask[pointed + 1] = False
    held: NDArray[np.uint8] = data[mask]
    return held.tobytes()


def _is_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
