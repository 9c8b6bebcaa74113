"""`buff data`: look at a file, and list what is stored."""

from typing import Any

import rich_click as click

from buff.cli.output import fail, json_option, print_json, progress, root_option, table


@click.group("data")
def command() -> None:
    """Inspect files and list stored datasets."""


@command.command("inspect")
@click.argument("csv", nargs=-1, required=True)
@click.option("--profile", metavar="P", help="The CSV's form.  [default: buff]")
@click.option("--timezone", metavar="ZONE", help="The zone of naive times: an IANA name, UTC, or ±HH:MM.")
@click.option("--gaps", metavar="HOW", help="reject, keep or fill missing bars.  [default: reject]")
@click.option("--base-timeframe", metavar="TF", help="The spacing of the rows.  [default: 1m]")
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


@command.command("list")
@root_option
@json_option
def listing(runs_root: str | None, as_json: bool) -> None:
    """List the stored datasets, the newest first."""
    import msgspec

    from buff.cli.run import open_store
    from buff.cli.show import DATASET_COLUMNS, DATASET_NUMBERS, dataset_row

    with open_store(runs_root) as store:
        found = store.datasets()
    if as_json:
        print_json({"items": [msgspec.structs.asdict(entry) for entry in found], "next": None})
        return
    table(DATASET_COLUMNS, [dataset_row(entry) for entry in found], right=DATASET_NUMBERS)
