"""The plain reader: whole blocks at once, and only those that leave no doubt.

Bytes that end at a line end go in, with the `Reading` they continue; columns come out, or None: then the block is for
the judge. This module reports nothing and owns no message: of the block's bare text (`buff.market.bare`) a byte gate
refuses every form in which pyarrow is laxer than the CSV contract, pyarrow reads the rest, and vectorised rules check
what it read. pyarrow is imported when the first block is read, never before, and its columns are taken from their
buffers (its own conversions import pandas).
"""

import functools
import re
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from buff.market.bare import Bare, bare
from buff.market.bars import DTYPES, PRICES, VALUES
from buff.market.forms import MS_OF_DAY
from buff.market.forms import read as stamp_of
from buff.market.options import REJECT
from buff.market.reading import Reading
from buff.market.source import Columns
from buff.market.timeframe import DAY_MS
from buff.market.timestamps import ISO, MAGNITUDES, UNITS_NS, YEAR_1_NS, YEAR_9999_NS, YEAR_10000_NS, Fault, Stamp

NS = 1_000_000
_UNIT_OF_FRACTION = ("s", "ms", "ms", "ms", "us", "us", "us")  # by the number of digits; longer ones are rare
_FRACTION = re.compile(r"\.(\d+)")

PIECE_BYTES = 1 << 17
_NEWLINE, _SPACE, _COMMA, _MINUS, _DOT, _ZERO, _COLON, _T, _E = b"\n ,-.0:Te"


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
    found = None if reading.blanks else bare(block, reading)
    if found is None:
        return None
    if found.rows == 0:
        _skip(found, reading, 0)
        return {name: np.empty(0, DTYPES[name]) for name in ("ts", *VALUES)}
    first = _first(found, reading)
    columns = None if first is None else _columns(found, first, reading)
    if first is None or columns is None:
        return None
    reading.kind = first.kind
    _skip(found, reading, len(columns["ts"]), columns["ts"])
    return columns


def counted(block: bytes, reading: Reading, *, gaps_only: bool = False) -> dict[str, int] | None:
    """Return how often a block of sound bars offends the rules about times alone, and move past it; else None.

    These are the offences that a whole file has: no zone, another spacing, another order. The judge would say the same
    of each row. None (and nothing moved) where a row may offend another rule, or with `gaps_only` any but GAP.
    """
    found = None if reading.blanks else bare(block, reading)
    if found is None or found.form is not None or found.rows == 0:
        return None
    first = stamp_of(_first_time(found), reading.options.declaration.times, reading.day_ns)
    if isinstance(first, Fault) or reading.kind != first.kind:
        return None
    read_as = _numbers(found, first, reading)
    if read_as is None or not is_sound(read_as[1]):
        return None
    raw, _, unit = read_as
    if not first.zoned and reading.zone is None:
        if gaps_only or first.kind != ISO or int(raw.min()) < YEAR_1_NS // UNITS_NS[unit]:
            return None
        reading.rows += len(raw)
        _skip(found, reading, len(raw))
        return {"TIMEZONE": len(raw)}
    ts = _instants(raw, first, unit, reading) if _agrees(first, reading) else None
    if ts is None or reading.last_ns is None or reading.last_ns % NS or reading.step_ns is None:
        return None
    steps = np.diff(ts, prepend=reading.last_ns // NS)
    if reading.descending:
        steps = -steps
    counts = _offended(ts, steps, reading)
    if gaps_only and counts.keys() - {"GAP"}:
        return None
    same = reading.step_ns % NS == 0 and bool((steps == reading.step_ns // NS).all())
    reading.uniform = reading.uniform and same
    reading.strides(len(steps), int(steps.min()) * NS, int(np.gcd.reduce(steps)) * NS)
    reading.last_ns = int(ts[-1]) * NS
    reading.rows += len(ts)
    _skip(found, reading, len(ts))
    return counts


def _offended(ts: NDArray[np.int64], steps: NDArray[np.int64], reading: Reading) -> dict[str, int]:
    """Return how often each rule about times is offended. ts: openings, epoch ms; steps: to each from the last one."""
    base = reading.options.step_ns // NS
    counts = {
        "ALIGNMENT": np.count_nonzero(ts % base),
        "ORDER": np.count_nonzero(steps < 0),
        "DUPLICATE": np.count_nonzero(steps == 0),
        "GAP": np.count_nonzero((steps > base) & (steps % base == 0)) if reading.options.gaps == REJECT else 0,
    }
    return {rule: int(count) for rule, count in counts.items() if count}


def _columns(found: Bare, first: Stamp, reading: Reading) -> Columns | None:
    """Return the bars of plain text whose first time is `first`, or None when in any doubt."""
    read_as = _numbers(found, first, reading)
    if read_as is None:
        return None
    raw, table, unit = read_as
    ts = _instants(raw, first, unit, reading)
    return None if ts is None else accept(ts, table, reading)


def _numbers(
    found: Bare, first: Stamp, reading: Reading
) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]], str] | None:
    """Return the times (int64, in the unit that follows), the values by name and that unit, or None when in doubt."""
    unit, time = _unit(found, first), "" if found.form else _first_time(found)
    if unit is None or not is_plain(found.text, shape(time, len(found.order))):
        return None
    table = _parse(found, unit if first.kind == ISO else None, zoned=first.zoned)
    if table is None or not _scale(table, found, reading):
        return None
    raw = table.pop("ts") if found.ts is None else found.ts
    assert len(raw) == len(table["open"]), "pyarrow sees the lines that were cut"
    if not reading.options.declaration.volume:
        table["volume"] = np.zeros(len(raw))
    elif not table["volume"].all():
        if b"e" in found.text or b"E" in found.text:
            return None  # a zero may be the rest of a number too small for a float
        table["volume"] = table["volume"] + 0.0  # -0.0 becomes 0.0
    return raw, table, unit


def take(
    raw: NDArray[np.int64], unit: str, zoned: bool, table: dict[str, NDArray[Any]], reading: Reading
) -> Columns | None:
    """Return the bars of a block that was no text and move the reading past it; None (and nothing moved) if in doubt.

    raw: int64[n] times in `unit` since 1970, in UTC when `zoned`, else on the local clock of the file.
    table: float64[n] by name of a value. Every row counts as a line.
    """
    first, end = (limit // UNITS_NS[unit] for limit in (YEAR_1_NS, YEAR_10000_NS))
    if int(raw.min()) < first or int(raw.max()) >= end:
        return None  # nothing below may go round the end of int64
    table["volume"] = table["volume"] + 0.0 if reading.options.declaration.volume else np.zeros(len(raw))
    ts = _instants(raw, Stamp(kind=ISO, zoned=zoned, ns=0), unit, reading)
    columns = None if ts is None else accept(ts, table, reading)
    if columns is not None:
        reading.kind = ISO
        _skip(Bare(text=b"", order=()), reading, len(raw), columns["ts"])
    return columns


def accept(ts: NDArray[np.int64], table: Columns, reading: Reading) -> Columns | None:
    """Return a block of bars as columns when no rule refuses any of them, else None; the reading is not moved.

    ts: int64[n] UTC epoch ms, in the order of the file. table: float64[n] by name of a value, without -0.0.
    """
    return {"ts": ts, **table} if is_sound(table) and _in_step(ts, reading) else None


@frozen(kw_only=True)
class Shape:
    """What every row of a block should have, going by the text of its first time.

    separator: the byte that ends every row's date (T or space), or that every row has but once (its line end) where the
    times have no hours. others: how many bytes of a row, dots left out, are neither digits nor colons.
    """

    separator: int
    others: int
    epoch: bool


def shape(time: str, cells: int) -> Shape:
    """Return the shape of rows of so many cells whose times are written like this one, which the CSV contract accepts.

    time: empty where the rows have none.
    """
    return Shape(
        separator=ord(time[10]) if time[10:11] in ("T", " ") else _NEWLINE,
        others=cells + sum(time.count(each) for each in "-+TZ "),
        epoch=time.isdigit(),
    )


def is_plain(block: bytes, shape: Shape) -> bool:
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
        if not _is_counted(data, shape) and not _is_regular(data, epoch=shape.epoch):
            return False
        at = end
    return True


def _is_counted(data: NDArray[np.uint8], shape: Shape) -> bool:
    """Say whether rows hold dots and digits, what their shape asks for, and nothing else: by counting, the common case.

    pyarrow reads no row that has fewer other bytes than its time and its line ends need. So when all rows together have
    no more than that, no row has one more, and nothing is left that could be a sign, an exponent, a name or a space.
    """
    other = data - np.uint8(48) > 10  # neither digit nor colon
    low = data < 47  # of the bytes counted here: LF , - . + and space
    if low[0] or (low[:-1] & other[1:]).any():  # `.5`, `5.` and the like
        return False
    separators = data == shape.separator
    rows = np.count_nonzero(separators)
    if shape.separator != _NEWLINE and np.count_nonzero(separators[:-3] & (data[3:] == _COLON)) != rows:
        return False  # hours without minutes
    other ^= data == _DOT
    if np.count_nonzero(other) != rows * shape.others or (shape.epoch and _is_padded(data)):
        return False
    return not _is_long(other)


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
    return not _is_long(~inside)


def _is_padded(data: NDArray[np.uint8]) -> bool:
    """Say whether any cell begins with 0 and another digit; such a number is right, such an epoch is not."""
    digit = data - np.uint8(48) < 10
    begins = (data[:-2] == _COMMA) | (data[:-2] == _NEWLINE)
    first = data[0] == _ZERO and digit[1]
    return bool(first or (begins & (data[1:-1] == _ZERO) & digit[2:]).any())


def _is_long(cuts: NDArray[np.bool_]) -> bool:
    """Say whether a number of more than 32 characters is possible, by looking at eight bytes at a time.

    cuts: which bytes cannot belong to a number. 33 characters in a row hold at least three aligned words of eight; 24
    may, so some shorter numbers are doubted too.
    """
    words = cuts[: len(cuts) & ~7].view(np.uint64) == 0  # no number reaches into the last bytes alone
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


def _first(found: Bare, reading: Reading) -> Stamp | None:
    """Return the block's first time, or None where it is not of the kind, or not of the clock, of the file."""
    if found.form is not None:
        first: Stamp | Fault = Stamp(kind=found.form.codes, zoned=found.form.zoned, ns=0)
    else:
        first = stamp_of(_first_time(found), reading.options.declaration.times, reading.day_ns)
    if isinstance(first, Fault) or reading.kind not in (None, first.kind):
        return None
    return first if _agrees(first, reading) else None


def _agrees(first: Stamp, reading: Reading) -> bool:
    """Say whether times like this one are on a clock that is known: their own, or the one that was declared."""
    return not reading.options.zone_asked if first.zoned else reading.zone is not None


def _first_time(found: Bare) -> str:
    cells = found.text[: found.text.index(b"\n")].split(b",")
    return cells[found.order.index("ts")].decode("ascii", "replace") if len(cells) == len(found.order) else ""


def _unit(found: Bare, first: Stamp) -> str | None:
    """Return the unit in which the times of a block are read, or None where that is for the judge."""
    if first.kind != ISO:
        return first.kind if first.kind in UNITS_NS else "ms"
    fraction = _FRACTION.search(_first_time(found))
    digits = len(fraction[1]) if fraction else 0
    return _UNIT_OF_FRACTION[digits] if digits < len(_UNIT_OF_FRACTION) else None


def _scale(table: dict[str, NDArray[Any]], found: Bare, reading: Reading) -> bool:
    """Make prices of whole units of 10^-scale; say whether they are exact."""
    scale = reading.options.declaration.scale
    if not scale:
        return True
    if b"." in found.text or b"e" in found.text or b"E" in found.text or b"-" in found.text:
        return False
    for name in PRICES:
        if (table[name] >= 1 << 53).any():
            return False
        table[name] = table[name] / 10.0**scale  # both are exact, so the quotient is the nearest float
    return True


def _parse(found: Bare, unit: str | None, *, zoned: bool) -> dict[str, NDArray[Any]] | None:
    """Return the columns of the text as int64 and float64 arrays, or None where pyarrow refuses.

    unit: of ISO times; None where times are digits, or not in the text. zoned: whether ISO times carry a zone.
    """
    pa, csv = _pyarrow()
    ts = pa.int64() if unit is None else pa.timestamp(unit, "UTC" if zoned else None)
    try:
        table = csv.read_csv(
            pa.BufferReader(found.text),
            read_options=csv.ReadOptions(
                use_threads=False,
                block_size=len(found.text) + 1,  # one chunk a column
                column_names=found.order,
            ),
            parse_options=csv.ParseOptions(quote_char=False, newlines_in_values=False, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types={name: ts if name == "ts" else pa.float64() for name in found.order},
                null_values=[],
                check_utf8=False,  # the gate has let ASCII through and nothing else
            ),
        )
    except pa.ArrowInvalid:
        return None
    return {name: values(_only(table.column(name)), "<i8" if name == "ts" else "<f8") for name in found.order}


@functools.cache
def _pyarrow() -> tuple[Any, Any]:
    """Return pyarrow and its CSV reader."""
    import pyarrow
    from pyarrow import csv

    # glibc gives memory back to the system as soon as a block is done, and the next block pays for every page of it
    # anew (a tenth of an ingest), unless it has once seen a large piece of memory come and go.
    np.empty(31 << 20, np.uint8)
    return pyarrow, csv


def values(chunk: Any, dtype: str) -> NDArray[Any]:
    """Return an Arrow array without nulls, of values of eight bytes, as numpy, without copying it."""
    assert chunk.null_count == 0, "a column of numbers has no nulls"
    return np.frombuffer(chunk.buffers()[1], dtype, count=len(chunk), offset=chunk.offset * 8)


def _only(column: Any) -> Any:
    assert column.num_chunks == 1, "the block is one chunk"
    return column.chunk(0)


def _instants(raw: NDArray[np.int64], first: Stamp, unit: str, reading: Reading) -> NDArray[np.int64] | None:
    """Return the openings of bars as UTC epoch milliseconds (int64), or None."""
    per_unit = UNITS_NS[unit]
    if first.kind in UNITS_NS and not _of_unit(raw, unit):
        return None
    if per_unit >= NS:
        ms = raw * (per_unit // NS) if per_unit > NS else raw
    else:
        ms = raw // (NS // per_unit)
        if (ms * (NS // per_unit) != raw).any():
            return None
    if first.kind == MS_OF_DAY:
        if ms.min() < 0 or ms.max() >= DAY_MS or reading.day_ns is None:
            return None
        ms = ms + reading.day_ns // NS
    if not first.zoned:
        assert reading.zone is not None, "a local time has a declared zone"
        offset = reading.zone.offset_ms(int(ms.min()), int(ms.max()))
        if offset is None:
            return None
        ms = ms - offset
    if reading.shift_ns:
        if ms.max() >= YEAR_9999_NS // NS:
            return None  # a written time lies in the calendar as well, not only the opening of its bar
        ms = ms - reading.shift_ns // NS
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
    base, kept = reading.options.step_ns // NS, reading.options.gaps != REJECT
    # In nanoseconds: the line before this block may have had a time that is between two milliseconds.
    first = base * NS if reading.last_ns is None else int(ts[0]) * NS - reading.last_ns
    steps = np.diff(ts)
    if reading.descending:
        steps, first = -steps, first if reading.last_ns is None else -first
    if ts[0] % base or first <= 0 or (first != base * NS and not kept):
        return False
    return bool((steps == base).all()) or (kept and bool((steps > 0).all()) and not (steps % base).any())


def _skip(found: Bare, reading: Reading, rows: int, ts: NDArray[np.int64] | None = None) -> None:
    """Move the reading past the lines of a block of so many rows, which opened at `ts` (None: they had no openings)."""
    if ts is not None:
        for value, line in zip(ts[:2].tolist(), found.first, strict=False):
            reading.step(value * NS, reading.line + 1 + line)
        if reading.step_ns is not None and reading.uniform:
            forward = -NS if reading.descending else NS
            reading.uniform = bool((np.diff(ts) == reading.step_ns // forward).all())
        if reading.options.gaps != REJECT and len(ts) > 2:
            steps = np.abs(np.diff(ts[1:]))
            reading.strides(len(steps), int(steps.min()) * NS, int(np.gcd.reduce(steps)) * NS)
        reading.last_ns = int(ts[-1]) * NS
        reading.rows += len(ts)
    reading.others += found.others
    reading.absent += found.absent
    reading.line += rows if found.lines is None else found.lines
