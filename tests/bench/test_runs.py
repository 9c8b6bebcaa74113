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

from buff.bench import proof
from buff.bench.engine import FREE
from buff.bench.made import walk
from buff.decisions.engine import simulate
from buff.decisions.records import Records
from buff.decisions.strategy import resolve, strategy
from buff.files import RealDisk
from buff.market.timeframe import Timeframe
from buff.runs.artifacts import SCHEMAS
from buff.runs.directory import Piece, write_pieces
from buff.runs.run import Records as Pages
from contests import asked as wanted
from contests import show

YEAR, FIVE_YEARS = 525_600, 2_628_000
RECORDS = "decision_records.jsonl"


@pytest.fixture
def asked(request: pytest.FixtureRequest) -> bool:
    """Whether benches were asked for; else they are small, and only shown to work."""
    return wanted(request)


def _wall(job: Callable[[], object]) -> float:
    begin = time.perf_counter()
    job()
    return time.perf_counter() - begin


@pytest.mark.bench
def test_runs_of_a_stored_year_are_created_and_verified(request: pytest.FixtureRequest) -> None:
    """Goals: 60 ms, 25 a second, and 1.5 times creating one to verify it."""
    show(request, proof.subject)


@pytest.mark.bench
def test_records_of_a_year_of_minutes_are_written_hashed_and_synced(tmp_path: Path, asked: bool) -> None:
    bars = walk(YEAR if asked else 10_000, Timeframe.MINUTE_1)
    rule = strategy("ma_cross")
    decisions = rule.decide(bars, resolve(rule, {}))
    outcome = simulate(bars, decisions, level=3, costs=FREE, initial_equity=1e6)
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
    bars = walk(count, Timeframe.MINUTE_1)
    rule = strategy("ma_cross")
    decisions = rule.decide(bars, resolve(rule, {}))
    outcome = simulate(bars, decisions, level=3, costs=FREE, initial_equity=1e6)
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
