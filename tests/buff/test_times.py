"""Market time as text, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.times import day, epoch_ms, iso

YEAR_1_MS, YEAR_10000_MS = -62_135_596_800_000, 253_402_300_800_000


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_704_067_200_000, "2024-01-01T00:00:00Z"),
        (-1_000, "1969-12-31T23:59:59Z"),
        (YEAR_1_MS, "0001-01-01T00:00:00Z"),
        (YEAR_10000_MS - 1_000, "9999-12-31T23:59:59Z"),
    ],
)
def test_instants_are_written_with_four_digits_of_year(ms: int, text: str) -> None:
    assert iso(ms) == text
    assert day(ms) == text[:10]


@given(st.integers(YEAR_1_MS // 1000, YEAR_10000_MS // 1000 - 1))
def test_a_stamp_reads_back_as_its_instant_and_sorts_like_it(seconds: int) -> None:
    assert epoch_ms(iso(seconds * 1000)) == seconds * 1000
    assert (iso(seconds * 1000) < iso(0)) == (seconds < 0)
