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
    """Show one strategy: its rule, its parameters with their bounds, the hash of its source."""
    from buff.decisions.strategy import describe, source_sha256, strategy

    found = strategy(strategy_id)
    item = {**describe(found), "source_sha256": source_sha256(found)}
    if as_json:
        print_json(item)
        return
    click.echo(f"{item['id']} {item['version']}  ({', '.join(item['sides'])})")
    click.echo(item["rule"])
    click.echo(f"after: {item['citation']}")
    keys = ("name", "kind", "default", "low", "high", "choices")
    rows = [[_cell(param[key]) for key in keys] for param in item["params"]]
    table(("parameter", "kind", "default", "least", "most", "choices"), rows)


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return "" if value is None else str(value)
