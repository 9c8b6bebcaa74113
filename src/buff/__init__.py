"""Buff: a local, deterministic, event-sourced research ledger for people who test trading strategies.

    import buff

    run = buff.create_run(csv="candles.csv", symbol="BTCUSDT", timeframe="1h", strategy="ma_cross",
                          params={"fast": 10, "slow": 20}, risk_level=3, runs_root="runs")
    run.metrics["net_return"].value
    store = buff.open("runs")
    store.runs()

Names are imported when they are first used, so that `import buff` costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

from buff._version import __version__

if TYPE_CHECKING:
    from buff.api import (
        create_run,
        create_runs,
        create_sweep,
        ingest,
        inspect_data,
        open,
        open_legacy,
        resume_sweep,
        sweep_results,
    )
    from buff.audit import verify_all
    from buff.batch import Outcome
    from buff.decisions.contract import Decisions, Param, Params, Strategy
    from buff.deposit import Ingest
    from buff.errors import BuffError
    from buff.legacy.root import LegacyRoot
    from buff.legacy.run import LegacyEntry, LegacyRun
    from buff.market.bars import Bars
    from buff.market.timeframe import Timeframe
    from buff.proof import Verdict, verify
    from buff.registry.queries import Page
    from buff.registry.rows import RunEntry
    from buff.registry.state import SweepEntry
    from buff.runs.run import Metric, Records, Run
    from buff.store import Store
    from buff.sweeps import Sweep
    from buff.trials import SweepResults, Trial

_HOMES = {
    "Bars": "buff.market.bars",
    "BuffError": "buff.errors",
    "Decisions": "buff.decisions.contract",
    "Ingest": "buff.deposit",
    "LegacyEntry": "buff.legacy.run",
    "LegacyRoot": "buff.legacy.root",
    "LegacyRun": "buff.legacy.run",
    "Metric": "buff.runs.run",
    "Outcome": "buff.batch",
    "Page": "buff.registry.queries",
    "Param": "buff.decisions.contract",
    "Params": "buff.decisions.contract",
    "Records": "buff.runs.run",
    "Run": "buff.runs.run",
    "RunEntry": "buff.registry.rows",
    "Store": "buff.store",
    "Strategy": "buff.decisions.contract",
    "Sweep": "buff.sweeps",
    "SweepEntry": "buff.registry.state",
    "SweepResults": "buff.trials",
    "Timeframe": "buff.market.timeframe",
    "Trial": "buff.trials",
    "Verdict": "buff.proof",
    "create_run": "buff.api",
    "create_runs": "buff.api",
    "create_sweep": "buff.api",
    "ingest": "buff.api",
    "inspect_data": "buff.api",
    "open": "buff.api",
    "open_legacy": "buff.api",
    "resume_sweep": "buff.api",
    "sweep_results": "buff.api",
    "verify": "buff.proof",
    "verify_all": "buff.audit",
}

__all__ = [
    "Bars",
    "BuffError",
    "Decisions",
    "Ingest",
    "LegacyEntry",
    "LegacyRoot",
    "LegacyRun",
    "Metric",
    "Outcome",
    "Page",
    "Param",
    "Params",
    "Records",
    "Run",
    "RunEntry",
    "Store",
    "Strategy",
    "Sweep",
    "SweepEntry",
    "SweepResults",
    "Timeframe",
    "Trial",
    "Verdict",
    "__version__",
    "create_run",
    "create_runs",
    "create_sweep",
    "ingest",
    "inspect_data",
    "open",
    "open_legacy",
    "resume_sweep",
    "sweep_results",
    "verify",
    "verify_all",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home the first time it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'buff' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
