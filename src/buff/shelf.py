"""A shelf: memory that processes of one machine share, so that what is made is laid down and not carried.

A `Shelf` belongs to whoever asks. A `Place` on it travels with a question, as plain values; who answers lays bytes
there, and only their number travels back. The memory has no name and is on no disk: the kernel keeps it as long as a
process has it open, so nothing is left of it whatever ends them. Linux has such memory; elsewhere there is no shelf.
"""

import mmap
import os
from collections.abc import Sequence
from functools import lru_cache

from attrs import frozen


@frozen(kw_only=True)
class Place:
    """A part of a shelf: `path` and `identity` (device, inode) tell which, `begin` and `size` where, in bytes."""

    path: str
    identity: tuple[int, int]
    begin: int
    size: int


class Shelf:
    """So many places of one size. Memory is used by what is laid there, and kept for what is laid there next."""

    def __init__(self, places: int, size: int) -> None:
        """Make the places, of `size` bytes each. Raises OSError where no memory can be shared in this way."""
        if not hasattr(os, "memfd_create"):
            raise OSError("this system has no memory without a name")
        handle = os.memfd_create("buff")
        try:
            os.ftruncate(handle, places * size)
            self._memory = memoryview(mmap.mmap(handle, places * size))
            found = os.fstat(handle)
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle
        path, identity = f"/proc/{os.getpid()}/fd/{handle}", (found.st_dev, found.st_ino)
        self._free = [
            Place(path=path, identity=identity, begin=number * size, size=size) for number in reversed(range(places))
        ]

    def take(self) -> Place | None:
        """Return a place where nothing lies, the one that was used last: its memory is at hand. None if all are full.

        One that is not put back is never used again, which is right where somebody who is not heard of may still lay
        something there.
        """
        return self._free.pop() if self._free else None

    def put_back(self, place: Place) -> None:
        """Let a place be used again; what lay there is gone."""
        self._free.append(place)

    def seen(self, place: Place, size: int) -> memoryview:
        """Return the first `size` bytes of a place, as they lie there."""
        return self._memory[place.begin : place.begin + size]

    def close(self) -> None:
        """Let nobody else find the shelf. What still looks at something on it, here or elsewhere, may go on."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def lay(parts: Sequence[bytes | memoryview], place: Place) -> int | None:
    """Lay parts down one behind the other; return how many bytes they are, or None when they could not be laid there.

    They are more than the place holds, or this process does not find the shelf.
    """
    size = sum(map(len, parts))
    if size > place.size:
        return None
    try:
        memory = _found(place.path, place.identity)
    except (OSError, ValueError):
        return None
    end = place.begin
    for part in parts:
        begin, end = end, end + len(part)
        memory[begin:end] = part
    return size


@lru_cache(maxsize=1)
def _found(path: str, identity: tuple[int, int]) -> memoryview:
    """Return the shelf of that path. Raises OSError, ValueError where there is none, or something else."""
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        found = os.fstat(handle)
        if (found.st_dev, found.st_ino) != identity:
            raise ValueError("something else has this name now")
        return memoryview(mmap.mmap(handle, found.st_size))
    finally:
        os.close(handle)
