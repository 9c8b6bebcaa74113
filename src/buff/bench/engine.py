"""The engine: bars to decisions, trades, limits and equity, beside backtesting.py and vectorbt on the same bars."""

from collections.abc import Callable
from typing import Any

from buff.bench.made import walk
from buff.bench.place import Place
from buff.bench.turns import Case, Contender, Job, Subject, repeated
from buff.decisions.engine import Costs, Outcome, simulate
from buff.decisions.strategy import Strategy, resolve, strategy
from buff.market.bars import Bars
from buff.market.timeframe import Timeframe

FREE = Costs(commission_bps=0, slippage_bps=0)
FREQUENCIES = {Timeframe.HOUR_1: "1h", Timeframe.MINUTE_1: "1min"}


def subject(*, quick: bool) -> Subject:
    """Return what is measured."""
    sizes = ((8_760, Timeframe.HOUR_1),) if quick else ((43_800, Timeframe.HOUR_1), (525_600, Timeframe.MINUTE_1))
    return Subject(
        name="engine",
        title="The engine",
        says=(
            "A cross of averages of 10 and 20 bars over bars in memory: indicators, decisions at the close, fills at "
            "the next open, equity of every bar. No costs; Buff's risk limits are on, and the others have none.",
            "All is imported and, for vectorbt, compiled before anything is measured. vectorbt goes over columns in "
            "compiled code and walks no bars, so it is the rival here that knows how to hurry.",
            "All make the same trades, but for ties of averages that floats decide in their own way.",
            "Nothing is written.",
        ),
        cases=tuple(_case(count, timeframe) for count, timeframe in sizes),
    )


def _case(count: int, timeframe: Timeframe) -> Case:
    def made(place: Place) -> Bars:
        return place.once(f"bars {count}", lambda: walk(count, timeframe))

    return Case(
        name=f"{count:,} bars",
        contenders=(
            Contender(who="Buff", prepare=lambda place: _ours(made(place))),
            Contender(
                who="backtesting.py", prepare=lambda place: _backtesting(made(place)), needs=("backtesting", "pandas")
            ),
            Contender(
                who="vectorbt",
                prepare=lambda place: _vectorbt(made(place), FREQUENCIES[timeframe]),
                needs=("vectorbt",),
            ),
        ),
        rounds=7 if count < 100_000 else 3,
        seconds=12,
    )


def simulated(bars: Bars, rule: Strategy) -> Outcome:
    """Return what a strategy comes to with its defaults: what a run takes before it writes."""
    return simulate(bars, rule.decide(bars, resolve(rule, {})), level=3, costs=FREE, initial_equity=1e6)


def _ours(bars: Bars) -> Job:
    rule = strategy("ma_cross")
    return repeated(lambda: simulated(bars, rule), 3)


def _backtesting(bars: Bars) -> Job:
    from buff.bench.rivals import cross

    data = cross.frame(bars)
    return repeated(lambda: cross.backtest(data))


def _vectorbt(bars: Bars, freq: str) -> Job:
    from buff.bench.rivals import vectors

    made: Callable[[], Any] = vectors.cross(bars, freq)
    return repeated(made)
