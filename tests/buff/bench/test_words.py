"""Numbers as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.bench.words import NONE, amount, duration, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, NONE),
        (0.0, "0 s"),
        (3.2e-10, "0.32 ns"),
        (1.304e-4, "130 µs"),
        (0.001, "1 ms"),
        (0.99951, "1,000 ms"),
        (1.0, "1 s"),
        (119.9, "120 s"),
        (120.0, "2 min"),
        (7_200.0, "2 h"),
        (172_800.0, "2 days"),
        (1e9, "11,600 days"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(None, NONE), (0, "0 B"), (320, "320 B"), (1_670_000, "1.67 MB"), (1e12, "1 TB"), (1.34e15, "1,340 TB")],
)
def test_sizes(size_bytes: float | None, text: str) -> None:
    assert size(size_bytes) == text


@given(st.floats(1e-6, 1e15))
def test_an_amount_is_right_in_three_digits(value: float) -> None:
    assert float(amount(value).replace(",", "")) == pytest.approx(value, rel=5.1e-3)
