"""The contract of a strategy: a pure function of bars and parameters to one target per bar, with its rules checked.

Bars and typed parameters go in; a target side and a reason code per bar come out. A strategy never sees equity, a
position or a fill, and nothing here reads a file, a clock or chance. Every strategy keeps these rules:

- `target[i]` is decided with data up to the close of bar i: -1 short, 0 flat, +1 long.
- `reason[i]` is not 0 exactly where the target changes (before bar 0 it is flat), and indexes `Strategy.reasons`.
- before bar `warmup(params)` the target is 0.
- two calls give the same bytes, and decisions on a prefix of the bars are the prefix of the decisions.
"""

import math
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from buff.errors import StrategyInvalid
from buff.market.bars import Bars

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

    rule: what it does, in a sentence. reasons: codes by index, the first of them "". sides: ("long",) or ("long",
    "short"). check: what is wrong with a combination of parameters that are each valid, or None.
    """

    id: str
    version: str
    citation: str
    rule: str
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
            raise broken(strategy, "shape", None, f"{name} must be {np.dtype(dtype).name}[{len(bars)}]")
    _check_rules(strategy, first, min(strategy.warmup(params), len(bars)))
    second = strategy.decide(bars, params)
    for name in ("target", "reason"):
        one, other = getattr(first, name), getattr(second, name)
        if one.tobytes() != other.tobytes():
            bar = int((one != other).argmax()) if len(one) == len(other) else None
            raise broken(strategy, "repeat", bar, f"asked twice, it gave two different answers for {name}")
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
            raise broken(strategy, rule, int(offences.argmax()), says)


def broken(strategy: Strategy, rule: str, bar: int | None, says: str) -> StrategyInvalid:
    """Return the error for a strategy that breaks its contract: which rule, and where."""
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
