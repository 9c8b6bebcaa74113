"""Columns on disk: one numpy array per `.npy` file, written in pieces, read by mapping.

Arrays of a fixed little-endian dtype go in; a file with a 128-byte `.npy` version 1.0 header and the raw bytes comes
out, the same bytes on every machine and for every numpy. The SHA-256 of the raw bytes (header excluded) is the
column's identity.
"""

import hashlib
import mmap
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, BinaryIO, TypeVar

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from buff.errors import RunDamaged
from buff.files import Disk, Identity, identity_of, rest_sha256

HEADER_BYTES = 128
BESIDE_BYTES = 1 << 20  # columns of fewer bytes are hashed before a thread has begun
THREADS = 2
PROVEN = 4_096  # files that are remembered as read

Held = TypeVar("Held")
Told = TypeVar("Told")


def header(dtype: np.dtype[Any], rows: int) -> bytes:
    """Return the 128-byte `.npy` 1.0 header of a C-order vector (format: numpy.lib.format, NEP 1)."""
    text = f"{{'descr': {dtype.str!r}, 'fortran_order': False, 'shape': ({rows},), }}"
    body = text.ljust(HEADER_BYTES - 11).encode("ascii") + b"\n"
    assert len(body) == HEADER_BYTES - 10, "the header of a vector always fits"
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body


def whole(values: NDArray[Any]) -> tuple[bytes, memoryview]:
    """Return header and raw bytes of one array, ready to be written and hashed."""
    own = np.ascontiguousarray(values)
    return header(own.dtype, len(own)), own.view(np.uint8).data


def content_sha256(values: NDArray[Any]) -> str:
    """Return the SHA-256 of a column's raw bytes, header excluded."""
    return hashlib.sha256(np.ascontiguousarray(values).view(np.uint8).data).hexdigest()


def contents_sha256(held: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    """Return the SHA-256 of each column's raw bytes, by name."""
    size_bytes = sum(values.nbytes for values in held.values())
    return dict(zip(held, _beside(content_sha256, list(held.values()), size_bytes), strict=True))


def _beside(hashed: Callable[[Held], Told], held: Sequence[Held], size_bytes: int) -> list[Told]:
    """Hash large columns beside one another, since hashing lets other threads run.

    Each hash is of one column alone, so that neither their number nor their order makes a difference.
    """
    if size_bytes < BESIDE_BYTES:
        return [hashed(each) for each in held]
    with ThreadPoolExecutor(THREADS, "buff-hash") as pool:
        return list(pool.map(hashed, held))


def _plain(path: str) -> BinaryIO:
    return open(path, "rb")


@frozen(kw_only=True)
class Committed:
    """A file, how it is told of, and what was committed of it: the SHA-256 of its bytes from `begin` on.

    `opened` opens a path for reading those bytes, where they are not simply the file's.
    """

    name: str
    path: str
    sha256: str
    begin: int = 0
    opened: Callable[[str], BinaryIO] = _plain


class Proven:
    """The files that were found to hold what was committed. Threads may share it.

    Each is read once for as long as the system says that it is the same file, so that asking again costs one look at
    its name. What the header of a column says is judged by `read`.
    """

    def __init__(self) -> None:
        """Know of no file yet."""
        self._known: OrderedDict[tuple[Committed, Identity], None] = OrderedDict()
        self._lock, self._reading = Lock(), Lock()

    def damaged(self, files: Iterable[Committed]) -> Committed | None:
        """Return the first of some files that holds other bytes than were committed, or cannot be read; else None."""
        seen = [(each, _state(each.path)) for each in files]
        unread = self._unread(seen)
        if not unread:
            return None
        if sum(state[2] for _, state in unread if state) < BESIDE_BYTES:
            return self._read(unread)
        with self._reading:  # who waited for another that read the same need not read it again
            return self._read(self._unread(unread))

    def _unread(self, seen: Sequence[tuple[Committed, Identity]]) -> list[tuple[Committed, Identity]]:
        with self._lock:
            return [each for each in seen if each not in self._known]

    def _read(self, unread: Sequence[tuple[Committed, Identity]]) -> Committed | None:
        read_bytes = sum(state[2] for _, state in unread if state)
        found = _beside(lambda each: (each[0], _proof(each[0])), unread, read_bytes)
        with self._lock:
            for file, state in found:
                if state:
                    self._known[file, state] = None
            while len(self._known) > PROVEN:
                self._known.popitem(last=False)
        return next((file for file, state in found if state is None), None)


def _state(path: str) -> Identity:
    """Return the identity of a file; nothing where there is none."""
    try:
        return identity_of(path)
    except OSError:
        return ()


def _proof(file: Committed) -> Identity | None:
    """Return the state in which a file holds what was committed, empty where it changed meanwhile; else None."""
    try:
        with file.opened(file.path) as opened:
            before = identity_of(opened.fileno())
            opened.seek(file.begin)
            same = rest_sha256(opened) == file.sha256
            after = identity_of(opened.fileno())
    except OSError:
        return None
    return (before if before == after else ()) if same else None


def read(path: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the column at `path`, mapped read-only. Raises RunDamaged when the file is not such a column."""
    name = os.path.basename(path)
    try:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            data = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) if size else b""  # nothing cannot be mapped
    except (OSError, ValueError) as error:  # the latter where it got shorter since it was asked
        raise RunDamaged(
            f"{name} cannot be read: {getattr(error, 'strerror', None) or error}", details={"file": name}
        ) from error
    rows, rest = divmod(size - HEADER_BYTES, dtype.itemsize)
    # There is one header for a type and a number of rows: nothing in it needs to be understood.
    if rows < 0 or rest or data[:HEADER_BYTES] != header(dtype, rows):
        raise RunDamaged(f"{name} is not a whole column of {dtype.name} ({size} bytes)", details={"file": name})
    return np.frombuffer(data, dtype, offset=HEADER_BYTES)


class ColumnWriter:
    """Writes one column in pieces of any size, in bounded memory; the row count is filled in at the end."""

    def __init__(self, disk: Disk, path: str, dtype: np.dtype[Any]) -> None:
        """Make the file and leave room for its header."""
        self._disk, self._path, self._dtype = disk, path, dtype
        self._rows, self._hash = 0, hashlib.sha256()
        self._handle = disk.create(path)
        disk.write(self._handle, header(dtype, 0))

    def write(self, values: NDArray[Any]) -> None:
        """Append values, which must already have the column's dtype."""
        assert values.dtype == self._dtype, f"{values.dtype} written to a column of {self._dtype}"
        raw = np.ascontiguousarray(values).view(np.uint8).data
        if len(raw):
            self._hash.update(raw)
            self._disk.write(self._handle, raw)
            self._rows += len(values)

    def finish(self) -> str:
        """Write the header, sync and close; return the SHA-256 of the raw bytes."""
        self._disk.write_at(self._handle, header(self._dtype, self._rows), 0)
        # Without this a dataset whose name exists may hold columns that do not.
        self._disk.sync(self._handle)
        self.close()
        return self._hash.hexdigest()

    def close(self) -> None:
        """Close the file, finished or not."""
        if self._handle >= 0:
            self._disk.close(self._handle)
            self._handle = -1
