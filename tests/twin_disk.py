"""A simulated disk with a real twin: for code that maps files or asks the machine about them.

Every change is made to the simulated disk, which knows what a power cut would leave, and then to a real directory,
which is what memory is mapped from. `left` puts a state that a cut may leave into another real directory, where it can
be opened and checked to its last byte.
"""

import os
from pathlib import Path

from buff.files import RealDisk
from lying_disk import LyingDisk

_real = RealDisk()


class TwinDisk(LyingDisk):
    """The disk under one real directory, `base`: its simulated twin is "/"."""

    def __init__(self, base: Path) -> None:
        """Take over what is in `base`, all of it durable."""
        super().__init__()
        self.base = str(base)
        self._files: dict[int, int] = {}  # handle -> its real twin
        for folder, folders, names in os.walk(base):
            for name in folders:
                super().mkdir(os.path.join(folder, name))
            self.sync_directory(folder)
            for name in names:
                self.put(os.path.join(folder, name), _real.read(os.path.join(folder, name)))
        self.steps = self.operations = 0
        self.trace.clear()

    def _find(self, path: str) -> int:
        return super()._find(path.removeprefix(self.base))

    def _parent(self, path: str) -> tuple[int, str]:
        return super()._parent(path.removeprefix(self.base))

    # What changes both

    def mkdir(self, path: str) -> None:
        super().mkdir(path)
        _real.mkdir(path)

    def rename(self, source: str, target: str) -> None:
        super().rename(source, target)
        _real.rename(source, target)

    def unlink(self, path: str) -> None:
        super().unlink(path)
        _real.unlink(path)

    def rmdir(self, path: str) -> None:
        super().rmdir(path)
        _real.rmdir(path)

    def chmod(self, path: str, mode: int) -> None:
        super().chmod(path, mode)
        _real.chmod(path, mode)

    def create(self, path: str) -> int:
        handle = super().create(path)
        self._files[handle] = _real.create(path)
        return handle

    def append(self, path: str) -> int:
        return self._opened_too(super().append(path), path)

    def update(self, path: str) -> int:
        return self._opened_too(super().update(path), path)

    def open_lock(self, path: str) -> int:
        return self._opened_too(super().open_lock(path), path)

    def _opened_too(self, handle: int, path: str) -> int:
        self._files[handle] = _real.open_lock(path)
        return handle

    def write(self, handle: int, data: bytes | memoryview) -> None:
        try:
            super().write(handle, data)
        finally:
            self._follow(handle, _real.length(self._files[handle]))

    def write_at(self, handle: int, data: bytes, offset: int) -> None:
        try:
            super().write_at(handle, data, offset)
        finally:
            self._follow(handle, offset)

    def _follow(self, handle: int, offset: int) -> None:
        """Make the real file what the simulated one is from `offset` on, also after half a write."""
        visible = self._opened(self._handles[handle]).visible
        _real.write_at(self._files[handle], bytes(visible[offset:]), offset)

    def truncate(self, handle: int, size: int) -> None:
        super().truncate(handle, size)
        _real.truncate(self._files[handle], size)

    def close(self, handle: int) -> None:
        super().close(handle)
        _real.close(self._files.pop(handle))


def left(image: LyingDisk, base: Path) -> Path:
    """Put what a power cut left into a new directory; return it."""
    for path, data in image.tree():
        place = base / path.strip("/")
        if path.endswith("/"):
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.write_bytes(data)
    return base


class HastyDisk(RealDisk):
    """The real disk without its syncs, to look at what was left."""

    def sync(self, handle: int) -> None:
        """Do nothing."""

    def sync_directory(self, path: str) -> None:
        """Do nothing."""
