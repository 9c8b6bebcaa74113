"""Drawings: every extreme is drawn, inside its frame, and dates and values stand where they are."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from buff.runs.drawing import DOTS, LEFT, RIGHT, TICKS_MAX, WIDTH, curves, depths, sides, thinned

HOUR = 3_600_000
FIRST = 1_704_067_200_000  # 2024-01-01


def stamps(count: int, step: int = HOUR) -> np.ndarray:
    return FIRST + np.arange(count, dtype=np.int64) * step


def points(svg: str, name: str) -> list[tuple[float, float]]:
    """Return the points of the path of a class."""
    (path,) = re.findall(f'<path class="{name}" d="M([^"]+)"', svg)
    return [(float(x), float(y)) for x, y in (pair.split() for pair in path.rstrip("Z").split("L"))]


def test_a_curve_goes_through_its_values() -> None:
    svg = curves(stamps(3), {"equity": np.array([100.0, 120.0, 110.0])}, label="equity")
    (_, low), (_, high), (_, middle) = points(svg, "equity")
    assert high < middle < low
    assert middle == pytest.approx((low + high) / 2, abs=0.1)
    assert re.findall(r">([\d,.]+)</text>", svg) == ["100", "105", "110", "115", "120"]


@given(st.integers(1, 5_000), st.integers(0, 2**31))
def test_the_extremes_and_the_ends_are_always_drawn(count: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(-1000, 1000, count).astype(np.float64)
    at = thinned(values, DOTS)
    assert (at[0], at[-1]) == (0, count - 1)
    assert (np.diff(at) > 0).all()
    assert (values[at].min(), values[at].max()) == (values.min(), values.max())
    assert len(at) <= 2 * DOTS + 2


finite = st.floats(-1e12, 1e12, allow_subnormal=False)


@given(
    arrays(np.float64, st.integers(1, 60), elements=finite),
    st.sampled_from([60_000, HOUR, 86_400_000, 31 * 86_400_000]),
)
def test_every_point_lies_in_the_frame(values: np.ndarray, step: int) -> None:
    """Invariants checked: any finite curve, flat ones and one bar alike, over minutes or decades."""
    svg = curves(stamps(len(values), step), {"equity": values}, label="x")
    for x, y in points(svg, "equity"):
        assert LEFT <= x <= WIDTH - RIGHT
        assert 11.9 <= y <= 274.1
    assert svg.count('text-anchor="middle"') <= TICKS_MAX
    assert "nan" not in svg
    assert "inf" not in svg


def test_a_drawdown_hangs_from_zero() -> None:
    svg = depths(stamps(4), np.array([0.0, -0.1, -0.2, 0.0]), label="drawdown")
    heights = [y for _, y in points(svg, "depth")]
    assert heights[0] == heights[3] == heights[4] == heights[5] == 8.0
    assert heights[2] == max(heights)
    assert "−10 %" in svg


def test_a_strip_shows_each_side_for_as_long_as_it_was_held() -> None:
    position = np.array([0, 1, 1, -1, -1, -1, 0, 1], np.int8)
    svg = sides(stamps(8), position, label="held")
    spans = {
        name: [(float(a), float(b)) for a, b in re.findall(rf'class="{name} s4" d="M([\d.]+) [\d.]+H([\d.]+)v', svg)]
        for name in ("long", "short")
    }
    width = (WIDTH - LEFT - RIGHT) / 8
    assert [pytest.approx((b - a) / width, abs=0.01) for a, b in spans["long"]] == [2, 1]
    assert [pytest.approx((b - a) / width, abs=0.01) for a, b in spans["short"]] == [3]
    assert spans["long"][0][1] == spans["short"][0][0]


def test_a_dot_of_many_bars_says_how_many_were_held() -> None:
    position = np.zeros(DOTS * 8, np.int8)
    position[:2] = 1
    position[8:14] = 1
    svg = sides(stamps(len(position)), position, label="held")
    assert re.findall(r'class="long (s\d)"', svg) == ["s1", "s3"]


@pytest.mark.parametrize(
    ("count", "step", "first"),
    [(24, HOUR, "01-01 03:00"), (24 * 20, HOUR, "2024-01-04"), (365, 24 * HOUR, "2024-03"), (4_000, 24 * HOUR, "2026")],
)
def test_dates_are_round(count: int, step: int, first: str) -> None:
    svg = curves(stamps(count, step), {"equity": np.arange(count, dtype=np.float64)}, label="x")
    found = re.findall(r'x="([\d.]+)" y="\d+" text-anchor="middle">([^<]+)<', svg)
    assert found[0][1] == first
    assert all(float(a[0]) < float(b[0]) for a, b in pairwise(found))
