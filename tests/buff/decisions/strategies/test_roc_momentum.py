"""roc_momentum: in with a move beyond the threshold, out when it is undone."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.market.bars import Bars
from textbook import DIRECTIONS, MARKETS, NOTHING, Signals, cents, closes, decided, over, play, walk

REASONS = ("momentum_up", "zero_down", "momentum_down", "zero_up")


def _signals(bars: Bars, period: int, threshold: float) -> Iterator[Signals]:
    units = cents(bars.close.tolist())
    for bar, unit in enumerate(units):
        if bar < period:
            yield NOTHING
        else:
            before = units[bar - period]
            rose, fell = unit > before, unit < before
            if threshold:
                rose, fell = over(unit, before * (1 + threshold / 100)), over(before * (1 - threshold / 100), unit)
            yield rose, unit < before, fell, unit > before


def test_it_enters_after_ten_percent_in_two_bars_and_leaves_when_two_bars_have_lost() -> None:
    bars = closes(100.0, 105.0, 110.0, 116.0, 110.0, 109.0, 110.0)
    found = decided("roc_momentum", bars, {"period": 2, "threshold": 10})
    expected = [(0, ""), (0, ""), (0, ""), (1, "momentum_up"), (1, ""), (0, "zero_down"), (0, "")]
    assert found == expected  # bar 2 is at 10 percent, not beyond; bar 4 is where it was


@given(MARKETS, st.integers(1, 30), st.sampled_from((0.0, 1.0)) | st.floats(0.001, 5), DIRECTIONS)
def test_it_is_the_rule_a_reader_would_write(bars: Bars, period: int, threshold: float, direction: str) -> None:
    expected = play(_signals(bars, period, threshold), direction, REASONS)
    assert decided("roc_momentum", bars, {"period": period, "threshold": threshold, "direction": direction}) == expected


@pytest.mark.parametrize("threshold", [0.0, 0.2])
@pytest.mark.parametrize("direction", ["long", "short", "both"])
def test_it_is_so_on_many_bars(threshold: float, direction: str) -> None:
    bars = walk(1)
    expected = play(_signals(bars, 10, threshold), direction, REASONS)
    assert decided("roc_momentum", bars, {"threshold": threshold, "direction": direction}) == expected
    assert sum(reason != "" for _, reason in expected) > 8


@pytest.mark.parametrize("move", [120, 80])
def test_a_move_of_exactly_the_threshold_is_not_beyond_it(move: int) -> None:
    """In floats some of these products fall on the wrong side of the close."""
    for dollars in range(1, 400):
        bars = closes(float(dollars), dollars * move / 100)
        assert decided("roc_momentum", bars, {"period": 1, "threshold": 20, "direction": "both"})[1] == (0, "")


def test_a_period_longer_than_the_bars_decides_nothing() -> None:
    assert decided("roc_momentum", closes(1.0, 2.0, 3.0), {"period": 1_000_000}) == [(0, "")] * 3
