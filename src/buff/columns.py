"""Columns on disk: one numpy array per `.npy` file, written in pieces, read by mapping.

Arrays of a fixed little-endian dtype go in; a file with a 128-byte `.npy` version 1.0 header and the raw bytes comes
out, the same bytes on every machine and for every numpy. The SHA-256 of the raw bytes (header excluded) is the
column's identity.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from buff.errors import RunDamaged
from buff.files import Disk

HEADER_BYTES = 128
BESIDE_BYTES = 1 << 20  # columns of fewer bytes are hashed before a thread has begun
THREADS = 2


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


def file_sha256(values: NDArray[Any]) -> str:
    """Return the SHA-256 of a column's whole file, header included."""
    hashed = hashlib.sha256()
    for part in whole(values):
        hashed.update(part)
    return hashed.hexdigest()


def contents_sha256(held: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    """Return the SHA-256 of each column's raw bytes, by name."""
    return _beside(content_sha256, held)


def files_sha256(held: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    """Return the SHA-256 of each column's whole file, by name."""
    return _beside(file_sha256, held)


def _beside(hashed: Callable[[NDArray[Any]], str], held: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    """Hash large columns beside one another, since hashing lets other threads run.

    Each hash is of one column alone, so that neither their number nor their order makes a difference.
    """
    if sum(values.nbytes for values in held.values()) < BESIDE_BYTES:
        return {name: hashed(values) for name, values in held.items()}
    with ThreadPoolExecutor(THREADS, "buff-hash") as pool:
        return dict(zip(held, pool.map(hashed, held.values()), strict=True))


def read(path: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the column at `path`, mapped read-only. Raises RunDamaged when the file is not such a column."""
    name = os.path.basename(path)
    try:
        with open(path, "rb") as file:
            head, size = file.read(HEADER_BYTES), os.fstat(file.fileno()).st_size
    except OSError as error:
        raise RunDamaged(f"{name} cannot be read: {error.strerror}", details={"file": name}) from error
    rows, rest = divmod(size - HEADER_BYTES, dtype.itemsize)
    # There is one header for a type and a number of rows: nothing in it needs to be understood.
    if rows < 0 or rest or head != header(dtype, rows):
        raise RunDamaged(f"{name} is not a whole column of {dtype.name} ({size} bytes)", details={"file": name})
    if rows == 0:
        return np.empty(0, dtype)  # an empty file part cannot be mapped
    mapped: NDArray[Any] = np.memmap(path, dtype, mode="r", offset=HEADER_BYTES, shape=(rows,)).view(np.ndarray)
    return mapped


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
