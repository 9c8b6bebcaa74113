"""ATR channel breakout: in when the close leaves a channel around its simple average, out when it is back across it.

The channel stands a number of average true ranges above and below the average, so it is wide where bars are.
"""

import numpy as np
from numpy.typing import NDArray

from buff.decisions.contract import Decisions, Param, Params, Strategy
from buff.decisions.indicators import WINDOW_MAX, above, atr, sma
from buff.decisions.signals import DIRECTION, enter_and_leave, number, whole
from buff.market.bars import Bars


def _warmup(params: Params) -> int:
    return max(whole(params, "average") - 1, whole(params, "atr"))


def _indicators(bars: Bars, params: Params) -> dict[str, NDArray[np.float64]]:
    average = sma(bars.close, whole(params, "average"), bars.decimals)
    span = atr(bars.high, bars.low, bars.close, whole(params, "atr"))
    top, bottom = average + number(params, "top") * span, average - number(params, "bottom") * span
    return {"average": average, "atr": span, "top": top, "bottom": bottom}


def _decide(bars: Bars, params: Params) -> Decisions:
    channel, close = _indicators(bars, params), bars.close
    long = above(close, channel["top"], exact=False), above(channel["average"], close, exact=False)
    short = above(channel["bottom"], close, exact=False), above(close, channel["average"], exact=False)
    return enter_and_leave(long, short, params)


ATR_CHANNEL_BREAKOUT = Strategy(
    id="atr_channel_breakout",
    version="1",
    citation="Faith, Way of the Turtle (2007)",
    rule="Enters when the close is beyond a channel of true ranges around its average, leaves across the average.",
    params=(
        Param(name="average", kind="int", default=50, low=1, high=WINDOW_MAX, says="bars of the simple average"),
        Param(name="atr", kind="int", default=20, low=1, high=WINDOW_MAX, says="bars of the average true range"),
        Param(name="top", kind="float", default=3.0, low=0.1, high=100.0, says="true ranges to the top"),
        Param(name="bottom", kind="float", default=3.0, low=0.1, high=100.0, says="true ranges to the bottom"),
        DIRECTION,
    ),
    reasons=("", "breakout_up", "breakout_down", "average_down", "average_up"),
    sides=("long", "short"),
    warmup=_warmup,
    decide=_decide,
    indicators=_indicators,
)
