"""Detection: which profiles the beginning of a file fits, and why. It suggests, and decides nothing.

The first bytes of a file (of a table: its names and first rows) and the table of profiles go in; a ranked list of
suggestions with their reasons comes out. A profile fits when the readers themselves accept what it declares: detection
knows no vendor and has no rules of its own for cells. It never reads on, and never raises for what stands in a file.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from attrs import Factory, evolve, field, fields, frozen

from buff import canonical
from buff.errors import RunConfigInvalid
from buff.market import arrays
from buff.market.bars import PRICES, VALUES
from buff.market.draft import DRAFT, clocks, drafts
from buff.market.forms import MS_OF_DAY, read
from buff.market.header import BOM, UNNAMED, Layout, absent, cells, content, encoding, foreign, looks_like_data, named
from buff.market.heading import head
from buff.market.ingest import day_ns
from buff.market.judge import Bar, judge, judge_row
from buff.market.options import KEEP, NO_VOLUME, CsvOptions
from buff.market.profiles import ASCENDING, CSV, DESCENDING, JSON, NONE, PROFILES, REQUIRED, TABLE, Profile
from buff.market.reading import NO_LAYOUT, Reading
from buff.market.rules import Halt, Offence
from buff.market.source import Broken
from buff.market.timestamps import ISO, UNITS_NS, Fault, Stamp, place

PREFIX_BYTES = 1 << 17  # longer than any line that is read
TRIAL_ROWS = 200
SHOWN_ROWS = 5
TICKERS_SHOWN = 10
GENERAL = "buff"  # the profile that claims no vendor: it is named first wherever the file shows nothing more

UNIT_WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "spaces"}
# What is wrong with rows that a profile does not mean, as against bars that are missing or off the grid.
_FORM = frozenset({"CELL", "RAGGED", "UNIT", "TIMEZONE", "SIGN", "OHLC", "ORDER"})
_GUESSED = frozenset({"columns", "volume"})
_YEAR_1971_NS = 31_536_000 * 1_000_000_000
_NAMES_A_SYMBOL = ("symbol", "ticker", "pair", "instrument")
# Header names that may mean a column, where a profile knows none of them.
_LIKE = {
    "ts": r"((open|start|begin|gmt|utc|local)[ _]?)?(time|date|timestamp|datetime|ts|unix|epoch)([ _].*)?|time.*\(.*\)",
    "open": r"o|first|opening|open( price|_price|price)?( *\(.*\))?",
    "high": r"h|max|high(est)?( price|_price|price)?( *\(.*\))?",
    "low": r"l|min|low(est)?( price|_price|price)?( *\(.*\))?",
    "close": r"c|last|closing|(close|last)( price|_price|price)?( *\(.*\))?",
    "volume": r"v|vol|qty|quantity|vol[ _.(].*|volume.*|.*[ _]vol(ume)?",
}


@frozen(kw_only=True)
class Glimpse:
    """The beginning of one file.

    name, member: as of a `Source`. first: at most PREFIX_BYTES of its content. whole: nothing follows them.
    names, rows: of a Parquet or Feather file, the columns and the first rows as texts.
    broken: why nothing of it can be read (`Broken`), or None.
    """

    name: str
    member: str | None = None
    first: bytes
    whole: bool
    names: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    broken: str | None = None

    @property
    def form(self) -> str:
        """What the file is by its first bytes: `csv`, `json` or `table`."""
        if self.names:
            return TABLE
        return JSON if self.first.removeprefix(BOM).lstrip(b" \t\r\n")[:1] == b"[" else CSV

    @property
    def lines(self) -> list[bytes]:
        """The whole lines of the beginning, without their ends; of JSON, its rows."""
        text = self.first
        if self.form == JSON:
            found = bytearray()
            with suppress(Broken):  # the beginning of an array is never whole
                for piece in arrays.lines([text]):
                    found += piece
            return bytes(found).split(b"\n")[:-1]
        lines = text.split(b"\n")
        return lines if self.whole and lines[-1] else lines[:-1]


@frozen(kw_only=True)
class Suggestion:
    """One profile against the beginning of a file.

    fits: whether the file may be read by it. options: what must be said for that, as of `CsvOptions`, the
    profile excluded. reasons: what in the file speaks for it. why_not: the first thing that does not fit, or None.
    tried: as what the trial read. layout: of the columns.
    kind, zoned: of the times (`Stamp`), None where none could be read.
    bars: the first rows as understood. times: of all rows of the beginning: (text, opening in UTC nanoseconds).
    symbol: whose bars these are, where the file says it; tickers: all in the beginning of a file of many.
    same: whether the first rows read by it are those of the first suggestion.
    """

    profile: Profile
    fits: bool
    options: Mapping[str, Any] = Factory(dict)
    reasons: tuple[str, ...] = ()
    why_not: str | None = None
    tried: CsvOptions = field(repr=False)
    layout: Layout = NO_LAYOUT
    kind: str | None = None
    zoned: bool | None = None
    bars: tuple[Bar, ...] = ()
    times: tuple[tuple[str, int], ...] = field(default=(), repr=False)
    symbol: str | None = None
    tickers: tuple[str, ...] = ()
    same: bool = True
    rank: tuple[float, ...] = field(default=(), repr=False)

    @property
    def guessed(self) -> bool:
        """Whether it fits only by saying which columns are meant, or that there is no volume."""
        return bool(_GUESSED & set(self.options))

    @property
    def draft(self) -> str | None:
        """The profile as a TOML file, where it is none of the table's."""
        declared = self.tried.described().get("declaration")
        return None if declared is None else toml({name: value for name, value in declared.items() if value != []})


@frozen(kw_only=True)
class Detection:
    """What the beginning of a file says.

    form: `csv`, `json` or `table`. alien: what the file is instead of candles, or None.
    suggestions: the profiles that fit, the likeliest first; where none does, those that come closest.
    advice: what would help where none fits.
    """

    form: str
    alien: str | None
    suggestions: tuple[Suggestion, ...]
    advice: tuple[str, ...] = ()

    @property
    def likely(self) -> Suggestion | None:
        """The first suggestion that fits, or None."""
        return next((each for each in self.suggestions if each.fits), None)


def detect(
    glimpse: Glimpse, said: Mapping[str, Any] | None = None, profiles: Mapping[str, Profile] = PROFILES
) -> Detection:
    """Return what the beginning of a file suggests.

    said: options of the user (`CsvOptions`) that every trial respects; a zone is tried only on naive times, and the
    profile is tried alone. Raises nothing for the content of a file; what `CsvOptions` raises for wrong options.
    """
    known = {name: value for name, value in (said or {}).items() if name not in ("gaps", "base", "profile")}
    what = alien(glimpse)
    if what is not None:
        return Detection(form=glimpse.form, alien=what, suggestions=())
    asked = (said or {}).get("profile")
    table = profiles if asked is None else {"": CsvOptions(profile=asked, ticker="").profile}
    tried = _suggestions(glimpse, table.values(), known)
    if not any(each.fits for each in tried) and asked is None:
        tried += _drafted(glimpse, profiles[GENERAL], known, len(tried))
    ranked = sorted(tried, key=lambda each: each.rank)
    fitting = [each for each in ranked if each.fits]
    # What fits only with guessed columns is no news where something fits as it is.
    fitting = [each for each in fitting if not each.guessed] or fitting
    if not fitting:
        return Detection(
            form=glimpse.form, alien=None, suggestions=tuple(ranked[:1]), advice=tuple(_advice(ranked[0], glimpse))
        )
    compared = (evolve(each, same=each.bars == fitting[0].bars) for each in fitting)
    return Detection(form=glimpse.form, alien=None, suggestions=tuple(compared))


def alien(glimpse: Glimpse) -> str | None:
    """Return what a file is that holds no candles whatever the profile, or None."""
    if glimpse.broken is not None:
        return f"not readable: {glimpse.broken}"
    if glimpse.form == TABLE:
        return None
    found = foreign(glimpse.first)
    if found is not None:
        return found[0]
    text = glimpse.first.removeprefix(BOM).strip()
    if not text:
        return "empty"
    if b"\0" in glimpse.first:
        return "binary, or UTF-16 text"
    try:
        b"\n".join(glimpse.lines).decode("utf-8")
    except UnicodeDecodeError:
        seems = encoding(glimpse.first)
        return "text that is not UTF-8" + (f": it seems to be {seems}" if seems else "")
    one_line = glimpse.whole and b"\n" not in text and not any(sep.encode() in text for sep in ",;\t|")
    return "one line of text without a separator, such as an error message" if one_line else None


# Trials: what the readers say of the beginning


@frozen(kw_only=True)
class _Trial:
    """What came of reading the beginning by some options. unsound: rows with an offence of form."""

    options: CsvOptions
    reading: Reading
    halted: Offence | None
    offences: tuple[Offence, ...]
    bars: tuple[Bar, ...]
    rows: tuple[list[str], ...]
    headed: tuple[list[str], ...]

    @property
    def unsound(self) -> int:
        return len({each.line for each in self.offences if each.rule in _FORM})

    @property
    def read(self) -> int:
        return min(self.reading.rows, TRIAL_ROWS)

    @property
    def turned(self) -> bool:
        """Whether every row comes before the one above it, as the profile reads them."""
        return self.read > 1 and sum(each.rule == "ORDER" for each in self.offences) == self.read - 1

    @property
    def too_old(self) -> bool:
        """Whether the epoch values are so small that they are rather times of a day, or row numbers."""
        last = self.reading.last_ns
        return self.reading.kind in UNITS_NS and last is not None and 0 <= last < _YEAR_1971_NS

    @property
    def clock(self) -> str | None:
        """The column with the times of day of times that are days alone, where the profile leaves it out."""
        layout = self.reading.layout
        rows = [row for row in self.rows if len(row) == layout.width]
        if not rows or not layout.extras or "time" in layout.places:
            return None
        days = [row[layout.places["ts"]] for row in rows]
        left_out = [at for at in range(layout.width) if at not in layout.places.values()]
        return next((layout.names[at] for at in left_out if clocks([row[at] for row in rows], days)), None)

    @property
    def other_unit(self) -> bool:
        """Whether its epochs are of a unit that the vendor does not write."""
        kind, units = self.reading.kind, self.options.profile.units
        return bool(units) and kind in UNITS_NS and kind not in units

    @property
    def fits(self) -> bool:
        if self.halted is not None or self.turned or self.too_old or self.other_unit or self.clock is not None:
            return False
        return self.unsound * 2 <= self.read if self.read else bool(self.reading.absent)


def _trial(glimpse: Glimpse, options: CsvOptions) -> _Trial:
    offences: list[Offence] = []
    reading = Reading(options=options, note=offences.append)
    reading.open(glimpse.name, day_ns((glimpse.member, glimpse.name), options))
    bars: list[Bar] = []
    rows: list[list[str]] = []
    headed: list[list[str]] = []
    halted = None
    try:
        if glimpse.form == TABLE:
            _try_table(glimpse, reading, bars, rows)
        else:
            _try_lines(glimpse, reading, bars, rows, headed)
    except Halt as halt:
        halted = halt.offence
    return _Trial(
        options=options,
        reading=reading,
        halted=halted,
        offences=tuple(offences),
        bars=tuple(bars),
        rows=tuple(rows),
        headed=tuple(headed),
    )


def _try_lines(
    glimpse: Glimpse, reading: Reading, bars: list[Bar], rows: list[list[str]], headed: list[list[str]]
) -> None:
    profile = reading.options.declaration
    content(glimpse.first, profile, glimpse.name)
    lines = glimpse.lines or ([glimpse.first] if glimpse.form == CSV else [])
    head(b"\n".join(lines) + b"\n", reading)
    headed.extend(_cells(line, profile) for line in lines[: reading.line])
    body = lines[reading.line :]
    rows.extend(_cells(line, profile) for line in body if line.strip())
    for line in body[:SHOWN_ROWS]:
        columns = judge(line + b"\n", reading)
        if columns is not None and len(columns["ts"]):
            bars.append(tuple(columns[name][0].item() for name in ("ts", *VALUES)))
    rest = body[SHOWN_ROWS:TRIAL_ROWS]
    if rest:
        judge(b"\n".join(rest) + b"\n", reading)


def _try_table(glimpse: Glimpse, reading: Reading, bars: list[Bar], rows: list[list[str]]) -> None:
    content(glimpse.first, reading.options.declaration, glimpse.name)
    reading.layout, reading.heading = named(glimpse.names, reading.options.declaration, glimpse.name), False
    rows.extend(list(row) for row in glimpse.rows)
    for row in rows[:TRIAL_ROWS]:
        reading.line += 1
        bar = judge_row(row, ",".join(row), reading)
        if bar is not None and len(bars) < SHOWN_ROWS:
            bars.append(bar)


def _cells(line: bytes, profile: Profile) -> list[str]:
    return _cut(line, profile.delimiter)


def _cut(line: bytes, delimiter: str) -> list[str]:
    text = line.removesuffix(b"\r").decode("utf-8", "replace")
    return cells(text, delimiter) or [text]


# Suggestions: what must be said so that a profile fits, and what speaks for it


def _suggestions(glimpse: Glimpse, profiles: Iterable[Profile], said: Mapping[str, Any]) -> list[Suggestion]:
    """Return what each profile is to a file, without those of which what was said cannot be true.

    Raises RunConfigInvalid when it can be true of none.
    """
    tried: list[Suggestion] = []
    refused: list[RunConfigInvalid] = []
    for at, each in enumerate(profiles):
        try:
            tried.append(_suggestion(glimpse, each, said, at))
        except RunConfigInvalid as error:
            refused.append(error)
    if not tried:
        raise refused[0]
    return tried


def _suggestion(glimpse: Glimpse, profile: Profile, said: Mapping[str, Any], at: int) -> Suggestion:
    """Return what a profile is to a file, with all that must be said besides it. at: its place in the table."""
    zone = said.get("timezone")
    options = {name: value for name, value in said.items() if name != "timezone"}
    tickers: tuple[str, ...] = ()
    if profile.plural:
        tickers = _tickers(_trial(glimpse, CsvOptions(profile=profile, gaps=KEEP, **{**options, "ticker": ""})))
        options.setdefault("ticker", tickers[0] if tickers else "")
    trial = _trial(glimpse, CsvOptions(profile=profile, gaps=KEEP, **options))
    if profile.name in (GENERAL, DRAFT):
        more = _columns_for(trial, glimpse, options)
        if more:
            options |= more
            trial = _trial(glimpse, CsvOptions(profile=profile, gaps=KEEP, **options))
    elif _lacks_last(trial, glimpse):
        options["volume"] = NO_VOLUME
        trial = _trial(glimpse, CsvOptions(profile=profile, gaps=KEEP, **options))
    if trial.options.zone is None and any(each.rule == "TIMEZONE" for each in trial.offences):
        options["timezone"] = zone or "UTC"
        trial = _trial(glimpse, CsvOptions(profile=profile, gaps=KEEP, **options))
    kind, zoned, times = _times(trial)
    return Suggestion(
        profile=profile,
        fits=trial.fits,
        options=options,
        reasons=tuple(_reasons(trial, glimpse, options)) if trial.reading.layout is not NO_LAYOUT else (),
        why_not=None if trial.fits else _why_not(trial, tickers),
        tried=trial.options,
        layout=trial.reading.layout,
        kind=kind,
        zoned=zoned,
        bars=trial.bars,
        times=times,
        symbol=_symbol(trial),
        tickers=tickers,
        rank=_rank(trial, options, glimpse, at),
    )


def _rank(trial: _Trial, options: Mapping[str, Any], glimpse: Glimpse, at: int) -> tuple[float, ...]:
    profile = trial.options.profile
    return (
        not trial.fits,
        _distance(trial, glimpse),
        len(_GUESSED & set(options)),
        -_evidence(trial),
        profile.name != GENERAL,
        at,
    )


def _distance(trial: _Trial, glimpse: Glimpse) -> float:
    """Return how far a file is from a profile: 0 where all rows are sound, below 1 where some are."""
    if trial.halted is None:
        return trial.unsound / trial.read / 2 if trial.read else 1
    profile = trial.options.declaration
    if glimpse.form not in profile.formats:
        return 100
    lines = glimpse.lines
    width = len(_cells(lines[0], profile)) if lines else 0
    if len(lines) > 1 and _cells(lines[1], profile)[0].strip().casefold() in profile.subheaders:
        return 1
    if trial.halted.rule == "COLUMNS":
        if profile.header == NONE:
            return 10 + abs(len(profile.positions) - width)
        return 2 + len(absent(_header(trial, glimpse), profile))
    return 50 - min(width, 10)


def _evidence(trial: _Trial) -> int:
    """Return how much of a file this profile foresees, beyond what any file of candles has."""
    profile, layout = trial.options.profile, trial.reading.layout
    written = {name.casefold() for name in layout.names}
    foreseen = len(written & set(profile.positions) - {*VALUES, "ts"}) if profile.header != NONE else 0
    return trial.reading.banners + max(len(trial.headed) - 1, 0) + foreseen + (profile.scale > 0)


def _columns_for(trial: _Trial, glimpse: Glimpse, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that may be meant where the header lacks their names, or nothing: that must be said then."""
    if trial.halted is None or trial.halted.rule != "COLUMNS" or trial.options.declaration.header == NONE:
        return {}
    names = _header(trial, glimpse)
    found: dict[str, str] = {}
    without_volume = False
    for role in absent(names, trial.options.declaration):
        alike = alike_names(role, [name for name in names if name not in found.values()])
        if len(alike) == 1:
            found[role] = alike[0]
        elif role == "volume" and not alike:
            without_volume = True
        else:
            return {}
    columns = {"columns": {**options.get("columns", {}), **found}} if found else {}
    return {**columns, **({"volume": NO_VOLUME} if without_volume else {})}


def _lacks_last(trial: _Trial, glimpse: Glimpse) -> bool:
    """Say whether rows without header lack just the last cell, and the profile has the volume there.

    Where the volume stands within a row, nobody can say that it is the cell which is missing.
    """
    profile, lines = trial.options.declaration, glimpse.lines
    if trial.halted is None or trial.halted.rule != "COLUMNS" or profile.header == REQUIRED or not lines:
        return False
    return (
        profile.volume
        and profile.positions[-1] == "volume"
        and len(_cells(lines[0], profile)) == len(profile.positions) - 1
    )


def alike_names(role: str, names: Iterable[str]) -> list[str]:
    """Return the header names that may mean a role, in their order."""
    like = _LIKE.get(role)
    if like is None:
        return []
    # A name with a comma cannot be typed in `--columns a=NAME,b=NAME`.
    return [name for name in names if "," not in name and re.fullmatch(like, name.casefold().strip().strip("<>"))]


def _header(trial: _Trial, glimpse: Glimpse) -> list[str]:
    if glimpse.form == TABLE:
        return list(glimpse.names)
    lines = glimpse.lines
    at = trial.reading.line
    return [name.strip() for name in _cells(lines[at], trial.options.declaration)] if at < len(lines) else []


def _tickers(trial: _Trial) -> tuple[str, ...]:
    at = trial.reading.layout.places.get("ticker")
    if at is None:
        return ()
    return tuple(dict.fromkeys(row[at] for row in trial.rows if len(row) == trial.reading.layout.width))


def _symbol(trial: _Trial) -> str | None:
    """Return whose bars these are, where the file itself says it."""
    if trial.options.profile.plural:
        return trial.options.ticker or None
    for line in trial.headed[1:]:
        if line[0].strip().casefold() in _NAMES_A_SYMBOL and len(line) > 1:
            return _as_symbol(line[1])
    layout = trial.reading.layout
    for at, name in enumerate(layout.names):
        if name.casefold() in _NAMES_A_SYMBOL:
            values = {row[at] for row in trial.rows if len(row) == layout.width}
            return _as_symbol(values.pop()) if len(values) == 1 else None
    return None


def _as_symbol(text: str) -> str | None:
    found = text.strip().upper()
    return found if re.fullmatch(r"[A-Z0-9._/-]{1,32}", found, re.ASCII) else None


def _times(trial: _Trial) -> tuple[str | None, bool | None, tuple[tuple[str, int], ...]]:
    """Return kind and zonedness of the first time that can be read, and all times of the beginning in UTC."""
    layout, options = trial.reading.layout, trial.options
    kind, zoned, found = None, None, []
    for row in trial.rows:
        if len(row) != layout.width or not layout.places or not _counts(row, trial):
            continue
        text = layout.time(row)
        stamp = read(text, options.declaration.times, trial.reading.day_ns)
        if not isinstance(stamp, Stamp):
            continue
        if kind is None:
            kind, zoned = stamp.kind, stamp.zoned
        ns = place(text, stamp, stamp.kind, trial.reading.zone, asked=options.zone_asked)
        if not isinstance(ns, Fault):
            found.append((text, ns))
    return kind, zoned, tuple(found)


def _counts(row: Sequence[str], trial: _Trial) -> bool:
    """Say whether a row is one of the instrument's."""
    at = trial.reading.layout.places.get("ticker")
    return at is None or row[at] == trial.options.ticker


# Words


def kind_words(kind: str | None, *, zoned: bool | None) -> str:
    """Return what times are, in words."""
    if kind is None:
        return "no time could be read"
    if kind in UNITS_NS:
        return f"epoch {UNIT_WORDS[kind]}"
    if kind == MS_OF_DAY:
        return "milliseconds of the day in the file's name"
    what = "ISO" if kind == ISO else f"of the form {kind}"
    return f"{what}, with Z or an offset" if zoned else f"{what}, naive (they carry no zone)"


def option_words(options: Mapping[str, Any]) -> list[str]:
    """Return options as words of a command line, unquoted; a mapping is written `a=b,c=d`."""
    words = []
    for name, value in options.items():
        text = ",".join(f"{key}={each}" for key, each in value.items()) if isinstance(value, Mapping) else str(value)
        # A value that begins with a sign would be taken for an option of its own.
        flag = f"--{name.replace('_', '-')}"
        words += [f"{flag}={text}"] if text.startswith("-") else [flag, text]
    return words


def _reasons(trial: _Trial, glimpse: Glimpse, options: Mapping[str, Any]) -> Iterable[str]:
    profile, layout = trial.options.profile, trial.reading.layout
    unnamed = trial.reading.banners and profile.name == DRAFT
    if unnamed:
        why = f": {UNNAMED}, or" if str(profile.banner).startswith(profile.delimiter) else ":"
        yield f"a column of the header has no name{why} read the columns by their places as below"
    elif trial.reading.banners:
        yield "a banner stands above the header"
    if unnamed:
        pass
    elif glimpse.form == TABLE or trial.headed:
        names = _listed([layout.names[place] for place in sorted(layout.places.values())])
        yield f"the {'columns' if glimpse.form == TABLE else 'header'} {names}"
    else:
        yield f"{layout.width} {'values a row in a JSON array' if glimpse.form == JSON else 'cells and no header'}"
    if profile.name == DRAFT and profile.header == NONE:
        yield f"taken by their places to be {_listed(profile.positions)}: check the first rows"
    if trial.headed[1 + trial.reading.banners :]:
        yield f"{len(trial.headed) - trial.reading.banners} header lines"
    if profile.delimiter != "," and glimpse.form == CSV:
        yield f"cells are separated by {SEPARATORS[profile.delimiter]}"
    kind, zoned, _ = _times(trial)
    yield f"times are {kind_words(kind, zoned=zoned)}"
    if profile.order == DESCENDING:
        yield "the newest row comes first"
    if profile.scale:
        yield f"prices are whole numbers of 10^-{profile.scale}"
    for role, name in options.get("columns", {}).items():
        yield f"{name!r} may be the {'time' if role == 'ts' else role} column"
    if "volume" in options:
        yield "there is no volume column"


def _why_not(trial: _Trial, tickers: Sequence[str]) -> str:
    if trial.halted is not None:
        return trial.halted.says
    if trial.turned:
        now, wanted = ("oldest", "newest") if trial.reading.descending else ("newest", "oldest")
        return f"the rows come {now} first; profile {trial.options.profile.name} has the {wanted} first"
    if trial.too_old:
        return f"read as {kind_words(trial.reading.kind, zoned=True)}, its times would all lie in 1970"
    if trial.other_unit:
        vendor = " or ".join(UNIT_WORDS[unit] for unit in trial.options.profile.units)
        return f"its times are {kind_words(trial.reading.kind, zoned=True)}; those of this profile are {vendor}"
    if trial.clock is not None:
        return f"it would leave out the times of day, which stand in column {trial.clock!r}"
    if tickers and trial.options.ticker not in tickers:
        more = f" and {len(tickers) - TICKERS_SHOWN:,} others" if len(tickers) > TICKERS_SHOWN else ""
        shown = f"{', '.join(tickers[:TICKERS_SHOWN])}{more}"
        return f"no row of {trial.options.ticker} stands in its beginning, which has those of {shown}"
    formal = [each for each in trial.offences if each.rule in _FORM]
    return f"line {formal[0].line}: {formal[0].says}" if formal else "no row of it could be read"


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


# Where nothing fits


def _drafted(glimpse: Glimpse, general: Profile, said: Mapping[str, Any], at: int) -> list[Suggestion]:
    """Return the profiles of one's own (`buff.market.draft`) that fit.

    Where one finds the columns but not the values, that is closer than anything else and returned, too.
    """
    if glimpse.form == TABLE:
        return []
    lines = glimpse.lines[:TRIAL_ROWS]
    first = lines[0] if lines else b""
    used = [sep for sep in SEPARATORS if sep != " " and sep.encode() in first]
    used = used or [" " if first.count(b" ") >= len(PRICES) else general.delimiter]
    found = []
    for delimiter in used if glimpse.form == CSV else [general.delimiter]:
        rows = [_cut(line, delimiter) for line in lines]
        for own in drafts(rows, general, form=glimpse.form, delimiter=delimiter):
            changed = {each.name for each in fields(Profile) if getattr(own, each.name) != getattr(general, each.name)}
            if changed - {"name", "title", "says", "formats"}:
                found.append(_suggestion(glimpse, own, said, at))
    near = [each for each in found if each.layout is not NO_LAYOUT and each.profile.order == ASCENDING]
    return [each for each in found if each.fits] or near


def _advice(closest: Suggestion, glimpse: Glimpse) -> list[str]:
    """Return what would help a file that no profile reads."""
    trial = _trial(glimpse, closest.tried)
    found = list(dict.fromkeys(each.hint for each in trial.offences if each.rule in _FORM and each.hint))
    if trial.halted is not None and trial.halted.rule == "HEADER" and trial.halted.hint:
        found.append(trial.halted.hint)
    if trial.halted is not None and trial.halted.rule == "COLUMNS" and closest.profile.header != NONE:
        found += _columns_advice(_header(trial, glimpse), closest.tried.declaration)
    if trial.turned:
        found.append('a profile of your own (--profile-file) may say order = "descending"')
    if any(each.rule == "TIMEZONE" for each in trial.offences):
        found.append("naive times need their zone: --timezone UTC, or the zone they are in")
    if closest.tickers and closest.tried.ticker not in closest.tickers:
        found.append(f"name one of its instruments, for example --ticker {closest.tickers[0]}")
    return found or [
        "other separators, positions of columns without a header, forms of times or ends of bars as times are declared "
        "in a profile of your own (--profile-file; --stamp close for the last): docs/reference/profiles.md"
    ]


def _columns_advice(names: Sequence[str], declared: Profile) -> Iterable[str]:
    """Yield how to name each column of which a header lacks the name."""
    if all(looks_like_data(name) for name in names):
        return
    for role in absent(names, declared):
        alike = alike_names(role, names)
        which = f"the header has {_listed(names)}."
        if alike:
            which = f"which of {_listed([repr(name) for name in alike])} is it?"
        none = " or --volume none" if role == "volume" else ""
        yield f"no column for {'the time' if role == 'ts' else role}: {which} Say --columns {role}=NAME{none}"


def toml(table: Mapping[str, Any]) -> str:
    """Return a table of plain values, of texts, numbers, lists and tables of these, as TOML."""
    plain = [f"{name} = {_value(value)}" for name, value in table.items() if not isinstance(value, Mapping)]
    nested = [
        "\n".join(["", f"[{name}]", *(f"{key} = {_value(each)}" for key, each in value.items())])
        for name, value in table.items()
        if isinstance(value, Mapping) and value
    ]
    return "\n".join([*plain, *nested]) + "\n"


def _value(value: Any) -> str:
    return canonical.encode(value).decode()  # texts, whole numbers, true, false and lists are written alike in JSON
