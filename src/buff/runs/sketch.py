"""Small drawings and short numbers: what a notebook, a terminal and a list show of a run.

Numbers go in, text and inline SVG come out; no file is read and nothing is rounded that is stored.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from buff.times import iso

WIDTH, HEIGHT, POINTS = 320, 64, 160
DAY_MS = 86_400_000


def equity_svg(equity: NDArray[np.float64], *, width: int = WIDTH, height: int = HEIGHT) -> str:
    """Return an inline SVG line of the curve, thinned to 160 points; empty text for an empty curve."""
    if len(equity) == 0:
        return ""
    points = equity[np.linspace(0, len(equity) - 1, min(POINTS, len(equity))).astype(np.int64)]
    low, high = float(points.min()), float(points.max())
    scale = (high - low) or 1.0
    step = width / max(len(points) - 1, 1)
    line = " ".join(
        f"{index * step:.1f},{height - 2 - (value - low) / scale * (height - 4):.1f}"
        for index, value in enumerate(points.tolist())
    )
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="equity curve">'
        f'<polyline points="{line}" fill="none" stroke="currentColor" stroke-width="1.5"/></svg>'
    )


def blocks(values: list[float]) -> str:
    """Return a line of block characters, one per value: a sparkline for a terminal."""
    if not values:
        return ""
    low, high = min(values), max(values)
    scale = (high - low) or 1.0
    return "".join("▁▂▃▄▅▆▇█"[min(int((value - low) / scale * 8), 7)] for value in values)


def short(value: Any) -> str:
    """Return a value as a person reads it: four significant digits, thousands separated, a dash for nothing."""
    if value is None:
        return "–"
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    if value != 0.0 and math.isfinite(value) and not 1e-4 <= abs(value) < 1e9:
        return f"{value:.3e}"
    return f"{value:,.4f}" if abs(value) < 1000 else f"{value:,.2f}"


def shown(value: Any, unit: str) -> str:
    """Return a metric as a person reads it: instants as UTC stamps, spans in days, yes and no in words."""
    if value is None:
        return "–"
    match unit:
        case "epoch_ms":
            return iso(value)
        case "ms":
            return f"{value / DAY_MS:,.2f} days"
        case "bool":
            return "yes" if value else "no"
        case _:
            return short(value)


def percent(value: float | None) -> str:
    """Return a fraction as a percentage with two decimals and its sign."""
    return "–" if value is None else f"{value * 100:+.2f} %"
