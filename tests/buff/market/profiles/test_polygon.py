"""Profile `polygon`: flat files of minute aggregates, in which many tickers stand."""

import pytest

from buff.errors import RunConfigInvalid
from buff.market.options import CsvOptions
from csv_files import bars_of, places, read, refused

# Open and close come before high and low; the rows of a ticker stand together.
FILE = b"""\
ticker,volume,open,close,high,low,window_start,transactions
A,120.5,142.9,143.0,143.1,142.9,1744792500000000000,3
AAPL,4930,200.29,200.5,200.63,200.29,1744792500000000000,129
AAPL,1815,200.39,200.34,200.61,200.34,1744792560000000000,57
AAPL,7,200.4,200.4,200.4,200.4,1744792740000000000,1
AAPLW,x,,,,,,
"""
BARS = [
    ("2025-04-16T08:35:00Z", 200.29, 200.63, 200.29, 200.5, 4930.0),
    ("2025-04-16T08:36:00Z", 200.39, 200.61, 200.34, 200.34, 1815.0),
    ("2025-04-16T08:39:00Z", 200.4, 200.4, 200.4, 200.4, 7.0),
]


@pytest.mark.parametrize("block_bytes", [70, 130, 1 << 20])
def test_the_rows_of_one_ticker_are_read_and_the_others_counted(block_bytes: int) -> None:
    options = {"profile": "polygon", "ticker": "AAPL", "gaps": "keep", "block_bytes": block_bytes}
    assert bars_of(FILE, **options) == BARS
    done = read(FILE, **options)[1]
    assert done.sources[0]["other_rows"] == 2
    assert "bars.csv: 2 rows of other tickers than AAPL left out" in done.warnings
    assert bars_of(FILE, **{**options, "ticker": "A"})[0][-1] == 120.5  # shares come in fractions since 2026


def test_a_ticker_must_be_asked_for_and_be_there() -> None:
    with pytest.raises(RunConfigInvalid, match="many instruments"):
        CsvOptions(profile="polygon")  # type: ignore[arg-type]
    error = refused(FILE, profile="polygon", ticker="MSFT")
    assert places(error) == [("EMPTY", 6)]
    assert "no row of MSFT among its 5" in error.message


def test_a_minute_without_a_trade_is_a_gap_with_its_hint() -> None:
    error = refused(FILE, profile="polygon", ticker="AAPL")
    assert places(error) == [("GAP", 5)]
    assert "no row for a minute without a trade" in error.hint


def test_files_of_indices_have_no_volume() -> None:
    index = (
        b"ticker,open,close,high,low,window_start\n"
        b"I:SPX,5,5.5,6,4,1744792500000000000\n"
        b"I:SPX,5,5,5,5,1744792560000000000\n"
    )
    assert places(refused(index, profile="polygon", ticker="I:SPX")) == [("COLUMNS", 1)]
    found = bars_of(index, profile="polygon", ticker="I:SPX", volume="none")
    assert found[0] == ("2025-04-16T08:35:00Z", 5.0, 6.0, 4.0, 5.5, 0.0)


@pytest.mark.parametrize(
    ("content", "rule", "line"),
    [
        (FILE.replace(b"1744792560000000000", b"1744792560000"), "UNIT", 4),
        (FILE.replace(b"1744792560000000000", b"1744792560000000001"), "ALIGNMENT", 4),
        (FILE.replace(b"AAPLW,x,,,,,,", b"AAPLW,x"), "RAGGED", 6),  # the row of another ticker
        (FILE.replace(b"ticker", b"symbol"), "COLUMNS", 1),
        (FILE.replace(b"AAPL,7", b"AAPL,"), "CELL", 5),
    ],
)
def test_what_is_no_flat_file_is_refused_at_its_line(content: bytes, rule: str, line: int) -> None:
    assert places(refused(content, profile="polygon", ticker="AAPL", gaps="keep"))[0] == (rule, line)
