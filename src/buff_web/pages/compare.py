"""`/compare`: two to eight runs side by side, the first of them the base.

Ids go in; what differs in inputs and metrics, the curves on one axis and the first differing decisions come out, the
same that the API tells. With fewer than two ids the page lets a reader choose.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from litestar import Response, get
from litestar.di import NamedDependency

from buff import Metric, Run
from buff.runs import comparison
from buff_web import commands, drawings, metrics, query
from buff_web.reading import entry_of
from buff_web.site import Site

POINTS = 400  # of a curve: as many as the drawing has room for
CHOICES = 50


@get("/compare", guards=[query.strict])
async def compare_page(
    site: NamedDependency[Site],
    run: Annotated[
        list[str] | None, query.text(says="a run to compare, two to eight times; the first is the base")
    ] = None,
    differing: Annotated[bool, query.choice(of=("true", "false"), says="show only what differs")] = False,
) -> Response[bytes]:
    """Return two to eight runs side by side, or the runs that could be."""
    run_ids = run or []
    if len(run_ids) < comparison.RUNS_MIN:
        return await asyncio.to_thread(_choose, site, run_ids)  # reads little, and so waits for nobody
    return await site.turns.read(_compared, site, run_ids, differing=differing)


HANDLERS = (compare_page,)


def _compared(site: Site, run_ids: list[str], *, differing: bool) -> Response[bytes]:
    comparison.check(run_ids)
    entries = [entry_of(site.store, run_id) for run_id in run_ids]
    runs = [site.details.checked(site.store.run(entry.run_id)) for entry in entries]
    found = comparison.compare(runs, points=POINTS)
    told = urlencode([("run", run_id) for run_id in run_ids])
    return site.page(
        "compare.html",
        runs=found["runs"],
        inputs=_only(found["inputs"], differing=differing),
        groups=_groups(runs, _only(found["metrics"], differing=differing)),
        pictures=_pictures(found),
        decisions=found["decisions"],
        tried=dict(zip(run_ids, (each.as_dict()["sweeps"] for each in site.store.tried(entries)), strict=True)),
        place={run_id: place for place, run_id in enumerate(run_ids, 1)},
        differing=differing,
        other=f"/compare?{told}" + ("" if differing else "&differing=true"),
        less={run_id: _link([each for each in run_ids if each != run_id]) for run_id in run_ids},
        first={run_id: _link([run_id, *(each for each in run_ids if each != run_id)]) for run_id in run_ids},
        json=f"/api/v1/compare?{told}",
        command=commands.compare(run_ids),
    )


def _choose(site: Site, run_ids: Sequence[str]) -> Response[bytes]:
    page = site.store.runs(limit=CHOICES)
    chosen = {entry_of(site.store, run_id).run_id for run_id in run_ids}
    command = "buff run list"
    return site.page("choose.html", entries=page.items, chosen=chosen, json="/api/v1/runs", command=command)


def _link(run_ids: Sequence[str]) -> str:
    return f"/compare?{urlencode([('run', run_id) for run_id in run_ids])}"


def _only(rows: Sequence[Mapping[str, Any]], *, differing: bool) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["differs"] or not differing]


def _groups(
    runs: Sequence[Run], rows: Sequence[Mapping[str, Any]]
) -> list[tuple[str, list[tuple[str, bool, list[tuple[str, str]]]]]]:
    """Return (group, [(label, differs, [(value, difference)])]) in reading order; what has no words comes last."""
    by_name = {row["name"]: row for row in rows}
    others = tuple((name, name.replace("_", " ")) for name in by_name if name not in metrics.LABELS)
    found = [
        (
            title,
            [
                (label, by_name[name]["differs"], _cells(runs, by_name[name]))
                for name, label in members
                if name in by_name
            ],
        )
        for title, members in (*metrics.GROUPS, ("Buy and hold", others))
    ]
    return [group for group in found if group[1]]


def _cells(runs: Sequence[Run], row: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [_cell(row["name"], run.metrics.get(row["name"]), by) for run, by in zip(runs, row["deltas"], strict=True)]


def _cell(name: str, metric: Metric | None, by: float | int | None) -> tuple[str, str]:
    if metric is None:
        return "–", "this run has no such metric"
    if metric.value is None:
        return "–", metrics.reason(metric.null_reason)
    return metrics.text(name, metric), "" if not by else metrics.delta(name, metric, by)


def _pictures(found: Mapping[str, Any]) -> dict[str, Any]:
    curves, count = found["curves"], len(found["runs"])
    return {
        "equity": drawings.overlay(
            curves["ts"], curves["equity"], label=f"Equity of {count} runs, each from 100", fractions=False
        ),
        "drawdown": drawings.overlay(
            curves["ts"], curves["drawdown"], label=f"Drawdown of {count} runs", fractions=True
        ),
    }
