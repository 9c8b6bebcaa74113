"""Artifacts are sent as they were committed, or not at all."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff import Run
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
    with pytest.raises(RunDamaged, match="cannot be read"):
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
    found = downloads.download(run, "trades.jsonl")
    before = downloads._sha256.cache_info()
    for first in range(5):
        list(found.part(first, first))
    after = downloads._sha256.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == (1, 4)


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
    with path.open("rb") as file:
        identity = downloads._identity(file)
    path.rename(tmp_path / "away")
    path.write_bytes((tmp_path / "away").read_bytes())
    with pytest.raises(FileNotFoundError):
        downloads._sha256(found.path, identity)
