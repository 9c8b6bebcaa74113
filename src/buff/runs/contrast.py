"""Contrast: what differs between two runs, from their inputs to the last of their results.

Two committed runs go in; plain values come out. Records and trades are matched by their stamps, so that runs over
different windows are compared where they have the same bars, and what only one of them has is counted. Positions in a
run (`seq`, `trade`, `decided`) are not compared, since they differ wherever one run begins earlier; a `signal` is
compared as the number of bars it lies before its record. Memory does not grow with the runs; nothing is computed anew.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, field

from buff.decisions.metrics import DEFINITIONS
from buff.errors import RunDamaged

if TYPE_CHECKING:
    from buff.runs.run import Metric, Run

Record = Mapping[str, Any]
Values = dict[str, Any]

DATASET_DIGITS = 16  # as many as `buff data list` shows
RECORDS = "decision_records.jsonl"
PLACES = frozenset({"seq", "trade", "decided"})
_AT_ONCE = 1_024  # records that are decoded together
_PIECE_BYTES = 1 << 20


def contrast(a: "Run", b: "Run", *, limit: int) -> Values:
    """Return what differs between two runs; of trades and of members at most `limit` are listed, all are counted.

    `records` and `trades` are None where the timeframes differ: bars that begin together are then not the same bars.
    Raises RunDamaged.
    """
    digests = [{item["name"]: item["sha256"] for item in run.manifest["artifacts"]} for run in (a, b)]
    other = sorted(
        name for name in digests[0].keys() | digests[1].keys() if digests[0].get(name) != digests[1].get(name)
    )
    comparable = a.inputs["timeframe"] == b.inputs["timeframe"]
    return {
        "a": a.id,
        "b": b.id,
        "same_artifacts": not other,
        "artifacts": other,
        "inputs": differing(a.inputs, b.inputs),
        "data": _data(a, b),
        "windows": [_window(run) for run in (a, b)],
        "records": _records(a, b, same=RECORDS not in other) if comparable else None,
        "trades": _trades(a, b, limit) if comparable else None,
        "metrics": _metrics(a, b),
        "equity": _equity(a, b),
    }


# Members


def flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the members of nested objects and lists with dotted names: ("fills.0.price", 39741.1)."""
    match value:
        case Mapping():
            pairs: Iterable[tuple[Any, Any]] = value.items()
        case list():
            pairs = enumerate(value)
        case _:
            yield name, value
            return
    for key, inner in pairs:
        yield from flat(inner, f"{name}.{key}" if name else str(key))


def differing(a: Record, b: Record) -> list[Values]:
    """Return the members that differ, by dotted name in order, with both values; None where one has no such member."""
    one, other = dict(flat(a)), dict(flat(b))
    names = sorted(name for name in one.keys() | other.keys() if not _same(one.get(name), other.get(name)))
    return [{"name": name, "a": one.get(name), "b": other.get(name)} for name in names]


def _same(one: Any, other: Any) -> bool:
    """Say whether two values are written alike: 1 and 1.0 and true are three."""
    return type(one) is type(other) and bool(one == other)


# Data


def _data(a: "Run", b: "Run") -> Values:
    """Return the datasets, and the command that compares them row by row where there is one."""
    ids = [run.inputs["dataset_id"] for run in (a, b)]
    bases = [run.inputs["base_timeframe"] for run in (a, b)]
    same = ids[0] == ids[1]
    command = None
    if not same and bases[0] == bases[1]:
        command = f"buff data diff {ids[0][:DATASET_DIGITS]} {ids[1][:DATASET_DIGITS]}"
    return {"same": same, "a": ids[0], "b": ids[1], "command": command}


def _window(run: "Run") -> Values:
    return {
        "timeframe": run.inputs["timeframe"],
        "start": run.inputs["start"],
        "end": run.inputs["end"],
        "bars": len(run.equity),
    }


# Records


@define(kw_only=True)
class _Tally:
    """What was found among records so far."""

    compared: int = 0
    differing: int = 0
    only_a: int = 0
    only_b: int = 0
    members: Counter[str] = field(factory=Counter)
    first: Values | None = None

    def add(self, a: Record | None, b: Record | None) -> None:
        """Count two records of one stamp, or one that the other run does not have."""
        if a is None or b is None:
            self.only_a += b is None
            self.only_b += a is None
            return
        self.compared += 1
        if a == b:
            return
        found = differing(placeless(a), placeless(b))
        if not found:
            return
        self.differing += 1
        self.members.update({each["name"].partition(".")[0] for each in found})
        if self.first is None:
            self.first = {"ts": a["ts"], "equal_before": self.compared - 1, "members": found, "a": a, "b": b}


def placeless(record: Record) -> Values:
    """Return a record, a trade or a part of one without its positions in the run."""
    found = {name: _without_places(value) for name, value in record.items() if name not in PLACES}
    if "signal" in record:
        found["signal"] = record["seq"] - record["signal"]
    return found


def _without_places(value: Any) -> Any:
    match value:
        case dict():
            return placeless(value)
        case list():
            return [placeless(each) for each in value]
        case _:
            return value


def _records(a: "Run", b: "Run", *, same: bool) -> Values:
    """Return how the decision records differ: counts over the stamps both have, and the first that differs."""
    tally = _Tally()
    if same:
        tally.compared = len(a.records)
    else:
        for one, other in _matched(a.records, b.records):
            tally.add(one, other)
    return {
        "compared": tally.compared,
        "differing": tally.differing,
        "only_a": tally.only_a,
        "only_b": tally.only_b,
        "members": dict(sorted(tally.members.items())),
        "first": tally.first,
    }


def _matched(a: Iterable[Record], b: Iterable[Record]) -> Iterator[tuple[Record | None, Record | None]]:
    """Yield the records of both in order of time, those of one stamp together; stamps of one form sort as text."""
    ones, others = iter(a), iter(b)
    one, other = next(ones, None), next(others, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one["ts"] < other["ts"]):
            yield one, None
            one = next(ones, None)
        elif one is None or other["ts"] < one["ts"]:
            yield None, other
            other = next(others, None)
        else:
            yield one, other
            one, other = next(ones, None), next(others, None)


def parting(a: "Run", b: "Run") -> Values | None:
    """Return the first record in which two runs over the same bars differ, and its members that do; None without one.

    What both files begin with is compared as bytes, so that runs that part late are not decoded up to there.
    """
    digests = [item["sha256"] for run in (a, b) for item in run.manifest["artifacts"] if item["name"] == RECORDS]
    if digests[0] == digests[1]:
        return None
    begin = a.records.block_at(_common_bytes(a, b))
    for low in range(begin, min(len(a.records), len(b.records)), _AT_ONCE):
        pairs = zip(a.records[low : low + _AT_ONCE], b.records[low : low + _AT_ONCE], strict=False)
        for seq, (one, other) in enumerate(pairs, low):
            members = [] if one == other else differing(placeless(one), placeless(other))
            if members:
                return {"seq": seq, "ts": one["ts"], "members": members, "a": one, "b": other}
    return None


def _common_bytes(a: "Run", b: "Run") -> int:
    """Return how many bytes of records two runs have in common at their beginning, to the piece of a mebibyte."""
    same = 0
    try:
        with a.open(RECORDS) as ones, b.open(RECORDS) as others:
            while (one := ones.read(_PIECE_BYTES)) and one == others.read(_PIECE_BYTES):
                same += len(one)
    except OSError as error:
        raise RunDamaged(f"{RECORDS} of {a.id} or {b.id} cannot be read: {error.strerror}") from error
    return same


# Trades


def _trades(a: "Run", b: "Run", limit: int) -> Values:
    """Return how the trades differ, matched by the bar of their entry: no two of a run are entered at one bar."""
    counts: Counter[str] = Counter()
    listed: list[Values] = []
    for one, other in _matched(map(_entered, a.trades), map(_entered, b.trades)):
        members = [] if one is None or other is None else differing(placeless(one), placeless(other))
        kind = "only_b" if one is None else "only_a" if other is None else "differing" if members else "same"
        counts[kind] += 1
        if kind != "same" and len(listed) < limit:
            listed.append({"kind": kind, "ts": (one or other or {})["ts"], "members": members, "a": one, "b": other})
    return {
        "a": len(a.trades),
        "b": len(b.trades),
        **{kind: counts[kind] for kind in ("same", "differing", "only_a", "only_b")},
        "listed": listed,
    }


def _entered(trade: Record) -> Record:
    return {"ts": trade["entry"]["ts"], **trade}


# Results


def _metrics(a: "Run", b: "Run") -> list[Values]:
    """Return every metric of either run whose value, reason or flag differs, with the difference of two numbers."""
    found = []
    for name in dict.fromkeys([*DEFINITIONS, *sorted(a.metrics.keys() | b.metrics.keys())]):
        one, other = a.metrics.get(name), b.metrics.get(name)
        if _said(one) == _said(other):
            continue
        values = [None if each is None else each.value for each in (one, other)]
        found.append(
            {
                "name": name,
                "unit": next(each.unit for each in (one, other) if each is not None),
                "a": values[0],
                "b": values[1],
                "delta": _delta(*values),
                "notes": [None if each is None else each.null_reason or each.flag for each in (one, other)],
            }
        )
    return found


def _said(metric: "Metric | None") -> tuple[Any, ...] | None:
    return None if metric is None else (metric.value, metric.null_reason, metric.flag)


def _delta(a: Any, b: Any) -> float | int | None:
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (a, b))
    return b - a if numbers else None


def _equity(a: "Run", b: "Run") -> Values:
    """Return the equity at the end of both, and the first place at which the curves part where they have one window."""
    ends = [float(run.equity[-1]) for run in (a, b)]
    found: Values = {"a": ends[0], "b": ends[1], "delta": ends[1] - ends[0], "parts_at": None}
    if _window(a) == _window(b):
        apart = np.flatnonzero(a.equity != b.equity)[:1].tolist()
        found["parts_at"] = a.records[apart[0]]["ts"] if apart else None
    return found
