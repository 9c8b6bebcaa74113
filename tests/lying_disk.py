"""A disk that keeps its word only for what was synced: the simulated counterpart of `RealDisk`.

It remembers, beside what every process sees, which writes and which directory operations would survive a power cut.
`images` enumerates what a cut may leave: each unsynced write whole, absent, cut short, as zeros or as garbage; each
512-byte sector of an overwrite old or new; any subset of the directory operations, a rename whole. A failed sync leaves
the bytes visible, is reported once, and later syncs of that file succeed without saving them, as ext4 does.
Writes, syncs and directory operations are counted as steps, at any of which the power can go or a fault can strike.
"""

import copy
import errno
import itertools
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

SECTOR = 512


class PowerCut(BaseException):
    """The process is gone. Not an Exception: no code may handle it."""


@dataclass
class _File:
    visible: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    pending: list[tuple[int, bytes]] = field(default_factory=list)  # unsynced writes in order; a cut is (size, None)
    doomed: bool = False  # a sync failed: what was unsynced then is never saved


@dataclass
class _Folder:
    visible: dict[str, int] = field(default_factory=dict)
    durable: dict[str, int] = field(default_factory=dict)


@dataclass
class _Change:
    """One directory operation: names set to an inode or removed (None), all of it or nothing."""

    sets: tuple[tuple[int, str, int | None], ...]

    def folders(self) -> set[int]:
        return {folder for folder, _, _ in self.sets}


_device = itertools.count(1 << 20)
_handle_numbers = itertools.count(3)


class LyingDisk:
    """One simulated machine. `root` is "/". Handles are integers of its own."""

    def __init__(self) -> None:
        self.device = next(_device)
        self.nodes: dict[int, _File | _Folder] = {1: _Folder()}
        self.changes: list[_Change] = []
        self.steps = 0
        self.cut_at: int | None = None
        self.faults: Mapping[int, int] = {}  # step -> errno
        self.trace: list[str] = []
        self._handles: dict[int, int] = {}
        self._owners: dict[int, int] = {}  # handle -> device of the process that opened it
        self._locks: dict[int, int] = {}  # inode -> handle that holds it

    # What Disk asks

    def read(self, path: str, start: int = 0, size: int | None = None) -> bytes:
        file = self._file(path)
        return bytes(file.visible[start : None if size is None else start + size])

    def size(self, path: str) -> int:
        return len(self._file(path).visible)

    def exists(self, path: str) -> bool:
        try:
            self._find(path)
        except OSError:
            return False
        return True

    def is_directory(self, path: str) -> bool:
        return self.exists(path) and isinstance(self.nodes[self._find(path)], _Folder)

    def names(self, path: str) -> tuple[str, ...]:
        return tuple(sorted(self._folder(path).visible))

    def identity(self, path: str) -> tuple[int, int]:
        return self.device, self._find(path)

    def mkdir(self, path: str) -> None:
        if self.exists(path):
            raise FileExistsError(errno.EEXIST, "exists", path)
        folder, name = self._parent(path)
        self._step("mkdir", path)
        self._change((folder, name, self._add(_Folder())))

    def rename(self, source: str, target: str) -> None:
        inode = self._find(source)
        old, new = self._parent(source), self._parent(target)
        self._step("rename", f"{source} -> {target}")
        self._change((*old, None), (*new, inode))

    def unlink(self, path: str) -> None:
        self._file(path)
        folder, name = self._parent(path)
        self._step("unlink", path)
        self._change((folder, name, None))

    def rmdir(self, path: str) -> None:
        if self._folder(path).visible:
            raise OSError(errno.ENOTEMPTY, "not empty", path)
        folder, name = self._parent(path)
        self._step("rmdir", path)
        self._change((folder, name, None))

    def chmod(self, path: str, mode: int) -> None:
        self._find(path)

    def sync_directory(self, path: str) -> None:
        inode = self._find(path)
        self._step("sync_directory", path)
        for change in [change for change in self.changes if inode in change.folders()]:
            self._settle(change)
            self.changes.remove(change)

    def create(self, path: str) -> int:
        folder, name = self._parent(path)
        self._step("create", path)
        inode = self._add(_File())
        self._change((folder, name, inode))
        return self._handle(inode)

    def append(self, path: str) -> int:
        self._file(path)
        return self._handle(self._find(path))

    def update(self, path: str) -> int:
        self._file(path)
        return self._handle(self._find(path))

    def write(self, handle: int, data: bytes | memoryview) -> None:
        inode = self._handles[handle]
        file = self._opened(inode)
        self._step("write", str(len(data)), lambda: self._put(file, len(file.visible), bytes(data)[: len(data) // 2]))
        self._put(file, len(file.visible), bytes(data))

    def write_at(self, handle: int, data: bytes, offset: int) -> None:
        inode = self._handles[handle]
        self._step("write_at", f"{len(data)} at {offset}")
        self._put(self._opened(inode), offset, bytes(data))

    def read_at(self, handle: int, size: int, offset: int) -> bytes:
        return bytes(self._opened(self._handles[handle]).visible[offset : offset + size])

    def length(self, handle: int) -> int:
        return len(self._opened(self._handles[handle]).visible)

    def identity_of(self, handle: int) -> tuple[int, int]:
        return self.device, self._handles[handle]

    def truncate(self, handle: int, size: int) -> None:
        file = self._opened(self._handles[handle])
        self._step("truncate", str(size))
        del file.visible[size:]
        file.pending = [(offset, data[: max(size - offset, 0)]) for offset, data in file.pending if offset < size]

    def sync(self, handle: int) -> None:
        file = self._opened(self._handles[handle])

        def doom() -> None:
            file.doomed = True

        self._step("sync", "", doom)
        if not file.doomed:
            file.durable, file.pending = bytes(file.visible), []

    def close(self, handle: int) -> None:
        inode = self._handles.pop(handle)
        del self._owners[handle]
        if self._locks.get(inode) == handle:
            del self._locks[inode]

    def open_lock(self, path: str) -> int:
        if not self.exists(path):
            folder, name = self._parent(path)
            self._change((folder, name, self._add(_File())))
        return self._handle(self._find(path))

    def try_lock(self, handle: int, *, shared: bool = False) -> bool:
        inode = self._handles[handle]
        return self._locks.setdefault(inode, handle) == handle

    def unlock(self, handle: int) -> None:
        inode = self._handles[handle]
        if self._locks.get(inode) == handle:
            del self._locks[inode]

    # What may happen to it

    def kill(self) -> None:
        """The process dies and the machine lives: everything it did stays visible, its locks are gone."""
        self._handles.clear()
        self._owners.clear()
        self._locks.clear()
        self.cut_at, self.faults = None, {}

    def process(self) -> "LyingDisk":
        """Return the same disk as another process sees it: shared files and locks, its own counter and faults."""
        other = copy.copy(self)
        other.device, other.steps, other.cut_at, other.faults, other.trace = next(_device), 0, None, {}, []
        return other

    def end(self) -> None:
        """This process dies and the others go on: what it did stays visible, its locks are gone."""
        for handle in [handle for handle, owner in self._owners.items() if owner == self.device]:
            self.close(handle)

    def images(self, chance: random.Random, count: int) -> Iterator["LyingDisk"]:
        """Yield up to `count` different disks a power cut may leave: nothing of the unsynced, all of it, and others."""
        seen: set[bytes] = set()
        for index in range(4 * count):
            keep = {0: lambda: False, 1: lambda: True}.get(index, lambda: chance.random() < 0.5)
            image = self._image(keep, chance if index > 1 else None)
            print_ = image.fingerprint()
            if print_ not in seen:
                seen.add(print_)
                yield image
            if len(seen) == count:
                return

    def copy(self) -> "LyingDisk":
        """Return the same disk again, with everything on it durable and no process running."""
        return self._image(lambda: True, None)

    def fingerprint(self) -> bytes:
        """Return bytes that are equal for disks that hold the same."""
        return repr(sorted(self._tree(1, ""))).encode()

    def _image(self, keep, chance: random.Random | None) -> "LyingDisk":
        image = LyingDisk()
        image.nodes = {}
        for inode, node in self.nodes.items():
            if isinstance(node, _File):
                data = _after_cut(node, keep, chance)
                image.nodes[inode] = _File(visible=bytearray(data), durable=data)
            else:
                image.nodes[inode] = _Folder(durable=dict(node.durable))
        for change in self.changes:
            if keep():
                image._settle(change)
        for node in image.nodes.values():
            if isinstance(node, _Folder):
                node.visible = dict(node.durable)
        return image

    def _tree(self, inode: int, path: str) -> Iterator[tuple[str, bytes]]:
        node = self.nodes[inode]
        if isinstance(node, _File):
            yield path, bytes(node.visible)
            return
        yield path + "/", b""
        for name, inner in node.visible.items():
            yield from self._tree(inner, f"{path}/{name}")

    # How it works

    def _step(self, kind: str, detail: str, on_fault=lambda: None) -> None:
        step, self.steps = self.steps, self.steps + 1
        self.trace.append(f"{step} {kind} {detail}")
        if step == self.cut_at:
            on_fault() if kind == "write" else None
            raise PowerCut(step)
        if step in self.faults:
            on_fault()
            raise OSError(self.faults[step], os.strerror(self.faults[step]))

    def _put(self, file: _File, offset: int, data: bytes) -> None:
        file.visible[offset : offset + len(data)] = data
        file.pending.append((offset, data))

    def _change(self, *sets: tuple[int, str, int | None]) -> None:
        change = _Change(sets)
        for folder, name, inode in sets:
            _set(self.nodes[folder].visible, name, inode)
        self.changes.append(change)

    def _settle(self, change: _Change) -> None:
        for folder, name, inode in change.sets:
            _set(self.nodes[folder].durable, name, inode)

    def _add(self, node: _File | _Folder) -> int:
        inode = max(self.nodes) + 1
        self.nodes[inode] = node
        return inode

    def _handle(self, inode: int) -> int:
        handle = next(_handle_numbers)
        self._handles[handle], self._owners[handle] = inode, self.device
        return handle

    def _find(self, path: str) -> int:
        inode = 1
        for part in [part for part in path.split("/") if part]:
            node = self.nodes[inode]
            if not isinstance(node, _Folder):
                raise NotADirectoryError(errno.ENOTDIR, "not a directory", path)
            if part not in node.visible:
                raise FileNotFoundError(errno.ENOENT, "no such file", path)
            inode = node.visible[part]
        return inode

    def _parent(self, path: str) -> tuple[int, str]:
        folder, _, name = path.rstrip("/").rpartition("/")
        inode = self._find(folder)
        if not isinstance(self.nodes[inode], _Folder):
            raise NotADirectoryError(errno.ENOTDIR, "not a directory", path)
        return inode, name

    def _file(self, path: str) -> _File:
        return self._opened(self._find(path))

    def _folder(self, path: str) -> _Folder:
        node = self.nodes[self._find(path)]
        if not isinstance(node, _Folder):
            raise NotADirectoryError(errno.ENOTDIR, "not a directory", path)
        return node

    def _opened(self, inode: int) -> _File:
        node = self.nodes[inode]
        if not isinstance(node, _File):
            raise IsADirectoryError(errno.EISDIR, "is a directory")
        return node


def _set(names: dict[str, int], name: str, inode: int | None) -> None:
    if inode is None:
        names.pop(name, None)
    else:
        names[name] = inode


def _after_cut(file: _File, keep, chance: random.Random | None) -> bytes:
    """Return what is left of a file: of each unsynced write some sectors, the rest old, zeros or garbage."""
    data = bytearray(file.durable)
    for offset, written in file.pending:
        for start in range(0, len(written), SECTOR):
            part = written[start : start + SECTOR]
            at = offset + start
            if keep() and not file.doomed:
                _grow(data, at)
                data[at : at + len(part)] = part
            elif chance is not None and at >= len(data) and chance.random() < 0.5:
                _grow(data, at)
                data[at : at + len(part)] = _remains(part, chance)
    return bytes(data)


def _grow(data: bytearray, size: int) -> None:
    data.extend(b"\0" * (size - len(data)))


def _remains(part: bytes, chance: random.Random) -> bytes:
    return chance.choice([b"\0" * len(part), part[: chance.randrange(len(part) + 1)], chance.randbytes(len(part))])
