"""What a strategy must keep: typed parameters, and decisions that obey the rules."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

import buff.decisions
from buff.bench import made
from buff.decisions.contract import (
    PRICE_MAX,
    PRICE_MIN,
    Decisions,
    Param,
    Params,
    Strategy,
    check_prices,
    decide,
    parse_text,
    resolve,
)
from buff.decisions.strategy import strategies, strategy
from buff.errors import RunConfigInvalid, StrategyInvalid
from buff.market.bars import PRICES, Bars
from buff.market.timeframe import Timeframe
from worlds import bars_of

BARS = bars_of(Timeframe.HOUR_1, [1.0] * 6, [1.0, 2.0, 3.0, 2.0, 1.0, 2.0])


def _answer(target: Any, reason: Any) -> Callable[[Bars, Params], Decisions]:
    def answer(bars: Bars, params: Params) -> Decisions:
        return Decisions(target=np.array(target), reason=np.array(reason))

    return answer


def _int8(*values: int) -> np.ndarray:
    return np.array(values, np.int8)


def _uint8(*values: int) -> np.ndarray:
    return np.array(values, np.uint8)


def _check(params: Params) -> str | None:
    together = params["count"] == 9 and params["mode"] == "b"
    return "count (9) must not be used with mode b" if together else None


RULE = Strategy(
    id="rule",
    version="1",
    citation="none",
    rule="a rule for tests",
    params=(
        Param(name="count", kind="int", default=5, low=1, high=9),
        Param(name="limit", kind="float", default=0.5, low=-1.0, high=2.0),
        Param(name="mode", kind="str", default="a", choices=("a", "b")),
        Param(name="strict", kind="bool", default=False),
    ),
    reasons=("", "up", "down"),
    sides=("long", "short"),
    warmup=lambda params: 1,
    check=lambda params: (
        "count (9) must not be used with mode b" if params["count"] == 9 and params["mode"] == "b" else None
    ),
    decide=_answer(_int8(0, 1, 1, -1, 0, 0), _uint8(0, 1, 0, 2, 1, 0)),
)


def test_defaults_are_filled_in_and_values_are_typed_in_the_order_of_the_names() -> None:
    found = resolve(RULE, {"limit": 2, "count": 7.0})
    assert found == {"count": 7, "limit": 2.0, "mode": "a", "strict": False}
    assert list(found) == sorted(found)
    assert [type(value) for value in found.values()] == [int, float, str, bool]


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"speed": 1}, "no parameter 'speed'"),
        ({"count": 0}, "count is 0; it must be a whole number from 1 to 9"),
        ({"count": 10}, "count is 10; it must be a whole number from 1 to 9"),
        ({"count": 2.5}, "count is 2.5"),
        ({"count": True}, "count is True"),
        ({"count": "5"}, "count is '5'"),
        ({"count": None}, "count is None"),
        ({"count": math.nan}, "count is nan"),
        ({"count": math.inf}, "count is inf"),
        ({"limit": math.inf}, "limit is inf; it must be a number from -1.0 to 2.0"),
        ({"limit": math.nan}, "limit is nan"),
        ({"limit": False}, "limit is False"),
        ({"limit": 10**400}, "limit is 1000"),
        ({"mode": "c"}, "mode is 'c'; it must be one of a, b"),
        ({"mode": 1}, "mode is 1"),
        ({"strict": 1}, "strict is 1; it must be true or false"),
        ({"count": 9, "mode": "b"}, r"count \(9\) must not be used"),
    ],
)
def test_a_wrong_parameter_is_named_with_its_value_and_what_is_allowed(given_: dict[str, Any], message: str) -> None:
    with pytest.raises(StrategyInvalid, match=message) as caught:
        resolve(RULE, given_)
    assert caught.value.hint


def test_minus_zero_is_the_same_parameter_as_zero() -> None:
    value = resolve(RULE, {"limit": -0.0})["limit"]
    assert math.copysign(1.0, float(value)) == 1.0


def test_text_is_read_by_kind_and_left_alone_where_it_cannot_be() -> None:
    texts = {"count": "7", "limit": "1e-1", "mode": "b", "strict": "True"}
    assert parse_text(RULE, texts) == {"count": 7, "limit": 0.1, "mode": "b", "strict": True}
    odd = {"count": "seven", "limit": "1_0", "strict": "yes", "unknown": "1"}
    assert parse_text(RULE, odd) == odd
    assert parse_text(RULE, {"count": "7.0"}) == {"count": 7.0}


anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just([1])


@given(st.dictionaries(st.sampled_from(["count", "limit", "mode", "strict", "other"]), anything))
def test_what_resolves_is_valid_and_resolves_to_itself(given_: dict[str, Any]) -> None:
    """Invariants checked: every name present, exact types, bounds kept, idempotent; else it is StrategyInvalid."""
    try:
        found = resolve(RULE, given_)
    except StrategyInvalid:
        return
    assert set(found) == {"count", "limit", "mode", "strict"}
    assert type(found["count"]) is int
    assert 1 <= found["count"] <= 9
    assert type(found["limit"]) is float
    assert -1.0 <= found["limit"] <= 2.0
    assert found["mode"] in ("a", "b")
    assert type(found["strict"]) is bool
    assert resolve(RULE, found) == found


@given(st.integers(1, 9), st.floats(-1, 2), st.sampled_from("ab"), st.booleans())
def test_what_the_command_line_writes_is_read_back(count: int, limit: float, mode: str, strict: bool) -> None:
    texts = {"count": str(count), "limit": repr(limit), "mode": mode, "strict": str(strict).lower()}
    params = {"count": count, "limit": limit, "mode": mode, "strict": strict}
    if count == 9 and mode == "b":
        return
    assert resolve(RULE, parse_text(RULE, texts)) == resolve(RULE, params)


def test_decisions_that_keep_the_rules_are_returned_read_only() -> None:
    found = decide(RULE, BARS, resolve(RULE, {}))
    assert found.target.tolist() == [0, 1, 1, -1, 0, 0]
    assert not found.target.flags.writeable
    assert not found.reason.flags.writeable


@pytest.mark.parametrize(
    ("target", "reason", "rule", "bar"),
    [
        (np.zeros(6), _uint8(*[0] * 6), "shape", None),
        (_int8(0, 0), _uint8(0, 0), "shape", None),
        (_int8(*[0] * 6), _int8(*[0] * 6), "shape", None),
        (_int8(1, 1, 1, 1, 1, 1), _uint8(1, 0, 0, 0, 0, 0), "warmup", 0),
        (_int8(0, 0, 2, 2, 2, 2), _uint8(0, 0, 1, 0, 0, 0), "range", 2),
        (_int8(0, 0, 0, -2, -2, -2), _uint8(0, 0, 0, 1, 0, 0), "range", 3),
        (_int8(0, 1, 1, 1, 1, 1), _uint8(0, 3, 0, 0, 0, 0), "reason", 1),
        (_int8(0, 1, 1, 1, 1, 1), _uint8(0, 0, 1, 0, 0, 0), "reason", 1),
        (_int8(0, 1, 1, 1, 1, 1), _uint8(0, 1, 0, 0, 2, 0), "reason", 4),
    ],
)
def test_decisions_that_break_a_rule_are_refused_with_the_bar(
    target: Any, reason: Any, rule: str, bar: int | None
) -> None:
    with pytest.raises(StrategyInvalid) as caught:
        decide(evolve(RULE, decide=_answer(target, reason)), BARS, resolve(RULE, {}))
    assert (caught.value.details["rule"], caught.value.details["bar"]) == (rule, bar)


def test_a_strategy_that_declares_long_only_may_not_go_short() -> None:
    with pytest.raises(StrategyInvalid, match="at bar 3") as caught:
        decide(evolve(RULE, sides=("long",)), BARS, resolve(RULE, {}))
    assert caught.value.details["rule"] == "side"


def test_two_answers_to_one_question_are_refused() -> None:
    answers = iter([_answer(_int8(0, 0, 1, 1, 1, 1), _uint8(0, 0, 1, 0, 0, 0)), RULE.decide])
    fickle = evolve(RULE, decide=lambda bars, params: next(answers)(bars, params))
    with pytest.raises(StrategyInvalid, match="two different answers for target") as caught:
        decide(fickle, BARS, resolve(RULE, {}))
    assert caught.value.details["bar"] == 1


def test_every_rule_of_the_contract_is_documented() -> None:
    """The rules that stand in the source, by the calls that name them, and those on the page of errors."""
    source = Path(buff.decisions.__file__).parent
    modules = [source / "contract.py", source / "lookahead.py", source / "plugins.py", source.parent / "testing.py"]
    text = "".join(path.read_text(encoding="utf-8") for path in modules)
    named = {*re.findall(r'broken\(\w+, "(\w+)"', text), *re.findall(r'^        \("(\w+)", \(?\w', text, re.MULTILINE)}
    page = (Path(__file__).parents[3] / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    table = page.split("where a strategy breaks its contract")[1].split("## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == named


# Prices of any unit


TO_THE_TOP, TO_THE_BOTTOM = 2.0**316, 2.0**-345  # the prices below are around 30,000


def _scaled(bars: Bars, factor: float) -> Bars:
    """Return the bars with their prices times a power of two: the very same numbers, but for their exponents."""
    return evolve(bars, decimals=None, **{name: getattr(bars, name) * factor for name in PRICES})


@pytest.mark.parametrize("id", sorted(strategies()))
def test_a_strategy_decides_the_same_whatever_the_unit_of_the_prices(id: str) -> None:
    """A warning of numpy would be an error here: nothing overflows, and nothing vanishes."""
    bars = _scaled(made.walk(3_000, Timeframe.HOUR_1), 1.0)
    rule, params = strategy(id), resolve(strategy(id), {})
    here = decide(rule, bars, params)
    assert np.count_nonzero(here.reason), "something is decided"
    for factor in (TO_THE_TOP, TO_THE_BOTTOM):
        far = _scaled(bars, factor)
        assert far.low.min() < 1e3 * PRICE_MIN or far.high.max() > 1e-3 * PRICE_MAX, "it is nearly at the end"
        check_prices(far)
        assert decide(rule, far, params).target.tobytes() == here.target.tobytes()


@pytest.mark.parametrize("factor", [2.0**400, 2.0**-400, 2.0**980, 2.0**-1000])
def test_prices_that_nobody_can_compute_with_are_refused(factor: float) -> None:
    with pytest.raises(RunConfigInvalid, match="leave the range in which a strategy can compute") as caught:
        check_prices(_scaled(made.walk(200, Timeframe.HOUR_1), factor))
    assert "1e-100 to 1e+100" in caught.value.hint


def test_one_price_is_enough_to_refuse_all() -> None:
    bars = made.walk(200, Timeframe.HOUR_1)
    check_prices(bars)
    low = bars.low.copy()
    low[77] = PRICE_MIN / 2
    with pytest.raises(RunConfigInvalid, match="prices from 5e-101 to"):
        check_prices(evolve(bars, low=low))
