"""Disks over the real one: one that writes down what is asked of it, one on which the process dies at a given step."""

import os
import signal
from collections.abc import Callable
from typing import Any

from buff.files import RealDisk

CHANGES = ("mkdir", "rename", "unlink", "rmdir", "chmod", "sync_directory", "create", "write", "write_at", "sync")


class WatchedDisk(RealDisk):
    """The real disk; every change is told as (what, path relative to the root) before it happens."""

    def __init__(self, root: str, tell: Callable[[str, str], object]) -> None:
        self._root, self._tell = root, tell
        self._names: dict[int, str] = {}

    def _relative(self, path: str) -> str:
        return os.path.relpath(path, self._root).replace(os.sep, "/")

    def mkdir(self, path: str) -> None:
        self._tell("mkdir", self._relative(path))
        super().mkdir(path)

    def rename(self, source: str, target: str) -> None:
        self._tell("rename", f"{self._relative(source)} -> {self._relative(target)}")
        super().rename(source, target)

    def unlink(self, path: str) -> None:
        self._tell("unlink", self._relative(path))
        super().unlink(path)

    def rmdir(self, path: str) -> None:
        self._tell("rmdir", self._relative(path))
        super().rmdir(path)

    def chmod(self, path: str, mode: int) -> None:
        self._tell("chmod", self._relative(path))
        super().chmod(path, mode)

    def sync_directory(self, path: str) -> None:
        self._tell("sync_directory", self._relative(path))
        super().sync_directory(path)

    def create(self, path: str) -> int:
        self._tell("create", self._relative(path))
        return self._named(super().create(path), path)

    def append(self, path: str) -> int:
        return self._named(super().append(path), path)

    def update(self, path: str) -> int:
        return self._named(super().update(path), path)

    def open_lock(self, path: str) -> int:
        return self._named(super().open_lock(path), path)

    def write(self, handle: int, data: bytes | memoryview) -> None:
        self._tell("write", self._names[handle])
        super().write(handle, data)

    def write_at(self, handle: int, data: bytes, offset: int) -> None:
        self._tell("write_at", self._names[handle])
        super().write_at(handle, data, offset)

    def sync(self, handle: int) -> None:
        self._tell("sync", self._names[handle])
        super().sync(handle)

    def _named(self, handle: int, path: str) -> int:
        self._names[handle] = self._relative(path)
        return handle


class DyingDisk(WatchedDisk):
    """The real disk of a process that is killed before its change number `step`, from 0; in the middle of a write."""

    def __init__(self, root: str, step: int | None) -> None:
        super().__init__(root, self._count)
        self.step, self.steps, self.trace = step, 0, list[tuple[str, str]]()

    def _count(self, what: str, path: str) -> None:
        if self.steps == self.step and what != "write":
            die()
        self.trace.append((what, path))
        self.steps += 1

    def write(self, handle: int, data: bytes | memoryview) -> None:
        super_write: Any = RealDisk.write
        self._count("write", self._names[handle])
        if self.step is not None and self.steps == self.step + 1:
            super_write(self, handle, memoryview(data)[: len(data) // 2])
            die()
        super_write(self, handle, data)


def die() -> None:
    """End this very process as a power switch would: nothing is caught, flushed or closed."""
    os.kill(os.getpid(), signal.SIGKILL)
