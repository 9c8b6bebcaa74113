"""Compressed decision records: how much smaller, and what pages and verifying cost before and after.

`pytest -m bench -s tests/bench/test_cold.py` prints the figures for a year at 1h and at 1m. As an ordinary test it runs
once, over a week, and asserts only what noise cannot break. Times are of the processor: the machine may be busy.
"""

import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import buff
from buff.audit import stored
from buff.cold import RECORDS, change, plan
from buff.proof import verify
from buff.store import Store
from whole import opened, write_csv

YEAR, WEEK = 525_600, 10_080
PAGE = 100


@pytest.fixture
def asked(request: pytest.FixtureRequest) -> bool:
    """Whether benches were asked for; else they are small, and only shown to work."""
    return bool(request.config.getoption("markexpr") == "bench")


def _seconds(job: Callable[[], object], times: int = 1) -> float:
    found = []
    for _ in range(times):
        begin = time.process_time()
        job()
        found.append(time.process_time() - begin)
    return statistics.median(found)


def _costs(store: Store, run_id: str, asked: bool) -> dict[str, float]:
    """Return what reading one run costs: microseconds a page at three depths, then milliseconds to verify it."""
    records, chance = store.run(run_id).records, random.Random(5)
    places = {"first": (0, 1), "middle": (0.45, 0.55), "last": (0.95, 1)}

    def page(depth: tuple[float, float]) -> None:
        begin = int((len(records) - PAGE) * chance.uniform(*depth))
        assert records[begin : begin + PAGE][0]["seq"] == begin

    costs = {
        f"page, {name}": _seconds(lambda at=at: page(at), 300 if asked else 3) * 1e6 for name, at in places.items()
    }
    entry, times = store.state.runs[run_id], 5 if asked else 1
    costs["stored bytes"] = _seconds(lambda: stored(store, entry, {}), times) * 1e3
    costs["verify"] = _seconds(lambda: verify(store, run_id, record=False), times) * 1e3
    return costs


@pytest.mark.bench
@pytest.mark.parametrize("timeframe", ["1h", "1m"])
def test_compressed_records_are_small_and_their_pages_quick(tmp_path: Path, asked: bool, timeframe: str) -> None:
    csv = write_csv(tmp_path / "minutes.csv", YEAR if asked else WEEK)
    run = buff.create_run(
        csv=str(csv), symbol="DEMO", timeframe=timeframe, strategy="ma_cross", risk_level=3, runs_root=tmp_path / "root"
    )
    with opened(tmp_path / "root") as store:
        before = _costs(store, run.id, asked)
        seconds = _seconds(lambda: change(store))
        after = _costs(store, run.id, asked)
        (item,) = plan(store, undo=True).items
    plain, packed = item.after_bytes or 0, item.before_bytes
    print(
        f"\n{timeframe}, {len(run.records):,} records: {plain:,} bytes become {packed:,}, "
        f"{plain / packed:.1f} times less; compressed and read back {plain / seconds / 1e6:.0f} MB/s"
    )
    for name, cost in before.items():
        unit = "µs" if name.startswith("page") else "ms"
        print(f"  {name:14}{cost:10,.1f} {unit} plain{after[name]:10,.1f} {unit} compressed")
    assert packed * 5 < plain
    assert (tmp_path / "root" / run.id / f"{RECORDS}.gz").stat().st_size == packed
