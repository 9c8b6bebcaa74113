"""Sample minutes: integers alone, so the same everywhere."""

from itertools import islice

import pytest

from buff.market.timeframe import MINUTE_MS
from buff.sample import HEADER, START_MS, csv_chunks, rows


def test_the_first_rows_are_these_for_ever() -> None:
    assert list(rows(2)) == [
        (1704067200000, 4000006, 4001658, 3999494, 4000702, 1232528),
        (1704067260000, 4000714, 4000974, 3999047, 3999691, 292899),
    ]


@pytest.mark.parametrize("seed", [0, 7, 2**63, -1])
def test_rows_are_valid_candles_a_minute_apart(seed: int) -> None:
    for index, (ts, opened, high, low, close, volume) in enumerate(rows(5_000, seed)):
        assert ts == START_MS + index * MINUTE_MS
        assert 0 < low <= min(opened, close) <= max(opened, close) <= high
        assert volume > 0


def test_a_prefix_is_the_beginning_of_more() -> None:
    assert list(rows(100)) == list(islice(rows(1_000), 100))
    assert b"".join(csv_chunks(10_000)).startswith(b"".join(csv_chunks(5_000)))


@pytest.mark.parametrize("count", [0, 1, 4_095, 4_096, 4_097])
def test_the_csv_has_a_header_and_a_line_for_each_row(count: int) -> None:
    text = b"".join(csv_chunks(count))
    assert text.startswith(HEADER)
    assert text.count(b"\n") == count + 1
    assert text.endswith(b"\n")
