"""A store on a simulated disk, in small: runs of three tiny files, a plain model of them, and what must hold after.

The columns of datasets are mapped from real files, so nothing here computes: a staged directory and an event are all
that a commit takes. `Model` is what a person with a notebook would know: what was asked for and what was answered.
"""

import contextlib
import hashlib
import itertools
import tempfile
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec

from buff.datasets import FOLDER, publish
from buff.errors import BuffError
from buff.files import write_file
from buff.host import Host
from buff.journal.events import DatasetStored, RunCommitted, RunRejected, TailQuarantined
from buff.journal.line import SEGMENT_BYTES_MAX
from buff.journal.survey import RUN_ID, read_head, read_index, segment_name
from buff.registry.index import NAME as INDEX
from buff.registry.index import index_bytes, state_of
from buff.registry.projection import project
from buff.runs.directory import Piece, write_manifest, write_pieces
from buff.runs.manifest import content_sha256, manifest_of, manifest_sha256
from buff.settings import Settings
from buff.store import CHECKPOINTS, Store
from journals import BOOT, HOLDER, TIME, commit
from lying_disk import Failing, LyingDisk, PowerCut

ROOT = tempfile.gettempdir()  # a store asks the machine whether its root is there; nothing else touches the real one
SETTINGS = Settings(user="tester", free_bytes_min=0, lock_timeout_seconds=2.0)
DATASET = "d" * 64
OTHER_BOOT = "99999999-2222-3333-4444-555555555555"


def machine(failing: Failing = Failing.EXT4) -> LyingDisk:
    """Return a disk with an empty, durable root."""
    disk = LyingDisk(failing)
    path = ""
    for part in ROOT.strip("/").split("/"):
        disk.mkdir(f"{path}/{part}")
        disk.sync_directory(path or "/")
        path = f"{path}/{part}"
    disk.steps = disk.operations = 0
    disk.trace.clear()
    return disk


def host(boot: str = BOOT, process: int = 0, *, clock: Any = lambda: TIME) -> Host:
    """Return the surroundings of a process, which never change but for the token, which counts."""
    numbers = itertools.count(process << 32)
    return Host(
        clock=clock,
        monotonic=lambda: 0.0,
        token=lambda: f"{next(numbers):016x}",
        environment={},
        user="tester",
        boot=boot,
        pid=HOLDER["pid"],
        cores=1,
        name="here",
        program="buff",
        command="pytest",
    )


class Model:
    """What was asked for and what was answered: the plain truth that a root is held against."""

    def __init__(self) -> None:
        self.asked: dict[str, RunCommitted] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.kept: set[str] = set()  # run ids whose commit was acknowledged
        self.datasets: set[str] = set()  # whose event was acknowledged
        self.rejected = 0  # notes acknowledged
        self.noted = 0  # notes asked for
        self.seq = 0  # the last seq a receipt vouched for
        self.head_seq = 0  # how far HEAD is durable: the last run that was acknowledged, the end of a journal closed
        self.segment_bytes_max = SEGMENT_BYTES_MAX
        self.foreign: set[str] = set()  # directories with a run's name that are nobody's
        self.processes = 0  # that opened the store so far

    def copy(self) -> "Model":
        """Return the same model, to go on with another future."""
        other = Model()
        for name, value in vars(self).items():
            setattr(other, name, value if isinstance(value, int) else value.copy())
        return other

    @property
    def promises(self) -> tuple[object, ...]:
        """What was acknowledged, as a value: two states of a disk are one only when it is the same."""
        return frozenset(self.kept), frozenset(self.datasets), self.rejected, self.noted, frozenset(self.asked)


class Ledger:
    """One process with a store on a disk, and the model it keeps of what it was told."""

    def __init__(self, disk: LyingDisk, model: Model, *, boot: str = BOOT, clock: Any = lambda: TIME) -> None:
        """Open nothing yet."""
        model.processes += 1
        self.model = model
        self.store = Store(
            ROOT,
            host=host(boot, model.processes, clock=clock),
            settings=SETTINGS,
            disk=disk,
            segment_bytes_max=model.segment_bytes_max,
        )

    def commit(self, run_id: str, *, seed: str = "") -> bool:
        """Stage and commit a run; return whether it existed. The model learns before and after."""
        store, model = self.store, self.model
        staged = store.owner.path(run_id)
        store.owner.discard(run_id)
        try:
            files, event = stage(store, staged, run_id, seed)
            model.asked.setdefault(run_id, event)
            model.files.setdefault(run_id, files)
            _, existed = store.commit(run_id, event)
        finally:
            with contextlib.suppress(OSError):
                store.owner.discard(run_id)
        model.kept.add(run_id)
        if not existed and not self._head_may_lag():
            model.head_seq = store.state.runs[run_id].seq
        return existed

    def _head_may_lag(self) -> bool:
        """Say whether HEAD may be behind the run: its sync fails now, or failed once in a process that then gave up.

        A later process cannot know of that failure, and its own syncs of the same file are reported as success. It
        costs nothing that was acknowledged: HEAD is a lower bound, and recovery reads on to the journal's end.
        """
        disk, head = self.store.disk, f"{ROOT}/_journal/HEAD"
        return getattr(disk, "fault", None) is not None or not disk.exists(head) or disk.doubted(head)

    def take_in(self) -> None:
        """Store a dataset of one small file and record it."""
        store = self.store
        staged = store.owner.path("ing_1")
        store.owner.discard("ing_1")
        store.disk.mkdir(staged)
        write_file(store.disk, f"{staged}/ts.npy", (COLUMN,))
        store.disk.sync_directory(staged)
        publish(store.disk, ROOT, staged, SimpleNamespace(id=DATASET))  # type: ignore[arg-type]
        store.record(STORED)
        self.model.datasets.add(DATASET)

    def note(self) -> None:
        """Record an event that belongs to no run."""
        self.model.noted += 1
        (receipt,) = self.store.record(RunRejected(code="X", message="no", details={}, by="tester"))
        self.model.rejected += 1
        self.model.seq = receipt.seq

    def close(self) -> None:
        """Close the store."""
        with contextlib.suppress(BuffError):  # a failing disk: then nothing more is promised of HEAD
            seq = self.store.state.seq
            self.store.close()
            if not self._head_may_lag():
                self.model.head_seq = max(self.model.head_seq, seq)
        self.store.close()


COLUMN = b"column" * 40
STORED = DatasetStored(
    ingest="ing_1",
    dataset_id=DATASET,
    base_timeframe="1m",
    rows=1,
    first_ts=0,
    last_ts=0,
    gaps=0,
    filled=0,
    symbol="BTCUSDT",
    existed=False,
    source={},
    milliseconds=1,
)


def stage(store: Store, staged: str, run_id: str, seed: str) -> tuple[dict[str, bytes], RunCommitted]:
    """Write a run of three files as the builder does; return their bytes and the event that would commit it."""
    files = {"orders.jsonl": b"%b\n" % (run_id + seed).encode(), "columns/equity.npy": (run_id + seed).encode() * 90}
    pieces = [Piece(name=name, schema="x.v1", chunks=(data,)) for name, data in files.items()]
    artifacts = write_pieces(store.disk, staged, pieces)
    inputs_hash = hashlib.sha256(run_id.encode()).hexdigest()
    manifest = manifest_of(
        run_id=run_id,
        inputs={"engine_version": "1"},
        inputs_hash=inputs_hash,
        data={"dataset_id": DATASET, "source": {}},
        artifacts=artifacts,
        references=(),
    )
    write_manifest(store.disk, staged, manifest)
    event = commit(run_id, inputs_hash=inputs_hash).event
    assert isinstance(event, RunCommitted)
    event = msgspec.structs.replace(
        event,
        manifest_sha256=manifest_sha256(manifest),
        content_sha256=content_sha256(manifest),
        name=None,  # other than ASCII costs a reader a second look, and these are read a million times
    )
    return {**files, "manifest.json": store.disk.read(f"{staged}/manifest.json")}, event


class Broken(AssertionError):
    """A promise of the store is broken; the message says which."""


def promise(kept: object, says: str) -> None:
    """Raise Broken unless `kept`. Unlike a bare assert it costs no rewriting in a loop of a million."""
    if not kept:
        raise Broken(says)


def hold(disk: LyingDisk, model: Model, *, boot: str, seen: set[bytes] | None = None) -> None:
    """Open what a crash left as the next process would, close it, and hold it to every promise. Raises Broken.

    Of disks in `seen` it is known that opening them again changes nothing: recovery makes many into one.

    Invariants checked: a reader sees no run in part; what was acknowledged is there and nothing that was not asked for;
    every file of every run has its bytes; no directory of a run is there without its event; every orphan is told of;
    index.json is what the journal says and what the model knows; opening again changes nothing.
    """
    _read(disk, model, boot)
    ledger = Ledger(disk, model, boot=boot)
    try:
        ledger.store.journal()
    except BuffError as error:
        raise Broken(f"an honest state is refused: {error.code} {error.message}") from error
    state = ledger.store.state
    _judge(disk, model, ledger.store)
    ledger.close()
    _index(disk, model, state)
    content = disk.fingerprint()
    if seen is None or content not in seen:
        second = Ledger(disk, model, boot=boot)
        second.store.journal()
        second.close()
        promise(second.store.state.seq == state.seq, "opening again wrote events")
        promise(disk.fingerprint() == content, "opening again changed a file")
        if seen is not None:
            seen.add(content)


def _read(disk: LyingDisk, model: Model, boot: str) -> None:
    head = read_head(disk, ROOT).current
    promise(model.head_seq <= (0 if head is None else head.seq), "HEAD is not durable as far as it was promised")
    index = read_index(disk, ROOT)
    if head is not None and index is not None and not disk.doubted(f"{ROOT}/_journal/HEAD"):
        promise(index.seq <= head.seq, "index.json names an event that HEAD does not")
    try:
        reader = Store(ROOT, host=host(boot), settings=SETTINGS, disk=disk)
        state = reader.state
    except BuffError as error:
        raise Broken(f"a reader is refused: {error.code} {error.message}") from error
    promise(reader.problem is None, f"a reader is told of a problem: {reader.problem}")
    promise(state.runs.keys() <= model.asked.keys(), "a reader sees a run nobody asked for")
    for run_id in state.runs:
        _whole(disk, model, run_id, state.runs[run_id].manifest_sha256)


def _judge(disk: LyingDisk, model: Model, store: Store) -> None:
    state = store.state
    promise(model.kept <= state.runs.keys(), f"acknowledged runs are lost: {model.kept - state.runs.keys()}")
    promise(state.runs.keys() <= model.asked.keys(), f"phantoms: {state.runs.keys() - model.asked.keys()}")
    promise(model.datasets <= state.datasets.keys(), "an acknowledged dataset is lost")
    promise(model.rejected <= state.rejected <= model.noted, "acknowledged notes are lost, or one is a phantom")
    promise(state.seq >= model.seq, "the journal ends before the last receipt")
    for run_id, entry in state.runs.items():
        _whole(disk, model, run_id, entry.manifest_sha256)
    for dataset in state.datasets:
        path = f"{ROOT}/{FOLDER}/{dataset}/ts.npy"
        promise(disk.exists(path) and disk.read(path) == COLUMN, "a recorded dataset is not whole")
    there = {name for name in disk.names(ROOT) if RUN_ID.fullmatch(name) and disk.is_directory(f"{ROOT}/{name}")}
    nobodys = there - set(state.runs) - model.foreign
    promise(not nobodys, f"directories without an event: {nobodys}")
    _quarantined(disk, store)
    _past(disk, store)
    orphans = f"{ROOT}/_orphans"
    aside = set(disk.names(orphans)) if disk.is_directory(orphans) else set()
    promise(aside <= set(state.orphans), f"orphans nobody was told of: {aside - set(state.orphans)}")
    promise(aside == set(state.orphans), f"orphans that are gone: {set(state.orphans) - aside}")


def _quarantined(disk: LyingDisk, store: Store) -> None:
    """Torn tails that events speak of are there, byte for byte. Few journals have any, so the bytes are asked first."""
    folder = f"{ROOT}/_journal"
    names = [name for name in disk.names(folder) if name.endswith(".jsonl")]
    if not any(b'"tail_quarantined"' in disk.read(f"{folder}/{name}") for name in names):
        return
    for event in (item.event for item in store.events()):
        if isinstance(event, TailQuarantined):
            path = f"{folder}/quarantine/{event.segment}-{event.offset}-{event.content[:16]}.bin"
            promise(disk.exists(path), "a torn tail is not in quarantine")
            promise(hashlib.sha256(disk.read(path)).hexdigest() == event.content, "quarantine holds other bytes")


def _past(disk: LyingDisk, store: Store) -> None:
    """The state at each checkpoint, and one event before it, is what the events up to there make."""
    folder = f"{ROOT}/{CHECKPOINTS}"
    names = disk.names(folder) if disk.is_directory(folder) else ()
    if not names:
        return
    events = store.events()
    for last in {seq for name in names for seq in (int(name[:20]) - 1, int(name[:20]))} & set(range(len(events) + 1)):
        promise(store.as_of(last) == project(events[:last]), f"the past as of {last} is not what the events make")


def _whole(disk: LyingDisk, model: Model, run_id: str, manifest: str) -> None:
    for name, data in model.files[run_id].items():
        path = f"{ROOT}/{run_id}/{name}"
        promise(disk.exists(path), f"{name} of {run_id} is gone")
        promise(disk.read(path) == data, f"{name} of {run_id} holds other bytes")
    promise(model.asked[run_id].manifest_sha256 == manifest, f"{run_id} is committed with another manifest")


def _index(disk: LyingDisk, model: Model, state: Any) -> None:
    data = disk.read(f"{ROOT}/{INDEX}")
    promise(data == index_bytes(state), "index.json is not what the journal says")
    stored = state_of(data)
    promise(stored is not None, "index.json is no index")
    listed = {} if stored is None else {run_id: msgspec.structs.asdict(entry) for run_id, entry in stored.runs.items()}
    promise(listed.keys() == state.runs.keys(), "index.json lists other runs")
    for run_id, entry in listed.items():
        asked = msgspec.to_builtins(model.asked[run_id])
        promise(all(entry[name] == asked[name] for name in asked if name in entry), f"{run_id} is listed otherwise")


def workload(ledger: Ledger) -> Iterator[str]:
    """Do what three runs need, step by step: a dataset, three commits, one of them twice, notes, the index."""
    ledger.store.journal()
    yield "opened"
    ledger.take_in()
    yield "a dataset"
    ledger.commit("run_a")
    yield "the first run"
    ledger.note()
    ledger.commit("run_b")
    yield "the second run"
    ledger.commit("run_a")
    yield "the first again"
    ledger.note()
    ledger.commit("run_c")
    yield "the third run"
    ledger.close()
    yield "closed"


def play(disk: LyingDisk, model: Model, *, boot: str = BOOT) -> None:
    """Do the whole workload in one process."""
    for _ in workload(Ledger(disk, model, boot=boot)):
        pass


def fresh(failing: Failing = Failing.EXT4) -> tuple[LyingDisk, Model]:
    """Return an empty root and the model of it."""
    return machine(failing), Model()


def rotate(disk: LyingDisk, model: Model, *, boot: str = BOOT) -> None:
    """Do more than the workload, so that segments rotate and leave checkpoints, and look back in between."""
    ledger = Ledger(disk, model, boot=boot)
    for run_id in ("run_a", "run_b", "run_c"):
        ledger.commit(run_id)
        ledger.note()
        ledger.store.as_of(ledger.store.state.seq - 1)
    ledger.take_in()
    ledger.close()


def inherited(failing: Failing = Failing.EXT4) -> tuple[LyingDisk, Model]:
    """Return a root that others have used: a run, a build that died between rename and event, a stranger's folder."""
    disk, model = fresh(failing)
    first = Ledger(disk, model)
    first.commit("run_z")
    first.close()
    disk.mkdir(f"{ROOT}/run_b")
    model.foreign.add("run_b")
    dead = Ledger(disk, model)
    disk.mkdir(dead.store.owner.path("run_half"))
    published = f"{dead.store.owner.path('run_c')} -> {ROOT}/run_c"

    def die() -> None:
        if disk.trace[-1].endswith(published):
            raise PowerCut

    disk.watch = die
    with contextlib.suppress(PowerCut):
        dead.commit("run_c")
    return disk.copy(), model


def headless(failing: Failing = Failing.EXT4) -> tuple[LyingDisk, Model]:
    """Return a root with a run whose HEAD somebody has removed."""
    disk, model = fresh(failing)
    first = Ledger(disk, model)
    first.commit("run_z")
    first.close()
    disk.unlink(f"{ROOT}/_journal/HEAD")
    model.head_seq = 0
    return disk.copy(), model


def torn(failing: Failing = Failing.EXT4) -> tuple[LyingDisk, Model]:
    """Return a root with a run whose last writer died in the middle of a batch."""
    disk, model = inherited(failing)
    path = f"{ROOT}/_journal/{segment_name(1)}"
    disk.put(path, disk.read(path) + disk.read(path)[-900:-300])
    return disk, model


def small(failing: Failing = Failing.EXT4) -> tuple[LyingDisk, Model]:
    """Return an empty root whose segments are full after a few events."""
    disk, model = fresh(failing)
    model.segment_bytes_max = 1_800
    return disk, model


def rivals(disk: LyingDisk, model: Model) -> None:
    """Let two processes take turns on one root; one of them dies with a run half staged, the other goes on."""
    other = disk.process()
    other.watch = disk.watch
    one, two = Ledger(disk, model), Ledger(other, model)
    one.take_in()
    two.commit("run_b")
    one.commit("run_a")
    two.commit("run_a")
    one.note()
    two.note()
    other.mkdir(two.store.owner.path("run_c"))
    other.end()
    one.commit("run_b")
    one.commit("run_c")
    one.close()
