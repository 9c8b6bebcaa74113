"""What a root with very many runs costs: opening it, looking at it, and committing one more.

`pytest -m bench -s tests/bench/test_registry.py` fills roots with 1,000 and 100,000 runs and prints the figures, with
the goals beside them. As an ordinary test they are smaller, and only what noise cannot break is asserted. The journal
is filled by the journal and the index written by the store; the events are as large as those of real runs. No run has a
directory, which a list never opens.

A step is measured in a process of its own, in processor time, behind the imports, which are printed by themselves: a
service imports once, and a command takes what `buff run list` takes in a root without runs. Memory is the most that a
whole process ever had, the interpreter with it.
"""

import json
import os
import shutil
import statistics
import sys
import time
from pathlib import Path

import pytest

from buff.bench.made import commits, crowd
from buff.files import write_file
from buff.journal.events import RunCommitted
from buff.registry.index import index_chunks
from buff.store import INDEX_RUNS_PER_EVENT, Store
from costs import Cost, cost_of
from whole import opened

COMMITS = 200

pytestmark = pytest.mark.bench


def fill(root: Path, runs: int) -> Path:
    """Commit so many runs to a new root, and return it with its index written."""
    root.mkdir()
    with opened(root) as store:
        crowd(store, runs)
    return root


@pytest.fixture(scope="module")
def many(request: pytest.FixtureRequest) -> int:
    """How many runs the large root has."""
    return 100_000 if request.config.getoption("markexpr") == "bench" else 6_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, many: int) -> Path:
    return fill(tmp_path_factory.mktemp("large") / "root", many)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("small") / "root", 1_000)


# Everything is imported, and the clock read, before the root is looked at.
LOOK = """
import json, sys, time
import buff, buff.api, buff.cli.show
what, root, report = sys.argv[1:]
told = {"imports, start": [time.process_time(), 0.0]}
def step(name, do):
    begun, clock = time.process_time(), time.perf_counter()
    found = do()
    told[name] = [time.process_time() - begun, time.perf_counter() - clock]
    return found
page = step("open and first page", lambda: buff.open(root).runs())
if what != "first":
    store = buff.open(root)
    store.runs()
if what == "all":
    step("first page again", store.runs)
    step("filtered by symbol, risk", lambda: store.runs(symbol="BTCUSDT", risk_level=3))
    step("filtered by time, tag", lambda: store.runs(since="2026-01-01", tag="none"))
    step("filtered by words", lambda: store.runs(text="btc a1"))
    step("filtered by other words", lambda: store.runs(text="7f", strategy="ma_cross"))
    step("the page in the middle", lambda: store.runs(after=page.total // 2))
    step("sorted by symbol", lambda: store.runs(sort="symbol"))
    step("sorted by sharpe", lambda: store.runs(sort="-sharpe"))
    step("facets", store.facets)
    step("the last entry", lambda: store.entry(page.items[-1].run_id))
    step("the beginning of an id", lambda: store.entry(page.items[-1].run_id[:14]))
    step("every entry", lambda: sum(1 for _ in store.state.runs.values()))
if what == "as of":
    last = store.state.seq
    for share in (1, 10, 25, 46, 50, 75, 93, 99):
        step(f"as of {share} %", lambda: store.runs(as_of=last * share // 100))
with open(report, "w") as file:
    json.dump({"total": page.total, "items": len(page.items), "steps": told}, file)
"""


def look(what: str, root: Path, report: Path) -> tuple[dict[str, float], Cost]:
    """Look at a root in a process of its own; return the seconds of CPU of each step, and what the process took."""
    cost = cost_of([sys.executable, "-c", LOOK, what, str(root), str(report)])
    told = json.loads(report.read_bytes())
    assert (told["total"], told["items"]) == (len(opened(root).state.runs), 100)
    for name, (cpu, clock) in told["steps"].items():
        print(f"  {name:<26} {cpu * 1e3:7.1f} ms CPU {clock * 1e3:8.1f} ms")
    print(f"  the process: {cost.cpu_seconds * 1e3:,.0f} ms CPU, peak {cost.peak_bytes / 1e6:.0f} MB")
    return {name: cpu for name, (cpu, _) in told["steps"].items()}, cost


def test_a_root_is_opened_and_listed(large: Path, many: int, tmp_path: Path) -> None:
    """In processes of their own: the first page alone, all that can be asked, and the command line."""
    size, empty = (large / "index.json").stat().st_size, tmp_path / "empty"
    empty.mkdir()
    print(f"\n{many:,} runs: index.json {size / 1e6:.0f} MB, {size // many} bytes a run; {load()}")
    first, cost = look("first", large, tmp_path / "report")
    every, all_of_it = look("all", large, tmp_path / "report")
    slowest = max((seconds, name) for name, seconds in every.items() if name.startswith("filtered"))
    goal("open and first page", f"{first['open and first page'] * 1e3:.0f} ms CPU", "250 ms")
    goal("a filter, the slowest", f"{slowest[0] * 1e3:.1f} ms CPU, {slowest[1]}", "50 ms")
    goal("memory, first page", f"{cost.peak_bytes / 1e6:.0f} MB", "300 MB")
    goal("memory, all that can be asked", f"{all_of_it.peak_bytes / 1e6:.0f} MB", "300 MB")
    listed, nothing = (
        cost_of([sys.executable, "-m", "buff", "run", "list", "--json", "--runs-root", str(root)])
        for root in (large, empty)
    )
    print(
        f"  `buff run list`: {listed.cpu_seconds * 1e3:.0f} ms CPU, peak {listed.peak_bytes / 1e6:.0f} MB; "
        f"without runs {nothing.cpu_seconds * 1e3:.0f} ms, {nothing.peak_bytes / 1e6:.0f} MB"
    )


def test_the_past_is_looked_at_and_a_root_without_an_index_opened(large: Path, many: int, tmp_path: Path) -> None:
    """Anywhere in the journal, with the index and just after it was lost; then without checkpoints, all of it read."""
    root = Path(shutil.copytree(large, tmp_path / "root"))
    print(f"\n{many:,} runs; {load()}")
    figures = {}
    for name, lost in (("with the index", []), ("without it", [root / "index.json"])):
        for path in lost:
            path.unlink()
        figures[name] = look("as of", root, tmp_path / "report")
    for path in (root / "_journal" / "checkpoints").glob("*"):
        path.unlink()
    figures["without checkpoints"] = look("first", root, tmp_path / "report")
    for name, (steps, cost) in figures.items():
        found = max((seconds, step) for step, seconds in steps.items() if step.startswith(("as of", "open")))
        wanted = "2 s, 300 MB" if "as of" in found[1] else "6 s, 300 MB"
        goal(f"{found[1]}, {name}", f"{found[0] * 1e3:,.0f} ms CPU, peak {cost.peak_bytes / 1e6:.0f} MB", wanted)


def goal(name: str, found: str, wanted: str) -> None:
    """Print a figure with its goal."""
    print(f"* {name:<44} {found}   (goal: {wanted})")


def load() -> str:
    """Say how busy the machine is with whatever."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores" if hasattr(os, "getloadavg") else "load unknown"


# A writer that leaves enough behind to have to write the index when it closes.
WRITE = """
import sys
import buff
from buff.journal.events import RunAnnotated
with buff.open(sys.argv[1]) as store:
    page = store.runs(limit=1_000)
    store.record(*(RunAnnotated(run_id=run.run_id, by="a bench", notes="seen") for run in [*page.items, page.items[0]]))
"""


def test_a_writer_writes_the_index(large: Path, many: int) -> None:
    before = (large / "index.json").read_bytes()
    cost = cost_of([sys.executable, "-c", WRITE, str(large)])
    assert (large / "index.json").read_bytes() != before
    assert opened(large).runs().items[0].notes == "seen"
    print(
        f"\nprocess that annotates 1,000 of {many:,} runs and writes the index: {cost.cpu_seconds * 1e3:.0f} ms CPU, "
        f"peak {cost.peak_bytes / 1e6:.0f} MB (goal: 300)"
    )


def commit(store: Store, made: RunCommitted) -> tuple[float, float]:
    """Commit a run staged as an empty directory; return the seconds of CPU and of the clock.

    The directory stands for that of a run, whose files cost what they cost in any root.
    """
    store.disk.mkdir(store.owner.path(made.run_id))
    cpu, wall = time.process_time(), time.perf_counter()
    store.commit(made.run_id, made)
    found = store.runs(limit=1) if len(store.state.runs) % 50 == 0 else None
    assert found is None or found.items[0].run_id == made.run_id
    return time.process_time() - cpu, time.perf_counter() - wall


def test_a_commit_costs_the_same_in_any_root(small: Path, large: Path, many: int, tmp_path: Path) -> None:
    """By turns, so that a busy disk slows both; a list now and then puts the layers of the runs together."""
    made = commits(3)
    with opened(small) as few, opened(large) as all_of_them:
        pairs = [(commit(few, next(made)), commit(all_of_them, next(made))) for _ in range(COMMITS)]
        start = time.process_time()
        size = write_file(all_of_them.disk, str(tmp_path / "index.json"), index_chunks(all_of_them.state))
        index = time.process_time() - start
        runs = len(all_of_them.state.runs)
    assert size > 100 * runs
    (few_cpu, few_wall), (cpu, wall) = (
        [statistics.fmean(pair[which][clock] for pair in pairs) for clock in (0, 1)] for which in (0, 1)
    )
    share = index / runs * INDEX_RUNS_PER_EVENT
    middle = [statistics.median(pair[which][1] for pair in pairs) for which in (0, 1)]
    print(
        f"\none commit with 1,000: {few_cpu * 1e6:.0f} us CPU, {few_wall * 1e6:.0f} us, median {middle[0] * 1e6:.0f}"
        f"\none commit with {many:,}: {cpu * 1e6:.0f} us CPU, {wall * 1e6:.0f} us, median {middle[1] * 1e6:.0f}: "
        f"{middle[1] / middle[0]:.2f} times"
        f"\nits share of the index: {share * 1e6:.0f} us CPU, in any root; all of it {index * 1e3:.0f} ms"
    )
    goal(
        "the next commit against the first",
        f"{cpu / few_cpu:.2f} times in CPU, {wall / few_wall:.2f} by the clock",
        "1.3",
    )
