"""Curves drawn by the server: a sparkline for a list, and the picture of a run that stands where no chart can.

Numbers go in; SVG without scripts and without inline style comes out, so that the strict policy has nothing to relax.
Colours are the stylesheet's.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen
from markupsafe import Markup
from numpy.typing import NDArray

from buff import Run
from buff.runs.drawing import curves, depths, sides

Columns: TypeAlias = Mapping[str, NDArray[Any]]

SPARK_WIDTH, SPARK_HEIGHT = 112, 28


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


@frozen(kw_only=True)
class Bought:
    """Buy and hold of a run: all of the start equity, bought at the first open after the warm-up, free of cost."""

    from_ms: int
    price: float


def bought(run: Run) -> Bought | None:
    """Return where buy and hold of a run begins (spec/engine.md M2); None where the warm-up leaves no open."""
    first = _warmup(run) + 1
    bars = run.bars
    if first >= len(bars):
        return None
    return Bought(from_ms=int(bars.ts[first]), price=float(bars.open[first]))


def picture(bars: Columns, equity: Columns, *, start: float, bought: Bought | None, label: str) -> Markup:
    """Return equity beside buy and hold, when a position was held, and the drawdown; `label` is read aloud.

    `bars` and `equity` are columns of the same buckets, as a chart is cut from (`buff.pyramid`).
    """
    ts, lines = bars["ts"], {"equity": equity["equity"]}
    if bought is not None:
        hold = np.where(ts < bought.from_ms, start, start * (bars["close"] / bought.price))
        lines = {"hold": hold, **lines}
    parts = (
        curves(ts, lines, label=label),
        sides(ts, equity["position"], label="When a position was held"),
        depths(ts, equity["drawdown"], label="Drawdown: equity over its peak, less one"),
    )
    return Markup("".join(parts))


def overlay(ts: Sequence[int], lines: Sequence[Sequence[float | None]], *, label: str, fractions: bool) -> Markup:
    """Return curves of several runs on one axis, the classes `r1` to `r8` in their order; None is not drawn."""
    named = {f"r{place}": np.array(values, np.float64) for place, values in enumerate(lines, 1)}
    return Markup(curves(np.array(ts, np.int64), named, label=label, fractions=fractions))


def _warmup(run: Run) -> int:
    return next((entry["ref"]["seq"] for entry in run.timeline if entry["type"] == "warmup_end"), 0)


def _scaled(values: Sequence[float], *, top: float, bottom: float) -> list[float]:
    """Return the heights of values between two lines, the largest at the top; a flat curve lies in the middle."""
    low, high = min(values), max(values)
    if high == low:
        return [(top + bottom) / 2] * len(values)
    return [bottom - (value - low) / (high - low) * (bottom - top) for value in values]


def _path(xs: Sequence[float], ys: Sequence[float]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(xs, ys, strict=True))
