"""`buff data`: look at a file, store it as a dataset, and look at what is stored."""

import sys
from typing import Any

import rich_click as click

from buff.cli.output import (
    errors_option,
    fail,
    json_option,
    print_json,
    progress,
    reading_options,
    root_option,
    surroundings,
    table,
)


@click.group("data")
def command() -> None:
    """Inspect files, take them in, and list, show, compare and export stored datasets."""


@command.command("inspect")
@click.argument("csv", nargs=-1, required=True)
@reading_options
@json_option
def inspect(csv: tuple[str, ...], as_json: bool, **options: Any) -> int:
    """Say what Buff understands of a file: rows, range in UTC, problems by line. Nothing is stored.

    Exit codes: 0 the file would be accepted, 4 it would be refused.
    """
    from buff.cli.inspect import inspected, print_inspected

    with progress(quiet=as_json) as show:
        found, refusal = inspected(csv, options, progress=show)
    if as_json:
        print_json(found)
        return 0 if refusal is None else refusal.exit_code
    print_inspected(found)
    return 0 if refusal is None else fail(refusal, as_json=False)


@command.command("profiles")
@click.argument("name", required=False)
@json_option
def profiles(name: str | None, as_json: bool) -> None:
    """List the forms of files that Buff knows, or show what one of them declares."""
    from buff.cli.profiles import PROFILE_COLUMNS, profile_row
    from buff.market.options import table_of
    from buff.market.profiles import PROFILES, profile

    if name is not None:
        print_json(table_of(profile(name)))
    elif as_json:
        print_json({"items": [table_of(each) for each in PROFILES.values()], "next": None})
    else:
        table(PROFILE_COLUMNS, [profile_row(each) for each in PROFILES.values()])


@command.command("ingest")
@click.argument("csv", nargs=-1, required=True)
@click.option("--symbol", metavar="S", help="What is traded, such as BTCUSDT.")
@reading_options
@errors_option
@root_option
@json_option
def ingest(csv: tuple[str, ...], runs_root: str | None, errors_out: str | None, as_json: bool, **options: Any) -> None:
    """Store files as one dataset, without a run. The same bars are stored once, whatever file brings them.

    Several files are one dataset, in the order given.
    """
    from buff.cli.config import all_offences
    from buff.cli.datasets import print_ingest
    from buff.deposit import deposit

    host, settings = surroundings()
    values = {"csv": list(csv), **{name: value for name, value in options.items() if value is not None}}
    with progress(quiet=as_json) as show, all_offences(errors_out, values, settings):
        stored = deposit(values, root=runs_root or settings.runs_root, host=host, settings=settings, progress=show)
    for warning in stored.warnings:
        click.echo(f"Warning: {warning}", err=True)
    if as_json:
        print_json(stored.as_dict())
    else:
        print_ingest(stored)


@command.command("ingests")
@root_option
@json_option
def ingests(runs_root: str | None, as_json: bool) -> None:
    """List every ingest, the newest first: stored, rejected, running, or interrupted with no end in the journal."""
    from buff.catalogue import ingests as all_ingests
    from buff.cli.datasets import INGEST_COLUMNS, INGEST_NUMBERS, INGEST_SPARE, ingest_row
    from buff.cli.run import open_store

    with open_store(runs_root) as store:
        found = all_ingests(store)[::-1]
    if as_json:
        print_json({"items": [entry.as_dict() for entry in found], "next": None})
        return
    table(INGEST_COLUMNS, [ingest_row(entry) for entry in found], right=INGEST_NUMBERS, spare=INGEST_SPARE)


@command.command("list")
@root_option
@json_option
def listing(runs_root: str | None, as_json: bool) -> None:
    """List the stored datasets, the newest first."""
    from buff.catalogue import listed
    from buff.cli.datasets import LIST_COLUMNS, LIST_NUMBERS, LIST_SPARE, dataset_row
    from buff.cli.run import open_store

    with open_store(runs_root) as store:
        found = listed(store)
    if as_json:
        print_json({"items": found, "next": None})
        return
    table(LIST_COLUMNS, [dataset_row(entry) for entry in found], right=LIST_NUMBERS, spare=LIST_SPARE)


limit_option = click.option(
    "--limit", type=click.IntRange(0), default=20, show_default=True, help="At most this many lines of each list."
)


@command.command("show")
@click.argument("dataset_id", metavar="ID")
@limit_option
@root_option
@json_option
def show(dataset_id: str, limit: int, runs_root: str | None, as_json: bool) -> None:
    """Show one dataset: its bars, its quality, where it came from, who uses it. The beginning of an id is enough."""
    from buff.catalogue import described
    from buff.cli.datasets import print_dataset
    from buff.cli.run import open_store

    with open_store(runs_root) as store:
        found = described(store, dataset_id)
    if as_json:
        print_json(found)
    else:
        print_dataset(found, limit=limit)


@command.command("diff")
@click.argument("first", metavar="ID")
@click.argument("second", metavar="ID2")
@limit_option
@root_option
@json_option
def diff(first: str, second: str, limit: int, runs_root: str | None, as_json: bool) -> int:
    """Compare two datasets of one base row by row: rows only one has, and rows with other values.

    Rows are counted exactly and matched by their open stamp; the first that differ are listed. Exit codes: 0 the same
    bars, 1 they differ.
    """
    from buff.cli.datasets import print_revision
    from buff.cli.run import open_store
    from buff.revision import revision

    with open_store(runs_root) as store:
        found = revision(store, first, second, limit=limit)
    if as_json:
        print_json(found.as_dict())
    else:
        print_revision(found)
    return 1 if found.differing else 0


@command.command("export")
@click.argument("dataset_id", metavar="ID")
@click.option("--out", metavar="FILE", required=True, help="Where to write; - is standard output, for CSV.")
@click.option("--timeframe", metavar="TF", help="Complete bars of a coarser timeframe.  [default: the base]")
@click.option("--format", metavar="F", help="csv, parquet or feather.  [default: what FILE ends in]")
@click.option("--from", "start", metavar="T", help="First bar: a UTC date or an ISO time with a zone.")
@click.option("--to", "end", metavar="T", help="End of the range, exclusive.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@root_option
@json_option
def export(dataset_id: str, out: str, runs_root: str | None, as_json: bool, **options: Any) -> None:
    """Write a dataset's bars to a file that other programs read.

    A CSV of all base bars comes back as the same dataset. Bars that gaps=fill made are marked in a column `filled`,
    which Parquet and Feather files always have, and which no ingest of a CSV reads.
    """
    from buff.cli.datasets import extract_lines
    from buff.cli.run import open_store
    from buff.extract import extract

    if as_json and out == "-":
        raise click.UsageError("--json and --out - would both write to standard output.")
    with open_store(runs_root) as store:
        done = extract(store, dataset_id, out=out, stdout=sys.stdout.buffer.write, **options)
    if as_json:
        print_json(done.as_dict())
        return
    for line in extract_lines(done):
        click.echo(line, err=out == "-")
