"""Profiles: what a vendor's file looks like, as declarations. No code of the readers knows a vendor by name.

A profile says how columns are called, separated and ordered and what its times mean; it never says how to repair
anything. `docs/reference/profiles.md` is made from this table, and a user's own profile (a TOML table) goes through the
same checks as these.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import Factory, field, fields, frozen

from buff.errors import ProfileInvalid, RunConfigInvalid
from buff.market.bars import PRICES, VALUES
from buff.market.forms import TIME_WORDS, form
from buff.market.timestamps import UNITS_NS, zone

CSV, JSON, TABLE = "csv", "json", "table"
FORMATS = (CSV, JSON, TABLE)
REQUIRED, OPTIONAL, NONE = "required", "optional", "none"
HEADERS = (REQUIRED, OPTIONAL, NONE)
OPEN, CLOSE = "open", "close"
STAMPS = (OPEN, CLOSE)
ASCENDING, DESCENDING = "ascending", "descending"
ORDERS = (ASCENDING, DESCENDING)
# What a column can be. `time` is the second half of a time in two columns; `ticker` says whose row it is.
ROLES = ("ts", "time", *VALUES, "ticker")
NEEDED = ("ts", *PRICES)
SCALE_MAX = 15

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


def _words(value: Any) -> tuple[str, ...]:
    """Return one word or several as a tuple; what is neither is left for the check that follows."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list | tuple) else value


def _columns(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {role: _folded(names) for role, names in value.items()}


def _folded(value: Any) -> Any:
    words = _words(value)
    return tuple(name.casefold().strip() for name in words) if _is_texts(words) else words


def _is_texts(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(each, str) and each for each in value)


@frozen(kw_only=True)
class Profile:
    """One form of file.

    formats: `csv` (text, one row a line), `json` (one array of arrays), `table` (Parquet or Feather).
    delimiter: the one character between cells. banner: a first line that begins with it, in any case, is none of the
    data. header: whether the first line names the columns. subheaders: lines right below the header whose first cell is
    one of these are none of the data.
    columns: role -> the header names it may have, compared in lower case and without surrounding spaces; exactly one of
    them must be there. A name that ends in `*` stands for the one column that begins with what is before it; a name
    that begins with `!` is never taken for it.
    positions: the roles, or the names of columns that are not read, of a file without header, in order.
    times: the forms of its times: `iso`, `epoch`, `epoch.0` (digits and `.0`), `ms_of_day` (milliseconds since the
    midnight of the day in the file's name), or strptime codes (`buff.market.forms`). units: the units of its epochs
    (`s`, `ms`, `us`, `ns`) where the vendor has but some; a file of another unit is read, and this profile is not
    suggested for it. zone: that of naive times, where
    the vendor says it; local: names of the time column under which no naive time is of that zone, so that each must
    carry its offset. stamp: whether a time is its bar's opening or its end. order: of the rows of a file.
    volume: false where the vendor gives none; it is then 0. scale: prices are whole numbers of 10^-scale.
    no_bar: a row whose five values are all this text says that there was no bar.
    hints: rule -> what to do about it in files of this vendor.

    Raises ProfileInvalid naming the field.
    """

    name: str
    title: str
    says: str = ""
    formats: tuple[str, ...] = field(default=(CSV,), converter=_words)
    delimiter: str = ","
    banner: str | None = None
    header: str = REQUIRED
    subheaders: tuple[str, ...] = field(default=(), converter=_words)
    columns: Mapping[str, tuple[str, ...]] = field(default=Factory(dict), converter=_columns)
    positions: tuple[str, ...] = field(default=(), converter=_words)
    times: tuple[str, ...] = field(default=("iso", "epoch"), converter=_words)
    units: tuple[str, ...] = field(default=(), converter=_words)
    zone: str | None = None
    local: tuple[str, ...] = field(default=(), converter=_folded)
    stamp: str = OPEN
    order: str = ASCENDING
    volume: bool = True
    scale: int = 0
    no_bar: str | None = None
    hints: Mapping[str, str] = Factory(dict)

    def __attrs_post_init__(self) -> None:
        """Refuse a declaration that could not be followed."""
        self._check_words()
        self._check_columns()
        for word in self.times:
            if word not in TIME_WORDS:
                form(word)
        if self.zone is not None:
            try:
                zone(self.zone)
            except RunConfigInvalid:
                self._check("zone", False, "UTC, an offset such as +01:00, or an IANA name such as Europe/Berlin")

    def _check_words(self) -> None:
        self._check("name", isinstance(self.name, str) and _NAME.fullmatch(self.name), "lower-case letters and digits")
        self._check("title", isinstance(self.title, str) and self.title, "a short description")
        self._check("says", isinstance(self.says, str), "text")
        formats = _is_texts(self.formats) and self.formats and set(self.formats) <= set(FORMATS)
        self._check("formats", formats, f"some of {', '.join(FORMATS)}")
        one = isinstance(self.delimiter, str) and len(self.delimiter) == 1
        self._check("delimiter", one and self.delimiter in ",;\t| ", "a comma, semicolon, tab, bar or space")
        self._check("banner", self.banner is None or (isinstance(self.banner, str) and self.banner), "text")
        for name, known in (("header", HEADERS), ("stamp", STAMPS), ("order", ORDERS)):
            self._check(name, getattr(self, name) in known, f"one of {', '.join(known)}")
        for name in ("subheaders", "positions", "times", "units", "local"):
            self._check(name, _is_texts(getattr(self, name)), "a list of texts")
        self._check("units", set(self.units) <= set(UNITS_NS), f"some of {', '.join(UNITS_NS)}")
        self._check("times", self.times, "at least one form of time")
        self._check("zone", self.zone is None or isinstance(self.zone, str), "a zone")
        self._check("volume", isinstance(self.volume, bool), "true or false")
        whole = isinstance(self.scale, int) and not isinstance(self.scale, bool)
        self._check("scale", whole and 0 <= self.scale <= SCALE_MAX, f"0 to {SCALE_MAX}")
        self._check("no_bar", self.no_bar is None or (isinstance(self.no_bar, str) and self.no_bar), "text")
        hints = isinstance(self.hints, Mapping) and all(isinstance(hint, str) for hint in self.hints.values())
        self._check("hints", hints, "a hint for each rule")

    def _check_columns(self) -> None:
        named = isinstance(self.columns, Mapping) and set(self.columns) <= set(ROLES)
        meant = named and all(
            _is_texts(names) and any(name.strip("!*") for name in names if name[:1] != "!")
            for names in self.columns.values()
        )
        self._check("columns", meant, f"header names of {', '.join(ROLES)}")
        needed = {*NEEDED, *(("volume",) if self.volume else ())}
        by_name = self.header != NONE or TABLE in self.formats
        if by_name:
            self._check_all("columns", self.columns, needed, "name it under [columns]")
        by_place = self.header != REQUIRED or JSON in self.formats
        if by_place:
            self._check_all("positions", self.positions, needed, "put it into positions")
        self._check("positions", len(set(self.positions)) == len(self.positions), "each name once")
        text = JSON not in self.formats
        self._check("header", text or self.header == NONE, "none: the rows of a JSON array have no header")
        self._check("banner", text or self.banner is None, "left out: a JSON array has none")
        self._check("delimiter", text or self.delimiter == ",", "a comma: a JSON array knows no other")

    def _check_all(self, name: str, given: Iterable[str], needed: Iterable[str], do: str) -> None:
        missing = [role for role in ROLES if role in needed and role not in given]
        if missing:
            says = "is no column for the time (ts)" if missing[0] == "ts" else f"is no column for {missing[0]}"
            raise ProfileInvalid(
                f"{name} of profile {self.name!r}: there {says}: {do}"
                + (", or say volume = false" if missing[0] == "volume" else ""),
                hint="docs/reference/profiles.md says what a profile may hold",
                details={"field": name, "profile": str(self.name)},
            )

    def _check(self, name: str, good: object, wanted: str) -> None:
        if not good:
            raise ProfileInvalid(
                f"{name} of profile {self.name!r} is {getattr(self, name)!r}; it must be {wanted}",
                hint="docs/reference/profiles.md says what a profile may hold",
                details={"field": name, "profile": str(self.name)},
            )

    @property
    def plural(self) -> bool:
        """Whether a file holds the rows of many instruments."""
        return "ticker" in self.columns or "ticker" in self.positions


def profile_from(table: Mapping[str, Any]) -> Profile:
    """Return the profile that a table of plain values declares (a TOML file). Raises ProfileInvalid."""
    known = [each.name for each in fields(Profile)]
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise ProfileInvalid(
            f"a profile has no {unknown[0]!r}",
            hint=f"it may have: {', '.join(known)}",
            details={"field": unknown[0], "profile": str(table.get("name", ""))},
        )
    if "name" not in table:
        raise ProfileInvalid(
            "the profile has no name", hint="give it one: lower-case letters and digits", details={"field": "name"}
        )
    return Profile(**{"title": f"profile {table['name']}", **table})


def profile(name: str) -> Profile:
    """Return the profile of that name. Raises ProfileInvalid when there is none."""
    if name not in PROFILES:
        known = ", ".join(sorted(PROFILES))
        raise ProfileInvalid(
            f"there is no profile {name!r}", hint=f"use one of: {known}", details={"field": "profile", "value": name}
        )
    return PROFILES[name]


_OHLCV = {name: (name,) for name in VALUES}
_IN_ORDER = ("ts", *VALUES)
_SPARSE = (
    "this source has no row for a minute without a trade: --gaps keep goes on at the next bar, --gaps fill makes flat "
    "bars without volume; both are recorded"
)
_CLOSED = (
    "this market closes at night or over the weekend: --gaps keep goes on at the next bar; "
    "docs/explanation/sessions.md says what that means"
)

_BASE_VOLUME = (
    "say which volume is that of the base asset, for example --columns 'volume=Volume ETH'; "
    "`buff data inspect FILE` says which profile the file looks like"
)
# Beside another asset these are the quote currency; where both are of these, neither is taken and the user says which.
_QUOTES = (
    "usd",
    "usdt",
    "usdc",
    "busd",
    "tusd",
    "fdusd",
    "usdp",
    "dai",
    "eur",
    "gbp",
    "jpy",
    "krw",
    "try",
    "brl",
    "aud",
)

_DATABENTO = {"ts": ("ts_event",), **_OHLCV, "ticker": ("symbol",)}
_PRETTY = (
    "files with readable times and prices are read as databento_pretty, those with whole numbers for both as "
    "databento; one of each is neither"
)
_PUBLISHERS = "the file has rows of more than one publisher (venue) for this symbol: download one dataset and venue"

PROFILES: Mapping[str, Profile] = {
    each.name: each
    for each in (
        Profile(
            name="buff",
            title="Buff's own CSV contract, and the default",
            says="A header with these names in any order and any case; other columns are listed and ignored.",
            formats=(CSV, TABLE),
            columns={"ts": ("ts", "timestamp", "ts_utc", "timestamp_utc", "time", "date", "datetime"), **_OHLCV},
        ),
        Profile(
            name="binance",
            title="Binance klines, spot and futures (data.binance.vision)",
            says="Twelve columns, with or without a header; milliseconds, and microseconds in spot files from 2025 on. "
            "The unit is constant in a file and may change from one file to the next. Files of COIN-M futures count "
            "contracts; `--columns volume=quote_volume` reads the volume of the base asset, which stands there.",
            header=OPTIONAL,
            columns={"ts": ("open_time", "open time"), **_OHLCV},
            positions=(
                *_IN_ORDER, "close_time", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume",
                "ignore",
            ),
            times=("epoch",),
        ),
        Profile(
            name="ccxt",
            title="JSON of ccxt's fetch_ohlcv, and of exchange APIs with the same six columns",
            says="One array of arrays, `[[ms, open, high, low, close, volume], ...]`, of numbers or texts. Lines in "
            "messages are rows. The last candle of a fetch may be unfinished.",
            formats=(JSON,),
            header=NONE,
            positions=_IN_ORDER,
            times=("epoch",),
        ),
        Profile(
            name="kraken",
            title="Kraken OHLCVT (downloadable history)",
            says="No header; seconds; only intervals with trades. Kraken calls bitcoin XBT.",
            header=NONE,
            positions=(*_IN_ORDER, "trades"),
            times=("epoch",),
            units=("s",),
            hints={"GAP": _SPARSE},
        ),
        Profile(
            name="cryptodatadownload",
            title="CryptoDataDownload",
            says="A banner line, then a header; newest row first; seconds or milliseconds; two volume columns named by "
            "asset, in either order, of which the one that is not of a quote currency is read. Where neither is (an "
            "ETH/BTC file), say which with `--columns 'volume=Volume ETH'`. The date column repeats the epoch and is "
            "ignored.",
            banner="http",
            columns={
                "ts": ("unix", "unix timestamp"), **_OHLCV,
                "volume": ("volume", "volume *", *(f"!volume {name}" for name in _QUOTES)),
            },
            times=("epoch",),
            order=DESCENDING,
            hints={
                "UNIT": "a spreadsheet has rounded the epoch values; download the file again and do not open it",
                "HEADER": _BASE_VOLUME,
                "COLUMNS": _BASE_VOLUME,
                "ORDER": "rows of this profile come newest first; a file that was sorted is read with a profile of "
                "one's own (--profile-file)",
            },
        ),
        Profile(
            name="histdata",
            title="HistData generic ASCII M1",
            says="Semicolons, no header, Eastern Standard Time all year round (UTC-05:00), bid prices; volume is "
            "always 0; no rows for minutes without ticks and for weekends. The MetaTrader form of HistData is read as "
            "`metatrader4` with `--timezone -05:00`.",
            delimiter=";",
            header=NONE,
            positions=_IN_ORDER,
            times=("%Y%m%d %H%M%S",),
            zone="-05:00",
            hints={"GAP": _SPARSE},
        ),
        Profile(
            name="dukascopy",
            title="Dukascopy historical data export",
            says="One side (bid or ask) a file. `Gmt time` and `Time (UTC)` are UTC; each `Local time` carries its "
            "offset, and is refused without one. Files of the web export and of JForex.",
            columns={"ts": ("gmt time", "local time", "utc", "time (utc)"), **_OHLCV},
            times=(
                "%d.%m.%Y %H:%M:%S.%f", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S.%f GMT%z", "%Y.%m.%d %H:%M:%S",
            ),
            zone="UTC",
            local=("local time",),
            hints={
                "GAP": _CLOSED,
                "TIMEZONE": "export the file with GMT times: what `Local time` means is not in a file without offsets",
            },
        ),
        Profile(
            name="metatrader4",
            title="MetaTrader 4 history export",
            says="No header; date and time in two columns; the broker's server time, which the file does not name: "
            "declare it with `--timezone`.",
            header=NONE,
            positions=("ts", "time", *VALUES),
            times=("%Y.%m.%d %H:%M",),
            hints={"GAP": _CLOSED},
        ),
        Profile(
            name="metatrader5",
            title="MetaTrader 5 history export",
            says="Tabs; date and time in two columns (a daily export has no time); the broker's server time, which the "
            "file does not name: declare it with `--timezone`. Volume is `<TICKVOL>`; real volume, where the broker "
            "gives it, is read with `--columns 'volume=<VOL>'`.",
            delimiter="\t",
            columns={
                "ts": ("<date>",), "time": ("<time>",), "volume": ("<tickvol>",),
                **{name: (f"<{name}>",) for name in PRICES},
            },
            times=("%Y.%m.%d %H:%M:%S", "%Y.%m.%d %H:%M", "%Y.%m.%d"),
            hints={"GAP": _CLOSED},
        ),
        Profile(
            name="tradingview",
            title="TradingView chart export",
            says="Epoch seconds or ISO times with an offset, as chosen at export; indicator columns are ignored. A "
            "chart without a volume column needs `--volume none`.",
            columns={"ts": ("time",), **_OHLCV},
            hints={
                "GAP": _CLOSED,
                "COLUMNS": "a chart exported without volume is read with --volume none",
                "HEADER": "two indicators have columns of one name: take one off the chart and export again",
            },
        ),
        Profile(
            name="yfinance",
            title="yfinance to_csv",
            says="Old files have one header line, new ones three; columns are read by name, since they come as close, "
            "high, low, open. Daily dates are naive: declare `--timezone UTC` and `--base-timeframe 1d`. Prices may be "
            "adjusted, which the file does not say.",
            subheaders=("ticker", "date", "datetime"),
            columns={"ts": ("price", "date", "datetime"), **_OHLCV},
            times=("iso",),
            hints={
                "GAP": _CLOSED,
                "HEADER": "download one ticker at a time, or write one ticker's columns to the file",
                "ALIGNMENT": "daily times with the offset of an exchange do not begin at midnight UTC: write days "
                "alone (frame.index = frame.index.date) and declare --timezone UTC",
                "OHLC": "yfinance rounds each adjusted price by itself: download with auto_adjust=False",
            },
        ),
        Profile(
            name="polygon",
            title="Polygon (Massive) flat files, minute and day aggregates",
            says="Nanoseconds; the rows of many tickers: those of `--symbol` (or `--ticker`, where the two differ) are "
            "read, the others counted. No rows for minutes without trades.",
            columns={"ts": ("window_start",), **_OHLCV, "ticker": ("ticker",)},
            times=("epoch",),
            hints={"GAP": _SPARSE},
        ),
        Profile(
            name="databento",
            title="Databento ohlcv schemas as CSV, times and prices as whole numbers",
            says="Nanoseconds; prices in billionths; the rows of many symbols: those of `--symbol` (or `--ticker`, "
            "where the two differ) are read, the others counted. Download with symbols mapped. No rows for minutes "
            "without trades. Unpack `.zst` files first.",
            columns=_DATABENTO,
            times=("epoch",),
            scale=9,
            hints={"GAP": _SPARSE, "CELL": _PRETTY, "UNIT": _PRETTY, "DUPLICATE": _PUBLISHERS},
        ),
        Profile(
            name="databento_pretty",
            title="Databento ohlcv schemas as CSV, times and prices as text",
            says="As `databento`, downloaded with readable times and decimal prices (`pretty_ts` with `pretty_px`).",
            columns=_DATABENTO,
            times=("iso",),
            hints={"GAP": _SPARSE, "CELL": _PRETTY, "DUPLICATE": _PUBLISHERS},
        ),
        Profile(
            name="bitstamp",
            title="Bitstamp minutes, as published on Kaggle and GitHub",
            says="Seconds, also written with `.0`; old files call the volume `Volume_(BTC)` and write NaN in minutes "
            "without trades, which are then gaps.",
            columns={"ts": ("timestamp",), **_OHLCV, "volume": ("volume", "volume_(*", "!volume_(currency)")},
            times=("epoch", "epoch.0"),
            no_bar="NaN",
            hints={"GAP": _SPARSE},
        ),
        Profile(
            name="lean",
            title="QuantConnect LEAN: trade bars of crypto and futures",
            says="One zip a day for minutes, whose date is in the name of the file and whose times are milliseconds of "
            "the day; hours and days are one zip with written times. The zone is that of the exchange: declare it "
            "(`--timezone UTC` for crypto). Quote bars (forex, CFD) have eleven columns of two sides and are refused.",
            header=NONE,
            positions=_IN_ORDER,
            times=("ms_of_day", "%Y%m%d %H:%M"),
            hints={"GAP": _SPARSE},
        ),
        Profile(
            name="lean_equity",
            title="QuantConnect LEAN: trade bars of equities",
            says="As `lean`, with prices in ten-thousandths of a dollar and New York time.",
            header=NONE,
            positions=_IN_ORDER,
            times=("ms_of_day", "%Y%m%d %H:%M"),
            zone="America/New_York",
            scale=4,
            hints={"GAP": _SPARSE},
        ),
        Profile(
            name="firstrate",
            title="FirstRate Data",
            says="With or without a header; naive times of a zone that the file does not say (US Eastern for stocks; "
            "the readme of each download names it): declare it with `--timezone`. No rows for minutes without trades. "
            "Indices have no volume column: `--volume none`.",
            header=OPTIONAL,
            columns={"ts": ("timestamp", "datetime", "date", "time"), **_OHLCV},
            positions=_IN_ORDER,
            times=("iso",),
            hints={
                "GAP": _SPARSE,
                "TIMEZONE": "declare the zone that the readme of the download names, for stocks --timezone "
                "America/New_York",
            },
        ),
        Profile(
            name="freqtrade",
            title="freqtrade data (feather, parquet, JSON)",
            says="Feather or Parquet with a `date` column, or JSON as `ccxt` has it; UTC. freqtrade fills no gaps on "
            "disk.",
            formats=(TABLE, JSON),
            header=NONE,
            columns={"ts": ("date",), **_OHLCV},
            positions=_IN_ORDER,
        ),
    )
}  # fmt: skip
