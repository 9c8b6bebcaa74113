"""Values to steps of colour: zero is the middle where there is any, and a step holds what lies in it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buff_web.scales import EVEN, RANK, STEPS, scale


def test_zero_is_the_middle_where_values_lie_on_both_sides() -> None:
    found = scale([-1.0, 0.0, 4.0])
    assert [(step.low, step.high) for step in found.steps] == [(low, low + 1.0) for low in map(float, range(-4, 4))]
    assert [found.name(value) for value in (-4.0, -0.5, 0.0, 0.5, 4.0)] == ["v1", "v4", "v0", "v5", "v8"]


def test_values_on_one_side_reach_from_the_least_to_the_largest() -> None:
    found = scale([2.0, 10.0])
    assert (found.zero, len(found.steps)) == (False, STEPS)
    assert [found.name(value) for value in (2.0, 2.99, 3.0, 10.0)] == ["h1", "h1", "h2", "h8"]
    assert scale([-3.0, -1.0]).name(-1.0) == "h8"


def test_one_value_is_one_step() -> None:
    assert scale([7.0, 7.0]).name(7.0) == "h4"


def test_an_outlier_does_not_hide_the_others_by_rank() -> None:
    values = [float(value) for value in range(1, 16)] + [1e6]
    even, rank = scale(values), scale(values, by=RANK)
    assert {even.name(value) for value in values[:-1]} == {"h1"}
    assert [sum(rank.name(value) == step.name for value in values) for step in rank.steps] == [2] * STEPS


def test_few_values_and_equal_ones_are_told_apart_by_rank() -> None:
    for values in ([1.0, 2.0, 3.0], [0.0] * 9 + [5.0], [1.0] + [2.0] * 9, [-2.0, 1.0, 3.0, 3.0]):
        found = scale(values, by=RANK)
        assert len({found.name(value) for value in values}) == len(set(values))


@pytest.mark.parametrize("by", [EVEN, RANK])
@settings(max_examples=30)
@given(values=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30))
def test_a_value_has_the_step_that_holds_it(by: str, values: list[float]) -> None:
    """Invariants checked: a value lies in its step, larger values never have an earlier one, and signs never mix."""
    found = scale(values, by=by)
    steps = {step.name: step for step in found.steps}
    for value in values:
        name = found.name(value)
        if name == "v0":
            assert value == 0
            continue
        assert steps[name].low <= value <= steps[name].high
        assert not found.zero or (value < 0) == (name in ("v1", "v2", "v3", "v4"))
    order = [found.name(value) for value in sorted(values) if value]
    assert order == sorted(order)
