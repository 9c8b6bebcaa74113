"""Cold runs: the decision records of runs that are seldom read, compressed, and plain again when that is wanted.

A store goes in; a plan, a report of what was done, or figures come out. What a run is made of does not change: its
artifacts are the bytes that were committed, and every reader gets them from either form, so the journal is told
nothing. One form is taken away only when the other is durable and was read back with the hash that was committed. A
crash anywhere leaves one whole form, or both. Nothing here happens by itself.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from attrs import asdict, field, frozen

from buff.builder import silent
from buff.errors import ArtifactsWriteFailed, RunDamaged, RunNotFound, RunsRootInvalid
from buff.files import Disk, not_written, rest_sha256, write_file
from buff.intake import Progress
from buff.proof import EXITS
from buff.registry.queries import held
from buff.runs.compression import FRAME_BYTES, SUFFIX, Compressed, compressed, opened, opened_form
from buff.runs.directory import committed_manifest
from buff.store import Store

RECORDS: Final = "decision_records.jsonl"
SAMPLES = 16  # so many runs say what compressing all of them would save
_CHUNK_BYTES = 1 << 20


@frozen(kw_only=True)
class Item:
    """The decision records of one run, as they lie now and as they would or do lie afterwards, in bytes on disk.

    Before they are compressed nobody knows what they will take: `after_bytes` is then None.
    """

    run_id: str
    before_bytes: int
    after_bytes: int | None


@frozen(kw_only=True)
class Failure:
    """A run that was left as it was: the code of the error and what it says."""

    run_id: str
    code: str
    message: str


@frozen(kw_only=True)
class Report:
    """What would be done or was done. `after_bytes` of all together is an estimate in a plan that compresses."""

    undo: bool
    applied: bool
    items: tuple[Item, ...]
    after_bytes: int
    failed: tuple[Failure, ...] = field(default=())

    @property
    def before_bytes(self) -> int:
        """What the records take before."""
        return sum(item.before_bytes for item in self.items)

    @property
    def exit_code(self) -> int:
        """0, or that of a damaged run."""
        return EXITS["damaged"] if self.failed else 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        told = asdict(self)
        return {**told, "before_bytes": self.before_bytes, "exit_code": self.exit_code}


@frozen(kw_only=True)
class Figures:
    """How many runs have their decision records plain and how many compressed, and what those take on disk, in bytes.

    `spared_bytes` is what the compressed ones would take more if they were plain. A run that a crash left with both
    forms is counted as plain.
    """

    plain: int
    plain_bytes: int
    compressed: int
    compressed_bytes: int
    spared_bytes: int

    def as_dict(self) -> dict[str, int]:
        """Return the figures as plain values."""
        return asdict(self)


# Look


def figures(store: Store) -> Figures:
    """Return how the decision records of all runs lie. A compressed file that is not whole spares nothing."""
    plain, packed, spared = list[int](), list[int](), 0
    for row in store.state.runs.rows():
        path = _path(store, row.run_id)
        size = _size(path)
        if size is not None:
            plain.append(size)
        elif (size := _size(path + SUFFIX)) is not None:
            packed.append(size)
            spared += max(_plain_size(path + SUFFIX) - size, 0)
    return Figures(
        plain=len(plain),
        plain_bytes=sum(plain),
        compressed=len(packed),
        compressed_bytes=sum(packed),
        spared_bytes=spared,
    )


def plan(
    store: Store, run_ids: Sequence[str] = (), *, older_than_seconds: float | None = None, undo: bool = False
) -> Report:
    """Return which runs would have their decision records compressed, or with `undo` made plain. Nothing is changed.

    Without `run_ids`, ids or beginnings of ids, it is all runs; of either those that were committed longer ago than
    `older_than_seconds`. Raises RunNotFound, RunsRootInvalid where there is no journal.
    """
    items = [item for run_id in _chosen(store, run_ids, older_than_seconds) for item in _item(store, run_id, undo)]
    after = sum(item.after_bytes or 0 for item in items) if undo else estimated(store, [item.run_id for item in items])
    return Report(undo=undo, applied=False, items=tuple(items), after_bytes=after)


def estimated(store: Store, run_ids: Sequence[str]) -> int:
    """Return about how many bytes the plain records of some runs would take compressed, from the middles of a few.

    A run whose records cannot be read says nothing of the others.
    """
    sizes = {run_id: _size(_path(store, run_id)) or 0 for run_id in run_ids}
    plain, packed = 0, 0.0
    for run_id in run_ids[:: max(len(run_ids) // SAMPLES, 1)][:SAMPLES]:
        with contextlib.suppress(OSError), opened_form(_path(store, run_id)) as file:
            file.seek(max(sizes[run_id] - FRAME_BYTES, 0) // 2)
            part = file.read(FRAME_BYTES)
            plain += sizes[run_id]
            packed += sizes[run_id] * sum(map(len, compressed((part,), len(part)))) / max(len(part), 1)
    return round(sum(sizes.values()) * (packed / plain if plain else 1.0))


def _chosen(store: Store, run_ids: Sequence[str], older_than_seconds: float | None) -> Iterator[str]:
    state = store.state
    if store.problem is not None:
        raise store.problem
    if not state.journal_id:
        raise RunsRootInvalid("this root holds no journal", hint="give the root that holds the runs")
    now = datetime.fromisoformat(store.host.clock())
    named = {held(state, run_id).run_id for run_id in run_ids}
    for row in state.runs.rows():
        if row.state == "reclaimed" or (named and row.run_id not in named):
            continue
        age_seconds = (now - datetime.fromisoformat(row.created)).total_seconds()
        if older_than_seconds is None or age_seconds > older_than_seconds:
            yield row.run_id


def _item(store: Store, run_id: str, undo: bool) -> Iterator[Item]:
    """Yield the run if its records lie in the form that is not wanted, perhaps beside the one that is."""
    path = _path(store, run_id)
    size = _size(path + SUFFIX if undo else path)
    if size is not None:
        after = _plain_size(path + SUFFIX) if undo else None
        yield Item(run_id=run_id, before_bytes=size, after_bytes=after)


def _path(store: Store, run_id: str) -> str:
    return os.path.join(store.root, run_id, RECORDS)


def _size(path: str) -> int | None:
    """Return the size of a file, None where there is none."""
    try:
        return os.lstat(path).st_size
    except OSError:
        return None


def _plain_size(path: str) -> int:
    """Return how many bytes a compressed file holds, by its table; none where that cannot be read."""
    try:
        with Compressed(path) as file:
            return file.size
    except OSError:
        return 0


# Do


def change(
    store: Store,
    run_ids: Sequence[str] = (),
    *,
    older_than_seconds: float | None = None,
    undo: bool = False,
    progress: Progress = silent,
) -> Report:
    """Compress the decision records of runs chosen as in `plan`, or with `undo` make them plain; return what was done.

    A run whose records are not what was committed is left as it is and reported. What another process did meanwhile is
    not done again. Raises what `plan` and opening the journal raise, StorageFull and ArtifactsWriteFailed: the runs
    before stay done.
    """
    wanted = plan(store, run_ids, older_than_seconds=older_than_seconds, undo=undo).items
    done: list[Item] = []
    failed: list[Failure] = []
    for number, item in enumerate(wanted):
        progress("making plain" if undo else "compressing", number, len(wanted))
        try:
            after = _changed(store, item.run_id, undo)
        except RunDamaged as error:
            failed.append(Failure(run_id=item.run_id, code=error.code, message=error.message))
            continue
        except RunNotFound:
            continue  # it was given up since we began
        except OSError as error:
            hint = f"{len(done):,} of {len(wanted):,} runs are done and stay so; mend the cause and do the same again"
            raise not_written(error, f"the records of {item.run_id} could not be written", hint=hint) from error
        if after is not None:
            done.append(Item(run_id=item.run_id, before_bytes=item.before_bytes, after_bytes=after))
    after_bytes = sum(item.after_bytes or 0 for item in done)
    return Report(undo=undo, applied=True, items=tuple(done), after_bytes=after_bytes, failed=tuple(failed))


def _changed(store: Store, run_id: str, undo: bool) -> int | None:
    """Write the wanted form beside, prove it and exchange the two; return its size, None when others were quicker."""
    entry = held(store.state, run_id)
    manifest = committed_manifest(store.disk, os.path.join(store.root, run_id), run_id, entry.manifest_sha256)
    known = next(item for item in manifest["artifacts"] if item["name"] == RECORDS)
    wanted, other = (RECORDS, RECORDS + SUFFIX) if undo else (RECORDS + SUFFIX, RECORDS)
    # Not a directory: what a dead process leaves here would be moved to `_orphans/`; a file is just removed.
    staged = store.owner.path(f"{run_id}.{wanted}")
    try:
        chunks = _proven(_path(store, run_id), run_id, known["sha256"])
        size = write_file(store.disk, staged, chunks if undo else compressed(chunks, known["size"]), mode=0o444)
        _check(staged, undo, known["sha256"])
        with store.journal().exclusive():
            row = store.state.runs.row(run_id)
            directory = os.path.join(store.root, run_id)
            if row is None or row.state == "reclaimed" or not store.disk.exists(os.path.join(directory, other)):
                return None
            _exchange(store.disk, staged, directory, wanted, other)
    finally:
        with contextlib.suppress(OSError):  # what stays is removed by the next writer
            if store.disk.exists(staged):
                store.disk.unlink(staged)
    return size


def _proven(path: str, run_id: str, sha256: str) -> Iterator[bytes]:
    """Yield the plain bytes; the last only when all of them are known to be the committed ones. Raises RunDamaged."""
    hashed, last = hashlib.sha256(), b""
    try:
        with opened(path) as file:
            while chunk := file.read(_CHUNK_BYTES):
                hashed.update(chunk)
                if last:
                    yield last
                last = chunk
    except OSError as error:
        raise _damaged(run_id, f"cannot be read: {error.strerror}") from error
    if hashed.hexdigest() != sha256:
        raise _damaged(run_id, "holds other bytes than were committed")
    yield last


def _damaged(run_id: str, says: str) -> RunDamaged:
    return RunDamaged(
        f"{RECORDS} of {run_id} {says}",
        hint=f"run `buff run verify {run_id}`",
        details={"run_id": run_id, "artifact": RECORDS},
    )


def _check(staged: str, undo: bool, sha256: str) -> None:
    """Read back what was written, as every reader will, before the only other form of it goes."""
    with open(staged, "rb") if undo else Compressed(staged) as file:
        found = rest_sha256(file)
    if found != sha256:
        raise ArtifactsWriteFailed(
            f"{os.path.basename(staged)} was written and reads back as something else",
            hint="nothing was changed; check the disk and the memory of this machine",
        )


def _exchange(disk: Disk, staged: str, directory: str, wanted: str, other: str) -> None:
    """Give the staged form its name in a run's directory and take the other away; the journal's lock is held."""
    disk.chmod(directory, 0o755)  # a sealed directory gets no new names
    try:
        disk.rename(staged, os.path.join(directory, wanted))
        # Without this a crash may remember that the other form went and forget that this one came.
        disk.sync_directory(directory)
        disk.unlink(os.path.join(directory, other))
    finally:
        disk.chmod(directory, 0o555)
