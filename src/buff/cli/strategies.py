"""`buff strategies`: what may be run, with which parameters, and the beginning of one of your own."""

import os
from typing import Any

import rich_click as click

from buff.cli.output import fail, json_option, print_json, table


@click.group("strategies")
def command() -> None:
    """List and show the registered strategies, and begin one of your own."""


@command.command("list")
@json_option
def listing(as_json: bool) -> None:
    """List the registered strategies: those of Buff, and those of installed packages.

    A package whose strategy cannot be used is told below the list.
    """
    from buff.decisions.strategy import strategies, unusable

    found = [_described(known) for known in strategies().values()]
    problems = unusable()
    if as_json:
        told = [{"id": each.id, "package": _package(each.package), **each.error.as_dict()} for each in problems]
        print_json({"items": found, "next": None, "problems": told})
        return
    rows = [
        [
            item["id"],
            item["version"],
            ", ".join(item["sides"]),
            ", ".join(p["name"] for p in item["params"]),
            _origin(item["package"]),
        ]
        for item in found
    ]
    table(("id", "version", "sides", "parameters", "from"), rows, spare=("from",))
    for problem in problems:
        fail(problem.error, as_json=False)


@command.command("show")
@click.argument("strategy_id")
@json_option
def show(strategy_id: str, as_json: bool) -> None:
    """Show one strategy: its rule, its parameters with their bounds, the hash of its source."""
    from buff.decisions.strategy import source_sha256, strategy

    found = strategy(strategy_id)
    item = {**_described(found), "source_sha256": source_sha256(found)}
    if as_json:
        print_json(item)
        return
    click.echo(f"{item['id']} {item['version']}  ({', '.join(item['sides'])})")
    click.echo(item["rule"])
    click.echo(f"after: {item['citation']}")
    if item["package"]:
        click.echo(f"from: {_origin(item['package'])}, source {item['source_sha256'][:16]}")
    keys = ("name", "kind", "default", "low", "high", "choices")
    rows = [[_cell(param[key]) for key in keys] for param in item["params"]]
    table(("parameter", "kind", "default", "least", "most", "choices"), rows)
    if item["package"] is None:  # a strategy from outside declares codes, and no words
        table(("reason", "what it says"), [list(each) for each in item["reasons_say"].items()])


@command.command("new")
@click.argument("name")
@click.option("--dir", "folder", metavar="DIR", default=".", show_default=True, help="Where to put the directory.")
def new(name: str, folder: str) -> None:
    """Write a small package with a strategy and its test: the beginning of one of your own.

    NAME is the id the strategy is asked for by. Nothing that is there is overwritten.
    """
    from buff.files import RealDisk
    from buff.template import package, write

    files = package(name)
    target = os.path.join(folder, name)
    write(RealDisk(), target, files)
    for path in files:
        click.echo(f"created  {os.path.join(target, *path.split('/'))}")
    click.echo(f"test: pip install -e {target} && pytest {target}    then: buff strategies show {name}")


def _described(strategy: Any) -> dict[str, Any]:
    """Return what a strategy says of itself, and the package it came with, or None."""
    from buff.decisions.strategy import describe, packages

    came_with = packages(strategy)
    return {**describe(strategy), "package": _package(came_with[0]) if came_with else None}


def _package(package: Any) -> dict[str, str]:
    return {"name": package.name, "version": package.version}


def _origin(package: dict[str, str] | None) -> str:
    return "Buff" if package is None else f"{package['name']} {package['version']}"


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return "" if value is None else str(value)
