"""A disk that keeps its word only for what was synced: the simulated counterpart of `RealDisk`.

It remembers, beside what every process sees, which writes and which directory operations would survive a power cut.
`images` enumerates what a cut may leave: every unsynced write whole, absent, or cut at a byte position with nothing,
zeros or garbage behind it; every 512-byte aligned sector of it there or not; any subset of the directory operations,
a rename whole. A failed sync is reported once and then behaves as one of four file systems (`Failing`).
Writes, syncs and directory operations are counted as steps, at any of which the power can go or a fault can strike;
a `Fault` strikes at any operation at all, reads, locks and modes included, once or from then on.
"""

import copy
import errno
import hashlib
import itertools
import math
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

SECTOR = 512
_BYTE_CUTS = 4  # random positions beside the telling ones
_SUBSETS_MAX = 16  # of the sectors of one write


class PowerCut(BaseException):
    """The process is gone. Not an Exception: no code may handle it."""


class Failing(Enum):
    """What a failed sync does to its file; afterwards every sync of it is reported as success.

    EXT4: the bytes stay visible, and nothing written to the file from its last good sync on is ever saved.
    EXT4_DATA: the journal saves the bytes, the error is reported by the next sync, and what that one was for is lost.
    XFS: the bytes stay visible and are lost; what is written behind them later is saved.
    BTRFS: the bytes are lost and vanish from view too.
    """

    EXT4 = "ext4"
    EXT4_DATA = "ext4-data"
    XFS = "xfs"
    BTRFS = "btrfs"


@dataclass(frozen=True)
class Fault:
    """An error that strikes operation number `at`, or the first whose turn comes from there on when it cannot fail so.

    `sticky`: the disk stays so. `short`: half of a write is done before the error; and when `code` is 0 the write is
    then continued, as the loop over `os.write` does.
    """

    at: int
    code: int
    sticky: bool = False
    short: bool = False


# What each error can strike: a full disk still syncs, renames and removes; a read-only one still reads.
_GROWING = frozenset({"create", "mkdir", "write", "write_at", "rename", "open_lock"})
_CHANGING = _GROWING | {"unlink", "rmdir", "chmod", "truncate", "append", "update", "sync", "sync_directory"}
_STRIKES: Mapping[int, frozenset[str]] = {
    errno.ENOSPC: _GROWING | {"sync"},
    errno.EDQUOT: _GROWING | {"sync"},
    errno.EROFS: _CHANGING - {"sync", "sync_directory"},
    0: frozenset({"write"}),
}


def strikes(code: int, kind: str) -> bool:
    """Say whether an operation of some kind can fail with `code`: EIO any, a full disk only what grows."""
    return code not in _STRIKES or kind in _STRIKES[code]


@dataclass
class _File:
    visible: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # unsynced, in order; None: cut to that size
    doomed: bool = False  # a sync failed on ext4: nothing is saved any more
    late: int = 0  # the errno the next sync reports (ext4-data)
    doubted: bool = False  # a sync of it failed once, in whatever way

    def copy(self) -> "_File":
        return _File(bytearray(self.visible), self.durable, list(self.pending), self.doomed, self.late, self.doubted)


@dataclass
class _Folder:
    visible: dict[str, int] = field(default_factory=dict)
    durable: dict[str, int] = field(default_factory=dict)

    def copy(self) -> "_Folder":
        return _Folder(dict(self.visible), dict(self.durable))


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

    def __init__(self, failing: Failing = Failing.EXT4) -> None:
        self.failing = failing
        self.device = next(_device)
        self.nodes: dict[int, _File | _Folder] = {1: _Folder()}
        self.changes: list[_Change] = []
        self.steps = 0
        self.cut_at: int | None = None
        self.faults: Mapping[int, int] = {}  # step -> errno
        self.trace: list[str] = []
        self.watch: Callable[[], None] = lambda: None  # called before every step
        self.doing = ""  # the step that is about to be made
        self.deaf: Callable[[str, str], bool] = lambda kind, path: False  # which syncs it only says it did
        self.operations = 0
        self.hear: Callable[[str], object] = lambda kind: None  # told of every operation
        self.fault: Fault | None = None
        self.free = 1 << 40
        self._inodes = itertools.count(2)
        self._found: dict[str, int] = {}  # path -> inode, until a name changes
        self._handles: dict[int, int] = {}
        self._opened_as: dict[int, str] = {}
        self._owners: dict[int, int] = {}  # handle -> device of the process that opened it
        self._locks: dict[int, dict[int, bool]] = {}  # inode -> handles that hold it -> whether shared

    # What Disk asks

    def read(self, path: str, start: int = 0, size: int | None = None) -> bytes:
        self._touch("read")
        file = self._file(path)
        return bytes(file.visible[start : None if size is None else start + size])

    def size(self, path: str) -> int:
        self._touch("size")
        return len(self._file(path).visible)

    def doubted(self, path: str) -> bool:
        """Say whether a sync of the file that has this name now failed once: nobody can know what it saves since."""
        return self._file(path).doubted

    def exists(self, path: str) -> bool:
        try:
            self._find(path)
        except OSError:
            return False
        return True

    def is_directory(self, path: str) -> bool:
        return self.exists(path) and isinstance(self.nodes[self._find(path)], _Folder)

    def names(self, path: str) -> tuple[str, ...]:
        self._touch("names")
        return tuple(sorted(self._folder(path).visible))

    def identity(self, path: str) -> tuple[int, int]:
        return self.device, self._find(path)

    def free_bytes(self, path: str) -> int:
        self._find(path)
        return self.free

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
        if isinstance(self.nodes[inode], _Folder) and self.exists(target) and self._folder(target).visible:
            raise OSError(errno.ENOTEMPTY, "not empty", target)
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
        self._touch("chmod")
        self._find(path)

    def sync_directory(self, path: str) -> None:
        if not self.deaf("sync_directory", path):
            self._sync_names(self._find(path), path)

    def _sync_names(self, inode: int, path: str) -> None:
        self._step("sync_directory", path)
        for change in [change for change in self.changes if inode in change.folders()]:
            self._settle(change)
            self.changes.remove(change)

    def create(self, path: str) -> int:
        folder, name = self._parent(path)
        self._step("create", path)
        inode = self._add(_File())
        self._change((folder, name, inode))
        return self._handle(inode, path)

    def append(self, path: str) -> int:
        self._touch("append")
        self._file(path)
        return self._handle(self._find(path), path)

    def update(self, path: str) -> int:
        self._touch("update")
        self._file(path)
        return self._handle(self._find(path), path)

    def write(self, handle: int, data: bytes | memoryview) -> None:
        inode = self._handles[handle]
        file = self._opened(inode)
        half = bytes(data)[: len(data) // 2]
        self._step("write", str(len(data)), lambda: self._put(file, len(file.visible), half))
        self._put(file, len(file.visible), bytes(data))

    def write_at(self, handle: int, data: bytes, offset: int) -> None:
        inode = self._handles[handle]
        self._step("write_at", f"{len(data)} at {offset}")
        self._put(self._opened(inode), offset, bytes(data))

    def read_at(self, handle: int, size: int, offset: int) -> bytes:
        self._touch("read_at")
        return bytes(self._opened(self._handles[handle]).visible[offset : offset + size])

    def length(self, handle: int) -> int:
        self._touch("length")
        return len(self._opened(self._handles[handle]).visible)

    def identity_of(self, handle: int) -> tuple[int, int]:
        return self.device, self._handles[handle]

    def truncate(self, handle: int, size: int) -> None:
        file = self._opened(self._handles[handle])
        self._step("truncate", str(size))
        del file.visible[size:]
        file.pending.append((size, None))

    def sync(self, handle: int) -> None:
        file = self._opened(self._handles[handle])
        if self.deaf("sync", self.path_of(handle)):
            return
        if file.late:
            late, file.late, file.pending = file.late, 0, []
            raise OSError(late, os.strerror(late))
        try:
            self._step("sync", "", lambda: self._fail(file))
        except OSError as error:
            if self.failing is not Failing.EXT4_DATA:
                raise
            file.late = error.errno or errno.EIO
        if not file.doomed:
            file.durable, file.pending = _applied(file.durable, file.pending), []

    def close(self, handle: int) -> None:
        inode = self._handles.pop(handle)
        del self._owners[handle], self._opened_as[handle]
        self._locks.get(inode, {}).pop(handle, None)

    def open_lock(self, path: str) -> int:
        self._touch("open_lock")
        if not self.exists(path):
            folder, name = self._parent(path)
            self._change((folder, name, self._add(_File())))
        return self._handle(self._find(path), path)

    def try_lock(self, handle: int, *, shared: bool = False) -> bool:
        held = self._locks.setdefault(self._handles[handle], {})
        if any(other != handle and not (shared and theirs) for other, theirs in held.items()):
            return False
        held[handle] = shared
        return True

    def unlock(self, handle: int) -> None:
        self._locks.get(self._handles[handle], {}).pop(handle, None)

    def locked(self, path: str) -> bool:
        self._touch("locked")
        return self.exists(path) and not all(self._locks.get(self._find(path), {}).values())

    def sync_later(self, handle: int) -> Callable[[], None]:
        """Return what syncs the file of a handle, closed or not and whatever its name is by then."""
        inode, path = self._handles[handle], self.path_of(handle)

        def sync() -> None:
            again = self._handle(inode, path)
            LyingDisk.sync(self, again)
            self.close(again)

        return sync

    def sync_directory_later(self, path: str) -> Callable[[], None]:
        """Return what syncs a directory, whatever its name is by then."""
        inode = self._find(path)
        return lambda: self._sync_names(inode, path)

    # What may happen to it

    def kill(self) -> None:
        """The process dies and the machine lives: everything it did stays visible, its locks are gone."""
        self._handles.clear()
        self._opened_as.clear()
        self._owners.clear()
        self._locks.clear()
        self.cut_at, self.faults, self.fault = None, {}, None

    def process(self) -> "LyingDisk":
        """Return the same disk as another process sees it: shared files and locks, its own counter and faults."""
        other = copy.copy(self)
        other.device, other.steps, other.cut_at, other.faults, other.trace = next(_device), 0, None, {}, []
        other.operations, other.fault, other.watch = 0, None, lambda: None
        return other

    def snapshot(self) -> "LyingDisk":
        """Return this disk as it is now, unsynced state and all, with no process running."""
        other = LyingDisk(self.failing)
        other._inodes, other.deaf = itertools.count(max(self.nodes) + 1), self.deaf
        other.nodes = {inode: node.copy() for inode, node in self.nodes.items()}
        other.changes = list(self.changes)
        return other

    def end(self) -> None:
        """This process dies and the others go on: what it did stays visible, its locks are gone."""
        for handle in [handle for handle, owner in self._owners.items() if owner == self.device]:
            self.close(handle)

    def images(self, chance: random.Random, count: int) -> Iterator["LyingDisk"]:
        """Yield up to `count` different disks a power cut may leave: nothing of the unsynced, all of it, and others.

        When there are no more than `count` combinations of what `_variants` lists, every one of them is tried.
        """
        files = [inode for inode, node in self.nodes.items() if isinstance(node, _File) and node.pending]
        variants = [_variants(self._opened(inode), chance) for inode in files]
        sizes = [*(len(each) for each in variants), *(2 for _ in self.changes)]
        seen: set[bytes] = set()
        for number in _numbers(math.prod(sizes), count, chance):
            picked = _digits(number, sizes)
            data = {inode: each[digit] for inode, each, digit in zip(files, variants, picked, strict=False)}
            image = self._left(data, [digit == 1 for digit in picked[len(files) :]])
            if (print_ := image.fingerprint()) not in seen:
                seen.add(print_)
                yield image
            if len(seen) == count:
                return

    def copy(self) -> "LyingDisk":
        """Return the same disk again, with everything on it durable and no process running."""
        data = {inode: bytes(node.visible) for inode, node in self.nodes.items() if isinstance(node, _File)}
        return self._left(data, [True] * len(self.changes))

    def least(self) -> "LyingDisk":
        """Return the disk after a power cut that leaves nothing but what was synced."""
        return self._left({}, [False] * len(self.changes))

    def fingerprint(self) -> bytes:
        """Return bytes that are equal for disks that hold the same."""
        hashed = hashlib.blake2b(digest_size=16)
        for path, data in sorted(self.tree()):
            hashed.update(b"%b %d " % (path.encode(), len(data)))
            hashed.update(data)
        return hashed.digest()

    def tree(self) -> Iterator[tuple[str, bytes]]:
        """Yield the path of everything there is, directories ending in a slash, and the bytes of files."""
        return self._tree(1, "")

    def content(self, path: str) -> bytearray:
        """Return the bytes everybody sees of a file, to be changed behind everybody's back."""
        return self._file(path).visible

    def put(self, path: str, data: bytes) -> None:
        """Put bytes in a file's place behind everybody's back, durably."""
        folder, name = self._parent(path)
        inode = self._add(_File(visible=bytearray(data), durable=data))
        for names in (self._names_of(folder).visible, self._names_of(folder).durable):
            names[name] = inode
        self._found.clear()

    def path_of(self, handle: int) -> str:
        """Return the path by which a handle was opened."""
        return self._opened_as[handle]

    def _left(self, data: Mapping[int, bytes], kept: Sequence[bool]) -> "LyingDisk":
        """Return a disk of what is durable, with other bytes for some files and the changes that survive."""
        image = LyingDisk(self.failing)
        image._inodes, image.deaf = itertools.count(max(self.nodes) + 1), self.deaf
        image.nodes = {}
        for inode, node in self.nodes.items():
            if isinstance(node, _File):
                left = data.get(inode, node.durable)
                image.nodes[inode] = _File(visible=bytearray(left), durable=left, doubted=node.doubted)
            else:
                image.nodes[inode] = _Folder(durable=dict(node.durable))
        for change, survives in zip(self.changes, kept, strict=True):
            if survives:
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

    def _touch(self, kind: str) -> bool:
        """Count an operation and let a fault strike it; say whether it is a write that will come out short."""
        number, self.operations = self.operations, self.operations + 1
        self.hear(kind)
        fault = self.fault
        if fault is None or number < fault.at or not strikes(fault.code, kind):
            return False
        if not fault.sticky:
            self.fault = None
        if fault.code == 0:
            return True
        raise OSError(fault.code, os.strerror(fault.code))

    def _step(self, kind: str, detail: str, on_fault: Callable[[], None] = lambda: None) -> None:
        short = self.fault is not None and self.fault.short
        try:
            if self._touch(kind):
                return  # the loop of `write` goes on after a short one
        except OSError:
            if short or kind == "sync":
                on_fault()
            raise
        self.doing = f"{kind} {detail}"
        self.watch()
        step, self.steps = self.steps, self.steps + 1
        self.trace.append(f"{step} {kind} {detail}")
        if step == self.cut_at:
            on_fault() if kind == "write" else None
            raise PowerCut(step)
        if step in self.faults:
            on_fault()
            raise OSError(self.faults[step], os.strerror(self.faults[step]))

    def _fail(self, file: _File) -> None:
        """A sync of this file fails, in the way of its file system."""
        file.doubted = True
        match self.failing:
            case Failing.EXT4:
                file.doomed = True
            case Failing.XFS:
                file.pending = []
            case Failing.BTRFS:
                file.pending, file.visible = [], bytearray(file.durable)
            case Failing.EXT4_DATA:
                pass

    def _put(self, file: _File, offset: int, data: bytes) -> None:
        _grow(file.visible, offset)
        file.visible[offset : offset + len(data)] = data
        file.pending.append((offset, data))

    def _change(self, *sets: tuple[int, str, int | None]) -> None:
        change = _Change(sets)
        for folder, name, inode in sets:
            _set(self._names_of(folder).visible, name, inode)
        self._found.clear()
        self.changes.append(change)

    def _settle(self, change: _Change) -> None:
        for folder, name, inode in change.sets:
            _set(self._names_of(folder).durable, name, inode)

    def _names_of(self, inode: int) -> _Folder:
        node = self.nodes[inode]
        assert isinstance(node, _Folder)
        return node

    def _add(self, node: _File | _Folder) -> int:
        inode = next(self._inodes)
        self.nodes[inode] = node
        return inode

    def _handle(self, inode: int, path: str) -> int:
        handle = next(_handle_numbers)
        self._handles[handle], self._owners[handle], self._opened_as[handle] = inode, self.device, path
        return handle

    def _find(self, path: str) -> int:
        found = self._found.get(path)
        if found is None:
            found = self._found[path] = self._walk(path)
        return found

    def _walk(self, path: str) -> int:
        inode = 1
        for part in path.split("/"):
            if not part:
                continue
            node = self.nodes[inode]
            if not isinstance(node, _Folder):
                raise NotADirectoryError(errno.ENOTDIR, "not a directory", path)
            found = node.visible.get(part)
            if found is None:
                raise FileNotFoundError(errno.ENOENT, "no such file", path)
            inode = found
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


# What a cut leaves of a file


def _variants(file: _File, chance: random.Random) -> list[bytes]:
    """Return what may be left of a file: first nothing of the unsynced, last all of it, between them the torn ones."""
    if file.doomed:
        return [file.durable]
    whole = _applied(file.durable, file.pending)
    torn = [_applied(file.durable, file.pending[:count]) for count in range(1, len(file.pending))]
    for at, (offset, data) in enumerate(file.pending):
        if data:
            before = _applied(file.durable, file.pending[:at])
            torn += _cuts(before, offset, data, chance) if offset >= len(before) else []
            torn += _sectors(before, offset, data, chance, file.pending[at + 1 :])
    return list(dict.fromkeys([file.durable, *torn, whole])) if whole != file.durable else [file.durable, *torn]


def _cuts(before: bytes, offset: int, data: bytes, chance: random.Random) -> Iterator[bytes]:
    """Yield an append cut at byte positions: nothing, zeros or garbage where the rest would be."""
    size = len(data)
    telling = {1, size // 2, size - 1, SECTOR - offset % SECTOR}
    start = before.ljust(offset, b"\0")
    yield start + b"\0" * size
    yield start + chance.randbytes(size)
    for at in sorted((telling | {chance.randrange(size) for _ in range(_BYTE_CUTS)}) & set(range(1, size))):
        for rest in (b"", b"\0" * (size - at), chance.randbytes(size - at)):
            yield start + data[:at] + rest


def _sectors(
    before: bytes, offset: int, data: bytes, chance: random.Random, after: Sequence[tuple[int, bytes | None]]
) -> Iterator[bytes]:
    """Yield the file with some of the aligned sectors of one write and not the others, which are old or zeros."""
    edges = [0, *range(SECTOR - offset % SECTOR, len(data), SECTOR), len(data)]
    parts = list(itertools.pairwise(edges))
    for number in _numbers(1 << len(parts), _SUBSETS_MAX, chance):
        kept = [(offset + start, data[start:end]) for bit, (start, end) in enumerate(parts) if number >> bit & 1]
        yield _applied(before, kept)
        if after:
            yield _applied(before, [*kept, *after])


def _applied(before: bytes, writes: Sequence[tuple[int, bytes | None]]) -> bytes:
    data = bytearray(before)
    for offset, written in writes:
        if written is None:
            del data[offset:]
        else:
            _grow(data, offset)
            data[offset : offset + len(written)] = written
    return bytes(data)


def _grow(data: bytearray, size: int) -> None:
    data.extend(b"\0" * (size - len(data)))


def _numbers(total: int, count: int, chance: random.Random) -> Iterator[int]:
    """Yield each number below `total` when they are few, else the first, the last and others, none twice."""
    if total <= 2 * count:
        yield from dict.fromkeys([0, total - 1, *range(total)])
        return
    drawn = dict.fromkeys([0, total - 1])
    yield from drawn
    for _ in range(4 * count):
        number = chance.randrange(total)
        if number not in drawn:
            drawn[number] = None
            yield number


def _digits(number: int, sizes: Sequence[int]) -> list[int]:
    digits = []
    for size in sizes:
        number, digit = divmod(number, size)
        digits.append(digit)
    return digits
