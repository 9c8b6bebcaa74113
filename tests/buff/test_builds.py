"""Builds: asked for, started, ended exactly once, whatever comes between. Here every process is a store of this one."""

import contextlib
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import whole
from buff import builder, builds, intake, safety
from buff.builds import PROGRESS_BYTES, STALLED_SECONDS, Progress, record_of
from buff.errors import (
    BuildNotFound,
    DatasetNotFound,
    DataSourceNotFound,
    KillSwitchEngaged,
    LimitExceeded,
    RateLimited,
    RiskInvalid,
    RunConfigInvalid,
    StrategyInvalid,
)
from buff.journal.events import BuildFailed, BuildFinished
from buff.registry.changes import died
from buff.registry.index import index_bytes, state_of
from buff.staging import PROGRESS
from buff.store import Store
from buff.work import Work
from twin_disk import HastyDisk
from whole import SETTINGS, events, host, names, request, write_csv
from whole import process as child_process

DATASET = "d" * 64
HOLD: dict[str, Any] = {"strategy": "hold", "params": None}


class Steps:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def process(root: Path, clock: Callable[[], float] | None = None, **settings: Any) -> Store:
    """Return the store of another process: its place under `_staging/` is held by a lock of its own."""
    changes = {} if clock is None else {"monotonic": clock}
    return Store(str(root), host=host(**changes), settings=evolve(SETTINGS, **settings), disk=HastyDisk())


def kill(store: Store) -> None:
    """Let a process die: its lock is free, and everything else is as it was."""
    store.owner.let_go()
    store.journal().close()
    store._journal = store._owner = None


@pytest.fixture
def server(root: Path) -> Iterator[Store]:
    with process(root) as store:
        yield store


@contextlib.contextmanager
def working(root: Path, job: str) -> Iterator[tuple[Store, Work]]:
    """Begin a build in a process of its own."""
    with process(root) as store:
        work = Work(store, store.state.builds[job])
        assert work.begin()
        yield store, work
        work.leave()


def ends(root: Path) -> Counter[str]:
    """Return how many ends the journal tells of each build."""
    return Counter(event.job for event in events(root) if isinstance(event, BuildFinished | BuildFailed))


# Asking


def test_a_build_that_is_asked_for_waits_with_its_request(server: Store, minutes: Path) -> None:
    values = request(minutes, **HOLD)
    entry = builds.request(server, {**values, "notes": None}, request_id="req-1")
    assert (entry.status, entry.kind, entry.request, entry.request_id) == ("queued", "run", values, "req-1")
    assert (entry.owner, entry.by) == (server.owner.name, "tester")
    assert entry.job.startswith("bld_")
    assert len(entry.job) == 20
    second = builds.request(server, {"csv": [str(minutes)], "symbol": "X"}, kind="ingest")
    assert [builds.status(server, each.job).position for each in (entry, second)] == [1, 2]
    assert [build.job for build in builds.listed(server).items] == [second.job, entry.job]
    assert builds.status(server, entry.job[:10]).job == entry.job


REFUSED: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"risk_level": 6}, RiskInvalid),
    ({"strategy": "nothing"}, StrategyInvalid),
    ({"timeframe": "7m"}, RunConfigInvalid),
    ({"csv": ["minutes.csv"]}, RunConfigInvalid),
    ({"csv": ["/x\udcff.csv"]}, RunConfigInvalid),
    ({"csv": ["/nowhere/minutes.csv"]}, DataSourceNotFound),
    ({"csv": None, "dataset": "0" * 64}, DatasetNotFound),
    ({"surprise": 1}, RunConfigInvalid),
]


@pytest.mark.parametrize(("changes", "error"), REFUSED, ids=[str(n) for n in range(len(REFUSED))])
def test_what_can_be_refused_without_the_data_is_never_queued(
    server: Store, minutes: Path, changes: dict[str, Any], error: type[Exception]
) -> None:
    before = server.state.seq
    with pytest.raises(error):
        builds.request(server, request(minutes, **changes))
    assert server.state.seq == before


def test_a_build_is_of_a_known_kind(server: Store, minutes: Path) -> None:
    with pytest.raises(RunConfigInvalid, match="not one of run, ingest"):
        builds.request(server, request(minutes), kind="sweep")


def test_the_queue_ends_where_the_settings_say(root: Path, minutes: Path) -> None:
    with process(root, queue_max=2) as store:
        first, _ = (builds.request(store, request(minutes)) for _ in range(2))
        with pytest.raises(LimitExceeded, match="2 builds wait") as refused:
            builds.request(store, request(minutes))
        assert refused.value.details["setting"] == "BUFF_QUEUE_MAX"
        builds.cancel(store, first.job)
        assert builds.request(store, request(minutes)).status == "queued"


def test_a_build_that_would_find_no_room_is_not_asked_for(root: Path, minutes: Path) -> None:
    with process(root, free_bytes_min=1 << 59) as store:
        with pytest.raises(LimitExceeded, match="are free") as refused:
            builds.request(store, request(minutes))
        assert refused.value.details["setting"] == "BUFF_FREE_BYTES_MIN"
        assert not store.state.builds


def test_only_so_many_builds_are_asked_for_in_a_minute(root: Path, minutes: Path) -> None:
    with process(root, requests_per_minute=2) as store:
        for _ in range(2):
            builds.cancel(store, builds.request(store, request(minutes)).job)
        with pytest.raises(RateLimited):
            builds.request(store, request(minutes))


def test_nothing_is_asked_for_while_the_kill_switch_is_on(server: Store, minutes: Path) -> None:
    safety.engage(server, "a test")
    with pytest.raises(KillSwitchEngaged):
        builds.request(server, request(minutes))
    assert not server.state.builds


# What becomes of it


def test_a_build_runs_and_makes_its_run_in_one_batch(root: Path, server: Store, minutes: Path) -> None:
    job = builds.request(server, request(minutes, **HOLD)).job
    with working(root, job) as (_, work):
        assert builds.status(server, job).status == "running"
        assert builds.status(server, job).position is None
        work.do()
    build = builds.status(server, job)
    assert (build.status, build.entry.existed) == ("succeeded", False)
    assert server.entry(str(build.run_id)).by == "tester"
    items = server.events()
    committed, finished = items[-2:]
    assert (committed.event.TYPE, committed.event.job, finished.key) == ("run_committed.v2", job, f"end:{job}")  # type: ignore[union-attr]
    lines = [json.loads(line) for line in (root / "_journal" / f"{1:020d}.jsonl").read_text().splitlines()]
    assert [line["b"] for line in lines[-2:]] == [[committed.seq, finished.seq]] * 2
    assert ends(root) == {job: 1}
    assert names(root)["_orphans"] == []
    assert names(root)["_staging"] == [server.owner.name]


def test_a_run_that_is_there_is_the_result(root: Path, server: Store, minutes: Path) -> None:
    """The fixture made the same run, and it is neither made again nor asked for in vain."""
    job = builds.request(server, request(minutes)).job
    with working(root, job) as (_, work):
        work.do()
    build = builds.status(server, job)
    assert (build.status, build.entry.existed) == ("succeeded", True)
    assert build.run_id in server.state.runs
    assert len(server.state.runs) == 1


def test_files_become_a_dataset(root: Path, server: Store, minutes: Path) -> None:
    job = builds.request(server, {"csv": [str(minutes)], "symbol": "ETH"}, kind="ingest").job
    with working(root, job) as (_, work):
        work.do()
    build = builds.status(server, job)
    assert (build.status, build.run_id, build.entry.existed) == ("succeeded", None, True)
    assert server.state.datasets[str(build.entry.dataset_id)].symbols == ["BTCUSDT", "ETH"]
    assert [item.event.TYPE for item in server.events()[-2:]] == ["dataset_stored.v2", "build_finished"]


def test_data_that_are_refused_end_the_build_with_their_code(root: Path, server: Store, minutes: Path) -> None:
    bad = root.parent / "bad.csv"
    bad.write_text(minutes.read_text().replace(",", ";"))
    job = builds.request(server, request(bad)).job
    with working(root, job) as (_, work):
        work.do()
    build = builds.status(server, job)
    assert (build.status, build.entry.code) == ("failed", "DATA_INVALID")
    assert build.entry.details is not None
    assert build.entry.details["rule"]
    assert build.entry.hint
    assert ends(root) == {job: 1}


ODD: list[dict[str, object]] = [
    {"value": object()},
    {"value": float("nan")},
    {"value": "\udcff"},
    {"value": "x" * (1 << 21)},
    {"value": 1 << 60},
]


@pytest.mark.parametrize("details", ODD, ids=["object", "nan", "surrogate", "long", "large"])
def test_a_build_ends_whatever_its_error_holds(
    root: Path, server: Store, minutes: Path, details: dict[str, object]
) -> None:
    job = builds.request(server, request(minutes)).job
    with working(root, job) as (_, work):
        work.fail(RunConfigInvalid("no \udcff", hint="look", details=details))
    entry = builds.status(server, job).entry
    assert (entry.status, entry.code, entry.hint) == ("failed", "RUN_CONFIG_INVALID", "look")
    assert str(entry.message).startswith("no ")
    assert ends(root) == {job: 1}


def test_a_bug_ends_the_build_and_is_not_hidden(
    root: Path, server: Store, minutes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = builds.request(server, request(minutes)).job

    def broken(*args: Any, **named: Any) -> None:
        raise ZeroDivisionError("/secret/path")

    monkeypatch.setattr("buff.work.create", broken)
    with working(root, job) as (_, work), pytest.raises(ZeroDivisionError):
        work.do()
    entry = builds.status(server, job).entry
    assert (entry.status, entry.code) == ("failed", "INTERNAL")
    assert "secret" not in str(entry)


def test_a_process_that_is_told_to_end_says_so_and_leaves_nothing(
    root: Path, server: Store, minutes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = builds.request(server, request(minutes, **HOLD)).job

    def told(self: Store, *args: Any, **named: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "commit", told)
    with working(root, job) as (_, work), pytest.raises(KeyboardInterrupt):
        work.do()
    assert builds.status(server, job).entry.code == "BUILD_LOST"
    left = names(root)
    assert (left["_orphans"], left["_staging"], len(left["runs"])) == ([], [server.owner.name], 1)


# Cancelling


def test_a_build_that_waits_is_cancelled_at_once(root: Path, server: Store, minutes: Path) -> None:
    job = builds.request(server, request(minutes)).job
    entry = builds.cancel(server, job, why="a mistake")
    assert (entry.status, entry.code, entry.cancelled_by) == ("failed", "BUILD_CANCELLED", "tester")
    assert builds.cancel(server, job) == entry
    with process(root) as store:
        assert not Work(store, store.state.builds[job]).begin()
    assert ends(root) == {job: 1}


def test_a_build_that_runs_is_cancelled_before_its_commit_and_leaves_nothing(
    root: Path, server: Store, minutes: Path
) -> None:
    job = builds.request(server, request(minutes, **HOLD)).job
    before = names(root)
    with working(root, job) as (_, work):
        assert builds.cancel(server, job).status == "running"
        assert builds.status(server, job).as_dict()["cancelling"]
        builds.cancel(server, job)
        work.do()
    assert builds.status(server, job).entry.code == "BUILD_CANCELLED"
    assert names(root) == before
    assert [item.event.TYPE for item in server.events()].count("build_cancel_requested") == 1


@pytest.mark.parametrize("kind", ["run", "ingest"])
def test_a_build_is_cancelled_up_to_the_very_last(
    root: Path, server: Store, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock that the commit takes is the last moment: what is asked for before it is heard."""
    fresh = write_csv(tmp_path / "fresh.csv", 300, 9)
    values = request(fresh, **HOLD) if kind == "run" else {"csv": [str(fresh)], "symbol": "X"}
    job = builds.request(server, values, kind=kind).job
    before = names(root)
    monkeypatch.setattr(safety.Watch, "__call__", lambda self: None)  # nobody asks on the way
    module: Any = builder if kind == "run" else intake
    name = "built_of" if kind == "run" else "staged_bars"
    real = getattr(module, name)

    def late(*args: Any, **named: Any) -> Any:
        made = real(*args, **named)
        builds.cancel(server, job)
        return made

    monkeypatch.setattr(module, name, late)
    with working(root, job) as (_, work):
        work.do()
    assert builds.status(server, job).entry.code == "BUILD_CANCELLED"
    left = names(root)
    assert (left["runs"], left["_orphans"]) == (before["runs"], [])
    if kind == "ingest":
        assert left == before


def test_a_build_that_ended_stays_as_it_is(root: Path, server: Store, minutes: Path) -> None:
    job = builds.request(server, request(minutes)).job
    with working(root, job) as (_, work):
        work.do()
    seq = server.state.seq
    assert builds.cancel(server, job).status == "succeeded"
    assert server.state.seq == seq


def test_who_is_not_there_cannot_be_cancelled(server: Store) -> None:
    for ask in (builds.cancel, builds.status, builds.retry):
        with pytest.raises(BuildNotFound):
            ask(server, "bld_0000000000000000")


# Dying


def test_a_build_whose_process_died_is_lost_and_never_begun_again_by_itself(
    root: Path, server: Store, minutes: Path
) -> None:
    job = builds.request(server, request(minutes)).job
    worker = process(root)
    assert Work(worker, worker.state.builds[job]).begin()
    builds.look_after(server)
    assert builds.status(server, job).status == "running"
    kill(worker)
    seq = server.state.seq
    shown = builds.status(server, job)
    assert (shown.status, shown.entry.code, shown.entry.ended) == ("failed", "BUILD_LOST", None)
    assert server.state.seq == seq, "looking writes nothing"
    builds.look_after(server)
    assert builds.status(server, job).entry.code == "BUILD_LOST"
    assert server.state.builds[job].ended is not None
    assert names(root)["_staging"] == [server.owner.name]
    builds.look_after(server)
    assert ends(root) == {job: 1}
    assert builds.startable(server, server.owner.name) == ()


def test_whoever_opens_the_root_for_writing_ends_what_the_dead_left(root: Path, server: Store, minutes: Path) -> None:
    job = builds.request(server, request(minutes)).job
    worker = process(root)
    assert Work(worker, worker.state.builds[job]).begin()
    kill(worker)
    with process(root) as other:
        other.journal()
    assert server.state.builds[job].code == "BUILD_LOST"


def test_a_cancelled_build_whose_process_died_was_cancelled(root: Path, server: Store, minutes: Path) -> None:
    first, second = (builds.request(server, request(minutes)).job for _ in range(2))
    for job, early in ((first, True), (second, False)):
        worker = process(root)
        assert Work(worker, worker.state.builds[job]).begin()
        if early:
            builds.cancel(server, job)
        kill(worker)
    assert builds.status(server, first).entry.code == "BUILD_CANCELLED"
    builds.look_after(server)
    assert server.state.builds[first].code == "BUILD_CANCELLED"
    assert builds.cancel(server, second).code == "BUILD_LOST"
    assert ends(root) == {first: 1, second: 1}


def test_a_dead_build_that_is_cancelled_before_anybody_looked_ends_then(
    root: Path, server: Store, minutes: Path
) -> None:
    job = builds.request(server, request(minutes)).job
    worker = process(root)
    assert Work(worker, worker.state.builds[job]).begin()
    kill(worker)
    assert builds.cancel(server, job).code == "BUILD_CANCELLED"
    assert ends(root) == {job: 1}


def test_a_build_that_ends_while_somebody_looks_is_not_taken_for_lost(root: Path, minutes: Path) -> None:
    """The lock is looked at first: it was held until the end was durable, so whoever finds it free finds the end."""
    ends_now: list[Callable[[], None]] = []

    class Looking(HastyDisk):
        def locked(self, path: str) -> bool:
            while ends_now:
                ends_now.pop()()
            return super().locked(path)

    with Store(str(root), host=host(), settings=SETTINGS, disk=Looking()) as server:
        for look in (
            lambda job: builds.status(server, job),
            lambda job: builds.listed(server).items[0],
            lambda job: (builds.look_after(server), builds.status(server, job))[1],
        ):
            job = builds.request(server, request(minutes)).job
            worker = process(root)
            work = Work(worker, worker.state.builds[job])
            assert work.begin()
            ends_now += [worker.close, work.leave, work.do]
            assert look(job).status == "succeeded"
            assert not ends_now


FORKING = """
import os, signal, sys
from buff.staging import alive
from whole import opened
from pathlib import Path

signal.alarm(50)
with opened(Path(sys.argv[1])) as store:
    place, (read, write), (heard, say) = store.owner.name, os.pipe(), os.pipe()
    if os.fork() == 0:
        signal.alarm(40)
        os.write(say, b"born!")
        os.read(read, 1)
        os.write(say, b"same " if store.owner.name == place else b"other")
        os._exit(0)
    assert os.read(heard, 5) == b"born!"
    living = alive(store.disk, store.root, place)
    store.owner.let_go()
    dead = not alive(store.disk, store.root, place)
    os.write(write, b"x")
    print(living, dead, os.read(heard, 5).decode())
    os.wait()
"""


def test_the_child_of_a_fork_keeps_nobody_alive(root: Path) -> None:
    """It gives up its parent's lock at once, and gets a place of its own when it writes."""
    done = child_process(["-c", FORKING, str(root)], env={"PYTHONPATH": str(Path(whole.__file__).parent)})
    assert (done.stdout, done.stderr) == ("True True other\n", "")


def test_builds_of_a_dead_server_are_for_the_next_one_in_their_order(root: Path, minutes: Path) -> None:
    dead, living, next_one = process(root), process(root), process(root)
    jobs = [builds.request(store, request(minutes)).job for store in (dead, living, dead, next_one)]
    with living, next_one:
        own = next_one.owner.name
        assert [build.job for build in builds.startable(next_one, own)] == [jobs[3]]
        kill(dead)
        assert [build.job for build in builds.startable(next_one, own)] == [jobs[0], jobs[2], jobs[3]]


# Doing it again


def test_a_failed_build_is_asked_for_again_with_the_same_inputs(server: Store, minutes: Path) -> None:
    job = builds.request(server, request(minutes, **HOLD)).job
    with pytest.raises(RunConfigInvalid, match="did not fail"):
        builds.retry(server, job)
    builds.cancel(server, job)
    again = builds.retry(server, job, request_id="second")
    assert (again.retry_of, again.request_id, again.request) == (job, "second", request(minutes, **HOLD))
    assert again.job != job


def test_a_build_that_died_a_moment_ago_can_be_asked_for_again(root: Path, server: Store, minutes: Path) -> None:
    job = builds.request(server, request(minutes)).job
    worker = process(root)
    assert Work(worker, worker.state.builds[job]).begin()
    kill(worker)
    assert builds.retry(server, job).retry_of == job
    assert server.state.builds[job].code == "BUILD_LOST"


# Progress


@given(
    st.text(st.characters(max_codepoint=127), max_size=30),
    st.integers(0, 2**50),
    st.integers(0, 2**50),
    st.none() | st.from_regex(r"[a-z0-9][a-z0-9_-]{2,63}", fullmatch=True),
    st.floats(0, 1e9),
)
def test_every_record_of_progress_has_one_size(
    stage: str, done: int, total: int, run_id: str | None, at: float
) -> None:
    progress = Progress(stage=stage, done=done, total=total, run_id=run_id, at=at)
    record = record_of(progress)
    assert len(record) == PROGRESS_BYTES
    assert msgspec.json.decode(record, type=Progress) == progress


def test_progress_is_shown_at_most_five_times_a_second_and_costs_no_sync(root: Path, minutes: Path) -> None:
    clock, written = Steps(), list[tuple[bytes, int]]()

    class Telling(HastyDisk):
        def write_at(self, handle: int, data: bytes, offset: int) -> None:
            if len(data) == PROGRESS_BYTES:
                written.append((data, offset))
            super().write_at(handle, data, offset)

    with process(root, clock) as server:
        job = builds.request(server, request(minutes, **HOLD)).job
        with Store(str(root), host=host(monotonic=clock), settings=SETTINGS, disk=Telling()) as store:
            work = Work(store, store.state.builds[job])
            assert work.begin()
            for step in range(1, 129):  # in two seconds
                clock.now += 1 / 64
                work._show("reading", step, 128)
            shown = builds.status(server, job).progress
            assert shown is not None
            assert (shown.stage, shown.total, shown.run_id) == ("reading", 128, None)
            assert shown.done >= 128 - 64 // 5
            work._plan("run_0123456789abcdef")
            assert builds.status(server, job).run_id == "run_0123456789abcdef"
            assert {offset for _, offset in written} == {0}
            assert 1 + 1 + 9 <= len(written) <= 1 + 1 + 10  # the first, that of the run's id, and five a second
            assert not builds.status(server, job).stalled
            clock.now += STALLED_SECONDS + 1
            assert builds.status(server, job).stalled
            assert builds.status(server, job).status == "running"
            builds.look_after(server)
            assert builds.status(server, job).status == "running", "slow is not dead"
            work.leave()


def test_a_record_that_cannot_be_read_is_no_progress(root: Path, server: Store, minutes: Path) -> None:
    job = builds.request(server, request(minutes)).job
    with working(root, job) as (store, _):
        Path(store.owner.path(PROGRESS)).write_bytes(b'{"stage":')
        assert builds.status(server, job).progress is None
        Path(store.owner.path(PROGRESS)).unlink()
        assert builds.status(server, job).progress is None


def test_a_page_of_builds_says_where_the_next_begins(server: Store, minutes: Path) -> None:
    jobs = [builds.request(server, request(minutes)).job for _ in range(3)]
    page = builds.listed(server, limit=2)
    assert ([build.job for build in page.items], page.total, page.next) == (jobs[:0:-1], 3, 2)
    assert [build.job for build in builds.listed(server, limit=2, after=2).items] == jobs[:1]
    with pytest.raises(RunConfigInvalid):
        builds.listed(server, limit=0)


def test_builds_are_listed_by_status_and_kind_and_a_cursor_holds(root: Path, server: Store, minutes: Path) -> None:
    jobs = [builds.request(server, request(minutes)).job for _ in range(3)]
    builds.cancel(server, jobs[1])
    ingest = {name: request(minutes)[name] for name in ("csv", "symbol")}
    jobs.append(builds.request(server, ingest, kind="ingest").job)

    def told(**asked: Any) -> list[str]:
        return [build.job for build in builds.listed(server, **asked).items]

    assert told(status="failed") == [jobs[1]]
    assert told(status="queued", sort="created") == [jobs[0], jobs[2], jobs[3]]
    assert (told(kind="ingest"), told(kind="run", status="succeeded")) == ([jobs[3]], [])
    first = builds.listed(server, kind="run", limit=2)
    assert [build.job for build in first.items] == [jobs[2], jobs[1]]
    builds.request(server, request(minutes))
    assert told(kind="run", cursor=first.cursor) == [jobs[0]]
    with working(root, jobs[0]):
        assert told(status="running") == [jobs[0]]
    # Its process is gone, and nobody wrote that down yet: it is listed as what it is shown as.
    assert told(status="running") == []
    assert told(status="failed", sort="created") == jobs[:2]
    for wrong in ({"sort": "kind"}, {"cursor": "x"}):
        with pytest.raises(RunConfigInvalid):
            builds.listed(server, **wrong)


# Every order


class Orders(RuleBasedStateMachine):
    """Ask, start, cancel, finish, fail, die, look: in any order, beside a model that a child could check.

    Invariants checked: a build's status and code are the model's, at once and for everybody; the builds that wait are
    in the order they were asked for; at the end no build has more than one end, and the snapshot of the registry says
    the same as the journal.
    """

    def __init__(self) -> None:
        super().__init__()
        self.open: list[Store] = []

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="buff-orders-")
        self.root = Path(self.folder.name) / "root"
        self.root.mkdir()
        self.csv = Path(self.folder.name) / "x.csv"
        self.csv.write_text("timestamp,open,high,low,close,volume\n")
        self.server = process(self.root)
        self.model: dict[str, str] = {}  # job -> queued, running, dead or how it ended
        self.cancelled: set[str] = set()
        self.workers: dict[str, tuple[Store, Work]] = {}

    def some(self, data: st.DataObject, *states: str) -> str | None:
        jobs = [job for job, state in self.model.items() if state in states]
        return data.draw(st.sampled_from(jobs)) if jobs else None

    def bury(self) -> None:
        """Whoever looks ends what is dead."""
        for job, state in self.model.items():
            if state == "dead":
                self.model[job] = "BUILD_CANCELLED" if job in self.cancelled else "BUILD_LOST"

    @rule()
    def ask(self) -> None:
        job = builds.request(self.server, {"csv": [str(self.csv)], "symbol": "X"}, kind="ingest").job
        self.model[job] = "queued"

    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        job = self.some(data, *set(self.model.values()))
        if job is None:
            return
        store = process(self.root)
        work = Work(store, store.state.builds[job])
        self.bury()  # it opened the journal
        assert work.begin() == (self.model[job] == "queued")
        if self.model[job] == "queued":
            self.model[job] = "running"
            self.workers[job] = store, work
        else:
            work.leave()
            store.close()

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = self.some(data, *set(self.model.values()))
        if job is None:
            return
        entry = builds.cancel(self.server, job)
        if self.model[job] in ("queued", "dead"):
            self.model[job] = "BUILD_CANCELLED"
        elif self.model[job] == "running":
            self.cancelled.add(job)
        assert entry.open == (self.model[job] == "running")

    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        job = self.some(data, "running")
        if job is None:
            return
        store, work = self.workers.pop(job)
        work._make = lambda: (None, DATASET, False)  # type: ignore[method-assign]
        work.do()
        work.leave()
        store.close()
        self.model[job] = "BUILD_CANCELLED" if job in self.cancelled else "succeeded"

    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        job = self.some(data, "running")
        if job is None:
            return
        store, work = self.workers.pop(job)
        work.fail(DataSourceNotFound("gone"))
        work.fail(LimitExceeded("and once more"))
        work.leave()
        store.close()
        self.model[job] = "DATA_SOURCE_NOT_FOUND"

    @rule(data=st.data(), ended=st.booleans())
    def die(self, data: st.DataObject, ended: bool) -> None:
        """The process dies: just before its last event, or just after it."""
        job = self.some(data, "running")
        if job is None:
            return
        store, work = self.workers.pop(job)
        if ended:
            work.fail(DataSourceNotFound("gone"))
        kill(store)
        self.model[job] = "DATA_SOURCE_NOT_FOUND" if ended else "dead"

    @rule()
    def look(self) -> None:
        builds.look_after(self.server)
        self.bury()

    @rule()
    def restart(self) -> None:
        """The server is killed; the next one opens the root."""
        kill(self.server)
        self.server = process(self.root)
        self.server.journal()
        self.bury()

    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        job = self.some(data, *set(self.model.values()))
        if job is None:
            return
        builds.drop(self.server, [job], died(self.server.state.builds[job]))
        if self.model[job] == "queued":
            self.model[job] = "BUILD_LOST"

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "server"):
            return
        reader = process(self.root)
        waiting = [job for job, state in self.model.items() if state == "queued"]
        for store in (self.server, reader):
            for job, state in self.model.items():
                expected = {
                    "queued": ("queued", None),
                    "running": ("running", None),
                    "succeeded": ("succeeded", None),
                    "dead": ("failed", "BUILD_CANCELLED" if job in self.cancelled else "BUILD_LOST"),
                }.get(state, ("failed", state))
                build = builds.status(store, job)
                assert (build.status, build.entry.code) == expected
                assert build.position == (waiting.index(job) + 1 if job in waiting else None)

    @precondition(lambda self: bool(self.model))
    @invariant()
    def ends_once(self) -> None:
        found = ends(self.root)
        assert set(found.values()) <= {1}
        recorded = {job for job, state in self.model.items() if state not in ("queued", "running", "dead")}
        assert set(found) == recorded
        state = process(self.root).state
        again = state_of(index_bytes(state))
        assert again is not None
        assert again.builds == state.builds

    def teardown(self) -> None:
        if hasattr(self, "server"):
            for store, work in self.workers.values():
                work.leave()
                kill(store)
            self.server.close()
            self.folder.cleanup()


Orders.TestCase.settings = settings(stateful_step_count=30)
test_orders = Orders.TestCase


def test_what_is_under_way_or_failed_a_moment_ago_is_recent(server: Store, minutes: Path) -> None:
    jobs = [builds.request(server, request(minutes, symbol=symbol), kind="run").job for symbol in ("A", "B", "C", "D")]
    builds.drop(server, jobs[:2], RunConfigInvalid("no"))
    ended = server.state.builds[jobs[0]].ended
    assert ended is not None
    later = ended.replace("20", "90", 1)
    assert [build.job for build in builds.recent(server, since=ended)] == jobs[::-1]
    assert [build.job for build in builds.recent(server, since=later)] == [jobs[3], jobs[2]]
    assert [build.job for build in builds.recent(server, since=ended, limit=1)] == [jobs[3]]
    again = builds.retry(server, jobs[0]).job
    assert [build.job for build in builds.recent(server, since=ended)] == [again, jobs[3], jobs[2], jobs[1]]
