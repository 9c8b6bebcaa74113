"""Made-up data for measuring: minutes as CSV, bars, and the events of very many runs, the same on every machine.

Counts and paths go in; bytes, bars and a filled root come out. Prices and volumes are made by integer arithmetic alone.
"""

import random
from collections.abc import Iterator
from itertools import islice

import numpy as np

from buff.decisions.metrics import sparkline
from buff.files import RealDisk, write_file
from buff.journal.events import RunCommitted
from buff.journal.record import Entry
from buff.market.bars import Bars
from buff.market.timeframe import Timeframe
from buff.sample import HEADER, MONTH, START_MS, csv_chunks
from buff.store import Store

MINUTE_MS = 60_000
BATCH = 1_000  # so many events of `crowd` are appended at once
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
METRICS = ("net_return", "cagr", "sharpe", "max_drawdown", "win_rate", "profit_factor")


def minutes_csv(rows: int) -> Iterator[bytes]:
    """Yield ISO minutes as a CSV: the cells of a sample month again and again, the times going on."""
    cells = [line.split(b",", 1)[1] for line in b"".join(csv_chunks(min(rows, MONTH))).splitlines()[1:]]
    yield HEADER
    for first in range(0, rows, MONTH):
        count = min(MONTH, rows - first)
        stamps = (np.arange(first, first + count) * MINUTE_MS + START_MS).astype("datetime64[ms]")
        texts = np.datetime_as_string(stamps, unit="s").tolist()
        yield b"".join(b"%sZ,%s\n" % (text.encode(), cell) for text, cell in zip(texts, cells, strict=False))


def write_minutes(path: str, rows: int) -> str:
    """Write such a CSV and return its path."""
    write_file(RealDisk(), path, minutes_csv(rows))
    return path


def walk(count: int, timeframe: Timeframe) -> Bars:
    """Return a long walk in whole cents from a 64-bit linear congruential generator (Knuth, TAOCP 3.3.4, MMIX)."""
    state, price, opens, closes = 2_026, 4_000_000, [], []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        opens.append((price + (state >> 40) % 101 - 50) / 100)
        price = max(price + (state >> 33) % 20_001 - 10_000, 1_000_000)
        closes.append(price / 100)
    first = int(timeframe.index(np.array([1_640_995_200_000]))[0])
    both = np.array([opens, closes])
    return Bars(
        timeframe=timeframe,
        ts=timeframe.start(first + np.arange(count)),
        open=both[0],
        high=both.max(axis=0),
        low=both.min(axis=0),
        close=both[1],
        volume=np.ones(count),
        filled=np.zeros(count, np.uint8),
        decimals=2,
    )


def minutes(count: int) -> Bars:
    """Return minutes made column by column: cents that wander, volumes of five decimals, no gap."""
    at = np.arange(count, dtype=np.int64)
    noise = (at * 2_654_435_761) % 1_009
    close = 4_000_000 + np.cumsum(noise - 504)
    opened = np.concatenate((close[:1], close[:-1]))
    return Bars(
        timeframe=Timeframe.MINUTE_1,
        ts=1_577_836_800_000 + at * MINUTE_MS,
        open=opened / 100,
        high=(np.maximum(opened, close) + noise) / 100,
        low=(np.minimum(opened, close) - noise) / 100,
        close=close / 100,
        volume=(noise * 40_503 % 2_000_003) / 1e5,
        filled=np.zeros(count, np.uint8),
    )


def commits(seed: int) -> Iterator[RunCommitted]:
    """Yield the commits of runs as a sweep makes them: 32 points of equity, six metrics, hashes of their own."""
    chance = random.Random(seed)
    curves = [sparkline(np.array([10_000.0 + chance.gauss(0.0, 500.0) for _ in range(32)])) for _ in range(256)]
    while True:
        hashed = [f"{chance.getrandbits(256):064x}" for _ in range(3)]
        yield RunCommitted(
            run_id=f"run_{hashed[0][:16]}",
            inputs_hash=hashed[0],
            manifest_sha256=hashed[1],
            content_sha256=hashed[2],
            job=None,
            dataset_id="d" * 64,
            symbol=chance.choice(SYMBOLS),
            timeframe=chance.choice(("1h", "4h")),
            start="2024-01-01T00:00:00Z",
            end="2025-01-01T00:00:00Z",
            strategy="ma_cross",
            strategy_version="1",
            params={"direction": "long", "fast": chance.randint(2, 50), "slow": chance.randint(51, 200)},
            risk_level=chance.randint(1, 5),
            bars=8_760,
            trades=chance.randint(0, 400),
            metrics={name: chance.gauss(0.0, 1.0) for name in METRICS},
            daily_sharpe=[chance.gauss(0.0, 0.1), 365, chance.gauss(0.0, 1.0), chance.gauss(3.0, 1.0)],
            sparkline=chance.choice(curves),
            name=None,
            notes=None,
            tags=[],
            by="bench",
        )


def crowd(store: Store, runs: int) -> None:
    """Commit so many runs that have no directory, which a list never opens."""
    waiting = islice(commits(runs), runs)
    while events := list(islice(waiting, BATCH)):
        store.journal().append([Entry(event=event, key=f"run:{event.run_id}") for event in events])
