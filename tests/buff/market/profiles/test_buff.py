"""Profile `buff`, Buff's own contract. What a CSV of it may hold is tested in test_ingest.py; here, its tables."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from csv_files import bars_of, places, refused, table_bytes

FILE = b"""\
Volume,Date,Open,High,Low,Close,Note
7.5,2024-02-29T23:59:00Z,10,12,9,11,x
0,2024-03-01T01:00:00+01:00,11,11.5,10.5,11,
"""
BARS = [
    ("2024-02-29T23:59:00Z", 10.0, 12.0, 9.0, 11.0, 7.5),
    ("2024-03-01T00:00:00Z", 11.0, 11.5, 10.5, 11.0, 0.0),
]
PLACES = {"open": [10.0, 11.0], "high": [12.0, 11.5], "low": [9.0, 10.5], "close": [11.0, 11.0], "volume": [7.5, 0.0]}


def test_names_in_any_order_and_case_and_columns_that_are_not_read() -> None:
    assert bars_of(FILE) == BARS


@pytest.mark.parametrize("form", ["parquet", "feather"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_a_table_of_timestamps_is_read_like_a_file_of_text(form: str, unit: str, zone: str | None) -> None:
    first = datetime(2024, 2, 29, 23, 59, tzinfo=UTC)
    times = [first, first + timedelta(minutes=1)]
    column = pa.array([time if zone else time.replace(tzinfo=None) for time in times], pa.timestamp(unit, zone))
    table = pa.table({"timestamp": column, **PLACES})
    assert bars_of(table_bytes(table, form), timezone=None if zone else "UTC") == BARS
    if zone is None:
        assert places(refused(table_bytes(table, form))) == [("TIMEZONE", 1), ("TIMEZONE", 2)]


@pytest.mark.parametrize("form", ["parquet", "feather"])
def test_a_table_of_other_types_is_read_by_what_its_cells_say(form: str) -> None:
    dates = pa.table({"date": pa.array([19_782, 19_783], pa.date32()), **PLACES})
    days = [("2024-02-29T00:00:00Z", *BARS[0][1:]), ("2024-03-01T00:00:00Z", *BARS[1][1:])]
    assert bars_of(table_bytes(dates, form), timezone="UTC", base="1d") == days
    texts = pa.table({"ts": ["2024-02-29T23:59Z", "2024-03-01T00:00Z"], **PLACES, "volume": pa.array(["7.5", "0"])})
    assert bars_of(table_bytes(texts, form)) == BARS


def test_a_value_that_is_missing_in_a_table_is_an_empty_cell_of_its_row() -> None:
    broken = pa.table({"ts": ["2024-02-29T23:59Z", "2024-03-01T00:00Z"], **PLACES, "low": [9.0, None]})
    error = refused(table_bytes(broken, "parquet"))
    assert places(error) == [("CELL", 2)]
    assert "the cell is empty" in error.message
    nan = pa.table({"ts": ["2024-02-29T23:59Z", "2024-03-01T00:00Z"], **PLACES, "low": [9.0, float("nan")]})
    assert places(refused(table_bytes(nan, "feather"))) == [("CELL", 2)]
    less = pa.table({"ts": ["2024-02-29T23:59Z", "2024-03-01T00:00Z"], **PLACES}).drop_columns(["low"])
    assert places(refused(table_bytes(less, "feather"))) == [("COLUMNS", 1)]
