"""Feed: a journal followed as it grows, without its lock. Every acknowledged event comes out once and in order.

An open store goes in; what is new since the last look comes out, whichever process recorded it. Nothing beyond HEAD is
shown, nothing is written, and what was seen before is not read again.
"""

import os
from collections.abc import Sequence

from buff.errors import BuffError
from buff.journal.head import START, Position
from buff.journal.reader import read
from buff.journal.record import Recorded
from buff.journal.survey import FOLDER, Unreadable, locate, read_head
from buff.store import Store


class Feed:
    """The events behind one place of a journal. A damaged journal gives what is proven and sets `problem`."""

    def __init__(self, store: Store, *, after: int | None = None) -> None:
        """Begin behind event `after`, or with what is recorded from now on."""
        self.problem: BuffError | None = None
        self._store = store
        self._head = b"" if after is not None else self._head_bytes()  # as it was when we last read behind it
        self._position, self._seq = self._now() if after is None else self._behind(after)

    @property
    def seq(self) -> int:
        """The last event that was given, or the one before the first."""
        return self._seq

    def news(self) -> Sequence[Recorded]:
        """Return what was recorded since the last call. Raises StorageUnreadable, RunsRootInvalid."""
        head = self._head_bytes()
        if head == self._head:
            return ()
        reading = read(self._store.disk, self._store.root, boot=self._store.host.boot, since=self._position)
        found = [item for item in reading.events if item.seq > self._seq]
        self._head, self._position, self.problem = head, reading.position, reading.problem
        self._seq = max(self._seq, reading.position.seq)
        return found

    def _head_bytes(self) -> bytes | None:
        try:
            return self._store.disk.read(os.path.join(self._store.root, FOLDER, "HEAD"))
        except OSError:
            return None  # no journal yet, or one whose reader will say what is wrong

    def _now(self) -> tuple[Position, int]:
        head = read_head(self._store.disk, self._store.root).current
        return (START, 0) if head is None else (head.position, head.seq)

    def _behind(self, after: int) -> tuple[Position, int]:
        """Return where event `after` ends, when it ends a batch; else the beginning, from which all is read once."""
        try:
            found = locate(self._store.disk, self._store.root, after) if after else None
        except Unreadable:
            found = None
        position = found[0] if found is not None and found[1].last == after else START
        return position, after
