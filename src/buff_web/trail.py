"""From the journal to the log: one line per event, whichever process recorded it.

Recorded events go in; fields for the log come out: category, type, seq, ids, counts, codes and milliseconds, as the
table names them. What people wrote (names, notes, reasons) and what files held is not among them. A line of a build
carries the request id of whoever asked for it, from the request through the worker to the commit.
"""

import contextlib
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from attrs import frozen
from msgspec import UNSET

from buff import Store
from buff.errors import BuffError
from buff.feed import Feed
from buff.journal import events as facts
from buff.journal.record import Recorded
from buff.registry.state import BuildEntry

INGESTS_MAX: Final = 1_000  # those under way whose build is remembered
PAUSE_SECONDS: Final = 0.25


@frozen
class Shown:
    """What the log shows of a type of event: its category, the names of its fields, how loud it is."""

    category: str
    fields: tuple[str, ...] = ()
    level: str = "info"


TABLE: Final[Mapping[type[facts.Fact], Shown]] = {
    facts.JournalOpened: Shown("registry", ("journal_id",)),
    facts.SegmentOpened: Shown("registry"),
    facts.TailQuarantined: Shown("registry", ("offset", "size"), "warning"),
    facts.JournalRecovered: Shown("registry", ("claimed", "kept"), "warning"),
    facts.IngestStarted: Shown("ingest", ("ingest", "size_bytes")),
    facts.IngestParsed: Shown("ingest", ("ingest", "rows", "milliseconds")),
    facts.IngestValidated: Shown("ingest", ("ingest", "gaps", "missing", "filled", "verdict", "milliseconds")),
    facts.DatasetStored: Shown("ingest", ("ingest", "dataset_id", "rows", "existed", "milliseconds")),
    facts.IngestRejected: Shown("ingest", ("ingest", "code", "rule", "line", "milliseconds"), "warning"),
    facts.RunCommitted: Shown("create", ("run_id", "dataset_id", "job", "bars", "trades")),
    facts.RunRejected: Shown("create", ("code",), "warning"),
    facts.OrphanQuarantined: Shown("registry", ("identical",), "warning"),
    facts.RunVerified: Shown("registry", ("run_id", "verdict", "artifact")),
    facts.RunAnnotated: Shown("registry", ("run_id",)),
    facts.RunArchived: Shown("registry", ("run_id",)),
    facts.RunRestored: Shown("registry", ("run_id",)),
    facts.RunReclaimed: Shown("registry", ("run_id", "size_bytes")),
    facts.DatasetReclaimed: Shown("registry", ("dataset_id", "size_bytes")),
    facts.StorageReclaimed: Shown("registry", ("kind", "size_bytes")),
    facts.BuildRequested: Shown("create", ("job", "kind", "retry_of")),
    facts.BuildStarted: Shown("create", ("job",)),
    facts.BuildCancelRequested: Shown("create", ("job",)),
    facts.BuildFinished: Shown("create", ("job", "run_id", "dataset_id", "existed")),
    facts.BuildFailed: Shown("create", ("job", "code"), "warning"),
    facts.SweepPlanned: Shown("create", ("sweep", "requests", "by")),
    facts.SweepFinished: Shown("create", ("sweep", "made", "existed", "failed", "by")),
    facts.KillSwitchEngaged: Shown("safety", ("source", "by"), "warning"),
    facts.KillSwitchReleased: Shown("safety", ("source", "by"), "warning"),
}


class Trail:
    """The lines of one root's events. `store` knows the builds that an event belongs to."""

    def __init__(self, store: Store) -> None:
        """Remember nothing yet."""
        self._store = store
        self._builds: Mapping[str, BuildEntry] = {}
        self._builds_of: dict[str, str] = {}  # ingest -> job

    def lines(self, items: Iterable[Recorded]) -> list[tuple[str, dict[str, Any]]]:
        """Return the level and the fields of every event's line."""
        with contextlib.suppress(BuffError):  # what is damaged is said by whoever read the events
            self._builds = self._store.state.builds
        return [self._line(item) for item in items]

    def _line(self, item: Recorded) -> tuple[str, dict[str, Any]]:
        shown = TABLE[type(item.event)]
        build = self._build(item.event)
        fields = {name: getattr(item.event, name) for name in shown.fields}
        known = {name: value for name, value in fields.items() if value is not None and value is not UNSET}
        return shown.level, {
            "event": type(item.event).TYPE.partition(".")[0],
            "category": shown.category,
            "seq": item.seq,
            **({} if build is None else {"job": build.job, **_milliseconds(item, build)}),
            **known,
            **({} if build is None or build.request_id is None else {"request_id": build.request_id}),
        }

    def _build(self, event: facts.Fact) -> BuildEntry | None:
        """Return the build that an event is part of, by its own word or by the process that does the ingest."""
        match event:
            case facts.IngestStarted(ingest=ingest, owner=owner):
                job = next((each.job for each in self._builds.values() if owner and each.worker == owner), None)
                if job is not None:
                    self._remember(ingest, job)
            case facts.IngestParsed(ingest=ingest) | facts.IngestValidated(ingest=ingest):
                job = self._builds_of.get(ingest)
            case facts.DatasetStored(ingest=ingest) | facts.IngestRejected(ingest=ingest):
                job = self._builds_of.pop(ingest, None)
            case _:
                job = getattr(event, "job", None)
        return self._builds.get(job) if job else None

    def _remember(self, ingest: str, job: str) -> None:
        self._builds_of[ingest] = job
        if len(self._builds_of) > INGESTS_MAX:  # those that no event will end
            del self._builds_of[next(iter(self._builds_of))]


def _milliseconds(item: Recorded, build: BuildEntry) -> dict[str, int]:
    """Return how long a build waited when it starts, and how long it worked when it ends."""
    match item.event:
        case facts.BuildStarted():
            since: str | None = build.requested
        case facts.BuildFinished() | facts.BuildFailed():
            since = build.started or build.requested
        case _:
            since = None
    if since is None:
        return {}
    passed = datetime.fromisoformat(item.time) - datetime.fromisoformat(since)
    return {"milliseconds": max(round(passed.total_seconds() * 1000), 0)}


def follow(feed: Feed, trail: Trail, log: Any, ended: threading.Event) -> None:
    """Log every event that a feed gives, until `ended` is set; that the journal cannot be read is logged once."""
    told: str | None = None
    over = False
    while not over:
        over = ended.wait(PAUSE_SECONDS)  # once more after the end: the last events are worth a line too
        try:
            if news := feed.news():
                for level, fields in trail.lines(news):
                    getattr(log, level)(**fields)
            problem = feed.problem
        except BuffError as error:
            problem = error
        code = None if problem is None else problem.code
        if code not in (told, None):
            log.error("journal_unreadable", category="registry", code=code)
        told = code
