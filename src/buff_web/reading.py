"""What pages and API both say of one run, and of an event of the journal.

A store or a run goes in; plain values come out, the same for a page and for its machine form.
"""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

import msgspec
from attrs import frozen

from buff import LegacyRun, Run, RunEntry, Store
from buff.errors import RunNotFound
from buff.journal.record import Recorded
from buff.registry.queries import Tried
from buff_web.problems import without_paths
from buff_web.query import TradesAsked
from buff_web.words import stamp

Trade = Mapping[str, Any]
LEGACY_DECISIONS_MAX = 1_000


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


def public_manifest(run: Run) -> dict[str, Any]:
    """Return the manifest without the path its data once had on somebody's disk."""
    data = run.manifest["data"]
    return {**run.manifest, "data": {**data, "source": public_source(data["source"])}}


def public_source(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of where data came from, without the path of any file; their names and hashes stay."""
    files = [{name: value for name, value in each.items() if name != "path"} for each in source.get("files", ())]
    told = {name: value for name, value in source.items() if name != "path"}
    return {**told, "files": files} if "files" in source else told


def run_document(run: Run, tried: Tried) -> dict[str, Any]:
    """Return one run as values that JSON has: what the registry says, manifest, metrics, and how many were tried."""
    return {
        "run_id": run.id,
        "registry": dict(run.facts),
        "manifest": public_manifest(run),
        "metrics": run.metrics,
        "tried": tried.as_dict(),
        "legacy": None,
    }


def legacy_document(run: LegacyRun) -> dict[str, Any]:
    """Return a legacy run as plain values, with what it has: as it was written, but without the path of its data.

    Of its decisions the first 1,000 are among them; `decision_count` says how many there are.
    """
    told = {**run.as_dict(), "legacy": True, "decision_count": len(run.decisions)}
    if told["request"] is not None:
        told["request"] = {name: value for name, value in told["request"].items() if name != "source"}
    told["decisions"] = told["decisions"][:LEGACY_DECISIONS_MAX]
    return told


def event_document(item: Recorded, root: str) -> dict[str, Any]:
    """Return an event of the journal as plain values that name no path of this machine: its line, read."""
    data = msgspec.to_builtins(item.event)
    if isinstance(data.get("source"), dict):
        data["source"] = public_source(data["source"])
    return {
        "seq": item.seq,
        "time": item.time,
        "type": type(item.event).TYPE,
        "key": item.key,
        "data": without_paths(data, root),
        "sha256": item.sha256,
    }


def trades_of(run: Run, asked: TradesAsked) -> Trades:
    """Return one page of the trades alive between two instants, in the order of entry. Raises RunDamaged.

    One position is held at a time, so entries and exits both come in order, and the page is found by halving: of a
    hundred thousand trades only those of the page are parsed, and a few on the way.
    """
    trades = run.trades
    first, last = (stamp(ms) if ms is not None else None for ms in (asked.first_ms, asked.last_ms))
    low = 0 if first is None else bisect_left(trades, first, key=_left)
    high = len(trades) if last is None else bisect_left(trades, last, key=lambda trade: trade["entry"]["ts"])
    total = max(high - low, 0)
    begin = low + asked.after
    items = tuple(trades[begin : min(begin + asked.limit, high)])
    end = asked.after + len(items)
    return Trades(items=items, total=total, next=end if items and end < total else None)


def _left(trade: Trade) -> str:
    """Return when a trade was left; what is still open sorts behind every stamp."""
    return str(trade["exit"]["ts"]) if "exit" in trade else "open"
