"""Signals become targets and reasons as a walk with one position in hand would have it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.decisions.contract import Decisions
from buff.decisions.signals import enter_and_leave, fast_below_slow, follow
from textbook import DIRECTIONS, NOTHING, Signals, crossing, play

ENTER_LONG, LEAVE_LONG = (True, False, False, False), (False, True, False, False)
ENTER_SHORT, LEAVE_SHORT = (False, False, True, False), (False, False, False, True)
REASONS = ("enter_long", "leave_long", "enter_short", "leave_short")
CODES = ("", "enter_long", "enter_short", "leave_long", "leave_short")
BARS = st.lists(
    st.sampled_from(
        [
            NOTHING,
            ENTER_LONG,
            LEAVE_LONG,
            ENTER_SHORT,
            LEAVE_SHORT,
            (True, False, False, True),
            (False, True, True, False),
            (False, True, False, True),
        ]
    ),
    max_size=60,
)


def _columns(bars: list[Signals]) -> list[np.ndarray]:
    return [np.array([bar[index] for bar in bars], np.bool_) for index in range(4)]


def _pairs(decisions: Decisions, codes: tuple[str, ...]) -> list[tuple[int, str]]:
    return [(target, codes[code]) for target, code in zip(decisions.target.tolist(), decisions.reason, strict=True)]


def _decided(bars: list[Signals], direction: str) -> list[tuple[int, str]]:
    enter_long, leave_long, enter_short, leave_short = _columns(bars)
    decisions = enter_and_leave((enter_long, leave_long), (enter_short, leave_short), {"direction": direction})
    assert (decisions.target.dtype, decisions.reason.dtype) == (np.int8, np.uint8)
    return _pairs(decisions, CODES)


def test_a_position_lasts_from_its_entry_to_its_exit() -> None:
    bars = [LEAVE_LONG, ENTER_LONG, ENTER_LONG, NOTHING, LEAVE_SHORT, LEAVE_LONG, LEAVE_LONG]
    expected = [(0, ""), (1, "enter_long"), (1, ""), (1, ""), (1, ""), (0, "leave_long"), (0, "")]
    assert _decided(bars, "both") == expected


def test_an_entry_ends_the_other_side_where_both_are_allowed_and_only_there() -> None:
    bars = [ENTER_LONG, ENTER_SHORT, ENTER_LONG]
    assert _decided(bars, "both") == [(1, "enter_long"), (-1, "enter_short"), (1, "enter_long")]
    assert _decided(bars, "long") == [(1, "enter_long"), (1, ""), (1, "")]
    assert _decided(bars, "short") == [(0, ""), (-1, "enter_short"), (-1, "")]


@given(BARS, DIRECTIONS)
def test_entries_and_exits_are_played_as_a_reader_would(bars: list[Signals], direction: str) -> None:
    assert _decided(bars, direction) == play(bars, direction, REASONS)


@given(st.lists(st.sampled_from([(True, False), (False, True), (False, False)]), max_size=60), DIRECTIONS)
def test_a_side_that_is_followed_is_kept_on_a_tie(sides: list[tuple[bool, bool]], direction: str) -> None:
    up, down = (np.array([side[index] for side in sides], np.bool_) for index in (0, 1))
    found = _pairs(follow(up, down, {"direction": direction}), ("", "up", "down"))
    assert found == play((crossing(*side) for side in sides), direction, ("up", "down", "down", "up"))


@pytest.mark.parametrize(("fast", "wrong"), [(4, False), (5, True), (6, True)])
def test_fast_is_below_slow_or_both_are_named(fast: int, wrong: bool) -> None:
    said = fast_below_slow({"fast": fast, "slow": 5})
    assert said == (f"fast ({fast}) must be below slow (5)" if wrong else None)
