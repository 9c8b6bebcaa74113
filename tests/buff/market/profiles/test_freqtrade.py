"""Profile `freqtrade`: feather, parquet and JSON of its data directory."""

import pyarrow as pa
import pytest

from csv_files import bars_of, places, refused, table_bytes

TIMES = [1704067140000, 1704067200000, 1704067260000]
JSON = b"[[1704067140000,42000.0,42010.0,41990.0,42005.5,1.25],[1704067200000,42005.5,42020.0,42005.5,42011.0,0.0]]"
BARS = [
    ("2023-12-31T23:59:00Z", 42000.0, 42010.0, 41990.0, 42005.5, 1.25),
    ("2024-01-01T00:00:00Z", 42005.5, 42020.0, 42005.5, 42011.0, 0.0),
]


def table(count: int = 2, **columns: object) -> pa.Table:
    """The columns that freqtrade writes: `date` as UTC timestamps, prices and volume as floats."""
    values = dict(
        zip(("open", "high", "low", "close", "volume"), zip(*(bar[1:] for bar in BARS), strict=True), strict=True)
    )
    date = pa.array(TIMES[:count], pa.timestamp("ms", "UTC"))
    return pa.table({"date": date, **{name: list(value)[:count] for name, value in values.items()}, **columns})


@pytest.mark.parametrize("form", ["feather", "parquet"])
@pytest.mark.parametrize("unit", ["ms", "ns"])  # freqtrade of today, and before
def test_tables_of_its_data_directory(form: str, unit: str) -> None:
    dates = pa.array(TIMES[:2], pa.timestamp("ms", "UTC")).cast(pa.timestamp(unit, "UTC"))
    assert bars_of(table_bytes(table(date=dates), form), profile="freqtrade") == BARS


def test_its_old_json_is_that_of_ccxt() -> None:
    assert bars_of(JSON, profile="freqtrade") == BARS


def test_a_missing_candle_is_a_gap_at_its_row() -> None:
    three = pa.concat_tables([table(), table(1, date=pa.array([TIMES[1] + 180_000], pa.timestamp("ms", "UTC")))])
    error = refused(table_bytes(three, "feather"), profile="freqtrade")
    assert places(error) == [("GAP", 3)]


@pytest.mark.parametrize(
    ("content", "rule", "line"),
    [
        (b"date,open,high,low,close,volume\n2023-12-31 23:59:00+00:00,1,1,1,1,1\n", "ENCODING", 1),
        (table_bytes(table().rename_columns(["ts", *table().column_names[1:]]), "feather"), "COLUMNS", 1),
        (table_bytes(table(close=[42005.5, None]), "feather"), "CELL", 2),
        (table_bytes(table(), "feather")[:-8], "ENCODING", 1),
        (table_bytes(table().slice(0, 0), "parquet"), "EMPTY", 1),
    ],
)
def test_what_cannot_be_read_is_refused_at_its_row(content: bytes, rule: str, line: int) -> None:
    assert places(refused(content, profile="freqtrade"))[0] == (rule, line)
