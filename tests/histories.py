"""Short journals for tests: events with the least that is needed, recorded one after the other."""

import hashlib
from typing import Any

from attrs import frozen

from buff.journal import events as facts
from buff.journal.events import Fact


@frozen(kw_only=True)
class Item:
    seq: int
    time: str
    sha256: str
    event: Fact
    key: str | None = None


def recorded(seq: int, event: Fact, *, day: int = 1) -> Item:
    stamp = f"2026-02-{day:02d}T00:00:{seq % 60:02d}.000000Z"
    return Item(seq=seq, time=stamp, sha256=hashlib.sha256(b"%d" % seq).hexdigest(), event=event)


def history(*events: Fact) -> list[Item]:
    return [recorded(seq, event) for seq, event in enumerate(events, 1)]


def committed(run_id: str, **members: Any) -> facts.RunCommitted:
    given = {
        "inputs_hash": "1" * 64,
        "manifest_sha256": "2" * 64,
        "content_sha256": "3" * 64,
        "job": None,
        "dataset_id": "d" * 64,
        "symbol": "DEMO",
        "timeframe": "1h",
        "start": "2024-01-01T00:00:00Z",
        "end": "2024-02-01T00:00:00Z",
        "strategy": "ma_cross",
        "strategy_version": "1",
        "params": {"fast": 10, "slow": 20},
        "risk_level": 3,
        "bars": 744,
        "trades": 10,
        "metrics": {"net_return": 0.01, "sharpe": 1.5, "max_drawdown": -0.02},
        "sparkline": [1.0, 2.0],
        "name": None,
        "notes": None,
        "tags": [],
        "by": "me",
    }
    return facts.RunCommitted(run_id=run_id, **{**given, **members})


def stored(ingest: str, dataset_id: str, *, symbol: str | None = None) -> facts.DatasetStored:
    return facts.DatasetStored(
        ingest=ingest, dataset_id=dataset_id, base_timeframe="1m", rows=10, first_ts=0, last_ts=540_000, gaps=0,
        filled=0, symbol=symbol, existed=False, source={"name": "a.csv"}, milliseconds=1,
    )  # fmt: skip
