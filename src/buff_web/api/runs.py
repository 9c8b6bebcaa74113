"""`/runs` and `/runs/{id}`: what the registry holds, and one run with its manifest and metrics.

A query or an id goes in; entries come out, each with what is wrong with its directory.
"""

from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter

from buff import Metric, Run, RunEntry
from buff.errors import RunDamaged, RunNotFound
from buff_web import query
from buff_web.openapi import answers
from buff_web.reading import entry_of, row_document, rows, run_document
from buff_web.site import Asked, Site, json_answer

RunId = Annotated[str, PathParameter(description="the whole id of a run")]


class RunRow(RunEntry, frozen=True, kw_only=True):
    """A run of the list. `state` is `damaged` when its manifest cannot be read; `code` then says what reading gave."""

    code: str | None


class Fault(msgspec.Struct, kw_only=True):
    """What is wrong with the journal: the list holds what is proven."""

    code: str
    message: str


class RunsPage(msgspec.Struct, kw_only=True):
    """Some of the runs that match: `next` is the `after` of the following page."""

    items: list[RunRow]
    total: int
    next: int | None
    problem: Fault | None


class RunDocument(msgspec.Struct, kw_only=True):
    """One run: what the registry says, its manifest without the path of its data, and its metrics."""

    run_id: str
    registry: RunEntry
    manifest: dict[str, Any]
    metrics: dict[str, Metric]


@get(
    "/runs",
    sync_to_thread=True,
    dependencies={"filters": query.RUNS},
    responses=answers(RunsPage),
)
def list_runs(request: Asked, site: NamedDependency[Site], filters: NamedDependency[dict[str, Any]]) -> Response[bytes]:
    """Return a page of runs, filtered and sorted."""
    page = site.store.runs(**filters)
    problem = site.store.problem
    return json_answer(
        request,
        {
            "items": [row_document(row) for row in rows(site.store, page)],
            "total": page.total,
            "next": page.next,
            "problem": {"code": problem.code, "message": problem.message} if problem else None,
        },
    )


@get("/runs/{run_id:str}", sync_to_thread=True, responses=answers(RunDocument, RunNotFound, RunDamaged))
def show_run(request: Asked, site: NamedDependency[Site], run_id: RunId) -> Response[bytes]:
    """Return one run: registry facts, manifest and metrics."""
    return json_answer(request, run_document(run_of(site, run_id)))


def run_of(site: Site, run_id: str) -> Run:
    """Return the run of exactly this id. Raises RunNotFound, RunDamaged."""
    return site.store.run(entry_of(site.store, run_id).run_id)


HANDLERS = (list_runs, show_run)
