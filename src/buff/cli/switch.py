"""`buff kill-switch`: stop everything new in a root, let it go on, and say which it is."""

from typing import Any

import rich_click as click

from buff.cli.output import fail, json_option, print_json, root_option
from buff.cli.run import open_store

STILL_ON = 7  # the exit code of what the switch refuses: whoever scripts `off` goes on only when it is off


@click.group("kill-switch")
def command() -> None:
    """Stop new runs and ingests, also those under way, before they commit; reading goes on.

    A file `_kill_switch` in the runs root and BUFF_KILL_SWITCH=1 in an environment stop them, too.
    """


@command.command("on")
@click.option("--why", required=True, metavar="TEXT", help="Why: whoever is stopped reads it.")
@root_option
@json_option
def on(why: str, runs_root: str | None, as_json: bool) -> None:
    """Stop new runs and ingests of a root, whoever makes them. Also where the journal is damaged."""
    from buff.safety import engage

    with open_store(runs_root) as store:
        switched = engage(store, why)
    if as_json:
        problem = switched.problem
        print_json({**switched.state.as_dict(), "problem": None if problem is None else problem.as_dict()})
        return
    _print(switched.state)
    if switched.problem is not None:
        click.echo("It is on, and this could not be done:", err=True)
        fail(switched.problem, as_json=False)


@command.command("off")
@click.option("--why", metavar="TEXT", help="Why, for the journal.")
@root_option
@json_option
def off(why: str | None, runs_root: str | None, as_json: bool) -> int:
    """Let new runs and ingests go on. What was stopped is not made up for: ask for it again.

    Exit code 7 when this process's environment keeps it on.
    """
    from buff.safety import release

    with open_store(runs_root) as store:
        state = release(store, why).state
    _show(state, as_json=as_json)
    return STILL_ON if state.engaged else 0


@command.command("status")
@root_option
@json_option
def status(runs_root: str | None, as_json: bool) -> None:
    """Say whether new runs and ingests are stopped, by what, since when, by whom and why. The exit code is 0."""
    from buff.safety import state

    with open_store(runs_root) as store:
        found = state(store)
    _show(found, as_json=as_json)


def _show(state: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(state.as_dict())
    else:
        _print(state)


def _print(state: Any) -> None:
    says = "on: new runs and ingests are stopped" if state.engaged else "off"
    click.echo(f"The kill switch is {says}.")
    for each in state.engagements:
        click.echo(f"  by {each.source}: {each}")
    if state.engaged:
        click.echo(f"  What to do: {state.hint}")
    if state.elsewhere is not None:
        click.echo(f"  The journal tells of another process that its environment stops: {state.elsewhere}")
