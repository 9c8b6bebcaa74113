"""Profile `bitstamp`: minutes of Bitstamp and Coinbase as published on Kaggle."""

import pytest

from csv_files import bars_of, places, read, refused

OLD = b"""\
Timestamp,Open,High,Low,Close,Volume_(BTC),Volume_(Currency),Weighted_Price
1325317920,4.39,4.39,4.39,4.39,0.45558087,2.0000000193,4.39
1325317980,NaN,NaN,NaN,NaN,NaN,NaN,NaN
1325318040,NaN,NaN,NaN,NaN,NaN,NaN,NaN
1325318100,4.4,4.5,4.4,4.5,48,210.72,4.39
1325318160,4.5,4.5,4.5,4.5,0.5,2.25,4.5
"""
NEW = b"""\
Timestamp,Open,High,Low,Close,Volume
1325317920.0,4.39,4.39,4.39,4.39,0.45558087
1325317980.0,4.39,4.39,4.39,4.39,0.0
1325318040.0,4.39,4.39,4.39,4.39,0.0
1325318100.0,4.4,4.5,4.4,4.5,48.0
1325318160.0,4.5,4.5,4.5,4.5,0.5
"""
BARS = [
    ("2011-12-31T07:52:00Z", 4.39, 4.39, 4.39, 4.39, 0.45558087),
    ("2011-12-31T07:55:00Z", 4.4, 4.5, 4.4, 4.5, 48.0),
    ("2011-12-31T07:56:00Z", 4.5, 4.5, 4.5, 4.5, 0.5),
]


@pytest.mark.parametrize("block_bytes", [76, 150, 1 << 20])
def test_minutes_of_nan_say_that_there_was_no_bar_and_are_gaps(block_bytes: int) -> None:
    assert bars_of(OLD, profile="bitstamp", gaps="keep", block_bytes=block_bytes) == BARS
    done = read(OLD, profile="bitstamp", gaps="keep", block_bytes=block_bytes)[1]
    assert (done.gap_count, done.missing, done.sources[0]["no_bar_rows"]) == (1, 2, 2)
    error = refused(OLD, profile="bitstamp", block_bytes=block_bytes)
    assert places(error) == [("GAP", 5)]


@pytest.mark.parametrize("block_bytes", [50, 1 << 20])
def test_epochs_with_a_fraction_of_zero_are_seconds(block_bytes: int) -> None:
    found = bars_of(NEW, profile="bitstamp", block_bytes=block_bytes)
    assert [found[0], *found[3:]] == BARS
    assert bars_of(NEW.replace(b".0,4", b",4"), profile="bitstamp") == found


@pytest.mark.parametrize(
    ("content", "rule", "line"),
    [
        (OLD.replace(b"NaN,NaN,NaN,NaN,NaN,NaN,NaN", b"NaN,NaN,NaN,NaN,0,NaN,NaN"), "CELL", 3),  # not all five
        (OLD.replace(b"NaN", b"nan"), "CELL", 3),
        (NEW.replace(b"1325317980.0", b"1325317980.5"), "UNIT", 3),
        (NEW.replace(b"1325317980.0", b"1.32532e+09"), "UNIT", 3),
        (OLD.replace(b"Volume_(BTC),", b"").replace(b",48,", b",").replace(b"NaN,NaN,", b"NaN,"), "COLUMNS", 1),
        (OLD.replace(b"Volume_(Currency)", b"Volume_(ETH)"), "HEADER", 1),
    ],
)
def test_what_is_no_file_of_it_is_refused_at_its_line(content: bytes, rule: str, line: int) -> None:
    assert places(refused(content, profile="bitstamp", gaps="keep"))[0] == (rule, line)


def test_a_file_of_nothing_but_nan_is_empty() -> None:
    head, _, nan, *_ = OLD.splitlines(keepends=True)
    assert places(refused(head + nan, profile="bitstamp", gaps="keep")) == [("EMPTY", 2)]
