"""Rebuild the registry from the journal and hold index.json against it, byte for byte.

A root goes in; a report and the index's bytes as the journal gives them come out. Nothing is written: an index that
does not match is ignored by Buff and written anew by the next writer.
"""

import os
from collections.abc import Sequence

from buff.errors import RunNotFound, StorageUnreadable
from buff.files import Disk
from buff.journal.reader import read
from buff.journal.record import Recorded
from buff.registry.index import NAME, index_bytes, state_of
from buff.registry.projection import project
from buff.store import CHECKPOINTS
from journal_tools.report import Report


def replay(disk: Disk, root: str, *, boot: str, as_of: int | None = None) -> tuple[Report, bytes]:
    """Fold the events up to `as_of`, else up to where index.json says it is, else all of them, and compare.

    Raises RunsRootInvalid, StorageUnreadable, JournalCorrupt when events up to there are missing.
    """
    stored = _stored(disk, root)
    state = None if stored is None else state_of(stored)
    reading = read(disk, root, boot=boot)
    wanted = as_of if as_of is not None else state.seq if state is not None else reading.position.seq
    if wanted > reading.position.seq:
        raise reading.problem or RunNotFound(
            f"the journal ends at event {reading.position.seq}, before {wanted}", hint="ask for an earlier event"
        )
    index = index_bytes(project(item for item in reading.events if item.seq <= wanted))
    verdict = "absent" if stored is None else "identical" if stored == index else "differs"
    values = {"index": verdict, "seq": wanted, "events": reading.position.seq, "index_bytes": len(index)}
    failed = verdict == "differs" and as_of is None
    return Report(values=values, exit_code=StorageUnreadable("").exit_code if failed else 0), index


def fully(disk: Disk, root: str, report: Report, *, boot: str) -> Report:
    """Add to a report whether index.json and every checkpoint are what the journal gives, byte for byte.

    Raises RunsRootInvalid, StorageUnreadable.
    """
    folder = os.path.join(root, CHECKPOINTS)
    names = disk.names(folder) if disk.is_directory(folder) else ()
    paths = [NAME, *(f"{CHECKPOINTS}/{name}" for name in names if name.endswith(".json"))]
    events = list(read(disk, root, boot=boot).events)
    differing = [path for path in paths if not _agrees(_stored(disk, root, path), events)]
    values = {**report.values, "snapshots": len(paths), "differing": differing}
    failed = differing and report.exit_code == 0
    return Report(values=values, exit_code=StorageUnreadable("").exit_code if failed else report.exit_code)


def _agrees(stored: bytes | None, events: Sequence[Recorded]) -> bool:
    """Say whether a snapshot is the fold of the events up to its own. One that is not there says nothing wrong."""
    if stored is None:
        return True
    state = state_of(stored)
    return state is not None and stored == index_bytes(project(events[: state.seq]))


def _stored(disk: Disk, root: str, name: str = NAME) -> bytes | None:
    try:
        return disk.read(os.path.join(root, name))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageUnreadable(f"{name} could not be read: {error.strerror}", hint="check its permissions") from error
