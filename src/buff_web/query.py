"""What a request may ask for, judged before anything is read.

The text of a query string goes in; typed values come out, or RUN_CONFIG_INVALID that names the field. An empty value is
the same as none, because a plain HTML form sends every field it has.
"""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from attrs import frozen

from buff import Timeframe
from buff.errors import RequestInvalid, RunConfigInvalid

FILTERS = ("symbol", "timeframe", "strategy", "risk_level", "tag", "since", "until", "sort")
RUNS_LIMIT, RUNS_LIMIT_MAX = 50, 200
TRADES_LIMIT, TRADES_LIMIT_MAX = 100, 1_000
BUCKETS_MIN, BUCKETS_MAX = 50, 3_000
FIELDS_MAX = 50

Given = Mapping[str, str]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS = re.compile(r"-?[0-9]{1,15}", re.ASCII)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2}))?", re.ASCII)


@frozen(kw_only=True)
class Window:
    """A stretch of market time, `[first_ms, last_ms)`, None where it is open, in at most `buckets` pieces."""

    first_ms: int | None
    last_ms: int | None
    buckets: int


@frozen(kw_only=True)
class TradesAsked:
    """A page of trades, of those alive between two instants."""

    first_ms: int | None
    last_ms: int | None
    limit: int
    after: int


def given(query_string: bytes, *, allowed: Collection[str]) -> dict[str, str]:
    """Return what a query string gives, in the order of `allowed`, without what is empty.

    Raises RunConfigInvalid on a name that is unknown or comes twice, RequestInvalid on bytes that are no text.
    """
    found: dict[str, str] = {}
    for name, text in _pairs(query_string):
        if name not in allowed:
            raise RunConfigInvalid(
                f"there is no query parameter {name[:80]!r} here",
                hint=f"one of {', '.join(allowed)}" if allowed else "leave it out",
                details={"field": name[:80]},
            )
        if name in found:
            raise _wrong(name, text, "is given twice", "give it once")
        found[name] = text.strip()
    return {name: found[name] for name in allowed if found.get(name)}


def _pairs(query_string: bytes) -> list[tuple[str, str]]:
    try:
        pairs = parse_qsl(query_string, keep_blank_values=True, max_num_fields=FIELDS_MAX)
        return [(name.decode(), text.decode()) for name, text in pairs]
    except ValueError as error:  # not UTF-8, or too many fields
        raise RequestInvalid("the query string cannot be read", hint="write it as percent-encoded UTF-8") from error


def run_filters(values: Given) -> dict[str, Any]:
    """Return the keyword arguments of `Store.runs` that a query describes."""
    filters: dict[str, Any] = {name: values[name] for name in ("symbol", "strategy", "tag", "sort") if name in values}
    if "timeframe" in values:
        filters["timeframe"] = _choice(values, "timeframe", [each.value for each in Timeframe])
    if "risk_level" in values:
        filters["risk_level"] = whole(values, "risk_level", default=1, low=1, high=5)
    for name in ("since", "until"):
        if name in values:
            filters[name] = _wall_clock(instant_ms(values, name))
    filters["limit"] = whole(values, "limit", default=RUNS_LIMIT, low=1, high=RUNS_LIMIT_MAX)
    filters["after"] = whole(values, "after", default=0, low=0, high=10**9)
    return filters


def window(values: Given) -> Window:
    """Return the window a query describes: `from`, `to` and `max`."""
    first_ms, last_ms = _bounds(values)
    buckets = whole(values, "max", default=BUCKETS_MAX, low=BUCKETS_MIN, high=BUCKETS_MAX)
    return Window(first_ms=first_ms, last_ms=last_ms, buckets=buckets)


def trades_asked(values: Given) -> TradesAsked:
    """Return the page of trades a query describes: `from`, `to`, `limit` and `after`."""
    first_ms, last_ms = _bounds(values)
    return TradesAsked(
        first_ms=first_ms,
        last_ms=last_ms,
        limit=whole(values, "limit", default=TRADES_LIMIT, low=1, high=TRADES_LIMIT_MAX),
        after=whole(values, "after", default=0, low=0, high=10**9),
    )


def whole(values: Given, name: str, *, default: int, low: int, high: int) -> int:
    """Return the whole number of a field, within bounds."""
    text = values.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and low <= int(text) <= high):
        raise _wrong(name, text, f"is not a whole number from {low} to {high}", f"leave it out for {default}")
    return int(text)


def instant_ms(values: Given, name: str) -> int:
    """Return a field that is an instant as epoch milliseconds: digits, a UTC date, or an ISO time with a zone."""
    text = values[name]
    try:
        return (_instant(text) - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError) as error:
        raise _wrong(
            name, text, "is not a time", "a UTC date, an ISO time that ends in Z or an offset, or epoch milliseconds"
        ) from error


def _instant(text: str) -> datetime:
    if _MILLISECONDS.fullmatch(text):
        return _EPOCH + timedelta(milliseconds=int(text))
    if not _TIME.fullmatch(text):
        raise ValueError(text)
    read = datetime.fromisoformat(text)
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)


def _bounds(values: Given) -> tuple[int | None, int | None]:
    first_ms, last_ms = (instant_ms(values, name) if name in values else None for name in ("from", "to"))
    if first_ms is not None and last_ms is not None and first_ms >= last_ms:
        raise _wrong(
            "to", values["to"], "is not later than `from`", "a window runs from `from` up to, not including, `to`"
        )
    return first_ms, last_ms


def _wall_clock(ms: int) -> str:
    """Return an instant in the form of the journal's times, which compare as text."""
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _choice(values: Given, name: str, choices: Collection[str]) -> str:
    if values[name] not in choices:
        raise _wrong(name, values[name], "is not known", f"one of {', '.join(choices)}")
    return values[name]


def _wrong(name: str, text: str, says: str, hint: str) -> RunConfigInvalid:
    return RunConfigInvalid(f"{name} {text[:80]!r} {says}", hint=hint, details={"field": name, "value": text[:80]})
