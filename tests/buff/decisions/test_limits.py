"""risk.v1 at its edges: equity that meets a limit to the last bit, day boundaries, gaps and bars without an open.

Every level holds its own fraction and loses its own limits, and both grow alike. So a move of the price from 100 means
the same on all levels: 5 % is half of the day's limit, 10 % all of it, 25 % half of the drawdown's, 50 % all of it.
"""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from buff.decisions import engine, walk
from buff.decisions.engine import ACTIONS, PERMISSIONS, RULES, STATES, Costs, Outcome, simulate
from buff.market.timeframe import Timeframe
from worlds import bars_of, decisions_of, difference, oracle, world

FREE = Costs(commission_bps=0, slippage_bps=0, min_fee=0)
NEW_YEAR_2022_MS = 1_640_995_200_000
HOUR_MS = 3_600_000


def _args(
    bars: list[tuple[float, float, int, int, int]], *, timeframe: Timeframe, level: int, first: int, costs: Costs = FREE
) -> dict[str, Any]:
    """Return a simulation of bars given as (open, close, target, filled, bars missing before it)."""
    opens, closes, target, filled, missing = (list(column) for column in zip(*bars, strict=True))
    return {
        "bars": bars_of(timeframe, opens, closes, filled=filled, missing=missing, first=first),
        "decisions": decisions_of(target),
        "level": level,
        "costs": costs,
        "initial_equity": 1_000.0,
    }


def _last(outcome: Outcome) -> tuple[str, str]:
    return STATES[outcome.state[-1]], RULES[outcome.rule[-1]]


# At the limit is over the limit ----------------------------------------------------------------------------------

# The move that meets a limit, the bars it is seen on, and the state on it and a cent before it.
EDGES = {
    "half of the day's": (0.05, Timeframe.HOUR_1, ("YELLOW", "daily_loss"), ("GREEN", "")),
    "the day's": (0.10, Timeframe.HOUR_1, ("RED", "daily_loss"), ("YELLOW", "daily_loss")),
    "half of the drawdown's": (0.25, Timeframe.WEEK_1, ("YELLOW", "max_drawdown"), ("GREEN", "")),
    "the drawdown's": (0.50, Timeframe.WEEK_1, ("RED", "max_drawdown"), ("YELLOW", "max_drawdown")),
}


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("level", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("edge", EDGES)
def test_a_limit_that_is_met_exactly_is_over(edge: str, level: int, side: int) -> None:
    move, timeframe, met, missed = EDGES[edge]
    for cent, expected in ((0.0, met), (0.01, missed)):
        price = 100.0 - side * (100.0 * move - cent)
        bars = [(100.0, 100.0, side, 0, 0), (100.0, 100.0, side, 0, 0), (100.0, price, side, 0, 0)]
        args = _args(bars, timeframe=timeframe, level=level, first=NEW_YEAR_2022_MS)
        outcome = simulate(**args)
        assert _last(outcome) == expected, cent
        assert difference(outcome, oracle(args)) is None


@pytest.mark.parametrize("hour", range(24))
def test_a_lock_ends_with_its_day_whenever_it_began(hour: int) -> None:
    """The loss is met at the close of any hour of a day; the first bar of the next decides, its second fills."""
    bars = [(100.0, 100.0, 1, 0, 0)] * 24
    bars += [(100.0 if at <= hour else 90.0, 100.0 if at < hour else 90.0, 1, 0, 0) for at in range(24)]
    bars += [(90.0, 90.0, 1, 0, 0)] * 4
    args = _args(bars, timeframe=Timeframe.HOUR_1, level=3, first=NEW_YEAR_2022_MS)
    outcome = simulate(**args)
    assert difference(outcome, oracle(args)) is None
    red = np.flatnonzero(outcome.state == engine.RED).tolist()
    assert red == list(range(24 + hour, 48))
    assert outcome.trades.entry.tolist() == [1, 49]
    assert outcome.trades.exit.tolist() == [25 + hour, 52]


def test_a_forced_exit_waits_for_an_open() -> None:
    """Bars made by gaps=fill have no open: the exit lapses and is decided again, on every one of them."""
    bars = [(100.0, 100.0, 1, 0, 0)] * 2 + [(100.0, 90.0, 1, 0, 0)] + [(90.0, 90.0, 1, 1, 0)] * 3
    args = _args([*bars, (80.0, 80.0, 1, 0, 0)], timeframe=Timeframe.HOUR_1, level=1, first=NEW_YEAR_2022_MS)
    outcome = simulate(**args)
    assert difference(outcome, oracle(args)) is None
    assert [ACTIONS[code] for code in outcome.action[2:6]] == ["EXIT_LONG"] * 4
    assert outcome.trades.exit.tolist() == [6]


def test_a_day_that_a_gap_skips_ends_a_lock() -> None:
    """The next bar comes two days later: its day is another, and the lock is gone."""
    bars = [(100.0, 100.0, 1, 0, 0)] * 2 + [(100.0, 90.0, 1, 0, 0), (90.0, 90.0, 1, 0, 48), (90.0, 90.0, 1, 0, 0)]
    args = _args(bars, timeframe=Timeframe.HOUR_1, level=2, first=NEW_YEAR_2022_MS)
    outcome = simulate(**args)
    assert difference(outcome, oracle(args)) is None
    assert [STATES[code] for code in outcome.state] == ["GREEN", "GREEN", "RED", "GREEN", "GREEN"]
    assert outcome.trades.entry.tolist() == [1, 4]


# Any bars on the edges -------------------------------------------------------------------------------------------

PRICES = st.sampled_from((100.0, 95.0, 90.0, 75.0, 50.0, 105.0, 110.0, 125.0, 150.0, 94.99, 90.01, 400.0))
BARS = st.lists(
    st.tuples(
        PRICES,
        PRICES,
        st.sampled_from((1, 0, -1)),
        st.sampled_from((0, 0, 0, 1)),
        st.sampled_from((0, 0, 0, 0, 1, 5, 30)),
    ),
    min_size=1,
    max_size=60,
)
COSTS = st.sampled_from(
    (FREE, Costs(commission_bps=0, slippage_bps=0, min_fee=5.0), Costs(commission_bps=100, slippage_bps=50, min_fee=0))
)
FRAMES = st.sampled_from((Timeframe.HOUR_1, Timeframe.HOUR_4, Timeframe.DAY_1, Timeframe.WEEK_1))


@given(BARS, FRAMES, st.integers(1, 5), st.integers(0, 23), COSTS, st.sampled_from((1, 3, 256)))
@example([(100.0, 100.0, 1, 0, 0), (100.0, 50.0, 1, 0, 0)] * 20, Timeframe.HOUR_1, 5, 23, FREE, 3)
def test_every_column_equals_the_slow_loop_on_the_edges(
    bars: list[tuple[float, float, int, int, int]],
    timeframe: Timeframe,
    level: int,
    hour: int,
    costs: Costs,
    block: int,
) -> None:
    args = _args(bars, timeframe=timeframe, level=level, first=NEW_YEAR_2022_MS + hour * HOUR_MS, costs=costs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walk, "SEARCH_BLOCK", block)
        assert difference(simulate(**args), oracle(args)) is None


# What the worlds of the other tests reach ------------------------------------------------------------------------


def test_the_made_up_worlds_reach_every_state_by_every_rule_on_every_level() -> None:
    """Otherwise "equal to the slow loop in every world" would say less than it seems to."""
    seen: Counter[Any] = Counter()
    for seed in range(1_500):
        args = world(seed)
        outcome = simulate(**args)
        level, filled, missing = args["level"], args["bars"].filled, args["bars"].missing
        seen.update((level, STATES[s], RULES[r]) for s, r in {*zip(outcome.state, outcome.rule, strict=True)})
        seen.update({(PERMISSIONS[p], ACTIONS[a]) for p, a in zip(outcome.permission, outcome.action, strict=True)})
        forced = np.flatnonzero(outcome.reason[:-1] < 0)
        seen["a forced exit that lapses"] += int(np.count_nonzero(filled[forced + 1]))
        seen["a forced exit after a gap"] += int(np.count_nonzero(missing[forced + 1]))
        red = outcome.state == engine.RED
        seen["a lock that ends"] += int(np.count_nonzero(red[:-1] & ~red[1:]))
    rules = [("GREEN", ""), *((state, rule) for state in ("YELLOW", "RED") for rule in ("daily_loss", "max_drawdown"))]
    wanted = [(level, *each) for level in range(1, 6) for each in rules]
    wanted += [("BLOCK", name) for name in ("BLOCKED", "EXIT_LONG", "EXIT_SHORT")]
    wanted += [(name, action) for name in ("ALLOW", "RESTRICT") for action in ("ENTER_LONG", "ENTER_SHORT")]
    wanted += [("ALLOW", name) for name in ("HOLD", "EXIT_LONG", "EXIT_SHORT")]
    wanted += ["a forced exit that lapses", "a forced exit after a gap", "a lock that ends"]
    assert {name: seen[name] for name in wanted if seen[name] < 5} == {}
    assert {name for name in seen if isinstance(name, tuple)} == {name for name in wanted if isinstance(name, tuple)}
