"""Forms of written times: strptime codes of fixed width, read one cell or one block of cells at a time.

A form and a text go in; a `Stamp` comes out, or None where the text is not of the form. A form is stricter than
strptime: every code has its full width, and nothing but the codes below is known.

    %Y four digits   %m %d %H %M %S two digits each   %f one to nine digits of a second   %z Z, ±HH, ±HHMM or ±HH:MM
"""

import functools
import re
from collections.abc import Sequence

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from buff.errors import ProfileInvalid
from buff.market.timestamps import ISO, Fault, Stamp, instant_of, stamp

EPOCH, EPOCH_POINT, MS_OF_DAY = "epoch", "epoch.0", "ms_of_day"
# Forms of times that are words of their own and no strptime codes.
TIME_WORDS = (ISO, EPOCH, EPOCH_POINT, MS_OF_DAY)

_CODES = {
    "Y": r"(?P<year>\d{4})",
    "m": r"(?P<month>\d\d)",
    "d": r"(?P<day>\d\d)",
    "H": r"(?P<hour>\d\d)",
    "M": r"(?P<minute>\d\d)",
    "S": r"(?P<second>\d\d)",
    "f": r"(?P<fraction>\d{1,9})",
    "z": r"(?P<offset>Z|[+-]\d\d(?::?\d\d)?)",
}
_NEEDED = ("Y", "m", "d")
_WHOLE = re.compile(r"(\d+)\.0", re.ASCII)
_MS = re.compile(r"0|[1-9]\d{0,7}", re.ASCII)
_DAY_MS = 86_400_000
_NAME_THE_DAY = "times of this profile count from the day in the name of the file, such as 20221213_trade.zip"
_ZERO = 48
# How much a unit of a field is, in milliseconds; its value must be below the second number.
_CLOCK = (("hour", 3_600_000, 24), ("minute", 60_000, 60), ("second", 1_000, 60))


@frozen(kw_only=True)
class Form:
    """One form of written time, as strptime codes and literal characters, for example `%Y.%m.%d %H:%M`.

    Raises ProfileInvalid when the codes are unknown, repeated, or name no day.
    """

    codes: str
    pattern: re.Pattern[str] = field(init=False, eq=False, repr=False)

    @pattern.default
    def _compiled(self) -> re.Pattern[str]:
        parts = re.split(r"%(.?)", self.codes)
        used = parts[1::2]
        wrong = [code for code in used if code not in _CODES or used.count(code) > 1]
        missing = [code for code in _NEEDED if code not in used]
        if wrong or missing:
            says = f"%{wrong[0]} is unknown or repeated" if wrong else f"it has no %{missing[0]}"
            raise ProfileInvalid(
                f"{self.codes!r} is no form of a time: {says}",
                hint=f"use the codes {' '.join(f'%{code}' for code in _CODES)}, each at most once",
                details={"field": "times", "value": self.codes},
            )
        source = "".join(_CODES[part] if at % 2 else re.escape(part) for at, part in enumerate(parts))
        return re.compile(source, re.ASCII)

    @property
    def zoned(self) -> bool:
        """Whether times of this form carry an offset of their own."""
        return "offset" in self.pattern.groupindex

    def stamp(self, text: str) -> Stamp | Fault | None:
        """Return the time a cell says, why there is no such time, or None where it is not of this form."""
        match = self.pattern.fullmatch(text)
        if match is None:
            return None
        found = match.groupdict()
        day = f"{found['year']}-{found['month']}-{found['day']}"
        clock = (found.get("hour") or "00", found.get("minute") or "00", found.get("second"), found.get("fraction"))
        return instant_of(text, day, *clock, found.get("offset"), kind=self.codes)

    def instants(self, cells: NDArray[np.uint8]) -> NDArray[np.int64] | None:
        """Return the times of a block as int64[n] epoch milliseconds: UTC when `zoned`, else on a local clock.

        cells: uint8[n, width], the characters of n cells, n > 0. None where any cell is in doubt: not of this form, of
        another offset than the first, no such day or hour, or finer than a millisecond.
        """
        first = cells[0].tobytes().decode("ascii", "replace")
        match = self.pattern.fullmatch(first)
        if match is None:
            return None
        literal = np.ones(cells.shape[1], np.bool_)
        for name in match.groupdict():
            if name != "offset":
                literal[slice(*match.span(name))] = False
        digits = cells[:, ~literal] - np.uint8(_ZERO)
        if (digits >= 10).any() or (cells[:, literal] != cells[0, literal]).any():
            return None

        def value(name: str) -> NDArray[np.int64]:
            begin, end = match.span(name)
            total = np.zeros(len(cells), np.int64)
            for at in range(begin, end):
                total = total * 10 + (cells[:, at] - np.uint8(_ZERO))
            return total

        ms = _days_ms(value("year"), value("month"), value("day"))
        if ms is None:
            return None
        for name, unit_ms, below in _CLOCK:
            if name in match.groupdict():
                part = value(name)
                if (part >= below).any():
                    return None
                ms += part * unit_ms
        if "fraction" in match.groupdict():
            scale = 10 ** (9 - len(match["fraction"]))
            fraction, finer = np.divmod(value("fraction") * scale, 1_000_000)
            if finer.any():
                return None
            ms += fraction
        if not self.zoned:
            return ms
        whole = self.stamp(first)
        return None if not isinstance(whole, Stamp) else ms + (whole.ns // 1_000_000 - int(ms[0]))


@functools.lru_cache(maxsize=64)
def form(codes: str) -> Form:
    """Return the form that these codes are. Raises ProfileInvalid."""
    return Form(codes=codes)


def read(text: str, times: Sequence[str], day_ns: int | None = None) -> Stamp | Fault:
    """Return the time a cell says in one of these forms, or why it says none.

    times: as a profile declares them. day_ns: the midnight that `ms_of_day` counts from, on the clock of the file.
    """
    for word in times:
        found = _read(text, word, day_ns)
        if found is not None:
            return found
    found = stamp(text)
    if isinstance(found, Fault) and (ISO in times or EPOCH in times):
        return found
    if isinstance(found, Stamp) and (ISO if found.kind == ISO else EPOCH) in times:
        return found
    hint = _NAME_THE_DAY if MS_OF_DAY in times and day_ns is None else None
    return Fault(rule="CELL", says=f"{text!r} is not a time of the form {' or '.join(times)}", hint=hint)


def _read(text: str, word: str, day_ns: int | None) -> Stamp | Fault | None:
    if word == EPOCH_POINT:
        match = _WHOLE.fullmatch(text)
        return None if match is None else stamp(match[1])
    if word == MS_OF_DAY:
        if day_ns is None or not _MS.fullmatch(text) or int(text) >= _DAY_MS:
            return None
        return Stamp(kind=word, zoned=False, ns=day_ns + int(text) * 1_000_000)
    return None if word in TIME_WORDS else form(word).stamp(text)


def _days_ms(year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return midnight of days of the proleptic Gregorian calendar as epoch ms, or None where there is no such day."""
    if (year < 1).any() or (month < 1).any() or (month > 12).any() or (day < 1).any():
        return None
    months = (year - 1970) * 12 + month - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    after = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    if (first + day > after).any():
        return None
    return (first + day - 1) * _DAY_MS
