"""How fast the engine is: beside backtesting.py and vectorbt on the same bars, and alone where nobody can follow."""

import warnings
from collections.abc import Callable

import pytest

from buff.bench import engine as subject
from buff.bench.engine import FREE, simulated
from buff.bench.made import walk
from buff.bench.turns import timed
from buff.decisions.engine import simulate
from buff.decisions.metrics import metrics
from buff.decisions.records import Records
from buff.decisions.strategy import resolve, strategies, strategy
from buff.market.timeframe import Timeframe
from contests import asked, show, taken

RULE = strategy("ma_cross")
PARAMS = resolve(RULE, {})


def _seconds(job: Callable[[], object], rounds: int) -> float:
    return min(timed(job).cpu or 0.0 for _ in range(rounds))


@pytest.mark.bench
def test_the_engine_beside_its_rivals(request: pytest.FixtureRequest) -> None:
    """Goals over five years of hours: 4 ms, fifty times backtesting.py, four times vectorbt.

    vectorbt is no part of the test extra, because it brings a compiler along; `buff[bench]` has it.
    """
    pytest.importorskip("buff.bench.rivals.cross", exc_type=ImportError)
    found = show(request, subject.subject)
    assert taken(found, "backtesting.py").cpu > 5 * taken(found, "Buff").cpu, "not even a noisy machine hides this much"


@pytest.mark.bench
def test_the_rivals_make_the_same_trades() -> None:
    cross = pytest.importorskip("buff.bench.rivals.cross", exc_type=ImportError)
    bars = walk(8_760, Timeframe.HOUR_1)
    outcome = simulated(bars, RULE)
    assert not (outcome.state == 2).any()
    assert len(outcome.trades) == pytest.approx(len(cross.backtest(cross.frame(bars))._trades), rel=0.01)


@pytest.mark.bench
def test_vectorbt_makes_the_same_trades() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vectors = pytest.importorskip("buff.bench.rivals.vectors", exc_type=ImportError)
    bars = walk(8_760, Timeframe.HOUR_1)
    made = vectors.cross(bars, "1h")()
    assert len(simulated(bars, RULE).trades) == pytest.approx(len(made.trades.records), rel=0.01)


@pytest.mark.bench
@pytest.mark.parametrize(
    ("count", "timeframe", "goal_ms", "rounds"),
    [(43_800, Timeframe.HOUR_1, 6, 9), (2_628_000, Timeframe.MINUTE_1, 500, 1)],
)
def test_every_strategy_over_five_years(
    count: int, timeframe: Timeframe, goal_ms: int, rounds: int, request: pytest.FixtureRequest
) -> None:
    if not asked(request):
        count, rounds = 8_760, 1
    bars = walk(count, timeframe)
    print(f"\n{count:,} bars, engine with indicators, limits active, no costs (goal {goal_ms} ms)")
    for id, rule in strategies().items():
        outcome = simulated(bars, rule)
        whole = _seconds(lambda rule=rule: simulated(bars, rule), rounds) * 1e3
        alone = _seconds(lambda rule=rule: rule.decide(bars, resolve(rule, {})), rounds) * 1e3
        print(f"{id:22} {whole:7.2f} ms, of which decisions {alone:7.2f} ms, {len(outcome.trades):7,} trades")
        assert whole < 10 * goal_ms, "not even a noisy machine hides this much"


@pytest.mark.bench
def test_a_year_of_minutes_in_records(request: pytest.FixtureRequest) -> None:
    bars = walk(525_600 if asked(request) else 20_000, Timeframe.MINUTE_1)
    decisions = RULE.decide(bars, PARAMS)
    outcome = simulate(bars, decisions, level=3, costs=FREE, initial_equity=1e6)
    engine = _seconds(lambda: simulated(bars, RULE), 2)
    records = _seconds(lambda: sum(map(len, Records(bars, decisions, outcome, RULE.reasons))), 2)
    numbers = _seconds(lambda: metrics(bars, outcome, warmup=19), 2)
    size = sum(map(len, Records(bars, decisions, outcome, RULE.reasons)))
    print(f"\n{len(bars):,} bars: engine {engine * 1e3:.0f} ms, metrics {numbers * 1e3:.0f} ms (goal 60)")
    print(f"records {records:.2f} s (goal 1.0), {size / len(bars):.0f} bytes a record, {size / records / 1e6:.0f} MB/s")
    assert 134 < size / len(bars) < 240
