"""`buff build`: what is made in the background for a server, seen and ended from the command line."""

from typing import Any

import rich_click as click

from buff.cli.output import json_option, print_json, root_option, table
from buff.cli.run import open_store

COLUMNS = ("build", "requested", "status", "what", "result", "by")
SPARE = ("by", "requested")
DATASET_DIGITS = 16  # of an id that people see and type


@click.group("build")
def command() -> None:
    """See and end what a server makes in the background: runs and datasets that were asked for through it."""


@command.command("list")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="How many to show.")
@click.option("--after", type=click.IntRange(0), default=0, help="Leave out so many, to page on.")
@root_option
@json_option
def list_(limit: int, after: int, runs_root: str | None, as_json: bool) -> None:
    """List builds, the newest first."""
    from buff.builds import listed

    with open_store(runs_root) as store:
        page = listed(store, limit=limit, after=after)
    if as_json:
        print_json({"items": [build.as_dict() for build in page.items], "total": page.total, "next": page.next})
        return
    table(COLUMNS, [_row(build) for build in page.items], spare=SPARE)
    if page.next is not None:
        click.echo(f"{page.total - page.next:,} more: --after {page.next}", err=True)


@command.command("show")
@click.argument("build")
@root_option
@json_option
def show(build: str, runs_root: str | None, as_json: bool) -> None:
    """Show BUILD, by its id or the beginning of it: how far it is, what it made, or why it failed."""
    from buff.builds import status

    with open_store(runs_root) as store:
        found = status(store, build)
    _print(found, as_json=as_json)


@command.command("cancel")
@click.argument("build")
@click.option("--why", metavar="TEXT", help="Why, for whoever asked for it.")
@root_option
@json_option
def cancel(build: str, why: str | None, runs_root: str | None, as_json: bool) -> None:
    """End BUILD without a result. One that runs ends within a moment; one that has ended stays as it is."""
    from buff import builds

    with open_store(runs_root) as store:
        builds.cancel(store, build, why=why)
        found = builds.status(store, build)
    _print(found, as_json=as_json)


def _print(build: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(build.as_dict())
        return
    for name, value in _lines(build):
        click.echo(f"{name:<10} {value}")


def _lines(build: Any) -> list[tuple[str, str]]:
    """Return what is known of a build, one thing a line."""
    entry = build.entry
    lines = [
        ("build", entry.job),
        ("status", _status(build)),
        ("what", _what(build)),
        ("run", build.run_id),
        ("dataset", entry.dataset_id),
        ("failed", entry.code and f"{entry.code}: {entry.message}"),
        ("what to do", entry.hint),
        ("asked for", f"{_time(entry.requested)} by {entry.by}"),
        ("begun", entry.started and _time(entry.started)),
        ("ended", entry.ended and _time(entry.ended)),
        ("repeats", entry.retry_of),
    ]
    return [(name, value) for name, value in lines if value]


def _row(build: Any) -> list[str]:
    entry = build.entry
    result = entry.code or build.run_id or (entry.dataset_id or "–")[:DATASET_DIGITS]
    return [entry.job, _time(entry.requested), _status(build), _what(build), result, entry.by]


def _status(build: Any) -> str:
    """Say where a build stands, with its place in the queue or how far it is."""
    entry, progress = build.entry, build.progress
    said = [entry.status]
    if build.position is not None:
        said.append(f"number {build.position}")
    if progress is not None:
        share = f" {100 * progress.done // progress.total} %" if progress.total else ""
        said.append(f"{progress.stage}{share}")
    if build.stalled:
        said.append("no progress for a minute")
    if entry.open and entry.cancelled_by is not None:
        said.append(f"to be ended by {entry.cancelled_by}")
    return ", ".join(said)


def _what(build: Any) -> str:
    """Say what was asked for, in a few words of the request."""
    request = build.entry.request
    words = [request.get(name) for name in ("symbol", "timeframe", "strategy")]
    return " ".join([build.entry.kind, *(str(word) for word in words if word)])


def _time(text: str) -> str:
    return text[:19].replace("T", " ")
