"""Safety: what engages the kill switch, what only looks as if it did, and that doubt engages it too."""

import errno
import itertools
import json
import os
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from buff import safety
from buff.errors import (
    BuffError,
    JournalCorrupt,
    KillSwitchEngaged,
    RunConfigInvalid,
    StorageError,
    StorageFull,
)
from buff.files import RealDisk
from buff.journal import events as facts
from buff.registry.state import SwitchEntry
from buff.safety import FILE, SET, Engagement, SwitchState, changes, check, engage, note, release, state
from buff.settings import Settings
from buff.store import Store
from journals import BOOT
from ledgers import OTHER_BOOT, ROOT, machine
from ledgers import SETTINGS as LEDGER
from ledgers import host as ledger_host
from lying_disk import Fault, LyingDisk, PowerCut
from whole import SETTINGS, events, host, names, opened

STOPPED = evolve(SETTINGS, kill_switch=True, user="ada")


def switched(root: Path) -> list[tuple[str, str, str | None, str]]:
    """Return what the journal tells of the switch: on or off, by what, why and by whom."""
    return [
        ("on" if isinstance(event, facts.KillSwitchEngaged) else "off", event.source, event.why, event.by)
        for event in events(root)
        if isinstance(event, facts.KillSwitchEngaged | facts.KillSwitchReleased)
    ]


def stopped(root: Path, **changed: Any) -> Store:
    """Return the store of a root in a process whose environment engages the switch."""
    return Store(str(root), host=host(), settings=evolve(STOPPED, **changed))


def test_the_switch_is_off_until_somebody_turns_it_on(root: Path) -> None:
    found = state(opened(root))
    assert (found.engaged, found.sources, found.problem) == (False, (), None)
    assert found.as_dict() == {"engaged": False, "sources": [], "elsewhere": None}
    check(opened(root))


def test_on_makes_the_file_and_the_event_and_says_who_why_and_since_when(root: Path) -> None:
    with opened(root, clock=lambda: "2026-02-03T04:05:06.000007Z") as store:
        made = engage(store, "the disk is being replaced")
    assert made.problem is None
    assert made.state.sources == ("command", "file")
    assert json.loads((root / FILE).read_text()) == {
        "by": "tester",
        "since": "2026-02-03T04:05:06.000007Z",
        "why": "the disk is being replaced",
    }
    assert switched(root) == [("on", "command", "the disk is being replaced", "tester")]
    with pytest.raises(KillSwitchEngaged) as caught:
        check(opened(root))
    assert caught.value.message == (
        "the kill switch is on by command and file: the disk is being replaced (tester, since 2026-02-03T04:05:06Z)"
    )
    assert caught.value.hint == f"`buff kill-switch off` releases it and removes the file {FILE} from the runs root"
    assert [each["by"] for each in caught.value.details["sources"]] == ["tester", "tester"]  # type: ignore[attr-defined]


def test_off_tells_the_journal_and_takes_the_file_away(root: Path) -> None:
    with opened(root) as store:
        engage(store, "a look at the data")
        freed = release(store, "all is well")
    assert not freed.state.engaged
    assert not (root / FILE).exists()
    assert switched(root)[1:] == [("off", "command", "all is well", "tester")]
    check(opened(root))


def test_off_where_nothing_is_on_writes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        assert not release(store).state.engaged
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("why", ["", "  ", None, "x" * 1_001])
def test_on_asks_for_a_reason_that_people_can_read(root: Path, why: str | None) -> None:
    with opened(root) as store, pytest.raises(RunConfigInvalid) as caught:
        engage(store, why)
    assert caught.value.details["field"] == "why"
    assert not state(opened(root)).engaged


def test_the_longest_reason_is_read_back_whole(root: Path) -> None:
    why = "\U0001f4a5" * 1_000
    with opened(root) as store:
        assert [each.why for each in engage(store, why).state.engagements] == [why, why]


def test_on_twice_says_what_was_said_last(root: Path) -> None:
    with opened(root) as store:
        engage(store, "first")
        engage(store, "second")
        assert {each.why for each in state(store).engagements} == {"second"}
        assert not release(store).state.engaged


# Each thing alone


def test_the_event_alone_engages_it(root: Path) -> None:
    with opened(root) as store:
        engage(store, "audit")
    (root / FILE).unlink()
    assert state(opened(root)).sources == ("command",)
    with opened(root) as store:
        assert not release(store).state.engaged


def test_the_environment_alone_engages_it_and_off_says_so(root: Path) -> None:
    with stopped(root) as store:
        found = state(store)
        assert found.engagements == (Engagement(source="environment", by="ada", why=SET),)
        assert "BUFF_KILL_SWITCH=0" in found.hint
        engage(store, "both")
        assert release(store).state.sources == ("environment",)
    assert not state(opened(root)).engaged


@pytest.mark.parametrize(
    ("content", "why", "by"),
    [
        (b"", None, None),
        (b"\n", None, None),
        (b"moving to\nanother  disk\n", "moving to another disk", None),
        (b'{"by":"\xf6","since":"","why":""}', '{"by":"\ufffd","since":"","why":""}', None),
        (b"\x1b[2J\x00gone\xff", "[2J gone\ufffd", None),
        (b"x" * 10_000, "x" * 1_000, None),
        (b'{"by":"ada","since":"2026-01-01T00:00:00Z","why":"a\\u001b[2Jb"}', "a [2Jb", "ada"),
        (b'{"by":"ada"}', '{"by":"ada"}', None),
        (b"[" * 4_096, "[" * 1_000, None),
    ],
    ids=["empty", "line", "text", "torn", "controls", "long", "ours", "not ours", "deep"],
)
def test_the_file_alone_engages_it_whatever_it_holds(root: Path, content: bytes, why: str | None, by: str) -> None:
    (root / FILE).write_bytes(content)
    found = state(opened(root))
    assert [(each.source, each.why, each.by) for each in found.engagements] == [("file", why, by)]
    with pytest.raises(KillSwitchEngaged):
        check(opened(root))


def test_what_the_journal_tells_of_files_and_environments_engages_nothing(root: Path) -> None:
    with opened(root) as store:
        store.record(*(facts.KillSwitchEngaged(source=each, why="then", by="ada") for each in ("file", "environment")))
        found = state(store)
    assert not found.engaged
    assert (found.elsewhere.by, found.elsewhere.why) == ("ada", "then")  # type: ignore[union-attr]
    assert not opened(root).problem


# Doubt


def _directory(path: Path) -> None:
    path.mkdir()


def _full_directory(path: Path) -> None:
    path.mkdir()
    (path / "note").write_text("x")


def _dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [_directory, _full_directory, _dangling, _loop, _pipe])
def test_whatever_has_the_name_of_the_file_engages_it(root: Path, make: Any) -> None:
    make(root / FILE)
    assert state(opened(root)).sources == ("file",)
    with pytest.raises(KillSwitchEngaged):
        check(opened(root))


@pytest.mark.parametrize("make", [_dangling, _loop, _pipe])
def test_off_takes_away_whatever_can_be_removed(root: Path, make: Any) -> None:
    make(root / FILE)
    with opened(root) as store:
        assert not release(store, "no need").state.engaged
    assert switched(root) == [("off", "file", "no need", "tester")]


def test_off_says_when_the_name_cannot_be_removed_and_it_stays_on(root: Path) -> None:
    (root / FILE).mkdir()
    with opened(root) as store, pytest.raises(StorageError) as caught:
        release(store)
    assert "by hand" in caught.value.hint
    assert state(opened(root)).sources == ("file",)


def test_on_where_the_name_is_taken_is_on_by_the_event(root: Path) -> None:
    (root / FILE).mkdir()
    with opened(root) as store:
        made = engage(store, "stop")
        assert made.problem is not None
        assert made.problem.code == "ARTIFACTS_WRITE_FAILED"
        assert made.state.sources == ("command", "file")


class _Blind(RealDisk):
    """A disk that may not look at some name: some systems say that it is not there, others refuse to say."""

    def exists(self, path: str) -> bool:
        return not path.endswith(FILE) and super().exists(path)

    def is_directory(self, path: str) -> bool:
        if path.endswith(FILE):
            raise PermissionError(errno.EACCES, "Permission denied")
        return super().is_directory(path)


def test_a_file_that_cannot_be_looked_at_engages_it(root: Path) -> None:
    store = Store(str(root), host=host(), settings=SETTINGS, disk=_Blind())
    assert [(each.source, each.why) for each in state(store).engagements] == [
        ("file", f"the file {FILE} cannot be looked at: Permission denied")
    ]


class _Mute(RealDisk):
    """A disk that shows a file and cannot read it."""

    def read(self, path: str, start: int = 0, size: int | None = None) -> bytes:
        if path.endswith(FILE):
            raise OSError(errno.EIO, "Input/output error")
        return super().read(path, start, size)


def test_a_file_that_cannot_be_read_engages_it(root: Path) -> None:
    (root / FILE).write_text("x")
    store = Store(str(root), host=host(), settings=SETTINGS, disk=_Mute())
    assert [each.why for each in state(store).engagements] == [f"{FILE} cannot be read"]


@pytest.fixture
def damaged(root: Path) -> Path:
    """A root with a bit of its journal flipped."""
    (segment,) = (root / "_journal").glob("*.jsonl")
    segment.chmod(0o644)
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(bytes(data))
    return root


def test_a_journal_that_cannot_be_trusted_engages_it_and_what_is_wrong_with_it_is_told(damaged: Path) -> None:
    found = state(opened(damaged))
    assert found.sources == ("journal",)
    with pytest.raises(JournalCorrupt):
        check(opened(damaged))


def test_on_works_where_the_journal_is_damaged_and_off_does_not(damaged: Path) -> None:
    with opened(damaged) as store:
        made = engage(store, "the disk is failing")
        assert isinstance(made.problem, JournalCorrupt)
        assert made.state.sources == ("file", "journal")
        assert (damaged / FILE).exists()
        with pytest.raises(KillSwitchEngaged, match="the disk is failing"):
            check(store)
        with pytest.raises(JournalCorrupt):
            release(store)
        assert state(store).sources == ("file", "journal")


def test_a_journal_that_can_be_opened_is_in_no_doubt_whatever_a_reader_saw(root: Path) -> None:
    with opened(root) as store:
        store.problem = JournalCorrupt("what a reader saw before somebody repaired it")
        store.journal()
        assert not state(store).engaged


# A disk that fails


def ledger(disk: LyingDisk, boot: str = BOOT, process: int = 1) -> Store:
    return Store(ROOT, host=ledger_host(boot, process), settings=LEDGER, disk=disk)


def begun() -> LyingDisk:
    disk = machine()
    with ledger(disk) as store:
        store.journal()
    disk = disk.copy()
    disk.steps = disk.operations = 0
    disk.trace.clear()
    return disk


def test_on_a_full_disk_it_is_on_by_what_could_be_done() -> None:
    disk = begun()
    store = ledger(disk)
    store.journal()
    disk.fault = Fault(at=disk.operations, code=errno.ENOSPC)  # strikes the file alone
    made = engage(store, "stop")
    assert isinstance(made.problem, StorageFull)
    assert made.state.sources == ("command",)


def test_where_neither_can_be_done_it_is_an_error_and_says_what_else_stops() -> None:
    disk = begun()
    store = ledger(disk)
    store.journal()
    disk.fault = Fault(at=disk.operations, code=errno.EROFS, sticky=True)
    with pytest.raises(StorageError, match="could not be turned on") as caught:
        engage(store, "stop")
    assert "BUFF_KILL_SWITCH=1" in caught.value.hint


@pytest.mark.parametrize("turning", [engage, release])
def test_whenever_the_power_goes_what_was_said_of_the_switch_is_so(turning: Any) -> None:
    """Invariants checked, for a cut at every step and what each may leave of what was not synced: once `on` has
    returned it is on, and once `off` has returned it is off; before `off` has done a first thing it is on; and whatever
    a cut left, both work when they are asked for again.
    """
    step = cases = 0
    done = False
    while not done:
        disk = begun()
        store = ledger(disk)
        store.journal()
        if turning is release:
            engage(store, "before")
        disk.cut_at = disk.steps + step
        try:
            turning(store, "now")
            done = True
        except PowerCut:
            pass
        for image in disk.snapshot().images(random.Random(step), 8):
            cases += 1
            with ledger(image, OTHER_BOOT, 2) as other:
                if done or (turning is release and step == 0):
                    assert state(other).engaged is (turning is engage or not done)
                engage(other, "again")
                assert state(other).sources == ("command", "file")
                assert not release(other).state.engaged
        step += 1
    print(f"\n{turning.__name__}: {step} steps, {cases} states a cut may leave")
    assert cases > 20


# Telling of what was seen


def test_a_file_is_told_of_once_by_the_first_process_that_sees_it_and_so_is_its_end(root: Path) -> None:
    (root / FILE).write_text("moving")
    for _ in range(2):
        with opened(root) as store:
            note(store)
            note(store)
    assert switched(root) == [("on", "file", "moving", "tester")]
    (root / FILE).unlink()
    with opened(root) as store:
        note(store)
        note(store)
    assert switched(root)[1:] == [("off", "file", "the file no longer engages it", "tester")]


def test_an_environment_is_told_of_by_the_first_process_that_has_it_and_then_by_one_that_has_not(root: Path) -> None:
    for _ in range(2):
        with stopped(root) as store:
            note(store)
    assert switched(root) == [("on", "environment", SET, "ada")]
    found = state(opened(root))
    assert not found.engaged
    assert found.elsewhere == state(stopped(root)).engagements[0]
    with opened(root) as store:
        note(store)
    assert switched(root)[1:] == [("off", "environment", "the environment no longer engages it", "tester")]


def test_two_processes_of_different_environments_do_not_contradict_each_other_for_ever(root: Path) -> None:
    with stopped(root) as one, opened(root) as other:
        for _ in range(5):
            note(one)
            note(other)
    assert [(how, source) for how, source, _, _ in switched(root)] == [("on", "environment"), ("off", "environment")]


def test_what_on_made_is_not_told_of_again(root: Path) -> None:
    with opened(root) as store:
        engage(store, "stop")
        note(store)
    with opened(root) as store:
        note(store)
    assert len(switched(root)) == 1


def test_where_there_is_nothing_to_tell_nothing_is_written(root: Path) -> None:
    before = len(events(root))
    with opened(root) as store:
        note(store)
    assert len(events(root)) == before


SOURCES = ("command", "file", "environment")


@given(
    st.sets(st.sampled_from(SOURCES)),
    st.sets(st.sampled_from((*SOURCES, "journal"))),
    st.booleans(),
)
def test_what_was_told_need_not_be_told_again(known: set[str], now: set[str], environment: bool) -> None:
    """Invariants checked: after the events are folded nothing is left to tell; a command is nobody's to tell of; an
    environment is told of only by a process that has not done so; what does not change is not told.
    """
    before = {
        source: SwitchEntry(source=source, seq=1, since="2026-01-01T00:00:00Z", why="x", by="ada") for source in known
    }
    found = SwitchState(engagements=tuple(Engagement(source=source) for source in sorted(now)))
    told = changes(before, found, environment=environment, by="me")
    after = dict(before)
    for event in told:
        assert event.source != "command"  # type: ignore[attr-defined]
        assert environment or event.source == "file"  # type: ignore[attr-defined]
        if isinstance(event, facts.KillSwitchEngaged):
            assert event.source in now - known
            after[event.source] = SwitchEntry(seq=2, since="", **msgspec.structs.asdict(event))
        else:
            assert isinstance(event, facts.KillSwitchReleased)
            assert event.source in known - now
            del after[event.source]
    assert changes(after, found, environment=environment, by="me") == []


# While something is made


def test_a_watch_asks_five_times_a_second_and_no_more_however_often_it_is_told(root: Path) -> None:
    now = 0.0
    asked: list[float] = []
    store = opened(root, monotonic=lambda: now)
    watch = safety.Watch(store, lambda: asked.append(now))
    for tick in range(1_000):
        now = tick / 100
        watch()
    assert len(asked) == pytest.approx(50, abs=1)
    assert max(later - earlier for earlier, later in itertools.pairwise(asked)) < 0.3
    assert asked[0] == 0.0


def test_a_watch_of_a_root_raises_once_its_switch_is_on(root: Path) -> None:
    now = 0.0
    with opened(root, monotonic=lambda: now) as store:
        watch = safety.Watch(store)
        watch()
        with opened(root) as other:
            engage(other, "stop")
        watch()  # it was asked just now
        now = 1.0
        with pytest.raises(KillSwitchEngaged, match="stop"):
            watch()


def test_reading_and_keeping_go_on_while_it_is_on(root: Path) -> None:
    before = names(root)
    with opened(root) as store:
        engage(store, "stop")
        (run,) = store.runs().items
        store.annotate(run.run_id, name="kept")
        store.archive(run.run_id, why="old")
        store.restore(run.run_id)
        assert store.run(run.run_id).facts["name"] == "kept"
    assert names(root) == before


def test_before_there_is_a_root_only_the_environment_is_asked() -> None:
    safety.check_settings(Settings())
    with pytest.raises(KillSwitchEngaged) as caught:
        safety.check_settings(Settings(kill_switch=True))
    assert isinstance(caught.value, BuffError)
