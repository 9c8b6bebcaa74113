"""Sweeps: many declared runs, asked for at once, recorded as such, and shown side by side with how many were tried.

Requests go in; a plan in a file named by its hash, its two events and ordinary runs come out. The same requests are the
same sweep: asked again, it goes on where it was. Nothing here says which run is best.
"""

import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

import msgspec
from attrs import evolve, field, frozen

from buff import plans
from buff.admission import Admission
from buff.batch import Outcome, Planned, admitted_batch, carried_out, planned
from buff.builder import open_root, silent
from buff.canonical import digest, document
from buff.decisions.strategy import parse_text, resolve, strategy
from buff.errors import (
    LimitExceeded,
    RunConfigInvalid,
    StrategyInvalid,
)
from buff.files import replace_file
from buff.grid import combinations, sample, size, values
from buff.host import Host
from buff.intake import Progress
from buff.journal.events import SweepFinished, SweepPlanned
from buff.journal.record import Entry
from buff.market.quality import dropped_windows
from buff.market.spacing import some
from buff.plans import FOLDER, plan_path
from buff.recipe import Recipe, Refusal
from buff.registry.queries import find_sweep
from buff.registry.state import SweepEntry
from buff.runs.request import request_from
from buff.safety import check_settings
from buff.settings import Settings
from buff.staging import make_directory
from buff.store import Store
from buff.times import epoch_ms, iso
from buff.windows import Walk, windows

SCHEMA = "sweep.v1"
SKIPPED_TOLD = 10_000  # so many skipped combinations are listed; all are counted
FAILURES_TOLD = 100  # so many failures are told of in the event; the results list all
TRAIN, TEST = "train", "test"


@frozen(kw_only=True)
class Skipped:
    """A combination of a grid that the strategy does not allow, and why."""

    request: Mapping[str, Any]
    says: str


@frozen(kw_only=True)
class Asked:
    """What a sweep is about: its requests in order, what of a grid was skipped, and what was typed, for people.

    Of what was skipped `skips` is the count, and the first are listed.
    """

    requests: tuple[Mapping[str, Any], ...]
    skipped: tuple[Skipped, ...] = ()
    skips: int = 0
    words: Mapping[str, Any] = field(factory=dict)
    walk: Walk | None = None


@frozen(kw_only=True, repr=False)
class Sweep:
    """A sweep that was carried out: what the registry knows of it, and what became of each request, in order.

    `warnings` say of which dataset and timeframe windows were dropped, as one run of it would.
    """

    entry: SweepEntry
    outcomes: tuple[Outcome, ...]
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Its id, made of its plan."""
        return self.entry.sweep

    @property
    def counts(self) -> dict[str, int]:
        """How many different runs were made now and existed before, and how many requests failed."""
        runs = {outcome.run_id: outcome.existed for outcome in reversed(self.outcomes) if outcome.ok}
        existed = sum(runs.values())
        return {"made": len(runs) - existed, "existed": existed, "failed": len(self.failed)}

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The requests of which there is no run."""
        return tuple(outcome for outcome in self.outcomes if not outcome.ok)

    def __repr__(self) -> str:
        counts = {"tried": self.entry.trials, "skipped": self.entry.skipped, **self.counts}
        return (
            f"<Sweep {self.id} {self.entry.what}  {'  '.join(f'{word} {count:,}' for word, count in counts.items())}>"
        )


# Which requests there are


def grid(
    *,
    datasets: Sequence[str],
    timeframes: str,
    strategy_id: str,
    params: Mapping[str, str],
    risk: str,
    common: Mapping[str, Any],
    number: int | None = None,
    seed: int = 0,
    walk: Walk | None = None,
) -> Asked:
    """Return the requests of a grid: every dataset with every timeframe, parameters and risk level, the last fastest.

    Timeframes, parameters and risk levels are texts of `grid.values`; `common` is what all requests have. Combinations
    that the strategy does not allow are skipped; of the others all are taken, or `number` drawn by `seed`. Raises
    RunConfigInvalid, StrategyInvalid for a value that no combination makes right, LimitExceeded.
    """
    rule = strategy(strategy_id)
    axes: dict[str, Sequence[str]] = {
        "dataset": tuple(dict.fromkeys(datasets)),
        "timeframe": values("timeframe", timeframes),
        **{f"params.{name}": values(name, text) for name, text in params.items()},
        "risk_level": values("risk", risk),
    }
    for each in combinations({name: axis for name, axis in axes.items() if not name.startswith("params.")}):
        request_from(_request(each, common, strategy_id, {}))  # what is wrong by itself is wrong in every combination
    found, skipped, skips = list[Mapping[str, Any]](), list[Skipped](), 0
    for each in combinations(axes):
        given = parse_text(rule, {name: each[f"params.{name}"] for name in params})
        request = _request(each, common, strategy_id, given)
        objection = _objection(request)
        if objection is None:
            found.append(request)
            continue
        skips += 1
        if skips <= SKIPPED_TOLD:
            skipped.append(Skipped(request=request, says=objection))
    drawn = range(len(found)) if number is None else sample(len(found), number, seed)
    typed = {"dataset": ",".join(axes["dataset"]), "timeframe": timeframes, "risk_level": risk}
    typed |= {f"params.{name}": text for name, text in params.items()}
    told = {name: {"values": typed[name], "count": len(axis)} for name, axis in axes.items()}
    words = {"strategy": strategy_id, "grid": told, "size": size(axes)}
    if number is not None:
        words |= {"sample": number, "seed": seed}
    return Asked(requests=tuple(found[at] for at in drawn), skipped=tuple(skipped), skips=skips, words=words, walk=walk)


def _request(
    each: Mapping[str, str], common: Mapping[str, Any], strategy_id: str, params: Mapping[str, Any]
) -> dict[str, Any]:
    level = each["risk_level"]
    return {
        **common,
        "dataset": each["dataset"],
        "timeframe": each["timeframe"],
        "strategy": strategy_id,
        "params": params,
        "risk_level": int(level) if level.isascii() and level.isdigit() and len(level) <= 3 else level,
    }


def _objection(request: Mapping[str, Any]) -> str | None:
    """Return why a strategy allows no such combination of parameters that are each right; None where it does."""
    try:
        resolve(strategy(request["strategy"]), request["params"])
    except StrategyInvalid as error:
        if "params" not in error.details:
            raise
        return error.message
    return None


# Carrying one out


def create_all(
    requests: Sequence[Mapping[str, Any]],
    *,
    root: str | os.PathLike[str] | Store | None,
    host: Host,
    settings: Settings,
    walk: Walk | None = None,
    executor: Executor | None = None,
    progress: Progress = silent,
) -> tuple[Outcome, ...]:
    """Return what became of each of many requests, plain values as `builder.create` takes them, as one sweep.

    With a `walk` there are two outcomes for each window of each request. Raises what `carry_out` does.
    """
    with writable(root, host=host, settings=settings) as store:
        asked = Asked(requests=tuple(requests), walk=walk)
        return carry_out(store, asked, executor=executor, progress=progress).outcomes if requests else ()


@contextmanager
def writable(root: str | os.PathLike[str] | Store | None, *, host: Host, settings: Settings) -> Iterator[Store]:
    """Yield an open store as it is, or that of a root, made where there is none and closed in the end.

    Raises RunConfigInvalid in a process that only begins, which would make what its script makes once more.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # so multiprocessing itself asks
        raise RunConfigInvalid(
            "this script makes runs again in each of the processes that are to make them: "
            'it needs `if __name__ == "__main__":`',
            hint="put what the script does below that line",
            details={"field": "__main__"},
        )
    if isinstance(root, Store):
        yield root
        return
    check_settings(settings)
    with Store(open_root(root), host=host, settings=settings) as store:
        yield store


def carry_out(store: Store, asked: Asked, *, executor: Executor | None = None, progress: Progress = silent) -> Sweep:
    """Record a sweep and make its runs; one that was begun before goes on where it was.

    Raises what stops all of it: KillSwitchEngaged, LimitExceeded, RateLimited, RootError, StorageError.
    """
    check_asked(asked, store.settings)
    with admitted_batch(store, progress) as admission:
        admission.check_rate()  # once: a sweep is one request
        plans, places = planned(store, asked.requests, admission), _nowhere(asked.requests)
        if asked.walk is not None:
            plans, places = _walked(store, asked.walk, plans, admission)
        plan = _document(plans, places, asked)
        entry = _record(store, plan, asked, plans)
        return _finish(store, entry, plans, asked.skipped, admission, executor)


def resume(store: Store, sweep: str, *, executor: Executor | None = None, progress: Progress = silent) -> Sweep:
    """Go on with a sweep, by its id or the beginning of it, from its plan. What is there is not made again.

    Raises SweepNotFound, RunConfigInvalid when the same requests are other runs by now, and what `carry_out` does.
    """
    entry = find_sweep(store.state, sweep)
    plan = read_plan(store, entry)
    with admitted_batch(store, progress) as admission:
        admission.check_rate()
        again = iter(planned(store, [each["request"] for each in plan["runs"] if "run_id" in each], admission))
        plans = tuple(_as_planned(each, again) for each in plan["runs"])
        skipped = tuple(Skipped(request=each["request"], says=each["says"]) for each in plan["skipped"])
        return _finish(store, entry, plans, skipped, admission, executor)


def _as_planned(each: Mapping[str, Any], again: Iterator[Planned]) -> Planned:
    """Return what a request of a plan is now, which must be what it was."""
    if "run_id" not in each:
        return Planned(request=each["request"], error=Refusal(**each["error"]).error)
    found = next(again)
    if found.error is not None:
        return found
    assert found.recipe is not None, "a request is a run or an error"
    if found.recipe.inputs_hash != each["inputs_hash"]:
        raise RunConfigInvalid(
            "the same requests are other runs than when this sweep was planned: a strategy or the engine changed",
            hint="start a new sweep with the same command, or install the versions that the plan was made with",
            details={"field": "sweep", "run_id": each["run_id"]},
        )
    return found


def _finish(
    store: Store,
    entry: SweepEntry,
    plans: Sequence[Planned],
    skipped: tuple[Skipped, ...],
    admission: Admission,
    executor: Executor | None,
) -> Sweep:
    outcomes = carried_out(store, plans, admission, executor=executor, job=entry.sweep)
    done = Sweep(entry=store.state.sweeps[entry.sweep], outcomes=outcomes, skipped=skipped, warnings=_warnings(plans))
    known, counts = done.entry, done.counts
    if known.finished is None or counts["made"] or counts["failed"] != known.failed:
        failures = [
            {"at": at, "run_id": each.run_id, "code": each.error.code, "message": each.error.message[:500]}
            for at, each in enumerate(outcomes)
            if each.error is not None
        ]
        told = failures[:FAILURES_TOLD]
        store.record(SweepFinished(sweep=entry.sweep, failures=told, by=store.settings.user, **counts))
    return evolve(done, entry=store.state.sweeps[entry.sweep])


def _warnings(plans: Sequence[Planned]) -> tuple[str, ...]:
    recipes = {(each.recipe.dataset.id, each.recipe.timeframe): each.recipe for each in plans if each.recipe}
    dropped = ((dataset_id[:8], dropped_windows(recipe.quality)) for (dataset_id, _), recipe in recipes.items())
    return tuple(f"dataset {dataset_id}: {says}" for dataset_id, says in dropped if says is not None)


def check_asked(asked: Asked, settings: Settings) -> None:
    """Refuse a sweep of no runs, or of more than are allowed. Raises RunConfigInvalid, LimitExceeded."""
    _check_count(len(asked.requests), settings)
    if asked.requests:
        return
    why = f": {some(asked.skips, 'combination')} skipped, the first because {asked.skipped[0].says}"
    raise RunConfigInvalid(
        f"the sweep has no runs{why if asked.skipped else ''}",
        hint="give values that the strategy allows together" if asked.skipped else "ask for one at least",
        details={"field": "params"},
    )


def _check_count(count: int, settings: Settings) -> None:
    most = settings.sweep_runs_max
    if count > most:
        raise LimitExceeded(
            f"the sweep has {count:,} runs, {most:,} are allowed",
            hint="choose longer steps or a --sample, or raise BUFF_SWEEP_RUNS_MAX",
            details={"runs": count, "limit": most, "setting": "BUFF_SWEEP_RUNS_MAX"},
        )


# Walking forward


def _nowhere(requests: Sequence[Any]) -> list[dict[str, Any]]:
    return [{} for _ in requests]


def _walked(
    store: Store, walk: Walk, whole: Sequence[Planned], admission: Admission
) -> tuple[tuple[Planned, ...], list[dict[str, Any]]]:
    """Return two plans for each window of each request, and which window and part each of them is."""
    requests, places = list[Mapping[str, Any]](), list[dict[str, Any]]()
    for plan in whole:
        if plan.recipe is None:
            assert plan.error is not None, "a request is a run or an error"
            raise plan.error
        if plan.request.get("run_id") is not None:
            raise RunConfigInvalid(
                "a request that walks forward is many runs, and run_id names one",
                hint="leave out run_id",
                details={"field": "run_id", "value": plan.request["run_id"]},
            )
        frame, inputs = plan.recipe.timeframe, plan.recipe.inputs
        for number, window in enumerate(windows(walk, epoch_ms(inputs["start"]), epoch_ms(inputs["end"]))):
            for part in (TRAIN, TEST):
                start, end = (frame.floor(getattr(window, f"{part}_{bound}")) for bound in ("start", "end"))
                requests.append({**plan.request, "start": iso(start), "end": iso(end)})
                places.append({"window": number, "part": part})
        _check_count(len(requests), store.settings)
    return planned(store, requests, admission), places


# The plan


def _document(plans: Sequence[Planned], places: Sequence[Mapping[str, Any]], asked: Asked) -> bytes:
    """Return the plan of a sweep: canonical, without clock, path or person."""
    runs = [{**_told(plan), **place} for plan, place in zip(plans, places, strict=True)]
    return document(
        {
            "schema": SCHEMA,
            "walk": None if asked.walk is None else asked.walk.as_dict(),
            "runs": runs,
            "skipped": [{"request": dict(each.request), "says": each.says} for each in asked.skipped],
        }
    )


def _told(plan: Planned) -> dict[str, Any]:
    if plan.recipe is None:
        assert plan.error is not None, "a request is a run or an error"
        known = {name: value for name, value in plan.request.items() if value is not None}
        return {"request": msgspec.to_builtins(known), "error": plan.error.as_dict()}
    return {
        "request": _resolved(plan.recipe, plan.request.get("run_id")),
        "run_id": plan.recipe.run_id,
        "inputs_hash": plan.recipe.inputs_hash,
    }


def _resolved(recipe: Recipe, own_id: str | None) -> dict[str, Any]:
    """Return the request that makes a run again from its stored dataset, every default written."""
    inputs = recipe.inputs
    request = {
        **{name: inputs[name] for name in ("symbol", "timeframe", "start", "end", "initial_equity")},
        **inputs["costs"],
        "dataset": inputs["dataset_id"],
        "strategy": inputs["strategy"]["id"],
        "params": inputs["strategy"]["params"],
        "risk_level": inputs["risk"]["level"],
        "run_id": own_id,
        "name": recipe.name,
        "notes": recipe.notes,
        "tags": list(recipe.tags) or None,
    }
    return {name: value for name, value in request.items() if value is not None}


def _record(store: Store, plan: bytes, asked: Asked, plans: Sequence[Planned]) -> SweepEntry:
    """Store a plan and its event, unless they are there; return what the registry knows of the sweep."""
    sha256 = digest(plan)
    sweep = f"swp_{sha256[:16]}"
    event = SweepPlanned(
        sweep=sweep,
        plan_sha256=sha256,
        size_bytes=len(plan),
        requests=len(plans),
        trials=len({each.recipe.run_id for each in plans if each.recipe is not None}),
        skipped=asked.skips,
        asked={**asked.words, **({} if asked.walk is None else {"walk": asked.walk.as_dict()})},
        by=store.settings.user,
    )
    path = plan_path(store.root, sha256)
    if sweep not in store.state.sweeps or not store.disk.exists(path):
        make_directory(store.disk, store.root, FOLDER)
        replace_file(store.disk, store.owner.path(".plan.tmp"), path, (plan,))
    store.journal().append((Entry(event=event, key=f"sweep:{sweep}"),))
    return store.state.sweeps[sweep]


def read_plan(store: Store, entry: SweepEntry) -> dict[str, Any]:
    """Return the plan of a sweep. Raises StorageUnreadable, RunDamaged when it is not what was recorded."""
    return plans.read_plan(store.disk, store.root, entry.sweep, entry.plan_sha256)
