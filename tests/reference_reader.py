"""A second reader of text files, slow and plain: what `buff.market.ingest` must say of any bytes.

Written from the rules (`docs/reference/csv_schema.md` and the fields of a profile), not from the readers: characters
one by one, exact decimals, `datetime` and `zoneinfo`. It takes profiles as data, and the list of what no file of
candles begins with, and nothing else of Buff. Bytes of whole files and the words of a request go in; a `Verdict` comes
out. It opens nothing and bounds nothing: rows and bytes are never too many for it.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from attrs import Factory, define, evolve, frozen

from buff.market.header import foreign
from buff.market.profiles import Profile

PRICES = ("open", "high", "low", "close")
VALUES = (*PRICES, "volume")
MINUTES = {"1m": 1, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "1d": 1440}
SECOND = 10**9
MINUTE = 60 * SECOND
DAY = 86_400 * SECOND
COARSER_NS = {minutes * MINUTE for minutes in MINUTES.values()}
LINE_MAX, NUMBER_MAX, FILL_DAYS_MAX, FILL_SHARE = 65_536, 32, 7, 20
BOM = b"\xef\xbb\xbf"
DIGITS = "0123456789"
FIRST_DAY, LAST_DAY = date(1, 1, 1), date(9999, 1, 1)  # the second one is outside
EPOCH_DAY = date(1970, 1, 1).toordinal()
# Rules that GAP and the others are told in, where a line breaks several.
LATE = "GAP"


@frozen
class Bad:
    """Why a cell is refused: the rule alone."""

    rule: str


@frozen
class Moment:
    """A time as written. kind: of its form; zoned: whether it is UTC; ns: nanoseconds since 1970."""

    kind: str
    zoned: bool
    ns: int


class Stop(Exception):
    """Nothing below this line can be read."""

    def __init__(self, line: int, rule: str) -> None:
        super().__init__(rule)
        self.line, self.rule = line, rule


@frozen(kw_only=True)
class Verdict:
    """What files come to: bars as (ms, open, high, low, close, volume, filled), or why there are none.

    rule, file, line: of the first refused line; file counts from 1. counts: of every rule. limit: too much was missing.
    broken: a JSON array broke off somewhere; it is refused, and what else is said depends on where.
    """

    bars: tuple[tuple[float, ...], ...] = ()
    rule: str | None = None
    file: int = 0
    line: int = 0
    counts: Mapping[str, int] = Factory(dict)
    limit: bool = False
    broken: bool = False


@frozen(kw_only=True)
class Asked:
    """The words of a request. profile: the declaration, without what the other words change in it."""

    profile: Profile
    timezone: str | None = None
    gaps: str = "reject"
    base: str = "1m"
    columns: Mapping[str, str] = Factory(dict)
    stamp: str | None = None
    volume: str | None = None
    ticker: str | None = None

    def declared(self) -> Profile:
        """The profile with what the user said of the files."""
        named = {role: (name.casefold().strip(),) for role, name in self.columns.items()}
        return evolve(
            self.profile,
            columns={**self.profile.columns, **named},
            stamp=self.stamp or self.profile.stamp,
            volume=self.profile.volume and self.volume is None,
        )


@frozen(kw_only=True)
class File:
    """The content of one file, its name, and its name in an archive."""

    content: bytes
    name: str = "bars.csv"
    member: str | None = None


def read(files: Sequence[File], asked: Asked) -> Verdict:
    """Return what these files are together."""
    reader = _Reader(asked=asked, profile=asked.declared(), step=MINUTES[asked.base] * MINUTE)
    try:
        for file in files:
            reader.take(file)
    except Stop as stop:
        reader.offend(stop.line, stop.rule)
    reader.judge_spacing()
    if reader.offences:
        file, line, _, _, rule = min(reader.offences)
        counts = Counter(each[-1] for each in reader.offences)
        broken = any(each[1] == 0 for each in reader.offences)
        return Verdict(rule=rule, file=file, line=line, counts=dict(counts), broken=broken)
    return _filled(reader.bars, reader.step // 10**6) if asked.gaps == "fill" else Verdict(bars=_flagged(reader.bars))


def _flagged(bars: Sequence[tuple[float, ...]]) -> tuple[tuple[float, ...], ...]:
    return tuple((*bar, 0) for bar in bars)


def _filled(bars: Sequence[tuple[float, ...]], step_ms: int) -> Verdict:
    """Put a flat bar in the place of every missing one, within the limits."""
    made: list[tuple[float, ...]] = []
    missing = longest = 0
    for bar in bars:
        if made:
            gap = (int(bar[0]) - int(made[-1][0])) // step_ms - 1
            missing, longest = missing + gap, max(longest, gap)
            if missing * FILL_SHARE > len(bars) or longest * step_ms > FILL_DAYS_MAX * 86_400_000:
                return Verdict(limit=True)
            for _ in range(gap):
                last, close = made[-1][0], made[-1][4]
                made.append((last + step_ms, close, close, close, close, 0.0, 1))
        made.append((*bar, 0))
    return Verdict(bars=tuple(made))


@define(kw_only=True)
class _Reader:
    """All that one row must know of those before it."""

    asked: Asked
    profile: Profile
    step: int
    number: int = 0
    offences: list[tuple[int, int, bool, int, str]] = Factory(list)
    bars: list[tuple[float, ...]] = Factory(list)
    steps: list[tuple[int, int, int]] = Factory(list)
    last: int | None = None
    newest: int | None = None
    # Of the current file
    kind: str | None = None
    day: int | None = None
    names: list[str] = Factory(list)
    places: dict[str, int] = Factory(dict)
    hollow: int = 0  # the first blank line above the header
    rows: int = 0
    blanks: list[int] = Factory(list)

    @property
    def descending(self) -> bool:
        return self.profile.order == "descending"

    def offend(self, line: int, rule: str) -> None:
        self.offences.append((self.number, line, rule == LATE, len(self.offences), rule))

    def take(self, file: File) -> None:
        """Read one file to its end."""
        self.number += 1
        self.kind, self.day, self.rows, self.blanks = None, _day_of(file), 0, []
        self.names, self.places, self.hollow = [], {}, 0
        newest_before, kept = self.newest, len(self.bars)
        if self.descending:
            self.last = self.newest = None
        if foreign(file.content[:LINE_MAX]) is not None:
            raise Stop(1, "ENCODING")
        last_line = self.lines(file.content)
        if not self.rows:
            raise Stop(max(last_line, 1) if self.places else 1, "EMPTY")
        if self.descending:
            self.bars[kept:] = reversed(self.bars[kept:])
            if newest_before is not None and self.last is not None:
                self.judge_step(self.last - newest_before, last_line)

    # Lines

    def lines(self, content: bytes) -> int:
        """Read text or a JSON array; return the number of its last line."""
        bare = content.removeprefix(BOM)
        if not bare.strip():
            raise Stop(1, "EMPTY")
        is_json = bare.lstrip(b" \t\r\n").startswith(b"[")
        if ("json" if is_json else "csv") not in self.profile.formats:
            raise Stop(1, "ENCODING")
        if is_json:
            return self.array(bare)
        pieces = bare.split(b"\n")
        ended = pieces[-1] == b""
        if ended:
            pieces.pop()
        heading = True
        for number, raw in enumerate(pieces, 1):
            whole = ended or number < len(pieces)
            if heading:
                heading = self.heading(raw, number)
            if not heading:
                self.line(raw, number, whole=whole)
            elif self.places and not self.profile.subheaders:
                heading = False
                continue
        return len(pieces)

    def array(self, content: bytes) -> int:
        """Read rows of a JSON array of arrays of scalars; whatever is no such array is refused as a whole."""
        table = _table(content)
        for number, cells in enumerate(table, 1):
            if not self.places:
                self.delimited(cells, ",".join(cells), number)
                if not any(_is_data(cell) for cell in cells):
                    raise Stop(number, "HEADER")
                self.place(cells, number)
            self.row(cells, number)
        return len(table)

    def heading(self, raw: bytes, number: int) -> bool:
        """Learn what a line above the rows says; return whether it was one. A row is judged as such once more."""
        profile = self.profile
        if len(raw) > LINE_MAX:
            raise Stop(number, "SIZE")
        if self.places:
            first = raw.split(profile.delimiter.encode())[0].decode("utf-8", "replace").strip().casefold()
            return first in profile.subheaders
        if not raw.strip():
            self.hollow = self.hollow or number
            return True
        if self.hollow:
            raise Stop(self.hollow, "HEADER")
        if number == 1 and profile.banner is not None and raw.lower().startswith(profile.banner.lower().encode()):
            return True
        if number == 1 and foreign(raw) is not None:
            raise Stop(1, "ENCODING")
        text = _text(raw, number, whole=True)
        cells = _cells(text, profile.delimiter)
        if profile.header != "required":
            row = [text] if cells is None else cells
            if profile.header == "none":
                self.delimited(row, text, number)
                if not any(_is_data(cell) for cell in row):
                    raise Stop(number, "HEADER")
                self.place(row, number)
                return False
            all_data = all(_is_data(cell) for cell in row)
            if len(row) == len(profile.positions) or all_data:
                self.place(row, number)
                if all_data or isinstance(self.moment(self.time_text(row)), Moment):
                    return False
                self.names, self.places = [], {}
        if cells is None:
            raise Stop(number, "HEADER")
        names = [cell.strip() for cell in cells]
        self.delimited(names, text, number)
        self.header(names, number)
        return True

    def delimited(self, cells: Sequence[str], text: str, number: int) -> None:
        if len(cells) == 1 and any(other != self.profile.delimiter and other in text for other in ";\t|,"):
            raise Stop(number, "DELIMITER")

    def header(self, names: list[str], number: int) -> None:
        folded = [name.casefold() for name in names]
        if all(_is_data(name) for name in names) or "" in folded or len(set(folded)) < len(folded):
            raise Stop(number, "HEADER")
        self.names = names
        for role, known in self.profile.columns.items():
            if role == "volume" and not self.profile.volume:
                continue
            open_names = [
                (at, name) for at, name in enumerate(folded) if not any(_is_called(name, each, "!") for each in known)
            ]
            found = [at for at, name in open_names if name in known and name[:1] != "!"]
            if not found:
                found = [at for at, name in open_names if any(_is_called(name, each) for each in known)]
            if len(found) > 1:
                raise Stop(number, "HEADER")
            if found:
                self.places[role] = found[0]
            elif role != "time":
                raise Stop(number, "COLUMNS")

    def place(self, row: Sequence[str], number: int) -> None:
        """Take the columns that the profile declares by position."""
        self.names = list(self.profile.positions)
        if not self.profile.volume and len(row) == len(self.names) - 1 and "volume" in self.names:
            self.names.remove("volume")
        if len(row) != len(self.names):
            raise Stop(number, "COLUMNS")
        read = ("ts", "time", *VALUES, "ticker")
        wanted = [role for role in read if role in self.names and (role != "volume" or self.profile.volume)]
        self.places = {role: self.names.index(role) for role in wanted}

    def line(self, raw: bytes, number: int, *, whole: bool) -> None:
        """Judge one line below the heading."""
        if len(raw) > LINE_MAX:
            raise Stop(number, "SIZE")
        text = _text(raw, number, whole=whole)
        if not text:
            self.blanks.append(number)
            return
        cells = _cells(text, self.profile.delimiter)
        if cells is None:
            self.blank_lines_were_inside()
            self.rows += 1
            self.offend(number, "CELL")
        else:
            self.row(cells, number)

    def blank_lines_were_inside(self) -> None:
        for line in self.blanks:
            self.offend(line, "RAGGED")
        self.blanks.clear()

    # Rows

    def row(self, cells: Sequence[str], number: int) -> None:
        """Judge one row."""
        self.blank_lines_were_inside()
        if len(cells) != len(self.names):
            self.rows += 1
            self.offend(number, "RAGGED")
            return
        if "ticker" in self.places and cells[self.places["ticker"]] != self.asked.ticker:
            return
        texts = {role: cells[at] for role, at in self.places.items()}
        if self.profile.no_bar is not None and {texts[name] for name in VALUES if name in texts} == {
            self.profile.no_bar
        }:
            return
        self.rows += 1
        ns = self.instant(self.time_text(cells))
        if isinstance(ns, Bad):
            self.offend(number, ns.rule)
        values: dict[str, float] = {}
        for role in sorted(self.places, key=lambda role: self.places[role]):
            if role in VALUES:
                value = _value(role, texts[role], self.profile.scale if role in PRICES else 0)
                if isinstance(value, Bad):
                    self.offend(number, value.rule)
                else:
                    values[role] = value
        prices = [values[name] for name in PRICES if name in values]
        if len(prices) == 4 and (values["high"] != max(prices) or values["low"] != min(prices)):
            self.offend(number, "OHLC")
        if isinstance(ns, int):
            self.judge_time(ns, number)
        if not self.offences and isinstance(ns, int):
            self.bars.append((ns // 10**6, *(values.get(name, 0.0) for name in VALUES)))

    def time_text(self, cells: Sequence[str]) -> str:
        day = cells[self.places["ts"]]
        return f"{day} {cells[self.places['time']]}" if "time" in self.places else day

    def moment(self, text: str) -> Moment | Bad:
        return _moment(text, self.profile.times, self.day)

    def instant(self, text: str) -> int | Bad:
        """Return the opening of the bar with this time."""
        found = self.moment(text)
        if isinstance(found, Bad):
            return found
        if self.kind is None:
            self.kind = found.kind
        elif self.kind != found.kind:
            return Bad("UNIT")
        asked, own = self.asked.timezone, self.profile.zone
        if found.zoned and asked is not None:
            return Bad("TIMEZONE")
        ns: int | Bad = found.ns
        if not found.zoned:
            name = asked or own
            if own is not None and self.names[self.places["ts"]].casefold() in self.profile.local:
                name = None
            ns = Bad("TIMEZONE") if name is None else _in_years(_utc(found.ns, name))
        shift = self.step if self.profile.stamp == "close" else 0
        return ns if isinstance(ns, Bad) or not shift else _in_years(ns - shift)

    def judge_time(self, ns: int, number: int) -> None:
        """Judge a time by the grid and by the time before it."""
        if ns % self.step:
            self.offend(number, "ALIGNMENT")
        before, self.last = self.last, ns
        if before is None:
            self.newest = ns
            return
        self.judge_step(before - ns if self.descending else ns - before, number)

    def judge_step(self, step: int, number: int) -> None:
        self.steps.append((step, self.number, number))
        if step < 0:
            self.offend(number, "ORDER")
        elif step == 0:
            self.offend(number, "DUPLICATE")
        elif step % self.step == 0 and step > self.step and self.asked.gaps == "reject":
            self.offend(number, "GAP")

    def judge_spacing(self) -> None:
        """Say SPACING instead of every GAP where all steps are the same multiple of the base, or of a coarser one."""
        sizes = {step for step, _, _ in self.steps}
        size = min(sizes, default=0)
        alone = len(self.steps) == 1 and any(each[-1] != "GAP" for each in self.offences)
        same = len(sizes) == 1 and not alone
        coarser = self.asked.gaps != "reject" and len(self.steps) >= 10 and size in COARSER_NS
        if (
            size > self.step
            and size % self.step == 0
            and (same or (coarser and all(each % size == 0 for each in sizes)))
        ):
            self.offences = [each for each in self.offences if each[-1] != "GAP"]
            _, file, line = self.steps[0]
            self.offences.append((file, line, False, len(self.offences), "SPACING"))


# Cells


def _text(raw: bytes, number: int, *, whole: bool) -> str:
    """Return a line as text. whole: it was ended by a line feed, so a carriage return may stand before that."""
    if whole and raw.endswith(b"\r"):
        raw = raw[:-1]
    if 0 in raw or 13 in raw:
        raise Stop(number, "ENCODING")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Stop(number, "ENCODING") from None


def _cells(text: str, delimiter: str) -> list[str] | None:
    """Return the cells of a line, or None where a quote is not closed or text stands beside it."""
    found, cell, at, quoted = [], "", 0, False
    begins = True
    while at < len(text):
        sign = text[at]
        if quoted:
            if sign == '"' and text[at + 1 : at + 2] == '"':
                cell, at = cell + '"', at + 1
            elif sign == '"':
                quoted = False
                if text[at + 1 : at + 2] not in ("", delimiter):
                    return None
            else:
                cell += sign
        elif sign == delimiter:
            found.append(cell)
            cell, begins = "", True
            at += 1
            continue
        elif sign == '"':
            if not begins:
                return None
            quoted = True
        else:
            cell += sign
        begins = False
        at += 1
    return None if quoted else [*found, cell]


def _is_called(name: str, pattern: str, sign: str = "") -> bool:
    """Say whether a name of a header is one of those a pattern stands for. sign: what the pattern begins with."""
    if pattern[:1] == "!" and not sign:
        return False
    if not pattern.startswith(sign):
        return False
    bare = pattern.removeprefix(sign)
    return name.startswith(bare[:-1]) if bare.endswith("*") else name == bare


def _is_data(cell: str) -> bool:
    """Say whether a cell holds only digits and the signs of times and numbers."""
    bare = cell.strip().removeprefix("+")
    return bool(bare) and set(bare) <= set(DIGITS + ".:-/TZ eE")


def _value(name: str, text: str, scale: int) -> float | Bad:
    found = _number(text, scale)
    if isinstance(found, Bad):
        return found
    return Bad("SIGN") if found < 0 or (found == 0 and name != "volume") else found


def _number(text: str, scale: int) -> float | Bad:
    bare = text.strip(" ")
    if len(bare) > NUMBER_MAX or not _is_number(bare):
        return Bad("CELL")
    exact = Decimal(bare)
    if scale:
        if set(bare) - set(DIGITS):
            return Bad("CELL")
        exact = exact.scaleb(-scale)
    if not exact:
        return 0.0
    if not -400 < exact.adjusted() < 400:
        return Bad("CELL")
    over, under = exact.as_integer_ratio()
    try:
        return over / under or Bad("CELL")  # the quotient of two ints is the nearest float
    except OverflowError:
        return Bad("CELL")


def _is_number(text: str) -> bool:
    """Say whether a text is -digits.digits e±digits, with all but the first digits left out at will."""
    rest = _skip_digits(text.removeprefix("-"))
    if rest is not None and rest[:1] == ".":
        rest = _skip_digits(rest[1:])
    if rest is not None and rest[:1] in ("e", "E"):
        rest = _skip_digits(rest[2:] if rest[1:2] in ("+", "-") else rest[1:])
    return rest == ""


def _skip_digits(text: str) -> str | None:
    rest = text.lstrip(DIGITS)
    return None if rest == text else rest


# Times


def _moment(text: str, times: Sequence[str], day: int | None) -> Moment | Bad:
    """Return the time a cell says in one of these forms."""
    for word in times:
        found = _own_form(text, word, day)
        if found is not None:
            return found
    found = _plain_time(text)
    if isinstance(found, Bad):
        return found if "iso" in times or "epoch" in times else Bad("CELL")
    return found if ("iso" if found.kind == "iso" else "epoch") in times else Bad("CELL")


def _own_form(text: str, word: str, day: int | None) -> Moment | Bad | None:
    if word in ("iso", "epoch"):
        return None
    if word == "epoch.0":
        whole = text.removesuffix(".0")
        return _plain_time(whole) if whole != text and whole and not set(whole) - set(DIGITS) else None
    if word == "ms_of_day":
        plain = text and not set(text) - set(DIGITS) and str(int(text[:9])) == text
        return (
            Moment(word, False, day + int(text) * 10**6)
            if plain and day is not None and int(text) < 86_400_000
            else None
        )
    parts = _match(text, word)
    return None if parts is None else _assembled(parts, word)


def _plain_time(text: str) -> Moment | Bad:
    """Return an ISO time or an epoch."""
    for form in _iso_forms():
        parts = _match(text, form)
        if parts is not None:
            return _assembled(parts, "iso")
    if text and not set(text) - set(DIGITS):
        if text[0] == "0" and text != "0":
            return Bad("UNIT")
        for size, unit, ns in ((11, "s", SECOND), (14, "ms", 10**6), (17, "us", 1000), (99, "ns", 1)):
            if len(text) <= size:
                return Moment(unit, True, int(text) * ns) if len(text) < 20 and int(text) < 2**63 else Bad("UNIT")
    return Bad("UNIT" if _is_like_number(text) else "CELL")


def _is_like_number(text: str) -> bool:
    """Say whether a text is a number by anybody's rules: signed, with a comma, open at its end, or hexadecimal."""
    bare = text[1:] if text[:1] in ("+", "-") else text
    if bare[:2] in ("0x", "0X"):
        return bool(bare[2:]) and not set(bare[2:]) - set(DIGITS + "abcdefABCDEF")
    rest = _skip_digits(bare)
    if rest is not None and rest[:1] in (".", ","):
        rest = rest[1:].lstrip(DIGITS)
    if rest is not None and rest[:1] in ("e", "E"):
        rest = _skip_digits(rest[2:] if rest[1:2] in ("+", "-") else rest[1:])
    return rest == ""


@cache
def _iso_forms() -> tuple[str, ...]:
    clocks = [f"{sep}%H:%M{more}{zone}" for sep in "T " for more in ("", ":%S", ":%S.%f") for zone in ("", "%z")]
    return ("%Y-%m-%d", *("%Y-%m-%d" + clock for clock in clocks))


def _match(text: str, form: str) -> dict[str, str] | None:
    """Return the parts of a text that has this form from its first to its last character, or None."""
    if not form:
        return None if text else {}
    if form[0] != "%":
        return _match(text[1:], form[1:]) if text[:1] == form[0] else None
    code, rest = form[1], form[2:]
    for size in {"Y": (4,), "f": range(9, 0, -1), "z": (6, 5, 3, 1)}.get(code, (2,)):
        part = text[:size]
        if len(part) == size and (_is_offset(part) if code == "z" else not set(part) - set(DIGITS)):
            found = _match(text[size:], rest)
            if found is not None:
                return {code: part, **found}
    return None


def _is_offset(text: str) -> bool:
    if text == "Z":
        return True
    if text[:1] not in ("+", "-") or (text[3:4] == ":" and len(text) != 6):
        return False
    digits = text[1:3] + (text[4:] if text[3:4] == ":" else text[3:])
    return len(digits) in (2, 4) and not set(digits) - set(DIGITS)


def _assembled(parts: Mapping[str, str], kind: str) -> Moment | Bad:
    """Return the time that parts of a text say."""
    hour, minute, second = (int(parts.get(code, "0")) for code in "HMS")
    try:
        day = date(int(parts["Y"]), int(parts["m"]), int(parts["d"]))
    except ValueError:
        return Bad("CELL")
    if hour > 23 or minute > 59 or second > 59:
        return Bad("CELL")
    ns = (day.toordinal() - EPOCH_DAY) * DAY + (hour * 60 + minute) * MINUTE + second * SECOND
    ns += int(parts.get("f", "0").ljust(9, "0"))
    if "z" not in parts:
        return Moment(kind, False, ns)
    if parts["z"] != "Z":
        sign, digits = parts["z"][0], parts["z"][1:].replace(":", "").ljust(4, "0")
        if int(digits[:2]) > 23 or int(digits[2:]) > 59:
            return Bad("CELL")
        offset = (int(digits[:2]) * 60 + int(digits[2:])) * MINUTE
        ns -= -offset if sign == "-" else offset
    inside = _in_years(ns)
    return inside if isinstance(inside, Bad) else Moment(kind, True, ns)


def _in_years(ns: int | Bad) -> int | Bad:
    first, end = ((day.toordinal() - EPOCH_DAY) * DAY for day in (FIRST_DAY, LAST_DAY))
    return ns if isinstance(ns, Bad) or first <= ns < end else Bad("CELL")


def _utc(ns: int, name: str) -> int | Bad:
    """Return the one instant at which a clock of this zone showed a local time."""
    if name == "UTC":
        return ns
    if name[0] in "+-":
        offset = (int(name[1:3]) * 60 + int(name[4:6])) * MINUTE
        return ns + offset if name[0] == "-" else ns - offset
    instants = _instants(ns // SECOND, name)
    return instants[0] * SECOND + ns % SECOND if len(instants) == 1 else Bad("TIMEZONE")


@cache
def _instants(second: int, name: str) -> tuple[int, ...]:
    """Return the instants (seconds since 1970) at which a clock showed a local time: none, one or two."""
    local = datetime(1970, 1, 1) + timedelta(seconds=second)
    zone = ZoneInfo(name)
    found = set()
    for fold in (0, 1):
        offset = local.replace(tzinfo=zone, fold=fold).utcoffset()
        assert offset is not None
        try:
            shown = ((local - offset).replace(tzinfo=ZoneInfo("UTC")).astimezone(zone)).replace(tzinfo=None)
        except OverflowError:  # at the ends of the calendar no clock was ever changed
            shown = local
        if shown == local:
            found.add(second - (offset.days * 86_400 + offset.seconds))
    return tuple(sorted(found))


def _day_of(file: File) -> int | None:
    """Return the midnight of the eight digits in a file's name that are a day."""
    for name in (file.member, file.name):
        runs = "".join(sign if sign in DIGITS else " " for sign in name or "").split()
        first = next((run for run in runs if len(run) == 8), None)
        parts = None if first is None else _match(first, "%Y%m%d")
        found = None if parts is None else _assembled(parts, "day")
        if isinstance(found, Moment):
            return found.ns
    return None


# JSON


def _table(content: bytes) -> list[list[str]]:
    """Return the texts of the cells of an array of arrays, as they are written."""
    try:
        rows = json.loads(content.decode(), parse_int=_Token, parse_float=_Token, parse_constant=_Token)
    except (ValueError, RecursionError):
        raise Stop(0, "ENCODING") from None
    if b"\\" in content or not all(isinstance(row, list) for row in rows):
        raise Stop(0, "ENCODING")
    if any(isinstance(cell, list | dict) or _is_framed(cell) for row in rows for cell in row):
        raise Stop(0, "ENCODING")
    return [[_json_text(cell) for cell in row] for row in rows]


class _Token(str):
    """A number as it is written."""

    __slots__ = ()


def _is_framed(cell: Any) -> bool:
    """Say whether a text holds a sign of the frame, which the frame's reader does not look behind."""
    return isinstance(cell, str) and (bool(set(cell) & set("[]{},")) or cell.startswith("\ufeff"))


def _json_text(cell: Any) -> str:
    """Return a scalar of JSON as the text of a cell."""
    return cell if isinstance(cell, str) else {None: "null", True: "true", False: "false"}[cell]
