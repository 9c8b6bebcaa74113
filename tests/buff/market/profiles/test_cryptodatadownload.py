"""Profile `cryptodatadownload`: a banner, newest rows first, two volumes."""

import pytest

from csv_files import bars_of, places, read, refused

BANNER = b"https://www.CryptoDataDownload.com\n"
BITSTAMP = b"""\
unix,date,symbol,open,high,low,close,Volume BTC,Volume USD
1704067260,2024-01-01 00:01:00,BTC/USD,42050,42060,42040,42055,0.5,21027.5
1704067200,2024-01-01 00:00:00,BTC/USD,42000,42050,42000,42050,1.25,52562.5
1704067140,2023-12-31 23:59:00,BTC/USD,41990,42000,41980,42000,0,0
"""
BINANCE = b"""\
Unix,Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USDT,tradecount
1704067260000,2024-01-01 00:01:00,BTCUSDT,42050,42060,42040,42055,0.5,21027.5,31
1704067200000,2024-01-01 00:00:00,BTCUSDT,42000,42050,42000,42050,1.25,52562.5,62
1704067140000,2023-12-31 23:59:00,BTCUSDT,41990,42000,41980,42000,0,0,0
"""
BITFINEX = b"""\
unix,date,symbol,open,high,low,close,Volume USD,Volume BTC
1704067260000,2024-01-01 00:01:00,BTC/USD,42050,42060,42040,42055,21027.5,0.5
1704067200000,2024-01-01 00:00:00,BTC/USD,42000,42050,42000,42050,52562.5,1.25
1704067140000,2023-12-31 23:59:00,BTC/USD,41990,42000,41980,42000,0,0
"""
GEMINI = b"""\
Unix Timestamp,Date,Symbol,Open,High,Low,Close,Volume
1704067260000,2024-01-01 00:01:00,BTCUSD,42050,42060,42040,42055,0.5
1704067200000,2024-01-01 00:00:00,BTCUSD,42000,42050,42000,42050,1.25
1704067140000,2023-12-31 23:59:00,BTCUSD,41990,42000,41980,42000,0
"""
BARS = [
    ("2023-12-31T23:59:00Z", 41990.0, 42000.0, 41980.0, 42000.0, 0.0),
    ("2024-01-01T00:00:00Z", 42000.0, 42050.0, 42000.0, 42050.0, 1.25),
    ("2024-01-01T00:01:00Z", 42050.0, 42060.0, 42040.0, 42055.0, 0.5),
]


@pytest.mark.parametrize("banner", [b"", BANNER, b"http://www.CryptoDataDownload.com\r\n"])
@pytest.mark.parametrize("content", [BITSTAMP, BINANCE, BITFINEX, GEMINI])
@pytest.mark.parametrize("block_bytes", [64, 150, 1 << 20])
def test_every_exchange_gives_the_same_bars_oldest_first(banner: bytes, content: bytes, block_bytes: int) -> None:
    assert bars_of(banner + content, profile="cryptodatadownload", block_bytes=block_bytes) == BARS
    done = read(banner + content, profile="cryptodatadownload")[1]
    assert (done.sources[0]["banner_lines"], done.sources[0]["order"]) == (bool(banner), "descending")


def test_two_years_are_one_dataset_when_the_oldest_is_given_first() -> None:
    older = (
        BINANCE.replace(b"1704067", b"1704066")
        .replace(b"1704066260", b"1704067080")
        .replace(b"1704066200", b"1704067020")
    )
    older = older.replace(b"1704066140", b"1704066960")
    columns = bars_of(BANNER + older, BANNER + BITSTAMP, profile="cryptodatadownload")
    assert [time for time, *_ in columns] == [
        "2023-12-31T23:56:00Z", "2023-12-31T23:57:00Z", "2023-12-31T23:58:00Z",
        "2023-12-31T23:59:00Z", "2024-01-01T00:00:00Z", "2024-01-01T00:01:00Z",
    ]  # fmt: skip
    error = refused(BANNER + BITSTAMP, BANNER + older, profile="cryptodatadownload")
    assert [(each["rule"], each["file"], each["line"]) for each in error.details["offences"]] == [  # type: ignore[attr-defined]
        ("ORDER", "bars2.csv", 5)
    ]
    assert error.hint == "give files whose rows come newest first from the oldest file to the newest"


def test_the_volume_of_a_pair_of_two_coins_is_named_by_the_user() -> None:
    pair = BITSTAMP.replace(b"Volume BTC,Volume USD", b"Volume ETH,Volume BTC")
    error = refused(pair, profile="cryptodatadownload")
    assert places(error) == [("HEADER", 1)]
    assert "'Volume ETH' and 'Volume BTC'" in error.message
    assert "--columns 'volume=Volume ETH'" in error.hint
    assert bars_of(pair, profile="cryptodatadownload", columns={"volume": "Volume ETH"}) == BARS
    stable = BITSTAMP.replace(b"Volume BTC,Volume USD", b"Volume USDT,Volume USD")
    assert places(refused(stable, profile="cryptodatadownload")) == [("COLUMNS", 1)]
    assert bars_of(stable, profile="cryptodatadownload", columns={"volume": "Volume USDT"}) == BARS


def test_epochs_that_a_spreadsheet_rounded_get_a_code_that_says_so() -> None:
    damaged = BINANCE.replace(b"1704067260000", b"1.70407E+12").replace(b"1704067200000", b"1.70407E+12")
    error = refused(BANNER + damaged, profile="cryptodatadownload")
    assert places(error)[0] == ("UNIT", 3)
    assert "spreadsheet has rounded" in error.hint


@pytest.mark.parametrize(
    ("content", "rule", "line"),
    [
        (b"\n".join([BITSTAMP.split(b"\n")[0], *reversed(BITSTAMP.split(b"\n")[1:4])]), "ORDER", 3),
        (BITSTAMP.replace(b"1704067200", b"1704067260", 1), "DUPLICATE", 3),
        (BITSTAMP.replace(b"1704067200", b"1704067200000"), "UNIT", 3),
        (BITSTAMP.replace(b"unix,", b"when,"), "COLUMNS", 1),
        (BITSTAMP.split(b"\n", 1)[1], "COLUMNS", 1),
        (b"2023-12-31" + BANNER + BITSTAMP, "COLUMNS", 1),
    ],
)
def test_what_is_no_file_of_it_is_refused_at_its_line(content: bytes, rule: str, line: int) -> None:
    assert places(refused(content, profile="cryptodatadownload"))[0] == (rule, line)
