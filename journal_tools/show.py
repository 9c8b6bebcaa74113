"""Print frames: which lines of a journal to show, and those that come as they are acknowledged.

A root and filters go in, verified lines come out, as stored. Event types this version does not know are shown too.
"""

from collections.abc import Callable, Collection, Iterator

from buff.files import Disk
from buff.journal.head import Position
from buff.journal.line import Line
from buff.journal.reader import Reading, read


def show(
    disk: Disk, root: str, *, boot: str, types: Collection[str], after: int, limit: int | None
) -> tuple[Reading, list[Line]]:
    """Return what was read, and its lines behind event `after`, of the given types (all when empty), the last `limit`.

    Raises RunsRootInvalid, StorageUnreadable.
    """
    reading = read(disk, root, boot=boot)
    lines = [line for line in reading.lines[after:] if _is_of(line, types)]
    return reading, lines if limit is None else lines[-limit:]


def _is_of(line: Line, types: Collection[str]) -> bool:
    """Say whether a line is of one of some types, each named with its version or for all of them."""
    return not types or line.type in types or line.type.partition(".")[0] in types


def follow(
    disk: Disk, root: str, *, boot: str, types: Collection[str], since: Position, pause: Callable[[], None]
) -> Iterator[Line]:
    """Yield the lines behind `since` of the given types as they are acknowledged, for ever; `pause` is called between.

    Only what is new is read each time. Raises JournalCorrupt when the journal is damaged, RunsRootInvalid,
    StorageUnreadable.
    """
    while True:
        reading = read(disk, root, boot=boot, since=since)
        yield from (line for line in reading.lines if line.seq > since.seq and _is_of(line, types))
        if reading.problem is not None:
            raise reading.problem
        since = reading.position
        pause()
