"""Staging places: held by the living, swept after the dead, nothing lost and nothing foreign touched."""

import shutil
import signal
from pathlib import Path

import pytest

from buff.journal.events import OrphanQuarantined, RunCommitted
from buff.registry.index import index_bytes
from buff.runs.directory import faults
from killing import create_until, trace_of
from whole import events, make, names, opened, request

# The living


def test_a_place_is_made_when_it_is_needed_and_gone_when_its_process_leaves(root: Path) -> None:
    with opened(root) as store:
        assert names(root)["_staging"] == []
        place = Path(store.owner.directory)
        assert [path.name for path in place.iterdir()] == ["lock"]
    assert names(root)["_staging"] == []


def test_a_living_owner_is_never_swept(root: Path, minutes: Path) -> None:
    with opened(root) as living:
        build = Path(living.owner.path("run_0000000000000000"))
        build.mkdir()
        living.owner.intend("run_0000000000000000")
        (root / "run_0000000000000000").mkdir()  # renamed, and its event not yet written
        make(root, minutes, run_id="mine")
        assert build.is_dir()
        assert (root / "run_0000000000000000").is_dir()
        assert names(root)["_orphans"] == []
        build.rmdir()


def test_what_a_living_process_does_not_want_goes_with_its_intent(root: Path) -> None:
    with opened(root) as store:
        Path(store.owner.path("mine")).mkdir()
        store.owner.intend("mine")
        store.owner.discard("mine")
        store.owner.discard("mine")
        assert store.disk.names(store.owner.directory) == ("lock",)


def test_an_intent_outlives_its_owner_until_its_event_is_there(root: Path) -> None:
    """Closing with an intent left means that the outcome is unknown: the next writer finds out."""
    with opened(root) as store:
        Path(store.owner.path("mine")).mkdir()
        store.owner.intend("mine")
        Path(store.owner.path("mine")).rename(root / "mine")
        store.owner.discard("mine")
        assert "mine.intent" in store.disk.names(store.owner.directory)
    assert len(names(root)["_staging"]) == 1
    with opened(root) as store:
        store.journal()
    assert (names(root)["_orphans"], (root / "mine").exists()) == (["mine.0"], False)


# The dead


def left_by_the_dead(root: Path, name: str = "1-dead") -> Path:
    place = root / "_staging" / name
    place.mkdir(parents=True)
    (place / "lock").touch()
    return place


def test_a_dead_build_goes_aside_with_an_event(root: Path) -> None:
    build = left_by_the_dead(root) / "run_0000000000000000"
    build.mkdir()
    (build / "half").write_text("half")
    with opened(root) as store:
        store.journal()
    assert (root / "_orphans" / "run_0000000000000000.0" / "half").read_text() == "half"
    told = [event.name for event in events(root) if isinstance(event, OrphanQuarantined)]
    assert told == ["run_0000000000000000.0"]


def test_a_published_directory_without_its_event_goes_aside_only_when_an_intent_names_it(root: Path) -> None:
    place = left_by_the_dead(root)
    for name in ("named", "foreign"):
        (root / name).mkdir()
    (place / "named.intent").write_text("named\n")
    with opened(root) as store:
        store.journal()
    assert names(root)["_orphans"] == ["named.0"]
    assert (root / "foreign").is_dir()


def test_a_committed_run_is_kept_though_an_intent_still_names_it(root: Path) -> None:
    run_id = names(root)["runs"][0]
    (left_by_the_dead(root) / f"{run_id}.intent").write_text(f"{run_id}\n")
    with opened(root) as store:
        store.journal()
    assert names(root) == {**names(root), "runs": [run_id], "_orphans": [], "_staging": []}


def test_a_crash_between_moving_aside_and_telling_heals(root: Path) -> None:
    (root / "_orphans" / "run_0000000000000000.0").mkdir(parents=True)
    for _ in range(2):
        with opened(root) as store:
            store.journal()
    told = [event.name for event in events(root) if isinstance(event, OrphanQuarantined)]
    assert told == ["run_0000000000000000.0"]


def test_a_place_without_anything_in_it_is_swept(root: Path) -> None:
    (root / "_staging" / "1-dead").mkdir(parents=True)
    left_by_the_dead(root, "2-dead")
    (root / "_staging" / "a file").write_text("not a place")
    with opened(root) as store:
        store.journal()
    assert names(root)["_staging"] == ["a file"]


# Killed anywhere


def check_after_a_kill(root: Path, minutes: Path, run_id: str) -> None:
    """Invariants checked: what is listed is whole; the same request then succeeds; nothing half-made stays; all that
    was moved aside is told; the index is a replay.
    """
    store = opened(root)
    for entry in store.runs().items:
        assert list(faults(str(root / entry.run_id), store.run(entry.run_id).manifest)) == []
    listed = run_id in {entry.run_id for entry in store.runs().items}
    existed = make(root, minutes, run_id=run_id).existed
    assert existed or not listed  # an event that was written and not acknowledged may still come to count
    assert sum(isinstance(event, RunCommitted) and event.run_id == run_id for event in events(root)) == 1
    after = names(root)
    assert after["_staging"] == []
    assert after["_orphans"] == sorted(opened(root).state.orphans)
    assert run_id in after["runs"]
    store = opened(root)
    assert store.problem is None
    assert (root / "index.json").read_bytes() == index_bytes(store.as_of(store.state.seq))


EVERY = pytest.mark.parametrize("every", [12, pytest.param(1, marks=pytest.mark.nightly)])


@pytest.mark.crash
@EVERY
def test_a_process_killed_at_any_change_of_a_commit_leaves_a_root_that_heals(
    root: Path, minutes: Path, tmp_path: Path, every: int
) -> None:
    """Each change from the intent to the index, and some of those before, in a process that is really killed."""
    values = request(minutes, run_id="mine")
    steps = trace_of(Path(shutil.copytree(root, tmp_path / "traced")), values, tmp_path)
    first = next(at for at, (what, path) in enumerate(steps) if what == "mkdir" and path.endswith("/mine"))
    intent = next(at for at, (_, path) in enumerate(steps) if path.endswith("/mine.intent"))
    sealed = steps.index(("chmod", "mine"))
    for step in sorted({*range(first, len(steps), every), *range(intent, sealed + 1)}):
        copy = Path(shutil.copytree(root, tmp_path / f"root-{step}"))
        assert create_until(copy, values, step) == -signal.SIGKILL, steps[step]
        check_after_a_kill(copy, minutes, "mine")
        shutil.rmtree(copy)


@pytest.mark.crash
@EVERY
def test_a_process_killed_at_any_change_of_an_ingest_leaves_a_root_that_heals(
    tmp_path: Path, minutes: Path, every: int
) -> None:
    """From a root that holds no journal yet to the start of the commit."""
    values = request(minutes, run_id="mine")
    (tmp_path / "traced").mkdir()
    steps = trace_of(tmp_path / "traced", values, tmp_path)
    last = next(at for at, (what, path) in enumerate(steps) if what == "mkdir" and path.endswith("/mine"))
    for step in range(0, last, every):
        root = tmp_path / f"root-{step}"
        root.mkdir()
        assert create_until(root, values, step) == -signal.SIGKILL, steps[step]
        check_after_a_kill(root, minutes, "mine")
        shutil.rmtree(root)
