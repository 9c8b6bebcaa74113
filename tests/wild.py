"""Runs in which everything happens: markets of large moves, gaps kept or filled, no volume, all costs.

A seed goes in; an hourly file of candles and a request go out, the same for the same seed.
"""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from buff.runs.run import Run
from whole import HEADER, make

FIRST = datetime(2024, 1, 1, tzinfo=UTC)


def write_hours(path: Path, seed: int, *, count: int = 400, gaps: bool = True) -> Path:
    """Write hours of a random walk with moves of some percent; a few stretches are absent where there are gaps."""
    rng, price, lines = random.Random(seed), 100.0, [HEADER]
    missing = {at + more for at in rng.sample(range(5, count - 40), 3) for more in range(rng.choice((1, 2, 6)))}
    for hour in range(count):
        start = round(price * (1 + rng.uniform(-0.002, 0.002)), 2)
        price = round(max(start * (1 + rng.gauss(0, 0.02)), 1.0), 2)
        if gaps and hour in missing:
            continue
        stamp = (FIRST + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ")
        volume = rng.choice((0, 1.5, 20))
        lines.append(f"{stamp},{start},{max(start, price)},{min(start, price)},{price},{volume}\n")
    path.write_text("".join(lines))
    return path


def wild_run(folder: Path, seed: int, /, *, root: Path | None = None, **changes: Any) -> Run:
    """Return a committed run of such a market, drawn from a seed; `changes` are fields of its request."""
    rng = random.Random(seed + 1)
    values = {
        "base_timeframe": "1h",
        "timeframe": "1h",
        "gaps": rng.choice(("keep", "fill")),
        "params": {"fast": rng.choice((2, 3)), "slow": rng.choice((4, 8)), "direction": rng.choice(("long", "both"))},
        "risk_level": rng.choice((1, 3, 5)),
        "commission_bps": rng.choice((0.0, 1.0, 10.0)),
        "slippage_bps": rng.choice((0.0, 5.0)),
        "min_fee": rng.choice((0.0, 2.5)),
        **changes,
    }
    return make(root or folder / "root", write_hours(folder / f"{seed}.csv", seed), **values).run
