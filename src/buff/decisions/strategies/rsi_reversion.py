"""RSI reversion: in when the relative strength index is oversold or overbought, out when it is back in between."""

import numpy as np
from numpy.typing import NDArray

from buff.decisions.contract import Decisions, Param, Params, Strategy
from buff.decisions.indicators import WINDOW_MAX, above, rsi
from buff.decisions.signals import DIRECTION, enter_and_leave, number, whole
from buff.market.bars import Bars


def _warmup(params: Params) -> int:
    return whole(params, "period")


def _check(params: Params) -> str | None:
    low, leave, high = (number(params, name) for name in ("oversold", "exit", "overbought"))
    kept = low <= leave <= high
    return None if kept else f"exit ({leave}) must be from oversold ({low}) to overbought ({high})"


def _indicators(bars: Bars, params: Params) -> dict[str, NDArray[np.float64]]:
    return {"rsi": rsi(bars.close, whole(params, "period"))}


def _decide(bars: Bars, params: Params) -> Decisions:
    index = _indicators(bars, params)["rsi"]
    low, leave, high = (number(params, name) for name in ("oversold", "exit", "overbought"))
    long = above(low, index, exact=False), above(index, leave, exact=False)
    short = above(index, high, exact=False), above(leave, index, exact=False)
    return enter_and_leave(long, short, params)


RSI_REVERSION = Strategy(
    id="rsi_reversion",
    version="1",
    citation="Wilder, New Concepts in Technical Trading Systems (1978)",
    rule="Enters against an oversold or overbought relative strength index, leaves beyond the exit level.",
    params=(
        Param(name="period", kind="int", default=14, low=2, high=WINDOW_MAX, says="bars of Wilder's averages"),
        Param(name="oversold", kind="float", default=30.0, low=1.0, high=99.0, says="below it a long is entered"),
        Param(name="overbought", kind="float", default=70.0, low=1.0, high=99.0, says="above it a short is entered"),
        Param(name="exit", kind="float", default=50.0, low=1.0, high=99.0, says="beyond it a position is left"),
        DIRECTION,
    ),
    reasons=("", "oversold", "overbought", "exit_up", "exit_down"),
    sides=("long", "short"),
    warmup=_warmup,
    check=_check,
    decide=_decide,
    indicators=_indicators,
)
