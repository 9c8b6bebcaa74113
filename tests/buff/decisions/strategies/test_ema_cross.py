"""ema_cross: on the side of the fast exponential average."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.decisions.strategy import resolve, strategy
from buff.errors import StrategyInvalid
from buff.market.bars import Bars
from textbook import DIRECTIONS, MARKETS, NOTHING, Signals, closes, crossing, decided, forgetting, over, play, walk

REASONS = ("cross_up", "cross_down", "cross_down", "cross_up")


def _signals(bars: Bars, fast: int, slow: int) -> Iterator[Signals]:
    """The side of the fast average, a share of 2 / (window + 1) of every new close."""
    prices = bars.close.tolist()
    quick, calm = (forgetting(prices, window, 2 / (window + 1)) for window in (fast, slow))
    for bar in range(len(prices)):
        if bar < slow - 1:
            yield NOTHING
        else:
            ours, theirs = quick[bar - fast + 1], calm[bar - slow + 1]
            yield crossing(over(ours, theirs), over(theirs, ours))


def test_it_takes_the_side_at_the_end_of_the_warm_up_and_turns_with_the_fast_average() -> None:
    """Fast is the close; slow is 10.5, then a third of itself and two thirds of the close."""
    bars = closes(10.0, 11.0, 12.0, 10.0, 10.0, 12.0)
    expected = [(0, ""), (1, "cross_up"), (1, ""), (-1, "cross_down"), (-1, ""), (1, "cross_up")]
    assert decided("ema_cross", bars, {"fast": 1, "slow": 2, "direction": "both"}) == expected


@pytest.mark.parametrize("price", [0.07, 100.1, 31_415.92])
def test_a_price_that_stands_still_has_no_side(price: float) -> None:
    found = decided("ema_cross", closes(*[price] * 300), {"direction": "both"})
    assert found == [(0, "")] * 300


@given(MARKETS, st.integers(1, 8), st.integers(1, 20), DIRECTIONS)
def test_it_is_the_rule_a_reader_would_write(bars: Bars, fast: int, more: int, direction: str) -> None:
    expected = play(_signals(bars, fast, fast + more), direction, REASONS)
    assert decided("ema_cross", bars, {"fast": fast, "slow": fast + more, "direction": direction}) == expected


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("direction", ["long", "short", "both"])
def test_it_is_so_over_many_blocks_of_bars(seed: int, direction: str) -> None:
    bars = walk(seed)
    expected = play(_signals(bars, 12, 26), direction, REASONS)
    assert decided("ema_cross", bars, {"direction": direction}) == expected
    assert sum(reason != "" for _, reason in expected) > 8


def test_fast_must_be_below_slow() -> None:
    with pytest.raises(StrategyInvalid, match=r"fast \(30\) must be below slow \(26\)"):
        resolve(strategy("ema_cross"), {"fast": 30})
