"""`buff store`: look after a root as a whole."""

import re
from typing import Any

import rich_click as click

from buff.cli.output import json_option, print_json, progress, root_option, table
from buff.cli.run import open_store

CHANGED_SHOWN = 20  # so many of what may be every run of a root


@click.group("store")
def command() -> None:
    """Look after a root: what takes its space, freeing some, copying it, bringing a copy back."""


@command.command("stats")
@root_option
@json_option
def stats(runs_root: str | None, as_json: bool) -> None:
    """Show what takes the space of a root. Sizes are those of the files."""
    from attrs import asdict

    from buff.cold import figures
    from buff.space import usage

    with open_store(runs_root) as store:
        found, records = usage(store), figures(store)
    if as_json:
        print_json({**{name: asdict(each) for name, each in found.items()}, "decision_records": records.as_dict()})
        return
    rows = [(name, f"{each.count:,}", f"{each.size_bytes:,}") for name, each in found.items()]
    total = sum(each.size_bytes for each in found.values())
    table(("what", "count", "bytes"), [*rows, ("all", "", f"{total:,}")], right=("count", "bytes"))
    click.echo(
        f"of the runs, decision records: {records.plain_bytes:,} bytes in {records.plain:,} plain, "
        f"{records.compressed_bytes:,} in {records.compressed:,} compressed, which spares {records.spared_bytes:,}"
    )


@command.command("gc")
@click.option("--plan/--apply", "only_plan", default=True, help="Say what would be freed, or free it.  [default: plan]")
@click.option("--archived-runs", is_flag=True, help="The directories of archived runs.")
@click.option("--datasets", is_flag=True, help="Datasets to which no run refers, with their resamples.")
@click.option("--uploads", is_flag=True, help="Uploaded files older than a day.")
@click.option("--orphans", is_flag=True, help="What dead builds left.")
@click.option("--quarantine", is_flag=True, help="Torn tails of the journal that were set aside.")
@click.option("--cache", is_flag=True, help="What charts are cut from; it is made again when it is wanted.")
@root_option
@json_option
def gc(only_plan: bool, runs_root: str | None, as_json: bool, **flags: bool) -> None:
    """Free disk: the only command that does. Without a kind the plan shows every one; --apply wants them named.

    The journal is told before anything is removed. A reclaimed run stays in it: the same inputs make the same run
    again, with the same id.
    """
    from buff.market.spacing import some
    from buff.space import KINDS, free, plan

    kinds = [kind for kind in KINDS if flags[kind.replace("-", "_")]]
    if not only_plan and not kinds:
        raise click.UsageError("Name what to free: " + ", ".join(f"--{kind}" for kind in KINDS) + ".")
    with open_store(runs_root) as store:
        found = plan(store, kinds or KINDS) if only_plan else free(store, kinds)
    if as_json:
        print_json(found.as_dict())
        return
    rows = [(item.kind, item.name, f"{item.size_bytes:,}") for item in found.items]
    if rows:
        table(("kind", "name", "bytes"), rows, right=("bytes",))
    for kind, why in found.kept.items():
        click.echo(f"{kind}: nothing is freed now, {why}", err=True)
    total = sum(item.size_bytes for item in found.items)
    click.echo(f"{'freed' if found.applied else 'would free'} {total:,} bytes, {some(len(rows), 'name')}")


SECONDS = {"h": 3_600, "d": 86_400, "w": 604_800}


def _seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Return an age, a whole number of hours, days or weeks, in seconds."""
    if value is None:
        return None
    found = re.fullmatch(r"([0-9]{1,5})([hdw])", value, re.ASCII)
    if found is None:
        raise click.BadParameter(f"{value!r} is no age: give hours, days or weeks, as in 12h, 30d or 8w.", ctx, param)
    return int(found[1]) * SECONDS[found[2]]


@command.command("compress")
@click.argument("run_ids", nargs=-1, metavar="[RUN_ID]")
@click.option("--plan/--apply", "only_plan", default=True, help="Say what would be done, or do it.  [default: plan]")
@click.option("--older-than", callback=_seconds, metavar="AGE", help="Only runs committed longer ago: 12h, 30d, 8w.")
@click.option("--undo", is_flag=True, help="Make compressed records plain again.")
@root_option
@json_option
def compress(
    run_ids: tuple[str, ...], only_plan: bool, older_than: int | None, undo: bool, runs_root: str | None, as_json: bool
) -> int:
    """Compress the decision records of runs, of all or of those named: most of what a run takes.

    Every byte stays what was committed, and whatever reads a run reads it as before; the journal is told nothing.
    A root with compressed records is read by this version of Buff and later ones. Exit codes: 0 done, 13 done, but for
    runs that are damaged.
    """
    from buff.cold import change, plan

    with open_store(runs_root) as store, progress(quiet=as_json) as bar:
        found = (
            plan(store, run_ids, older_than_seconds=older_than, undo=undo)
            if only_plan
            else change(store, run_ids, older_than_seconds=older_than, undo=undo, progress=bar)
        )
    if as_json:
        print_json(found.as_dict())
    else:
        _print_changed(found)
    return found.exit_code


def _print_changed(found: Any) -> None:
    from buff.market.spacing import some

    rows = [
        (item.run_id, f"{item.before_bytes:,}", *([] if item.after_bytes is None else [f"{item.after_bytes:,}"]))
        for item in found.items
    ]
    if rows:
        table(("run", "bytes", "then")[: len(rows[0])], rows[:CHANGED_SHOWN], right=("bytes", "then"))
    if len(rows) > CHANGED_SHOWN:
        click.echo(f"... and {some(len(rows) - CHANGED_SHOWN, 'more run', 'more runs')}: --json lists them")
    for failure in found.failed:
        click.echo(f"{failure.code}  {failure.message}", err=True)
    done = ("made plain" if found.undo else "compressed") if found.applied else "would change"
    about = "" if found.applied or found.undo else "about "
    click.echo(f"{done} {some(len(rows), 'run')}: {found.before_bytes:,} bytes become {about}{found.after_bytes:,}")


@command.command("backup")
@click.argument("dest")
@root_option
@json_option
def backup(dest: str, runs_root: str | None, as_json: bool) -> int:
    """Copy a root, also one in use, into the new directory DEST, and verify the copy's stored bytes.

    DEST is there only when all of it is copied and verified; an interrupted copy is DEST.partial, from which the next
    attempt goes on. Exit codes: 0 done, 13 or 10 or 12 done and runs are damaged in the root itself, 8 or 9 not done.
    """
    return _copy(runs_root, dest, "backed up", as_json=as_json)


@command.command("restore")
@click.argument("src")
@click.argument("dest")
@json_option
def restore(src: str, dest: str, as_json: bool) -> int:
    """Bring the backup SRC back as the new root DEST, and verify it. Nothing that is there is overwritten.

    Exit codes are those of `backup`.
    """
    return _copy(src, dest, "restored", as_json=as_json)


def _copy(source: str | None, dest: str, done: str, *, as_json: bool) -> int:
    from buff.backup import copy_root

    with open_store(source) as store, progress(quiet=as_json) as bar:
        copied = copy_root(store, dest, progress=bar)
    if as_json:
        print_json(copied.as_dict())
        return copied.exit_code
    _print_copied(copied, done)
    return copied.exit_code


def _print_copied(copied: Any, done: str) -> None:
    from buff.market.spacing import some

    click.echo(
        f"{done} and verified: {some(copied.runs, 'run')}, {some(copied.datasets, 'dataset')}, "
        f"{copied.size_bytes:,} bytes, up to event {copied.seq:,}"
    )
    for verdict in copied.damaged:
        click.echo(f"{verdict.outcome.upper()}  {verdict.run_id}  (so it is in the source, too)")
        for line in verdict.lines():
            click.echo(f"  {line}")
