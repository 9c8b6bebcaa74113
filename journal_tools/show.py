"""Print frames: which lines of a journal to show.

A root and filters go in, verified lines come out, as stored. Event types this version does not know are shown too.
"""

from collections.abc import Collection

from buff.files import Disk
from buff.journal.line import Line
from buff.journal.reader import Reading, read


def show(
    disk: Disk, root: str, *, boot: str, types: Collection[str], after: int, limit: int | None
) -> tuple[Reading, list[Line]]:
    """Return what was read, and its lines behind event `after`, of the given types (all when empty), the last `limit`.

    Raises RunsRootInvalid, StorageUnreadable.
    """
    reading = read(disk, root, boot=boot)
    lines = [line for line in reading.lines[after:] if not types or line.type in types]
    return reading, lines if limit is None else lines[-limit:]
