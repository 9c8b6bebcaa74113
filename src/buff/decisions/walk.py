"""The walk: where positions begin and end.

Bars, targets and limits go in; the bars of every entry and exit, the quantities and the cash between them come out.
Python walks over runs of constant target, never over bars. For each run the entry is sized, and the run's lowest equity
is compared with every limit; only where it may meet one, the closes are searched for the first RED. All arithmetic is
that of the slow loop in `tests/engine_oracle.py`, in the same order.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from buff.decisions.risk import Limits
from buff.market.bars import Bars
from buff.market.timeframe import DAY_MS

SEARCH_BLOCK = 256

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Codes = NDArray[np.int8]
_Position = tuple[float, float, int, float]  # cash, quantity, bar of the entry, the equity its day is measured against


@frozen(kw_only=True, eq=False)
class Market:
    """What the walk reads: columns of the bars, and the runs of constant target as they would be held without RED.

    day_start: int64[n], the first bar of each bar's UTC day. changes: bars where the target changes. begin, end,
    side: the runs with a position, by the bars of their fills; end == n where nothing ends it. low, high: their
    extreme closes. buy, sell: what slippage makes of an open. commission: part of the notional.
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
    commission: float
    min_fee: float

    def tradable_from(self, bar: int) -> int:
        """Return the first bar at or after `bar` that has an open to trade at, or n."""
        if self.tradable is None or bar >= len(self.close):
            return min(bar, len(self.close))
        return _first_true(self.tradable, bar)

    def next_day(self, bar: int) -> int:
        """Return the first bar of a later UTC day than `bar`'s, or n."""
        # The days are sorted runs of equal values, so the next one begins where the first larger value stands.
        return int(np.searchsorted(self.day_start, self.day_start[bar], side="right"))


def prepare(bars: Bars, target: Codes, *, slippage: float, commission: float, min_fee: float) -> Market:
    """Return what the walk reads; slippage and commission are parts of the price and of the notional."""
    count = len(bars)
    tradable = None if not bars.filled.any() else bars.filled == 0
    changes = np.flatnonzero(np.diff(target, prepend=np.int8(0)))
    begin, side = _runs(target, changes, tradable)
    edges = np.append(begin, count)
    low, high = (_extremes(bars.close, begin, reduce) for reduce in (np.minimum, np.maximum))
    held = side != 0
    return Market(
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
        buy=1.0 + slippage,
        sell=1.0 - slippage,
        commission=commission,
        min_fee=min_fee,
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
class Walked:
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


def walk(market: Market, rules: Limits, start_equity: float) -> Walked:
    """Return the positions taken: a loop over runs of constant target, on Python floats.

    Between positions these hold: `flat` is the bar of the last exit, `day_open` the equity its day is measured
    against, `free` the first bar whose close may decide an entry, `peak` the highest close before and at `flat`.
    """
    entries: list[int] = []
    exits: list[int] = []
    quantities: list[float] = []
    cashes: list[float] = []
    rests: list[float] = []
    walked = Walked(entry=entries, exit=exits, quantity=quantities, cash=cashes, rest=rests)
    count = len(market.close)
    fraction, half = rules.fraction, rules.half
    day_red, day_yellow = rules.day_red, rules.day_yellow
    drawdown_red, drawdown_yellow = rules.drawdown_red, rules.drawdown_yellow
    buy, sell, commission, min_fee = market.buy, market.sell, market.commission, market.min_fee

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
            fee = size * fill * commission
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
            fee = size * leave_price * commission
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


def _run_rows(market: Market) -> Iterator[tuple[Any, ...]]:
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
    market: Market, rules: Limits, entry: int, end: int, cash: float, quantity: float, peak: float, day_open: float
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


def _leave(market: Market, position: _Position, bar: int, *, halted: bool, locked_until: int, peak: float) -> _Exit:
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
    market: Market, rules: Limits, position: _Position, begin: int, end: int, peak: float, watch: int
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
