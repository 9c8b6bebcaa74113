"""A run's directory against its manifest: every way in which stored files can differ is found and named."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from buff.errors import RunDamaged
from buff.files import RealDisk
from buff.runs.directory import Piece, faults, read_manifest, seal, write_manifest, write_pieces
from buff.runs.manifest import Artifact, manifest_of

DISK = RealDisk()
PIECES = (
    Piece(name="a.json", schema="a.v1", chunks=(b"{}", b"\n")),
    Piece(name="columns/b.npy", schema="int8", chunks=(b"header", memoryview(b"rows"))),
)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    directory = tmp_path / "run"
    manifest = manifest_of(
        run_id="run",
        inputs={"engine_version": "1"},
        inputs_hash="0" * 64,
        data={"source": {}},
        artifacts=write_pieces(DISK, str(directory), PIECES),
        references=(),
    )
    write_manifest(DISK, str(directory), manifest)
    return directory, manifest


def found(directory: Path, manifest: dict[str, Any]) -> list[tuple[str, str]]:
    return [(fault.name, fault.says) for fault in faults(str(directory), manifest)]


def open_up(directory: Path) -> None:
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def test_pieces_are_written_with_their_sizes_and_hashes(tmp_path: Path) -> None:
    artifacts = write_pieces(DISK, str(tmp_path / "run"), PIECES)
    # printf '{}\n' | sha256sum; printf 'headerrows' | sha256sum
    assert artifacts == (
        Artifact(
            name="a.json",
            schema="a.v1",
            size=3,
            sha256="ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356",
        ),
        Artifact(
            name="columns/b.npy",
            schema="int8",
            size=10,
            sha256="32a418b8b429180b18f1b5c28401ba2e97e0574aa5d8d6a506c4332b7af95626",
        ),
    )
    assert (tmp_path / "run" / "columns" / "b.npy").read_bytes() == b"headerrows"


def test_what_was_written_has_no_faults_and_reads_back(written: tuple[Path, dict[str, Any]]) -> None:
    directory, manifest = written
    assert found(directory, manifest) == []
    read, data = read_manifest(DISK, str(directory), "run")
    assert read == manifest
    assert data == (directory / "manifest.json").read_bytes()
    seal(DISK, str(directory))
    assert {path.stat().st_mode & 0o222 for path in (directory, *directory.rglob("*"))} == {0}


def link(path: Path) -> None:
    twin = path.parent.parent / "twin"
    path.rename(twin)
    path.symlink_to(twin)


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("touch", "says"),
    [
        (Path.unlink, "is missing"),
        (lambda path: path.write_bytes(b"{}"), "is 2 bytes, 3 were committed"),
        (lambda path: path.write_bytes(b"[]\n"), "holds other bytes than were committed"),
        (link, "is not a regular file"),
        (fifo, "is not a regular file"),
        (replace_by_directory, "is missing"),
    ],
)
def test_every_fault_is_named(written: tuple[Path, dict[str, Any]], touch: Callable[[Path], Any], says: str) -> None:
    directory, manifest = written
    open_up(directory)
    touch(directory / "a.json")
    assert found(directory, manifest) == [("a.json", says)]


@pytest.mark.parametrize("name", ["notes.txt", "columns/c.npy", "deep/er/file", ".hidden"])
def test_a_file_that_is_not_part_of_the_run_is_a_fault(written: tuple[Path, dict[str, Any]], name: str) -> None:
    directory, manifest = written
    open_up(directory)
    (directory / name).parent.mkdir(parents=True, exist_ok=True)
    (directory / name).write_text("x")
    assert found(directory, manifest) == [(name, "is not part of the run")]


def test_a_link_to_a_directory_is_not_part_of_the_run_and_not_followed(written: tuple[Path, dict[str, Any]]) -> None:
    directory, manifest = written
    open_up(directory)
    (directory / "elsewhere").symlink_to(directory.parent)
    assert found(directory, manifest) == [("elsewhere", "is not part of the run")]


def test_faults_come_in_the_order_of_their_names(written: tuple[Path, dict[str, Any]]) -> None:
    directory, manifest = written
    open_up(directory)
    (directory / "a.json").unlink()
    (directory / "columns" / "b.npy").unlink()
    (directory / "b").write_text("x")
    assert [name for name, _ in found(directory, manifest)] == ["a.json", "b", "columns/b.npy"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read"),
        (b"", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[]\n", "is not canonical JSON"),
        (b'{"b":1,"a":2}\n', "is not canonical JSON"),
        (b'{"a":1}', "is not canonical JSON"),
        (b'{"a": 1}\n', "is not canonical JSON"),
        (b'{"a":1,"a":1}\n', "is not canonical JSON"),
        (b'{"a":1e999}\n', "is not"),
    ],
)
def test_a_manifest_that_cannot_be_one_is_damage(tmp_path: Path, content: bytes | None, says: str) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(RunDamaged, match=says) as caught:
        read_manifest(DISK, str(tmp_path), "run_x")
    assert caught.value.details == {"run_id": "run_x", "artifact": "manifest.json"}
    assert "run_x" in caught.value.hint


def test_a_file_that_cannot_be_written_leaves_no_handle_open(tmp_path: Path) -> None:
    def broken() -> Any:
        yield b"some"
        raise OSError("the disk said no")

    before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    with pytest.raises(OSError, match="the disk said no"):
        write_pieces(DISK, str(tmp_path / "run"), [Piece(name="a", schema="a", chunks=broken())])
    after = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    assert after == before
