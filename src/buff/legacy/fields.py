"""The many names one thing had: values out of foreign objects, by every name the previous generation wrote.

Plain JSON values go in; text that can be printed, numbers that are finite and instants in epoch milliseconds come out,
or None where there is no such thing. Nothing is guessed but what was the rule then: a time without a zone is UTC.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from buff.market.timestamps import MAGNITUDES, UNITS_NS, Fault, stamp

TEXT_MAX = 200

TIME = ("timestamp", "timestamp_utc", "ts_utc", "ts", "time", "date")
POINT = ("t", *TIME)  # of an equity curve
STRATEGY = ("strategy_id", "strategy", "strategy_name")
VERSION = ("strategy_version", "version")
REASON = ("risk_reason", "reason", "reason_code", "risk_rule")
RULE = ("risk_rule_id", "rule_id")
POLICY = ("risk_policy_type", "policy_type")

Object = Mapping[str, Any]
_WRITTEN = (str, int, float)
_NOTHING: Object = {}


def first(raw: Object, names: Sequence[str]) -> Any:
    """Return the first value that is not null under any of the names, or None."""
    for name in names:
        value = raw.get(name)
        if value is not None:
            return value
    return None


def inner(raw: Object, name: str) -> Object:
    """Return the object under a name, or an empty one."""
    value = raw.get(name)
    return value if isinstance(value, dict) else _NOTHING


def text(value: Any) -> str | None:
    """Return a word or number as at most 200 printable characters; None for anything else and for nothing."""
    if value is None or isinstance(value, bool) or not isinstance(value, _WRITTEN):
        return None
    cut = str(value).strip()[:TEXT_MAX]
    if not cut.isprintable():
        cut = "".join(letter if letter.isprintable() else "�" for letter in cut)
    return cut or None


def number(value: Any) -> float | None:
    """Return a finite number, also when it was written as text (fixed decimals), else None."""
    if value is None or isinstance(value, bool) or not isinstance(value, _WRITTEN):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def whole(value: Any) -> int | None:
    """Return a whole number below a million, the size of levels and counts of a person, else None."""
    found = number(value)
    return int(found) if found is not None and found.is_integer() and abs(found) < 1e6 else None


def time_of(raw: Object, names: Sequence[str] = TIME) -> int | None:
    """Return the instant of an object by any of its names, also under `metadata`, in epoch milliseconds."""
    value = first(raw, names)
    return instant(value if value is not None else first(inner(raw, "metadata"), names))


def instant(value: Any) -> int | None:
    """Return a time as epoch milliseconds: ISO text, naive read as UTC, or an epoch whose unit its digits tell."""
    match value:
        case bool() | None:
            return None
        case int():
            return next((value * UNITS_NS[unit] // 1_000_000 for bound, unit in MAGNITUDES if 0 <= value < bound), None)
        case float():
            return instant(int(value)) if value.is_integer() else None
        case str():
            found = stamp(value.strip())
            return None if isinstance(found, Fault) else found.ns // 1_000_000
        case _:
            return None
