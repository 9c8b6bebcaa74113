"""Bare text: what is cut out of a block, and which blocks are left to the judge."""

import pytest

from buff.market.bare import bare
from buff.market.header import Layout, layout
from buff.market.options import CsvOptions
from buff.market.profiles import PROFILES
from buff.market.reading import Reading

WIDE = layout(b"symbol,low,ts,open,high,note,close,volume,x", PROFILES["buff"], "bars.csv")
NARROW = layout(b"ts,open,high,low,close,volume,x", PROFILES["buff"], "bars.csv")


@pytest.mark.parametrize(
    ("block", "columns", "text"),
    [
        (b"BTC,1,t,2,3,a b,4,5,6\nETH,,,,,,,,\n", WIDE, b"1,t,2,3,4,5\n,,,,,\n"),
        ("BTC,1,t,2,3,é,4,5,\n".encode(), WIDE, b"1,t,2,3,4,5\n"),
        (b"t,1,2,3,4,5,6\n", NARROW, b"t,1,2,3,4,5\n"),
        (b"t,1,2,3,4,5\n", NARROW, None),  # too few cells
        (b"t,1,2,3,4,5,6,7\n", NARROW, None),  # too many
        (b"t,1,2,3,4,5\nt,1,2,3,4,5,6,7\n", NARROW, None),  # as many as two rows have, but not in each
        (b"t,1,2,3,4,5,6\n\n", NARROW, None),
        (b't,1,2,3,4,5,"6"\n', NARROW, None),
        (b"t,1,2,3,4,5,\0\n", NARROW, None),
        (b"t,1,2,3,4,5,\r\n", NARROW, b"t,1,2,3,4,5\n"),
        (b"t,1,2,3,4,5,\rx\n", NARROW, None),
        (b"t,1,2,3,4,5,\xff\n", NARROW, None),
        (b"t,1,2,3,4,5," + b"x" * 65_523 + b"\n", NARROW, b"t,1,2,3,4,5\n"),
        (b"t,1,2,3,4,5," + b"x" * 65_525 + b"\n", NARROW, None),  # a line of more than 64 KiB
    ],
)
def test_ignored_columns_are_cut_out(block: bytes, columns: Layout, text: bytes | None) -> None:
    reading = Reading(options=CsvOptions(), layout=columns)
    found = bare(block, reading)
    assert (None if found is None else found.text) == text
