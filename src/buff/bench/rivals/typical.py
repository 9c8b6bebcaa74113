"""The whole job the way it is usually done: pandas and backtesting.py.

    python typical.py IN.csv NEW_DIRECTORY TIMEFRAME

Reads, checks and resamples the CSV, runs a cross of two averages with commission and spread, and writes bars, trades,
equity and statistics. Nothing is hashed and nothing is synced.
"""

import json
import os
import sys
import warnings
from typing import Any

import pandas as pd

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what its plotting library has to say when it is imported
    import backtesting
    from backtesting.lib import crossover
    from backtesting.test import SMA

backtesting.backtesting._tqdm = lambda iterable, **_: iterable


class Cross(backtesting.Strategy):
    """Long while the faster average is above the slower one."""

    def init(self) -> None:
        """Ask for both averages."""
        self.fast = self.I(SMA, self.data.Close, 10)
        self.slow = self.I(SMA, self.data.Close, 20)

    def next(self) -> None:
        """Buy or close where they cross."""
        if crossover(self.fast, self.slow):
            self.buy()
        elif crossover(self.slow, self.fast):
            self.position.close()


def bars_of(path: str, folder: str, timeframe: str) -> Any:
    """Return the bars of a file, checked, kept and resampled."""
    frame = pd.read_csv(path)
    frame["timestamp"] = pd.to_datetime(frame["timestamp"]).dt.tz_localize(None)
    frame = frame.set_index("timestamp")
    assert frame.notna().all().all()
    assert frame.index.is_monotonic_increasing
    assert frame.index.is_unique
    assert (frame.high >= frame[["open", "close"]].max(axis=1)).all()
    assert (frame.low <= frame[["open", "close"]].min(axis=1)).all()
    frame.to_pickle(f"{folder}/canonical.pkl")
    if timeframe != "1m":
        how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
        frame = frame.resample(timeframe).agg(how).dropna()
    frame.columns = ["Open", "High", "Low", "Close", "Volume"]
    return frame


def job(path: str, folder: str, timeframe: str) -> None:
    """Do the whole job."""
    os.mkdir(folder)
    bars = bars_of(path, folder, timeframe)
    stats = backtesting.Backtest(bars, Cross, cash=1e6, commission=0.001, spread=0.001, finalize_trades=True).run()
    stats["_trades"].to_csv(f"{folder}/trades.csv")
    stats["_equity_curve"].join(bars).to_csv(f"{folder}/records.csv")
    with open(f"{folder}/metrics.json", "w", encoding="utf-8") as file:
        json.dump({name: str(value) for name, value in stats.items() if not name.startswith("_")}, file)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # what it has to say of trades that are open at the end
    job(*sys.argv[1:])
