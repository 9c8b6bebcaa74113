"""Parallel coordinates: an axis for each thing that varies and for each measure, and a line through them for each run.

Rows of results and their layout go in; SVG without scripts and without inline style comes out. No run is left out: of
a sweep with very many the lines of all are drawn as a ground that says how many go which way, and some of them, which
the caller names, as lines of their own. A run without a value goes through a place of its own beneath the axis.
"""

import html
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from itertools import pairwise

from attrs import frozen
from markupsafe import Markup

from buff import Trial
from buff_web.dimensions import Dimension, Layout
from buff_web.measures import MEASURES, SHORT, Brief, is_percentage, measured, text
from buff_web.scales import Scale

LINES_MAX = 400  # so many lines of their own; more runs have a ground behind the lines of some
SLOTS = 30  # on an axis of the ground
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 1200, 80, 60, 40, 330
APART = 110  # at least between two axes, so that what stands beside one leaves the next alone; more make it wider
NONE = BOTTOM + 28  # where lines go that have no value
TICKS_MAX = 12
VARYING_MAX = 12  # axes for what varies; requests of a file may differ in more
SHARES = (0.005, 0.03, 0.1)  # of all runs, above which a line of the ground is stronger


@frozen(kw_only=True)
class Axis:
    """One axis: `heights` has how high each row lies on it, from 0 to 1, None where it has no value.

    `ticks` are the heights that are named. `low` and `high` are the ends of a measure, None where values have places.
    """

    name: str
    label: str
    heights: tuple[float | None, ...]
    ticks: tuple[tuple[float, str], ...]
    low: float | None = None
    high: float | None = None

    @cached_property
    def lacking(self) -> bool:
        """Whether a row has no value on it."""
        return None in self.heights


def axes(layout: Layout, rows: Sequence[Trial]) -> tuple[Axis, ...]:
    """Return the axes of a sweep: the first things that vary, then the measures that any run has."""
    measures = (_measure(name, rows) for name in SHORT)
    return (*map(_varying, layout.varying[:VARYING_MAX]), *(each for each in measures if each is not None))


def _varying(dimension: Dimension) -> Axis:
    """Return the axis of what varies: its values in order, evenly spaced."""
    last = max(len(dimension.texts) - 1, 1)
    every = -(-len(dimension.texts) // TICKS_MAX)
    named = [place for place in range(len(dimension.texts)) if place % every == 0]
    return Axis(
        name=dimension.name,
        label=dimension.label,
        heights=tuple(None if place is None else place / last for place in dimension.places),
        ticks=tuple((place / last, dimension.shown[place]) for place in named),
    )


def _measure(name: str, rows: Sequence[Trial]) -> Axis | None:
    values = [measured(row, name) for row in rows]
    known = [value for value in values if value is not None]
    if not known:
        return None
    low, high = min(known), max(known)
    brief, span = Brief(name, known), (high - low) or 1.0
    marks = list(dict.fromkeys((low, (low + high) / 2, high)))
    if low < 0 < high and min(abs(mark) for mark in marks) > span / TICKS_MAX:
        marks.append(0.0)
    return Axis(
        name=name,
        label=SHORT[name],
        heights=tuple(None if value is None else (value - low) / span if high > low else 0.5 for value in values),
        ticks=tuple(((mark - low) / span if high > low else 0.5, brief.text(mark) + brief.unit) for mark in marks),
        low=low,
        high=high,
    )


def picture(
    layout: Layout,
    rows: Sequence[Trial],
    drawn: Sequence[Axis],
    *,
    metric: str,
    scale: Scale | None,
    lines: Sequence[int],
    out: Collection[int] = (),
    within: Mapping[str, tuple[float, float]] | None = None,
) -> Markup:
    """Return the axes with the lines of some requests, coloured by a metric; the others are a ground behind them.

    Lines that are `out` are dim and lie behind. `within` is the stretch of an axis that others are out of.
    """
    width = max(WIDTH, LEFT + RIGHT + APART * (len(drawn) - 1))
    xs = _places(len(drawn), width)
    behind = [at for at in lines if at in out]
    before = [at for at in lines if at not in out]
    strands = "".join(
        _strand(layout, rows[at], drawn, xs, metric=metric, scale=scale, out=at in out) for at in (*behind, *before)
    )
    ground = _ground(drawn, xs, len(rows)) if len(lines) < len(rows) else ""
    frames = "".join(_axis(axis, x, (within or {}).get(axis.name)) for axis, x in zip(drawn, xs, strict=True))
    label = f"Parallel coordinates of {len(rows):,} requests over {len(drawn)} axes; the table below has the same runs"
    height = (NONE if any(axis.lacking for axis in drawn) else BOTTOM) + 22
    own = f'width="{width}" ' if width > WIDTH else ""
    size = f'{own}viewBox="0 0 {width} {height}" data-top="{TOP}" data-bottom="{BOTTOM}"'
    return Markup(
        f'<svg class="strands" {size} role="group" aria-label="{html.escape(label)}">'
        f'{ground}<g class="lines">{strands}</g>{frames}</svg>'
    )


def _places(count: int, width: int) -> list[int]:
    step = (width - LEFT - RIGHT) / max(count - 1, 1)
    return [round(LEFT + step * number) for number in range(count)]


def _y(height: float | None) -> int:
    return NONE if height is None else round(BOTTOM - height * (BOTTOM - TOP))


def _strand(
    layout: Layout,
    row: Trial,
    drawn: Sequence[Axis],
    xs: Sequence[int],
    *,
    metric: str,
    scale: Scale | None,
    out: bool,
) -> str:
    """Return the line of one request: a link where there is a run to look at."""
    value = measured(row, metric)
    name = scale.name(value) if value is not None and scale is not None else "none"
    path = "L".join(f"{x} {_y(axis.heights[row.at])}" for axis, x in zip(drawn, xs, strict=True))
    lost = row.state in ("failed", "missing")
    says = row.code or row.state if lost else f"{MEASURES[metric]} {text(metric, value)}, one of {row.trials:,} tried"
    inner = f'<title>{html.escape(f"{layout.told(row.at)}: {says}")}</title><path d="M{path}"/>'
    classes = f"{name} out" if out else name
    if lost:
        return f'<g class="lost{" out" if out else ""}" data-at="{row.at}">{inner}</g>'
    return f'<a class="{classes}" href="/runs/{row.run_id}" data-at="{row.at}" tabindex="-1">{inner}</a>'


def _ground(drawn: Sequence[Axis], xs: Sequence[int], count: int) -> str:
    """Return how many of so many runs go from where to where between two axes, in four strengths."""
    slots = [[_slot(height) for height in axis.heights] for axis in drawn]
    paths: dict[int, list[str]] = {}
    for (left, right), (x, end) in zip(pairwise(slots), pairwise(xs), strict=True):
        for (begin, target), number in Counter(zip(left, right, strict=True)).items():
            strength = 1 + sum(number > share * count for share in SHARES)
            paths.setdefault(strength, []).append(f"M{x} {_y(begin)}L{end} {_y(target)}")
    inner = "".join(f'<path class="w{strength}" d="{"".join(paths[strength])}"/>' for strength in sorted(paths))
    return f'<g class="ground" aria-hidden="true">{inner}</g>'


def _slot(height: float | None) -> float | None:
    return None if height is None else round(height * SLOTS) / SLOTS


def _axis(axis: Axis, x: int, within: tuple[float, float] | None) -> str:
    """Return an axis with its name, what its heights stand for, and the stretch that was chosen on it."""
    factor = 100 if is_percentage(axis.name) else 1
    ends = "" if axis.low is None else f' data-low="{axis.low * factor!r}" data-high="{(axis.high or 0) * factor!r}"'
    chosen = ""
    if within is not None and within[0] <= within[1]:
        top, bottom = (_y(min(max(height, 0.0), 1.0)) for height in reversed(within))
        chosen = f'<rect class="chosen" x="{x - 9}" y="{top - 4}" width="18" height="{bottom - top + 8}"/>'
    ticks = "".join(
        f'<path d="M{x - 4} {_y(height)}h8"/><text x="{x - 7}" y="{_y(height) + 4}" text-anchor="end">'
        f"{html.escape(_cut(name))}</text>"
        for height, name in axis.ticks
    )
    none = f'<text x="{x}" y="{NONE + 16}" text-anchor="middle">no value</text>' if axis.lacking else ""
    return (
        f'<g class="axis" data-axis="{html.escape(axis.name)}" data-x="{x}"{ends}>'
        f'<text class="name" x="{x}" y="{TOP - 18}" text-anchor="middle">{html.escape(axis.label)}</text>'
        f'<rect class="hit" x="{x - 12}" y="{TOP - 8}" width="24" height="{BOTTOM - TOP + 16}"/>'
        f'<path d="M{x} {TOP}V{BOTTOM}"/>{ticks}{none}{chosen}</g>'
    )


def _cut(name: str) -> str:
    return name if len(name) <= 17 else f"{name[:16]}…"
