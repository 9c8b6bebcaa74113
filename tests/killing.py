"""Work in a process that is killed at a given change on disk. Imported by the processes it starts."""

import json
import multiprocessing
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from buff.builder import create
from buff.bundle import bring
from buff.cold import change
from buff.deposit import deposit
from buff.space import free
from buff.store import Store
from watched_disk import DyingDisk
from whole import SETTINGS, host

# A server without threads that has imported everything and forks: starting a process costs a few milliseconds.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["killing", "pyarrow.csv", "cattrs"])


def create_until(root: Path, values: dict[str, Any], step: int | None, trace: Path | None = None) -> int:
    """Create a run in another process, killed before its change number `step`; return its exit code."""
    child = _context.Process(target=_create, args=(str(root), values, step, None if trace is None else str(trace)))
    child.start()
    child.join(60)
    assert child.exitcode is not None, "the process hangs"
    return child.exitcode


def ingest_until(root: Path, values: dict[str, Any], step: int | None, trace: Path | None = None) -> int:
    """Take files in in another process, killed before its change number `step`; return its exit code."""
    child = _context.Process(target=_ingest, args=(str(root), values, step, None if trace is None else str(trace)))
    child.start()
    child.join(60)
    assert child.exitcode is not None, "the process hangs"
    return child.exitcode


def _ingest(root: str, values: dict[str, Any], step: int | None, trace: str | None) -> None:
    disk = DyingDisk(root, step)
    with Store(root, host=host(), settings=SETTINGS, disk=disk) as store:
        deposit(values, root=store, host=store.host, settings=store.settings)
    if trace is not None:
        Path(trace).write_text(json.dumps(disk.trace))


def import_until(root: Path, bundle: Path, step: int | None, trace: Path | None = None) -> int:
    """Import a bundle in another process, killed before its change number `step`; return its exit code."""
    child = _context.Process(target=_import, args=(str(root), str(bundle), step, None if trace is None else str(trace)))
    child.start()
    child.join(60)
    assert child.exitcode is not None, "the process hangs"
    return child.exitcode


def _import(root: str, bundle: str, step: int | None, trace: str | None) -> None:
    disk = DyingDisk(root, step)
    with Store(root, host=host(), settings=SETTINGS, disk=disk) as store:
        bring(bundle, root=store, host=store.host, settings=store.settings)
    if trace is not None:
        Path(trace).write_text(json.dumps(disk.trace))


def free_until(root: Path, kinds: Sequence[str], step: int | None) -> int:
    """Free space in another process, killed before its change number `step`; return its exit code."""
    child = _context.Process(target=_free, args=(str(root), tuple(kinds), step))
    child.start()
    child.join(60)
    assert child.exitcode is not None, "the process hangs"
    return child.exitcode


def _free(root: str, kinds: Sequence[str], step: int | None) -> None:
    with Store(root, host=host(), settings=SETTINGS, disk=DyingDisk(root, step)) as store:
        free(store, kinds)


def change_until(root: Path, undo: bool, step: int | None) -> int:
    """Compress records, or make them plain, in another process, killed before its change number `step`; wait for it."""
    child = change_in_another(root, [], undo=undo, step=step)
    child.join(60)
    assert child.exitcode is not None, "the process hangs"
    return child.exitcode


def change_in_another(
    root: Path, run_ids: Sequence[str], *, undo: bool = False, step: int | None = None, rounds: int = 1
) -> BaseProcess:
    """Do that in another process, in turns the one and the other for so many rounds; return it, begun."""
    child = _context.Process(target=_change, args=(str(root), tuple(run_ids), undo, step, rounds))
    child.start()
    return child


def _change(root: str, run_ids: Sequence[str], undo: bool, step: int | None, rounds: int) -> None:
    with Store(root, host=host(), settings=SETTINGS, disk=DyingDisk(root, step)) as store:
        for number in range(rounds):
            change(store, run_ids, undo=undo ^ bool(number % 2))


def trace_of(root: Path, values: dict[str, Any], folder: Path) -> list[tuple[str, str]]:
    """Return every change on disk that creating a run makes."""
    path = folder / "trace.json"
    assert create_until(root, values, None, path) == 0
    return [tuple(step) for step in json.loads(path.read_text())]


def _create(root: str, values: dict[str, Any], step: int | None, trace: str | None) -> None:
    disk = DyingDisk(root, step)
    with Store(root, host=host(), settings=SETTINGS, disk=disk) as store:
        create(values, root=store, host=store.host, settings=store.settings)
    if trace is not None:
        Path(trace).write_text(json.dumps(disk.trace))
