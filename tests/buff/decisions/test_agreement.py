"""Trades agree with backtesting.py under the same assumptions, trade for trade: on made-up and on real bars."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from buff.bench import made
from buff.decisions.engine import RED, Costs, Outcome, simulate
from buff.decisions.strategy import decide, resolve, strategies, strategy
from buff.market.bars import Bars
from buff.market.timeframe import MINUTE_MS, Timeframe
from whole import make

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


def _outcome(bars: Bars, id: str, direction: str) -> tuple[np.ndarray, Outcome]:
    rule = strategy(id)
    decisions = decide(rule, bars, resolve(rule, {"direction": direction}))
    costs = Costs(commission_bps=0, slippage_bps=0)
    return decisions.target, simulate(bars, decisions, level=1, costs=costs, initial_equity=1e6)


def _agree(bars: Bars, id: str, direction: str) -> int:
    """Compare every closed trade of Buff's targets, which backtesting.py is told; return how many there are."""
    target, outcome = _outcome(bars, id, direction)
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


IDS = [id for id in strategies() if id != "hold"]  # which never closes a trade


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("direction", ["long", "short", "both"])
def test_on_made_up_hours(id: str, direction: str) -> None:
    assert _agree(made.walk(3_000, Timeframe.HOUR_1), id, direction) > 10


@pytest.mark.parametrize(("id", "least"), [("ma_cross", 8), ("donchian_breakout", 4)])
@pytest.mark.parametrize("direction", ["long", "both"])
def test_on_two_weeks_of_a_real_market(shared_data: Path, id: str, least: int, direction: str) -> None:
    assert _agree(_hours(shared_data / "clean_1m_BTC-PERP_2022-01-01_14d.csv"), id, direction) >= least


@pytest.mark.parametrize("direction", ["long", "both"])
@pytest.mark.parametrize(("id", "rule", "least"), [("ma_cross", "Averages", 8), ("donchian_breakout", "Donchian", 4)])
def test_a_run_of_that_file_trades_as_backtesting_decides_by_itself(
    shared_data: Path, tmp_path: Path, id: str, rule: str, least: int, direction: str
) -> None:
    """From the file to `trades.jsonl` on one side, from pandas on the other: nothing is shared but the minutes."""
    path = shared_data / "clean_1m_BTC-PERP_2022-01-01_14d.csv"
    free = {"commission_bps": 0, "slippage_bps": 0}
    run = make(tmp_path, path, strategy=id, params={"direction": direction}, timezone="UTC", risk_level=1, **free).run
    assert (run.inputs["timeframe"], len(run.bars)) == ("1h", 336)
    assert not (run.state == RED).any(), "the comparison needs a window without RED"
    follower = type(rule, (getattr(rival, rule),), {"both": direction == "both"})
    theirs = rival.backtest(rival.frame(_hours(path)), follower)._trades.sort_values("EntryBar")
    ours = [trade for trade in run.trades if trade["state"] == "closed"]
    assert len(ours) >= least
    assert theirs["EntryBar"].tolist() == [trade["entry"]["seq"] for trade in ours]
    assert theirs["ExitBar"].tolist() == [trade["exit"]["seq"] for trade in ours]
    assert theirs["EntryPrice"].tolist() == pytest.approx([trade["entry"]["price"] for trade in ours], rel=1e-9)
    assert theirs["ExitPrice"].tolist() == pytest.approx([trade["exit"]["price"] for trade in ours], rel=1e-9)
    assert [("long", "short")[size < 0] for size in theirs["Size"]] == [trade["side"] for trade in ours]
