"""What a strategy is: a pure function of bars and parameters to one target per bar, with its rules checked.

Bars and typed parameters go in; a target side and a reason code per bar come out. A strategy never sees equity, a
position or a fill, and nothing here reads a file, a clock or chance. The registered strategies stand in
`buff.decisions.strategies`; here is the contract every one of them must keep:

- `target[i]` is decided with data up to the close of bar i: -1 short, 0 flat, +1 long.
- `reason[i]` is not 0 exactly where the target changes (before bar 0 it is flat), and indexes `Strategy.reasons`.
- before bar `warmup(params)` the target is 0.
- two calls give the same bytes, and decisions on a prefix of the bars are the prefix of the decisions.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from buff.errors import StrategyInvalid
from buff.market.bars import PRICES, Bars

Value = int | float | bool | str
Params = Mapping[str, Value]
Scalar = TypeVar("Scalar", bound=np.generic)


@frozen(kw_only=True)
class Param:
    """One parameter of a strategy: `kind` is int, float, bool or str; `low` and `high` are inclusive bounds."""

    name: str
    kind: str
    default: Value
    says: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[Value, ...] = ()

    @property
    def allowed(self) -> str:
        """What the parameter takes, in words: "a whole number from 1 to 4096"."""
        if self.choices:
            return "one of " + ", ".join(str(choice) for choice in self.choices)
        bounds = {
            (False, False): "",
            (True, False): f" of at least {self.low}",
            (False, True): f" of at most {self.high}",
            (True, True): f" from {self.low} to {self.high}",
        }
        return _KINDS[self.kind] + bounds[self.low is not None, self.high is not None]


_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}


@frozen(kw_only=True, eq=False)
class Decisions:
    """What a strategy wants at each close: target int8[n] in -1, 0, +1 and reason uint8[n], 0 where nothing changes."""

    target: NDArray[np.int8]
    reason: NDArray[np.uint8]


def _nothing_to_object(params: Params) -> str | None:
    return None


@frozen(kw_only=True, eq=False)
class Strategy:
    """A registered rule. `decide` must be pure; `indicators` is what `explain` shows beside a decision.

    reasons: codes by index, the first of them "". sides: ("long",) or ("long", "short"). check: what is wrong with a
    combination of parameters that are each valid, or None.
    """

    id: str
    version: str
    citation: str
    says: str
    params: tuple[Param, ...]
    reasons: tuple[str, ...]
    sides: tuple[str, ...]
    warmup: Callable[[Params], int]
    decide: Callable[[Bars, Params], Decisions]
    check: Callable[[Params], str | None] = _nothing_to_object
    indicators: Callable[[Bars, Params], dict[str, NDArray[np.float64]]] | None = field(default=None)

    def __attrs_post_init__(self) -> None:
        assert self.reasons[:1] == ("",), "the reason with index 0 means: nothing changes"
        assert self.sides in (("long",), ("long", "short")), "a strategy may be long, or long and short"


# Parameters ----------------------------------------------------------------------------------------------------


def resolve(strategy: Strategy, given: Mapping[str, object]) -> dict[str, Value]:
    """Return every parameter of `strategy`, typed, defaults filled in, in the order of the names.

    An int takes 10 and 10.0; a float takes 2 and 2.0 and is finite; a bool is never a number and text is never
    parsed. Raises StrategyInvalid naming the parameter, the value and what is allowed.
    """
    known = {param.name: param for param in strategy.params}
    for name in sorted(given, key=str):
        if name not in known:
            raise StrategyInvalid(
                f"strategy {strategy.id} has no parameter {name!r}",
                hint=f"its parameters are: {', '.join(sorted(known)) or 'none'}",
                details={"strategy": strategy.id, "parameter": str(name), "known": sorted(known)},
            )
    params = {name: _typed(strategy, known[name], given.get(name, known[name].default)) for name in sorted(known)}
    objection = strategy.check(params)
    if objection is not None:
        raise StrategyInvalid(
            f"strategy {strategy.id}: {objection}",
            hint="change one of the parameters named",
            details={"strategy": strategy.id, "params": params},
        )
    return params


def parse_text(strategy: Strategy, texts: Mapping[str, str]) -> dict[str, object]:
    """Return parameters given as text ("10", "2.5", "true") as values of their kinds, for `resolve` to judge.

    Text that cannot be read as the parameter's kind, and names the strategy does not have, are left as they are.
    """
    kinds = {param.name: param.kind for param in strategy.params}
    return {name: _READERS[kinds.get(name, "str")](text.strip()) for name, text in texts.items()}


def _read_int(text: str) -> object:
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else _read_float(text)


def _read_float(text: str) -> object:
    try:
        return float(text) if text.isascii() and "_" not in text else text
    except ValueError:
        return text


def _read_bool(text: str) -> object:
    return {"true": True, "false": False}.get(text.lower(), text)


def _read_text(text: str) -> object:
    return text


_READERS: dict[str, Callable[[str], object]] = {
    "int": _read_int,
    "float": _read_float,
    "bool": _read_bool,
    "str": _read_text,
}


def _typed(strategy: Strategy, param: Param, value: object) -> Value:
    """Return `value` as the parameter's kind, or raise StrategyInvalid: kind first, then bounds, then choices."""
    typed = _of_kind(param.kind, value)
    if (
        typed is None
        or (param.low is not None and not isinstance(typed, str) and typed < param.low)
        or (param.high is not None and not isinstance(typed, str) and typed > param.high)
        or (param.choices and typed not in param.choices)
    ):
        raise StrategyInvalid(
            f"strategy {strategy.id}: {param.name} is {value!r}; it must be {param.allowed}",
            hint=f"the default is {param.default!r}",
            details={
                "strategy": strategy.id,
                "parameter": param.name,
                "value": repr(value),
                "allowed": param.allowed,
                "default": param.default,
            },
        )
    return typed


def _of_kind(kind: str, value: object) -> Value | None:
    match kind, value:
        case "bool", bool():
            return value
        case _, bool():
            return None
        case "int", int():
            return value
        case "int", float() if value.is_integer():
            return int(value)
        case "float", int() | float():
            return _finite(value)
        case "str", str():
            return value
    return None


def _finite(value: int | float) -> float | None:
    try:
        number = float(value) + 0.0  # -0.0 becomes 0.0: one value, one identity
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


# Decisions -----------------------------------------------------------------------------------------------------


def decide(strategy: Strategy, bars: Bars, params: Params) -> Decisions:
    """Return the strategy's decisions, read-only, after checking that they keep the contract.

    The rule is asked twice: a second answer with other bytes is refused. Raises StrategyInvalid with the rule that
    was broken and, where there is one, the first bar that breaks it.
    """
    first = strategy.decide(bars, params)
    for name, array, dtype in (("target", first.target, np.int8), ("reason", first.reason, np.uint8)):
        if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != (len(bars),):
            raise _broken(strategy, "shape", None, f"{name} must be {np.dtype(dtype).name}[{len(bars)}]")
    _check_rules(strategy, first, min(strategy.warmup(params), len(bars)))
    second = strategy.decide(bars, params)
    for name in ("target", "reason"):
        one, other = getattr(first, name), getattr(second, name)
        if one.tobytes() != other.tobytes():
            bar = int((one != other).argmax()) if len(one) == len(other) else None
            raise _broken(strategy, "repeat", bar, f"asked twice, it gave two different answers for {name}")
    return Decisions(target=_read_only(first.target), reason=_read_only(first.reason))


def _check_rules(strategy: Strategy, decisions: Decisions, warmup: int) -> None:
    target, reason = decisions.target, decisions.reason
    changed = np.empty(len(target), np.bool_)
    changed[:1] = target[:1] != 0
    np.not_equal(target[1:], target[:-1], out=changed[1:])
    lowest = -1 if "short" in strategy.sides else 0
    rules = (
        ("warmup", target[:warmup] != 0, f"the target must be 0 on the {warmup} bars of the warm-up"),
        ("range", (target > 1) | (target < -1), "the target must be -1, 0 or +1"),
        ("side", target < lowest, "it is short, but declares the side long only"),
        ("reason", reason >= len(strategy.reasons), f"reason codes go up to {len(strategy.reasons) - 1}"),
        ("reason", (reason != 0) != changed, "a reason must stand exactly where the target changes"),
    )
    for rule, offences, says in rules:
        if offences.any():
            raise _broken(strategy, rule, int(offences.argmax()), says)


def _broken(strategy: Strategy, rule: str, bar: int | None, says: str) -> StrategyInvalid:
    where = "" if bar is None else f" at bar {bar}"
    return StrategyInvalid(
        f"strategy {strategy.id} breaks its contract{where}: {says}",
        hint="this is a fault of the strategy, not of the data",
        details={"strategy": strategy.id, "rule": rule, "bar": bar},
    )


def _read_only(array: NDArray[Scalar]) -> NDArray[Scalar]:
    own = array.copy()
    own.flags.writeable = False
    return own


# Look-ahead ----------------------------------------------------------------------------------------------------

PREFIXES = 16
FUTURE_BARS = 256
_GOLDEN = 0.6180339887498949


def check_no_lookahead(strategy: Strategy, bars: Bars, params: Params) -> None:
    """Check that decisions on a prefix of the bars do not depend on what follows it. Raises StrategyInvalid.

    Sixteen prefixes are tried, each cut off, followed by 256 bars at eight times the price, and by 256 bars at an
    eighth of it. Cutting alone misses a rule that looks ahead and pads the end; the two false futures do not.
    """
    whole = decide(strategy, bars, params)
    for length in _prefix_lengths(whole.target, strategy.warmup(params)):
        prefix = bars[:length]
        futures = {
            "was cut off": prefix,
            "was 256 bars at 8 times the price": _followed(prefix, _times_eight),
            "was 256 bars at an eighth of the price": _followed(prefix, _eighth),
        }
        for how, seen in futures.items():
            again = decide(strategy, seen, params)
            differs = again.target[:length] != whole.target[:length]
            differs |= again.reason[:length] != whole.reason[:length]
            if differs.any():
                says = f"it decides otherwise when what follows bar {length - 1} {how}"
                raise _broken(strategy, "lookahead", int(differs.argmax()), says)


def _prefix_lengths(target: NDArray[np.int8], warmup: int) -> list[int]:
    """Return up to sixteen distinct lengths in 1..n-1: both ends, ends on a change of target, then an even spread."""
    count = len(target)
    changes = (np.flatnonzero(target[1:] != target[:-1]) + 2).tolist()
    some = changes[:: max(1, len(changes) // 6)][:6]
    wanted = dict.fromkeys(length for length in (warmup + 1, count - 1, *some) if 0 < length < count)
    for length in _spread(count):
        if len(wanted) >= min(PREFIXES, count - 1):
            break
        wanted.setdefault(length)
    return list(wanted)


def _spread(count: int) -> Iterator[int]:
    """Yield lengths in 1..count-1 spread by the golden ratio, then every other one, so that none is out of reach."""
    for step in range(1, 4 * PREFIXES):
        yield 1 + int((step * _GOLDEN) % 1.0 * (count - 1))
    yield from range(1, count)


def _followed(prefix: Bars, scale: Callable[[NDArray[np.float64], int | None], NDArray[np.float64]]) -> Bars:
    """Return the prefix and, after it, its own bars backwards with scaled prices: at least one, 256 in all."""
    source = len(prefix) - 1 - np.arange(FUTURE_BARS) % len(prefix)
    number = prefix.timeframe.index(prefix.ts[-1:]) + np.arange(1, FUTURE_BARS + 1)
    later: dict[str, NDArray[Any]] = {name: scale(getattr(prefix, name)[source], prefix.decimals) for name in PRICES}
    later["ts"] = prefix.timeframe.start(number)
    later["volume"] = prefix.volume[source]
    later["filled"] = np.zeros(FUTURE_BARS, np.uint8)
    columns = {name: np.concatenate([getattr(prefix, name), column]) for name, column in later.items()}
    return Bars(timeframe=prefix.timeframe, decimals=prefix.decimals, **columns)


def _times_eight(prices: NDArray[np.float64], decimals: int | None) -> NDArray[np.float64]:
    return prices * 8.0


def _eighth(prices: NDArray[np.float64], decimals: int | None) -> NDArray[np.float64]:
    if decimals is None:
        return prices / 8.0
    unit = float(10**decimals)
    return np.maximum(np.rint(prices / 8.0 * unit), 1.0) / unit
