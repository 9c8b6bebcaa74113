"""`/runs`: the list, filtered, sorted and in pages. All of its state is in the address.

A query goes in; the rows, what else could be asked for, and the sentence that says what is shown come out.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from attrs import frozen
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.response import Redirect

from buff_web import commands, query
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


@frozen(kw_only=True)
class Facet:
    """One filter: its field, what is chosen, and every value with how many runs have it."""

    name: str
    chosen: str
    values: tuple[tuple[str, int], ...]


@get("/", sync_to_thread=False)
def home() -> Redirect:
    """Send a reader to the list."""
    return Redirect("/runs", status_code=302)


@get("/runs", sync_to_thread=True)
def list_page(request: Asked, site: NamedDependency[Site]) -> Response[bytes]:
    """Return the list of runs; all of its state is in the address."""
    asked = query.given(request.scope["query_string"], allowed=query.RUNS_FIELDS)
    filters = query.run_filters(asked)
    page = site.store.runs(**filters)
    known = site.store.facets()
    chosen = {name: text for name, text in asked.items() if name not in ("sort", "limit", "after", "cursor")}
    kept = {name: text for name, text in asked.items() if name != "after"}
    before = max(filters["after"] - filters["limit"], 0)
    return site.page(
        "runs.html",
        rows=site.listing.rows(page),
        total=page.total,
        everything=known.total,
        first=filters["after"],
        asked=asked,
        chosen=chosen,
        sentence=_sentence(chosen, asked.get("sort", "-created")),
        facets=_facets(known.counts, asked),
        tags=known.tags,
        columns=[_column(name, label, asked) for name, label in SORTS],
        drop={name: _link({key: text for key, text in kept.items() if key != name}) for name in chosen},
        next=_link({**kept, "after": page.next}) if page.next is not None else None,
        previous=_link({**kept, **({"after": before} if before else {})}) if filters["after"] else None,
        json=f"/api/v1{_link(asked)}",
        command=commands.list_runs({name: text for name, text in asked.items() if name != "after"}),
    )


HANDLERS = (home, list_page)


def _facets(counts: Mapping[str, Mapping[Any, int]], asked: Given) -> list[Facet]:
    facets = []
    for name, found in counts.items():
        counted = {str(value): count for value, count in found.items()}
        chosen = asked.get(name, "")
        if chosen:
            counted.setdefault(chosen, 0)
        facets.append(Facet(name=name, chosen=chosen, values=tuple(sorted(counted.items()))))
    return facets


def _column(name: str, label: str, asked: Given) -> dict[str, Any]:
    """Return a heading that sorts: the second click turns the order around; numbers begin with the largest."""
    sort = asked.get("sort", "-created")
    direction = "" if sort.removeprefix("-") != name else "descending" if sort.startswith("-") else "ascending"
    first = name if name in ("symbol", "strategy", "start") else f"-{name}"
    other = {"descending": name, "ascending": f"-{name}"}.get(direction, first)
    kept = {key: text for key, text in asked.items() if key != "after"}
    return {"name": name, "label": label, "direction": direction, "link": _link({**kept, "sort": other})}


def _sentence(chosen: Given, sort: str) -> str:
    where = [f"{name.replace('_', ' ')} is {text}" for name, text in chosen.items() if name not in ("since", "until")]
    where += [
        f"created {word} {chosen[name]}" for name, word in (("since", "since"), ("until", "before")) if name in chosen
    ]
    name = sort.removeprefix("-")
    order = {"-created": "newest first", "created": "oldest first"}.get(
        sort, f"by {name.replace('_', ' ')}, {'largest' if sort.startswith('-') else 'smallest'} first"
    )
    return ", ".join([*([f"where {' and '.join(where)}"] if where else []), order])


def _link(values: Mapping[str, Any]) -> str:
    return f"/runs?{urlencode(values)}" if values else "/runs"
