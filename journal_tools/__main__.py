"""`buff-journal`: look at a journal, prove it, rebuild what is projected from it, and repair what a crash left.

Arguments go in, text or JSON and an exit code come out. Nothing is written except by `repair --apply`.
"""

import contextlib
import functools
import sys
import time
from collections.abc import Sequence

import rich_click as click
from click.exceptions import Exit

from buff._version import __version__
from buff.cli.output import fail, json_option, print_json
from buff.errors import BuffError
from buff.files import RealDisk
from buff.host import this_host
from buff.journal.line import Line
from buff.journal.record import Acceptance
from journal_tools.repair import apply, plan, salvage
from journal_tools.replay import fully, replay
from journal_tools.report import Report
from journal_tools.show import follow, show
from journal_tools.verify import claimed, verify

FOLLOW_SECONDS = 0.2
root_argument = click.argument("root", type=click.Path())


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="buff-journal")
def buff_journal() -> None:
    """Show, verify, replay and repair the journal of a runs root.

    Exit codes: 0 in order, 2 usage, 3 there is no such loss to accept or nothing to salvage, 8 the journal or the root
    is refused, 9 the disk could not be read or index.json is not what the journal says.
    """


@buff_journal.command("show")
@root_argument
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    help="Only events of this type, in any version unless one is named; repeatable.",
)
@click.option("--after", type=click.IntRange(0), default=0, metavar="SEQ", help="Only events behind SEQ.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the last N of them.")
@click.option("--follow", "following", is_flag=True, help="Go on with events as they are acknowledged, until Ctrl-C.")
@json_option
def show_command(root: str, types: Sequence[str], after: int, limit: int | None, following: bool, as_json: bool) -> int:
    """Print events, one per line; with --json each line exactly as stored, ready for jq."""
    disk, boot = RealDisk(), this_host().boot
    reading, lines = show(disk, root, boot=boot, types=types, after=after, limit=limit)
    for line in lines:
        _print_line(line, as_json)
    if following and reading.problem is None:
        with contextlib.suppress(KeyboardInterrupt):
            pause = functools.partial(time.sleep, FOLLOW_SECONDS)
            for line in follow(disk, root, boot=boot, types=types, since=reading.position, pause=pause):
                _print_line(line, as_json)
    if not reading.confirmed:
        click.echo("No HEAD says how far this journal was acknowledged: it may have been cut.", err=True)
    return 0 if reading.problem is None else fail(reading.problem, as_json=as_json)


@buff_journal.command("verify")
@root_argument
@click.option("--receipt", metavar="SEQ:SHA256", help="Also prove that this event is in the journal.")
@click.option("--full", is_flag=True, help="Also fold the journal and compare index.json and every checkpoint with it.")
@json_option
def verify_command(root: str, receipt: str | None, full: bool, as_json: bool) -> int:
    """Check every byte of the journal, HEAD and the index against each other. Works on a read-only copy."""
    try:
        claim = None if receipt is None else claimed(receipt)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--receipt") from error
    report = verify(RealDisk(), root, receipt=claim)
    return _print(fully(RealDisk(), root, report, boot=this_host().boot) if full else report, as_json)


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
@click.option(
    "--accept-loss",
    type=click.IntRange(0),
    metavar="SEQ",
    help="Go on behind event SEQ, the last one that is whole, although later ones were acknowledged (R03, R07, R08).",
)
@click.option(
    "--salvage",
    "new_root",
    type=click.Path(),
    metavar="NEW_DIRECTORY",
    help="Make a new root of what is whole before the damage (R04, R05, R06, R09); the old one stays as it is.",
)
@click.option(
    "--why", metavar="TEXT", help="Why the loss is accepted, or what is left salvaged; recorded with who does it."
)
@json_option
def repair_command(
    root: str, planning: bool, accept_loss: int | None, new_root: str | None, why: str | None, as_json: bool
) -> int:
    """Do what a writer does at open, and set a torn tail aside that has no HEAD. Nothing that counts is ever cut.

    With --salvage also exit codes 13, 10 and 12: done, and runs or datasets that the new root names are not whole.
    """
    if accept_loss is not None and new_root is not None:
        raise click.UsageError("--accept-loss goes on in this root, --salvage in a new one: give one of them")
    if (accept_loss is None and new_root is None) != (why is None):
        raise click.UsageError("--why goes with --accept-loss or --salvage: a loss is accepted for a reason")
    disk, host = RealDisk(), this_host()
    if new_root is not None and why is not None:
        return _print(salvage(disk, root, new_root, host=host, why=why, planning=planning), as_json)
    accept = None if accept_loss is None or why is None else Acceptance(kept=accept_loss, who=host.user, why=why)
    if planning:
        return _print(plan(disk, root, accept=accept), as_json)
    return _print(apply(disk, root, host=host, accept=accept), as_json)


def _print_line(line: Line, as_json: bool) -> None:
    key = f" key={line.key}" if line.key else ""
    click.echo(
        line.raw.decode() if as_json else f"{line.seq:>8} {line.time} {line.type}{key} {line.data.decode()}",
        nl=not as_json,
    )


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
