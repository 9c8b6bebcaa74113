"""How the story of a trade or of a bar looks on a terminal.

The plain values of `buff.runs.story` go in; lines and tables come out. Prose is rounded; the sums have every digit.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import rich_click as click

from buff.cli.output import table
from buff.runs.sketch import percent, short

Story = Mapping[str, Any]


def print_trade_story(story: Story) -> None:
    """Print the story of a trade for a person."""
    click.echo(f"trade {story['trade']} of {story['run_id']}, which has {story['trades']:,}: {_outcome(story)}")
    _print_strategy(story["strategy"])
    _print_leg("Entry", story["entry"], story)
    _print_held(story)
    if story["exit"] is not None:
        _print_leg("Exit", story["exit"], story)
    _print_result(story)
    _print_sums(story["arithmetic"])


def print_bar_story(story: Story) -> None:
    """Print the story of a bar for a person."""
    bar, decision = story["bar"], story["decision"]
    click.echo(f"bar {story['seq']} of {story['run_id']}, which has {story['bars']:,}; it opens at {story['ts']}")
    _print_strategy(story["strategy"])
    click.echo(", ".join(f"{name} {short(bar[name])}" for name in ("open", "high", "low", "close", "volume")))
    if bar["gap_bars"]:
        click.echo(f"{bar['gap_bars']:,} bars are missing before it")
    click.echo()
    held = {1: "long", 0: "no position", -1: "short"}[decision["position"]]
    click.echo(f"{decision['action']} at its close: target {decision['target']:+d}, held {held}")
    for line in (*story["why"], *_risk_lines(decision)):
        click.echo(f"  {line}")
    _print_indicators(decision, story["strategy"])


def _outcome(story: Story) -> str:
    result = story["result"]
    if story["state"] == "open":
        return f"{story['side']}, still open, unrealised {short(result['unrealised'])}"
    return f"{story['side']}, closed, pnl {short(result['pnl'])} ({percent(result['return'])})"


def _print_strategy(what: Story) -> None:
    params = ", ".join(f"{name}={value}" for name, value in sorted(what["params"].items()))
    click.echo(f"{what['id']} {what['version']} ({params})" + (f": {what['rule']}" if what["rule"] else ""))


# A leg


def _print_leg(title: str, leg: Story, story: Story) -> None:
    decision, fill = leg["decision"], leg["fill"]
    click.echo(
        f"\n{title}: decided at the close of bar {decision['seq']} ({decision['ts']}) at {short(decision['close'])}"
    )
    for line in (*_decision_lines(decision), *_risk_lines(decision)):
        click.echo(f"  {line}")
    _print_indicators(decision, story["strategy"])
    click.echo(f"{title}: filled at the open of bar {fill['seq']} ({fill['ts']})")
    for line in _fill_lines(fill):
        click.echo(f"  {line}")


def _decision_lines(decision: Story) -> Iterator[str]:
    forced = decision["reason"].startswith("risk_")
    code, says = decision["reason"], decision["reason_says"]
    yield f"{decision['action']}, reason {code}" + (f": {says}" if says != code.replace("_", " ") else "")
    waited = decision["waited"]
    if waited is not None and not forced:
        yield (
            f"the signal is of bar {decision['signal']} ({decision['signal_ts']}), {waited['bars']:,} bars before; "
            f"since then {waited['blocked']:,} bars were blocked and {waited['orders']:,} made orders"
        )
    if decision["budget"] is not None:
        yield f"budget {short(decision['budget'])}" + (
            ", half of the usual because the state is YELLOW" if decision["permission"] == "RESTRICT" else ""
        )


def _risk_lines(decision: Story) -> Iterator[str]:
    risk = decision["risk"]
    rule = f" by {risk['rule']}, {risk['rule_says']}" if risk["rule"] else ""
    yield (
        f"risk {risk['state']}{rule}, since bar {risk['since']} ({risk['since_ts']}); permission "
        f"{decision['permission']}; equity {short(risk['equity'])}"
    )
    for limit in risk["limits"]:
        yield (
            f"{limit['rule']} {percent(limit['now'])} from {short(limit['from'])}: "
            f"YELLOW at {short(limit['yellow_at'])}, RED at {short(limit['red_at'])}"
        )


def _print_indicators(decision: Story, strategy: Story) -> None:
    if decision["indicators"] is None:
        click.echo(f"  no indicator values: {strategy['no_indicators']}")
        return
    rows = [(each["name"], short(each["before"]), short(each["at"])) for each in decision["indicators"]]
    table(("indicator", "bar before", "this bar"), rows, right=("bar before", "this bar"))


def _fill_lines(fill: Story) -> Iterator[str]:
    verb = "bought" if fill["quantity"] > 0 else "sold"
    turn = ", in one step with the other leg of a reversal" if fill["reversal"] else ""
    yield f"{verb} {short(abs(fill['quantity']))} at {short(fill['price'])}; the open was {short(fill['open'])}{turn}"
    least = "the minimum fee" if fill["least_fee"] else f"{fill['commission_bps']:g} bps"
    yield f"slippage {short(fill['slippage'])} ({fill['slippage_bps']:g} bps), fee {short(fill['fee'])} ({least})"
    if fill["gap_bars"]:
        yield f"it is the first bar after a gap of {fill['gap_bars']:,} bars: the fill is late, and real"
    if fill["volume"] == 0.0:
        yield "nothing was traded in this bar: the fill on zero volume is an assumption"


# What became of it


def _print_held(story: Story) -> None:
    held = story["held"]
    click.echo(f"\nHeld over {held['bars']:,} closes, bars {held['first']} to {held['last']}")
    for name in ("best", "worst"):
        mark = held[name]
        click.echo(
            f"  {name} mark {short(mark['unrealised'])} at bar {mark['seq']} ({mark['ts']}), {short(mark['close'])}"
        )
    for change in held["risk"]:
        rule = f" by {change['rule']}" if change["rule"] else ""
        click.echo(f"  risk {change['from']} to {change['to']}{rule} at bar {change['seq']} ({change['ts']})")
    more = held["risk_changes"] - len(held["risk"])
    if more or not held["risk"]:
        click.echo(f"  ... and {more:,} more changes" if more else "  the risk state did not change")


def _print_result(story: Story) -> None:
    result = story["result"]
    ends = "from open to open" if story["exit"] else f"from the open to the last close, {short(result['mark_price'])}"
    last = ("pnl", result["pnl"]) if story["exit"] else ("unrealised", result["unrealised"])
    rows = [
        (f"the market's move {ends}", result["market"]),
        ("slippage", -result["slippage"]),
        ("fees", -result["fees"]),
        last,
    ]
    click.echo()
    table(("result", "money"), [(name, short(value)) for name, value in rows], right=("money",))


def _print_sums(sums: Sequence[Story]) -> None:
    rows = [(each["what"], each["sum"], repr(each["stored"]), _verdict(each)) for each in sums]
    table(("number", "is", "stored", "check"), rows, right=("stored",))
    if not all(each["holds"] for each in sums):
        click.echo("A number is not what its parts give: `buff run verify` says who is to blame.")


def _verdict(each: Story) -> str:
    if each["exact"]:
        return "same"
    return "same to rounding" if each["holds"] else f"DIFFERS: {each['gives']!r}"
