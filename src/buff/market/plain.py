"""The plain reader: whole blocks at once, and only those that leave no doubt.

Bytes that end at a line end go in, with the `Reading` they continue; columns come out, or None: then the block is for
the judge. This module reports nothing and owns no message: a byte gate refuses every form in which pyarrow is laxer
than the CSV contract, pyarrow reads the rest, and vectorised rules check what it read. pyarrow is imported when the
first block is read, never before, and its columns are taken from their buffers (its own conversions import pandas).
"""

import functools
import re
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from buff.market.bars import VALUES
from buff.market.header import Layout
from buff.market.judge import LINE_BYTES_MAX
from buff.market.options import REJECT
from buff.market.reading import Reading
from buff.market.source import Columns
from buff.market.timestamps import ISO, MAGNITUDES, UNITS_NS, YEAR_1_NS, YEAR_9999_NS, Stamp, stamp

NS = 1_000_000
_UNIT_OF_FRACTION = ("s", "ms", "ms", "ms", "us", "us", "us")  # by the number of digits; longer ones are rare
_FRACTION = re.compile(r"\.(\d+)")

PIECE_BYTES = 1 << 17
_NEWLINE, _SPACE, _COMMA, _MINUS, _DOT, _ZERO, _COLON, _T, _E = b"\n ,-.0:Te"
_EIGHT_TRUE = np.uint64(0x0101010101010101)


def _table(*following: tuple[bytes, bytes]) -> NDArray[np.bool_]:
    """Return which byte, not a digit, may follow which, as bool[256, 256]."""
    table = np.zeros((256, 256), np.bool_)
    for before, after in following:
        table[np.ix_(list(before), list(after))] = True
    return table


_OTHERS = np.isin(np.arange(256), list(b"\nTZ eE"))
_PAIRS = _table((b",\n", b"-"), (b"Z", b",\n"), (b"eE", b"+-"))


def read(block: bytes, reading: Reading) -> Columns | None:
    """Return the columns of a block and move the reading past it; None (and nothing moved) when in any doubt."""
    bare = None if reading.blanks else _bare(block, reading.layout)
    if bare is None:
        return None
    text = _first_time(bare, reading.layout)
    kind, unit = _kind(text, reading)
    if kind is None or not is_plain(bare, form(text)):
        return None
    table = _parse(bare, reading.layout, unit if kind == ISO else None, zoned=reading.options.zone is None)
    if table is None:
        return None
    ts = _instants(table.pop("ts"), kind, unit, reading)
    if ts is None or not is_sound(table) or not _in_step(ts, reading):
        return None
    if not table["volume"].all():
        if b"e" in bare or b"E" in bare:
            return None  # a zero may be the rest of a number too small for a float
        table["volume"] = table["volume"] + 0.0  # -0.0 becomes 0.0
    _move(ts, kind, reading)
    return {"ts": ts, **table}


def _bare(block: bytes, layout: Layout) -> bytes | None:
    """Return whole LF-ended lines of the six columns alone, or None where that would take a judgement."""
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")
    if not block.endswith(b"\n"):
        block += b"\n"
    return without_extras(block, layout) if layout.extras else block


def without_extras(block: bytes, layout: Layout) -> bytes | None:
    """Return the lines with the cells of ignored columns cut out, or None.

    None where these cells are not plain text (quotes, NUL, lone CR, bad UTF-8), or a row has more cells or fewer, or a
    line is too long.
    """
    if b'"' in block or b"\0" in block or b"\r" in block or not _is_utf8(block):
        return None
    data = np.frombuffer(block, np.uint8).copy()
    ends = np.flatnonzero((data == _COMMA) | (data == _NEWLINE))
    if len(ends) % layout.width:
        return None
    table = ends.reshape(-1, layout.width)
    lines = data[table] == _NEWLINE
    if lines[:, :-1].any() or not lines[:, -1].all() or np.diff(table[:, -1], prepend=-1).max() > LINE_BYTES_MAX:
        return None
    places = sorted(layout.places.values())
    wanted = np.zeros(layout.width, np.bool_)
    wanted[places] = True
    data[table[:, places[-1]]] = _NEWLINE  # the last cell that stays ends the line
    kept: NDArray[np.uint8] = data[np.repeat(np.tile(wanted, len(table)), np.diff(ends, prepend=-1))]
    return kept.tobytes()


def _is_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@frozen(kw_only=True)
class Form:
    """What every row of a block should have, going by the text of its first time.

    separator: the byte that ends every row's date (T or space), or that every row has but once (its line end) where the
    times have no hours. others: how many bytes of a row, dots left out, are neither digits nor colons.
    """

    separator: int
    others: int
    epoch: bool


def form(time: str) -> Form:
    """Return the form of rows whose times are written like this one, which the CSV contract accepts."""
    return Form(
        separator=ord(time[10]) if time[10:11] in ("T", " ") else _NEWLINE,
        others=len(VALUES) + 1 + sum(time.count(each) for each in "-+TZ "),
        epoch=time.isdigit(),
    )


def is_plain(block: bytes, form: Form) -> bool:
    """Say whether a block of whole lines holds only forms that pyarrow reads exactly as the CSV contract does.

    Refused: bytes outside the alphabet of plain rows; neighbours that no plain row has (`.5`, `5.`, `+1`, a space that
    is not between digits); hours without minutes; numbers that may be longer than the contract allows; and, where the
    times are epoch digits, zero-padding. Every refusal is only a doubt: the judge decides.
    What pyarrow itself refuses may pass.
    """
    at = 0
    while at < len(block):
        # Pieces that stay in the cache of one core while they are looked at from all sides.
        end = block.find(b"\n", at + PIECE_BYTES) + 1 or len(block)
        data = np.frombuffer(block, np.uint8, end - at, at)
        if not _is_bare(data, form) and not _is_regular(data, epoch=form.epoch):
            return False
        at = end
    return True


def _is_bare(data: NDArray[np.uint8], form: Form) -> bool:
    """Say whether rows hold dots and digits, what their form asks for, and nothing else: by counting, the common case.

    pyarrow reads no row that has fewer other bytes than its time and its line ends need. So when all rows together have
    no more than that, no row has one more, and nothing is left that could be a sign, an exponent, a name or a space.
    """
    other = data - np.uint8(48) > 10  # neither digit nor colon
    low = data < 47  # of the bytes counted here: LF , - . + and space
    if low[0] or (low[:-1] & other[1:]).any():  # `.5`, `5.` and the like
        return False
    separators = data == form.separator
    rows = np.count_nonzero(separators)
    if form.separator != _NEWLINE and np.count_nonzero(separators[:-3] & (data[3:] == _COLON)) != rows:
        return False  # hours without minutes
    other ^= data == _DOT
    if np.count_nonzero(other) != rows * form.others or (form.epoch and _is_padded(data)):
        return False
    return not _is_long(~other)


def _is_regular(data: NDArray[np.uint8], *, epoch: bool) -> bool:
    """Say the same by looking at every byte that is not a digit: exponents, signs and times of several forms pass."""
    other = np.flatnonzero(data - np.uint8(43) >= 16)  # all but + , - . / 0-9 :, and / is refused by pyarrow
    kinds = data[other]
    if not _OTHERS[kinds].all():
        return False
    gaps = other[(kinds == _T) | (kinds == _SPACE)]
    if len(gaps) and (gaps[-1] + 3 >= len(data) or (data[gaps + 3] != _COLON).any()):
        return False
    apart = data - np.uint8(48) >= 10  # not a digit
    pairs = np.flatnonzero(apart[1:] & apart[:-1])
    if not _PAIRS[data[pairs], data[pairs + 1]].all():
        return False
    if apart[0] and data[0] != _MINUS:
        return False
    if epoch and _is_padded(data):
        return False
    inside = data - np.uint8(45) < 13  # - . / 0-9: times are cut at T, space and colon
    exponents = other[(kinds | 32) == _E]
    inside[exponents] = True
    inside[exponents + 1] = True  # its sign, which may be a +
    return not _is_long(inside)


def _is_padded(data: NDArray[np.uint8]) -> bool:
    """Say whether any cell begins with 0 and another digit; such a number is right, such an epoch is not."""
    digit = data - np.uint8(48) < 10
    begins = (data[:-2] == _COMMA) | (data[:-2] == _NEWLINE)
    first = data[0] == _ZERO and digit[1]
    return bool(first or (begins & (data[1:-1] == _ZERO) & digit[2:]).any())


def _is_long(inside: NDArray[np.bool_]) -> bool:
    """Say whether a number of more than 32 characters is possible, by looking at eight bytes at a time.

    inside: which bytes may belong to a number. 33 characters in a row hold at least three aligned words of eight; 24
    may, so some shorter numbers are doubted too.
    """
    words = inside[: len(inside) & ~7].view(np.uint64) == _EIGHT_TRUE  # no number reaches into the last bytes alone
    return bool((words[2:] & words[1:-1] & words[:-2]).any())


def is_sound(table: Columns) -> bool:
    """Say whether float columns hold only bars: finite prices above zero, bounded by high and low, volume >= 0."""
    top = np.maximum(table["open"], table["close"])
    bottom = np.minimum(table["open"], table["close"])
    volume = table["volume"]
    # NaN fails every comparison, so it is refused without being asked for.
    return bool(
        (table["low"] > 0.0).all()
        and (table["low"] <= bottom).all()
        and (table["high"] >= top).all()
        and (table["high"] < np.inf).all()
        and (volume >= 0.0).all()
        and (volume < np.inf).all()
    )


def _first_time(block: bytes, layout: Layout) -> str:
    """Return the time of the first row, or nothing where that row is not one."""
    first = block[: block.index(b"\n")].split(b",")
    return first[layout.order.index("ts")].decode("ascii", "replace") if len(first) == len(layout.order) else ""


def _kind(text: str, reading: Reading) -> tuple[str | None, str]:
    """Return the kind of the block's first time (None: not that of the file so far) and the unit to read it in."""
    found = stamp(text)
    if not isinstance(found, Stamp) or reading.kind not in (None, found.kind):
        return None, ""
    if found.kind != ISO:
        return (None if reading.options.zone else found.kind), found.kind
    fraction = _FRACTION.search(text)
    digits = len(fraction[1]) if fraction else 0
    return (ISO, _UNIT_OF_FRACTION[digits]) if digits < len(_UNIT_OF_FRACTION) else (None, "")


def _parse(block: bytes, layout: Layout, unit: str | None, *, zoned: bool) -> dict[str, NDArray[Any]] | None:
    """Return the six columns as int64 and float64 arrays, or None where pyarrow refuses. `unit` None: epoch digits."""
    pa, csv = _pyarrow()
    ts = pa.int64() if unit is None else pa.timestamp(unit, "UTC" if zoned else None)
    try:
        table = csv.read_csv(
            pa.BufferReader(block),
            read_options=csv.ReadOptions(
                use_threads=False,
                block_size=len(block) + 1,  # one chunk a column
                column_names=layout.order,
            ),
            parse_options=csv.ParseOptions(quote_char=False, newlines_in_values=False, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types={name: ts if name == "ts" else pa.float64() for name in layout.order},
                null_values=[],
                check_utf8=False,  # the gate has let ASCII through and nothing else
            ),
        )
    except pa.ArrowInvalid:
        return None
    return {name: _array(table.column(name), "<i8" if name == "ts" else "<f8") for name in ("ts", *VALUES)}


@functools.cache
def _pyarrow() -> tuple[Any, Any]:
    """Return pyarrow and its CSV reader."""
    import pyarrow
    from pyarrow import csv

    # glibc gives memory back to the system as soon as a block is done, and the next block pays for every page of it
    # anew (a tenth of an ingest), unless it has once seen a large piece of memory come and go.
    np.empty(31 << 20, np.uint8)
    return pyarrow, csv


def _array(column: Any, dtype: str) -> NDArray[Any]:
    chunk = column.chunk(0)
    assert column.num_chunks == 1, "the block is one chunk"
    assert chunk.null_count == 0, "null values are off"
    return np.frombuffer(chunk.buffers()[1], dtype, count=len(chunk), offset=chunk.offset * 8)


def _instants(raw: NDArray[np.int64], kind: str, unit: str, reading: Reading) -> NDArray[np.int64] | None:
    """Return UTC epoch milliseconds (int64), or None."""
    per_unit = UNITS_NS[unit]
    if kind != ISO and not _of_unit(raw, unit):
        return None
    if per_unit >= NS:
        ms = raw * (per_unit // NS) if per_unit > NS else raw
    else:
        ms = raw // (NS // per_unit)
        if (ms * (NS // per_unit) != raw).any():
            return None
    if reading.options.zone is not None:
        offset = reading.options.zone.offset_ms(int(ms.min()), int(ms.max()))
        if offset is None:
            return None
        ms = ms - offset
    return ms if ms.min() >= YEAR_1_NS // NS and ms.max() < YEAR_9999_NS // NS else None


def _of_unit(raw: NDArray[np.int64], unit: str) -> bool:
    """Say whether all values have the magnitude of one epoch unit."""
    names = [name for _, name in MAGNITUDES]
    at = names.index(unit)
    low = MAGNITUDES[at - 1][0] if at else 0
    return bool(raw.min() >= low and raw.max() < MAGNITUDES[at][0])


def _in_step(ts: NDArray[np.int64], reading: Reading) -> bool:
    """Say whether all times are on the grid of the base, and every step, that from the block before included, allowed.

    ts: UTC epoch milliseconds.
    """
    base = reading.options.step_ns // NS
    # In nanoseconds: the line before this block may have had a time that is between two milliseconds.
    first = base * NS if reading.last_ns is None else int(ts[0]) * NS - reading.last_ns
    kept = reading.options.gaps != REJECT
    if ts[0] % base or first <= 0 or (first != base * NS and not kept):
        return False
    steps = np.diff(ts)
    return bool((steps == base).all()) or (kept and bool((steps > 0).all()) and not (steps % base).any())


def _move(ts: NDArray[np.int64], kind: str, reading: Reading) -> None:
    """Move the reading past accepted rows."""
    for at in range(min(2, len(ts))):
        reading.step(int(ts[at]) * NS, reading.line + 1 + at)
    if reading.step_ns is not None and reading.uniform:
        reading.uniform = bool((np.diff(ts) == reading.step_ns // NS).all())
    reading.last_ns = int(ts[-1]) * NS
    reading.kind = kind
    reading.rows += len(ts)
    reading.line += len(ts)
