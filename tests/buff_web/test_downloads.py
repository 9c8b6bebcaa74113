"""Artifacts are sent as they were committed, or not at all."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff import Run
from buff.cold import change
from buff.errors import ArtifactNotFound, RunDamaged
from buff_web import downloads
from buff_web.problems import Declined
from whole import opened


@pytest.fixture
def run(root: Path) -> Run:
    store = opened(root)
    found = store.run(store.runs().items[0].run_id)
    for folder in (Path(found.directory), Path(found.directory, "columns")):
        folder.chmod(0o755)
        for path in folder.iterdir():
            path.chmod(0o755 if path.is_dir() else 0o644)
    return found


def test_every_artifact_of_the_manifest_is_sent_whole(run: Run) -> None:
    for item in run.manifest["artifacts"]:
        found = downloads.download(run, item["name"])
        assert b"".join(found.chunks()) == Path(run.directory, item["name"]).read_bytes()
        assert (found.size, found.sha256) == (item["size"], item["sha256"])
    assert downloads.download(run, "columns/equity.npy").file_name == f"{run.id}.columns.equity.npy"


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "manifest.json",
        "../manifest.json",
        "columns",
        "columns/",
        "/trades.jsonl",
        "columns/../trades.jsonl",
    ],
)
def test_only_names_of_the_manifest(run: Run, name: str) -> None:
    with pytest.raises(ArtifactNotFound):
        downloads.download(run, name)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(bytes(data))


def test_other_bytes_of_the_same_size_are_never_sent_to_their_end(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _flip(Path(run.directory, "trades.jsonl"))
    with pytest.raises(RunDamaged, match="other bytes"):
        list(downloads.download(run, "trades.jsonl").chunks())
    monkeypatch.setattr(downloads, "CHUNK_BYTES", 100)
    sent = []
    with pytest.raises(RunDamaged, match="other bytes"):
        sent.extend(downloads.download(run, "trades.jsonl").chunks())
    found = downloads.download(run, "trades.jsonl")
    assert 0 < len(b"".join(sent)) < found.size


@pytest.mark.parametrize("damage", ["shorter", "absent", "link", "folder", "linked folder"])
def test_a_file_that_is_not_the_committed_one_is_damage(run: Run, damage: str, tmp_path: Path) -> None:
    path = Path(run.directory, "columns", "equity.npy")
    elsewhere = tmp_path / "elsewhere.npy"
    elsewhere.write_bytes(path.read_bytes())
    match damage:
        case "shorter":
            path.write_bytes(path.read_bytes()[:-1])
        case "linked folder":
            path.parent.rename(tmp_path / "columns")
            path.parent.symlink_to(tmp_path / "columns")
        case _:
            path.unlink()
            if damage == "link":
                path.symlink_to(elsewhere)
            elif damage == "folder":
                path.mkdir()
    with pytest.raises(RunDamaged) as caught:
        downloads.download(run, "columns/equity.npy")
    assert os.fspath(tmp_path) not in str(caught.value.as_dict())


def test_a_link_that_came_after_the_look_is_not_followed(run: Run, tmp_path: Path) -> None:
    found = downloads.download(run, "trades.jsonl")
    Path(found.path).rename(tmp_path / "trades.jsonl")
    Path(found.path).symlink_to(tmp_path / "trades.jsonl")
    with pytest.raises(RunDamaged, match="is not a regular file"):
        list(found.chunks())


# Parts -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", (0, 0)),
        ("bytes=0-99", (0, 99)),
        ("bytes=0-1000", (0, 99)),
        ("bytes=10-", (10, 99)),
        ("bytes=99-99", (99, 99)),
        ("bytes=-1", (99, 99)),
        ("bytes=-1000", (0, 99)),
        ("Bytes = 5 - 6", (5, 6)),
        ("bytes=6-5", None),
        ("bytes=-", None),
        ("bytes=", None),
        ("bytes=1", None),
        ("bytes=a-b", None),
        ("bytes=0x0-1", None),
        ("bytes=0-1,3-4", None),
        ("items=0-1", None),
        ("bytes=-1-2", None),
        ("bytes=0-9999999999999999999", None),
        ("bytes=٣-٤", None),
    ],
)
def test_one_range_is_a_part_and_anything_else_the_whole(asked: str, part: tuple[int, int] | None) -> None:
    assert downloads.asked_part(asked, 100) == part


@pytest.mark.parametrize(
    ("asked", "size"), [("bytes=100-", 100), ("bytes=100-200", 100), ("bytes=-0", 100), ("bytes=0-", 0)]
)
def test_a_range_of_which_nothing_is_there_is_refused(asked: str, size: int) -> None:
    with pytest.raises(Declined) as caught:
        downloads.asked_part(asked, size)
    assert (caught.value.status_code, caught.value.headers) == (416, {"content-range": f"bytes */{size}"})


@given(first=st.integers(0, 60_000), length=st.integers(1, 60_000), pieces=st.integers(1, 5_000))
def test_a_part_is_the_bytes_at_its_place(
    part_of: tuple[downloads.Download, bytes], first: int, length: int, pieces: int
) -> None:
    """Invariants checked: for any place and size of pieces, a part is that slice of the file."""
    found, data = part_of
    first = first % len(data)
    last = min(first + length, len(data)) - 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(downloads, "CHUNK_BYTES", pieces)
        assert b"".join(found.part(first, last)) == data[first : last + 1]


@pytest.fixture(scope="module")
def part_of(_made: Path) -> tuple[downloads.Download, bytes]:
    store = opened(_made)
    found = downloads.download(store.run(store.runs().items[0].run_id), "decision_records.jsonl")
    return found, Path(found.path).read_bytes()


def test_no_part_of_other_bytes_is_sent(run: Run) -> None:
    found = downloads.download(run, "trades.jsonl")
    assert len(b"".join(found.part(0, 9))) == 10
    _flip(Path(run.directory, "trades.jsonl"))
    with pytest.raises(RunDamaged, match="other bytes"):
        next(found.part(0, 9))


def test_a_file_is_hashed_once_for_all_its_parts(run: Run) -> None:
    found, read = downloads.download(run, "trades.jsonl"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashlib, "file_digest", lambda *what, of=hashlib.file_digest: read.append(what) or of(*what))
        for first in range(5):
            list(found.part(first, first))
    assert len(read) == 1


def test_a_file_that_changes_while_a_part_is_sent_is_cut_short(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "CHUNK_BYTES", 10)
    found = downloads.download(run, "trades.jsonl")
    pieces = found.part(0, 99)
    assert len(next(pieces)) == 10
    _flip(Path(run.directory, "trades.jsonl"))
    with pytest.raises(RunDamaged, match="changed while it was read"):
        list(pieces)


def test_a_file_that_took_its_place_is_not_taken_for_it(run: Run, tmp_path: Path) -> None:
    found = downloads.download(run, "trades.jsonl")
    path = Path(found.path)
    assert len(b"".join(found.part(0, 9))) == 10
    path.rename(tmp_path / "away")
    path.write_bytes((tmp_path / "away").read_bytes())
    _flip(path)
    with pytest.raises(RunDamaged, match="other bytes"):
        next(found.part(0, 9))


def test_a_part_goes_on_when_its_file_has_lost_its_name(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "CHUNK_BYTES", 10)
    found = downloads.download(run, "trades.jsonl")
    data = Path(found.path).read_bytes()
    pieces = found.part(0, 99)
    first = next(pieces)
    Path(found.path).unlink()
    assert first + b"".join(pieces) == data[:100]


# Compressed --------------------------------------------------------------------------------------------------------


def test_compressed_records_are_sent_as_they_were_committed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole and in parts, also when they are compressed while a part is sent, and never when they are damaged."""
    monkeypatch.setattr(downloads, "CHUNK_BYTES", 1_000)
    name = "decision_records.jsonl"
    with opened(root) as store:
        found = downloads.download(store.run(store.runs().items[0].run_id), name)
        data = Path(found.path).read_bytes()
        pieces = found.part(100, 5_000)
        first = next(pieces)
        change(store)
        assert not Path(found.path).exists()
        assert first + b"".join(pieces) == data[100:5_001]
    found.check_file()
    assert b"".join(found.chunks()) == data
    for begin, end in ((0, 0), (1_500, 4_000), (len(data) - 5, len(data) - 1)):
        assert b"".join(found.part(begin, end)) == data[begin : end + 1]
    packed = Path(f"{found.path}.gz")
    packed.chmod(0o644)
    bad = bytearray(packed.read_bytes())
    bad[100] ^= 1
    packed.write_bytes(bytes(bad))
    for read in (found.chunks, lambda: found.part(0, 9)):
        with pytest.raises(RunDamaged, match="cannot be read"):
            list(read())
