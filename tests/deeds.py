"""What people ask of the whole of Buff, on a disk with a real twin, and what must hold after the power went.

A `Deed` prepares a directory, does one thing in it, and judges what a cut left of it, down to the last byte of every
mapped column. A deed that was interrupted is done again, and must then succeed.
"""

import atexit
import contextlib
import itertools
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import msgspec
from attrs import evolve, field, frozen

from buff import batch, builds, cold, datasets, safety, sweeps, uploads, work
from buff.audit import verify_all
from buff.backup import PARTIAL, copy_root
from buff.builder import create
from buff.bundle import bring, bundle
from buff.canonical import document
from buff.cli import legacy
from buff.cold import RECORDS, change
from buff.crew import Here
from buff.datasets import check
from buff.errors import BuffError, KillSwitchEngaged
from buff.extract import extract
from buff.files import Disk, remove_tree
from buff.host import Host
from buff.journal.events import BuildFailed, BuildFinished, JournalRecovered, SweepPlanned
from buff.journal.survey import read_head
from buff.outlet import Fill, publish_folder
from buff.space import KINDS, TRASH, free, plan
from buff.store import Store
from buff.uploads import Arrival
from journal_tools.repair import salvage
from journal_tools.salvage import REPORT
from ledgers import OTHER_BOOT, Broken, host, promise
from lying_disk import LyingDisk, PowerCut
from twin_disk import HastyDisk, TwinDisk, left
from whole import SETTINGS, in_memory, make, opened, request, write_csv

MINUTES = 300
Deaf = Callable[[str, str], bool]
_tokens = itertools.count(1)


class Told:
    """What was acknowledged while a deed was done."""

    def __init__(self) -> None:
        self.runs: set[str] = set()
        self.datasets: set[str] = set()
        self.builds: dict[str, str] = {}  # what was said of each, the last time
        self.done = False

    def copy(self) -> "Told":
        """Return the same, to be judged while the deed goes on."""
        other = Told()
        other.runs, other.datasets, other.done = set(self.runs), set(self.datasets), self.done
        other.builds = dict(self.builds)
        return other


@frozen(kw_only=True)
class Deed:
    """One thing to ask for. `judge` is told whether it is asked for once more of what a cut left, which costs most."""

    name: str
    prepare: Callable[[Path], None] = field(repr=False)
    do: Callable[[Disk, Path, Told], None] = field(repr=False)
    judge: Callable[[Path, Told, bool], None] = field(repr=False)


@cache
def _folder() -> Path:
    # Thousands of small roots are made and removed.
    folder = Path(tempfile.mkdtemp(prefix="buff-deeds-", dir=in_memory()))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _csv(seed: int) -> Path:
    return write_csv(_folder() / f"{seed}.csv", MINUTES, seed)


@cache
def _prepared(deed: Deed) -> Path:
    base = _folder() / "prepared" / deed.name
    base.mkdir(parents=True)
    deed.prepare(base)
    return base


def begun(deed: Deed, image: LyingDisk | None = None) -> TwinDisk:
    """Return a disk with what the deed needs on it, or what a power cut left of that: all of it is durable."""
    base = _folder() / f"{deed.name}-{next(_tokens)}"
    if image is None:
        shutil.copytree(_prepared(deed), base)
    else:
        left(image, base)
    return TwinDisk(base)


def ended(disk: TwinDisk) -> None:
    """Remove what the twin holds."""
    for handle in list(disk._files):
        disk.close(handle)
    remove_tree(HastyDisk(), disk.base)


def surroundings() -> Host:
    """Return those of the next process."""
    return evolve(host(OTHER_BOOT, next(_tokens)), program="buff")


def hold(deed: Deed, image: Any, told: Told, *, again: bool) -> None:
    """Hold what a cut left to the promises. Raises Broken."""
    base = left(image, _folder() / f"left-{next(_tokens)}")
    try:
        deed.judge(base, told, again)
    except BuffError as error:
        raise Broken(f"an honest state is refused: {error.code} {error.message}") from error
    except (OSError, msgspec.DecodeError) as error:
        raise Broken(f"a file is gone or not whole: {error}") from error
    finally:
        remove_tree(HastyDisk(), str(base))


# What must hold of any root


@contextlib.contextmanager
def _opened(root: Path) -> Iterator[Store]:
    with Store(str(root), host=surroundings(), settings=SETTINGS, disk=HastyDisk()) as store:
        yield store


def whole(store: Store) -> None:
    """Every run that is listed and every dataset that is there has its bytes, and readers are told of no problem."""
    promise(store.problem is None, f"a problem: {store.problem}")
    for verdict in verify_all(store, stored_bytes_only=True, record=False):
        promise(verdict.outcome == "whole", f"{verdict.run_id} is {verdict.outcome}: {verdict.findings}")
    folder = Path(store.root) / datasets.FOLDER
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    for dataset_id in there | set(store.state.datasets):
        check(store.root, dataset_id)


# A run is created, from files and from a stored dataset


def wishes() -> Iterator[dict[str, Any]]:
    """Yield requests for three runs of two datasets."""
    plain: dict[str, Any] = {"strategy": "hold", "params": None}
    yield request(_csv(7), **plain)
    yield request(_csv(7), timeframe="30m", **plain)
    yield request(_csv(8), **plain)


def _create(disk: Disk, base: Path, told: Told) -> None:
    with Store(str(base / "root"), host=surroundings(), settings=SETTINGS, disk=disk) as store:
        for values in wishes():
            created = create(values, root=store, host=store.host, settings=store.settings)
            told.runs.add(created.run.id)
            told.datasets.add(created.run.inputs["dataset_id"])
    told.done = True


def _created(base: Path, told: Told, again: bool) -> None:
    with _opened(base / "root") as store:
        store.journal()
        promise(told.runs <= store.state.runs.keys(), "an acknowledged run is lost")
        promise(told.datasets <= store.state.datasets.keys(), "an acknowledged dataset is lost")
        whole(store)
        if again:
            for values in wishes():
                created = create(values, root=store, host=store.host, settings=store.settings)
                promise(created.existed or created.run.id not in told.runs, "an acknowledged run was made again")
            whole(store)


CREATE = Deed(name="create", prepare=lambda base: (base / "root").mkdir(), do=_create, judge=_created)


# What nobody needs is freed


def _full(base: Path) -> None:
    """A run that is kept, one archived of the same dataset, one archived with its own, and leavings of every kind.

    The journal has several segments.
    """
    root = base / "root"
    root.mkdir()
    with Store(str(root), host=surroundings(), settings=SETTINGS, segment_bytes_max=4_000) as store:
        for run_id, values in zip(("kept", "old", "alone"), wishes(), strict=True):
            create({**values, "run_id": run_id}, root=store, host=store.host, settings=store.settings)
    (root / "_orphans" / "x.0").mkdir(parents=True)
    (root / "_orphans" / "x.0" / "file").write_bytes(b"12345")
    (root / "_journal" / "quarantine").mkdir()
    (root / "_journal" / "quarantine" / "1-2-3.bin").write_bytes(b"123")
    (root / "_uploads").mkdir()
    (root / "_uploads" / "new.csv").write_bytes(b"1234567")
    with opened(root) as store:
        store.archive("old")
        store.archive("alone")


def _free(disk: Disk, base: Path, told: Told) -> None:
    with Store(str(base / "root"), host=surroundings(), settings=SETTINGS, disk=disk) as store:
        free(store, KINDS)
    told.done = True


def _freed(base: Path, told: Told, again: bool) -> None:
    with _opened(base / "root") as store:
        store.journal()
        promise(set(store.state.runs) == {"kept", "old", "alone"}, "a run is forgotten")
        promise(store.state.runs["kept"].state not in ("archived", "reclaimed"), "a run was given up that nobody named")
        promise(store.entry("kept").dataset_id in store.state.datasets, "a dataset was given up that a run needs")
        given_up = {entry.state for run_id, entry in store.state.runs.items() if run_id != "kept"}
        promise(not told.done or given_up == {"reclaimed"}, "what was freed is back")
        _kept(store)
        if again:
            free(store, KINDS)
            promise(not plan(store).items, "freeing again leaves something")
            promise(not (base / "root" / TRASH).exists() or not list((base / "root" / TRASH).iterdir()), "trash stays")
            _kept(store)


def _kept(store: Store) -> None:
    """Runs that were not given up have their bytes, those they share with others too."""
    verdicts = {item.run_id: item for item in verify_all(store, stored_bytes_only=True, record=False)}
    promise("kept" in verdicts, "a run is gone that nobody named")
    for verdict in verdicts.values():
        promise(verdict.outcome == "whole", f"{verdict.run_id} is {verdict.outcome}: {verdict.findings}")
    check(store.root, store.entry("kept").dataset_id)


FREE = Deed(name="free", prepare=_full, do=_free, judge=_freed)


# Decision records are compressed, and others made plain again


def _packed(base: Path) -> None:
    """Two runs of which the second is compressed already, and what they hold."""
    root = base / "root"
    root.mkdir()
    with Store(str(root), host=surroundings(), settings=SETTINGS) as store:
        for run_id, values in zip(("plain", "packed"), wishes(), strict=False):
            run = create({**values, "run_id": run_id}, root=store, host=store.host, settings=store.settings).run
            (base / run_id).write_bytes(run.artifact(RECORDS))
        change(store, ["packed"])


def _compress(disk: Disk, base: Path, told: Told) -> None:
    with Store(str(base / "root"), host=surroundings(), settings=SETTINGS, disk=disk) as store:
        told.done = _change_both(store)


def _change_both(store: Store) -> bool:
    """Give each of two runs its other form; say whether both were given it, and none was refused as damaged."""
    return not any(change(store, [run_id], undo=undo).failed for run_id, undo in (("plain", False), ("packed", True)))


def _compressed(base: Path, told: Told, again: bool) -> None:
    with _opened(base / "root") as store:
        store.journal()
        _same(store, base)
        if again:
            promise(_change_both(store), "a run cannot be given its other form")
            _same(store, base)
            found = cold.figures(store)
            promise((found.plain, found.compressed) == (1, 1), "a run has not the form that was asked for, or both")


def _same(store: Store, base: Path) -> None:
    for run_id in ("plain", "packed"):
        promise(store.run(run_id).artifact(RECORDS) == (base / run_id).read_bytes(), f"{run_id} holds other records")
    whole(store)


COMPRESS = Deed(name="compress", prepare=_packed, do=_compress, judge=_compressed)


# A root is copied


def _copy(disk: Disk, base: Path, told: Told) -> None:
    store = Store(str(base / "root"), host=surroundings(), settings=SETTINGS, disk=disk)
    copy_root(store, str(base / "copy"))
    told.done = True


def _copied(base: Path, told: Told, again: bool) -> None:
    copy = base / "copy"
    promise(copy.exists() or not told.done, "a copy that was announced is gone")
    if not copy.exists():
        if not again:
            return
        _copy(HastyDisk(), base, told)
    source = Store(str(base / "root"), host=surroundings(), settings=SETTINGS)
    head = read_head(HastyDisk(), str(copy)).current
    promise(head is not None and head.seq == source.state.seq, "the copy's HEAD is not that of its journal")
    reader = Store(str(copy), host=surroundings(), settings=SETTINGS)
    promise(reader.state == source.state, "the copy tells another story")
    whole(reader)
    for name in ("_uploads/new.csv", "_journal/quarantine/1-2-3.bin"):
        promise((copy / name).exists(), f"{name} is not in the copy")
        promise((copy / name).read_bytes() == (base / "root" / name).read_bytes(), f"{name} is another in the copy")
    promise(not list(base.glob(f"*{PARTIAL}")), "something is left beside the copy")


COPY = Deed(name="copy", prepare=_full, do=_copy, judge=_copied)


# What stands of a damaged root is salvaged


def _damaged(base: Path) -> None:
    _full(base)
    segment = max((base / "root" / "_journal").glob("*.jsonl"))
    lines = segment.read_bytes().splitlines(True)
    lines[-2] = lines[-2].replace(b'"t":"2', b'"t":"3', 1)
    segment.write_bytes(b"".join(lines))
    shutil.copytree(base / "root", base / "as it was")


def _salvage(disk: Disk, base: Path, told: Told) -> None:
    report = salvage(disk, str(base / "root"), str(base / "new"), host=surroundings(), why="a test", planning=False)
    promise(not report.values["not_whole"], f"{report.values['not_whole']}")
    told.done = True


def _salvaged(base: Path, told: Told, again: bool) -> None:
    promise(_bytes(base / "root") == _bytes(base / "as it was"), "the damaged root is another")
    new = base / "new"
    promise(new.exists() or not told.done, "a new root that was announced is gone")
    if not new.exists():
        if not again:
            return
        shutil.rmtree(base / f"new{PARTIAL}", ignore_errors=True)  # as its message says
        _salvage(HastyDisk(), base, told)
    head = read_head(HastyDisk(), str(new)).current
    promise(head is not None, "the new root has no HEAD")
    msgspec.json.decode((new / REPORT).read_bytes())
    with _opened(new) as store:
        store.journal()
        promise(any(isinstance(item.event, JournalRecovered) for item in store.events()), "nobody is told of the loss")
        promise({"kept", "old", "alone"} == set(store.state.runs), "a proven run is not in the new root")
        whole(store)


def _bytes(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


SALVAGE = Deed(name="salvage", prepare=_damaged, do=_salvage, judge=_salvaged)


# A bundle is taken in


def _bundled(base: Path) -> None:
    # At its own timeframe nothing else syncs the directory of the dataset: a resample would, when it is added.
    make(base / "source", _csv(7), run_id="sent", timeframe="1m")
    bundle(opened(base / "source"), "sent", out=str(base / "sent.zip"))
    shutil.rmtree(base / "source")
    (base / "root").mkdir()


def _import(disk: Disk, base: Path, told: Told) -> None:
    with Store(str(base / "root"), host=surroundings(), settings=SETTINGS, disk=disk) as store:
        done = bring(str(base / "sent.zip"), root=store, host=store.host, settings=store.settings)
        told.runs.add(done.run.id)
        told.datasets.add(done.run.inputs["dataset_id"])
    told.done = True


def _imported(base: Path, told: Told, again: bool) -> None:
    with _opened(base / "root") as store:
        store.journal()
        promise(told.runs <= store.state.runs.keys(), "an acknowledged run is lost")
        promise(told.datasets <= store.state.datasets.keys(), "an acknowledged dataset is lost")
        whole(store)
        if again:
            done = bring(str(base / "sent.zip"), root=store, host=store.host, settings=store.settings)
            promise(done.existed or not told.runs, "an acknowledged run was taken in again")
            whole(store)


IMPORT = Deed(name="import", prepare=_bundled, do=_import, judge=_imported)


# A migration plan is written

PLAN = {"runs": ["x" * 600]}


def _write_plan(disk: Disk, base: Path, told: Told) -> None:
    with patch.object(legacy, "RealDisk", lambda: disk):
        legacy.write_plan(str(base / "plan.json"), PLAN, SimpleNamespace(path=str(base / "artifacts")))  # type: ignore[arg-type]
    told.done = True


def _plan_written(base: Path, told: Told, again: bool) -> None:
    if told.done:
        promise((base / "plan.json").exists(), "a plan that was written is gone")
        promise((base / "plan.json").read_bytes() == document(PLAN), "a plan holds other bytes")


WRITE_PLAN = Deed(
    name="plan", prepare=lambda base: (base / "artifacts").mkdir(), do=_write_plan, judge=_plan_written
)  # fmt: skip

# A dataset is exported over the file of an earlier export

OLD = b"an earlier export"


def _stored(base: Path) -> None:
    (base / "root").mkdir()
    make(base / "root", _csv(7), run_id="kept", strategy="hold", params=None)
    (base / "bars.csv").write_bytes(OLD)


def _export(disk: Disk, base: Path, told: Told) -> None:
    store = Store(str(base / "root"), host=surroundings(), settings=SETTINGS, disk=disk)
    extract(
        store,
        store.entry("kept").dataset_id,
        out=str(base / "bars.csv"),
        timeframe="1h",
        force=True,
        stdout=lambda data: None,
    )
    told.done = True


def _exported(base: Path, told: Told, again: bool) -> None:
    lines = (base / "bars.csv").read_bytes()
    whole = len(lines.splitlines()) == 1 + MINUTES // 60 and lines.endswith(b"\n")
    promise(whole or (lines == OLD and not told.done), "an export is neither the old one nor the new one")
    if again and not told.done:
        _export(HastyDisk(), base, told)


EXPORT = Deed(name="export", prepare=_stored, do=_export, judge=_exported)

# A run's tables are exported into a folder that is not there yet

TABLES = {"equity.csv": b"x" * 700, "trades.csv": b"y" * 300}


def _export_tables(disk: Disk, base: Path, told: Told) -> None:
    def filled(data: bytes) -> Fill:
        return lambda write: write(data)

    fills = {name: filled(data) for name, data in TABLES.items()}
    publish_folder(disk, str(base / "tables"), fills, token="t", force=(base / "tables").exists())
    told.done = True


def _tables_exported(base: Path, told: Told, again: bool) -> None:
    folder = base / "tables"
    promise(folder.exists() or not told.done, "a folder that was exported is gone")
    for name, data in TABLES.items() if folder.exists() else ():
        promise((folder / name).exists() and (folder / name).read_bytes() == data, "a table holds other bytes")


EXPORT_TABLES = Deed(name="tables", prepare=lambda base: None, do=_export_tables, judge=_tables_exported)

# A file is uploaded, and once more


def _upload(disk: Disk, base: Path, told: Told) -> None:
    for _ in range(2):
        with Store(str(base / "root"), host=surroundings(), settings=SETTINGS, disk=disk) as store:
            with Arrival(store, size_bytes=None) as arrival:
                for at in range(0, len(SENT), 500):
                    arrival.take(SENT[at : at + 500])
                arrival.finish()
            told.done = True


def _uploaded(base: Path, told: Told, again: bool) -> None:
    folder = base / "root" / uploads.FOLDER
    found = [path.read_bytes() for path in folder.iterdir()] if folder.is_dir() else []
    promise(found in ([], [SENT]), "an upload holds other bytes")
    promise(bool(found) or not told.done, "an upload that was acknowledged is gone")
    with _opened(base / "root") as store:
        store.journal()
        promise(not list((base / "root").rglob("*.part")), "a part of an upload stays")
        if again:
            _upload(HastyDisk(), base, told)
            promise([path.read_bytes() for path in folder.iterdir()] == [SENT], "it is not there after another attempt")


SENT = b"z" * 1200
UPLOAD = Deed(name="upload", prepare=lambda base: (base / "root").mkdir(), do=_upload, judge=_uploaded)

# Builds are asked for, done and cancelled


def _build(disk: Disk, base: Path, told: Told) -> None:
    """A run, files that become a dataset, one that is cancelled; each is done as if in a process of its own."""
    root = str(base / "root")
    run, plain = next(wishes()), {"csv": [str(_csv(8))], "symbol": "X"}
    with Store(root, host=surroundings(), settings=SETTINGS, disk=disk) as store:
        asked = [builds.request(store, values, kind=kind) for values, kind in ((run, "run"), (plain, "ingest"))]
        asked.append(builds.request(store, plain, kind="ingest"))
        for entry in asked:
            told.builds[entry.job] = "queued"
        told.builds[asked[2].job] = builds.cancel(store, asked[2].job).status
        for entry in asked[:2]:
            ended = work.run(root, entry.job, host=surroundings(), settings=SETTINGS, disk=disk)
            told.builds[entry.job] = ended.status
    told.done = True


def _built(base: Path, told: Told, again: bool) -> None:
    with _opened(base / "root") as store:
        store.journal()
        _proven(store, told)
        if again:
            for build in builds.queue(store.state):
                work.run(store.root, build.job, host=surroundings(), settings=SETTINGS, disk=HastyDisk())
            promise(not any(build.open for build in store.state.builds.values()), "a build cannot be ended")
            _proven(store, told)


def _proven(store: Store, told: Told) -> None:
    known = store.state.builds
    promise(told.builds.keys() <= known.keys(), "an acknowledged build is lost")
    for job, status in told.builds.items():
        promise(status == "queued" or known[job].status == status, f"a build that {status} is {known[job].status}")
    promise(all(build.status != "running" for build in known.values()), "a dead process is at work")
    ends = Counter(item.event.job for item in store.events() if isinstance(item.event, BuildFinished | BuildFailed))
    promise(set(ends.values()) <= {1}, "a build ended twice")
    made = {build.run_id for build in known.values() if build.run_id is not None}
    promise(made == set(store.state.runs), "a run without its build, or a build without its run")
    stored = {build.dataset_id for build in known.values() if build.dataset_id is not None}
    promise(stored <= store.state.datasets.keys(), "a build without its dataset")
    whole(store)


BUILD = Deed(name="build", prepare=lambda base: (base / "root").mkdir(), do=_build, judge=_built)

# What is on its way is stopped by the kill switch


def _stop(disk: Disk, base: Path, told: Told) -> None:
    """A run that is made, then an ingest and a run in the middle of which somebody turns the switch on."""
    with Store(str(base / "root"), host=surroundings(), settings=SETTINGS, disk=disk) as store:

        def turn_on(stage: str, done: int, total: int) -> None:
            if not safety.state(store).engaged:
                safety.engage(store, stage)

        first, second, other = wishes()
        created = create(first, root=store, host=store.host, settings=store.settings)
        told.runs.add(created.run.id)
        told.datasets.add(created.run.inputs["dataset_id"])
        stored = {name: value for name, value in second.items() if name != "csv"}
        stored["dataset"] = created.run.inputs["dataset_id"]
        for values in (other, stored):
            safety.release(store)
            with contextlib.suppress(KillSwitchEngaged):
                create(values, root=store, host=store.host, settings=store.settings, progress=turn_on)
                raise AssertionError("it was made while the switch was on")
    told.done = True


def _stopped(base: Path, told: Told, again: bool) -> None:
    with _opened(base / "root") as store:
        store.journal()
        promise(told.runs <= store.state.runs.keys(), "an acknowledged run is lost")
        promise(len(store.state.runs) <= 1, "a run was committed although the switch was on")
        promise(len(store.state.datasets) <= 1, "a dataset was stored although the switch was on")
        promise(safety.state(store).engaged or not told.done, "the switch is off, and nobody turned it off")
        whole(store)
        if again:
            safety.release(store)
            for values in wishes():
                create(values, root=store, host=store.host, settings=store.settings)
            whole(store)


STOP = Deed(name="stop", prepare=lambda base: (base / "root").mkdir(), do=_stop, judge=_stopped)


# The kill switch is turned on, and off again


def _switch(disk: Disk, base: Path, told: Told) -> None:
    with Store(str(base / "root"), host=surroundings(), settings=SETTINGS, disk=disk) as store:
        store.journal()  # made anew it would sync the root, and with it the name of the file
        safety.engage(store, "a test")
        told.runs.add("on")
        disk.close(disk.create(store.owner.path("between")))  # a moment at which the power may go
        told.runs.add("releasing")
        safety.release(store)
        told.done = True


def _switched(base: Path, told: Told, again: bool) -> None:
    with _opened(base / "root") as store:
        store.journal()
        found = safety.state(store)
        if told.done:
            promise(not found.engaged, "the switch is on again, and nobody turned it on")
        elif "on" in told.runs and "releasing" not in told.runs:
            promise([each.why for each in found.engagements if each.source == "file"] == ["a test"], "the file is gone")
        if again:
            safety.release(store)
            promise(not safety.state(store).engaged, "the switch cannot be turned off")
        whole(store)


SWITCH = Deed(name="switch", prepare=lambda base: (base / "root").mkdir(), do=_switch, judge=_switched)

# Many runs are made at once


def _dataset(base: Path) -> None:
    root = base / "root"
    root.mkdir()
    with Store(str(root), host=surroundings(), settings=SETTINGS) as store:
        create(next(wishes()), root=store, host=store.host, settings=store.settings)


def _asked(store: Store) -> sweeps.Asked:
    given = {"dataset": store.datasets()[0].dataset_id, "timeframe": "1h", "strategy": "hold"}
    return sweeps.Asked(requests=tuple({**given, "risk_level": level} for level in (1, 2, 4)))


def _sweep(disk: Disk, base: Path, told: Told) -> None:
    """Three runs, of which two are committed together. What they are written by is one thread, in one order."""
    with (
        Store(str(base / "root"), host=surroundings(), settings=SETTINGS, disk=disk) as store,
        patch.object(batch, "TOGETHER", 2),
        patch.object(batch, "ThreadPoolExecutor", lambda *_: Here()),
    ):
        done = sweeps.carry_out(store, _asked(store), executor=Here())
        told.runs |= {str(outcome.run_id) for outcome in done.outcomes}
    told.done = True


def _swept(base: Path, told: Told, again: bool) -> None:
    with _opened(base / "root") as store:
        store.journal()
        promise(told.runs <= store.state.runs.keys(), "an acknowledged run is lost")
        whole(store)
        _planned(store)
        if again:
            done = sweeps.carry_out(store, _asked(store), executor=Here())
            promise(all(outcome.ok for outcome in done.outcomes), "a run cannot be made any more")
            promise(set(told.runs) <= {outcome.run_id for outcome in done.outcomes if outcome.existed}, "made again")
            promise(len(store.state.runs) == 4, "other runs than were asked for")
            _planned(store)
            whole(store)


def _planned(store: Store) -> None:
    """Every sweep the journal tells of has its plan, and was planned once."""
    for entry in store.state.sweeps.values():
        promise(len(sweeps.read_plan(store, entry)["runs"]) == 3, "a plan that was recorded is another")
    told = [item.event for item in store.events() if isinstance(item.event, SweepPlanned)]
    promise(len(told) == len(store.state.sweeps) <= 1, "a sweep was planned twice")


SWEEP = Deed(name="sweep", prepare=_dataset, do=_sweep, judge=_swept)


DEEDS = (
    CREATE,
    FREE,
    COMPRESS,
    COPY,
    SALVAGE,
    IMPORT,
    WRITE_PLAN,
    EXPORT,
    EXPORT_TABLES,
    UPLOAD,
    BUILD,
    SWITCH,
    STOP,
    SWEEP,
)


# The search


def cuts(
    deed: Deed, *, images: int, again: float, deaf: Deaf = lambda kind, path: False, seed: int = 4, stop: int = -1
) -> tuple[int, int]:
    """Cut the power before every step of a deed and after it; return how many steps and different states there were.

    `again` is the share of states in which the deed is done once more. With a `stop` the power went before that step,
    and it is the second attempt whose steps are cut. `deaf` says which syncs are not made; one that was not asked yet
    (`heard`) has changed nothing.
    """
    chance, told, states = random.Random(seed), Told(), set[tuple[bytes, bool]]()
    disk = begun(deed) if stop < 0 else begun(deed, _stopped(deed, stop, told, chance))

    def cut() -> None:
        for image in disk.images(chance, images) if getattr(deaf, "heard", True) else ():
            state = image.fingerprint(), told.done
            if state not in states:
                states.add(state)
                hold(deed, image, told.copy(), again=told.done or chance.random() < again)

    disk.deaf, disk.watch = deaf, cut
    try:
        deed.do(disk, Path(disk.base), told)
        cut()
    finally:
        steps = disk.steps
        ended(disk)
    return steps, len(states)


def _stopped(deed: Deed, step: int, told: Told, chance: random.Random) -> LyingDisk:
    """Return what a power cut before one step of a deed may leave."""
    disk = begun(deed)
    disk.cut_at = step
    with contextlib.suppress(PowerCut):
        deed.do(disk, Path(disk.base), told)
    images = list(disk.images(chance, 3))
    ended(disk)
    told.done = False
    return images[-1]
