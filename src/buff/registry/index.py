"""`index.json`: a disposable copy of the registry, stamped with the journal position it reflects.

A state goes in, one canonical line with the journal's own trailer comes out, the same bytes for the same journal on any
machine; and back. It is never trusted over the journal: one that does not match is ignored and written anew.
"""

import contextlib
import gc
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from buff import canonical
from buff.journal.line import LineInvalid, escape, seal_pieces, unseal
from buff.registry.rows import Row, Rows
from buff.registry.state import BuildEntry, DatasetEntry, IngestEntry, KeyEntry, RegistryState, SweepEntry, SwitchEntry

CHUNK_RUNS = 4_096
NAME = "index.json"
SCHEMA = "index.v4"
PROJECTOR = 7  # bumped when the fold changes: an index of another projector is ignored


class _Document(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    schema: str
    projector: int
    journal: str
    seq: int
    head_sha256: str
    runs: list[Row]
    datasets: list[DatasetEntry]
    ingests: list[IngestEntry]
    builds: list[BuildEntry]
    sweeps: list[SweepEntry]
    switch: list[SwitchEntry]
    orphans: list[str]
    rejected: int
    keys: list[KeyEntry]
    sha256: str = ""


_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(_Document).decode


def index_bytes(state: RegistryState) -> bytes:
    """Return the bytes of index.json for a state: no clock, no path, nothing but the journal's facts."""
    return b"".join(index_chunks(state))


def index_chunks(state: RegistryState) -> Iterator[bytes]:
    """Yield the same bytes, some thousand runs at a time: whole, they would take as much memory as the state."""
    return seal_pieces(map(escape, _chunks(state)))


def _chunks(state: RegistryState) -> Iterator[bytes]:
    before = {  # than "runs", in the order of names
        "builds": _canonical(sorted(state.builds.values(), key=lambda entry: entry.seq)),
        "datasets": _canonical(sorted(state.datasets.values(), key=lambda entry: entry.seq)),
        "head_sha256": state.head_sha256,
        "ingests": _canonical(sorted(state.ingests.values(), key=lambda entry: entry.seq)),
        "journal": state.journal_id,
        "keys": _canonical(list(state.keys.values())),
        "orphans": state.orphans,
        "projector": PROJECTOR,
        "rejected": state.rejected,
    }
    after = {
        "schema": SCHEMA,
        "seq": state.seq,
        "sweeps": _canonical(sorted(state.sweeps.values(), key=lambda entry: entry.seq)),
        "switch": _canonical(sorted(state.switch.values(), key=lambda entry: entry.source)),
    }
    rows = state.runs.rows()  # canonical by themselves
    last = max(len(rows) - 1, 0) // CHUNK_RUNS
    for number in range(last + 1):
        begin = b'%b,"runs":[' % _encode(before)[:-1] if number == 0 else b","
        end = b"],%b" % _encode(after)[1:] if number == last else b""
        some = rows[number * CHUNK_RUNS : (number + 1) * CHUNK_RUNS]
        yield b"".join((begin, _encode(some)[1:-1], end))


def _canonical(entries: Sequence[Any]) -> msgspec.Raw:
    return msgspec.Raw(canonical.encode(entries))


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Do without the garbage collector: it would look through every entry again and again while they are made."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def state_of(data: bytes) -> RegistryState | None:
    """Return the state an index holds, or None when it is not a whole index of this projector."""
    try:
        unseal(data)
        with _no_collection():
            document = _decode(data)
    except (LineInvalid, msgspec.DecodeError):
        return None
    if document.schema != SCHEMA or document.projector != PROJECTOR:
        return None
    return RegistryState(
        journal_id=document.journal,
        seq=document.seq,
        head_sha256=document.head_sha256,
        runs=Rows(document.runs),
        datasets={entry.dataset_id: entry for entry in document.datasets},
        ingests={entry.ingest: entry for entry in document.ingests},
        builds={entry.job: entry for entry in document.builds},
        sweeps={entry.sweep: entry for entry in document.sweeps},
        switch={entry.source: entry for entry in document.switch},
        orphans=document.orphans,
        rejected=document.rejected,
        keys={entry.key: entry for entry in document.keys},
    )
