"""Time-series momentum: on the side of the past return, looked at once in a number of bars and held between.

It looks first on bar `lookback` and then on every `hold`-th bar after it. Where the close is what it was `lookback`
bars before, the target stays as it was.
"""

import numpy as np
from numpy.typing import NDArray

from buff.decisions.contract import Decisions, Param, Params, Strategy
from buff.decisions.indicators import change
from buff.decisions.signals import DIRECTION, follow, whole
from buff.market.bars import Bars


def _warmup(params: Params) -> int:
    return whole(params, "lookback")


def _indicators(bars: Bars, params: Params) -> dict[str, NDArray[np.float64]]:
    return {"past_return": change(bars.close, whole(params, "lookback"))}


def _decide(bars: Bars, params: Params) -> Decisions:
    lookback, hold = whole(params, "lookback"), whole(params, "hold")
    now, before = bars.close[lookback::hold], bars.close[:-lookback:hold]
    up, down = np.zeros(len(bars), np.bool_), np.zeros(len(bars), np.bool_)
    up[lookback::hold], down[lookback::hold] = now > before, now < before
    return follow(up, down, params)


TIME_SERIES_MOMENTUM = Strategy(
    id="time_series_momentum",
    version="1",
    citation="Moskowitz, Ooi, Pedersen, Time Series Momentum, Journal of Financial Economics 104 (2012)",
    rule="Follows the sign of the past return, looked at once in every holding period.",
    params=(
        Param(name="lookback", kind="int", default=120, low=1, high=1_000_000, says="bars of the past return"),
        Param(name="hold", kind="int", default=10, low=1, high=1_000_000, says="bars from one look to the next"),
        DIRECTION,
    ),
    reasons=("", "momentum_up", "momentum_down"),
    sides=("long", "short"),
    warmup=_warmup,
    decide=_decide,
    indicators=_indicators,
)
