"""Trials: what became of every run of a sweep, side by side, in the order they were asked for.

A sweep goes in; rows of plain values come out, each with how many runs were tried beside its metrics. Nothing is
sorted by merit and nothing is chosen.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from buff.decisions.metrics import estimate
from buff.decisions.returns import daily_equity
from buff.decisions.sharpe import Estimate, deflated
from buff.errors import BuffError
from buff.registry.rows import RunEntry
from buff.registry.state import SweepEntry
from buff.store import Store
from buff.sweeps import TRAIN, find, read_plan


def results(store: Store, sweep: str) -> tuple[dict[str, Any], ...]:
    """Return a row for each request of a sweep, in order: its parameters, its run, metrics, and how many were tried.

    `state` is committed (or what the registry says of the run), failed or missing. `deflated_sharpe` is information
    about the number of trials, no verdict. Raises SweepNotFound, and what reading the plan raises.
    """
    entry = find(store, sweep)
    plan, runs = read_plan(store, entry), store.state.runs
    failures = {each["at"]: each for each in entry.failures}
    rows, estimates = list[dict[str, Any]](), dict[int, Estimate]()
    for at, each in enumerate(plan["runs"]):
        known = runs.get(each["run_id"]) if "run_id" in each else None
        known = known if known is not None and known.inputs_hash == each["inputs_hash"] else None
        rows.append(_row(at, each, known, entry, each.get("error") or failures.get(at)))
        found = None if known is None else _estimate(store, known)
        if found is not None:
            estimates[at] = found
    for at, chance in _deflated(estimates, rows, entry.trials):
        rows[at]["deflated_sharpe"] = chance
    return tuple(rows)


def _row(
    at: int, each: Mapping[str, Any], known: RunEntry | None, entry: SweepEntry, failure: Mapping[str, Any] | None
) -> dict[str, Any]:
    request = each["request"]
    row: dict[str, Any] = {
        "at": at,
        "run_id": each.get("run_id"),
        "state": known.state if known is not None else "missing" if failure is None else "failed",
        "window": each.get("window"),
        "part": each.get("part"),
        **{name: request.get(name) for name in ("dataset", "symbol", "timeframe", "start", "end", "strategy")},
        "params": request.get("params", {}),
        "risk_level": request.get("risk_level"),
        "trials": entry.trials,
        "bars": None if known is None else known.bars,
        "trades": None if known is None else known.trades,
        "metrics": {} if known is None else known.metrics,
        "deflated_sharpe": None,
        "code": None if known is not None or failure is None else failure["code"],
        "message": None if known is not None or failure is None else failure["message"],
    }
    return row


def _estimate(store: Store, known: RunEntry) -> Estimate | None:
    """Return what is known of a run's Sharpe ratio, from its stored equity; None where the files cannot be read."""
    try:
        run = store.run(known.run_id)
        return estimate(daily_equity(run.bars, run.equity, run.inputs["initial_equity"]))
    except BuffError:
        return None


def _deflated(
    estimates: Mapping[int, Estimate], rows: Sequence[Mapping[str, Any]], trials: int
) -> Iterator[tuple[int, float | None]]:
    """Yield for each run the probability that it is better than the best of as many trials without merit.

    The variance of the ratios is taken over the runs of the same part: looked at, or judged by.
    """
    parts: dict[Any, list[int]] = {}
    for at in estimates:
        parts.setdefault(rows[at]["part"], []).append(at)
    for places in parts.values():
        ratios = [estimates[at].ratio for at in places]
        mean = math.fsum(ratios) / len(ratios)
        spread = math.fsum((ratio - mean) * (ratio - mean) for ratio in ratios)
        variance = spread / (len(ratios) - 1) if len(ratios) > 1 else 0.0
        for at in places:
            yield at, deflated(estimates[at], trials=trials, variance=variance)


def pairs(rows: Sequence[Mapping[str, Any]]) -> tuple[tuple[Mapping[str, Any], Mapping[str, Any]], ...]:
    """Return the rows of a walk side by side: what was looked at, and what it is judged by."""
    return tuple((rows[at], rows[at + 1]) for at in range(0, len(rows) - 1, 2) if rows[at]["part"] == TRAIN)


def flat(rows: Sequence[Mapping[str, Any]]) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Return the rows of results as a table: its columns with their kinds, and a row of plain values for each.

    Parameters stand in columns `params.NAME`, metrics in columns of their own names.
    """
    names = {name: None for row in rows for name in row["params"]}
    metrics = {name: None for row in rows for name in row["metrics"]}
    kinds = {name: _kind(row["params"].get(name) for row in rows) for name in names}
    columns = {
        **dict.fromkeys(("at", "window", "risk_level", "trials", "bars", "trades"), "int64"),
        **dict.fromkeys(("run_id", "state", "part", "dataset", "symbol", "timeframe", "strategy"), "string"),
        **dict.fromkeys(("start", "end"), "time"),
        **{f"params.{name}": kind for name, kind in kinds.items()},
        **dict.fromkeys((*metrics, "deflated_sharpe"), "float64"),
        **dict.fromkeys(("code", "message"), "string"),
    }
    order = ("at", "run_id", "state", "window", "part", "dataset", "symbol", "timeframe", "start", "end", "strategy")
    ordered = {name: columns[name] for name in order} | columns
    return ordered, [
        {
            **row,
            **{f"params.{name}": _of_kind(kinds[name], row["params"].get(name)) for name in names},
            **{name: row["metrics"].get(name) for name in metrics},
        }
        for row in rows
    ]


def _kind(values: Iterator[Any]) -> str:
    found = {type(value) for value in values if value is not None}
    kinds: dict[frozenset[type], str] = {
        frozenset({bool}): "bool",
        frozenset({int}): "int64",
        frozenset({float}): "float64",
        frozenset({int, float}): "float64",
    }
    return kinds.get(frozenset(found), "string")


def _of_kind(kind: str, value: Any) -> Any:
    if value is None:
        return None
    return {"string": str, "float64": float}.get(kind, lambda given: given)(value)
