"""The windows of a walk on a line of time: what was looked at, what was left out, and what it is judged by.

Rows of results go in; SVG comes out, one drawing for each different walk, since datasets may begin on other days. Each
window is a link to the maps that are held at it.
"""

import html
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from attrs import frozen
from markupsafe import Markup

from buff import Trial
from buff.runs.drawing import LEFT, RIGHT, WIDTH, dates
from buff.sweeps import TRAIN
from buff.times import epoch_ms
from buff_web.words import short_time

WALKS_MAX = 4
ROW, ROW_MIN, HEIGHT_MAX = 18, 4, 640
TOP = 12


@frozen(kw_only=True)
class Span:
    """One window: four instants in epoch ms, and the number it has in addresses."""

    number: int
    train: tuple[int, int]
    test: tuple[int, int]


@frozen(kw_only=True)
class Walk:
    """The windows that some requests have, and what tells these requests from others."""

    title: str
    picture: Markup
    spans: tuple[Span, ...]


def of(rows: Sequence[Trial]) -> tuple[Walk, ...]:
    """Return the different walks of a sweep's rows, at most WALKS_MAX and with the requests they are of."""
    walks: dict[tuple[Span, ...], dict[str, None]] = {}
    for name, found in _by_request(rows).items():
        walks.setdefault(tuple(found), {})[name] = None
    named = list(walks.items())[:WALKS_MAX]
    several = len({span.number for spans in walks for span in spans}) > 1  # a window alone is nothing to hold a map at
    return tuple(
        Walk(title="; ".join(names) if len(walks) > 1 else "", picture=_picture(spans, several), spans=spans)
        for spans, names in named
    )


def _by_request(rows: Iterable[Trial]) -> Mapping[str, list[Span]]:
    """Return the windows of each dataset and timeframe, in order; requests that differ in parameters have the same."""
    parts: dict[tuple[str, int], dict[str, tuple[int, int]]] = {}
    for row in rows:
        if row.window is not None and row.start and row.end and row.part:
            name = f"{row.symbol} {row.timeframe}, dataset {str(row.dataset)[:8]}"
            parts.setdefault((name, row.window), {})[row.part] = epoch_ms(row.start), epoch_ms(row.end)
    found: dict[str, list[Span]] = {}
    for (name, number), ends in sorted(parts.items()):
        if len(ends) > 1:
            (test,) = (span for part, span in ends.items() if part != TRAIN)
            found.setdefault(name, []).append(Span(number=number, train=ends[TRAIN], test=test))
    return found


def _picture(spans: Sequence[Span], several: bool) -> Markup:
    row = max(min(ROW, HEIGHT_MAX // len(spans)), ROW_MIN)
    height = TOP + row * len(spans) + 30
    first, last = min(span.train[0] for span in spans), max(span.test[1] for span in spans)
    scale = (WIDTH - LEFT - RIGHT) / (last - first)

    def bar(name: str, ends: tuple[int, int], y: int) -> str:
        x, width = LEFT + (ends[0] - first) * scale, max((ends[1] - ends[0]) * scale, 1.0)
        return f'<rect class="{name}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{max(row - 5, 2)}"/>'

    parts = []
    for place, span in enumerate(spans):
        y = TOP + place * row
        says = f"Window {span.number}: looked at {_said(span.train)}, judged by {_said(span.test)}"
        number = f'<text x="{LEFT - 8}" y="{y + row - 6}" text-anchor="end">{span.number}</text>'
        parts.append(
            f'<a href="{f"?at.window={span.number}" if several else ""}#map"><title>{html.escape(says)}</title>'
            f"{number if row >= ROW else ''}{bar('train', span.train, y)}{bar('test', span.test, y)}</a>"
        )
    label = f"{len(spans)} windows from {_day(first)} to {_day(last)}"
    axis = dates(np.array([first, last - 1, last], np.int64), height)  # as bars, the last of which takes no room
    size = f'viewBox="0 0 {WIDTH} {height}"'
    return Markup(f'<svg class="spans" {size} role="group" aria-label="{label}">{axis}{"".join(parts)}</svg>')


def _said(ends: tuple[int, int]) -> str:
    return f"{_day(ends[0])} to {_day(ends[1])}"


def _day(ms: int) -> str:
    return short_time(np.datetime_as_string(np.datetime64(ms, "ms"), unit="s")).removesuffix(" 00:00")
