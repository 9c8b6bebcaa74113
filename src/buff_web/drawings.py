"""Curves drawn by the server: a sparkline for a list, and the equity curve that stands where no chart can.

Numbers go in; SVG without scripts and without inline style comes out, so that the strict policy has nothing to relax.
Colours are the stylesheet's.
"""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from buff_web.words import number

SPARK_WIDTH, SPARK_HEIGHT = 112, 28
STILL_WIDTH, STILL_HEIGHT, STILL_POINTS = 960, 240, 480
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 8, 10, 26


def sparkline(points: Sequence[float]) -> Markup:
    """Return a small curve with a line at its first value; no text, since the numbers stand beside it."""
    if not points:
        return Markup("")
    ys = _scaled(points, top=3, bottom=SPARK_HEIGHT - 3)
    step = SPARK_WIDTH / max(len(points) - 1, 1)
    trend = "up" if points[-1] >= points[0] else "down"
    path = _path([i * step for i in range(len(ys))], ys)
    size = f'width="{SPARK_WIDTH}" height="{SPARK_HEIGHT}" viewBox="0 0 {SPARK_WIDTH} {SPARK_HEIGHT}"'
    return Markup(  # numbers alone: there is nothing to escape, and a list has a hundred of these
        f'<svg class="spark {trend}" {size} aria-hidden="true" focusable="false">'
        f'<path class="base" d="M0 {ys[0]:.1f}H{SPARK_WIDTH}"/><path class="curve" d="{path}"/></svg>'
    )


def still(equity: NDArray[np.float64], *, first: str, last: str, label: str) -> Markup:
    """Return the equity curve with its scale, from `first` to `last` on market time; `label` is read aloud."""
    if not len(equity):
        return Markup("")
    places = np.unique(np.linspace(0, len(equity) - 1, STILL_POINTS).astype(np.int64))
    values = equity[places].tolist()
    ys = _scaled(values, top=_TOP, bottom=STILL_HEIGHT - _BOTTOM)
    width = STILL_WIDTH - _LEFT - _RIGHT
    xs = [_LEFT + width * place / max(len(equity) - 1, 1) for place in places.tolist()]
    grid = Markup("").join(_grid_line(value, y) for value, y in _scale_marks(values))
    return Markup(
        '<svg class="still" viewBox="0 0 {0} {1}" role="img" aria-label="{2}">{3}'
        '<path class="base" d="M{4} {5:.1f}H{6}"/><path class="curve" d="{7}"/>'
        '<text x="{4}" y="{8}">{9}</text><text x="{6}" y="{8}" text-anchor="end">{10}</text></svg>'
    ).format(
        STILL_WIDTH,
        STILL_HEIGHT,
        label,
        grid,
        _LEFT,
        ys[0],
        STILL_WIDTH - _RIGHT,
        _path(xs, ys),
        STILL_HEIGHT - 8,
        first,
        last,
    )


def _scale_marks(values: Sequence[float]) -> list[tuple[float, float]]:
    low, high = min(values), max(values)
    marks = [low, (low + high) / 2, high] if high > low else [low]
    return list(zip(marks, _scaled([*marks, low, high], top=_TOP, bottom=STILL_HEIGHT - _BOTTOM), strict=False))


def _grid_line(value: float, y: float) -> Markup:
    return Markup(
        '<path class="grid" d="M{0} {1:.1f}H{2}"/><text x="{3}" y="{4:.1f}" text-anchor="end">{5}</text>'
    ).format(_LEFT, y, STILL_WIDTH - _RIGHT, _LEFT - 8, y + 4, number(value))


def _scaled(values: Sequence[float], *, top: float, bottom: float) -> list[float]:
    """Return the heights of values between two lines, the largest at the top; a flat curve lies in the middle."""
    low, high = min(values), max(values)
    if high == low:
        return [(top + bottom) / 2] * len(values)
    return [bottom - (value - low) / (high - low) * (bottom - top) for value in values]


def _path(xs: Sequence[float], ys: Sequence[float]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(xs, ys, strict=True))
