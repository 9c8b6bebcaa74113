"""Exact volume: sums as decimals, whatever the order, the blocks and the size."""

import math
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.errors import LimitExceeded
from buff.market import volume


def one(values: list[float]) -> tuple[float, bool]:
    total, exact = volume.sums(np.array(values), np.array([0]))
    return float(total[0]), bool(exact[0])


def test_ten_tenths_are_one() -> None:
    assert one([0.1] * 10) == (1.0, True)
    assert sum([0.1] * 10) != 1.0


def test_what_is_no_decimal_is_summed_correctly_rounded() -> None:
    values = [1 / 3, 1e16, -0.0 + 1 / 7, 1e-12]
    assert one(values) == (math.fsum(values), False)


@pytest.mark.parametrize(
    ("values", "expected", "exact"),
    [
        ([2.0**51 - 1, 2.0**51 - 1], 2.0**52 - 2, True),  # the largest whole number that is below the bound
        ([2.0**51, 1.0], 2.0**51 + 1, False),
        ([0.1, 2.0**50], 2.0**50 + 0.1, False),  # one decimal place would pass the bound
        ([1e-9] * 3, 3e-9, True),
        ([1e-10] * 3, 3e-10, False),
        ([1e300, 1e300], 2e300, False),
    ],
)
def test_the_bounds_of_the_test_for_decimals(values: list[float], expected: float, exact: bool) -> None:
    assert one(values) == (expected, exact)


def test_a_sum_that_no_64_bits_hold_is_still_exact() -> None:
    values = np.full(10_000, 2.0**51 - 1)
    total, exact = volume.sums(values, np.array([0]))
    assert (total[0], exact[0]) == (float(10_000 * (2**51 - 1)), True)


def test_a_sum_beyond_the_whole_floats_is_rounded_once() -> None:
    values = [(2**51 - 1 - at) / 1000 for at in range(9)]
    assert one(values) == (float(Fraction(sum(2**51 - 1 - at for at in range(9)), 1000)), True)


def test_windows_of_one_block_may_have_different_decimals() -> None:
    values = np.array([0.5, 0.25, 1 / 3, 1e-10, 7.0, 0.125])
    total, exact = volume.sums(values, np.array([0, 2, 4]))
    assert total.tolist() == [0.75, math.fsum([1 / 3, 1e-10]), 7.125]
    assert exact.tolist() == [True, False, True]


def test_no_windows_no_sums() -> None:
    total, exact = volume.sums(np.empty(0), np.empty(0, np.int64))
    assert (len(total), len(exact)) == (0, 0)


VALUES = st.lists(
    st.one_of(st.integers(0, 10**9).map(lambda units: units / 10**4), st.floats(0.0, 1e9), st.just(0.0)),
    min_size=1,
    max_size=200,
)


@given(VALUES, st.randoms(use_true_random=False))
def test_order_does_not_matter(values: list[float], chance: random.Random) -> None:
    before = one(values)
    chance.shuffle(values)
    assert one(values) == before


@given(VALUES, st.integers(1, 50))
def test_blocks_do_not_matter(values: list[float], size: int) -> None:
    array, starts = np.array(values), np.arange(0, len(values), size)
    total, exact = volume.sums(array, starts)
    again, exact_again = volume.sums(array, starts, block_rows=7)
    assert (again.tolist(), exact_again.tolist()) == (total.tolist(), exact.tolist())
    singly = [one(values[at : at + size]) for at in range(0, len(values), size)]
    assert list(zip(total.tolist(), exact.tolist(), strict=True)) == singly


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 20.0], 0),
        ([1.5, 2.0], 1),
        ([0.00002853], 8),
        ([1e-9], 9),
        ([1e-10], None),
        ([1 / 3], None),
        ([1e15, 0.5], None),
    ],
)
def test_decimals_of_a_column(values: list[float], expected: int | None) -> None:
    assert volume.decimals(np.array(values)) == expected


@given(
    st.lists(
        st.tuples(st.integers(0, 10**12), st.integers(0, 10)).map(lambda each: each[0] / 10 ** each[1]), min_size=1
    )
)
def test_the_decimals_of_a_column_do_not_depend_on_blocks(values: list[float]) -> None:
    column = np.array(values)
    whole = volume._decimals(column, float(column.max()), 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(volume, "BLOCK_ROWS", 3)
        assert volume.decimals(column) == whole


def test_a_sum_that_no_float_holds_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        volume.sums(np.array([1e308, 1e308]), np.array([0]))
