"""Bundle: a run as one file that proves itself, and that another root takes in.

A committed run goes in; a zip comes out that holds its files, its data, the lines of the journal that tell of both, and
a checker that needs nothing but Python. The zip goes in on the other side, every byte of it judged before the root is
touched; a run comes out, committed as any other, or a coded error with nothing half-made left behind. The same run of
the same root gives the same bytes. No signature is in a bundle: it proves that it is whole, not who made it.
"""

import hashlib
import os
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from importlib.resources import files
from io import BytesIO
from typing import IO, Any

import msgspec
import numpy as np
from attrs import asdict, evolve, frozen

from buff import checker
from buff.admission import Admission, admitted
from buff.builder import open_root, silent, written
from buff.canonical import digest, document
from buff.columns import read as read_column
from buff.datasets import FOLDER, Dataset, check, load, publish, resampled
from buff.errors import BundleInvalid, DataSourceNotFound, RequestError, RunDamaged, RunsRootInvalid
from buff.files import Disk, rest_sha256, write_file
from buff.host import Host
from buff.intake import Progress, dataset_stored
from buff.journal.codec import encode
from buff.journal.events import (
    DatasetStored,
    Event,
    IngestParsed,
    IngestStarted,
    IngestValidated,
    JournalOpened,
    RunCommitted,
)
from buff.journal.line import ZEROS, Line, LineInvalid, parse
from buff.journal.line import write as write_line
from buff.journal.reader import read
from buff.journal.record import recorded
from buff.market.timeframe import Timeframe
from buff.outlet import Write, check_target
from buff.outlet import publish as publish_file
from buff.proof import Verdict, verify
from buff.recipe import committed, data_of
from buff.registry.queries import held
from buff.runs.compression import opened
from buff.runs.directory import COLUMNS, Piece, faults, read_manifest, write_manifest, write_pieces
from buff.runs.identity import check_run_id, inputs_hash
from buff.runs.manifest import NAME, SCHEMA, content_sha256
from buff.runs.request import words
from buff.runs.run import Run
from buff.settings import Settings
from buff.store import Store

STAGED = "bundle"  # where the data of a bundle are unpacked, in our own place under `_staging/`
BASE_FILES = ("dataset.json", "quality.json")
RESAMPLE = "resample.json"
# What a zip, JSON or a hash that is not what it should be makes of Python's own readers.
_STUMBLES = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
)

Opened = Callable[[], IO[bytes]]


@frozen(kw_only=True)
class Bundle:
    """A bundle that is whole: of which run, with which receipt of the journal it comes from, and its own SHA-256.

    `verdict` is what making the run again from the bundle found, where that was asked for.
    """

    run_id: str
    content_sha256: str
    receipt: str
    sha256: str
    size: int
    files: int
    verdict: Verdict | None = None

    @property
    def exit_code(self) -> int:
        """0, or that of the verdict."""
        return 0 if self.verdict is None else self.verdict.exit_code

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as plain values."""
        verdict = None if self.verdict is None else self.verdict.as_dict()
        return {**asdict(self, recurse=False), "verdict": verdict, "exit_code": self.exit_code}


@frozen(kw_only=True)
class Imported:
    """A run of a bundle in this root, and whether run and dataset were there before."""

    run: Run
    existed: bool
    dataset_existed: bool

    def as_dict(self) -> dict[str, Any]:
        """Return what `bundle import --json` prints."""
        return {
            "run_id": self.run.id,
            "existed": self.existed,
            "dataset_id": self.run.inputs["dataset_id"],
            "dataset_existed": self.dataset_existed,
            "state": self.run.facts["state"],
        }


# Out


def bundle(store: Store, run_id: str, *, out: str, force: bool = False) -> Bundle:
    """Write a run, named by its id or the beginning of it, with its data and its evidence to the file `out`.

    What is stored is judged by the bundle's own checker before the file appears. A file that is there is replaced only
    with `force`. Raises RunNotFound, RunConfigInvalid, RunDamaged, StorageFull, ArtifactsWriteFailed.
    """
    run = store.run(run_id)
    check_target(store.disk, out, force=force)
    for fault in faults(os.path.join(store.root, run.id), run.manifest):
        raise _unbundled(run.id, f"{fault.name} {fault.says}")
    found: list[Bundle] = []

    def fill(write: Write) -> None:
        with tempfile.TemporaryFile(dir=os.path.dirname(out) or ".") as file:
            checker.write(_members(store, run), file)
            try:
                found.append(_judged(file))
            except BundleInvalid as error:
                raise _unbundled(run.id, str(error.details["says"])) from error
            file.seek(0)
            while chunk := file.read(1 << 20):
                write(chunk)

    publish_file(store.disk, out, fill, token=store.host.token(), force=force)
    return found[0]


def _unbundled(run_id: str, says: str) -> RunDamaged:
    return RunDamaged(
        f"{run_id} cannot be bundled: {says}", hint=f"run `buff run verify {run_id}`", details={"run_id": run_id}
    )


def _members(store: Store, run: Run) -> list[tuple[str, int, Opened]]:
    """Return the files of a bundle in order of name: each with its size and how to open it."""
    entry = held(store.state, run.id)
    lines = _evidence(store, run, entry.seq)
    made = next(line for line in lines if line.seq == entry.seq)
    journal = recorded(lines[0]).event
    assert isinstance(journal, JournalOpened), "a journal begins with its opening"
    inside = {
        checker.CHECKER: files("buff").joinpath("checker.py").read_text("utf-8").encode(),
        checker.JOURNAL: b"".join(line.raw for line in lines),
    }
    names = [*_run_files(run), *_data_files(run.manifest)]
    hashed = {name: _hashed(os.path.join(store.root, *name.split("/"))) for name in names}
    hashed |= {name: (len(data), digest(data)) for name, data in inside.items()}
    inside[checker.BUNDLE] = document(
        {
            "schema_version": checker.SCHEMA,
            "run_id": run.id,
            "manifest_sha256": entry.manifest_sha256,
            "content_sha256": entry.content_sha256,
            "receipt": f"{journal.journal_id}:{made.seq}:{made.sha256}",
            "files": [{"name": name, "size": hashed[name][0], "sha256": hashed[name][1]} for name in sorted(hashed)],
        }
    )
    ways: dict[str, Opened] = {
        **{name: partial(opened, os.path.join(store.root, *name.split("/"))) for name in names},
        **{name: partial(BytesIO, data) for name, data in inside.items()},
    }
    hashed[checker.BUNDLE] = (len(inside[checker.BUNDLE]), "")
    return [(name, hashed[name][0], ways[name]) for name in sorted(ways)]


def _run_files(run: Run) -> list[str]:
    return [f"{run.id}/{name}" for name in (NAME, *(item["name"] for item in run.manifest["artifacts"]))]


def _data_files(manifest: Mapping[str, Any]) -> set[str]:
    """Return the files of a run's dataset, from the root on: its base, and the resample that the run refers to."""
    base = f"{FOLDER}/{manifest['inputs']['dataset_id']}"
    references = {item["file"] for item in manifest["references"]}
    columns = {f"{base}/{item['column']}.npy" for item in manifest["references"]}
    resamples = {name.rpartition("/")[0] for name in references} - {base}
    return references | columns | {f"{base}/{name}" for name in BASE_FILES} | {f"{at}/{RESAMPLE}" for at in resamples}


def _hashed(path: str) -> tuple[int, str]:
    hashed, size = hashlib.sha256(), 0
    try:
        with opened(path) as file:
            while chunk := file.read(1 << 20):
                hashed.update(chunk)
                size += len(chunk)
    except OSError as error:
        name = os.path.basename(path)
        raise RunDamaged(f"{name} cannot be read: {error.strerror}", details={"file": name}) from error
    return size, hashed.hexdigest()


def _evidence(store: Store, run: Run, seq: int) -> list[Line]:
    """Return the journal's lines that a bundle holds: its first, all of the batch that committed the run, and before
    that those of every ingest that became the run's dataset. What the journal says later changes no bundle.
    """
    lines = read(store.disk, store.root, boot=store.host.boot).lines
    made = lines[seq - 1]
    before = [(line, recorded(line).event) for line in lines[: made.first - 1]]
    dataset_id = run.inputs["dataset_id"]
    stored = {e.ingest for _, e in before if isinstance(e, DatasetStored) and e.dataset_id == dataset_id}
    steps = (IngestStarted, IngestParsed, IngestValidated, DatasetStored)
    told = [line for line, event in before if isinstance(event, steps) and event.ingest in stored]
    return [lines[0], *told, *lines[made.first - 1 : made.last]]


# In


def verify_bundle(path: str, *, host: Host, settings: Settings, recompute: bool = False) -> Bundle:
    """Return what a bundle is after proving every byte of it; nothing of it is executed and no root is touched.

    With `recompute` the run is also made again from the bundled data, in a root of its own that is then removed. Raises
    DataSourceNotFound, BundleInvalid.
    """
    with _file(path) as file:
        found = _judged(file)
    if not recompute:
        return found
    with tempfile.TemporaryDirectory(prefix="buff-bundle-") as root:
        # Proving a bundle makes nothing that stays: the switch and the limits are those of a root somebody keeps.
        settings = evolve(settings, kill_switch=False, builds_max=None, requests_per_minute=None)
        bring(path, root=root, host=host, settings=settings)
        with Store(root, host=host, settings=settings) as store:
            verdict = verify(store, found.run_id, record=False)
    return Bundle(**{**asdict(found, recurse=False), "verdict": verdict})


def bring(
    path: str,
    *,
    root: str | os.PathLike[str] | Store | None,
    host: Host,
    settings: Settings,
    progress: Progress = silent,
) -> Imported:
    """Bring the run of a bundle, with its dataset, into a root; a run that is there with the same content stays.

    The bundle is judged first: one that is refused leaves no trace. Raises DataSourceNotFound, BundleInvalid, RunExists
    for other inputs under the same id, Nondeterministic for the same inputs with other bytes, StorageFull, and what a
    root that cannot be written raises.
    """
    with _file(path) as file:
        found = _judged(file)
        with zipfile.ZipFile(file) as members:
            if isinstance(root, Store):
                return _taken(root, members, found, progress)
            with Store(open_root(root), host=host, settings=settings) as store:
                return _taken(store, members, found, progress)


def _taken(store: Store, members: zipfile.ZipFile, found: Bundle, progress: Progress) -> Imported:
    """Stage, prove and commit the run of a bundle that was judged."""
    owner = store.owner
    place, run_id = owner.path(STAGED), found.run_id
    with written("the imported run"), admitted(store, "import", progress=progress) as admission:
        try:
            for name in (STAGED, "resample", run_id):
                owner.discard(name)  # what an attempt before this one left, when the disk did not let it clean up
            admission.progress("unpacking", 0, found.files)
            with _proving():
                event, manifest, dataset = _staged(store, members, found, admission)
            admission.progress("committing", found.files, found.files)
            known = store.state.runs.get(run_id)
            existed = known is not None and known.state != "reclaimed"
            if not existed:
                admission.check_rate()
            held_already = existed or _publish(store, place, dataset, manifest, admission.check)
            _, existed = store.commit(run_id, event, guard=admission.guard)
        finally:
            with suppress(OSError):  # what happened is told already, and the next attempt or sweep clears this away
                for name in (STAGED, "resample", run_id):
                    owner.discard(name)
    return Imported(run=store.run(run_id), existed=existed, dataset_existed=held_already)


@contextmanager
def _file(path: str) -> Iterator[IO[bytes]]:
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below
    except (OSError, ValueError) as error:  # the latter for a name with a NUL byte
        raise DataSourceNotFound(f"{path} cannot be opened", hint="check the path", details={"path": path}) from error
    with file:
        yield file


def _judged(file: IO[bytes]) -> Bundle:
    """Return what a bundle in an open file is, every byte of it proven. Raises BundleInvalid."""
    try:
        said = checker.check(file)
        check_run_id(said["run_id"])
    except RequestError as error:
        raise _invalid(error.message) from error
    except _STUMBLES as error:
        raise _invalid(str(error) or type(error).__name__) from error
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return Bundle(
        run_id=said["run_id"],
        content_sha256=said["content_sha256"],
        receipt=said["receipt"],
        sha256=rest_sha256(file),
        size=size,
        files=len(said["files"]),
    )


def _invalid(says: str) -> BundleInvalid:
    return BundleInvalid(
        f"this is not a whole bundle: {says}",
        hint="ask for the file again, or for the run to be bundled again",
        details={"says": says},
    )


@contextmanager
def _proving() -> Iterator[None]:
    """Turn what is wrong with unpacked files into the one error of a bundle; a full disk stays what it is."""
    try:
        yield
    except OSError:
        raise
    except (RunDamaged, RequestError, RunsRootInvalid) as error:  # the last for an event of a later version
        raise _invalid(error.message) from error
    except (*_STUMBLES, LineInvalid, msgspec.MsgspecError) as error:
        raise _invalid(str(error) or type(error).__name__) from error


def _staged(
    store: Store, members: zipfile.ZipFile, found: Bundle, admission: Admission
) -> tuple[RunCommitted, Mapping[str, Any], Dataset]:
    """Unpack data and run into our own place and prove what only Buff can: facts, resample, identities, the event."""
    disk, owner, run_id = store.disk, store.owner, found.run_id
    place, directory = owner.path(STAGED), owner.path(run_id)
    manifest = msgspec.json.decode(members.read(f"{run_id}/{NAME}"))
    dataset_id, timeframe = manifest["inputs"]["dataset_id"], Timeframe(manifest["inputs"]["timeframe"])
    _unpack(disk, place, members, dataset_id, admission)
    dataset = check(place, dataset_id)
    made = resampled(disk, place, dataset, timeframe, owner.path("resample"), fresh=True)
    references = sorted(map(asdict, made.references), key=lambda item: item["column"])
    checker.must(references == manifest["references"], "the resample is another")
    checker.must(data_of(dataset, manifest["data"]["source"]) == manifest["data"], "the manifest has other data")
    checker.must(manifest["schema_version"] == SCHEMA, "its manifest is of another version")
    checker.must(inputs_hash(manifest["inputs"]) == manifest["inputs_hash"], "the inputs are others")
    checker.must(content_sha256(manifest) == found.content_sha256, "the content is another")
    artifacts = write_pieces(disk, directory, admission.watched(_pieces(members, run_id, manifest)))
    checker.must([asdict(each) for each in artifacts] == manifest["artifacts"], "the artifacts are others")
    write_manifest(disk, directory, manifest)
    read_manifest(disk, directory, run_id)
    event = _event(members, manifest, found, directory, store.settings.user)
    return event, manifest, dataset


def _unpack(disk: Disk, place: str, members: zipfile.ZipFile, dataset_id: str, admission: Admission) -> None:
    """Write the base of the dataset as in a root. Its resample is made again instead: so it is proven."""
    folder = os.path.join(place, FOLDER)
    directory = os.path.join(folder, dataset_id)
    for path in (place, folder, directory):
        disk.mkdir(path)
    prefix = f"{FOLDER}/{dataset_id}/"
    for name in members.namelist():
        if name.startswith(prefix) and "/" not in name.removeprefix(prefix):
            path = os.path.join(directory, name.removeprefix(prefix))
            write_file(disk, path, admission.asking(_chunks(members, name)), mode=0o444)
    # Without this the directory may come back from a crash without some of its names.
    disk.sync_directory(directory)


def _pieces(members: zipfile.ZipFile, run_id: str, manifest: Mapping[str, Any]) -> Iterator[Piece]:
    for item in manifest["artifacts"]:
        folder, _, _ = item["name"].rpartition("/")
        checker.must(folder in ("", COLUMNS), f"{item['name']} is in no folder of a run")
        yield Piece(name=item["name"], schema=item["schema"], chunks=_chunks(members, f"{run_id}/{item['name']}"))


def _chunks(members: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    with members.open(name) as file:
        while chunk := file.read(1 << 20):
            yield chunk


def _event(
    members: zipfile.ZipFile, manifest: Mapping[str, Any], found: Bundle, directory: str, by: str
) -> RunCommitted:
    """Return the event that commits the run here: facts of its files, and of the old event only what people said."""
    seq = int(found.receipt.split(":")[-2])
    lines = map(parse, members.read(checker.JOURNAL).splitlines(keepends=True))
    line = next(line for line in lines if line.seq == seq)
    told = recorded(line).event
    assert isinstance(told, RunCommitted), "the checker has looked at its type"
    event = committed(
        manifest,
        metrics=msgspec.json.decode(members.read(f"{manifest['run_id']}/metrics.json")),
        equity=read_column(os.path.join(directory, COLUMNS, "equity.npy"), np.dtype(np.float64)),
        **words(name=told.name, notes=told.notes, tags=told.tags),
        by=by,
        job=f"bundle:{found.receipt}",
    )
    # Raises on what no journal could hold, before anything of the bundle is published.
    write_line(seq=seq, prev=ZEROS, first=seq, last=seq, time=line.time, type=event.TYPE, key=None, data=encode(event))
    return event


def _publish(
    store: Store, place: str, dataset: Dataset, manifest: Mapping[str, Any], guard: Callable[[], None]
) -> bool:
    """Give the dataset its place, with the resample, and let the journal tell of it; return whether it was there.

    `guard` is asked under the journal's lock, just before that, and may raise.
    """
    existed = False

    def stored() -> list[Event]:
        nonlocal existed
        guard()
        existed = publish(store.disk, store.root, os.path.join(place, FOLDER, dataset.id), dataset)
        return [
            dataset_stored(
                f"ing_{store.host.token()}",
                dataset,
                symbol=manifest["inputs"]["symbol"],
                existed=existed,
                source=manifest["data"]["source"],
                milliseconds=None,
            )
        ]

    store.together(stored)
    if existed:
        timeframe = Timeframe(manifest["inputs"]["timeframe"])
        kept = load(store.root, dataset.id)
        resampled(store.disk, store.root, kept, timeframe, store.owner.path("resample"))
    return existed
