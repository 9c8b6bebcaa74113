"""What the journal says is true: runs, datasets, ingests and builds under way, sweeps, the kill switch, orphans.

A state is a value: `projection.fold` makes the next one from it and some events, and both share what did not change.
Entries carry all that a list shows, so no run directory is opened to show one.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from attrs import field, frozen

from buff.registry.rows import Rows


class DatasetEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One stored dataset: `symbols` are those ever recorded for it, in order of first use.

    `sources` are the SHA-256 of the files it came from, each once; several files that are one dataset have one.
    """

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
    sources: list[str]
    source: dict[str, Any]


class IngestEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An ingest that has begun and whose end no event tells: under way, or interrupted."""

    ingest: str
    seq: int
    started: str
    files: list[str]
    by: str


class BuildEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One build: what was asked for, and what became of it. Times are wall clock.

    `status` is queued, running, succeeded or failed; `owner` the folder under `_staging/` of the process that will
    start it, `worker` of the one that does it. `cancelled_by` is who asked that it end. `code` and what follows are of
    a failure; the ids are of a result.
    """

    job: str
    seq: int
    requested: str
    kind: str
    request: dict[str, Any]
    owner: str
    request_id: str | None
    retry_of: str | None
    by: str
    status: str = "queued"
    started: str | None = None
    worker: str | None = None
    cancelled_by: str | None = None
    ended: str | None = None
    run_id: str | None = None
    dataset_id: str | None = None
    existed: bool = False
    code: str | None = None
    message: str | None = None
    hint: str | None = None
    details: dict[str, Any] | None = None

    @property
    def open(self) -> bool:
        """Whether no event tells its end."""
        return self.status in ("queued", "running")


class SweepEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One sweep: many runs that were asked for at once, and how far they are. Times are wall clock.

    `committed` counts the runs that it committed, the last of them at `last`; `finished` and what follows are of the
    last time all of them had been tried. The other members have the meanings of `SweepPlanned` and `SweepFinished`.
    """

    sweep: str
    seq: int
    planned: str
    plan_sha256: str
    size_bytes: int
    requests: int
    trials: int
    skipped: int
    asked: dict[str, Any]
    by: str
    committed: int = 0
    last: str | None = None
    finished: str | None = None
    made: int = 0
    existed: int = 0
    failed: int = 0
    failures: list[dict[str, Any]] = []

    @property
    def what(self) -> str:
        """What was asked for, in a few words."""
        axes = self.asked.get("grid", {})
        names = {name: name.removeprefix("params.") if "." in name else name.replace("_", " ") for name in axes}
        moved = [f"{names[name]} {axis['count']}" for name, axis in axes.items() if axis["count"] > 1]
        words = [self.asked.get("strategy", f"{self.requests:,} requests"), " x ".join(moved)]
        if "sample" in self.asked:
            words.append(f"sample {self.asked['sample']} of seed {self.asked['seed']}")
        if "walk" in self.asked:
            words.append("walk forward")
        return ", ".join(word for word in words if word)


class SwitchEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What engages the kill switch by the journal: `source` is command, file or environment."""

    source: str
    seq: int
    since: str
    why: str | None
    by: str


class KeyEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The event a key was used for: `type` and `identity` are what another use of the key must agree on."""

    key: str
    seq: int
    sha256: str
    type: str
    identity: list[Any]


def _frozen(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping if isinstance(mapping, MappingProxyType) else MappingProxyType(dict(mapping))


def _tuple(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(names)


@frozen(kw_only=True)
class RegistryState:
    """Everything that is true after event `seq` of the journal `journal_id`."""

    journal_id: str = ""
    seq: int = 0
    head_sha256: str = "0" * 64
    runs: Rows = field(factory=Rows)
    datasets: Mapping[str, DatasetEntry] = field(factory=dict, converter=_frozen)
    ingests: Mapping[str, IngestEntry] = field(factory=dict, converter=_frozen)
    builds: Mapping[str, BuildEntry] = field(factory=dict, converter=_frozen)
    sweeps: Mapping[str, SweepEntry] = field(factory=dict, converter=_frozen)
    switch: Mapping[str, SwitchEntry] = field(factory=dict, converter=_frozen)
    orphans: tuple[str, ...] = field(default=(), converter=_tuple)
    rejected: int = 0
    keys: Mapping[str, KeyEntry] = field(factory=dict, converter=_frozen)
