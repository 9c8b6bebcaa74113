"""What some events were before they changed, and how each becomes the event of today.

The `data` of a line of an older type goes in; today's event comes out. What the older one did not say is None, never
guessed. The classes here are never edited: there are journals that hold them.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from buff.journal.events import DatasetStored, Fact, IngestRejected, IngestStarted, IngestValidated, RunCommitted


class _IngestStarted1(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    ingest: str
    files: list[str]
    size_bytes: int
    profile: str
    timezone: str | None
    gaps: str
    base_timeframe: str
    by: str


class _IngestValidated1(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    ingest: str
    gaps: int
    filled: int
    zero_volume: int
    warnings: list[str]


class _DatasetStored1(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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


class _IngestRejected1(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    ingest: str
    code: str
    rule: str | None
    message: str
    counts: dict[str, int]
    line: int | None
    by: str


class _RunCommitted1(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
    sparkline: list[float]
    name: str | None
    notes: str | None
    tags: list[str]
    by: str


_started = msgspec.json.Decoder(_IngestStarted1).decode
_validated = msgspec.json.Decoder(_IngestValidated1).decode
_stored = msgspec.json.Decoder(_DatasetStored1).decode
_rejected = msgspec.json.Decoder(_IngestRejected1).decode
_committed = msgspec.json.Decoder(_RunCommitted1).decode


def _ingest_started(data: bytes) -> IngestStarted:
    old = _started(data)
    return IngestStarted(
        ingest=old.ingest,
        owner=None,
        files=old.files,
        size_bytes=old.size_bytes,
        symbol=None,
        options={
            "profile": old.profile,
            "timezone": old.timezone,
            "gaps": old.gaps,
            "base_timeframe": old.base_timeframe,
        },
        by=old.by,
    )


def _ingest_validated(data: bytes) -> IngestValidated:
    return IngestValidated(missing=None, verdict=None, milliseconds=None, **msgspec.structs.asdict(_validated(data)))


def _dataset_stored(data: bytes) -> DatasetStored:
    return DatasetStored(milliseconds=None, **msgspec.structs.asdict(_stored(data)))


def _ingest_rejected(data: bytes) -> IngestRejected:
    return IngestRejected(files=None, milliseconds=None, **msgspec.structs.asdict(_rejected(data)))


def _run_committed(data: bytes) -> RunCommitted:
    return RunCommitted(daily_sharpe=None, **msgspec.structs.asdict(_committed(data)))


# Type of an old version -> how its data becomes the event of today.
UPCASTERS: Mapping[str, Callable[[bytes], Fact]] = {
    "ingest_started": _ingest_started,
    "ingest_validated": _ingest_validated,
    "dataset_stored": _dataset_stored,
    "ingest_rejected": _ingest_rejected,
    "run_committed": _run_committed,
}
