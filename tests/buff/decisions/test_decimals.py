"""Growth in decimals: exact where it can be checked, and the same under any context of the thread."""

import decimal
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.decisions.decimals import growth


def test_a_doubling_in_half_a_year_is_a_quadrupling_in_a_year() -> None:
    assert growth(2.0, 1.0, 2, 1) == 3.0
    assert growth(1.0, 1.0, 365, 7) == 0.0
    assert growth(1.21, 1.0, 1, 2) == pytest.approx(0.1, abs=1e-15)


def test_what_no_double_can_hold_is_infinite_and_a_ruin_is_total() -> None:
    assert growth(1e308, 1e-300, 365, 1) == math.inf
    assert growth(1e-300, 1e308, 365, 1) == -1.0


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.integers(1, 100), st.integers(1, 100))
def test_it_is_the_power_to_within_rounding(end: float, start: float, periods: int, length: int) -> None:
    ratio = (end / start) ** (periods / length)
    if ratio < 1e300:
        assert growth(end, start, periods, length) == pytest.approx(ratio - 1.0, rel=1e-9, abs=1e-12)


def test_the_threads_own_context_does_not_matter() -> None:
    usual = growth(1.2345, 1.0, 365, 41)
    with decimal.localcontext() as context:
        context.prec, context.rounding = 3, decimal.ROUND_UP
        assert growth(1.2345, 1.0, 365, 41) == usual
