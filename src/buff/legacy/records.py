"""Decisions, trades and timeline entries of a legacy run: one small common view of every shape, the object beside it.

Decoded objects go in; frozen values come out in the order of the file. Nothing is reinterpreted: a field that is not
there is None, and `raw` is the object as it was written.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from attrs import asdict, frozen

from buff.legacy.fields import (
    POLICY,
    REASON,
    RULE,
    STRATEGY,
    TIME,
    VERSION,
    Object,
    first,
    inner,
    number,
    text,
    time_of,
    whole,
)
from buff.times import iso

_BLOCKING = frozenset({"BLOCK", "DENY", "BLOCKED", "FAIL_CLOSED"})
_ENTRY_TIME = ("entry_time", *TIME)


class _Stamped:
    """What values of this module share: `as_dict`, with instants as text."""

    def as_dict(self) -> dict[str, Any]:
        """Return the value as plain values; instants as `YYYY-MM-DDTHH:MM:SSZ`."""
        values = asdict(self, recurse=False)  # type: ignore[arg-type]
        for name in ("ts", "exit_ts"):
            if values.get(name) is not None:
                values[name] = iso(values[name])
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


@frozen(kw_only=True)
class LegacyDecision(_Stamped):
    """One decision record. `line` counts from 1, `ts` is epoch ms; `blocked` as permission, status or action say."""

    line: int
    ts: int | None
    action: str | None
    symbols: tuple[str, ...]
    timeframe: str | None
    strategy: str | None
    strategy_version: str | None
    risk_level: int | None
    risk_state: str | None
    permission: str | None
    reason: str | None
    rule: str | None
    policy: str | None
    price: float | None
    blocked: bool
    raw: Mapping[str, Any]


@frozen(kw_only=True)
class LegacyTrade(_Stamped):
    """One row of trades: a single fill, or a round trip from entry to exit. `row` counts from 1, instants are epoch ms,
    `price` is the fill's or the entry's.
    """

    row: int
    kind: Literal["fill", "round_trip"]
    ts: int | None
    exit_ts: int | None
    symbol: str | None
    side: str | None
    qty: float | None
    price: float | None
    exit_price: float | None
    pnl: float | None
    fees: float | None
    equity: float | None
    status: str | None
    raw: Mapping[str, Any]


@frozen(kw_only=True)
class LegacyMoment(_Stamped):
    """One entry of the timeline. `row` counts from 1, `ts` is epoch ms."""

    row: int
    ts: int | None
    type: str | None
    title: str | None
    detail: str | None
    severity: str | None
    raw: Mapping[str, Any]


def decision(line: int, raw: Object) -> LegacyDecision:
    """Return a decision record of any shape: flat, with its risk nested, or with strategy and time nested."""
    risk, selection = inner(raw, "risk"), inner(raw, "selection")
    permission = text(first(raw, ("permission",)) or first(risk, ("permission",)))
    action = text(raw.get("action"))
    said = (permission, action, text(raw.get("status")))
    return LegacyDecision(
        line=line,
        ts=time_of(raw),
        action=action,
        symbols=symbols_of(raw),
        timeframe=text(raw.get("timeframe")),
        strategy=strategy_of(raw) or strategy_of(selection),
        strategy_version=text(first(raw, VERSION) or first(inner(raw, "strategy"), VERSION)),
        risk_level=whole(first(raw, ("risk_level",)) if raw.get("risk_level") is not None else risk.get("level")),
        risk_state=text(raw.get("risk_state")) or text(risk.get("state")),
        permission=permission,
        reason=text(first(raw, REASON)) or text(first(risk, REASON)),
        rule=text(first(raw, RULE)) or text(first(risk, RULE)),
        policy=_policy(raw) or _policy(risk),
        price=number(raw.get("price")),
        blocked=any(word is not None and word.upper() in _BLOCKING for word in said),
        raw=raw,
    )


def strategy_of(raw: Object) -> str | None:
    """Return the id of the strategy an object names, by any of its names, also as `{id: ...}`."""
    value = first(raw, STRATEGY)
    return text(value.get("id")) if isinstance(value, dict) else text(value)


def symbols_of(raw: Object) -> tuple[str, ...]:
    """Return the symbols an object names, in its order."""
    several = raw.get("symbols")
    named = [raw.get("symbol"), *(several if isinstance(several, list) else ())]
    return tuple(dict.fromkeys(word for word in map(text, named) if word is not None))


def _policy(raw: Object) -> str | None:
    stated = text(first(raw, POLICY))
    if stated is not None:
        return stated
    layer = (text(raw.get("risk_layer")) or "").lower()
    if "hard" in layer or "cap" in layer:
        return "hard_cap"
    return "user_policy" if "user" in layer or "policy" in layer else None


def trade(row: int, raw: Object) -> LegacyTrade:
    """Return a row of trades of either shape."""
    both_ends = "exit_time" in raw or "entry_time" in raw
    return LegacyTrade(
        row=row,
        kind="round_trip" if both_ends else "fill",
        ts=time_of(raw, _ENTRY_TIME),
        exit_ts=time_of(raw, ("exit_time",)),
        symbol=text(raw.get("symbol")),
        side=text(raw.get("side")),
        qty=number(raw.get("qty")),
        price=number(first(raw, ("price", "entry_price"))),
        exit_price=number(raw.get("exit_price")),
        pnl=number(raw.get("pnl")),
        fees=number(first(raw, ("fees", "commission"))),
        equity=number(first(raw, ("equity", "equity_after"))),
        status=text(raw.get("status")),
        raw=raw,
    )


def moment(row: int, raw: Object) -> LegacyMoment:
    """Return an entry of the timeline of either shape."""
    return LegacyMoment(
        row=row,
        ts=time_of(raw),
        type=text(raw.get("type")),
        title=text(raw.get("title")),
        detail=text(raw.get("detail")),
        severity=text(raw.get("severity")),
        raw=raw,
    )


def earliest(*families: Iterable[LegacyDecision | LegacyTrade | LegacyMoment]) -> int | None:
    """Return the earliest instant of all values, epoch ms, or None."""
    return min((each.ts for family in families for each in family if each.ts is not None), default=None)
