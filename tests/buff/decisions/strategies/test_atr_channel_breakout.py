"""atr_channel_breakout: in beyond a channel of true ranges, out across its middle."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.market.bars import Bars
from textbook import DIRECTIONS, MARKETS, NOTHING, Signals, cents, closes, decided, forgetting, over, play, walk

REASONS = ("breakout_up", "average_down", "breakout_down", "average_up")


def _signals(bars: Bars, window: int, period: int, top: float, bottom: float) -> Iterator[Signals]:
    high, low, units = (cents(column.tolist()) for column in (bars.high, bars.low, bars.close))
    ranges = [
        float(max(high[bar] - low[bar], high[bar] - units[bar - 1], units[bar - 1] - low[bar]))
        for bar in range(1, len(units))
    ]
    spans = forgetting(ranges, period, 1 / period)
    for bar, unit in enumerate(units):
        if bar < max(window - 1, period):
            yield NOTHING
        else:
            middle, span = sum(units[bar - window + 1 : bar + 1]) / window, spans[bar - period]
            upper, lower = middle + top * span, middle - bottom * span
            yield over(unit, upper), over(middle, unit), over(lower, unit), over(unit, middle)


def test_it_enters_above_the_channel_and_leaves_below_the_average() -> None:
    """Ranges 1, 1, 4: at bar 3 the average of 11 and 15 is 13 and the true range (1 + 4) / 2; 15 is above 13 + 1.25."""
    bars = closes(10.0, 11.0, 11.0, 15.0, 15.0, 14.0)
    params = {"average": 2, "atr": 2, "top": 0.5, "bottom": 0.5}
    found = decided("atr_channel_breakout", bars, params)
    assert found == [(0, ""), (0, ""), (0, ""), (1, "breakout_up"), (1, ""), (0, "average_down")]


@pytest.mark.parametrize("price", [0.07, 100.1, 31_415.92])
def test_a_price_that_stands_still_is_in_a_channel_of_no_width(price: float) -> None:
    assert decided("atr_channel_breakout", closes(*[price] * 100), {"direction": "both"}) == [(0, "")] * 100


WIDTHS = st.sampled_from((0.5, 1.0, 3.0)) | st.floats(0.1, 4)


@given(MARKETS, st.integers(1, 20), st.integers(1, 20), WIDTHS, WIDTHS, DIRECTIONS)
def test_it_is_the_rule_a_reader_would_write(
    bars: Bars, window: int, period: int, top: float, bottom: float, direction: str
) -> None:
    expected = play(_signals(bars, window, period, top, bottom), direction, REASONS)
    params = {"average": window, "atr": period, "top": top, "bottom": bottom, "direction": direction}
    assert decided("atr_channel_breakout", bars, params) == expected


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("direction", ["long", "short", "both"])
def test_it_is_so_over_many_blocks_of_bars(seed: int, direction: str) -> None:
    bars = walk(seed)
    expected = play(_signals(bars, 20, 20, 1.0, 1.0), direction, REASONS)
    params = {"average": 20, "top": 1, "bottom": 1, "direction": direction}
    assert decided("atr_channel_breakout", bars, params) == expected
    assert sum(reason != "" for _, reason in expected) > 8
