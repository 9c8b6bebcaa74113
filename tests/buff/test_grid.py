"""The grammar of a sweep: against a plain reference, and by the examples that a reader learns from."""

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.errors import LimitExceeded, RunConfigInvalid
from buff.grid import COMBINATIONS_MAX, combinations, sample, size, values


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("5", ["5"]),
        ("5,10,20", ["5", "10", "20"]),
        ("5..50..5", ["5", "10", "15", "20", "25", "30", "35", "40", "45", "50"]),
        ("1..5", ["1", "2", "3", "4", "5"]),
        ("1..6..2", ["1", "3", "5"]),
        ("0.1..0.5..0.1", ["0.1", "0.2", "0.3", "0.4", "0.5"]),
        ("-1..1..0.5", ["-1", "-0.5", "0", "0.5", "1"]),
        ("5..15..5,10,100", ["5", "10", "15", "100"]),
        ("long, both", ["long", "both"]),
        ("100..100", ["100"]),
    ],
)
def test_a_text_stands_for_values(text: str, wanted: list[str]) -> None:
    assert list(values("fast", text)) == wanted


@pytest.mark.parametrize(
    "text", ["", "5,,6", "5..", "..5", "9..1", "1..5..0", "1..5..-1", "1..2..3..4", "a..b", "1..1e9"]
)
def test_a_text_that_stands_for_nothing_is_refused(text: str) -> None:
    with pytest.raises(RunConfigInvalid) as refused:
        values("fast", text)
    assert refused.value.details["field"] == "fast"


def test_a_slip_of_the_keyboard_costs_no_memory():
    with pytest.raises(RunConfigInvalid, match="more than"):
        values("fast", "0..999999999..0.000001")
    with pytest.raises(LimitExceeded):
        combinations({str(name): range(100) for name in range(9)})
    assert size({"a": range(1_000), "b": range(1_001)}) > COMBINATIONS_MAX


numbers = st.decimals(-1_000, 1_000, places=3, allow_nan=False).map(lambda each: each.normalize() + 0)


@given(
    first=numbers, count=st.integers(1, 30), step=st.decimals("0.001", 50, places=3).map(lambda each: each.normalize())
)
def test_a_range_is_what_a_slow_loop_counts(first: Decimal, count: int, step: Decimal) -> None:
    """Invariants checked: both ends are in it, nothing is rounded, and a last value between two steps adds none."""
    wanted, at = [], first
    for _ in range(count):
        wanted.append(at)
        at += step
    last = wanted[-1]
    assert [Decimal(each) for each in values("x", f"{first:f}..{last:f}..{step:f}")] == wanted
    between = last + step / 2
    assert [Decimal(each) for each in values("x", f"{first:f}..{between:f}..{step:f}")] == wanted


words = st.text("abcxyz0123456789_", min_size=1, max_size=5)


@given(st.dictionaries(words, st.lists(words, min_size=1, max_size=4, unique=True), max_size=4))
def test_combinations_are_nested_loops(axes: dict[str, list[str]]) -> None:
    found = list(combinations(axes))
    assert len(found) == size(axes)
    assert [tuple(each.values()) for each in found] == list(product(*axes.values()))
    assert all(list(each) == list(axes) for each in found)
    for name, texts in axes.items():
        assert values(name, ",".join(texts)) == tuple(texts)


@given(count=st.integers(0, 300), number=st.integers(0, 300), seed=st.integers(0, 1 << 62))
def test_a_sample_is_drawn_by_its_seed_alone(count: int, number: int, seed: int) -> None:
    """Invariants checked: as many as asked for, each once, in order; a larger sample holds the smaller."""
    found = sample(count, number, seed)
    assert len(found) == len(set(found)) == min(count, number)
    assert list(found) == sorted(found)
    assert set(found) <= set(range(count))
    assert set(sample(count, number // 2, seed)) <= set(found)


def test_a_sample_is_the_same_for_ever():
    assert sample(100, 5, 7) == sample(100, 5, 7) != sample(100, 5, 8)
    assert sample(1_000, 4, 42) == SAMPLED


SAMPLED = (88, 191, 266, 415)
