"""Profiles `databento` and `databento_pretty`: ohlcv-1m as CSV, raw and readable."""

import pytest

from csv_files import bars_of, places, read, refused

HEADER = b"ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol\n"
RAW = (
    HEADER
    + b"""\
1704067200000000000,33,1,17077,4500250000000,4510000000000,4490000000000,4505750000000,1000,ESH4
1704067200000000000,33,1,42,-250000000,100000000,-500000000,0,3,ESH4-ESM4
1704067260000000000,33,1,17077,4505750000000,4506000000000,4505500000000,4505500000000,12,ESH4
"""
)
PRETTY = (
    HEADER
    + b"""\
2024-01-01T00:00:00.000000000Z,33,1,17077,4500.250000000,4510.000000000,4490.000000000,4505.750000000,1000,ESH4
2024-01-01T00:00:00.000000000Z,33,1,42,-0.250000000,0.100000000,-0.500000000,0.000000000,3,ESH4-ESM4
2024-01-01T00:01:00.000000000Z,33,1,17077,4505.750000000,4506.000000000,4505.500000000,4505.500000000,12,ESH4
"""
)
BARS = [
    ("2024-01-01T00:00:00Z", 4500.25, 4510.0, 4490.0, 4505.75, 1000.0),
    ("2024-01-01T00:01:00Z", 4505.75, 4506.0, 4505.5, 4505.5, 12.0),
]


@pytest.mark.parametrize(("profile", "content"), [("databento", RAW), ("databento_pretty", PRETTY)])
@pytest.mark.parametrize("block_bytes", [110, 1 << 20])
def test_whole_numbers_and_texts_are_the_same_bars(profile: str, content: bytes, block_bytes: int) -> None:
    assert bars_of(content, profile=profile, ticker="ESH4", block_bytes=block_bytes) == BARS
    assert read(content, profile=profile, ticker="ESH4")[1].sources[0]["other_rows"] == 1


@pytest.mark.parametrize(("profile", "content"), [("databento", PRETTY), ("databento_pretty", RAW)])
def test_one_form_is_never_read_as_the_other(profile: str, content: bytes) -> None:
    error = refused(content, profile=profile, ticker="ESH4")
    assert places(error)[0] == ("CELL", 2)
    assert "databento_pretty" in error.hint


def test_prices_as_texts_beside_times_as_numbers_are_neither() -> None:
    mixed = RAW.replace(b"4500250000000", b"4500.25")
    error = refused(mixed, profile="databento", ticker="ESH4")
    assert places(error)[0] == ("CELL", 2)
    assert "is not a whole number" in error.message


def test_prices_of_any_size_are_the_nearest_float_of_their_decimals() -> None:
    big = RAW.replace(b"4510000000000", b"123456789123456789")
    assert bars_of(big, profile="databento", ticker="ESH4")[0][2] == 123456789.123456789


def test_several_publishers_of_one_symbol_are_duplicates_with_a_hint() -> None:
    twice = RAW + RAW.splitlines()[-1].replace(b",33,1,", b",33,2,") + b"\n"
    error = refused(twice, profile="databento", ticker="ESH4")
    assert places(error) == [("DUPLICATE", 5)]
    assert "publisher" in error.hint
