"""Heat maps of a sweep: two of the things that vary as axes, one measure as colour, a cell for each run.

Rows of results and their layout go in, with what a reader chose; tables of cells come out, for a page to draw. Nothing
is summed up: what is no axis is held at one value, which is said, or has a map for each of its values. Where several
runs fall into one cell the first in the order of requests is shown, and how many there are. A combination that was
skipped, failed, is missing or has no such value has a mark of its own, so that none of them looks like a zero.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from attrs import field, frozen

from buff import Trial
from buff_web.dimensions import Dimension, Layout
from buff_web.measures import MEASURES, Brief, measured, text
from buff_web.scales import EVEN, Scale, scale

SIDE_MAX, CELLS_MAX, MAPS_MAX = 60, 2_500, 12  # of what is drawn at once; the rest is a link away
BY_VALUES_MAX, BY_CELLS_MAX = 6, 1_200  # of maps that are drawn side by side without being asked for
SINGLE = "-"  # what stands for no dimension
MARKS: Mapping[str, tuple[str, str]] = {  # of a cell without a value: its sign and its meaning
    "empty": ("–", "the run has no such value"),
    "failed": ("▲", "failed"),
    "missing": ("…", "not made"),
    "skipped": ("", "skipped: the strategy does not allow it"),
    "blank": ("", "not asked for"),
}
Spot = tuple[int, int, int]  # places by map, column and row


@frozen(kw_only=True)
class Choice:
    """What a map shows: the dimensions that are its axes, and at which place each of the others is held.

    `y` is None where only one thing varies, `by` where there is one map.
    """

    metric: str
    x: Dimension
    y: Dimension | None
    by: Dimension | None
    held: tuple[tuple[Dimension, int], ...]
    steps: str = EVEN


@frozen(kw_only=True)
class Cut:
    """The part of an axis that is drawn: `first` is the place of its first value, and `room` how many fit."""

    dimension: Dimension | None
    first: int
    room: int

    @cached_property
    def places(self) -> range:
        """The places that are drawn."""
        return range(self.first, min(self.first + self.room, self.total))

    @property
    def total(self) -> int:
        """How many values there are."""
        return len(self.dimension.texts) if self.dimension is not None else 1

    @property
    def shown(self) -> list[str]:
        """The values that are drawn, as a reader sees them."""
        return [self.dimension.shown[place] for place in self.places] if self.dimension is not None else [""]


@frozen(kw_only=True)
class Cell:
    """One cell: a number on its colour, or a mark. `at` are the requests that lie here, in order; `run_id` is shown.

    `many` is how many they are; a run that was asked for twice is one.
    """

    name: str
    text: str
    title: str
    at: tuple[int, ...] = ()
    run_id: str | None = None
    many: int = 0
    out: bool = False


@frozen(kw_only=True)
class HeatMap:
    """One table: what it is held at, and its rows, each with what stands before it."""

    title: str
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@frozen(kw_only=True)
class Drawn:
    """The maps of a choice, their axes as far as they are drawn, the scale, and what is told of the rest.

    `several` cells have more than one request; `elsewhere` counts the rows that lie on none of these axes.
    """

    choice: Choice
    x: Cut
    y: Cut
    by: Cut
    maps: tuple[HeatMap, ...]
    scale: Scale | None
    brief: Brief
    several: int
    elsewhere: int
    marks: tuple[str, ...]


# What is drawn -----------------------------------------------------------------------------------------------------


def choose(
    layout: Layout,
    *,
    metric: str,
    x: str = "",
    y: str = "",
    by: str = "",
    at: Mapping[str, str] | None = None,
    steps: str = EVEN,
) -> Choice | None:
    """Return what a map shows: what was asked for, and for the rest the first things that vary, numbers before names.

    Without `by` what was looked at and what it is judged by stand side by side, or else what has few values; with `-`
    there is one map. What is left is held where `at` says, or where the first request is. None where nothing
    varies.
    """
    free = sorted(layout.varying, key=lambda each: (each.name == "part", not each.numeric))
    if not free:
        return None
    across = layout.by_name[x] if x else free[0]
    free.remove(across)
    down = next((each for each in free if each.name == y), free[0] if free else None)
    if down is not None:
        free.remove(down)
    beside = next((each for each in free if each.name == by), None)
    if beside is None and by != SINGLE:
        beside = _beside(free, _size(across) * _size(down))
    if beside is not None:
        free.remove(beside)
    axes = [each for each in (across, down, beside) if each is not None]
    held = tuple(_held(layout, free, axes, at or {}))
    return Choice(metric=metric, x=across, y=down, by=beside, held=held, steps=steps)


def _size(dimension: Dimension | None) -> int:
    return 1 if dimension is None else len(dimension.texts)


def _beside(free: Sequence[Dimension], cells: int) -> Dimension | None:
    parts = [each for each in free if each.name == "part"]
    few = [each for each in free if _size(each) <= min(BY_VALUES_MAX, BY_CELLS_MAX // cells)]
    return next(iter([*parts, *few]), None)


def _held(
    layout: Layout, free: Iterable[Dimension], axes: Sequence[Dimension], at: Mapping[str, str]
) -> Iterator[tuple[Dimension, int]]:
    """Yield where each other dimension is held; what has one value left has nothing to hold."""
    left = [row for row in range(layout.count) if all(each.places[row] is not None for each in axes)]
    for each in sorted(free, key=lambda each: each.name != "strategy"):  # parameters follow from it
        places = dict.fromkeys(place for row in left if (place := each.places[row]) is not None)
        if each.name in at:
            place = each.place_of[at[each.name]]
        elif len(places) > 1:
            place = next(iter(places))
        else:
            continue
        left = [row for row in left if each.places[row] == place]
        yield each, place


# The cells ---------------------------------------------------------------------------------------------------------


def draw(
    layout: Layout,
    rows: Sequence[Trial],
    choice: Choice,
    *,
    begin: Mapping[str, int],
    out: frozenset[int] | set[int] = frozenset(),
) -> Drawn:
    """Return the maps of a choice. `begin` has the first place of `x`, `y` and `by` that is drawn; `out` are dim."""
    x = _cut(choice.x, begin.get("x", 0), SIDE_MAX)
    y = _cut(choice.y, begin.get("y", 0), min(SIDE_MAX, max(CELLS_MAX // len(x.places), 1)))
    size = len(x.places) * len(y.places)
    by = _cut(choice.by, begin.get("by", 0), min(MAPS_MAX, max(CELLS_MAX // size, 1)))
    painter = _Painter(
        layout=layout,
        rows=rows,
        choice=choice,
        scale=scale_of(rows, choice.metric, choice.steps),
        brief=Brief(choice.metric, _values(rows, choice.metric)),
        out=out,
    )
    maps = tuple(_map(painter, x, y, by, number) for number in by.places)
    cells = [cell for each in maps for _, row in each.rows for cell in row]
    names = {cell.name for cell in cells}
    return Drawn(
        choice=choice,
        x=x,
        y=y,
        by=by,
        maps=maps,
        scale=painter.scale,
        brief=painter.brief,
        several=sum(cell.many > 1 for cell in cells),
        elsewhere=painter.elsewhere,
        marks=tuple(name for name in MARKS if name in names),
    )


def scale_of(rows: Sequence[Trial], metric: str, steps: str) -> Scale | None:
    """Return the scale of a metric over every run of a sweep, so that each map of it has the same; None without any."""
    values = _values(rows, metric)
    return scale(values, by=steps) if values else None


def _values(rows: Sequence[Trial], metric: str) -> list[float]:
    return [value for row in rows if (value := measured(row, metric)) is not None]


def _cut(dimension: Dimension | None, first: int, room: int) -> Cut:
    return Cut(dimension=dimension, first=min(first, max(_size(dimension) - 1, 0)), room=room)


def _map(painter: "_Painter", x: Cut, y: Cut, by: Cut, number: int) -> HeatMap:
    rows = (tuple(painter.cell((number, column, row)) for column in x.places) for row in y.places)
    title = "" if by.dimension is None else by.dimension.said(number)
    return HeatMap(title=title, rows=tuple(zip(y.shown, rows, strict=True)))


@frozen(kw_only=True)
class _Painter:
    """What every cell is made of."""

    layout: Layout
    rows: Sequence[Trial]
    choice: Choice
    scale: Scale | None
    brief: Brief
    out: frozenset[int] | set[int]
    _axes: tuple[Dimension | None, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Name the axes in the order of a spot."""
        object.__setattr__(self, "_axes", (self.choice.by, self.choice.x, self.choice.y))

    @cached_property
    def spots(self) -> Mapping[Spot, list[int]]:
        """The requests of every spot, of those that are held where the choice holds them."""
        found: dict[Spot, list[int]] = {}
        columns = [[0] * self.layout.count if each is None else each.places for each in self._axes]
        held = [(each.places, place) for each, place in self.choice.held]
        for at, spot in enumerate(zip(*columns, strict=True)):
            if None not in spot and all(places[at] == place for places, place in held):
                found.setdefault(spot, []).append(at)
        return found

    @property
    def elsewhere(self) -> int:
        """How many requests lie on none of the axes, whatever is held."""
        axes = [each.places for each in self._axes if each is not None]
        return sum(any(places[at] is None for places in axes) for at in range(self.layout.count))

    @cached_property
    def skips(self) -> Mapping[tuple[int | None, ...], str]:
        """Why combinations are skipped, by their spot; None stands for every place."""
        found = dict[tuple[int | None, ...], str]()
        for skip in self.layout.skips:
            if all(skip.places.get(each.name, place) == place for each, place in self.choice.held):
                spot = tuple(0 if each is None else skip.places.get(each.name) for each in self._axes)
                found.setdefault(spot, skip.says)
        return found

    def cell(self, spot: Spot) -> Cell:
        """Return the cell of a spot."""
        found = self.spots.get(spot, ())
        if not found:
            return self._without(spot)
        many = len({self.rows[at].run_id or at for at in found})
        at = next((at for at in found if measured(self.rows[at], self.choice.metric) is not None), found[0])
        row, value = self.rows[at], measured(self.rows[at], self.choice.metric)
        if value is not None:
            assert self.scale is not None, "a value has a scale"
            name, written = self.scale.name(value), self.brief.text(value)
        else:
            name = row.state if row.state in ("failed", "missing") else "empty"
            written = MARKS[name][0]
        return Cell(
            name=name,
            text=written,
            title=self._title(at, value, name, many),
            at=tuple(found),
            run_id=row.run_id if row.state not in ("failed", "missing") else None,
            many=many,
            out=self.out.issuperset(found),
        )

    def _title(self, at: int, value: float | None, name: str, many: int) -> str:
        row = self.rows[at]
        if value is not None:
            says = f"{MEASURES[self.choice.metric]} {text(self.choice.metric, value)}, one of {row.trials:,} tried"
        else:
            says = f"{MARKS[name][1]}{f', {row.code}' if row.code else ''}"
        more = f"; the first of {many} requests here" if many > 1 else ""
        return f"{self.layout.told(at)}: {says}{more}"

    def _without(self, spot: Spot) -> Cell:
        masks = ((by, x, y) for by in (spot[0], None) for x in (spot[1], None) for y in (spot[2], None))
        why = next((self.skips[mask] for mask in masks if mask in self.skips), None)
        name = "blank" if why is None else "skipped"
        where = ", ".join(
            f"{each.label} {each.shown[place]}"
            for each, place in zip(self._axes, spot, strict=True)
            if each is not None
        )
        return Cell(name=name, text="", title=f"{where}: {why or MARKS['blank'][1]}")
