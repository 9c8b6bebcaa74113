"""Exponential-average cross: on the side of the fast average, for as long as it stays on that side of the slow one.

As `ma_cross`, with averages that never forget a bar whole but count it less with every bar that follows. Each average
begins as the simple average of its first window.
"""

import numpy as np
from numpy.typing import NDArray

from buff.decisions.contract import Decisions, Param, Params, Strategy
from buff.decisions.indicators import WINDOW_MAX, above, ema
from buff.decisions.signals import DIRECTION, fast_below_slow, follow, whole
from buff.market.bars import Bars


def _warmup(params: Params) -> int:
    return whole(params, "slow") - 1


def _indicators(bars: Bars, params: Params) -> dict[str, NDArray[np.float64]]:
    return {name: ema(bars.close, whole(params, name), bars.decimals) for name in ("fast", "slow")}


def _decide(bars: Bars, params: Params) -> Decisions:
    averages = _indicators(bars, params)
    fast, slow = averages["fast"], averages["slow"]
    return follow(above(fast, slow, exact=False), above(slow, fast, exact=False), params)


EMA_CROSS = Strategy(
    id="ema_cross",
    version="1",
    citation="Murphy, Technical Analysis of the Financial Markets (1999)",
    rule="Follows the fast exponential moving average of closes above or below the slow one.",
    params=(
        Param(name="fast", kind="int", default=12, low=1, high=WINDOW_MAX, says="bars of the fast average"),
        Param(name="slow", kind="int", default=26, low=2, high=WINDOW_MAX, says="bars of the slow average"),
        DIRECTION,
    ),
    reasons=("", "cross_up", "cross_down"),
    sides=("long", "short"),
    warmup=_warmup,
    check=fast_below_slow,
    decide=_decide,
    indicators=_indicators,
)
