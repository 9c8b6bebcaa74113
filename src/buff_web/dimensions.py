"""Dimensions: what varies between the requests of a sweep, as axes that a page can draw, cut and sort by.

A plan goes in; the things that vary come out, each with its values in order and the place of every request among them,
and what all requests have alike. No metric is looked at: what a sweep tried is known before anything is made.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from threading import Lock
from typing import Any, TypeAlias

import msgspec
from attrs import field, frozen

from buff import Store, SweepEntry, Timeframe
from buff.sweeps import TEST, TRAIN, read_plan
from buff_web.measures import MEASURES
from buff_web.words import NOTHING, short_time

KEPT = 8  # layouts: of ten thousand runs one takes a megabyte
LABELS: Mapping[str, str] = {
    "strategy": "strategy",
    "risk_level": "risk level",
    "timeframe": "timeframe",
    "dataset": "dataset",
    "symbol": "symbol",
    "window": "window",
    "part": "part",
    "initial_equity": "start equity",
    "commission_bps": "commission in bps",
    "slippage_bps": "slippage in bps",
    "min_fee": "least fee",
}
PARTS: Mapping[str, str] = {TRAIN: "looked at", TEST: "judged by"}
_ORDERS: Mapping[str, Sequence[str]] = {"timeframe": tuple(each.value for each in Timeframe), "part": tuple(PARTS)}
_PLAIN = ("strategy", "risk_level", "timeframe", "dataset", "symbol")
_COSTS = ("initial_equity", "commission_bps", "slippage_bps", "min_fee")
# A grid varies them in this order, and what is asked first is drawn first; what only requests of a file vary is last.
_RANKS = {name: rank for rank, name in enumerate(("risk_level", "timeframe", "dataset", "window", "part"), 1)}

_TAKEN = frozenset({*LABELS, *MEASURES, "at"})  # names that a table and its axes have for something else
_PARAMS = "params."  # before the name of a parameter that has one of these

Named: TypeAlias = Mapping[str, Any]
Places: TypeAlias = tuple[int | None, ...]


@frozen(kw_only=True)
class Dimension:
    """One thing that varies: `texts` are its values in order, as an address has them, `shown` as a reader sees them.

    `places` has the place of each request's value among them, in the order of requests; None where a request that was
    refused said something that no other says. `numeric` where more than one of the values is a number.
    """

    name: str
    label: str
    texts: tuple[str, ...]
    shown: tuple[str, ...]
    places: Places
    numeric: bool = False

    @cached_property
    def place_of(self) -> Mapping[str, int]:
        """The place of each value by its text."""
        return {text: place for place, text in enumerate(self.texts)}

    def told(self, at: int) -> str:
        """Return the value of a request for a reader."""
        place = self.places[at]
        return NOTHING if place is None else self.shown[place]

    def said(self, place: int) -> str:
        """Return a value with what it is of: `fast 5`. A part says it by itself."""
        return self.shown[place] if self.name == "part" else f"{self.label} {self.shown[place]}"


@frozen(kw_only=True)
class Skip:
    """A combination that the strategy does not allow: its place on each dimension that it names, and why."""

    places: Mapping[str, int]
    says: str


@frozen(kw_only=True)
class Layout:
    """The requests of a sweep by what varies between them; `same` is what they have alike, by label."""

    count: int
    varying: tuple[Dimension, ...]
    same: tuple[tuple[str, str], ...] = field(factory=tuple)
    skips: tuple[Skip, ...] = field(factory=tuple)

    @cached_property
    def by_name(self) -> Mapping[str, Dimension]:
        """The dimensions by their names."""
        return {each.name: each for each in self.varying}

    def told(self, at: int) -> str:
        """Return in words where a request lies: `fast 5, slow 20`."""
        found = ((each, each.places[at]) for each in self.varying)
        return ", ".join(f"{each.label} {NOTHING}" if place is None else each.said(place) for each, place in found)


def layout(plan: Mapping[str, Any], *, grid: bool) -> Layout:
    """Return what varies between the requests of a plan, what was skipped of them, and what they have alike.

    What follows from dataset and timeframe is no dimension of its own: a symbol that each dataset has one of, a window
    that nobody asked for. A request that was refused adds its values only where it is one of a `grid`: there they were
    checked, and elsewhere it may say anything.
    """
    made = [_named(each) if "run_id" in each else None for each in plan["runs"]]
    datasets = {named["dataset"]: None for named in made if named is not None}
    refused = {at: _typed(plan["runs"][at]["request"], datasets) for at, named in enumerate(made) if named is None}
    skipped = [_typed(each["request"], datasets) for each in plan["skipped"]]
    sources = _Sources(made=made, refused=refused, others=[*skipped, *(refused.values() if grid else ())])
    ordered = sorted(sources.names, key=lambda name: _RANKS.get(name, 0 if name not in LABELS else len(_RANKS) + 1))
    known = {name: _dimension(name, sources) for name in ordered}
    given = [known[name] for name in ("dataset", "timeframe") if name in known]
    led = {"symbol", *(() if plan["walk"] else ("window",))}
    varying = tuple(
        each
        for name, each in known.items()
        if len(each.texts) > 1 and not (name in led and _follows(each.places, [other.places for other in given]))
    )
    says = [each["says"] for each in plan["skipped"]]
    skips = tuple(Skip(places=_places(named, varying), says=why) for named, why in zip(skipped, says, strict=True))
    same = tuple((each.label, each.shown[0]) for each in known.values() if len(each.texts) == 1)
    return Layout(count=len(made), varying=varying, same=same, skips=skips)


# What a request says -----------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class _Sources:
    """What requests say by names: those of runs in their order, None at the places of those that were refused.

    `others` are combinations that add values without being runs.
    """

    made: Sequence[Named | None]
    refused: Mapping[int, Named]
    others: Sequence[Named]

    @property
    def names(self) -> tuple[str, ...]:
        """Return every name, in the order of its first use."""
        known = (*(named for named in self.made if named is not None), *self.others)
        return tuple({name: None for named in known for name in named})

    def of(self, name: str) -> Iterator[Any]:
        """Yield the values of a name: a run that does not name it has None there, others leave it as it is."""
        yield from (named.get(name) for named in self.made if named is not None)
        yield from (named[name] for named in self.others if name in named)


def _named(each: Mapping[str, Any]) -> Named:
    """Return what the request of a run says, every default written."""
    request = each["request"]
    found = {**_params(request), **{name: request.get(name) for name in (*_PLAIN, *_COSTS)}}
    if "window" in each:
        return {**found, "window": each["window"], "part": each["part"]}
    return {**found, "window": [request.get("start"), request.get("end")]}


def _typed(request: Mapping[str, Any], datasets: Iterable[str]) -> Named:
    """Return what a combination says that is no run: it is as it was typed, so only some of it can be compared."""
    found = {**_params(request), **{name: request[name] for name in ("risk_level", "timeframe") if name in request}}
    typed = request.get("dataset")
    fitting = [each for each in datasets if isinstance(typed, str) and each.startswith(typed)]
    return {**found, "dataset": fitting[0]} if len(fitting) == 1 else found


def _params(request: Mapping[str, Any]) -> dict[str, Any]:
    params = request.get("params")
    if not isinstance(params, Mapping):
        return {}
    return {f"{_PARAMS}{name}" if name in _TAKEN else str(name): value for name, value in params.items()}


# Its values in order -----------------------------------------------------------------------------------------------


def _dimension(name: str, sources: _Sources) -> Dimension:
    values: dict[str, Any] = {}
    for value in sources.of(name):
        values.setdefault(_text(value), value)
    ordered = _ordered(name, values)
    place_of = {text: place for place, text in enumerate(ordered)}
    return Dimension(
        name=name,
        label=LABELS.get(name) or (f"{name.removeprefix(_PARAMS)} (parameter)" if name.startswith(_PARAMS) else name),
        texts=ordered,
        shown=tuple(_shown(name, text, values[text], sources.made) for text in ordered),
        places=tuple(
            place_of.get(_text((sources.refused[at] if named is None else named).get(name)))
            for at, named in enumerate(sources.made)
        ),
        numeric=sum(map(_is_number, values.values())) > 1,
    )


def _text(value: Any) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, str):
        return value or NOTHING
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return " to ".join(map(_text, value)) if isinstance(value, list) else msgspec.json.encode(value).decode()


def _ordered(name: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return values in order: numbers by size, times by time, what has an order of its own by that, else as asked."""
    known = [text for text in values if text != NOTHING]
    if name in _ORDERS:
        order = _ORDERS[name]
        known.sort(key=lambda text: order.index(text) if text in order else len(order))
    elif all(_is_number(values[text]) for text in known):
        known.sort(key=lambda text: values[text])
    elif name == "window":
        known.sort()
    return (*known, *(text for text in values if text == NOTHING))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(name: str, text: str, value: Any, made: Sequence[Named | None]) -> str:
    match name:
        case "window" if isinstance(value, list):
            return " to ".join(short_time(str(bound or NOTHING)).removesuffix(" 00:00") for bound in value)
        case "part":
            return PARTS.get(text, text)
        case "dataset":
            symbols = {each["symbol"]: None for each in made if each is not None and each["dataset"] == value}
            return " ".join([*(symbols if len(symbols) == 1 else ()), text[:8]])
        case _ if isinstance(value, float):
            return f"{value:,.12g}"
        case _:
            return text


def _follows(places: Places, others: Sequence[Places]) -> bool:
    """Say whether the others say together what this one is."""
    seen: dict[tuple[int | None, ...], int | None] = {}
    keys = zip(*others, strict=True) if others else iter([()] * len(places))
    return all(seen.setdefault(key, place) == place for key, place in zip(keys, places, strict=True))


def _places(named: Named, varying: Iterable[Dimension]) -> dict[str, int]:
    return {each.name: each.place_of[_text(named[each.name])] for each in varying if each.name in named}


class Layouts:
    """The layouts of the plans that were looked at last; a plan never changes. Threads may share them."""

    def __init__(self, store: Store) -> None:
        """Read nothing yet."""
        self._store, self._lock = store, Lock()
        self._known: OrderedDict[str, Layout] = OrderedDict()

    def of(self, entry: SweepEntry) -> Layout:
        """Return the layout of a sweep. Raises StorageUnreadable, RunDamaged when its plan is not what was recorded."""
        with self._lock:
            known = self._known.get(entry.plan_sha256)
        if known is not None:
            return known
        found = layout(read_plan(self._store, entry), grid="grid" in entry.asked)
        with self._lock:
            self._known[entry.plan_sha256] = found
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        return found
