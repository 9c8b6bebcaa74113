"""`/sweeps/{id}`: one sweep: what was asked for, and what became of every run, as a map, as lines and as a table.

An id and what a reader chose go in; the same rows come out three times, in the order in which they were asked for, with
how many were tried beside every number. All of a choice is in the address, and nothing says which run is best.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

from attrs import frozen
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from buff import SweepResults, Trial
from buff.errors import RunConfigInvalid
from buff.registry.queries import find_sweep
from buff.runs.comparison import RUNS_MAX, RUNS_MIN
from buff.sweeps import TEST, TRAIN
from buff.trials import arranged
from buff_web import commands, heatmap, query, spans, strands
from buff_web.dimensions import Dimension, Layout
from buff_web.heatmap import SINGLE, Choice, Drawn
from buff_web.measures import MEASURES, SHORT, is_percentage, measured, text
from buff_web.pages.runs import heading
from buff_web.pages.sweeps import axes as typed_axes
from buff_web.problems import without_paths
from buff_web.query import Given
from buff_web.scales import EVEN, RANK
from buff_web.site import Asked, Site
from buff_web.strands import Axis

LIMIT = 100  # rows on a page of the table
OPTIONS_MAX = 200  # values to choose from; of more one is typed
TOLD = 50  # of what was skipped or failed; the JSON has the rest
WALKED = ("net_return", "sharpe", "max_drawdown", "deflated_sharpe")
HEADS: Mapping[str, str] = {TRAIN: "looked at", TEST: "judged by"}
ORDER = "at"
NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)
Line: TypeAlias = tuple[Trial, ...]  # a row of the table: one request, or both parts of a window
Key: TypeAlias = Callable[[Line], float | None]


@get("/sweeps/{sweep:str}", sync_to_thread=True)
def sweep_page(request: Asked, site: NamedDependency[Site], sweep: FromPath[str]) -> Response[Any]:
    """Return one sweep. Raises SweepNotFound, and what reading its plan raises."""
    entry = find_sweep(site.store.state, sweep)
    if entry.sweep != sweep:
        return Redirect(f"/sweeps/{entry.sweep}", status_code=302)  # the beginning of an id is enough to find it
    layout, found = site.layouts.of(entry), site.trials.of(sweep)
    view = View.of(layout, found, request.scope["query_string"])
    lines = view.lines
    page = lines[view.after : view.after + LIMIT]
    drawn = None if view.choice is None else view.drawn
    return site.page(
        "sweep.html",
        **_facts(site, layout, found),
        view=view,
        map=drawn,
        forms=None if view.choice is None else _choices(view, view.choice),
        narrow=list(_narrow(view)),
        everything=view.without("from.", "to.", "after"),
        cuts=[] if drawn is None else list(_cuts(view, drawn)),
        strands=view.picture(page),
        spans=spans.of(found.rows) if found.walk else (),
        columns=view.columns,
        lines=[{**view.cells(line), "states": [_state(site, row) for row in line]} for line in page],
        total=len(lines),
        least=RUNS_MIN,
        most=RUNS_MAX,
        previous=view.link("rows", after=max(view.after - LIMIT, 0) or None) if view.after else None,
        next=view.link("rows", after=view.after + LIMIT) if view.after + LIMIT < len(lines) else None,
        json=f"/api/v1/sweeps/{entry.sweep}",
        command=commands.show_sweep(entry.sweep),
    )


@get("/sweeps/{sweep:str}/progress", sync_to_thread=True, guards=[query.strict])
def progress_page(site: NamedDependency[Site], sweep: FromPath[str]) -> Response[bytes]:
    """Return how far a sweep is, and nothing else: what a page that is open asks for again and again."""
    entry = find_sweep(site.store.state, sweep)
    return site.page(
        "progress.html",
        entry=entry,
        resume=commands.resume_sweep(entry.sweep),
        json=f"/api/v1/sweeps/{entry.sweep}",
        command=commands.show_sweep(entry.sweep),
    )


HANDLERS = (sweep_page, progress_page)


# What a reader chose -----------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class View:
    """One look at the results of a sweep: what the address says, checked, and what follows from it.

    `within` is the stretch of each axis that runs must lie in, as heights on it.
    """

    layout: Layout
    results: SweepResults
    given: Given
    axes: tuple[Axis, ...]
    metric: str
    choice: Choice | None
    begin: Mapping[str, int]
    within: Mapping[str, tuple[float, float]]
    sort: str
    after: int

    @classmethod
    def of(cls, layout: Layout, found: SweepResults, query_string: bytes) -> "View":
        """Return the view that a query describes. Raises RunConfigInvalid."""
        axes = strands.axes(layout, found.rows)
        dimensions = list(layout.by_name)
        fields = [
            *("x", "y", "by", "metric", "steps", "sort", "after", "x.after", "y.after", "by.after"),
            *(f"at.{name}" for name in dimensions),
            *(f"{bound}.{axis.name}" for axis in axes for bound in ("from", "to")),
        ]
        given = query.given(query_string, allowed=fields)
        metric = query.one_of(given, "metric", of=MEASURES, default="sharpe")
        choice = heatmap.choose(
            layout,
            metric=metric,
            x=query.one_of(given, "x", of=dimensions, default=""),
            y=query.one_of(given, "y", of=dimensions, default=""),
            by=query.one_of(given, "by", of=[*dimensions, SINGLE], default=""),
            at={
                name: query.one_of(given, f"at.{name}", of=each.texts, default="")
                for name, each in layout.by_name.items()
                if f"at.{name}" in given
            },
            steps=query.one_of(given, "steps", of=(EVEN, RANK), default=EVEN),
        )
        view = cls(
            layout=layout,
            results=found,
            given=given,
            axes=axes,
            metric=metric,
            choice=choice,
            begin={name: _whole(given, f"{name}.after") for name in ("x", "y", "by")},
            within=dict(_within(layout, axes, given)),
            sort=given.get("sort", ORDER),
            after=_whole(given, "after"),
        )
        query.one_of(given, "sort", of=[f"{sign}{name}" for name in view.keys for sign in ("", "-")], default=ORDER)
        return view

    def link(self, part: str, **changes: Any) -> str:
        """Return the address of this view with some changes, at a part of the page.

        A change that is None drops a field; `x__after` stands for `x.after`.
        """
        dotted = {name.replace("__", "."): value for name, value in changes.items()}
        values = {name: value for name, value in {**self.given, **dotted}.items() if value is not None}
        return self._address(values, part)

    def without(self, *names: str) -> str:
        """Return the address of this view without some fields, as `kept` has them."""
        return self._address(self.kept(*names), "lines")

    def _address(self, values: Given, part: str) -> str:
        return f"{query.address(f'/sweeps/{self.results.sweep.sweep}', values)}#{part}"

    def kept(self, *names: str) -> dict[str, str]:
        """Return what the address says beside some fields; `at.` stands for all that begin so."""
        return {
            name: said
            for name, said in self.given.items()
            if name not in names and not name.startswith(tuple(each for each in names if each.endswith(".")))
        }

    @cached_property
    def out(self) -> frozenset[int]:
        """The requests that lie outside of what was chosen on the axes."""
        stretches = [(axis.heights, *self.within[axis.name]) for axis in self.axes if axis.name in self.within]
        return frozenset(
            at
            for heights, low, high in stretches
            for at, height in enumerate(heights)
            if height is None or not low <= height <= high
        )

    # The map and the lines

    @cached_property
    def drawn(self) -> Drawn:
        """The maps."""
        assert self.choice is not None, "a map has axes"
        return heatmap.draw(self.layout, self.results.rows, self.choice, begin=self.begin, out=self.out)

    @property
    def few(self) -> bool:
        """Whether every run has a line of its own."""
        return self.layout.count <= strands.LINES_MAX

    def picture(self, page: Sequence[Line]) -> Any:
        """Return the lines: of all runs where they are few, else of those on a page of the table."""
        at = range(self.layout.count) if self.few else [row.at for line in page for row in line]
        mapped = None if self.choice is None else self.drawn.scale
        return strands.picture(
            self.layout,
            self.results.rows,
            self.axes,
            metric=self.metric,
            scale=mapped or heatmap.scale_of(self.results.rows, self.metric, self.given.get("steps", EVEN)),
            lines=at,
            out=self.out,
            within=self.within,
        )

    # The table

    @cached_property
    def shown(self) -> tuple[Dimension, ...]:
        """The dimensions that have a column."""
        walked = self.results.walk is not None
        return tuple(each for each in self.layout.varying if not (walked and each.name == "part"))

    @cached_property
    def keys(self) -> Mapping[str, Key]:
        """What the table can be sorted by."""
        found: dict[str, Key] = {ORDER: lambda line: line[0].at}
        found |= {each.name: _placed(each) for each in self.shown}
        places = {"": 0, TRAIN: 0, TEST: 1}
        return found | {f"{part}.{name}".lstrip("."): _measured(name, places[part]) for name, part in self.measures}

    @cached_property
    def lines(self) -> Sequence[Line]:
        """The rows of the table: in the order of requests, or as the reader sorts them, without those that are out."""
        rows = self.results.rows
        every: Sequence[Line] = self.results.pairs if self.results.walk is not None else [(row,) for row in rows]
        left = [line for line in every if not self.out.issuperset(row.at for row in line)]
        if self.sort == ORDER:
            return left
        return arranged(left, self.keys[self.sort.removeprefix("-")], descending=self.sort.startswith("-"))

    @property
    def columns(self) -> list[dict[str, Any]]:
        """The headings that sort: the request, what varies, and the measures, each of both parts of a walk."""
        named = {ORDER: ("Request", ""), **{each.name: (each.label, "") for each in self.shown}}
        named |= {f"{part}.{name}".lstrip("."): (SHORT[name], HEADS.get(part, "")) for name, part in self.measures}
        return [
            {**found, "part": part, "link": self.link("rows", sort=None if other == ORDER else other, after=None)}
            for name, (label, part) in named.items()
            for found in (heading(name, label, self.sort, rising=name == ORDER or name in self.layout.by_name),)
            for other in (found["other"],)
        ]

    @cached_property
    def measures(self) -> Sequence[tuple[str, str]]:
        """The measures that have a column, and of which part of a walk; none where there are no parts."""
        if self.results.walk is None:
            return [(name, "") for name in SHORT]
        return [(name, part) for name in WALKED for part in HEADS]

    def cells(self, line: Line) -> dict[str, Any]:
        """Return a row of the table."""
        return {
            "rows": line,
            "at": " ".join(str(row.at) for row in line),
            "values": [each.told(line[0].at) for each in self.shown],
            "measures": [text(name, measured(line[1 if part == TEST else 0], name)) for name, part in self.measures],
        }


def _whole(given: Given, name: str) -> int:
    return query.whole(given, name, default=0, low=0, high=query.AFTER_MAX)


def _placed(dimension: Dimension) -> Key:
    return lambda line: dimension.places[line[0].at]


def _measured(name: str, place: int) -> Key:
    return lambda line: measured(line[place], name)


def _within(layout: Layout, axes: Sequence[Axis], given: Given) -> Iterator[tuple[str, tuple[float, float]]]:
    """Yield the stretch of each axis that is chosen, as heights. Raises RunConfigInvalid."""
    for axis in axes:
        ends = [_height(layout, axis, f"{bound}.{axis.name}", given) for bound in ("from", "to")]
        if any(end is not None for end in ends):
            low, high = ends
            yield axis.name, (0.0 if low is None else low, 1.0 if high is None else high)


def _height(layout: Layout, axis: Axis, field: str, given: Given) -> float | None:
    """Return how high on an axis a value lies that was given; a percentage is given as one."""
    if field not in given:
        return None
    if axis.low is None or axis.high is None:
        dimension = layout.by_name[axis.name]
        place = dimension.place_of[query.one_of(given, field, of=dimension.texts, default="")]
        return place / max(len(dimension.texts) - 1, 1)
    said = given[field]
    if not NUMBER.fullmatch(said):
        raise RunConfigInvalid(
            f"{field} {said[:40]!r} is not a number",
            hint="write -1.5, or 10 for ten per cent",
            details={"field": field, "value": said[:40]},
        )
    value = float(said) / (100 if is_percentage(axis.name) else 1)
    span = axis.high - axis.low
    return (value - axis.low) / span if span else 0.5 + value - axis.low  # what is all alike lies in the middle


# What is told beside the results -----------------------------------------------------------------------------------


def _state(site: Site, row: Trial) -> str:
    """Return what became of a request; a run whose manifest cannot be read is damaged, whatever the registry says."""
    known = site.store.state.runs.get(row.run_id) if row.run_id is not None and row.metrics else None
    return "damaged" if known is not None and site.listing.fault(known) is not None else row.state


def _facts(site: Site, layout: Layout, found: SweepResults) -> dict[str, Any]:
    """Return what was swept, and what was skipped and failed of it."""
    entry = found.sweep
    failed = [row for row in found.rows if row.state == "failed"]
    typed = typed_axes(entry)
    told = {"window", "dataset", *(name for name, _, _ in typed)}
    dates = [(row.start, row.end) for row in found.rows if row.run_id is not None and row.start and row.end]
    return {
        "entry": entry,
        "typed": typed,
        "alike": [(label, value) for label, value in layout.same if label not in told],
        "datasets": list({row.dataset: row.symbol for row in found.rows if row.run_id is not None}.items()),
        "window": (min(start for start, _ in dates), max(end for _, end in dates)) if dates else None,
        "walk": found.walk,
        "skipped": found.skipped[:TOLD],
        "skipped_listed": len(found.skipped),
        "failed": [(row, without_paths(row.message, site.store.root)) for row in failed[:TOLD]],
        "failed_listed": len(failed),
        "missing": sum(row.state == "missing" for row in found.rows),
        "resume": commands.resume_sweep(entry.sweep),
        "measure_labels": MEASURES,
        "marks": heatmap.MARKS,
        "undrawn": layout.varying[strands.VARYING_MAX :],
    }


def _choices(view: View, choice: Choice) -> dict[str, Any]:
    """Return what the form of the map offers, and what is chosen in it."""
    names = [(each.name, each.label) for each in view.layout.varying]
    return {
        "names": names,
        "x": choice.x.name,
        "y": choice.y.name if choice.y is not None else None,
        "by": choice.by.name if choice.by is not None else SINGLE,
        "held": [
            {
                "label": each.label,
                "name": f"at.{each.name}",
                "options": _options(each),
                "chosen": each.texts[place],
                "shown": each.shown[place],
            }
            for each, place in choice.held
        ],
        "kept": view.kept("x", "y", "by", "metric", "steps", "at.", "x.after", "y.after", "by.after"),
        "swap": None if choice.y is None else _swapped(view, choice.x, choice.y),
    }


def _swapped(view: View, x: Dimension, y: Dimension) -> str:
    """Return the address at which what is across goes down, each from where it is drawn now."""
    begin = {"x__after": view.given.get("y.after"), "y__after": view.given.get("x.after")}
    return view.link("map", x=y.name, y=x.name, **begin)


def _options(dimension: Dimension) -> list[tuple[str, str]]:
    """Return the values of a dimension as a form has them: what is sent and what is read; none where one is typed."""
    few = len(dimension.texts) <= OPTIONS_MAX
    return list(zip(dimension.texts, dimension.shown, strict=True)) if few else []


def _narrow(view: View) -> Iterator[dict[str, Any]]:
    """Yield the fields by which a stretch of each axis is kept."""
    for axis in view.axes:
        dimension = view.layout.by_name.get(axis.name) if axis.low is None else None
        yield {
            "label": f"{axis.label}, %" if dimension is None and is_percentage(axis.name) else axis.label,
            "options": _options(dimension) if dimension is not None else [],
            "bounds": [
                {"label": bound, "name": name, "said": view.given.get(name, "")}
                for bound in ("from", "to")
                for name in (f"{bound}.{axis.name}",)
            ],
        }


def _cuts(view: View, drawn: Drawn) -> Iterator[dict[str, Any]]:
    """Yield what is told of an axis of which only a part is drawn, with the ways to the rest."""
    for name, cut in (("x", drawn.x), ("y", drawn.y), ("by", drawn.by)):
        if cut.dimension is None or len(cut.places) == cut.total:
            continue
        end = cut.places.stop
        yield {
            "label": cut.dimension.label,
            "first": cut.first + 1,
            "last": end,
            "total": cut.total,
            "previous": view.link("map", **{f"{name}__after": max(cut.first - cut.room, 0) or None})
            if cut.first
            else None,
            "next": view.link("map", **{f"{name}__after": end}) if end < cut.total else None,
        }
