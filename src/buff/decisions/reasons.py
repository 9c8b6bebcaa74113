"""Why, in a sentence: what every code stands for that an artifact gives as a reason.

Nothing goes in but a code, and for a strategy's own its id; words come out. `explain`, the report, the pages and the
reference take them from here. A strategy from outside declares codes alone: they are their own words.
"""

from collections.abc import Mapping

OF_STRATEGIES: Mapping[str, Mapping[str, str]] = {
    "atr_channel_breakout": {
        "breakout_up": "the close is above the channel",
        "breakout_down": "the close is below the channel",
        "average_down": "the close fell below the average",
        "average_up": "the close rose above the average",
    },
    "bollinger_reversion": {
        "below_lower": "the close is below the lower band",
        "above_upper": "the close is above the upper band",
        "middle_from_below": "the close is back above the middle",
        "middle_from_above": "the close is back below the middle",
    },
    "donchian_breakout": {
        "breakout_up": "the close is above the entry channel",
        "breakout_down": "the close is below the entry channel",
        "exit_low": "the close is below the exit channel",
        "exit_high": "the close is above the exit channel",
    },
    "ema_cross": {
        "cross_up": "the fast average is above the slow one",
        "cross_down": "the fast average is below the slow one",
    },
    "hold": {"hold": "it is the first bar"},
    "ma_cross": {
        "cross_up": "the fast average is above the slow one",
        "cross_down": "the fast average is below the slow one",
    },
    "macd": {
        "cross_up": "the line is above its signal",
        "cross_down": "the line is below its signal",
    },
    "roc_momentum": {
        "momentum_up": "the rate of change is above the threshold",
        "momentum_down": "the rate of change is below the negative threshold",
        "zero_down": "the rate of change is below 0",
        "zero_up": "the rate of change is above 0",
    },
    "rsi_reversion": {
        "oversold": "the index is below the oversold level",
        "overbought": "the index is above the overbought level",
        "exit_up": "the index is above the exit level",
        "exit_down": "the index is below the exit level",
    },
    "time_series_momentum": {
        "momentum_up": "the past return was above 0 when it was looked at",
        "momentum_down": "the past return was below 0 when it was looked at",
    },
}
RULES: Mapping[str, str] = {
    "daily_loss": "the loss since the last UTC midnight",
    "max_drawdown": "the fall from the highest equity",
}
OF_RISK: Mapping[str, str] = {
    f"risk_{rule}": f"the risk policy takes the position out because {says} is at its limit"
    for rule, says in RULES.items()
}
OF_METRICS: Mapping[str, str] = {
    "span_under_1_day": "the run spans less than a day, so nothing can be annualised",
    "fewer_than_2_days": "there are fewer than two daily returns",
    "equity_not_positive": "equity was zero or less",
    "zero_variance": "the values do not vary",
    "no_losing_day": "no day lost",
    "no_drawdown": "there was no drawdown",
    "not_recovered": "the peak was not reached again",
    "no_tradable_bar": "the warm-up leaves no bar to trade at",
    "no_trades": "no trade was closed",
    "fewer_than_2_trades": "fewer than two trades were closed",
    "no_wins": "no closed trade made money",
    "no_losses": "no closed trade lost money",
    "gross_not_positive": "before costs, the closed trades made nothing",
    "overflow": "the value is larger than a double can hold",
}
FLAGS: Mapping[str, str] = {
    "span_under_90_days": "annualised from less than 90 days",
    "partial_period": "the run covers a part of the period only",
}


def of_decision(code: str, strategy: str) -> str:
    """Say the reason of an order, a fill or a blocked intent: a code of the strategy with that id, or of the policy."""
    return {**OF_STRATEGIES.get(strategy, {}), **OF_RISK}.get(code) or _spaced(code)


def of_metric(code: str) -> str:
    """Say why a metric has no value, or what to mind about one that has."""
    return {**OF_METRICS, **FLAGS}.get(code) or _spaced(code)


def _spaced(code: str) -> str:
    return code.replace("_", " ")
