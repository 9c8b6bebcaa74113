"""What is made of inputs and bars: the same at every scale of prices that doubles hold, and refused beyond."""

from typing import Any

import attrs
import numpy as np
import pytest

from buff.decisions.contract import PRICE_MAX, PRICE_MIN, check_prices
from buff.decisions.strategy import decide, resolve, strategies, strategy
from buff.errors import RunConfigInvalid
from buff.market.bars import PRICES, Bars
from buff.market.timeframe import Timeframe
from buff.runs.artifacts import build
from worlds import lcg_bars

TO_THE_TOP, TO_THE_BOTTOM = 2.0**316, 2.0**-345  # the prices below are around 30,000


def scaled(bars: Bars, factor: float) -> Bars:
    """Return the bars with their prices times a power of two: the very same numbers, but for their exponents."""
    return attrs.evolve(bars, decimals=None, **{name: getattr(bars, name) * factor for name in PRICES})


def inputs(name: str) -> dict[str, Any]:
    return {
        "strategy": {"id": name, "params": resolve(strategy(name), {})},
        "risk": {"level": 3},
        "costs": {"commission_bps": 10.0, "slippage_bps": 5.0, "min_fee": 0.0},
        "initial_equity": 10_000.0,
    }


@pytest.mark.parametrize("name", sorted(strategies()))
def test_a_strategy_decides_the_same_whatever_the_unit_of_the_prices(name: str) -> None:
    """A warning of numpy would be an error here: nothing overflows, and nothing vanishes."""
    bars = scaled(lcg_bars(3_000, Timeframe.HOUR_1), 1.0)
    rule, params = strategy(name), resolve(strategy(name), {})
    here = decide(rule, bars, params)
    assert np.count_nonzero(here.reason), "something is decided"
    for factor in (TO_THE_TOP, TO_THE_BOTTOM):
        far = scaled(bars, factor)
        assert 1e3 * PRICE_MIN > far.low.min() >= PRICE_MIN or 1e-3 * PRICE_MAX < far.high.max() <= PRICE_MAX
        check_prices(far)
        assert decide(rule, far, params).target.tobytes() == here.target.tobytes()


@pytest.mark.parametrize("factor", [2.0**400, 2.0**-400, 2.0**980, 2.0**-1000])
def test_prices_that_nobody_can_compute_with_are_refused(factor: float) -> None:
    bars = scaled(lcg_bars(200, Timeframe.HOUR_1), factor)
    with pytest.raises(RunConfigInvalid, match="leave the range in which a strategy can compute") as caught:
        build(inputs("bollinger_reversion"), bars, {})
    assert "1e-100 to 1e+100" in caught.value.hint


def test_one_price_is_enough() -> None:
    bars = lcg_bars(200, Timeframe.HOUR_1)
    build(inputs("bollinger_reversion"), bars, {})
    low = bars.low.copy()
    low[77] = PRICE_MIN / 2
    with pytest.raises(RunConfigInvalid, match="prices from 5e-101 to"):
        build(inputs("bollinger_reversion"), attrs.evolve(bars, low=low), {})
