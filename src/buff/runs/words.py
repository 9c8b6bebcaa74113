"""What every metric means, in the words of `docs/reference/metrics.md`, and which of them read as percentages.

Nothing goes in; a table of groups comes out, each a title and the definitions of its metrics by id, in reading order.
A test holds every definition against the page. Text between backticks is code.
"""

from collections.abc import Mapping

# A value of these without a sign would be taken for a size.
SIGNED = frozenset(
    {"net_return", "cagr", "best_trade", "worst_trade", "buy_and_hold", "expectancy", "expectancy_of_start"}
)
PERCENTAGES = frozenset(
    {
        *(SIGNED - {"expectancy"}),
        *("volatility", "max_drawdown", "mean_drawdown", "exposure", "win_rate", "kelly", "cost_share", "psr"),
        *("buy_and_hold_volatility", "buy_and_hold_max_drawdown"),
    }
)
GROUPS: tuple[tuple[str, Mapping[str, str]], ...] = (
    (
        "Return and risk",
        {
            "net_return": "what the run made of its start equity: E_T / E_0 − 1",
            "cagr": (
                "the net return as a yearly rate: exp(ln(E_T / E_0) × 365.25 days / span) − 1, in decimals of 60 digits"
            ),
            "volatility": "s × √365, s the sample standard deviation (n − 1) of the daily returns r",
            "sharpe": "m / s × √365, m the mean of r; no risk-free rate",
            "sortino": "m / d × √365, d = √(Σ min(r, 0)² / N) over all N days",
            "calmar": "cagr / abs(max_drawdown)",
            "psr": (
                "probability that the true Sharpe ratio is above 0: Φ(h × √(N − 1) / √(1 − γ × h + (κ − 1) / 4 × "
                "h²)), h = m / s of a day, γ and κ the skewness and kurtosis (3 for a normal distribution) of r "
                "with moments divided by N"
            ),
        },
    ),
    (
        "Drawdown",
        {
            "max_drawdown": "the lowest of E / peak − 1 over every bar's close; the start equity is in the peak",
            "max_drawdown_peak_ms": (
                "end of the last bar at the peak before it; the first open where that is the start equity"
            ),
            "max_drawdown_trough_ms": "end of the bar of the lowest value, the first of equals",
            "max_drawdown_recovery_ms": "end of the first bar with E ≥ peak after it",
            "max_drawdown_duration_ms": "from the peak to the recovery, or to the end of the run",
            "max_drawdown_recovered": "whether the peak was reached again",
            "longest_drawdown_ms": "the longest stretch below a peak, by the same times; it may be another one",
            "drawdowns": "how many stretches of closes lie below their peak",
            "mean_drawdown": "the mean of the lowest value of each stretch",
        },
    ),
    (
        "Activity and risk states",
        {
            "exposure": "bars with a position at their close / (bars − warm-up − 1)",
            "bars_green": "bars whose risk state is GREEN",
            "bars_yellow": "bars whose risk state is YELLOW",
            "bars_red": "bars whose risk state is RED",
            "bars_filled": "bars whose first base bar was made by `gaps=fill`, so that nothing fills at their open",
            "blocked_entries": "stretches of BLOCKED bars for one and the same change of target",
            "forced_exits": "closed trades that RED took out although the target wanted them",
            "fills_after_gap": "fills at the open of a bar that does not directly follow the one before",
            "fills_on_zero_volume": "fills at the open of a bar without volume",
        },
    ),
    (
        "Trades",
        {
            "trades": "closed round trips",
            "trades_long": "closed trades that were long",
            "trades_short": "closed trades that were short",
            "trades_open": "trades still open at the end: 0 or 1",
            "win_rate": "trades with pnl > 0 / closed trades; a trade that breaks even is no win",
            "profit_factor": "Σ wins / abs(Σ losses), in money",
            "expectancy": "mean pnl of a closed trade",
            "expectancy_of_start": "expectancy / E_0",
            "payoff": "mean win / abs(mean loss)",
            "expectancy_r": "mean pnl / abs(mean loss)",
            "kelly": "p − (1 − p) / payoff, p = wins / (wins + losses)",
            "sqn": "√n × mean pnl / sample standard deviation of pnl",
            "best_trade": "the highest return of a closed trade; a return is pnl / (quantity × entry price)",
            "worst_trade": "the lowest",
            "mean_bars_held": "mean of exit bar − entry bar over closed trades",
            "max_bars_held": "the longest",
            "longest_win_streak": "most wins in a row; a trade that breaks even ends it",
            "longest_loss_streak": "most losses in a row; a trade that breaks even ends it",
        },
    ),
    (
        "Costs",
        {
            "turnover": "Σ quantity × price of all fills / mean daily equity / years of 365.25 days",
            "fees": "Σ fees of all fills, those of an open trade included",
            "slippage": "Σ quantity × abs(fill price − open) of all fills",
            "cost_share": "costs of closed trades / (their pnl + costs)",
        },
    ),
    (
        "Benchmark",
        {
            "buy_and_hold": "last close / first open after the warm-up − 1, no costs",
            "buy_and_hold_volatility": "as `volatility`, of a curve that is E_0 until that open",
            "buy_and_hold_sharpe": "as `sharpe`, of that curve",
            "buy_and_hold_max_drawdown": "as `max_drawdown`, of that curve",
        },
    ),
)
