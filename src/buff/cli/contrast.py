"""How the differences between two runs look on a terminal.

The plain values of `buff.runs.contrast` go in; lines and tables come out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import rich_click as click

from buff.cli.output import table
from buff.runs.sketch import short, shown

Values = Mapping[str, Any]


def print_contrast(found: Values) -> None:
    """Print what differs between two runs for a person."""
    click.echo(f"a  {found['a']}\nb  {found['b']}")
    _print_inputs(found)
    if found["same_artifacts"]:
        click.echo(f"\nsame artifacts, byte for byte; equity {short(found['equity']['a'])} at the end")
        return
    click.echo(f"\nartifacts that differ: {', '.join(found['artifacts'])}")
    if found["records"] is None:
        frames = " and ".join(each["timeframe"] for each in found["windows"])
        click.echo(f"bars of {frames} are not the same bars: records and trades are not compared")
    else:
        _print_records(found)
        _print_trades(found["trades"])
    _print_metrics(found["metrics"])
    ends = found["equity"]
    parts = f"; the curves part at {ends['parts_at']}" if ends["parts_at"] else ""
    click.echo(f"equity at the end: {short(ends['a'])} and {short(ends['b'])}, {_signed(ends['delta'])}{parts}")


def _print_inputs(found: Values) -> None:
    if not found["inputs"]:
        click.echo("\nsame inputs")
        return
    click.echo()
    _print_members("input", found["inputs"])
    if found["data"]["command"] is not None:
        click.echo(f"the data differ; row by row: {found['data']['command']}")
    elif not found["data"]["same"]:
        click.echo("the data differ, and so does their base timeframe")


def _print_members(title: str, members: Sequence[Values]) -> None:
    table((title, "a", "b"), [(each["name"], _text(each["a"]), _text(each["b"])) for each in members])


def _text(value: Any) -> str:
    return "–" if value is None else str(value)


def _print_records(found: Values) -> None:
    records = found["records"]
    alone = [f"{records[name]:,} only in {name[-1]}" for name in ("only_a", "only_b") if records[name]]
    click.echo(
        f"\nrecords: {records['compared']:,} bars in both"
        + (f", compared by their open stamps ({', '.join(alone)})" if alone else "")
        + f"; {records['differing']:,} differ"
    )
    if records["first"] is None:
        return
    counts = ", ".join(f"{name} {count:,}" for name, count in records["members"].items())
    click.echo(f"how many differ in what: {counts}")
    first = records["first"]
    click.echo(f"first at {first['ts']}, after {first['equal_before']:,} that are the same:")
    _print_members("member", first["members"])
    for name in ("a", "b"):
        run, seq = found[name], first[name]["seq"]
        click.echo(f"why in {name}: buff run explain {run} --bar {seq}")


def _print_trades(trades: Values) -> None:
    click.echo(
        f"\ntrades: {trades['a']:,} and {trades['b']:,}; {trades['same']:,} the same, {trades['differing']:,} differ, "
        f"{trades['only_a']:,} only in a, {trades['only_b']:,} only in b"
    )
    rows = [_trade_row(each) for each in trades["listed"]]
    if rows:
        table(("entry", "in a", "in b", "differ in"), rows)
        more = trades["differing"] + trades["only_a"] + trades["only_b"] - len(rows)
        if more:
            click.echo(f"... and {more:,} more")


def _trade_row(each: Values) -> tuple[str, str, str, str]:
    names = ", ".join(dict.fromkeys(member["name"] for member in each["members"]))
    return each["ts"], _trade(each["a"]), _trade(each["b"]), names


def _trade(trade: Values | None) -> str:
    if trade is None:
        return "–"
    made = trade.get("pnl", trade.get("unrealised"))
    return f"{trade['trade']} {trade['side']} {trade['state']} {_signed(made)}"


def _print_metrics(metrics: Sequence[Values]) -> None:
    if not metrics:
        click.echo("\nno metric differs")
        return
    rows = [
        (each["name"], shown(each["a"], each["unit"]), shown(each["b"], each["unit"]), _change(each), _notes(each))
        for each in metrics
    ]
    click.echo()
    table(("metric", "a", "b", "b − a", "note"), rows, right=("a", "b", "b − a"))


def _change(each: Values) -> str:
    if each["delta"] is None:
        return "–"
    if each["unit"] in ("epoch_ms", "ms"):
        return shown(each["delta"], "ms")
    return _signed(each["delta"])


def _notes(each: Values) -> str:
    from buff.decisions.reasons import of_metric

    one, other = (note and of_metric(note) for note in each["notes"])
    if one == other:
        return one or ""
    return ", ".join(f"{name}: {note}" for name, note in (("a", one), ("b", other)) if note)


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + short(value)
