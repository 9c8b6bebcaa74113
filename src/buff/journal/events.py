"""The facts: one frozen class per event, in the past tense, primitives only, forever.

An event that has shipped is never edited: it gets a new version (`name.v2`), an upcaster in `versions.py` and a golden
journal in the tests. Members are written in the order of their names. Wall-clock times, hosts and people live here and
nowhere else.
"""

from typing import Any, ClassVar, get_args

import msgspec
from msgspec import UNSET, UnsetType


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fact. `TYPE` is its name in the line; `IDENTITY` names the fields a repeated key must agree on."""

    TYPE: ClassVar[str]
    IDENTITY: ClassVar[tuple[str, ...]] = ()


class JournalOpened(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The journal begins; always seq 1."""

    TYPE = "journal_opened"
    journal_id: str


class SegmentOpened(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new segment begins because the one before was full."""

    TYPE = "segment_opened"


class TailQuarantined(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A torn, never acknowledged tail was copied aside and superseded (row R11)."""

    TYPE = "tail_quarantined"
    segment: str
    offset: int
    size: int
    content: str


class JournalRecovered(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The journal went on without a HEAD it could read (rows R13, R14).

    When somebody accepted a loss (rows R03, R07, R08): that there were events up to `claimed`, of which those up to
    `kept` are left, who says so and why.
    """

    TYPE = "journal_recovered"
    reason: str
    claimed: int | UnsetType = UNSET
    kept: int | UnsetType = UNSET
    who: str | UnsetType = UNSET
    why: str | UnsetType = UNSET


class IngestStarted(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody asked for files to become a dataset. `owner` is the folder under `_staging/` whose lock says it lives.

    `options` is how the files are to be read: profile, timezone, gaps, base_timeframe and what else was declared.
    """

    TYPE = "ingest_started.v2"
    ingest: str
    owner: str | None
    files: list[str]
    size_bytes: int | None
    symbol: str | None
    options: dict[str, Any]
    by: str


class IngestParsed(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The files were read to their end and no row was refused; `milliseconds` since the start."""

    TYPE = "ingest_parsed"
    ingest: str
    rows: int
    sha256: list[str]
    milliseconds: int


class IngestValidated(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole was judged and the canonical columns are durable in staging; `milliseconds` since they were read.

    `verdict` is that of the quality report of the base bars.
    """

    TYPE = "ingest_validated.v2"
    ingest: str
    gaps: int
    missing: int | None
    filled: int
    zero_volume: int
    verdict: str | None
    warnings: list[str]
    milliseconds: int | None


class DatasetStored(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The canonical dataset is on disk; `existed` when the same bars were already there.

    `milliseconds` since they were validated.
    """

    TYPE = "dataset_stored.v2"
    ingest: str
    dataset_id: str
    base_timeframe: str
    rows: int
    first_ts: int
    last_ts: int
    gaps: int
    filled: int
    symbol: str | None
    existed: bool
    source: dict[str, Any]
    milliseconds: int | None


class IngestRejected(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The files were refused, and why; `milliseconds` since somebody asked."""

    TYPE = "ingest_rejected.v2"
    ingest: str
    files: list[str] | None
    code: str
    rule: str | None
    message: str
    counts: dict[str, int]
    line: int | None
    milliseconds: int | None
    by: str


class RunCommitted(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run exists: this event is its commit point. It carries all that a list shows.

    `daily_sharpe` is the Sharpe ratio of a day and what its error depends on: [ratio, samples, skew, kurtosis]. It is
    empty where the run has no such ratio, and None where nobody said.
    """

    TYPE = "run_committed.v2"
    IDENTITY = ("run_id", "inputs_hash")
    run_id: str
    inputs_hash: str
    manifest_sha256: str
    content_sha256: str
    job: str | None
    dataset_id: str
    symbol: str
    timeframe: str
    start: str
    end: str
    strategy: str
    strategy_version: str
    params: dict[str, Any]
    risk_level: int
    bars: int
    trades: int
    metrics: dict[str, float | None]
    daily_sharpe: list[float | int] | None = None
    sparkline: list[float]
    name: str | None
    notes: str | None
    tags: list[str]
    by: str


class RunRejected(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run was asked for and refused."""

    TYPE = "run_rejected"
    code: str
    message: str
    details: dict[str, Any]
    by: str


class OrphanQuarantined(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a dead build left, or a run directory without its event, was moved to `_orphans/`."""

    TYPE = "orphan_quarantined"
    name: str
    reason: str
    identical: bool


class RunVerified(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody verified a run; `verdict` is identical, data_changed, engine_changed, strategy_changed, ..."""

    TYPE = "run_verified"
    run_id: str
    verdict: str
    artifact: str | None
    by: str


class RunAnnotated(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody changed what a run says to people: only the members that changed are there; null takes one away."""

    TYPE = "run_annotated"
    run_id: str
    by: str
    name: str | UnsetType | None = UNSET
    notes: str | UnsetType | None = UNSET
    tags: list[str] | UnsetType = UNSET


class RunArchived(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run was taken out of the lists. Nothing of it is removed."""

    TYPE = "run_archived"
    run_id: str
    why: str | None
    by: str


class RunRestored(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An archived run is back in the lists."""

    TYPE = "run_restored"
    run_id: str
    by: str


class RunReclaimed(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An archived run's directory is given up: from here on its bytes may be gone, and the same run made again."""

    TYPE = "run_reclaimed"
    run_id: str
    size_bytes: int
    by: str


class DatasetReclaimed(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dataset that no run refers to is given up, with its resamples."""

    TYPE = "dataset_reclaimed"
    dataset_id: str
    size_bytes: int
    by: str


class StorageReclaimed(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names that are neither runs nor datasets of the registry are given up; `kind` says in which folder they were."""

    TYPE = "storage_reclaimed"
    kind: str
    names: list[str]
    size_bytes: int
    by: str


class BuildRequested(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody asked for a run, or for files to become a dataset, to be built in the background.

    `kind` is run or ingest; `request` the plain values it was asked with; `owner` the folder under `_staging/` of the
    process that will start it; `request_id` follows the request through the logs; `retry_of` is the build it repeats.
    """

    TYPE = "build_requested"
    IDENTITY = ("job",)
    job: str
    kind: str
    request: dict[str, Any]
    owner: str
    request_id: str | None
    retry_of: str | None
    by: str


class BuildStarted(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A process began a build. Until its end it holds the lock of `owner`, its folder under `_staging/`."""

    TYPE = "build_started"
    IDENTITY = ("job", "owner")
    job: str
    owner: str


class BuildCancelRequested(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody asked that a build end without a result."""

    TYPE = "build_cancel_requested"
    job: str
    why: str | None
    by: str


class BuildFinished(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A build has its result: the run, or the dataset; `existed` when it was there already.

    One that made a run is told in the batch that commits the run. Its key is `end:<job>`, as that of a failure.
    """

    TYPE = "build_finished"
    IDENTITY = ("job",)
    job: str
    run_id: str | None
    dataset_id: str
    existed: bool


class BuildFailed(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A build ended without a result: the data were refused, it was cancelled, or its process died."""

    TYPE = "build_failed"
    IDENTITY = ("job",)
    job: str
    code: str
    message: str
    hint: str
    details: dict[str, Any]
    by: str


class SweepPlanned(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody asked for many runs at once. Which they are stands in a file named by its hash, under `_sweeps/`.

    `requests` is how many were asked for, `trials` how many different runs these are, `skipped` how many combinations
    of a grid the strategy does not allow; `asked` is what was typed, in plain values.
    """

    TYPE = "sweep_planned"
    IDENTITY = ("sweep", "plan_sha256")
    sweep: str
    plan_sha256: str
    size_bytes: int
    requests: int
    trials: int
    skipped: int
    asked: dict[str, Any]
    by: str


class SweepFinished(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All runs of a sweep were tried once: `made` now, `existed` before, `failed`, of which the first are told of.

    A failure is `{at, run_id, code, message}`, `at` being the place of its request from 0. A sweep that failed in part
    and is resumed is finished once more.
    """

    TYPE = "sweep_finished"
    sweep: str
    made: int
    existed: int
    failed: int
    failures: list[dict[str, Any]]
    by: str


class KillSwitchEngaged(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """New runs and ingests are stopped. `source` is command, file or environment: what was seen to stop them."""

    TYPE = "kill_switch_engaged"
    source: str
    why: str | None
    by: str


class KillSwitchReleased(Event, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one source said no longer stops new runs and ingests; another may."""

    TYPE = "kill_switch_released"
    source: str
    why: str | None
    by: str


# Every event there is, for `match`: a fold that forgets one does not type-check.
Fact = (
    JournalOpened
    | SegmentOpened
    | TailQuarantined
    | JournalRecovered
    | IngestStarted
    | IngestParsed
    | IngestValidated
    | DatasetStored
    | IngestRejected
    | RunCommitted
    | RunRejected
    | OrphanQuarantined
    | RunVerified
    | RunAnnotated
    | RunArchived
    | RunRestored
    | RunReclaimed
    | DatasetReclaimed
    | StorageReclaimed
    | BuildRequested
    | BuildStarted
    | BuildCancelRequested
    | BuildFinished
    | BuildFailed
    | SweepPlanned
    | SweepFinished
    | KillSwitchEngaged
    | KillSwitchReleased
)
EVENTS: tuple[type[Fact], ...] = get_args(Fact)
