"""The foreman: real processes, started in their order, counted, reaped, found again, and left alone when it stops."""

import ast
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from buff import admission, builds, foreman, safety
from buff.errors import StorageFull
from buff.foreman import Foreman
from buff.staging import alive, pid_of
from buff.store import Store
from foremen import LIMITS, kill, opened, until
from whole import host, names, request, start, write_csv

HOLD: dict[str, Any] = {"strategy": "hold", "params": None}

# A worker that begins its build and then does not answer.
DEAF = (
    "-c",
    "import sys, time\n"
    "from buff.host import this_host; from buff.settings import Settings\n"
    "from buff.store import Store; from buff.work import Work\n"
    "root, job = sys.argv[1:]\n"
    "store = Store(root, host=this_host(), settings=Settings(free_bytes_min=0))\n"
    "assert Work(store, store.state.builds[job]).begin()\n"
    "time.sleep(600)\n",
)
QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


@pytest.fixture
def store(root: Path) -> Iterator[Store]:
    with opened(root) as store:
        yield store
        for build in store.state.builds.values():  # a test that failed leaves no process behind
            pid = pid_of(build.worker or "")
            if pid not in (None, os.getpid()) and alive(store.disk, store.root, build.worker or ""):
                kill(pid)  # type: ignore[arg-type]


def asked(store: Store, csv: Path, count: int = 1, **changes: Any) -> list[str]:
    """Ask for builds of different runs; return their ids."""
    wishes = [request(csv, **{**HOLD, "commission_bps": float(n), **changes}) for n in range(1, count + 1)]
    return [builds.request(store, values).job for values in wishes]


def ended(store: Store, *jobs: str) -> Callable[[], bool]:
    return lambda: not any(store.state.builds[job].open for job in jobs)


def running(store: Store, *jobs: str) -> Callable[[], bool]:
    return lambda: all(builds.status(store, job).status == "running" for job in jobs)


def codes(store: Store, *jobs: str) -> list[str | None]:
    return [store.state.builds[job].code for job in jobs]


def worker_of(store: Store, job: str) -> int:
    pid = pid_of(store.state.builds[job].worker or "")
    assert pid is not None
    return pid


def test_builds_are_done_in_their_order_so_many_at_a_time(store: Store, minutes: Path) -> None:
    jobs = asked(store, minutes, 5)
    most = 0
    with Foreman(store, **QUIET) as boss:
        boss.wake()

        def done() -> bool:
            nonlocal most
            most = max(most, sum(build.status == "running" for build in store.state.builds.values()))
            return ended(store, *jobs)()

        until(done)
        assert boss.problem is None
    assert [builds.status(store, job).status for job in jobs] == ["succeeded"] * 5
    assert 1 <= most <= 2
    begun = [item.event.job for item in store.events() if item.event.TYPE == "build_started"]  # type: ignore[union-attr]
    assert sorted(begun[:2]) == sorted(jobs[:2])
    assert len(store.state.runs) == 1 + 5
    assert {entry.by for entry in store.state.runs.values()} == {"tester", "web"}
    until(lambda: names(Path(store.root))["_staging"] == [store.owner.name])


def test_what_was_asked_for_before_it_began_is_done_too(store: Store, minutes: Path) -> None:
    (job,) = asked(store, minutes)
    with Foreman(store, **QUIET):
        until(ended(store, job))
    assert codes(store, job) == [None]


def test_a_worker_that_is_killed_has_failed_soon(store: Store, minutes: Path) -> None:
    (job,) = asked(store, minutes)
    with Foreman(store, command=DEAF) as boss:
        boss.wake()
        until(running(store, job))
        os.kill(worker_of(store, job), signal.SIGKILL)
        seconds = until(lambda: store.state.builds[job].code == "BUILD_LOST")
        print(f"\na killed worker was failed after {seconds:.3f} s")
    assert names(Path(store.root))["_staging"] == [store.owner.name]


def test_to_stop_it_touches_no_build_and_the_next_one_finds_it(store: Store, minutes: Path) -> None:
    (job,) = asked(store, minutes)
    first = Foreman(store, command=DEAF)
    first.start()
    until(running(store, job))
    began = time.monotonic()
    first.stop()
    assert time.monotonic() - began < 10.0
    pid = worker_of(store, job)
    with opened(Path(store.root)) as other, Foreman(other):
        time.sleep(2 * foreman.LOOK_SECONDS)
        assert builds.status(other, job).status == "running"
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)  # it is a child of this process, though nobody waits for it any more
        until(lambda: other.state.builds[job].code == "BUILD_LOST")


def test_a_cancelled_worker_that_does_not_answer_is_ended(
    store: Store, minutes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreman, "CANCEL_SECONDS", 0.2)
    (job,) = asked(store, minutes)
    with Foreman(store, command=DEAF):
        until(running(store, job))
        assert builds.cancel(store, job).status == "running"
        until(ended(store, job))
    assert codes(store, job) == ["BUILD_CANCELLED"]


def test_a_cancelled_worker_ends_by_itself(store: Store, tmp_path: Path) -> None:
    (job,) = asked(store, write_csv(tmp_path / "long.csv", 600_000))
    before = names(Path(store.root))["runs"]
    with Foreman(store, **QUIET) as boss:
        boss.wake()
        until(running(store, job))
        builds.cancel(store, job)
        seconds = until(ended(store, job))
        print(f"\na cancelled worker ended after {seconds:.3f} s")
    assert codes(store, job) == ["BUILD_CANCELLED"]
    until(lambda: names(Path(store.root))["_staging"] == [store.owner.name])
    left = names(Path(store.root))
    assert (left["runs"], left["_orphans"]) == (before, [])


def test_a_worker_that_does_not_begin_fails_its_build(store: Store, minutes: Path) -> None:
    (job,) = asked(store, minutes)
    with Foreman(store, command=("-c", "raise SystemExit(3)")):
        until(ended(store, job))
    assert codes(store, job) == ["BUILD_LOST"]
    assert "code 3" in str(store.state.builds[job].message)


def test_a_process_that_cannot_be_started_fails_its_build(
    store: Store, minutes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    (job,) = asked(store, minutes)
    Foreman(store).look()
    assert codes(store, job) == ["BUILD_LOST"]
    assert "nowhere" not in str(store.state.builds[job].message)


def test_the_kill_switch_ends_what_waits_and_nothing_of_it_begins_later(store: Store, minutes: Path) -> None:
    jobs = asked(store, minutes, 2)
    safety.engage(store, "a test")
    with Foreman(store, **QUIET) as boss:
        until(ended(store, *jobs))
        assert codes(store, *jobs) == ["KILL_SWITCH_ENGAGED"] * 2
        safety.release(store)
        boss.wake()
        time.sleep(2 * foreman.LOOK_SECONDS)
    assert not [item for item in store.events() if item.event.TYPE == "build_started"]


def test_what_others_make_takes_a_place_too(store: Store, minutes: Path) -> None:
    """Two places, and two runs being made by hand: a build waits until one of them is done."""
    with opened(Path(store.root)) as other:
        marks = [admission.take(other, "run") for _ in range(2)]
        (job,) = asked(store, minutes)
        with Foreman(store, **QUIET) as boss:
            time.sleep(2 * foreman.LOOK_SECONDS)
            assert builds.status(store, job).status == "queued"
            assert builds.status(store, job).position == 1
            assert boss.problem is None
            admission.give_back(other, marks[0])
            until(ended(store, job))
        admission.give_back(other, marks[1])
    assert codes(store, job) == [None]


def test_a_worker_that_finds_no_room_leaves_its_build_waiting(store: Store, minutes: Path) -> None:
    (job,) = asked(store, minutes)
    with opened(Path(store.root)) as other:
        marks = [admission.take(other, "run") for _ in range(2)]
        child = start(["-m", "buff.worker", store.root, job], env={**LIMITS.as_env(), "BUFF_BUILDS_MAX": "2"})
        with child:
            out, err = child.communicate(timeout=60)
        assert (child.returncode, out, err) == (75, "", "")
        for mark in marks:
            admission.give_back(other, mark)
    assert builds.status(store, job).status == "queued"


def test_two_servers_share_one_root(store: Store, minutes: Path) -> None:
    with opened(Path(store.root)) as other, Foreman(store, **QUIET), Foreman(other, **QUIET):
        jobs = [*asked(store, minutes, 2), *asked(other, minutes, 2, risk_level=2)]
        until(ended(store, *jobs))
    assert [builds.status(store, job).status for job in jobs] == ["succeeded"] * 4
    events = [item.event.TYPE for item in store.events()]
    assert events.count("build_started") == events.count("build_finished") == 4


def test_builds_that_a_dead_server_left_waiting_are_started(store: Store, minutes: Path) -> None:
    dead = opened(Path(store.root))
    (job,) = asked(dead, minutes)
    with Foreman(store, **QUIET):
        time.sleep(2 * foreman.LOOK_SECONDS)
        assert builds.status(store, job).status == "queued"
        dead.close()
        until(ended(store, job))
    assert codes(store, job) == [None]


def test_a_disk_that_is_full_is_a_problem_and_not_the_end(
    store: Store, minutes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = True

    def look_after(self: Store) -> None:
        if broken:
            raise StorageFull("full")

    monkeypatch.setattr(Store, "look_after", look_after)
    (job,) = asked(store, minutes)
    with Foreman(store, **QUIET) as boss:
        until(lambda: isinstance(boss.problem, StorageFull))
        assert builds.status(store, job).status == "queued"
        broken = False
        until(ended(store, job))
        assert boss.problem is None


def test_a_worker_has_the_limits_of_its_server_and_not_its_token(root: Path, minutes: Path, tmp_path: Path) -> None:
    said = tmp_path / "said"
    tell = ("-c", f"import os; open({str(said)!r}, 'w').write(repr(dict(os.environ)))")
    surroundings = host(environment={"BUFF_TOKEN": "secret", "BUFF_ROWS_MAX": "1", "PATH": os.environ["PATH"]})
    with Store(str(root), host=surroundings, settings=evolve(LIMITS, rows_max=77)) as store:
        (job,) = asked(store, minutes)
        with Foreman(store, command=tell):
            until(ended(store, job))
    given = ast.literal_eval(said.read_text())
    assert given["BUFF_ROWS_MAX"] == "77"
    assert given["BUFF_BUILDS_MAX"] == "2"
    assert "BUFF_TOKEN" not in given
