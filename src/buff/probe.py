"""Probe: what kind of disk a directory lies on, how fast it is, and whether it may say more than it keeps.

A directory, a `Disk` and a clock go in; figures come out. What is written for them is in one folder of its own, bounded
in bytes and seconds, and removed whatever happens; what a killed probe left is removed by the next. Nothing is advised
here (`buff.diagnosis` does), and that a disk keeps what it acknowledged cannot be seen by any program.
"""

import hashlib
import os
import re
import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from attrs import asdict, frozen

from buff.files import Disk, scratch

SYNCS: Final = 20
SECONDS_MAX: Final = 2.0  # of each of the four measurements
BYTES_MAX: Final = 32 << 20
SHARE: Final = 16  # no more than this part of what is free is written
FOLDER: Final = ".doctor-"
NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "fuse.sshfs", "afs", "ceph", "glusterfs", "lustre"}
)
MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_ESCAPED = re.compile(r"\\([0-7]{3})")  # how the table has a space, a tab, a line end and a backslash
_CHUNK_BYTES = 1 << 20
_LINE, _SMALL = b"x" * 300, b"x" * 4_096

Clock = Callable[[], float]


@frozen(kw_only=True)
class Medium:
    """What a path lies on. `rotational` and `volatile_cache` are what the kernel says of the device: whether it turns,
    and whether it has a cache that is lost with the power unless it is flushed. None where it says nothing, or only
    what a hypervisor makes up.

    `free_names` is how many more files there may be; None where the file system has no such limit or no answer.
    """

    kind: str
    options: str
    rotational: bool | None
    volatile_cache: bool | None
    free_bytes: int
    total_bytes: int
    free_names: int | None

    @property
    def family(self) -> str:
        """`network`, `memory`, `overlay`, `local` or `unknown`."""
        if self.kind in NETWORK:
            return "network"
        if self.kind in MEMORY:
            return "memory"
        return self.kind if self.kind in ("overlay", "unknown") else "local"

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {**asdict(self), "family": self.family}


@frozen(kw_only=True)
class Spread:
    """What some repetitions of the same took, in microseconds."""

    median: int
    worst: int
    count: int


@frozen(kw_only=True)
class Speed:
    """What was measured. `sync` is appending 300 bytes and syncing them, `create` making a file of 4 KiB durable under
    its name: written, synced, renamed, its directory synced.

    `write` is bytes a second of a file that is synced at its end, `read` of the same file after the system was asked to
    forget it, `sample_bytes` its size; all None where there was no room. `hash` is SHA-256 in memory, bytes a second.
    """

    sync: Spread
    create: Spread
    write: int | None
    read: int | None
    sample_bytes: int
    hash: int

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain values, their units in their names."""
        spreads = {
            f"{name}_{which}_microseconds": getattr(getattr(self, name), which)
            for name in ("sync", "create")
            for which in ("median", "worst")
        }
        rates = {f"{name}_bytes_per_second": getattr(self, name) for name in ("write", "read", "hash")}
        return {**spreads, **rates, "sample_bytes": self.sample_bytes}


# What it is


def medium(path: str) -> Medium:
    """Return what a path, which must exist, lies on. Raises OSError."""
    kind, options = _mount(path)
    usage = shutil.disk_usage(path)
    queue = _queue(os.stat(path).st_dev)
    turns, cache = _told(queue, "rotational"), _told(queue, "write_cache")
    return Medium(
        kind=kind,
        options=options,
        rotational=None if turns is None or _virtual(queue) else turns == "1",
        volatile_cache=None if cache is None else cache == "write back",
        free_bytes=usage.free,
        total_bytes=usage.total,
        free_names=_free_names(path),
    )


def _mount(path: str) -> tuple[str, str]:
    """Return the type and options of the file system a path is on, from Linux's mount table; elsewhere unknown."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            rows = [line.split() for line in file]
    except OSError:
        return "unknown", "unknown"
    return mount_of(os.path.realpath(path), rows)


def mount_of(path: str, rows: Sequence[Sequence[str]]) -> tuple[str, str]:
    """Return type and options of the mount a path is on: the deepest, and of those at one point the last."""
    best: Mapping[str, Any] = {"point": "", "kind": "unknown", "options": "unknown"}
    for row in rows:
        point, after = _ESCAPED.sub(lambda found: chr(int(found[1], 8)), row[4]), row.index("-")
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best["point"]):
            best = {"point": point, "kind": row[after + 1], "options": f"{row[5]},{row[after + 3]}"}
    return best["kind"], best["options"]


def _queue(device: int) -> str:
    """Return the folder in which Linux tells of a block device; that of the whole device for one of its parts."""
    if not hasattr(os, "major"):
        return ""
    folder = os.path.realpath(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    whole = folder if os.path.isdir(os.path.join(folder, "queue")) else os.path.dirname(folder)
    return os.path.join(whole, "queue")


def _virtual(queue: str) -> bool:
    """Say whether a device is one that a hypervisor gave: what it says of turning is not so."""
    return any(part.startswith(("virtio", "vbd-")) for part in queue.split(os.sep))


def _told(queue: str, name: str) -> str | None:
    try:
        with open(os.path.join(queue, name), encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None


def _free_names(path: str) -> int | None:
    if not hasattr(os, "statvfs"):
        return None
    found = os.statvfs(path)
    return found.f_favail if found.f_files else None


# How fast it is


def measure(disk: Disk, root: str, *, token: str, clock: Clock) -> Speed:
    """Measure the disk of a directory in a folder of our own in it, `.doctor-<token>`. Raises OSError.

    `clock` gives seconds. Takes at most some eight seconds, on a disk that does what it is asked at all.
    """
    with scratch(disk, root, FOLDER, token) as folder:
        size = min(BYTES_MAX, disk.free_bytes(root) // SHARE) // _CHUNK_BYTES * _CHUNK_BYTES
        sync, create = _syncs(disk, folder, clock), _creates(disk, folder, clock)
        write, read, written = _sequence(disk, folder, size, clock)
    return Speed(sync=sync, create=create, write=write, read=read, sample_bytes=written, hash=_hash(clock))


def _syncs(disk: Disk, folder: str, clock: Clock) -> Spread:
    handle = disk.create(os.path.join(folder, "journal"))

    def once(number: int) -> None:
        disk.write(handle, _LINE)
        disk.sync(handle)

    try:
        return _repeated(once, clock)
    finally:
        disk.close(handle)


def _creates(disk: Disk, folder: str, clock: Clock) -> Spread:
    def once(number: int) -> None:
        path = os.path.join(folder, f"file-{number}")
        handle = disk.create(path + ".tmp")
        try:
            disk.write(handle, _SMALL)
            disk.sync(handle)
        finally:
            disk.close(handle)
        disk.rename(path + ".tmp", path)
        disk.sync_directory(folder)

    return _repeated(once, clock)


def _repeated(once: Callable[[int], None], clock: Clock) -> Spread:
    """Do something twenty times, or for as long as there is time; return what each took."""
    took: list[float] = []
    first = clock()
    while len(took) < SYNCS and (not took or clock() - first < SECONDS_MAX):
        begin = clock()
        once(len(took))
        took.append(clock() - begin)
    return Spread(median=_microseconds(statistics.median(took)), worst=_microseconds(max(took)), count=len(took))


def _microseconds(seconds: float) -> int:
    return max(round(seconds * 1e6), 1)


def _sequence(disk: Disk, folder: str, size: int, clock: Clock) -> tuple[int | None, int | None, int]:
    """Write a file of at most `size` bytes and sync it, then read it; return bytes a second of both, and its size."""
    if not size:
        return None, None, 0
    chunk = os.urandom(_CHUNK_BYTES)  # a file system that compresses would be measured at something else
    handle = disk.create(os.path.join(folder, "long"))
    try:
        written, begin = 0, clock()
        while written < size and (not written or clock() - begin < SECONDS_MAX):
            disk.write(handle, chunk)
            written += len(chunk)
        disk.sync(handle)
        write = clock() - begin
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        read, begin = 0, clock()
        while read < written and (not read or clock() - begin < SECONDS_MAX):
            read += len(disk.read_at(handle, _CHUNK_BYTES, read))
        return _rate(written, write), _rate(read, clock() - begin), written
    finally:
        disk.close(handle)


def _hash(clock: Clock) -> int:
    data, begin = bytes(8 * _CHUNK_BYTES), clock()
    hashlib.sha256(data).digest()
    return _rate(len(data), clock() - begin)


def _rate(size: int, seconds: float) -> int:
    return round(size / max(seconds, 1e-6))
