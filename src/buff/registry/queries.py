"""Lists: filter, sort and cut what the registry holds. Pure.

A state and a `Query` go in; a page of entries comes out, with the total that matched and where the next page begins.
Order is by seq unless asked otherwise, never by clock.
"""

import base64
from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec
from attrs import evolve, field, frozen

from buff.errors import BuildNotFound, DatasetNotFound, RunConfigInvalid, RunNotFound, SweepNotFound
from buff.registry.rows import Changed, Row, RunEntry
from buff.registry.state import BuildEntry, DatasetEntry, RegistryState, SweepEntry

Entry = TypeVar("Entry")
Sorts = Mapping[str, Callable[[Any], Any]]  # what a list can be sorted by, and how

LIMIT_MAX = 1_000
HIDDEN = frozenset({"archived", "reclaimed"})  # the states a list leaves out unless it is asked for them
LEGACY = "legacy"
STATES = ("committed", "damaged", "archived", "reclaimed", LEGACY, "any")  # what a list can be asked for
FACETS = ("symbol", "timeframe", "strategy", "risk_level")  # what a list is narrowed by, beside tags and times
METRIC_SORTS: Sorts = {
    name: lambda row, name=name: row.metrics.get(name)  # type: ignore[misc]
    for name in ("net_return", "cagr", "sharpe", "max_drawdown", "win_rate", "profit_factor")
}
SORTS: dict[str, Callable[[Row], Any]] = {
    "created": attrgetter("seq"),
    **{name: attrgetter(name) for name in ("run_id", *FACETS, "start", "bars", "trades")},
    **METRIC_SORTS,
}
DATASET_SORTS: Sorts = {
    "created": attrgetter("seq"),
    "rows": attrgetter("rows"),
    "first": attrgetter("first_ts"),
    "last": attrgetter("last_ts"),
}
BUILD_SORTS: Sorts = {"created": attrgetter("seq")}
SWEEP_SORTS: Sorts = {
    "created": attrgetter("seq"),
    **{name: attrgetter(name) for name in ("requests", "trials", "committed", "failed")},
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

    `archived` lets runs in that are archived, or reclaimed since; a list leaves them out. `state` is one of STATES and
    decides alone which are let in. Every word of `text` must stand somewhere in a run's id, name, notes, symbol or
    strategy, in any case. `after` leaves out so many; `cursor` is a page's own, and continues it whatever was committed
    since. Raises RunConfigInvalid on a `since` or `until` that is no such thing.
    """

    symbol: str | None = None
    timeframe: str | None = None
    strategy: str | None = None
    risk_level: int | None = None
    tag: str | None = None
    since: str | None = field(default=None, converter=_since)
    until: str | None = field(default=None, converter=_until)
    archived: bool = False
    state: str | None = None
    text: str | None = None
    sort: str = "-created"
    limit: int = 100
    after: int = 0
    cursor: str | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the text, folded to be compared in any case."""
        return tuple((self.text or "").casefold().split())

    @property
    def legacy(self) -> bool:
        """Whether legacy runs may be among what is asked for."""
        return self.state in (None, LEGACY, "any")


@frozen(kw_only=True)
class Page(Generic[Entry]):
    """Some of what matched: `next` is the `after` of the following page, or None at the end.

    `cursor` is where that page begins, too, and stays right while runs are committed before it; None where there is no
    such page or nothing makes one.
    """

    items: tuple[Entry, ...]
    total: int
    next: int | None
    cursor: str | None = None


def runs(state: RegistryState, query: Query) -> Page[RunEntry]:
    """Return one page of the runs that match.

    Raises RunConfigInvalid on a state, sort, limit or cursor that cannot be.
    """
    check(query)
    return page(ordered(let_in(state.runs.rows(), query), query), query)


def let_in(rows: Sequence[Row], query: Query) -> Sequence[Row]:
    """Return the rows of the state that is asked for, in the same order: only `state` and `archived` are looked at."""
    match query.state:
        case None:
            return rows if query.archived else _listed(rows)
        case "any":
            return rows
        case standing:
            return [row for row in rows if row.state == standing]


def ordered(rows: Sequence[Row], query: Query) -> tuple[Row, ...]:
    """Return those of the runs let in that match, in order; of the query only what `listing` keeps is looked at.

    A tuple, which the garbage collector need not look through: of very many rows that takes longer than a page.
    """
    found = _narrowed(rows, query)
    return tuple(_ordered(found, query.sort.removeprefix("-"), descending=query.sort.startswith("-")))


def followed(rows: Sequence[Row], changed: Changed, query: Query) -> tuple[Row, ...]:
    """Return what the ordered list of a query has become by some changes: each row finds its place by halving."""
    gone, come = (_matching(side, query) for side in _sides(changed))
    return _moved(rows, query.sort, gone, come)


def _sides(changed: Changed) -> tuple[list[Row], list[Row]]:
    """Return the rows that were, and those that are instead."""
    return [before for before, _ in changed.values() if before is not None], [now for _, now in changed.values()]


def _moved(rows: Sequence[Row], sort: str, gone: Iterable[Row], come: Iterable[Row]) -> tuple[Row, ...]:
    """Return rows in order without some of them and with some others."""
    made = list(rows)
    for row in gone:
        del made[_place(made, sort, row) - 1]
    for row in come:
        made.insert(_place(made, sort, row), row)
    return tuple(made)


def unmoved(rows: Sequence[Row], changed: Changed) -> int:
    """Return how many of the first rows, in order of seq, none of the changes has touched."""
    sides = (row for side in _sides(changed) for row in side)
    return max(min((_place(rows, "created", row) for row in sides), default=len(rows)) - 1, 0)


def listing(query: Query) -> Query:
    """Return what a query asks for without where its page lies: the same for every page of a list."""
    return evolve(query, limit=1, after=0, cursor=None)


def unfiltered(query: Query) -> Query:
    """Return the list, in order of seq, of all runs that a query lets in: what it narrows and sorts."""
    return evolve(listing(Query(state=query.state, archived=query.archived)), sort="created")


def without(query: Query, name: str) -> Query:
    """Return what a query asks for without one of its filters."""
    nothing: dict[str, Any] = {name: None}
    return evolve(query, **nothing)


def page(rows: Sequence[Row], query: Query) -> Page[RunEntry]:
    """Return one page of rows that are in the order of the query. Raises RunConfigInvalid on a cursor of no list."""
    found = _cut(rows, SORTS, sort=query.sort, limit=query.limit, after=query.after, cursor=query.cursor)
    return Page(items=tuple(row.entry for row in found.items), total=found.total, next=found.next, cursor=found.cursor)


def paged(
    entries: Iterable[Entry], sorts: Sorts, *, sort: str, limit: int, after: int = 0, cursor: str | None = None
) -> Page[Entry]:
    """Return one page of entries that have a `seq`, in one of some orders; of equals the older comes first, or last.

    Raises RunConfigInvalid on a sort, limit or cursor that cannot be.
    """
    _check_cut(sorts, sort=sort, limit=limit, after=after)
    key = sorts[sort.removeprefix("-")]
    rows = sorted(entries, key=lambda entry: (key(entry), attrgetter("seq")(entry)), reverse=sort.startswith("-"))
    return _cut(rows, sorts, sort=sort, limit=limit, after=after, cursor=cursor)


def _cut(rows: Sequence[Entry], sorts: Sorts, *, sort: str, limit: int, after: int, cursor: str | None) -> Page[Entry]:
    begin = after if cursor is None else _behind(rows, sort, read_cursor(cursor), sorts)
    part = rows[begin : begin + limit]
    end = begin + len(part)
    more = bool(part) and end < len(rows)
    return Page(
        items=tuple(part),
        total=len(rows),
        next=end if end < len(rows) else None,
        cursor=written(_cursor(sort, part[-1], sorts)) if more else None,
    )


def check(query: Query) -> None:
    """Raise RunConfigInvalid on a state, sort or limit that cannot be."""
    _check_cut(SORTS, sort=query.sort, limit=query.limit, after=query.after)
    if query.state is not None and query.state not in STATES:
        raise RunConfigInvalid(
            f"runs are in no state {query.state!r}",
            hint=f"one of {', '.join(STATES)}",
            details={"field": "state", "value": query.state},
        )


def _check_cut(sorts: Sorts, *, sort: str, limit: int, after: int) -> None:
    if sort.removeprefix("-") not in sorts:
        raise RunConfigInvalid(
            f"a list cannot be sorted by {sort!r}",
            hint=f"one of {', '.join(sorts)}; a leading '-' turns the order around",
            details={"field": "sort"},
        )
    if not 1 <= limit <= LIMIT_MAX or after < 0:
        raise RunConfigInvalid(
            f"limit {limit} is not between 1 and {LIMIT_MAX}", details={"field": "limit", "value": limit}
        )


# Cursors: the order, and where the last run of a page stands in it. A run that goes away since takes nothing with it.


class Cursor(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The sort of a list, and the value and the seq of the last run that was shown; without a seq, `value` were."""

    sort: str
    value: int | float | str | None
    seq: int | None


def _cursor(sort: str, row: Any, sorts: Sorts = SORTS) -> Cursor:
    """Return the cursor behind a row of a list."""
    return Cursor(sort, sorts[sort.removeprefix("-")](row), row.seq)


def written(cursor: Cursor) -> str:
    """Return a cursor as the text that stands for it in an address."""
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).rstrip(b"=").decode("ascii")


def read_cursor(text: str) -> Cursor:
    """Return the cursor of a text. Raises RunConfigInvalid on one that no page gave."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(data, type=Cursor)
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise _no_cursor() from error


def shown_behind(query: Query) -> int | None:
    """Return how many of the list behind the runs a query's cursor says were shown; None without a cursor."""
    if query.cursor is None:
        return None
    cursor = read_cursor(query.cursor)
    if cursor.seq is not None:
        return 0
    if not isinstance(cursor.value, int) or cursor.value < 0:
        raise _no_cursor()
    return cursor.value


def _no_cursor() -> RunConfigInvalid:
    return RunConfigInvalid(
        "the cursor is of no such list",
        hint="begin again without it, or give the `cursor` of the page before with the same `sort`",
        details={"field": "cursor"},
    )


def _place(rows: Sequence[Row], sort: str, row: Row) -> int:
    """Return how many of the rows, which are in order, stand before a row or where it does."""
    return _behind(rows, sort, _cursor(sort, row))


def _behind(rows: Sequence[Any], sort: str, cursor: Cursor, sorts: Sorts = SORTS) -> int:
    """Return how many rows stand before or at a cursor, by halving: rows and cursor are in the same order."""
    if cursor.sort != sort:
        raise _no_cursor()
    if cursor.seq is None:
        return len(rows)
    key, descending = sorts[sort.removeprefix("-")], sort.startswith("-")
    low, high = 0, len(rows)
    try:
        while low < high:
            middle = (low + high) // 2
            row = rows[middle]
            if _comes_after(key(row), row.seq, cursor, descending=descending):
                high = middle
            else:
                low = middle + 1
    except TypeError as error:  # a text where the list has numbers
        raise _no_cursor() from error
    return low


def _comes_after(value: Any, seq: int, cursor: Cursor, *, descending: bool) -> bool:
    """Say whether a row stands behind a cursor; what has no value comes last in both directions, ties by seq."""
    assert cursor.seq is not None, "a cursor of a run has its seq"
    if (value is None) != (cursor.value is None):
        return value is None
    if value == cursor.value:
        return seq < cursor.seq if descending else seq > cursor.seq
    return bool(value < cursor.value if descending else value > cursor.value)


# Filters and order


def wanted(query: Query) -> dict[str, Any]:
    """Return the values that are asked for, by the names of FACETS and `tag`: each is one that `grouped` tells of."""
    values = {name: getattr(query, name) for name in (*FACETS, "tag")}
    if query.symbol is not None:
        values["symbol"] = query.symbol.upper()
    return {name: value for name, value in values.items() if value is not None}


def grouped(rows: Sequence[Row], name: str) -> Mapping[Any, tuple[Row, ...]]:
    """Return the rows that have each value of one of FACETS, `tag` or `dataset_id`, in the same order."""
    found = defaultdict[Any, list[Row]](list)
    if name == "tag":
        for row in rows:
            for tag in row.tags:
                found[tag].append(row)
    else:
        for value, row in zip(map(attrgetter(name), rows), rows, strict=True):
            found[value].append(row)
    return {value: tuple(having) for value, having in found.items()}


def regrouped(
    found: Mapping[Any, tuple[Row, ...]], changed: Changed, whole: Query, name: str
) -> Mapping[Any, tuple[Row, ...]]:
    """Return what the groups of all runs that a query lets in become by some changes."""
    gone, come = (grouped(_matching(side, whole), name) for side in _sides(changed))
    moved = {
        value: _moved(found.get(value, ()), whole.sort, gone.get(value, ()), come.get(value, ()))
        for value in {**gone, **come}
    }
    return {**found, **moved}


def _matching(rows: Sequence[Row], query: Query) -> Sequence[Row]:
    """Return the rows that match, in the same order."""
    return _narrowed(let_in(rows, query), query)


def _narrowed(rows: Sequence[Row], query: Query) -> Sequence[Row]:
    """Return those of the rows let in that match: one pass for each filter that was asked for, most ask for few."""
    for name, value in wanted(query).items():
        if name == "tag":
            rows = [row for row in rows if value in row.tags]
        else:
            member = attrgetter(name)
            rows = [row for row in rows if member(row) == value]
    if query.since is not None:
        rows = [row for row in rows if row.created >= query.since]
    if query.until is not None:
        rows = [row for row in rows if row.created < query.until]
    for word in query.words:
        rows = _with_word(rows, word)
    return rows


def _with_word(rows: Sequence[Row], word: str) -> list[Row]:
    """Return the rows that have a word, which is folded. Symbols and strategies are few: each is looked at once."""
    symbols, strategies = (
        {value: None for value in dict.fromkeys(map(attrgetter(name), rows)) if word in value.casefold()}
        for name in ("symbol", "strategy")
    )
    return [
        row
        for row in rows
        if word in row.run_id  # which has no capitals
        or row.symbol in symbols
        or row.strategy in strategies
        or (row.name is not None and word in row.name.casefold())
        or (row.notes is not None and word in row.notes.casefold())
    ]


def _listed(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.state not in HIDDEN]


def _ordered(rows: Sequence[Row], sort: str, *, descending: bool) -> Sequence[Row]:
    """Sort what is in order of seq by a key, then seq; what has no value comes last in both directions."""
    by_seq = rows[::-1] if descending else rows
    if sort == "created":
        return by_seq
    keys = list(map(SORTS[sort], by_seq))
    valued = [place for place, value in enumerate(keys) if value is not None]
    valued.sort(key=keys.__getitem__, reverse=descending)
    return [by_seq[place] for place in valued] + [row for row, value in zip(by_seq, keys, strict=True) if value is None]


@frozen(kw_only=True)
class Facets:
    """What the runs of a list have in common: how many there are, and how many have each value of each of FACETS.

    `tagged` says of every tag how many runs have it, in order of the tags. Archived and reclaimed runs count where they
    are asked for, and in `states`, which says how many runs are in each state. Where a list is narrowed by a field,
    that field counts the runs that match all the rest: what could be had instead.
    """

    total: int
    counts: Mapping[str, Mapping[Any, int]]
    states: Mapping[str, int]
    tagged: Mapping[str, int]

    @property
    def tags(self) -> tuple[str, ...]:
        """All tags that are in use, in order."""
        return tuple(self.tagged)


def facets(state: RegistryState, query: Query) -> Facets:
    """Return what the runs that match can be narrowed by further, or by what else instead."""
    return _counted(state.runs.rows(), query)


def recounted(found: Facets, changed: Changed, query: Query) -> Facets:
    """Return what the facets of a query become by some changes: what was is taken away, and what is now added."""
    gone, come = (_counted(rows, query) for rows in _sides(changed))

    def told(count: Callable[[Facets], Mapping[Any, int]]) -> Counter[Any]:
        return Counter(count(found)) + Counter(count(come)) - Counter(count(gone))

    tags = told(attrgetter("tagged"))
    return Facets(
        total=found.total + come.total - gone.total,
        counts={name: told(lambda each, name=name: each.counts[name]) for name in FACETS},  # type: ignore[misc]
        states=told(attrgetter("states")),
        tagged={tag: tags[tag] for tag in sorted(tags)},
    )


def _counted(every: Sequence[Row], query: Query) -> Facets:
    rows = _matching(every, query)

    def instead(name: str) -> Sequence[Row]:
        return rows if getattr(query, name) is None else _matching(every, without(query, name))

    tags = Counter(chain.from_iterable(map(attrgetter("tags"), instead("tag"))))
    return Facets(
        total=len(rows),
        counts={name: Counter(map(attrgetter(name), instead(name))) for name in FACETS},
        states=Counter(map(attrgetter("state"), _matching(every, evolve(query, state="any")))),
        tagged={tag: tags[tag] for tag in sorted(tags)},
    )


def ids(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return the ids of runs in their own order, in which those that begin alike stand together."""
    return tuple(sorted(row.run_id for row in rows))


def ids_after(found: Sequence[str], changed: Changed) -> tuple[str, ...]:
    """Return what these ids become by some changes: none ever goes away."""
    made = list(found)
    for run_id, (before, _) in changed.items():
        if before is None:
            insort(made, run_id)
    return tuple(made)


def find(state: RegistryState, run_id: str, sorted_ids: Callable[[], Sequence[str]] | None = None) -> RunEntry:
    """Return the entry of a run by its id, or by the only id that begins so. Raises RunNotFound.

    `sorted_ids` gives all `ids` where somebody keeps them; they are asked for when there is no run of this very id.
    """
    if run_id in state.runs:
        return state.runs[run_id]
    known = ids(state.runs.rows()) if sorted_ids is None else sorted_ids()
    begin = known[bisect_left(known, run_id) : bisect_left(known, f"{run_id}~")] if run_id else ()  # no id has a ~
    if len(begin) == 1:
        return state.runs[begin[0]]
    raise RunNotFound(
        f"no run {run_id!r} in this root" if not begin else f"{len(begin)} runs begin with {run_id!r}",
        hint="`buff run list` shows what is there",
        details={"run_id": run_id},
    )


def held(state: RegistryState, run_id: str, sorted_ids: Callable[[], Sequence[str]] | None = None) -> RunEntry:
    """Return the entry of a run whose directory is kept, found as `find` does. Raises RunNotFound."""
    entry = find(state, run_id, sorted_ids)
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


def sweeps(state: RegistryState) -> tuple[SweepEntry, ...]:
    """Return every sweep, the newest first."""
    return tuple(sorted(state.sweeps.values(), key=lambda entry: entry.seq, reverse=True))


def find_sweep(state: RegistryState, sweep: str) -> SweepEntry:
    """Return the entry of a sweep by its id, or by the only id that begins so. Raises SweepNotFound."""
    known = state.sweeps
    found = [known[sweep]] if sweep in known else [each for id, each in known.items() if sweep and id.startswith(sweep)]
    if len(found) != 1:
        many = f"{len(found)} sweeps begin with {sweep[:40]}" if found else f"there is no sweep {sweep[:40]}"
        hint = "write more of its id; " * bool(found) + "`buff sweep list` shows what there is"
        raise SweepNotFound(many, hint=hint, details={"sweep": sweep[:40]})
    return found[0]


# How many runs were tried


@frozen(kw_only=True)
class Tried:
    """How many runs were tried beside one of a symbol: a fact of the registry, as true as what the registry knows.

    `on_symbol` counts the runs of the same symbol in this root, itself and those that are archived or reclaimed among
    them; `sweeps` are those whose plans have its inputs, the newest first. The plan of those of `unread` is unreadable.
    """

    symbol: str
    on_symbol: int
    sweeps: tuple[SweepEntry, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def trials(self) -> int:
        """The most of these: how many runs the best of them was, or could have been, chosen from."""
        return max(self.on_symbol, *(each.trials for each in self.sweeps), 1)

    @property
    def says(self) -> str:
        """It in words: `one of 1,000 runs tried: 1,000 of BTCUSDT in this root, 870 by sweep swp_89f05cbb656638d1`."""
        if self.trials == 1:
            told = [f"the only run tried of {self.symbol} in this root"]
        else:
            told = [f"one of {self.trials:,} runs tried: {self.on_symbol:,} of {self.symbol} in this root"]
        told += [f"{each.trials:,} by sweep {each.sweep}" for each in self.sweeps]
        told += [f"and perhaps more by sweep {sweep}, whose plan cannot be read" for sweep in self.unread]
        return ", ".join(told)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "trials": self.trials,
            "on_symbol": self.on_symbol,
            "sweeps": [{"sweep": each.sweep, "trials": each.trials} for each in self.sweeps],
            "unread": list(self.unread),
        }


def symbols(rows: Iterable[Row]) -> Counter[str]:
    """Return how many runs each symbol has, whatever their state."""
    return Counter(map(attrgetter("symbol"), rows))


def symbols_after(found: Counter[str], changed: Changed) -> Counter[str]:
    """Return what the counts of symbols become by some changes."""
    gone, come = map(symbols, _sides(changed))
    return found + come - gone
