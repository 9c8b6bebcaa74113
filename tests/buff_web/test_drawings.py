"""Pictures drawn by the server: well-formed, inside their frame, without style or script."""

from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff_web.drawings import SPARK_HEIGHT, SPARK_WIDTH, STILL_HEIGHT, STILL_WIDTH, sparkline, still


def _points(svg: str, which: str) -> list[tuple[float, float]]:
    tree = ElementTree.fromstring(svg)
    line = next(element for element in tree.iter() if element.get("class") == which)
    return [(float(x), float(y)) for x, y in (pair.split() for pair in line.attrib["d"][1:].split("L"))]


def test_a_rising_curve_rises() -> None:
    assert _points(sparkline([1.0, 2.0, 3.0]), "curve") == [(0.0, 25.0), (56.0, 14.0), (112.0, 3.0)]
    assert 'class="spark up"' in sparkline([1.0, 2.0])
    assert 'class="spark down"' in sparkline([2.0, 1.0])


def test_nothing_gives_nothing() -> None:
    assert sparkline([]) == ""
    assert still(np.empty(0), first="a", last="b", label="c") == ""


def test_a_label_is_escaped() -> None:
    picture = still(np.array([1.0, 2.0]), first="<a>", last="b", label='"<script>')
    assert "<script" not in picture
    assert ElementTree.fromstring(picture).get("aria-label") == '"<script>'


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=700))
@pytest.mark.parametrize("draw", ["sparkline", "still"])
def test_every_curve_stays_in_its_frame(draw: str, values: list[float]) -> None:
    """Invariants checked: well-formed XML; every point inside the frame; no inline style."""
    if draw == "sparkline":
        picture, width, height = sparkline(values), SPARK_WIDTH, SPARK_HEIGHT
    else:
        picture, width, height = still(np.array(values), first="a", last="b", label="c"), STILL_WIDTH, STILL_HEIGHT
    assert all(0 <= x <= width and 0 <= y <= height for x, y in _points(picture, "curve"))
    assert "style=" not in picture
