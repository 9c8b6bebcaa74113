"""`buff-journal`: look at a journal, prove it, rebuild what is projected from it, and repair what a crash left.

Arguments go in, text or JSON and an exit code come out. Nothing is written except by `repair --apply`.
"""

import sys
from collections.abc import Sequence

import rich_click as click
from click.exceptions import Exit

from buff._version import __version__
from buff.cli.output import fail, json_option, print_json
from buff.errors import BuffError
from buff.files import RealDisk
from buff.host import this_host
from journal_tools.repair import apply, plan
from journal_tools.replay import replay
from journal_tools.report import Report
from journal_tools.show import show
from journal_tools.verify import claimed, verify

root_argument = click.argument("root", type=click.Path())


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="buff-journal")
def buff_journal() -> None:
    """Show, verify, replay and repair the journal of a runs root.

    Exit codes: 0 in order, 2 usage, 8 the journal or the root is refused, 9 the disk could not be read or index.json is
    not what the journal says.
    """


@buff_journal.command("show")
@root_argument
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only events of this type; may be repeated.")
@click.option("--after", type=click.IntRange(0), default=0, metavar="SEQ", help="Only events behind SEQ.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the last N of them.")
@json_option
def show_command(root: str, types: Sequence[str], after: int, limit: int | None, as_json: bool) -> int:
    """Print events, one per line; with --json each line exactly as stored, ready for jq."""
    reading, lines = show(RealDisk(), root, boot=this_host().boot, types=types, after=after, limit=limit)
    for line in lines:
        key = f" key={line.key}" if line.key else ""
        click.echo(
            line.raw.decode() if as_json else f"{line.seq:>8} {line.time} {line.type}{key} {line.data.decode()}",
            nl=not as_json,
        )
    if not reading.confirmed:
        click.echo("No HEAD says how far this journal was acknowledged: it may have been cut.", err=True)
    return 0 if reading.problem is None else fail(reading.problem, as_json=as_json)


@buff_journal.command("verify")
@root_argument
@click.option("--receipt", metavar="SEQ:SHA256", help="Also prove that this event is in the journal.")
@json_option
def verify_command(root: str, receipt: str | None, as_json: bool) -> int:
    """Check every byte of the journal, HEAD and the index against each other. Works on a read-only copy."""
    try:
        claim = None if receipt is None else claimed(receipt)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--receipt") from error
    return _print(verify(RealDisk(), root, receipt=claim), as_json)


@buff_journal.command("replay")
@root_argument
@click.option("--as-of", type=click.IntRange(1), metavar="SEQ", help="Print the index as it was after event SEQ.")
@json_option
def replay_command(root: str, as_of: int | None, as_json: bool) -> int:
    """Fold the journal again and compare the result with index.json, byte for byte."""
    report, index = replay(RealDisk(), root, boot=this_host().boot, as_of=as_of)
    if as_of is not None:
        click.echo(index.decode(), nl=False)
        return report.exit_code
    return _print(report, as_json)


@buff_journal.command("repair")
@root_argument
@click.option("--plan/--apply", "planning", default=True, help="Say what would be done (default), or do it.")
@json_option
def repair_command(root: str, planning: bool, as_json: bool) -> int:
    """Do what a writer does at open, and set a torn tail aside that has no HEAD. Nothing that counts is ever cut."""
    disk = RealDisk()
    return _print(plan(disk, root) if planning else apply(disk, root, host=this_host()), as_json)


def _print(report: Report, as_json: bool) -> int:
    if as_json:
        print_json(report.values)
    else:
        for name, value in report.values.items():
            click.echo(f"{name.replace('_', ' '):>12}  {value}")
    return report.exit_code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; return its exit code. Errors of the world end here, bugs keep their traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        result = buff_journal.main(given, prog_name="buff-journal", standalone_mode=False)
    except Exit as leaving:
        return int(leaving.exit_code)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BuffError as error:
        return fail(error, as_json="--json" in given)
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    sys.exit(main())
