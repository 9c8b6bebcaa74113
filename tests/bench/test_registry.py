"""What a root with very many runs costs: opening it, looking at it, and committing one more.

`pytest -m bench -s tests/bench/test_registry.py` fills roots with 1,000 and 100,000 runs and prints the figures. As an
ordinary test they are smaller, and only what noise cannot break is asserted. The journal is filled by the journal and
the index written by the store; the events are as large as those of real runs. No run has a directory, which a list
never opens.
"""

import json
import random
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from buff.decisions.metrics import sparkline
from buff.files import write_file
from buff.journal.events import RunCommitted
from buff.journal.record import Entry
from buff.registry.index import index_chunks
from buff.store import INDEX_RUNS_PER_EVENT, Store
from costs import cost_of
from histories import committed
from whole import opened

BATCH, SESSION = 1_000, 20_000
COMMITS = 200

pytestmark = pytest.mark.bench


def event(chance: random.Random) -> RunCommitted:
    """Return the commit of a run as a sweep makes it: 32 points of equity, six metrics, no two runs alike."""
    hashed = [f"{chance.getrandbits(256):064x}" for _ in range(3)]
    names = ("net_return", "cagr", "sharpe", "max_drawdown", "win_rate", "profit_factor")
    return committed(
        f"run_{hashed[0][:16]}",
        inputs_hash=hashed[0],
        manifest_sha256=hashed[1],
        content_sha256=hashed[2],
        symbol=chance.choice(("BTCUSDT", "ETHUSDT", "SOLUSDT")),
        timeframe=chance.choice(("1h", "4h")),
        params={"direction": "long", "fast": chance.randint(2, 50), "slow": chance.randint(51, 200)},
        risk_level=chance.randint(1, 5),
        metrics={name: chance.gauss(0.0, 1.0) for name in names},
        sparkline=sparkline(np.array([10_000.0 + chance.gauss(0.0, 500.0) for _ in range(32)])),
    )


def fill(root: Path, runs: int) -> Path:
    """Commit so many runs to a new root, in a few processes' time as it were, and return it with its index written."""
    root.mkdir()
    chance = random.Random(runs)
    for begin in range(0, runs, SESSION):
        with opened(root) as store:
            for _ in range(min(SESSION, runs - begin) // BATCH):
                events = [event(chance) for _ in range(BATCH)]
                store.journal().append([Entry(event=each, key=f"run:{each.run_id}") for each in events])
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
root, report, *steps = sys.argv[1:]
told = {"imports, start": time.process_time()}
def step(name, do):
    begun = time.process_time()
    found = do()
    told[name] = time.process_time() - begun
    return found
page = step("open and first page", lambda: buff.open(root).runs())
if steps:
    store = buff.open(root)
    store.runs()
    step("first page again", store.runs)
    step("filtered by symbol, risk", lambda: store.runs(symbol="BTCUSDT", risk_level=3))
    step("filtered by time, tag", lambda: store.runs(since="2026-01-01", tag="none"))
    step("the page in the middle", lambda: store.runs(after=page.total // 2))
    step("sorted by symbol", lambda: store.runs(sort="symbol"))
    step("sorted by sharpe", lambda: store.runs(sort="-sharpe"))
    step("facets", store.facets)
    step("the last entry", lambda: store.entry(page.items[-1].run_id))
    step("every entry", lambda: sum(1 for _ in store.state.runs.values()))
    step("as of the middle", lambda: store.runs(as_of=store.state.seq // 2))
with open(report, "w") as file:
    json.dump({"total": page.total, "items": len(page.items), "steps": told}, file)
"""


def test_a_root_is_opened_and_listed(large: Path, many: int, tmp_path: Path) -> None:
    """In processes of their own: the first page alone, all that can be asked, and the command line."""
    size, report = (large / "index.json").stat().st_size, tmp_path / "report"
    look = [sys.executable, "-c", LOOK, str(large), str(report)]
    first = cost_of(look)
    told = json.loads(report.read_bytes())
    assert (told["total"], told["items"]) == (len(opened(large).state.runs), 100)
    every = cost_of([*look, "all"])
    listed = cost_of([sys.executable, "-m", "buff", "run", "list", "--json", "--runs-root", str(large)])
    print(f"\n{many:,} runs: index.json {size / 1e6:.0f} MB, {size // many} bytes a run")
    for name, seconds in json.loads(report.read_bytes())["steps"].items():
        print(f"  {name:<26} {seconds * 1e3:7.1f} ms CPU")
    for name, cost in (("first page", first), ("all of these", every), ("buff run list", listed)):
        print(f"  process: {name:<17} {cost.cpu_seconds * 1e3:7.0f} ms CPU, peak {cost.peak_bytes / 1e6:.0f} MB")


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
        f"peak {cost.peak_bytes / 1e6:.0f} MB"
    )


def commit(store: Store, chance: random.Random) -> tuple[float, float]:
    """Commit a run staged as an empty directory; return the seconds of CPU and of the clock.

    The directory stands for that of a run, whose files cost what they cost in any root.
    """
    made = event(chance)
    store.disk.mkdir(store.owner.path(made.run_id))
    cpu, wall = time.process_time(), time.perf_counter()
    store.commit(made.run_id, made)
    found = store.runs(limit=1) if len(store.state.runs) % 50 == 0 else None
    assert found is None or found.items[0].run_id == made.run_id
    return time.process_time() - cpu, time.perf_counter() - wall


def test_a_commit_costs_the_same_in_any_root(small: Path, large: Path, many: int, tmp_path: Path) -> None:
    """By turns, so that a busy disk slows both; a list now and then puts the layers of the runs together."""
    chance = random.Random(3)
    with opened(small) as few, opened(large) as all_of_them:
        pairs = [(commit(few, chance), commit(all_of_them, chance)) for _ in range(COMMITS)]
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
        f"{middle[1] / middle[0]:.2f} times (goal: 1.3)"
        f"\nits share of the index: {share * 1e6:.0f} us CPU, in any root; all of it {index * 1e3:.0f} ms"
    )
