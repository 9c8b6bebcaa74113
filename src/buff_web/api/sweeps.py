"""`/sweeps`, `/sweeps/{id}` and its results: many declared runs at once, side by side, with how many were tried.

A query or an id goes in; entries, a plan in short and rows come out, in the order in which the runs were asked for
unless a reader wants another. Nothing here begins a sweep or goes on with one: that is done in Python or by a command.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter

from buff import SweepEntry, Trial
from buff.errors import RunDamaged, SweepNotFound
from buff.export import csv_pieces
from buff.registry.queries import SWEEP_SORTS, paged
from buff.sweeps import TEST, TRAIN
from buff.trials import SORTS, flat, ordered
from buff_web import query
from buff_web.openapi import answers
from buff_web.problems import without_paths
from buff_web.site import Asked, Site, answer, json_answer

LIMIT, LIMIT_MAX = 50, 200
ROWS_LIMIT, ROWS_LIMIT_MAX = 100, 1_000
TOLD_MAX = 1_000  # skipped combinations and failures in one answer; the results list every failure
FINISHED, UNFINISHED = "finished", "unfinished"
CSV = "text/csv"

SweepId = Annotated[str, PathParameter(description="the id of a sweep, or the beginning of it")]


class SweepRow(msgspec.Struct, kw_only=True):
    """A sweep of the list. Times are wall clock.

    `state` is unfinished until every run was tried once; `made`, `existed` and `failed` are of the last time it was.
    `requests` is how many were asked for, `trials` how many different runs these are, `committed` how many of them it
    committed, `skipped` how many combinations of its grid the strategy does not allow. `what` says in words what
    `asked` says in values.
    """

    sweep: str
    state: str
    what: str
    asked: dict[str, Any]
    requests: int
    trials: int
    skipped: int
    committed: int
    made: int
    existed: int
    failed: int
    planned: str
    last: str | None
    finished: str | None
    by: str
    plan_sha256: str
    size_bytes: int
    seq: int


class SweepsPage(msgspec.Struct, kw_only=True):
    """Some of the sweeps that match: `next` is the `after` of the following page, and `cursor` its `cursor`."""

    items: list[SweepRow]
    total: int
    next: int | None
    cursor: str | None


class SkippedRow(msgspec.Struct, kw_only=True):
    """A combination that the strategy does not allow, and why."""

    request: dict[str, Any]
    says: str


class FailedRow(msgspec.Struct, kw_only=True):
    """A request of which there is no run, by its place from 0, and why."""

    at: int
    run_id: str | None
    code: str | None
    message: str | None


class WindowRow(msgspec.Struct, kw_only=True):
    """A window of a walk over the bars of one dataset: what is looked at, and what it is judged by; ends exclusive."""

    dataset: str
    timeframe: str
    window: int
    train_start: str
    train_end: str
    test_start: str
    test_end: str


class SweepDocument(SweepRow, kw_only=True):
    """One sweep: its row, and what its plan says.

    `states` counts its requests by what became of them: a state of the registry, failed or missing. `walk` says how it
    walked forward, null where it did not, and `windows` where that led. Of what was `skipped` and what failed the first
    1,000 are told, with the reasons.
    """

    states: dict[str, int]
    walk: dict[str, Any] | None
    windows: list[WindowRow]
    skips: list[SkippedRow]
    failures: list[FailedRow]


class TrialRow(msgspec.Struct, kw_only=True):
    """What became of one request; `at` is its place, from 0.

    `state` is that of the run (damaged when its manifest cannot be read), else failed or missing, with `code` and
    `message` of what went wrong. `window`, `part` (train or test) and `pair`, the place of the other part, are of a
    walk. `trials` is how many different runs the sweep tried, and `deflated_sharpe` the probability that the Sharpe
    ratio is better than the best of as many without merit: information, no verdict.
    """

    at: int
    run_id: str | None
    state: str
    window: int | None
    part: str | None
    pair: int | None
    dataset: str | None
    symbol: str | None
    timeframe: str | None
    start: str | None
    end: str | None
    strategy: str | None
    params: dict[str, Any]
    risk_level: Any
    trials: int
    bars: int | None
    trades: int | None
    metrics: dict[str, float | None]
    deflated_sharpe: float | None
    code: str | None
    message: str | None


class TrialsPage(msgspec.Struct, kw_only=True):
    """Some of the rows of a sweep: `next` is the `after` of the following page."""

    sweep: str
    trials: int
    items: list[TrialRow]
    total: int
    next: int | None


@get("/sweeps", sync_to_thread=True, responses=answers(SweepsPage))
def list_sweeps(
    request: Asked,
    site: NamedDependency[Site],
    strategy: Annotated[str | None, query.text(says="only sweeps of a grid of this strategy")] = None,
    standing: Annotated[
        str | None, query.choice("state", of=(FINISHED, UNFINISHED), says="only sweeps that are")
    ] = None,
    words: Annotated[
        str | None, query.text("text", says="only sweeps with all these words in id, `what` and `by`, in any case")
    ] = None,
    sort: Annotated[str, query.order(SWEEP_SORTS)] = "-created",
    limit: Annotated[int, query.number(low=1, high=LIMIT_MAX, says="at most so many sweeps")] = LIMIT,
    after: query.After = 0,
    cursor: query.Cursor = None,
) -> Response[bytes]:
    """Return a page of the sweeps, the newest first."""
    wanted = (words or "").casefold().split()
    entries = [
        each
        for each in site.store.sweeps()
        if (strategy is None or each.asked.get("strategy") == strategy)
        and (standing is None or _state(each) == standing)
        and all(word in f"{each.sweep} {each.what} {each.by}".casefold() for word in wanted)
    ]
    page = paged(entries, SWEEP_SORTS, sort=sort, limit=limit, after=after, cursor=cursor)
    items = [_row(each, site) for each in page.items]
    return json_answer(request, {"items": items, "total": page.total, "next": page.next, "cursor": page.cursor})


@get("/sweeps/{sweep_id:str}", sync_to_thread=True, responses=answers(SweepDocument, SweepNotFound, RunDamaged))
def show_sweep(request: Asked, site: NamedDependency[Site], sweep_id: SweepId) -> Response[bytes]:
    """Return one sweep: what was asked for, how far it is, what was skipped, what failed, and its windows.

    RUN_DAMAGED where its plan is not what was recorded. There is no address that begins a sweep: `buff sweep` and
    `buff.create_sweep` do, and the runs they make are those of every list.
    """
    found = site.trials.of(sweep_id)
    failed = (row for row in found.rows if row.code is not None)
    document = {
        **_row(found.sweep, site),
        "states": Counter(row.state for row in found.rows),
        "walk": found.walk,
        "windows": found.windows,
        "skips": [{"request": each.request, "says": each.says} for each in found.skipped[:TOLD_MAX]],
        "failures": [
            {"at": row.at, "run_id": row.run_id, "code": row.code, "message": row.message}
            for row, _ in zip(failed, range(TOLD_MAX), strict=False)
        ],
    }
    return json_answer(request, without_paths(document, site.store.root))


@get("/sweeps/{sweep_id:str}/results", sync_to_thread=True, responses=answers(TrialsPage, SweepNotFound, RunDamaged))
def show_sweep_results(
    request: Asked,
    site: NamedDependency[Site],
    sweep_id: SweepId,
    part: Annotated[str | None, query.choice(of=(TRAIN, TEST), says="only this part of a walk")] = None,
    sort: Annotated[str, query.order(SORTS)] = "at",
    limit: Annotated[int, query.number(low=1, high=ROWS_LIMIT_MAX, says="at most so many rows")] = ROWS_LIMIT,
    after: query.After = 0,
) -> Response[bytes]:
    """Return what became of the runs of a sweep, in the order in which they were asked for, unless a reader sorts them.

    How many were tried stands in every row. What has no value comes last, whichever way it is sorted.
    """
    found = site.trials.of(sweep_id)
    rows = ordered([row for row in found.rows if part is None or row.part == part], sort)
    page = rows[after : after + limit]
    end = after + len(page)
    return json_answer(
        request,
        {
            "sweep": found.sweep.sweep,
            "trials": found.sweep.trials,
            "items": _trials(site, page),
            "total": len(rows),
            "next": end if page and end < len(rows) else None,
        },
    )


@get(
    "/sweeps/{sweep_id:str}/results.csv",
    sync_to_thread=True,
    responses=answers(
        bytes,
        SweepNotFound,
        RunDamaged,
        media=(CSV,),
        headers={"content-disposition": "The name to save it under: the sweep's id."},
        says="All rows, as `buff sweep show --csv` writes them.",
    ),
)
def show_sweep_table(request: Asked, site: NamedDependency[Site], sweep_id: SweepId) -> Response[bytes]:
    """Return all rows of a sweep as CSV, in the order in which they were asked for.

    Parameters stand in columns `params.NAME` and metrics in columns of their own; what a row lacks is empty.
    """
    found = site.trials.of(sweep_id)
    columns, rows = flat(found.rows)
    body = b"".join(csv_pieces((rows,), columns))
    headers = {"content-disposition": f'attachment; filename="{found.sweep.sweep}.csv"'}
    return answer(request, body, media_type=CSV, headers=headers)


def _state(entry: SweepEntry) -> str:
    return UNFINISHED if entry.finished is None else FINISHED


def _row(entry: SweepEntry, site: Site) -> dict[str, Any]:
    told = {**msgspec.structs.asdict(entry), "state": _state(entry), "what": entry.what}
    row: dict[str, Any] = without_paths({name: told[name] for name in SweepRow.__struct_fields__}, site.store.root)
    return row


def _trials(site: Site, rows: Sequence[Trial]) -> list[dict[str, Any]]:
    """Return rows as they are told: of each run the manifest is looked at, and a message names no path of ours."""
    runs, told = site.store.state.runs, list[dict[str, Any]]()
    for row in rows:
        known = None if row.run_id is None or not row.metrics else runs.get(row.run_id)
        fault = None if known is None else site.listing.fault(known)
        changed = {} if fault is None else {"state": "damaged", "code": fault.code, "message": fault.message}
        told.append({**row.as_dict(), "pair": row.pair, **changed})
    return [{**each, "message": without_paths(each["message"], site.store.root)} for each in told]


HANDLERS = (list_sweeps, show_sweep, show_sweep_results, show_sweep_table)
