"""time_series_momentum: the sign of the past return, looked at once in a while."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.market.bars import Bars
from textbook import DIRECTIONS, MARKETS, NOTHING, Signals, closes, crossing, decided, play, walk

REASONS = ("momentum_up", "momentum_down", "momentum_down", "momentum_up")


def _signals(bars: Bars, lookback: int, hold: int) -> Iterator[Signals]:
    prices = bars.close.tolist()
    for bar, close in enumerate(prices):
        looks = bar >= lookback and (bar - lookback) % hold == 0
        yield crossing(close > prices[bar - lookback], close < prices[bar - lookback]) if looks else NOTHING


def test_it_looks_at_bars_two_four_and_six() -> None:
    """Bar 3 is a fall that nobody looks at; at bar 4 the close is what it was, so the side stays."""
    bars = closes(10.0, 12.0, 11.0, 9.0, 11.0, 12.0, 10.0)
    found = decided("time_series_momentum", bars, {"lookback": 2, "hold": 2, "direction": "both"})
    expected = [(0, ""), (0, ""), (1, "momentum_up"), (1, ""), (1, ""), (1, ""), (-1, "momentum_down")]
    assert found == expected


@given(MARKETS, st.integers(1, 30), st.integers(1, 12), DIRECTIONS)
def test_it_is_the_rule_a_reader_would_write(bars: Bars, lookback: int, hold: int, direction: str) -> None:
    expected = play(_signals(bars, lookback, hold), direction, REASONS)
    params = {"lookback": lookback, "hold": hold, "direction": direction}
    assert decided("time_series_momentum", bars, params) == expected


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("direction", ["long", "short", "both"])
def test_it_is_so_on_many_bars(seed: int, direction: str) -> None:
    bars = walk(seed, 2_000)
    expected = play(_signals(bars, 60, 5), direction, REASONS)
    assert decided("time_series_momentum", bars, {"lookback": 60, "hold": 5, "direction": direction}) == expected
    assert sum(reason != "" for _, reason in expected) > 8


def test_a_look_further_back_than_the_bars_decides_nothing() -> None:
    assert decided("time_series_momentum", closes(1.0, 2.0, 3.0), {"lookback": 3}) == [(0, "")] * 3
