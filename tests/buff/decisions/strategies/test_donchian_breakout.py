"""donchian_breakout: in beyond the channel of the bars before, out beyond a shorter one."""

from collections.abc import Iterator

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from buff.decisions.strategy import resolve, strategy
from buff.errors import StrategyInvalid
from buff.market.bars import Bars
from textbook import DIRECTIONS, MARKETS, NOTHING, Signals, closes, decided, play, walk

REASONS = ("breakout_up", "exit_low", "breakout_down", "exit_high")


def _signals(bars: Bars, entry: int, leave: int) -> Iterator[Signals]:
    high, low, prices = bars.high.tolist(), bars.low.tolist(), bars.close.tolist()
    for bar, close in enumerate(prices):
        if bar < entry:
            yield NOTHING
        else:
            yield (
                close > max(high[bar - entry : bar]),
                close < min(low[bar - leave : bar]),
                close < min(low[bar - entry : bar]),
                close > max(high[bar - leave : bar]),
            )


def test_it_enters_above_two_bars_and_leaves_below_one() -> None:
    """Bar 4 stands at the low of the bar before it, not below, so the position stays."""
    bars = closes(10.0, 11.0, 12.0, 11.5, 11.5, 11.0, 10.0)
    params = {"entry": 2, "exit": 1}
    expected = [(0, ""), (0, ""), (1, "breakout_up"), (0, "exit_low"), (0, ""), (0, ""), (0, "")]
    assert decided("donchian_breakout", bars, params) == expected
    both = [*expected[:5], (-1, "breakout_down"), (-1, "")]
    assert decided("donchian_breakout", bars, {**params, "direction": "both"}) == both


def test_a_bar_is_not_part_of_its_own_channel_and_wicks_are() -> None:
    bars = closes(10.0, 11.0, 12.0, 12.5)
    assert [side for side, _ in decided("donchian_breakout", bars, {"entry": 2, "exit": 1})] == [0, 0, 1, 1]
    wick = closes(10.0, 11.0, 12.0, 12.5).high.copy()
    wick[1] = 12.25
    taller = evolve(bars, high=wick)
    assert [side for side, _ in decided("donchian_breakout", taller, {"entry": 2, "exit": 1})] == [0, 0, 0, 1]


@given(MARKETS, st.integers(1, 12), st.integers(0, 11), DIRECTIONS)
def test_it_is_the_rule_a_reader_would_write(bars: Bars, entry: int, less: int, direction: str) -> None:
    leave = max(entry - less, 1)
    expected = play(_signals(bars, entry, leave), direction, REASONS)
    assert decided("donchian_breakout", bars, {"entry": entry, "exit": leave, "direction": direction}) == expected


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("direction", ["long", "short", "both"])
def test_it_is_so_on_many_bars(seed: int, direction: str) -> None:
    bars = walk(seed)
    expected = play(_signals(bars, 8, 4), direction, REASONS)
    assert decided("donchian_breakout", bars, {"entry": 8, "exit": 4, "direction": direction}) == expected
    assert sum(reason != "" for _, reason in expected) > 8


def test_the_channel_to_leave_by_is_not_the_longer_one() -> None:
    with pytest.raises(StrategyInvalid, match=r"exit \(21\) must not be above entry \(20\)"):
        resolve(strategy("donchian_breakout"), {"exit": 21})
