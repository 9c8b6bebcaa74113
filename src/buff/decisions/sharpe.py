"""What a Sharpe ratio is worth: how probable it is that there is anything behind it.

Plain numbers go in, a probability comes out. Ratios are per observation and not annualised, kurtosis is not in excess
(3 for a normal distribution), and both moments are those of the sample, divided by n. Bailey and López de Prado, "The
Sharpe Ratio Efficient Frontier" (2012) and "The Deflated Sharpe Ratio" (2014).
"""

import math
from collections.abc import Sequence

from attrs import frozen

from buff.decisions.decimals import largest_normal, normal


@frozen(kw_only=True)
class Estimate:
    """A Sharpe ratio per observation and what its error depends on."""

    ratio: float
    samples: int
    skew: float
    kurtosis: float


def numbers_of(found: Estimate | None) -> list[float | int]:
    """Return an estimate as the journal holds it: [ratio, samples, skew, kurtosis], and nothing where there is none."""
    return [] if found is None else [found.ratio, found.samples, found.skew, found.kurtosis]


def estimate_of(numbers: Sequence[float | int]) -> Estimate | None:
    """Return the estimate that the journal holds, None where it holds that there is none."""
    if not numbers:
        return None
    ratio, samples, skew, kurtosis = numbers
    return Estimate(ratio=ratio, samples=int(samples), skew=skew, kurtosis=kurtosis)


def probabilistic(found: Estimate, *, above: float = 0.0) -> float | None:
    """Return the probability that the true ratio is above a given one; None where the estimate has no error.

    normal((ratio - above) sqrt(n - 1) / sqrt(1 - skew ratio + (kurtosis - 1) / 4 ratio^2)), for two samples or more.
    """
    spread = 1.0 - found.skew * found.ratio + (found.kurtosis - 1.0) / 4.0 * found.ratio * found.ratio
    if not spread > 0.0:
        return None
    return normal((found.ratio - above) * math.sqrt(found.samples - 1) / math.sqrt(spread))


def deflated(found: Estimate, *, trials: int, variance: float) -> float | None:
    """Return the probability that the best of so many trials is better than the best of as many without any merit.

    `variance` is that of the trials' ratios. One trial is its own best, so that the ratio is compared with 0.
    """
    best = math.sqrt(variance) * largest_normal(trials) if trials > 1 else 0.0
    return probabilistic(found, above=best)
