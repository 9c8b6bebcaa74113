"""A thousand runs of a year of hours: on one core, on processes of our own, on Dask, and as backtesting.py optimizes.

`pytest -m bench -s tests/bench/test_sweep.py` prints the figures beside their goals. The four take turns, a quarter of
the grid at a time, so that what else the machine does befalls all of them; processor time is printed beside the clock,
because a machine that is busy has fewer than two cores to give. As an ordinary test it is small and asserts only what
noise cannot break.
"""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from typing import Any

import numpy as np
import pytest
from attrs import define

from buff import crew
from buff.audit import verify_all
from buff.crew import Here
from buff.deposit import deposit
from buff.sweeps import create_all
from rival import backtesting, frame
from whole import SETTINGS, files, host, opened, write_csv

YEAR, PARTS = 525_600, 4


@define
class Spent:
    """Seconds by the clock and of processors, ours and those of whoever works for us."""

    wall: float = 0.0
    own: float = 0.0
    others: float = 0.0

    @property
    def cpu(self) -> float:
        return self.own + self.others


def _own() -> float:
    used = getrusage(RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _of(pids: list[int]) -> float:
    """Return the processor seconds of living processes, and of those of ours that have ended."""
    ended = getrusage(RUSAGE_CHILDREN)
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK") + ended.ru_utime + ended.ru_stime


@contextmanager
def measured(spent: Spent, pids: Callable[[], list[int]] = list) -> Iterator[None]:
    wall, own, others = time.perf_counter(), _own(), _of(pids())
    yield
    spent.wall += time.perf_counter() - wall
    spent.own += _own() - own
    spent.others += _of(pids()) - others


def grid(dataset: str, count: int) -> list[dict[str, Any]]:
    pairs = [(fast, slow) for fast in range(5, 55, 2) for slow in range(60, 140, 2)][:count]
    common = {"dataset": dataset, "timeframe": "1h", "strategy": "ma_cross", "risk_level": 3}
    return [{**common, "params": {"fast": fast, "slow": slow}} for fast, slow in pairs]


class Cross(backtesting.Strategy):
    """The usual way to write the same rule."""

    fast, slow = 10, 20

    def init(self) -> None:
        self.quick = self.I(_average, self.data.Close, self.fast)
        self.late = self.I(_average, self.data.Close, self.slow)

    def next(self) -> None:
        if self.quick[-1] > self.late[-1] and not self.position:
            self.buy()
        elif self.quick[-1] < self.late[-1] and self.position:
            self.position.close()


def _average(values: Any, length: int) -> Any:
    return np.convolve(np.concatenate((np.full(length - 1, np.nan), values)), np.ones(length) / length, "valid")


def optimize(bars: Any, requests: list[dict[str, Any]]) -> None:
    """Let backtesting.py go through the same pairs, in its own processes; it stores nothing."""
    wanted = {(each["params"]["fast"], each["params"]["slow"]) for each in requests}
    test = backtesting.Backtest(frame(bars), Cross, cash=1e6, commission=0.001, spread=0.0005, finalize_trades=True)
    fast, slow = (sorted({pair[at] for pair in wanted}) for at in (0, 1))
    test.optimize(fast=fast, slow=slow, constraint=lambda given: (given.fast, given.slow) in wanted)


@pytest.mark.bench
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="it reads processor time as Linux shows it")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thousand_runs(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    full = request.config.getoption("markexpr") == "bench"
    count = 1_000 if full else 12
    csv = write_csv(tmp_path / "year.csv", YEAR if full else 20_160)
    roots = {name: tmp_path / name for name in ("one", "pool", "dask")}
    for root in roots.values():
        root.mkdir()
        values = {"csv": [str(csv)], "symbol": "DEMO"}
        dataset = deposit(values, root=str(root), host=host(), settings=SETTINGS).dataset_id
    asked = grid(dataset, count)
    spent = {name: Spent() for name in (*roots, "rival")}
    before = os.getloadavg()[0]
    with ExitStack() as stack:
        pool = stack.enter_context(crew._pool(2))
        cluster, pids = _cluster(stack) if full else (None, [])
        with opened(roots["one"]) as store:
            first = create_all(asked[:1], root=store, host=host(), settings=SETTINGS, executor=Here())
            bars = store.run(str(first[0].run_id)).bars
        for part in range(PARTS):
            some = asked[part::PARTS]
            executors: list[tuple[str, Executor | None, Callable[[], list[int]]]] = [
                ("one", Here(), list),
                ("pool", pool, lambda: list(pool._processes or ())),
                *([("dask", cluster, lambda: pids)] if full else []),
            ]
            for name, executor, workers in executors:
                with measured(spent[name], workers):
                    found = create_all(some, root=str(roots[name]), host=host(), settings=SETTINGS, executor=executor)
                assert all(outcome.ok for outcome in found)
            if full:
                with measured(spent["rival"]):
                    optimize(bars, some)
    made = ("one", "pool", "dask") if full else ("one", "pool")
    whole = [files(roots[name]) for name in made]
    assert all(each == whole[0] for each in whole)
    with opened(roots["pool"]) as store:
        assert len(store.state.runs) == count
        assert {each.outcome for each in verify_all(store, stored_bytes_only=True, record=False)} == {"whole"}
    if full:
        _print(spent, count, len(bars), before)


def _cluster(stack: ExitStack) -> tuple[Executor, list[int]]:
    """Return a Dask cluster of two processes, started, and their numbers."""
    from distributed import Client, LocalCluster

    kept = {"processes": True, "dashboard_address": None, "host": "127.0.0.1", "silence_logs": 50}
    cluster = stack.enter_context(LocalCluster(n_workers=2, threads_per_worker=1, **kept))
    client = stack.enter_context(Client(cluster))
    client.wait_for_workers(2)
    return client.get_executor(), list(client.run(os.getpid).values())


def _print(spent: dict[str, Spent], count: int, bars: int, before: float) -> None:
    names = {
        "one": "one core",
        "pool": "two processes",
        "dask": "Dask, two workers",
        "rival": "backtesting.py optimize, stores nothing",
    }
    print(f"\n{count:,} runs of {bars:,} bars, load {before:.1f} to {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for name, each in spent.items():
        per = f"{each.own / count * 1e3:5.1f} + {each.others / count * 1e3:5.1f}"
        print(f"  {names[name]:<42} {each.wall:6.1f} s   processor {each.cpu:6.1f} s   own + others, ms a run: {per}")
    one, pool, dask, rival = (spent[name] for name in ("one", "pool", "dask", "rival"))
    busiest = max(pool.own, pool.cpu / 2)
    print(
        f"  two processes: {pool.wall:.1f} s (goal 40); {one.wall / pool.wall:.2f} x one core by the clock (goal 1.7)"
    )
    print(
        f"    with two cores of its own at best {busiest:.1f} s, {one.cpu / busiest:.2f} x one core by processor time"
    )
    print(f"  beside backtesting.py: {rival.wall / pool.wall:.1f} x as fast by the clock (goal 3)")
    print(f"    {rival.cpu / pool.cpu:.1f} x by processor time")
    print(f"  Dask: {dask.wall / pool.wall:.2f} x the pool's time (goal 1.3)")
    print(f"    {dask.cpu / pool.cpu:.2f} x its processor time")
