"""Group commit: threads share a lock hold and a sync, and each is told what became of what it asked for."""

import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from buff.errors import BuffError, JournalLockTimeout, KeyConflict, LimitExceeded, RegistryWriteFailed
from buff.files import RealDisk
from buff.journal.log import Journal, Receipt, Recorded, read
from journals import BOOT, commit, note, open_journal

THREADS = 64


class Slow(RealDisk):
    """A disk whose syncs wait until they are let through, and then fail if told to."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.waiting = threading.Event()
        self.failing = False
        self.syncs = 0

    def sync(self, handle: int) -> None:
        self.syncs += 1
        self.waiting.set()
        assert self.open.wait(20)
        if self.failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(handle)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop whoever syncs next, until the block ends."""
        self.waiting.clear()
        self.open.clear()
        try:
            yield
        finally:
            self.open.set()


def in_threads(calls: list[Callable[[], object]]) -> tuple[list[threading.Thread], list[object]]:
    """Start each call in a thread; return the threads, and where their answers or errors will be."""
    answers: list[object] = [None] * len(calls)

    def run(at: int, call: Callable[[], object]) -> None:
        try:
            answers[at] = call()
        except Exception as error:
            answers[at] = error

    threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    return threads, answers


def together(journal: Journal, disk: Slow, calls: list[Callable[[], object]]) -> list[object]:
    """Make the calls while another append is in its sync, so that they share the next lock hold."""
    with disk.stopped():
        first, _ = in_threads([lambda: journal.append([note("first")])])
        assert disk.waiting.wait(20)
        threads, answers = in_threads(calls)
        while journal._group._queue.qsize() < len(calls) - 1:  # the writer's thread may hold one of them already
            time.sleep(0.001)
    for thread in first + threads:
        thread.join()
    return answers


def names(root: Path) -> list[str]:
    events = list(read(RealDisk(), str(root), boot=BOOT).events)
    return [item.event.name for item in events if hasattr(item.event, "name")]


def batches(root: Path) -> list[tuple[int, int]]:
    return sorted({(line.first, line.last) for line in read(RealDisk(), str(root), boot=BOOT).lines})


def appending(journal: Journal, name: str, **options: object) -> Callable[[], tuple[Receipt, ...]]:
    return lambda: journal.append([note(name)], **options)


def test_threads_that_wait_share_one_batch_and_one_sync(tmp_path: Path) -> None:
    disk = Slow()
    journal = open_journal(disk, str(tmp_path))
    before = disk.syncs
    answers = together(journal, disk, [appending(journal, f"n{at}") for at in range(10)])
    receipts = [receipt for answer in answers for receipt in answer]
    assert sorted(receipt.seq for receipt in receipts) == list(range(3, 13))
    assert batches(tmp_path) == [(1, 1), (2, 2), (3, 12)]
    assert disk.syncs - before == 2
    by_seq = {line.seq: line.sha256 for line in read(RealDisk(), str(tmp_path), boot=BOOT).lines}
    assert all(by_seq[receipt.seq] == receipt.sha256 for receipt in receipts)


def test_many_threads_append_and_everything_is_there_once(tmp_path: Path) -> None:
    found: list[Recorded] = []
    journal = open_journal(None, str(tmp_path), listener=found.extend, lock_timeout_seconds=60.0)

    def work(number: int) -> list[int]:
        return [journal.append([note(f"{number}.{at}")])[0].seq for at in range(5)]

    threads, answers = in_threads([lambda number=number: work(number) for number in range(THREADS)])
    for thread in threads:
        thread.join()
    seqs = [seq for answer in answers for seq in answer]
    assert sorted(seqs) == list(range(2, 2 + 5 * THREADS))
    assert all(answer == sorted(answer) for answer in answers), "a thread's own events are in its order"
    assert [item.seq for item in found] == list(range(1, 2 + 5 * THREADS))
    assert len(batches(tmp_path)) < 5 * THREADS, "some of them waited together"
    journal.close()
    assert journal._group._thread is None


def test_one_thread_alone_needs_no_other(tmp_path: Path) -> None:
    journal = open_journal(None, str(tmp_path))
    for name in "abc":
        journal.append([note(name)])
    assert journal._group._thread is None


def test_a_caller_that_gives_up_has_recorded_nothing(tmp_path: Path) -> None:
    """While another is in its sync: the error comes in time, and the event never."""
    disk = Slow()
    journal = open_journal(disk, str(tmp_path))
    with disk.stopped():
        first, _ = in_threads([appending(journal, "first")])
        assert disk.waiting.wait(20)
        with pytest.raises(JournalLockTimeout):
            journal.append([note("impatient")], timeout_seconds=0.05)
    first[0].join()
    journal.append([note("later")])
    journal.close()
    assert names(tmp_path) == ["first", "later"]


def test_a_caller_whose_event_is_being_written_learns_how_it_ends(tmp_path: Path) -> None:
    """Its time is over, but somebody has begun: it waits, for the outcome must be known."""
    disk = Slow()
    journal = open_journal(disk, str(tmp_path))
    with disk.stopped():
        first, _ = in_threads([appending(journal, "first")])
        assert disk.waiting.wait(20)
        second, answers = in_threads([appending(journal, "second", timeout_seconds=1.0)])
        while journal._group._thread is None:
            time.sleep(0.001)
        disk.waiting.clear()
        disk.open.set()
        first[0].join()
        disk.open.clear()
        assert disk.waiting.wait(20)
        time.sleep(1.2)
    second[0].join()
    assert [receipt.seq for receipt in answers[0]] == [3]
    assert names(tmp_path) == ["first", "second"]


def test_a_lock_that_is_held_elsewhere_fails_whoever_waits(tmp_path: Path) -> None:
    journal = open_journal(None, str(tmp_path), lock_timeout_seconds=0.2)
    other = RealDisk()
    handle = other.open_lock(str(tmp_path / "_journal" / "lock"))
    assert other.try_lock(handle)
    threads, answers = in_threads([appending(journal, f"n{at}") for at in range(8)])
    for thread in threads:
        thread.join()
    other.close(handle)
    assert all(isinstance(answer, JournalLockTimeout) for answer in answers)
    journal.append([note("free")])
    assert names(tmp_path) == ["free"]


def test_a_failed_write_is_handed_to_everyone_who_waits(tmp_path: Path) -> None:
    """Neither the sync nor a new segment: nobody is told that it went well, and asking again is answered once."""
    disk = Slow()
    journal = open_journal(disk, str(tmp_path))
    keyed = [lambda at=at: journal.append([note(f"n{at}", key=f"k{at}")]) for at in range(6)]
    with disk.stopped():
        first, first_answer = in_threads([appending(journal, "first")])
        assert disk.waiting.wait(20)
        threads, answers = in_threads(keyed)
        while journal._group._queue.qsize() < len(keyed) - 1:
            time.sleep(0.001)
        disk.failing = True
    for thread in first + threads:
        thread.join()
    assert all(isinstance(answer, RegistryWriteFailed) for answer in [*first_answer, *answers])
    disk.failing = False
    receipts = [call()[0] for call in keyed]
    assert receipts == [call()[0] for call in keyed]
    assert sorted(name for name in names(tmp_path) if name != "first") == [f"n{at}" for at in range(6)]
    journal.close()


def test_a_step_that_fails_fails_alone(tmp_path: Path) -> None:
    """`prepare` is done under the lock, before anything is written; what it recorded by itself stays."""
    disk = Slow()
    journal = open_journal(disk, str(tmp_path))
    seen: list[int] = []

    def refuse(hold: object) -> None:
        raise KeyConflict("no")

    def look(hold) -> None:
        seen.append(journal.position.seq)
        hold.append([note("by itself")])

    answers = together(
        journal,
        disk,
        [
            appending(journal, "a"),
            lambda: journal.append([note("refused")], prepare=refuse),
            lambda: journal.append([note("b")], prepare=look),
        ],
    )
    assert isinstance(answers[1], KeyConflict)
    assert seen == [2]
    assert sorted(names(tmp_path)) == ["a", "b", "by itself", "first"]


def test_one_key_asked_for_by_two_threads_is_one_event(tmp_path: Path) -> None:
    disk = Slow()
    journal = open_journal(disk, str(tmp_path))
    answers = together(
        journal,
        disk,
        [
            lambda: journal.append([commit("run_1")]),
            lambda: journal.append([commit("run_1")]),
            lambda: journal.append([commit("run_1", inputs_hash="e" * 64)]),
            lambda: journal.append([note("a"), note("b")]),
        ],
    )
    winners = [answer for answer in answers[:3] if not isinstance(answer, BuffError)]
    assert len(set(winners)) == 1
    assert [type(answer) for answer in answers[:3] if isinstance(answer, BuffError)] in (
        [KeyConflict],
        [KeyConflict] * 2,
    )
    assert len(read(RealDisk(), str(tmp_path), boot=BOOT).lines) == 5
    assert names(tmp_path)[-2:] == ["a", "b"] or names(tmp_path)[1:3] == ["a", "b"]


def test_what_is_too_much_for_one_batch_is_recorded_all_the_same(tmp_path: Path) -> None:
    """Together they are too many, one of them alone is too large: only that one is refused."""
    disk = Slow()
    journal = open_journal(disk, str(tmp_path))
    answers = together(
        journal,
        disk,
        [
            lambda: journal.append([note(f"x{at}") for at in range(2_500)]),
            lambda: journal.append([note(f"y{at}") for at in range(2_500)]),
            lambda: journal.append([note("z" * (1 << 20))]),
        ],
    )
    assert isinstance(answers[2], LimitExceeded)
    assert [len(answer) for answer in answers[:2]] == [2_500, 2_500]
    assert len(names(tmp_path)) == 5_001


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_while_a_thread_appends(tmp_path: Path) -> None:
    """The child has no writer and no lock of its parent's: it opens anew, and the parent notices nothing."""
    disk = Slow()
    journal = open_journal(disk, str(tmp_path))
    with disk.stopped():
        threads, answers = in_threads([appending(journal, f"n{at}") for at in range(4)])
        assert disk.waiting.wait(20)
        while journal._group._queue.qsize() < 2:
            time.sleep(0.001)
        child = os.fork()
        if child == 0:
            signal.alarm(120)  # whatever it waits for, its parent does not wait for ever
            try:
                again = open_journal(None, str(tmp_path), lock_timeout_seconds=20.0)
                again.append([note("child")])
                os._exit(0)
            except BaseException:
                os._exit(1)
    for thread in threads:
        thread.join()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert all(not isinstance(answer, BaseException) for answer in answers)
    journal.append([note("parent")])
    journal.close()
    assert sorted(names(tmp_path)) == ["child", "n0", "n1", "n2", "n3", "parent"]
