"""Bytes for the tests of ingest: clean files of any profile, their mutations, and one way to read them."""

import io
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from attrs import Factory, evolve, frozen

from buff.errors import BuffError, DataInvalid
from buff.market.bars import COLUMNS, PRICES, VALUES
from buff.market.ingest import Ingested, ingest
from buff.market.options import CsvOptions
from buff.market.profiles import CLOSE, CSV, DESCENDING, JSON, NONE, OPTIONAL, TABLE, Profile
from buff.market.source import Source
from buff.times import iso

HEADER = b"ts,open,high,low,close,volume\n"
MINUTE_MS = 60_000
START_MS = 1_577_836_800_000  # 2020-01-01T00:00:00Z


def csv_file(*contents: bytes, name: str = "bars.csv", names: Sequence[str] = ()) -> list[Source]:
    """Return files with these contents, named bars.csv, bars2.csv, ... unless they are given names."""
    names = names or [name, *(f"bars{number}.csv" for number in range(2, len(contents) + 1))]
    return [
        Source(name=each, chunks=lambda text=text: iter([text])) for each, text in zip(names, contents, strict=True)
    ]


def read(*contents: bytes, **options: Any) -> tuple[dict[str, np.ndarray[Any, Any]], Ingested]:
    """Return the columns and the description of these files. Raises what ingest raises."""
    limits = {name: options.pop(name) for name in ("rows_max", "bytes_max") if name in options}
    how = {name: options.pop(name) for name in ("reference", "block_bytes") if name in options}
    names = options.pop("names", ())
    written: list[Any] = []
    done = ingest(
        csv_file(*contents, names=names),
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


Bar = tuple[str, float, float, float, float, float]


def bars_of(*contents: bytes, **options: Any) -> list[Bar]:
    """Return the bars of these files as (time in UTC, open, high, low, close, volume); both readers must agree."""
    found = outcome(*contents, **options)
    assert found == outcome(*contents, reference=True, **options)
    columns, _ = read(*contents, **options)
    return [
        (iso(ts), *values) for ts, *values in zip(*(columns[name].tolist() for name in ("ts", *VALUES)), strict=True)
    ]


def refused(*contents: bytes, **options: Any) -> DataInvalid:
    """Return the error with which these files are refused; both readers must agree unless one is asked for."""
    with pytest.raises(DataInvalid) as caught:
        read(*contents, **options)
    if "reference" not in options:
        assert outcome(*contents, reference=True, **options) == caught.value.as_dict()
    return caught.value


def places(error: DataInvalid) -> list[tuple[Any, Any]]:
    """Return (rule, line) of the offences an error lists."""
    listed: Any = error.details["offences"]
    return [(each["rule"], each["line"]) for each in listed]


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
# Times and absences of one vendor that stand in the file of another.
FOREIGN = (
    b"NaN",
    b"nan",
    b"null",
    b"1577872800.0",
    b"1577872860.00",
    b"1577872860.5",
    b"36000000",
    b"36060000",
    b"86400000",
    b"-1",
    b"2020.01.01",
    b"2020.01.01 10:01",
    b"2020.01.01 10:01:00",
    b"10:01",
    b"10:01:00",
    b"10:60",
    b"24:00",
    b"20200101 100100",
    b"20200101 10:01",
    b"20200101 1001",
    b"20200230 100100",
    b"01.01.2020 10:01:00.000",
    b"01.01.2020 10:01:00",
    b"01.01.2020 10:01:00.0001",
    b"01.01.2020 10:01:00.000 GMT+0200",
    b"01.01.2020 11:01:00.000 GMT+0100",
    b"01.01.2020 10:01:00.000 GMT+2500",
    b"31.02.2020 10:01:00.000",
    b"1,5",
    b"285300",
    b"9007199254740993",
    b"90071992547409930",
    b"0.5",
    b"1e3",
    b"0",
    b"AAA",
    b"BBB",
    b"aaa",
)
BYTES = b'0123456789,.-+:eETZ "\n\r\t;/_x'


def mutated(lines: Sequence[bytes], chance: random.Random, delimiter: bytes = b",") -> bytes:
    """Return the bytes of a file after a few random edits of lines, cells and bytes."""
    table = [line.split(delimiter) for line in lines]
    for _ in range(chance.choice((0, 1, 1, 2))):
        _edit_table(table, chance)
    text = chance.choice((b"\n", b"\n", b"\r\n")).join(delimiter.join(row) for row in table)
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
            table[row][chance.randrange(len(table[row]))] = chance.choice(chance.choice((NASTY, FOREIGN)))
        case 3:
            table.insert(row, list(chance.choice(table)))
        case 4 if len(table) > 1:
            del table[row]
        case 5:
            other = chance.randrange(len(table))
            table[row], table[other] = table[other], table[row]
        case 6:
            table.insert(row, [b""])


# Files in the form of any profile

ZONES: Mapping[str, tzinfo] = {
    "UTC": UTC,
    "+05:30": timezone(timedelta(hours=5, minutes=30)),
    "-05:00": timezone(timedelta(hours=-5)),
    "Europe/Berlin": ZoneInfo("Europe/Berlin"),
    "America/New_York": ZoneInfo("America/New_York"),
}
TICKER = "AAA"
_EPOCH_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_EPOCH = datetime(1970, 1, 1)


@frozen(kw_only=True)
class Vendor:
    """A file as a vendor writes it. options: how it must be read. ts, values: the bars that must come out.

    lines: of a text file, without line ends, `heading` of them above the rows; rows: of a JSON array or a table.
    """

    name: str
    delimiter: bytes
    options: Mapping[str, Any]
    ts: Sequence[int]
    values: Mapping[str, Sequence[float]]
    lines: Sequence[bytes] = ()
    heading: int = 0
    json: bool = False
    table: Any = None
    table_format: str = ""

    def content(self) -> bytes:
        """Return the bytes of the file."""
        if self.table is not None:
            return table_bytes(self.table, self.table_format)
        return json_array(self.lines) if self.json else b"\n".join(self.lines) + b"\n"

    def mutated(self, chance: random.Random) -> bytes:
        """Return the bytes of the file after a few random edits."""
        if self.table is not None:
            return table_bytes(_edited_table(self.table, chance), self.table_format)
        if self.json:
            return json_array(mutated(self.lines, chance).split(b"\n"), chance)
        head = self.lines[: self.heading]
        if chance.random() < 0.15:  # the heading is edited with the rows
            return mutated(self.lines, chance, self.delimiter)
        return b"".join(line + b"\n" for line in head) + mutated(self.lines[self.heading :], chance, self.delimiter)


@frozen(kw_only=True)
class _Way:
    """The choices that a vendor's file leaves open: form and zone of its times, its header, its other columns."""

    profile: Profile
    time: str
    unit: str
    zone: str | None
    asked: str | None
    names: Mapping[str, str] = Factory(dict)
    order: tuple[str, ...] = ()
    header: bool = True

    def stamp(self, ts: int) -> str:
        """Return the text of the time of a bar that opens at `ts` (epoch ms)."""
        ts += MINUTE_MS if self.profile.stamp == CLOSE else 0
        if self.time.startswith("epoch"):
            return str(ts * 1_000_000 // _EPOCH_NS[self.unit]) + (".0" if self.time == "epoch.0" else "")
        instant = _EPOCH + timedelta(milliseconds=ts)
        zone = ZONES[self.zone or "UTC"]
        local = instant.replace(tzinfo=UTC).astimezone(zone) if zone is not UTC else instant
        if self.time == "ms_of_day":
            midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
            return str((local - midnight) // timedelta(milliseconds=1))
        if self.time == "iso":
            return local.strftime("%Y-%m-%d %H:%M:%S") + ("" if self.zone else "Z")
        offset = (local.utcoffset() or timedelta()) // timedelta(minutes=1)
        sign, offset = ("-", -offset) if offset < 0 else ("+", offset)
        text = self.time.replace("%f", f"{local.microsecond // 1000:03d}")
        return local.replace(tzinfo=None).strftime(text.replace("%z", f"{sign}{offset // 60:02d}{offset % 60:02d}"))


def vendor_file(profile: Profile, chance: random.Random, *, count: int = 12, start_ms: int | None = None) -> Vendor:
    """Return a valid file of some bars in the form of a profile; what the form leaves open is left to chance."""
    start = START_MS + 10 * 3_600_000 if start_ms is None else start_ms
    present = [at for at in range(count) if at in (0, 1, count - 1) or chance.random() < 0.9]
    bars = [(start + at * MINUTE_MS, _values(chance)) for at in present]
    way = _way(profile, chance)
    rows_of = _rows(bars, [start + at * MINUTE_MS for at in range(count) if at not in present], way, chance)
    options: dict[str, Any] = {"profile": profile, "gaps": "keep"}
    options |= {"timezone": way.asked} if way.asked else {}
    options |= {"ticker": TICKER} if profile.plural else {}
    scale = Decimal(10) ** profile.scale
    volume = profile.volume
    made = Vendor(
        name=datetime.fromtimestamp(start / 1000, ZONES[way.zone or "UTC"]).strftime("%Y%m%d_bars.csv"),
        delimiter=profile.delimiter.encode(),
        options=options,
        ts=[ts for ts, _ in bars],
        values={
            name: [float(values[name]) if name != "volume" or volume else 0.0 for _, values in bars] for name in VALUES
        },
    )
    assert scale >= 1
    form = chance.choice(profile.formats)
    if form == TABLE:
        return evolve(made, table=_columns(bars, way, chance), table_format=chance.choice(("parquet", "feather")))
    lines = [profile.delimiter.join(row).encode() for row in rows_of]
    heading = _heading(way, chance) if form == CSV else []
    return evolve(made, lines=[*heading, *lines], heading=len(heading), json=form == JSON)


def _values(chance: random.Random) -> dict[str, str]:
    digits = chance.choice((0, 2, 4))
    low, *middle, high = sorted(chance.randint(1, 10**6) for _ in range(4))
    chance.shuffle(middle)
    prices = (middle[0], high, low, middle[1])
    texts = {name: f"{each / 10**digits:.{digits}f}" for name, each in zip(PRICES, prices, strict=True)}
    return {**texts, "volume": chance.choice(("0", "12", f"{chance.random() * 100:.4f}"))}


def _way(profile: Profile, chance: random.Random) -> _Way:
    header = profile.header != NONE and (profile.header != OPTIONAL or chance.random() < 0.5)
    names: dict[str, str] = {}
    if header or TABLE in profile.formats:
        never = [name[1:] for name in profile.columns.get("volume", ()) if name.startswith("!")]
        for role, known in profile.columns.items():
            name = chance.choice([name for name in known if not name.startswith("!")])
            names[role] = name.replace("*", "BTC")
            assert names[role].casefold() not in never
    timed = [word for word in profile.times if "time" not in names or "%H" in word]
    local = names.get("ts") in profile.local
    time = chance.choice([word for word in timed if not local or "%z" in word])
    zone, asked = profile.zone, None
    naive = not time.startswith("epoch") and "%z" not in time
    if naive and zone is None and (time != "iso" or chance.random() < 0.5):
        zone = asked = chance.choice(list(ZONES))
    if "%z" in time:
        zone = chance.choice(list(ZONES))
    if "time" in names and "%S" not in time and "%H" not in time:
        del names["time"]
    if not naive and "%z" not in time:
        zone = None
    order = list(names) if header else []
    chance.shuffle(order)
    return _Way(
        profile=profile,
        time=time,
        unit=chance.choice(profile.units or ("s", "ms", "us", "ns")),
        zone=zone,
        asked=asked,
        names=names,
        order=tuple(order),
        header=header,
    )


def _rows(
    bars: Sequence[tuple[int, Mapping[str, str]]], absent: Sequence[int], way: _Way, chance: random.Random
) -> list[list[str]]:
    """Return the cells of all rows in the order of the file, with those that are no bars of the dataset."""
    profile = way.profile
    made = [(ts, _written(way, ts, values, TICKER)) for ts, values in bars]
    if profile.no_bar is not None:
        made += [(ts, _written(way, ts, dict.fromkeys(VALUES, profile.no_bar), TICKER)) for ts in absent]
    if profile.plural:
        made += [
            (ts, _written(way, ts, {**values, "open": "x"}, "BBB")) for ts, values in bars if chance.random() < 0.4
        ]
    made.sort(key=lambda each: each[0], reverse=profile.order == DESCENDING)
    return [row for _, row in made]


def _written(way: _Way, ts: int, values: Mapping[str, str], ticker: str) -> list[str]:
    profile = way.profile
    roles = way.order if way.header else profile.positions
    stamp = way.stamp(ts)
    day, _, clock = stamp.partition(" ") if "time" in roles else (stamp, "", "")
    cells = {"ts": day, "time": clock, "ticker": ticker, **values}
    if profile.scale:
        scaled = {name: Decimal(values[name]) * 10**profile.scale for name in PRICES if values[name][:1].isdigit()}
        cells |= {name: f"{value:.0f}" for name, value in scaled.items()}
    return [cells.get(role, "7") for role in roles]


def _heading(way: _Way, chance: random.Random) -> list[bytes]:
    profile = way.profile
    lines = [] if profile.banner is None or chance.random() < 0.3 else [profile.banner + "s://www.Vendor.com"]
    if way.header:
        written = chance.choice((str, str.upper, str.title))
        lines.append(profile.delimiter.join(written(way.names[role]) for role in way.order))
        if profile.subheaders and chance.random() < 0.5:
            lines += [profile.delimiter.join([first, *way.order[1:]]) for first in ("Ticker", "Datetime")]
    return [line.encode() for line in lines]


def _columns(bars: Sequence[tuple[int, Mapping[str, str]]], way: _Way, chance: random.Random) -> Any:
    """Return the bars as an Arrow table of one of the types that libraries write."""
    import pyarrow as pa

    unit = chance.choice(("s", "ms", "us", "ns"))
    raw = [ts * 1_000_000 // _EPOCH_NS[unit] for ts, _ in bars]
    times = {
        "epoch": pa.array(raw, pa.int64()),
        "text": pa.array([way.stamp(ts) for ts, _ in bars]),
        "stamp": pa.array(raw, pa.timestamp(unit, "UTC")),
    }
    kind = (
        "text" if way.asked else chance.choice(("stamp", "stamp", "text") if "iso" in way.profile.times else ("epoch",))
    )
    columns = {way.names["ts"]: times[kind]}
    for name in VALUES:
        texts = [values[name] for _, values in bars]
        columns[way.names[name]] = chance.choice((pa.array([float(text) for text in texts]), pa.array(texts)))
    columns["note"] = pa.array(["x"] * len(bars))
    return pa.table(columns)


def table_bytes(table: Any, form: str) -> bytes:
    """Return a table as a Parquet or Feather file."""
    from pyarrow import feather, parquet

    held = io.BytesIO()
    if form == "parquet":
        parquet.write_table(table, held, row_group_size=5)
    else:
        feather.write_feather(table, held, chunksize=5)
    return held.getvalue()


def _edited_table(table: Any, chance: random.Random) -> Any:
    """Return a table with one odd value, a row twice, a row missing, or a column less."""
    import pyarrow as pa

    names = table.column_names
    name = chance.choice(names)
    at = chance.randrange(table.num_rows)
    match chance.randrange(6):
        case 0:
            return pa.concat_tables([table.slice(0, at), table.slice(max(at - 1, 0))])
        case 1:
            return pa.concat_tables([table.slice(0, at), table.slice(at + 1)])
        case 2:
            return table.drop_columns([name])
        case 3 | 4:
            column = table.column(name)
            values = column.to_pylist()
            odd = (None, -1.0, 0.0, float("nan"), float("inf")) if column.type == pa.float64() else (None,)
            odd = ("", "abc", "-1", "1e5", " 1", "nan") if column.type == pa.string() else odd
            values[at] = chance.choice(odd)
            return table.set_column(names.index(name), name, pa.array(values, column.type))
        case _:
            return table


def json_array(lines: Sequence[bytes], chance: random.Random | None = None) -> bytes:
    """Return lines of cells as a JSON array of arrays: of numbers and of written times, or of texts by chance."""
    gap, quote = b"", b""
    if chance is not None:
        gap, quote = chance.choice((b"", b" ", b"\n  ")), chance.choice((b"", b'"'))

    def written(cell: bytes) -> bytes:
        sign = quote or (b'"' if b":" in cell or b"-" in cell[1:].replace(b"e-", b"") else b"")
        return sign + cell + sign

    table = [[written(cell) for cell in line.split(b",")] for line in lines if line]
    text = b"[" + (b"," + gap).join(gap + b"[" + (b"," + gap).join(row) + b"]" for row in table) + gap + b"]"
    if chance is not None and chance.random() < 0.1:
        at = chance.randrange(len(text))
        text = text[:at] + chance.choice((b"", b"[", b"]", b",", b'"', b"{")) + text[at + 1 :]
    return text
