"""Create a run from a CSV, look at it, and create it again.

python examples/create_run.py [ROOT]
"""

import sys
from pathlib import Path

import buff

root = sys.argv[1] if len(sys.argv) > 1 else "runs"
sample = Path(__file__).parent / "data" / "sample_1m.csv"

request = {
    "csv": sample,
    "symbol": "DEMO",
    "timeframe": "1h",
    "strategy": "ma_cross",
    "params": {"fast": 5, "slow": 12},
    "risk_level": 3,
    "runs_root": root,
}
run = buff.create_run(**request)
print(run)

for name in ("net_return", "max_drawdown", "sharpe", "buy_and_hold"):
    metric = run.metrics[name]
    print(f"{name:>14}  {metric.value}  {metric.unit}  {metric.null_reason or ''}")

for trade in run.trades:
    print(trade["side"], trade["entry"]["ts"], trade["state"], trade.get("pnl", trade.get("unrealised")))

again = buff.create_run(**request)
assert again.id == run.id, "the same inputs are the same run"
