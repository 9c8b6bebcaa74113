"""Exact volume: the sum of each window as the decimal number it is, correctly rounded once.

Float volumes and the first row of each window go in; one float per window comes out, the same for every order, chunk
and machine (spec: engine, section 7). A sum of floats in index order is never taken.
"""

import math

import numpy as np
from numpy.typing import NDArray

from buff.errors import LimitExceeded

DECIMALS_MAX = 9
UNITS_BELOW = float(1 << 51)  # below it, value * 10^k is within 1/2 of the whole number it stands for (X1)
EXACT_INT = 1 << 53
SCALES = tuple(float(10**k) for k in range(DECIMALS_MAX + 1))
BLOCK_ROWS = 1 << 15  # some arrays of this many floats stay in the cache of one core


def decimals(values: NDArray[np.float64], at_least: int = 0) -> int | None:
    """Return the smallest k >= `at_least`, up to 9, of which every value is a whole number of 10^-k, or None."""
    if not len(values):
        return at_least
    top, found = float(values.max()), at_least
    for first in range(0, len(values), BLOCK_ROWS):
        # What is whole in units of 10^-k is whole in every smaller unit, so no block is looked at twice.
        needed = _decimals(values[first : first + BLOCK_ROWS], top, found)
        if needed is None:
            return None
        found = needed
    return found


def _decimals(values: NDArray[np.float64], top: float, at_least: int) -> int | None:
    for k in range(at_least, DECIMALS_MAX + 1):
        scale = SCALES[k]
        if top * scale >= UNITS_BELOW:
            return None
        units = values * scale
        np.rint(units, out=units)
        units /= scale
        if (units == values).all():
            return k
    return None


def sums(
    values: NDArray[np.float64], starts: NDArray[np.int64], *, block_rows: int = BLOCK_ROWS
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the sum of each window (float64) and whether it was summed as decimals (bool; else by math.fsum).

    values: float64[n], finite and not negative. starts: int64[m], strictly increasing, the first row of each window;
    a window ends where the next begins, the last with the values. m = 0 gives empty arrays. `block_rows` changes the
    speed and nothing else. Raises LimitExceeded when a sum is more than a float holds.
    """
    ends = np.append(starts[1:], len(values))
    total, exact = np.empty(len(starts)), np.zeros(len(starts), np.bool_)
    likely, first = 0, 0
    while first < len(starts):
        # As many whole windows as fit a block, at least one.
        last = max(int(np.searchsorted(ends, starts[first] + block_rows, side="right")), first + 1)
        part = slice(first, last)
        rows = slice(int(starts[first]), int(ends[last - 1]))
        likely = _block(values[rows], starts[part] - starts[first], total[part], exact[part], likely)
        first = last
    return total, exact


def _block(
    values: NDArray[np.float64],
    starts: NDArray[np.int64],
    total: NDArray[np.float64],
    exact: NDArray[np.bool_],
    likely: int,
) -> int:
    """Sum the windows of one block into `total` and `exact`; return the k that the next block should try first.

    Every k that passes the test of X1 gives the same correctly rounded sum, so the likely one is tried first.
    """
    best = likely
    for k in (likely, *(other for other in range(DECIMALS_MAX + 1) if other != likely)):
        fits = _in_units(values, starts, k, total, exact)
        if fits:
            best = k
        if exact.all():
            return best
    ends = np.append(starts[1:], len(values))
    for at in np.flatnonzero(~exact).tolist():
        total[at] = _fsum(values[starts[at] : ends[at]])
    return best


def _fsum(values: NDArray[np.float64]) -> float:
    try:
        return math.fsum(values.tolist())
    except OverflowError as error:
        raise LimitExceeded(
            "the volumes of one window sum to more than a float holds",
            hint="check the unit of the volumes, or take a finer timeframe",
            details={"limit": "volume"},
        ) from error


def _in_units(
    values: NDArray[np.float64],
    starts: NDArray[np.int64],
    k: int,
    total: NDArray[np.float64],
    exact: NDArray[np.bool_],
) -> bool:
    """Sum those windows, not yet summed, whose values are all whole numbers of 10^-k; say whether there were any."""
    scale = SCALES[k]
    with np.errstate(over="ignore"):  # an infinite product is no whole number of anything: it fails the test below
        units = values * scale
    np.rint(units, out=units)
    whole = units / scale == values
    top = float(units.max())
    if top >= UNITS_BELOW:
        whole &= units < UNITS_BELOW
    if whole.all():
        fits = ~exact
    else:
        fits = np.logical_and.reduceat(whole, starts) & ~exact
        units[~whole] = 0.0  # not part of any window that fits, and perhaps too large for an integer
        top = float(units.max())
    if not fits.any():
        return False
    ends = np.append(starts[1:], len(values))
    longest = int((ends - starts).max())
    if int(top) * longest < 1 << 63:
        summed = np.add.reduceat(units.astype(np.int64), starts)
        small = fits & (summed <= EXACT_INT)
        total[small] = summed[small] / scale
    else:
        summed, small = None, np.zeros(len(fits), np.bool_)
    for at in np.flatnonzero(fits & ~small).tolist():
        # Python's integers do not overflow, and their division is correctly rounded.
        whole_sum = sum(map(int, units[starts[at] : ends[at]].tolist())) if summed is None else int(summed[at])
        total[at] = whole_sum / 10**k
    exact |= fits
    return True
