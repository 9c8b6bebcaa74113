"""MACD: on the side of its signal line that the convergence-divergence of two exponential averages is on.

The line is the fast average less the slow one, the signal the exponential average of the line. Both are small
differences of prices, so they are compared as prices are: the fast average with the sum of slow average and signal.
"""

import numpy as np
from numpy.typing import NDArray

from buff.decisions.contract import Decisions, Param, Params, Strategy
from buff.decisions.indicators import WINDOW_MAX, above, ema
from buff.decisions.signals import DIRECTION, fast_below_slow, follow, whole
from buff.market.bars import Bars


def _warmup(params: Params) -> int:
    return whole(params, "slow") - 1 + whole(params, "signal") - 1


def _averages(bars: Bars, params: Params) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    fast, slow = (ema(bars.close, whole(params, name), bars.decimals) for name in ("fast", "slow"))
    first = whole(params, "slow") - 1
    signal = np.full(len(bars), np.nan)
    signal[first:] = ema(fast[first:] - slow[first:], whole(params, "signal"), None)
    return fast, slow, signal


def _indicators(bars: Bars, params: Params) -> dict[str, NDArray[np.float64]]:
    fast, slow, signal = _averages(bars, params)
    line = fast - slow
    return {"macd": line, "signal": signal, "histogram": line - signal}


def _decide(bars: Bars, params: Params) -> Decisions:
    fast, slow, signal = _averages(bars, params)
    level = slow + signal
    return follow(above(fast, level, exact=False), above(level, fast, exact=False), params)


MACD = Strategy(
    id="macd",
    version="1",
    citation="Appel, The Moving Average Convergence-Divergence Trading Method (1979)",
    rule="Follows the difference of two exponential moving averages above or below its own average, the signal.",
    params=(
        Param(name="fast", kind="int", default=12, low=1, high=WINDOW_MAX, says="bars of the fast average"),
        Param(name="slow", kind="int", default=26, low=2, high=WINDOW_MAX, says="bars of the slow average"),
        Param(name="signal", kind="int", default=9, low=2, high=WINDOW_MAX, says="bars of the signal"),
        DIRECTION,
    ),
    reasons=("", "cross_up", "cross_down"),
    sides=("long", "short"),
    warmup=_warmup,
    check=fast_below_slow,
    decide=_decide,
    indicators=_indicators,
)
