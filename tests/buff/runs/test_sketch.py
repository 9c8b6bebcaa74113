"""Small drawings and short numbers."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.runs.sketch import blocks, equity_svg, percent, short, shown


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "fraction", "–"),
        (0.5, "fraction", "0.5000"),
        (-0.0, "fraction", "-0.0000"),
        (1234.5678, "money", "1,234.57"),
        (12345, "count", "12,345"),
        (0.00001234, "fraction", "1.234e-05"),
        (1e12, "money", "1.000e+12"),
        (1_704_067_200_000, "epoch_ms", "2024-01-01T00:00:00Z"),
        (129_600_000, "ms", "1.50 days"),
        (True, "bool", "yes"),
        (False, "bool", "no"),
        ("GREEN", "state", "GREEN"),
    ],
)
def test_a_metric_as_a_person_reads_it(value: object, unit: str, text: str) -> None:
    assert shown(value, unit) == text


def test_short_values_and_percentages() -> None:
    assert (short(True), short(float("inf")), short("x")) == ("True", "inf", "x")
    assert (percent(0.1234), percent(-0.5), percent(None)) == ("+12.34 %", "-50.00 %", "–")


def test_blocks_rise_with_the_values() -> None:
    assert blocks([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]) == "▁▂▃▄▅▆▇█"
    assert blocks([5.0, 5.0]) == "▁▁"
    assert blocks([]) == ""


@given(st.lists(st.floats(0.01, 1e12), max_size=400))
def test_a_curve_stays_in_its_box_and_is_thin(equity: list[float]) -> None:
    drawn = equity_svg(np.array(equity, np.float64), width=320, height=64)
    if not equity:
        assert drawn == ""
        return
    points = [tuple(map(float, pair.split(","))) for pair in re.findall(r"[-\d.]+,[-\d.]+", drawn)]
    assert len(points) == min(len(equity), 160)
    assert all(0.0 <= x <= 320.0 and 2.0 <= y <= 62.0 for x, y in points)


def test_a_curve_goes_up_when_equity_does() -> None:
    assert re.findall(r"[-\d.]+,[-\d.]+", equity_svg(np.array([1.0, 2.0]))) == ["0.0,62.0", "320.0,2.0"]
