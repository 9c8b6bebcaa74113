"""Lists: filters, order, pages."""

import pytest

from buff.errors import RunConfigInvalid, RunNotFound
from buff.registry import queries
from buff.registry.projection import project
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


@pytest.mark.parametrize("wrong", [{"sort": "colour"}, {"limit": 0}, {"limit": 1001}, {"after": -1}])
def test_a_list_that_cannot_be_is_refused(wrong):
    with pytest.raises(RunConfigInvalid):
        queries.runs(STATE, Query(**wrong))


def test_the_only_id_that_begins_so_is_enough():
    assert queries.find(STATE, "run_a").run_id == "run_a"
    with pytest.raises(RunNotFound, match="3 runs begin with"):
        queries.find(STATE, "run_")
    with pytest.raises(RunNotFound, match="no run"):
        queries.find(STATE, "")
