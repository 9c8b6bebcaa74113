"""Moving-average cross: on the side of the fast average, for as long as it stays on that side of the slow one.

The target follows where the fast average is, not the moment of crossing: at the end of the warm-up the side is taken
at once. Where both averages are equal the target stays as it was.
"""

import numpy as np
from numpy.typing import NDArray

from buff.decisions.contract import Decisions, Param, Params, Strategy
from buff.decisions.indicators import WINDOW_MAX, above, sma
from buff.market.bars import Bars

_UP, _DOWN = 1, 2
_TARGETS = {"long": (1, 0), "short": (0, -1), "both": (1, -1)}  # fast above slow, fast below slow


def _window(params: Params, name: str) -> int:
    value = params[name]
    assert isinstance(value, int), "parameters are resolved before they get here"
    return value


def _warmup(params: Params) -> int:
    return _window(params, "slow") - 1


def _check(params: Params) -> str | None:
    fast, slow = params["fast"], params["slow"]
    return f"fast ({fast}) must be below slow ({slow})" if _window(params, "fast") >= _window(params, "slow") else None


def _indicators(bars: Bars, params: Params) -> dict[str, NDArray[np.float64]]:
    return {name: sma(bars.close, _window(params, name), bars.decimals) for name in ("fast", "slow")}


def _decide(bars: Bars, params: Params) -> Decisions:
    averages = _indicators(bars, params)
    fast, slow, exact = averages["fast"], averages["slow"], bars.decimals is not None
    side = above(fast, slow, exact).view(np.int8) - above(slow, fast, exact).view(np.int8)
    crossed = _crossings(side)
    up = side[crossed] > 0
    high, low = _TARGETS[str(params["direction"])]
    return _steps(len(bars), crossed, np.where(up, high, low).astype(np.int8), np.where(up, _UP, _DOWN))


def _crossings(side: NDArray[np.int8]) -> NDArray[np.int64]:
    """Return the bars where the side (+1, -1; 0 is a tie) becomes another than the last one that was not a tie."""
    decided = np.flatnonzero(side)
    sides = side[decided]
    fresh = np.ones(len(decided), np.bool_)
    np.not_equal(sides[1:], sides[:-1], out=fresh[1:])
    return decided[fresh]


def _steps(count: int, bars: NDArray[np.int64], targets: NDArray[np.int8], codes: NDArray[np.int64]) -> Decisions:
    """Return the target that takes each value at its bar and keeps it, and a reason where that changes something."""
    before = np.zeros(len(targets), np.int8)
    before[1:] = targets[:-1]
    changes = targets != before
    reason = np.zeros(count, np.uint8)
    reason[bars[changes]] = codes[changes]
    lengths = np.diff(bars, prepend=0, append=count)
    return Decisions(target=np.repeat(np.concatenate([np.zeros(1, np.int8), targets]), lengths), reason=reason)


MA_CROSS = Strategy(
    id="ma_cross",
    version="1",
    citation="Brock, Lakonishok, LeBaron, Simple Technical Trading Rules, Journal of Finance 47 (1992)",
    rule="Follows the fast simple moving average of closes above or below the slow one.",
    params=(
        Param(name="fast", kind="int", default=10, low=1, high=WINDOW_MAX, says="bars of the fast average"),
        Param(name="slow", kind="int", default=20, low=2, high=WINDOW_MAX, says="bars of the slow average"),
        Param(
            name="direction",
            kind="str",
            default="long",
            choices=("long", "short", "both"),
            says="which sides may be taken",
        ),
    ),
    reasons=("", "cross_up", "cross_down"),
    sides=("long", "short"),
    warmup=_warmup,
    check=_check,
    decide=_decide,
    indicators=_indicators,
)
