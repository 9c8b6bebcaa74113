"""Detection: the right profile first, for reasons that stand in the file; nothing guessed, nothing raised."""

import bz2
import io
import lzma
import random
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from attrs import Factory, frozen
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import feather

from buff.errors import RunConfigInvalid
from buff.market import tables
from buff.market.detect import PREFIX_BYTES, Detection, Glimpse, Suggestion, alike_names, detect, toml
from buff.market.options import CsvOptions
from buff.market.profiles import PROFILES, Profile, profile_from
from csv_files import rows, vendor_file

SHARED = Path(__file__).parents[4] / "shared" / "data"


def glimpse(content: bytes, name: str = "bars.csv", member: str | None = None) -> Glimpse:
    names: tuple[str, ...] = ()
    first: tuple[tuple[str, ...], ...] = ()
    if content.startswith((b"ARROW1", b"PAR1")):
        names, first = tables.glimpse(content, 200)
    whole = len(content) <= PREFIX_BYTES
    return Glimpse(name=name, member=member, first=content[:PREFIX_BYTES], whole=whole, names=names, rows=first)


def found(content: bytes, name: str = "bars.csv", **said: Any) -> Detection:
    return detect(glimpse(content, name), said)


def likely(content: bytes, name: str = "bars.csv", **said: Any) -> Suggestion:
    suggestion = found(content, name, **said).likely
    assert suggestion is not None
    return suggestion


def feather_of(**columns: Any) -> bytes:
    sink = io.BytesIO()
    feather.write_feather(pa.table(columns), sink, compression="uncompressed")
    return sink.getvalue()


@frozen(kw_only=True)
class Example:
    """A few rows as a vendor writes them. says: a reason that must be given; options: what must be said for it.

    alike: other profiles that nothing in these rows tells from this one; they read them alike.
    """

    content: bytes
    says: str
    name: str = "bars.csv"
    options: Mapping[str, Any] = Factory(dict)
    alike: tuple[str, ...] = ()


EXAMPLES = {
    "buff": Example(
        content=b"ts,open,high,low,close,volume\n2024-01-01T00:00:00Z,1,2,1,2,5\n2024-01-01T00:01:00Z,2,3,1,2,0\n",
        says="the header ts, open, high, low, close and volume",
    ),
    "binance": Example(
        content=b"1502942400000,4261.48,4261.48,4261.48,4261.48,1.775183,1502942459999,7564.9,3,0.075,319.6,0\n"
        b"1502942460000,4261.48,4261.48,4261.48,4261.48,0.0,1502942519999,0.0,0,0.0,0.0,0\n",
        says="12 cells and no header",
    ),
    "ccxt": Example(
        content=b'[[1504541580000,4235.4,4240.6,4230.0,4230.7,37.7],[1504541640000,"4230.7","4231","4229","4230",1]]',
        says="6 values a row in a JSON array",
        name="bars.json",
        alike=("freqtrade",),
    ),
    "kraken": Example(
        content=b"1381095240,122.0,122.0,122.0,122.0,0.1,1\n1381179060,123.61,123.61,123.61,123.61,0.1,1\n",
        says="7 cells and no header",
    ),
    "cryptodatadownload": Example(
        content=b"https://www.CryptoDataDownload.com\n"
        b"unix,date,symbol,open,high,low,close,Volume BTC,Volume USD\n"
        b"1646092860,2022-03-01 00:01:00,BTC/USD,43221.71,43626.49,43185.48,43185.48,49.00,2116360.10\n"
        b"1646092800,2022-03-01 00:00:00,BTC/USD,43077.32,43221.71,43077.32,43221.71,1.5,64832.56\n",
        says="the newest row comes first",
    ),
    "histdata": Example(
        content=b"20120201 000000;1.306600;1.306600;1.306560;1.306560;0\n"
        b"20120201 000100;1.306570;1.306570;1.306470;1.306560;0\n",
        says="cells are separated by semicolons",
    ),
    "dukascopy": Example(
        content=b"Gmt time,Open,High,Low,Close,Volume\n"
        b"01.01.2020 22:00:00.000,1.12120,1.12129,1.12115,1.12120,35.01\n"
        b"01.01.2020 22:01:00.000,1.12120,1.12125,1.12115,1.12121,22.4\n",
        says="the header Gmt time, Open, High, Low, Close and Volume",
    ),
    "metatrader4": Example(
        content=b"2012.02.01,00:00,1.3066,1.3066,1.30656,1.30656,12\n"
        b"2012.02.01,00:01,1.30657,1.30657,1.30647,1.30656,7\n",
        says="7 cells and no header",
        options={"timezone": "UTC"},
    ),
    "metatrader5": Example(
        content=b"<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\r\n"
        b"2021.01.04\t00:00:00\t1.22395\t1.22396\t1.22373\t1.22395\t30\t0\t90\r\n"
        b"2021.01.04\t00:01:00\t1.22387\t1.22420\t1.22385\t1.22395\t37\t0\t90\r\n",
        says="cells are separated by tabs",
        options={"timezone": "UTC"},
    ),
    "yfinance": Example(
        content=b"Price,Close,High,Low,Open,Volume\nTicker,AAPL,AAPL,AAPL,AAPL,AAPL\nDate,,,,,\n"
        b"2020-01-02,72.7,72.8,71.5,71.7,135480400\n2020-01-03,72.0,72.8,71.8,71.9,146322800\n",
        says="3 header lines",
        options={"timezone": "UTC"},
    ),
    "polygon": Example(
        content=b"ticker,volume,open,close,high,low,window_start,transactions\n"
        b"AAPL,4930,200.29,200.5,200.63,200.29,1744792500000000000,129\n"
        b"MSFT,1815,380.39,380.34,380.61,380.34,1744792500000000000,57\n"
        b"AAPL,1815,200.39,200.34,200.61,200.34,1744792560000000000,57\n",
        says="times are epoch nanoseconds",
        options={"ticker": "AAPL"},
    ),
    "databento": Example(
        content=b"ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol\n"
        b"1609160400000000000,33,1,5482,3720250000000,3721500000000,3720250000000,3721000000000,353,ESH1\n"
        b"1609160460000000000,33,1,5482,3721000000000,3721000000000,3720000000000,3720500000000,152,ESH1\n",
        says="prices are whole numbers of 10^-9",
        options={"ticker": "ESH1"},
    ),
    "databento_pretty": Example(
        content=b"ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol\n"
        b"2020-12-28T13:00:00.000000000Z,33,1,5482,3720.250000000,3721.5,3720.25,3721.0,353,ESH1\n"
        b"2020-12-28T13:01:00.000000000Z,33,1,5482,3721.000000000,3721.0,3720.00,3720.5,152,ESH1\n",
        says="times are ISO, with Z or an offset",
        options={"ticker": "ESH1"},
    ),
    "bitstamp": Example(
        content=b"Timestamp,Open,High,Low,Close,Volume_(BTC),Volume_(Currency),Weighted_Price\n"
        b"1325317920,4.39,4.39,4.39,4.39,0.45558087,2.0000000193,4.39\n"
        b"1325317980,NaN,NaN,NaN,NaN,NaN,NaN,NaN\n1325318040,4.5,4.5,4.5,4.5,1.5,6.75,4.5\n",
        says="the header Timestamp, Open, High, Low, Close and Volume_(BTC)",
    ),
    "lean": Example(
        content=b"0,0.3067,0.3068,0.3066,0.3068,274004\n60000,0.3068,0.3072,0.3067,0.3071,1031647\n",
        says="times are milliseconds of the day in the file's name",
        name="20221213_adausdt_minute_trade.csv",
        options={"timezone": "UTC"},
    ),
    "lean_equity": Example(
        content=b"34200000,1234500,1235000,1234400,1234900,27400\n34260000,1234900,1236000,1234800,1235500,10316\n",
        says="prices are whole numbers of 10^-4",
        name="20131007_spy_minute_trade.csv",
    ),
    "firstrate": Example(
        content=b"2020-01-02 04:00:00,296,297,296,296.5,2110\n2020-01-02 04:01:00,296.5,297,296,297,5\n",
        says="6 cells and no header",
        options={"timezone": "UTC"},
    ),
}
# Nothing in these rows tells their vendor from anybody else: the general profile reads them alike, and is named first.
PLAIN = {
    "tradingview": b"time,open,high,low,close,Volume,RSI\n"
    b"2021-01-04T00:00:00+01:00,1,2,1,2,30,55.1\n2021-01-04T00:01:00+01:00,2,3,1,2,37,\n",
    "firstrate": b"timestamp,open,high,low,close,volume\n2020-01-02 04:00:00,296,297,296,296,2110\n",
    "yfinance": b"Date,Open,High,Low,Close,Adj Close,Volume\n2020-01-02,71.7,72.8,71.5,72.7,70.1,135480400\n",
    "freqtrade": feather_of(
        date=pa.array([0, 60_000], pa.timestamp("ms", "UTC")), open=[1.0, 2.0], high=[2.0, 3.0],
        low=[1.0, 2.0], close=[2.0, 2.0], volume=[1.0, 0.0],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_few_rows_of_a_vendor_suggest_its_profile_first(name: str) -> None:
    example = EXAMPLES[name]
    suggestions = found(example.content, example.name).suggestions
    first = suggestions[0]
    assert (first.profile.name, first.fits, dict(first.options)) == (name, True, example.options)
    assert example.says in first.reasons
    assert {each.profile.name for each in suggestions[1:] if each.same} == set(example.alike)


@pytest.mark.parametrize("name", PLAIN)
def test_where_nothing_shows_the_vendor_the_general_profile_comes_first_and_the_vendor_is_named(name: str) -> None:
    suggestions = found(PLAIN[name]).suggestions
    assert suggestions[0].profile.name == "buff"
    others = {each.profile.name: each for each in suggestions[1:]}
    assert others[name].fits
    assert others[name].same, "and reads the same rows"


def test_every_profile_has_an_example() -> None:
    assert set(EXAMPLES) | set(PLAIN) == set(PROFILES)


@pytest.mark.parametrize(
    ("pattern", "profile", "options"),
    [
        ("binance_12col*", "binance", {}),
        ("clean_1m*", "buff", {"timezone": "UTC"}),
        ("fx_1m_histdata*", "histdata", {}),
        ("gaps_1m*", "buff", {"timezone": "UTC"}),
        ("outage_1h*", "binance", {}),
    ],
)
@pytest.mark.skipif(not SHARED.is_dir(), reason="the real files are not part of the repository")
def test_real_files_suggest_the_right_profile_first(pattern: str, profile: str, options: dict[str, str]) -> None:
    (path,) = SHARED.glob(pattern)
    first = likely(path.read_bytes(), path.name)
    assert (first.profile.name, dict(first.options)) == (profile, options)


def test_the_first_rows_are_shown_as_understood() -> None:
    first = likely(EXAMPLES["polygon"].content)
    assert first.bars == (
        (1744792500000, 200.29, 200.63, 200.29, 200.5, 4930.0),
        (1744792560000, 200.39, 200.61, 200.34, 200.34, 1815.0),
    ), "the rows of one ticker, its columns by their names"
    assert (first.symbol, first.tickers) == ("AAPL", ("AAPL", "MSFT"))


@pytest.mark.parametrize(
    ("name", "symbol"), [("cryptodatadownload", "BTC/USD"), ("yfinance", "AAPL"), ("kraken", None), ("buff", None)]
)
def test_a_symbol_is_taken_from_the_file_alone(name: str, symbol: str | None) -> None:
    assert likely(EXAMPLES[name].content, "XBTUSD_1.csv").symbol == symbol


def test_a_column_with_two_symbols_names_none() -> None:
    content = (
        b"ts,symbol,open,high,low,close,volume\n2024-01-01T00:00:00Z,A,1,2,1,2,5\n2024-01-01T00:01:00Z,B,1,2,1,2,5\n"
    )
    assert likely(content).symbol is None


# What the user said


def test_a_profile_that_the_user_named_is_tried_alone() -> None:
    detection = found(EXAMPLES["kraken"].content, profile="binance")
    assert [each.profile.name for each in detection.suggestions] == ["binance"]
    assert detection.likely is None
    assert detection.suggestions[0].why_not == "the first row has 7 cells; profile binance has 12"


def test_a_zone_that_the_user_named_is_used_where_one_is_needed_and_only_there() -> None:
    assert likely(EXAMPLES["metatrader4"].content, timezone="Europe/Berlin").options == {"timezone": "Europe/Berlin"}
    assert likely(EXAMPLES["kraken"].content, timezone="Europe/Berlin").options == {}


def test_a_ticker_that_the_user_named_is_the_one_that_is_read() -> None:
    first = likely(EXAMPLES["polygon"].content, ticker="MSFT")
    assert (first.symbol, [bar[4] for bar in first.bars]) == ("MSFT", [380.34])


# Files that no profile reads as they are

ODD = b"Open time,First,High,Low,Last,Amount\n2024-01-01T00:00:00Z,1,2,1,2,5\n2024-01-01T00:01:00Z,1,2,1,2,5\n"


def test_names_that_may_be_meant_are_suggested_as_columns() -> None:
    content = ODD.replace(b"Amount", b"Vol.")
    first = likely(content)
    assert first.profile.name == "buff"
    assert first.options == {"columns": {"ts": "Open time", "open": "First", "close": "Last", "volume": "Vol."}}
    assert "'Last' may be the close column" in first.reasons
    assert CsvOptions(profile="buff", **first.options).columns["close"] == "Last"


def test_a_file_without_volume_is_suggested_with_none() -> None:
    first = likely(b"ts,open,high,low,close\n2024-01-01T00:00:00Z,1,2,1,2\n")
    assert (first.profile.name, first.options) == ("buff", {"volume": "none"})
    assert "there is no volume column" in first.reasons
    indices = likely(b"2020-01-02 09:30:00,1,2,1,2\n2020-01-02 09:31:00,1,2,1,2\n")
    assert (indices.profile.name, indices.options) == ("firstrate", {"volume": "none", "timezone": "UTC"})


def test_a_volume_in_brackets_is_not_left_out() -> None:
    content = (
        b"<TICKER>;<PER>;<DATE>;<TIME>;<OPEN>;<HIGH>;<LOW>;<CLOSE>;<VOL>\n"
        b"SBER;1;20240102;093000;1;2;1;2;5\nSBER;1;20240102;093100;1;2;1;2;7\n"
    )
    first = likely(content)
    assert first.options == {"columns": {"volume": "<VOL>"}, "timezone": "UTC"}
    assert [bar[5] for bar in first.bars] == [5.0, 7.0]


def test_rows_of_numbers_are_no_header_to_choose_names_from() -> None:
    assert likely(b"1704067200 1 2 1 2 5\n1704067260 1 2 1 2 5\n").profile.delimiter == " "
    (advice,) = found(b"1,2,3,4,5,6\n").advice
    assert "--columns" not in advice


def test_where_two_names_may_be_meant_the_user_is_asked() -> None:
    detection = found(b"ts,open,high,low,close,Volume A,Volume B\n2024-01-01T00:00:00Z,1,2,1,2,5,6\n")
    assert detection.likely is None
    assert detection.suggestions[0].profile.name == "buff"
    assert detection.suggestions[0].why_not == "the header has no volume column"
    assert detection.advice[0] == (
        "no column for volume: which of 'Volume A' and 'Volume B' is it? Say --columns volume=NAME or --volume none"
    )


def test_a_column_that_nothing_resembles_is_named_with_the_header() -> None:
    detection = found(b"ts,open,high,low,x,volume\n2024-01-01T00:00:00Z,1,2,1,2,5\n")
    assert detection.advice[0] == (
        "no column for close: the header has ts, open, high, low, x and volume. Say --columns close=NAME"
    )


@pytest.mark.parametrize(
    ("content", "field", "value"),
    [
        (b"ts;open;high;low;close;volume\n2024-01-01T00:00:00Z;1;2;1;2;5\n", "delimiter", ";"),
        (
            b"ts,open,high,low,close,volume\n2024-01-01T00:02:00Z,1,2,1,2,5\n2024-01-01T00:01:00Z,1,2,1,2,5\n"
            b"2024-01-01T00:00:00Z,1,2,1,2,5\n",
            "order",
            "descending",
        ),
    ],
)
def test_a_profile_of_ones_own_is_drafted_where_it_would_read_the_file(content: bytes, field: str, value: str) -> None:
    first = likely(content)
    assert first.draft is not None
    declared = tomllib.loads(first.draft)
    assert declared[field] == value
    again = likely(content, profile=declared)
    assert profile_from(declared) == again.profile
    assert len(again.bars) == content.count(b"\n") - 1


def test_rows_without_header_that_nobody_can_place_come_closest_to_the_nearest_width() -> None:
    detection = found(b"a,1,2,1,2,5,6,7\n")
    assert detection.likely is None
    assert detection.suggestions[0].why_not is not None
    assert "8" in detection.suggestions[0].why_not or "header" in detection.suggestions[0].why_not
    assert any("--profile-file" in line for line in detection.advice)


def test_a_profile_that_is_one_cell_longer_is_suggested_without_volume_only_where_the_volume_is_last() -> None:
    """Six cells are no `kraken` without volume: that would read the volume as the number of trades, and drop it."""
    first = likely(b"1704067200000,10,12,9,11,1.5\n1704067260000,11,13,10,12,2.5\n")
    assert (first.profile.name, first.options) == ("mine", {})
    assert [bar[5] for bar in first.bars] == [1.5, 2.5]


def test_a_unit_that_a_vendor_never_writes_is_not_its_form() -> None:
    first = likely(b"1704067200000,10,12,9,11,1.5,7\n1704067260000,11,13,10,12,2.5,8\n")
    assert (first.profile.name, [bar[5] for bar in first.bars]) == ("mine", [1.5, 2.5])
    named = found(b"1704067200000,10,12,9,11,1.5,7\n", profile="kraken").suggestions[0]
    assert named.why_not == "its times are epoch milliseconds; those of this profile are seconds"


def test_no_profile_leaves_out_the_time_of_day() -> None:
    content = b"date,time,open,high,low,close,volume\n2024-01-02,09:30,1,2,1,2,5\n2024-01-02,09:31,2,3,1,2,5\n"
    first = likely(content)
    assert (first.profile.name, first.times[1]) == ("mine", ("2024-01-02 09:31", 1_704_187_860_000_000_000))
    alone = found(content, profile="yfinance").suggestions[0]
    assert not alone.fits
    assert alone.why_not == "it would leave out the times of day, which stand in column 'time'"


@pytest.mark.parametrize("index", [b"0,2024-01-02T09:30:00Z", b"2024-01-02 09:30:00"])
def test_an_index_that_pandas_wrote_without_a_name_is_said_and_read_by_its_place(index: bytes) -> None:
    names = b",ts" if b"," in index else b""
    first = likely(names + b",open,high,low,close,volume\n" + index + b",1,2,1,2,5\n")
    assert first.bars == ((1_704_187_800_000, 1.0, 2.0, 1.0, 2.0, 5.0),)
    assert "to_csv(..., index=False)" in first.reasons[0]


@pytest.mark.parametrize(
    ("content", "why", "helps"),
    [
        (
            b"ts;open;high;low;close;volume\n2024-01-01T00:00:00Z;1,5;2,5;1,5;2,5;5\n",
            "line 2: '1,5' is not a plain decimal number",
            "decimal commas",
        ),
        (b"ts,open,high,low,close,volume\n01/02/2024 00:00,1,2,1,2,5\n", "is not a time", "--profile-file"),
        (b"ts,open,high,low,close,volume\n1.7E+12,1,2,1,2,5\n", "1.7E+12 is not an epoch", "spreadsheet has rounded"),
    ],
)
def test_what_a_spreadsheet_did_is_said(content: bytes, why: str, helps: str) -> None:
    detection = found(content)
    closest = detection.suggestions[0]
    assert not closest.fits
    assert closest.why_not is not None
    assert why in closest.why_not
    assert helps in detection.advice[0]


@pytest.mark.parametrize(
    ("time", "helps"),
    [
        ("01/02/2024 09:30", "nowhere said"),
        ("1/20/2024 9:30", "no form of it can be declared"),
        ("01/20/2024 09:30 PM", "no form of it can be declared"),
        ("20/01/24 09:30", "no form of it can be declared"),
        ("20-Jan-2024 09:30", "no form of it can be declared"),
        ("Jan 20 2024", "no form of it can be declared"),
    ],
)
def test_of_a_time_that_cannot_be_read_it_is_said_whether_a_profile_could_declare_it(time: str, helps: str) -> None:
    (advice,) = found(f"ts,open,high,low,close,volume\n{time},1,2,1,2,5\n".encode()).advice
    assert helps in advice
    assert ("--profile-file" in advice) == (helps == "nowhere said")


def test_two_tickers_of_yfinance_are_known_by_the_lines_below_the_header() -> None:
    content = (
        b"Price,Close,Close,High,High,Low,Low,Open,Open,Volume,Volume\n"
        b"Ticker,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT\nDate,,,,,,,,,,\n"
        b"2024-01-02,1,2,1,2,1,2,1,2,5,6\n"
    )
    detection = found(content)
    assert [each.profile.name for each in detection.suggestions] == ["yfinance"]
    assert detection.advice == ("download one ticker at a time, or write one ticker's columns to the file",)


def test_a_ticker_that_is_not_there_is_said_with_those_that_are() -> None:
    detection = found(EXAMPLES["polygon"].content, ticker="NVDA")
    assert detection.suggestions[0].why_not == ("no row of NVDA stands in its beginning, which has those of AAPL, MSFT")
    assert detection.advice == ("name one of its instruments, for example --ticker AAPL",)
    many = b"".join(b"T%d,5,2,2,2,2,1744792500000000000,1\n" % at for at in range(14))
    first = found(b"ticker,volume,open,close,high,low,window_start,transactions\n" + many, ticker="X").suggestions[0]
    assert first.why_not is not None
    assert first.why_not.endswith("T8, T9 and 4 others")


def test_a_few_bad_rows_do_not_hide_the_profile() -> None:
    bad = EXAMPLES["kraken"].content + b"1381179120,oops,123.61,123.61,123.61,0.1,1\n"
    first = likely(bad)
    assert (first.profile.name, len(first.bars)) == ("kraken", 2)


def test_epochs_of_1970_are_rather_something_else() -> None:
    detection = found(EXAMPLES["lean"].content, "no date in this name.csv")
    assert detection.likely is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        ("ts,open\n".encode("utf-16"), "UTF-16 text"),
        ("ts,open\n".encode("utf-16-le"), "binary, or UTF-16 text"),
        (b"<!DOCTYPE html>\n<html>", "an HTML page"),
        (b"\n<HTML><body>Not found", "an HTML page"),
        (b"<?xml version='1.0'?>", "XML"),
        (b"PK\x03\x04xl/", "a zip archive (or a spreadsheet)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an Excel workbook"),
        (b'{"code":-1121,"msg":"Invalid symbol."}', "JSON of another shape"),
        (b'[{"t":1,"o":2}]', "JSON of another shape"),
        (b"Too Many Requests", "one line of text without a separator"),
        (b"%PDF-1.4\n", "a PDF"),
        (bz2.compress(b"ts,open\n"), "packed by bzip2"),
        (lzma.compress(b"ts,open\n"), "packed by xz"),
        (b"\x28\xb5\x2f\xfd\x20\x05", "packed by Zstandard"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive"),
        (b"bars.csv".ljust(257, b"\0") + b"ustar\x0000", "a tar archive"),
        ("ts,open,Währung\n".encode("cp1252"), "text that is not UTF-8: it seems to be Windows-1252"),
        ("ts,open,時刻\n".encode("shift-jis"), "text that is not UTF-8"),
    ],
)
def test_what_is_no_file_of_candles_is_said(content: bytes, says: str) -> None:
    detection = found(content)
    assert detection.alien is not None
    assert detection.alien.startswith(says)
    assert detection.suggestions == ()


# Properties


@given(st.binary(max_size=400), st.booleans())
def test_detection_never_raises_on_any_bytes(content: bytes, whole: bool) -> None:
    detect(Glimpse(name="20240101.csv", first=content, whole=whole))


@given(st.data())
def test_detection_never_raises_on_edited_files(data: st.DataObject) -> None:
    """Invariants checked: no exception; what fits has a reason, what does not says why not."""
    content = bytearray(data.draw(st.sampled_from([each.content for each in EXAMPLES.values()])))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.sampled_from([b"", b",", b"\n", b'"', b"9", b"\0"])
        )
        if not content:
            break
    for each in detect(Glimpse(name="20240101.csv", first=bytes(content), whole=True)).suggestions:
        assert bool(each.reasons) if each.fits else bool(each.why_not)


def test_only_the_beginning_is_looked_at_and_whole_lines_of_it() -> None:
    """A line that the beginning cuts is not judged: it would look ragged."""
    content = b"ts,open,high,low,close,volume\n" + b"\n".join(rows(4_000)) + b"\n"
    assert len(content) > PREFIX_BYTES
    first = likely(content)
    assert len(first.times) == content[:PREFIX_BYTES].count(b"\n") - 1
    assert likely(content[:PREFIX_BYTES] + b"\xff\0" * PREFIX_BYTES) == first


def test_ranking_is_the_same_whatever_the_order_of_the_table() -> None:
    chance = random.Random(0)
    for example in EXAMPLES.values():
        shuffled = dict(chance.sample(sorted(PROFILES.items()), len(PROFILES)))
        first = detect(glimpse(example.content, example.name), {}, shuffled).suggestions[0]
        names = {detect(glimpse(example.content, example.name)).suggestions[0].profile.name, *example.alike}
        assert first.profile.name in names


def test_a_table_of_plain_values_is_written_as_toml() -> None:
    table = {"name": "mine", "scale": 2, "volume": False, "times": ["iso", "%d/%m/%Y"], "columns": {"ts": ['a\t"b']}}
    assert tomllib.loads(toml(table)) == table


@pytest.mark.parametrize(
    ("role", "names", "meant"),
    [
        ("ts", ["Open time", "Close time"], ["Open time"]),
        ("open", ["Open time", "Open", "Open Interest"], ["Open"]),
        ("close", ["c", "Adj Close"], ["c"]),
        ("volume", ["Volume BTC", "base_vol", "void"], ["Volume BTC", "base_vol"]),
    ],
)
def test_names_that_may_mean_a_column(role: str, names: list[str], meant: list[str]) -> None:
    assert alike_names(role, names) == meant


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_file_in_the_form_of_a_profile_is_never_denied_to_it(profile: Profile) -> None:
    """Invariants checked: what a profile writes fits it, or something fits that reads the same bars more plainly."""
    chance = random.Random(f"detected {profile.name}")
    for _ in range(40):
        file = vendor_file(profile, chance, count=chance.randint(3, 40))
        said = {name: value for name, value in file.options.items() if name in ("timezone", "ticker")}
        suggestions = detect(glimpse(file.content(), file.name), said).suggestions
        fitting = {each.profile.name: each for each in suggestions if each.fits}
        assert profile.name in fitting, (file, suggestions)
        first = fitting[profile.name]
        assert [bar[0] for bar in first.bars] == list(file.ts[: len(first.bars)]) or profile.order == "descending"
        assert suggestions[0].same


def test_a_column_that_is_named_fits_where_there_is_one_of_that_name() -> None:
    """Profiles without such a column, or to which that one is another, are left out: nobody asked for them."""
    content = b"ts,open,high,low,Price,volume\n" + b"".join(
        b"2024-01-01T00:%02d:00Z,1,2,1,2,5\n" % minute for minute in range(20)
    )
    detection = found(content, columns={"close": "Price"})
    assert [each.profile.name for each in detection.suggestions if each.fits][:1] == ["buff"]
    with pytest.raises(RunConfigInvalid, match="is no column that can be named"):
        found(content, columns={"price": "Price"})
