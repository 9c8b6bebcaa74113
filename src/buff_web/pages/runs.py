"""`/runs`: the list, filtered, sorted and in pages, with the builds under way above it. All of its state is in the
address.

A query goes in; the rows, what else could be asked for with how many runs it has, and the sentence that says what is
shown come out.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import frozen
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.response import Redirect

from buff import LegacyEntry, RunEntry, Timeframe, builds
from buff.registry.queries import STATES
from buff.runs.comparison import RUNS_MAX, RUNS_MIN
from buff_web import commands, query
from buff_web.api.builds import build_document
from buff_web.query import Given
from buff_web.site import Asked, Site

SORTS = (
    ("created", "Run"),
    ("symbol", "Symbol"),
    ("strategy", "Strategy"),
    ("risk_level", "Risk"),
    ("start", "Window"),
    ("net_return", "Return"),
    ("max_drawdown", "Drawdown"),
    ("sharpe", "Sharpe"),
    ("trades", "Trades"),
)
FACETS = (
    ("state", "State"),
    ("symbol", "Symbol"),
    ("timeframe", "Timeframe"),
    ("strategy", "Strategy"),
    ("risk_level", "Risk level"),
    ("tag", "Tag"),
)
FIELDS = ("text", "since", "until")  # what is typed; the rest is chosen
FEW, MANY = 8, 200  # values of a facet that are seen, and that can be unfolded
FAILED_FOR = timedelta(hours=1)  # how long a build that failed is told of
ORDERS: Mapping[str, Sequence[str]] = {"timeframe": tuple(each.value for each in Timeframe), "state": STATES}


@frozen(kw_only=True)
class Choice:
    """One value of a field: how many runs have it, and the address of the list with it, or without what is chosen."""

    value: str
    count: int
    link: str
    chosen: bool


@frozen(kw_only=True)
class Facet:
    """A field that a list can be narrowed by: the values that most runs have, and the others."""

    name: str
    label: str
    few: tuple[Choice, ...]
    more: tuple[Choice, ...]
    left_out: int


@get("/", sync_to_thread=False)
def home() -> Redirect:
    """Send a reader to the list."""
    return Redirect("/runs", status_code=302)


@get("/runs", sync_to_thread=True)
def list_page(request: Asked, site: NamedDependency[Site]) -> Response[bytes]:
    """Return the list of runs; all of its state is in the address."""
    asked = query.given(request.scope["query_string"], allowed=query.RUNS_FIELDS)
    filters = query.run_filters(asked)
    page = site.listing.page(filters)
    found = site.listing.facets(filters)
    every = site.listing.facets({"state": "any"}) if "state" in asked else site.listing.facets({})
    kept = {name: text for name, text in asked.items() if name not in ("after", "cursor")}
    chosen = {name: text for name, text in kept.items() if name not in ("sort", "limit")}
    before = max(filters["after"] - filters["limit"], 0)
    counts = {**found.counts, "state": _states(found.states), "tag": found.tagged}
    return site.page(
        "runs.html",
        rows=site.listing.rows(page),
        tried=_tried(site, page.items),
        total=page.total,
        everything=every.total,
        empty=not chosen and not found.states,
        first=filters["after"],
        kept=kept,
        chosen=chosen,
        sentence=_sentence(chosen, asked.get("sort", "-created")),
        facets=list(_facets(counts, kept)),
        tags=list(every.tagged)[:MANY],
        columns=[_column(name, label, kept) for name, label in SORTS],
        drop={name: _link(_without(kept, name)) for name in FIELDS if name in chosen},
        next=_link({**kept, "after": page.next}) if page.next is not None else None,
        previous=_link({**kept, **({"after": before} if before else {})}) if filters["after"] else None,
        least=RUNS_MIN,
        most=RUNS_MAX,
        builds=_builds(site),
        json=f"/api/v1{_link(asked)}",
        command=commands.list_runs(kept),
    )


HANDLERS = (home, list_page)


def _tried(site: Site, entries: Sequence[RunEntry | LegacyEntry]) -> dict[str, list[Any]]:
    """Return by run the sweeps that have it, with how many runs they tried."""
    own = [each for each in entries if isinstance(each, RunEntry)]
    found = zip(own, site.store.tried(own), strict=True)
    return {entry.run_id: tried.as_dict()["sweeps"] for entry, tried in found}


def _builds(site: Site) -> list[dict[str, Any]]:
    """Return the builds under way and those that failed a moment ago."""
    since = datetime.fromisoformat(site.store.host.clock()) - FAILED_FOR
    found = builds.recent(site.store, since=since.isoformat(timespec="microseconds").replace("+00:00", "Z"))
    return [build_document(build, site.store.root) for build in found]


# What else could be asked for --------------------------------------------------------------------------------------


def _states(found: Mapping[str, int]) -> Mapping[str, int]:
    """Return the states with how many runs are in each; `any` where a list leaves some out by itself."""
    return {**found, **({"any": sum(found.values())} if len(found) > 1 else {})}


def _facets(counts: Mapping[str, Mapping[Any, int]], kept: Given) -> Iterator[Facet]:
    """Yield the fields that would narrow the list, or do: one that all runs have alike does not."""
    for name, label in FACETS:
        counted = {str(value): count for value, count in counts[name].items()}
        chosen = kept.get(name)
        if chosen is not None:
            counted.setdefault(chosen, 0)
        if len(counted) < 2 and chosen is None and name != "tag":
            continue
        often = sorted(counted, key=lambda value: (value != chosen, -counted[value], value))
        few, more = (
            tuple(_choice(name, value, counted[value], kept) for value in sorted(part, key=_order(name)))
            for part in (often[:FEW], often[FEW : FEW + MANY])
        )
        if few:
            yield Facet(name=name, label=label, few=few, more=more, left_out=max(len(often) - FEW - MANY, 0))


def _order(name: str) -> Any:
    known = ORDERS.get(name, ())
    return lambda value: (known.index(value) if value in known else len(known), value)


def _choice(name: str, value: str, count: int, kept: Given) -> Choice:
    chosen = kept.get(name) == value
    link = _link(_without(kept, name) if chosen else {**kept, name: value})
    return Choice(value=value, count=count, link=link, chosen=chosen)


def _column(name: str, label: str, kept: Given) -> dict[str, Any]:
    """Return a heading that sorts, with its address; numbers begin with the largest."""
    found = heading(name, label, kept.get("sort", "-created"), rising=name in ("symbol", "strategy", "start"))
    return {**found, "link": _link({**kept, "sort": found["other"]})}


def heading(name: str, label: str, sort: str, *, rising: bool) -> dict[str, Any]:
    """Return a heading that sorts: how the list is sorted by it, and the `other` order that a click asks for.

    The first click begins with the least where it is `rising`, and the second turns the order around.
    """
    direction = "" if sort.removeprefix("-") != name else "descending" if sort.startswith("-") else "ascending"
    other = {"descending": name, "ascending": f"-{name}"}.get(direction, name if rising else f"-{name}")
    return {"name": name, "label": label, "direction": direction, "other": other}


def _sentence(chosen: Given, sort: str) -> str:
    where = [f"{name.replace('_', ' ')} is {text}" for name, text in chosen.items() if name not in FIELDS]
    if "text" in chosen:
        where.append(f"{chosen['text']} is in it")
    where += [
        f"created {word} {chosen[name]}" for name, word in (("since", "since"), ("until", "before")) if name in chosen
    ]
    name = sort.removeprefix("-")
    order = {"-created": "newest first", "created": "oldest first"}.get(
        sort, f"by {name.replace('_', ' ')}, {'largest' if sort.startswith('-') else 'smallest'} first"
    )
    return ", ".join([*([f"where {' and '.join(where)}"] if where else []), order])


def _without(values: Given, name: str) -> dict[str, str]:
    return {key: text for key, text in values.items() if key != name}


def _link(values: Mapping[str, Any]) -> str:
    return query.address("/runs", values)
