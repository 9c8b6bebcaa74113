"""The judge: the reference reader. It reads a file line by line, slowly, and owns every message.

Bytes that end at a line end go in, with the `Reading` they continue; accepted bars come out as columns, and every
offence is recorded in the reading. It alone can read a whole file; the plain reader may only accept what it accepts.
"""

import math
import re
from collections.abc import Sequence

import numpy as np

from buff.market.bars import DTYPES, PRICES, VALUES
from buff.market.header import cells
from buff.market.options import REJECT, CsvOptions
from buff.market.profiles import REQUIRED
from buff.market.reading import Reading
from buff.market.rules import Halt, Offence
from buff.market.source import Columns
from buff.market.timestamps import Fault
from buff.times import iso

LINE_BYTES_MAX = 64 * 1024
NUMBER_CHARACTERS_MAX = 32
NS = 1_000_000

_PRICES = frozenset(PRICES)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_NOT_ZERO = re.compile(r"[^eE]*[1-9]", re.ASCII)
_GROUPED = re.compile(r"-?\d+(?:[.,' ]\d+)+", re.ASCII)
_COMMA = (
    "the file has decimal commas or grouped thousands, as some spreadsheets write them: export it with decimal points "
    "and nothing else between digits"
)

Bar = tuple[float, ...]  # epoch ms, open, high, low, close, volume


def judge(block: bytes, reading: Reading) -> Columns | None:
    """Read lines one by one; return the bars of the block, or None when there were offences up to its end.

    Raises Halt at an offence after which nothing can be read.
    """
    *lines, last = block.split(b"\n")
    bars = [bar for line in lines if (bar := _line(line, reading)) is not None]
    if last:  # what stands after the last line end is a line only if there is something
        bar = _line(last, reading, ended=False)
        bars += [] if bar is None else [bar]
    return None if reading.offences else columns_of(bars)


def columns_of(bars: Sequence[Bar]) -> Columns:
    """Return rows of bars as columns, without `filled`."""
    table = list(zip(*bars, strict=True)) or [()] * (1 + len(VALUES))
    return {name: np.array(column, DTYPES[name]) for name, column in zip(("ts", *VALUES), table, strict=True)}


def number(text: str, scale: int = 0) -> float | Fault:
    """Return the value of a cell, or why it is not a number by the CSV contract.

    scale: the cell counts units of 10^-scale, where that is not 0.
    """
    bare = text.strip(" ")
    if len(bare) > NUMBER_CHARACTERS_MAX:
        return Fault(rule="CELL", says=f"a number of {len(bare)} characters; at most {NUMBER_CHARACTERS_MAX} are read")
    if not bare:
        return Fault(rule="CELL", says="the cell is empty")
    if not _NUMBER.fullmatch(bare):
        hint = _COMMA if _GROUPED.fullmatch(bare) else None
        return Fault(rule="CELL", says=f"{bare!r} is not a plain decimal number", hint=hint)
    if scale:
        if not bare.isdigit():
            return Fault(rule="CELL", says=f"{bare} is not a whole number, as prices of this profile are")
        return float(f"{bare}e-{scale}")
    value = float(bare)
    if math.isinf(value):
        return Fault(rule="CELL", says=f"{bare} is too large for a float")
    if value == 0.0 and _NOT_ZERO.match(bare):
        return Fault(rule="CELL", says=f"{bare} is too small for a float")
    return value + 0.0  # -0.0 becomes 0.0: the same bars are the same bytes


def _line(raw: bytes, reading: Reading, *, ended: bool = True) -> Bar | None:
    reading.line += 1
    text = _text(raw, reading, ended=ended)
    if not text:
        reading.blanks += 1
        return None
    _judge_blanks(reading)
    row = cells(text, reading.options.declaration.delimiter)
    if row is None:
        reading.rows += 1
        _offend(reading, reading.line, "CELL", "a quote is not closed, or text stands beside it", text=text)
        return None
    return judge_row(row, text, reading)


def judge_row(row: list[str], text: str, reading: Reading) -> Bar | None:
    """Judge the cells of one row; return its bar, or None: refused, of another ticker, or no bar at all.

    text: the whole row as written. The reading stands at its line already.
    """
    places = reading.layout.places
    if len(row) != reading.layout.width:
        reading.rows += 1
        says = f"the row has {len(row)} cells, {_widest(reading)} {reading.layout.width}"
        commas = len(row) - reading.layout.width >= len(PRICES) and reading.options.declaration.delimiter == ","
        _offend(reading, reading.line, "RAGGED", says, text=text, hint=_COMMA if commas else None)
        return None
    if "ticker" in places and row[places["ticker"]] != reading.options.ticker:
        reading.others += 1
        return None
    no_bar = reading.options.declaration.no_bar
    if no_bar is not None and all(row[places[name]] == no_bar for name in VALUES if name in places):
        reading.absent += 1
        return None
    reading.rows += 1
    ns = _time(reading.layout.time(row), reading)
    values = _values(row, reading)
    _judge_bar(row, values, reading)
    _judge_step(ns, reading.layout.time(row), reading)
    if reading.offences:
        return None
    assert ns is not None
    return (ns // NS, *(values[name] for name in VALUES))


def _widest(reading: Reading) -> str:
    return "the header has" if reading.options.declaration.header == REQUIRED else "the first row has"


def _text(raw: bytes, reading: Reading, *, ended: bool) -> str:
    if len(raw) > LINE_BYTES_MAX:
        raise _halt(reading, "SIZE", f"the line is longer than {LINE_BYTES_MAX:,} bytes", raw[:64])
    raw = raw.removesuffix(b"\r") if ended else raw
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


def _offend(
    reading: Reading,
    line: int,
    rule: str,
    says: str,
    *,
    text: str,
    column: str | None = None,
    hint: str | None = None,
) -> None:
    hint = hint or reading.options.declaration.hints.get(rule)
    reading.offend(Offence(file=reading.file, line=line, column=column, text=text, rule=rule, says=says, hint=hint))


def _judge_blanks(reading: Reading) -> None:
    for line in range(reading.line - reading.blanks, reading.line):
        _offend(reading, line, "RAGGED", "the line is blank, and rows follow it", text="")
    reading.blanks = 0


def _time(text: str, reading: Reading) -> int | None:
    found = reading.time(text)
    if isinstance(found, Fault):
        _offend_cell(reading, found, text, "ts")
        return None
    return found


def _offend_cell(reading: Reading, found: Fault, text: str, role: str) -> None:
    column = reading.layout.name(role)
    _offend(reading, reading.line, found.rule, found.says, text=text, column=column, hint=found.hint)


def _values(row: list[str], reading: Reading) -> dict[str, float]:
    """Return the sound numbers of a row by name; the others are recorded as offences, in the order of the file."""
    values = {} if "volume" in reading.layout.places else {"volume": 0.0}
    for name in reading.layout.order:
        if name not in VALUES:
            continue
        text = row[reading.layout.places[name]]
        found = _value(name, text, reading.options.declaration.scale)
        if isinstance(found, float):
            values[name] = found
        else:
            _offend_cell(reading, found, text, name)
    return values


def _value(name: str, text: str, scale: int) -> float | Fault:
    found = number(text, scale if name in PRICES else 0)
    if isinstance(found, Fault) or found > 0.0 or (found == 0.0 and name not in PRICES):
        return found
    asked = "must be above zero" if name in PRICES else "must not be negative"
    return Fault(rule="SIGN", says=f"{name} {text.strip()} {asked}")


def _judge_bar(row: list[str], values: dict[str, float], reading: Reading) -> None:
    found = _crossed(values)
    if found is not None:
        bound, side, name = found
        text, other = (row[reading.layout.places[each]].strip() for each in (bound, name))
        says = f"{bound} {text} is {side} {name} {other}"
        _offend(reading, reading.line, "OHLC", says, text=text, column=reading.layout.name(bound))


def _crossed(values: dict[str, float]) -> tuple[str, str, str] | None:
    """Return which bound is on the wrong side of which price, or None; a price that is refused bounds nothing."""
    if not values.keys() >= _PRICES:
        return None
    high, low = values["high"], values["low"]
    for name in ("open", "close"):  # a high below the low is one of these, or of those below
        if high < values[name]:
            return "high", "below", name
    for name in ("open", "close"):
        if low > values[name]:
            return "low", "above", name
    return None


def _judge_step(ns: int | None, text: str, reading: Reading) -> None:
    if ns is None:
        return
    before = reading.last_ns
    step = reading.step(ns, reading.line)
    if ns % reading.options.step_ns:
        says = f"{text} is not on the grid of {reading.options.base.value} bars"
        _offend(reading, reading.line, "ALIGNMENT", says, text=text, column=reading.layout.name("ts"))
    if before is None or step is None:
        return
    found = stride(step, reading.options, iso(before // NS), iso(ns // NS), descending=reading.descending)
    if found is not None:
        _offend_cell(reading, found, text, "ts")


def stride(step: int, options: CsvOptions, after: str, now: str, *, descending: bool = False) -> Fault | None:
    """Return what is wrong with a step (nanoseconds) from the time `after` to that of the next row, or None."""
    if step == options.step_ns:
        return None
    if step < 0:
        late = "earlier, and rows of this profile come newest first" if descending else "later"
        return Fault(rule="ORDER", says=f"{now} comes after {after}, which is {late}")
    if step == 0:
        return Fault(rule="DUPLICATE", says=f"{now} is the time of the row before it")
    if step % options.step_ns or options.gaps != REJECT:
        return None  # off the grid, or a gap that is kept or filled
    missing = step // options.step_ns - 1
    between = f"{now} and {after}" if descending else f"{after} and {now}"
    return Fault(rule="GAP", says=f"{missing:,} bar{'s' * (missing > 1)} missing between {between}")
