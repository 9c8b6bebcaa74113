"""Risk levels: the table as published, and what is not a level."""

from typing import Any

import pytest

from buff.decisions.risk import LEVELS, check_level, limits
from buff.errors import RiskInvalid
from buff.market.timeframe import Timeframe


def test_the_limits_of_level_3_are_the_published_ones() -> None:
    found = limits(3)
    assert (found.fraction, found.half) == (0.30, 0.15)
    assert (found.day_red, found.day_yellow) == (0.97, 0.985)
    assert (found.drawdown_red, found.drawdown_yellow) == (0.85, 0.925)


def test_every_level_is_looser_than_the_one_below() -> None:
    for level in range(1, 5):
        careful, bold = LEVELS[level], LEVELS[level + 1]
        assert careful.fraction < bold.fraction
        assert careful.day_red > bold.day_red
        assert careful.drawdown_red > bold.drawdown_red
        assert bold.day_yellow > bold.day_red
        assert bold.drawdown_yellow > bold.drawdown_red


@pytest.mark.parametrize("level", [0, 6, -1, 2.5, 3.0, True, False, "3", None, [3]])
def test_anything_but_a_whole_number_from_1_to_5_is_refused(level: Any) -> None:
    with pytest.raises(RiskInvalid, match="whole number from 1 to 5") as caught:
        check_level(level)
    assert caught.value.details["value"] == repr(level)
    assert caught.value.hint


@pytest.mark.parametrize(("timeframe", "watched"), [("1m", True), ("1d", True), ("1w", False), ("1M", False)])
def test_a_days_loss_is_watched_only_where_bars_show_it(timeframe: str, watched: bool) -> None:
    found = limits(2, Timeframe(timeframe))
    assert (found.day_red, found.day_yellow) == ((0.98, 0.99) if watched else (0.0, 0.0))
    assert found.drawdown_red == 0.90
