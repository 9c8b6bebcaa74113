"""Opening from a snapshot: what index.json holds is not read again, and it is never trusted over the journal."""

import itertools
import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from buff import store as stores
from buff.errors import KeyConflict
from buff.files import RealDisk
from buff.journal.events import OrphanQuarantined
from buff.journal.line import seal
from buff.journal.reader import read
from buff.journal.record import Entry
from buff.registry.index import index_bytes
from buff.registry.projection import KEYS_MAX, project
from buff.registry.state import RegistryState
from buff.space import tree_bytes
from buff.store import Store, checkpoint_name, thinned
from histories import recorded
from journals import commit
from whole import host

MANY = stores.SNAPSHOT_EVENTS_MIN


class Counted(RealDisk):
    """A disk that counts the bytes of segments it reads."""

    def __init__(self) -> None:
        self.count = 0

    def read(self, path: str, start: int = 0, size: int | None = None) -> bytes:
        data = super().read(path, start, size)
        self.count += len(data) if path.endswith(".jsonl") else 0
        return data


def opened(root: Path, disk: RealDisk | None = None, **options: int) -> Store:
    return Store(str(root), host=host(), disk=disk, **options)


def orphan(name: str) -> OrphanQuarantined:
    return OrphanQuarantined(name=name, reason="a test", identical=False)


def grow(root: Path, count: int, **options: int) -> None:
    """Append `count` events, runs among them, and write the index."""
    with opened(root, **options) as store:
        for begin in range(0, count, 500):
            group = [Entry(event=orphan(f"o{at}")) for at in range(begin, min(begin + 500, count) - 1)]
            store.journal().append([*group, commit(f"run_{begin:06}")])


def truth(root: Path, seq: int | None = None) -> RegistryState:
    """Return the state as the whole journal gives it."""
    events = list(read(RealDisk(), str(root), boot=host().boot).events)
    return project(events if seq is None else events[:seq])


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("grown")
    grow(root, MANY + 100)
    return root


@pytest.fixture
def root(grown: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(grown, tmp_path / "root"))


def test_a_long_journal_is_opened_from_its_index(root: Path) -> None:
    """A reader and a writer read a few small pieces of a journal of 1.5 MB, and know all of it."""
    disk = Counted()
    store = opened(root, disk)
    assert store.state == truth(root)
    assert disk.count < 100_000
    with opened(root, disk) as writer:
        disk.count = 0
        writer.record(orphan("new"))
        assert disk.count < 300_000
        assert writer.state == truth(root)
    assert store.state == truth(root)
    assert (root / "index.json").read_bytes() == index_bytes(truth(root))


def test_a_short_journal_is_verified_in_full(tmp_path: Path) -> None:
    grow(tmp_path, 100)
    disk = Counted()
    segment = tmp_path / "_journal" / f"{1:020}.jsonl"
    assert opened(tmp_path, disk).state == truth(tmp_path)
    assert disk.count >= segment.stat().st_size


def test_a_reader_follows_a_writer_without_reading_again(root: Path) -> None:
    disk = Counted()
    store = opened(root, disk)
    assert store.state.seq >= MANY
    with opened(root) as writer:
        for name in "abc":
            disk.count = 0
            writer.record(orphan(name))
            assert store.state.orphans[-1] == name
            assert disk.count < 2_000


@pytest.mark.parametrize("member", ["head_sha256", "journal", "projector", "seq"])
def test_an_index_that_disagrees_is_not_used(root: Path, member: str) -> None:
    """Whole and sealed, of another history, another journal, another Buff, another event: the journal is read."""
    other = {"head_sha256": "a" * 64, "journal": "jrn_other", "projector": 0, "seq": MANY}[member]
    changed = json.loads((root / "index.json").read_bytes()) | {member: other, "orphans": []}
    del changed["sha256"]
    (root / "index.json").write_bytes(seal(json.dumps(changed, separators=(",", ":")).encode()))
    assert opened(root).state == truth(root)


def commits(root: Path, *names: str) -> None:
    with opened(root) as store:
        store.journal().append([commit(name) for name in names])


def test_a_larger_root_leaves_its_index_behind_for_longer(tmp_path: Path) -> None:
    """Writing it costs what its runs cost, so a commit may not ask for it each time; nobody misses what it lacks."""
    commits(tmp_path, *(f"run_{at:03}" for at in range(250)))
    before = (tmp_path / "index.json").read_bytes()
    for number in (1, 2):
        commits(tmp_path, f"more_{number}")
        assert (tmp_path / "index.json").read_bytes() == before
        assert opened(tmp_path).state == truth(tmp_path)
    commits(tmp_path, "more_3")
    assert (tmp_path / "index.json").read_bytes() == index_bytes(truth(tmp_path)) != before


@pytest.mark.parametrize("junk", [b"", b"{}", seal(b'{"journal":"jrn_other","seq":9,"head_sha256":"x"}')])
def test_an_index_nobody_can_use_is_written_anew_however_little_it_lags(tmp_path: Path, junk: bytes) -> None:
    commits(tmp_path, *(f"run_{at:03}" for at in range(250)))
    (tmp_path / "index.json").write_bytes(junk)
    commits(tmp_path, "more")
    assert (tmp_path / "index.json").read_bytes() == index_bytes(truth(tmp_path))


class Named(RealDisk):
    """A disk that knows how many bytes of each file it read."""

    def __init__(self) -> None:
        self.count = Counter[str]()

    def read(self, path: str, start: int = 0, size: int | None = None) -> bytes:
        data = super().read(path, start, size)
        self.count[Path(path).name] += len(data)
        return data


def test_a_store_reads_its_index_once(root: Path) -> None:
    """To look, to open the journal, and to say at the end whether it is to be written: it may have 100 megabytes."""
    disk, size = Named(), (root / "index.json").stat().st_size
    with opened(root, disk) as store:
        assert store.state.seq >= MANY
        store.record(orphan("new"))
        store.write_index()
        store.record(orphan("newer"))
    lines = sum(map(len, re.findall(rb"\n\[\[.*\]\]", (root / "index.json").read_bytes())))
    assert 0 < lines < size / 4, "the details of runs, which are copied when it is written"
    assert disk.count["index.json"] <= size + 2 * lines
    assert (root / "index.json").read_bytes() == index_bytes(truth(root))


def test_a_writer_goes_on_from_what_was_read(root: Path) -> None:
    """Whoever looked at a long journal without an index that can be used does not read all of it again to write."""
    (root / "index.json").unlink()
    disk = Counted()
    with opened(root, disk) as store:
        assert store.state == truth(root)
        disk.count = 0
        store.record(orphan("new"))
        assert disk.count < 300_000
        assert store.state == truth(root)
    assert (root / "index.json").read_bytes() == index_bytes(truth(root))


def test_large_batches_are_read_little_more_than_once(tmp_path: Path) -> None:
    """Their first lines say how much of them is to come."""
    with opened(tmp_path) as store:
        for part in range(3):
            store.record(*(orphan(f"{part}.{at}." + 1_000 * "x") for at in range(500)))
    size, disk = (tmp_path / "_journal" / f"{1:020}.jsonl").stat().st_size, Counted()
    assert opened(tmp_path, disk).state == truth(tmp_path)
    assert size > 1_500_000
    assert disk.count < 1.5 * size


def test_what_runs_answer_by_themselves_is_not_kept_twice(tmp_path: Path) -> None:
    """A process that commits for months must not hold a key and an answer for each run, beside the run."""
    with opened(tmp_path) as store:
        journal = store.journal()
        (first,) = journal.append([commit("run_a")])
        store.record(orphan("o"))
        journal.append([Entry(event=orphan("named"), key="once")])
        assert list(journal._answers) == ["once"]
        assert journal.append([commit("run_a")]) == (first,)


def test_a_commit_before_the_snapshot_is_answered_by_the_run(root: Path) -> None:
    with opened(root) as store:
        receipt = store.journal().append([commit("run_000000")])[0]
        assert receipt.seq == truth(root).runs["run_000000"].seq
        with pytest.raises(KeyConflict):
            store.journal().append([commit("run_000000", inputs_hash="e" * 64)])


def test_other_keys_before_the_snapshot_are_answered_by_the_index(root: Path) -> None:
    with opened(root) as store:
        first = store.journal().append([Entry(event=orphan("named"), key="once")])
    with opened(root) as store:
        assert store.journal().append([Entry(event=orphan("named"), key="once")]) == first
        with pytest.raises(KeyConflict):
            store.journal().append([Entry(event=commit("run_x").event, key="once")])


def test_the_latest_keys_are_kept() -> None:
    items = [recorded(seq, orphan(f"o{seq}")) for seq in range(1, KEYS_MAX + 11)]
    keyed = [evolve(item, key=f"k{item.seq}") for item in items]
    state = project(keyed)
    assert list(state.keys) == [f"k{seq}" for seq in range(11, KEYS_MAX + 11)]


def test_a_rotation_leaves_a_checkpoint_and_the_past_is_folded_from_it(tmp_path: Path) -> None:
    """`as_of` reads at most one segment; without a checkpoint, or with a damaged one, it says the same."""
    with opened(tmp_path, segment_bytes_max=100_000) as store:
        for number in range(40):
            store.record(*(orphan(f"{number}.{part}") for part in range(50)))
    folder = tmp_path / "_journal" / "checkpoints"
    names = sorted(path.name for path in folder.iterdir())
    firsts = sorted(path.name for path in (tmp_path / "_journal").glob("*.jsonl"))[1:]
    assert names == [first.replace("jsonl", "json") for first in firsts]
    assert len(names) > 3
    last = truth(tmp_path).seq
    disk = Counted()
    for seq in (1, last // 2, last - 20, int(names[1][:20]), int(names[1][:20]) - 1, last):
        store = opened(tmp_path, disk)
        assert store.state.seq == last
        disk.count = 0
        assert store.as_of(seq) == truth(tmp_path, seq)
        assert disk.count < 250_000, "one segment, and the probes"
    (folder / names[0]).write_bytes(b"{}")
    (folder / names[1]).unlink()
    for seq in range(1, last, 301):
        assert opened(tmp_path).as_of(seq) == truth(tmp_path, seq)
    assert json.loads((folder / names[2]).read_bytes())["seq"] == int(names[2][:20])


def test_a_writer_that_reads_all_leaves_every_checkpoint_that_is_missing(tmp_path: Path) -> None:
    """Segments were begun one after the other, a process died, or another Buff wrote what is there."""
    folder = tmp_path / "_journal" / "checkpoints"
    with opened(tmp_path, segment_bytes_max=40_000) as store:
        for number in range(10):
            store.journal().append([Entry(event=orphan(f"{number}.{part}")) for part in range(50)])
        assert not folder.exists()
    firsts = sorted(path.name.replace("jsonl", "json") for path in (tmp_path / "_journal").glob("*.jsonl"))[1:]
    told = {name: (folder / name).read_bytes() for name in firsts}
    assert len(told) > 2
    assert all(data == index_bytes(truth(tmp_path, int(name[:20]))) for name, data in told.items())
    (folder / firsts[0]).write_bytes(b'{"schema":"index.v3"}')
    (folder / firsts[1]).unlink()
    untouched = (folder / firsts[2]).stat().st_ino
    (tmp_path / "index.json").unlink()
    with opened(tmp_path) as store:
        store.record(orphan("new"))
    assert {name: (folder / name).read_bytes() for name in firsts} == told
    assert (folder / firsts[2]).stat().st_ino == untouched


def test_without_an_index_a_root_is_opened_from_its_last_checkpoint(tmp_path: Path) -> None:
    """Somebody removed it, or the process that was to write it died after a long time: one segment is read, not all."""
    grow(tmp_path, MANY + 100, segment_bytes_max=200_000)
    (tmp_path / "index.json").unlink()
    segments = sum(path.stat().st_size for path in (tmp_path / "_journal").glob("*.jsonl"))
    disk = Counted()
    assert opened(tmp_path, disk).state == truth(tmp_path)
    assert disk.count < 400_000 < segments / 3
    with opened(tmp_path, disk) as store:
        disk.count = 0
        store.record(orphan("new"))
        assert store.state == truth(tmp_path)
    assert disk.count < 600_000
    for path in (tmp_path / "_journal" / "checkpoints").iterdir():
        path.write_bytes(b"{}")
    (tmp_path / "index.json").unlink()
    assert opened(tmp_path).state == truth(tmp_path)


def test_a_state_that_the_plain_encoder_would_write_otherwise(tmp_path: Path) -> None:
    """Names beyond ASCII: the index is canonical all the same."""
    with opened(tmp_path) as store:
        store.record(orphan("première 😀"))
    data = (tmp_path / "index.json").read_bytes()
    assert data == index_bytes(truth(tmp_path))
    assert b"premi\\u00e8re \\ud83d\\ude00" in data


def test_checkpoints_are_thinned_beyond_a_size_and_the_past_stays_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buff.store.CHECKPOINTS_BYTES_MAX", 60_000)
    folder = tmp_path / "_journal" / "checkpoints"
    with opened(tmp_path, segment_bytes_max=20_000) as store:
        for number in range(60):
            store.record(*(orphan(f"{number}.{part}") for part in range(20)))
            if folder.is_dir():
                assert len(list(folder.iterdir())) == 1 or tree_bytes(str(folder)) <= 60_000
    firsts = sorted(int(path.name[:20]) for path in (tmp_path / "_journal").glob("*.jsonl"))[1:]
    kept = sorted(int(path.name[:20]) for path in folder.iterdir())
    assert len(kept) < len(firsts)
    assert set(kept) <= set(firsts)
    assert kept[-1] == firsts[-1], "the newest stays"
    for seq in (1, kept[0] - 1, kept[0], firsts[-1] - 1, firsts[-1]):
        assert opened(tmp_path).as_of(seq) == truth(tmp_path, seq)


@given(st.lists(st.integers(1, 10_000), unique=True, max_size=40), st.integers(0, 4_000))
def test_thinning_keeps_the_newest_and_leaves_gaps_that_grow_with_age(seqs: list[int], most: int) -> None:
    """Invariants checked: what stays fits, or is the newest alone; nothing goes without need; strangers stay."""
    sizes = {**{checkpoint_name(seq): 100 for seq in seqs}, "notes.txt": 1_000}
    gone = thinned(sizes, most)
    left = sorted(set(sizes) - set(gone) - {"notes.txt"})
    assert set(gone) <= {checkpoint_name(seq) for seq in seqs}
    assert len(left) == min(len(seqs), max(most // 100, 1))
    assert not seqs or left[-1] == checkpoint_name(max(seqs))


def test_thinning_is_geometric() -> None:
    """Of a thousand checkpoints ten stay: the distances from the newest double, and no past is far from one."""
    left, newest = set(range(1, 1_001)), 1_000
    gone = thinned({checkpoint_name(seq): 1 for seq in left}, 10)
    left -= {int(name[:20]) for name in gone}
    ages = sorted(newest - seq for seq in left)[1:]
    assert len(left) == 10
    assert all(older <= 4 * younger for younger, older in itertools.pairwise(ages)), ages
