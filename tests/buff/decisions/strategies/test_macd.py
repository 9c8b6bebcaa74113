"""macd: on the side of the signal line."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.decisions.strategy import resolve, strategy
from buff.errors import StrategyInvalid
from buff.market.bars import Bars
from textbook import DIRECTIONS, MARKETS, NOTHING, Signals, closes, crossing, decided, forgetting, over, play, walk

REASONS = ("cross_up", "cross_down", "cross_down", "cross_up")


def _signals(bars: Bars, fast: int, slow: int, signal: int) -> Iterator[Signals]:
    """The line is fast less slow, the signal its average; compared with the slow average on both sides."""
    prices = bars.close.tolist()
    quick, calm = (forgetting(prices, window, 2 / (window + 1)) for window in (fast, slow))
    quick = quick[slow - fast :]  # both begin at bar slow - 1
    lines = [one - other for one, other in zip(quick, calm, strict=True)]
    smooth = forgetting(lines, signal, 2 / (signal + 1))
    for bar in range(len(prices)):
        if bar < slow + signal - 2:
            yield NOTHING
        else:
            at = bar - slow + 1
            level = calm[at] + smooth[at - signal + 1]
            yield crossing(over(quick[at], level), over(level, quick[at]))


def test_it_follows_the_line_above_and_below_its_average() -> None:
    """Fast is the close, so the line is close - slow: .5, .5, .5, then -.5 and what comes back."""
    bars = closes(10.0, 11.0, 12.0, 13.0, 12.0, 11.0, 13.0)
    found = decided("macd", bars, {"fast": 1, "slow": 2, "signal": 2, "direction": "both"})
    sides = [0, 0, 0, 0, -1, -1, 1]
    assert [side for side, _ in found] == sides
    assert [reason for _, reason in found if reason] == ["cross_down", "cross_up"]


@pytest.mark.parametrize("price", [0.07, 100.1, 31_415.92])
def test_a_price_that_stands_still_has_no_side(price: float) -> None:
    assert decided("macd", closes(*[price] * 300), {"direction": "both"}) == [(0, "")] * 300


@given(MARKETS, st.integers(1, 8), st.integers(1, 12), st.integers(2, 9), DIRECTIONS)
def test_it_is_the_rule_a_reader_would_write(bars: Bars, fast: int, more: int, signal: int, direction: str) -> None:
    expected = play(_signals(bars, fast, fast + more, signal), direction, REASONS)
    params = {"fast": fast, "slow": fast + more, "signal": signal, "direction": direction}
    assert decided("macd", bars, params) == expected


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("direction", ["long", "short", "both"])
def test_it_is_so_over_many_blocks_of_bars(seed: int, direction: str) -> None:
    bars = walk(seed)
    expected = play(_signals(bars, 12, 26, 9), direction, REASONS)
    assert decided("macd", bars, {"direction": direction}) == expected
    assert sum(reason != "" for _, reason in expected) > 8


def test_talib_has_the_same_averages_and_forgets_its_other_beginning() -> None:
    """TA-Lib's MACD begins the fast average with the slow one: after 200 bars nothing is left of that."""
    talib = pytest.importorskip("talib", reason="TA-Lib is not installed")
    rule, bars = strategy("macd"), walk(2, 1_000)
    assert rule.indicators is not None
    found = rule.indicators(bars, resolve(rule, {}))
    line = talib.EMA(bars.close, 12) - talib.EMA(bars.close, 26)
    assert np.nanmax(np.abs(found["macd"] - line) / bars.close) < 1e-12
    assert np.nanmax(np.abs(found["signal"][25:] - talib.EMA(line[25:], 9)) / bars.close[25:]) < 1e-12
    theirs = talib.MACD(bars.close)
    for name, column in zip(("macd", "signal", "histogram"), theirs, strict=True):
        apart = np.abs(found[name] - column) / bars.close
        assert apart[33] > 1e-7, name
        assert apart[200:].max() < 1e-12, name


def test_fast_must_be_below_slow() -> None:
    with pytest.raises(StrategyInvalid, match=r"fast \(12\) must be below slow \(12\)"):
        resolve(strategy("macd"), {"slow": 12})
