"""What people and scripts see: tables and progress on a terminal, JSON where it was asked for, errors on stderr.

Values go in, text goes out. Nothing here decides anything.
"""

import functools
import io
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import rich_click as click

from buff import canonical
from buff.errors import BuffError, OutputFailed
from buff.host import Host, this_host
from buff.settings import Settings

if TYPE_CHECKING:
    from buff.cli.bar import Bar

OF_A_RULE_MAX = 5  # the lines of a report that say the same of other places tell nothing new
# Names of files may hold tabs, line ends and what moves a cursor: a row stays one row, and a cell one cell.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), 127)} | {9: "\\t", 10: "\\n", 13: "\\r"}
PATIENCE_SECONDS = 1.0  # what takes longer than this gets a progress bar

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
root_option = click.option(
    "--runs-root", "runs_root", metavar="DIR", help="The runs root; else the environment's RUNS_ROOT."
)
_READING = (
    click.option(
        "--profile", metavar="P", help="Whose form the files have; see `buff data profiles`.  [default: buff]"
    ),
    click.option("--profile-file", metavar="FILE", help="A profile of your own, in TOML."),
    click.option("--timezone", metavar="ZONE", help="The zone of naive times: an IANA name, UTC, or ±HH:MM."),
    click.option("--gaps", metavar="HOW", help="reject, keep or fill missing bars.  [default: reject]"),
    click.option("--base-timeframe", metavar="TF", help="The spacing of the rows.  [default: 1m]"),
    click.option(
        "--columns", metavar="C=NAME,...", help="Names of columns that the profile does not know: close=Last."
    ),
    click.option("--stamp", metavar="HOW", help="open or close: what of its bar a time is.  [default: the profile's]"),
    click.option("--volume", metavar="none", help="none: the files have no volume, so it is 0."),
    click.option("--ticker", metavar="T", help="Whose rows to take of files of many tickers.  [default: the symbol]"),
)
errors_option = click.option(
    "--errors-out", metavar="FILE", help="Where data are refused, write every offence to FILE as JSON lines."
)


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say how files are to be read, as the fields of a request."""

    @functools.wraps(command)
    def reading(*, profile_file: str | None, columns: str | None, **options: Any) -> Any:
        if profile_file is not None:
            from buff.cli.config import document

            if options["profile"] is not None:
                raise click.UsageError("--profile and --profile-file cannot both be given.")
            options["profile"] = document(profile_file)
        return command(columns=None if columns is None else _columns(columns), **options)

    for option in reversed(_READING):
        reading = option(reading)
    return reading


def _columns(text: str) -> dict[str, str]:
    from buff.runs.request import columns_from  # imported when it is needed: numpy comes with it

    return columns_from(text)


def surroundings() -> tuple[Host, Settings]:
    """Return this process's surroundings and the settings its environment gives."""
    host = this_host()
    return host, Settings.from_env(host.environment, user=host.user, cores=host.cores)


def print_json(value: Any) -> None:
    """Print a value as JSON with sorted keys, indented for a terminal, one line for a pipe."""
    line = json_text(value)
    if sys.stdout.isatty():
        line = json.dumps(json.loads(line), indent=2, ensure_ascii=False)  # noqa: TID251 - for eyes, not for hashes
    click.echo(line)


def json_text(value: Any) -> str:
    """Return a value as canonical JSON. Bytes of names and arguments that are no UTF-8 become question marks."""
    try:
        return canonical.encode(value).decode()
    except UnicodeEncodeError:
        return canonical.encode(_sayable(msgspec.to_builtins(value))).decode()


def _sayable(value: Any) -> Any:
    from buff.inputs import text  # imported when it is needed: numpy comes with it

    match value:
        case str():
            return text(value)
        case Mapping():
            return {text(name): _sayable(each) for name, each in value.items()}
        case list() | tuple():
            return [_sayable(each) for each in value]
        case _:
            return value


class ReaderLeft(Exception):
    """Nobody reads our output any more: `head` has its lines. No OSError, since click ends those with exit code 1."""


class StandardOutput(io.FileIO):
    """What a command prints into, when that is no terminal: a pipe or a file, which may be full.

    The first failure is told as an error of the world, or as ReaderLeft. Nothing is written after it, so that nothing
    is told again when the process ends.
    """

    _failed = False

    def write(self, data: Any) -> int:
        """Write some bytes; return how many. Raises OutputFailed, ReaderLeft."""
        if self._failed:
            return len(data)
        try:
            return super().write(data) or 0
        except BrokenPipeError as error:
            self._failed = True
            raise ReaderLeft from error
        except OSError as error:
            self._failed = True
            raise OutputFailed(
                f"standard output could not be written: {error.strerror}",
                hint="print it elsewhere; what the command did besides printing is done",
            ) from error


def guarded_output() -> None:
    """Make this process's standard output one whose failures are told, and whose text may be anything."""
    out = sys.stdout
    if out is None:  # closed by whoever started this process, who does not want to read anything
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
        return
    if not isinstance(out, io.TextIOWrapper):  # replaced by whoever calls us
        return
    if out.isatty():
        out.reconfigure(errors="replace")
        return
    out.flush()
    raw = StandardOutput(out.fileno(), "w", closefd=False)
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), encoding=out.encoding, errors="replace")


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = (), spare: Sequence[str] = ()
) -> None:
    """Print rows under headings: drawn on a terminal, tab-separated in a pipe.

    A terminal too narrow for all columns is spared those named in `spare`, in that order; a pipe always gets all. Where
    that is not enough, words are broken into lines before the numbers of `right` are cut.
    """
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            click.echo("\t".join(each.translate(_CONTROLS) for each in row))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    shown = _fitting(columns, rows, spare, console.width)
    drawn = Table(box=SIMPLE_HEAD, pad_edge=False)
    for at in shown:
        number = columns[at] in right
        drawn.add_column(columns[at], justify="right" if number else "left", no_wrap=number or at == 0)
    for row in rows:
        drawn.add_row(*(Text(row[at].translate(_CONTROLS)) for at in shown))
    console.print(drawn)


def fits(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Say whether `table` has room for all columns: a terminal may be too narrow, a pipe never is."""
    if not sys.stdout.isatty():
        return True
    from rich.console import Console

    return sum(_needs(columns, rows)) <= Console().width


def _needs(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the width of each column as `table` draws it."""
    return [max(len(row[at]) for row in (columns, *rows)) + 3 for at in range(len(columns))]


def _fitting(columns: Sequence[str], rows: Sequence[Sequence[str]], spare: Sequence[str], width: int) -> Sequence[int]:
    """Return the places of the columns that fit a width, without those of `spare` that had to go."""
    needs = _needs(columns, rows)
    shown = list(range(len(columns)))
    for name in spare:
        if sum(needs[at] for at in shown) <= width:
            break
        shown.remove(columns.index(name))
    return shown


def fail(error: BuffError, *, as_json: bool) -> int:
    """Print an error of the world to stderr; return its exit code."""
    if as_json:
        click.echo(json_text(error.as_dict()), err=True)
        return error.exit_code
    click.echo(f"{error.code}: {error.message}", err=True)
    for line in offence_lines(error.details):
        click.echo(f"  {line}", err=True)
    if error.hint:
        click.echo(f"  What to do: {error.hint}", err=True)
    return error.exit_code


def offence_lines(details: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each offence that an error's details list, at most five of a rule, and how many are left out."""
    offences: Any = details.get("offences", ())
    counts: Any = details.get("counts", {})
    shown: Counter[str] = Counter()
    for offence in offences:
        shown[offence["rule"]] += 1
        if shown[offence["rule"]] > OF_A_RULE_MAX:
            continue
        place = f"line {offence['line']}" + (f" of {offence['file']}" if offence.get("file") else "")
        column = f", {offence['column']}" if offence.get("column") else ""
        yield f"{place}{column}: {offence['says']} [{offence['rule']}]"
    more = sum(counts.values()) - sum(min(count, OF_A_RULE_MAX) for count in shown.values())
    if more > 0:
        yield f"... and {more:,} more"


class Silent:
    """Shows no progress."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show nothing."""

    def away(self) -> None:
        """Leave the terminal as it is."""


@contextmanager
def progress(*, quiet: bool) -> Iterator["Bar | Silent"]:
    """Give what is called with (stage, done, total) and draws a bar once a second has passed, on a terminal alone.

    Whoever prints something meanwhile asks for it to be `away` first.
    """
    if quiet or not sys.stderr.isatty():
        yield Silent()
        return
    from buff.cli.bar import Bar

    with Bar(PATIENCE_SECONDS) as bar:
        yield bar
