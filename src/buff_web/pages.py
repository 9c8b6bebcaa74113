"""The pages: lists and runs as HTML that works without scripts. Requests go in, rendered templates come out.

A page shows what the registry and the artifacts say and recomputes nothing. Each names its machine form.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from attrs import frozen
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Redirect

from buff import Run, RunEntry
from buff.errors import BuffError
from buff_web import commands, drawings, metrics, query, words
from buff_web.problems import Problem
from buff_web.query import Given, TradesAsked
from buff_web.reading import public_manifest, rows, trades_of
from buff_web.site import Asked, Site

IMMUTABLE = "public, max-age=31536000, immutable"
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
    asked = query.given(request.scope["query_string"], allowed=(*query.FILTERS, "limit", "after"))
    filters = query.run_filters(asked)
    page = site.store.runs(**filters)
    known = site.store.facets()
    chosen = {name: text for name, text in asked.items() if name not in ("sort", "limit", "after")}
    kept = {name: text for name, text in asked.items() if name != "after"}
    before = max(filters["after"] - filters["limit"], 0)
    return site.page(
        "runs.html",
        rows=rows(site.store, page),
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


@get("/runs/{run_id:str}", sync_to_thread=True)
def run_page(request: Asked, site: NamedDependency[Site], run_id: FromPath[str]) -> Response[Any]:
    """Return one run, or what is known of it and what is wrong when it cannot be read."""
    asked = query.given(request.scope["query_string"], allowed=("after",))
    entry = site.store.entry(run_id)
    if entry.run_id != run_id:
        return Redirect(f"/runs/{entry.run_id}", status_code=302)  # the beginning of an id is enough to find it
    after = query.whole(asked, "after", default=0, low=0, high=10**9)
    try:
        shown = _run_values(site.store.run(run_id), after)
    except BuffError as error:
        return site.page("damaged.html", status=error.status, entry=entry, error=error, verify=_verify(entry))
    return site.page("run.html", entry=entry, verify=_verify(entry), **shown)


@get("/assets/{name:path}", sync_to_thread=False)
def asset(site: NamedDependency[Site], name: FromPath[str]) -> Response[bytes]:
    """Return a stylesheet, a module or the chart library; its address is made of its hash."""
    found = site.assets.files.get(name.removeprefix("/"))
    if found is None:
        raise NotFoundException
    return Response(found.body, media_type=found.media_type, headers={"cache-control": IMMUTABLE})


def error_page(site: Site, told: Problem) -> Response[bytes]:
    """Return an error as a page."""
    return site.page("error.html", status=told.status, told=told.document)


def handlers() -> Sequence[HTTPRouteHandler]:
    """Return the handlers of the pages and of what they load."""
    return [home, list_page, run_page, asset]


# The list ----------------------------------------------------------------------------------------------------------


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


# One run -----------------------------------------------------------------------------------------------------------


def _verify(entry: RunEntry) -> str:
    return commands.verify(entry.run_id)


def _run_values(run: Run, after: int) -> dict[str, Any]:
    """Read everything a run's page shows, so that damage anywhere is found before the first byte is sent."""
    equity, bars = run.equity, run.bars
    asked = TradesAsked(first_ms=None, last_ms=None, limit=query.TRADES_LIMIT, after=after)
    first, last = (words.short_time(run.inputs[bound]) for bound in ("start", "end"))
    summary = _summary(run)
    return {
        "run": run,
        "manifest": public_manifest(run),
        "metrics": run.metrics,
        "groups": metrics.groups(run.metrics, run.benchmark),
        "calendar": metrics.calendar(run.returns),
        "bars": len(bars),
        "summary": summary,
        "still": drawings.still(equity, first=first, last=last, label=summary),
        "trades": trades_of(run, asked),
        "after": after,
        "limit": query.TRADES_LIMIT,
        "timeline": run.timeline,
        "quality": run.quality,
        "create": commands.create(run),
    }


def _summary(run: Run) -> str:
    """Return in words what the chart shows."""
    equity, bars = run.equity, run.bars
    return (
        f"Equity from {words.number(run.inputs['initial_equity'])} to {words.number(float(equity[-1]))} over "
        f"{len(equity):,} bars of {bars.timeframe.value}; highest close {words.number(float(equity.max()))}, "
        f"lowest {words.number(float(equity.min()))}, deepest drawdown {words.percent(float(run.drawdown.min()))}; "
        f"price from {words.price(float(bars.open[0]))} to {words.price(float(bars.close[-1]))}, "
        f"{len(run.trades):,} trades."
    )
