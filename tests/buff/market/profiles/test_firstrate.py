"""Profile `firstrate`: naive minutes with and without header, and indices without volume."""

import pytest

from csv_files import bars_of, places, read, refused

FILE = b"""\
2024-03-08 15:58:00,170.5,170.6,170.4,170.55,12000
2024-03-08 15:59:00,170.55,170.7,170.5,170.7,45210
2024-03-11 09:30:00,171,171.2,170.9,171.1,98000
"""
HEADER = b"timestamp,open,high,low,close,volume\n"
BARS = [
    ("2024-03-08T20:58:00Z", 170.5, 170.6, 170.4, 170.55, 12000.0),
    ("2024-03-08T20:59:00Z", 170.55, 170.7, 170.5, 170.7, 45210.0),
    ("2024-03-11T13:30:00Z", 171.0, 171.2, 170.9, 171.1, 98000.0),  # summer time began in between
]
NEW_YORK = {"profile": "firstrate", "timezone": "America/New_York", "gaps": "keep"}


@pytest.mark.parametrize("content", [FILE, HEADER + FILE, HEADER.replace(b"timestamp", b"DateTime") + FILE])
@pytest.mark.parametrize("block_bytes", [60, 1 << 20])
def test_new_york_time_with_and_without_header(content: bytes, block_bytes: int) -> None:
    assert bars_of(content, **NEW_YORK, block_bytes=block_bytes) == BARS


def test_the_zone_is_asked_for() -> None:
    error = refused(FILE, profile="firstrate", gaps="keep")
    assert places(error) == [("TIMEZONE", 1), ("TIMEZONE", 2), ("TIMEZONE", 3)]
    assert "--timezone America/New_York" in error.hint


def test_indices_have_no_volume_column() -> None:
    rows = b"".join(line.rsplit(b",", 1)[0] + b"\n" for line in FILE.splitlines())
    assert places(refused(rows, **NEW_YORK)) == [("COLUMNS", 1)]
    for content in (rows, HEADER.replace(b",volume", b"") + rows):
        assert bars_of(content, **NEW_YORK, volume="none") == [(*bar[:5], 0.0) for bar in BARS]
    # Where the column is there, it is left alone.
    assert bars_of(FILE, **NEW_YORK, volume="none") == [(*bar[:5], 0.0) for bar in BARS]
    assert read(FILE, **NEW_YORK, volume="none")[1].sources[0]["extra_columns"] == ["volume"]


def test_a_night_is_a_gap_with_its_hint() -> None:
    error = refused(FILE, profile="firstrate", timezone="America/New_York")
    assert places(error) == [("GAP", 3)]
    assert "--gaps keep" in error.hint


@pytest.mark.parametrize(
    ("content", "rule", "line"),
    [
        (FILE.replace(b"2024-03-08 15:58:00", b"03/08/2024 15:58"), "CELL", 1),
        (FILE.replace(b"2024-03-08 15:59:00", b"1709913540"), "CELL", 2),
        (FILE.replace(b"2024-03-11 09:30", b"2024-03-10 02:30"), "TIMEZONE", 3),
        (FILE.replace(b"2024-03-11 09:30", b"2024-11-03 01:30"), "TIMEZONE", 3),
        (HEADER.replace(b"timestamp", b"when") + FILE, "COLUMNS", 1),
        (b"\n" + FILE, "HEADER", 1),
    ],
)
def test_what_cannot_be_read_is_refused_at_its_line(content: bytes, rule: str, line: int) -> None:
    assert places(refused(content, **NEW_YORK))[0] == (rule, line)
