"""Artifacts are sent as they were committed, or not at all."""

import os
from pathlib import Path

import pytest

from buff import Run
from buff.errors import ArtifactNotFound, RunDamaged
from buff_web import downloads
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
