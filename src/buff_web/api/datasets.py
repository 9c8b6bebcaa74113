"""`/datasets` and `/datasets/{id}`: what a root holds of data, where each came from, and what was made of it.

A query or an id goes in; entries come out, and the quality report of one.
"""

from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter

from buff import Page, catalogue
from buff.errors import DatasetNotFound, RunDamaged
from buff.registry.queries import DATASET_SORTS, find_dataset, paged
from buff.registry.state import DatasetEntry
from buff_web import query
from buff_web.openapi import answers
from buff_web.query import After
from buff_web.reading import public_source
from buff_web.site import Asked, Site, json_answer

LIMIT, LIMIT_MAX = 50, 200
RUNS_MAX = 100

DatasetId = Annotated[str, PathParameter(description="the whole id of a dataset")]


class DatasetRow(msgspec.Struct, kw_only=True):
    """A stored dataset. `source` is of the first file it came from; `first` and `last` are its bars' open stamps."""

    dataset_id: str
    seq: int
    created: str
    base_timeframe: str
    rows: int
    first: str
    last: str
    first_ts: int
    last_ts: int
    gaps: int
    filled: int
    symbols: list[str]
    sources: int
    source: dict[str, Any]
    size_bytes: int


class DatasetsPage(msgspec.Struct, kw_only=True):
    """Some of the datasets that match: `next` is the `after` of the following page, and `cursor` its `cursor`."""

    items: list[DatasetRow]
    total: int
    next: int | None
    cursor: str | None


class Made(msgspec.Struct, kw_only=True):
    """A run that was made of a dataset."""

    run_id: str
    symbol: str
    timeframe: str
    strategy: str
    state: str
    created: str


class DatasetDocument(msgspec.Struct, kw_only=True):
    """One dataset: its columns with their hashes, the quality report, its resamples, and the runs made of it.

    `runs` are the latest 100 of `run_count`; `source` is where it was first taken from.
    """

    dataset_id: str
    schema: str
    base_timeframe: str
    rows: int
    first: str
    last: str
    gaps: int
    missing: int
    filled: int
    zero_volume: int
    symbols: list[str]
    size_bytes: int
    columns: list[dict[str, Any]]
    quality: dict[str, Any]
    resamples: list[dict[str, Any]]
    created: str
    seq: int
    source: dict[str, Any]
    sources: list[str]
    runs: list[Made]
    run_count: int


@get("/datasets", sync_to_thread=True, responses=answers(DatasetsPage))
def list_datasets(
    request: Asked,
    site: NamedDependency[Site],
    symbol: Annotated[str | None, query.text(says="only datasets that were stored under this symbol")] = None,
    sort: Annotated[str, query.order(DATASET_SORTS)] = "-created",
    limit: Annotated[int, query.number(low=1, high=LIMIT_MAX, says="at most so many datasets")] = LIMIT,
    after: After = 0,
    cursor: query.Cursor = None,
) -> Response[bytes]:
    """Return a page of the stored datasets, the newest first."""
    page = listed(site, symbol=symbol, sort=sort, limit=limit, after=after, cursor=cursor)
    items = [_public(each) for each in catalogue.rows(site.store, page.items)]
    return json_answer(request, {"items": items, "total": page.total, "next": page.next, "cursor": page.cursor})


@get("/datasets/{dataset_id:str}", sync_to_thread=True, responses=answers(DatasetDocument, DatasetNotFound, RunDamaged))
def show_dataset(request: Asked, site: NamedDependency[Site], dataset_id: DatasetId) -> Response[bytes]:
    """Return one dataset with its quality report and the runs that were made of it."""
    entry = find_dataset(site.store.state, dataset_id)
    if entry.dataset_id != dataset_id:
        raise DatasetNotFound(
            f"no dataset {dataset_id!r} in this root",
            hint=f"did you mean {entry.dataset_id}?",
            details={"dataset_id": dataset_id},
        )
    made = site.store.runs_of(dataset_id)
    document = {
        **catalogue.about(site.store, entry),
        **{name: getattr(entry, name) for name in ("created", "seq", "sources")},
        "source": public_source(entry.source),
        "runs": [{name: getattr(run, name) for name in Made.__struct_fields__} for run in made[:RUNS_MAX]],
        "run_count": len(made),
    }
    return json_answer(request, document)


def listed(
    site: Site, *, symbol: str | None, sort: str, limit: int, after: int, cursor: str | None = None
) -> Page[DatasetEntry]:
    """Return a page of the stored datasets, all or those that were stored under a symbol, in any case."""
    entries = [each for each in site.store.datasets() if symbol is None or symbol.upper() in each.symbols]
    return paged(entries, DATASET_SORTS, sort=sort, limit=limit, after=after, cursor=cursor)


def _public(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "source": public_source(row["source"])}


HANDLERS = (list_datasets, show_dataset)
