"""Admission: one wall for every door, the same codes at each, and nothing half-made behind it."""

import itertools
import multiprocessing
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

from buff import admission, safety
from buff.admission import Work, admitted, running
from buff.builder import create
from buff.bundle import bring, bundle, verify_bundle
from buff.deposit import deposit
from buff.errors import BuffError, KillSwitchEngaged, LimitExceeded, RateLimited
from buff.files import remove_tree
from buff.host import Host
from buff.intake import Task
from buff.journal import events as facts
from buff.safety import FILE
from buff.settings import Settings
from buff.staging import MARK
from buff.store import Store
from journals import BOOT
from ledgers import ROOT, fresh, stage
from ledgers import SETTINGS as LEDGER
from ledgers import host as ledger_host
from lying_disk import LyingDisk
from twin_disk import HastyDisk
from watched_disk import WatchedDisk
from whole import SETTINGS, events, host, names, opened, request, write_csv

MINUTES = 600
PLACES = 50  # at which the switch is turned on; all of them were tried
NOTHING = {"runs": [], "_datasets": [], "_staging": [], "_orphans": []}


def silent(stage: str, done: int, total: int) -> None:
    """Show nothing."""


@frozen(kw_only=True)
class Door:
    """A way in: what it asks of a root that holds nothing, or the data alone, and the event that tells of a refusal."""

    name: str
    do: Callable[[Store], object]
    told: type[Any] | None
    stored: bool = False


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("candles") / "candles.csv", MINUTES)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, csv: Path) -> Path:
    """A root with a dataset and no run."""
    root = tmp_path_factory.mktemp("stored") / "root"
    root.mkdir()
    with opened(root) as store:
        _ingest(store, csv)
    return root


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory, csv: Path) -> Path:
    """A bundle of a run of the same data."""
    folder = tmp_path_factory.mktemp("sent")
    with Store(str(_made(folder / "root")), host=host(), settings=SETTINGS) as store:
        run = create(_wish(csv), root=store, host=store.host, settings=store.settings).run
        bundle(store, run.id, out=str(folder / "run.zip"))
    return folder / "run.zip"


def _made(root: Path) -> Path:
    root.mkdir()
    return root


def _wish(csv: Path | None, **changes: Any) -> dict[str, Any]:
    return request(csv, strategy="hold", params=None, **changes)


def _ingest(store: Store, csv: Path) -> object:
    values = {"csv": [str(csv)], "symbol": "BTCUSDT"}
    return deposit(values, root=store, host=store.host, settings=store.settings)


@pytest.fixture(params=["run from a file", "run from a dataset", "ingest", "import"])
def door(request: pytest.FixtureRequest, csv: Path, stored: Path, sent: Path) -> Door:
    """Every way in."""
    dataset = opened(stored).datasets()[0].dataset_id

    def make(values: dict[str, Any]) -> Callable[[Store], object]:
        return lambda store: create(values, root=store, host=store.host, settings=store.settings)

    doors = (
        Door(name="run from a file", do=make(_wish(csv)), told=facts.RunRejected),
        Door(name="run from a dataset", do=make(_wish(None, dataset=dataset)), told=facts.RunRejected, stored=True),
        Door(name="ingest", do=lambda store: _ingest(store, csv), told=facts.IngestRejected),
        Door(
            name="import",
            do=lambda store: bring(str(sent), root=store, host=store.host, settings=store.settings),
            told=None,
        ),
    )
    return next(each for each in doors if each.name == request.param)


def place(door: Door, stored: Path, folder: Path) -> Path:
    """Return a root as a door finds it."""
    root = folder / "root"
    return Path(shutil.copytree(stored, root)) if door.stored else _made(root)


def settled(**changes: Any) -> Settings:
    return evolve(SETTINGS, **changes)


# The same wall, the same code


def _environment(store: Store) -> None:
    store.settings = settled(kill_switch=True)


def _file(store: Store) -> None:
    Path(store.root, FILE).touch()


def _command(store: Store) -> None:
    safety.engage(store, "a test")


def _full(store: Store) -> None:
    store.settings = settled(free_bytes_min=1 << 62)


def _busy(store: Store) -> None:
    store.settings = settled(builds_max=1)
    admission.take(store, "run")


@pytest.mark.parametrize(
    ("wall", "code"),
    [
        (_environment, "KILL_SWITCH_ENGAGED"),
        (_file, "KILL_SWITCH_ENGAGED"),
        (_command, "KILL_SWITCH_ENGAGED"),
        (_full, "LIMIT_EXCEEDED"),
        (_busy, "LIMIT_EXCEEDED"),
    ],
    ids=["environment", "file", "command", "disk", "places"],
)
def test_every_door_meets_the_same_wall_before_it_makes_anything(
    tmp_path: Path, stored: Path, door: Door, wall: Callable[[Store], None], code: str
) -> None:
    root = place(door, stored, tmp_path)
    with opened(root) as store:
        store.journal()
        wall(store)
        with pytest.raises(BuffError) as caught:
            door.do(store)
        assert caught.value.code == code
        assert caught.value.exit_code == 7
        assert caught.value.hint
    left = names(root)
    assert (left["runs"], left["_orphans"]) == ([], [])
    assert len(left["_datasets"]) == door.stored
    if door.told is not None:
        last = events(root)[-1]
        assert isinstance(last, door.told)
        assert last.code == code


def test_every_door_meets_the_limit_of_a_minute(tmp_path: Path, csv: Path, sent: Path) -> None:
    """What comes too often is not told of by events, which would come as often."""
    root, other = _made(tmp_path / "root"), write_csv(tmp_path / "other.csv", MINUTES, seed=8)
    at_once = host(clock=lambda: "2026-02-03T04:05:06.000007Z")
    with Store(str(root), host=at_once, settings=settled(requests_per_minute=1)) as store:
        _ingest(store, csv)
        (dataset,) = store.state.datasets

        def make(values: dict[str, Any]) -> Any:
            return create(values, root=store, host=store.host, settings=store.settings)

        first = make(_wish(None, dataset=dataset, timeframe="30m")).run
        before = len(events(root))
        refused: list[RateLimited] = []
        for do in (
            lambda: make(_wish(None, dataset=dataset)),
            lambda: make(_wish(csv)),
            lambda: _ingest(store, other),
            lambda: bring(str(sent), root=store, host=store.host, settings=store.settings),
        ):
            with pytest.raises(RateLimited) as caught:
                do()
            refused.append(caught.value)
        again = make(_wish(None, dataset=dataset, timeframe="30m"))
        assert (again.existed, again.run.id) == (True, first.id), "what is there is not made again, so not counted"
    assert len(events(root)) == before
    for error in refused:
        assert error.details["setting"] == "BUFF_REQUESTS_PER_MINUTE"
        assert error.details["retry_after_seconds"] == 60
        assert "try again in 60 s" in error.hint
    assert names(root)["_staging"] == []


def test_before_there_is_a_root_an_environment_that_stops_makes_none(tmp_path: Path, csv: Path) -> None:
    stopped, root = settled(kill_switch=True), tmp_path / "none"
    values = {"csv": [str(csv)], "symbol": "BTCUSDT"}
    for ask in (
        lambda: create(_wish(csv), root=root, host=host(), settings=stopped),
        lambda: deposit(values, root=root, host=host(), settings=stopped),
    ):
        with pytest.raises(KillSwitchEngaged):
            ask()
    assert not root.exists()


def test_proving_a_bundle_meets_no_wall(tmp_path: Path, sent: Path) -> None:
    walled = settled(kill_switch=True, builds_max=1, requests_per_minute=1)
    for _ in range(2):
        proven = verify_bundle(str(sent), host=host(), settings=walled, recompute=True)
        assert proven.verdict is not None
        assert proven.verdict.outcome == "identical"


# Stopped on the way


def hasty() -> Host:
    """Return surroundings in which a second passes between two looks at the clock, so that every question is put."""
    return host(monotonic=itertools.count().__next__)


class Engaging(WatchedDisk):
    """The real disk without its syncs, which would be most of the time: here no power goes."""

    def sync(self, handle: int) -> None:
        self._tell("sync", self._names[handle])

    def sync_directory(self, path: str) -> None:
        self._tell("sync_directory", self._relative(path))


def engaging(root: Path, at: int) -> tuple[Engaging, list[str]]:
    """Return a disk that turns the switch on before its change number `at`, and what it was asked to do."""
    done: list[str] = []

    def tell(what: str, path: str) -> None:
        if len(done) == at:
            (root / FILE).touch()
        done.append(f"{what} {path}")

    return Engaging(str(root), tell), done


def test_whenever_it_is_turned_on_nothing_half_made_stays(tmp_path: Path, stored: Path, door: Door) -> None:
    """Invariants checked, for a switch that is turned on before any change on disk: what was asked for is there whole
    and told of, or refused with KILL_SWITCH_ENGAGED and not there; nothing is left in any folder; and once the switch
    is off the same request makes what it would have made.
    """
    pristine = place(door, stored, _made(tmp_path / "pristine"))
    refused = finished = 0
    reference: frozenset[str] = frozenset()
    for at in places(door, pristine, tmp_path / "root"):
        root = Path(shutil.copytree(pristine, tmp_path / "root"))
        disk, _ = engaging(root, at)
        with Store(str(root), host=hasty(), settings=SETTINGS, disk=disk) as store:
            try:
                door.do(store)
                finished += 1
            except KillSwitchEngaged:
                refused += 1
                assert not store.state.runs
        whole_or_nothing(root)
        (root / FILE).unlink(missing_ok=True)
        with Store(str(root), host=host(), settings=SETTINGS, disk=HastyDisk()) as store:
            door.do(store)
            made = frozenset({*(entry.content_sha256 for entry in store.state.runs.values()), *store.state.datasets})
            reference = reference or made
            assert made == reference
        remove_tree(HastyDisk(), str(root))
    print(f"\n{door.name}: turned on before {refused + finished} of {at} changes, {refused} refused")
    assert refused > 10
    assert finished >= 1


def places(door: Door, pristine: Path, root: Path) -> list[int]:
    """Return before which changes to turn the switch on, drawn by chance, the last behind them all."""
    shutil.copytree(pristine, root)
    disk, done = engaging(root, -1)
    with Store(str(root), host=hasty(), settings=SETTINGS, disk=disk) as store:
        door.do(store)
    remove_tree(HastyDisk(), str(root))
    return [*sorted(random.Random(13).sample(range(len(done)), PLACES)), len(done)]


def whole_or_nothing(root: Path) -> None:
    left, state = names(root), opened(root).state
    assert (left["_staging"], left["_orphans"]) == ([], [])
    assert left["_datasets"] == sorted(state.datasets)
    assert left["runs"] == sorted(state.runs)
    assert not state.ingests, "an ingest that was stopped has an end"


def test_what_is_on_its_way_is_asked_of_at_least_every_second(tmp_path: Path, csv: Path) -> None:
    """Whatever takes long in an ingest or a run shows its progress or writes chunks, and each of them asks."""
    asked = 0

    def question() -> None:
        nonlocal asked
        asked += 1

    with Store(str(_made(tmp_path / "root")), host=hasty(), settings=SETTINGS) as store:
        create(_wish(csv), root=store, host=store.host, settings=store.settings, task=Task(guard=question))
    assert asked > 30


def test_the_guard_of_a_task_is_asked_with_the_switch(tmp_path: Path, csv: Path) -> None:
    class Enough(Exception):
        pass

    def stop() -> None:
        raise Enough

    root = _made(tmp_path / "root")
    with opened(root) as store, pytest.raises(Enough):
        create(_wish(csv), root=store, host=store.host, settings=store.settings, task=Task(guard=stop))
    assert names(root) == NOTHING


# So many at once


def test_threads_of_one_process_count_each(tmp_path: Path) -> None:
    with Store(str(tmp_path), host=host(), settings=settled(builds_max=2)) as store:
        with admitted(store, "run", progress=silent), admitted(store, "ingest", progress=silent):
            assert sorted(work.kind for work in running(store)) == ["ingest", "run"]
            with pytest.raises(LimitExceeded) as caught, admitted(store, "run", progress=silent):
                pass
        assert caught.value.details["setting"] == "BUFF_BUILDS_MAX"
        assert caught.value.details["limit"] == 2
        shown = caught.value.details["running"]
        assert sorted(each["kind"] for each in shown) == ["ingest", "run"]  # type: ignore[attr-defined]
        assert {each["process"] for each in shown} == {os.getpid()}  # type: ignore[attr-defined]
        assert f"by process {os.getpid()}" in caught.value.message
        with admitted(store, "run", progress=silent):
            assert len(running(store)) == 1
        assert running(store) == ()


def test_what_has_no_limit_of_its_own_counts_for_others(tmp_path: Path) -> None:
    with opened(tmp_path) as free, Store(str(tmp_path), host=host(), settings=settled(builds_max=1)) as other:
        with admitted(free, "run", progress=silent), pytest.raises(LimitExceeded):
            admission.take(other, "run")
        admission.give_back(other, admission.take(other, "run"))


def test_a_build_that_has_its_place_keeps_it(tmp_path: Path) -> None:
    with Store(str(tmp_path), host=host(), settings=settled(builds_max=1)) as store:
        job = "bld_0123456789abcdef"
        mark = admission.take(store, "run", job)
        with admitted(store, "run", progress=silent, task=Task(job=job)):
            assert running(store) == (Work(kind="run", owner=store.owner.name, process=os.getpid(), job=job),)
        with pytest.raises(LimitExceeded):
            admission.take(store, "run", "bld_other")
        admission.give_back(store, mark)
        assert running(store) == ()


def test_what_fails_gives_its_place_back(tmp_path: Path) -> None:
    with Store(str(tmp_path), host=host(), settings=settled(builds_max=1)) as store:
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt), admitted(store, "run", progress=silent):
                raise KeyboardInterrupt
        assert running(store) == ()


def test_names_that_are_no_marks_count_for_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        for name in (f"run-X{MARK}", f"walk-1{MARK}", f"run-1{MARK}x", f".run-1{MARK}"):
            store.disk.close(store.disk.create(store.owner.path(name)))
        (tmp_path / "_staging" / f"run-1{MARK}").touch()
        assert running(store) == ()
        for name in (f"run-X{MARK}", f"walk-1{MARK}", f"run-1{MARK}x", f".run-1{MARK}"):
            store.disk.unlink(store.owner.path(name))


def test_a_mark_that_stays_when_a_process_leaves_is_cleared_away(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        admission.take(store, "run")
        folder = Path(store.owner.directory)
    assert not folder.exists()


_context = multiprocessing.get_context("spawn")


def _work(root: str, inside: str, seconds: float, seed: int, most: int) -> None:
    """Take a place again and again, and see how many are inside while we are."""
    chance, until = random.Random(seed), time.monotonic() + seconds
    own, seen, got, refused = Path(inside, str(os.getpid())), 0, 0, 0
    with Store(root, host=host(), settings=settled(builds_max=most)) as store:
        while time.monotonic() < until or not got:
            try:
                with admitted(store, "run", progress=silent):
                    own.touch()
                    time.sleep(chance.random() * 0.01)
                    seen = max(seen, len(os.listdir(inside)))
                    own.unlink()
                    got += 1
            except LimitExceeded:
                refused += 1
                time.sleep(chance.random() * 0.01)
    Path(f"{inside}.{os.getpid()}").write_text(f"{seen} {got} {refused}")


@pytest.mark.crash
def test_eight_processes_are_never_more_than_three_at_once(tmp_path: Path) -> None:
    """Invariants checked: at no moment are more inside than the limit allows; all places are used and free again."""
    inside, root, most = tmp_path / "inside", _made(tmp_path / "root"), 3
    inside.mkdir()
    children = [_context.Process(target=_work, args=(str(root), str(inside), 2.0, seed, most)) for seed in range(8)]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
        assert child.exitcode == 0
    told = [tuple(map(int, path.read_text().split())) for path in tmp_path.glob("inside.*")]
    print(
        f"\n8 processes, at most {most}: {sum(got for _, got, _ in told):,} let in, {sum(no for *_, no in told):,} not"
    )
    assert len(told) == 8
    assert max(seen for seen, _, _ in told) == most
    assert all(got for _, got, _ in told)
    assert sum(no for *_, no in told) > 0
    assert running(opened(root)) == ()


def _sleep(root: str) -> None:
    with Store(root, host=host(), settings=SETTINGS) as store, admitted(store, "run", progress=silent):
        Path(root, "there").touch()
        time.sleep(120)


@pytest.mark.crash
def test_a_process_that_was_killed_holds_no_place(tmp_path: Path) -> None:
    child = _context.Process(target=_sleep, args=(str(tmp_path),))
    child.start()
    try:
        _until((tmp_path / "there").exists)
        with Store(str(tmp_path), host=host(), settings=settled(builds_max=1)) as store:
            assert [work.process for work in running(store)] == [child.pid]
            with pytest.raises(LimitExceeded):
                admission.take(store, "run")
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)
            child.join(60)
            admission.give_back(store, admission.take(store, "run"))
    finally:
        child.kill()
        child.join(60)
    with opened(tmp_path) as store:
        store.journal()
    assert names(tmp_path)["_staging"] == []


def _until(so: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.005)


# So many in a minute


class Clock:
    """A clock that stands where it was set, in seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> str:
        day, second = divmod(self.now, 86_400)
        minute, second = divmod(second, 60)
        return f"2026-02-{1 + int(day):02d}T{int(minute) // 60:02d}:{int(minute) % 60:02d}:{second:09.6f}Z"


def counting(disk: LyingDisk, clock: Clock, limit: int) -> Store:
    settings = evolve(LEDGER, requests_per_minute=limit)
    return Store(ROOT, host=ledger_host(BOOT, 1, clock=clock), settings=settings, disk=disk)


def committed(store: Store, run_id: str) -> bool:
    """Commit a run of three tiny files if the wall lets it through; say whether it did."""
    staged = store.owner.path(run_id)
    store.owner.discard(run_id)
    _, event = stage(store, staged, run_id, "")
    try:
        store.commit(run_id, event, guard=lambda: admission.check_runs(store))
    except RateLimited:
        return False
    return True


@given(
    st.integers(1, 5),
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 19.0, 20.0, 30.0, 59.0, 59.999999, 60.0, 61.0, 200.0]), max_size=25),
)
def test_of_any_minute_the_journal_holds_no_more_than_the_limit(limit: int, waits: list[float]) -> None:
    """Invariants checked: a run is let through exactly when fewer than `limit` were in the minute before it."""
    disk, _ = fresh()
    clock, accepted = Clock(), list[float]()
    with counting(disk, clock, limit) as store:
        for number, wait in enumerate(waits):
            clock.now = round(clock.now + wait, 6)
            recent = sum(clock.now - then < 60 for then in accepted)
            let = committed(store, f"run_{number}")
            assert let == (recent < limit)
            if let:
                accepted.append(clock.now)


def test_how_long_to_wait_is_said_and_is_true() -> None:
    disk, _ = fresh()
    clock = Clock()
    with counting(disk, clock, 2) as store:
        for run_id, now in (("run_a", 0.0), ("run_b", 10.0)):
            clock.now = now
            assert committed(store, run_id)
        clock.now = 10.5
        with pytest.raises(RateLimited) as caught:
            admission.check_runs(store)
        wait = caught.value.details["retry_after_seconds"]
        assert wait == 50
        clock.now = 10.5 + wait  # type: ignore[operator]
        admission.check_runs(store)


def test_a_clock_that_was_set_back_stops_nothing_for_longer_than_a_minute() -> None:
    disk, _ = fresh()
    clock = Clock()
    clock.now = 86_400.0
    with counting(disk, clock, 2) as store:
        assert [committed(store, f"run_{n}") for n in range(3)] == [True, True, False]
        clock.now = 0.0
        assert [committed(store, f"run_{n}") for n in range(3, 6)] == [True, True, False]
        clock.now = 60.0
        assert committed(store, "run_6")


def test_another_process_counts_what_this_one_made() -> None:
    disk, _ = fresh()
    clock = Clock()
    with counting(disk, clock, 1) as one:
        assert committed(one, "run_a")
    with counting(disk.process(), clock, 1) as other:
        assert not committed(other, "run_b")


def test_threads_that_share_a_batch_count_each_other(tmp_path: Path) -> None:
    """Runs that get their events in one batch do not see each other in the journal, and the limit counts them."""
    limit, count = 3, 12
    settings = settled(requests_per_minute=limit)
    with Store(str(tmp_path), host=host(), settings=settings) as store:
        events_ = {f"run_{n}": stage(store, store.owner.path(f"run_{n}"), f"run_{n}", "")[1] for n in range(count)}
        gate, outcomes = threading.Barrier(count), list[str]()

        def commit(run_id: str) -> None:
            gate.wait()
            try:
                store.commit(run_id, events_[run_id], guard=lambda: admission.check_runs(store))
                outcomes.append("made")
            except RateLimited:
                outcomes.append("refused")

        threads = [threading.Thread(target=commit, args=(run_id,)) for run_id in events_]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(outcomes) == ["made"] * limit + ["refused"] * (count - limit)
        assert len(store.state.runs) == limit
        for run_id in events_:
            store.owner.discard(run_id)


# Two processes


def _create_on(root: str, dataset: str, seed: int) -> None:
    """Create one run after another, whatever the switch says, until told to end."""
    with Store(root, host=host(), settings=SETTINGS) as store:
        for number in itertools.count():
            if Path(root, "enough").exists():
                return
            values = _wish(None, dataset=dataset, run_id=f"run-{seed}-{number}")
            try:
                create(values, root=store, host=store.host, settings=store.settings)
            except KillSwitchEngaged:
                time.sleep(0.001)


@pytest.mark.crash
def test_no_run_is_committed_between_on_and_off_whoever_made_it(tmp_path: Path, stored: Path) -> None:
    """Invariants checked: in the journal no run and no dataset stands behind `on` and before `off`."""
    root = Path(shutil.copytree(stored, tmp_path / "root"))
    dataset = opened(root).datasets()[0].dataset_id
    children = [_context.Process(target=_create_on, args=(str(root), dataset, seed)) for seed in range(2)]
    for child in children:
        child.start()
    try:
        with opened(root) as store:
            for turn in range(12):
                before = len(store.state.runs)
                _until(lambda before=before: len(store.state.runs) >= before + 2)  # type: ignore[misc]
                safety.engage(store, f"turn {turn}")
                time.sleep(0.02)
                safety.release(store)
    finally:
        (root / "enough").touch()
        for child in children:
            child.join(60)
            child.kill()
    on, made = False, 0
    for event in events(root):
        on = on if not isinstance(event, facts.KillSwitchEngaged) else True
        on = on if not isinstance(event, facts.KillSwitchReleased) else False
        if isinstance(event, facts.RunCommitted | facts.DatasetStored):
            assert not on, "a run was committed while the switch was on"
            made += 1
    print(f"\n12 times on and off: {made} made between them")
    assert made >= 24
