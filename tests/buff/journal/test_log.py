"""The journal in use: append, receipts, keys, rotation, other processes, damage, and the golden one."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from buff.errors import (
    JournalCorrupt,
    KeyConflict,
    LimitExceeded,
    LockBroken,
    RegistryWriteFailed,
    RunsRootInvalid,
    StorageFull,
    StorageUnreadable,
)
from buff.files import RealDisk
from buff.journal.events import JournalOpened, JournalRecovered, SegmentOpened, TailQuarantined
from buff.journal.line import seal, write
from buff.journal.log import Journal, Receipt, Recorded, read
from buff.journal.survey import read_head
from journals import BOOT, HOLDER, TIME, commit, note, open_journal
from lying_disk import LyingDisk, PowerCut

GOLDENS = Path(__file__).parents[2] / "golden"


def segment(root: Path, first: int = 1) -> Path:
    return root / "_journal" / f"{first:020}.jsonl"


def events_of(root: Path) -> list[Recorded]:
    reading = read(RealDisk(), str(root), boot=BOOT)
    assert reading.problem is None
    return list(reading.events)


def test_an_event_is_recorded_acknowledged_and_read_again(tmp_path: Path) -> None:
    """Append, take the receipt, open again: the same event with the same hash."""
    journal = open_journal(None, str(tmp_path))
    (receipt,) = journal.append([note("left_over")])
    journal.close()
    assert str(receipt) == f"jrn_0123456789abcdef:2:{receipt.sha256}"
    found: list[Recorded] = []
    again = open_journal(None, str(tmp_path), listener=found.extend)
    assert again.journal_id == receipt.journal_id
    assert [item.event for item in found] == [JournalOpened(journal_id=receipt.journal_id), note("left_over").event]
    assert found[1] == Recorded(seq=2, time=TIME, event=note("left_over").event, sha256=receipt.sha256, key=None)


def test_a_group_is_one_batch(tmp_path: Path) -> None:
    journal = open_journal(None, str(tmp_path))
    receipts = journal.append([note("a"), note("b"), note("c")])
    assert [receipt.seq for receipt in receipts] == [2, 3, 4]
    lines = segment(tmp_path).read_bytes().splitlines()[1:]
    assert all(b'"b":[2,4]' in raw for raw in lines)
    assert journal.append([]) == ()


def test_the_listener_hears_everything_once_and_in_order(tmp_path: Path) -> None:
    """Also what another process appended, when we next enter or refresh; each event once."""
    first, second = [], []
    one = open_journal(None, str(tmp_path), listener=first.extend)
    two = open_journal(None, str(tmp_path), listener=second.extend)
    one.append([note("a")])
    two.append([note("b")])
    one.refresh()
    two.append([note("c"), note("d")])
    one.append([note("e")])
    two.refresh()
    assert first == second
    assert [item.seq for item in first] == list(range(1, 7))


def test_a_repeated_key_is_answered_with_the_first_receipt(tmp_path: Path) -> None:
    journal = open_journal(None, str(tmp_path))
    first = journal.append([commit("run_1")])
    assert journal.append([commit("run_1")]) == first
    journal.close()
    journal = open_journal(None, str(tmp_path))
    assert journal.append([commit("run_1")]) == first
    assert journal.position.seq == 2


def test_a_key_used_for_other_facts_is_a_conflict(tmp_path: Path) -> None:
    """Compared are the identity fields the event declares, on decoded values."""
    journal = open_journal(None, str(tmp_path))
    journal.append([commit("run_1"), note("a", key="k")])
    for group in (
        [commit("run_1", inputs_hash="e" * 64)],
        [note("b", key="run:run_1")],
        [commit("run_1"), commit("run_2")],
        [commit("run_1"), note("b")],
        [note("b", key="new"), commit("run_3", key="new")],
    ):
        with pytest.raises(KeyConflict):
            journal.append(group)
    assert journal.position.seq == 3


def test_equal_keys_inside_a_group_share_one_event(tmp_path: Path) -> None:
    journal = open_journal(None, str(tmp_path))
    a, b, c = journal.append([commit("run_1"), note("between"), commit("run_1")])
    assert a == c
    assert (a.seq, b.seq, journal.position.seq) == (2, 3, 3)


def test_a_full_segment_is_followed_by_a_new_one(tmp_path: Path) -> None:
    """The new segment begins with segment_opened, and the old one becomes read-only."""
    journal = open_journal(None, str(tmp_path), segment_bytes_max=1_000)
    for name in "abcdef":
        journal.append([note(name)])
    events = events_of(tmp_path)
    opened = [item.seq for item in events if isinstance(item.event, SegmentOpened)]
    assert opened
    for seq in opened:
        assert b'"type":"segment_opened"' in segment(tmp_path, seq).read_bytes().splitlines()[0]
    assert segment(tmp_path).stat().st_mode & 0o777 == 0o444
    assert all(path.stat().st_size <= 1_000 for path in (tmp_path / "_journal").glob("*.jsonl"))
    assert [item.event.name for item in events if hasattr(item.event, "name")] == list("abcdef")


def test_too_much_at_once_is_refused_before_a_byte_is_written(tmp_path: Path) -> None:
    journal = open_journal(None, str(tmp_path))
    size = segment(tmp_path).stat().st_size
    with pytest.raises(LimitExceeded):
        journal.append([note("x" * (1 << 20))])
    with pytest.raises(LimitExceeded):
        journal.append([note(str(number)) for number in range(4097)])
    with pytest.raises(LimitExceeded):
        journal.append([note("x" * 1_000_000) for _ in range(9)])
    with pytest.raises(ValueError, match="surrogates"):
        journal.append([note("\ud800")])
    assert segment(tmp_path).stat().st_size == size
    assert journal.append([note("fine")])[0].seq == 2


def test_nothing_may_be_appended_outside_the_lock_of_a_thread_twice(tmp_path: Path) -> None:
    journal = open_journal(None, str(tmp_path))
    with journal.exclusive() as hold:
        hold.append([note("a")])
        journal.refresh()
        hold.append([note("b")])
        with pytest.raises(AssertionError, match="holds the journal already"):
            journal.append([note("c")])
    assert journal.position.seq == 3


def test_threads_take_turns(tmp_path: Path) -> None:
    found: list[Recorded] = []
    journal = open_journal(None, str(tmp_path), listener=found.extend)
    receipts: list[Receipt] = []

    def work(number: int) -> None:
        for at in range(10):
            receipts.extend(journal.append([note(f"{number}.{at}")]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(receipt.seq for receipt in receipts) == list(range(2, 42))
    assert [item.seq for item in found] == list(range(1, 42))


PROCESS = """
    import sys
    from journals import note, open_journal
    journal = open_journal(None, sys.argv[1], segment_bytes_max=20_000, lock_timeout_seconds=60)
    for number in range(60):
        receipt, = journal.append([note(f"{sys.argv[2]}.{number}")])
        print(receipt.seq, receipt.sha256, flush=True)
"""


def start(root: Path, name: str) -> "subprocess.Popen[str]":
    paths = os.pathsep.join(sys.path)
    command = [sys.executable, "-c", textwrap.dedent(PROCESS), str(root), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths})


@pytest.mark.crash
def test_two_processes_append_at_once(tmp_path: Path) -> None:
    """Every acknowledged event of both is there once, under one dense sequence."""
    processes = [start(tmp_path, name) for name in "ab"]
    acknowledged = {}
    for process in processes:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        acknowledged |= dict(line.split() for line in out.splitlines())
    events = events_of(tmp_path)
    assert [item.seq for item in events] == list(range(1, len(events) + 1))
    assert len(acknowledged) == 120
    assert {str(item.seq): item.sha256 for item in events}.items() >= acknowledged.items()


@pytest.mark.crash
def test_killed_processes_lose_nothing_they_acknowledged(tmp_path: Path) -> None:
    """Real SIGKILLs, each at another moment, with a second process at work; then everything printed is there."""
    acknowledged: dict[str, str] = {}
    for round_ in range(4):
        victim, other = start(tmp_path, f"v{round_}"), start(tmp_path, f"o{round_}")
        assert victim.stdout is not None
        seen = [victim.stdout.readline() for _ in range(1 + 7 * round_)]
        victim.kill()
        rest, _ = victim.communicate(timeout=60)
        out, _ = other.communicate(timeout=60)
        assert other.returncode == 0
        for printed in [*seen, *rest.splitlines(), *out.splitlines()]:
            if len(printed.split()) == 2 and len(printed.split()[1]) == 64:
                acknowledged |= dict([printed.split()])
    journal = open_journal(None, str(tmp_path))
    journal.append([note("after")])
    events = events_of(tmp_path)
    assert [item.seq for item in events] == list(range(1, len(events) + 1))
    assert {str(item.seq): item.sha256 for item in events}.items() >= acknowledged.items()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_uses_the_journal_without_harming_its_parent(tmp_path: Path) -> None:
    """The child closes the parent's lock without giving it back, and waits like any other process."""
    journal = open_journal(None, str(tmp_path))
    journal.append([note("parent")])
    child = os.fork()
    if child == 0:
        code = 1
        signal.alarm(120)  # whatever it waits for, its parent does not wait for ever
        try:
            journal.append([note("child")])
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    journal.append([note("parent again")])
    assert [item.event.name for item in events_of(tmp_path)[1:]] == ["parent", "child", "parent again"]


# What is found at open


def test_a_torn_tail_is_set_aside_and_superseded(tmp_path: Path) -> None:
    """The bytes of a batch that was never acknowledged go to quarantine; the journal goes on in a new segment."""
    journal = open_journal(None, str(tmp_path))
    journal.append([note("a")])
    journal.close()
    whole = segment(tmp_path).read_bytes()
    torn = b'{"v":1,"seq":3,"prev":"' + b"0" * 20
    segment(tmp_path).write_bytes(whole + torn)
    found: list[Recorded] = []
    journal = open_journal(None, str(tmp_path), listener=found.extend)
    event = found[-1].event
    assert isinstance(event, TailQuarantined)
    assert (event.segment, event.offset, event.size) == (f"{1:020}", len(whole), len(torn))
    (kept,) = (tmp_path / "_journal" / "quarantine").iterdir()
    assert kept.name == f"{1:020}-{len(whole)}-{event.content[:16]}.bin"
    assert kept.read_bytes() == torn
    assert segment(tmp_path).read_bytes() == whole + torn, "nothing is ever cut"
    assert segment(tmp_path, 3).exists()
    assert journal.append([note("b")])[0].seq == 4
    assert [item.seq for item in events_of(tmp_path)] == [1, 2, 3, 4]


def test_a_batch_beyond_head_is_carried_into_a_new_segment(tmp_path: Path) -> None:
    """It may never have been synced, and a sync of it now would prove nothing: only a new file can make it durable."""
    journal = open_journal(None, str(tmp_path))
    journal.append([note("a")])
    journal.close()
    head = (tmp_path / "_journal" / "HEAD").read_bytes()
    journal = open_journal(None, str(tmp_path))
    (receipt,) = journal.append([note("b")])
    journal.close()
    (tmp_path / "_journal" / "HEAD").write_bytes(head)
    assert read(RealDisk(), str(tmp_path), boot=BOOT).position.seq == 2, "a reader shows nothing beyond HEAD"
    found: list[Recorded] = []
    journal = open_journal(None, str(tmp_path), listener=found.extend)
    assert found[-1].sha256 == receipt.sha256
    assert segment(tmp_path, 3).read_bytes() == segment(tmp_path).read_bytes().splitlines(keepends=True)[-1]
    assert journal.position.segment == 3


def test_a_clean_cut_is_refused(tmp_path: Path) -> None:
    """A chain alone cannot see that its last event was cut off; HEAD does."""
    journal = open_journal(None, str(tmp_path))
    journal.append([note("a")])
    journal.append([note("b")])
    journal.close()
    lines = segment(tmp_path).read_bytes().splitlines(keepends=True)
    segment(tmp_path).write_bytes(b"".join(lines[:-1]))
    with pytest.raises(JournalCorrupt, match="acknowledged events are gone") as caught:
        open_journal(None, str(tmp_path))
    assert caught.value.details["row"] == "R08"
    reading = read(RealDisk(), str(tmp_path), boot=BOOT)
    assert reading.problem is not None
    assert [item.seq for item in reading.events] == [1, 2]


def damage(root: Path, row: str) -> None:
    """Do to a journal of four events in two segments what `row` of the table describes."""
    journal, path, head = root / "_journal", segment(root), root / "_journal" / "HEAD"
    if row == "R03":
        for each in journal.glob("*.jsonl"):
            each.unlink()
    elif row == "R04":
        path.unlink()
    elif row == "R05":
        path.chmod(0o644)
        path.write_bytes(path.read_bytes().replace(b"first", b"f1rst"))
    elif row == "R06":
        last = max(journal.glob("*.jsonl"))
        last.write_bytes(last.read_bytes() + path.read_bytes().splitlines(keepends=True)[0])
    elif row == "R07":
        other = root / "other"
        other.mkdir()
        open_journal(None, str(other), new_id=lambda: "jrn_other").close()
        head.write_bytes((other / "_journal" / "HEAD").read_bytes())
    elif row == "R08":
        last = max(journal.glob("*.jsonl"))
        last.write_bytes(b"".join(last.read_bytes().splitlines(keepends=True)[:-1]))
    elif row == "R09":
        last = max(journal.glob("*.jsonl"))
        last.write_bytes(last.read_bytes() + b"x" * (9 << 20))
    elif row == "R10":
        last = max(journal.glob("*.jsonl"))
        last.write_bytes(last.read_bytes() + b"x")
        head.unlink()


@pytest.mark.parametrize("row", ["R03", "R04", "R05", "R06", "R07", "R08", "R09", "R10"])
def test_damage_is_refused_and_what_is_whole_can_be_read(tmp_path: Path, row: str) -> None:
    """Writers get JOURNAL_CORRUPT with the row; readers get the whole batches before the damage, flagged."""
    journal = open_journal(None, str(tmp_path), segment_bytes_max=800)
    for name in ("first", "second", "third"):
        journal.append([note(name)])
    everything = events_of(tmp_path)
    journal.close()
    damage(tmp_path, row)
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*.jsonl"))}
    with pytest.raises(JournalCorrupt) as caught:
        open_journal(None, str(tmp_path))
    assert caught.value.details["row"] == row
    assert caught.value.hint
    assert {path: path.read_bytes() for path in sorted(tmp_path.rglob("*.jsonl"))} == before
    reading = read(RealDisk(), str(tmp_path), boot=BOOT)
    if row in ("R06", "R09"):
        assert reading.problem is None, "a reader stops at HEAD, before the damage"
    else:
        assert reading.problem is not None
        assert reading.problem.details["row"] == row
    found = list(reading.events)
    assert found == everything[: len(found)]


def test_a_running_journal_that_is_damaged_is_refused_too(tmp_path: Path) -> None:
    journal = open_journal(None, str(tmp_path))
    journal.append([note("a")])
    segment(tmp_path).write_bytes(b"")
    with pytest.raises(JournalCorrupt):
        journal.append([note("b")])
    with pytest.raises(JournalCorrupt):
        journal.append([note("b")])


def test_without_head_the_journal_goes_on_and_says_so(tmp_path: Path) -> None:
    open_journal(None, str(tmp_path)).append([note("a")])
    (tmp_path / "_journal" / "HEAD").unlink()
    assert not read(RealDisk(), str(tmp_path), boot=BOOT).confirmed
    found: list[Recorded] = []
    open_journal(None, str(tmp_path), listener=found.extend)
    assert isinstance(found[-1].event, JournalRecovered)
    assert read(RealDisk(), str(tmp_path), boot=BOOT).confirmed


def test_repair_sets_a_torn_tail_aside_without_head(tmp_path: Path) -> None:
    open_journal(None, str(tmp_path)).append([note("a")])
    (tmp_path / "_journal" / "HEAD").unlink()
    segment(tmp_path).write_bytes(segment(tmp_path).read_bytes() + b"torn")
    with pytest.raises(JournalCorrupt):
        open_journal(None, str(tmp_path))
    found: list[Recorded] = []
    open_journal(None, str(tmp_path), listener=found.extend, repair=True)
    assert isinstance(found[-1].event, TailQuarantined)


@pytest.mark.parametrize(("seq", "digest", "row"), [(9, "f" * 64, "R08"), (2, "f" * 64, "R07")])
def test_an_index_that_knows_more_is_believed(tmp_path: Path, seq: int, digest: str, row: str) -> None:
    open_journal(None, str(tmp_path)).append([note("a")])
    stamp = f'{{"journal":"jrn_0123456789abcdef","seq":{seq},"head_sha256":"{digest}"}}'
    (tmp_path / "index.json").write_bytes(seal(stamp.encode()))
    with pytest.raises(JournalCorrupt) as caught:
        open_journal(None, str(tmp_path))
    assert caught.value.details["row"] == row


def test_a_foreign_or_damaged_index_is_ignored(tmp_path: Path) -> None:
    open_journal(None, str(tmp_path)).append([note("a")])
    for data in (seal(b'{"journal":"jrn_other","seq":9,"head_sha256":"x"}'), b"{}", b""):
        (tmp_path / "index.json").write_bytes(data)
        open_journal(None, str(tmp_path)).close()


def test_runs_without_a_journal_are_never_given_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "run_0123456789abcdef").mkdir()
    with pytest.raises(JournalCorrupt, match="R03"):
        open_journal(None, str(tmp_path))


def test_a_root_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for root in ("missing", "file", "file/below"):
        with pytest.raises(RunsRootInvalid) as caught:
            open_journal(None, str(tmp_path / root))
        assert caught.value.hint
        with pytest.raises(RunsRootInvalid):
            read(RealDisk(), str(tmp_path / root), boot=BOOT)
    with pytest.raises(RunsRootInvalid, match="no journal"):
        open_journal(None, str(tmp_path), create=False)
    (tmp_path / "_journal").mkdir()
    with pytest.raises(RunsRootInvalid, match="no journal"):
        open_journal(None, str(tmp_path), create=False)


class OtherFileSystem(LyingDisk):
    """A disk whose `_staging` is on another file system."""

    def rename(self, source: str, target: str) -> None:
        if "/_staging/" in target:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        super().rename(source, target)


class ReadOnly(LyingDisk):
    """A disk that can be read only."""

    def mkdir(self, path: str) -> None:
        raise OSError(errno.EROFS, "Read-only file system")


def machine(kind: type[LyingDisk] = LyingDisk) -> LyingDisk:
    disk = kind()
    LyingDisk.mkdir(disk, "/base")
    return disk


def test_a_root_on_two_file_systems_is_refused_by_a_real_rename() -> None:
    disk = machine(OtherFileSystem)
    disk.mkdir("/base/_staging")
    with pytest.raises(RunsRootInvalid) as caught:
        open_journal(disk, "/base")
    assert "one file system" in caught.value.hint


def test_a_root_that_cannot_be_written_can_be_read() -> None:
    disk = machine(ReadOnly)
    with pytest.raises(RunsRootInvalid):
        open_journal(disk, "/base")
    reading = read(disk, "/base", boot=BOOT)
    assert (reading.problem, list(reading.events)) == (None, [])


class Bad(LyingDisk):
    """A disk on which segments cannot be read any more once `broken` is set."""

    broken = False

    def read(self, path: str, start: int = 0, size: int | None = None) -> bytes:
        if self.broken and path.endswith(".jsonl"):
            raise OSError(errno.EIO, "Input/output error")
        return super().read(path, start, size)


def test_an_unreadable_disk_is_no_verdict_on_the_bytes() -> None:
    disk = machine(Bad)
    open_journal(disk, "/base").append([note("a")])
    disk.broken = True
    with pytest.raises(StorageUnreadable, match="R01"):
        open_journal(disk, "/base")
    with pytest.raises(StorageUnreadable):
        read(disk, "/base", boot=BOOT)


# Writing that fails


def at_step(disk: LyingDisk, kind: str, which: int = 0) -> int:
    """Return the number of the next step of that kind in an append, by making one on a copy."""
    copy = disk.copy()
    open_journal(copy, "/base").close()
    journal, begin = open_journal(copy, "/base"), copy.steps
    journal.append([note("probe")])
    steps = [
        int(step.split()[0]) - begin for step in copy.trace if int(step.split()[0]) >= begin and f" {kind} " in step
    ]
    return disk.steps + steps[which]


def test_a_full_disk_records_nothing_and_leaves_nothing() -> None:
    disk = machine()
    journal = open_journal(disk, "/base")
    size = disk.size("/base/_journal/00000000000000000001.jsonl")
    disk.faults = {at_step(disk, "write"): errno.ENOSPC}
    with pytest.raises(StorageFull):
        journal.append([note("a")])
    assert disk.size("/base/_journal/00000000000000000001.jsonl") == size
    assert journal.append([note("a")])[0].seq == 2


def test_a_failed_sync_moves_the_batch_to_a_new_segment() -> None:
    """The file on which a sync failed is never appended to again, and the caller sees no failure."""
    disk = machine()
    journal = open_journal(disk, "/base")
    disk.faults = {at_step(disk, "sync"): errno.EIO}
    (receipt,) = journal.append([note("a")])
    assert journal.position.segment == receipt.seq == 2
    assert journal.append([note("b")])[0].seq == 3
    assert journal.position.segment == 2


def test_a_failed_sync_and_no_new_segment_is_an_unknown_outcome() -> None:
    disk = machine()
    journal = open_journal(disk, "/base")
    step = at_step(disk, "sync")
    disk.faults = {step: errno.EIO, step + 1: errno.ENOSPC}
    with pytest.raises(RegistryWriteFailed):
        journal.append([note("a", key="k")])
    (receipt,) = journal.append([note("a", key="k")])
    assert receipt.seq == 2, "the batch was carried, and the key found it"
    assert journal.position.seq == 2


def test_a_hold_goes_on_after_a_failure() -> None:
    """After an unknown outcome nothing is remembered: the next append looks at the journal itself."""
    disk = machine()
    journal = open_journal(disk, "/base")
    step = at_step(disk, "sync")
    disk.faults = {step: errno.EIO, step + 1: errno.EIO}
    with journal.exclusive() as hold:
        with pytest.raises(RegistryWriteFailed):
            hold.append([note("a")])
        (receipt,) = hold.append([note("b")])
    names = [item.event.name for item in read(disk, "/base", boot=BOOT).events if hasattr(item.event, "name")]
    assert (names, receipt.seq) == (["a", "b"], 3)


class Intruded(LyingDisk):
    """A disk on which somebody else writes to a segment at the moment we do."""

    intruder = b""

    def write(self, handle: int, data: bytes | memoryview) -> None:
        super().write(handle, bytes(data) + self.intruder)
        self.intruder = b""


def test_a_write_without_the_lock_is_seen() -> None:
    disk = machine(Intruded)
    journal = open_journal(disk, "/base")
    disk.intruder = b"other bytes\n"
    with pytest.raises(LockBroken):
        journal.append([note("a")])
    assert journal.append([note("b")])[0].seq == 4, "our batch was whole and is carried; their bytes are set aside"


def test_a_head_that_cannot_be_written_fails_no_append() -> None:
    disk = machine()
    journal = open_journal(disk, "/base")
    disk.faults = {at_step(disk, "write_at", -1): errno.EIO}
    receipt = journal.append([note("a")])[0]
    assert read_head(disk, "/base").current.seq == receipt.seq, "HEAD was made anew"


def torn_head(slot: int, *, renewed: bool) -> tuple[LyingDisk, Journal]:
    """Return a machine on which one slot of HEAD is torn; of a renewed HEAD both slots had generation 0."""
    disk = machine()
    journal = open_journal(disk, "/base")
    disk.faults = {at_step(disk, "write_at", -1): errno.EIO} if renewed else {}
    journal.append([note("a")])
    handle = disk.update("/base/_journal/HEAD")
    disk.write_at(handle, b"?" * 512, 4096 * slot)
    disk.close(handle)
    assert read_head(disk, "/base").torn
    return disk, journal


@pytest.mark.parametrize("slot", [0, 1])
@pytest.mark.parametrize("renewed", [False, True])
def test_a_head_with_a_torn_slot_is_made_anew_before_its_other_slot_is_touched(slot: int, renewed: bool) -> None:
    """The search of `tests/model` found a HEAD of generation 0 whose whole slot was the one written over."""
    disk, journal = torn_head(slot, renewed=renewed)
    begin = len(disk.trace)
    journal.append([note("b")])
    kinds = [step.split()[1] for step in disk.trace[begin:]]
    assert kinds[:5] == ["create", "write", "sync", "rename", "sync_directory"], "a new HEAD"
    assert not read_head(disk, "/base").torn


def test_a_torn_head_that_cannot_be_made_anew_stays_as_it_was() -> None:
    """The search found a torn slot healed in place whose sync failed: it looked whole and would never be saved."""
    disk, journal = torn_head(0, renewed=False)
    disk.faults = {disk.steps + 2: errno.EIO}
    with pytest.raises(RegistryWriteFailed):
        journal.append([note("b")])
    assert disk.trace[-1].split()[1] == "sync"
    assert read_head(disk, "/base").torn, "the next one to enter sees it too"
    assert journal.append([note("b")])[0].seq == 3
    assert not read_head(disk, "/base").torn


class NoNewHead(LyingDisk):
    """A disk that will not take a new HEAD."""

    full = False

    def create(self, path: str) -> int:
        if self.full and path.endswith(".HEAD.tmp"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return super().create(path)


def test_nothing_is_written_while_there_is_no_head() -> None:
    """The search found a batch torn while HEAD was missing: row R10 refuses that, and it was an honest crash."""
    disk = machine(NoNewHead)
    open_journal(disk, "/base").append([note("a"), note("b")])
    disk.unlink("/base/_journal/HEAD")
    before = read(disk, "/base", boot=BOOT).lines
    disk.full = True
    with pytest.raises(RegistryWriteFailed):
        open_journal(disk, "/base")
    assert read(disk, "/base", boot=BOOT).lines == before
    disk.full = False
    assert open_journal(disk, "/base").append([note("c")])[0].seq == 5, "journal_recovered is event 4"


def test_a_head_made_by_a_process_that_died_is_made_durable_before_it_is_relied_on() -> None:
    """The search found a new HEAD whose name nobody synced: lost with the power, a torn tail had none beside it."""
    whole = machine()
    open_journal(whole, "/base").append([note("a"), note("b")])
    whole.unlink("/base/_journal/HEAD")
    whole = whole.copy()
    for step in range(recovery_steps(whole)):
        disk = whole.copy()
        disk.cut_at = step
        with pytest.raises(PowerCut):
            open_journal(disk, "/base")
        disk.kill()
        journal = open_journal(disk, "/base")
        disk.cut_at = disk.steps  # the batch
        with pytest.raises(PowerCut):
            journal.append([note("c")])
        for image in disk.images(random.Random(step), 16):
            open_journal(image, "/base", boot="another boot").close()


def recovery_steps(disk: LyingDisk) -> int:
    copy = disk.copy()
    open_journal(copy, "/base")
    return copy.steps


def test_a_writer_marks_head_with_the_running_boot(tmp_path: Path) -> None:
    """Until then a reader may show whole batches beyond HEAD: nobody can be writing them."""
    journal = open_journal(None, str(tmp_path))
    journal.append([note("a")])
    journal.close()
    journal = open_journal(None, str(tmp_path), boot="the next boot")
    assert read_head(RealDisk(), str(tmp_path)).current.boot == "the next boot"
    with segment(tmp_path).open("ab") as file:
        file.write(write(**envelope_after(journal), data=b"{}").raw)  # another writer, before its sync
    assert read(RealDisk(), str(tmp_path), boot="the next boot").position.seq == 2
    assert read(RealDisk(), str(tmp_path), boot="the boot after").position.seq == 3


def envelope_after(journal: Journal) -> dict[str, object]:
    """Return the envelope of the event that may follow, alone in its batch."""
    seq, prev = journal.position.seq + 1, journal.position.sha256
    return {"seq": seq, "prev": prev, "first": seq, "last": seq, "time": TIME, "type": "segment_opened", "key": None}


def test_sync_head_and_close_make_head_durable() -> None:
    disk = machine()
    disk.sync_directory("/")
    journal = open_journal(disk, "/base")
    for step in ("sync_head", "close"):
        seq = journal.append([note(step)])[0].seq
        getattr(journal, step)()
        assert read_head(disk.least(), "/base").current.seq == seq
    journal.close()


# Properties


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


class Model(RuleBasedStateMachine):
    """A journal against a list: append, reopen, a second process, a torn tail, a lost HEAD, a cut of power.

    Invariants checked: the events are those of the list in order; a torn tail costs nothing; every receipt stays true.
    """

    def __init__(self) -> None:
        super().__init__()
        self.disk = machine()
        self.disk.sync_directory("/")
        self.heard: list[Recorded] = []
        self.names: list[str] = []
        self.receipts: list[Receipt] = []
        self.open()

    def open(self) -> None:
        self.heard.clear()
        self.journal = open_journal(self.disk, "/base", listener=self.heard.extend, segment_bytes_max=2_000)

    @rule(names=st.lists(NAMES, min_size=1, max_size=4))
    def append(self, names: list[str]) -> None:
        self.receipts += self.journal.append([note(name) for name in names])
        self.names += names

    @rule(name=NAMES)
    def append_elsewhere(self, name: str) -> None:
        other = open_journal(self.disk.process(), "/base", segment_bytes_max=2_000)
        self.receipts += other.append([note(name)])
        self.names.append(name)
        other.close()

    @rule(name=NAMES)
    def repeat_a_key(self, name: str) -> None:
        entry = note(name, key=f"k{len(self.receipts)}")
        first = self.journal.append([entry])
        assert self.journal.append([entry]) == first
        self.receipts += first
        self.names.append(name)

    @rule()
    def reopen(self) -> None:
        self.journal.close()
        self.open()

    @rule(torn=st.binary(min_size=1, max_size=600))
    def tear(self, torn: bytes) -> None:
        """A process dies in the middle of a write."""
        path = f"/base/_journal/{self.journal.position.segment:020}.jsonl"
        handle = self.disk.append(path)
        self.disk.write(handle, torn)
        self.disk.close(handle)
        self.journal.refresh()

    @rule(seed=st.integers(0, 1 << 30))
    def cut_power(self, seed: int) -> None:
        *_, self.disk = self.disk.images(random.Random(seed), 3)
        self.open()

    @invariant()
    def the_list_is_the_journal(self) -> None:
        self.journal.refresh()
        assert [item.event.name for item in self.heard if hasattr(item.event, "name")] == self.names
        assert [item.seq for item in self.heard] == list(range(1, len(self.heard) + 1))
        hashes = {item.seq: item.sha256 for item in self.heard}
        assert all(hashes[receipt.seq] == receipt.sha256 for receipt in self.receipts)


TestModel = Model.TestCase


@given(st.data())
def test_a_cut_anywhere_leaves_a_prefix(data: st.DataObject) -> None:
    """Cut a copy without HEAD at any byte: the whole batches before the cut are read, and nothing else."""
    disk = machine()
    journal = open_journal(disk, "/base", segment_bytes_max=2_000)
    for group in data.draw(st.lists(st.lists(NAMES, min_size=1, max_size=3), min_size=1, max_size=4)):
        journal.append([note(name) for name in group])
    lines = read(disk, "/base", boot=BOOT).lines
    path = f"/base/_journal/{journal.position.segment:020}.jsonl"
    cut = data.draw(st.integers(0, disk.size(path)))
    handle = disk.update(path)
    disk.truncate(handle, cut)
    disk.unlink("/base/_journal/HEAD")
    reading = read(disk, "/base", boot=BOOT)
    assert reading.lines == lines[: len(reading.lines)]
    assert not reading.confirmed
    kept = sum(len(line.raw) for line in reading.lines if line.seq >= journal.position.segment)
    assert kept <= cut
    if len(reading.lines) < len(lines):
        following = lines[len(reading.lines) :]
        batch = [line for line in following if line.first == following[0].first]
        assert kept + sum(len(line.raw) for line in batch) > cut, "a whole batch was left out"


# The golden journal


def write_golden(root: str) -> None:
    """Write the golden journal: a group, a run, a rotation and a quarantined tail, with fixed clock, boot and id."""
    journal = open_journal(None, root, segment_bytes_max=2_200)
    journal.append([note("ünïcode 😀", key="name:1"), note("second", reason='"quoted"\n')])
    journal.append([commit("run_0123456789abcdef")])
    journal.append([note("rotated")])
    journal.close()
    last = segment(Path(root), journal.position.segment)
    last.write_bytes(last.read_bytes() + b'{"v":1,"seq":7,"prev":"torn')
    journal = open_journal(None, root, segment_bytes_max=2_200)
    journal.append([note("after the tail")])
    journal.close()


def golden_files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted((root / "_journal").rglob("*"))
        if path.is_file() and path.name not in ("lock", "turn")
    }


def test_the_golden_journal_is_written_byte_for_byte(tmp_path: Path) -> None:
    write_golden(str(tmp_path))
    assert golden_files(tmp_path) == golden_files(GOLDENS / "journal_v2")


@pytest.mark.parametrize(("version", "daily_sharpe"), [(1, None), (2, [0.0512, 14, -0.25, 3.5])])
def test_the_golden_journals_replay_for_ever(version: int, daily_sharpe: list[float] | None) -> None:
    """They must be read by every later version of Buff. They are added to, never edited."""
    reading = read(RealDisk(), str(GOLDENS / f"journal_v{version}"), boot=BOOT)
    assert reading.problem is None
    assert reading.confirmed
    events = [item.event for item in reading.events]
    assert [event.TYPE for event in events] == [
        "journal_opened",
        "orphan_quarantined",
        "orphan_quarantined",
        "run_committed.v2",
        "segment_opened",
        "orphan_quarantined",
        "tail_quarantined",
        "orphan_quarantined",
    ]
    assert events[1].name == "ünïcode 😀"
    assert events[3] == msgspec.structs.replace(commit("run_0123456789abcdef").event, daily_sharpe=daily_sharpe)


def test_the_holder_is_written_for_people(tmp_path: Path) -> None:
    journal = open_journal(None, str(tmp_path))
    with journal.exclusive():
        assert json.loads((tmp_path / "_journal" / "lock").read_bytes()) == HOLDER
