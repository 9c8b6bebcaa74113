"""The engine: what would have happened, bar by bar, if the decisions had been acted on.

Bars, decisions, a risk level, costs and a start equity go in; positions, equity, risk states, actions and trades come
out as columns. A decision is made at a bar's close and filled at the next bar's open. Python walks over trades, never
over bars; every number is IEEE + - * / in the order written, so that the result is that of the slow loop in
`tests/engine_oracle.py`, bit for bit. No file, no clock, no chance.

The walk (`walk.py`) finds where positions begin and end; equity, peaks, states and actions of every bar are then
computed as whole columns.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from buff.decisions.contract import Decisions
from buff.decisions.risk import Limits, limits
from buff.decisions.walk import Codes, Floats, Integers, Market, Walked, prepare, walk
from buff.errors import RunConfigInvalid
from buff.market.bars import Bars

# Codes of the int8 columns are positions in these tuples.
ACTIONS = ("HOLD", "ENTER_LONG", "EXIT_LONG", "ENTER_SHORT", "EXIT_SHORT", "BLOCKED")
STATES = ("GREEN", "YELLOW", "RED")
RULES = ("", "daily_loss", "max_drawdown")
PERMISSIONS = ("ALLOW", "RESTRICT", "BLOCK")
HOLD, ENTER_LONG, EXIT_LONG, ENTER_SHORT, EXIT_SHORT, BLOCKED = range(6)
GREEN, YELLOW, RED = range(3)
DAILY_LOSS, MAX_DRAWDOWN = 1, 2
ALLOW, RESTRICT, BLOCK = range(3)

BPS_MAX = 1_000.0


def _cost(name: str, value: object, high: float | None) -> float:
    allowed = "a finite number of at least 0" if high is None else f"a number from 0 to {high:g}"
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not (0.0 <= number <= (math.inf if high is None else high)) or math.isinf(number):
        raise RunConfigInvalid(
            f"{name} is {value!r}; it must be {allowed}",
            hint="costs are against you: they are never negative",
            details={"field": name, "value": repr(value), "allowed": allowed},
        )
    return number + 0.0


def _commission(value: object) -> float:
    return _cost("commission_bps", value, BPS_MAX)


def _slippage(value: object) -> float:
    return _cost("slippage_bps", value, BPS_MAX)


def _minimum(value: object) -> float:
    return _cost("min_fee", value, None)


@frozen(kw_only=True)
class Costs:
    """What every fill pays: commission and slippage in basis points (0 to 1000), and a minimum fee in money.

    Raises RunConfigInvalid for anything else.
    """

    commission_bps: float = field(default=10.0, converter=_commission)
    slippage_bps: float = field(default=5.0, converter=_slippage)
    min_fee: float = field(default=0.0, converter=_minimum)


def check_equity(value: object) -> float:
    """Return the start equity as a float. Raises RunConfigInvalid unless it is a finite number above 0."""
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not (number > 0.0 and math.isfinite(number)):
        raise RunConfigInvalid(
            f"initial_equity is {value!r}; it must be a finite number above 0",
            hint="the default is 10000",
            details={"field": "initial_equity", "value": repr(value)},
        )
    return number


@frozen(kw_only=True, eq=False)
class Trades:
    """One row per round trip, in the order of entry; the last may still be open.

    entry, exit: bar of the fill, int64[t], exit == n while open. quantity: float64[t], signed, bought > 0. Prices,
    fees, slippage (money), pnl and returns: float64[t], NaN where an open trade has none.
    """

    entry: Integers
    exit: Integers
    quantity: Floats
    entry_price: Floats
    entry_fee: Floats
    entry_slippage: Floats
    exit_price: Floats
    exit_fee: Floats
    exit_slippage: Floats
    pnl: Floats
    returns: Floats

    def __len__(self) -> int:
        return len(self.entry)


@frozen(kw_only=True, eq=False)
class Outcome:
    """Everything the engine knows about each bar's close, one column each of length n, and the trades.

    equity, drawdown (equity / peak - 1, start equity in the peak): float64. position: int8, side held. state, rule,
    action, permission: int8 codes of STATES, RULES, ACTIONS, PERMISSIONS. signal: int64, the bar whose change of target
    is the latest, -1 before the first. reason: int16, where action is not HOLD the strategy's reason at `signal`, or
    -1 (risk_daily_loss), -2 (risk_max_drawdown) where RED takes out a position that the target wants.
    """

    initial_equity: float
    limits: Limits
    costs: Costs
    equity: Floats
    drawdown: Floats
    position: Codes
    state: Codes
    rule: Codes
    action: Codes
    permission: Codes
    signal: Integers
    reason: NDArray[np.int16]
    trades: Trades

    def __len__(self) -> int:
        return len(self.equity)

    def budgets(self, bars: Integers) -> Floats:
        """Return what an entry decided at each of those closes may use, float64: equity times the fraction."""
        halved = self.state[bars] == YELLOW
        return self.equity[bars] * np.where(halved, self.limits.half, self.limits.fraction)


def reason_names(reasons: Sequence[str]) -> tuple[str, ...]:
    """Return the text of every code in `Outcome.reason`, the two of the risk policy at the end (-2, -1)."""
    return (*reasons, "risk_max_drawdown", "risk_daily_loss")


def simulate(bars: Bars, decisions: Decisions, *, level: object, costs: Costs, initial_equity: float) -> Outcome:
    """Return the outcome of acting on `decisions` over `bars` (at least one) at a risk level.

    A bar whose first base bar was invented (`filled`) has no open to trade at: orders lapse there and are made anew.
    Raises RiskInvalid, and RunConfigInvalid where the start equity or a number on the way leaves the range of a double.
    """
    assert len(bars) == len(decisions.target) > 0, "a run has bars, and a decision for each"
    market = prepare(
        bars,
        decisions.target,
        slippage=costs.slippage_bps / 10000.0,
        commission=costs.commission_bps / 10000.0,
        min_fee=costs.min_fee,
    )
    rules = limits(level, bars.timeframe)
    start_equity = check_equity(initial_equity)
    with np.errstate(all="ignore"):
        walked = walk(market, rules, start_equity)
        outcome = _outcome(market, decisions, walked, rules, costs, start_equity)
    _check_range(outcome)
    return outcome


def _check_range(outcome: Outcome) -> None:
    trades = outcome.trades
    closed = trades.exit < len(outcome)
    columns = (outcome.equity, outcome.drawdown, trades.entry_fee, trades.pnl[closed], trades.returns[closed])
    if not all(bool(np.isfinite(column).all()) for column in columns):
        raise RunConfigInvalid(
            f"with a start equity of {outcome.initial_equity!r} a number of this run leaves the range of a double",
            hint="choose a start equity nearer to the prices",
            details={"field": "initial_equity", "value": repr(outcome.initial_equity)},
        )


# Columns -------------------------------------------------------------------------------------------------------


def _outcome(
    market: Market, decisions: Decisions, walked: Walked, rules: Limits, costs: Costs, start_equity: float
) -> Outcome:
    """Return every column of the outcome from the positions that were walked."""
    trades = _trades(market, walked)
    lengths = np.diff(_interleaved([trades.entry, trades.exit]), prepend=0, append=len(market.close))
    nothing = np.zeros(len(trades))
    cash = np.repeat(np.append(start_equity, _interleaved([walked.cash, walked.rest])), lengths)
    quantity = np.repeat(np.append(0.0, _interleaved([trades.quantity, nothing])), lengths)
    equity = quantity * market.close
    equity += cash
    peak = np.maximum(np.maximum.accumulate(equity), start_equity)
    day_open = _day_opens(equity, market.day_start, start_equity)
    position = np.sign(quantity).astype(np.int8)
    state, rule = _states(equity, peak, day_open, market.day_start, rules)
    action, permission = _actions(decisions.target, position, state)
    signal = np.repeat(np.append(-1, market.changes), np.diff(market.changes, prepend=0, append=len(equity)))
    return Outcome(
        initial_equity=start_equity,
        limits=rules,
        costs=costs,
        equity=equity,
        drawdown=equity / peak - 1.0,
        position=position,
        state=state,
        rule=rule,
        action=action,
        permission=permission,
        signal=signal,
        reason=_reasons(decisions, position, rule, action, signal),
        trades=trades,
    )


def _interleaved(pair: Sequence[Any]) -> NDArray[Any]:
    """Return a0, b0, a1, b1, ... of two columns of the same length."""
    return np.stack([np.asarray(column) for column in pair], axis=1).reshape(-1)


def _trades(market: Market, walked: Walked) -> Trades:
    """Return the trades with their prices, fees and results, elementwise by the rules that the walk used."""
    entry, exit = np.array(walked.entry, np.int64), np.array(walked.exit, np.int64)
    quantity = np.array(walked.quantity, np.float64)
    size, long = np.abs(quantity), quantity > 0
    closed = exit < len(market.close)
    leaving = market.open[np.where(closed, exit, 0)]
    entry_price = market.open[entry] * np.where(long, market.buy, market.sell)
    exit_price = np.where(closed, leaving * np.where(long, market.sell, market.buy), np.nan)
    entry_fee, exit_fee = _fees(size, entry_price, market), _fees(size, exit_price, market)
    pnl = quantity * (exit_price - entry_price) - (entry_fee + exit_fee) + 0.0  # + 0.0: no -0.0 in an artifact
    return Trades(
        entry=entry,
        exit=exit,
        quantity=quantity,
        entry_price=entry_price,
        entry_fee=entry_fee,
        entry_slippage=size * np.abs(entry_price - market.open[entry]),
        exit_price=exit_price,
        exit_fee=exit_fee,
        exit_slippage=size * np.abs(exit_price - leaving),
        pnl=pnl,
        returns=pnl / (size * entry_price),
    )


def _fees(size: Floats, price: Floats, market: Market) -> Floats:
    fee = size * price * market.commission
    return np.where(fee < market.min_fee, market.min_fee, fee)


def _day_opens(equity: Floats, day_start: Integers, start_equity: float) -> Floats:
    """Return for every bar the equity at the last close before its UTC day, the start equity on the first day."""
    opens = equity[day_start - 1]
    opens[: np.searchsorted(day_start, 0, side="right")] = start_equity
    return opens


def _states(equity: Floats, peak: Floats, day_open: Floats, day_start: Integers, rules: Limits) -> tuple[Codes, Codes]:
    """Return (state, rule) at every close: RED from a halt on or until a locked day ends, else YELLOW or GREEN."""
    state, rule = np.zeros(len(equity), np.int8), np.zeros(len(equity), np.int8)
    by_day = equity <= day_open * rules.day_yellow
    by_drawdown = equity <= peak * rules.drawdown_yellow
    state[by_day | by_drawdown] = YELLOW
    rule[by_day] = DAILY_LOSS
    rule[by_drawdown] = MAX_DRAWDOWN
    losses = equity <= day_open * rules.day_red
    if losses.any():
        latest = np.maximum.accumulate(np.where(losses, np.arange(len(equity)), -1))
        locked = latest >= day_start
        state[locked], rule[locked] = RED, DAILY_LOSS
    halts = equity <= peak * rules.drawdown_red
    if halts.any():
        halted = int(halts.argmax())
        state[halted:], rule[halted:] = RED, MAX_DRAWDOWN
    return state, rule


def _actions(target: Codes, position: Codes, state: Codes) -> tuple[Codes, Codes]:
    """Return (action, permission) at every close, from the side held, the target and the state."""
    refused = (state == RED) & (target != 0)
    wanted = np.where(state == RED, np.int8(0), target)
    permission = np.zeros(len(target), np.int8)
    permission[refused] = BLOCK
    action = np.zeros(len(target), np.int8)
    action[refused] = BLOCKED
    ordered = np.flatnonzero(wanted != position)
    want, held = wanted[ordered], position[ordered]
    action[ordered] = np.where(
        want == 0,
        np.where(held > 0, EXIT_LONG, EXIT_SHORT),
        np.where(want > 0, ENTER_LONG, ENTER_SHORT),
    )
    entries = ordered[want != 0]
    permission[entries[state[entries] == YELLOW]] = RESTRICT
    return action, permission


def _reasons(decisions: Decisions, position: Codes, rule: Codes, action: Codes, signal: Integers) -> NDArray[np.int16]:
    """Return the reason code of every action but HOLD: the strategy's at the signal, or the risk rule's."""
    reason = np.zeros(len(action), np.int16)
    acted = np.flatnonzero(action)
    reason[acted] = decisions.reason[signal[acted]]
    leaving = acted[(action[acted] == EXIT_LONG) | (action[acted] == EXIT_SHORT)]
    forced = leaving[decisions.target[leaving] == position[leaving]]
    reason[forced] = -rule[forced]
    return reason
