"""Diagnosis: what a root and its disk promise, in words with figures, and what would do them good.

A store, and what `buff.probe` found of its disk, go in; estimates and sentences come out. A large root is looked at in
samples, so that it takes no longer than a small one. Nothing is changed.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import asdict, frozen

from buff.cold import RECORDS, estimated
from buff.datasets import FOLDER as DATASETS
from buff.market.spacing import some
from buff.probe import Clock, Medium, Speed
from buff.space import tree_bytes
from buff.store import Store

SAMPLES: Final = 64
SYNCS_OF_RUN: Final = 20  # of files and directories, one after the other, when one run is made of a stored dataset
NAMES_OF_RUN: Final = 15  # files and directories that a run takes
# What making a run again takes on one core of 2024: of the rows of its dataset, and of its own bars.
ROW_SECONDS: Final = 0.09e-6
BAR_SECONDS: Final = 0.9e-6
SUSPICIOUS_MICROSECONDS: Final = 20  # no disk that keeps its promise answers faster
TURN_MICROSECONDS: Final = 1_000  # a disk that turns needs several milliseconds to come by
SLOW_MICROSECONDS: Final = 5_000
WORTH_BYTES: Final = 1 << 30  # so much is worth saying, or a tenth of what is free
FEW_RUNS: Final = 1_000
BUSY: Final = 1.5


@frozen(kw_only=True)
class Load:
    """What a root holds, in bytes and about: runs, those of them that are archived, plain decision records, what
    compressing those would free, and datasets. `bars` are those of all runs, `rows` those of their datasets, once for
    every run. `opening_seconds` is what reading the registry took just now.
    """

    opening_seconds: float
    runs: int
    bars: int
    rows: int
    run_bytes: int
    archived_bytes: int
    plain_bytes: int
    compressible_bytes: int
    dataset_bytes: int

    def as_dict(self) -> dict[str, int | float]:
        """Return it as plain values."""
        return {**asdict(self), "opening_seconds": round(self.opening_seconds, 3)}


@frozen(kw_only=True)
class Outlook:
    """What to expect: how many runs or events a second the syncs allow, one after the other, and how many seconds it
    takes to compare all stored bytes, and to make all runs again too, on one core.
    """

    runs_per_second: float
    events_per_second: int
    stored_seconds: float
    verify_seconds: float

    def as_dict(self) -> dict[str, int | float]:
        """Return it as plain values."""
        return {name: round(value, 1) for name, value in asdict(self).items()}


def load(store: Store, *, clock: Clock) -> Load:
    """Return what a root holds, estimated from at most 64 runs and datasets, spread evenly over all of them."""
    begin = clock()
    state = store.state
    opening = clock() - begin
    kept = [row for row in state.runs.rows() if row.state != "reclaimed"]
    archived = sum(row.state == "archived" for row in kept)
    sample = [state.runs[row.run_id] for row in _spread(kept)]
    share = len(kept) / max(len(sample), 1)
    names = [row.run_id for row in sample]
    sizes = {name: tree_bytes(os.path.join(store.root, name)) for name in names}
    plain = [name for name in names if os.path.isfile(os.path.join(store.root, name, RECORDS))]
    plain_bytes = sum(tree_bytes(os.path.join(store.root, name, RECORDS)) for name in plain)
    held = list(state.datasets)
    looked = _spread(held)
    data = sum(tree_bytes(os.path.join(store.root, DATASETS, name)) for name in looked)
    rows = sum(state.datasets[row.dataset_id].rows for row in sample if row.dataset_id in state.datasets)
    run_bytes = round(sum(sizes.values()) * share)
    return Load(
        opening_seconds=opening,
        runs=len(kept),
        bars=sum(row.bars for row in kept),
        rows=round(rows * share),
        run_bytes=run_bytes,
        archived_bytes=run_bytes * archived // max(len(kept), 1),
        plain_bytes=round(plain_bytes * share),
        compressible_bytes=round((plain_bytes - estimated(store, plain)) * share),
        dataset_bytes=round(data * len(held) / max(len(looked), 1)),
    )


def _spread(items: Sequence[Any]) -> list[Any]:
    """Return at most 64 of some items, from all parts of them."""
    count = min(len(items), SAMPLES)
    return [items[at * len(items) // count] for at in range(count)]


def outlook(speed: Speed, found: Load) -> Outlook:
    """Return what to expect of a root on a disk that is so fast."""
    seconds = speed.sync.median / 1e6
    size = found.run_bytes + found.dataset_bytes
    stored = size / (speed.read or speed.hash) + size / speed.hash
    made = found.rows * ROW_SECONDS + found.bars * BAR_SECONDS
    return Outlook(
        runs_per_second=1 / (seconds * SYNCS_OF_RUN),
        events_per_second=round(1 / seconds),
        stored_seconds=stored,
        verify_seconds=stored + made,
    )


# In words


def expectations(medium: Medium, speed: Speed, found: Load) -> Iterator[str]:
    """Yield what to expect, in sentences."""
    ahead = outlook(speed, found)
    yield (
        f"a synced write takes {_span(speed.sync.median / 1e6)}, at worst {_span(speed.sync.worst / 1e6)} of "
        f"{speed.sync.count}: the syncs allow about {_number(ahead.runs_per_second)} runs a second one by one, "
        f"or {ahead.events_per_second:,} events"
    )
    yield (
        f"opening this root took {_span(found.opening_seconds)}; comparing the stored bytes of its "
        f"{some(found.runs, 'run')} takes about {_span(ahead.stored_seconds)}, making all again "
        f"{_span(ahead.verify_seconds)} on one core"
    )
    if speed.read is None:
        yield "there was too little room to measure how fast long files are written and read"
    yield f"whether what it acknowledges survives a power cut cannot be measured{_said_of_cache(medium)}"


def _said_of_cache(medium: Medium) -> str:
    if medium.volatile_cache is None:
        return ""
    if medium.volatile_cache:
        return "; the system knows of a cache in this device, and asks the device to empty it with every sync"
    return "; the system knows of no cache in this device that the power could take"


def advice(medium: Medium, speed: Speed | None, found: Load, *, busy: float) -> Iterator[str]:
    """Yield what is doubtful about a disk and a root, and what to do.

    `busy` is how many processes wanted to run of late, for each core there is.
    """
    yield from _of_kind(medium)
    if speed is not None:
        if busy > BUSY:
            yield f"{busy:.1f} processes wanted each core of late: on a quiet machine these figures are better"
        yield from _of_speed(medium, speed)
    yield from _of_space(medium, found)


def _of_kind(medium: Medium) -> Iterator[str]:
    kind = medium.kind
    if medium.family == "network":
        yield f"{kind} is a network file system: locks and syncs are not promised there; use a local disk"
    if medium.family == "overlay":
        yield "overlay: what is written here may vanish with the container; mount a volume"
    if medium.family == "memory":
        yield f"{kind} lives in memory: nothing survives a restart"
    if any(word in medium.options.split(",") for word in ("nobarrier", "barrier=0", "volatile")):
        yield "this mount ignores syncs: a power cut may lose acknowledged runs"


def _of_speed(medium: Medium, speed: Speed) -> Iterator[str]:
    median, worst = speed.sync.median, speed.sync.worst
    if medium.family == "memory":
        return
    if median < SUSPICIOUS_MICROSECONDS:
        yield f"a synced write took {median} microseconds: this disk may say it is done before it is"
    elif medium.rotational and median < TURN_MICROSECONDS:
        yield (
            f"a synced write took {median} microseconds on a disk that turns: a cache answered, and only one with a "
            "battery, or a virtual disk on something faster, keeps its word in a power cut"
        )
    if median >= SLOW_MICROSECONDS:
        yield (
            f"a synced write takes {_span(median / 1e6)}: a root on a local SSD commits many times faster; here, "
            "make many runs in one sweep, which syncs many of them together"
        )
    if worst >= 100_000 and worst >= 20 * median:
        yield f"one synced write took {_span(worst / 1e6)}: others keep this disk busy, and commits wait as long"


def _of_space(medium: Medium, found: Load) -> Iterator[str]:
    worth = min(WORTH_BYTES, max(medium.free_bytes // 10, 1))
    if found.compressible_bytes >= worth:
        yield (
            f"decision records take about {found.plain_bytes:,} bytes: `buff store compress --apply --older-than 30d` "
            f"frees up to about {found.compressible_bytes:,} of them, and all runs stay as they are"
        )
    if found.archived_bytes >= worth:
        yield (
            f"archived runs take about {found.archived_bytes:,} bytes: `buff store gc --apply --archived-runs` frees "
            "them, and the same inputs make them again"
        )
    more = medium.free_bytes * found.runs // found.run_bytes if found.run_bytes else FEW_RUNS
    if more < FEW_RUNS:
        yield f"{medium.free_bytes:,} bytes are free: room for about {more:,} more runs like those that are here"
    if medium.free_names is not None and medium.free_names // NAMES_OF_RUN < FEW_RUNS:
        yield (
            f"this file system has room for {medium.free_names:,} more names, which is {NAMES_OF_RUN} for every run: "
            "use one with more inodes"
        )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _span(seconds: float) -> str:
    """Return a time as people say it: microseconds to hours."""
    units: Mapping[str, float] = {"h": 3_600.0, "min": 60.0, "s": 1.0, "ms": 1e-3}
    for unit, size in units.items():
        if seconds >= size:
            return f"{_number(seconds / size)} {unit}"
    return f"{seconds * 1e6:.0f} µs"
