"""Journals that somebody has to repair, what a person does then, and what an interruption of it must leave."""

import random
from collections.abc import Callable

from attrs import field, frozen

from buff.errors import BuffError
from buff.journal.events import JournalRecovered, TailQuarantined
from buff.journal.reader import judge, read
from buff.journal.record import Acceptance
from buff.journal.recovery import Action
from buff.journal.survey import read_head
from journal_tools.repair import apply
from journals import BOOT, note, open_journal
from ledgers import OTHER_BOOT, ROOT, Ledger, fresh, host, machine, promise
from lying_disk import LyingDisk

FOLDER = f"{ROOT}/_journal"
WHY = "the disk was full of holes"
Deaf = Callable[[str, str], bool]
LOSSES = ("R03", "R07", "R08")


@frozen(kw_only=True)
class Wreck:
    """A root to repair: the row that refuses it, its segments' bytes, and the events that are whole."""

    disk: LyingDisk
    row: str
    segments: dict[str, bytes] = field(repr=False)
    whole: list[str] = field(repr=False)


def filled(*, runs: bool) -> LyingDisk:
    disk, model = fresh()
    ledger = Ledger(disk, model)
    ledger.note()
    if runs:
        ledger.commit("run_a")
    ledger.note()
    ledger.note()
    ledger.close()
    return disk.copy()


def segments(disk: LyingDisk) -> dict[str, bytes]:
    return {name: disk.read(f"{FOLDER}/{name}") for name in disk.names(FOLDER) if name.endswith(".jsonl")}


def lost(case: str, *, indexed: bool, runs: bool) -> Wreck:
    """Return a root of which acknowledged events are gone, or another history's, or whose tail is torn without HEAD."""
    disk = filled(runs=runs)
    ((name, data),) = segments(disk).items()
    path, lines = f"{FOLDER}/{name}", data.splitlines(True)
    match case:
        case "R08":
            disk.put(path, b"".join(lines[:-1]))
        case "R08, torn":
            disk.put(path, b"".join(lines[:-1]) + lines[-1][:50])
        case "R08, one event left":
            disk.put(path, lines[0])
        case "R07":
            other = machine()
            journal = open_journal(other, ROOT, new_id=lambda: "jrn_other")
            journal.append([note("x")])
            journal.close()
            disk.put(f"{FOLDER}/HEAD", other.read(f"{FOLDER}/HEAD"))
        case "R03":
            disk.unlink(path)
        case "R10":
            disk.put(path, data + lines[-1][:50])
            disk.unlink(f"{FOLDER}/HEAD")
    if not indexed:
        disk.unlink(f"{ROOT}/index.json")
    disk = disk.copy()
    verdict = judge(disk, ROOT, head=read_head(disk, ROOT).current)
    served = read(disk, ROOT, boot=OTHER_BOOT).lines if case != "R03" else []
    return Wreck(disk=disk, row=verdict.row.name, segments=segments(disk), whole=[line.sha256 for line in served])


def repair(disk: LyingDisk, boot: str) -> None:
    """Do what a person does: look, and accept the loss that the plan names."""
    verdict = judge(disk, ROOT, head=read_head(disk, ROOT).current)
    accept = Acceptance(kept=verdict.findings.end.seq, who="tester", why=WHY) if verdict.row.name in LOSSES else None
    apply(disk, ROOT, host=host(boot), accept=accept)


def kept(disk: LyingDisk, wreck: Wreck, *, done: bool) -> None:
    """Hold what an interruption left to the promises; the repair is made again where it is still to do."""
    verdict = judge(disk, ROOT, head=read_head(disk, ROOT).current)
    refused = verdict.row.action is Action.REFUSE
    promise(not (done and refused), f"a repair that was done is undone: {verdict.row.name}")
    promise(not refused or verdict.row.name in (*LOSSES, "R10"), f"damaged by its repair: {verdict.row.name}")
    if refused:
        repair(disk, OTHER_BOOT)
    else:
        _opened(disk)
    reading = read(disk, ROOT, boot=OTHER_BOOT)
    promise(reading.problem is None, f"readers are told of a problem: {reading.problem}")
    promise([line.sha256 for line in reading.lines][: len(wreck.whole)] == wreck.whole, "what was whole is gone")
    now = segments(disk)
    promise(all(now[name].startswith(data) for name, data in wreck.segments.items()), "a segment lost a byte")
    events = [item.event for item in reading.events]
    if wreck.row == "R10":
        promise(any(isinstance(event, TailQuarantined) for event in events), "nobody was told of the torn tail")
    else:
        recovered = [event for event in events if isinstance(event, JournalRecovered)]
        promise(any(event.why == WHY for event in recovered), "a loss was accepted and nobody was told of it")
    for event in events:
        if isinstance(event, TailQuarantined):
            path = f"{FOLDER}/quarantine/{event.segment}-{event.offset}-{event.content[:16]}.bin"
            promise(disk.exists(path), "the torn tail is not in quarantine")


def _opened(disk: LyingDisk) -> None:
    """Open it as the next writer would, without any repair."""
    ledger = Ledger(disk, fresh()[1], boot=OTHER_BOOT)
    try:
        ledger.store.journal()
    except BuffError as error:
        raise AssertionError(f"an honest state is refused: {error.code} {error.message}") from error
    ledger.close()


CASES = [
    (case, indexed, runs)
    for case in ("R03", "R07", "R08", "R08, torn", "R08, one event left", "R10")
    for indexed in (True, False)
    for runs in (True, False)
]


def attack(case: str, indexed: bool, runs: bool, images: int, deaf: Deaf = lambda kind, path: False) -> int:
    """Cut the power before every step of a repair and after it; return how many different states that left."""
    wreck = lost(case, indexed=indexed, runs=runs)
    disk, chance = wreck.disk.copy(), random.Random(3)
    states: set[bytes] = set()
    disk.deaf = deaf

    def cut(done: bool) -> None:
        for image in disk.images(chance, images):
            state = image.fingerprint()
            if done or state not in states:
                states.add(state)
                kept(image, wreck, done=done)

    disk.watch = lambda: cut(False)
    repair(disk, BOOT)
    cut(True)
    return len(states)
