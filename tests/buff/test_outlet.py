"""Outlet: whole files and folders at the path that was named, or what was there before."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from buff.errors import ArtifactsWriteFailed, RunConfigInvalid, StorageFull
from buff.files import RealDisk
from buff.outlet import Fill, Write, publish, publish_folder


def writing(*pieces: bytes) -> Fill:
    """Return what writes these pieces."""

    def fill(write: Write) -> None:
        for piece in pieces:
            write(piece)

    return fill


def broken(write: Write) -> None:
    write(b"half")
    raise RuntimeError("a bug in what writes")


class Failing(RealDisk):
    """A disk on which one operation fails with an error of the kernel, from its n-th call on."""

    def __init__(self, name: str, number: int, calls: int = 1) -> None:
        """Remember what fails."""

        def fail(*arguments: Any) -> Any:
            nonlocal calls
            calls -= 1
            if calls <= 0:
                raise OSError(number, os.strerror(number))
            return working(*arguments)

        working: Callable[..., Any] = getattr(super(), name)
        setattr(self, name, fail)


def test_a_file_and_a_folder_are_there_whole(tmp_path: Path) -> None:
    publish(RealDisk(), str(tmp_path / "a.txt"), writing(b"one ", b"two"), token="t", force=False)
    fills = {"x": writing(b"1"), "y": writing(b"2")}
    publish_folder(RealDisk(), str(tmp_path / "folder"), fills, token="t", force=False)
    assert (tmp_path / "a.txt").read_bytes() == b"one two"
    assert {path.name: path.read_bytes() for path in (tmp_path / "folder").iterdir()} == {"x": b"1", "y": b"2"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "folder"]


def test_what_is_there_is_replaced_only_if_asked(tmp_path: Path) -> None:
    out, folder = tmp_path / "a", tmp_path / "f"
    out.write_text("old")
    folder.mkdir()
    (folder / "x").write_text("old")
    (folder / "mine").write_text("kept")
    with pytest.raises(RunConfigInvalid, match="exists already"):
        publish(RealDisk(), str(out), writing(b"new"), token="t", force=False)
    with pytest.raises(RunConfigInvalid, match="exists already"):
        publish_folder(RealDisk(), str(folder), {"x": writing(b"new")}, token="t", force=False)
    assert (out.read_text(), (folder / "x").read_text()) == ("old", "old")
    publish(RealDisk(), str(out), writing(b"new"), token="t", force=True)
    publish_folder(RealDisk(), str(folder), {"x": writing(b"new")}, token="t", force=True)
    assert (out.read_text(), (folder / "x").read_text(), (folder / "mine").read_text()) == ("new", "new", "kept")


def test_a_file_is_no_folder_and_a_folder_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RunConfigInvalid, match="is a directory"):
        publish(RealDisk(), str(tmp_path / "folder"), writing(b""), token="t", force=True)
    with pytest.raises(RunConfigInvalid, match="is a file"):
        publish_folder(RealDisk(), str(tmp_path / "file"), {}, token="t", force=True)


def test_a_bug_in_what_writes_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        publish(RealDisk(), str(tmp_path / "a"), broken, token="t", force=False)
    with pytest.raises(RuntimeError):
        publish_folder(RealDisk(), str(tmp_path / "f"), {"x": writing(b"1"), "y": broken}, token="t", force=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["create", "write", "sync", "rename"])
@pytest.mark.parametrize(("number", "kind"), [(28, StorageFull), (5, ArtifactsWriteFailed)])
def test_a_disk_that_fails_leaves_nothing_and_is_said(tmp_path: Path, name: str, number: int, kind: type) -> None:
    with pytest.raises(kind, match="could not be written"):
        publish(Failing(name, number), str(tmp_path / "a"), writing(b"1"), token="t", force=False)
    fills = {"x": writing(b"1"), "y": writing(b"2")}
    for calls in (1, 2) if name != "rename" else (1,):
        with pytest.raises(kind, match="could not be written"):
            publish_folder(Failing(name, number, calls), str(tmp_path / "f"), fills, token="t", force=False)
    assert list(tmp_path.iterdir()) == []


def test_what_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "a"

    def fill(write: Write) -> None:
        write(b"mine")
        out.write_text("theirs")

    with pytest.raises(RunConfigInvalid, match="exists already"):
        publish(RealDisk(), str(out), fill, token="t", force=False)
    assert out.read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_names_are_synced_before_and_after_they_are_given(tmp_path: Path) -> None:
    """A crash at any point leaves the old or the new: bytes before the rename, the names inside too, then the name."""
    done: list[str] = []

    class Watched(RealDisk):
        def sync(self, handle: int) -> None:
            done.append("sync")
            super().sync(handle)

        def rename(self, source: str, target: str) -> None:
            done.append("rename")
            super().rename(source, target)

        def sync_directory(self, path: str) -> None:
            done.append(f"directory {'inside' if path.endswith('.tmp') else 'beside'}")
            super().sync_directory(path)

    publish(Watched(), str(tmp_path / "a"), writing(b"1"), token="t", force=False)
    assert done == ["sync", "rename", "directory beside"]
    done.clear()
    publish_folder(Watched(), str(tmp_path / "f"), {"x": writing(b"1"), "y": writing(b"2")}, token="t", force=False)
    assert done == ["sync", "sync", "directory inside", "rename", "directory beside"]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EACCES, "check the permissions of"),
        (errno.EROFS, "check the permissions of"),
        (errno.ENOENT, "make the directory"),
        (errno.ENOTDIR, "name a file in a directory"),
        (errno.ENOSPC, "free some space"),
    ],
)
def test_the_hint_is_for_what_was_wrong(tmp_path: Path, number: int, remedy: str) -> None:
    with pytest.raises((ArtifactsWriteFailed, StorageFull)) as caught:
        publish(Failing("create", number), str(tmp_path / "a"), writing(b"1"), token="t", force=False)
    assert caught.value.hint.startswith(remedy)
    assert caught.value.hint.endswith(", or choose another place; what was there is as it was")
