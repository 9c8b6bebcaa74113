"""Parquet and Feather files of columns of any types, and what damage makes of them, by a seeded chance."""

import datetime
import decimal
import io
import random
from typing import Any

import pyarrow as pa
from pyarrow import feather, parquet

START_S = 1_577_836_800
NAMES = ("ts", "open", "high", "low", "close", "volume")
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
TIMES = (
    *(pa.timestamp(unit, zone) for unit in UNITS for zone in (None, "UTC", "Europe/Berlin", "+05:30")),
    pa.int64(), pa.uint64(), pa.int32(), pa.float64(), pa.string(), pa.large_string(), pa.date32(), pa.date64(),
)  # fmt: skip
NUMBERS = (
    *(pa.float64(),) * 8, pa.float32(), pa.float16(), pa.int8(), pa.int64(), pa.uint64(), pa.decimal128(20, 4),
    pa.decimal256(60, 30), pa.string(), pa.large_string(), pa.bool_(), pa.null(), pa.binary(), pa.time64("ns"),
    pa.duration("ns"), pa.list_(pa.float64()), pa.struct([("a", pa.float64())]), pa.map_(pa.string(), pa.int8()),
    pa.month_day_nano_interval(), pa.timestamp("ns"), pa.date32(), pa.string_view(), pa.list_(pa.int8(), 2),
)  # fmt: skip
ODD_TIMES = (None, 2**61, -(2**63), 2**63 - 1, 0, -1, 2**31, -62_135_596_801, 253_402_300_800)
ODD_NUMBERS = (None, float("nan"), float("inf"), -1.0, 0.0, -0.0, 1e308, 5e-324, 1e16, 0.1, 2.0**53)


def table_of(chance: random.Random) -> pa.Table:
    """Return a table that is often right, of columns of random types."""
    count = chance.choice((0, 1, 2, 5, 9))
    right = chance.random() < 0.5
    unit = chance.choice(tuple(UNITS))
    kind = pa.timestamp(unit, chance.choice((None, "UTC"))) if right else chance.choice(TIMES)
    step = chance.choice((60, 60, 60, 300, 86_400))
    seconds = [START_S + at * step for at in range(count)]
    if chance.random() < 0.3 and count:
        at, odd = chance.randrange(count), chance.choice(ODD_TIMES)
        seconds[at] = seconds[at] + odd if odd in (2**61, -(2**63)) else odd  # type: ignore[assignment]
    columns = {"ts": _times(seconds, kind)}
    for name in NAMES[1:]:
        base = {"high": 3.0, "low": 1.0}.get(name, 2.0)
        values: list[Any] = [base for _ in range(count)]
        if chance.random() < 0.1 and count:
            values[chance.randrange(count)] = chance.choice(ODD_NUMBERS)
        columns[name] = _numbers(values, pa.float64() if right and chance.random() < 0.95 else chance.choice(NUMBERS))
    names = list(columns)
    if chance.random() < 0.2:
        chance.shuffle(names)
    if chance.random() < 0.05:
        names.remove(chance.choice(names))
    arrays = [columns[name] for name in names]
    if chance.random() < 0.1:
        names.append(chance.choice(("note", "", "Open", "a.b", "é", "TS")))
        arrays.append(_numbers([1.0] * count, chance.choice(NUMBERS)))
    if chance.random() < 0.2 and count:
        at = chance.randrange(len(arrays))
        arrays[at] = _encoded(arrays[at])
    return pa.table(arrays, names=names) if chance.random() > 0.02 else pa.table({})


def _times(seconds: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        by = UNITS[kind.unit]
        kept = [None if each is None else (each * by + 2**63) % 2**64 - 2**63 for each in seconds]
        return pa.array(kept, pa.int64()).view(kind)
    if kind in (pa.date32(), pa.date64()):
        days = [None if each is None else max(min(each // 86_400, 2**31 - 1), -(2**31)) for each in seconds]
        whole = pa.array(days, pa.int32()).view(pa.date32())
        return (
            whole
            if kind == pa.date32()
            else pa.array([each and each * 86_400_000 for each in days], pa.int64()).view(kind)
        )
    return _cast(pa.array([None if each is None else str(each) for each in seconds], pa.string()), kind)


def _numbers(values: list[Any], kind: pa.DataType) -> pa.Array:
    return _cast(pa.array(values, pa.float64()), kind)


def _cast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return the values in another type where there is a way, else something of that type."""
    try:
        return array.cast(kind)
    except pa.ArrowException:
        size = len(array)
        some: dict[Any, Any] = {
            pa.binary(): b"\xff", pa.time64("ns"): 7, pa.duration("ns"): 2**62, pa.list_(pa.float64()): [1.0],
            pa.struct([("a", pa.float64())]): {"a": 1.0}, pa.map_(pa.string(), pa.int8()): [("a", 1)],
            pa.month_day_nano_interval(): (1, 2, 3), pa.timestamp("ns"): 2**62, pa.date32(): 2**31 - 1,
            pa.decimal128(20, 4): decimal.Decimal("2.5"), pa.date64(): datetime.date(2020, 1, 1),
            pa.list_(pa.int8(), 2): [1, 2],
        }  # fmt: skip
        return pa.array([some.get(kind)] * size, kind)


def _encoded(array: pa.Array) -> pa.Array:
    try:
        return array.dictionary_encode()
    except pa.ArrowException:
        return array


def file_of(table: pa.Table, chance: random.Random) -> bytes:
    """Return the bytes of a table as a file of many kinds."""
    held = io.BytesIO()
    try:
        if chance.random() < 0.5:
            how = {
                "compression": chance.choice(("none", "snappy", "zstd", "gzip")),
                "version": chance.choice(("1.0", "2.6")),
            }
            parquet.write_table(table, held, row_group_size=chance.choice((1, 3, 100)), **how)
        else:
            how = {
                "compression": chance.choice(("uncompressed", "lz4", "zstd")),
                "chunksize": chance.choice((1, 3, 100)),
            }
            feather.write_feather(table, held, **how)
    except (pa.ArrowException, ValueError):  # a type that the format does not have
        return b"PAR1" + chance.randbytes(40) + b"PAR1"
    return held.getvalue()


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Return a file cut short, with flipped bits, or with runs of other bytes."""
    held = bytearray(content)
    match chance.randrange(4):
        case 0:
            return content[: chance.randrange(len(content) + 1)]
        case 1:
            for _ in range(chance.choice((1, 1, 2, 8))):
                held[chance.randrange(len(held))] ^= 1 << chance.randrange(8)
        case 2:
            at = chance.randrange(len(held))
            held[at : at + chance.randrange(20)] = chance.randbytes(chance.randrange(20))
        case _:
            at = len(held) - 1 - chance.randrange(min(400, len(held)))  # the end of both formats says what is where
            held[at] = chance.randrange(256)
    return bytes(held)
