"""Profile `kraken`: the downloadable OHLCVT files."""

import pytest

from csv_files import bars_of, places, read, refused

# A file such as XBTUSD_1.csv: seconds, seven columns, only minutes with trades.
FILE = b"""\
1609459140,28990.0,28999.9,28985.1,28999.9,0.51734,12
1609459200,28999.9,29010.0,28999.9,29010.0,1.25,7
1609459380,29008.3,29008.3,29001.0,29001.0,0.002,1
"""
BARS = [
    ("2020-12-31T23:59:00Z", 28990.0, 28999.9, 28985.1, 28999.9, 0.51734),
    ("2021-01-01T00:00:00Z", 28999.9, 29010.0, 28999.9, 29010.0, 1.25),
    ("2021-01-01T00:03:00Z", 29008.3, 29008.3, 29001.0, 29001.0, 0.002),
]


def test_minutes_without_trades_are_gaps_that_are_kept_when_asked() -> None:
    assert bars_of(FILE, profile="kraken", gaps="keep") == BARS
    done = read(FILE, profile="kraken", gaps="keep")[1]
    assert (done.gap_count, done.missing, done.sources[0]["extra_columns"]) == (1, 2, ["trades"])


def test_the_refusal_of_a_gap_says_what_a_missing_minute_means_here() -> None:
    error = refused(FILE, profile="kraken")
    assert places(error) == [("GAP", 3)]
    assert "no row for a minute without a trade" in error.hint


@pytest.mark.parametrize(
    ("content", "rule", "line"),
    [
        (FILE.replace(b",12\n", b"\n").replace(b",7\n", b"\n").replace(b",1\n", b"\n"), "COLUMNS", 1),  # no trades
        (b"time,open,high,low,close,volume,trades\n" + FILE, "HEADER", 1),
        (FILE.replace(b"1609459200", b"1609459200000"), "UNIT", 2),
        (FILE.replace(b",7\n", b"\n"), "RAGGED", 2),
    ],
)
def test_what_is_no_file_of_kraken_is_refused_at_its_line(content: bytes, rule: str, line: int) -> None:
    assert places(refused(content, profile="kraken", gaps="keep"))[0] == (rule, line)
