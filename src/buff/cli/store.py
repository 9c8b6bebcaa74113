"""`buff store`: look after a root as a whole."""

from typing import Any

import rich_click as click

from buff.cli.output import json_option, print_json, progress, root_option
from buff.cli.run import open_store


@click.group("store")
def command() -> None:
    """Look after a root: copy it, bring a copy back."""


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
    click.echo(
        f"{done} and verified: {copied.runs:,} runs, {copied.datasets:,} datasets, {copied.size_bytes:,} bytes, "
        f"up to event {copied.seq:,}"
    )
    for verdict in copied.damaged:
        click.echo(f"{verdict.outcome.upper()}  {verdict.run_id}  (so it is in the source, too)")
        for line in verdict.lines():
            click.echo(f"  {line}")
