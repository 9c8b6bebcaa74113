"""Outlet: files and folders that a user asked for, outside the root, written whole or not at all.

A path and a function that writes go in; what is then at the path is complete and durable, or what was there before is
there still. Nothing is replaced unless that was asked for, and nothing here knows what is written.
"""

import errno
import io
import os
from collections.abc import Callable, Mapping
from typing import Any

from buff.errors import RunConfigInvalid, StorageError
from buff.files import Disk, not_written, remove_tree

Write = Callable[[bytes], object]
Fill = Callable[[Write], object]

_AS_IT_WAS = "what was there is as it was"


def check_target(disk: Disk, out: str, *, force: bool, folder: bool = False) -> None:
    """Refuse a path that cannot become a new file (or a new `folder`). Raises RunConfigInvalid.

    With `force` what is there may be replaced, if it is of the same kind.
    """
    kind, other = ("folder", "file") if folder else ("file", "directory")
    if disk.exists(out) and disk.is_directory(out) is not folder:
        raise refused(f"{out} is a {other}", f"name a {kind}", out)
    if disk.exists(out) and not force:
        raise refused(f"{out} exists already", "choose another name, or give --force to replace it", out)


def refused(says: str, hint: str, out: str) -> RunConfigInvalid:
    """Return the error of a path or a format that is not written to."""
    return RunConfigInvalid(says, hint=hint, details={"field": "out", "value": out})


def publish(disk: Disk, out: str, fill: Fill, *, token: str, force: bool) -> None:
    """Let `fill` write a temporary file beside `out`; then give it that name, durably. What fails leaves nothing.

    `token` tells this writer's temporary file from those of others. Raises RunConfigInvalid, StorageFull,
    ArtifactsWriteFailed.
    """
    folder = os.path.dirname(out) or "."
    temporary = _beside(out, token)
    try:
        handle = disk.create(temporary)
        try:
            _fill(disk, handle, fill)
            check_target(disk, out, force=force)  # it may have been made since
            disk.rename(temporary, out)
        except BaseException:
            disk.unlink(temporary)
            raise
        # Without this the rename may be forgotten; both outcomes are whole, this makes the new one stay.
        disk.sync_directory(folder)
    except OSError as error:
        raise _not_written(error, out) from error


def publish_folder(disk: Disk, out: str, fills: Mapping[str, Fill], *, token: str, force: bool) -> None:
    """Write the files of `fills`, by name, into the folder `out`: a new one appears with all of them or not at all.

    In a folder that is there, which takes `force`, each file is replaced in one step and others stay as they are.
    Raises as `publish`.
    """
    check_target(disk, out, force=force, folder=True)
    if disk.exists(out):
        for name, fill in fills.items():
            publish(disk, os.path.join(out, name), fill, token=token, force=True)
        return
    temporary = _beside(out, token)
    try:
        disk.mkdir(temporary)
        try:
            for name, fill in fills.items():
                handle = disk.create(os.path.join(temporary, name))
                _fill(disk, handle, fill)
            # Without this the names inside may be forgotten, and the folder be published empty.
            disk.sync_directory(temporary)
            check_target(disk, out, force=False, folder=True)  # it may have been made since
            disk.rename(temporary, out)
        except BaseException:
            remove_tree(disk, temporary)
            raise
        # Without this the rename may be forgotten; both outcomes are whole, this makes the new one stay.
        disk.sync_directory(os.path.dirname(out) or ".")
    except OSError as error:
        raise _not_written(error, out) from error


def _not_written(error: OSError, out: str) -> StorageError:
    folder = os.path.dirname(os.path.abspath(out))
    match error.errno:
        case errno.EACCES | errno.EPERM | errno.EROFS:
            remedy = f"check the permissions of {folder}"
        case errno.ENOENT:
            remedy = f"make the directory {folder} first"
        case errno.ENOTDIR:
            remedy = "name a file in a directory"
        case _:
            remedy = "free some space"
    return not_written(error, f"{out} could not be written", hint=f"{remedy}, or choose another place; {_AS_IT_WAS}")


def _beside(out: str, token: str) -> str:
    return os.path.join(os.path.dirname(out) or ".", f".{os.path.basename(out)}.{token}.tmp")


def _fill(disk: Disk, handle: int, fill: Fill) -> None:
    try:
        fill(lambda data: disk.write(handle, data))
        # Without this a crash after the rename may leave an empty file in the place of the old one.
        disk.sync(handle)
    finally:
        disk.close(handle)


class Sink(io.RawIOBase):
    """A file for pyarrow that hands what is written to a function."""

    def __init__(self, write: Write) -> None:
        """Remember where the bytes go."""
        self._hand_on = write

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, data: Any) -> int:
        """Hand all of it on."""
        self._hand_on(bytes(data))
        return len(data)
