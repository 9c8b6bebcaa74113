"""Servers and workers killed at moments drawn by chance, by kill -9, and started again.

Invariants checked, after every kill and at the end: a build that was acknowledged is known; one that runs by the
journal has a process that lives, soon after a server does; nobody but the dead is taken for dead; every run that is
listed has its bytes; no build has two ends; and a build that succeeded has its run.
"""

import random
import statistics
import time
from collections import Counter
from pathlib import Path

import pytest

from buff.audit import verify_all
from buff.journal.events import BuildFailed, BuildFinished, BuildStarted
from foremen import acknowledged, kill, opened, start, until, workers
from whole import names

KILLS, NIGHT_KILLS = 20, 100
ENDED = {"BUILD_LOST", "BUILD_CANCELLED"}


def attack(folder: Path, csv: Path, kills: int, seed: int) -> None:
    root, answers, chance = folder / "root", folder / "answers", random.Random(seed)
    root.mkdir()
    reader = opened(root)
    server, started, seconds = start(root, csv, answers, 1), 1, list[float]()
    done = Counter[str]()
    while done.total() < kills:
        time.sleep(chance.uniform(0.0, 0.8))
        found = workers(root, server.pid)
        killed = chance.choice([[], [], [server.pid]]) + (chance.sample(found, 1) if found else [])
        for pid in killed:
            done["servers" if pid == server.pid else "workers"] += kill(pid)
        if server.pid in killed:
            server.join()
            started += 1
            server = start(root, csv, answers, started)
        seconds.append(until(lambda: not any(map(reader.abandoned, reader.state.builds.values()))))
        assert acknowledged(answers) <= reader.state.builds.keys()
        for run_id in reader.state.runs:
            assert reader.run(run_id).id == run_id
    server.kill()
    server.join()
    server = start(root, csv, answers, 0, asking=False)
    until(lambda: not any(build.open for build in reader.state.builds.values()))
    server.kill()
    server.join()
    judge(root, answers)
    codes = Counter(build.code or build.status for build in reader.state.builds.values())
    print(
        f"\nkills: {done['servers']} servers, {done['workers']} workers; {len(reader.state.builds)} builds, "
        f"{dict(codes)}; right after {statistics.median(seconds):.2f} s, {max(seconds):.2f} s at most (goal 2 s)"
    )
    assert codes["succeeded"]


def judge(root: Path, answers: Path) -> None:
    with opened(root) as store:
        store.journal()
        events = [item.event for item in store.events()]
        ends = Counter(event.job for event in events if isinstance(event, BuildFinished | BuildFailed))
        assert set(ends.values()) == {1}
        assert set(ends) == set(store.state.builds) >= acknowledged(answers)
        assert set(Counter(event.job for event in events if isinstance(event, BuildStarted)).values()) <= {1}
        for build in store.state.builds.values():
            assert build.status == "succeeded" or build.code in ENDED, (build.code, build.message, build.details)
            assert build.status == "failed" or build.run_id in store.state.runs
        made = {build.run_id for build in store.state.builds.values() if build.status == "succeeded"}
        assert made == set(store.state.runs), "a run of a build that failed, or none of one that did not"
        assert {item.outcome for item in verify_all(store, stored_bytes_only=True, record=False)} <= {"whole"}
        assert sorted(store.state.runs) == names(root)["runs"]
        assert names(root)["_staging"] == [store.owner.name]


@pytest.mark.crash
def test_servers_and_workers_may_be_killed_at_any_moment(tmp_path: Path, minutes: Path) -> None:
    attack(tmp_path, minutes, KILLS, 21)


@pytest.mark.crash
@pytest.mark.nightly
def test_servers_and_workers_may_be_killed_a_hundred_times(tmp_path: Path, minutes: Path) -> None:
    attack(tmp_path, minutes, NIGHT_KILLS, 22)
