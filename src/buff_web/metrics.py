"""What a metric is called, in which group it stands and how its value reads.

Metrics of a run go in, text comes out; their definitions are Buff's own (docs/reference/metrics.md), and nothing is
computed here.
"""

from collections.abc import Mapping
from typing import Any

from buff import Metric
from buff_web.words import NOTHING, duration, number, percent, short_time, stamp

SIGNED = frozenset(
    {"net_return", "cagr", "best_trade", "worst_trade", "buy_and_hold", "expectancy", "expectancy_of_start"}
)
PERCENTAGES = frozenset(
    {
        *(SIGNED - {"expectancy"}),
        *("volatility", "max_drawdown", "mean_drawdown", "exposure", "win_rate", "kelly", "cost_share"),
        *("buy_and_hold_volatility", "buy_and_hold_max_drawdown"),
    }
)
GROUPS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Return",
        (
            ("net_return", "Net return"),
            ("buy_and_hold", "Buy and hold, no costs"),
            ("cagr", "Compound annual growth"),
            ("volatility", "Volatility"),
            ("exposure", "Time in the market"),
        ),
    ),
    ("Risk-adjusted", (("sharpe", "Sharpe ratio"), ("sortino", "Sortino ratio"), ("calmar", "Calmar ratio"))),
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
    (
        "Buy and hold",
        (
            ("buy_and_hold_volatility", "Volatility"),
            ("buy_and_hold_sharpe", "Sharpe ratio"),
            ("buy_and_hold_max_drawdown", "Deepest drawdown"),
        ),
    ),
)
_UNITS = {
    "money": "money",
    "count": "",
    "bars": "bars",
    "per_year": "× a year",
    "epoch_ms": "UTC",
    "ms": "",
    "bool": "",
}
_REASONS = {
    "equity_not_positive": "equity fell to nothing",
    "fewer_than_2_days": "fewer than two UTC days",
    "gross_not_positive": "no gross profit to share",
    "no_drawdown": "there was no drawdown",
    "no_losing_day": "no day lost",
    "no_losses": "no trade lost",
    "no_tradable_bar": "no bar could be traded",
    "no_trades": "there were no trades",
    "no_wins": "no trade won",
    "not_recovered": "not recovered by the end",
    "overflow": "too large to write",
    "span_under_1_day": "the window is under one day",
    "span_under_90_days": "annualised from under 90 days",
    "zero_variance": "the returns never vary",
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


def unit(name: str, metric: Metric) -> str:
    """Return the unit as a heading would say it: nothing where the value already does."""
    if metric.unit == "ratio":
        return "" if name in PERCENTAGES else "ratio"
    return _UNITS.get(metric.unit, metric.unit)


def reason(code: str | None) -> str:
    """Return why a metric has no value, or what to mind about it, as words."""
    return "" if code is None else _REASONS.get(code, code.replace("_", " "))


def groups(metrics: Mapping[str, Metric]) -> list[tuple[str, list[tuple[str, str, Metric]]]]:
    """Return (group, [(id, label, metric)]) in reading order; a metric we have no words for comes last, by its id."""
    found = [
        (title, [(name, label, metrics[name]) for name, label in members if name in metrics])
        for title, members in GROUPS
    ]
    known = {name for _, members in GROUPS for name, _ in members}
    found.append(("Other", [(name, name.replace("_", " "), metrics[name]) for name in metrics if name not in known]))
    return [group for group in found if group[1]]
