"""A scale of colours: the values of one metric to eight steps, with the numbers where they part.

Values go in; the class of each comes out, whose colour is the stylesheet's. Where values lie on both sides of zero it
is the middle, and both sides are as long; a value of exactly zero is a step of its own. Nothing says that more is
better.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from attrs import frozen

STEPS = 8
EVEN, RANK = "even", "rank"  # steps of equal width, or with as many values in each
ZERO = "v0"


@frozen(kw_only=True)
class Step:
    """One step: the class of its colour, and the values from `low` up to `high`."""

    name: str
    low: float
    high: float


@frozen(kw_only=True)
class Scale:
    """The steps in order; `zero` where values lie on both sides of it."""

    steps: tuple[Step, ...]
    zero: bool

    def name(self, value: float) -> str:
        """Return the class of a value within the scale."""
        if self.zero and value == 0:
            return ZERO
        edges = [step.low for step in self.steps[1:]]
        return self.steps[bisect_right(edges, value)].name


def scale(values: Sequence[float], *, by: str = EVEN) -> Scale:
    """Return the scale of some values, at least one."""
    low, high = min(values), max(values)
    if low < 0 < high:
        half = STEPS // 2
        top = max(-low, high)
        below, above = ([each for each in values if each < 0], [each for each in values if each > 0])
        edges = [*_edges(below, -top, 0.0, half, by)[:-1], *_edges(above, 0.0, top, half, by)]
        return Scale(steps=_steps("v", edges), zero=True)
    if low == high:
        return Scale(steps=(Step(name=f"h{STEPS // 2}", low=low, high=high),), zero=False)
    return Scale(steps=_steps("h", _edges(values, low, high, STEPS, by)), zero=False)


def _edges(values: Sequence[float], low: float, high: float, count: int, by: str) -> list[float]:
    """Return where so many steps part, both ends among them."""
    if by == EVEN:
        return [low + (high - low) * step / count for step in range(count)] + [high]
    ordered = sorted(values)
    inner = [ordered[len(ordered) * step // count] for step in range(1, count)]
    if inner[-1] == inner[-2]:  # so many are equal that those above would have their colour
        inner[-1] = next((value for value in ordered if value > inner[-1]), high)
    return [low, *inner, high]


def _steps(letter: str, edges: Sequence[float]) -> tuple[Step, ...]:
    """Return the steps between edges; one without width is none, but for the largest value, which may stand alone."""
    last = len(edges) - 1
    return tuple(
        Step(name=f"{letter}{number}", low=low, high=high)
        for number, (low, high) in enumerate(pairwise(edges), 1)
        if low < high or number == last
    )
