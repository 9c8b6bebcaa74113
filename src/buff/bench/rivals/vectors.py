"""The same cross by vectorbt: compiled code, filled at the next open, without costs and without risk limits.

Bars go in; a call comes out that makes its portfolio and the equity of every bar.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from buff.market.bars import Bars

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import vectorbt


def cross(bars: Bars, freq: str) -> Callable[[], Any]:
    """Return what makes the portfolio of bars that are `freq` apart."""
    index = pd.DatetimeIndex(bars.ts.astype("datetime64[ms]"))
    close, opens = (pd.Series(np.array(column), index=index) for column in (bars.close, bars.open))

    def made() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fast, slow = vectorbt.MA.run(close, 10), vectorbt.MA.run(close, 20)
            above = fast.ma_above(slow).vbt.signals.fshift(1)
            found = vectorbt.Portfolio.from_signals(
                close, above, ~above, price=opens, fees=0.0, freq=freq, init_cash=1e6
            )
            found.value()
        return found

    return made
