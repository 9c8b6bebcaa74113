"""The indicators and decisions of every built-in strategy on a long walk of whole cents, as digests.

`python tests/golden_strategies.py` prints them, which the tests do in processes of other surroundings. With `--write`
it writes `tests/golden/strategies_v1/SHA256SUMS` anew; one that has been released is never written again.
"""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import evolve

from buff.bench import made
from buff.decisions.strategy import decide, resolve, strategy
from buff.market.timeframe import Timeframe

GOLDEN = Path(__file__).parent / "golden" / "strategies_v1" / "SHA256SUMS"

# Parameters with which each strategy decides many times, so that nothing is proven by deciding nothing.
BUSY: dict[str, dict[str, Any]] = {
    "atr_channel_breakout": {"average": 10, "atr": 5, "top": 0.5, "bottom": 0.5},
    "bollinger_reversion": {"window": 10, "deviations": 1.0},
    "donchian_breakout": {"entry": 6, "exit": 3},
    "ema_cross": {"fast": 3, "slow": 8},
    "ma_cross": {"fast": 3, "slow": 8},
    "macd": {"fast": 3, "slow": 8, "signal": 4},
    "roc_momentum": {"period": 5, "threshold": 0.2},
    "rsi_reversion": {"period": 4, "oversold": 40, "overbought": 60},
    "time_series_momentum": {"lookback": 12, "hold": 3},
}


def digests() -> Iterator[str]:
    """Yield a line for every strategy and every column: a SHA-256, and what it is of."""
    walk = made.walk(5_000, Timeframe.HOUR_1)
    for id in sorted((*BUSY, "hold")):
        rule = strategy(id)
        for decimals in (2, None):
            bars = evolve(walk, decimals=decimals)
            params = resolve(rule, {**BUSY[id], "direction": "both"} if id in BUSY else {})
            decisions = decide(rule, bars, params)
            columns = rule.indicators(bars, params) if rule.indicators else {}
            kept = {name: column[rule.warmup(params) :] for name, column in columns.items()}
            for name, column in {**kept, "target": decisions.target, "reason": decisions.reason}.items():
                yield f"{hashlib.sha256(column.tobytes()).hexdigest()}  {id}/{name}/decimals={decimals}\n"


def main() -> None:
    """Print the digests, or write the golden."""
    text = "".join(digests())
    if "--write" in sys.argv:
        GOLDEN.parent.mkdir(parents=True, exist_ok=True)
        GOLDEN.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
