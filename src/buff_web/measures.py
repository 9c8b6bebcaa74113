"""What the runs of a sweep are measured by: the metrics that a registry knows of every run, and how their values read.

A row of a sweep's results goes in; a value or its text comes out. Nothing is computed, and no measure is the goal.
"""

from collections.abc import Iterable, Mapping

from buff import Trial
from buff.recipe import LISTED_METRICS
from buff.runs.words import PERCENTAGES, SIGNED
from buff_web.metrics import LABELS
from buff_web.words import number, percent

DEFLATED, TRADES = "deflated_sharpe", "trades"
MEASURES: Mapping[str, str] = {
    **{name: LABELS[name] for name in LISTED_METRICS},
    TRADES: LABELS[TRADES],
    DEFLATED: "Deflated Sharpe ratio",
}
SHORT: Mapping[str, str] = {  # what a table and an axis have room for, by short names
    "net_return": "Return",
    "sharpe": "Sharpe",
    "max_drawdown": "Drawdown",
    DEFLATED: "Deflated Sharpe",
    TRADES: "Trades",
}
_PERCENTAGES = PERCENTAGES | {DEFLATED}


def measured(row: Trial, name: str) -> float | None:
    """Return what a row has of a measure; None where there is no run, or where its run has no such value."""
    match name:
        case "trades":
            return row.trades
        case "deflated_sharpe":
            return row.deflated_sharpe
        case _:
            return row.metrics.get(name)


def is_percentage(name: str) -> bool:
    """Return whether a measure reads as a percentage."""
    return name in _PERCENTAGES


def text(name: str, value: float | None) -> str:
    """Return a value with its unit, as it stands in a sentence or a table."""
    if is_percentage(name):
        return percent(value, signed=name in SIGNED)
    return number(value, 0 if name == TRADES else 2, signed=name in SIGNED)


class Brief:
    """How the values of one measure read where there is little room: all with as many decimals, without a unit."""

    def __init__(self, name: str, values: Iterable[float]) -> None:
        """Choose the decimals that the largest of the values asks for."""
        self.unit = "%" if is_percentage(name) else ""
        self._factor = 100.0 if self.unit else 1.0
        largest = max((abs(value) for value in values), default=0.0) * self._factor
        self._decimals = 0 if name == TRADES or largest >= 100 else 1 if largest >= 10 else 2

    def text(self, value: float) -> str:
        """Return a value."""
        return number(value * self._factor, self._decimals)
