"""`/datasets`: what a root holds of data, each with its quality and the days on which bars are missing.

An id goes in; the facts of the catalogue and the quality report come out, with a calendar drawn from the stored stamps.
"""

from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from buff import catalogue
from buff.datasets import base_bars, load
from buff.registry.queries import find_dataset
from buff_web import calendar, query
from buff_web.reading import public_source
from buff_web.site import Asked, Site

LIMIT = 50
RUNS_MAX = 20


@get("/datasets", sync_to_thread=True)
def datasets_page(request: Asked, site: NamedDependency[Site]) -> Response[bytes]:
    """Return a page of the stored datasets, the newest first."""
    asked = query.given(request.scope["query_string"], allowed=("after",))
    after = query.whole(asked, "after", default=0, low=0, high=query.AFTER_MAX)
    entries = site.store.datasets()
    rows = list(catalogue.rows(site.store, entries[after : after + LIMIT]))
    end = after + len(rows)
    return site.page(
        "datasets.html",
        rows=rows,
        total=len(entries),
        first=after,
        next=end if end < len(entries) else None,
        json="/api/v1/datasets",
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
