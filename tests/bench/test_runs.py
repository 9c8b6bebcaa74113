"""Runs from a stored dataset: how long one takes, how many a second, what verifying one costs, what a page costs.

`pytest -m bench -s tests/bench/test_runs.py` prints the figures beside their goals, with a probe of the disk, because
much of what a commit takes is its syncs. As ordinary tests they run once and assert only what noise cannot break.
"""

import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import buff
from buff.decisions.engine import Costs, simulate
from buff.decisions.records import Records
from buff.decisions.strategy import resolve, strategy
from buff.files import RealDisk
from buff.market.timeframe import Timeframe
from buff.runs.artifacts import SCHEMAS
from buff.runs.directory import Piece, write_pieces
from buff.runs.run import Records as Pages
from whole import opened, write_csv
from worlds import lcg_bars

YEAR, FIVE_YEARS = 525_600, 2_628_000
REQUEST = {"symbol": "DEMO", "timeframe": "1h", "strategy": "ma_cross", "risk_level": 3}
RECORDS = "decision_records.jsonl"


@pytest.fixture
def asked(request: pytest.FixtureRequest) -> bool:
    """Whether benches were asked for; else they are small, and only shown to work."""
    return bool(request.config.getoption("markexpr") == "bench")


def _wall(job: Callable[[], object]) -> float:
    begin = time.perf_counter()
    job()
    return time.perf_counter() - begin


def _sync(folder: Path) -> float:
    """Return what it takes here to make one small file durable: written, synced, and its directory synced."""
    disk = RealDisk()

    def once(number: int) -> None:
        handle = disk.create(str(folder / f"probe-{number}"))
        disk.write(handle, b"x")
        disk.sync(handle)
        disk.close(handle)
        disk.sync_directory(str(folder))

    return statistics.median(_wall(lambda number=number: once(number)) for number in range(20))


@pytest.mark.bench
def test_runs_of_a_stored_year_are_created_and_verified(tmp_path: Path, asked: bool) -> None:
    """Each has parameters of its own, so that each is computed and committed, and none is found."""
    root, count = tmp_path / "root", 60 if asked else 3
    csv = write_csv(tmp_path / "year.csv", YEAR if asked else 20_160)
    from_csv = statistics.median(
        _wall(lambda turn=turn: buff.create_run(csv=str(csv), runs_root=tmp_path / f"new-{turn}", **REQUEST))
        for turn in range(5 if asked else 1)
    )
    dataset = buff.create_run(csv=str(csv), runs_root=root, **REQUEST).inputs["dataset_id"]
    made: list[str] = []
    outcomes: list[str] = []
    with opened(root) as store:

        def create(slow: int) -> None:
            run = buff.create_run(dataset=dataset, params={"fast": 7, "slow": slow}, runs_root=store, **REQUEST)
            made.append(run.id)

        def check(run_id: str) -> None:
            outcomes.append(buff.verify(store, run_id, record=False).outcome)

        create(8)
        begin = time.process_time()
        walls = [_wall(lambda slow=slow: create(slow)) for slow in range(9, 9 + count)]
        created = time.process_time()
        checks = [_wall(lambda run_id=run_id: check(run_id)) for run_id in made[1:]]
        verified = time.process_time()
    making, proving = (created - begin) / count, (verified - created) / count
    one, proof = statistics.median(walls), statistics.median(checks)
    print(f"\ncreate_run of a stored year at 1h: {one * 1e3:.0f} ms wall (goal 60), {making * 1e3:.0f} ms CPU")
    print(
        f"  {count} in a row: {count / sum(walls):.1f} a second (goal 25); one sync here {_sync(tmp_path) * 1e3:.1f} ms"
    )
    print(f"verify of one: {proof * 1e3:.0f} ms wall, {proof / one:.2f} times creating it (goal 1.5)")
    print(
        f"  {proving * 1e3:.0f} ms CPU, {proving / making:.2f} times: the year of minutes is hashed and resampled, too"
    )
    print(f"  creating it from its CSV: {from_csv * 1e3:.0f} ms wall; verifying is {proof / from_csv:.2f} times that")
    assert set(outcomes) == {"identical"}
    assert len(set(made)) == count + 1


@pytest.mark.bench
def test_records_of_a_year_of_minutes_are_written_hashed_and_synced(tmp_path: Path, asked: bool) -> None:
    bars = lcg_bars(YEAR if asked else 10_000, Timeframe.MINUTE_1)
    rule = strategy("ma_cross")
    decisions = rule.decide(bars, resolve(rule, {}))
    outcome = simulate(bars, decisions, level=3, costs=Costs(commission_bps=0, slippage_bps=0), initial_equity=1e6)
    best, wall = float("inf"), 0.0
    for turn in range(3 if asked else 1):
        begin, begun = time.process_time(), time.perf_counter()
        records = Records(bars, decisions, outcome, rule.reasons)
        pieces = [Piece(name=RECORDS, schema=SCHEMAS[RECORDS], chunks=records)]
        (artifact,) = write_pieces(RealDisk(), str(tmp_path / f"turn-{turn}"), pieces)
        best, wall = min(best, time.process_time() - begin), time.perf_counter() - begun
    print(f"\n{len(bars):,} records written, hashed and synced: {best:.2f} s CPU (goal 1.2), {wall:.2f} s wall")
    assert artifact.size == os.path.getsize(tmp_path / "turn-0" / RECORDS) > 134 * len(bars)


@pytest.mark.bench
def test_any_page_of_many_records_costs_the_same(tmp_path: Path, asked: bool) -> None:
    """A hundred records from anywhere, decoded: what is read is two blocks at most, wherever they lie."""
    count = FIVE_YEARS if asked else 20_000
    bars = lcg_bars(count, Timeframe.MINUTE_1)
    rule = strategy("ma_cross")
    decisions = rule.decide(bars, resolve(rule, {}))
    outcome = simulate(bars, decisions, level=3, costs=Costs(commission_bps=0, slippage_bps=0), initial_equity=1e6)
    records = Records(bars, decisions, outcome, rule.reasons)
    path = tmp_path / RECORDS
    with path.open("wb") as file:
        file.writelines(records)
    pages = Pages(str(path), records.offsets, count)
    places = random.Random(7).sample(range(count - 100), 200)
    times = {place: _wall(lambda place=place: pages[place : place + 100]) for place in [*places, 0, count - 100]}
    middle, worst = statistics.median(times.values()), max(times.values())
    print(f"\na page of 100 of {count:,} records: {middle * 1e3:.2f} ms (goal 2), {worst * 1e3:.2f} ms at worst")
    print(f"  the first {times[0] * 1e3:.2f} ms, the last {times[count - 100] * 1e3:.2f} ms")
    assert [record["seq"] for record in pages[count - 100 :]] == list(range(count - 100, count))
