"""`/datasets`: what a root holds of data, each with its quality and the days on which bars are missing.

An id goes in; the facts of the catalogue and the quality report come out, with a calendar drawn from the stored stamps.
"""

from typing import Annotated, Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from buff import catalogue
from buff.datasets import base_bars, load
from buff.registry.queries import DATASET_SORTS, find_dataset
from buff_web import calendar, query
from buff_web.api.datasets import listed
from buff_web.reading import public_source
from buff_web.site import Asked, Site

LIMIT = 50
RUNS_MAX = 20
NEWEST = "-created"
SORTS = {
    NEWEST: "newest first",
    "created": "oldest first",
    "-rows": "most bars first",
    "-last": "latest bars first",
    "first": "earliest bars first",
}


@get("/datasets", sync_to_thread=True, guards=[query.strict])
def datasets_page(
    site: NamedDependency[Site],
    symbol: Annotated[str | None, query.text(says="only datasets that were stored under this symbol")] = None,
    sort: Annotated[str, query.order(DATASET_SORTS)] = NEWEST,
    after: query.After = 0,
) -> Response[bytes]:
    """Return a page of the stored datasets."""
    page = listed(site, symbol=symbol, sort=sort, limit=LIMIT, after=after)
    asked = (("symbol", symbol), ("sort", None if sort == NEWEST else sort))
    chosen = {name: text for name, text in asked if text is not None}
    return site.page(
        "datasets.html",
        rows=list(catalogue.rows(site.store, page.items)),
        total=page.total,
        first=after,
        chosen=chosen,
        sorts=SORTS,
        newest=query.address("/datasets", chosen),
        next=None if page.next is None else query.address("/datasets", {**chosen, "after": page.next}),
        json=query.address("/api/v1/datasets", chosen),
        command="buff data list",
    )


@get("/datasets/{dataset_id:str}", sync_to_thread=True)
def dataset_page(request: Asked, site: NamedDependency[Site], dataset_id: FromPath[str]) -> Response[Any]:
    """Return one dataset. Raises DatasetNotFound, RunDamaged."""
    query.given(request.scope["query_string"], allowed=())
    entry = find_dataset(site.store.state, dataset_id)
    if entry.dataset_id != dataset_id:
        return Redirect(f"/datasets/{entry.dataset_id}", status_code=302)  # the beginning of an id finds it
    dataset = load(site.store.root, dataset_id)
    made = site.store.runs_of(dataset_id)
    return site.page(
        "dataset.html",
        entry=entry,
        source=public_source(entry.source),
        about=catalogue.about(site.store, entry),
        calendar=calendar.of(base_bars(site.store.root, dataset).ts, dataset.base),
        runs=made[:RUNS_MAX],
        run_count=len(made),
        json=f"/api/v1/datasets/{dataset_id}",
        command=f"buff data show {dataset_id[:16]}",
    )


HANDLERS = (datasets_page, dataset_page)
