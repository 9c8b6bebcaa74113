"""A root with very many runs, as a sweep leaves it, without making one: their commits, and a manifest each.

A new directory and a number go in; a root that lists so many whole runs is there. Nothing of a run but its manifest
exists, which is what a list looks at.
"""

import hashlib
import os
import random
from pathlib import Path

import msgspec

from buff.journal.events import RunCommitted
from buff.journal.record import Entry
from histories import committed
from whole import opened

BATCH = 1_000


def event(chance: random.Random, manifest: bytes) -> RunCommitted:
    """Return the commit of a run as a sweep makes it, of a manifest that is its own."""
    names = ("net_return", "cagr", "sharpe", "max_drawdown", "win_rate", "profit_factor")
    hashed = f"{chance.getrandbits(256):064x}"
    return committed(
        f"run_{hashed[:16]}",
        inputs_hash=hashed,
        manifest_sha256=hashlib.sha256(manifest).hexdigest(),
        symbol=chance.choice(("BTCUSDT", "ETHUSDT", "SOLUSDT")),
        timeframe=chance.choice(("1h", "4h")),
        strategy=chance.choice(("ma_cross", "macd", "donchian_breakout")),
        risk_level=chance.randint(1, 5),
        params={"direction": "long", "fast": chance.randint(2, 50), "slow": chance.randint(51, 200)},
        metrics={name: chance.gauss(0.0, 1.0) for name in names},
        sparkline=[float(f"{10_000.0 + chance.gauss(0.0, 500.0):.6g}") for _ in range(32)],
        tags=[f"sweep-{chance.randint(1, 20)}"],
    )


def fill(root: Path, runs: int) -> Path:
    """Commit so many runs to a new root, each with a directory that holds its manifest and nothing else."""
    root.mkdir()
    chance = random.Random(runs)
    with opened(root) as store:
        store.journal()  # while nothing is there: directories without a journal would be a journal that is gone
        for _ in range(runs // BATCH):
            entries = []
            for _ in range(BATCH):
                manifest = msgspec.json.encode({"padding": "x" * 3_000, "number": chance.random()})
                made = event(chance, manifest)
                os.mkdir(root / made.run_id)
                (root / made.run_id / "manifest.json").write_bytes(manifest)
                entries.append(Entry(event=made, key=f"run:{made.run_id}"))
            store.journal().append(entries)
    return root
