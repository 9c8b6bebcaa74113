"""Comparison: two to eight runs side by side, the first of them the base that the others are measured by.

Committed runs go in; plain values come out: what they were asked, with what differs marked, their metrics with the
difference from the first, their equity from one start on one axis of time, and where their decisions part. Everything
is read from the artifacts; rebasing a curve to 100 is the only arithmetic. Nothing is written.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from buff.decisions.metrics import DEFINITIONS
from buff.errors import RunConfigInvalid
from buff.market.bars import Bars
from buff.runs.contrast import flat, parting

if TYPE_CHECKING:
    from buff.runs.run import Run

Values = dict[str, Any]

RUNS_MIN, RUNS_MAX = 2, 8
BASE = 100.0  # what every curve begins at


def compare(runs: Sequence["Run"], *, points: int) -> Values:
    """Return two to eight runs side by side; curves have at most `points` points on one axis.

    Raises RunConfigInvalid on another number of runs or one that is named twice, RunDamaged.
    """
    check([run.id for run in runs])
    return {
        "runs": [_run(run) for run in runs],
        "inputs": inputs(runs),
        "metrics": metrics(runs),
        "curves": curves(runs, points=points),
        "decisions": [_parting(a, b) for a, b in combinations(runs, 2)],
    }


def check(run_ids: Sequence[str]) -> None:
    """Raise RunConfigInvalid unless these are two to eight different runs."""
    if not RUNS_MIN <= len(run_ids) <= RUNS_MAX:
        raise RunConfigInvalid(
            f"{len(run_ids)} runs cannot be compared",
            hint=f"name {RUNS_MIN} to {RUNS_MAX} of them",
            details={"field": "run", "value": len(run_ids)},
        )
    twice = next((run_id for run_id in run_ids if run_ids.count(run_id) > 1), None)
    if twice is not None:
        raise RunConfigInvalid(
            f"run {twice} is named twice", hint="name each run once", details={"field": "run", "value": twice}
        )


def _run(run: "Run") -> Values:
    names = ("symbol", "timeframe", "start", "end")
    return {
        "run_id": run.id,
        "name": run.facts.get("name"),
        **{name: run.inputs[name] for name in names},
        "strategy": run.inputs["strategy"]["id"],
        "risk_level": run.inputs["risk"]["level"],
        "bars": len(run.equity),
        "trades": len(run.trades),
    }


def inputs(runs: Sequence["Run"]) -> list[Values]:
    """Return every input by its dotted name, with the value of each run, None where one has none, and whether they
    differ: 1 and 1.0 and true are three.
    """
    told = [dict(flat(run.inputs)) for run in runs]
    names = sorted({name for each in told for name in each})
    return [_input(name, [each.get(name) for each in told]) for name in names]


def _input(name: str, values: list[Any]) -> Values:
    return {"name": name, "values": values, "differs": len({(type(value), value) for value in values}) > 1}


def metrics(runs: Sequence["Run"]) -> list[Values]:
    """Return every metric of any run with the value of each, and how far each lies from that of the first."""
    names = dict.fromkeys([*DEFINITIONS, *sorted({name for run in runs for name in run.metrics})])
    return [_metric(name, runs) for name in names if any(name in run.metrics for run in runs)]


def _metric(name: str, runs: Sequence["Run"]) -> Values:
    found = [run.metrics.get(name) for run in runs]
    values = [None if each is None else each.value for each in found]
    return {
        "name": name,
        "unit": next(each.unit for each in found if each is not None),
        "values": values,
        "deltas": [_delta(values[0], value) for value in values],
        "notes": [None if each is None else each.null_reason or each.flag for each in found],
        "differs": len({(type(value), value) for value in values}) > 1,
    }


def _delta(base: Any, value: Any) -> float | int | None:
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (base, value))
    return value - base if numbers else None


# Curves


def curves(runs: Sequence["Run"], *, points: int) -> Values:
    """Return equity and drawdown of every run on one axis of at most `points` instants.

    The axis are ends of bars of any run, evenly thinned, the first and the last kept. At each instant stands what a
    run had at the last close until then, its equity over its start equity times 100; None before its first and after
    its last close. Only the points are computed, however long the runs are.
    """
    ends = [run.bars.timeframe.end(thinned(run.bars.ts, points)) for run in runs]
    axis = thinned(np.unique(np.concatenate(ends)), points)
    places = [_places(run.bars, axis) for run in runs]
    return {
        "ts": axis.tolist(),
        "equity": [_rebased(run, place) for run, place in zip(runs, places, strict=True)],
        "drawdown": [_at(run.drawdown, place) for run, place in zip(runs, places, strict=True)],
    }


def thinned(ts: NDArray[np.int64], points: int) -> NDArray[np.int64]:
    """Return at most `points` of some instants (int64, ascending), evenly by number, the first and last among them."""
    if len(ts) <= points:
        return ts
    places = np.arange(points, dtype=np.int64) * (len(ts) - 1) // (points - 1)
    return ts[places]


def _places(bars: Bars, axis: NDArray[np.int64]) -> list[int | None]:
    """Return the last bar that has closed at each instant; None before the first close and after the last."""
    # A bar has closed when the instant lies in a later window than the bar.
    found = np.searchsorted(bars.ts, bars.timeframe.start(bars.timeframe.index(axis))) - 1
    known = (found >= 0) & (axis <= bars.timeframe.end(bars.ts[-1:])[0])
    return [place if there else None for place, there in zip(found.tolist(), known.tolist(), strict=True)]


def _rebased(run: "Run", places: Sequence[int | None]) -> list[float | None]:
    start = run.inputs["initial_equity"]
    return [None if value is None else value / start * BASE for value in _at(run.equity, places)]


def _at(values: NDArray[np.float64], places: Sequence[int | None]) -> list[float | None]:
    return [None if place is None else float(values[place]) for place in places]


# Decisions


def _parting(a: "Run", b: "Run") -> Values:
    """Return where the decisions of two runs part, where they were made on the same bars; else that they were not."""
    keys = ("dataset_id", "timeframe", "start", "end")
    same = all(a.inputs[key] == b.inputs[key] for key in keys)
    return {"a": a.id, "b": b.id, "same_bars": same, "first": parting(a, b) if same else None}
