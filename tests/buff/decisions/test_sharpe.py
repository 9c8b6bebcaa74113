"""What a Sharpe ratio is worth: the papers' numbers first, then what must hold for every sample."""

import math
import re
from pathlib import Path
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.decisions.decimals import largest_normal, normal
from buff.decisions.sharpe import Estimate, deflated, estimate_of, numbers_of, probabilistic

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
PAPER = Estimate(ratio=2.5 / math.sqrt(250), samples=1250, skew=-3.0, kurtosis=10.0)
ESTIMATES = st.builds(
    Estimate,
    ratio=st.floats(-3, 3),
    samples=st.integers(2, 10_000),
    skew=st.floats(-2, 2),
    kurtosis=st.floats(5, 50),  # at least skewness squared and one, as every sample's is
)


# The papers ------------------------------------------------------------------------------------------------------


def test_the_papers_best_of_a_hundred_trials() -> None:
    """Bailey and López de Prado (2014), section on a numerical example: 0.9004."""
    found = deflated(PAPER, trials=100, variance=0.5 / 250)
    assert found == 0.9003968344493909
    shown = re.search(r"2\.25 × 0\.025\)\) = \*\*([\d.]+)\*\*", PAGE)
    assert shown is not None
    assert round(found, len(shown[1]) - 2) == float(shown[1])


def test_one_trial_is_compared_with_nothing() -> None:
    assert deflated(PAPER, trials=1, variance=4.0) == probabilistic(PAPER)


def test_normal_returns_have_los_error() -> None:
    """With skewness 0 and kurtosis 3 the error is that of Lo (2002): (1 + h^2 / 2) / (n - 1)."""
    found = probabilistic(Estimate(ratio=0.1, samples=101, skew=0.0, kurtosis=3.0))
    assert found == pytest.approx(NormalDist().cdf(0.1 * 10 / math.sqrt(1 + 0.1**2 / 2)), rel=1e-14)


def test_an_estimate_without_error_has_no_probability() -> None:
    """Two values, one of them a quarter of the time: the error vanishes where the ratio is 2 / skewness."""
    assert probabilistic(Estimate(ratio=1.0, samples=9, skew=2.0, kurtosis=5.0)) is None


# For every sample ------------------------------------------------------------------------------------------------


@given(ESTIMATES)
def test_it_is_a_probability_that_falls_as_more_is_asked(found: Estimate) -> None:
    chances = [probabilistic(found, above=above) for above in (-1.0, 0.0, 0.5)]
    assert all(chance is not None and 0.0 <= chance <= 1.0 for chance in chances)
    assert chances == sorted(chances, reverse=True)


@given(ESTIMATES, st.integers(2, 10**6), st.floats(1e-6, 1.0))
def test_more_trials_make_the_best_of_them_worth_less(found: Estimate, trials: int, variance: float) -> None:
    few, many = (deflated(found, trials=count, variance=variance) for count in (trials, 2 * trials))
    assert 0.0 <= many <= few <= 1.0


# The normal distribution -----------------------------------------------------------------------------------------


def test_values_everybody_knows() -> None:
    assert normal(0.0) == 0.5
    assert normal(1.0) == 0.8413447460685429
    assert normal(-1.959963984540054) == pytest.approx(0.025, rel=1e-15)
    assert (normal(40.0), normal(-40.0)) == (1.0, 0.0)
    assert (normal(1e300), normal(-1e300)) == (1.0, 0.0)
    assert normal(-10.0) == pytest.approx(7.61985302416052606597e-24, rel=1e-15)


@given(st.floats(-16, 16))
def test_it_is_that_of_the_error_function(value: float) -> None:
    expected = 0.5 * math.erfc(-value / math.sqrt(2))
    assert normal(value) == pytest.approx(expected, rel=1e-12, abs=1e-50)


@given(st.floats(-20, 20), st.floats(-20, 20))
def test_it_rises_from_nothing_to_one(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0.0 <= normal(low) <= normal(high) <= 1.0


def test_a_small_value_is_half_and_its_density() -> None:
    assert normal(5e-324) == 0.5


@given(st.integers(2, 10**12))
def test_the_largest_of_many_is_what_the_inverse_of_the_library_says(draws: int) -> None:
    inverse, gamma = NormalDist().inv_cdf, 0.5772156649015329
    expected = -((1 - gamma) * inverse(1 / draws) + gamma * inverse(1 / (draws * math.e)))
    assert largest_normal(draws) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@given(ESTIMATES)
def test_an_estimate_is_kept_as_numbers(found: Estimate) -> None:
    assert estimate_of(numbers_of(found)) == found
    assert estimate_of(numbers_of(None)) is None
