"""The judge: the reference reader. It reads a file line by line, slowly, and owns every message.

Bytes that end at a line end go in, with the `Reading` they continue; accepted bars come out as columns, and every
offence is recorded in the reading. It alone can read a whole file; the plain reader may only accept what it accepts.
"""

import math
import re

import numpy as np

from buff.market.bars import DTYPES, PRICES, VALUES
from buff.market.header import cells
from buff.market.options import REJECT
from buff.market.reading import Reading
from buff.market.rules import Halt, Offence
from buff.market.source import Columns
from buff.market.timestamps import Fault, iso, place

LINE_BYTES_MAX = 64 * 1024
NUMBER_CHARACTERS_MAX = 32
NS = 1_000_000

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_NOT_ZERO = re.compile(r"[^eE]*[1-9]", re.ASCII)


def judge(block: bytes, reading: Reading) -> Columns | None:
    """Read lines one by one; return the bars of the block, or None when there were offences up to its end.

    Raises Halt at an offence after which nothing can be read.
    """
    lines = block.split(b"\n")
    if not lines[-1]:
        lines.pop()  # what stands after the last line end is not a line
    bars = [bar for line in lines if (bar := _line(line, reading)) is not None]
    if reading.offences:
        return None
    table = list(zip(*bars, strict=True)) or [()] * (1 + len(VALUES))
    return {name: np.array(column, DTYPES[name]) for name, column in zip(("ts", *VALUES), table, strict=True)}


def number(text: str) -> float | Fault:
    """Return the value of a cell, or why it is not a number by the CSV contract."""
    bare = text.strip(" ")
    if len(bare) > NUMBER_CHARACTERS_MAX:
        return Fault(rule="CELL", says=f"a number of {len(bare)} characters; at most {NUMBER_CHARACTERS_MAX} are read")
    if not bare:
        return Fault(rule="CELL", says="the cell is empty")
    if not _NUMBER.fullmatch(bare):
        return Fault(rule="CELL", says=f"{bare!r} is not a plain decimal number")
    value = float(bare)
    if math.isinf(value):
        return Fault(rule="CELL", says=f"{bare} is too large for a float")
    if value == 0.0 and _NOT_ZERO.match(bare):
        return Fault(rule="CELL", says=f"{bare} is too small for a float")
    return value + 0.0  # -0.0 becomes 0.0: the same bars are the same bytes


def _line(raw: bytes, reading: Reading) -> tuple[float, ...] | None:
    reading.line += 1
    text = _text(raw, reading)
    if not text:
        reading.blanks += 1
        return None
    _judge_blanks(reading)
    reading.rows += 1
    row = cells(text, reading.options.declaration.delimiter)
    if row is None:
        _offend(reading, reading.line, "CELL", "a quote is not closed, or text stands beside it", text=text)
        return None
    if len(row) != reading.layout.width:
        says = f"the row has {len(row)} cells, the header has {reading.layout.width}"
        _offend(reading, reading.line, "RAGGED", says, text=text)
        return None
    ns = _time(row[reading.layout.places["ts"]], reading)
    values = _values(row, reading)
    _judge_bar(row, values, reading)
    _judge_step(ns, row[reading.layout.places["ts"]], reading)
    if reading.offences:
        return None
    assert ns is not None
    return (ns // NS, *(values[name] for name in VALUES))


def _text(raw: bytes, reading: Reading) -> str:
    if len(raw) > LINE_BYTES_MAX:
        raise _halt(reading, "SIZE", f"the line is longer than {LINE_BYTES_MAX:,} bytes", raw[:64])
    raw = raw.removesuffix(b"\r")
    if b"\0" in raw:
        raise _halt(reading, "ENCODING", "the line has NUL bytes: was the file cut off while it was written?", raw)
    if b"\r" in raw:
        raise _halt(reading, "ENCODING", "a carriage return stands in the line without a line feed after it", raw)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _halt(reading, "ENCODING", f"byte {error.start + 1} of the line is not UTF-8", raw) from error


def _halt(reading: Reading, rule: str, says: str, raw: bytes) -> Halt:
    text = raw.decode("utf-8", "backslashreplace").replace("\0", "\\x00").replace("\r", "\\r")
    return Halt(Offence(file=reading.file, line=reading.line, column=None, text=text, rule=rule, says=says))


def _offend(reading: Reading, line: int, rule: str, says: str, *, text: str, column: str | None = None) -> None:
    reading.offend(Offence(file=reading.file, line=line, column=column, text=text, rule=rule, says=says))


def _judge_blanks(reading: Reading) -> None:
    for line in range(reading.line - reading.blanks, reading.line):
        _offend(reading, line, "RAGGED", "the line is blank, and rows follow it", text="")
    reading.blanks = 0


def _time(text: str, reading: Reading) -> int | None:
    kind, found = place(text, reading.kind, reading.options.zone)
    reading.kind = reading.kind or kind
    if isinstance(found, Fault):
        _offend(reading, reading.line, found.rule, found.says, text=text, column=reading.layout.name("ts"))
        return None
    return found


def _values(row: list[str], reading: Reading) -> dict[str, float]:
    """Return the sound numbers of a row by name; the others are recorded as offences, in the order of the file."""
    values = {}
    for name in sorted(VALUES, key=reading.layout.places.__getitem__):
        text = row[reading.layout.places[name]]
        found = number(text)
        if isinstance(found, float) and (found < 0.0 or (found == 0.0 and name in PRICES)):
            asked = "must be above zero" if name in PRICES else "must not be negative"
            found = Fault(rule="SIGN", says=f"{name} {text.strip()} {asked}")
        if isinstance(found, Fault):
            _offend(reading, reading.line, found.rule, found.says, text=text, column=reading.layout.name(name))
        else:
            values[name] = found
    return values


def _judge_bar(row: list[str], values: dict[str, float], reading: Reading) -> None:
    if not all(name in values for name in PRICES):  # a price that is refused bounds nothing
        return None
    high, low = values["high"], values["low"]
    for name in ("open", "close", "low"):
        if high < values[name]:
            return _offend_bar("high", "below", name, row, reading)
    for name in ("open", "close"):
        if low > values[name]:
            return _offend_bar("low", "above", name, row, reading)
    return None


def _offend_bar(bound: str, side: str, name: str, row: list[str], reading: Reading) -> None:
    text, other = (row[reading.layout.places[each]].strip() for each in (bound, name))
    says = f"{bound} {text} is {side} {name} {other}"
    _offend(reading, reading.line, "OHLC", says, text=text, column=reading.layout.name(bound))


def _judge_step(ns: int | None, text: str, reading: Reading) -> None:
    if ns is None:
        return
    base, before = reading.options.step_ns, reading.last_ns
    step = reading.step(ns, reading.line)
    found = []
    if ns % base:
        found.append(("ALIGNMENT", f"{text} is not on the grid of {reading.options.base.value} bars"))
    if step is not None and before is not None:
        after = iso(before // NS)
        if step < 0:
            found.append(("ORDER", f"{text} comes after {after}, which is later"))
        elif step == 0:
            found.append(("DUPLICATE", f"{text} is the time of the row before it"))
        elif step > base and step % base == 0 and reading.options.gaps == REJECT:
            missing = step // base - 1
            found.append(("GAP", f"{missing:,} bar{'s' * (missing > 1)} missing between {after} and {text}"))
    for rule, says in found:
        _offend(reading, reading.line, rule, says, text=text, column=reading.layout.name("ts"))
