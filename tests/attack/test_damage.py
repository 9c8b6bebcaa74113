"""Damage to a journal that no crash leaves: cuts at every byte, every bit flipped, lines moved about.

Invariants checked: what is read is the journal's own beginning, batch by batch, never another history. With HEAD
present, whatever takes an acknowledged event away is refused, and said to readers; without it nothing passes in
silence. A small, slow reader of lines in this file says what the beginning is.
"""

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from attrs import frozen

from buff.errors import BuffError, JournalCorrupt
from buff.journal.head import START, Head, Position
from buff.journal.line import ZEROS, Line
from buff.journal.log import Entry, read
from buff.journal.recovery import Action, Row, decide
from buff.journal.survey import facts, read_head, segment_path, segments, survey
from journals import BOOT, commit, note, open_journal
from lying_disk import LyingDisk, PowerCut

ROOT = "/base"
FOLDER = f"{ROOT}/_journal"


@frozen(kw_only=True)
class Fixture:
    """A journal on a disk: its segments' bytes in order and the end of each whole batch in them."""

    disk: LyingDisk
    segments: tuple[tuple[int, bytes], ...]
    head: Head

    @property
    def whole(self) -> bytes:
        """Every line of it."""
        return b"".join(data[: ends(data, following)[-1]] for (_, data), following in self._with_following())

    def before(self, first: int) -> bytes:
        """Return the lines of the segments before one."""
        return b"".join(
            data[: ends(data, following)[-1]] for (each, data), following in self._with_following() if each < first
        )

    def _with_following(self) -> Iterator[tuple[tuple[int, bytes], int | None]]:
        follow = [first for first, _ in self.segments[1:]]
        return zip(self.segments, (*follow, None), strict=True)


def ends(data: bytes, following: int | None = None) -> list[int]:
    """Return where whole batches end in a segment, as somebody with a JSON reader and a hash would find it."""
    found, offset = [0], 0
    for raw in data.splitlines(keepends=True):
        try:
            line = json.loads(raw)
        except ValueError:
            break
        digest = hashlib.sha256(raw[:-78] + b"}").hexdigest()
        if digest != line["sha256"] or not raw.endswith(b"\n") or line["seq"] == following:
            break
        offset += len(raw)
        if line["seq"] == line["b"][1]:
            found.append(offset)
    return found


def machine() -> LyingDisk:
    disk = LyingDisk()
    disk.mkdir(ROOT)
    disk.sync_directory("/")
    return disk


def taken(disk: LyingDisk) -> Fixture:
    """Return what is on a disk as a fixture; its HEAD says that all of it is acknowledged."""
    head = read_head(disk, ROOT).current
    assert head is not None
    firsts = segments(disk.names(FOLDER)) or ()
    return Fixture(
        disk=disk, segments=tuple((first, disk.read(segment_path(ROOT, first))) for first in firsts), head=head
    )


def filled(groups: Sequence[Sequence[Entry]], **options: Any) -> Fixture:
    disk = machine()
    journal = open_journal(disk, ROOT, **options)
    for group in groups:
        journal.append(group)
    journal.close()
    return taken(disk)


UNICODE = "première 测试 🚀 \u2028 \\ \" ' \x7f"


def groups_of(count: int, size: int, text: str = "x") -> list[list[Entry]]:
    """Return groups of one to three events, now and then a committed run, each of about `size` bytes."""
    chance = random.Random(size)
    return [
        [commit(f"run_{number}")]
        if number % 9 == 8
        else [note(f"{number}.{at}", reason=text * chance.randrange(size // 2, size)) for at in range(1 + number % 3)]
        for number in range(count)
    ]


def with_unicode() -> Fixture:
    return filled(groups_of(40, 22, UNICODE), segment_bytes_max=3_000)


def with_rotation() -> Fixture:
    return filled(groups_of(24, 1_100), segment_bytes_max=4_000)


def with_quarantine() -> Fixture:
    """A journal whose writer died in the middle of a batch, again and again."""
    disk = machine()
    for group in groups_of(26, 1_100):
        journal = open_journal(disk, ROOT)
        journal.append(group)
        disk.cut_at = disk.steps
        with pytest.raises(PowerCut):
            journal.append([note("torn", reason="y" * 40), note("too")])
        disk.kill()
    open_journal(disk, ROOT).close()
    return taken(disk)


def cuts(fixture: Fixture) -> Iterator[tuple[LyingDisk, int, bytes]]:
    """Yield the disk cut at every byte, from the end to the beginning, the segment that was cut and what is left."""
    disk, following = fixture.disk.copy(), None
    for first, data in reversed(fixture.segments):
        boundaries = ends(data, following)
        visible = disk.content(segment_path(ROOT, first))
        for size in range(len(data) - 1, -1, -1):
            del visible[size:]
            yield disk, first, data[: next(end for end in reversed(boundaries) if end <= size)]
        disk.unlink(segment_path(ROOT, first))
        following = first


def walked(disk: LyingDisk, since: Position, head: Head) -> tuple[bytes, Row, Row]:
    """Return the lines behind a proven position, and the rows of the decision table with HEAD and without."""
    lines: list[Line] = []
    findings = survey(disk, ROOT, since=since.seq + 1, known=since, claimed={head.seq}, receive=lines.extend)
    rows = [decide(facts(disk, ROOT, findings, head=each, index=None, receipt=None)) for each in (head, None)]
    return b"".join(line.raw for line in lines), rows[0], rows[1]


FIXTURES = {"unicode": with_unicode, "rotation": with_rotation, "quarantine": with_quarantine}


def cut_everywhere(make: Callable[[], Fixture], reopened_every: int) -> tuple[int, int]:
    """Cut a journal at every byte and hold what is read to its lines; return how many cuts and reopenings."""
    fixture = make()
    head = fixture.disk.read(f"{FOLDER}/HEAD")
    fixture.disk.unlink(f"{FOLDER}/HEAD")
    starts = {first: fixture.before(first) for first, _ in fixture.segments}
    count = reopened = 0
    for disk, first, expected in cuts(fixture):
        since = Position(segment=first, offset=0, seq=first - 1, sha256=last_hash(starts[first]))
        lines, beside, _ = walked(disk, since, fixture.head)
        assert lines == expected
        assert beside.action is Action.REFUSE
        count += 1
        if count % reopened_every == 0:
            reopen(disk.copy(), starts[first] + expected, head)
            reopened += 1
    return count, reopened


def last_hash(lines: bytes) -> str:
    return lines[-67:-3].decode() if lines else ZEROS


def reopen(disk: LyingDisk, expected: bytes, head: bytes) -> None:
    """A writer refuses the cut journal beside its HEAD; without HEAD, and asked to repair, it goes on behind it."""
    beside = disk.copy()
    beside.put(f"{FOLDER}/HEAD", head)
    with pytest.raises(BuffError):
        open_journal(beside, ROOT)
    assert read_back_of(beside) == expected
    if not expected:
        return
    _, _, row = walked(disk, START, read_head(beside, ROOT).current)
    if row.name == "R05":
        return  # a last segment without one whole batch was never born so: no repair goes on behind it
    journal = open_journal(disk, ROOT, repair=True)
    journal.append([note("after")])
    journal.close()
    assert read_back_of(disk).startswith(expected)
    assert read(disk, ROOT, boot=BOOT).problem is None


def read_back_of(disk: LyingDisk) -> bytes:
    return b"".join(line.raw for line in read(disk, ROOT, boot=BOOT).lines)


def test_a_journal_cut_at_any_byte_is_read_to_its_last_whole_batch() -> None:
    done = {name: cut_everywhere(make, 997) for name, make in FIXTURES.items()}
    count, reopened = map(sum, zip(*done.values(), strict=True))
    print(f"\ncut at every byte: {count:,} cuts, {reopened} reopened, 0 wrong prefixes, all refused beside HEAD")
    assert count >= 100_000


def test_what_stands_before_a_segment_that_is_gone_is_served() -> None:
    """Cutting beside HEAD found a reader that served nothing where the segment HEAD names was missing."""
    fixture = with_rotation()
    last, _ = fixture.segments[-1]
    fixture.disk.unlink(segment_path(ROOT, last))
    reading = read(fixture.disk, ROOT, boot=BOOT)
    assert isinstance(reading.problem, JournalCorrupt)
    assert b"".join(line.raw for line in reading.lines) == fixture.before(last)


# Bits


def small(number: int, count: int = 10) -> Fixture:
    """Return one of several journals of `count` records of every shape."""
    chance = random.Random(number)
    groups, left = [], count - 1
    while left:
        size = min(left, chance.choice([1, 1, 2, 3]))
        groups.append([_record(chance, f"{number}.{left}.{at}") for at in range(size)])
        left -= size
    return filled(groups, new_id=lambda: f"jrn_{number:016x}")


def _record(chance: random.Random, name: str) -> Entry:
    match chance.randrange(5):
        case 0:
            return note(name, key=f"k{name}")
        case 1:
            return note(name, reason=UNICODE)
        case _:
            return note(name)


def flip_every_bit(fixture: Fixture) -> int:
    """Flip each bit of a journal of one segment, one at a time; return how many."""
    ((first, data),) = fixture.segments
    visible, boundaries = fixture.disk.content(segment_path(ROOT, first)), ends(data)
    for at in range(len(data)):
        expected = data[: max(end for end in boundaries if end <= at)]
        for bit in range(8):
            visible[at] ^= 1 << bit
            lines, *rows = walked(fixture.disk, START, fixture.head)
            assert lines == expected, f"bit {bit} of byte {at}"
            assert {row.action for row in rows} == {Action.REFUSE}, f"bit {bit} of byte {at}"
            visible[at] ^= 1 << bit
    return 8 * len(data)


def test_no_flipped_bit_passes_in_silence() -> None:
    fixtures = [small(number) for number in range(4)]
    records = sum(fixture.whole.count(b"\n") for fixture in fixtures)
    flips = sum(map(flip_every_bit, fixtures))
    print(f"\nbit flips: {flips:,} over {records} records, 0 silent, all refused with HEAD and without")
    assert records >= 40


# Lines moved about


def mutated(lines: Sequence[bytes], other: Sequence[bytes], chance: random.Random) -> bytes:
    """Return a journal's bytes after one to three clumsy edits."""
    found = list(lines)
    for _ in range(chance.choice([1, 1, 2, 3])):
        at, to = chance.randrange(len(found)), chance.randrange(len(found))
        match chance.randrange(6):
            case 0:
                del found[at : at + chance.randrange(1, 4)]
            case 1:
                found[at], found[to] = found[to], found[at]
            case 2:
                found.insert(to, found[at])
            case 3:
                found[at] = chance.choice(other)
            case 4:
                found[at : at + 1] = [found[at][: chance.randrange(len(found[at]))] + found[to]]
            case _:
                found = [zeroed(b"".join(found), chance)]
        if not found or len(found) == 1:
            break
    return b"".join(found)


def zeroed(data: bytes, chance: random.Random) -> bytes:
    """Return the bytes with one sector of zeros."""
    at = chance.randrange(0, len(data), 512)
    return data[:at] + b"\0" * len(data[at : at + 512]) + data[at + 512 :]


def mutate(fixture: Fixture, other: Fixture, count: int, chance: random.Random) -> int:
    """Edit a journal `count` times; return how many of the edits changed it."""
    ((first, data),) = fixture.segments
    path, lines, foreign = segment_path(ROOT, first), data.splitlines(True), other.whole.splitlines(True)
    histories = [(each, ends(each)) for each in (data, other.whole)]
    changed = 0
    for _ in range(count):
        bytes_ = mutated(lines, foreign, chance)
        changed += bytes_ != data
        fixture.disk.put(path, bytes_)
        # With the other journal's first line it is that journal, which HEAD refuses; its lines are as good as ours.
        expected = max(
            (whole[:end] for whole, found in histories for end in found if bytes_.startswith(whole[:end])), key=len
        )
        served, row, _ = walked(fixture.disk, START, fixture.head)
        assert served == expected
        # What was put behind the journal's end is set aside like any torn tail: nothing acknowledged is missing.
        assert row.action is Action.REFUSE or served == data
    fixture.disk.put(path, data)
    return changed


def mutate_all(count: int, seed: int) -> int:
    chance = random.Random(seed)
    fixtures = [small(number, 7) for number in range(12)]
    return sum(mutate(fixture, chance.choice(fixtures), count // len(fixtures), chance) for fixture in fixtures)


def test_lines_that_were_moved_about_are_never_taken_for_history() -> None:
    changed = mutate_all(204_000, 1)
    print(f"\nstructured mutations: {changed:,}, 0 wrong, all refused beside HEAD")
    assert changed >= 200_000


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(5))
def test_many_more_mutations(seed: int) -> None:
    assert mutate_all(500_000, 100 + seed) >= 450_000
