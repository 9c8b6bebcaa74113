"""Profile `histdata`: the generic ASCII minutes, in Eastern Standard Time all year round."""

import pytest

from csv_files import bars_of, places, read, refused

# The rows of DAT_ASCII_EURUSD_M1_201202.csv as histdata.com documents them.
FILE = b"""\
20120201 000000;1.306600;1.306600;1.306560;1.306560;0
20120201 000100;1.306570;1.306570;1.306470;1.306560;0
20120201 000200;1.306520;1.306560;1.306520;1.306560;0
"""
BARS = [
    ("2012-02-01T05:00:00Z", 1.3066, 1.3066, 1.30656, 1.30656, 0.0),
    ("2012-02-01T05:01:00Z", 1.30657, 1.30657, 1.30647, 1.30656, 0.0),
    ("2012-02-01T05:02:00Z", 1.30652, 1.30656, 1.30652, 1.30656, 0.0),
]


@pytest.mark.parametrize("content", [FILE, FILE.rstrip(b"\n"), FILE.replace(b"\n", b"\r\n")])
@pytest.mark.parametrize("block_bytes", [55, 1 << 20])
def test_the_documented_rows_are_read_five_hours_behind_utc(content: bytes, block_bytes: int) -> None:
    assert bars_of(content, profile="histdata", block_bytes=block_bytes) == BARS
    assert read(content, profile="histdata")[1].zero_volume == 3


def test_summer_is_five_hours_behind_too_and_no_hour_is_missing_or_doubled() -> None:
    """A zone with summer time would refuse 02:30 of 2012-03-11, and read July an hour earlier."""
    rows = b"20120311 013000;1;1;1;1;0\n20120311 023000;1;1;1;1;0\n20120701 000000;1;1;1;1;0\n"
    times = [time for time, *_ in bars_of(rows, profile="histdata", gaps="keep")]
    assert times == ["2012-03-11T06:30:00Z", "2012-03-11T07:30:00Z", "2012-07-01T05:00:00Z"]


def test_the_metatrader_form_of_histdata_is_read_as_metatrader4() -> None:
    rows = (
        b"2012.02.01,00:00,1.306600,1.306600,1.306560,1.306560,0\n"
        b"2012.02.01,00:01,1.306570,1.306570,1.306470,1.306560,0\n"
    )
    assert bars_of(rows, profile="metatrader4", timezone="-05:00") == BARS[:2]


def test_a_weekend_is_a_gap_with_its_hint() -> None:
    error = refused(FILE.replace(b"20120201 000200", b"20120203 165900"), profile="histdata")
    assert places(error) == [("GAP", 3)]
    assert "3,897 bars missing" in error.message
    assert "--gaps keep" in error.hint


@pytest.mark.parametrize(
    ("content", "rule", "line"),
    [
        (FILE.replace(b".", b","), "CELL", 1),  # decimal commas
        (FILE.replace(b";", b","), "DELIMITER", 1),
        (FILE.replace(b"20120201 000100", b"2012.02.01,00:01"), "CELL", 2),
        (FILE.replace(b"20120201 000100", b"20120201 000100500"), "CELL", 2),  # ticks
        (FILE.replace(b"20120201 000100", b"20120230 000100"), "CELL", 2),
        (FILE.replace(b"20120201 000100", b"20120201 006000"), "CELL", 2),
        (FILE.replace(b"20120201 000100", b"20120201 000130"), "ALIGNMENT", 2),
        (b"time;open;high;low;close;volume\n" + FILE, "HEADER", 1),
    ],
)
def test_what_is_no_file_of_minutes_is_refused_at_its_line(content: bytes, rule: str, line: int) -> None:
    assert places(refused(content, profile="histdata"))[0] == (rule, line)


def test_the_refusal_of_decimal_commas_says_so() -> None:
    assert "decimal commas" in refused(FILE.replace(b".", b","), profile="histdata").hint
