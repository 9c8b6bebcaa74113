"""A sweep: one grid on one core, on processes of our own, on Dask, and by backtesting.py's `optimize`.

Every turn makes a part of the grid that nobody made before, each contender in a root of its own.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice, product
from typing import Any

import numpy as np

from buff.bench.made import write_minutes
from buff.bench.place import Place
from buff.bench.processes import environment, script, told_by
from buff.bench.turns import Case, Contender, Job, Spent, Subject
from buff.crew import Here
from buff.deposit import deposit
from buff.market.bars import VALUES
from buff.store import Store
from buff.sweeps import create_all

Makers = tuple[Executor, Callable[[], Sequence[int]]]  # who makes runs, and the processes that live for it

POOL, ONE, DASK = "Buff, processes of its own", "Buff, one core", "Buff, Dask with as many workers"
ROOTS = {POOL: "pool", ONE: "one", DASK: "dask"}  # where each keeps its runs
DAY = 1_440
ROUNDS = 5


def subject(*, quick: bool, together: int | None = None) -> Subject:
    """Return what is measured, `together` runs a turn."""
    days, usual = (60, 10) if quick else (365, 40)
    together = together or usual

    def ours(who: str, makers: Callable[[Place], Makers], needs: tuple[str, ...] = ()) -> Contender:
        def prepare(place: Place) -> Job:
            return _ours(place, ROOTS[who], days * DAY, together, *makers(place))

        return Contender(who=who, prepare=prepare, needs=needs)

    return Subject(
        name="sweep",
        title="A sweep",
        says=(
            f"{days * 24:,} bars of an hour, a grid of parameters of a cross of averages, {together} runs a turn; a "
            "figure is that of one run. Buff commits every run to a root on disk: its files hashed and synced, its "
            "event in the journal. backtesting.py's `optimize` goes through the same grid in as many processes and "
            "stores nothing.",
            "Processes and workers have begun before anything is measured. On a busy machine the ratios of processor "
            "time say more than those of the clock: two processes can win nothing where there is one free core.",
        ),
        cases=(
            Case(
                name=f"{together} runs of {days * 24:,} bars, each",
                contenders=(
                    ours(POOL, _pool),
                    ours(ONE, lambda place: (Here(), list)),
                    ours(DASK, _dask, ("distributed",)),
                    Contender(
                        who="backtesting.py optimize, nothing stored",
                        prepare=lambda place: _theirs(place, days * DAY, together),
                        needs=("backtesting", "pandas"),
                    ),
                ),
                rounds=ROUNDS,
                seconds=40,
            ),
        ),
    )


def parts(together: int) -> Iterator[Sequence[tuple[int, int]]]:
    """Yield the grid in parts: pairs of a shorter and a longer length."""
    pairs = product(range(5, 55, 2), range(60, 140, 2))
    while part := tuple(islice(pairs, together)):
        yield part


def _csv(place: Place, rows: int) -> str:
    return place.once(f"csv {rows}", lambda: write_minutes(place.path("minutes.csv"), rows))


def _deposited(place: Place, name: str, rows: int) -> str:
    values = {"csv": [_csv(place, rows)], "symbol": "DEMO"}
    return deposit(values, root=place.directory(name), host=place.host, settings=place.settings).dataset_id


def request(dataset: str, fast: int, slow: int) -> dict[str, Any]:
    """Return the request of one run of the grid."""
    params = {"fast": fast, "slow": slow}
    return {"dataset": dataset, "timeframe": "1h", "strategy": "ma_cross", "risk_level": 3, "params": params}


def _ours(
    place: Place, name: str, rows: int, together: int, executor: Executor, workers: Callable[[], Sequence[int]]
) -> Job:
    dataset, some = _deposited(place, name, rows), parts(together)

    def turn() -> Spent:
        asked = [request(dataset, fast, slow) for fast, slow in next(some)]
        with counted(workers) as spent:
            found = create_all(
                asked, root=place.path(name), host=place.host, settings=place.settings, executor=executor
            )
        assert all(outcome.ok and not outcome.existed for outcome in found)
        return spent().per(together)

    return turn


def _pool(place: Place) -> Makers:
    """Return processes of our own, which leave Ctrl-C to the one that started them."""
    spawn = multiprocessing.get_context("spawn")
    made = ProcessPoolExecutor(place.host.cores, spawn, signal.signal, (signal.SIGINT, signal.SIG_IGN))
    place.entered("pool", lambda: made)
    return made, lambda: list(made._processes or ())


def _dask(place: Place) -> Makers:
    """Return a Dask cluster of as many processes as there are processors."""
    import distributed

    started: Any = distributed  # it has types for some of this
    kept = {"processes": True, "dashboard_address": ":0", "host": "127.0.0.1", "silence_logs": 50}
    number = place.host.cores
    with _quiet_children(), _own_environment():
        cluster = place.entered("cluster", lambda: started.LocalCluster(n_workers=number, threads_per_worker=1, **kept))
    client: Any = place.entered("client", lambda: started.Client(cluster))
    client.wait_for_workers(number)
    pids = list(client.run(os.getpid).values())
    return client.get_executor(), lambda: pids


@contextmanager
def _own_environment() -> Iterator[None]:
    """Leave the environment as it was: Dask sets there how its workers treat memory, and ours would inherit that."""
    before = dict(os.environ)  # noqa: TID251 - it is put back, and nothing is read from it
    try:
        yield
    finally:
        os.environ.clear()  # noqa: TID251
        os.environ.update(before)  # noqa: TID251


@contextmanager
def _quiet_children() -> Iterator[None]:
    """Let processes that begin inside leave Ctrl-C to this one, which ends them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _theirs(place: Place, rows: int, together: int) -> Job:
    """Return a turn of `optimize` over the same bars and pairs."""
    some, path = parts(together), place.path("bars.npy")
    dataset = _deposited(place, "bars", rows)
    outcome = create_all(
        [request(dataset, 5, 60)], root=place.path("bars"), host=place.host, settings=place.settings, executor=Here()
    )
    with Store(place.path("bars"), host=place.host, settings=place.settings) as store:
        bars = store.run(str(outcome[0].run_id)).bars
    np.save(path, np.array([bars.ts, *(getattr(bars, name) for name in VALUES)], np.float64))

    def turn() -> Spent:
        pairs = [f"{fast},{slow}" for fast, slow in next(some)]
        return told_by(script("optimize", path, *pairs), environment=environment(place)).per(together)

    return turn


# What this process, its children that ended, and workers that live have used


@contextmanager
def counted(workers: Callable[[], Sequence[int]]) -> Iterator[Callable[[], Spent]]:
    """Measure what is done inside, with the processor time of living workers where Linux shows it."""
    wall, own, others = time.perf_counter(), processors(), living(workers())
    yield lambda: _since(wall, own, others, workers())


def _since(wall: float, own: float, others: float | None, workers: Sequence[int]) -> Spent:
    now = living(workers)
    cpu = None if others is None or now is None else processors() - own + now - others
    return Spent(wall=time.perf_counter() - wall, cpu=cpu)


def processors() -> float:
    """Return the seconds of processors that this process used, and those of its children that have ended."""
    ended = os.times()
    return time.process_time() + ended.children_user + ended.children_system


def living(pids: Sequence[int]) -> float | None:
    """Return the seconds of processors of processes that live; None where the system does not show them."""
    if pids and not os.path.exists("/proc/self/stat"):
        return None
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK") if pids else 0.0
