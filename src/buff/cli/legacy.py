"""Legacy runs on a terminal: beside the others in a list, one by one, and as a plan to make them again.

What the user typed goes in; pages, runs and text come out. An artifacts root that the environment names and that is
not there is said on stderr and hides nothing; one that was typed is an error.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import rich_click as click

from buff import canonical
from buff.cli.output import surroundings, table
from buff.errors import RunConfigInvalid, RunsRootInvalid, StorageFull
from buff.files import NO_SPACE, RealDisk, replace_file
from buff.legacy.fields import text
from buff.legacy.records import LegacyTrade
from buff.legacy.root import LegacyRoot, artifacts_root_of, behind, is_legacy
from buff.legacy.run import LegacyEntry, LegacyRun
from buff.registry.queries import Page, Query
from buff.registry.rows import RunEntry
from buff.runs.sketch import short
from buff.store import Store
from buff.times import iso

if TYPE_CHECKING:
    from buff.proof import Verdict

CELL_MAX = 100


def legacy_root(artifacts_root: str | None) -> LegacyRoot:
    """Return the artifacts root that was typed or that the environment names. Raises RunsRootUnset, RunsRootInvalid."""
    _, settings = surroundings()
    return LegacyRoot(artifacts_root_of(artifacts_root or settings.artifacts_root))


def _beside(artifacts_root: str | None) -> LegacyRoot | None:
    """Return the artifacts root to show beside a runs root, or None."""
    _, settings = surroundings()
    if artifacts_root is None and settings.artifacts_root is None:
        return None
    try:
        return legacy_root(artifacts_root)
    except RunsRootInvalid as error:
        if artifacts_root is not None:
            raise
        click.echo(f"No legacy runs are shown: ARTIFACTS_ROOT names no directory. {error.hint}", err=True)
        return None


def only(artifacts_root: str | None, as_of: int | None, filters: Mapping[str, Any]) -> Page[LegacyEntry]:
    """Return a page of nothing but legacy runs. Raises RunConfigInvalid when asked for them at a seq."""
    if as_of is not None:
        raise RunConfigInvalid(
            "legacy runs are in no journal, so there is no list of them as of an event",
            hint="leave out --as-of or --legacy",
            details={"field": "as_of"},
        )
    root = legacy_root(artifacts_root)
    _tell(root)
    return root.runs(**filters)


def continued(
    page: Page[RunEntry], artifacts_root: str | None, filters: Mapping[str, Any]
) -> Page[RunEntry | LegacyEntry]:
    """Return a page of runs with the legacy runs behind them, where there are any."""
    root = _beside(artifacts_root)
    if root is not None:
        _tell(root)
    return behind(page, () if root is None else root.entries(), Query(**filters))


def _tell(root: LegacyRoot) -> None:
    for problem in root.problems:
        click.echo(f"legacy: {problem.file} {problem.says}", err=True)


def legacy_run(run_id: str, store: Store | None, artifacts_root: str | None) -> LegacyRun | None:
    """Return the legacy run an id means, or None when it means a run of the store. Without a store only legacy runs
    are looked at. Raises RunNotFound.
    """
    if store is None:
        return legacy_root(artifacts_root).run(run_id)
    root = _beside(artifacts_root)
    if root is None or not is_legacy(run_id, store.state.runs, root.ids()):
        return None
    return root.run(run_id)


def unverifiable(run: LegacyRun) -> "Verdict":
    """Return the verdict on every legacy run: its inputs are missing, so nothing can be recomputed."""
    from buff.proof import Verdict

    return Verdict(
        run_id=run.id,
        outcome="inputs_missing",
        findings=(
            "a legacy run cannot be verified: no hash of its data, its strategy or its files was kept",
            "`buff run import-legacy` says what it takes to make it again",
            *(f"{problem.file}: {problem.says}" for problem in run.problems if problem.kind == "damage"),
        ),
    )


def print_legacy(run: LegacyRun, *, trades: int = 10) -> None:
    """Print a legacy run for a person."""
    click.echo(repr(run))
    facts = (
        ("created", f"{run.created} (the earliest time in its data)" if run.created else None),
        ("symbol", ", ".join(run.symbols) or None),
        ("timeframe", run.timeframe),
        ("strategy", " ".join(filter(None, (run.strategy, run.strategy_version))) or None),
        ("risk level", run.risk_level),
        ("decisions", f"{len(run.decisions):,}, {sum(each.blocked for each in run.decisions):,} blocked"),
        ("timeline", f"{len(run.timeline):,} entries"),
        *(("bars", f"{bars.file}: {len(bars):,} of {bars.timeframe}, {bars.start} to {bars.end}") for bars in run.bars),
        ("files", ", ".join(run.files)),
    )
    table(("fact", "value"), [(name, "–" if value is None else str(value)) for name, value in facts])
    rows = [(text(name) or "–", _cell(value)) for name, value in run.metrics.items()]
    table(("metric, as written", "value"), rows, right=("value",))
    click.echo(f"{len(run.trades)} rows of trades" + (f", the last {trades}:" if len(run.trades) > trades else ""))
    if run.trades:
        table(
            ("row", "side", "time", "price", "exit", "price", "pnl", "status"),
            [_trade_row(each) for each in run.trades[-trades:]],
            right=("price", "pnl"),
        )
    if run.problems:
        table(("problem", "file", "what"), [(each.kind, each.file or "–", each.says) for each in run.problems])


def _cell(value: Any) -> str:
    if isinstance(value, dict | list):
        return canonical.encode(value).decode()[:CELL_MAX]
    return "–" if value is None else short(text(value)) if isinstance(value, str) else short(value)


def _trade_row(trade: LegacyTrade) -> list[str]:
    return [
        str(trade.row),
        trade.side or "–",
        "–" if trade.ts is None else iso(trade.ts),
        short(trade.price),
        "–" if trade.exit_ts is None else iso(trade.exit_ts),
        short(trade.exit_price),
        short(trade.pnl),
        trade.status or trade.kind,
    ]


def print_plan(plan: Mapping[str, Any]) -> None:
    """Print a migration plan for a person: a table, then the commands."""
    for problem in plan["problems"]:
        click.echo(f"legacy: {problem['file']} {problem['says']}", err=True)
    if not plan["runs"]:
        click.echo("No legacy runs here: a run is a directory with metrics.json, decision_records.jsonl or the like.")
        return
    columns = ("run", "created", "strategy", "today", "decisions", "trades", "bars", "problems", "missing")
    table(columns, [_plan_row(run) for run in plan["runs"]], right=columns[4:8])
    for run in plan["runs"]:
        click.echo(f"\n{run['run_id']}: {run['strategy']['says']}")
        for note in run["notes"]:
            click.echo(f"  {note}")
        click.echo(f"  {run['command']}")
    click.echo()
    for note in plan["notes"]:
        click.echo(note)


def _plan_row(run: Mapping[str, Any]) -> list[str]:
    present = run["present"]
    return [
        run["run_id"],
        (run["created"] or "–")[:16].replace("T", " "),
        run["strategy"]["legacy"] or "–",
        run["strategy"]["buff"] or "–",
        str(present["decisions"]),
        str(present["trades"]),
        str(sum(bars["bars"] for bars in present["bars"])),
        str(len(run["problems"])),
        ", ".join(run["missing"]),
    ]


def write_plan(path: str, plan: Mapping[str, Any], root: LegacyRoot) -> None:
    """Write a plan as JSON into a new file. Raises RunConfigInvalid where that may not or cannot be, StorageFull."""
    target = os.path.join(os.path.realpath(os.path.dirname(path) or "."), os.path.basename(path))
    if os.path.commonpath((target, root.path)) == root.path:
        raise _not_there("the plan would be written into the artifacts root, where nothing is ever written")
    disk = RealDisk()
    if disk.exists(target):
        raise _not_there("the file for the plan exists already")
    try:
        replace_file(disk, target + ".partial", target, (canonical.document(dict(plan)),))
    except OSError as error:
        if error.errno in NO_SPACE:
            raise StorageFull("the disk has no room for the plan", hint="free some space") from error
        raise _not_there(f"the plan cannot be written: {error.strerror}") from error


def _not_there(says: str) -> RunConfigInvalid:
    return RunConfigInvalid(says, hint="give --out another file, or leave it out", details={"field": "out"})
