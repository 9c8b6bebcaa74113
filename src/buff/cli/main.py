"""The `buff` command itself: its verbs, its exit codes, and what an error looks like.

Arguments go in; an exit code comes out. Every verb is a file beside this one and is imported only when it is called, so
that `buff --help` and shell completion are quick.
"""

import contextlib
import importlib
from collections.abc import Sequence
from typing import Any

import rich_click as click
from click.exceptions import Exit

from buff._version import __version__
from buff.cli.output import ReaderLeft, fail
from buff.errors import BuffError
from buff.jobs import Ended

VERBS = {
    "bench": "buff.cli.bench",
    "build": "buff.cli.build",
    "bundle": "buff.cli.bundle",
    "data": "buff.cli.data",
    "demo": "buff.cli.demo",
    "doctor": "buff.cli.doctor",
    "kill-switch": "buff.cli.switch",
    "run": "buff.cli.run",
    "serve": "buff.cli.serve",
    "store": "buff.cli.store",
    "strategies": "buff.cli.strategies",
    "sweep": "buff.cli.sweep",
}
INTERRUPTED = 130  # what shells give a process ended by Ctrl-C


class Verbs(click.RichGroup):
    """A group whose commands are found by name and imported when wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the verbs, sorted."""
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> Any:
        """Return the command of a name, or None."""
        if cmd_name not in VERBS:
            return None
        return importlib.import_module(VERBS[cmd_name]).command


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="buff")
def buff() -> None:
    """Turn OHLCV data and a registered strategy into runs that can be verified.

    Exit codes: 0 done or identical, 1 a bug, 2 usage, 3 request refused, 4 data refused, 5 not found, 6 exists with
    other inputs, 7 limit or switch, 8 journal or root refused, 9 storage, 129 hangup, 130 interrupted, 143 terminated.
    `buff run verify`: 10 data changed, 11 engine changed, 12 inputs missing, 13 damaged, 14 strategy changed or absent,
    15 look-ahead.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command line; return its exit code. Errors of the world end here, bugs keep their traceback."""
    try:
        result = buff.main(list(arguments), prog_name="buff", standalone_mode=False)
    except Exit as leaving:
        return int(leaving.exit_code)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted. Nothing was recorded that is not whole.", err=True)
        return INTERRUPTED
    except Ended as ended:
        with contextlib.suppress(OSError):  # the terminal may be gone
            click.echo("Ended by a signal. Nothing was recorded that is not whole.", err=True)
        return ended.exit_code
    except BuffError as error:
        return fail(error, as_json="--json" in arguments)
    except ReaderLeft:
        return 0
    return result if isinstance(result, int) else 0
