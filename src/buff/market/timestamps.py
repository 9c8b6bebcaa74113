"""Text to instants: ISO times and epoch digits become UTC, or a reason why not.

A cell's text, the kind of time the file began with and the declared zone go in; integer nanoseconds since 1970 (UTC)
come out, or a `Fault`. Nothing is ever guessed: a time without a zone needs a declared one, a local time that happened
twice or never is refused.
"""

import functools
import re
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from attrs import frozen

from buff.errors import RunConfigInvalid

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

ISO = "iso"
UNITS_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
# The unit of an epoch value is decided by its magnitude alone (spec: data): below the bound, the unit.
MAGNITUDES = ((10**11, "s"), (10**14, "ms"), (10**17, "us"), (1 << 63, "ns"))
YEAR_1_NS = -62_135_596_800 * 1_000_000_000
YEAR_9999_NS = 253_370_764_800 * 1_000_000_000  # the last year is left out: its last bars end where no stamp can
YEAR_10000_NS = 253_402_300_800 * 1_000_000_000
HOUR_MS = 3_600_000

_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)
_DIGITS = re.compile(r"0|[1-9]\d*", re.ASCII)
_NUMERIC = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|\d+(?:[.,]\d*)?(?:[eE][+-]?\d+)?)", re.ASCII)
_EXPONENT = re.compile(r"[0-9.,][eE][+-]?[0-9]", re.ASCII)
_DAY_MONTH = re.compile(r"(\d{1,4})([/.-])(\d{1,2})[/.-](\d{1,4})", re.ASCII)
_NARROW = re.compile(r"[ap]\.?m\b|(?<![\d:.])\d:", re.ASCII | re.IGNORECASE)
_MONTH = re.compile(r"\d{1,2}[ ./-]?[a-z]{3,9}\b|[a-z]{3,9}[ .]+\d{1,2}\b", re.ASCII | re.IGNORECASE)
_UNDECLARED = (
    "no form of it can be declared: months are numbers, every part of a time has its full width (01/09/2024 09:05), "
    "and hours count to 23, not to 12; write times as YYYY-MM-DD HH:MM"
)
_ROUNDED = (
    "a spreadsheet has rounded the epoch values and their last digits are lost: export the file again, and do not open "
    "it in a spreadsheet"
)
_SLASHED = (
    "which number is the day and which the month is nowhere said: write times as YYYY-MM-DD HH:MM, or say their form "
    "in a profile of your own (--profile-file), for example %d/%m/%Y %H:%M"
)
_TWICE = "which of the two hours is meant is not in the file: export its times in UTC, or with their offsets"
_NEVER = "no clock of that zone showed this time: check --timezone, or export the times in UTC or with their offsets"
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)?", re.ASCII)
_LAST_HOUR = YEAR_10000_NS // 1_000_000 // HOUR_MS
_EPOCH_DAY = date(1970, 1, 1).toordinal()


@frozen(kw_only=True)
class Fault:
    """Why a cell is refused: the rule and what it says, the text of the cell included. hint: better than the rule's."""

    rule: str
    says: str
    hint: str | None = None


@frozen(kw_only=True)
class Stamp:
    """A time as written. kind: "iso" or an epoch unit. ns: since 1970, in UTC when `zoned`, else on a local clock."""

    kind: str
    zoned: bool
    ns: int


@frozen(kw_only=True)
class Zone:
    """A declared zone for naive times: a fixed offset, or a named zone with a history (`tz`)."""

    name: str
    fixed_ms: int | None = None
    tz: "ZoneInfo | None" = None

    def offset_ms(self, first_ms: int, last_ms: int) -> int | None:
        """Return the one offset from UTC of all local times from `first_ms` to `last_ms`, or None if it may change.

        The hours that hold the range are asked one by one, from start to end, and each offset of theirs: a change of
        the clocks lies between two of them or makes one of them ambiguous.
        """
        if self.fixed_ms is not None:
            return self.fixed_ms
        hours = range(first_ms // HOUR_MS, min(last_ms // HOUR_MS + 2, _LAST_HOUR))
        if len(hours) > 5_000:
            return None  # a block this long holds few rows; they are read one by one
        offsets = {offset for hour in hours for offset in self._offsets_ms(hour * HOUR_MS)}
        return offsets.pop() if len(offsets) == 1 else None

    def instant(self, ns: int, text: str) -> int | Fault:
        """Return the UTC nanoseconds of a local time, or why there is no single one (PEP 495)."""
        before, after = self._offsets_ms(ns // 1_000_000)
        if before == after:
            return ns - before * 1_000_000
        happened, hint = ("twice", _TWICE) if before > after else ("never", _NEVER)
        says = f"local time {text} happened {happened} in {self.name}, where clocks were changed"
        return Fault(rule="TIMEZONE", says=says, hint=hint)

    def _offsets_ms(self, local_ms: int) -> tuple[int, int]:
        if self.fixed_ms is not None:
            return self.fixed_ms, self.fixed_ms
        local = datetime(1, 1, 1) + timedelta(milliseconds=local_ms - YEAR_1_NS // 1_000_000)
        first, second = (local.replace(tzinfo=self.tz, fold=fold).utcoffset() for fold in (0, 1))
        assert first is not None
        assert second is not None
        return first // timedelta(milliseconds=1), second // timedelta(milliseconds=1)


def zone(text: str) -> Zone:
    """Return the zone a user named: `UTC`, `±HH:MM` or an IANA name. Raises RunConfigInvalid for anything else."""
    if text == "UTC":
        return Zone(name=text, fixed_ms=0)
    if text[:1] in ("+", "-"):
        offset = _offset_ns(text) if re.fullmatch(r"[+-]\d\d:\d\d", text, re.ASCII) else None
        if offset is None:
            raise _no_zone(text)
        return Zone(name=text, fixed_ms=offset // 1_000_000)
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        # "localtime" is whatever this machine was set to: not a name that means the same elsewhere.
        if text == "localtime":
            raise _no_zone(text)
        return Zone(name=text, tz=ZoneInfo(text))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise _no_zone(text) from error


def _no_zone(text: str) -> RunConfigInvalid:
    return RunConfigInvalid(
        f"{text!r} is not a time zone",
        hint="use UTC, an offset such as +01:00, or an IANA name such as Europe/Berlin",
        details={"field": "timezone", "value": text},
    )


def stamp(text: str) -> Stamp | Fault:
    """Return the time a cell says, by the grammar of the CSV contract and nothing more."""
    match = _ISO.fullmatch(text)
    if match is not None:
        return instant_of(text, *match.groups(), kind=ISO)
    if _DIGITS.fullmatch(text):
        value = int(text) if len(text) < 20 else 1 << 63
        for bound, unit in MAGNITUDES:
            if value < bound:
                return Stamp(kind=unit, zoned=True, ns=value * UNITS_NS[unit])
        return Fault(rule="UNIT", says=f"epoch {text} has more digits than any unit down to nanoseconds")
    if _NUMERIC.fullmatch(text):
        return Fault(
            rule="UNIT",
            says=f"{text} is not an epoch in plain digits (no sign, padding, fraction, exponent or hex)",
            hint=_ROUNDED if _EXPONENT.search(text) else None,
        )
    return Fault(rule="CELL", says=f"{text!r} is not a time", hint=_form_hint(text))


def _form_hint(text: str) -> str | None:
    """Return what to do about a time of another form, or None where it shows no day."""
    match = _DAY_MONTH.match(text)
    if match is None:
        return _UNDECLARED if _MONTH.match(text) else None
    first, sign, second, last = match.groups()
    if (len(first), len(second), len(last)) not in ((4, 2, 2), (2, 2, 4)) or _NARROW.search(text):
        return _UNDECLARED
    if len(first) == 2 and int(first) <= 12 and int(second) <= 12:
        return _SLASHED
    codes = ("%Y", "%m", "%d") if len(first) == 4 else ("%d", "%m", "%Y") if int(first) > 12 else ("%m", "%d", "%Y")
    return (
        f"write times as YYYY-MM-DD HH:MM, or say their form, which begins with {sign.join(codes)}, in a profile of "
        "your own (--profile-file); `buff data inspect FILE` drafts it where it can"
    )


def place(
    text: str, found: Stamp | Fault, kind: str | None, declared: Zone | None, *, asked: bool = True
) -> int | Fault:
    """Return the UTC nanoseconds of a cell's time, or why it is refused.

    found: what the cell says. kind: what the file's times have been so far, or None before the first. declared: the
    zone of naive times; `asked`: the user declared it, so no time may carry its own.
    """
    if isinstance(found, Fault):
        return found
    if kind is not None and found.kind != kind:
        return Fault(rule="UNIT", says=f"{text} is {_named(found.kind)}, the times before it are {_named(kind)}")
    if found.zoned and (declared is None or not asked):
        return found.ns
    if declared is None:
        return Fault(rule="TIMEZONE", says=f"{text} has neither Z nor an offset, and no zone was declared")
    if found.zoned:
        has = "is an epoch, which is UTC" if found.kind in UNITS_NS else "carries its own zone"
        return Fault(rule="TIMEZONE", says=f"{text} {has}, yet {declared.name} was declared for naive times")
    return within_years(declared.instant(found.ns, text), text)


def instant_of(
    text: str,
    day: str,
    hour: str | None,
    minute: str | None,
    second: str | None,
    fraction: str | None,
    offset: str | None,
    *,
    kind: str,
) -> Stamp | Fault:
    """Return the time that these parts of a cell say, all of digits, or why there is none. day: YYYY-MM-DD."""
    days = _days(day)
    if days is None:
        return Fault(rule="CELL", says=f"{text!r} is not a time: there is no such day")
    h, m, s = int(hour or 0), int(minute or 0), int(second or 0)
    if h > 23 or m > 59 or s > 59:
        return Fault(rule="CELL", says=f"{text!r} is not a time: hours end at 23, minutes and seconds at 59")
    ns = (days * 86_400 + h * 3600 + m * 60 + s) * 1_000_000_000 + int((fraction or "").ljust(9, "0"))
    if offset is None:
        return Stamp(kind=kind, zoned=False, ns=ns)
    offset_ns = 0 if offset == "Z" else _offset_ns(offset)
    if offset_ns is None:
        return Fault(rule="CELL", says=f"{text!r} is not a time: there is no offset {offset}")
    inside = within_years(ns - offset_ns, text)
    return inside if isinstance(inside, Fault) else Stamp(kind=kind, zoned=True, ns=inside)


@functools.lru_cache(maxsize=1024)
def _days(day: str) -> int | None:
    try:
        return date.fromisoformat(day).toordinal() - _EPOCH_DAY
    except ValueError:
        return None


def _offset_ns(text: str) -> int | None:
    match = _OFFSET.fullmatch(text)
    assert match is not None
    sign, hours, minutes = match[1], int(match[2]), int(match[3] or 0)
    if hours > 23 or minutes > 59:
        return None
    return (-1 if sign == "-" else 1) * (hours * 3600 + minutes * 60) * 1_000_000_000


def within_years(ns: int | Fault, text: str) -> int | Fault:
    """Return UTC nanoseconds that lie in the years Buff knows, or why they do not; a fault stays what it is."""
    if isinstance(ns, Fault) or YEAR_1_NS <= ns < YEAR_9999_NS:
        return ns
    return Fault(rule="CELL", says=f"{text!r} is outside the years 1 to 9998 in UTC")


def _named(kind: str) -> str:
    return f"an epoch in {kind}" if kind in UNITS_NS else "an ISO time" if kind == ISO else f"of the form {kind}"
