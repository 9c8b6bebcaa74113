"""Indicator kernels against plain loops and fractions, TA-Lib and pandas, and themselves on prefixes."""

import random
import statistics
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from buff.decisions.indicators import (
    DEAD_BAND,
    above,
    atr,
    change,
    deviation,
    ema,
    highest,
    lowest,
    rsi,
    sma,
    wilder,
    window_sums,
)

PRICES = st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=200)
CENTS = st.lists(st.integers(90_00, 110_00), min_size=1, max_size=200)
WINDOWS = st.integers(1, 30)


def test_the_average_of_three_closes() -> None:
    found = sma(np.array([1.0, 2.0, 3.0, 4.5]), 3, 1)
    assert np.isnan(found[:2]).all()
    assert found[2:].tolist() == [2.0, float(Fraction(95, 30))]


def test_a_window_longer_than_the_data_has_no_value() -> None:
    assert np.isnan(sma(np.array([1.0, 2.0]), 3, 0)).all()
    assert len(sma(np.empty(0), 1, None)) == 0


def test_a_sum_that_no_double_holds_is_divided_exactly_too() -> None:
    units = [(1 << 51) - 1 - 3 * bar for bar in range(9)]
    found = sma(np.array(units, np.float64), 7, 0)[6:].tolist()
    assert found == [sum(units[begin : begin + 7]) / 7 for begin in range(3)]


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


KERNELS: dict[str, Callable[[NDArray[np.float64], int], NDArray[np.float64]]] = {
    "sma": lambda values, window: sma(values, window, None),
    "sma of cents": lambda values, window: sma(np.rint(values * 100) / 100, window, 2),
    "deviation": lambda values, window: deviation(values, window, None),
    "deviation of cents": lambda values, window: deviation(np.rint(values * 100) / 100, window, 2),
    "ema": lambda values, window: ema(values, window, None),
    "wilder": wilder,
    "highest": highest,
    "lowest": lowest,
    "rsi": rsi,
    "atr": lambda values, window: atr(values * 1.01, values * 0.98, values, window),
    "change": change,
}
FIRST = dict.fromkeys(KERNELS, -1) | {"rsi": 0, "atr": 0, "change": 0}  # bars before the first value, less the window


@pytest.mark.parametrize("name", KERNELS)
@given(prices=PRICES, window=WINDOWS, data=st.data())
def test_the_indicator_of_a_prefix_is_the_prefix_of_the_indicator(
    name: str, prices: list[float], window: int, data: st.DataObject
) -> None:
    """Invariants checked: later bars cut off or changed leave every bit as it was; nothing given is changed."""
    cut = data.draw(st.integers(1, len(prices)))
    values = np.array(prices)
    whole = KERNELS[name](values, window)
    assert values.tolist() == prices
    assert KERNELS[name](values[:cut], window).tobytes() == whole[:cut].tobytes()
    values[cut:] = data.draw(st.floats(1e-3, 1e6))
    assert KERNELS[name](values, window)[:cut].tobytes() == whole[:cut].tobytes()


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 200])
@pytest.mark.parametrize("window", [1, 2, 14, 64, 200, 201])
def test_there_is_no_value_before_the_window_is_full_and_one_on_every_bar_after(
    name: str, count: int, window: int
) -> None:
    found = KERNELS[name](1.0 + np.arange(count) % 7, window)
    assert found.dtype == np.float64
    assert np.isnan(found).tolist() == [bar < window + FIRST[name] for bar in range(count)]


def test_the_deviation_of_three_closes() -> None:
    found = deviation(np.array([1.0, 2.0, 3.0, 3.0]), 3, 0)
    assert found[2:].tolist() == pytest.approx([(2 / 3) ** 0.5, (2 / 9) ** 0.5], rel=4e-16, abs=0)


@given(CENTS, st.integers(1, 20), st.integers(0, 10**9))
def test_the_deviation_of_cents_is_the_exact_one_however_high_the_price(
    cents: list[int], window: int, more: int
) -> None:
    """Only one square root and one division are rounded: the sums are exact."""
    cents = [cent + more for cent in cents]
    found = deviation(np.array([cent / 100 for cent in cents]), window, 2)
    for end in range(window - 1, len(cents)):
        exact = statistics.pstdev(cents[end - window + 1 : end + 1]) / 100
        assert found[end] == pytest.approx(exact, rel=4e-16, abs=0)


@given(PRICES, st.integers(1, 20))
def test_without_decimals_the_deviation_is_right_to_1e_12_of_the_price(prices: list[float], window: int) -> None:
    found = deviation(np.array(prices), window, None)
    for end in range(window - 1, len(prices)):
        part = prices[end - window + 1 : end + 1]
        assert found[end] == pytest.approx(statistics.pstdev(part), rel=0, abs=1e-12 * max(part))


@pytest.mark.parametrize(("window", "error"), [(20, 1e-12), (1_000, 1e-12), (4_096, 1e-11)])
def test_one_price_far_from_all_others_does_not_spoil_the_deviation(window: int, error: float) -> None:
    values = 100.0 + np.arange(3 * window) % 5 * 1e-3
    values[window] = 1e6  # begins a block, so that both of its neighbours are measured from it
    found = deviation(values, window, None)
    for end in (window - 1, window, window + window // 2, 2 * window - 1, 2 * window, 3 * window - 1):
        part = values[end - window + 1 : end + 1].tolist()
        assert found[end] == pytest.approx(statistics.pstdev(part), rel=0, abs=error * max(part))


@pytest.mark.parametrize("decimals", [2, None])
def test_a_price_that_stands_still_has_a_deviation_of_exactly_nothing(decimals: int | None) -> None:
    assert deviation(np.full(50, 0.07), 20, decimals)[19:].tolist() == [0.0] * 31


@given(PRICES, WINDOWS)
def test_the_extremes_are_those_of_the_window(prices: list[float], window: int) -> None:
    high, low = highest(np.array(prices), window), lowest(np.array(prices), window)
    for end in range(window - 1, len(prices)):
        part = prices[end - window + 1 : end + 1]
        assert (high[end], low[end]) == (max(part), min(part))


def _remembered(values: list[float], window: int, share: float) -> list[float]:
    """An average that forgets, bar by bar: the simple average first, then a share of what is new."""
    average = sum(values[:window]) / window
    found = [average]
    for value in values[window:]:
        average = share * value + (1 - share) * average
        found.append(average)
    return found


@given(PRICES, WINDOWS)
def test_an_average_that_forgets_is_the_recurrence_a_reader_would_write(prices: list[float], window: int) -> None:
    if len(prices) < window:
        return
    for kernel, share in ((KERNELS["ema"], 2 / (window + 1)), (wilder, 1 / window)):
        found = kernel(np.array(prices), window)[window - 1 :].tolist()
        assert found == pytest.approx(_remembered(prices, window, share), rel=1e-13)


@pytest.mark.parametrize("window", [2, 64, 1_000, 4_096])
def test_an_average_of_a_price_that_stands_still_stays_far_inside_the_dead_band(window: int) -> None:
    for price in (0.07, 1 / 3, 123_456.789):
        for kernel in (KERNELS["ema"], wilder):
            found = kernel(np.full(20_000, price), window)[window - 1 :]
            assert np.abs(found / price - 1).max() < DEAD_BAND / 5


def test_the_strength_index_of_five_closes() -> None:
    """Window 2: first up (1 + 0) / 2 and down (0 + 2) / 2; then half of what was and half of what is new."""
    found = rsi(np.array([10.0, 11.0, 9.0, 12.0, 12.0]), 2)
    up, down = [0.5, 1.75, 0.875], [1.0, 0.5, 0.25]
    assert found[2:].tolist() == pytest.approx([100 * u / (u + d) for u, d in zip(up, down, strict=True)])


def test_the_strength_index_is_in_the_middle_where_nothing_moves_and_at_the_ends_where_all_moves_one_way() -> None:
    assert rsi(np.full(40, 7.0), 14)[14:].tolist() == [50.0] * 26
    assert rsi(np.arange(1.0, 41.0), 14)[14:].tolist() == [100.0] * 26
    assert rsi(np.arange(40.0, 0.0, -1.0), 14)[14:].tolist() == [0.0] * 26


def test_the_true_range_reaches_to_the_close_before() -> None:
    high, low, close = np.array([5.0, 9.0, 5.0]), np.array([4.0, 8.0, 4.0]), np.array([5.0, 8.0, 4.5])
    assert atr(high, low, close, 1)[1:].tolist() == [4.0, 4.0]  # 9 - 5 from below, 8 - 4 from above


def test_the_change_over_two_bars_in_percent() -> None:
    assert change(np.array([100.0, 90.0, 125.0]), 2)[2:].tolist() == [25.0]


# Oracles ---------------------------------------------------------------------------------------------------------


def _market(count: int = 5_000) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """High, low and close of a walk in cents, seeded."""
    rng, close = random.Random(12), [400_00]
    for _ in range(count - 1):
        close.append(max(close[-1] + rng.randint(-300, 300), 100_00))
    high = [cent + rng.randint(0, 100) for cent in close]
    low = [cent - rng.randint(0, 100) for cent in close]
    return np.array(high) / 100, np.array(low) / 100, np.array(close) / 100


@pytest.mark.parametrize("window", [2, 5, 14, 20, 26, 64, 200, 1_000])
def test_talib_agrees_bar_by_bar(window: int) -> None:
    """To 1e-12 relative; the deviation, a difference of large squares there, to 1e-12 of the squared price."""
    talib = pytest.importorskip("talib", reason="TA-Lib is not installed")
    high, low, close = _market()
    agree = {
        "sma": (sma(close, window, 2), talib.SMA(close, window)),
        "sma of floats": (sma(close, window, None), talib.SMA(close, window)),
        "ema": (ema(close, window, 2), talib.EMA(close, window)),
        "rsi": (rsi(close, window), talib.RSI(close, window)),
        "atr": (atr(high, low, close, window), talib.ATR(high, low, close, window)),
        "highest": (highest(high, window), talib.MAX(high, window)),
        "lowest": (lowest(low, window), talib.MIN(low, window)),
        "change": (1 + change(close, window) / 100, 1 + talib.ROC(close, window) / 100),
    }
    for name, (ours, theirs) in agree.items():
        assert np.isnan(ours).tolist() == np.isnan(theirs).tolist(), name
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=0, err_msg=name)
    spread, theirs = deviation(close, window, 2), talib.STDDEV(close, window)
    np.testing.assert_allclose(spread * spread, theirs * theirs, rtol=0, atol=1e-12 * float(close.max()) ** 2)


@pytest.mark.parametrize("window", [2, 5, 14, 20, 26, 64, 200, 1_000])
def test_pandas_agrees_bar_by_bar(window: int) -> None:
    """To 1e-12 relative; averages that forget from our first value on, which pandas is given as the bar it begins with.

    The deviation, which pandas carries from window to window, is held to 1e-12 of the squared price.
    """
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    high, low, close = _market()
    series = pandas.Series(close)
    agree = {
        "sma": (sma(close, window, 2), series.rolling(window).mean()),
        "highest": (highest(high, window), pandas.Series(high).rolling(window).max()),
        "lowest": (lowest(low, window), pandas.Series(low).rolling(window).min()),
        "change": (1 + change(close, window) / 100, 1 + series.pct_change(window)),
    }
    for name, (ours, theirs) in agree.items():
        np.testing.assert_allclose(ours, theirs.to_numpy(), rtol=1e-12, atol=0, err_msg=name)
    spread, variance = deviation(close, window, 2), series.rolling(window).var(ddof=0).to_numpy()
    np.testing.assert_allclose(spread * spread, variance, rtol=0, atol=1e-12 * float(close.max()) ** 2)
    for ours, options in ((ema(close, window, 2), {"span": window}), (wilder(close, window), {"alpha": 1 / window})):
        seeded = pandas.Series(np.append(ours[window - 1], close[window:]))
        theirs = seeded.ewm(adjust=False, **options).mean().to_numpy()
        np.testing.assert_allclose(ours[window - 1 :], theirs, rtol=1e-12, atol=0)


@pytest.mark.parametrize("decimals", [2, None])
@pytest.mark.parametrize("window", [2, 5, 20, 200, 1_000])
def test_numpys_deviation_of_each_window_agrees(window: int, decimals: int | None) -> None:
    close = _market(2_000)[2]
    expected = np.lib.stride_tricks.sliding_window_view(close, window).std(axis=1)
    found = deviation(close, window, decimals)[window - 1 :]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12 if window == 2 else 0)


# Comparing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exact", [False, True])
def test_only_floats_have_a_dead_band(exact: bool) -> None:
    one = np.array([1.0])
    assert above(one + 1e-13, one, exact).tolist() == [exact]
    assert above(one + 2 * DEAD_BAND, one, exact).tolist() == [True]
    assert above(np.array([np.nan]), one, exact).tolist() == [False]
    assert above(one - 1, one - 1, exact).tolist() == [False]
    assert above(2.0, one, exact).tolist() == above(one, 0.5, exact).tolist() == [True]
