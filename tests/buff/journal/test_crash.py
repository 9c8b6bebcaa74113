"""Crashes at every step, on a disk that loses what was not synced.

Invariants checked: every acknowledged event is there with its hash; nothing is there that was not asked for; a batch is
there whole or not at all; no honest crash state is refused; opening again changes nothing; the journal can be appended
to. The exhaustive search (nested crashes, several writers, all fault behaviours) builds on `lying_disk`.
"""

import contextlib
import errno
import hashlib
import random
from collections.abc import Iterator

import pytest

from buff.errors import BuffError
from buff.journal.events import Event, OrphanQuarantined, RunCommitted, TailQuarantined
from buff.journal.log import Entry, Receipt, Recorded, read
from buff.journal.survey import read_head
from journals import BOOT, commit, note, open_journal
from lying_disk import LyingDisk, PowerCut

ROOT = "/base"
SEGMENT_BYTES_MAX = 2_000  # rotates within the workload
BATCHES = [
    [note("a")],
    [note("b"), note("c", key="kc"), note("d" * 900)],
    [commit("run_1")],
    [note("e"), note("f")],
    [note("g" * 1200)],
    [note("h")],
]


def fresh_disk() -> LyingDisk:
    disk = LyingDisk()
    disk.mkdir(ROOT)
    disk.sync_directory("/")
    disk.steps = 0
    return disk


class Workload:
    """Opens, appends all batches, closes; remembers what was acknowledged and what was asked for."""

    def __init__(self) -> None:
        self.acknowledged: list[Receipt] = []
        self.delivered: list[Recorded] = []
        self.asked = 0  # batches begun

    def run(self, disk: LyingDisk) -> None:
        journal = open_journal(disk, ROOT, listener=self.delivered.extend, segment_bytes_max=SEGMENT_BYTES_MAX)
        for batch in BATCHES:
            self.asked += 1
            self.acknowledged.extend(journal.append(batch))
        journal.close()


def names(events) -> list[str]:
    """Return the events of the workload among `events`, by name."""
    return [_name(item.event) for item in events if isinstance(item.event, OrphanQuarantined | RunCommitted)]


def _name(event: Event) -> str:
    return event.run_id if isinstance(event, RunCommitted) else event.name


def _asked(count: int) -> list[str]:
    return [_name(entry.event) for batch in BATCHES[:count] for entry in batch]


def check(image: LyingDisk, work: Workload, *, boot: str) -> None:
    """Open what a crash left, as the next process would, and hold it to the promises."""
    reading = read(image, ROOT, boot=boot)
    assert reading.problem is None
    found: list[Recorded] = []
    journal = open_journal(image, ROOT, listener=found.extend, boot=boot, segment_bytes_max=SEGMENT_BYTES_MAX)
    hashes = {item.seq: item.sha256 for item in found}
    for receipt in work.acknowledged:
        assert hashes.get(receipt.seq) == receipt.sha256, f"acknowledged event {receipt.seq} is lost"
    for item in found:
        if isinstance(item.event, TailQuarantined):
            check_quarantine(image, item.event)
    kept = names(found)
    whole = [_asked(count) for count in range(work.asked + 1)]
    assert kept in whole, f"a batch is there in part: {kept}"
    before = journal.position
    journal.close()
    again: list[Recorded] = []
    journal = open_journal(image, ROOT, listener=again.extend, boot=boot, segment_bytes_max=SEGMENT_BYTES_MAX)
    assert (journal.position, again) == (before, found), "opening again changed something"
    receipt = journal.append([note("after")])[0]
    journal.close()
    reading = read(image, ROOT, boot=boot)
    assert reading.problem is None
    assert reading.confirmed
    assert reading.position.seq == receipt.seq
    assert names(reading.events) == [*kept, "after"]


def check_quarantine(image: LyingDisk, event: TailQuarantined) -> None:
    """What was set aside is there, byte for byte, as long as the event that speaks of it is."""
    name = f"{event.segment}-{event.offset}-{event.content[:16]}.bin"
    data = image.read(f"{ROOT}/_journal/quarantine/{name}")
    assert (len(data), hashlib.sha256(data).hexdigest()) == (event.size, event.content)


def crashes(cut_at: int) -> tuple[LyingDisk, Workload]:
    disk, work = fresh_disk(), Workload()
    disk.cut_at = cut_at
    with pytest.raises(PowerCut):
        work.run(disk)
    return disk, work


def steps() -> range:
    disk = fresh_disk()
    Workload().run(disk)
    return range(disk.steps)


@pytest.mark.parametrize("cut_at", steps())
def test_power_cut_at_every_step(cut_at: int) -> None:
    """After a power cut at any step, in many of the states it may leave, what was acknowledged is there."""
    disk, work = crashes(cut_at)
    for image in disk.images(random.Random(cut_at), 24):
        check(image, work, boot="another boot")


@pytest.mark.parametrize("cut_at", steps())
def test_kill_at_every_step(cut_at: int) -> None:
    """After a SIGKILL at any step the next process on the same machine goes on, and may itself lose its power."""
    disk, work = crashes(cut_at)
    disk.kill()
    check(disk, work, boot=BOOT)


@pytest.mark.parametrize("cut_at", [step for step in steps() if step % 3 == 0])
def test_power_cut_during_recovery(cut_at: int) -> None:
    """Recovery may crash at any step and run again."""
    chance = random.Random(cut_at)
    disk, work = crashes(cut_at)
    for image in disk.images(chance, 3):
        for second in recoveries(image):
            for nested in second.images(chance, 4):
                check(nested, work, boot="a third boot")


def recoveries(image: LyingDisk) -> Iterator[LyingDisk]:
    """Yield the disk of a recovery that stopped at each of its steps."""
    step = 0
    while True:
        disk = image.copy()
        disk.cut_at = step
        try:
            open_journal(disk, ROOT, boot="another boot", segment_bytes_max=SEGMENT_BYTES_MAX).close()
        except PowerCut:
            yield disk
            step += 1
        else:
            return


def test_a_kill_then_a_power_cut_loses_nothing_acknowledged() -> None:
    """A killed process leaves bytes nobody synced; the next one must not build on them in place."""
    for cut_at in steps():
        disk, work = crashes(cut_at)
        disk.kill()
        journal = open_journal(disk, ROOT, segment_bytes_max=SEGMENT_BYTES_MAX)
        work.acknowledged.extend(journal.append([note("second process")]))
        for image in disk.images(random.Random(cut_at), 6):
            found: list[Recorded] = []
            open_journal(image, ROOT, listener=found.extend, boot="another boot").close()
            hashes = {item.seq: item.sha256 for item in found}
            assert all(hashes.get(receipt.seq) == receipt.sha256 for receipt in work.acknowledged), cut_at


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("step", steps())
def test_a_fault_at_every_step(step: int, code: int) -> None:
    """Whatever step fails once, the caller gets an answer or a typed error, and the same process can go on after it."""
    disk, work = fresh_disk(), Workload()
    disk.faults = {step: code}
    with contextlib.suppress(BuffError):
        work.run(disk)
    for image in disk.images(random.Random(step), 6):
        check(image, work, boot="another boot")


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("step", steps())
def test_a_process_goes_on_after_a_fault(step: int, code: int) -> None:
    """A failed append leaves the journal usable in the same process, and a repeated key is answered once."""
    disk = fresh_disk()
    disk.faults = {step: code}
    receipts: list[Receipt] = []
    for attempt in range(2):
        try:
            journal = open_journal(disk, ROOT, segment_bytes_max=SEGMENT_BYTES_MAX)
            break
        except BuffError:
            assert attempt == 0, "one fault fails one attempt"
    for number, batch in enumerate(BATCHES):
        entries = [Entry(event=entry.event, key=f"{number}.{at}") for at, entry in enumerate(batch)]
        try:
            receipts.extend(journal.append(entries))
        except BuffError:
            receipts.extend(journal.append(entries))
    for image in disk.images(random.Random(step), 6):
        found: list[Recorded] = []
        open_journal(image, ROOT, listener=found.extend, boot="another boot").close()
        hashes = {item.seq: item.sha256 for item in found}
        assert all(hashes.get(receipt.seq) == receipt.sha256 for receipt in receipts)
        assert names(found) == _asked(len(BATCHES))


@pytest.mark.parametrize("step", steps())
def test_a_running_process_meets_what_a_dead_one_left(step: int) -> None:
    """One process dies at any step while another is running; the other goes on, and nothing acknowledged is lost."""
    disk = fresh_disk()
    living = open_journal(disk, ROOT, segment_bytes_max=SEGMENT_BYTES_MAX)
    other, work = disk.process(), Workload()
    other.cut_at = step
    with contextlib.suppress(PowerCut):
        work.run(other)
    other.end()
    receipts = [*work.acknowledged, *living.append([note("from the living")]), *living.append([note("and again")])]
    for image in disk.images(random.Random(step), 6):
        found: list[Recorded] = []
        open_journal(image, ROOT, listener=found.extend, boot="another boot").close()
        hashes = {item.seq: item.sha256 for item in found}
        assert all(hashes.get(receipt.seq) == receipt.sha256 for receipt in receipts)


def test_head_is_durable_with_every_committed_run() -> None:
    """A batch with a run_committed syncs HEAD: a clean cut below it is seen even after a power cut."""
    disk = fresh_disk()
    journal = open_journal(disk, ROOT)
    journal.append([note("a")])
    receipt = journal.append([commit("run_1")])[0]
    for image in disk.images(random.Random(0), 8):
        head = read_head(image, ROOT).current
        assert head is not None
        assert head.seq == receipt.seq
