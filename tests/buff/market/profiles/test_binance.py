"""Profile `binance`: klines of data.binance.vision."""

import pytest

from csv_files import bars_of, places, read, refused

HEADER = (
    b"open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    b"taker_buy_quote_volume,ignore\n"
)
# The last two minutes of 2024 in milliseconds, the first two of 2025 in microseconds, as the spot files have them.
MONTH_24 = b"""\
1735689480000,93500.01000000,93510.00000000,93490.00000000,93505.50000000,1.50000000,1735689539999,140258.25,21,0.7,1.0,0
1735689540000,93505.50000000,93576.00000000,93505.50000000,93576.00000000,2.25000000,1735689599999,210546.00,34,0.9,1.0,0
"""
MONTH_25 = b"""\
1735689600000000,93576.00000000,93610.93000000,93537.50000000,93610.93000000,8.21827000,1735689659999999,769000.1,2631,3,1,0
1735689660000000,93610.93000000,93652.00000000,93606.20000000,93652.00000000,4.17262000,1735689719999999,390000.2,1219,2,1,0
"""
BARS = [
    ("2024-12-31T23:58:00Z", 93500.01, 93510.0, 93490.0, 93505.5, 1.5),
    ("2024-12-31T23:59:00Z", 93505.5, 93576.0, 93505.5, 93576.0, 2.25),
    ("2025-01-01T00:00:00Z", 93576.0, 93610.93, 93537.5, 93610.93, 8.21827),
    ("2025-01-01T00:01:00Z", 93610.93, 93652.0, 93606.2, 93652.0, 4.17262),
]


@pytest.mark.parametrize("head", [b"", HEADER])
def test_a_file_of_milliseconds_and_one_of_microseconds_with_and_without_header(head: bytes) -> None:
    assert bars_of(head + MONTH_24, profile="binance") == BARS[:2]
    assert bars_of(head + MONTH_25, profile="binance") == BARS[2:]


def test_two_months_of_different_units_are_one_dataset() -> None:
    assert bars_of(MONTH_24, HEADER + MONTH_25, profile="binance") == BARS


def test_the_same_rows_in_one_file_mix_two_units_at_a_line() -> None:
    error = refused(MONTH_24 + MONTH_25, profile="binance")
    assert places(error) == [("UNIT", 3), ("UNIT", 4)]
    assert "1735689600000000 is an epoch in us, the times before it are an epoch in ms" in error.message


def test_columns_that_are_not_read_are_listed() -> None:
    done = read(HEADER + MONTH_24, profile="binance")[1]
    assert done.sources[0]["extra_columns"] == [
        "close_time", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume", "ignore",
    ]  # fmt: skip
    assert done.sources[0]["extra_columns"] == read(MONTH_24, profile="binance")[1].sources[0]["extra_columns"]


@pytest.mark.parametrize("head", [b"", HEADER])
def test_the_base_volume_of_coin_m_files_is_read_by_the_name_of_its_column(head: bytes) -> None:
    found = bars_of(head + MONTH_24, profile="binance", columns={"volume": "quote_volume"})
    assert [volume for *_, volume in found] == [140258.25, 210546.0]


def test_months_in_the_wrong_order_are_refused_at_the_seam() -> None:
    error = refused(MONTH_25, MONTH_24, profile="binance")
    assert error.details["offences"][0]["file"] == "bars2.csv"  # type: ignore[index]
    assert places(error)[0] == ("ORDER", 1)


@pytest.mark.parametrize(
    ("content", "rule", "line"),
    [
        (MONTH_24.replace(b",0\n", b"\n"), "COLUMNS", 1),  # eleven cells
        (HEADER.replace(b"open_time", b"when") + MONTH_24, "COLUMNS", 1),
        (HEADER + HEADER + MONTH_24, "CELL", 2),  # two files put together with their headers
        (MONTH_24 + HEADER + MONTH_24[:10], "CELL", 3),
        (MONTH_24.replace(b"1735689540000,", b"2024-12-31 23:59:00,"), "CELL", 2),
        (MONTH_24.replace(b"1735689540000,", b"1.73569E+12,"), "UNIT", 2),
        (MONTH_24.replace(b",", b";"), "DELIMITER", 1),
    ],
)
def test_what_is_no_file_of_klines_is_refused_at_its_line(content: bytes, rule: str, line: int) -> None:
    assert places(refused(content, profile="binance"))[0] == (rule, line)
