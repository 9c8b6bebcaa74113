"""Lists: filter, sort and cut what the registry holds. Pure.

A state and a `Query` go in; a page of entries comes out, with the total that matched and where the next page begins.
Order is by seq unless asked otherwise, never by clock.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter, itemgetter
from typing import Any, Generic, TypeVar

from attrs import field, frozen

from buff.errors import BuildNotFound, DatasetNotFound, RunConfigInvalid, RunNotFound
from buff.registry.rows import Row, RunEntry
from buff.registry.state import BuildEntry, DatasetEntry, RegistryState

Entry = TypeVar("Entry")

LIMIT_MAX = 1_000
HIDDEN = frozenset({"archived", "reclaimed"})  # the states a list leaves out unless it is asked for them
FACETS = ("symbol", "timeframe", "strategy", "risk_level")  # what a list is narrowed by, beside tags and times
SORTS: dict[str, Callable[[Row], Any]] = {
    "created": attrgetter("seq"),
    **{name: attrgetter(name) for name in ("run_id", *FACETS, "start", "bars", "trades")},
    **{
        name: lambda row, name=name: row.metrics.get(name)  # type: ignore[misc]
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
    found = _matching(state.runs.rows(), query)
    ordered = _ordered(found, query.sort.removeprefix("-"), descending=query.sort.startswith("-"))
    items = tuple(row.entry for row in ordered[query.after : query.after + query.limit])
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


def _matching(rows: list[Row], query: Query) -> list[Row]:
    """Return the rows that match, in the same order: one pass for each filter that was asked for, most ask for few."""
    wanted = {name: getattr(query, name) for name in FACETS} | {"symbol": query.symbol and query.symbol.upper()}
    if not query.archived:
        rows = _listed(rows)
    for name, value in wanted.items():
        if value is not None:
            member = attrgetter(name)
            rows = [row for row in rows if member(row) == value]
    if query.tag is not None:
        rows = [row for row in rows if query.tag in row.tags]
    if query.since is not None:
        rows = [row for row in rows if row.created >= query.since]
    if query.until is not None:
        rows = [row for row in rows if row.created < query.until]
    return rows


def _listed(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.state not in HIDDEN]


def _ordered(rows: list[Row], sort: str, *, descending: bool) -> list[Row]:
    """Sort what is in order of seq by a key, then seq; what has no value comes last in both directions."""
    by_seq = rows[::-1] if descending else rows
    if sort == "created":
        return by_seq
    key = SORTS[sort]
    keyed = [(key(row), row) for row in by_seq]
    valued = [pair for pair in keyed if pair[0] is not None]
    valued.sort(key=itemgetter(0), reverse=descending)
    return [row for _, row in valued] + [row for value, row in keyed if value is None]


@frozen(kw_only=True)
class Facets:
    """What the runs of a list have in common: how many there are, and how many have each value of each of FACETS.

    `tags` are all that are in use, in order. Archived and reclaimed runs do not count.
    """

    total: int
    counts: Mapping[str, Mapping[Any, int]]
    tags: tuple[str, ...]


def facets(state: RegistryState) -> Facets:
    """Return what the runs of a state can be narrowed by."""
    rows = _listed(state.runs.rows())
    return Facets(
        total=len(rows),
        counts={name: Counter(map(attrgetter(name), rows)) for name in FACETS},
        tags=tuple(sorted({tag for row in rows for tag in row.tags})),
    )


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


def find_dataset(state: RegistryState, dataset_id: str) -> DatasetEntry:
    """Return the entry of a dataset by its id, or by the only id that begins so. Raises DatasetNotFound."""
    begin = [known for known in state.datasets if dataset_id and known.startswith(dataset_id)]
    if len(begin) == 1:
        return state.datasets[begin[0]]
    raise DatasetNotFound(
        f"no dataset {dataset_id!r} in this root" if not begin else f"{len(begin)} datasets begin with {dataset_id!r}",
        hint="`buff data list` shows what is there",
        details={"dataset_id": dataset_id},
    )


def find_build(state: RegistryState, job: str) -> BuildEntry:
    """Return the entry of a build by its id, or by the only id that begins so. Raises BuildNotFound."""
    begin = [known for known in state.builds if job and known.startswith(job)]
    if len(begin) == 1:
        return state.builds[begin[0]]
    raise BuildNotFound(
        f"no build {job!r} in this root" if not begin else f"{len(begin)} builds begin with {job!r}",
        hint="`buff build list` shows what is there; the journal has those that ended long ago",
        details={"job": job},
    )
