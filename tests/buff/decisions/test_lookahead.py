"""Looking ahead is caught, however the cheat pads its end; honest strategies pass."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from buff.decisions.contract import Decisions, Params, Strategy
from buff.decisions.lookahead import PREFIXES, _prefix_lengths, check_no_lookahead
from buff.decisions.strategy import resolve, strategies
from buff.errors import StrategyInvalid
from buff.market.bars import Bars
from buff.market.timeframe import Timeframe
from worlds import bars_of, decisions_of


def _walk(count: int, decimals: int | None = 2) -> Bars:
    state, price, closes = 1, 10_000, []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        price = max(price + (state >> 33) % 201 - 100, 500)
        closes.append(price / 100)
    opens = [closes[0], *closes[:-1]]
    return bars_of(Timeframe.HOUR_1, opens, closes, decimals=decimals)


def _strategy(target: Callable[[Bars], NDArray[np.bool_]]) -> Strategy:
    def decide(bars: Bars, params: Params) -> Decisions:
        return decisions_of(target(bars).astype(int).tolist())

    return Strategy(
        id="cheat",
        version="1",
        citation="none",
        rule="looks ahead",
        params=(),
        reasons=("", "up", "down"),
        sides=("long",),
        warmup=lambda params: 0,
        decide=decide,
    )


def _tomorrow(bars: Bars) -> NDArray[np.bool_]:
    """Buys before a rise; where the data end it pads with the last close, so that a cut-off seldom shows."""
    return np.append(bars.close[1:], bars.close[-1]) > bars.close


def _above_the_mean_of_all(bars: Bars) -> NDArray[np.bool_]:
    return bars.close > bars.close.max() / 2 + bars.close.min() / 2


def _far_ahead(bars: Bars) -> NDArray[np.bool_]:
    """Looks 200 bars ahead and, where it cannot, does what an honest rule would: no cut-off near the end shows it."""
    later = np.append(bars.close[200:], np.full(min(200, len(bars)), np.nan))[: len(bars)]
    return np.where(np.isnan(later), False, later > 6.0 * bars.close)


def _knows_the_length(bars: Bars) -> NDArray[np.bool_]:
    return np.arange(len(bars)) > len(bars) // 2


def _centred_mean(bars: Bars) -> NDArray[np.bool_]:
    """A smoothing window that reaches two bars ahead, as plotting libraries offer it."""
    padded = np.pad(bars.close, 2, mode="edge")
    return bars.close > np.lib.stride_tricks.sliding_window_view(padded, 5).max(axis=1) * 0.999


def _volume_of_tomorrow(bars: Bars) -> NDArray[np.bool_]:
    return np.append(bars.volume[1:], bars.volume[-1:]) > bars.volume


def _volume_of_next_week(bars: Bars) -> NDArray[np.bool_]:
    """Never true on bars of one volume, cut off or not: only another future shows it."""
    return np.append(bars.volume[24:], np.ones(min(24, len(bars)))) > 2.0 * bars.volume


def _next_open(bars: Bars) -> NDArray[np.bool_]:
    return np.append(bars.open[1:], bars.close[-1:]) > bars.close


def _out_before_the_end(bars: Bars) -> NDArray[np.bool_]:
    """Leaves on the last bar, which only who knows that it is the last can do."""
    return np.arange(len(bars)) < len(bars) - 1


def _rank_among_all(bars: Bars) -> NDArray[np.bool_]:
    return bars.close.argsort().argsort() > len(bars) // 2


def _close_of_the_day(bars: Bars) -> NDArray[np.bool_]:
    """Daily closes spread over the hours of their own day: the commonest mistake with two timeframes."""
    last = np.minimum(np.arange(len(bars)) // 24 * 24 + 23, len(bars) - 1)
    return bars.close[last] > bars.close


def _filled_backwards(bars: Bars) -> NDArray[np.bool_]:
    """A signal of every tenth bar, filled towards the past."""
    source = np.minimum(-(-np.arange(len(bars)) // 10) * 10, len(bars) - 1)
    return (bars.close > bars.open)[source]


def _no_drawdown_to_come(bars: Bars) -> NDArray[np.bool_]:
    """Long where the lowest close from here on is not below this one."""
    return np.minimum.accumulate(bars.close[::-1])[::-1] >= bars.close


CHEATS = (
    _tomorrow,
    _above_the_mean_of_all,
    _far_ahead,
    _knows_the_length,
    _centred_mean,
    _volume_of_tomorrow,
    _volume_of_next_week,
    _next_open,
    _out_before_the_end,
    _rank_among_all,
    _close_of_the_day,
    _filled_backwards,
    _no_drawdown_to_come,
)


@pytest.mark.parametrize("cheat", CHEATS)
def test_a_strategy_that_looks_ahead_is_refused(cheat: Callable[[Bars], NDArray[np.bool_]]) -> None:
    with pytest.raises(StrategyInvalid, match="it decides otherwise when what follows") as caught:
        check_no_lookahead(_strategy(cheat), _walk(600), {})
    details = caught.value.details
    assert details["rule"] == "lookahead"
    assert f"at bar {details['bar']}" in caught.value.message
    assert details["bar"] < details["prefix"]
    assert details["decided"] != details["decided_then"]
    assert f"{details['decided_then']}, and not {details['decided']}" in caught.value.message


def test_the_false_futures_catch_what_cutting_off_cannot() -> None:
    """`_far_ahead` decides nothing on the bars as they are, so its own prefixes always agree."""
    bars = _walk(600)
    cheat = _strategy(_far_ahead)
    assert all(not cheat.decide(bars[:length], {}).target.any() for length in range(1, 600, 7))


@pytest.mark.parametrize("id", sorted(strategies()))
@pytest.mark.parametrize("decimals", [2, None])
@pytest.mark.parametrize("count", [2, 19, 21, 300])
def test_the_registered_strategies_do_not_look_ahead(id: str, decimals: int | None, count: int) -> None:
    rule = strategies()[id]
    check_no_lookahead(rule, _walk(count, decimals), resolve(rule, {}))


@pytest.mark.parametrize("direction", ["long", "short", "both"])
def test_a_short_and_a_two_sided_cross_do_not_either(direction: str) -> None:
    rule = strategies()["ma_cross"]
    check_no_lookahead(rule, _walk(300), resolve(rule, {"fast": 3, "slow": 8, "direction": direction}))


def test_sixteen_prefixes_are_tried_with_both_ends_and_changes_of_target() -> None:
    target = np.zeros(1_000, np.int8)
    target[400:500] = 1
    lengths = _prefix_lengths(target, 20)
    assert len(lengths) == len(set(lengths)) == PREFIXES
    assert {21, 999, 401, 501} <= set(lengths)
    assert sorted(_prefix_lengths(np.zeros(5, np.int8), 20)) == [1, 2, 3, 4]
    assert _prefix_lengths(np.zeros(1, np.int8), 0) == []
