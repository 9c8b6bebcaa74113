"""Indicator kernels against fractions, which are exact, and against themselves on prefixes."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.decisions.indicators import DEAD_BAND, above, sma, window_sums


def test_the_average_of_three_closes() -> None:
    found = sma(np.array([1.0, 2.0, 3.0, 4.5]), 3, 1)
    assert np.isnan(found[:2]).all()
    assert found[2:].tolist() == [2.0, float(Fraction(95, 30))]


def test_a_window_longer_than_the_data_has_no_value() -> None:
    assert np.isnan(sma(np.array([1.0, 2.0]), 3, 0)).all()
    assert len(sma(np.empty(0), 1, None)) == 0


@given(
    st.integers(0, 9),
    st.lists(st.integers(1, (1 << 51) - 1) | st.integers(1, 10**6), min_size=1, max_size=60),
    st.integers(1, 20),
)
def test_with_decimals_the_average_is_the_correctly_rounded_exact_mean(
    decimals: int, units: list[int], window: int
) -> None:
    scale = 10**decimals
    found = sma(np.array([unit / scale for unit in units]), window, decimals)
    for end in range(window - 1, len(units)):
        exact = sum(units[end - window + 1 : end + 1]) / (window * scale)  # int / int is correctly rounded
        assert found[end] == exact


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=60), st.integers(1, 20))
def test_without_decimals_every_window_is_its_own_sum(prices: list[float], window: int) -> None:
    values = np.array(prices)
    if len(values) < window:
        return
    for begin, found in enumerate(window_sums(values, window).tolist()):
        exact = sum(map(Fraction, prices[begin : begin + window]))
        assert abs(Fraction(found) - exact) <= exact * Fraction(1, 10**13)


@given(st.lists(st.floats(1e-3, 1e6), min_size=2, max_size=60), st.integers(1, 10), st.data())
def test_the_average_of_a_prefix_is_the_prefix_of_the_average(
    prices: list[float], window: int, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(1, len(prices)))
    whole, part = sma(np.array(prices), window, None), sma(np.array(prices[:cut]), window, None)
    assert part.tobytes() == whole[:cut].tobytes()


@pytest.mark.parametrize("exact", [False, True])
def test_only_floats_have_a_dead_band(exact: bool) -> None:
    one = np.array([1.0])
    assert above(one + 1e-13, one, exact).tolist() == [exact]
    assert above(one + 2 * DEAD_BAND, one, exact).tolist() == [True]
    assert above(np.array([np.nan]), one, exact).tolist() == [False]
