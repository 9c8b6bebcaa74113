"""Resample one CSV to several timeframes: one dataset is stored, and each timeframe is made from it once.

python examples/resample.py [ROOT]
"""

import sys
from pathlib import Path

import buff

root = sys.argv[1] if len(sys.argv) > 1 else "runs"
sample = Path(__file__).parent / "data" / "sample_1m.csv"

print("timeframe  bars  dropped  first bar of each: open, high, low, close, volume")
for timeframe in ("5m", "15m", "1h", "4h", "1d"):
    run = buff.create_run(csv=sample, symbol="DEMO", timeframe=timeframe, strategy="hold", risk_level=1, runs_root=root)
    bars, made = run.bars, run.quality["resample"]
    first = [float(column[0]) for column in (bars.open, bars.high, bars.low, bars.close, bars.volume)]
    print(f"{timeframe:>9}  {len(bars):>4}  {made['dropped']['count']:>7}  {first}")

print(f"{len(buff.open(root).datasets())} dataset")
