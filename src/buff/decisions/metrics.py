"""Metrics: what a run's numbers are, each with its unit, formula, sample count and, where it has none, the reason.

Bars and an outcome go in; plain values come out, `{id: {value, unit, samples, annualisation, formula, null_reason,
flag}}`. No infinity, NaN or stand-in number: a metric that cannot be computed is null and says why. Every sum is
`math.fsum`, which does not depend on order; everything else is element-wise + - * / and comparisons, so the bytes are
the same on every machine. The definitions, with an example each, stand in `docs/reference/metrics.md`.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from buff.decisions.decimals import growth
from buff.decisions.engine import BLOCKED, GREEN, RED, YELLOW, Outcome
from buff.decisions.returns import Floats, daily_equity, held
from buff.decisions.sharpe import Estimate, probabilistic
from buff.market.bars import Bars
from buff.market.timeframe import DAY_MS

YEAR_MS = 31_557_600_000  # 365.25 days
DAYS_A_YEAR = 365  # a market that never closes; right for others too, because days without bars are kept
SHORT_SPAN_MS = 90 * DAY_MS
SPARKLINE_POINTS = 32
_NOTHING = 1e-12
_FOURTH_ROOT = 1e75  # of what a double holds, with room for a sum


@frozen
class Definition:
    """What a metric is called and how it is scaled: its unit, and the days of a year where it is annualised."""

    unit: str
    annualisation: float | None = None


_RATIO, _MONEY, _COUNT, _BARS = Definition("ratio"), Definition("money"), Definition("count"), Definition("bars")
_TIME, _DURATION = Definition("epoch_ms"), Definition("ms")
_DAILY, _YEARLY = Definition("ratio", DAYS_A_YEAR), Definition("ratio", 365.25)

DEFINITIONS: Mapping[str, Definition] = {
    "net_return": _RATIO,
    "cagr": _YEARLY,
    "volatility": _DAILY,
    "sharpe": _DAILY,
    "sortino": _DAILY,
    "calmar": _YEARLY,
    "psr": _RATIO,
    "max_drawdown": _RATIO,
    "max_drawdown_peak_ms": _TIME,
    "max_drawdown_trough_ms": _TIME,
    "max_drawdown_recovery_ms": _TIME,
    "max_drawdown_duration_ms": _DURATION,
    "max_drawdown_recovered": Definition("bool"),
    "longest_drawdown_ms": _DURATION,
    "drawdowns": _COUNT,
    "mean_drawdown": _RATIO,
    "exposure": _RATIO,
    "bars_green": _BARS,
    "bars_yellow": _BARS,
    "bars_red": _BARS,
    "bars_filled": _BARS,
    "blocked_entries": _COUNT,
    "forced_exits": _COUNT,
    "fills_after_gap": _COUNT,
    "fills_on_zero_volume": _COUNT,
    "trades": _COUNT,
    "trades_long": _COUNT,
    "trades_short": _COUNT,
    "trades_open": _COUNT,
    "win_rate": _RATIO,
    "profit_factor": _RATIO,
    "expectancy": _MONEY,
    "expectancy_of_start": _RATIO,
    "payoff": _RATIO,
    "expectancy_r": _RATIO,
    "kelly": _RATIO,
    "sqn": _RATIO,
    "best_trade": _RATIO,
    "worst_trade": _RATIO,
    "mean_bars_held": _BARS,
    "max_bars_held": _BARS,
    "longest_win_streak": _COUNT,
    "longest_loss_streak": _COUNT,
    "turnover": Definition("per_year", 365.25),
    "fees": _MONEY,
    "slippage": _MONEY,
    "cost_share": _RATIO,
    "buy_and_hold": _RATIO,
    "buy_and_hold_volatility": _DAILY,
    "buy_and_hold_sharpe": _DAILY,
    "buy_and_hold_max_drawdown": _RATIO,
}


@frozen
class _Value:
    """A number and how many samples it rests on, or no number and the reason."""

    value: float | int | bool | None
    samples: int
    null_reason: str | None = None


_Values = dict[str, _Value]


def metrics(bars: Bars, outcome: Outcome, *, warmup: int) -> dict[str, dict[str, Any]]:
    """Return every metric of a run by id, in the order of DEFINITIONS; `warmup` is the strategy's."""
    span_ms = int(bars.close_ms[-1] - bars.ts[0])
    daily = daily_equity(bars, outcome.equity, outcome.initial_equity)
    values = {
        **_returns(outcome, daily, span_ms),
        **_drawdowns(bars, outcome),
        **_activity(bars, outcome, warmup),
        **_trades(outcome),
        **_costs(outcome, daily, span_ms),
        **_benchmark(bars, outcome, warmup, span_ms),
    }
    return {id: _described(id, values[id], span_ms) for id in DEFINITIONS}


def sparkline(equity: Floats) -> list[float]:
    """Return 32 points of the equity curve, evenly spaced from the first to the last (repeated where it is shorter).

    They are rounded to six significant digits, more than a curve of that size can show: in full they would be the
    largest part of what the journal and index.json hold of a run.
    """
    places = np.arange(SPARKLINE_POINTS) * (len(equity) - 1) // (SPARKLINE_POINTS - 1)
    return [float(f"{point:.6g}") for point in equity[places].tolist()]


def _described(id: str, value: _Value, span_ms: int) -> dict[str, Any]:
    definition, number, reason = DEFINITIONS[id], value.value, value.null_reason
    if isinstance(number, float) and not math.isfinite(number):
        number, reason = None, "overflow"
    short = definition.annualisation is not None and number is not None and span_ms < SHORT_SPAN_MS
    return {
        "value": number,
        "unit": definition.unit,
        "samples": value.samples,
        "annualisation": definition.annualisation,
        "formula": f"{id}.v1",
        "null_reason": reason,
        "flag": "span_under_90_days" if short else None,
    }


# Sums ----------------------------------------------------------------------------------------------------------


def _sum(values: Iterable[float]) -> float:
    try:
        return math.fsum(values)
    except OverflowError:
        return math.inf


def _mean(values: list[float]) -> float:
    return _sum(values) / len(values)


def _deviation(values: list[float]) -> float:
    """Return the sample standard deviation (n - 1) of at least two values."""
    mean = _mean(values)
    return math.sqrt(_sum((value - mean) * (value - mean) for value in values) / (len(values) - 1))


# Returns -------------------------------------------------------------------------------------------------------


def _daily_null(daily: Floats, span_ms: int) -> str | None:
    if span_ms < DAY_MS:
        return "span_under_1_day"
    if len(daily) < 3:
        return "fewer_than_2_days"
    return "equity_not_positive" if daily.min() <= 0.0 else None


def _returns(outcome: Outcome, daily: Floats, span_ms: int) -> _Values:
    start, end, count = outcome.initial_equity, float(outcome.equity[-1]), len(outcome)
    cagr = _cagr(start, end, span_ms, count)
    return {
        "net_return": _Value(end / start - 1.0, count),
        "cagr": cagr,
        **_ratios(daily, span_ms, ("volatility", "sharpe", "sortino", "psr")),
        "calmar": _calmar(cagr, float(outcome.drawdown.min())),
    }


def _cagr(start: float, end: float, span_ms: int, count: int) -> _Value:
    if span_ms < DAY_MS:
        return _Value(None, count, "span_under_1_day")
    if end <= 0.0:
        return _Value(None, count, "equity_not_positive")
    return _Value(growth(end, start, YEAR_MS, span_ms), count)


def _calmar(cagr: _Value, drawdown: float) -> _Value:
    if cagr.value is None:
        return cagr
    if drawdown == 0.0:
        return _Value(None, cagr.samples, "no_drawdown")
    return _Value(cagr.value / abs(drawdown), cagr.samples)


def _ratios(daily: Floats, span_ms: int, ids: Sequence[str]) -> _Values:
    """Return those of volatility, Sharpe, Sortino and PSR, of daily returns, annualised, without a risk-free rate."""
    days, reason = len(daily) - 1, _daily_null(daily, span_ms)
    if reason is not None:
        return dict.fromkeys(ids, _Value(None, days, reason))
    returns = (daily[1:] / daily[:-1] - 1.0).tolist()
    mean, deviation, year = _mean(returns), _deviation(returns), math.sqrt(DAYS_A_YEAR)
    still = max(returns) - min(returns) <= _NOTHING

    def sortino() -> _Value:
        downside = math.sqrt(_sum(min(each, 0.0) * min(each, 0.0) for each in returns) / days)
        return _Value(None, days, "no_losing_day") if downside <= _NOTHING else _Value(mean / downside * year, days)

    values: dict[str, Callable[[], _Value]] = {
        "volatility": lambda: _Value(deviation * year, days),
        "sharpe": lambda: _Value(None, days, "zero_variance") if still else _Value(mean / deviation * year, days),
        "sortino": sortino,
        "psr": lambda: _Value(None, days, "zero_variance") if still else _psr(returns, mean, mean / deviation),
    }
    return {id: values[id]() for id in ids}


def _psr(returns: list[float], mean: float, ratio: float) -> _Value:
    """Return how probable it is that the true ratio is above zero, given how many and how skewed the returns are."""
    days, found = len(returns), _estimate(returns, mean, ratio)
    if found is None:
        return _Value(None, days, "overflow")
    chance = probabilistic(found)
    return _Value(chance, days) if chance is not None else _Value(None, days, "zero_variance")


def estimate(daily: Floats) -> Estimate | None:
    """Return the Sharpe ratio of a day, not annualised, and what its error depends on, of equity day by day.

    `daily` is float64 of one more than the days, as `returns.daily_equity` gives it. None where there is no such ratio:
    fewer than two days, equity that is not positive, returns that do not differ.
    """
    if len(daily) < 3 or daily.min() <= 0.0:
        return None
    returns = (daily[1:] / daily[:-1] - 1.0).tolist()
    if max(returns) - min(returns) <= _NOTHING:
        return None
    mean = _mean(returns)
    return _estimate(returns, mean, mean / _deviation(returns))


def _estimate(returns: list[float], mean: float, ratio: float) -> Estimate | None:
    days, apart = len(returns), [each - mean for each in returns]
    if not max(abs(each) for each in apart) < _FOURTH_ROOT:
        return None
    squares = [each * each for each in apart]
    second, fourth = _sum(squares) / days, _sum(each * each for each in squares) / days
    third = _sum(square * each for square, each in zip(squares, apart, strict=True)) / days
    return Estimate(
        ratio=ratio, samples=days, skew=third / (second * math.sqrt(second)), kurtosis=fourth / (second * second)
    )


# Drawdowns -----------------------------------------------------------------------------------------------------


def _drawdowns(bars: Bars, outcome: Outcome) -> _Values:
    """Return the metrics of the stretches of closes below the peak: the deepest, the longest, their number and mean."""
    depth, count, close_ms = outcome.drawdown, len(outcome), bars.close_ms
    under = depth < 0.0
    steps = np.diff(under.view(np.int8), prepend=np.int8(0))
    begins, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    if not len(begins):
        missing = _Value(None, count, "no_drawdown")
        names = [id for id in DEFINITIONS if id.startswith("max_drawdown_")]
        values = dict.fromkeys([*names, "longest_drawdown_ms", "mean_drawdown"], missing)
        return {**values, "max_drawdown": _Value(0.0, count), "drawdowns": _Value(0, count)}
    # A stretch begins at the last close at its peak, or at the first open where the start equity is the peak.
    peak_ms = np.append(bars.ts[0], close_ms)[begins]
    end_ms = close_ms[np.append(ends, count - 1)[: len(begins)]]
    deepest = int(depth.argmin())
    at = int(np.searchsorted(begins, deepest, side="right")) - 1
    recovered = at < len(ends)
    recovery = _Value(int(end_ms[at]), count) if recovered else _Value(None, count, "not_recovered")
    depths = np.minimum.reduceat(depth, begins).tolist()
    return {
        "max_drawdown": _Value(float(depth[deepest]), count),
        "max_drawdown_peak_ms": _Value(int(peak_ms[at]), count),
        "max_drawdown_trough_ms": _Value(int(close_ms[deepest]), count),
        "max_drawdown_recovery_ms": recovery,
        "max_drawdown_duration_ms": _Value(int(end_ms[at] - peak_ms[at]), count),
        "max_drawdown_recovered": _Value(recovered, count),
        "longest_drawdown_ms": _Value(int((end_ms - peak_ms).max()), len(begins)),
        "drawdowns": _Value(len(begins), count),
        "mean_drawdown": _Value(_mean(depths), len(begins)),
    }


# Activity ------------------------------------------------------------------------------------------------------


def _activity(bars: Bars, outcome: Outcome, warmup: int) -> _Values:
    count, trades = len(outcome), outcome.trades
    held, tradable = int(np.count_nonzero(outcome.position)), count - warmup - 1
    fills = np.append(trades.entry, trades.exit[trades.exit < count])
    blocked = np.flatnonzero(outcome.action == BLOCKED)
    # A stretch of blocked bars is one entry refused for as long as it is the same change of target that is refused.
    stretches = (np.diff(blocked, prepend=-2) != 1) | (np.diff(outcome.signal[blocked], prepend=-2) != 0)
    forced = outcome.reason[trades.exit[trades.exit < count] - 1] < 0
    return {
        "exposure": _Value(held / tradable, tradable) if tradable > 0 else _Value(None, 0, "no_tradable_bar"),
        "bars_green": _Value(int(np.count_nonzero(outcome.state == GREEN)), count),
        "bars_yellow": _Value(int(np.count_nonzero(outcome.state == YELLOW)), count),
        "bars_red": _Value(int(np.count_nonzero(outcome.state == RED)), count),
        "bars_filled": _Value(int(np.count_nonzero(bars.filled)), count),
        "blocked_entries": _Value(int(np.count_nonzero(stretches)), count),
        "forced_exits": _Value(int(np.count_nonzero(forced)), len(forced)),
        "fills_after_gap": _Value(int(np.count_nonzero(bars.missing[fills])), len(fills)),
        "fills_on_zero_volume": _Value(int(np.count_nonzero(bars.volume[fills] == 0.0)), len(fills)),
    }


# Trades --------------------------------------------------------------------------------------------------------

_OF_TRADES = (
    "win_rate",
    "profit_factor",
    "expectancy",
    "expectancy_of_start",
    "payoff",
    "expectancy_r",
    "kelly",
    "sqn",
    "best_trade",
    "worst_trade",
    "mean_bars_held",
    "max_bars_held",
)


def _trades(outcome: Outcome) -> _Values:
    trades = outcome.trades
    closed = trades.exit < len(outcome)
    pnl: list[float] = trades.pnl[closed].tolist()
    count = len(pnl)
    long = int(np.count_nonzero(trades.quantity[closed] > 0))
    counts = {
        "trades": _Value(count, count),
        "trades_long": _Value(long, count),
        "trades_short": _Value(count - long, count),
        "trades_open": _Value(len(trades) - count, len(trades)),
        "longest_win_streak": _Value(_streak(result > 0.0 for result in pnl), count),
        "longest_loss_streak": _Value(_streak(result < 0.0 for result in pnl), count),
    }
    if not pnl:
        return {**counts, **dict.fromkeys(_OF_TRADES, _Value(None, 0, "no_trades"))}
    returns, held = trades.returns[closed], (trades.exit - trades.entry)[closed]
    return {
        **counts,
        **_results(pnl, outcome.initial_equity),
        "sqn": _sqn(pnl),
        "best_trade": _Value(float(returns.max()), count),
        "worst_trade": _Value(float(returns.min()), count),
        "mean_bars_held": _Value(int(held.sum()) / count, count),
        "max_bars_held": _Value(int(held.max()), count),
    }


def _results(pnl: list[float], start_equity: float) -> _Values:
    """Return what follows from wins (pnl > 0) and losses (pnl < 0); a trade that breaks even is neither."""
    count, mean = len(pnl), _mean(pnl)
    wins, losses = [each for each in pnl if each > 0.0], [each for each in pnl if each < 0.0]
    values = {
        "win_rate": _Value(len(wins) / count, count),
        "expectancy": _Value(mean, count),
        "expectancy_of_start": _Value(mean / start_equity, count),
    }
    if not losses:
        names = ("profit_factor", "expectancy_r")
        missing = _Value(None, count, "no_losses")
        ratio = missing if wins else _Value(None, count, "no_wins")
        return {**values, **dict.fromkeys(names, missing), "payoff": ratio, "kelly": ratio}
    loss = abs(_mean(losses))
    values |= {
        "profit_factor": _Value(_sum(wins) / abs(_sum(losses)), count),
        "expectancy_r": _Value(mean / loss, count),
    }
    if not wins:
        return {**values, **dict.fromkeys(("payoff", "kelly"), _Value(None, count, "no_wins"))}
    payoff, winning = _mean(wins) / loss, len(wins) / (len(wins) + len(losses))
    return {
        **values,
        "payoff": _Value(payoff, count),
        "kelly": _Value(winning - (1.0 - winning) / payoff, count),
    }


def _sqn(pnl: list[float]) -> _Value:
    count = len(pnl)
    if count < 2:
        return _Value(None, count, "fewer_than_2_trades")
    if max(pnl) - min(pnl) <= _NOTHING * max(abs(result) for result in pnl):
        return _Value(None, count, "zero_variance")
    return _Value(math.sqrt(count) * _mean(pnl) / _deviation(pnl), count)


def _streak(flags: Iterable[bool]) -> int:
    longest = now = 0
    for flag in flags:
        now = now + 1 if flag else 0
        longest = max(longest, now)
    return longest


# Costs ---------------------------------------------------------------------------------------------------------


def _costs(outcome: Outcome, daily: Floats, span_ms: int) -> _Values:
    """Return turnover, fees and slippage over all fills, and what part of the closed trades' gross result they took."""
    trades, size = outcome.trades, np.abs(outcome.trades.quantity)
    closed = trades.exit < len(outcome)
    fills = len(trades) + int(np.count_nonzero(closed))
    notional = [*(size * trades.entry_price).tolist(), *(size * trades.exit_price)[closed].tolist()]
    fees = [*trades.entry_fee.tolist(), *trades.exit_fee[closed].tolist()]
    slippage = [*trades.entry_slippage.tolist(), *trades.exit_slippage[closed].tolist()]
    return {
        "turnover": _turnover(_sum(notional), daily[1:], span_ms, fills),
        "fees": _Value(_sum(fees), fills),
        "slippage": _Value(_sum(slippage), fills),
        "cost_share": _cost_share(outcome, closed),
    }


def _turnover(notional: float, daily: Floats, span_ms: int, fills: int) -> _Value:
    if span_ms < DAY_MS:
        return _Value(None, fills, "span_under_1_day")
    if daily.min() <= 0.0:
        return _Value(None, fills, "equity_not_positive")
    return _Value(notional / _mean(daily.tolist()) / (span_ms / YEAR_MS), fills)


def _cost_share(outcome: Outcome, closed: NDArray[np.bool_]) -> _Value:
    trades, count = outcome.trades, int(np.count_nonzero(closed))
    if not count:
        return _Value(None, 0, "no_trades")
    parts = (trades.entry_fee, trades.exit_fee, trades.entry_slippage, trades.exit_slippage)
    costs = _sum(cost for part in parts for cost in part[closed].tolist())
    gross = _sum(trades.pnl[closed].tolist()) + costs
    return _Value(costs / gross, count) if gross > 0.0 else _Value(None, count, "gross_not_positive")


# Benchmark -----------------------------------------------------------------------------------------------------


def _benchmark(bars: Bars, outcome: Outcome, warmup: int, span_ms: int) -> _Values:
    """Return what all of the start equity would have done, bought at the first open after the warm-up, free of cost."""
    ids = [id for id in DEFINITIONS if id.startswith("buy_and_hold")]
    first, start = warmup + 1, outcome.initial_equity
    curve = held(bars, start, warmup)
    if curve is None:
        return dict.fromkeys(ids, _Value(None, 0, "no_tradable_bar"))
    ratios = _ratios(daily_equity(bars, curve, start), span_ms, ("volatility", "sharpe"))
    peak = np.maximum(np.maximum.accumulate(curve), start)
    return {
        "buy_and_hold": _Value(float(bars.close[-1]) / float(bars.open[first]) - 1.0, len(bars) - first),
        "buy_and_hold_volatility": ratios["volatility"],
        "buy_and_hold_sharpe": ratios["sharpe"],
        "buy_and_hold_max_drawdown": _Value(float((curve / peak - 1.0).min()), len(bars)),
    }
