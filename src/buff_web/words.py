"""How numbers and times are written for a reader: rounded, with units, a true minus sign, always in UTC.

Values go in, text comes out. What is stored is never rounded; the machine form of a page has every digit.
"""

from datetime import UTC, datetime, timedelta

from markupsafe import Markup, escape

NOTHING = "–"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_THIN = "\u202f"


# Numbers ---------------------------------------------------------------------------------------------------------


def number(value: float | None, decimals: int = 2, *, signed: bool = False) -> str:
    """Return a number with thousands separated and a true minus sign; a dash for None."""
    if value is None:
        return NOTHING
    text = f"{value:{'+' if signed else ''},.{decimals}f}"
    if not text.strip("+-0.,"):
        text = text.lstrip("+-")  # what rounds to nothing has no sign
    return text.replace("-", "−")


def percent(value: float | None, *, signed: bool = False) -> str:
    """Return a fraction as a percentage with two decimals."""
    return NOTHING if value is None else f"{number(value * 100, signed=signed)}{_THIN}%"


def points(value: float | None) -> str:
    """Return a fraction in percent with its sign, for a table whose heading says percent."""
    return NOTHING if value is None else number(value * 100, signed=True)


def price(value: float | None) -> str:
    """Return a price with the decimals its size asks for."""
    if value is None:
        return NOTHING
    size = abs(value)
    return number(value, 2 if size >= 1000 else 4 if size >= 1 else 8)


def size(count: int) -> str:
    """Return a count of bytes as a person reads it."""
    value, units = float(count), ("bytes", "KiB", "MiB", "GiB")
    for unit in units:
        if value < 1024 or unit == units[-1]:
            break
        value /= 1024
    return f"{number(value, 0 if unit == 'bytes' else 1)}{_THIN}{unit}"


# Times -----------------------------------------------------------------------------------------------------------


def stamp(ms: int) -> str:
    """Return epoch milliseconds as `YYYY-MM-DDTHH:MM:SSZ`."""
    return (_EPOCH + timedelta(milliseconds=int(ms))).isoformat(timespec="seconds").replace("+00:00", "Z")


def short_time(iso: str) -> str:
    """Return an ISO stamp of UTC as `YYYY-MM-DD HH:MM`."""
    return iso[:16].replace("T", " ")


def time_tag(iso: str, *, minutes: bool = False) -> Markup:
    """Return a `<time>` element of an ISO stamp of UTC; seconds are shown where there are any and they are wanted."""
    text = short_time(iso) if minutes else f"{iso[:10]} {iso[11:19]}".removesuffix(":00")
    return Markup(f'<time datetime="{escape(iso)}">{escape(text)}</time>')


def ago(then: str, now: str) -> str:
    """Return how long ago an ISO stamp was, in its largest unit."""
    seconds = int((datetime.fromisoformat(now) - datetime.fromisoformat(then)).total_seconds())
    if seconds < 5:
        return "just now"
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        if seconds >= length:
            count = seconds // length
            return f"{count:,} {unit}{'s' if count > 1 else ''} ago"
    raise AssertionError("five seconds are more than one")


def duration(ms: int) -> str:
    """Return a length of time in its two largest units."""
    minutes = ms // 60_000
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [f"{count:,} {unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if count]
    return " ".join(parts[:2]) or f"{number(ms / 1000, 1)} s"
