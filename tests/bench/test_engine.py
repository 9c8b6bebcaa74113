"""How fast the engine is: beside backtesting.py on the same bars, and on its own where nothing else can follow."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas
import pytest

from buff.decisions.engine import Costs, Outcome, simulate
from buff.decisions.metrics import metrics
from buff.decisions.records import Records
from buff.decisions.strategy import Strategy, resolve, strategies, strategy
from buff.market.bars import Bars
from buff.market.timeframe import Timeframe
from worlds import lcg_bars

FREE = Costs(commission_bps=0, slippage_bps=0)
RULE = strategy("ma_cross")
PARAMS = resolve(RULE, {})


def _engine(bars: Bars, rule: Strategy = RULE) -> Outcome:
    """Indicators, decisions, execution, risk and equity of every bar: what a run takes before it writes."""
    return simulate(bars, rule.decide(bars, resolve(rule, {})), level=3, costs=FREE, initial_equity=1e6)


def _seconds(job: Callable[[], object], rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        begin = time.process_time()
        job()
        best = min(best, time.process_time() - begin)
    return best


@pytest.mark.bench
def test_five_years_of_hours_beside_backtesting() -> None:
    rival = pytest.importorskip("rival", exc_type=ImportError)
    bars = lcg_bars(43_800, Timeframe.HOUR_1)
    data = rival.frame(bars)
    outcome = _engine(bars)
    theirs = rival.backtest(data, rival.Cross)
    ours, other = _seconds(lambda: _engine(bars), 20), _seconds(lambda: rival.backtest(data, rival.Cross), 2)
    print(f"\n43,800 bars, ma_cross: engine with indicators {ours * 1e3:.2f} ms (goal 4), {len(outcome.trades)} trades")
    print(f"backtesting.py {other * 1e3:.0f} ms, {len(theirs._trades)} trades: {other / ours:.0f} times (goal 50)")
    assert not (outcome.state == 2).any()
    assert len(outcome.trades) == pytest.approx(len(theirs._trades), rel=0.01)
    assert other > 5 * ours, "not even a noisy machine hides this much"


@pytest.mark.bench
@pytest.mark.parametrize(
    ("count", "timeframe", "goal_ms", "rounds"),
    [(43_800, Timeframe.HOUR_1, 6, 9), (2_628_000, Timeframe.MINUTE_1, 500, 1)],
)
def test_every_strategy_over_five_years(count: int, timeframe: Timeframe, goal_ms: int, rounds: int) -> None:
    bars = lcg_bars(count, timeframe)
    print(f"\n{count:,} bars, engine with indicators, limits active, no costs (goal {goal_ms} ms)")
    for id, rule in strategies().items():
        outcome = _engine(bars, rule)
        whole = _seconds(lambda rule=rule: _engine(bars, rule), rounds) * 1e3
        alone = _seconds(lambda rule=rule: rule.decide(bars, resolve(rule, {})), rounds) * 1e3
        print(f"{id:22} {whole:7.2f} ms, of which decisions {alone:7.2f} ms, {len(outcome.trades):7,} trades")
        assert whole < 10 * goal_ms, "not even a noisy machine hides this much"


@pytest.mark.bench
def test_five_years_of_hours_beside_vectorbt() -> None:
    """Compiled code, after it has been compiled: the same cross, filled at the next open, without costs and risk.

    vectorbt is no part of the test extra, because it brings a compiler along; install it to see this.
    """
    vectorbt = pytest.importorskip("vectorbt", reason="vectorbt is installed by hand where it is wanted")
    bars = lcg_bars(43_800, Timeframe.HOUR_1)
    index = pandas.DatetimeIndex(bars.ts.astype("datetime64[ms]"))
    close, opens = (pandas.Series(np.array(column), index=index) for column in (bars.close, bars.open))

    def theirs() -> Any:
        fast, slow = vectorbt.MA.run(close, 10), vectorbt.MA.run(close, 20)
        above = fast.ma_above(slow).vbt.signals.fshift(1)
        found = vectorbt.Portfolio.from_signals(close, above, ~above, price=opens, fees=0.0, freq="1h", init_cash=1e6)
        found.value()
        return found

    trades = len(theirs().trades.records)
    outcome = _engine(bars)
    ours, other = _seconds(lambda: _engine(bars), 20), _seconds(theirs, 5)
    print(f"\n43,800 bars, ma_cross: engine {ours * 1e3:.2f} ms, limits active, {len(outcome.trades)} trades")
    print(f"vectorbt, warm, equity only: {other * 1e3:.1f} ms, {trades} trades: {other / ours:.1f} times (goal 4)")
    assert len(outcome.trades) == pytest.approx(trades, rel=0.01)


@pytest.mark.bench
def test_a_year_of_minutes_in_records() -> None:
    bars = lcg_bars(525_600, Timeframe.MINUTE_1)
    decisions = RULE.decide(bars, PARAMS)
    outcome = simulate(bars, decisions, level=3, costs=FREE, initial_equity=1e6)
    engine = _seconds(lambda: _engine(bars), 2)
    records = _seconds(lambda: sum(map(len, Records(bars, decisions, outcome, RULE.reasons))), 2)
    numbers = _seconds(lambda: metrics(bars, outcome, warmup=19), 2)
    size = sum(map(len, Records(bars, decisions, outcome, RULE.reasons)))
    print(f"\n525,600 bars: engine {engine * 1e3:.0f} ms, metrics {numbers * 1e3:.0f} ms (goal 60)")
    print(f"records {records:.2f} s (goal 1.0), {size / len(bars):.0f} bytes a record, {size / records / 1e6:.0f} MB/s")
    assert 134 < size / len(bars) < 240
