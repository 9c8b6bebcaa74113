"""Sweeps as values, for what draws them: a plan, and rows of results as a sweep of it would have them.

Requests go in, each a few fields that differ from a plain one; the plan and the rows come out. Nothing is made.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from buff import Trial

DATASET = "a5cff81abba9e0d4" * 4
WORDS: Mapping[str, Any] = {
    "dataset": DATASET,
    "symbol": "BTCUSDT",
    "timeframe": "1h",
    "start": "2024-01-01T00:00:00Z",
    "end": "2024-02-01T00:00:00Z",
    "strategy": "ma_cross",
    "risk_level": 3,
    "initial_equity": 10_000.0,
    "commission_bps": 10.0,
    "slippage_bps": 5.0,
    "min_fee": 0.0,
}


def planned(at: int, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request of a plan; `window` and `part` are of a walk, `error` is of one that was refused."""
    own = {name: value for name, value in changes.items() if name not in ("window", "part", "error")}
    if "error" in changes:
        return {"request": own, "error": changes["error"]}
    found = {"request": {**WORDS, **own}, "run_id": f"run_{at:016x}", "inputs_hash": f"{at:064x}"}
    return {**found, **{name: changes[name] for name in ("window", "part") if name in changes}}


def plan_of(
    requests: Sequence[Mapping[str, Any]], *, skipped: Sequence[Mapping[str, Any]] = (), walk: bool = False
) -> dict[str, Any]:
    """Return the plan of some requests."""
    return {
        "schema": "sweep.v1",
        "walk": {"train": "10d", "test": "5d"} if walk else None,
        "runs": [planned(at, changes) for at, changes in enumerate(requests)],
        "skipped": [{"request": request, "says": "fast must be below slow"} for request in skipped],
    }


def rows_of(plan: Mapping[str, Any], values: Sequence[float | None] | None = None, **states: str) -> tuple[Trial, ...]:
    """Return the rows of a plan, the Sharpe ratio of each from `values`, else its place; `at_N=state` is of a row."""
    runs = plan["runs"]
    given = values if values is not None else [float(at) for at in range(len(runs))]
    return tuple(
        _row(at, each, value, states.get(f"at_{at}"), len(runs))
        for at, (each, value) in enumerate(zip(runs, given, strict=True))
    )


def _row(at: int, each: Mapping[str, Any], sharpe: float | None, state: str | None, trials: int) -> Trial:
    request, error = each["request"], each.get("error")
    state = state or ("failed" if error else "committed")
    made = state not in ("failed", "missing")
    names = ("dataset", "symbol", "timeframe", "start", "end", "strategy")
    return Trial(
        at=at,
        run_id=each.get("run_id"),
        state=state,
        window=each.get("window"),
        part=each.get("part"),
        params=request.get("params", {}),
        risk_level=request.get("risk_level"),
        trials=trials,
        bars=744 if made else None,
        trades=at if made else None,
        metrics={"sharpe": sharpe, "net_return": at / 100, "max_drawdown": -0.1} if made else {},
        deflated_sharpe=0.5 if made else None,
        code=None if made else (error or {"code": "BUILD_LOST"})["code"],
        message=None if made else "it went away",
        **{name: request.get(name) for name in names},
    )
