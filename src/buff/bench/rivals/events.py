"""Events kept by eventsourcing in SQLite, through the recorder that its applications write to.

A path goes in; a `Log` comes out that appends and reads. Nothing is encoded and no aggregate is made, which its
applications do on top.
"""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from eventsourcing.persistence import StoredEvent
from eventsourcing.sqlite import SQLiteFactory


class Log:
    """Events of one originator in one SQLite file: write-ahead log, synced at every transaction."""

    def __init__(self, path: str) -> None:
        """Open the file and make its table."""
        self._factory = SQLiteFactory({"SQLITE_DBNAME": path})
        self._recorder = self._factory.application_recorder()
        self._originator = uuid4()
        self._version = 0

    def append(self, states: Sequence[bytes]) -> None:
        """Append events in one transaction."""
        self._recorder.insert_events([self._event(state) for state in states])

    def _event(self, state: bytes) -> Any:
        self._version += 1
        return StoredEvent(
            originator_id=self._originator, originator_version=self._version, topic="bench:Event", state=state
        )

    def read(self) -> int:
        """Read every event in order and return how many there are."""
        return len(self._recorder.select_notifications(start=1, limit=self._version))

    def close(self) -> None:
        """Close the file."""
        self._factory.close()
