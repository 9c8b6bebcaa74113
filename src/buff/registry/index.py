"""`index.json`: a disposable copy of the registry, stamped with the journal position it reflects.

A state goes in, one canonical line with the journal's own trailer comes out, the same bytes for the same journal on any
machine; and back. It is never trusted over the journal: one that does not match is ignored and written anew.
"""

from typing import Any

import msgspec

from buff import canonical
from buff.journal.line import LineInvalid, seal, unseal
from buff.registry.state import DatasetEntry, IngestEntry, RegistryState, RunEntry

NAME = "index.json"
SCHEMA = "index.v1"
PROJECTOR = 2  # bumped when the fold changes: an index of another projector is ignored


class _Document(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    schema: str
    projector: int
    journal: str
    seq: int
    head_sha256: str
    runs: list[RunEntry]
    datasets: list[DatasetEntry]
    ingests: list[IngestEntry]
    orphans: list[str]
    rejected: int
    sha256: str = ""


def index_bytes(state: RegistryState) -> bytes:
    """Return the bytes of index.json for a state: no clock, no path, nothing but the journal's facts."""
    document = _Document(
        schema=SCHEMA,
        projector=PROJECTOR,
        journal=state.journal_id,
        seq=state.seq,
        head_sha256=state.head_sha256,
        runs=sorted(state.runs.values(), key=lambda entry: entry.seq),
        datasets=sorted(state.datasets.values(), key=lambda entry: entry.seq),
        ingests=sorted(state.ingests.values(), key=lambda entry: entry.seq),
        orphans=list(state.orphans),
        rejected=state.rejected,
    )
    members: dict[str, Any] = msgspec.to_builtins(document)
    del members["sha256"]
    return seal(canonical.encode(members))


def state_of(data: bytes) -> RegistryState | None:
    """Return the state an index holds, or None when it is not a whole index of this projector."""
    try:
        unseal(data)
        document = msgspec.json.decode(data, type=_Document)
    except (LineInvalid, msgspec.DecodeError):
        return None
    if document.schema != SCHEMA or document.projector != PROJECTOR:
        return None
    return RegistryState(
        journal_id=document.journal,
        seq=document.seq,
        head_sha256=document.head_sha256,
        runs={entry.run_id: entry for entry in document.runs},
        datasets={entry.dataset_id: entry for entry in document.datasets},
        ingests={entry.ingest: entry for entry in document.ingests},
        orphans=tuple(document.orphans),
        rejected=document.rejected,
    )
