"""What stands above the rows: byte order mark, banner, header, more header lines; each in blocks of any size."""

from typing import Any

import pytest

from buff.market.bars import VALUES
from csv_files import bars_of, outcome, places, read, refused

ROWS = b"2024-01-01T00:00Z,1,2,1,2,5\n2024-01-01T00:01Z,2,2,1,1,6\n"
HEADER = b"ts,open,high,low,close,volume\n"
BARS = [("2024-01-01T00:00:00Z", 1.0, 2.0, 1.0, 2.0, 5.0), ("2024-01-01T00:01:00Z", 2.0, 2.0, 1.0, 1.0, 6.0)]
OWN: dict[str, Any] = {
    "name": "own",
    "banner": "# made by",
    "header": "optional",
    "subheaders": ["units", "utc"],
    "columns": {"ts": "ts", **{name: name for name in VALUES}},
    "positions": ["ts", *VALUES],
}
BOM = b"\xef\xbb\xbf"
SIZES = (1, 20, 31, 64, 1 << 20)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        HEADER,
        BOM + HEADER,
        b"# made by hand\n" + HEADER,
        BOM + b"# MADE BY HAND\r\n" + HEADER.replace(b"\n", b"\r\n"),
        b"# made by hand\n",
        HEADER + b"Units,,,,,\n",
        HEADER + b"units,USD,USD,USD,USD,BTC\nUTC,,,,,\n",
        b"# made by\n" + HEADER + b"units\n",
    ],
)
def test_a_heading_is_none_of_the_data_in_blocks_of_any_size(head: bytes) -> None:
    for size in SIZES:
        assert bars_of(head + ROWS, profile=OWN, block_bytes=size) == BARS


def test_lines_are_counted_with_the_heading_and_banners_are_told() -> None:
    head = b"# made by\n" + HEADER + b"units,,,,,\n"
    for size in SIZES:
        error = refused(head + ROWS.replace(b"2,2,1,1,6", b"2,x,1,1,6"), profile=OWN, block_bytes=size)
        assert places(error) == [("CELL", 5)]
    assert read(head + ROWS, profile=OWN)[1].sources[0]["banner_lines"] == 1


@pytest.mark.parametrize(
    ("content", "rule", "line"),
    [
        (b"", "EMPTY", 1),
        (BOM, "EMPTY", 1),
        (b"\n \n\r\n", "EMPTY", 1),
        (b"# made by\n", "EMPTY", 1),
        (HEADER, "EMPTY", 1),
        (HEADER + b"units,,,,,\n", "EMPTY", 2),
        (HEADER + b"\n\n", "EMPTY", 3),
        (b"\n" + HEADER + ROWS, "HEADER", 1),
        (b"\r\n\n" + ROWS, "HEADER", 1),
        (b"# made by\n\n" + HEADER + ROWS, "HEADER", 2),
        (b"# made by\n# made by\n" + HEADER + ROWS, "COLUMNS", 2),
        (HEADER + b"# made by\n" + ROWS, "RAGGED", 2),
        (HEADER + HEADER + ROWS, "CELL", 2),
        (ROWS + HEADER, "CELL", 3),
        (ROWS[:28] + b"units,,,,,\n" + ROWS[28:], "CELL", 2),  # below a row it is no heading
        (b"# made by " + b"x" * 70_000 + b"\n" + ROWS, "SIZE", 1),
        (HEADER + b"units," + b"x" * 70_000 + b"\n" + ROWS, "SIZE", 2),
        (b"2024-01-01T00:00Z,1,2,1,2\n", "COLUMNS", 1),
        (b"2024-01-01T00:00Z;1;2;1;2;5\n", "DELIMITER", 1),
    ],
)
def test_what_is_wrong_in_a_heading_is_said_alike_for_blocks_of_any_size(content: bytes, rule: str, line: int) -> None:
    error = refused(content, profile=OWN)
    assert places(error)[0] == (rule, line)
    for size in SIZES:
        assert outcome(content, profile=OWN, block_bytes=size) == error.as_dict()
