"""The suite: which subjects there are, and all of them measured within a time that is known before.

Names go in; what was measured comes out, subject by subject as each is done. Everything happens in a directory of its
own that is removed, whatever ends it.
"""

import importlib
from collections.abc import Callable, Iterator, Sequence

from attrs import frozen

from buff.bench.place import place
from buff.bench.scale import measured
from buff.bench.turns import Measured, Subject, take_turns
from buff.errors import StorageFull
from buff.files import RealDisk
from buff.host import Host

SUBJECTS = ("limits", "ingest", "whole", "engine", "resample", "journal", "registry", "proof", "sweep")
SCALE = "scale"  # constants, of which nobody but Buff has any
NAMES = (*SUBJECTS, SCALE)
SECONDS, SECONDS_QUICK = 240.0, 45.0
SCALE_SECONDS, SCALE_SECONDS_QUICK = 30.0, 8.0  # of them, for the constants
ROUNDS, ROUNDS_QUICK = 7, 3
NEEDS_BYTES, NEEDS_BYTES_QUICK = 4 << 30, 1 << 30

Progress = Callable[[str, int, int], None]


@frozen(kw_only=True)
class Found:
    """A subject and what was measured of each of its cases."""

    subject: Subject
    cases: tuple[Measured, ...]


def subjects(names: Sequence[str] = SUBJECTS, *, quick: bool = False) -> tuple[Subject, ...]:
    """Return the subjects of some names, in the order of the suite."""
    modules = [importlib.import_module(f"buff.bench.{name}") for name in SUBJECTS if name in names]
    return tuple(module.subject(quick=quick) for module in modules)


def measure(
    wanted: Sequence[Subject],
    *,
    parent: str,
    host: Host,
    quick: bool,
    rounds: int,
    seconds: float,
    progress: Progress = lambda stage, done, total: None,
) -> Iterator[Found]:
    """Yield subjects as they are measured, in `parent`, all of them within about `seconds`.

    What remains of the time is shared by the jobs that remain, each by what it takes; none has fewer than one round.
    Raises StorageFull before anything is written.
    """
    _check_room(parent, quick=quick)
    end, done, total = host.monotonic() + seconds, 0, sum(len(each.cases) for each in wanted)
    left = sum(case.seconds for each in wanted for case in each.cases)
    for subject in wanted:
        with place(parent, host=host, quick=quick) as here:
            taken = list[Measured]()
            for case in subject.cases:
                progress(f"{subject.name}: {case.name}", done, total)
                share = (end - host.monotonic()) * case.seconds / left
                taken.append(take_turns(case, here, rounds=rounds, seconds=share, clock=host.monotonic))
                done, left = done + 1, left - case.seconds
        yield Found(subject=subject, cases=tuple(taken))


def constants(*, parent: str, host: Host, quick: bool) -> dict[str, float]:
    """Return the constants of Buff, measured in `parent`. Raises StorageFull before anything is written."""
    _check_room(parent, quick=quick)
    with place(parent, host=host, quick=quick) as here:
        return measured(here)


def _check_room(parent: str, *, quick: bool) -> None:
    needs, free = NEEDS_BYTES_QUICK if quick else NEEDS_BYTES, RealDisk().free_bytes(parent)
    if free < needs:
        raise StorageFull(
            f"measuring needs {needs >> 30} GiB for a while, {free >> 20:,} MiB are free",
            hint="free some space, name a root on another disk with --runs-root, or measure less with --quick",
            details={"needs_bytes": needs, "free_bytes": free},
        )
