"""Lists: filter, sort and cut what the registry holds. Pure.

A state and a `Query` go in; a page of entries comes out, with the total that matched and where the next page begins.
Order is by seq unless asked otherwise, never by clock.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from attrs import field, frozen

from buff.errors import RunConfigInvalid, RunNotFound
from buff.registry.state import DatasetEntry, RegistryState, RunEntry

Entry = TypeVar("Entry")

LIMIT_MAX = 1_000
HIDDEN = frozenset({"archived", "reclaimed"})  # the states a list leaves out unless it is asked for them
SORTS: dict[str, Callable[[RunEntry], Any]] = {
    "created": lambda run: run.seq,
    "run_id": lambda run: run.run_id,
    "symbol": lambda run: run.symbol,
    "timeframe": lambda run: run.timeframe,
    "strategy": lambda run: run.strategy,
    "risk_level": lambda run: run.risk_level,
    "start": lambda run: run.start,
    "bars": lambda run: run.bars,
    "trades": lambda run: run.trades,
    **{
        name: lambda run, name=name: run.metrics.get(name)  # type: ignore[misc]
        for name in ("net_return", "cagr", "sharpe", "max_drawdown", "win_rate", "profit_factor")
    },
}


def _instant(text: str | None, name: str) -> str | None:
    """Return a UTC date, or a time with a zone, in the form of the journal's own times, with which it is compared."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or (moment.tzinfo is None and len(text) > len("2026-01-01")):
        raise RunConfigInvalid(
            f"{name} {text!r} is neither a date nor a time with a zone",
            hint="write 2026-01-31, or 2026-01-31T12:00:00Z",
            details={"field": name, "value": text},
        )
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _since(text: str | None) -> str | None:
    return _instant(text, "since")


def _until(text: str | None) -> str | None:
    return _instant(text, "until")


@frozen(kw_only=True)
class Query:
    """Which runs, in what order, how many. `since` and `until` are UTC dates or times compared with `created`.

    `archived` lets runs in that are archived, or reclaimed since; a list leaves them out. Raises RunConfigInvalid on a
    `since` or `until` that is no such thing.
    """

    symbol: str | None = None
    timeframe: str | None = None
    strategy: str | None = None
    risk_level: int | None = None
    tag: str | None = None
    since: str | None = field(default=None, converter=_since)
    until: str | None = field(default=None, converter=_until)
    archived: bool = False
    sort: str = "-created"
    limit: int = 100
    after: int = 0


@frozen(kw_only=True)
class Page(Generic[Entry]):
    """Some of what matched: `next` is the `after` of the following page, or None at the end."""

    items: tuple[Entry, ...]
    total: int
    next: int | None


def runs(state: RegistryState, query: Query) -> Page[RunEntry]:
    """Return one page of the runs that match. Raises RunConfigInvalid on a sort or limit that cannot be."""
    check(query)
    found = [run for run in state.runs.values() if _matches(run, query)]
    ordered = _ordered(found, SORTS[query.sort.removeprefix("-")], descending=query.sort.startswith("-"))
    items = tuple(ordered[query.after : query.after + query.limit])
    end = query.after + len(items)
    return Page(items=items, total=len(found), next=end if end < len(found) else None)


def check(query: Query) -> None:
    """Raise RunConfigInvalid on a sort or limit that cannot be."""
    if query.sort.removeprefix("-") not in SORTS:
        raise RunConfigInvalid(
            f"runs cannot be sorted by {query.sort!r}",
            hint=f"one of {', '.join(SORTS)}; a leading '-' turns the order around",
            details={"field": "sort"},
        )
    if not 1 <= query.limit <= LIMIT_MAX or query.after < 0:
        raise RunConfigInvalid(
            f"limit {query.limit} is not between 1 and {LIMIT_MAX}", details={"field": "limit", "value": query.limit}
        )


def _matches(run: RunEntry, query: Query) -> bool:
    return (
        (query.archived or run.state not in HIDDEN)
        and (query.symbol is None or run.symbol == query.symbol.upper())
        and (query.timeframe is None or run.timeframe == query.timeframe)
        and (query.strategy is None or run.strategy == query.strategy)
        and (query.risk_level is None or run.risk_level == query.risk_level)
        and (query.tag is None or query.tag in run.tags)
        and (query.since is None or run.created >= query.since)
        and (query.until is None or run.created < query.until)
    )


def _ordered(found: Iterable[RunEntry], key: Callable[[RunEntry], Any], *, descending: bool) -> list[RunEntry]:
    """Sort by key, then seq; what has no value comes last in both directions."""
    by_seq = sorted(found, key=lambda run: run.seq, reverse=descending)
    valued = [run for run in by_seq if key(run) is not None]
    without = [run for run in by_seq if key(run) is None]
    return sorted(valued, key=key, reverse=descending) + without


def find(state: RegistryState, run_id: str) -> RunEntry:
    """Return the entry of a run by its id, or by the only id that begins so. Raises RunNotFound."""
    if run_id in state.runs:
        return state.runs[run_id]
    begin = [known for known in state.runs if run_id and known.startswith(run_id)]
    if len(begin) == 1:
        return state.runs[begin[0]]
    raise RunNotFound(
        f"no run {run_id!r} in this root" if not begin else f"{len(begin)} runs begin with {run_id!r}",
        hint="`buff run list` shows what is there",
        details={"run_id": run_id},
    )


def held(state: RegistryState, run_id: str) -> RunEntry:
    """Return the entry of a run whose directory is kept, found as `find` does. Raises RunNotFound."""
    entry = find(state, run_id)
    if entry.state == "reclaimed":
        raise RunNotFound(
            f"run {entry.run_id} was archived, and its directory was given up by `buff store gc`",
            hint="the same inputs make the same run again, with the same id",
            details={"run_id": entry.run_id, "state": entry.state},
        )
    return entry


def datasets(state: RegistryState) -> tuple[DatasetEntry, ...]:
    """Return every stored dataset, the newest first."""
    return tuple(sorted(state.datasets.values(), key=lambda entry: entry.seq, reverse=True))
