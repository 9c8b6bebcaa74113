"""Moving-average cross: on the side of the fast average, for as long as it stays on that side of the slow one.

The target follows where the fast average is, not the moment of crossing: at the end of the warm-up the side is taken
at once. Where both averages are equal the target stays as it was.
"""

import numpy as np
from numpy.typing import NDArray

from buff.decisions.contract import Decisions, Param, Params, Strategy
from buff.decisions.indicators import WINDOW_MAX, above, sma
from buff.decisions.signals import DIRECTION, fast_below_slow, follow, whole
from buff.market.bars import Bars


def _warmup(params: Params) -> int:
    return whole(params, "slow") - 1


def _indicators(bars: Bars, params: Params) -> dict[str, NDArray[np.float64]]:
    return {name: sma(bars.close, whole(params, name), bars.decimals) for name in ("fast", "slow")}


def _decide(bars: Bars, params: Params) -> Decisions:
    averages = _indicators(bars, params)
    fast, slow, exact = averages["fast"], averages["slow"], bars.decimals is not None
    return follow(above(fast, slow, exact), above(slow, fast, exact), params)


MA_CROSS = Strategy(
    id="ma_cross",
    version="1",
    citation="Brock, Lakonishok, LeBaron, Simple Technical Trading Rules, Journal of Finance 47 (1992)",
    rule="Follows the fast simple moving average of closes above or below the slow one.",
    params=(
        Param(name="fast", kind="int", default=10, low=1, high=WINDOW_MAX, says="bars of the fast average"),
        Param(name="slow", kind="int", default=20, low=2, high=WINDOW_MAX, says="bars of the slow average"),
        DIRECTION,
    ),
    reasons=("", "cross_up", "cross_down"),
    sides=("long", "short"),
    warmup=_warmup,
    check=fast_below_slow,
    decide=_decide,
    indicators=_indicators,
)
