"""Trades agree with backtesting.py under the same assumptions, trade for trade: on made-up and on real bars."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from buff.decisions.engine import RED, Costs, Outcome, simulate
from buff.decisions.strategy import decide, resolve, strategy
from buff.market.bars import Bars
from buff.market.timeframe import MINUTE_MS, Timeframe
from worlds import lcg_bars

rival = pytest.importorskip("rival", exc_type=ImportError)


def _hours(path: Path) -> Bars:
    """Return hourly bars of a complete minute file, by the plainest means there are."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [[float(cell) for cell in row[1:6]] for row in list(csv.reader(file))[1:]]
    with path.open(encoding="utf-8") as file:
        first = datetime.fromisoformat(file.readlines()[1].split(",")[0]).replace(tzinfo=UTC)
    minutes = np.array(rows).reshape(-1, 60, 5)
    start = int(first.timestamp()) * 1_000
    return Bars(
        timeframe=Timeframe.HOUR_1,
        ts=start + np.arange(len(minutes)) * 60 * MINUTE_MS,
        open=minutes[:, 0, 0],
        high=minutes[:, :, 1].max(axis=1),
        low=minutes[:, :, 2].min(axis=1),
        close=minutes[:, -1, 3],
        volume=np.zeros(len(minutes)),
        filled=np.zeros(len(minutes), np.uint8),
        decimals=1,
    )


def _outcome(bars: Bars, direction: str) -> tuple[np.ndarray, Outcome]:
    rule = strategy("ma_cross")
    decisions = decide(rule, bars, resolve(rule, {"direction": direction}))
    costs = Costs(commission_bps=0, slippage_bps=0)
    return decisions.target, simulate(bars, decisions, level=1, costs=costs, initial_equity=1e6)


def _agree(bars: Bars, direction: str) -> int:
    target, outcome = _outcome(bars, direction)
    assert not (outcome.state == RED).any(), "the comparison needs a window without RED"
    theirs = rival.backtest(rival.frame(bars), type("Followed", (rival.Follow,), {"target": target}))._trades
    theirs = theirs.sort_values("EntryBar")
    ours, closed = outcome.trades, outcome.trades.exit < len(bars)
    assert theirs["EntryBar"].tolist() == ours.entry[closed].tolist()
    assert theirs["ExitBar"].tolist() == ours.exit[closed].tolist()
    assert theirs["EntryPrice"].tolist() == pytest.approx(ours.entry_price[closed].tolist(), rel=1e-9)
    assert theirs["ExitPrice"].tolist() == pytest.approx(ours.exit_price[closed].tolist(), rel=1e-9)
    assert np.sign(theirs["Size"]).tolist() == np.sign(ours.quantity[closed]).tolist()
    return int(closed.sum())


@pytest.mark.parametrize("direction", ["long", "short", "both"])
def test_on_made_up_hours(direction: str) -> None:
    assert _agree(lcg_bars(3_000, Timeframe.HOUR_1), direction) > 50


@pytest.mark.parametrize("direction", ["long", "both"])
def test_on_two_weeks_of_a_real_market(shared_data: Path, direction: str) -> None:
    assert _agree(_hours(shared_data / "clean_1m_BTC-PERP_2022-01-01_14d.csv"), direction) >= 8
