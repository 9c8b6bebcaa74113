"""bollinger_reversion: in outside the bands, out beyond the middle."""

import statistics
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.decisions.strategy import resolve, strategy
from buff.market.bars import Bars
from textbook import DIRECTIONS, MARKETS, NOTHING, Signals, cents, closes, decided, over, play, walk

REASONS = ("below_lower", "middle_from_below", "above_upper", "middle_from_above")


def _signals(bars: Bars, window: int, deviations: float) -> Iterator[Signals]:
    units = cents(bars.close.tolist())
    for bar, unit in enumerate(units):
        if bar < window - 1:
            yield NOTHING
        else:
            part = units[bar - window + 1 : bar + 1]
            middle, width = sum(part) / window, deviations * statistics.pstdev(part)
            lower, upper = middle - width, middle + width
            yield over(lower, unit), over(unit, middle), over(unit, upper), over(middle, unit)


def test_it_buys_below_the_lower_band_and_sells_above_the_middle() -> None:
    """Bar 3: the mean of 10, 10, 10, 8 is 9.5 and the deviation 0.87; 8 is below 9.5 - 0.87."""
    bars = closes(10.0, 10.0, 10.0, 8.0, 8.5, 9.0, 9.5)
    found = decided("bollinger_reversion", bars, {"window": 4, "deviations": 1.0})
    expected = [(0, "")] * 3 + [(1, "below_lower"), (1, ""), (0, "middle_from_below"), (0, "")]
    assert found == expected


@pytest.mark.parametrize("price", [0.07, 100.1, 31_415.92])
def test_a_price_that_stands_still_is_within_bands_of_no_width(price: float) -> None:
    assert decided("bollinger_reversion", closes(*[price] * 100), {"direction": "both"}) == [(0, "")] * 100


def test_a_close_on_the_band_is_not_outside() -> None:
    """Of two closes each is exactly one deviation from the mean."""
    bars = closes(10.1, 10.4, 10.2, 10.9, 10.1)
    found = decided("bollinger_reversion", bars, {"window": 2, "deviations": 1.0, "direction": "both"})
    assert found == [(0, "")] * 5


@given(MARKETS, st.integers(2, 20), st.sampled_from((0.5, 1.0, 2.0)) | st.floats(0.1, 4), DIRECTIONS)
def test_it_is_the_rule_a_reader_would_write(bars: Bars, window: int, deviations: float, direction: str) -> None:
    expected = play(_signals(bars, window, deviations), direction, REASONS)
    params = {"window": window, "deviations": deviations, "direction": direction}
    assert decided("bollinger_reversion", bars, params) == expected


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("direction", ["long", "short", "both"])
def test_it_is_so_on_many_bars(seed: int, direction: str) -> None:
    bars = walk(seed)
    expected = play(_signals(bars, 20, 2.0), direction, REASONS)
    assert decided("bollinger_reversion", bars, {"direction": direction}) == expected
    assert sum(reason != "" for _, reason in expected) > 8


def test_talib_draws_the_same_bands() -> None:
    """To 1e-12 of the price; wider where its difference of squares has lost digits: its variance is held to 1e-12."""
    talib = pytest.importorskip("talib", reason="TA-Lib is not installed")
    rule, bars = strategy("bollinger_reversion"), walk(2)
    assert rule.indicators is not None
    found = rule.indicators(bars, resolve(rule, {}))
    upper, middle, lower = talib.BBANDS(bars.close, 20, 2.0, 2.0)
    np.testing.assert_allclose(found["middle"], middle, rtol=1e-12)
    for ours, theirs in ((found["upper"] - found["middle"], upper - middle), (found["lower"] - middle, lower - middle)):
        np.testing.assert_allclose(ours * ours, theirs * theirs, rtol=0, atol=4e-12 * float(bars.close.max()) ** 2)
