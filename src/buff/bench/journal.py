"""The journal: synced appends, proof and reading, beside SQLite, eventsourcing and the least a disk can do."""

import hashlib
import sqlite3
from collections.abc import Callable, Sequence

from buff.bench.limits import SMALL, appender
from buff.bench.place import Place
from buff.bench.turns import Case, Contender, Job, Subject, repeated
from buff.files import RealDisk
from buff.journal.events import OrphanQuarantined
from buff.journal.log import Journal
from buff.journal.reader import judge
from buff.journal.record import Entry
from buff.journal.survey import read_head

GROUP = 100
BATCH = 1_000
SINGLES, GROUPS = 40, 10  # so many appends are a turn


def subject(*, quick: bool) -> Subject:
    """Return what is measured."""
    events = 10_000 if quick else 200_000
    return Subject(
        name="journal",
        title="The journal",
        says=(
            f"Events of about {SMALL} bytes, each acknowledged only when it is on the disk. Buff's line carries the "
            "hash of the line before it, and its lock and its look at what other processes wrote are in the figure.",
            "SQLite has a table of one column, a write-ahead log and `synchronous=FULL`; eventsourcing keeps events "
            "through its SQLite recorder, without the encoding that its applications do on top. Neither has a chain "
            "of hashes, so neither can prove what it reads.",
            "The limit of an append is a write and a sync of as many bytes; that of a proof is hashing them.",
        ),
        cases=(
            _appends("append one event, synced", 1, SINGLES),
            _appends(f"append {GROUP} events at once, synced, each", GROUP, GROUPS),
            Case(
                name=f"read {events:,} events from the first to the last",
                contenders=(
                    Contender(who="Buff, every one proven", prepare=lambda place: _proven(place, events)),
                    Contender(who="SQLite, nothing proven", prepare=lambda place: _rows(place, events)),
                    Contender(
                        who="eventsourcing, nothing proven",
                        prepare=lambda place: _notifications(place, events),
                        needs=("eventsourcing",),
                    ),
                    Contender(who="SHA-256 of as many (limit)", prepare=lambda place: _hashed(events)),
                ),
                rounds=5,
                seconds=12,
            ),
        ),
    )


def _appends(name: str, group: int, times: int) -> Case:
    def turn(work: Callable[[], object]) -> Job:
        return lambda: repeated(work, times)().per(group)

    return Case(
        name=name,
        contenders=(
            Contender(who="Buff", prepare=lambda place: turn(_appending(place, group))),
            Contender(who="SQLite", prepare=lambda place: turn(_inserting(place, group))),
            Contender(
                who="eventsourcing", prepare=lambda place: turn(_recording(place, group)), needs=("eventsourcing",)
            ),
            Contender(
                who="write and sync (limit)",
                prepare=lambda place: turn(appender(place, f"raw {group}", group * SMALL)),
            ),
        ),
        seconds=2,
    )


def notes(count: int) -> list[Entry]:
    """Return events whose lines are of about `SMALL` bytes."""
    return [
        Entry(event=OrphanQuarantined(name=f"run_{at:012}", reason="a bench", identical=False)) for at in range(count)
    ]


def _journal(place: Place) -> Journal:
    return place.store("journal").journal()


def _appending(place: Place, group: int) -> Callable[[], object]:
    journal, entries = _journal(place), notes(group)
    return lambda: journal.append(entries)


class Table:
    """Rows in one SQLite file: write-ahead log, synced at every transaction."""

    def __init__(self, path: str) -> None:
        """Open the file and make its table."""
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("CREATE TABLE event (seq INTEGER PRIMARY KEY, line BLOB NOT NULL)")

    def append(self, lines: Sequence[bytes]) -> None:
        """Append lines in one transaction."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO event (line) VALUES (?)", [(line,) for line in lines])
        self._connection.execute("COMMIT")

    def read(self) -> int:
        """Read every line in order and return how many there are."""
        return len(self._connection.execute("SELECT seq, line FROM event ORDER BY seq").fetchall())

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _table(place: Place, name: str) -> Table:
    table = Table(place.path(f"{name}.sqlite"))
    place.closing(table.close)
    return table


def _inserting(place: Place, group: int) -> Callable[[], object]:
    table, lines = _table(place, f"appends-{group}"), [b"x" * SMALL] * group
    return lambda: table.append(lines)


def _recording(place: Place, group: int) -> Callable[[], object]:
    from buff.bench.rivals.events import Log

    log, lines = Log(place.path(f"recorder-{group}.sqlite")), [b"x" * SMALL] * group
    place.closing(log.close)
    return lambda: log.append(lines)


def _proven(place: Place, events: int) -> Job:
    root, disk = place.store("proven").root, RealDisk()
    journal = place.store("proven").journal()
    for _ in range(0, events, BATCH):
        journal.append(notes(BATCH))

    def prove() -> None:
        verdict = judge(disk, root, head=read_head(disk, root).current)
        assert verdict.findings.end.seq == journal.position.seq

    return repeated(prove)


def _rows(place: Place, events: int) -> Job:
    table = _table(place, "rows")
    table.append([b"x" * SMALL] * events)
    return repeated(table.read)


def _notifications(place: Place, events: int) -> Job:
    from buff.bench.rivals.events import Log

    log = Log(place.path("notifications.sqlite"))
    place.closing(log.close)
    log.append([b"x" * SMALL] * events)
    return repeated(log.read)


def _hashed(events: int) -> Job:
    line = b"x" * SMALL
    return repeated(lambda: [hashlib.sha256(line).hexdigest() for _ in range(events)])
