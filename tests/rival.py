"""backtesting.py under the assumptions of Buff, for agreement trade for trade.

Buff at level 1 without costs and without RED is the same job: decide at the close, fill at the next open, one unit, one
position, nothing closed at the end.
"""

from typing import Any

import numpy as np

from buff.bench.rivals.cross import backtest, backtesting, frame

__all__ = ["Averages", "Donchian", "Follow", "backtest", "backtesting", "frame"]


class Follow(backtesting.Strategy):
    """Moves to `target`, a plain attribute: an indicator (`self.I`) would delay the first call by a bar."""

    target: Any = None

    def init(self) -> None:
        """Nothing to prepare."""

    def next(self) -> None:
        wanted = self.target[len(self.data) - 1]
        held = np.sign(self.position.size)
        if wanted == held:
            return
        if wanted == 0:
            self.position.close()
        elif wanted > 0:
            self.buy(size=1)
        else:
            self.sell(size=1)


class Averages(backtesting.Strategy):
    """The cross of two means of closes by pandas, long only or both sides, aside from `self.I` as below."""

    both = False

    def init(self) -> None:
        """Take both means."""
        close = self.data.Close.s
        self.fast, self.slow = (close.rolling(bars).mean().to_numpy() for bars in (10, 20))

    def next(self) -> None:
        bar = len(self.data) - 1
        if self.fast[bar] > self.slow[bar]:
            if not self.position.is_long:
                self.buy(size=1)
        elif self.fast[bar] < self.slow[bar]:
            if self.both and not self.position.is_short:
                self.sell(size=1)
            elif not self.both and self.position:
                self.position.close()


class Donchian(backtesting.Strategy):
    """The channel breakout the way its users write it: in beyond 20 bars, out beyond 10, long only or both sides."""

    both = False

    def init(self) -> None:
        """Take the channels of the bars before each, aside from `self.I`, which delays the first call."""
        high, low = self.data.High.s, self.data.Low.s
        self.top, self.bottom = high.rolling(20).max().shift().to_numpy(), low.rolling(20).min().shift().to_numpy()
        self.leave_long = low.rolling(10).min().shift().to_numpy()
        self.leave_short = high.rolling(10).max().shift().to_numpy()

    def next(self) -> None:
        bar, close = len(self.data) - 1, self.data.Close[-1]
        if close > self.top[bar]:
            if not self.position.is_long:
                self.buy(size=1)
        elif self.both and close < self.bottom[bar]:
            if not self.position.is_short:
                self.sell(size=1)
        elif (self.position.is_long and close < self.leave_long[bar]) or (
            self.position.is_short and close > self.leave_short[bar]
        ):
            self.position.close()
