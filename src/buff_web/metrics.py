"""What a metric is called, in which group it stands and how its value reads.

Metrics of a run go in, text comes out; their definitions are Buff's own (docs/reference/metrics.md), and nothing is
computed here.
"""

from collections.abc import Mapping
from typing import Any

from buff import Metric
from buff.decisions.reasons import of_decision, of_metric
from buff.runs.words import PERCENTAGES, SIGNED
from buff_web.words import NOTHING, duration, number, percent, short_time, stamp

Period = Mapping[str, Any]

GROUPS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Return",
        (
            ("net_return", "Net return"),
            ("cagr", "Compound annual growth"),
            ("volatility", "Volatility"),
            ("exposure", "Time in the market"),
        ),
    ),
    (
        "Risk-adjusted",
        (
            ("sharpe", "Sharpe ratio"),
            ("psr", "Probability that it is above 0"),
            ("sortino", "Sortino ratio"),
            ("calmar", "Calmar ratio"),
        ),
    ),
    (
        "Drawdown",
        (
            ("max_drawdown", "Deepest drawdown"),
            ("max_drawdown_peak_ms", "Its peak"),
            ("max_drawdown_trough_ms", "Its trough"),
            ("max_drawdown_recovery_ms", "Its recovery"),
            ("max_drawdown_recovered", "Recovered"),
            ("max_drawdown_duration_ms", "Peak to recovery or end"),
            ("longest_drawdown_ms", "Longest drawdown"),
            ("drawdowns", "Drawdowns"),
            ("mean_drawdown", "Mean drawdown"),
        ),
    ),
    (
        "Trades",
        (
            ("trades", "Closed trades"),
            ("trades_long", "Long"),
            ("trades_short", "Short"),
            ("trades_open", "Still open"),
            ("win_rate", "Win rate"),
            ("profit_factor", "Profit factor"),
            ("payoff", "Payoff, mean win to mean loss"),
            ("expectancy", "Expectancy a trade"),
            ("expectancy_of_start", "Expectancy of start equity"),
            ("expectancy_r", "Expectancy in mean losses"),
            ("sqn", "System quality number"),
            ("kelly", "Kelly fraction"),
            ("best_trade", "Best trade"),
            ("worst_trade", "Worst trade"),
            ("mean_bars_held", "Mean bars held"),
            ("max_bars_held", "Most bars held"),
            ("longest_win_streak", "Longest row of wins"),
            ("longest_loss_streak", "Longest row of losses"),
        ),
    ),
    (
        "Costs",
        (
            ("fees", "Commission"),
            ("slippage", "Slippage"),
            ("cost_share", "Costs to gross profit"),
            ("turnover", "Turnover of mean equity"),
        ),
    ),
    (
        "Risk policy",
        (
            ("bars_green", "Bars GREEN"),
            ("bars_yellow", "Bars YELLOW"),
            ("bars_red", "Bars RED"),
            ("bars_filled", "Bars that open at a filled price"),
            ("blocked_entries", "Entries blocked"),
            ("forced_exits", "Exits forced"),
            ("fills_after_gap", "Fills after a gap"),
            ("fills_on_zero_volume", "Fills on no volume"),
        ),
    ),
)
LABELS: Mapping[str, str] = {name: label for _, members in GROUPS for name, label in members}
_UNITS = {
    "money": "money",
    "count": "",
    "bars": "bars",
    "per_year": "× a year",
    "epoch_ms": "UTC",
    "ms": "",
    "bool": "",
}


def text(name: str, metric: Metric) -> str:
    """Return the value of a metric with its unit as far as the unit is part of reading it."""
    value: Any = metric.value
    match metric.unit:
        case _ if value is None:
            return NOTHING
        case "bool":
            return "yes" if value else "no"
        case "epoch_ms":
            return short_time(stamp(value))
        case "ms":
            return duration(value)
        case "ratio" if name in PERCENTAGES:
            return percent(value, signed=name in SIGNED)
        case "count" | "bars":
            return number(value, 0 if isinstance(value, int) else 1)
        case _:
            return number(value, signed=name in SIGNED)


def delta(name: str, metric: Metric, by: float | int) -> str:
    """Return how far a value of a metric lies from another one, with its sign; percentages differ in points."""
    match metric.unit:
        case "epoch_ms" | "ms":
            return f"{'−' if by < 0 else '+'}{duration(abs(int(by)))}" if by else "same"
        case "ratio" if name in PERCENTAGES:
            return f"{number(by * 100, signed=True)} points"
        case "count" | "bars":
            return number(by, 0 if isinstance(by, int) else 1, signed=True)
        case _:
            return number(by, signed=True)


def unit(name: str, metric: Metric) -> str:
    """Return the unit as a heading would say it: nothing where the value already does."""
    if metric.unit == "ratio":
        return "" if name in PERCENTAGES else "ratio"
    return _UNITS.get(metric.unit, metric.unit)


def reason(code: str | None) -> str:
    """Return why a metric has no value, or what to mind about it, as words."""
    return "" if code is None else of_metric(code)


def because(code: str, strategy: str) -> str:
    """Return why something was decided, as words: a code of the strategy with that id, or of the risk policy."""
    return of_decision(code, strategy)


def groups(
    metrics: Mapping[str, Metric], benchmark: Mapping[str, Metric]
) -> list[tuple[str, list[tuple[str, str, Metric, Metric | None]]]]:
    """Return (group, [(id, label, metric, buy and hold's)]) in reading order.

    What buy and hold has stands beside the run's own; a metric we have no words for comes last, by its id.
    """
    beside = {metric.formula for metric in benchmark.values()}
    others = tuple(
        (name, name.replace("_", " "))
        for name, metric in metrics.items()
        if name not in LABELS and metric.formula not in beside
    )
    found = [
        (title, [(name, label, metrics[name], benchmark.get(name)) for name, label in members if name in metrics])
        for title, members in (*GROUPS, ("Other", others))
    ]
    return [group for group in found if group[1]]


def calendar(returns: Mapping[str, Any]) -> list[tuple[str, list[Period | None]]]:
    """Return (year, twelve months and the year itself) for every year of a run; None where it has no such month."""
    months = {row["period"]: row for row in returns["months"]["rows"]}
    return [
        (year["period"], [*(months.get(f"{year['period']}-{number:02}") for number in range(1, 13)), year])
        for year in returns["years"]["rows"]
    ]
