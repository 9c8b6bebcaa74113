"""The engine: worked examples first, then every column against the slow loop, bit for bit, then broken engines."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from buff.decisions import engine, risk, walk
from buff.decisions.engine import ACTIONS, RULES, STATES, Costs, Outcome, simulate
from buff.errors import RiskInvalid, RunConfigInvalid
from buff.market.bars import Bars
from buff.market.timeframe import Timeframe
from worlds import bars_of, decisions_of, difference, oracle, world

FREE = Costs(commission_bps=0, slippage_bps=0, min_fee=0)
SEEDS = range(1_500)


def _run(
    opens: list[float],
    closes: list[float],
    target: list[int],
    *,
    level: int = 5,
    costs: Costs = FREE,
    timeframe: Timeframe = Timeframe.HOUR_1,
    filled: list[int] | None = None,
    first: int = 1_640_995_200_000,
) -> Outcome:
    bars = bars_of(timeframe, opens, closes, filled=filled, first=first)
    return simulate(bars, decisions_of(target), level=level, costs=costs, initial_equity=1_000.0)


def _names(outcome: Outcome) -> tuple[list[str], list[str], list[str]]:
    return (
        [ACTIONS[code] for code in outcome.action],
        [STATES[code] for code in outcome.state],
        [RULES[code] for code in outcome.rule],
    )


# Examples --------------------------------------------------------------------------------------------------------


def test_decided_at_the_close_filled_at_the_next_open() -> None:
    """Half of 1000 buys 5 at 100; it is sold at 110: 50 more. Nothing is filled on the deciding bars."""
    found = _run([99, 100, 104, 110, 111], [99, 102, 108, 112, 111], [1, 1, 0, 0, 0])
    assert found.position.tolist() == [0, 1, 1, 0, 0]
    assert found.equity.tolist() == [1000, 1010, 1040, 1050, 1050]
    assert _names(found)[0] == ["ENTER_LONG", "HOLD", "EXIT_LONG", "HOLD", "HOLD"]
    assert found.trades.quantity.tolist() == [5.0]
    assert found.trades.pnl.tolist() == [50.0]
    assert found.trades.returns.tolist() == [0.1]


def test_costs_are_paid_by_every_fill() -> None:
    """10 % slippage, 10 % commission: 500 at 110 buys 4.5454..., the fee is 50; at 90 it brings 409.09 less 40.909."""
    costs = Costs(commission_bps=1_000, slippage_bps=1_000, min_fee=0)
    found = _run([100, 100, 100], [100, 100, 100], [1, 0, 0], level=5, costs=costs)
    size = 500.0 / (100.0 * 1.1)
    assert found.trades.entry_price.tolist() == [100.0 * 1.1]
    assert found.trades.exit_price.tolist() == [100.0 * 0.9]
    assert found.trades.entry_fee.tolist() == [pytest.approx(50.0)]
    assert found.trades.exit_fee.tolist() == [pytest.approx(size * 90.0 * 0.1)]
    assert found.trades.entry_slippage.tolist() == [pytest.approx(size * 10.0)]
    assert found.equity[-1] == pytest.approx(1000.0 + found.trades.pnl[0])


def test_a_minimum_fee_is_paid_where_the_commission_is_less() -> None:
    found = _run([100, 100, 100], [100, 100, 100], [1, 0, 0], costs=Costs(commission_bps=1, slippage_bps=0, min_fee=7))
    assert found.trades.entry_fee.tolist() == found.trades.exit_fee.tolist() == [7.0]
    assert found.equity[-1] == 986.0


def test_a_reversal_is_two_fills_at_one_open_and_two_trades() -> None:
    found = _run([100, 100, 110, 110, 99], [100, 100, 110, 110, 99], [1, -1, -1, 0, 0])
    assert _names(found)[0] == ["ENTER_LONG", "ENTER_SHORT", "HOLD", "EXIT_SHORT", "HOLD"]
    assert found.trades.entry.tolist() == [1, 2]
    assert found.trades.exit.tolist() == [2, 4]
    # The budget of the new leg is half of the 1000 at the close before, not of the 1050 after the exit.
    assert found.trades.quantity.tolist() == [5.0, -500.0 / 110.0]


def test_an_order_lapses_where_there_is_no_open_and_is_made_anew() -> None:
    found = _run([100, 101, 102, 103], [100, 101, 102, 103], [1, 1, 1, 1], filled=[0, 1, 1, 0])
    assert _names(found)[0] == ["ENTER_LONG", "ENTER_LONG", "ENTER_LONG", "HOLD"]
    assert found.trades.entry.tolist() == [3]
    assert found.signal.tolist() == [0, 0, 0, 0]


def test_the_last_bars_decision_is_recorded_and_the_position_stays_open() -> None:
    found = _run([100, 100, 100], [100, 100, 120], [1, 1, 0])
    assert _names(found)[0][-1] == "EXIT_LONG"
    assert found.position[-1] == 1
    assert found.trades.exit.tolist() == [3]
    assert math.isnan(found.trades.pnl[0])


def test_a_daily_loss_takes_the_position_out_and_bars_entries_until_a_day_begins() -> None:
    """Level 5: half in, so a fall of 10 % costs 5 % of the day's start equity, exactly the limit."""
    opens = [100.0] + [100.0] * 23 + [90.0] * 4
    closes = [100.0] * 20 + [90.0] * 8
    found = _run(opens, closes, [1] * 28)
    actions, states, rules = _names(found)
    assert found.equity[20] == 950.0
    assert (states[20], rules[20], actions[20]) == ("RED", "daily_loss", "EXIT_LONG")
    assert found.position[20:26].tolist() == [1, 0, 0, 0, 0, 1]
    assert actions[21:25] == ["BLOCKED", "BLOCKED", "BLOCKED", "ENTER_LONG"]  # bar 24 begins the next day
    assert engine.reason_names(("", "up"))[found.reason[20]] == "risk_daily_loss"
    assert found.signal[24] == 0
    assert found.trades.entry.tolist() == [1, 25]


def test_a_lock_on_a_days_last_bar_still_costs_one_bar() -> None:
    opens, closes = [100.0] * 24 + [90.0] * 4, [100.0] * 23 + [90.0] * 5
    found = _run(opens, closes, [1] * 28)
    assert _names(found)[0][23:26] == ["EXIT_LONG", "ENTER_LONG", "HOLD"]
    assert found.position[23:26].tolist() == [1, 0, 1]


def test_a_drawdown_halts_for_good() -> None:
    opens, closes = [100.0] * 3 + [50.0] * 60, [100.0] * 2 + [50.0] * 61
    found = _run(opens, closes, [1] * 63)
    actions, states, rules = _names(found)
    assert states[2:] == ["RED"] * 61
    assert set(rules[2:]) == {"max_drawdown"}
    assert actions[2:] == ["EXIT_LONG"] + ["BLOCKED"] * 60


def test_yellow_halves_the_entry_and_does_not_latch() -> None:
    """A loss of 2.5 % of the day: the next entry uses a quarter of equity; the next day's a half again."""
    opens = [100, 100, 95, 95, 95, 95] + [95] * 22
    closes = [100, 95, 95, 95, 95, 95] + [95] * 22
    target = [1, 0, 1, 1, 0, 0] + [0] * 18 + [1] * 4
    found = _run([float(each) for each in opens], [float(each) for each in closes], target)
    assert _names(found)[1][1:5] == ["YELLOW"] * 4
    assert found.equity[2] == 975.0
    assert found.trades.quantity.tolist() == [5.0, 975.0 * 0.25 / 95.0, 975.0 * 0.5 / 95.0]
    assert engine.PERMISSIONS[found.permission[2]] == "RESTRICT"


def test_a_reversal_wanted_in_red_leaves_and_does_not_enter() -> None:
    found = _run([100, 100, 80, 80], [100, 100, 80, 80], [1, 1, -1, -1])
    assert _names(found)[0] == ["ENTER_LONG", "HOLD", "EXIT_LONG", "BLOCKED"]
    assert engine.PERMISSIONS[found.permission[2]] == "BLOCK"
    assert engine.reason_names(("", "up", "down"))[found.reason[2]] == "down"


def test_a_short_can_lose_more_than_everything_and_is_halted() -> None:
    found = _run([100, 100, 400, 400], [100, 100, 400, 400], [-1, -1, -1, -1])
    assert found.equity.tolist() == [1000, 1000, -500, -500]
    assert found.drawdown[2] == -1.5
    assert _names(found)[0][2:] == ["EXIT_SHORT", "BLOCKED"]


def test_the_day_of_a_bar_is_that_of_its_last_instant() -> None:
    """The 4h bar that ends at midnight belongs to the day before: six bars a day, not five and seven."""
    starts = walk._day_starts(bars_of(Timeframe.HOUR_4, [1.0] * 12, [1.0] * 12).close_ms)
    assert starts.tolist() == [0] * 6 + [6] * 6


# Inputs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-1, 1000.1, math.nan, math.inf, "5", True, None])
@pytest.mark.parametrize("name", ["commission_bps", "slippage_bps", "min_fee"])
def test_a_cost_that_is_none_is_refused(name: str, value: Any) -> None:
    if name == "min_fee" and value == 1000.1:
        return
    with pytest.raises(RunConfigInvalid, match=f"{name} is") as caught:
        Costs(**{name: value})
    assert caught.value.details["field"] == name


@pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf, "1", True])
def test_a_start_equity_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(RunConfigInvalid, match="initial_equity is"):
        engine.check_equity(value)


def test_the_engine_refuses_a_level_that_is_none() -> None:
    with pytest.raises(RiskInvalid):
        _run([1.0], [1.0], [0], level=6)


@pytest.mark.parametrize(("equity", "closes"), [(1e308, [1e-3, 1e-3, 1e3]), (5e-324, [1.0, 1.0, 1.0])])
def test_numbers_beyond_a_double_are_refused_not_written(equity: float, closes: list[float]) -> None:
    bars = bars_of(Timeframe.HOUR_1, closes, closes)
    with pytest.raises(RunConfigInvalid, match="leaves the range of a double"):
        simulate(bars, decisions_of([1, 0, 0]), level=5, costs=FREE, initial_equity=equity)


# The oracle ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [3, 256])
def test_every_column_equals_the_slow_loop_bit_for_bit(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariants checked: equity, drawdown, position, state, rule, action, permission, signal, reason, budget, trades.

    Worlds: walks, lattices on which limits are met exactly, jumps, gaps, closed stretches over midnight, every level,
    costs from none to 1000 bps, bars of 1m to 1M. What they exercise is counted, so that the test cannot go blind.
    """
    monkeypatch.setattr(walk, "SEARCH_BLOCK", block)
    seen = dict.fromkeys(("trades", "locked", "halted", "blocked", "restricted", "reversed", "lapsed"), 0)
    for seed in SEEDS:
        args = world(seed)
        outcome = simulate(**args)
        assert difference(outcome, oracle(args)) is None, f"seed {seed}"
        _count(seen, outcome, args["bars"])
    assert min(seen.values()) >= 20, seen


def _count(seen: dict[str, int], outcome: Outcome, bars: Bars) -> None:
    seen["trades"] += len(outcome.trades)
    seen["locked"] += bool((outcome.rule[outcome.state == engine.RED] == engine.DAILY_LOSS).any())
    seen["halted"] += bool((outcome.rule[outcome.state == engine.RED] == engine.MAX_DRAWDOWN).any())
    seen["blocked"] += bool((outcome.action == engine.BLOCKED).any())
    seen["restricted"] += bool((outcome.permission == engine.RESTRICT).any())
    seen["reversed"] += len(np.intersect1d(outcome.trades.entry, outcome.trades.exit))
    orders = np.flatnonzero((outcome.action[:-1] != engine.HOLD) & (outcome.action[:-1] != engine.BLOCKED))
    seen["lapsed"] += int(np.count_nonzero(bars.filled[orders + 1]))


@pytest.mark.nightly
def test_every_column_equals_the_slow_loop_over_many_more_worlds() -> None:
    for seed in range(10_000, 110_000):
        args = world(seed)
        assert difference(simulate(**args), oracle(args)) is None, f"seed {seed}"


def test_decisions_on_a_prefix_give_the_prefix_of_the_outcome() -> None:
    for seed in range(200):
        args = world(seed)
        count = len(args["bars"])
        whole = simulate(**args)
        cut = count - count // 3
        decisions = evolve(
            args["decisions"], target=args["decisions"].target[:cut], reason=args["decisions"].reason[:cut]
        )
        part = simulate(**{**args, "bars": args["bars"][:cut], "decisions": decisions})
        for name in ("equity", "drawdown", "position", "state", "rule", "action", "permission", "signal", "reason"):
            assert getattr(part, name).tobytes() == getattr(whole, name)[:cut].tobytes(), (seed, name)


# Broken engines --------------------------------------------------------------------------------------------------


def _with_limits(**changes: float) -> Callable[[Any], None]:
    def apply(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(risk, "LEVELS", {level: evolve(each, **changes) for level, each in risk.LEVELS.items()})

    return apply


def _replaced(module: Any, name: str, make: Callable[[Any], Any]) -> Callable[[Any], None]:
    def apply(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(module, name, make(getattr(module, name)))

    return apply


def _day_of_the_open(original: Any) -> Any:
    return lambda close_ms: original(close_ms - np.diff(close_ms, prepend=close_ms[0] - 3_600_000) + 1)


def _no_latch(original: Any) -> Any:
    return lambda equity, peak, day_open, day_start, rules: original(
        equity, peak, day_open, np.arange(len(equity)), rules
    )


def _never_red(original: Any) -> Any:
    return lambda market, rules, position, begin, end, peak, watch: (end, peak)


def _red_a_bar_late(original: Any) -> Any:
    def late(market: Any, rules: Any, position: Any, begin: int, end: int, *rest: Any) -> Any:
        at, peak = original(market, rules, position, begin, end, *rest)
        return min(at + 1, end), peak

    return late


def _lock_ignores_watch(original: Any) -> Any:
    return lambda market, rules, position, begin, end, peak, watch: original(
        market, rules, position, begin, end, peak, begin
    )


def _trades_everywhere(original: Any) -> Any:
    return lambda target, changes, tradable: original(target, changes, None)


def _fee_twice(original: Any) -> Any:
    return lambda size, price, market: 2.0 * original(size, price, market)


def _day_never_rolls(original: Any) -> Any:
    return lambda equity, day_start, start: np.full(len(equity), start)


def _first_close_only(original: Any) -> Any:
    return lambda close, begin, reduce: close[begin]


def _reason_is_the_strategys(original: Any) -> Any:
    return lambda *args: np.abs(original(*args))


MUTANTS = {
    "day of the open": _replaced(walk, "_day_starts", _day_of_the_open),
    "no latch": _replaced(engine, "_states", _no_latch),
    "never red": _replaced(walk, "_first_red", _never_red),
    "red a bar late": _replaced(walk, "_first_red", _red_a_bar_late),
    "a lapsed lock is seen again": _replaced(walk, "_first_red", _lock_ignores_watch),
    "fills where nothing trades": _replaced(walk, "_runs", _trades_everywhere),
    "fee twice": _replaced(engine, "_fees", _fee_twice),
    "every day against the start equity": _replaced(engine, "_day_opens", _day_never_rolls),
    "a run is judged by its first close": _replaced(walk, "_extremes", _first_close_only),
    "risk has no reason": _replaced(engine, "_reasons", _reason_is_the_strategys),
    "half is not half": _with_limits(half=0.123),
    "yellow is late": _with_limits(day_yellow=0.98),
    "daily limit off": _with_limits(day_red=0.5),
    "drawdown limit off": _with_limits(drawdown_red=0.5),
}


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_broken_engine_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[name](monkeypatch)
    monkeypatch.setattr(walk, "SEARCH_BLOCK", 3)
    for seed in SEEDS:
        args = world(seed)
        try:
            if difference(simulate(**args), oracle(args)) is not None:
                return
        except (AssertionError, IndexError, ValueError):
            return
    pytest.fail("no world tells this engine from the right one")
