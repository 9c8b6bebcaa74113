"""Spacing: steps counted in any blocks, the base they suggest, the kinds of gaps, and questions left open."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.market.spacing import GAP_KINDS, STEPS_MAX, Spacing, Windows, base_of, questions, some, span
from buff.market.timeframe import BASES, DAY_MS, MINUTE_MS, Timeframe

MONDAY = 1_704_067_200_000  # 2024-01-01T00:00:00Z
HOUR_MS = 60 * MINUTE_MS
NS = 1_000_000


def spacing_of(*stamps: int, base: Timeframe = Timeframe.MINUTE_1) -> Spacing:
    found = Spacing(base=base)
    found.take(np.array(stamps, np.int64))
    return found


def test_the_usual_step_is_said_with_how_many_are_so() -> None:
    found = spacing_of(*(MONDAY + hour * HOUR_MS for hour in range(10) if hour != 4), base=Timeframe.HOUR_1)
    assert found.as_dict() == {"step_ms": HOUR_MS, "apart": "1 h", "count": 7, "of": 8, "base_timeframe": "1h"}
    assert spacing_of(MONDAY).as_dict() is None


@given(st.lists(st.integers(1, 3_000), min_size=1, max_size=60), st.lists(st.integers(0, 60), max_size=5))
def test_any_blocks_count_the_same(minutes: list[int], cuts: list[int]) -> None:
    """Invariants checked: blocks change nothing; steps, kinds and the longest gap are those of a slow count."""
    stamps = np.cumsum([MONDAY, *(step * MINUTE_MS for step in minutes)])
    whole, pieces = Spacing(base=Timeframe.MINUTE_1), Spacing(base=Timeframe.MINUTE_1)
    whole.take(stamps)
    edges = [0, *sorted(min(cut, len(stamps)) for cut in cuts), len(stamps)]
    for begin, end in pairwise(edges):
        pieces.take(stamps[begin:end])
    assert pieces == whole
    assert {step // MINUTE_MS: count for step, count in whole.steps.items()} == {
        step: minutes.count(step) for step in minutes
    }
    assert sum(whole.gaps.values()) == sum(step > 1 for step in minutes)
    longest = whole.gap_dict()["longest"]
    assert (longest is None) == (max(minutes) == 1)
    assert longest is None or longest["missing"] == max(minutes) - 1


@pytest.mark.parametrize(
    ("after", "before", "kind"),
    [
        (MONDAY, MONDAY + 5 * MINUTE_MS, "short"),
        (MONDAY, MONDAY + 31 * MINUTE_MS, "break"),
        (MONDAY + 21 * HOUR_MS, MONDAY + 38 * HOUR_MS, "break"),
        (MONDAY + 4 * DAY_MS + 21 * HOUR_MS, MONDAY + 6 * DAY_MS + 22 * HOUR_MS, "weekend"),
        (MONDAY, MONDAY + 2 * DAY_MS, "long"),
        # Saturday noon itself is a bar: what lies around it is no weekend.
        (MONDAY + 5 * DAY_MS + 12 * HOUR_MS, MONDAY + 6 * DAY_MS, "break"),
    ],
)
def test_gaps_are_of_four_kinds(after: int, before: int, kind: str) -> None:
    assert spacing_of(after, before).gap_dict()["kinds"] == {kind: 1}
    assert kind in GAP_KINDS


@pytest.mark.parametrize(
    ("base", "after_h", "before_h", "kind"),
    [("1h", 12, 14, "short"), ("1h", 0, 4, "break"), ("1d", 0, 48, "short"), ("1d", 96, 168, "weekend")],
)
def test_what_is_few_depends_on_the_base(base: str, after_h: int, before_h: int, kind: str) -> None:
    found = spacing_of(MONDAY + after_h * HOUR_MS, MONDAY + before_h * HOUR_MS, base=Timeframe(base))
    assert found.gap_dict()["kinds"] == {kind: 1}


def test_memory_is_bounded_where_every_step_is_another() -> None:
    found = spacing_of(*np.cumsum(np.arange(1, 3 * STEPS_MAX)).tolist())
    assert len(found.steps) == STEPS_MAX
    assert found.total == 3 * STEPS_MAX - 2


@given(st.lists(st.integers(1, 100_000), min_size=1, max_size=20))
def test_the_base_is_the_coarsest_that_divides_every_step(minutes: list[int]) -> None:
    found = base_of(step * MINUTE_MS for step in minutes)
    dividing = [base for base in BASES if all(step * MINUTE_MS % (base.step_ms or 0) == 0 for step in minutes)]
    assert found == dividing[-1]


def test_where_nothing_divides_the_steps_there_is_no_base() -> None:
    assert base_of([1_000]) is None
    assert base_of([]) is None


@pytest.mark.parametrize(
    ("ms", "text"), [(60_000, "1 min"), (90_000, "90 s"), (7_200_000, "2 h"), (DAY_MS, "1 d"), (1, "1 ms"), (0, "0 d")]
)
def test_a_span_is_said_in_its_largest_whole_unit(ms: int, text: str) -> None:
    assert span(ms) == text


def asked(first_ms: int, *, step_ms: int = MINUTE_MS, offset_ms: int = 0, late_ns: int = 0) -> list[str]:
    times = [(f"row {at}", (first_ms + at * step_ms) * NS + late_ns) for at in range(3)]
    return questions(times, step_ms, offset_ms)


def test_times_that_may_be_ends_of_bars_are_a_question() -> None:
    assert asked(MONDAY) == []
    assert asked(MONDAY + 5 * MINUTE_MS) == []
    (ends,) = asked(MONDAY + MINUTE_MS - 1)
    assert "--columns ts=NAME" in ends
    assert asked(MONDAY + 59_000)
    assert asked(MONDAY, step_ms=HOUR_MS, late_ns=HOUR_MS * NS - 1_000)
    (close,) = asked(MONDAY + MINUTE_MS)
    assert "row 0" in close
    assert "--stamp close" in close
    assert asked(MONDAY + MINUTE_MS, offset_ms=HOUR_MS) == [], "midnight is that of the file's clock"
    assert asked(MONDAY + MINUTE_MS - HOUR_MS, offset_ms=HOUR_MS)
    assert asked(MONDAY, step_ms=1_000) == [], "a second is no moment before the next bar of a second"
    assert asked(MONDAY, step_ms=DAY_MS) == [], "a day after midnight is midnight"
    assert questions([], MINUTE_MS, 0) == []


def test_a_count_agrees_with_its_noun() -> None:
    assert [some(count, "gap") for count in (0, 1, 2_000)] == ["0 gaps", "1 gap", "2,000 gaps"]
    assert some(2, "run of bars", "runs of bars") == "2 runs of bars"


@given(st.sets(st.integers(0, 400), min_size=1), st.lists(st.integers(0, 400), max_size=4))
def test_windows_are_counted_whatever_the_blocks(minutes: set[int], cuts: list[int]) -> None:
    """Invariants checked: blocks change nothing, and a window is whole when no minute of it is missing."""
    stamps = MONDAY + np.array(sorted(minutes), np.int64) * MINUTE_MS
    counted = Windows(base=Timeframe.MINUTE_1, timeframe=Timeframe.HOUR_1)
    edges = [0, *sorted(min(cut, len(stamps)) for cut in cuts), len(stamps)]
    for begin, end in pairwise(edges):
        counted.take(stamps[begin:end])
    hours = [sum(minute // 60 == hour for minute in minutes) for hour in range(7)]
    wanted = {"whole": hours.count(60), "lacking": sum(0 < rows < 60 for rows in hours), "timeframe": "1h"}
    assert counted.as_dict() == counted.as_dict() == wanted
