"""The registry beside a plain one: whole entries in a dict, a whole copy for each event, every run judged alone."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from buff import canonical
from buff.journal import events as facts
from buff.journal.line import escape, seal
from buff.registry import queries
from buff.registry.index import CHUNK_RUNS, LINE_RUNS, PROJECTOR, SCHEMA, index_bytes, index_chunks, state_of
from buff.registry.projection import apply, fold, project
from buff.registry.queries import FACETS, HIDDEN, SORTS, STATES, Query
from buff.registry.rows import Detail, Row, RunEntry
from buff.registry.state import RegistryState
from buff.registry.texts import among, continued, texts_of
from histories import Item, committed, recorded

Plain = dict[str, RunEntry]


def plainly(runs: Plain, item: Item) -> Plain:
    """Return the runs after one event, by the words of `docs/reference/python_api.md`."""
    event, runs = item.event, dict(runs)
    if isinstance(event, facts.RunCommitted):
        before = runs.pop(event.run_id, None)
        said = {name: value for name, value in msgspec.structs.asdict(event).items() if name != "job"}
        times = 0 if before is None else before.reclaimed
        runs[event.run_id] = RunEntry(seq=item.seq, created=item.time, reclaimed=times, **said)
        return runs
    known = runs.get(getattr(event, "run_id", ""))
    if known is None:
        return runs
    changed: dict[str, Any] = {}
    verdict = known.verdict
    match event:
        case facts.RunVerified():
            verdict = event.verdict
            changed = {"verdict": verdict, "verified_at": item.time}
        case facts.RunAnnotated():
            asked = {"name": event.name, "notes": event.notes, "tags": event.tags}
            changed = {name: value for name, value in asked.items() if value is not UNSET}
        case facts.RunArchived():
            changed = {"state": "archived", "why": event.why}
        case facts.RunReclaimed():
            changed = {"state": "reclaimed", "reclaimed": known.reclaimed + 1}
        case facts.RunRestored():
            changed = {"why": None}
    listed = isinstance(event, facts.RunRestored) or (
        isinstance(event, facts.RunVerified) and known.state not in HIDDEN
    )
    if listed:
        changed["state"] = "damaged" if verdict == "damaged" else "committed"
    runs[known.run_id] = msgspec.structs.replace(known, **changed)
    return runs


def projected(items: Sequence[Item]) -> Plain:
    runs: Plain = {}
    for item in items:
        runs = plainly(runs, item)
    return runs


ids = st.sampled_from([f"run_{letter}" for letter in "abcdefgh"])
numbers = st.sampled_from([None, 0.0, -0.0, 1.5, -2.25, 1e16])
commits = st.builds(
    committed,
    ids,
    symbol=st.sampled_from(["BTC", "ETH", "日本"]),
    timeframe=st.sampled_from(["1h", "4h"]),
    strategy=st.sampled_from(["hold", "ma_cross"]),
    risk_level=st.integers(1, 3),
    bars=st.integers(1, 3),
    dataset_id=st.sampled_from(["d" * 64, "e" * 64]),
    metrics=st.fixed_dictionaries({}, optional={"sharpe": numbers, "net_return": numbers}),
    tags=st.lists(st.sampled_from(["x", "ÿ"]), max_size=2, unique=True),
)
texts = st.sampled_from([None, "n", "日"])
changes = st.one_of(
    st.builds(facts.RunVerified, run_id=ids, verdict=st.sampled_from(["identical", "damaged"]), artifact=st.none(),
              by=st.just("me")),
    st.builds(facts.RunAnnotated, run_id=ids, by=st.just("me"), name=st.just(UNSET) | texts, notes=texts,
              tags=st.just(UNSET) | st.lists(st.sampled_from(["x", "z"]), max_size=1)),
    st.builds(facts.RunArchived, run_id=ids, why=texts, by=st.just("me")),
    st.builds(facts.RunRestored, run_id=ids, by=st.just("me")),
    st.builds(facts.RunReclaimed, run_id=ids, size_bytes=st.just(1), by=st.just("me")),
    st.builds(facts.OrphanQuarantined, name=st.sampled_from(["o", "p"]), reason=st.just("r"), identical=st.just(False)),
)  # fmt: skip
journals = st.lists(commits | changes, max_size=30).map(
    lambda events: [recorded(seq, event, day=1 + seq % 28) for seq, event in enumerate(events, 1)]
)


@given(journals, st.lists(st.integers(0, 30), max_size=6))
def test_the_registry_is_that_of_the_plain_fold(items: list[Item], cuts: list[int]) -> None:
    """Invariants checked: folded in any groups, and through index.json between any two of them, the runs are those of
    the plain fold, in order of seq; every state on the way still says what it said.
    """
    places = [0, *sorted(cut for cut in cuts if cut < len(items)), len(items)]
    state, said = RegistryState(), []
    for begin, end in pairwise(places):
        said.append((state, begin))
        state = fold(state, items[begin:end])
        if begin % 2:
            read = state_of(index_bytes(state))
            assert read == state
            state = read
    for then, end in [*said, (state, len(items))]:
        plain = projected(items[:end])
        assert dict(then.runs) == plain
        assert [row.seq for row in then.runs.rows()] == sorted(entry.seq for entry in plain.values())
        assert index_bytes(then) == index_bytes(project(items[:end]))


def plain_index(state: RegistryState) -> bytes:
    """Return index.json put together from whole parts: the details in lines, and one canonical document behind them."""
    entries = list(state.runs.values())
    runs = [[*(getattr(entry, name) for name in Row.__struct_fields__[:-1]), None] for entry in entries]
    details = [[getattr(entry, name) for name in Detail.__struct_fields__] for entry in entries]
    lines = [
        escape(canonical.encode(details[begin : begin + LINE_RUNS])) for begin in range(0, len(details), LINE_RUNS)
    ]
    stamp = {"journal": state.journal_id, "seq": state.seq, "head_sha256": state.head_sha256}
    document = {
        **stamp, "schema": SCHEMA, "projector": PROJECTOR, "runs": runs, "datasets": [], "ingests": [],
        "builds": [], "sweeps": [], "switch": [], "orphans": list(state.orphans), "rejected": state.rejected,
        "keys": [], "details_sha256": [canonical.digest(line) for line in lines],
    }  # fmt: skip
    rest = escape(canonical.encode(document))
    return seal(b'{"details":[\n%b],%b' % (b",\n".join(lines) + b"\n" * bool(lines), rest[1:]))


@given(journals)
def test_the_index_is_the_canonical_document(items: list[Item]) -> None:
    """Invariants checked: whatever the runs are called, put together from encoded parts it is what encoding all of it
    at once gives.
    """
    state = project(items)
    assert index_bytes(state) == plain_index(state)


@pytest.mark.parametrize("count", [0, 1, CHUNK_RUNS - 1, CHUNK_RUNS, CHUNK_RUNS + 1, 2 * CHUNK_RUNS + 1])
def test_the_index_is_written_in_chunks(count: int) -> None:
    state = project(recorded(seq, committed(f"run_{seq}")) for seq in range(1, count + 1))
    chunks = list(index_chunks(state))
    whole = plain_index(state)
    assert b"".join(chunks) == whole
    assert count <= 2 * CHUNK_RUNS or max(map(len, chunks)) < len(whole) / 2


def test_an_event_costs_no_copy_of_what_it_does_not_change() -> None:
    """The state of a hundred thousand runs must not be copied for each commit."""
    before = project(recorded(seq, committed(f"run_{seq}")) for seq in range(1, 1_001))
    after = apply(before, recorded(1_001, committed("run_new")))
    assert (after.datasets, after.ingests, after.keys) == (before.datasets, before.ingests, before.keys)
    assert after.datasets is before.datasets
    assert after.keys is before.keys
    assert after.orphans is before.orphans
    assert after.runs._layers[0] is before.runs._layers[0]
    assert list(after.runs._layers[1]) == ["run_new"]


def let_in(entry: RunEntry, query: Query) -> bool:
    if query.state is None:
        return query.archived or entry.state not in HIDDEN
    return query.state in ("any", entry.state)


def texts(entry: RunEntry) -> list[str]:
    return [entry.run_id, entry.symbol, entry.strategy, entry.name or "", entry.notes or ""]


def matches(entry: RunEntry, query: Query) -> bool:
    return (
        let_in(entry, query)
        and all(any(word in text.lower() for text in texts(entry)) for word in (query.text or "").lower().split())
        and all(getattr(query, name) in (None, getattr(entry, name)) for name in FACETS if name != "symbol")
        and (query.symbol is None or entry.symbol == query.symbol.upper())
        and (query.tag is None or query.tag in entry.tags)
        and (query.since is None or entry.created >= query.since)
        and (query.until is None or entry.created < query.until)
    )


def plain_list(entries: Sequence[RunEntry], query: Query) -> list[RunEntry]:
    """Return all that matches, in order: by a value, then by seq, both turned around by '-'; without a value last."""
    name, turned = query.sort.removeprefix("-"), query.sort.startswith("-")
    key: Callable[[RunEntry], Any] = lambda entry: (  # noqa: E731
        entry.seq if name == "created" else getattr(entry, name, entry.metrics.get(name))
    )
    found = [entry for entry in entries if matches(entry, query)]
    valued = sorted((entry for entry in found if key(entry) is not None), key=lambda entry: entry.seq, reverse=turned)
    rest = sorted((entry for entry in found if key(entry) is None), key=lambda entry: entry.seq, reverse=turned)
    return sorted(valued, key=key, reverse=turned) + rest


maybe = st.none()
asked = st.builds(
    Query,
    symbol=maybe | st.sampled_from(["btc", "ETH", "", "日本"]),
    timeframe=maybe | st.just("1h"),
    strategy=maybe | st.just("hold"),
    risk_level=maybe | st.integers(1, 3),
    tag=maybe | st.sampled_from(["x", "none"]),
    since=maybe | st.sampled_from(["2026-02-05", "2026-02-28"]),
    until=maybe | st.just("2026-02-10"),
    archived=st.booleans(),
    state=maybe | st.sampled_from(STATES),
    text=maybe | st.sampled_from(["B", "run hold", "x", "eth", "no such thing"]),
    sort=st.builds(lambda turn, name: turn + name, st.sampled_from(["", "-"]), st.sampled_from(sorted(SORTS))),
    limit=st.integers(1, 4),
    after=st.integers(0, 6),
)


@given(journals, asked)
def test_a_page_is_a_part_of_the_plain_list(items: list[Item], query: Query) -> None:
    """Invariants checked: items, total and next are those of filtering and sorting whole entries one by one."""
    page = queries.runs(project(items), query)
    every = plain_list(list(projected(items).values()), query)
    end = query.after + query.limit
    assert list(page.items) == every[query.after : end]
    assert page.total == len(every)
    assert page.next == (end if end < len(every) else None)


NARROWS = (*FACETS, "tag", "since", "until")


@given(journals, asked)
def test_cursors_go_through_the_whole_list(items: list[Item], query: Query) -> None:
    """Invariants checked: the pages that cursors lead to are the list, each run once, and the last has none."""
    state = project(items)
    every = plain_list(list(projected(items).values()), query)
    found, cursor = [], None
    while True:
        page = queries.runs(state, evolve(query, after=0, cursor=cursor))
        assert (page.total, len(page.items) <= query.limit) == (len(every), True)
        found += page.items
        assert (page.cursor is None) == (page.next is None)
        assert page.next in (None, len(found))
        if page.cursor is None:
            break
        cursor = page.cursor
    assert found == every


@given(journals, asked, st.integers(0, 30))
def test_a_cursor_holds_while_the_registry_goes_on(items: list[Item], query: Query, cut: int) -> None:
    """Invariants checked: after whatever is recorded between two pages, the second begins with what stands behind the
    last of the first, by the value and the seq that this had: nothing is shown twice or left out by others that come.
    """
    before, after = project(items[:cut]), project(items)
    first = queries.runs(before, evolve(query, after=0))
    if first.cursor is None:
        return
    last = first.items[-1]
    found: list[RunEntry] = []
    cursor: str | None = first.cursor
    while cursor is not None:
        page = queries.runs(after, evolve(query, after=0, cursor=cursor))
        found += page.items
        cursor = page.cursor
    others = [entry for entry in projected(items).values() if (entry.run_id, entry.seq) != (last.run_id, last.seq)]
    every = plain_list([*others, last], evolve(query, state="any", text=None, **dict.fromkeys(NARROWS)))
    behind = every[every.index(last) + 1 :]
    assert found == [entry for entry in behind if matches(entry, query)]


@given(journals, asked, st.integers(0, 30))
def test_what_follows_changes_is_what_is_made_anew(items: list[Item], query: Query, cut: int) -> None:
    """Invariants checked: a list, facets, groups and the texts of a search, brought up to date by what was recorded
    since, are what begins with nothing; and no row that matches is left out by a group or by the texts.
    """
    query, whole = queries.listing(query), queries.unfiltered(query)
    before = project(items[:cut])
    after = fold(before, items[cut:])
    changed = after.runs.since(before.runs.mark)
    assert changed is not None

    def listed(state: RegistryState, asked: Query) -> tuple[Row, ...]:
        return queries.ordered(queries.let_in(state.runs.rows(), asked), asked)

    assert queries.followed(listed(before, query), changed, query) == listed(after, query)
    assert queries.recounted(queries.facets(before, query), changed, query) == queries.facets(after, query)
    every = listed(after, whole)
    for name in (*FACETS, "tag", "dataset_id"):
        found = queries.regrouped(queries.grouped(listed(before, whole), name), changed, whole, name)
        groups = queries.grouped(every, name)
        assert {value: rows for value, rows in found.items() if rows} == groups
        if name in queries.wanted(query):
            some = groups.get(queries.wanted(query)[name], ())
            assert queries.ordered(some, query) == listed(after, query)
    said = continued(texts_of(listed(before, whole)), every, queries.unmoved(every, changed))
    assert said == texts_of(every)
    assert queries.ordered(among(every, said, query.words), query) == listed(after, query)


@given(journals, asked)
def test_facets_count_what_a_list_shows(items: list[Item], query: Query) -> None:
    """Invariants checked: every value of every facet counts as many runs as a list has that asks for it instead."""
    state, query = project(items), queries.listing(query)

    def total(**changes: Any) -> int:
        return queries.runs(state, evolve(query, **changes)).total

    found = queries.facets(state, query)
    assert found.total == total()
    assert tuple(found.counts) == FACETS
    for name, counts in found.counts.items():
        assert sum(counts.values()) == total(**{name: None})
        assert all(total(**{name: value}) == count for value, count in counts.items())
    assert all(total(tag=tag) == count for tag, count in found.tagged.items())
    assert all(total(state=each) == count for each, count in found.states.items())
    assert sum(found.states.values()) == total(state="any")
    every = queries.runs(state, evolve(query, tag=None, limit=1_000)).items
    assert list(found.tags) == sorted({tag for entry in every for tag in entry.tags})
