"""The engine: what would have happened, bar by bar, if the decisions had been acted on.

Bars, decisions, a risk level, costs and a start equity go in; positions, equity, risk states, actions and trades come
out as columns. A decision is made at a bar's close and filled at the next bar's open. Python walks over trades, never
over bars; every number is IEEE + - * / in the order written, so that the result is that of the slow loop in
`tests/engine_oracle.py`, bit for bit. No file, no clock, no chance.

The walk finds only where positions begin and end. In each stretch of constant target it sizes the entry and asks
whether the stretch's lowest equity stays above every limit; only where it may not, the closes are searched for the
first RED. Equity, peaks, states and actions of every bar are then computed as whole columns.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from buff.decisions.contract import Decisions
from buff.decisions.risk import Limits, limits
from buff.errors import RunConfigInvalid
from buff.market.bars import Bars
from buff.market.timeframe import DAY_MS

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
SEARCH_BLOCK = 256

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Codes = NDArray[np.int8]
_Position = tuple[float, float, int, float]  # cash, quantity, bar of the entry, the equity its day is measured against


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
    market = _market(bars, decisions.target, costs)
    rules = limits(level, bars.timeframe)
    start_equity = check_equity(initial_equity)
    with np.errstate(all="ignore"):
        walked = _walk(market, rules, costs, start_equity)
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


# Preparation ---------------------------------------------------------------------------------------------------


@frozen(kw_only=True, eq=False)
class _Market:
    """What the walk reads: columns of the bars, and the runs of constant target as they would be held without RED.

    day_start: int64[n], the first bar of each bar's UTC day. changes: bars where the target changes. begin, end,
    side: the runs with a position, by the bars of their fills; end == n where nothing ends it.
    """

    open: Floats
    close: Floats
    day_start: Integers
    tradable: NDArray[np.bool_] | None  # None: every bar
    changes: Integers
    begin: Integers
    end: Integers
    side: Codes
    low: Floats
    high: Floats
    buy: float
    sell: float

    def tradable_from(self, bar: int) -> int:
        """Return the first bar at or after `bar` that has an open to trade at, or n."""
        if self.tradable is None or bar >= len(self.close):
            return min(bar, len(self.close))
        return _first_true(self.tradable, bar)

    def next_day(self, bar: int) -> int:
        """Return the first bar of a later UTC day than `bar`'s, or n."""
        # The days are sorted runs of equal values, so the next one begins where the first larger value stands.
        return int(np.searchsorted(self.day_start, self.day_start[bar], side="right"))


def _market(bars: Bars, target: Codes, costs: Costs) -> _Market:
    count = len(bars)
    tradable = None if not bars.filled.any() else bars.filled == 0
    changes = np.flatnonzero(np.diff(target, prepend=np.int8(0)))
    begin, side = _runs(target, changes, tradable)
    edges = np.append(begin, count)
    low, high = (_extremes(bars.close, begin, reduce) for reduce in (np.minimum, np.maximum))
    held = side != 0
    return _Market(
        open=bars.open,
        close=bars.close,
        day_start=_day_starts(bars.close_ms),
        tradable=tradable,
        changes=changes,
        begin=begin[held],
        end=edges[1:][held],
        side=side[held],
        low=low[held],
        high=high[held],
        buy=1.0 + costs.slippage_bps / 10000.0,
        sell=1.0 - costs.slippage_bps / 10000.0,
    )


def _runs(target: Codes, changes: Integers, tradable: NDArray[np.bool_] | None) -> tuple[Integers, Codes]:
    """Return (begin, side) of every stretch that would be held or flat without RED, by the bars of the fills."""
    begin = changes + 1
    if tradable is not None:
        opens = np.append(np.flatnonzero(tradable), len(target))
        begin = opens[np.searchsorted(opens[:-1], begin)]
        begin = begin[np.diff(begin, append=-1) != 0]  # of changes that wait for one open, the last counts
    begin = begin[begin < len(target)]
    side = target[begin - 1]
    fresh = np.diff(side, prepend=np.int8(0)) != 0
    return begin[fresh], side[fresh]


def _extremes(close: Floats, begin: Integers, reduce: np.ufunc) -> Floats:
    if not len(begin):
        return np.empty(0)
    extremes: Floats = reduce.reduceat(close, begin)
    return extremes


def _day_starts(close_ms: Integers) -> Integers:
    """Return for every bar the first bar of its UTC day, the day of the bar's last millisecond."""
    day = (close_ms - 1) // DAY_MS
    starts = np.flatnonzero(np.diff(day, prepend=day[0] - 1))
    return np.repeat(starts, np.diff(starts, append=len(day)))


def _first_true(flags: NDArray[np.bool_], begin: int) -> int:
    size = 64
    while begin < len(flags):
        part = flags[begin : begin + size]
        at = int(part.argmax())
        if part[at]:
            return begin + at
        begin, size = begin + size, size * 2
    return len(flags)


# The walk ------------------------------------------------------------------------------------------------------


@frozen(kw_only=True, eq=False)
class _Walked:
    """Where positions begin and end, and the cash in each stretch: `cash[k]` during position k, `rest[k]` after it."""

    entry: list[int]
    exit: list[int]
    quantity: list[float]
    cash: list[float]
    rest: list[float]


@frozen(kw_only=True)
class _Exit:
    """How a position ended in RED: the bar of the fill (n: never), and what held at the close before it."""

    bar: int
    halted: bool
    locked_until: int
    peak: float
    equity: float
    day_open: float


def _walk(market: _Market, rules: Limits, costs: Costs, start_equity: float) -> _Walked:
    """Return the positions taken: a loop over runs of constant target, on Python floats.

    Between positions these hold: `flat` is the bar of the last exit, `day_open` the equity its day is measured
    against, `free` the first bar whose close may decide an entry, `peak` the highest close before and at `flat`.
    """
    entries: list[int] = []
    exits: list[int] = []
    quantities: list[float] = []
    cashes: list[float] = []
    rests: list[float] = []
    walked = _Walked(entry=entries, exit=exits, quantity=quantities, cash=cashes, rest=rests)
    count = len(market.close)
    fraction, half = rules.fraction, rules.half
    day_red, day_yellow = rules.day_red, rules.day_yellow
    drawdown_red, drawdown_yellow = rules.drawdown_red, rules.drawdown_yellow
    rate, min_fee = costs.commission_bps / 10000.0, costs.min_fee
    buy, sell = market.buy, market.sell

    cash = peak = day_open = equity = start_equity
    flat = free = 0
    turning = False  # the run before ends where this one begins: a reversal, decided with the old position
    for (
        begin,
        end,
        side,
        low,
        high,
        fill,
        out,
        begin_day,
        begins_day,
        last,
        last_day,
        last_day_close,
        turns,
        ends_day,
    ) in _run_rows(market):
        entry = begin
        if not turning and begin <= free:
            entry = market.tradable_from(free + 1)
        while entry < end:
            # What held at the close before the entry, where it was decided.
            if turning:
                is_new_day = begins_day
            else:
                if entry == begin:
                    before, is_new_day = begin_day, begins_day
                else:
                    before = int(market.day_start[entry - 1])
                    is_new_day = int(market.day_start[entry]) == entry
                    fill = float(market.open[entry]) * (buy if side > 0 else sell)
                equity = cash
                if before > flat:
                    day_open = cash
            # The entry: sized from that close, filled at this open.
            yellow = equity <= peak * drawdown_yellow or equity <= day_open * day_yellow
            size = equity * (half if yellow else fraction) / fill
            quantity = size if side > 0 else -size
            fee = size * fill * rate
            if fee < min_fee:
                fee = min_fee
            cash = cash - quantity * fill - fee
            entries.append(entry)
            quantities.append(quantity)
            cashes.append(cash)
            if is_new_day:
                day_open = equity
            # Can any close of the run be RED? Products with positive factors are monotone in IEEE arithmetic.
            lowest = cash + quantity * (low if side > 0 else high)
            highest = cash + quantity * (high if side > 0 else low)
            top = highest if highest > peak else peak
            top_open = highest if highest > day_open else day_open
            if entry == begin and lowest > top * drawdown_red and lowest > top_open * day_red:
                peak, turning, halted, locked = top, turns, False, 0
                leave, leave_price = end, out
                equity = cash + quantity * last
                if last_day > entry:
                    day_open = cash + quantity * last_day_close
                leaves_new_day = ends_day
            else:
                red = _exit(market, rules, entry, end, cash, quantity, peak, day_open)
                leave, halted, locked, peak = red.bar, red.halted, red.locked_until, red.peak
                equity, day_open = red.equity, red.day_open
                turning = turns and leave == end and not halted and not locked
                if leave < count:
                    leave_price = float(market.open[leave]) * (sell if side > 0 else buy)
                    leaves_new_day = int(market.day_start[leave]) == leave
            exits.append(leave)
            if leave >= count:
                rests.append(cash)
                return walked
            # The exit.
            fee = size * leave_price * rate
            if fee < min_fee:
                fee = min_fee
            cash = cash + quantity * leave_price - fee
            rests.append(cash)
            if turning:
                break
            # Flat from here: the close of this bar is the last that can bring RED before the next entry.
            flat = leave
            if leaves_new_day:
                day_open = equity
            if cash > peak:
                peak = cash
            if halted or cash <= peak * drawdown_red:
                return walked
            if locked > flat:
                free = locked
            elif cash <= day_open * day_red:
                free = market.next_day(flat)
            else:
                free = flat
            entry = market.tradable_from(free + 1) if flat < end else end
    return walked


def _run_rows(market: _Market) -> Iterator[tuple[Any, ...]]:
    """Yield one row of Python numbers per run: what the walk needs to know at its begin and its end."""
    begin, end, side, starts = market.begin, market.end, market.side, market.day_start
    inside = np.minimum(end, len(market.close) - 1)  # the run that nothing ends has no fill; its row is not read
    last_day = starts[end - 1]
    columns = (
        begin,
        end,
        side,
        market.low,
        market.high,
        market.open[begin] * np.where(side > 0, market.buy, market.sell),
        market.open[inside] * np.where(side > 0, market.sell, market.buy),
        starts[begin - 1],
        starts[begin] == begin,
        market.close[end - 1],
        last_day,
        market.close[last_day - 1],
        np.append(begin[1:], -1) == end,
        starts[inside] == end,
    )
    return zip(*(column.tolist() for column in columns), strict=True)


def _exit(
    market: _Market, rules: Limits, entry: int, end: int, cash: float, quantity: float, peak: float, day_open: float
) -> _Exit:
    """Return how the position entered at `entry` ends: at `end` with its run, or at the first open that RED reaches."""
    position = (cash, quantity, entry, day_open)
    begin = watch = entry
    while True:
        red, peak = _first_red(market, rules, position, begin, end, peak, watch)
        if red == end:
            return _leave(market, position, end, halted=False, locked_until=0, peak=peak)
        leave = market.tradable_from(red + 1)
        if cash + quantity * float(market.close[red]) <= peak * rules.drawdown_red:
            return _leave(market, position, leave, halted=True, locked_until=0, peak=peak)
        unlocked = market.next_day(red)
        if leave <= unlocked:
            # Still locked at the close before the fill; until then only a halt can be added.
            halt, peak = _first_red(market, rules, position, red + 1, leave, peak, leave)
            return _leave(market, position, leave, halted=halt < leave, locked_until=unlocked, peak=peak)
        # The lock ends before there is an open to leave at: the position stays, its target still stands.
        begin, watch = red + 1, unlocked


def _leave(market: _Market, position: _Position, bar: int, *, halted: bool, locked_until: int, peak: float) -> _Exit:
    cash, quantity, entry, day_open = position
    day = int(market.day_start[bar - 1])
    return _Exit(
        bar=bar,
        halted=halted,
        locked_until=locked_until,
        peak=peak,
        equity=cash + quantity * float(market.close[bar - 1]),
        day_open=cash + quantity * float(market.close[day - 1]) if day > entry else day_open,
    )


def _first_red(
    market: _Market, rules: Limits, position: _Position, begin: int, end: int, peak: float, watch: int
) -> tuple[int, float]:
    """Return the first bar in [begin, end) at a limit, or `end`, and the peak up to it.

    A day's loss counts from bar `watch` on, a drawdown always. The search goes in growing blocks, so that it costs as
    much as the distance to what it finds.
    """
    cash, quantity, entry, day_open = position
    size = SEARCH_BLOCK
    while begin < end:
        stop = min(begin + size, end)
        equity = quantity * market.close[begin:stop] + cash
        peaks = np.maximum(np.maximum.accumulate(equity), peak)
        days = market.day_start[begin:stop]
        opens = np.where(days > entry, quantity * market.close[days - 1] + cash, day_open)
        red = equity <= opens * rules.day_red
        red[: max(watch - begin, 0)] = False
        red |= equity <= peaks * rules.drawdown_red
        at = int(red.argmax())
        if red[at]:
            return begin + at, float(peaks[at])
        begin, size, peak = stop, size * 2, float(peaks[-1])
    return end, peak


# Columns -------------------------------------------------------------------------------------------------------


def _outcome(
    market: _Market, decisions: Decisions, walked: _Walked, rules: Limits, costs: Costs, start_equity: float
) -> Outcome:
    """Return every column of the outcome from the positions that were walked."""
    trades = _trades(market, walked, costs)
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


def _trades(market: _Market, walked: _Walked, costs: Costs) -> Trades:
    """Return the trades with their prices, fees and results, elementwise by the rules that the walk used."""
    entry, exit = np.array(walked.entry, np.int64), np.array(walked.exit, np.int64)
    quantity = np.array(walked.quantity, np.float64)
    size, long = np.abs(quantity), quantity > 0
    closed = exit < len(market.close)
    leaving = market.open[np.where(closed, exit, 0)]
    entry_price = market.open[entry] * np.where(long, market.buy, market.sell)
    exit_price = np.where(closed, leaving * np.where(long, market.sell, market.buy), np.nan)
    entry_fee, exit_fee = _fees(size, entry_price, costs), _fees(size, exit_price, costs)
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


def _fees(size: Floats, price: Floats, costs: Costs) -> Floats:
    fee = size * price * (costs.commission_bps / 10000.0)
    return np.where(fee < costs.min_fee, costs.min_fee, fee)


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
