"""`buff bench`: what Buff costs on this machine, beside its rivals and the limits of the machine."""

import os
import sys
import tempfile
import textwrap
from typing import TYPE_CHECKING

import rich_click as click

from buff.cli.output import json_option, print_json, root_option, surroundings, table
from buff.errors import RunsRootInvalid
from buff.host import Host

if TYPE_CHECKING:
    from buff.bench.report import Report
    from buff.bench.suite import Found

WIDTH = 100


@click.command("bench")
@click.argument("names", nargs=-1, metavar="[NAME]")
@click.option("--quick", is_flag=True, help="Smaller data and fewer rounds: about a minute instead of five.")
@click.option("--rounds", type=click.IntRange(1), metavar="N", help="At most so many rounds.  [default: 7, 3 quick]")
@click.option("--list", "only_list", is_flag=True, help="Print what can be measured, and which rivals are installed.")
@click.option(
    "--write",
    "pages",
    multiple=True,
    metavar="FILE.md",
    help="Put the tables into the sections of a page, or into a new one; repeatable.",
)
@root_option
@json_option
def command(
    names: tuple[str, ...],
    quick: bool,
    rounds: int | None,
    only_list: bool,
    pages: tuple[str, ...],
    runs_root: str | None,
    as_json: bool,
) -> None:
    """Measure Buff beside its rivals and the limits of this machine: every NAME of --list, or some.

    Data are made, contenders take turns, and medians are printed: of times, and of the ratios of each round to the
    first contender of the job. All of it happens in a directory of its own in the runs root, or among temporary files
    where there is none, and is removed in the end. A rival that is not installed keeps its row, which says so.

    What else the machine does befalls all contenders alike, but not all figures: leave it alone meanwhile.
    """
    from buff.bench import page

    wanted = _wanted(names)
    if only_list:
        _print_list(as_json=as_json)
        return
    for path in pages:
        page.check(path, wanted)
    host, settings = surroundings()
    parent = _parent(runs_root, settings.runs_root)
    report = _measured(wanted, parent, host, quick=quick, rounds=rounds, as_json=as_json, pages=pages)
    for path in pages:
        page.write(path, report, token=host.token())
    if as_json:
        print_json(report.as_dict())


def _wanted(names: tuple[str, ...]) -> tuple[str, ...]:
    from buff.bench.suite import NAMES

    for name in names:
        if name not in NAMES:
            raise click.UsageError(f"{name!r} is not measured here; it is one of {', '.join(NAMES)}.")
    return names or NAMES


def _parent(given: str | None, usual: str | None) -> str:
    """Return where the directory of the suite is made: in the root that was given, or in the usual one if it is there,
    else among temporary files. Raises RunsRootInvalid.
    """
    root = given or (usual if usual and os.path.isdir(usual) else tempfile.gettempdir())
    if not os.path.isdir(root) or not os.access(root, os.W_OK | os.X_OK):
        raise RunsRootInvalid(
            f"{root} is no directory that can be written to", hint="name a directory on the disk to be measured"
        )
    return os.path.abspath(root)


def _print_list(*, as_json: bool) -> None:
    from buff.bench.extras import INSTALL, RIVALS, version
    from buff.bench.scale import TITLE
    from buff.bench.suite import SCALE, subjects

    told = [(each.name, each.title) for each in subjects()] + [(SCALE, TITLE)]
    rivals = {name: version(name) for name in RIVALS}
    if as_json:
        print_json({"items": [{"name": name, "title": title} for name, title in told], "rivals": rivals})
        return
    table(("name", "what is measured"), told)
    table(("rival", "version"), [(name, found or "not installed") for name, found in rivals.items()])
    if None in rivals.values():
        click.echo(f"Install the rivals: {INSTALL}")


def _measured(
    wanted: tuple[str, ...],
    parent: str,
    host: Host,
    *,
    quick: bool,
    rounds: int | None,
    as_json: bool,
    pages: tuple[str, ...],
) -> "Report":
    """Measure what is wanted, and print each table as it is done."""
    from buff.bench import suite
    from buff.bench.machine import load, machine
    from buff.bench.report import Report

    facts, before, begun = machine(host, parent), load(), host.monotonic()
    if not as_json:
        table(("machine", ""), [*facts.items(), ("load", before)])
    seconds, most = (suite.SECONDS_QUICK, suite.ROUNDS_QUICK) if quick else (suite.SECONDS, suite.ROUNDS)
    with_scale, found = suite.SCALE in wanted, list["Found"]()
    if with_scale:
        seconds -= suite.SCALE_SECONDS_QUICK if quick else suite.SCALE_SECONDS
    for each in suite.measure(
        suite.subjects(wanted, quick=quick),
        parent=parent,
        host=host,
        quick=quick,
        rounds=rounds or most,
        seconds=seconds,
        progress=_tell,
    ):
        found.append(each)
        if not as_json:
            _print_found(each)
    constants = None
    if with_scale:
        _tell("constants", 0, 1)
        constants = suite.constants(parent=parent, host=host, quick=quick)
        if not as_json:
            _print_constants(constants)
    return Report(
        date=host.clock()[:10],
        command=_typed(wanted, quick, pages),
        machine=facts,
        load=(before, load()),
        seconds=host.monotonic() - begun,
        found=tuple(found),
        constants=constants,
    )


def _typed(wanted: tuple[str, ...], quick: bool, pages: tuple[str, ...]) -> str:
    """Return the command that measures the same. Of a place on this machine its last part: pages are for others."""
    from buff.bench.suite import NAMES

    named = () if wanted == NAMES else wanted
    names = [os.path.basename(path) if os.path.isabs(path) else path for path in pages]
    words = ("buff", "bench", *named, *(["--quick"] if quick else []), *(f"--write {name}" for name in names))
    return " ".join(words)


def _tell(stage: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"measuring {done + 1} of {total}: {stage}", err=True)


def _print_found(found: "Found") -> None:
    from buff.bench.report import COLUMNS, NUMBERS, remarks, rows

    click.echo(f"\n{found.subject.title}")
    for sentence in found.subject.says:
        click.echo(textwrap.fill(sentence, WIDTH))
    table(COLUMNS, list(rows(found)), right=NUMBERS, spare=("rounds", "memory"))
    for remark in remarks(found):
        click.echo(remark)
    sys.stdout.flush()  # the next one takes a while


def _print_constants(constants: dict[str, float]) -> None:
    from buff.bench.plan import tables
    from buff.bench.report import CONSTANT_COLUMNS, constant_rows
    from buff.bench.scale import TITLE

    click.echo(f"\n{TITLE}")
    table(CONSTANT_COLUMNS, list(constant_rows(constants)), right=("value",))
    for each in tables(constants):
        table(each.columns, each.rows, right=each.columns[1:])
