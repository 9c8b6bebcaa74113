"""A grid of parameters by backtesting.py's `optimize`, in its own processes. It stores nothing.

    python optimize.py BARS.npy FAST,SLOW...

`BARS.npy` has the columns ts, open, high, low, close, volume. Prints how many seconds that took, of the clock and of
processors, without those of starting and importing.
"""

import os
import sys
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what its plotting library has to say when it is imported
    import backtesting

backtesting.backtesting._tqdm = lambda iterable, **_: iterable


def average(values: Any, length: int) -> Any:
    """Return the moving average of a column."""
    return np.convolve(np.concatenate((np.full(length - 1, np.nan), values)), np.ones(length) / length, "valid")


class Cross(backtesting.Strategy):
    """The usual way to write a cross of two averages."""

    fast, slow = 10, 20

    def init(self) -> None:
        """Ask for both averages."""
        self.quick = self.I(average, self.data.Close, self.fast)
        self.late = self.I(average, self.data.Close, self.slow)

    def next(self) -> None:
        """Be long while the faster one is above."""
        if self.quick[-1] > self.late[-1] and not self.position:
            self.buy()
        elif self.quick[-1] < self.late[-1] and self.position:
            self.position.close()


def processors() -> float:
    """Return the seconds of processors until now, with those of processes that have ended."""
    ended = os.times()
    return time.process_time() + ended.children_user + ended.children_system


def job(path: str, pairs: set[tuple[int, int]]) -> None:
    """Go through the pairs."""
    ts, *values = np.load(path)
    columns = dict(zip(("Open", "High", "Low", "Close", "Volume"), values, strict=True))
    frame = pd.DataFrame(columns, index=pd.to_datetime(ts.astype("int64"), unit="ms"))
    test = backtesting.Backtest(frame, Cross, cash=1e6, commission=0.001, spread=0.0005, finalize_trades=True)
    fast, slow = (sorted({pair[at] for pair in pairs}) for at in (0, 1))
    test.optimize(fast=fast, slow=slow, constraint=lambda given: (given.fast, given.slow) in pairs)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    given = {(int(fast), int(slow)) for fast, slow in (pair.split(",") for pair in sys.argv[2:])}
    wall, cpu = time.perf_counter(), processors()
    job(sys.argv[1], given)
    print(time.perf_counter() - wall, processors() - cpu)
