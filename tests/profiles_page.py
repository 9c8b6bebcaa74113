"""The reference page of the profiles, written from the table of declarations.

    python tests/profiles_page.py > docs/reference/profiles.md

Nothing goes in but `buff.market.profiles` and the examples below; Markdown comes out. `test_profiles_page.py` fails
while the page is another, and reads every example.
"""

import sys
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import Factory, fields, frozen

from buff.market.profiles import CSV, DESCENDING, JSON, NONE, OPTIONAL, PROFILES, TABLE, Profile

HEAD = """\
# Profiles: whose files are read, and how

This page is made from the declarations: `python tests/profiles_page.py > docs/reference/profiles.md`.

A profile says how a vendor's files are written: names and order of columns, order of rows, and what times mean.
It never says how to repair anything: every rule of [CSV](csv_schema.md) holds under every profile.
`--profile NAME` chooses one, and the manifest of a run records it.
`buff data inspect FILE` suggests one; nothing but you chooses it.
Plain files, `.gz`, `.zip` and standard input (`-`) are read alike; several files are one dataset, in the order given.

{index}

## What a profile leaves to you

| option | what it says of a file |
|---|---|
| `--timezone ZONE` | the zone of naive times, where neither file nor profile says it |
| `--base-timeframe TF` | the spacing of the rows, where it is not one minute |
| `--gaps HOW` | `reject`, `keep` or `fill` missing bars |
| `--columns close=Last,…` | what columns are called in an odd header |
| `--stamp open` or `close` | whether times are the openings of bars or their ends |
| `--volume none` | that there is no volume; it is then 0 |
| `--symbol S`, `--ticker T` | whose rows to read of a file of many instruments |
"""

OWN_HEAD = """\
## A profile of your own

A TOML file with the same fields, which go through the same checks.
`--profile-file FILE` takes it in the place of `--profile NAME`.
The manifest of a run records the whole declaration.

"""

OWN_FILE = """\
# made by the export of 2024-01-02
Stempel;Kurs auf;Hoch;Tief;Kurs zu;Umsatz EUR;Stücke
01/01/2024 00:04;100.25;100.5;100;100.5;201;2
01/01/2024 00:03;100.5;100.5;100;100.25;803;8
01/01/2024 00:02;-;-;-;-;-;-
01/01/2024 00:01;100;101;99;100.5;301;3
"""

OWN_PROFILE = """\
name = "depot"
title = "the CSV export of my bank"
delimiter = ";"
banner = "# made by"
times = "%d/%m/%Y %H:%M"
zone = "Europe/Berlin"
stamp = "close"
order = "descending"
no_bar = "-"

[columns]
ts = "stempel"
open = "kurs auf"
high = "hoch"
low = "tief"
close = "kurs zu"
volume = ["stücke", "volumen"]

[hints]
GAP = "the bank leaves out minutes without trades: --gaps keep"
"""

# What each field of a profile means in TOML. `test_profiles_page.py` compares the names with those of the class.
FIELDS: Mapping[str, str] = {
    "name": "Lower-case letters, digits, `_` and `-`; it stands in manifests. Required.",
    "title": "What it is, for people. `profile NAME` when left out.",
    "says": "What one should know before using such a file.",
    "formats": "One or a list of `csv` (text, a row a line), `json` (array of arrays), `table` (Parquet or Feather).",
    "delimiter": "The one character between cells: comma, semicolon, tab, bar or space.",
    "banner": "A first line that begins with this text, in any case, is none of the data.",
    "header": "`required`, `optional` or `none`: whether the first line names the columns.",
    "subheaders": "Lines right below the header that begin with one of these cells, in lower case, are no data.",
    "columns": "A table: role to header name or names, compared in lower case; exactly one of them must be there. "
    "`name*` is the one column that begins so, `!name` is never it. Roles: `ts`, `open`, `high`, `low`, `close`, "
    "`volume`, `time` (the second half of a time in two columns), `ticker` (whose row it is).",
    "positions": "The roles, or any names for columns that are not read, of a file without header, in order.",
    "times": "The forms of its times, one or a list: `iso`, `epoch`, `epoch.0` (digits and `.0`), `ms_of_day` "
    "(milliseconds since the midnight of the date in the file's name), or strptime codes of full width: `%Y %m %d %H "
    "%M %S`, `%f` (one to nine digits), `%z` (`Z` or an offset).",
    "units": "Units of its epochs, some of `s`, `ms`, `us`, `ns`, where the vendor has but some: `buff data inspect` "
    "suggests the profile for no file of another unit. Any is read.",
    "zone": "The zone of naive times, where the vendor says it: `UTC`, `±HH:MM` or an IANA name.",
    "local": "Names of the time column under which no naive time is of that zone, so that each must carry its offset.",
    "stamp": "`open` or `close`: whether a time is its bar's opening or its end.",
    "order": "`ascending`, or `descending` where the newest row comes first.",
    "volume": "`false` where there is none; it is then 0.",
    "scale": "Prices are whole numbers of 10^-scale, 0 to 15.",
    "no_bar": "A row whose five values are all this text says that there was no bar: it is a gap.",
    "hints": "A table: rule to what to do about it in such files.",
}


@frozen(kw_only=True)
class Example:
    """A small file of a profile. options: as of `CsvOptions`; symbol: whose rows; rows: how many bars it holds."""

    file: str
    text: str
    rows: int
    symbol: str = "BTCUSD"
    options: Mapping[str, str] = Factory(dict)

    def command(self, words: str) -> str:
        """Return the command that makes a run of the file."""
        said = {"base": "base-timeframe"}
        options = "".join(f" --{said.get(name, name)} {value}" for name, value in self.options.items())
        timeframe = self.options.get("base", "1m")
        what = f"--symbol {self.symbol} --timeframe {timeframe} --strategy hold --risk-level 3"
        return f"buff run create --csv {self.file} {words}{options} {what}"


EXAMPLES: Mapping[str, Example] = {
    "buff": Example(
        file="bars.csv",
        rows=2,
        text="""\
timestamp,open,high,low,close,volume
2024-01-01T00:00:00Z,42000.1,42010,41990,42005.5,1.25
2024-01-01T00:01:00Z,42005.5,42020,42005.5,42011,0
""",
    ),
    "binance": Example(
        file="BTCUSDT-1m-2025-01.csv",
        symbol="BTCUSDT",
        rows=2,
        text="""\
1735689600000000,93576.00000000,93610.93000000,93537.50000000,93610.93000000,8.21827000,1735689659999999,768978.00,2631,3.95157000,369757.32,0
1735689660000000,93610.93000000,93652.00000000,93606.20000000,93652.00000000,4.17262000,1735689719999999,390690.10,1219,2.73000000,255600.10,0
""",
    ),
    "ccxt": Example(
        file="candles.json",
        rows=2,
        text="""\
[[1704067200000, 42000.1, 42010.0, 41990.0, 42005.5, 1.25],
 [1704067260000, 42005.5, 42020.0, 42005.5, 42011.0, 0.0]]
""",
    ),
    "kraken": Example(
        file="XBTUSD_1.csv",
        symbol="XBTUSD",
        options={"gaps": "keep"},
        rows=3,
        text="""\
1609459140,28990.0,28999.9,28985.1,28999.9,0.51734,12
1609459200,28999.9,29010.0,28999.9,29010.0,1.25,7
1609459380,29008.3,29008.3,29001.0,29001.0,0.002,1
""",
    ),
    "cryptodatadownload": Example(
        file="Bitfinex_BTCUSD_minute.csv",
        rows=2,
        text="""\
https://www.CryptoDataDownload.com
unix,date,symbol,open,high,low,close,Volume USD,Volume BTC
1704067260000,2024-01-01 00:01:00,BTC/USD,42050,42060,42040,42055,21027.5,0.5
1704067200000,2024-01-01 00:00:00,BTC/USD,42000,42050,42000,42050,52562.5,1.25
""",
    ),
    "histdata": Example(
        file="DAT_ASCII_EURUSD_M1_201202.csv",
        symbol="EURUSD",
        rows=3,
        text="""\
20120201 000000;1.306600;1.306600;1.306560;1.306560;0
20120201 000100;1.306570;1.306570;1.306470;1.306560;0
20120201 000200;1.306520;1.306560;1.306520;1.306560;0
""",
    ),
    "dukascopy": Example(
        file="USDJPY_Candlestick_1_M_BID.csv",
        symbol="USDJPY",
        rows=2,
        text="""\
Gmt time,Open,High,Low,Close,Volume
15.08.2025 14:59:00.000,146.851,146.878,146.851,146.876,192.5
15.08.2025 15:00:00.000,146.876,146.880,146.870,146.871,9899.999999999998
""",
    ),
    "metatrader4": Example(
        file="EURUSD1.csv",
        symbol="EURUSD",
        options={"timezone": "Europe/Athens"},
        rows=2,
        text="""\
2024.01.02,00:14,1.10410,1.10455,1.10400,1.10432,88
2024.01.02,00:15,1.10432,1.10500,1.10300,1.10450,1234
""",
    ),
    "metatrader5": Example(
        file="EURUSD_M1.csv",
        symbol="EURUSD",
        options={"timezone": "+02:00"},
        rows=2,
        text="""\
<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>
2024.01.02\t00:00:00\t1.10432\t1.10500\t1.10300\t1.10450\t1234\t0\t5
2024.01.02\t00:01:00\t1.10450\t1.10460\t1.10440\t1.10455\t88\t0\t5
""",
    ),
    "tradingview": Example(
        file="BITSTAMP_BTCUSD_1.csv",
        rows=2,
        text="""\
time,open,high,low,close,Volume,Volume MA
2023-12-31T18:59:00-05:00,42000,42010,41990,42005.5,1.25,
2023-12-31T19:00:00-05:00,42005.5,42020,42005.5,42011,0.5,0.875
""",
    ),
    "yfinance": Example(
        file="SPY.csv",
        symbol="SPY",
        options={"timezone": "UTC", "base": "1d"},
        rows=2,
        text="""\
Price,Close,High,Low,Open,Volume
Ticker,SPY,SPY,SPY,SPY,SPY
Date,,,,,
2024-02-28,254.5292510986328,255.0,253.5,254.0,96742400
2024-02-29,255.25,256.0,254.0,254.52,82438400
""",
    ),
    "polygon": Example(
        file="2025-04-16.csv",
        symbol="AAPL",
        options={"gaps": "keep"},
        rows=3,
        text="""\
ticker,volume,open,close,high,low,window_start,transactions
A,120.5,142.9,143.0,143.1,142.9,1744792500000000000,3
AAPL,4930,200.29,200.5,200.63,200.29,1744792500000000000,129
AAPL,1815,200.39,200.34,200.61,200.34,1744792560000000000,57
AAPL,7,200.4,200.4,200.4,200.4,1744792740000000000,1
""",
    ),
    "databento": Example(
        file="glbx-mdp3-20240101.ohlcv-1m.csv",
        symbol="ESH4",
        rows=2,
        text="""\
ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol
1704067200000000000,33,1,17077,4500250000000,4510000000000,4490000000000,4505750000000,1000,ESH4
1704067200000000000,33,1,42,250000000,350000000,200000000,300000000,3,ESH4-ESM4
1704067260000000000,33,1,17077,4505750000000,4506000000000,4505500000000,4505500000000,12,ESH4
""",
    ),
    "databento_pretty": Example(
        file="glbx-mdp3-20240102.ohlcv-1m.csv",
        symbol="ESH4",
        rows=2,
        text="""\
ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol
2024-01-02T00:00:00.000000000Z,33,1,17077,4500.250000000,4510.000000000,4490.000000000,4505.750000000,1000,ESH4
2024-01-02T00:01:00.000000000Z,33,1,17077,4505.750000000,4506.000000000,4505.500000000,4505.500000000,12,ESH4
""",
    ),
    "bitstamp": Example(
        file="bitstampUSD_1-min_data.csv",
        options={"gaps": "keep"},
        rows=3,
        text="""\
Timestamp,Open,High,Low,Close,Volume_(BTC),Volume_(Currency),Weighted_Price
1325317920,4.39,4.39,4.39,4.39,0.45558087,2.0000000193,4.39
1325317980,NaN,NaN,NaN,NaN,NaN,NaN,NaN
1325318040,4.4,4.5,4.4,4.5,48,210.72,4.39
1325318100,4.5,4.5,4.5,4.5,0.5,2.25,4.5
""",
    ),
    "lean": Example(
        file="20221213_adausdt_minute_trade_perp.csv",
        symbol="ADAUSDT",
        options={"timezone": "UTC"},
        rows=2,
        text="""\
0,0.3067,0.3068,0.3066,0.3068,274004
60000,0.3068,0.3072,0.3067,0.3071,1031647
""",
    ),
    "lean_equity": Example(
        file="20140605_aapl_minute_trade.csv",
        symbol="AAPL",
        rows=2,
        text="""\
15300000,6448000,6448100,6447999,6448000,90
15360000,6448000,6448000,6448000,6448000,10
""",
    ),
    "firstrate": Example(
        file="AAPL_1min.txt",
        symbol="AAPL",
        options={"timezone": "America/New_York", "gaps": "keep"},
        rows=3,
        text="""\
2024-03-08 15:58:00,170.5,170.6,170.4,170.55,12000
2024-03-08 15:59:00,170.55,170.7,170.5,170.7,45210
2024-03-11 09:30:00,171,171.2,170.9,171.1,98000
""",
    ),
    "freqtrade": Example(
        file="BTC_USDT-1m.json",
        symbol="BTCUSDT",
        rows=2,
        text="""\
[[1704067140000,42000.0,42010.0,41990.0,42005.5,1.25],[1704067200000,42005.5,42020.0,42005.5,42011.0,0.0]]
""",
    ),
}

_FORMATS = {CSV: "CSV text", JSON: "a JSON array of arrays", TABLE: "Parquet or Feather"}
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar", " ": "space"}
_HEADERS = {NONE: "none", OPTIONAL: "may be there or not"}


def page() -> str:
    """Return the page."""
    links = [f"- [{each.name}](#{each.name}): {each.title}" for each in PROFILES.values()]
    sections = "".join(f"\n{_section(each, EXAMPLES[each.name])}" for each in PROFILES.values())
    return HEAD.format(index="\n".join(links)) + sections + "\n" + _own()


def own() -> Mapping[str, Any]:
    """Return the table of the page's own profile."""
    return tomllib.loads(OWN_PROFILE)


def _section(each: Profile, example: Example) -> str:
    facts = "".join(f"| {name} | {_cell(what)} |\n" for name, what in _facts(each))
    parts = [f"## {each.name}\n", f"{each.title}.\n", f"{each.says}\n" if each.says else ""]
    parts.append(f"| of a file | what is declared |\n|---|---|\n{facts}")
    if each.hints:
        hints = "".join(f"| `{rule}` | {_cell(hint)} |\n" for rule, hint in each.hints.items())
        parts.append(f"| refused as | what to do |\n|---|---|\n{hints}")
    parts.append(f"<!-- file: {example.file} -->\n```{_fence(example)}\n{example.text}```\n")
    parts.append(f"```bash\n{example.command(f'--profile {each.name}')}\n```\n")
    return "\n".join(part for part in parts if part)


def _facts(each: Profile) -> Iterator[tuple[str, str]]:
    """Yield what a profile declares, by name, without what holds for every one of its kind."""
    yield "format", ", ".join(_FORMATS[name] for name in each.formats)
    if CSV in each.formats:
        yield "between cells", _DELIMITERS[each.delimiter]
        yield "header", _HEADERS.get(each.header, "the first line")
    if each.banner is not None:
        yield "banner", f"a first line that begins with `{each.banner}`, if it is there"
    if each.subheaders:
        yield "below the header", f"lines that begin with {_or(each.subheaders)}, if they are there"
    if each.columns:
        yield "columns", "; ".join(f"{role}: {_named(names)}" for role, names in each.columns.items())
    if each.positions:
        yield "without header", f"{len(each.positions)} columns: {', '.join(f'`{name}`' for name in each.positions)}"
    yield "times", _or(each.times)
    yield "zone of naive times", _zone(each)
    yield "a time is", f"the {'opening' if each.stamp == 'open' else 'end'} of its bar"
    yield "order", "newest row first" if each.order == DESCENDING else "oldest row first"
    if not each.volume:
        yield "volume", "none; it is 0"
    if each.scale:
        yield "prices", f"whole numbers of 10^-{each.scale}"
    if each.no_bar is not None:
        yield "no bar", f"a row whose five values are `{each.no_bar}`"


def _zone(each: Profile) -> str:
    if each.zone is None:
        naive = any(word == "iso" or (word[0] in "%m" and "%z" not in word) for word in each.times)
        return "declared with `--timezone`" if naive else "no naive times"
    return f"`{each.zone}`" + (
        f", but none under {_or(each.local)}: each time must carry its offset" if each.local else ""
    )


def _named(names: tuple[str, ...]) -> str:
    never = [name[1:] for name in names if name.startswith("!")]
    found = _or(tuple(name for name in names if not name.startswith("!")))
    return found + (f" (never {_or(tuple(never))})" if never else "")


def _or(words: tuple[str, ...]) -> str:
    return " or ".join(f"`{word}`" for word in words)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _fence(example: Example) -> str:
    return "json" if example.file.endswith(".json") else "csv"


def _own() -> str:
    rows = "".join(f"| `{each.name}` | {_cell(FIELDS[each.name])} | {_default(each)} |\n" for each in fields(Profile))
    return OWN_HEAD + "\n".join(
        (
            f"| field | what it says | when left out |\n|---|---|---|\n{rows}",
            "A bank's export with semicolons, German names, the newest row first, and times that are ends of bars:\n",
            f"<!-- file: depot.csv -->\n```csv\n{OWN_FILE}```\n",
            f"<!-- file: depot.toml -->\n```toml\n{OWN_PROFILE}```\n",
            "```bash\nbuff data ingest depot.csv --profile-file depot.toml --gaps keep --symbol DEPOT\n```\n",
            "It holds three bars, of which the first opens at 2023-12-31T23:00:00Z.\n"
            "The row of `-` says that there was none at 23:01:00Z.\n",
        )
    )


def _default(each: Any) -> str:
    value = each.default.factory() if isinstance(each.default, type(Factory(dict))) else each.default
    if each.name == "name":
        return ""
    if value is None or value in ((), {}, "") or each.name == "title":
        return "nothing"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return " or ".join(f"`{word}`" for word in value) if isinstance(value, tuple) else f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(page())
