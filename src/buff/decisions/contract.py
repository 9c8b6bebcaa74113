"""The contract of a strategy: a pure function of bars and parameters to one target per bar, with its rules checked.

Bars and typed parameters go in; a target side and a reason code per bar come out. A strategy never sees equity, a
position or a fill, and nothing here reads a file, a clock or chance. Every strategy keeps these rules:

- `target[i]` is decided with data up to the close of bar i: -1 short, 0 flat, +1 long.
- `reason[i]` is not 0 exactly where the target changes (before bar 0 it is flat), and indexes `Strategy.reasons`.
- before bar `warmup(params)` the target is 0.
- two calls give the same bytes, and decisions on a prefix of the bars are the prefix of the decisions.
"""

import linecache
import math
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from buff.errors import RunConfigInvalid, StrategyInvalid
from buff.market.bars import Bars

Value = int | float | bool | str
Params = Mapping[str, Value]
Scalar = TypeVar("Scalar", bound=np.generic)
Given = ParamSpec("Given")
Answer = TypeVar("Answer")

REASONS_MAX = 255  # a reason's index is a uint8, and 0 means that nothing changes
RISK_PREFIX = "risk_"  # the reasons of risk.v1 begin so
# Between these the square of a price, and of a 1e-12th of it, times that of the longest window is a normal double.
PRICE_MIN, PRICE_MAX = 1e-100, 1e100
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


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
    objection = asked(strategy, "check", strategy.check, frozen_params(params))
    if objection is not None:
        raise StrategyInvalid(
            f"strategy {strategy.id}: {objection}",
            hint="change one of the parameters named",
            details={"strategy": strategy.id, "params": params},
        )
    return params


def parameters_schema(strategy: Strategy) -> dict[str, Any]:
    """Return the parameters of `strategy` as a JSON Schema (2020-12): types, bounds, choices, defaults, and no others.

    What a combination may not be (`Strategy.check`) no schema says.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": strategy.id,
        "type": "object",
        "properties": {param.name: _property(param) for param in strategy.params},
        "additionalProperties": False,
    }


def _property(param: Param) -> dict[str, Any]:
    told = {
        "type": _JSON_TYPES[param.kind],
        "description": param.says,
        "default": param.default,
        "minimum": param.low,
        "maximum": param.high,
        "enum": list(param.choices) or None,
    }
    return {name: value for name, value in told.items() if value is not None and value != ""}


_JSON_TYPES = {"int": "integer", "float": "number", "bool": "boolean", "str": "string"}


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


def check_prices(bars: Bars) -> None:
    """Raise RunConfigInvalid for prices (of at least one bar) of which no strategy can compute what it means to.

    Beyond 1e-100 and 1e100 a spread or an average would be infinite, or nothing, and what was decided would be noise.
    """
    low, high = float(bars.low.min()), float(bars.high.max())
    if low < PRICE_MIN or high > PRICE_MAX:
        raise RunConfigInvalid(
            f"prices from {low!r} to {high!r} leave the range in which a strategy can compute with them",
            hint=f"bring them in a unit in which they are from {PRICE_MIN:g} to {PRICE_MAX:g}",
            details={"field": "dataset", "low": low, "high": high},
        )


def decide(strategy: Strategy, bars: Bars, params: Params) -> Decisions:
    """Return the strategy's decisions, read-only, after checking that they keep the contract.

    The rule is asked twice: a second answer with other bytes is refused. Raises StrategyInvalid with the rule that
    was broken and, where there is one, the first bar that breaks it; for an exception, with its own last line.
    """
    given = frozen_params(params)
    first = _answer(strategy, bars, given)
    _check_rules(strategy, first, min(warmup(strategy, given), len(bars)))
    second = _answer(strategy, bars, given)
    for name in ("target", "reason"):
        one, other = getattr(first, name), getattr(second, name)
        if one.tobytes() != other.tobytes():
            says = f"asked twice, it gave two different answers for {name}"
            raise broken(strategy, "repeat", int((one != other).argmax()), says)
    return Decisions(target=_read_only(first.target), reason=_read_only(first.reason))


def warmup(strategy: Strategy, params: Params) -> int:
    """Return how many bars a strategy sees before it may decide. Raises StrategyInvalid unless that is a count."""
    found = asked(strategy, "warmup", strategy.warmup, params)
    if type(found) is not int or found < 0:
        raise broken(strategy, "warmup", None, f"warmup must return a whole number of at least 0, not {found!r}")
    return found


def indicators(strategy: Strategy, bars: Bars, params: Params) -> dict[str, NDArray[np.float64]]:
    """Return what a strategy shows beside its decisions, by name, each float64[n]; nothing where it shows nothing.

    Raises StrategyInvalid for anything else.
    """
    if strategy.indicators is None:
        return {}
    found = asked(strategy, "indicators", strategy.indicators, bars, frozen_params(params))
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise broken(strategy, "shape", None, "indicators must return a dict of arrays by name")
    for name, array in found.items():
        _check_array(strategy, f"indicator {name}", array, np.float64, len(bars))
    return found


def frozen_params(params: Params) -> Params:
    """Return parameters that nobody can change: a strategy that tries raises."""
    return MappingProxyType(dict(params))


def _answer(strategy: Strategy, bars: Bars, params: Params) -> Decisions:
    found = asked(strategy, "decide", strategy.decide, bars, params)
    if not isinstance(found, Decisions):
        raise broken(strategy, "shape", None, f"decide must return Decisions, not {type(found).__name__}")
    _check_array(strategy, "target", found.target, np.int8, len(bars))
    _check_array(strategy, "reason", found.reason, np.uint8, len(bars))
    return found


def _check_array(strategy: Strategy, name: str, array: object, dtype: type[np.generic], length: int) -> None:
    if isinstance(array, np.ndarray) and array.dtype == dtype and array.shape == (length,):
        return
    is_a = f"{array.dtype}{list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
    raise broken(strategy, "shape", None, f"{name} must be {np.dtype(dtype).name}[{length}], it is {is_a}")


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


def broken(strategy: Strategy, rule: str, bar: int | None, says: str, **evidence: object) -> StrategyInvalid:
    """Return the error for a strategy that breaks its contract: which rule, where, and what else was seen."""
    where = "" if bar is None else f" at bar {bar}"
    return StrategyInvalid(
        f"strategy {strategy.id} breaks its contract{where}: {says}",
        hint="this is a fault of the strategy, not of the data",
        details={"strategy": strategy.id, "rule": rule, "bar": bar, **evidence},
    )


def asked(
    strategy: Strategy, part: str, call: Callable[Given, Answer], *given: Given.args, **named: Given.kwargs
) -> Answer:
    """Return what a part of a strategy answers. Whatever it raises becomes StrategyInvalid with its own last line.

    How numpy treats overflow and the like is afterwards what it was, whatever the strategy asked of it.
    """
    try:
        with np.errstate():
            return call(*given, **named)
    except (Exception, SystemExit) as error:
        package = home(call)
        raise broken(strategy, "raised", None, f"{part} raised {raised(error)}", **evidence(error, package)) from error


def home(call: object) -> str:
    """Return the top-level package a callable was written in."""
    while callable(wrapped := getattr(call, "func", None)):
        call = wrapped  # functools.partial is only a wrapper
    return str(getattr(call, "__module__", "")).partition(".")[0]


def raised(error: BaseException) -> str:
    """Return an exception in one line: its type and what it says."""
    says = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {says}" if says else type(error).__name__


def evidence(error: BaseException, package: str) -> dict[str, str]:
    """Return what an exception says, where in `package` it came from, and the line that stands there.

    The place is the module's name and never a path of this machine. An exception that passed no line of the package
    is placed at its last line.
    """
    frames = [
        (str(frame.f_globals.get("__name__", "")), line, frame.f_code)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    own = [each for each in frames if each[0].partition(".")[0] == package] or frames
    found = {"raised": raised(error)}
    if own:
        module, line, code = own[-1]
        found["place"] = f"{module}, line {line}, in {code.co_name}"
        found["source_line"] = linecache.getline(code.co_filename, line).strip()
    return found


# What a strategy declares of itself ----------------------------------------------------------------------------


def check_declared(strategy: Strategy) -> None:
    """Check all that a strategy says of itself, before it is asked anything. Raises StrategyInvalid."""
    for says in _declared_wrongly(strategy):
        raise broken(strategy, "declared", None, says)
    for param in strategy.params:
        for value in (param.default, *param.choices):
            _typed(strategy, param, value)
    warmup(strategy, resolve(strategy, {}))


def _declared_wrongly(strategy: Strategy) -> Iterator[str]:
    if not is_name(strategy.id):
        yield f"the id {strategy.id!r} is not made of a-z, 0-9 and _, beginning with a letter, at most 64 of them"
    for name in ("version", "citation", "rule"):
        value = getattr(strategy, name)
        if not isinstance(value, str) or not value.strip():
            yield f"{name} must be a text that says something"
    reasons = strategy.reasons[1:]
    if not isinstance(strategy.reasons, tuple) or len(reasons) > REASONS_MAX or len(set(reasons)) != len(reasons):
        yield f"reasons must be a tuple of at most {REASONS_MAX + 1} different texts"
    for reason in reasons:
        if not is_name(reason) or reason.startswith(RISK_PREFIX):
            yield f"the reason {reason!r} is not a word of a-z, 0-9 and _ that does not begin with {RISK_PREFIX}"
    names = [param.name for param in strategy.params]
    if not isinstance(strategy.params, tuple) or len(set(names)) != len(names):
        yield "params must be a tuple of parameters with different names"
    for param in strategy.params:
        if not is_name(param.name) or param.kind not in _KINDS:
            yield f"parameter {param.name!r} must have a name of a-z, 0-9 and _, and be one of {', '.join(_KINDS)}"


def is_name(value: object) -> bool:
    """Say whether a value is a text that may be an id, a parameter's name or a reason."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _read_only(array: NDArray[Scalar]) -> NDArray[Scalar]:
    own = array.copy()
    own.flags.writeable = False
    return own
