"""Profile `yfinance`: files of to_csv, old and new, daily and of minutes."""

import pytest

from csv_files import bars_of, places, read, refused

NEW = b"""\
Price,Close,High,Low,Open,Volume
Ticker,SPY,SPY,SPY,SPY,SPY
Date,,,,,
2024-02-28,254.5292510986328,255.0,253.5,254.0,96742400
2024-02-29,255.25,256.0,254.0,254.52,82438400
2024-03-01,256.0,256.5,255.0,255.25,0
"""
OLD = b"""\
Date,Open,High,Low,Close,Adj Close,Volume
2024-02-28,254.0,255.0,253.5,254.5292510986328,250.1,96742400
2024-02-29,254.52,256.0,254.0,255.25,251.2,82438400
2024-03-01,255.25,256.5,255.0,256.0,252.3,0
"""
MINUTES = b"""\
Price,Close,High,Low,Open,Volume
Ticker,BTC-USD,BTC-USD,BTC-USD,BTC-USD,BTC-USD
Datetime,,,,,
2025-09-19 23:59:00+00:00,11,12,9,10,5
2025-09-20 00:00:00+00:00,12,12,11,11,0
"""
BARS = [
    ("2024-02-28T00:00:00Z", 254.0, 255.0, 253.5, 254.5292510986328, 96742400.0),
    ("2024-02-29T00:00:00Z", 254.52, 256.0, 254.0, 255.25, 82438400.0),
    ("2024-03-01T00:00:00Z", 255.25, 256.5, 255.0, 256.0, 0.0),
]


@pytest.mark.parametrize("content", [NEW, OLD, NEW.replace(b"\n", b"\r\n")])
@pytest.mark.parametrize("block_bytes", [20, 64, 1 << 20])
def test_one_header_line_or_three_in_whatever_order_of_columns(content: bytes, block_bytes: int) -> None:
    assert bars_of(content, profile="yfinance", timezone="UTC", base="1d", block_bytes=block_bytes) == BARS


def test_the_adjusted_close_is_not_read() -> None:
    done = read(OLD, profile="yfinance", timezone="UTC", base="1d")[1]
    assert done.sources[0]["extra_columns"] == ["Adj Close"]


def test_minutes_carry_their_offset() -> None:
    assert bars_of(MINUTES, profile="yfinance") == [
        ("2025-09-19T23:59:00Z", 10.0, 12.0, 9.0, 11.0, 5.0),
        ("2025-09-20T00:00:00Z", 11.0, 12.0, 11.0, 12.0, 0.0),
    ]


def test_lines_are_counted_with_all_header_lines() -> None:
    broken = NEW.replace(b"255.25,256.0,254.0", b"255.25,250.0,254.0")
    error = refused(broken, profile="yfinance", timezone="UTC", base="1d")
    assert places(error) == [("OHLC", 5)]
    assert "auto_adjust=False" in error.hint


def test_a_file_of_several_tickers_is_refused_with_what_to_do() -> None:
    several = b"Price,Close,Close,High,High\nTicker,SPY,QQQ,SPY,QQQ\nDate,,,,\n2024-02-28,1,1,1,1\n"
    error = refused(several, profile="yfinance")
    assert places(error) == [("HEADER", 1)]
    assert "one ticker" in error.hint


def test_days_at_the_midnight_of_an_exchange_do_not_begin_a_day_of_utc() -> None:
    history = OLD.replace(b",Adj Close", b",Dividends").replace(b"-28,", b"-28 00:00:00-05:00,")
    error = refused(history.replace(b"-29,", b"-29 00:00:00-05:00,").replace(b"-01,", b"-01 00:00:00-05:00,"),
                    profile="yfinance", base="1d")  # fmt: skip
    assert places(error) == [("ALIGNMENT", 2), ("ALIGNMENT", 3), ("ALIGNMENT", 4)]
    assert "write days alone" in error.hint


@pytest.mark.parametrize(
    ("content", "options", "rule", "line"),
    [
        (NEW, {"base": "1d"}, "TIMEZONE", 4),
        (NEW, {"timezone": "UTC"}, "SPACING", 5),
        (NEW.replace(b"Date,,,,,\n", b"Date,,,,,\nDate,,,,,\nx"), {"timezone": "UTC", "base": "1d"}, "CELL", 5),
        (NEW.replace(b"254.0,96742400", b",96742400"), {"timezone": "UTC", "base": "1d"}, "CELL", 4),
        (NEW.replace(b"2024-02-28", b"28/02/2024"), {"timezone": "UTC", "base": "1d"}, "CELL", 4),
    ],
)
def test_what_cannot_be_read_is_refused_at_its_line(
    content: bytes, options: dict[str, str], rule: str, line: int
) -> None:
    assert places(refused(content, profile="yfinance", **options))[0] == (rule, line)
