"""Drawings over market time as inline SVG: curves, a drawdown, and when a position was held.

Stamps and columns go in, text comes out: no script, no inline style, colours by class, so that a strict policy has
nothing to relax. What has more bars than the drawing has dots is thinned to the lowest and the highest of every dot,
so that no extreme is lost. No file is read, and what is drawn is never stored.
"""

import html
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

WIDTH, LEFT, RIGHT = 960, 74, 10
DOTS = 640
TICKS_MAX = 8
STEPS = (
    ("h", (1, 2, 3, 6, 12)), ("D", (1, 2, 7, 14)), ("M", (1, 2, 3, 6)), ("Y", (1, 2, 5, 10, 20, 50, 100)),
)  # fmt: skip
_STAMPS = {"h": (5, 16), "D": (0, 10), "M": (0, 7), "Y": (0, 4)}  # what of `YYYY-MM-DDTHH:MM` names a tick

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def curves(ts: Integers, lines: Mapping[str, Floats], *, label: str, height: int = 300, fractions: bool = False) -> str:
    """Return curves over the same bars, by the class each is drawn with, with a scale and dates; `label` is read.

    A curve is not drawn where it is NaN, and has a value somewhere. The scale of `fractions` is in percent.
    """
    known = [values[np.isfinite(values)] for values in lines.values()]
    low, high = min(float(values.min()) for values in known), max(float(values.max()) for values in known)
    scale = _Scale(low, high, top=12, bottom=height - 26)
    drawn = "".join(f'<path class="{name}" d="{_path(ts, values, scale)}"/>' for name, values in lines.items())
    return _svg(height, label, _grid(scale, _percent if fractions else _round) + dates(ts, height) + drawn)


def depths(ts: Integers, drawdown: Floats, *, label: str, height: int = 120) -> str:
    """Return the drawdown (0 and below) as an area that hangs from 0."""
    scale = _Scale(min(float(drawdown.min()), -1e-4), 0.0, top=8, bottom=height - 8)
    line, (first, last) = _path(ts, drawdown, scale), _ends(ts)
    area = f"{line}L{last:.1f} {scale.top:.1f}L{first:.1f} {scale.top:.1f}Z"
    return _svg(height, label, _grid(scale, _percent) + f'<path class="depth" d="{area}"/>')


def sides(ts: Integers, position: NDArray[np.int8], *, label: str, height: int = 16) -> str:
    """Return when a position was held, as a strip: long above the middle, short below it.

    Where a dot stands for many bars, its class says in quarters how many of them were held: `s1` to `s4`.
    """
    starts = np.unique(np.linspace(0, len(ts), min(DOTS, len(ts)) + 1).astype(np.int64))[:-1]
    counts = np.diff(starts, append=len(ts))
    xs = _places(ts, np.append(ts[starts], ts[-1] + _step(ts)))
    middle = height / 2
    parts = [f'<path class="grid" d="M{LEFT} {middle:.1f}H{WIDTH - RIGHT}"/>']
    for name, held, y in (("long", position > 0, 0.0), ("short", position < 0, middle)):
        quarters = -(-np.add.reduceat(held.astype(np.int64), starts) * 4 // counts)
        turns = [0, *(np.flatnonzero(np.diff(quarters)) + 1).tolist(), len(quarters)]
        parts += [
            f'<path class="{name} s{quarters[begin]}" '
            f'd="M{xs[begin]:.1f} {y:.1f}H{xs[end]:.1f}v{middle:.1f}H{xs[begin]:.1f}Z"/>'
            for begin, end in pairwise(turns)
            if quarters[begin]
        ]
    return _svg(height, label, "".join(parts))


class _Scale:
    """Values to heights: the highest at the top; a flat curve lies in the middle."""

    def __init__(self, low: float, high: float, *, top: float, bottom: float) -> None:
        """Keep the ends; equal ones are moved apart."""
        margin = 0.0 if high > low else abs(high) * 0.01 or 1.0
        self.low, self.high, self.top, self.bottom = low - margin, high + margin, top, bottom

    def heights(self, values: Sequence[float]) -> list[float]:
        """Return how far below the upper edge each value lies."""
        span = self.high - self.low
        return [self.bottom - (value - self.low) / span * (self.bottom - self.top) for value in values]

    def marks(self) -> list[float]:
        """Return about four round values between both ends."""
        rough = (self.high - self.low) / 4
        power = float(f"1e{f'{rough:e}'.partition('e')[2]}")  # of the decimal text: no logarithm, no last-bit trouble
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
        first = -int(-self.low // step)
        marks = [round(count * step, 12) for count in range(first, first + 12)]
        return [mark for mark in marks if self.low <= mark <= self.high]


def _svg(height: int, label: str, inner: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{html.escape(label)}">{inner}</svg>'


def _grid(scale: _Scale, written: Callable[[float], str]) -> str:
    marks = scale.marks()
    return "".join(
        f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{written(mark).replace("-", "−")}</text>'
        for mark, y in zip(marks, scale.heights(marks), strict=True)
    )


def _round(value: float) -> str:
    return f"{value:,.10g}"


def _percent(value: float) -> str:
    return f"{value * 100:.4g} %"


def dates(ts: Integers, height: int) -> str:
    """Return vertical lines at round dates, at most eight, with what names them."""
    unit, ticks = _ticks(ts)
    begin, end = _STAMPS[unit]
    names = [name[begin:end].replace("T", " ") for name in np.datetime_as_string(ticks, unit="m").tolist()]
    places = _places(ts, ticks.astype("datetime64[ms]").astype(np.int64))
    return "".join(
        f'<path class="grid" d="M{x:.1f} 12V{height - 26}"/>'
        f'<text x="{x:.1f}" y="{height - 8}" text-anchor="middle">{name}</text>'
        for x, name in zip(places, names, strict=True)
        if LEFT + 30 <= x <= WIDTH - RIGHT - 30
    )


def _ticks(ts: Integers) -> tuple[str, NDArray[np.datetime64]]:
    ends = ts[[0, -1]].astype("datetime64[ms]")
    for unit, steps in STEPS:
        first, last = ends.astype(f"datetime64[{unit}]").astype(np.int64).tolist()
        for step in steps:
            counts = np.arange(-(-first // step) * step, last + 1, step)
            if len(counts) <= TICKS_MAX:
                return unit, counts.astype(f"datetime64[{unit}]").astype("datetime64[m]")
    raise AssertionError("no data span a thousand years")


def _step(ts: Integers) -> int:
    return int(ts[-1] - ts[-2]) if len(ts) > 1 else 1


def _ends(ts: Integers) -> tuple[float, float]:
    first, last = _places(ts, ts[[0, -1]])
    return first, last


def _places(ts: Integers, at: Integers) -> list[float]:
    """Return how far right each instant lies; the last bar keeps its width."""
    span = float(ts[-1] - ts[0]) + _step(ts)
    places: list[float] = (LEFT + (at - ts[0]) / span * (WIDTH - LEFT - RIGHT)).tolist()
    return places


def _path(ts: Integers, values: Floats, scale: _Scale) -> str:
    known = np.flatnonzero(np.isfinite(values))
    at = known[thinned(values[known], DOTS)]
    xs, ys = _places(ts, ts[at]), scale.heights(values[at].tolist())
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(xs, ys, strict=True))


def thinned(values: Floats, most: int) -> Integers:
    """Return which of the values to draw: all, or the first, the last, and the extremes of `most` equal parts."""
    if len(values) <= 2 * most:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), most + 1).astype(np.int64)
    parts = [values[begin:end] for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)]
    extremes = [begin + at for begin, part in zip(edges.tolist(), parts, strict=False) for at in _extremes(part)]
    return np.unique(np.array([0, *extremes, len(values) - 1]))


def _extremes(part: Floats) -> tuple[int, int]:
    return int(part.argmin()), int(part.argmax())
