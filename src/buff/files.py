"""The one door to the disk: every byte Buff writes, syncs, renames or locks goes through a `Disk`.

Paths and bytes go in; durable bytes come out, or the OSError the system gave. Nobody else calls `os.fsync`. Code that
must survive a crash takes a `Disk` as an argument, so that tests can pass one that loses what was not synced.
This module knows nothing of journals and runs.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from io import RawIOBase
from typing import IO, Protocol, TypeAlias

from buff.errors import ArtifactsWriteFailed, StorageError, StorageFull

Identity: TypeAlias = tuple[int, ...]  # device, inode, size, times of the last change of bytes and of anything

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

WINDOWS = sys.platform == "win32"
NO_SPACE = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})

# Asking for access is half the price of asking for the facts of a name that is not there. Where the system cannot look
# at a link itself it says no to everything, the root too.
_ACCESS = os.access in os.supports_follow_symlinks and os.access(os.sep, os.F_OK, follow_symlinks=False)
_LOCK = "lock"
_CLOEXEC = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)


class Disk(Protocol):
    """What Buff asks of a file system. Handles are plain integers; every method raises OSError when the system does."""

    def read(self, path: str, start: int = 0, size: int | None = None) -> bytes:
        """Return up to `size` bytes (all when None) from offset `start`."""
        ...

    def size(self, path: str) -> int:
        """Return the size of a file in bytes."""
        ...

    def exists(self, path: str) -> bool:
        """Say whether the name exists, even as a dangling link (lexists)."""
        ...

    def is_directory(self, path: str) -> bool:
        """Say whether the name is a real directory, not a link to one."""
        ...

    def names(self, path: str) -> tuple[str, ...]:
        """Return the names in a directory, sorted."""
        ...

    def identity(self, path: str) -> tuple[int, int]:
        """Return (device, inode) of a path."""
        ...

    def free_bytes(self, path: str) -> int:
        """Return how many bytes this user may still write on the file system of a path."""
        ...

    def mkdir(self, path: str) -> None:
        """Make one directory; its parent must exist."""
        ...

    def rename(self, source: str, target: str) -> None:
        """Rename a file or directory, replacing a file of that name."""
        ...

    def unlink(self, path: str) -> None:
        """Remove a file's name."""
        ...

    def rmdir(self, path: str) -> None:
        """Remove an empty directory."""
        ...

    def chmod(self, path: str, mode: int) -> None:
        """Set the permission bits of a file or directory."""
        ...

    def sync_directory(self, path: str) -> None:
        """Make the names in a directory durable."""
        ...

    def create(self, path: str) -> int:
        """Open a new, empty file for writing; whatever had that name is gone."""
        ...

    def append(self, path: str) -> int:
        """Open an existing file so that every write lands at its end."""
        ...

    def update(self, path: str) -> int:
        """Open an existing file for writing in place."""
        ...

    def write(self, handle: int, data: bytes | memoryview) -> None:
        """Write all of `data`, however many calls that takes."""
        ...

    def write_at(self, handle: int, data: bytes, offset: int) -> None:
        """Write all of `data` at an offset."""
        ...

    def read_at(self, handle: int, size: int, offset: int) -> bytes:
        """Return up to `size` bytes of an open file from an offset."""
        ...

    def length(self, handle: int) -> int:
        """Return the size of an open file in bytes."""
        ...

    def identity_of(self, handle: int) -> tuple[int, int]:
        """Return (device, inode) of an open file, whatever its name is by now."""
        ...

    def truncate(self, handle: int, size: int) -> None:
        """Cut an open file to `size` bytes."""
        ...

    def sync(self, handle: int) -> None:
        """Make the content of an open file durable, or raise."""
        ...

    def close(self, handle: int) -> None:
        """Close a handle."""
        ...

    def open_lock(self, path: str) -> int:
        """Open (or make) a lock file, which is never unlinked."""
        ...

    def try_lock(self, handle: int, *, shared: bool = False) -> bool:
        """Take an OS lock on an open lock file without waiting; say whether it was got."""
        ...

    def unlock(self, handle: int) -> None:
        """Give the lock back."""
        ...

    def locked(self, path: str) -> bool:
        """Say whether anybody holds the lock of a lock file alone; nobody does when there is no such file."""
        ...


class RealDisk:
    """The disk of this machine, by plain system calls: POSIX, with a Windows branch where they differ."""

    def read(self, path: str, start: int = 0, size: int | None = None) -> bytes:
        """Return up to `size` bytes (all when None) from offset `start`."""
        handle = os.open(path, os.O_RDONLY | _CLOEXEC)
        try:
            wanted = max(os.fstat(handle).st_size - start, 0) if size is None else size
            os.lseek(handle, start, os.SEEK_SET)
            parts = []
            while wanted > 0:
                part = os.read(handle, min(wanted, 1 << 30))  # no system takes more than 2 GiB
                if not part:
                    break
                parts.append(part)
                wanted -= len(part)
            return parts[0] if len(parts) == 1 else b"".join(parts)
        finally:
            os.close(handle)

    def size(self, path: str) -> int:
        """Return the size of a file in bytes."""
        return os.stat(path).st_size

    def exists(self, path: str) -> bool:
        """Say whether the name exists, even as a dangling link."""
        return os.access(path, os.F_OK, follow_symlinks=False) if _ACCESS else os.path.lexists(path)

    def is_directory(self, path: str) -> bool:
        """Say whether the name is a real directory, not a link to one."""
        try:
            return stat.S_ISDIR(os.lstat(path).st_mode)
        except FileNotFoundError:
            return False

    def names(self, path: str) -> tuple[str, ...]:
        """Return the names in a directory, sorted."""
        return tuple(sorted(os.listdir(path)))

    def identity(self, path: str) -> tuple[int, int]:
        """Return (device, inode) of a path."""
        found = os.stat(path)
        return found.st_dev, found.st_ino

    def free_bytes(self, path: str) -> int:
        """Return how many bytes this user may still write on the file system of a path."""
        return shutil.disk_usage(path).free

    def mkdir(self, path: str) -> None:
        """Make one directory; its parent must exist."""
        os.mkdir(path)

    def rename(self, source: str, target: str) -> None:
        """Rename a file or directory, replacing a file of that name."""
        os.replace(source, target)  # noqa: TID251 - its one home

    def unlink(self, path: str) -> None:
        """Remove a file's name."""
        if WINDOWS:
            os.chmod(path, stat.S_IWRITE)  # a read-only file cannot be removed there
        os.unlink(path)

    def rmdir(self, path: str) -> None:
        """Remove an empty directory."""
        os.rmdir(path)

    def chmod(self, path: str, mode: int) -> None:
        """Set the permission bits of a file or directory."""
        if WINDOWS and os.path.isdir(path):
            return  # directories have no such bits there
        os.chmod(path, mode)

    def sync_directory(self, path: str) -> None:
        """Make the names in a directory durable. Windows has no such call: NTFS journals names by itself."""
        if WINDOWS:
            return
        handle = os.open(path, os.O_RDONLY | _CLOEXEC)
        try:
            os.fsync(handle)  # noqa: TID251 - its one home
        finally:
            os.close(handle)

    def create(self, path: str) -> int:
        """Open a new, empty file for writing; a leftover of the same name is removed first."""
        with contextlib.suppress(FileNotFoundError):
            self.unlink(path)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _CLOEXEC, 0o644)

    def append(self, path: str) -> int:
        """Open an existing file so that every write lands at its end."""
        return os.open(path, os.O_RDWR | os.O_APPEND | _CLOEXEC)

    def update(self, path: str) -> int:
        """Open an existing file for writing in place."""
        return os.open(path, os.O_RDWR | _CLOEXEC)

    def write(self, handle: int, data: bytes | memoryview) -> None:
        """Write all of `data`: a short write is followed by another (seen at ENOSPC, and above 2 GiB)."""
        done = os.write(handle, data)
        while done < len(data):
            done += os.write(handle, memoryview(data)[done:])

    def write_at(self, handle: int, data: bytes, offset: int) -> None:
        """Write all of `data` at an offset."""
        if WINDOWS:
            os.lseek(handle, offset, os.SEEK_SET)
            self.write(handle, data)
            return
        done = os.pwrite(handle, data, offset)
        while done < len(data):
            done += os.pwrite(handle, memoryview(data)[done:], offset + done)

    def read_at(self, handle: int, size: int, offset: int) -> bytes:
        """Return up to `size` bytes of an open file from an offset."""
        if not WINDOWS:
            return os.pread(handle, size, offset)
        os.lseek(handle, offset, os.SEEK_SET)
        return os.read(handle, size)

    def length(self, handle: int) -> int:
        """Return the size of an open file in bytes."""
        return os.fstat(handle).st_size

    def identity_of(self, handle: int) -> tuple[int, int]:
        """Return (device, inode) of an open file, whatever its name is by now."""
        found = os.fstat(handle)
        return found.st_dev, found.st_ino

    def truncate(self, handle: int, size: int) -> None:
        """Cut an open file to `size` bytes."""
        os.ftruncate(handle, size)

    def sync(self, handle: int) -> None:
        """Make the content of an open file durable, or raise: fdatasync, F_FULLFSYNC on macOS, fsync on Windows."""
        if sys.platform == "darwin":
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
        elif WINDOWS:
            os.fsync(handle)  # noqa: TID251 - its one home
        else:
            os.fdatasync(handle)  # noqa: TID251 - its one home

    def close(self, handle: int) -> None:
        """Close a handle."""
        os.close(handle)

    def open_lock(self, path: str) -> int:
        """Open (or make) a lock file, which is never unlinked."""
        return os.open(path, os.O_RDWR | os.O_CREAT | _CLOEXEC, 0o644)

    def try_lock(self, handle: int, *, shared: bool = False) -> bool:
        """Take an OS lock without waiting: flock, or a byte-range lock far beyond the text on Windows."""
        try:
            if sys.platform == "win32":
                os.lseek(handle, 1 << 30, os.SEEK_SET)
                msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK):
                return False
            raise
        return True

    def unlock(self, handle: int) -> None:
        """Give the lock back."""
        if sys.platform == "win32":
            os.lseek(handle, 1 << 30, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_UN)

    def locked(self, path: str) -> bool:
        """Say whether anybody holds the lock of a lock file alone; nothing is written, and no right to write needed."""
        try:
            handle = os.open(path, os.O_RDONLY | _CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not self.try_lock(handle, shared=True)
        finally:
            os.close(handle)


def not_written(error: OSError, says: str, *, hint: str) -> StorageError:
    """Return the coded error of files that could not be written: STORAGE_FULL where there is no room for them."""
    kind = StorageFull if error.errno in NO_SPACE else ArtifactsWriteFailed
    return kind(f"{says}: {error.strerror}", hint=hint)


def write_file(disk: Disk, path: str, chunks: Iterable[bytes | memoryview], *, mode: int | None = None) -> int:
    """Write one new file whole and sync it; return its size in bytes.

    The name itself is durable only after its directory is synced too.
    """
    size = 0
    handle = disk.create(path)
    try:
        for chunk in chunks:
            disk.write(handle, chunk)
            size += len(chunk)
        # Without this a crash after the rename that publishes the file may leave it empty or torn.
        disk.sync(handle)
    finally:
        disk.close(handle)
    if mode is not None:
        disk.chmod(path, mode)
    return size


def replace_file(disk: Disk, temporary: str, path: str, chunks: Iterable[bytes | memoryview]) -> None:
    """Put `chunks` at `path` so that after any crash either the old or the new bytes are there, whole."""
    write_file(disk, temporary, chunks)
    disk.rename(temporary, path)
    # Without this the rename itself may be forgotten; both outcomes are whole, this makes the new one stay.
    disk.sync_directory(os.path.dirname(path))


def remove_tree(disk: Disk, path: str) -> None:
    """Remove a directory of our own making with all it holds; links are removed, never followed."""
    disk.chmod(path, 0o755)
    for name in disk.names(path):
        inner = os.path.join(path, name)
        if disk.is_directory(inner):
            remove_tree(disk, inner)
        else:
            disk.unlink(inner)
    disk.rmdir(path)


@contextlib.contextmanager
def scratch(disk: Disk, parent: str, prefix: str, token: str) -> Iterator[str]:
    """Give a directory of our own in another one, called `prefix` and `token`, and remove it in the end.

    What processes left there that were killed is removed before: nobody holds its lock.
    """
    for name in disk.names(parent):
        lock = os.path.join(parent, name, _LOCK)
        with contextlib.suppress(OSError):  # that of somebody else, or gone by now
            if name.startswith(prefix) and disk.exists(lock) and not disk.locked(lock):
                remove_tree(disk, os.path.join(parent, name))
    path, handle = os.path.join(parent, prefix + token), -1
    disk.mkdir(path)
    try:
        # Held while we live, so that nobody takes the directory for one that a dead process left.
        handle = disk.open_lock(os.path.join(path, _LOCK))
        disk.try_lock(handle)
        yield path
    finally:
        if handle >= 0:
            disk.close(handle)
        with contextlib.suppress(FileNotFoundError):  # another process cleared it away in this moment
            remove_tree(disk, path)


def identity_of(file: str | int) -> Identity:
    """Return what tells a file, by its path or its descriptor, from any other, and from itself after a change.

    Raises OSError.
    """
    found = os.stat(file)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def rest_sha256(file: IO[bytes] | RawIOBase) -> str:
    """Return the SHA-256 of an open file from where it stands to its end. Raises OSError."""
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # it asks less than it says


def read_chunks(path: str, size_bytes: int = 1 << 20) -> Iterator[bytes]:
    """Yield a user's file in chunks of `size_bytes`, as they are on disk."""
    handle = os.open(path, os.O_RDONLY | _CLOEXEC)
    try:
        while chunk := os.read(handle, size_bytes):
            yield chunk
    finally:
        os.close(handle)
