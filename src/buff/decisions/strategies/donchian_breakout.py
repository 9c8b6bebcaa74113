"""Donchian breakout: in when the close leaves the range of the bars before it, out when it leaves a shorter range.

A channel of a bar is made of the bars before it and never holds the bar itself, so a close can be beyond it. Prices
are compared with prices as they are: no arithmetic, no dead band.
"""

import numpy as np
from numpy.typing import NDArray

from buff.decisions.contract import Decisions, Param, Params, Strategy
from buff.decisions.indicators import WINDOW_MAX, above, highest, lowest
from buff.decisions.signals import DIRECTION, enter_and_leave, whole
from buff.market.bars import Bars


def _warmup(params: Params) -> int:
    return whole(params, "entry")


def _check(params: Params) -> str | None:
    entry, leave = whole(params, "entry"), whole(params, "exit")
    return f"exit ({leave}) must not be above entry ({entry})" if leave > entry else None


def _before(column: NDArray[np.float64]) -> NDArray[np.float64]:
    moved = np.full(len(column), np.nan)
    moved[1:] = column[:-1]
    return moved


def _indicators(bars: Bars, params: Params) -> dict[str, NDArray[np.float64]]:
    entry, leave = whole(params, "entry"), whole(params, "exit")
    return {
        "entry_high": _before(highest(bars.high, entry)),
        "entry_low": _before(lowest(bars.low, entry)),
        "exit_high": _before(highest(bars.high, leave)),
        "exit_low": _before(lowest(bars.low, leave)),
    }


def _decide(bars: Bars, params: Params) -> Decisions:
    channels, close = _indicators(bars, params), bars.close
    long = above(close, channels["entry_high"], exact=True), above(channels["exit_low"], close, exact=True)
    short = above(channels["entry_low"], close, exact=True), above(close, channels["exit_high"], exact=True)
    return enter_and_leave(long, short, params)


DONCHIAN_BREAKOUT = Strategy(
    id="donchian_breakout",
    version="1",
    citation=(
        "Donchian, Trend-Following Methods in Commodity Price Analysis, Commodity Year Book (1957); "
        "with two channels: Faith, Way of the Turtle (2007)"
    ),
    rule="Enters when the close is beyond the highs or lows of the bars before, leaves at those of a shorter channel.",
    params=(
        Param(name="entry", kind="int", default=20, low=1, high=WINDOW_MAX, says="bars of the channel to enter by"),
        Param(name="exit", kind="int", default=10, low=1, high=WINDOW_MAX, says="bars of the channel to leave by"),
        DIRECTION,
    ),
    reasons=("", "breakout_up", "breakout_down", "exit_low", "exit_high"),
    sides=("long", "short"),
    warmup=_warmup,
    check=_check,
    decide=_decide,
    indicators=_indicators,
)
