"""Rate-of-change momentum: in when the close has moved far enough in some bars, out when it is back across no change.

With the threshold at 0, its default, this is the cross of the zero line, and closes are compared as they are.
"""

import numpy as np
from numpy.typing import NDArray

from buff.decisions.contract import Decisions, Param, Params, Strategy
from buff.decisions.indicators import above, change
from buff.decisions.signals import DIRECTION, enter_and_leave, number, whole
from buff.market.bars import Bars


def _warmup(params: Params) -> int:
    return whole(params, "period")


def _indicators(bars: Bars, params: Params) -> dict[str, NDArray[np.float64]]:
    return {"roc": change(bars.close, whole(params, "period"))}


def _decide(bars: Bars, params: Params) -> Decisions:
    period, share = whole(params, "period"), number(params, "threshold") / 100.0
    before = np.full(len(bars), np.nan)
    before[period:] = bars.close[:-period]
    exact = share == 0.0  # a product with 1 is the price itself
    long = above(bars.close, before * (1.0 + share), exact), above(before, bars.close, exact=True)
    short = above(before * (1.0 - share), bars.close, exact), above(bars.close, before, exact=True)
    return enter_and_leave(long, short, params)


ROC_MOMENTUM = Strategy(
    id="roc_momentum",
    version="1",
    citation="Murphy, Technical Analysis of the Financial Markets (1999)",
    rule="Enters with a rate of change beyond the threshold, leaves when the rate is across zero.",
    params=(
        Param(name="period", kind="int", default=10, low=1, high=1_000_000, says="bars over which the change is taken"),
        Param(name="threshold", kind="float", default=0.0, low=0.0, high=99.0, says="percent of change to enter by"),
        DIRECTION,
    ),
    reasons=("", "momentum_up", "momentum_down", "zero_down", "zero_up"),
    sides=("long", "short"),
    warmup=_warmup,
    decide=_decide,
    indicators=_indicators,
)
