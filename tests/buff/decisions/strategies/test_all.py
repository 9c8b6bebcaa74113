"""What every registered strategy keeps: its contract, its warm-up, and that it does not look ahead."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from buff.decisions.contract import Param, Params, Strategy
from buff.decisions.strategy import check_no_lookahead, decide, resolve, strategies, strategy
from buff.market.bars import PRICES, Bars
from golden_strategies import BUSY
from textbook import MARKETS, walk

IDS = sorted(strategies())
WAYS = [(id, direction) for id in BUSY for direction in ("long", "short", "both")]


def _drawn(param: Param) -> st.SearchStrategy[object]:
    """Values of a parameter that are allowed, windows short enough for short markets."""
    if param.choices:
        return st.sampled_from(param.choices)
    low, high = param.low, param.high
    assert low is not None
    assert high is not None
    return st.integers(int(low), min(int(high), 40)) if param.kind == "int" else st.floats(low, high)


# Parameters that `check` wants in this order.
ORDERED = {
    "donchian_breakout": ("exit", "entry"),
    "ema_cross": ("fast", "slow"),
    "ma_cross": ("fast", "slow"),
    "macd": ("fast", "slow"),
    "rsi_reversion": ("oversold", "exit", "overbought"),
}


def _resolved(rule: Strategy, data: st.DataObject) -> Params:
    drawn: dict[str, Any] = {param.name: data.draw(_drawn(param), label=param.name) for param in rule.params}
    names = ORDERED.get(rule.id, ())
    drawn |= dict(zip(names, sorted(drawn[name] for name in names), strict=True))
    if "fast" in drawn and drawn["fast"] == drawn["slow"]:
        drawn["slow"] += 1
    return resolve(rule, drawn)


@pytest.mark.parametrize("id", IDS)
@given(bars=MARKETS, data=st.data())
def test_any_parameters_give_decisions_that_keep_the_contract_and_no_later_bar_changes_one(
    id: str, bars: Bars, data: st.DataObject
) -> None:
    """Invariants checked: S4 (by `decide`); a prefix cut off, and a prefix with another future, decide the same."""
    rule = strategy(id)
    params = _resolved(rule, data)
    bars = evolve(bars, decimals=data.draw(st.sampled_from((2, None))))
    whole = decide(rule, bars, params)
    cut = data.draw(st.integers(1, len(bars)))
    factor = data.draw(st.sampled_from((0.01, 0.5, 3.0, 8.0)))
    prices = {name: getattr(bars, name).copy() for name in PRICES}
    for column in prices.values():
        column[cut:] = np.maximum(np.rint(column[cut:] * factor * 100), 1.0) / 100
    for seen in (bars[:cut], evolve(bars, **prices)):
        found = decide(rule, seen, params)
        assert found.target[:cut].tobytes() == whole.target[:cut].tobytes()
        assert found.reason[:cut].tobytes() == whole.reason[:cut].tobytes()


@pytest.mark.parametrize(("id", "direction"), WAYS)
@pytest.mark.parametrize("decimals", [2, None])
def test_none_looks_ahead_where_it_decides_often(id: str, direction: str, decimals: int | None) -> None:
    rule, bars = strategy(id), evolve(walk(5), decimals=decimals)
    params = resolve(rule, {**BUSY[id], "direction": direction})
    check_no_lookahead(rule, bars, params)
    assert np.count_nonzero(decide(rule, bars, params).reason) > 20


@pytest.mark.parametrize("id", sorted(BUSY))
def test_every_reason_that_is_declared_is_given(id: str) -> None:
    rule, given_ = strategy(id), set()
    for direction in ("long", "short", "both"):
        reason = decide(rule, walk(5), resolve(rule, {**BUSY[id], "direction": direction})).reason
        given_ |= {rule.reasons[code] for code in np.unique(reason)}
    assert given_ == set(rule.reasons)


@pytest.mark.parametrize("id", sorted(BUSY))
def test_long_only_and_short_only_are_what_they_say(id: str) -> None:
    rule = strategy(id)
    sides = {
        direction: set(decide(rule, walk(5), resolve(rule, {**BUSY[id], "direction": direction})).target.tolist())
        for direction in ("long", "short", "both")
    }
    assert (sides["long"], sides["short"]) == ({0, 1}, {-1, 0})
    assert {-1, 1} <= sides["both"]
    assert resolve(rule, {})["direction"] == "long"


LOOKBACKS: dict[str, Callable[[Any, Params], int]] = {
    "atr_channel_breakout": lambda lookback, p: max(lookback("SMA", p["average"]), lookback("ATR", p["atr"])),
    "bollinger_reversion": lambda lookback, p: lookback("BBANDS", p["window"]),
    "donchian_breakout": lambda lookback, p: lookback("MAX", p["entry"]) + 1,  # of the bars before
    "ema_cross": lambda lookback, p: lookback("EMA", p["slow"]),
    "ma_cross": lambda lookback, p: lookback("SMA", p["slow"]),
    "macd": lambda lookback, p: lookback("EMA", p["slow"]) + lookback("EMA", p["signal"]),
    "roc_momentum": lambda lookback, p: lookback("ROC", p["period"]),
    "rsi_reversion": lambda lookback, p: lookback("RSI", p["period"]),
    "time_series_momentum": lambda lookback, p: lookback("ROC", p["lookback"]),
}


@pytest.mark.parametrize("id", sorted(LOOKBACKS))
def test_the_warm_up_is_the_lookback_of_talib(id: str) -> None:
    abstract = pytest.importorskip("talib.abstract", reason="TA-Lib is not installed")

    def lookback(name: str, window: int) -> int:
        return int(abstract.Function(name, timeperiod=window).lookback)

    for given_ in ({}, BUSY[id]):
        params = resolve(strategy(id), given_)
        assert strategy(id).warmup(params) == LOOKBACKS[id](lookback, params)
    if id == "macd":
        assert strategy(id).warmup(resolve(strategy(id), {})) == abstract.MACD.lookback


@pytest.mark.parametrize("id", sorted(BUSY))
def test_indicators_have_a_value_on_every_bar_from_the_warm_up_on(id: str) -> None:
    rule, bars = strategy(id), walk(3, 200)
    params = resolve(rule, BUSY[id])
    assert rule.indicators is not None
    warmup = rule.warmup(params)
    columns = rule.indicators(bars, params)
    for name, column in columns.items():
        assert (column.dtype, column.shape) == (np.float64, (200,)), name
        assert np.isfinite(column[warmup:]).all(), name
    assert any(np.isnan(column[warmup - 1]) for column in columns.values()), "the warm-up is longer than it needs to be"


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_as_many_bars_as_the_warm_up_decide_nothing(id: str, more: int) -> None:
    rule = strategy(id)
    params = resolve(rule, BUSY.get(id, {}))
    count = max(rule.warmup(params) + more, 0)
    bars = walk(1)[:count]
    found = decide(rule, bars, params)
    assert len(found.target) == count
    assert not found.target[: rule.warmup(params)].any()


@pytest.mark.parametrize("id", IDS)
def test_the_defaults_are_valid_and_every_parameter_says_what_it_is(id: str) -> None:
    rule = strategy(id)
    assert resolve(rule, {}) == {param.name: param.default for param in sorted(rule.params, key=lambda each: each.name)}
    for param in rule.params:
        assert param.says
        assert param.choices or (param.low is not None and param.high is not None), "typed and bounded"
