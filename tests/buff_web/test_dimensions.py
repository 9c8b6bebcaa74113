"""What varies between the requests of a sweep, with its values in order and the place of each request among them."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from buff_web.dimensions import Layout, layout
from buff_web.words import NOTHING
from sweepings import DATASET, plan_of

OTHER = "b" * 64
ERROR = {"code": "RISK_INVALID", "message": "no"}


def laid(requests: Sequence[Mapping[str, Any]], *, grid: bool = True, **options: Any) -> Layout:
    return layout(plan_of(requests, **options), grid=grid)


def test_what_varies_has_its_values_in_order_and_the_rest_is_alike() -> None:
    found = laid(
        [
            {"params": {"fast": fast, "slow": 50, "direction": "long"}, "risk_level": risk, "timeframe": timeframe}
            for fast, risk, timeframe in product((20, 5), (3, 1), ("4h", "30m"))
        ]
    )
    assert [(each.name, each.texts) for each in found.varying] == [
        ("fast", ("5", "20")),
        ("risk_level", ("1", "3")),
        ("timeframe", ("30m", "4h")),
    ]
    assert found.told(0) == "fast 20, risk level 3, timeframe 4h"
    assert ("slow", "50") in found.same
    assert ("direction", "long") in found.same
    assert ("start equity", "10,000") in found.same


def test_what_follows_from_the_data_is_no_dimension_of_its_own() -> None:
    data = ({"dataset": DATASET, "symbol": "BTCUSDT"}, {"dataset": OTHER, "symbol": "ETHUSDT", "end": "2024-03-01"})
    found = laid([{**each, "params": {"fast": fast}} for each in data for fast in (5, 10)])
    assert [each.name for each in found.varying] == ["fast", "dataset"]
    assert found.by_name["dataset"].shown == ("BTCUSDT a5cff81a", "ETHUSDT bbbbbbbb")
    asked = laid(
        [{"start": f"2024-0{month}-01T00:00:00Z", "end": f"2024-0{month + 1}-01T00:00:00Z"} for month in (2, 1)]
    )
    assert [each.shown for each in asked.varying] == [("2024-01-01 to 2024-02-01", "2024-02-01 to 2024-03-01")]


def test_costs_of_a_file_of_requests_vary_too() -> None:
    found = laid([{"commission_bps": bps} for bps in (10.0, 0.0, 2.5)], grid=False)
    assert [(each.label, each.shown) for each in found.varying] == [("commission in bps", ("0", "2.5", "10"))]


def test_a_walk_has_windows_and_parts() -> None:
    places = [{"window": window, "part": part} for window in range(2) for part in ("train", "test")]
    found = laid([{**place, "start": f"2024-01-0{at + 1}"} for at, place in enumerate(places)], walk=True)
    assert [(each.name, each.shown) for each in found.varying] == [
        ("window", ("0", "1")),
        ("part", ("looked at", "judged by")),
    ]
    assert found.told(3) == "window 1, judged by"


def test_a_request_that_was_refused_lies_where_its_values_are_known() -> None:
    requests = [
        {"params": {"fast": 5}},
        {"params": {"fast": 10}},
        {"params": {"fast": 10}, "dataset": DATASET[:8], "error": ERROR},
        {"params": {"fast": "x"}, "risk_level": [9], "error": ERROR},
        {"params": 7, "error": ERROR},
    ]
    of_file, of_grid = laid(requests, grid=False), laid(requests)
    assert [(each.name, each.places) for each in of_file.varying] == [("fast", (0, 1, 1, None, None))]
    assert of_grid.by_name["fast"].texts == ("5", "10", "x")
    assert of_file.varying[0].told(3) == NOTHING


def test_what_was_skipped_adds_its_values_and_says_why() -> None:
    skipped = [{"params": {"fast": 20, "slow": 20}, "risk_level": 3, "timeframe": "1h", "dataset": DATASET[:10]}]
    found = laid([{"params": {"fast": fast, "slow": 20, "direction": "long"}} for fast in (5, 10)], skipped=skipped)
    assert found.by_name["fast"].texts == ("5", "10", "20")
    assert [(skip.places, skip.says) for skip in found.skips] == [({"fast": 2}, "fast must be below slow")]


def test_a_parameter_may_have_the_name_of_something_else() -> None:
    found = laid([{"params": {"timeframe": value, "sharpe": value}} for value in (True, False)])
    assert [(each.name, each.label, each.texts) for each in found.varying] == [
        ("params.timeframe", "timeframe (parameter)", ("true", "false")),
        ("params.sharpe", "sharpe (parameter)", ("true", "false")),
    ]


def test_nothing_varies() -> None:
    assert laid([{}]).varying == ()


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.integers(-5, 5), st.floats(-2, 2), st.sampled_from(["1d", "1m", "4h"])), min_size=1, max_size=12
    )
)
def test_every_request_is_found_at_its_place(values: list[tuple[int, float, str]]) -> None:
    """Invariants checked: a request's place leads to its value, each value is there once, and numbers ascend."""
    found = laid([{"params": {"a": a, "b": b}, "timeframe": timeframe} for a, b, timeframe in values])
    for name, position in (("a", 0), ("b", 1), ("timeframe", 2)):
        expected = [str(each[position]) if position == 2 else repr(each[position]) for each in values]
        if len(set(expected)) == 1:
            assert name not in found.by_name
            continue
        dimension = found.by_name[name]
        assert [dimension.texts[place or 0] for place in dimension.places] == expected
        assert len(set(dimension.texts)) == len(dimension.texts)
        if position < 2:
            assert list(map(float, dimension.texts)) == sorted(map(float, dimension.texts))
