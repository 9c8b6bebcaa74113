"""What the journal says is true: runs, datasets, ingests under way, orphans.

A state is a value: `projection.fold` makes the next one from it and some events. Entries carry all that a list shows,
so no run directory is opened to show one.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from attrs import field, frozen


class RunEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One committed run. Times are text: `created` and `verified_at` wall clock, `start` and `end` market time.

    `state` is committed, damaged, archived or reclaimed; `why` says why it was archived. `reclaimed` counts how often
    the directories of this id were given up: the next commit of it is another fact than the last, with another key.
    """

    run_id: str
    seq: int
    created: str
    inputs_hash: str
    manifest_sha256: str
    content_sha256: str
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
    state: str = "committed"
    verdict: str | None = None
    verified_at: str | None = None
    why: str | None = None
    reclaimed: int = 0


class DatasetEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One stored dataset: `symbols` are those ever recorded for it, in order of first use."""

    dataset_id: str
    seq: int
    created: str
    base_timeframe: str
    rows: int
    first_ts: int
    last_ts: int
    gaps: int
    filled: int
    symbols: list[str]
    source: dict[str, Any]


class IngestEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An ingest that has begun and whose end no event tells: under way, or interrupted."""

    ingest: str
    seq: int
    started: str
    files: list[str]
    by: str


class KeyEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The event a key was used for: `type` and `identity` are what another use of the key must agree on."""

    key: str
    seq: int
    sha256: str
    type: str
    identity: list[Any]


def _frozen(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(mapping))


@frozen(kw_only=True)
class RegistryState:
    """Everything that is true after event `seq` of the journal `journal_id`."""

    journal_id: str = ""
    seq: int = 0
    head_sha256: str = "0" * 64
    runs: Mapping[str, RunEntry] = field(factory=dict, converter=_frozen)
    datasets: Mapping[str, DatasetEntry] = field(factory=dict, converter=_frozen)
    ingests: Mapping[str, IngestEntry] = field(factory=dict, converter=_frozen)
    orphans: tuple[str, ...] = ()
    rejected: int = 0
    keys: Mapping[str, KeyEntry] = field(factory=dict, converter=_frozen)
