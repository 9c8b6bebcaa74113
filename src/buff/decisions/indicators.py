"""Indicator kernels: columns in, columns of the same length out, the first `window - 1` values NaN.

Every value depends on its own window alone, so the indicator of a prefix is the prefix of the indicator, and every
operation is IEEE or integer arithmetic in a fixed order: the same bits on every machine. No kernel sums floats by
`numpy.sum` or as a difference of running sums.
"""

import numpy as np
from numpy.typing import NDArray

WINDOW_MAX = 4_096  # prices are below 2^51 units, so a window of 2^12 of them is below 2^63
DEAD_BAND = 1e-12
_EXACT = 1 << 53


def sma(values: NDArray[np.float64], window: int, decimals: int | None) -> NDArray[np.float64]:
    """Return the simple moving average, float64[n], NaN before bar `window - 1`.

    With `decimals` (every value a whole number of 10^-decimals, fewer than 2^51 of them) the mean is exact and
    correctly rounded; without, it is a float sum divided by the window, to be compared with `above`.
    A window longer than the column gives NaN throughout.
    """
    assert 1 <= window <= WINDOW_MAX, "a window is 1 to 4096 bars"
    mean = np.full(len(values), np.nan)
    if len(values) < window:
        return mean
    if decimals is None:
        mean[window - 1 :] = window_sums(values, window) / window
    else:
        scale = 10**decimals
        mean[window - 1 :] = _quotients(_unit_sums(values, window, scale), window * scale)
    return mean


def above(a: NDArray[np.float64], b: NDArray[np.float64], exact: bool) -> NDArray[np.bool_]:
    """Return where a is greater than b, bool[n]; without `exact` by more than the dead band, 1e-12 of b.

    Two floats that stand for the same price may differ in their last bits; inside the band they are equal. NaN is
    above nothing.
    """
    if exact:
        return a > b
    return (a - b) > DEAD_BAND * np.abs(b)


def window_sums(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return the sum of each whole window, float64[n - window + 1], from blocks of `window` values anchored at bar 0.

    A window spans at most two blocks: what it takes of the first is a sum from the block's end, of the second a sum
    from the block's start (van Herk). Nothing outside the window takes part, as it would in a difference of running
    sums.
    """
    count = len(values)
    padded = np.zeros(-(-count // window) * window)
    padded[:count] = values
    blocks = padded.reshape(-1, window)
    heads = np.cumsum(blocks, axis=1).reshape(-1)
    tails = np.cumsum(blocks[:, ::-1], axis=1)[:, ::-1].reshape(-1)
    sums = tails[: count - window + 1] + heads[window - 1 : count]
    sums[::window] = heads[window - 1 : count : window]  # a window that is one block must not be counted twice
    return sums


def _unit_sums(values: NDArray[np.float64], window: int, scale: int) -> NDArray[np.int64]:
    # A running sum may wrap around 2^64; the difference of two does not care, as a window's own sum is below 2^63.
    total = np.cumsum(np.rint(values * float(scale)).astype(np.int64))
    sums = total[window - 1 :].copy()
    sums[1:] -= total[:-window]
    return sums


def _quotients(sums: NDArray[np.int64], divisor: int) -> NDArray[np.float64]:
    """Return sums / divisor, correctly rounded: IEEE division of two exact doubles, Python's where one is not exact."""
    quotients = sums / np.float64(divisor)
    large = np.flatnonzero(sums > _EXACT)
    if len(large):
        quotients[large] = [value / divisor for value in sums[large].tolist()]
    return quotients
