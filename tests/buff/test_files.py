"""The real disk: whole writes, locks between handles, and nothing followed that is not ours."""

import os
from pathlib import Path
from typing import Any

import pytest

from buff.files import RealDisk, read_chunks, remove_tree, replace_file, write_file
from lying_disk import LyingDisk
from watched_disk import WatchedDisk

DISK = RealDisk()


def test_parts_of_a_file_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    assert DISK.read(str(path)) == b"0123456789"
    assert DISK.read(str(path), 3) == b"3456789"
    assert DISK.read(str(path), 3, 4) == b"3456"
    assert DISK.read(str(path), 8, 100) == b"89"
    assert DISK.read(str(path), 20) == b""
    assert DISK.size(str(path)) == 10


def test_a_new_file_takes_the_place_of_a_leftover_of_its_name(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("kept")
    (tmp_path / "file").symlink_to(elsewhere)
    assert write_file(DISK, str(tmp_path / "file"), (b"one", memoryview(b"two")), mode=0o444) == 6
    assert (tmp_path / "file").read_bytes() == b"onetwo"
    assert not (tmp_path / "file").is_symlink()
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o444
    assert elsewhere.read_text() == "kept"


def test_a_file_is_replaced_whole_and_durably(tmp_path: Path) -> None:
    trace: list[tuple[str, str]] = []
    disk = WatchedDisk(str(tmp_path), lambda what, path: trace.append((what, path)))
    (tmp_path / "file").write_text("old")
    replace_file(disk, str(tmp_path / ".temporary"), str(tmp_path / "file"), (b"new",))
    assert (tmp_path / "file").read_bytes() == b"new"
    assert [step for step in trace if step[0] != "unlink"] == [
        ("create", ".temporary"),
        ("write", ".temporary"),
        ("sync", ".temporary"),
        ("rename", ".temporary -> file"),
        ("sync_directory", "."),
    ]


def test_a_write_that_is_cut_short_goes_on(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    os.set_blocking(theirs, True)
    data = os.urandom(60_000)
    DISK.write(theirs, memoryview(data))
    assert os.read(ours, 65_536) == data
    os.close(ours)
    os.close(theirs)


def test_bytes_are_written_at_an_offset_and_cut(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    handle = DISK.update(str(path))
    DISK.write_at(handle, b"abc", 4)
    DISK.truncate(handle, 8)
    assert DISK.length(handle) == 8
    assert DISK.identity_of(handle) == DISK.identity(str(path))
    DISK.sync(handle)
    DISK.close(handle)
    handle = DISK.append(str(path))
    DISK.write(handle, b"end")
    DISK.close(handle)
    assert path.read_bytes() == b"0123abc7end"


@pytest.mark.parametrize("kind", [RealDisk, LyingDisk])
def test_whether_a_lock_is_held_is_seen_without_touching_it(tmp_path: Path, kind: type[Any]) -> None:
    disk, path = kind(), str(tmp_path / "lock") if kind is RealDisk else "/lock"
    assert not disk.locked(path)
    assert not disk.exists(path), "looking makes nothing"
    mine, other = disk.open_lock(path), disk.open_lock(path)
    assert not disk.locked(path)
    assert disk.try_lock(mine)
    assert disk.locked(path)
    disk.unlock(mine)
    assert disk.try_lock(other, shared=True)
    assert not disk.locked(path), "who only looks holds nobody up"
    disk.unlock(other)
    assert disk.try_lock(mine)
    disk.chmod(path, 0o444)
    assert disk.locked(path)
    disk.close(mine)
    assert not disk.locked(path)
    disk.close(other)


def test_a_lock_is_held_by_one_handle_and_shared_by_readers(tmp_path: Path) -> None:
    first, second = (DISK.open_lock(str(tmp_path / "lock")) for _ in range(2))
    assert DISK.try_lock(first)
    assert not DISK.try_lock(second)
    assert not DISK.try_lock(second, shared=True)
    DISK.unlock(first)
    assert DISK.try_lock(first, shared=True)
    assert DISK.try_lock(second, shared=True)
    assert not DISK.try_lock(second)
    DISK.close(first)
    assert DISK.try_lock(second)
    DISK.close(second)


def test_a_tree_is_removed_and_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("kept")
    tree = tmp_path / "tree"
    (tree / "deep" / "er").mkdir(parents=True)
    (tree / "deep" / "file").write_text("x")
    (tree / "link").symlink_to(outside)
    (tree / "dangling").symlink_to(tmp_path / "nowhere")
    (tree / "deep").chmod(0o555)
    tree.chmod(0o555)
    remove_tree(DISK, str(tree))
    assert not tree.exists()
    assert (outside / "file").read_text() == "kept"


def test_names_are_seen_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a").symlink_to("nowhere")
    (tmp_path / "c").symlink_to("b")
    assert DISK.names(str(tmp_path)) == ("a", "b", "c")
    assert DISK.exists(str(tmp_path / "a"))
    assert not DISK.exists(str(tmp_path / "d"))
    directories: list[Any] = [DISK.is_directory(str(tmp_path / name)) for name in "abcd"]
    assert directories == [False, True, False, False]


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_a_users_file_is_read_in_chunks(tmp_path: Path, size: int) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    assert b"".join(read_chunks(str(tmp_path / "file"), size)) == b"0123456789"


def test_the_systems_errors_come_through(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        DISK.rmdir(str(tmp_path / "nowhere"))
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        DISK.names(str(tmp_path / "file"))
