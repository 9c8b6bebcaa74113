"""Profile `tradingview`: chart exports with UNIX or ISO times, with and without volume and indicators."""

import pytest

from csv_files import bars_of, places, read, refused

UNIX = b"""\
time,open,high,low,close,Volume,Volume MA
1704067140,42000,42010,41990,42005.5,1.25,
1704067200,42005.5,42020,42005.5,42011,0.5,0.875
"""
ISO = UNIX.replace(b"1704067140", b"2023-12-31T18:59:00-05:00").replace(b"1704067200", b"2023-12-31T19:00:00-05:00")
UTC = UNIX.replace(b"1704067140", b"2023-12-31T23:59:00Z").replace(b"1704067200", b"2024-01-01T00:00:00Z")
BARS = [
    ("2023-12-31T23:59:00Z", 42000.0, 42010.0, 41990.0, 42005.5, 1.25),
    ("2024-01-01T00:00:00Z", 42005.5, 42020.0, 42005.5, 42011.0, 0.5),
]


@pytest.mark.parametrize("content", [UNIX, ISO, UTC])
def test_unix_and_iso_times_are_the_same_bars_and_empty_indicator_cells_do_not_matter(content: bytes) -> None:
    assert bars_of(content, profile="tradingview") == BARS
    assert read(content, profile="tradingview")[1].sources[0]["extra_columns"] == ["Volume MA"]


def test_the_offset_of_an_exchange_changes_with_its_summer_time() -> None:
    content = ISO.replace(b"2023-12-31T18:59:00-05:00", b"2024-03-08T15:59:00-05:00")
    content = content.replace(b"2023-12-31T19:00:00-05:00", b"2024-03-08T16:00:00-05:00")
    content += b"2024-03-11T09:30:00-04:00,1,1,1,1,1,\n"
    times = [time for time, *_ in bars_of(content, profile="tradingview", gaps="keep")]
    assert times == ["2024-03-08T20:59:00Z", "2024-03-08T21:00:00Z", "2024-03-11T13:30:00Z"]


def test_a_chart_without_volume_is_read_when_the_user_says_so() -> None:
    content = b"\n".join(line.rsplit(b",", 2)[0] for line in UNIX.splitlines())
    error = refused(content, profile="tradingview")
    assert places(error) == [("COLUMNS", 1)]
    assert "--volume none" in error.hint
    assert bars_of(content, profile="tradingview", volume="none") == [(*bar[:5], 0.0) for bar in BARS]


def test_two_indicators_of_one_name_are_refused_with_what_to_do() -> None:
    content = UNIX.replace(b"Volume MA", b"Plot,Plot").replace(b",\n", b",,\n").replace(b"0.875", b"1,2")
    error = refused(content, profile="tradingview")
    assert places(error) == [("HEADER", 1)]
    assert "take one off the chart" in error.hint


@pytest.mark.parametrize(
    ("content", "rule", "line"),
    [
        (UNIX.replace(b"1704067200", b"2024-01-01T00:00:00Z"), "UNIT", 3),
        (UNIX.replace(b"42020", b""), "CELL", 3),
        (UTC.replace(b"Z", b""), "TIMEZONE", 2),
        (UNIX.replace(b"1704067200", b"1704067440"), "SPACING", 3),  # a 5m chart
        (UNIX.replace(b"time,", b"Date,"), "COLUMNS", 1),
    ],
)
def test_what_is_no_export_of_minutes_is_refused_at_its_line(content: bytes, rule: str, line: int) -> None:
    assert places(refused(content, profile="tradingview"))[0] == (rule, line)
