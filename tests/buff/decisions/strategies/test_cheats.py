"""Ten ways to look ahead that people take without noticing; each is refused, and what it meant to be is not."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from buff.decisions.contract import Decisions, Params, Strategy
from buff.decisions.indicators import deviation, ema, highest, rsi, sma
from buff.decisions.strategy import check_no_lookahead, decide
from buff.errors import StrategyInvalid
from buff.market.bars import Bars
from textbook import walk
from worlds import decisions_of

Rule = Callable[[Bars], NDArray[np.bool_]]


def _strategy(long: Rule) -> Strategy:
    def decide(bars: Bars, params: Params) -> Decisions:
        return decisions_of(long(bars).astype(int).tolist())

    return Strategy(
        id=long.__name__,
        version="1",
        citation="none",
        rule=str(long.__doc__),
        params=(),
        reasons=("", "up", "down"),
        sides=("long",),
        warmup=lambda params: 0,
        decide=decide,
    )


def _next(column: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.append(column[1:], column[-1:])


def centred_average(bars: Bars) -> NDArray[np.bool_]:
    """An average drawn in the middle of its window."""
    return bars.close > np.append(sma(bars.close, 9, 2)[4:], np.full(4, np.nan))[: len(bars)]


def bands_of_the_whole_sample(bars: Bars) -> NDArray[np.bool_]:
    """Distances from the mean in deviations, both taken of all bars at once."""
    mean, spread = sma(bars.close, len(bars), 2)[-1], deviation(bars.close, len(bars), 2)[-1]
    return bars.close < mean - 0.5 * spread


def smoothed_both_ways(bars: Bars) -> NDArray[np.bool_]:
    """An average run forwards and then backwards, so that it has no lag."""
    forwards = ema(bars.close, 3, 2)[2:]
    backwards = ema(forwards[::-1], 3, None)[::-1]
    return bars.close < np.append(np.full(2, np.nan), backwards)[: len(bars)]


def channel_with_the_next_bar(bars: Bars) -> NDArray[np.bool_]:
    """A channel moved the wrong way by one bar."""
    return bars.close >= _next(highest(bars.high, 3))


def warm_up_filled_backwards(bars: Bars) -> NDArray[np.bool_]:
    """The first value of an average put on the bars before it."""
    average = sma(bars.close, 20, 2)
    known = np.flatnonzero(~np.isnan(average))
    average[: known[0] if len(known) else 0] = average[known[0]] if len(known) else 0.0
    return bars.close < average


def close_of_the_day_from_its_morning_on(bars: Bars) -> NDArray[np.bool_]:
    """Daily closes put on every hour of their day."""
    day = bars.ts // 86_400_000
    last = np.searchsorted(day, day, side="right") - 1
    return bars.close[last] > bars.close


def best_window_of_all(bars: Bars) -> NDArray[np.bool_]:
    """The window that earned most on all bars, used from the first of them."""
    moves = np.diff(bars.close, append=bars.close[-1:])
    rules = [np.nan_to_num(bars.close - sma(bars.close, window, 2)) > 0 for window in (2, 5, 15, 40)]
    return max(rules, key=lambda rule: float(np.cumsum(moves * rule)[-1]))


def out_before_a_gap(bars: Bars) -> NDArray[np.bool_]:
    """Knows from the stamps that the next bar will be late."""
    return np.append(np.diff(bars.ts), bars.timeframe.step_ms or 0) == bars.timeframe.step_ms


def out_on_the_last_bar(bars: Bars) -> NDArray[np.bool_]:
    """Closes its position where the data end."""
    return np.arange(len(bars)) < len(bars) - 1


def threshold_from_all_values(bars: Bars) -> NDArray[np.bool_]:
    """Oversold is the lowest fifth of an index over all bars."""
    index = np.nan_to_num(rsi(bars.close, 5), nan=50.0)
    return index < np.partition(index, len(index) // 5)[len(index) // 5]


CHEATS = (
    centred_average,
    bands_of_the_whole_sample,
    smoothed_both_ways,
    channel_with_the_next_bar,
    warm_up_filled_backwards,
    close_of_the_day_from_its_morning_on,
    best_window_of_all,
    out_before_a_gap,
    out_on_the_last_bar,
    threshold_from_all_values,
)


@pytest.mark.parametrize("cheat", CHEATS)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_cheat_is_refused_with_the_bar_that_shows_it(cheat: Rule, seed: int) -> None:
    with pytest.raises(StrategyInvalid, match=f"{cheat.__name__} breaks its contract at bar") as caught:
        check_no_lookahead(_strategy(cheat), walk(seed), {})
    assert caught.value.details["rule"] == "lookahead"


@pytest.mark.parametrize("cheat", CHEATS)
def test_nothing_else_about_a_cheat_is_wrong(cheat: Rule) -> None:
    """Without the proof each would pass for a strategy, and trade."""
    assert np.count_nonzero(decide(_strategy(cheat), walk(1), {}).reason) >= 1


def average_of_the_past(bars: Bars) -> NDArray[np.bool_]:
    """What the centred average meant."""
    return bars.close > sma(bars.close, 9, 2)


def channel_of_the_bars_before(bars: Bars) -> NDArray[np.bool_]:
    """What the channel meant."""
    return bars.close > np.append(np.nan, highest(bars.high, 3)[:-1])


def close_of_the_day_before(bars: Bars) -> NDArray[np.bool_]:
    """What the daily closes meant."""
    day = bars.ts // 86_400_000
    before = np.searchsorted(day, day) - 1
    return (before >= 0) & (bars.close > bars.close[before])


def after_a_gap(bars: Bars) -> NDArray[np.bool_]:
    """What the stamps may be used for."""
    return np.diff(bars.ts, prepend=bars.ts[:1]) <= (bars.timeframe.step_ms or 0)


@pytest.mark.parametrize(
    "honest", [average_of_the_past, channel_of_the_bars_before, close_of_the_day_before, after_a_gap]
)
def test_its_honest_sister_passes(honest: Rule) -> None:
    check_no_lookahead(_strategy(honest), walk(1), {})
    assert np.count_nonzero(decide(_strategy(honest), walk(1), {}).reason) > 1
