"""A cross of two averages by backtesting.py, under the assumptions of Buff: decided at the close, filled at the open.

Bars go in; what backtesting.py says of them comes out. Nothing is closed at the end, and there are no costs.
"""

import warnings
from typing import Any

import numpy as np

from buff.market.bars import Bars

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what its plotting library has to say when it is imported
    import backtesting
    import pandas as pd

backtesting.backtesting._tqdm = lambda iterable, **_: iterable


def frame(bars: Bars) -> Any:
    """Return the bars as the frame that backtesting.py takes."""
    names = ("Open", "High", "Low", "Close", "Volume")
    columns = {name: np.array(getattr(bars, name.lower())) for name in names}
    return pd.DataFrame(columns, index=pd.DatetimeIndex(bars.ts.astype("datetime64[ms]")))


class Cross(backtesting.Strategy):
    """The moving-average cross the way its users write it."""

    def init(self) -> None:
        """Ask for both averages."""
        close = self.data.Close.s
        self.fast = self.I(lambda: close.rolling(10).mean().to_numpy())
        self.slow = self.I(lambda: close.rolling(20).mean().to_numpy())

    def next(self) -> None:
        """Hold one unit while the faster one is above."""
        above = self.fast[-1] > self.slow[-1]
        if above and not self.position:
            self.buy(size=1)
        elif not above and self.position:
            self.position.close()


def backtest(data: Any, strategy: type[Any] = Cross) -> Any:
    """Return what backtesting.py says of a strategy, filled at the next open without costs."""
    job = backtesting.Backtest(
        data,
        strategy,
        cash=1e9,
        commission=0,
        spread=0,
        margin=1,
        trade_on_close=False,
        hedging=False,
        exclusive_orders=True,
        finalize_trades=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of the trade that is open at the end, which is what we want
        return job.run()
