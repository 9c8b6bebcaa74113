"""Lists: filters, order, pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.errors import RunConfigInvalid, RunNotFound
from buff.journal.events import RunAnnotated, RunArchived
from buff.registry import queries
from buff.registry.projection import apply, project
from buff.registry.queries import Query
from histories import committed, recorded

STATE = project(
    [
        recorded(1, committed("run_a", symbol="BTC", tags=["x"], metrics={"sharpe": 1.0}), day=1),
        recorded(2, committed("run_b", symbol="ETH", risk_level=1, metrics={"sharpe": None}), day=2),
        recorded(3, committed("run_c", symbol="BTC", strategy="hold", metrics={"sharpe": 2.0}), day=3),
    ]
)


def ids(**filters):
    return [entry.run_id for entry in queries.runs(STATE, Query(**filters)).items]


def test_the_newest_run_comes_first():
    assert ids() == ["run_c", "run_b", "run_a"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"symbol": "btc"}, ["run_c", "run_a"]),
        ({"strategy": "hold"}, ["run_c"]),
        ({"risk_level": 1}, ["run_b"]),
        ({"tag": "x"}, ["run_a"]),
        ({"timeframe": "1d"}, []),
        ({"since": "2026-02-02"}, ["run_c", "run_b"]),
        ({"until": "2026-02-02"}, ["run_a"]),
        ({"sort": "created"}, ["run_a", "run_b", "run_c"]),
        ({"sort": "-sharpe"}, ["run_c", "run_a", "run_b"]),
        ({"sort": "sharpe"}, ["run_a", "run_c", "run_b"]),
    ],
)
def test_filters_and_sorts(filters, expected):
    """A run without a value for the sort comes last in both directions."""
    assert ids(**filters) == expected


def test_pages_follow_one_another():
    first = queries.runs(STATE, Query(limit=2))
    assert ([entry.run_id for entry in first.items], first.total, first.next) == (["run_c", "run_b"], 3, 2)
    second = queries.runs(STATE, Query(limit=2, after=2))
    assert ([entry.run_id for entry in second.items], second.next) == (["run_a"], None)


def test_a_cursor_goes_on_where_the_page_ended_whatever_comes_before_it():
    """By offset the second page would show run_b again: a run was committed while the first was looked at."""
    first = queries.runs(STATE, Query(limit=2))
    more = apply(STATE, recorded(4, committed("run_d"), day=4))
    ids = [entry.run_id for entry in queries.runs(more, Query(limit=2, cursor=first.cursor)).items]
    assert ids == ["run_a"]
    assert [entry.run_id for entry in queries.runs(more, Query(limit=2, after=first.next)).items] == ["run_b", "run_a"]


def test_text_and_state():
    state = apply(STATE, recorded(4, RunAnnotated(run_id="run_a", by="me", name="First Try", notes="mean reversion")))
    state = apply(state, recorded(5, RunArchived(run_id="run_b", by="me", why=None)))

    def found(**filters):
        return [entry.run_id for entry in queries.runs(state, Query(**filters)).items]

    assert found(text="first") == found(text="TRY  mean") == found(text="reversion btc") == ["run_a"]
    assert found(text="run_c") == found(text="HOLD") == ["run_c"]
    assert found(text="first hold") == []
    assert found(state="archived") == ["run_b"]
    assert found(state="committed") == found() == ["run_c", "run_a"]
    assert found(state="any") == ["run_c", "run_b", "run_a"]
    assert found(state="legacy") == found(state="damaged") == []
    told = queries.facets(state, Query())
    assert (told.states, told.tagged) == ({"committed": 2, "archived": 1}, {"x": 1})


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "!!!!",
        "bnVsbA",  # null
        "WyItY3JlYXRlZCIsMV0",  # too short
        queries.written(queries.Cursor("created", 1, 1)),  # of another order
        queries.written(queries.Cursor("-created", "text", 1)),
        "W1tbW1tbW1tb" * 2_000,
    ],
)
def test_a_cursor_of_no_such_list_is_refused(cursor):
    with pytest.raises(RunConfigInvalid) as error:
        queries.runs(STATE, Query(cursor=cursor))
    assert error.value.details == {"field": "cursor"}


@pytest.mark.parametrize(
    "wrong", [{"sort": "colour"}, {"limit": 0}, {"limit": 1001}, {"after": -1}, {"state": "happy"}]
)
def test_a_list_that_cannot_be_is_refused(wrong):
    with pytest.raises(RunConfigInvalid):
        queries.runs(STATE, Query(**wrong))


def test_the_only_id_that_begins_so_is_enough():
    assert queries.find(STATE, "run_a").run_id == "run_a"
    with pytest.raises(RunNotFound, match="3 runs begin with"):
        queries.find(STATE, "run_")
    with pytest.raises(RunNotFound, match="no run"):
        queries.find(STATE, "")
    with pytest.raises(RunNotFound, match="no run"):
        queries.find(STATE, "run_d")


@given(
    st.lists(st.text("ab_-09", min_size=3, max_size=5), unique=True), st.integers(0, 10), st.text("ab_-09", max_size=4)
)
def test_ids_that_are_kept_find_what_all_of_them_would(names: list[str], known: int, begin: str) -> None:
    """Invariants checked: ids brought up to date are those made anew, and what is found alone begins so."""
    items = [recorded(seq, committed(name)) for seq, name in enumerate(names, 1)]
    before, after = project(items[:known]), project(items)
    rows = before.runs.having({name: row for name in names[known:] if (row := after.runs.row(name)) is not None})
    kept = queries.ids_after(queries.ids(before.runs.rows()), rows.since(before.runs.mark) or {})
    assert kept == queries.ids(after.runs.rows())
    expected = [name for name in names if begin and name.startswith(begin)]
    if begin in names or len(expected) == 1:
        assert queries.find(after, begin, lambda: kept).run_id == (begin if begin in names else expected[0])
    else:
        with pytest.raises(RunNotFound):
            queries.find(after, begin, lambda: kept)
