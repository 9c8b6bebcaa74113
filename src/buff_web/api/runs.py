"""`/runs` and `/runs/{id}`: what the registry holds, and one run with its manifest and metrics.

A query or an id goes in; entries come out, each with what is wrong with its directory.
"""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter

from buff import LegacyRun, Metric, Run, RunEntry
from buff.errors import BuffError, RunDamaged, RunNotFound
from buff.registry.queries import LEGACY
from buff_web import downloads, query
from buff_web.listing import Row
from buff_web.openapi import answers
from buff_web.reading import entry_of, legacy_document, run_document
from buff_web.site import Asked, Site, json_answer

RunId = Annotated[str, PathParameter(description="the whole id of a run")]


class TriedBy(msgspec.Struct, kw_only=True):
    """A sweep and how many different runs it tried."""

    sweep: str
    trials: int


class Tried(msgspec.Struct, kw_only=True):
    """How many runs were tried beside one: `trials` is the most of what follows.

    `on_symbol` counts the runs of its symbol in this root, archived and reclaimed ones among them, and `sweeps` are
    those whose plans have its inputs. Of the sweeps of `unread` the plan cannot be read: it may belong to them.
    """

    trials: int
    on_symbol: int
    sweeps: list[TriedBy]
    unread: list[str]


class RunRow(msgspec.Struct, kw_only=True):
    """A run of the list; null is what is not known of a legacy run.

    `state` is `damaged` when its manifest cannot be read; `code` then says what reading gave. A legacy run is of the
    previous generation: its times are market time, and its metrics are as they were written, by other formulas.
    """

    run_id: str
    state: str
    code: str | None
    legacy: bool
    seq: int | None
    created: str | None
    inputs_hash: str | None
    manifest_sha256: str | None
    content_sha256: str | None
    dataset_id: str | None
    symbol: str | None
    timeframe: str | None
    start: str | None
    end: str | None
    strategy: str | None
    strategy_version: str | None
    params: dict[str, Any]
    risk_level: int | None
    bars: int | None
    trades: int | None
    metrics: dict[str, Any]
    tried: Tried | None
    sparkline: list[float] | None
    name: str | None
    notes: str | None
    tags: list[str] | None
    by: str | None
    verdict: str | None
    verified_at: str | None
    why: str | None
    reclaimed: int | None
    problems: int | None


_UNKNOWN = dict.fromkeys(RunRow.__struct_fields__)
_UNTOLD = tuple(name for name in RunEntry.__struct_fields__ if name not in _UNKNOWN)


class Fault(msgspec.Struct, kw_only=True):
    """What is wrong: with the journal, so that a list holds what is proven, or with the files of a run."""

    code: str
    message: str


class RunsPage(msgspec.Struct, kw_only=True):
    """Some of the runs that match: `next` is the `after` of the following page, and `cursor` its `cursor`."""

    items: list[RunRow]
    total: int
    next: int | None
    cursor: str | None
    problem: Fault | None


class Facets(msgspec.Struct, kw_only=True):
    """What runs can be narrowed by: of every value of a field how many runs have it, archived ones left out.

    `state` counts all runs; `legacy` is among its values where there are legacy runs.
    """

    total: int
    symbol: dict[str, int]
    timeframe: dict[str, int]
    strategy: dict[str, int]
    risk_level: dict[str, int]
    state: dict[str, int]
    tag: dict[str, int]


class LegacyDocument(msgspec.Struct, kw_only=True):
    """One run of the previous generation: what it has, as it was written; other formulas, other signs.

    Of `decisions` the first 1,000 are told, of `bars` what they are, without the columns.
    """

    run_id: str
    state: str
    legacy: bool
    created: str | None
    symbol: str | None
    timeframe: str | None
    start: str | None
    end: str | None
    strategy: str | None
    strategy_version: str | None
    params: dict[str, Any]
    risk_level: int | None
    metrics: dict[str, Any]

    symbols: list[str]
    timeframe_stated: str | None
    files: list[str]
    request: dict[str, Any] | None
    bars: list[dict[str, Any]]
    trades: list[dict[str, Any]]
    timeline: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    decision_count: int
    malformed: list[dict[str, Any]]
    malformed_count: int
    problems: list[dict[str, Any]]


class RunDocument(msgspec.Struct, kw_only=True):
    """One run: what the registry says, its manifest without the path of its data, its metrics, and how many were tried.

    Of a legacy run there are none of these: `legacy` is what it has, null for any other.
    """

    run_id: str
    registry: RunEntry | None
    manifest: dict[str, Any] | None
    metrics: dict[str, Metric]
    tried: Tried | None
    legacy: LegacyDocument | None


class RunStatus(msgspec.Struct, kw_only=True):
    """What state a run is in: committed, damaged, archived or reclaimed; `verdict` is that of the last verification."""

    run_id: str
    state: str
    problem: Fault | None
    created: str
    by: str
    verdict: str | None
    verified_at: str | None
    why: str | None


@get(
    "/runs",
    sync_to_thread=True,
    dependencies={"filters": query.RUNS},
    responses=answers(RunsPage),
)
def list_runs(request: Asked, site: NamedDependency[Site], filters: NamedDependency[dict[str, Any]]) -> Response[bytes]:
    """Return a page of runs, filtered and sorted, with the legacy runs behind them."""
    page = site.listing.page(filters)
    problem = site.store.problem
    own = [entry for entry in page.items if isinstance(entry, RunEntry)]
    tried = {entry.run_id: found.as_dict() for entry, found in zip(own, site.store.tried(own), strict=True)}
    return json_answer(
        request,
        {
            "items": [_row(row, tried) for row in site.listing.rows(page)],
            "total": page.total,
            "next": page.next,
            "cursor": page.cursor,
            "problem": {"code": problem.code, "message": problem.message} if problem else None,
        },
    )


def _row(row: Row, tried: Mapping[str, Any]) -> dict[str, Any]:
    told = {**_UNKNOWN, **row.document}
    told["tried"] = None if told["legacy"] else tried[row.entry.run_id]
    for name in _UNTOLD:
        told.pop(name, None)
    return told


@get("/facets", sync_to_thread=True, responses=answers(Facets))
def show_facets(request: Asked, site: NamedDependency[Site]) -> Response[bytes]:
    """Return what the list of runs can be narrowed by, with how many runs each value has."""
    found, legacy = site.store.facets(), len(site.listing.legacy())
    return json_answer(
        request,
        {
            "total": found.total,
            **{name: {str(value): count for value, count in counts.items()} for name, counts in found.counts.items()},
            "state": {**found.states, **({LEGACY: legacy} if legacy else {})},
            "tag": found.tagged,
        },
    )


@get(
    "/runs/{run_id:str}",
    sync_to_thread=True,
    responses=answers(RunDocument, RunNotFound, RunDamaged),
)
def show_run(request: Asked, site: NamedDependency[Site], run_id: RunId) -> Response[bytes]:
    """Return one run: registry facts, manifest and metrics; a legacy run with what it has."""
    try:
        run = run_of(site, run_id)
    except RunNotFound:
        legacy = legacy_document(_legacy_of(site, run_id))
        told = {"run_id": run_id, "registry": None, "manifest": None, "metrics": {}, "tried": None, "legacy": legacy}
        return json_answer(request, told)
    return json_answer(request, run_document(run, *site.store.tried([site.store.entry(run.id)])))


@get("/legacy/{run_id:path}", sync_to_thread=True, responses=answers(LegacyDocument, RunNotFound))
def show_legacy(request: Asked, site: NamedDependency[Site], run_id: RunId) -> Response[bytes]:
    """Return one legacy run with what it has. Its id may have a slash: the user it is of, then its own."""
    return json_answer(request, legacy_document(_legacy_of(site, run_id.removeprefix("/"))))


@get("/runs/{run_id:str}/status", sync_to_thread=True, responses=answers(RunStatus, RunNotFound))
def show_status(request: Asked, site: NamedDependency[Site], run_id: RunId) -> Response[bytes]:
    """Return what state a run is in, and whether its files are there; none of them but the manifest is read."""
    entry = entry_of(site.store, run_id)
    fault = site.listing.fault(entry)
    if fault is None and entry.state != "reclaimed":
        fault = _missing(site.store.run(run_id))
    return json_answer(
        request,
        {
            "run_id": entry.run_id,
            "state": "damaged" if fault is not None else entry.state,
            "problem": None if fault is None else {"code": fault.code, "message": fault.message},
            **{name: getattr(entry, name) for name in ("created", "by", "verdict", "verified_at", "why")},
        },
    )


def _missing(run: Run) -> BuffError | None:
    """Return what is wrong with the first artifact that is not a file of the committed size, or None."""
    try:
        for item in run.manifest["artifacts"]:
            downloads.download(run, item["name"])
    except BuffError as error:
        return error
    return None


def _legacy_of(site: Site, run_id: str) -> LegacyRun:
    run = site.listing.legacy_run(run_id)
    if run is None:
        entry_of(site.store, run_id)  # says which run of the root might be meant
        raise RunNotFound(
            f"no legacy run {run_id!r}", hint="`buff run list --legacy` shows them", details={"run_id": run_id}
        )
    return run


def run_of(site: Site, run_id: str) -> Run:
    """Return the run of exactly this id. Raises RunNotFound, RunDamaged."""
    try:
        return site.store.run(entry_of(site.store, run_id).run_id)
    except RunNotFound as error:
        if site.listing.legacy_run(run_id) is None:
            raise
        raise RunNotFound(
            f"run {run_id!r} is a legacy run, which has no such part",
            hint=f"/api/v1/legacy/{quote(run_id)} has all that there is of it",
            details={"run_id": run_id, "legacy": True},
        ) from error


HANDLERS = (list_runs, show_facets, show_run, show_legacy, show_status)
