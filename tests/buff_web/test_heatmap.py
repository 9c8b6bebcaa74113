"""Heat maps of a sweep: axes that follow from what varies, a cell for each run, and a mark for what has no number."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from buff_web import heatmap
from buff_web.dimensions import Layout, layout
from buff_web.heatmap import SINGLE, Cell, Choice, Drawn, choose, draw
from sweepings import plan_of, rows_of

GRID = [
    {"params": {"fast": fast, "slow": slow}, "risk_level": risk}
    for fast, slow, risk in product((5, 10), (20, 30), (1, 2))
]
NAMES = {"metric": "sharpe"}


def chosen(found: Layout, **asked: Any) -> Choice:
    choice = choose(found, **{**NAMES, **asked})
    assert choice is not None
    return choice


def drawn(
    requests: Sequence[Mapping[str, Any]],
    values: Sequence[float | None] | None = None,
    *,
    states: Mapping[str, str] | None = None,
    skipped: Sequence[Mapping[str, Any]] = (),
    begin: Mapping[str, int] | None = None,
    out: frozenset[int] = frozenset(),
    walk: bool = False,
    **asked: Any,
) -> Drawn:
    plan = plan_of(requests, skipped=skipped, walk=walk)
    found = layout(plan, grid=True)
    rows = rows_of(plan, values, **(states or {}))
    return draw(found, rows, chosen(found, **asked), begin=begin or {}, out=out)


def cells(found: Drawn) -> list[Cell]:
    return [cell for each in found.maps for _, row in each.rows for cell in row]


def axes(choice: Choice) -> tuple[str, str | None, str | None, list[str]]:
    y, by = (each.name if each is not None else None for each in (choice.y, choice.by))
    return choice.x.name, y, by, [f"{each.name}={each.texts[place]}" for each, place in choice.held]


def test_the_first_two_things_that_vary_are_the_axes() -> None:
    found = layout(plan_of(GRID), grid=True)
    assert axes(chosen(found)) == ("fast", "slow", "risk_level", [])
    assert axes(chosen(found, by=SINGLE)) == ("fast", "slow", None, ["risk_level=1"])
    assert axes(chosen(found, x="slow", at={"risk_level": "2"}, by=SINGLE)) == ("slow", "fast", None, ["risk_level=2"])
    assert axes(chosen(found, x="fast", y="fast")) == ("fast", "slow", "risk_level", [])  # one thing has one axis
    assert axes(chosen(found, y="risk_level")) == ("fast", "risk_level", "slow", [])
    assert choose(layout(plan_of([{}]), grid=True), **NAMES) is None


def test_names_are_axes_after_numbers() -> None:
    requests = [{"params": {"direction": side, "fast": fast}} for side, fast in product(("long", "both"), (5, 10))]
    assert axes(chosen(layout(plan_of(requests), grid=True))) == ("fast", "direction", None, [])


def test_what_was_looked_at_stands_beside_what_it_is_judged_by() -> None:
    requests = [
        {"params": {"fast": fast}, "window": window, "part": part}
        for fast, window, part in product((5, 10), (0, 1), ("train", "test"))
    ]
    found = drawn(requests, walk=True)
    assert axes(found.choice) == ("fast", "window", "part", [])
    assert [each.title for each in found.maps] == ["looked at", "judged by"]


def test_what_is_no_axis_is_held_where_it_would_be_ambiguous() -> None:
    """What follows from what is held already needs no holding: of one strategy a parameter may have one value."""
    requests = [
        *({"params": {"fast": fast, "slow": slow}} for fast, slow in product((5, 10), (20, 30))),
        {"params": {"fast": 12, "slow": 26, "signal": 9}, "strategy": "macd"},
    ]
    found = layout(plan_of(requests), grid=False)
    assert axes(chosen(found, by=SINGLE)) == ("fast", "slow", None, ["strategy=ma_cross"])
    assert axes(chosen(found, by=SINGLE, at={"strategy": "macd"})) == ("fast", "slow", None, ["strategy=macd"])


def test_every_cell_is_its_run_with_its_values() -> None:
    found = drawn(GRID, by=SINGLE)
    assert [[cell.text for cell in row] for _, row in found.maps[0].rows] == [["0.00", "4.00"], ["2.00", "6.00"]]
    cell = found.maps[0].rows[1][1][1]
    assert (cell.run_id, cell.at, cell.name) == (f"run_{6:016x}", (6,), "h7")
    assert cell.title == "fast 10, slow 30, risk level 1: Sharpe ratio 6.00, one of 8 tried"
    assert [step.low for step in found.scale.steps] == [7 * step / 8 for step in range(8)] if found.scale else False


def test_what_has_no_number_has_a_mark_and_never_looks_like_zero() -> None:
    pairs = ((5, 20), (5, 30), (10, 20), (10, 30), (20, 30), (20, 40))
    requests = [{"params": {"fast": fast, "slow": slow}} for fast, slow in pairs]
    found = drawn(
        requests,
        [0.0, None, 1.0, -1.0, 1.0, -1.0],
        states={"at_2": "failed", "at_3": "missing"},
        skipped=[{"params": {"fast": 20, "slow": 20}, "risk_level": 3, "timeframe": "1h"}],
    )
    by_name = {cell.name: cell for cell in cells(found)}
    assert set(by_name) == {"v0", "empty", "failed", "missing", "v8", "v1", "skipped", "blank"}
    assert by_name["v0"].text == "0.00"
    assert by_name["failed"].title.endswith("failed, BUILD_LOST")
    assert by_name["failed"].run_id is by_name["missing"].run_id is None
    assert by_name["skipped"].title == "fast 20, slow 20: fast must be below slow"
    assert by_name["blank"].title == "fast 10, slow 40: not asked for"
    assert found.marks == ("empty", "failed", "missing", "skipped", "blank")


def test_several_requests_in_one_cell_are_said_and_never_averaged() -> None:
    requests = [{"params": {"fast": 5}, "name": "a"}, {"params": {"fast": 5}, "name": "b"}, {"params": {"fast": 9}}]
    found = drawn(requests, [None, 3.0, 4.0])
    first = cells(found)[0]
    assert (first.many, first.text, first.at, first.run_id) == (2, "3.00", (0, 1), f"run_{1:016x}")
    assert first.title.endswith("; the first of 2 requests here")
    assert found.several == 1
    twice = plan_of([{"params": {"fast": 5}}, {"params": {"fast": 9}}])
    twice["runs"].append(twice["runs"][0])
    again = layout(twice, grid=True)
    assert draw(again, rows_of(twice), chosen(again), begin={}).several == 0  # the same run, asked for twice


def test_a_long_axis_is_drawn_in_parts() -> None:
    requests = [{"params": {"fast": fast}} for fast in range(1, 151)]
    found = drawn(requests)
    assert (len(found.x.places), found.x.total) == (heatmap.SIDE_MAX, 150)
    rest = drawn(requests, begin={"x": 120})
    assert [rest.x.shown[0], rest.x.shown[-1], len(cells(rest))] == ["121", "150", 30]
    assert drawn(requests, begin={"x": 999}).x.shown == ["150"]
    square = drawn(
        [{"params": {"a": a, "b": b, "c": c}} for a in range(50) for b in range(50) for c in (1, 2, 3)], by="c"
    )
    assert (len(square.maps), len(cells(square)), square.by.total) == (1, 2_500, 3)


def test_what_lies_outside_is_dim() -> None:
    found = drawn(GRID, by=SINGLE, out=frozenset({0, 1, 2}))
    assert [cell.out for cell in cells(found)] == [True, False, True, False]


def test_a_refused_request_may_lie_nowhere() -> None:
    plan = plan_of([*GRID, {"params": {"fast": "x"}, "error": {"code": "STRATEGY_INVALID", "message": "no"}}])
    found = layout(plan, grid=False)
    assert draw(found, rows_of(plan), chosen(found), begin={}).elsewhere == 1


@settings(max_examples=20)
@given(st.data())
def test_nothing_is_lost(data: st.DataObject) -> None:
    """Invariants checked: whatever the axes, every request lies in exactly one cell of the map held at its values."""
    names = ["a", "b", "c", "d"]
    value = st.integers(0, 2)
    requests = data.draw(st.lists(st.fixed_dictionaries(dict.fromkeys(names, value)), min_size=1, max_size=10))
    plan = plan_of([{"params": each} for each in requests])
    found, rows = layout(plan, grid=True), rows_of(plan)
    varying = [each.name for each in found.varying]
    if not varying:
        return
    x, y, by = (data.draw(st.sampled_from([*varying, *rest])) for rest in ([], [""], ["", SINGLE]))
    at = data.draw(st.integers(0, len(requests) - 1))
    held = {each.name: each.texts[each.places[at] or 0] for each in found.varying}
    shown = draw(found, rows, chosen(found, x=x, y=y, by=by, at=held), begin={})
    assert sum(at in cell.at for cell in cells(shown)) == 1
    every = [each for cell in cells(shown) for each in cell.at]
    assert len(every) == len(set(every))
