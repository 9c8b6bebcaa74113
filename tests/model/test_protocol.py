"""Every state of the journal's protocol within bounds, and every rule left out once.

Invariants checked in every state: what was acknowledged, delivered or shown is on the disk, unchanged, for everybody
who looks; no honest state is refused, by the real decision table; readers are shown one history only; HEAD never names
what a power cut can take, and some slot of it is valid once anything was promised; no request is recorded twice.
"""

import errno
from pathlib import Path

import pytest

from journals import commit, note, open_journal
from lying_disk import LyingDisk, PowerCut
from model.protocol import EMPTY, Bounds, Kept, Piece, Protocol, Rule, Segment, State, images
from model.search import Search, explore

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "model.md"

WORLDS = {
    "one writer, every fault": Bounds(requests=(("a1", "a2"),), kills=1, faults=1, cuts=1),
    "two writers": Bounds(requests=(("a1", "a2"), ("b1",)), kills=1, cuts=1),
    "a new segment": Bounds(requests=(("a1", "a2"), ("b1+",)), kills=1),
    "a commit": Bounds(requests=(("a1!", "a2"),), faults=1, cuts=1),
    "an index": Bounds(requests=(("a1", "index"), ("b1",)), kills=1, cuts=1),
    "two power cuts": Bounds(requests=(("a1",),), faults=1, cuts=2),
    "a failed range (XFS, Btrfs)": Bounds(requests=(("a1",),), kills=1, faults=1, cuts=1, ext4=False),
    "a slow reader": Bounds(requests=(("a1",), ("b1",)), cuts=1, reads=1),
    "a copy without HEAD": Bounds(requests=(("a1",),), kills=1, faults=1, cuts=1, copied=True),
    "HEAD cannot be made": Bounds(requests=(("a1",),), faults=2, cuts=1, copied=True),
    "a process that closes": Bounds(requests=(("a1", "close", "a2"),), faults=1, cuts=1),
}
# How many states each has: a model that shrinks unnoticed would prove less and less.
STATES = {
    "one writer, every fault": 27_333,
    "two writers": 55_969,
    "a new segment": 2_028,
    "a commit": 2_254,
    "an index": 36_013,
    "two power cuts": 6_310,
    "a failed range (XFS, Btrfs)": 6_246,
    "a slow reader": 9_513,
    "a copy without HEAD": 14_804,
    "HEAD cannot be made": 8_061,
    "a process that closes": 2_638,
}
NIGHT = {
    "two writers, two appends each": Bounds(requests=(("a1", "a2"), ("b1", "b2")), kills=1, faults=1, cuts=1),
    "two of everything": Bounds(requests=(("a1",),), kills=2, faults=2, cuts=2),
    "two failed ranges (XFS, Btrfs)": Bounds(requests=(("a1",), ("b1",)), kills=1, faults=2, cuts=1, ext4=False),
    "three writers": Bounds(requests=(("a1",), ("b1!",), ("c1+",)), kills=1, cuts=1),
    "a slow reader among faults": Bounds(requests=(("a1",), ("b1",)), kills=1, faults=1, cuts=1, reads=1),
    "two slow readers": Bounds(requests=(("a1", "a2"),), kills=1, cuts=2, reads=2),
    "indexes": Bounds(requests=(("a1", "index"), ("b1", "index")), kills=1, faults=1, cuts=1),
    "processes that close": Bounds(requests=(("a1", "close", "a2"), ("b1",)), kills=1, faults=1, cuts=1),
    "a copy without HEAD": Bounds(requests=(("a1",), ("b1",)), kills=1, faults=2, cuts=1, copied=True),
}
STATES_MAX_NIGHT = 4_000_000

# Where each rule is missed first: the smallest world that shows what it is for.
MISSED_IN = {
    **dict.fromkeys(Rule, "one writer, every fault"),
    Rule.SLOW_PATH: "two writers",
    Rule.NEXT_NAME: "a new segment",
    Rule.LOCK_UNTIL_HEAD: "two writers",
    Rule.BOOT_MARK: "two power cuts",
    Rule.BOUNDED_INDEX: "an index",
    Rule.HEAD_BEFORE_BATCH: "HEAD cannot be made",
}
# Rules without which every state of these worlds keeps the invariants; docs/explanation/model.md proves why.
EQUIVALENT = {
    Rule.INDEX_AFTER_HEAD: ("an index",),
    Rule.HEAD_DURABLE: ("one writer, every fault", "a commit", "a new segment"),
    Rule.FORGET: ("one writer, every fault", "a commit"),
}


def keeps(search: Search) -> bool:
    return search.complete and not search.broken


@pytest.mark.parametrize("world", WORLDS)
def test_every_state_keeps_the_invariants(world: str) -> None:
    search = explore(Protocol(WORLDS[world]))
    print(f"{world}: {search}")
    assert keeps(search), str(search)
    assert search.states == STATES[world], "the model changed: look why, then change the number here and in the page"


def test_the_worlds_hold_a_hundred_thousand_states_and_the_page_says_so() -> None:
    assert sum(STATES.values()) >= 100_000
    text = PAGE.read_text(encoding="utf-8")
    for world, states in STATES.items():
        assert f"| {world} | {states:,} |" in text
    assert f"{sum(STATES.values()):,} states" in text
    assert [rule.name for rule in Rule if f"`{rule.name}`" not in text] == []


@pytest.mark.nightly
@pytest.mark.parametrize("world", NIGHT)
def test_every_state_of_a_larger_world_keeps_the_invariants(world: str) -> None:
    """The largest are cut at a number of states, nearest first; the printed figures say which."""
    search = explore(Protocol(NIGHT[world]), states_max=STATES_MAX_NIGHT)
    print(f"{world}: {search}", flush=True)
    assert not search.broken, str(search)


@pytest.mark.parametrize(
    ("rule", "world"),
    [
        *((rule, world) for rule, world in MISSED_IN.items() if rule not in EQUIVALENT),
        (Rule.NEW_INODE, "a failed range (XFS, Btrfs)"),
    ],
    ids=str,
)
def test_a_rule_left_out_is_missed(rule: Rule, world: str) -> None:
    """The search finds the nearest state that is broken; with the rule in place the same world has none."""
    search = explore(Protocol(WORLDS[world], without=rule))
    print(f"without {rule.name}: {rule.value}\n{search}")
    assert search.broken, f"{rule.name} was left out and nobody missed it: {search}"
    assert search.trace


@pytest.mark.parametrize(
    ("rule", "world"), [(rule, world) for rule, worlds in EQUIVALENT.items() for world in worlds], ids=str
)
def test_a_rule_proven_equivalent_is_not_missed(rule: Rule, world: str) -> None:
    """Should this fail, the proof in docs/explanation/model.md is wrong or the rule has become necessary."""
    search = explore(Protocol(WORLDS[world], without=rule))
    assert keeps(search), str(search)


def test_states_told_apart_by_their_hash_are_all_the_states() -> None:
    protocol = Protocol(WORLDS["two power cuts"])
    seen, waiting = {protocol.start()}, [protocol.start()]
    while waiting:
        found = {after for _, after in protocol.moves(waiting.pop())} - seen
        seen |= found
        waiting += found
    assert len(seen) == explore(protocol).states


def test_a_power_cut_leaves_each_unsynced_batch_whole_torn_or_gone() -> None:
    """Two batches that were not synced: what is lost before what survived reads as zeros; a durable one stays."""
    pieces = tuple(Piece(("open", "a", "b")[: at + 1], True, Kept.UNSYNCED if at else Kept.DURABLE) for at in range(3))
    disk = EMPTY._replace(folder=True, segments=(Segment(1, True, False, pieces),))
    left = {tuple((piece.history[-1:], piece.whole) for piece in image.segments[0].pieces) for image in images(disk)}
    opened, a, torn_a, b, torn_b, zeros = (
        (("open",), True), (("a",), True), (("a",), False), (("b",), True), (("b",), False), ((), False),
    )  # fmt: skip
    assert left == {
        (opened,), (opened, a), (opened, torn_a),
        (opened, a, b), (opened, torn_a, b), (opened, zeros, b),
        (opened, a, torn_b), (opened, torn_a, torn_b), (opened, zeros, torn_b),
    }  # fmt: skip


# The model's steps are those of the code


OPERATIONS = {
    "the root is synced": ("sync_directory /base",),
    "there is a new HEAD": ("create", "write", "sync", "rename HEAD"),
    "_journal is synced": ("sync_directory /base/_journal",),
    "the batch is synced": ("sync",),
    "the sync of the batch fails": ("sync",),
    "HEAD is written": ("write_at",),
    "HEAD is synced": ("sync",),
}


def operations(label: str) -> tuple[str, ...]:
    """What a step of the model is on a disk."""
    step = label.partition(": ")[2]
    if step.startswith("segment "):
        return ("create", "write", "sync", "rename segment")
    if step.endswith(" is written") and step not in OPERATIONS:
        return ("write",)
    return OPERATIONS.get(step, ())


def real(disk: LyingDisk) -> list[str]:
    """What the code did to a disk, without the probe of the root and the copy of a torn tail."""
    found, aside = [], False
    for line in disk.trace:
        _, kind, detail = line.split(" ", 2)
        aside = aside or detail.endswith(".tail.tmp")
        if not (aside or ".probe" in detail or kind in ("mkdir", "unlink")):
            name = "HEAD" if detail.endswith("/HEAD") else "segment" if kind == "rename" else detail
            found.append(f"{kind} {name}" if kind in ("rename", "sync_directory") else kind)
        aside = aside and not detail.endswith("/quarantine")  # the sync that ends the copy
    return found


class Told(LyingDisk):
    """A disk whose trace does not tell of the lock's text."""

    def write_at(self, handle: int, data: bytes, offset: int) -> None:
        super().write_at(handle, data, offset)
        if b"pid" in data:
            self.trace.pop()


def walk(protocol: Protocol, state: State, *, fails: str = "") -> list[str]:
    """Let the only writer take its steps to the end, all well but the first one that `fails`."""
    done: list[str] = []
    while moves := [move for move in protocol.moves(state) if move[0].startswith("a: ")]:
        label, state = next((move for move in moves if fails and fails in move[0]), moves[0])
        fails = "" if fails in label else fails
        done += operations(label)
    return done


def killed_before(protocol: Protocol, place: str) -> State:
    """Return the state in which the only writer was killed just before its last step of that name."""
    state, found = protocol.start(), None
    while moves := list(protocol.moves(state)):
        if place in moves[0][0]:
            found = next(after for label, after in moves if "is killed" in label)
        state = moves[0][1]
    assert found is not None, f"there is no step {place}"
    return found


def ask(disk: LyingDisk, entries: list) -> None:
    journal = open_journal(disk, "/base", segment_bytes_max=3_000)
    for entry in entries:
        journal.append([entry])


def machine() -> Told:
    disk = Told()
    disk.mkdir("/base")
    disk.trace.clear()
    return disk


def test_creation_append_commit_and_a_new_segment_are_the_steps_of_the_code() -> None:
    protocol = Protocol(Bounds(requests=(("a1", "a2!", "a3+"),)))
    expected = walk(protocol, protocol.start())
    disk = machine()
    ask(disk, [note("a1"), commit("run_1"), note("a3" * 700)])
    assert real(disk) == expected


def test_a_failed_sync_is_followed_by_the_steps_of_the_code() -> None:
    protocol = Protocol(Bounds(requests=(("a1",),), faults=1))
    expected = walk(protocol, protocol.start(), fails="the sync of the batch")
    disk = machine()
    ask(probe := machine(), [note("a1")])
    disk.faults = {max(step_of(line) for line in probe.trace if line.split()[1] == "sync"): errno.EIO}
    ask(disk, [note("a1")])
    assert real(disk) == expected
    assert "rename segment" in expected[-7:]


@pytest.mark.parametrize(
    ("at", "place", "again"),
    [("write", "a1@0 is written", ["a1"]), ("sync", "the batch is synced", []), ("write_at", "HEAD is written", [])],
    ids=["a torn batch is superseded", "a whole one is carried", "a torn HEAD is made anew"],
)
def test_recovery_is_the_steps_of_the_code(at: str, place: str, again: list[str]) -> None:
    """A process is killed in its only append; the next one recovers, asks `again` for what was lost, and appends."""
    state = killed_before(Protocol(Bounds(requests=(("a1",),), kills=1)), place)
    expected = walk(Protocol(Bounds(requests=(("a1", "a2"),))), state)
    ask(probe := machine(), [note("a1")])
    disk = machine()
    disk.cut_at = max(step_of(line) for line in probe.trace if line.split()[1] == at)
    with pytest.raises(PowerCut):
        ask(disk, [note("a1")])
    if at == "write_at":
        tear_head(disk)
    disk.kill()
    disk.trace.clear()
    ask(disk, [note(name) for name in (*again, "a2")])
    assert real(disk) == expected


def step_of(line: str) -> int:
    return int(line.split()[0])


def tear_head(disk: LyingDisk) -> None:
    """The write of HEAD that was cut: generation 2 goes to the first slot."""
    handle = disk.update("/base/_journal/HEAD")
    LyingDisk.write_at(disk, handle, b"?" * 512, 0)
    disk.close(handle)
