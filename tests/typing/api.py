"""The public API as a user writes it. mypy checks this file in strict mode; nothing runs it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, assert_type

import numpy as np
from numpy.typing import NDArray

import buff


def create(csv: Path) -> buff.Run:
    """A run from one file or several, with parameters as a plain dict and the root as text, path or store."""
    run = buff.create_run(csv=csv, symbol="BTCUSDT", timeframe="1h", strategy="hold", risk_level=3, runs_root="runs")
    assert_type(run, buff.Run)
    with buff.open(Path("runs")) as store:
        assert_type(store, buff.Store)
        return buff.create_run(
            csv=["one.csv", csv],
            symbol="BTCUSDT",
            timeframe="4h",
            strategy="ma_cross",
            params={"fast": 10, "slow": 20, "direction": "both"},
            risk_level=1,
            gaps="keep",
            commission_bps=2.5,
            tags=("trend",),
            progress=show,
            runs_root=store,
        )


def take_in(csv: Path) -> buff.Run:
    """A dataset first, then a run of it by its id."""
    stored = buff.ingest(csv=["one.csv", csv], symbol="BTCUSDT", gaps="keep", runs_root="runs")
    assert_type(stored, buff.Ingest)
    assert_type(stored.warnings, tuple[str, ...])
    return buff.create_run(
        dataset=stored.dataset_id, timeframe="1h", strategy="hold", risk_level=3, runs_root=Path("runs")
    )


def sweep() -> list[float | None]:
    """Many runs of a grid, and what came of them."""
    done = buff.create_sweep(
        dataset="a" * 16, timeframe=["1h", "4h"], strategy="ma_cross", params={"fast": "5..9", "slow": [20, 30]},
        risk_level=range(1, 4), walk={"train": "30d", "test": "10d"}, runs_root="runs",
    )  # fmt: skip
    assert_type(done, buff.Sweep)
    assert_type(done.entry, buff.SweepEntry)
    assert_type(buff.resume_sweep(done.id, runs_root="runs").outcomes, tuple[buff.Outcome, ...])
    found = buff.sweep_results(done.id, runs_root="runs")
    assert_type(found, buff.SweepResults)
    assert_type(found.pairs, tuple[tuple[buff.Trial, buff.Trial], ...])
    return [row.metrics["sharpe"] for row in found.rows if row.deflated_sharpe is not None]


def show(stage: str, done: int, total: int) -> None:
    """A user's own progress."""


def read(run: buff.Run) -> float | None:
    """The parts of a run."""
    assert_type(run.id, str)
    assert_type(run.bars, buff.Bars)
    assert_type(run.bars[2:5].close, NDArray[np.float64])
    assert_type(run.bars.timeframe, buff.Timeframe)
    assert_type(run.equity, NDArray[np.float64])
    assert_type(run.position, NDArray[np.int8])
    assert_type(run.open("metrics.json"), BinaryIO)
    assert_type(run.records, buff.Records)
    assert_type(run.records[0], dict[str, Any])
    assert_type(run.records[10:20], list[dict[str, Any]])
    assert_type(run.trades, Sequence[dict[str, Any]])
    assert_type(run.explain(trade=0), dict[str, Any])
    assert_type(run.explain(bar="2024-01-01T00:00:00Z"), dict[str, Any])
    assert_type(run.diff(run), dict[str, Any])
    assert_type(run.command, str)
    assert_type("".join(run.report()), str)
    metric = run.metrics["net_return"]
    assert_type(metric, buff.Metric)
    return metric.value if isinstance(metric.value, float) else None


def look(store: buff.Store) -> list[str]:
    """Lists, at present and in the past, with filters."""
    page = store.runs(symbol="BTCUSDT", sort="-sharpe", limit=10, as_of=40)
    assert_type(page, buff.Page[buff.RunEntry])
    assert_type(page.next, int | None)
    return [entry.run_id for entry in page.items if entry.metrics["sharpe"] is not None]


def prove(store: buff.Store, run: buff.Run) -> int:
    """A verdict, and what an error carries."""
    try:
        verdict = buff.verify(store, run.id, sources=["one.csv"], record=False)
    except buff.BuffError as error:
        assert_type(error.code, str)
        assert_type(error.details, dict[str, object])
        return error.exit_code
    assert_type(verdict, buff.Verdict)
    return verdict.exit_code


def decide(bars: buff.Bars, params: buff.Params) -> buff.Decisions:
    """A rule of a user's own."""
    assert_type(params["bars"], int | float | bool | str)
    return buff.Decisions(target=np.zeros(len(bars), np.int8), reason=np.zeros(len(bars), np.uint8))


def declare() -> buff.Strategy:
    """What a package registers."""
    return buff.Strategy(
        id="idle",
        version="1",
        citation="none",
        rule="Never trades.",
        params=(buff.Param(name="bars", kind="int", default=1, low=1, high=9),),
        reasons=("",),
        sides=("long",),
        warmup=lambda params: 0,
        decide=decide,
    )
