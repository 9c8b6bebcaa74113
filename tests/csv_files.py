"""CSV bytes for the tests of ingest: a clean file, its mutations, and one way to read them."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from buff.errors import BuffError
from buff.market.bars import COLUMNS
from buff.market.ingest import Ingested, ingest
from buff.market.options import CsvOptions
from buff.market.source import Source

HEADER = b"ts,open,high,low,close,volume\n"
MINUTE_MS = 60_000
START_MS = 1_577_836_800_000  # 2020-01-01T00:00:00Z


def csv_file(*contents: bytes, name: str = "bars.csv") -> list[Source]:
    """Return files with these contents, named bars.csv, bars2.csv, ..."""
    names = [name, *(f"bars{number}.csv" for number in range(2, len(contents) + 1))]
    return [
        Source(name=each, chunks=lambda text=text: iter([text])) for each, text in zip(names, contents, strict=True)
    ]


def read(*contents: bytes, **options: Any) -> tuple[dict[str, np.ndarray[Any, Any]], Ingested]:
    """Return the columns and the description of these files. Raises what ingest raises."""
    limits = {name: options.pop(name) for name in ("rows_max", "bytes_max") if name in options}
    how = {name: options.pop(name) for name in ("reference", "block_bytes") if name in options}
    written: list[Any] = []
    done = ingest(
        csv_file(*contents),
        CsvOptions(**options),
        write=written.append,
        **{"rows_max": 10**7, "bytes_max": 10**9, **limits},
        **how,
    )
    return {name: np.concatenate([block[name] for block in written]) for name in COLUMNS}, done


def outcome(*contents: bytes, **options: Any) -> Any:
    """Return all that a reading comes to, as values that can be compared: bytes of columns, or the whole error."""
    try:
        columns, done = read(*contents, **options)
    except BuffError as error:
        return error.as_dict()
    return {name: (column.dtype.str, column.tobytes()) for name, column in columns.items()}, done


def rows(
    count: int, *, form: str = "Z", start_ms: int = START_MS, step_ms: int = MINUTE_MS, seed: int = 0
) -> list[bytes]:
    """Return the lines (without line ends) of a valid file whose times are written in one form."""
    chance = random.Random(seed)
    return [_row(start_ms + at * step_ms, form, chance) for at in range(count)]


def _row(ms: int, form: str, chance: random.Random) -> bytes:
    digits = chance.choice((0, 2, 5))
    low, *middle, high = sorted(chance.randint(1, 10**6) for _ in range(4))
    chance.shuffle(middle)
    scale = 10.0**digits
    prices = [f"{each / scale:.{digits}f}" for each in (middle[0], high, low, middle[1])]
    volume = chance.choice(("0", "12", f"{chance.random() * 100:.4f}"))
    return ",".join((stamp(ms, form), *prices, volume)).encode()


def stamp(ms: int, form: str) -> str:
    """Return a time in one form: an epoch unit, Z, an offset, naive, or with a fraction."""
    if form in ("s", "ms", "us", "ns"):
        return str({"s": ms // 1000, "ms": ms, "us": ms * 1000, "ns": ms * 1_000_000}[form])
    text = str(np.datetime64(ms, "ms").astype("datetime64[s]"))
    return {
        "Z": f"{text}Z",
        "minutes": f"{text[:16]}Z",
        "fraction": f"{text}.000Z",
        "offset": f"{np.datetime64(ms + 3_600_000, 'ms').astype('datetime64[s]')}+01:00",
        "naive": text.replace("T", " "),
    }[form]


FORMS = ("s", "ms", "us", "ns", "Z", "minutes", "fraction", "offset", "naive")
# Cells that one reader or another takes for something else than the contract says.
NASTY = (
    b"0x5e0d3280", b"9999-12-31T23:59:00-01:00", b"0.1234567890123456e-0000000000000003",
    b"1.2345678901234567e+0000000000000003", b"9999-12-31 23:59:00", b"0001-01-01 00:00:00", b"0x3c",
    b"0x5e0be180", b"1/2", b"2020/01/02T00:00:00Z", b"2020-01-02T00Z", b"2020-01-02 00",
    b"2020-01-02T00+00:00", b"9999-12-31T23:59:00Z", b"10000-01-01T00:00:00Z", b"0001-01-01T00:00:00+01:00",
    b"0", b"60", b"-60", b"0.0e5", b"1577923200", b"1577923200000", b"1577923200000000",
    b"1577923200000000000", b"1000000000000000000000000000000", b"1e0000000000000005", b"", b"abc", b"nan",
    b"inf", b"-1", b"-0", b"+1", b".5", b"5.", b"007", b"1e5", b"1E5", b"1e-400", b"1e400", b"0x10", b"1_000",
    b'"1"', b'"1"2', b'"1', b'"1,5"', b" 1", b"1 ", b"\t1", b"nan(1)", b"11111111111111111111111111111111",
    b"111111111111111111111111111111111", b"0.1111111111111111111111111111111", b"1e+05", b"1.e3", b"--1",
    b"1-1", b"1.2.3", b"1:2", b"1T2", b"1Z", b"2020-01-01", b"2020-01-01T00", b"2020-01-01T00:01Z",
    b"2020-01-01 00:02:00", b"2020-01-01T24:00:00Z", b"2020-01-01T23:59:60Z", b"0000-01-01T00:00:00Z",
    b"2020-02-30T00:00:00Z", b"2020-01-01T00:01:00+24:00", b"2020-01-01T00:01:00+0100",
    b"2020-01-01T01:02:00+01", b"20200101", b"1577836860", b"1577836860000", b"01577836860", b"-1577836860",
    b"1577836860.0", b"1.577E+12", b"99999999999999999999", b"2020-01-01T00:03:00.0000000001Z",
    b"2020-01-01T00:03:00.000000001Z", b"\xff", b"\xc3\xa9", b"\x00", b"\r", b"31/12/2020",
    b"2020-01-01T00:01:00z", b"2020-01-01t00:01:00Z", b"2020-01-01T00:01:00 Z",
)  # fmt: skip
BYTES = b'0123456789,.-+:eETZ "\n\r\t;/_x'


def mutated(lines: Sequence[bytes], chance: random.Random) -> bytes:
    """Return the bytes of a file after a few random edits of lines, cells and bytes."""
    table = [line.split(b",") for line in lines]
    for _ in range(chance.choice((0, 1, 1, 2))):
        _edit_table(table, chance)
    text = chance.choice((b"\n", b"\n", b"\r\n")).join(b",".join(row) for row in table)
    text += chance.choice((b"", b"\n", b"\n", b"\n\n"))
    for _ in range(chance.choice((0, 0, 1, 2))):
        at = chance.randrange(len(text) + 1)
        byte = bytes([chance.choice(BYTES)])
        text = chance.choice(
            (text[:at] + byte + text[at:], text[:at] + text[at + 1 :], text[:at] + byte + text[at + 1 :])
        )
    return text


def widened(lines: Sequence[bytes], chance: random.Random) -> list[bytes]:
    """Return the lines, header included, with an ignored column somewhere, whose cells are of all kinds."""
    at = chance.randrange(7)
    kinds = (b"", b"BTC", b"a b", b"\xc3\xa9", b"1", b"-", b'"a,b"', b"\xff", b"x" * chance.choice((1, 33, 66_000)))
    cells = [b"note", *(chance.choice(kinds[: chance.choice((6, 6, 9))]) for _ in lines[1:])]
    table = [line.split(b",") for line in lines]
    return [b",".join((*row[:at], cell, *row[at:])) for row, cell in zip(table, cells, strict=True)]


def _edit_table(table: list[list[bytes]], chance: random.Random) -> None:
    row = chance.randrange(len(table))
    match chance.randrange(7):
        case 0 | 1 | 2:
            table[row][chance.randrange(len(table[row]))] = chance.choice(NASTY)
        case 3:
            table.insert(row, list(chance.choice(table)))
        case 4 if len(table) > 1:
            del table[row]
        case 5:
            other = chance.randrange(len(table))
            table[row], table[other] = table[other], table[row]
        case 6:
            table.insert(row, [b""])
