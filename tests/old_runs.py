"""Runs of the previous generation, made from what is documented of them: one function for each layout it had.

A directory goes in and is filled. Used by the tests of everything that shows legacy runs.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
NEW_YEAR_2024_MS = 1_704_067_200_000

PHASE1_RECORDS = (
    {
        "timestamp": "2026-02-01T00:00:00Z",
        "action": "ENTER_LONG",
        "risk_level": 3,
        "risk_state": "GREEN",
        "permission": "ALLOW",
        "strategy_id": "trend_follow",
        "strategy_version": "1.2.0",
        "data_snapshot_hash": "snap-1",
    },
    {
        "timestamp": "2026-02-01T00:05:00Z",
        "action": "BLOCKED",
        "risk_level": 3,
        "risk_state": "RED",
        "permission": "BLOCK",
        "risk_reason": "max_daily_loss",
        "risk_policy_type": "hard_cap",
    },
)
PHASE1_METRICS = {"total_return": 0.12, "max_drawdown": -0.05, "num_trades": 1, "win_rate": 1.0}
STAGE5_METRICS = {"total_return": 0.083, "max_drawdown": -0.021, "num_trades": 3}
PHASE1_TIMELINE = (
    {"timestamp": "2026-02-01T00:00:00Z", "type": "run", "title": "start", "detail": "made", "severity": "INFO"},
    {"timestamp": "2026-02-01T00:05:00Z", "type": "risk", "title": "block", "detail": "loss", "severity": "ERROR"},
)
NESTED_RECORD = {
    "metadata": {"timestamp_utc": "2025-06-01 12:00:00"},
    "action": "HOLD",
    "symbols": ["BTCUSDT", "ETHUSDT"],
    "selection": {"strategy_id": "demo_threshold"},
    "risk": {
        "level": 2,
        "state": "YELLOW",
        "permission": "DENY",
        "reason": "exposure",
        "rule_id": "cap_7",
        "policy_type": "user_policy",
    },
}


def write_lines(path: Path, objects: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(each) + "\n" for each in objects), encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")


def write_parquet(path: Path, columns: Mapping[str, Any]) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(dict(columns)), path)


def candles(count: int, step_ms: int, first_ms: int = NEW_YEAR_2024_MS) -> dict[str, list[Any]]:
    """Columns of plain candles, `step_ms` apart."""
    opens = [100.0 + number for number in range(count)]
    return {
        "timestamp": [first_ms + number * step_ms for number in range(count)],
        "open": opens,
        "high": [value + 1 for value in opens],
        "low": [value - 1 for value in opens],
        "close": [value + 0.5 for value in opens],
        "volume": [10.0] * count,
    }


def rows_of(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def phase1(root: Path, name: str = "phase1_demo") -> Path:
    """Records, metrics and timeline: all that the first phase wrote."""
    folder = root / name
    folder.mkdir(parents=True)
    write_lines(folder / "decision_records.jsonl", PHASE1_RECORDS)
    write_json(folder / "metrics.json", PHASE1_METRICS)
    write_json(folder / "timeline.json", PHASE1_TIMELINE)
    return folder


def stage5(root: Path, name: str = "stage5_demo") -> Path:
    """The same with fills and candles in Parquet: hourly bars in a file called 1m, in epoch milliseconds."""
    folder = root / name
    folder.mkdir(parents=True)
    record = {
        "timestamp": "2024-01-01T00:00:00Z",
        "action": "ENTER_LONG",
        "permission": "ALLOW",
        "reason_code": "demo_entry",
        "note": "a note",
        "risk_level": 3,
        "risk_state": "GREEN",
        "strategy_id": "demo_threshold",
        "strategy_version": "1.0.0",
        "symbol": "BTCUSDT",
        "timeframe": "1m",
    }
    write_lines(folder / "decision_records.jsonl", [record, {**record, "action": "EXIT_LONG"}])
    write_json(
        folder / "metrics.json",
        {**PHASE1_METRICS, **STAGE5_METRICS, "time_breakdown": [{"period": "2024-01", **STAGE5_METRICS}]},
    )
    nested = {**PHASE1_TIMELINE[1], "timestamp": "2024-01-01T01:00:00Z", "risk": {"level": 3, "state": "RED"}}
    write_json(folder / "timeline.json", [nested])
    write_parquet(
        folder / "trades.parquet",
        {
            "trade_id": ["demo-1", "demo-2"],
            "timestamp": ["2024-01-01T00:10:00Z", "2024-01-01T00:40:00Z"],
            "symbol": ["BTCUSDT", "BTCUSDT"],
            "side": ["BUY", "SELL"],
            "qty": [0.1, 0.1],
            "price": [100.35, 101.12],
            "pnl": [float("nan"), 0.77],
            "equity": [10_000.0, 10_000.77],
            "status": ["OPEN", "CLOSED"],
        },
    )
    write_parquet(folder / "ohlcv_1m.parquet", candles(24, HOUR_MS))
    return folder


def plugin_validation(root: Path, name: str = "plugin_validation") -> Path:
    """What checking a plugin left: one nested record and files that are none of a run's."""
    folder = root / name
    (folder / "strategy").mkdir(parents=True)
    write_lines(folder / "decision_records.jsonl", [NESTED_RECORD])
    write_json(folder / "index.json", {"strategies": ["demo_threshold"]})
    write_json(folder / "strategy" / "demo_threshold.json", {"status": "PASS"})
    return folder


def phase6(root: Path, user: str = "alice", name: str = "run_41e3fb1b78d6", strategy: str = "ma_cross") -> Path:
    """The last layout: a request, round trips, candles in JSON Lines, under `users/<user>/runs/<id>`."""
    folder = root / "users" / user / "runs" / name
    folder.mkdir(parents=True)
    inputs = {
        "schema_version": "1.0.0",
        "data_source": {
            "type": "csv",
            "path": "data/btc 2024.csv",
            "symbol": "BTCUSDT",
            "timeframe": "5m",
            "start_ts": NEW_YEAR_2024_MS,
            "end_ts": "2024-01-01T00:19:00.000Z",
        },
        "strategy": {"id": strategy, "params": {"fast_period": 3, "slow_period": 8}},
        "risk": {"level": 2},
        "costs": {"commission_bps": 7.5, "slippage_bps": 0.0},
        "seed": 0,
    }
    created = "2024-01-01T00:00:00.000Z"
    write_json(folder / "manifest.json", {"schema_version": "1.0.0", "run_id": name, "inputs": inputs})
    write_json(folder / "config.json", {"run_id": name, "inputs": inputs})
    write_json(
        folder / "metrics.json",
        {"total_return": -0.01, "max_drawdown": 0.25, "num_trades": 1, "symbol": "BTCUSDT", "timeframe": "5m"},
    )
    curve = [{"t": f"2024-01-01T00:{minute:02d}:00.000Z", "equity": 10_000.0 - minute / 4} for minute in (0, 5, 10, 15)]
    write_json(folder / "equity_curve.json", curve)
    record = {"schema_version": "dr.v1", "run_id": name, "ts_utc": created, "action": "HOLD", "price": 100.5}
    write_lines(folder / "decision_records.jsonl", [{**record, "seq": seq, "symbol": "BTCUSDT"} for seq in range(4)])
    trip = {
        "entry_time": "2024-01-01T00:05:00.000Z",
        "entry_price": 105.0,
        "exit_time": "2024-01-01T00:10:00.000Z",
        "exit_price": 104.0,
        "qty": 2.0,
        "pnl": -2.5,
        "fees": 0.5,
        "side": "LONG",
    }
    write_lines(folder / "trades.jsonl", [trip])
    moment = {"timestamp": created, "type": "run", "title": "CREATED", "detail": "status=CREATED", "severity": "INFO"}
    write_json(folder / "timeline.json", [{**moment, "stage": "CREATED", "duration_ms": 0, "seq": 0}])
    for label, count, step in (("1m", 20, MINUTE_MS), ("5m", 4, 5 * MINUTE_MS)):
        columns = candles(count, step)
        stamps = [f"2024-01-01T00:{number * step // MINUTE_MS:02d}:00.000Z" for number in range(count)]
        write_lines(folder / f"ohlcv_{label}.jsonl", rows_of({"ts": stamps, **{k: columns[k] for k in VALUES}}))
    return folder


VALUES = ("open", "high", "low", "close", "volume")


def every_layout(root: Path) -> Path:
    """All four beside each other."""
    for make in (phase1, stage5, plugin_validation, phase6):
        make(root)
    return root


def fingerprint(root: Path) -> str:
    """A hash of names, kinds, modes, times and bytes of everything under a directory."""
    digest = hashlib.sha256()
    for path in sorted([root, *root.rglob("*")]):
        found = path.lstat()
        digest.update(f"{path.relative_to(root)} {found.st_mode} {found.st_mtime_ns} {found.st_size}\n".encode())
        if path.is_file() and not path.is_symlink():
            digest.update(path.read_bytes())
    return digest.hexdigest()
