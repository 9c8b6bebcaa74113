"""Trials: what became of every run of a sweep, side by side, in the order they were asked for.

A sweep goes in; rows of plain values come out, each with how many runs were tried beside its metrics. Nothing is
sorted by merit and nothing is chosen.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from threading import Lock
from typing import Any, TypeVar

import msgspec
from attrs import evolve, fields, frozen

from buff.decisions.metrics import estimate
from buff.decisions.returns import daily_equity
from buff.decisions.sharpe import Estimate, deflated, estimate_of
from buff.errors import BuffError
from buff.registry.queries import METRIC_SORTS, find_sweep
from buff.registry.rows import Rows, RunEntry
from buff.registry.state import SweepEntry
from buff.store import Store
from buff.sweeps import TEST, TRAIN, Skipped, read_plan

Shown = TypeVar("Shown")

_WHOLE_MAX = 1 << 63  # a column has no greater whole number
KEPT = 2  # results of ten thousand runs take some ten megabytes


@frozen(kw_only=True)
class Trial:
    """What became of one request of a sweep; `at` is its place, from 0.

    `state` is committed (or what the registry says of the run), failed or missing; `code` and `message` are of a
    failure. `window` and `part` are of a walk: its number, and train or test. `trials` is how many different runs the
    sweep tried, and `deflated_sharpe` what that leaves of the Sharpe ratio: information, no verdict.
    """

    at: int
    run_id: str | None
    state: str
    window: int | None
    part: str | None
    dataset: str | None
    symbol: str | None
    timeframe: str | None
    start: str | None
    end: str | None
    strategy: str | None
    params: Mapping[str, Any]
    risk_level: Any
    trials: int
    bars: int | None
    trades: int | None
    metrics: Mapping[str, float | None]
    deflated_sharpe: float | None
    code: str | None
    message: str | None

    @property
    def pair(self) -> int | None:
        """The place of the other part of its window: what it is judged by, or what was looked at. None without one."""
        return {TRAIN: self.at + 1, TEST: self.at - 1}.get(self.part or "")

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {name: getattr(self, name) for name in _MEMBERS}


_MEMBERS = tuple(each.name for each in fields(Trial))
_TEXTS = ("dataset", "symbol", "timeframe", "start", "end", "strategy")


@frozen(kw_only=True, repr=False)
class SweepResults:
    """A sweep side by side: what the registry knows of it, a row for each request in order, and what was skipped.

    `walk` says how it walked forward, None where it did not; then two rows follow each other for each window.
    """

    sweep: SweepEntry
    walk: Mapping[str, Any] | None
    rows: tuple[Trial, ...]
    skipped: tuple[Skipped, ...]

    def __repr__(self) -> str:
        return f"<SweepResults {self.sweep.sweep} {self.sweep.what}  rows {len(self.rows):,}>"

    @property
    def pairs(self) -> tuple[tuple[Trial, Trial], ...]:
        """The rows of a walk side by side: what was looked at, and what it is judged by."""
        rows = self.rows
        return tuple((rows[at], rows[at + 1]) for at in range(0, len(rows) - 1, 2) if rows[at].part == TRAIN)

    @property
    def windows(self) -> tuple[dict[str, Any], ...]:
        """The windows of a walk, in order: number, dataset and timeframe, and where both parts begin and end."""
        found = {
            (train.dataset, train.timeframe, train.window): {
                **{name: getattr(train, name) for name in ("dataset", "timeframe", "window")},
                **{
                    f"{part.part}_{bound}": getattr(part, bound) for part in (train, test) for bound in ("start", "end")
                },
            }
            for train, test in self.pairs
        }
        return tuple(found.values())

    @property
    def table(self) -> list[dict[str, Any]]:
        """The rows as a table of plain values has them: parameters as `params.NAME`, metrics by their own names."""
        return flat(self.rows)[1]

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {
            "sweep": msgspec.structs.asdict(self.sweep),
            "walk": self.walk,
            "rows": [row.as_dict() for row in self.rows],
            "skipped": [{"request": dict(each.request), "says": each.says} for each in self.skipped],
        }


def results(store: Store, sweep: str) -> SweepResults:
    """Return what became of a sweep, by its id or the beginning of it: a row for each request, in their order.

    Raises SweepNotFound, and what reading the plan raises.
    """
    state = store.state
    return _results(store, find_sweep(state, sweep), state.runs)


class Trials:
    """The results last asked for, kept until any run or the sweep changes. Threads may share it."""

    def __init__(self, store: Store) -> None:
        """Begin with nothing."""
        self._store, self._lock = store, Lock()
        self._kept: dict[str, tuple[SweepEntry, object, SweepResults]] = {}

    def of(self, sweep: str) -> SweepResults:
        """Return what `results` does; nobody may change it. Raises as that does."""
        with self._lock:  # whoever asks at the same time waits for the one that is at it, and has its answer
            state = self._store.state  # as it is by then: an older one would displace what was just made
            entry = find_sweep(state, sweep)
            known = self._kept.pop(entry.sweep, None)
            if known is None or known[0] != entry or known[1] is not state.runs.mark:
                known = entry, state.runs.mark, _results(self._store, entry, state.runs)
            self._kept = {**dict(list(self._kept.items())[1 - KEPT :]), entry.sweep: known}
            return known[2]


def _results(store: Store, entry: SweepEntry, runs: Rows) -> SweepResults:
    plan = read_plan(store, entry)
    failures = {each["at"]: each for each in entry.failures}
    rows, estimates = list[Trial](), dict[int, Estimate]()
    for at, each in enumerate(plan["runs"]):
        known = runs.get(each["run_id"]) if "run_id" in each else None
        known = known if known is not None and known.inputs_hash == each["inputs_hash"] else None
        rows.append(_row(at, each, known, entry, each.get("error") or failures.get(at)))
        found = None if known is None else _estimate(store, known)
        if found is not None:
            estimates[at] = found
    for at, chance in _deflated(estimates, rows, entry.trials):
        rows[at] = evolve(rows[at], deflated_sharpe=chance)
    skipped = tuple(Skipped(request=each["request"], says=each["says"]) for each in plan["skipped"])
    return SweepResults(sweep=entry, walk=plan["walk"], rows=tuple(rows), skipped=skipped)


def _row(
    at: int, each: Mapping[str, Any], known: RunEntry | None, entry: SweepEntry, failure: Mapping[str, Any] | None
) -> Trial:
    request = each["request"]  # of one that was refused it is as it was typed, and may say anything
    params = request.get("params")
    return Trial(
        at=at,
        run_id=each.get("run_id"),
        state=known.state if known is not None else "missing" if failure is None else "failed",
        window=each.get("window"),
        part=each.get("part"),
        params=params if isinstance(params, Mapping) else {},
        risk_level=request.get("risk_level"),
        trials=entry.trials,
        bars=None if known is None else known.bars,
        trades=None if known is None else known.trades,
        metrics={} if known is None else known.metrics,
        deflated_sharpe=None,
        code=None if known is not None or failure is None else failure["code"],
        message=None if known is not None or failure is None else failure["message"],
        **{name: said if isinstance(said := request.get(name), str) else None for name in _TEXTS},
    )


def _estimate(store: Store, known: RunEntry) -> Estimate | None:
    """Return what is known of a run's Sharpe ratio: what its commit said, and of older ones what their equity says.

    None where there is no such ratio, or the files of an older run cannot be read.
    """
    if known.daily_sharpe is not None:
        return estimate_of(known.daily_sharpe)
    try:
        run = store.run(known.run_id)
        return estimate(daily_equity(run.bars, run.equity, run.inputs["initial_equity"]))
    except BuffError:
        return None


def _deflated(
    estimates: Mapping[int, Estimate], rows: Sequence[Trial], trials: int
) -> Iterator[tuple[int, float | None]]:
    """Yield for each run the probability that it is better than the best of as many trials without merit.

    The variance of the ratios is taken over the runs of the same part: looked at, or judged by.
    """
    parts: dict[Any, list[int]] = {}
    for at in estimates:
        parts.setdefault(rows[at].part, []).append(at)
    for places in parts.values():
        ratios = [estimates[at].ratio for at in places]
        mean = math.fsum(ratios) / len(ratios)
        spread = math.fsum((ratio - mean) * (ratio - mean) for ratio in ratios)
        variance = spread / (len(ratios) - 1) if len(ratios) > 1 else 0.0
        for at in places:
            yield at, deflated(estimates[at], trials=trials, variance=variance)


SORTS: Mapping[str, Callable[[Trial], Any]] = {
    **{name: attrgetter(name) for name in ("at", "bars", "trades", "deflated_sharpe")},
    **METRIC_SORTS,
}


def ordered(rows: Sequence[Trial], sort: str) -> list[Trial]:
    """Return rows as a reader wants to see them: by one of SORTS, with a leading `-` the greatest first."""
    return arranged(rows, SORTS[sort.removeprefix("-")], descending=sort.startswith("-"))


def arranged(rows: Sequence[Shown], key: Callable[[Shown], Any], *, descending: bool) -> list[Shown]:
    """Return rows by their values: equals stay in the order they come in, and what has no value comes last."""
    valued = sorted((row for row in rows if key(row) is not None), key=key, reverse=descending)
    return [*valued, *(row for row in rows if key(row) is None)]


def flat(rows: Sequence[Trial]) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Return the rows of results as a table: its columns with their kinds, and a row of plain values for each.

    Parameters stand in columns `params.NAME`, metrics in columns of their own names. What a refused request says where
    a column has numbers or times is left out unless it is a number: its message says what is wrong with it.
    """
    names = {name: None for row in rows for name in row.params}
    metrics = {name: None for row in rows for name in row.metrics}
    kinds = {name: _kind(row.params.get(name) for row in rows) for name in names}
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
    parameters = {f"params.{name}": (name, kind) for name, kind in kinds.items()}
    return ordered, [
        {
            **dict.fromkeys(ordered),
            **{name: getattr(row, name) for name in _MEMBERS if name in ordered},
            **_as_typed(row),
            **{column: _of_kind(kind, row.params.get(name)) for column, (name, kind) in parameters.items()},
            **row.metrics,
        }
        for row in rows
    ]


def _as_typed(row: Trial) -> dict[str, Any]:
    """Return what is to stand in columns of numbers and times of a request that is no run."""
    if row.run_id is not None:
        return {}
    return {"start": None, "end": None, "risk_level": row.risk_level if _is_whole(row.risk_level) else None}


def _is_whole(value: Any) -> bool:
    return type(value) is int and -_WHOLE_MAX <= value < _WHOLE_MAX


def _kind(values: Iterator[Any]) -> str:
    found = {
        str if isinstance(value, int) and abs(value) >= _WHOLE_MAX else type(value)
        for value in values
        if value is not None
    }
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
