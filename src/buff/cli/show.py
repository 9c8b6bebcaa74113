"""How a run looks on a terminal and in JSON."""

from collections.abc import Mapping
from typing import Any

import msgspec
import rich_click as click
from attrs import evolve

from buff.cli.output import fits, table
from buff.legacy.fields import number
from buff.legacy.run import LegacyEntry
from buff.market.quality import dropped_windows
from buff.market.spacing import some
from buff.registry.queries import Page, Tried
from buff.registry.rows import RunEntry
from buff.runs.run import BENCHMARKS, Run
from buff.runs.sketch import blocks, percent, short, shown
from buff.store import Store

RUN_COLUMNS = (
    "run", "created", "symbol", "tf", "strategy", "risk", "start", "end",
    "return", "drawdown", "sharpe", "trades", "equity", "state",
)  # fmt: skip
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
RUN_NUMBERS = ("risk", "return", "drawdown", "sharpe", "trades")
RUN_SPARE = ("equity", "end", "start", "created", "risk", "sharpe", "trades", "strategy")  # left out first where narrow


def looked_at(store: Store, page: Page[RunEntry]) -> Page[RunEntry]:
    """Return a page with those runs marked as damaged whose manifest is not there: one look at one name for each."""
    items = tuple(
        msgspec.structs.replace(entry, state="damaged") if store.absent(entry) else entry for entry in page.items
    )
    return evolve(page, items=items)


def run_row(entry: RunEntry | LegacyEntry) -> list[str]:
    """Return the cells of a run in a list."""
    if isinstance(entry, LegacyEntry):
        return _legacy_row(entry)
    numbers = entry.metrics
    return [
        entry.run_id,
        entry.created[:16].replace("T", " "),
        entry.symbol,
        entry.timeframe,
        f"{entry.strategy}({_params(entry.params)})",
        str(entry.risk_level),
        entry.start[:10],
        entry.end[:10],
        percent(numbers.get("net_return")),
        percent(numbers.get("max_drawdown")),
        short(numbers.get("sharpe")),
        str(entry.trades),
        blocks(entry.sparkline[::2]),
        entry.state if entry.verdict in (None, entry.state) else f"{entry.state}, {entry.verdict}",
    ]


def _params(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(params.items()))


def _legacy_row(entry: LegacyEntry) -> list[str]:
    """Return the cells of a legacy run: its own metrics under the headings that ask the same, signs as they are."""
    return [
        entry.run_id,
        _or_dash(entry.created)[:16].replace("T", " "),
        _or_dash(entry.symbol),
        _or_dash(entry.timeframe),
        _or_dash(entry.strategy),
        _or_dash(entry.risk_level),
        _or_dash(entry.start)[:10],
        _or_dash(entry.end)[:10],
        percent(number(entry.metrics.get("total_return"))),
        percent(number(entry.metrics.get("max_drawdown"))),
        short(number(entry.metrics.get("sharpe"))),
        _or_dash(entry.trades),
        "",
        entry.state if not entry.problems else f"{entry.state}, problems {entry.problems}",
    ]


def _or_dash(value: object) -> str:
    return "–" if value is None else str(value)


def run_json(entry: RunEntry | LegacyEntry, tried: Tried | None) -> dict[str, Any]:
    """Return a run of a list as plain values; of a legacy run nobody knows how many were tried."""
    return {**msgspec.structs.asdict(entry), "tried": None if tried is None else tried.as_dict()}


def run_document(run: Run, tried: Tried) -> dict[str, Any]:
    """Return all that `run show --json` prints."""
    return {
        "run_id": run.id,
        "registry": dict(run.facts),
        "manifest": dict(run.manifest),
        "metrics": {name: msgspec.to_builtins(metric) for name, metric in run.metrics.items()},
        "tried": tried.as_dict(),
        "warnings": [] if (dropped := dropped_windows(run.quality["resample"])) is None else [dropped],
        "returns": run.returns,
        "trades": list(run.trades),
        "timeline": run.timeline,
    }


def print_run(run: Run, tried: Tried, *, trades: int = 10) -> None:
    """Print a run for a person."""
    what, data = run.inputs, run.manifest["data"]
    click.echo(repr(run))
    if run.facts["state"] == "archived":
        click.echo(f"archived: {run.facts['why'] or 'no reason was given'}")
    rows = [
        ("symbol, timeframe", f"{what['symbol']} {what['timeframe']} (from {what['base_timeframe']} bars)"),
        ("window", f"{what['start']} to {what['end']}"),
        ("strategy", f"{what['strategy']['id']} {what['strategy']['version']} ({_params(what['strategy']['params'])})"),
        ("risk", f"level {what['risk']['level']} ({what['risk']['policy']})"),
        ("costs", ", ".join(f"{name} {value}" for name, value in sorted(what["costs"].items()))),
        ("data", f"{some(data['rows'], 'row')}, {_gaps(what, data)}, from {data['source'].get('name')}"),
        ("dataset", what["dataset_id"]),
        ("inputs hash", run.manifest["inputs_hash"]),
        ("engine", what["engine_version"]),
    ]
    dropped = dropped_windows(run.quality["resample"])
    if dropped is not None:
        rows.insert(-3, ("windows", dropped))
    table(("input", "value"), rows)
    click.echo(f"this is {tried.says}")
    print_metrics(run)
    print_returns(run)
    click.echo(f"{len(run.trades)} trades" + (f", the last {trades}:" if len(run.trades) > trades else ""))
    table(
        ("trade", "side", "entry", "price", "exit", "price", "pnl", "state"),
        [_trade_row(trade) for trade in run.trades[-trades:]],
        right=("price", "pnl"),
    )


def _gaps(what: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """Say what became of missing bars: of bars that were made how many, of gaps that were kept how many there are."""
    made = some(data["filled"], "bar was", "bars were")
    counts = {"fill": f" ({made} made)", "keep": f" ({data['gaps']:,} of them)"}
    return f"gaps {what['gaps']}{counts.get(what['gaps'], '')}"


def print_metrics(run: Run) -> None:
    """Print the metrics in the order in which they are defined, buy and hold beside those that it has, too."""
    from buff.decisions.metrics import DEFINITIONS
    from buff.decisions.reasons import of_metric

    rows = [
        (
            name,
            shown(metric.value, metric.unit),
            shown(run.benchmark[name].value, metric.unit) if name in run.benchmark else "",
            metric.unit,
            of_metric(metric.null_reason or metric.flag or ""),
        )
        for name, metric in ((name, run.metrics[name]) for name in DEFINITIONS if name in run.metrics)
        if name not in BENCHMARKS.values()
    ]
    table(("metric", "value", "buy and hold", "unit", "note"), rows, right=("value", "buy and hold"))


def print_returns(run: Run) -> None:
    """Print the returns of months and years, two lines a year: the run, and buy and hold. In halves where narrow."""
    click.echo("returns in percent; * a period that the bars do not cover to its edges")
    rows = [line for year in run.returns["years"]["rows"] for line in _year_lines(run, year)]
    columns = ("year", "of", *MONTHS, "all year")
    parts = [range(len(columns))] if fits(columns, rows) else [range(8), (0, 1, *range(8, len(columns)))]
    for part in parts:
        chosen = [columns[at] for at in part]
        table(chosen, [[row[at] for at in part] for row in rows], right=chosen[2:])


def _year_lines(run: Run, year: Mapping[str, Any]) -> list[list[str]]:
    months = {row["period"]: row for row in run.returns["months"]["rows"]}
    periods = [months.get(f"{year['period']}-{number:02}") for number in range(1, 13)] + [year]
    return [
        [year["period"], "run", *(_period(row, "value") for row in periods)],
        [year["period"], "hold", *(_period(row, "buy_and_hold") for row in periods)],
    ]


def _period(row: Mapping[str, Any] | None, field: str) -> str:
    """Return a period's return in percent; nothing where the run has no such period."""
    if row is None:
        return ""
    return percent(row[field]).removesuffix(" %") + ("*" if row["flag"] else "")


def _trade_row(trade: dict[str, Any]) -> list[str]:
    entry, leaving = trade["entry"], trade.get("exit") or {}
    return [
        str(trade["trade"]),
        str(trade["side"]),
        entry["ts"],
        short(entry["price"]),
        leaving.get("ts", "–"),
        short(leaving.get("price", trade.get("mark_price"))),
        short(trade.get("pnl", trade.get("unrealised"))),
        trade["state"],
    ]
