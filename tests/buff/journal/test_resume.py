"""Beginning where all before is known: found by bisection, proven by its hash, and only later events are read."""

import random
from pathlib import Path

import pytest

from buff.errors import JournalCorrupt, KeyConflict
from buff.files import RealDisk
from buff.journal.events import RunCommitted
from buff.journal.head import START, Position
from buff.journal.log import Journal
from buff.journal.reader import Reading, read, resume
from buff.journal.record import Answer, Recorded, Resume
from buff.journal.survey import Claimed, locate
from journals import BOOT, commit, note, open_journal
from lying_disk import LyingDisk

JOURNAL = "jrn_0123456789abcdef"


class Counted(RealDisk):
    """A disk that counts the bytes it reads by path."""

    def __init__(self) -> None:
        self.count = 0

    def read(self, path: str, start: int = 0, size: int | None = None) -> bytes:
        data = super().read(path, start, size)
        self.count += len(data)
        return data


def filled(root: Path, count: int = 60, **options: object) -> Journal:
    """Return a journal of several segments and batches of different sizes."""
    journal = open_journal(None, str(root), **{"segment_bytes_max": 4_000, **options})
    chance = random.Random(count)
    for number in range(count):
        journal.append([note(f"{number}.{part}") for part in range(chance.choice([1, 1, 3]))])
    return journal


def whole(root: Path) -> Reading:
    return read(RealDisk(), str(root), boot=BOOT)


def known(root: Path, seq: int) -> Resume:
    """Return what somebody who saw the first `seq` events would come back with."""
    line = whole(root).lines[seq - 1]
    position = resume(RealDisk(), str(root), Claimed(journal=JOURNAL, seq=seq, sha256=line.sha256))
    assert position is not None
    return Resume(journal_id=JOURNAL, position=position, answers={})


def test_every_event_is_found_by_bisection(tmp_path: Path) -> None:
    """In every segment, at its ends and in the middle, with lines longer than a probe among them."""
    journal = filled(tmp_path, 40, segment_bytes_max=40_000)
    journal.append([note("x" * 9_000), note("between"), note("y" * 300_000)])
    journal.append([note("last")])
    lines = whole(tmp_path).lines
    for line in lines:
        found = locate(RealDisk(), str(tmp_path), line.seq)
        assert found is not None
        position, same = found
        assert same == line
        segment = tmp_path / "_journal" / f"{position.segment:020}.jsonl"
        assert segment.read_bytes()[: position.offset].endswith(line.raw)
    assert locate(RealDisk(), str(tmp_path), len(lines) + 1) is None
    assert locate(RealDisk(), str(tmp_path), 0) is None
    assert locate(RealDisk(), str(tmp_path / "nowhere"), 1) is None


def test_a_superseded_tail_hides_no_event(tmp_path: Path) -> None:
    filled(tmp_path, 5).close()
    segment = max((tmp_path / "_journal").glob("*.jsonl"))
    segment.chmod(0o644)
    with segment.open("ab") as file:
        file.write(b'{"v":1,"seq":' + b"?" * 700)
    open_journal(None, str(tmp_path)).close()
    for line in whole(tmp_path).lines:
        found = locate(RealDisk(), str(tmp_path), line.seq)
        assert found is not None
        assert found[1] == line


@pytest.mark.parametrize("seq", [1, 20, 61, 119])
def test_only_what_is_behind_the_known_position_is_delivered(tmp_path: Path, seq: int) -> None:
    filled(tmp_path, 80).close()
    lines = whole(tmp_path).lines
    seq = lines[seq - 1].last  # the end of its batch
    found: list[Recorded] = []
    journal = open_journal(None, str(tmp_path), listener=found.extend, resume=known(tmp_path, seq))
    journal.append([note("new")])
    assert [item.seq for item in found] == list(range(seq + 1, len(lines) + 2))
    assert journal.journal_id == JOURNAL
    assert whole(tmp_path).lines[:-1] == lines


def test_what_is_before_the_known_position_is_not_read(tmp_path: Path) -> None:
    journal = open_journal(None, str(tmp_path))
    for number in range(30):
        journal.append([note(f"{number}" * 4_000)])
    journal.close()
    disk = Counted()
    position = known(tmp_path, 31)
    open_journal(disk, str(tmp_path), resume=position).close()
    assert disk.count < 20_000
    disk.count = 0
    assert read(disk, str(tmp_path), boot=BOOT, since=position.position).lines == ()
    assert disk.count < 20_000


def test_a_position_that_is_not_the_journals_is_none(tmp_path: Path) -> None:
    """Another journal, another hash, an event that is not there, the middle of a batch."""
    journal = filled(tmp_path, 10)
    journal.append([note("a"), note("b")])
    lines, disk, root = whole(tmp_path).lines, RealDisk(), str(tmp_path)
    seq, sha256 = lines[-1].seq, lines[-1].sha256
    assert resume(disk, root, Claimed(journal=JOURNAL, seq=seq, sha256=sha256)) == journal.position
    assert resume(disk, root, Claimed(journal="jrn_other", seq=seq, sha256=sha256)) is None
    assert resume(disk, root, Claimed(journal=JOURNAL, seq=seq, sha256="a" * 64)) is None
    assert resume(disk, root, Claimed(journal=JOURNAL, seq=seq + 1, sha256=sha256)) is None
    assert resume(disk, root, Claimed(journal=JOURNAL, seq=seq - 1, sha256=lines[-2].sha256)) is None


def test_a_doubtful_end_is_recovered_as_always(tmp_path: Path) -> None:
    """A torn tail, and a whole batch beyond HEAD, behind the known position."""
    filled(tmp_path, 30).close()
    position = known(tmp_path, whole(tmp_path).lines[9].last)
    segment = max((tmp_path / "_journal").glob("*.jsonl"))
    with segment.open("ab") as file:
        file.write(b'{"v":1,"seq":99')
    found: list[Recorded] = []
    open_journal(None, str(tmp_path), listener=found.extend, resume=position).close()
    lines = whole(tmp_path).lines
    assert lines[-1].type == "tail_quarantined"
    assert [item.seq for item in found] == list(range(position.position.seq + 1, len(lines) + 1))


def test_a_journal_that_ends_before_the_known_position_is_refused(tmp_path: Path) -> None:
    """A clean cut together with a HEAD of that time: the position says that acknowledged events are gone."""
    journal = open_journal(None, str(tmp_path))
    journal.append([note("a")])
    head, segment = tmp_path / "_journal" / "HEAD", tmp_path / "_journal" / f"{1:020}.jsonl"
    before = head.read_bytes(), segment.read_bytes()
    journal.append([note("b")])
    position = known(tmp_path, 3)
    journal.close()
    head.write_bytes(before[0])
    segment.write_bytes(before[1])
    with pytest.raises(JournalCorrupt) as caught:
        open_journal(None, str(tmp_path), resume=position)
    assert caught.value.details["row"] == "R08"


def test_keys_used_before_are_answered(tmp_path: Path) -> None:
    """Those that came with the position, and natural ones by whoever holds the state, whose hash is looked up."""
    journal = open_journal(None, str(tmp_path))
    stored, natural = journal.append([note("a", key="k"), commit("run_1")])
    journal.append([note("later")])
    journal.close()
    answers = {"k": Answer(seq=2, sha256=stored.sha256, type="orphan_quarantined", identity=())}
    position = known(tmp_path, 4).position

    def of_run(key: str) -> Answer | None:
        run = Answer(seq=3, sha256=None, type=RunCommitted.TYPE, identity=("run_1", "a" * 64))
        return run if key == "run:run_1" else None

    again = open_journal(
        None,
        str(tmp_path),
        resume=Resume(journal_id=JOURNAL, position=position, answers=answers),
        natural=of_run,
    )
    assert again.append([note("a", key="k")]) == (stored,)
    assert again.append([commit("run_1")]) == (natural,)
    with pytest.raises(KeyConflict):
        again.append([commit("run_1", inputs_hash="e" * 64)])
    assert again.append([commit("run_2")])[0].seq == 5


@pytest.mark.parametrize("at", [1, 20, 60, 119])
def test_a_reader_goes_on_where_it_was(tmp_path: Path, at: int) -> None:
    filled(tmp_path, 80)
    lines = whole(tmp_path).lines
    position = known(tmp_path, lines[at - 1].last).position
    reading = read(RealDisk(), str(tmp_path), boot=BOOT, since=position)
    assert reading.since == position
    assert reading.lines == lines[position.seq :]
    assert reading.position == whole(tmp_path).position


def test_a_reader_goes_on_behind_a_batch_that_was_carried() -> None:
    """The segment it was in ends before it now: the power went, and the last batch is in a segment of its own."""
    disk = LyingDisk()
    disk.mkdir("/base")
    journal = open_journal(disk, "/base")
    journal.append([note("a")])
    journal.append([commit("run_1")])
    since = journal.position
    handle = disk.append("/base/_journal/" + f"{1:020}.jsonl")
    disk.write(handle, b"torn")
    disk.close(handle)
    journal = open_journal(disk, "/base")
    journal.append([note("b")])
    reading = read(disk, "/base", boot=BOOT, since=since)
    assert reading.since == since
    assert [line.seq for line in reading.lines] == [4, 5]


def test_a_reader_that_cannot_go_on_reads_everything(tmp_path: Path) -> None:
    """Another journal in the same place, or a kernel that started since: the reading says where it began."""
    filled(tmp_path, 5)
    lines = whole(tmp_path).lines
    other = Position(segment=1, offset=300, seq=2, sha256="a" * 64)
    beyond = Position(segment=1, offset=300_000, seq=1_000, sha256="a" * 64)
    for since in (other, beyond):
        reading = read(RealDisk(), str(tmp_path), boot=BOOT, since=since)
        assert (reading.since, reading.lines) == (START, lines)
    assert read(RealDisk(), str(tmp_path), boot="another", since=known(tmp_path, 1).position).since == START
