"""rsi_reversion: in where the index is oversold or overbought, out beyond the exit level."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.decisions.strategy import resolve, strategy
from buff.errors import StrategyInvalid
from buff.market.bars import Bars
from textbook import DIRECTIONS, MARKETS, NOTHING, Signals, closes, decided, forgetting, over, play, walk

REASONS = ("oversold", "exit_up", "overbought", "exit_down")


def _signals(bars: Bars, period: int, oversold: float, leave: float, overbought: float) -> Iterator[Signals]:
    prices = bars.close.tolist()
    moves = [new - old for old, new in pairwise(prices)]
    ups = forgetting([max(move, 0.0) for move in moves], period, 1 / period)
    downs = forgetting([max(-move, 0.0) for move in moves], period, 1 / period)
    yield from [NOTHING] * min(period, len(prices))
    for up, down in zip(ups, downs, strict=True):
        index = 100 * up / (up + down) if up + down else 50.0
        yield over(oversold, index), over(index, leave), over(index, overbought), over(leave, index)


def test_it_buys_what_fell_and_sells_when_the_index_is_back() -> None:
    """Period 2: the index is 0 at bar 2, then 1 / 4 of 1 / 4 and 1 / 2 = 33, then 7 / 8 of 7 / 8 and 1 / 4 = 78."""
    bars = closes(10.0, 9.0, 8.0, 8.5, 10.0)
    found = decided("rsi_reversion", bars, {"period": 2})
    assert found == [(0, ""), (0, ""), (1, "oversold"), (1, ""), (0, "exit_up")]


@pytest.mark.parametrize("direction", ["long", "both"])
def test_a_price_that_never_moved_is_in_the_middle(direction: str) -> None:
    assert decided("rsi_reversion", closes(*[100.1] * 60), {"direction": direction}) == [(0, "")] * 60


def test_talib_says_of_such_a_price_what_would_read_as_oversold() -> None:
    talib = pytest.importorskip("talib", reason="TA-Lib is not installed")
    assert talib.RSI(np.full(60, 100.1), 14)[14:].tolist() == [0.0] * 46


@given(
    MARKETS,
    st.integers(2, 20),
    st.lists(st.sampled_from((20.0, 30.0, 50.0, 70.0)) | st.floats(1, 99), min_size=3, max_size=3).map(sorted),
    DIRECTIONS,
)
def test_it_is_the_rule_a_reader_would_write(bars: Bars, period: int, levels: list[float], direction: str) -> None:
    oversold, leave, overbought = levels
    expected = play(_signals(bars, period, *levels), direction, REASONS)
    params = {"period": period, "oversold": oversold, "exit": leave, "overbought": overbought, "direction": direction}
    assert decided("rsi_reversion", bars, params) == expected


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("direction", ["long", "short", "both"])
def test_it_is_so_over_many_blocks_of_bars(seed: int, direction: str) -> None:
    bars = walk(seed)
    expected = play(_signals(bars, 5, 30.0, 50.0, 70.0), direction, REASONS)
    assert decided("rsi_reversion", bars, {"period": 5, "direction": direction}) == expected
    assert sum(reason != "" for _, reason in expected) > 8


@pytest.mark.parametrize("levels", [{"exit": 20.0}, {"exit": 80}, {"oversold": 75.0}, {"overbought": 25.0}])
def test_the_exit_level_is_between_the_others(levels: dict[str, float]) -> None:
    with pytest.raises(StrategyInvalid, match=r"exit \(.*\) must be from oversold"):
        resolve(strategy("rsi_reversion"), levels)
