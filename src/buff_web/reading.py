"""What pages and API both say of a root: the list with its damage, one run, its trades.

A store goes in; plain values come out, the same for a page and for its machine form. A run that cannot be read never
hides the others: it is marked, with the error that says why.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from attrs import frozen

from buff import Page, Run, RunEntry, Store
from buff.errors import BuffError, RunNotFound
from buff.journal.record import Recorded
from buff_web.problems import without_paths
from buff_web.query import TradesAsked
from buff_web.words import stamp

Trade = Mapping[str, Any]


@frozen(kw_only=True)
class Row:
    """A run in a list: what the registry holds, and what is wrong with its directory."""

    entry: RunEntry
    fault: BuffError | None

    @property
    def state(self) -> str:
        """`damaged` where the directory or the last verification says so, else what the registry says."""
        return "damaged" if self.fault is not None else self.entry.state


@frozen(kw_only=True)
class Trades:
    """Some of the trades that were asked for: `next` is the `after` of the following page, or None."""

    items: tuple[Trade, ...]
    total: int
    next: int | None


def entry_of(store: Store, run_id: str) -> RunEntry:
    """Return the entry of exactly this id. Raises RunNotFound."""
    entry = store.entry(run_id)
    if entry.run_id != run_id:
        raise RunNotFound(
            f"no run {run_id!r} in this root", hint=f"did you mean {entry.run_id}?", details={"run_id": run_id}
        )
    return entry


def rows(store: Store, page: Page[RunEntry]) -> tuple[Row, ...]:
    """Return the rows of a page, each run's manifest looked at."""
    return tuple(Row(entry=entry, fault=fault(store, entry)) for entry in page.items)


def fault(store: Store, entry: RunEntry) -> BuffError | None:
    """Return why a run's manifest cannot be read, or None. The other artifacts are checked when they are read."""
    try:
        store.run(entry.run_id)
    except BuffError as error:
        return error
    return None


def row_document(row: Row) -> dict[str, Any]:
    """Return a run of a list as plain values."""
    return {**msgspec.structs.asdict(row.entry), "state": row.state, "code": row.fault.code if row.fault else None}


def public_manifest(run: Run) -> dict[str, Any]:
    """Return the manifest without the path its data once had on somebody's disk."""
    data = run.manifest["data"]
    source = {name: value for name, value in data["source"].items() if name != "path"}
    return {**run.manifest, "data": {**data, "source": source}}


def run_document(run: Run) -> dict[str, Any]:
    """Return one run as plain values: what the registry says, its manifest and its metrics."""
    return {
        "run_id": run.id,
        "registry": dict(run.facts),
        "manifest": public_manifest(run),
        "metrics": {name: msgspec.to_builtins(metric) for name, metric in run.metrics.items()},
    }


def event_document(item: Recorded, root: str) -> dict[str, Any]:
    """Return an event of the journal as plain values that name no path of this machine: its line, read."""
    return {
        "seq": item.seq,
        "time": item.time,
        "type": type(item.event).TYPE,
        "key": item.key,
        "data": without_paths(msgspec.to_builtins(item.event), root),
        "sha256": item.sha256,
    }


def trades_of(run: Run, asked: TradesAsked) -> Trades:
    """Return one page of the trades alive between two instants, in the order of entry."""
    first, last = (stamp(ms) if ms is not None else None for ms in (asked.first_ms, asked.last_ms))
    found = list(_alive(run.trades, first, last))
    items = tuple(found[asked.after : asked.after + asked.limit])
    end = asked.after + len(items)
    return Trades(items=items, total=len(found), next=end if items and end < len(found) else None)


def _alive(trades: Iterable[Trade], first: str | None, last: str | None) -> Iterable[Trade]:
    """Yield the trades that overlap [first, last): stamps of one form compare as text."""
    for trade in trades:
        over = first is not None and "exit" in trade and trade["exit"]["ts"] < first
        ahead = last is not None and trade["entry"]["ts"] >= last
        if not over and not ahead:
            yield trade
