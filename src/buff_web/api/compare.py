"""`/compare`: two to eight runs side by side, the first of them the base.

Ids go in; inputs with what differs marked, metrics with differences, curves on one axis and the first differing
decisions come out.
"""

from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from buff.errors import RateLimited, RunDamaged, RunNotFound
from buff.runs import comparison
from buff_web import query
from buff_web.api.runs import Tried, run_of
from buff_web.openapi import answers
from buff_web.site import Asked, Site, json_answer

POINTS, POINTS_MIN = 1_000, 50


class Compared(msgspec.Struct, kw_only=True):
    """One of the runs, in the order they were named in; the first is the base."""

    run_id: str
    name: str | None
    symbol: str
    timeframe: str
    start: str
    end: str
    strategy: str
    risk_level: int
    bars: int
    trades: int
    tried: Tried


class Input(msgspec.Struct, kw_only=True):
    """An input by its dotted name: the value of each run, null where one has none."""

    name: str
    values: list[Any]
    differs: bool


class MetricRow(msgspec.Struct, kw_only=True):
    """A metric: the value of each run, how far each lies from the first, and why one has none."""

    name: str
    unit: str
    values: list[Any]
    deltas: list[float | None]
    notes: list[str | None]
    differs: bool


class Curves(msgspec.Struct, kw_only=True):
    """Equity over start equity times 100, and drawdown, of each run at the instants `ts`; null where it has none."""

    ts: list[int]
    equity: list[list[float | None]]
    drawdown: list[list[float | None]]


class Parting(msgspec.Struct, kw_only=True):
    """The first record in which two runs over the same bars differ; null where they never do, or had other bars."""

    a: str
    b: str
    same_bars: bool
    first: dict[str, Any] | None


class Comparison(msgspec.Struct, kw_only=True):
    """Two to eight runs side by side."""

    runs: list[Compared]
    inputs: list[Input]
    metrics: list[MetricRow]
    curves: Curves
    decisions: list[Parting]


_RUNS = QueryParameter(
    description="The whole id of a run, two to eight times; the first is the base.",
    required=True,
    schema_extra={
        "type": "array",
        "items": {"type": "string", "pattern": r"^[^\s].*[^\s]$"},
        "minItems": comparison.RUNS_MIN,
        "maxItems": comparison.RUNS_MAX,
        "uniqueItems": True,
    },
)


@get("/compare", responses=answers(Comparison, RunNotFound, RunDamaged, RateLimited))
async def compare_runs(
    request: Asked,
    site: NamedDependency[Site],
    run: Annotated[list[str] | None, _RUNS] = None,
    points: Annotated[
        int, query.number("max", low=POINTS_MIN, high=query.BUCKETS_MAX, says="at most so many points of a curve")
    ] = POINTS,
) -> Response[bytes]:
    """Return what differs between runs: inputs, metrics, curves, and the first decision of each pair that does."""
    return await site.turns.read(_compared, request, site, run or [], points)


def _compared(request: Asked, site: Site, run_ids: list[str], points: int) -> Response[bytes]:
    comparison.check(run_ids)
    runs = [site.details.checked(run_of(site, run_id)) for run_id in run_ids]
    found = comparison.compare(runs, points=points)
    tried = site.store.tried([site.store.entry(each.id) for each in runs])
    compared = [{**each, "tried": of.as_dict()} for each, of in zip(found["runs"], tried, strict=True)]
    return json_answer(request, {**found, "runs": compared})


HANDLERS = (compare_runs,)
