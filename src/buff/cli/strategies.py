"""`buff strategies`: what may be run, and with which parameters."""

import rich_click as click

from buff.cli.output import json_option, print_json, table


@click.group("strategies")
def command() -> None:
    """List and show the registered strategies."""


@command.command("list")
@json_option
def listing(as_json: bool) -> None:
    """List the registered strategies."""
    from buff.decisions.strategy import describe, strategies

    found = [describe(known) for known in strategies().values()]
    if as_json:
        print_json({"items": found, "next": None})
        return
    rows = [
        [item["id"], item["version"], ", ".join(item["sides"]), ", ".join(p["name"] for p in item["params"])]
        for item in found
    ]
    table(("id", "version", "sides", "parameters"), rows)


@command.command("show")
@click.argument("strategy_id")
@json_option
def show(strategy_id: str, as_json: bool) -> None:
    """Show one strategy: its rule, its parameters with their bounds, its source."""
    from buff.decisions.strategy import describe, strategy

    item = describe(strategy(strategy_id))
    if as_json:
        print_json(item)
        return
    click.echo(f"{item['id']} {item['version']}  ({', '.join(item['sides'])})")
    click.echo(item["rule"])
    click.echo(f"source: {item['citation']}")
    table(
        ("parameter", "kind", "default", "least", "most", "choices"),
        [[str(param[key]) for key in ("name", "kind", "default", "low", "high", "choices")] for param in item["params"]],
    )
