"""A root with very many runs, as a sweep leaves it, without making one: their commits, and a manifest each.

A new directory and a number go in; a root that lists so many whole runs is there. Nothing of a run but its manifest
exists, which is what a list looks at.
"""

import hashlib
import os
import random
from pathlib import Path

import msgspec

from buff.bench.made import BATCH, commits
from buff.journal.events import RunCommitted
from buff.journal.record import Entry
from whole import opened


def event(made: RunCommitted, chance: random.Random, manifest: bytes) -> RunCommitted:
    """Return the commit of a run with a manifest, a strategy and a tag of its own."""
    return msgspec.structs.replace(
        made,
        manifest_sha256=hashlib.sha256(manifest).hexdigest(),
        strategy=chance.choice(("ma_cross", "macd", "donchian_breakout")),
        tags=[f"sweep-{chance.randint(1, 20)}"],
    )


def fill(root: Path, runs: int) -> Path:
    """Commit so many runs to a new root, each with a directory that holds its manifest and nothing else."""
    root.mkdir()
    chance, commits_made = random.Random(runs), commits(runs)
    with opened(root) as store:
        store.journal()  # while nothing is there: directories without a journal would be a journal that is gone
        for _ in range(runs // BATCH):
            entries = []
            for _ in range(BATCH):
                manifest = msgspec.json.encode({"padding": "x" * 3_000, "number": chance.random()})
                made = event(next(commits_made), chance, manifest)
                os.mkdir(root / made.run_id)
                (root / made.run_id / "manifest.json").write_bytes(manifest)
                entries.append(Entry(event=made, key=f"run:{made.run_id}"))
            store.journal().append(entries)
    return root
