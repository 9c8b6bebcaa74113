"""`/runs/{id}/manifest`, `/metrics`, `/returns`, `/quality` and `/explain`: single documents of a run.

An id goes in; what stands in the artifact comes out, and for `/explain` the story of one trade or one bar.
"""

from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency

from buff import Metric
from buff.errors import RateLimited, RunConfigInvalid, RunDamaged, RunNotFound
from buff.times import iso
from buff_web import query
from buff_web.api.runs import RunId, Tried, run_of
from buff_web.openapi import answers
from buff_web.reading import public_manifest
from buff_web.site import Asked, Site, json_answer


class Metrics(msgspec.Struct, kw_only=True):
    """The metrics of a run by id, those of buy and hold by the ids of the run's own, and how many runs were tried."""

    run_id: str
    metrics: dict[str, Metric]
    benchmark: dict[str, Metric]
    tried: Tried


@get(
    "/runs/{run_id:str}/manifest",
    sync_to_thread=True,
    responses=answers(
        dict[str, Any], RunNotFound, RunDamaged, says="manifest.json, without the path the data once had."
    ),
)
def show_manifest(request: Asked, site: NamedDependency[Site], run_id: RunId) -> Response[bytes]:
    """Return what went in and what came out: the manifest, without the path its data had on some machine."""
    return json_answer(request, public_manifest(run_of(site, run_id)))


@get("/runs/{run_id:str}/metrics", sync_to_thread=True, responses=answers(Metrics, RunNotFound, RunDamaged))
def show_run_metrics(request: Asked, site: NamedDependency[Site], run_id: RunId) -> Response[bytes]:
    """Return every number of a run with its formula, and buy and hold beside it."""
    run = run_of(site, run_id)
    (tried,) = site.store.tried([site.store.entry(run.id)])
    told = {"metrics": run.metrics, "benchmark": run.benchmark, "tried": tried.as_dict()}
    return json_answer(request, {"run_id": run.id, **told})


@get(
    "/runs/{run_id:str}/returns",
    sync_to_thread=True,
    responses=answers(dict[str, Any], RunNotFound, RunDamaged, says="returns.json."),
)
def show_returns(request: Asked, site: NamedDependency[Site], run_id: RunId) -> Response[bytes]:
    """Return what every month and year made of the equity, beside buy and hold."""
    return json_answer(request, run_of(site, run_id).returns)


@get(
    "/runs/{run_id:str}/quality",
    sync_to_thread=True,
    responses=answers(dict[str, Any], RunNotFound, RunDamaged, says="quality_report.json."),
)
def show_quality(request: Asked, site: NamedDependency[Site], run_id: RunId) -> Response[bytes]:
    """Return what was checked in the data and what was found."""
    return json_answer(request, run_of(site, run_id).quality)


@get(
    "/runs/{run_id:str}/explain",
    responses=answers(
        dict[str, Any],
        RunNotFound,
        RunDamaged,
        RunConfigInvalid,
        RateLimited,
        says="What `buff run explain --json` prints.",
    ),
)
async def explain(
    request: Asked,
    site: NamedDependency[Site],
    run_id: RunId,
    trade: Annotated[int | None, query.number(low=0, high=query.AFTER_MAX, says="a trade by its number")] = None,
    bar: Annotated[int | None, query.number(low=0, high=query.AFTER_MAX, says="a bar by its number")] = None,
    at: Annotated[str | None, query.instant(says="a bar by the time at which it opens")] = None,
) -> Response[bytes]:
    """Return the story of one trade, or of one bar: what was decided and why, what was filled, and its sums again.

    One of `trade`, `bar` and `at` is given.
    """
    given = [name for name, value in (("trade", trade), ("bar", bar), ("at", at)) if value is not None]
    if len(given) > 1:
        raise query.contradiction(*given[:2])
    place = bar if at is None else iso(query.instant_ms("at", at))

    def told() -> Response[bytes]:
        return json_answer(request, site.details.checked(run_of(site, run_id)).explain(trade=trade, bar=place))

    return await site.turns.read(told)


HANDLERS = (show_manifest, show_run_metrics, show_returns, show_quality, explain)
