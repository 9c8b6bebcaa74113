"""Bollinger reversion: in when the close is outside the bands, out when it is back beyond the middle.

The bands stand a number of population standard deviations above and below the simple average of the same window.
"""

import numpy as np
from numpy.typing import NDArray

from buff.decisions.contract import Decisions, Param, Params, Strategy
from buff.decisions.indicators import WINDOW_MAX, above, deviation, sma
from buff.decisions.signals import DIRECTION, enter_and_leave, number, whole
from buff.market.bars import Bars


def _warmup(params: Params) -> int:
    return whole(params, "window") - 1


def _indicators(bars: Bars, params: Params) -> dict[str, NDArray[np.float64]]:
    window = whole(params, "window")
    middle = sma(bars.close, window, bars.decimals)
    width = number(params, "deviations") * deviation(bars.close, window, bars.decimals)
    return {"middle": middle, "upper": middle + width, "lower": middle - width}


def _decide(bars: Bars, params: Params) -> Decisions:
    bands, close = _indicators(bars, params), bars.close
    long = above(bands["lower"], close, exact=False), above(close, bands["middle"], exact=False)
    short = above(close, bands["upper"], exact=False), above(bands["middle"], close, exact=False)
    return enter_and_leave(long, short, params)


BOLLINGER_REVERSION = Strategy(
    id="bollinger_reversion",
    version="1",
    citation="Bollinger, Bollinger on Bollinger Bands (2001)",
    rule="Enters against a close outside the bands around its simple average, leaves beyond the average.",
    params=(
        Param(name="window", kind="int", default=20, low=2, high=WINDOW_MAX, says="bars of average and deviation"),
        Param(
            name="deviations",
            kind="float",
            default=2.0,
            low=0.1,
            high=10.0,
            says="standard deviations from the average to a band",
        ),
        DIRECTION,
    ),
    reasons=("", "below_lower", "above_upper", "middle_from_below", "middle_from_above"),
    sides=("long", "short"),
    warmup=_warmup,
    decide=_decide,
    indicators=_indicators,
)
