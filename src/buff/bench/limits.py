"""The limits of the machine: what memory, processor, disk and system take by themselves.

Nothing of Buff but its door to the disk is measured here. Other tables repeat a limit where Buff is compared with it.
"""

import hashlib
import sys
from collections.abc import Callable

import numpy as np

from buff.bench.place import Place
from buff.bench.processes import cost_of, environment
from buff.bench.turns import Case, Contender, Job, Subject, repeated
from buff.files import RealDisk, replace_file, write_file

WHO = "the machine"
SMALL = 320  # bytes of a short event


def subject(*, quick: bool) -> Subject:
    """Return what is measured."""
    size = (8 if quick else 64) << 20
    jobs = {
        f"copy {size >> 20} MiB of memory": lambda place: _copied(size),
        f"SHA-256 of {size >> 20} MiB": lambda place: _hashed(size),
        f"write a file of {size >> 20} MiB and sync it": lambda place: _written(place, size),
        f"append {SMALL} bytes and sync them": _appended,
        "replace a small file, durably": _replaced,
        "start Python, nothing imported": _started,
    }
    return Subject(
        name="limits",
        title="The limits of this machine",
        says=(
            "What the machine takes by itself; nothing that does the same work can be faster here.",
            "A virtual disk may say that it is done sooner than a disk on a desk, so the counts of syncs in the "
            "other tables travel further than their times.",
        ),
        cases=tuple(Case(name=name, contenders=(Contender(who=WHO, prepare=job),)) for name, job in jobs.items()),
    )


def _copied(size: int) -> Job:
    source, target = np.ones(size, np.uint8), np.empty(size, np.uint8)
    return repeated(lambda: np.copyto(target, source), 5)


def _hashed(size: int) -> Job:
    data = bytes(size)
    return repeated(lambda: hashlib.sha256(data).digest())


def _written(place: Place, size: int) -> Job:
    data = bytes(size)
    return repeated(lambda: write_file(RealDisk(), place.path("large"), [data]))


def _appended(place: Place) -> Job:
    return repeated(appender(place, "small", SMALL), 50)


def appender(place: Place, name: str, size: int) -> Callable[[], None]:
    """Return what appends so many bytes to a file and syncs them: the least that any journal can do."""
    disk, path = RealDisk(), place.path(name)
    write_file(disk, path, ())
    handle, data = disk.append(path), b"x" * size
    place.closing(lambda: disk.close(handle))

    def append() -> None:
        disk.write(handle, data)
        disk.sync(handle)

    return append


def _replaced(place: Place) -> Job:
    disk, path = RealDisk(), place.path("replaced")
    return repeated(lambda: replace_file(disk, path + ".tmp", path, [b"x" * SMALL]), 20)


def _started(place: Place) -> Job:
    return lambda: cost_of([sys.executable, "-c", "pass"], environment=environment(place))
