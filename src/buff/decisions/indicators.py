"""Indicator kernels: columns in, columns of the same length out, NaN on the bars before there is a value.

Every value is made of its own bar and bars before it, in blocks that begin at fixed bars, so the indicator of a
prefix is the prefix of the indicator, bit for bit. Every operation is IEEE or integer arithmetic in a fixed order: the
same bits on every machine. No kernel sums floats by `numpy.sum` or as a difference of running sums, and none changes
what it is given. Columns hold finite numbers; a window longer than the column gives NaN throughout.
"""

from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

WINDOW_MAX = 4_096  # prices are below 2^51 units, so a window of 2^12 of them is below 2^63
DEAD_BAND = 1e-12
_EXACT = 1 << 53
_BLOCK = 64  # bars that a recurrence takes at once: its weights are applied to a whole block of bars


# Averages and spread of a window ---------------------------------------------------------------------------------


def sma(values: NDArray[np.float64], window: int, decimals: int | None) -> NDArray[np.float64]:
    """Return the simple moving average, float64[n], NaN before bar `window - 1`.

    With `decimals` (every value a whole number of 10^-decimals, fewer than 2^51 of them) the mean is exact and
    correctly rounded; without, it is a float sum divided by the window, to be compared with `above`.
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


def deviation(values: NDArray[np.float64], window: int, decimals: int | None) -> NDArray[np.float64]:
    """Return the population standard deviation of each window, float64[n], NaN before bar `window - 1`.

    Sums are of distances from a bar inside the window: one of them is 0, so window * squares exceeds the square of the
    sum by at least a window-th of itself, and their difference keeps its digits. With `decimals` the distances are
    whole units of 10^-decimals, and every sum is exact while it is below 2^53 (window times range below 9e7 units);
    beyond that, and without `decimals`, the error is below 1e-12 of the window's highest price, 1e-11 for more than
    1,000 bars. A window of equal values has a deviation of exactly 0.
    """
    assert 1 <= window <= WINDOW_MAX, "a window is 1 to 4096 bars"
    spread = np.full(len(values), np.nan)
    if len(values) < window:
        return spread
    scale = float(10**decimals) if decimals is not None else 1.0
    sums, squares = _distances(np.rint(values * scale) if decimals is not None else values, window)
    squares *= window
    squares -= sums * sums
    spread[window - 1 :] = np.sqrt(squares) / (window * scale)
    return spread


def _distances(values: NDArray[np.float64], window: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sums and the sums of squares of what each window's values are above one of them.

    The blocks are those of `window_sums`. The value that a window is measured from begins the later of its two blocks:
    the head of a block is measured from its own first value, the tail from the first value of the next block.
    """
    blocks = _blocks(values, window)
    first = blocks[:, :1]
    heads = blocks - first
    tails = blocks - np.concatenate([first[1:], first[-1:]])
    return _sums_of_blocks(heads, tails, len(values)), _sums_of_blocks(heads * heads, tails * tails, len(values))


def window_sums(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return the sum of each whole window, float64[n - window + 1], from blocks of `window` values anchored at bar 0.

    A window spans at most two blocks: what it takes of the first is a sum from the block's end, of the second a sum
    from the block's start (van Herk). Nothing outside the window takes part, as it would in a difference of running
    sums.
    """
    blocks = _blocks(values, window)
    return _sums_of_blocks(blocks, blocks, len(values))


def _blocks(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return a copy of the values in rows of `width`, float64[blocks, width], zeros behind the last of them."""
    padded = np.zeros(-(-len(values) // width) * width)
    padded[: len(values)] = values
    return padded.reshape(-1, width)


def _sums_of_blocks(heads: NDArray[np.float64], tails: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the sum of each whole window over `count` values: from `tails` in its first block, `heads` in its second.

    Both are float64[blocks, window]; a window that is one block is the sum of its head alone.
    """
    window = heads.shape[1]
    from_start = np.cumsum(heads, axis=1).reshape(-1)
    to_end = np.cumsum(tails[:, ::-1], axis=1)[:, ::-1].reshape(-1)
    sums = to_end[: count - window + 1] + from_start[window - 1 : count]
    sums[::window] = from_start[window - 1 : count : window]  # must not be counted twice
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


# Extremes of a window --------------------------------------------------------------------------------------------


def highest(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return the largest of each window, float64[n], NaN before bar `window - 1`. Exact."""
    return _extremes(np.maximum, values, window)


def lowest(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return the smallest of each window, float64[n], NaN before bar `window - 1`. Exact."""
    return _extremes(np.minimum, values, window)


def _extremes(larger: np.ufunc, values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    # Two windows that overlap or touch make a longer one, and an extreme may be counted twice: widths double.
    assert window >= 1, "a window is at least one bar"
    found = np.full(len(values), np.nan)
    if len(values) < window:
        return found
    extremes, width = values, 1
    while width < window:
        step = min(width, window - width)
        extremes = larger(extremes[:-step], extremes[step:])
        width += step
    found[window - 1 :] = extremes
    return found


# Averages that forget --------------------------------------------------------------------------------------------


def ema(values: NDArray[np.float64], window: int, decimals: int | None) -> NDArray[np.float64]:
    """Return the exponential moving average, float64[n], NaN before bar `window - 1`, where it is the simple average.

    After that each bar counts 2 / (window + 1) and what was before it the rest.
    """
    assert 1 <= window <= WINDOW_MAX, "a window is 1 to 4096 bars"
    return _forgetting(values, window, 2.0 / (window + 1), decimals)


def wilder(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return Wilder's average, float64[n], NaN before bar `window - 1`, where it is the simple average.

    After that each bar counts 1 / window and what was before it the rest.
    """
    assert 1 <= window <= WINDOW_MAX, "a window is 1 to 4096 bars"
    return _forgetting(values, window, 1.0 / window, None)


def _forgetting(values: NDArray[np.float64], window: int, share: float, decimals: int | None) -> NDArray[np.float64]:
    average = np.full(len(values), np.nan)
    if len(values) < window:
        return average
    inputs = values * share
    inputs[: window - 1] = 0.0
    inputs[window - 1] = sma(values[:window], window, decimals)[-1]
    average[window - 1 :] = _decayed(inputs, 1.0 - share)[window - 1 :]
    return average


def _decayed(inputs: NDArray[np.float64], keep: float) -> NDArray[np.float64]:
    """Return y with y[i] = inputs[i] + keep * y[i - 1] and nothing before bar 0, float64[n].

    Blocks of 64 are anchored at bar 0. Within a block each bar adds what was kept of the one before it, in all blocks
    at once; then every bar adds what its block inherits, times a power of `keep`. A value takes the same operations
    however many bars follow it.
    """
    blocks = _blocks(inputs, _BLOCK)
    for bar in range(1, _BLOCK):
        blocks[:, bar] += keep * blocks[:, bar - 1]
    powers = list(accumulate([keep] * _BLOCK, lambda power, factor: power * factor))
    ends = accumulate(blocks[:-1, -1].tolist(), lambda carry, end: end + powers[-1] * carry, initial=0.0)
    blocks += np.array(list(ends))[: len(blocks), np.newaxis] * np.array(powers)
    return blocks.reshape(-1)[: len(inputs)]


# Moves and ranges ------------------------------------------------------------------------------------------------


def rsi(close: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return Wilder's relative strength index, float64[n] in 0..100, NaN before bar `window`.

    100 * up / (up + down), Wilder's averages of the rises and the falls of the close; 50 where the close never moved.
    """
    index = np.full(len(close), np.nan)
    moves = np.diff(close)
    up, down = wilder(np.maximum(moves, 0.0), window), wilder(np.maximum(-moves, 0.0), window)
    both = up + down
    index[1:] = np.where(both == 0.0, 50.0, 100.0 * up / np.where(both == 0.0, 1.0, both))
    return index


def atr(
    high: NDArray[np.float64], low: NDArray[np.float64], close: NDArray[np.float64], window: int
) -> NDArray[np.float64]:
    """Return Wilder's average true range, float64[n], NaN before bar `window`: bar 0 has no close before it.

    The true range is the largest of high - low, high - the close before and the close before - low.
    """
    average = np.full(len(close), np.nan)
    before = close[:-1]
    average[1:] = wilder(np.maximum(high[1:], before) - np.minimum(low[1:], before), window)
    return average


def change(close: NDArray[np.float64], bars: int) -> NDArray[np.float64]:
    """Return how much the close changed over that many bars, in percent, float64[n], NaN before bar `bars`."""
    percent = np.full(len(close), np.nan)
    percent[bars:] = (close[bars:] / close[:-bars] - 1.0) * 100.0
    return percent


# Comparing -------------------------------------------------------------------------------------------------------


def above(a: NDArray[np.float64] | float, b: NDArray[np.float64] | float, exact: bool) -> NDArray[np.bool_]:
    """Return where a is greater than b, bool[n]; without `exact` by more than the dead band, 1e-12 of b.

    At least one of them is a column, the other may be a level. Two floats that stand for the same price may differ in
    their last bits; inside the band they are equal. NaN is above nothing.
    """
    return np.asarray(a > b if exact else (a - b) > DEAD_BAND * np.abs(b))
