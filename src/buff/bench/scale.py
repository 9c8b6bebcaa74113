"""The constants of Buff: what one bar, one event, one run costs, from which anything larger can be reckoned.

Nothing goes in but a place; numbers in plain units come out, of three digits, because the plan that is made of them is
printed beside them and must come out the same.
"""

import os
import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any

from attrs import field, frozen

from buff.audit import verify_all
from buff.bench.ingest import store
from buff.bench.limits import appender
from buff.bench.made import crowd, write_minutes
from buff.bench.place import Place
from buff.bench.processes import cost_of, environment
from buff.bench.registry import opening
from buff.bench.sweep import parts, request
from buff.bench.turns import repeated, timed
from buff.cold import change
from buff.crew import Here
from buff.deposit import deposit
from buff.files import RealDisk
from buff.journal.reader import judge
from buff.journal.survey import FOLDER, read_head, segment_path, segments
from buff.proof import verify
from buff.registry.index import NAME as INDEX
from buff.sample import YEAR
from buff.space import tree_bytes
from buff.store import Store
from buff.sweeps import create_all

TITLE = "What one bar, one event and one run cost, and what many would"
BARS = 8_760
DIGITS = 3
SMALL = 5_000  # runs: a root that is opened by its index, as large ones are
TIMES = 3  # so often what may be disturbed is measured, and the least is taken


@frozen(kw_only=True)
class Constant:
    """One number: its name, its unit and what it is, in words."""

    name: str
    unit: str
    says: str


CONSTANTS = (
    Constant(name="csv_bar", unit="bytes", says="one minute in a CSV"),
    Constant(name="stored_bar", unit="bytes", says="one minute in a dataset"),
    Constant(name="ingest_bar", unit="seconds", says="processor time to read, check, hash and store one minute"),
    Constant(name="run", unit="bytes", says=f"all files of a run of {BARS:,} bars"),
    Constant(name="packed", unit="bytes", says="the same with its decision records compressed"),
    Constant(name="pack", unit="seconds", says="processor time to compress them"),
    Constant(name="run_files", unit="files", says="its files, with its directories"),
    Constant(name="make", unit="seconds", says="processor time of whoever makes such a run"),
    Constant(name="shipped", unit="bytes", says="what is sent to the committer, from another process or machine"),
    Constant(name="commit", unit="seconds", says="processor time of the committer for it: planned, written, committed"),
    Constant(
        name="syncs", unit="syncs", says="of files and directories for it, in batches as large as a sweep has them"
    ),
    Constant(name="sync", unit="seconds", says="one write and sync on this disk, by the clock"),
    Constant(
        name="verify", unit="seconds", says="processor time to recompute and compare it, its dataset proven for it"
    ),
    Constant(name="look", unit="seconds", says="processor time to hash its stored bytes"),
    Constant(name="event", unit="bytes", says="its event in the journal"),
    Constant(name="prove", unit="seconds", says="processor time to prove one such event"),
    Constant(name="row", unit="bytes", says="its row in index.json"),
    Constant(name="resident", unit="bytes", says="memory of a process that has listed the root, for each run in it"),
    Constant(name="open", unit="seconds", says="processor time to open and list a root, for each run in it"),
)


def measured(place: Place) -> dict[str, float]:
    """Return every constant by its name, rounded as it is printed."""
    found = {**_data(place), **_runs(place), **_registry(place)}
    assert set(found) == {each.name for each in CONSTANTS}
    return {each.name: rounded(found[each.name]) for each in CONSTANTS}


def rounded(value: float) -> float:
    """Return a number of three digits."""
    return float(f"{value:.{DIGITS}g}")


def _least(work: Callable[[], object], times: int = TIMES) -> float:
    """Return the least processor seconds of a few calls: what it takes when nothing else happens."""
    return min(timed(work).cpu or 0.0 for _ in range(times))


# One minute


def _data(place: Place) -> dict[str, float]:
    csv, stored = write_minutes(place.path("minutes.csv"), YEAR), list[str]()

    def take_in() -> None:
        stored.append(place.path(f"stored-{len(stored)}"))
        store(csv, stored[-1])

    return {
        "ingest_bar": _least(take_in) / YEAR,
        "csv_bar": os.path.getsize(csv) / YEAR,
        "stored_bar": tree_bytes(stored[0]) / YEAR,
    }


# One run


@frozen(kw_only=True)
class Weighing(Executor):
    """Makes runs in this process, as a worker elsewhere would, and keeps what that took and what it would send."""

    spent: list[float] = field(factory=list)
    weighed: list[float] = field(factory=list)
    sizes: list[int] = field(factory=list)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Return a future that has ended."""
        begun = time.thread_time()
        future = Here().submit(fn, *args, **kwargs)
        made = time.thread_time()
        self.spent.append(made - begun)
        self.sizes.append(len(pickle.dumps(future.result())))
        self.weighed.append(time.thread_time() - made)
        return future


@frozen
class CountingDisk(RealDisk):
    """The disk of this machine, which counts its syncs."""

    syncs: list[str] = field(factory=list)

    def sync(self, handle: int) -> None:
        """Make the content of an open file durable, or raise."""
        self.syncs.append("file")
        super().sync(handle)

    def sync_directory(self, path: str) -> None:
        """Make the names in a directory durable."""
        self.syncs.append("directory")
        super().sync_directory(path)


def _runs(place: Place) -> dict[str, float]:
    root, count, disk = place.directory("root"), 8 if place.quick else 32, CountingDisk()
    values = {"csv": [place.path("minutes.csv")], "symbol": "DEMO"}
    dataset = deposit(values, root=root, host=place.host, settings=place.settings).dataset_id
    some = ([request(dataset, fast, slow) for fast, slow in part] for part in parts(count))
    with Store(root, host=place.host, settings=place.settings, disk=disk) as target:
        _create(place, target, next(some), Here())  # the resample is made, and what is imported late is
        disk.syncs.clear()
        swept = [_swept(place, target, next(some)) for _ in range(TIMES)]
        syncs, ids = len(disk.syncs) / count / TIMES, list(target.state.runs)
        folder = os.path.join(root, ids[0])
        found = {
            **{name: min(each[name] for each in swept) for name in swept[0]},
            "run": tree_bytes(folder),
            "run_files": sum(1 + len(files) for _, _, files in os.walk(folder)),
            "syncs": syncs,
            "sync": repeated(appender(place, "small", 4_096), 200)().wall,
            "verify": _least(lambda: verify(target, ids[0], record=False), 5),
            "look": _least(lambda: list(verify_all(target, stored_bytes_only=True, record=False))) / len(ids),
        }
        packing = timed(lambda: change(target, ids[:count])).cpu or 0.0
        return {**found, "pack": packing / count, "packed": tree_bytes(folder)}


def _swept(place: Place, target: Store, asked: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Make runs as a sweep does; return what one of them took of its maker, of the committer and of the way between."""
    executor = Weighing()
    whole = timed(lambda: _create(place, target, asked, executor)).cpu or 0.0
    made, weighed = sum(executor.spent), sum(executor.weighed)
    return {
        "make": made / len(asked),
        "shipped": sum(executor.sizes) / len(asked),
        "commit": (whole - made - weighed) / len(asked),
    }


def _create(place: Place, target: Store, asked: Sequence[Mapping[str, Any]], executor: Executor) -> None:
    found = create_all(asked, root=target, host=place.host, settings=place.settings, executor=executor)
    assert all(each.ok and not each.existed for each in found)


# One run among very many


def _registry(place: Place) -> dict[str, float]:
    many = 20_000 if place.quick else 50_000
    roots, peaks, opens = {}, {}, {}
    for runs in (SMALL, many):
        with Store(place.directory(f"root-{runs}"), host=place.host, settings=place.settings) as target:
            crowd(target, runs)
        roots[runs] = target.root
        peaks[runs] = cost_of(opening(target.root), environment=environment(place)).peak or 0
        opens[runs] = _least(partial(_list, place, target.root))
    large, disk = roots[many], RealDisk()
    return {
        "event": sum(disk.size(segment_path(large, first)) for first in _segments(large)) / many,
        "prove": _least(lambda: judge(disk, large, head=read_head(disk, large).current), 1) / many,
        "row": disk.size(os.path.join(large, INDEX)) / many,
        "resident": (peaks[many] - peaks[SMALL]) / (many - SMALL),
        "open": (opens[many] - opens[SMALL]) / (many - SMALL),
    }


def _list(place: Place, root: str) -> None:
    Store(root, host=place.host, settings=place.settings).runs()


def _segments(root: str) -> tuple[int, ...]:
    return segments(RealDisk().names(os.path.join(root, FOLDER))) or ()
