"""The Python API: what `import buff` offers, as functions with keyword arguments.

Plain values go in; a `Run` or a `Store` comes out. This is a door: it may read clock and environment.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

from buff.batch import Outcome
from buff.builder import create, root_of, silent
from buff.deposit import Ingest, deposit
from buff.host import this_host
from buff.inspection import inspect_files
from buff.intake import Progress
from buff.legacy.root import LegacyRoot, artifacts_root_of
from buff.runs.run import Run
from buff.settings import Settings
from buff.store import Store
from buff.sweeps import Sweep, carry_out, create_all, grid, resume, writable
from buff.trials import SweepResults, results
from buff.windows import walk_from

Path = str | os.PathLike[str]


def create_run(
    *,
    csv: Path | Sequence[Path] | None = None,
    dataset: str | None = None,
    symbol: str | None = None,
    timeframe: str,
    strategy: str,
    params: Mapping[str, Any] | None = None,
    risk_level: int,
    runs_root: Path | Store | None = None,
    profile: str | Mapping[str, Any] | None = None,
    timezone: str | None = None,
    gaps: str | None = None,
    base_timeframe: str | None = None,
    columns: Mapping[str, str] | None = None,
    stamp: str | None = None,
    volume: str | None = None,
    ticker: str | None = None,
    start: str | None = None,
    end: str | None = None,
    commission_bps: float = 10.0,
    slippage_bps: float = 5.0,
    min_fee: float = 0.0,
    initial_equity: float = 10_000.0,
    run_id: str | None = None,
    name: str | None = None,
    notes: str | None = None,
    tags: Sequence[str] = (),
    progress: Progress = silent,
) -> Run:
    """Create a run from a CSV of candles or a stored dataset, and return it committed.

    The same inputs return the run that is already there. `csv` is a path or several that are one dataset; `timeframe`
    is one of 1m 5m 15m 30m 1h 2h 4h 1d 1w 2w 1M 3M 6M 1Y; `risk_level` is 1 to 5; costs are basis points of notional
    and `min_fee` money per fill; `start` and `end` bound open stamps, end exclusive, as UTC dates or ISO times with a
    zone; `runs_root` is a directory, an open `Store`, or RUNS_ROOT of the environment. `name`, `notes` and `tags` are
    for people and no part of the run's identity. `progress` is called with (stage, done, total).

    Raises BuffError with a stable `code`: RUNS_ROOT_UNSET, RUN_CONFIG_INVALID, STRATEGY_INVALID, RISK_INVALID,
    DATA_SOURCE_NOT_FOUND, DATA_INVALID, RUN_EXISTS and others (docs/reference/errors.md).
    """
    host = this_host()
    settings = Settings.from_env(host.environment, user=host.user, cores=host.cores)
    values = {
        "csv": _paths(csv),
        "dataset": dataset,
        "symbol": symbol,
        "timeframe": timeframe,
        "strategy": strategy,
        "params": dict(params) if params is not None else None,
        "risk_level": risk_level,
        "profile": profile,
        "timezone": timezone,
        "gaps": gaps,
        "base_timeframe": base_timeframe,
        "columns": None if columns is None else dict(columns),
        "stamp": stamp,
        "volume": volume,
        "ticker": ticker,
        "start": start,
        "end": end,
        "commission_bps": commission_bps,
        "slippage_bps": slippage_bps,
        "min_fee": min_fee,
        "initial_equity": initial_equity,
        "run_id": run_id,
        "name": name,
        "notes": notes,
        "tags": list(tags),
    }
    return create(values, root=_root(runs_root, settings), host=host, settings=settings, progress=progress).run


def create_runs(
    requests: Iterable[Mapping[str, Any]],
    *,
    walk: Mapping[str, Any] | None = None,
    executor: Executor | None = None,
    runs_root: Path | Store | None = None,
    progress: Progress = silent,
) -> tuple[Outcome, ...]:
    """Create many runs, on all cores or wherever an executor has them made; return an outcome for each, in order.

    A request is a mapping with the arguments of `create_run`. Runs that are there are not made again, and what is wrong
    with one request is the `error` of its outcome. `executor` is anything with the interface of
    `concurrent.futures.Executor`: it makes runs and writes nothing; without one it is processes of our own, for which a
    script needs `if __name__ == "__main__":`. Ctrl-C leaves what was committed; asking again goes on from there.

    `walk` walks forward: `train` and `test` are lengths such as 180d, and `step`, `anchored` and `purge` are as
    `buff sweep` has them. Then there are two outcomes for each window of each request: what is looked at, and what it
    is judged by.

    Raises BuffError with the `code` of what stops all of them: RUNS_ROOT_UNSET, KILL_SWITCH_ENGAGED, LIMIT_EXCEEDED and
    others (docs/reference/errors.md).
    """
    host = this_host()
    settings = Settings.from_env(host.environment, user=host.user, cores=host.cores)
    return create_all(
        list(requests),
        root=_root(runs_root, settings),
        host=host,
        settings=settings,
        walk=None if walk is None else walk_from(walk),
        executor=executor,
        progress=progress,
    )


def create_sweep(
    *,
    dataset: str | Sequence[str],
    timeframe: str | Sequence[str],
    strategy: str,
    params: Mapping[str, Any] | None = None,
    risk_level: int | str | Sequence[int],
    symbol: str | None = None,
    start: str | None = None,
    end: str | None = None,
    commission_bps: float = 10.0,
    slippage_bps: float = 5.0,
    min_fee: float = 0.0,
    initial_equity: float = 10_000.0,
    tags: Sequence[str] = (),
    sample: int | None = None,
    seed: int = 0,
    walk: Mapping[str, Any] | None = None,
    executor: Executor | None = None,
    runs_root: Path | Store | None = None,
    progress: Progress = silent,
) -> Sweep:
    """Make a run of every combination of some values, and return the sweep, as `buff sweep` does.

    `timeframe`, each of `params` and `risk_level` are one value, several, or a text such as `5..50..5` or `5,10,20`;
    the last changes fastest. Combinations that the strategy does not allow are skipped and told of. `sample` takes so
    many of the others, drawn by `seed`. `walk`, `executor` and `progress` are those of `create_runs`, the rest is what
    every run has, as in `create_run`. The same values are the same sweep, which goes on where it was.

    Raises BuffError with the `code` of what stops all of it, of a value that no combination makes right among them.
    """
    common = {
        "symbol": symbol,
        "start": start,
        "end": end,
        "commission_bps": commission_bps,
        "slippage_bps": slippage_bps,
        "min_fee": min_fee,
        "initial_equity": initial_equity,
        "tags": list(tags) or None,
    }
    asked = grid(
        datasets=(dataset,) if isinstance(dataset, str) else tuple(dataset),
        timeframes=_spelt(timeframe),
        strategy_id=strategy,
        params={name: _spelt(value) for name, value in (params or {}).items()},
        risk=_spelt(risk_level),
        common={name: value for name, value in common.items() if value is not None},
        number=sample,
        seed=seed,
        walk=None if walk is None else walk_from(walk),
    )
    host = this_host()
    settings = Settings.from_env(host.environment, user=host.user, cores=host.cores)
    with writable(_root(runs_root, settings), host=host, settings=settings) as store:
        return carry_out(store, asked, executor=executor, progress=progress)


def resume_sweep(
    sweep: str,
    *,
    executor: Executor | None = None,
    runs_root: Path | Store | None = None,
    progress: Progress = silent,
) -> Sweep:
    """Go on with a sweep, by its id or the beginning of it, where it was, and return it.

    Raises BuffError with a stable `code`: SWEEP_NOT_FOUND, RUN_CONFIG_INVALID when the same requests are other runs by
    now, and what stops all of it.
    """
    host = this_host()
    settings = Settings.from_env(host.environment, user=host.user, cores=host.cores)
    with writable(_root(runs_root, settings), host=host, settings=settings) as store:
        return resume(store, sweep, executor=executor, progress=progress)


def sweep_results(sweep: str, *, runs_root: Path | Store | None = None) -> SweepResults:
    """Return what became of every run of a sweep, by its id or the beginning of it, in the order they were asked for.

    Nothing is chosen: how many runs were tried stands beside the metrics of each. Raises BuffError with a stable
    `code`: SWEEP_NOT_FOUND, STORAGE_UNREADABLE or RUN_DAMAGED where the plan is not what was recorded.
    """
    return results(runs_root if isinstance(runs_root, Store) else open(runs_root), sweep)


def _root(given: Path | Store | None, settings: Settings) -> Path | Store | None:
    return given if given is not None else settings.runs_root


def _spelt(value: Any) -> str:
    """Return a value, or several, in the grammar of a sweep."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(_spelt, value)) if isinstance(value, Iterable) else str(value)


def ingest(
    *,
    csv: Path | Sequence[Path],
    symbol: str,
    runs_root: Path | Store | None = None,
    profile: str | Mapping[str, Any] | None = None,
    timezone: str | None = None,
    gaps: str | None = None,
    base_timeframe: str | None = None,
    columns: Mapping[str, str] | None = None,
    stamp: str | None = None,
    volume: str | None = None,
    ticker: str | None = None,
    progress: Progress = silent,
) -> Ingest:
    """Store files of candles as one dataset, without a run, and return what became of them.

    The same bars are stored once, by whatever file they come; runs are made of them by `create_run(dataset=...)`. The
    arguments are those of `create_run`.

    Raises BuffError with a stable `code`: RUNS_ROOT_UNSET, RUN_CONFIG_INVALID, DATA_SOURCE_NOT_FOUND, DATA_INVALID,
    LIMIT_EXCEEDED and others (docs/reference/errors.md).
    """
    host = this_host()
    settings = Settings.from_env(host.environment, user=host.user, cores=host.cores)
    values = {
        "csv": _paths(csv),
        "symbol": symbol,
        "profile": profile,
        "timezone": timezone,
        "gaps": gaps,
        "base_timeframe": base_timeframe,
        "columns": None if columns is None else dict(columns),
        "stamp": stamp,
        "volume": volume,
        "ticker": ticker,
    }
    return deposit(values, root=_root(runs_root, settings), host=host, settings=settings, progress=progress)


def inspect_data(
    csv: Path | Sequence[Path],
    *,
    profile: str | Mapping[str, Any] | None = None,
    timezone: str | None = None,
    gaps: str | None = None,
    base_timeframe: str | None = None,
    columns: Mapping[str, str] | None = None,
    stamp: str | None = None,
    volume: str | None = None,
    ticker: str | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Return what files of candles hold and how they may be read, as plain values; nothing is stored.

    The arguments are those of `create_run`; `accepted` says whether an ingest with them would take the files, and
    `problem` why not. What is only suggested stands under `suggestions`, `read_as`, `choices` and `commands`.

    Raises BuffError with a stable `code`: DATA_SOURCE_NOT_FOUND, PROFILE_INVALID, RUN_CONFIG_INVALID.
    """
    host = this_host()
    settings = Settings.from_env(host.environment, user=host.user, cores=host.cores)
    options = {
        "profile": profile,
        "timezone": timezone,
        "gaps": gaps,
        "base_timeframe": base_timeframe,
        "columns": None if columns is None else dict(columns),
        "stamp": stamp,
        "volume": volume,
        "ticker": ticker,
    }
    found, _ = inspect_files(_paths(csv) or [], options, settings=settings, progress=progress)
    return found


def open(runs_root: Path | None = None) -> Store:
    """Return the store of a root, for reading: no lock is taken and nothing is written.

    Raises RunsRootUnset when neither the argument nor RUNS_ROOT names one, RunsRootInvalid when it is no directory.
    """
    host = this_host()
    settings = Settings.from_env(host.environment, user=host.user, cores=host.cores)
    return Store(root_of(runs_root or settings.runs_root), host=host, settings=settings)


def open_legacy(artifacts_root: Path | None = None) -> LegacyRoot:
    """Return the runs of the previous generation in a directory, for reading: nothing in it is ever written.

    Without an argument it is ARTIFACTS_ROOT of the environment. Raises RunsRootUnset when neither names one,
    RunsRootInvalid when it is no directory.
    """
    host = this_host()
    settings = Settings.from_env(host.environment, user=host.user, cores=host.cores)
    return LegacyRoot(artifacts_root_of(artifacts_root or settings.artifacts_root))


def _paths(csv: Path | Sequence[Path] | None) -> list[str] | None:
    if csv is None:
        return None
    return [os.fspath(path) for path in ([csv] if isinstance(csv, str | os.PathLike) else csv)]
