"""The reference page of the strategies, written from what they declare and the words below.

    python tests/strategies_page.py > docs/reference/strategies.md

Nothing goes in but the strategies that come with Buff and the words; Markdown comes out. `test_strategies_page.py`
fails while the page is another, and holds the formula of every warm-up against the code.
"""

import sys
from collections.abc import Mapping

from attrs import Factory, frozen

from buff.decisions.contract import Param, Strategy
from buff.decisions.reasons import OF_STRATEGIES
from buff.decisions.strategy import resolve, strategy

HEAD = """\
# Strategies

This page is made from what the strategies declare: `python tests/strategies_page.py > docs/reference/strategies.md`.
`buff strategies list` and `buff strategies show ID` say the same on a terminal.

{index}

## How to read it

A strategy says a target for every bar, +1 long, 0 flat or −1 short, and a reason wherever the target changes.
It decides at the close of a bar, with that bar and those before it.
[Execution](../explanation/execution.md) says what becomes of the target.

- c, h, l are close, high and low of the bar that decides; a subscript counts bars back, so c₁ is the close before.
- **The target stays** wherever no rule says otherwise.
- **Sides**: `direction` is `long` (the default), `short` or `both`.
  A rule whose side is not allowed is flat instead; with `both`, entering one side leaves the other at the same open.
- **Warm-up** w: the target of the first w bars is 0, and bar w (the first is bar 0) is the first that may decide.
  It is the lookback of TA-Lib for the same indicators.
- **Above and below** are meant of numbers that stand apart.
  Two that differ by no more than 10⁻¹² of the second are equal, and then no rule applies.
  Prices that are compared as they came, without arithmetic, are above and below by the smallest difference.
  [Indicators](../explanation/indicators.md) says why, and where definitions differ from TA-Lib and pandas.

The defaults are for a first look and fit no market.
"""


@frozen(kw_only=True)
class Words:
    """What a strategy does not declare. rules: what moves the target, in order; warmup: a formula of its parameters.

    columns: what each indicator is; says: what its source did; example: parameters for a command.
    """

    rules: tuple[str, ...]
    warmup: str
    columns: Mapping[str, str] = Factory(dict)
    says: tuple[str, ...] = ()
    example: Mapping[str, str] = Factory(dict)


WORDS: Mapping[str, Words] = {
    "atr_channel_breakout": Words(
        rules=(
            "A = mean of the last `average` closes; R = average true range of `atr` bars; "
            "true range = max(h, c₁) − min(l, c₁)",
            "enter long: c above A + `top` × R; leave long: c below A",
            "enter short: c below A − `bottom` × R; leave short: c above A",
        ),
        warmup="max(average - 1, atr)",
        columns={"average": "A", "atr": "R", "top": "A + top × R", "bottom": "A − bottom × R"},
        says=("Faith's own on daily bars: `average` 350, `top` 7, `bottom` 3.",),
        example={"average": "24", "atr": "12", "top": "1.5", "bottom": "1.5"},
    ),
    "bollinger_reversion": Words(
        rules=(
            "M = mean, S = population standard deviation of the last `window` closes",
            "enter long: c below M − `deviations` × S; leave long: c above M",
            "enter short: c above M + `deviations` × S; leave short: c below M",
        ),
        warmup="window - 1",
        columns={"middle": "M", "upper": "M + deviations × S", "lower": "M − deviations × S"},
        says=(
            "Bollinger's own: 20 and 2.",
            "He warns that a close outside a band is no signal to reverse by itself; this rule takes it as one.",
        ),
        example={"window": "24"},
    ),
    "donchian_breakout": Words(
        rules=(
            "enter long: c above the highest h of the `entry` bars before; "
            "leave long: c below the lowest l of the `exit` bars before",
            "enter short: c below the lowest l of the `entry` bars before; "
            "leave short: c above the highest h of the `exit` bars before",
        ),
        warmup="entry",
        columns={
            "entry_high": "highest high of the `entry` bars before",
            "entry_low": "lowest low of the `entry` bars before",
            "exit_high": "highest high of the `exit` bars before",
            "exit_low": "lowest low of the `exit` bars before",
        },
        says=(
            "Donchian's rule of four weeks is `entry` and `exit` of 20 daily bars with `direction` both; "
            "20 and 10 are the first system of the Turtles.",
            "A close decides here; they bought within the bar, as soon as the channel broke.",
        ),
        example={"entry": "24", "exit": "12"},
    ),
    "ema_cross": Words(
        rules=(
            "F, S = exponential averages of closes over `fast` and `slow` bars, each with a = 2 / (bars + 1): "
            "E = a × c + (1 − a) × E₁, at first the mean of the first bars",
            "long: F above S; short: F below S",
        ),
        warmup="slow - 1",
        columns={"fast": "F", "slow": "S"},
        example={"fast": "6", "slow": "18", "direction": "both"},
    ),
    "hold": Words(
        rules=("long on every bar",),
        warmup="0",
    ),
    "ma_cross": Words(
        rules=("F, S = means of the last `fast` and `slow` closes", "long: F above S; short: F below S"),
        warmup="slow - 1",
        columns={"fast": "F", "slow": "S"},
        says=(
            "With decimals that are known (the quality report says them) both means are exact, "
            "and so is the comparison.",
            "The authors tested 1 and 50, 1 and 150, 5 and 150, 1 and 200, 2 and 200 daily bars.",
        ),
        example={"fast": "6", "slow": "18", "direction": "both"},
    ),
    "macd": Words(
        rules=(
            "L = F − S, exponential averages of closes over `fast` and `slow` bars as in `ema_cross`; "
            "G = exponential average of L over `signal` bars",
            "long: F above S + G (L above G); short: F below S + G",
        ),
        warmup="slow - 1 + signal - 1",
        columns={"macd": "L", "signal": "G", "histogram": "L − G"},
        says=("12, 26 and 9 are the lengths in common use.",),
        example={"direction": "both"},
    ),
    "roc_momentum": Words(
        rules=(
            "P = the close `period` bars before",
            "enter long: c above P × (1 + `threshold` / 100); leave long: c below P",
            "enter short: c below P × (1 − `threshold` / 100); leave short: c above P",
        ),
        warmup="period",
        columns={"roc": "(c / P − 1) × 100"},
        says=("With a threshold of 0 this is the cross of the zero line.",),
        example={"period": "12", "threshold": "0.25"},
    ),
    "rsi_reversion": Words(
        rules=(
            "U, D = Wilder's averages over `period` bars of rises max(c − c₁, 0) and falls max(c₁ − c, 0): "
            "V = (x + (period − 1) × V₁) / period, at first the mean of the first moves",
            "I = 100 × U / (U + D), 50 where nothing ever moved",
            "enter long: I below `oversold`; leave long: I above `exit`",
            "enter short: I above `overbought`; leave short: I below `exit`",
        ),
        warmup="period",
        columns={"rsi": "I"},
        says=("Wilder's own: 14, 30 and 70; the level to leave by is the middle of the scale.",),
        example={"period": "6"},
    ),
    "time_series_momentum": Words(
        rules=(
            "P = the close `lookback` bars before",
            "on bar w and on every `hold`-th bar after it: long: c above P; short: c below P",
        ),
        warmup="lookback",
        columns={"past_return": "(c / P − 1) × 100, on every bar"},
        says=(
            "The paper looks back twelve months and holds for one, on returns in excess of the Treasury bill's, "
            "with positions scaled to a volatility of 40 %.",
            "Here the return is the price's own and the size is that of the risk level; "
            "on daily bars of a market that never closes the months are 365 and 30.",
        ),
        example={"lookback": "48", "hold": "4"},
    ),
}


def page() -> str:
    """Return the page."""
    known = {id: strategy(id) for id in WORDS}
    index = "\n".join(f"- [{id}](#{id}): {rule.rule}" for id, rule in known.items())
    return HEAD.format(index=index) + "".join(f"\n{_section(rule, WORDS[id])}" for id, rule in known.items())


def command(id: str) -> str:
    """Return the command of a strategy's example."""
    params = "".join(f" --param {name}={value}" for name, value in WORDS[id].example.items())
    return f"buff run create --csv candles.csv --symbol DEMO --timeframe 1h --strategy {id}{params} --risk-level 3"


def _section(rule: Strategy, words: Words) -> str:
    resolved = resolve(rule, {})
    warmup = words.warmup.replace("-", "−") if resolved else "0"
    first = f"{warmup}" + (f" ({rule.warmup(resolved)} with the defaults)" if resolved else "")
    parts = [
        f"## {rule.id}\n",
        f"{rule.rule}\n",
        "".join(f"- {line}\n" for line in words.rules),
        f"Source: {rule.citation}.\n" + "".join(f"{line}\n" for line in words.says),
        f"Version {rule.version}. Warm-up: {first}. Sides: {', '.join(rule.sides)}.\n",
        _table(("parameter", "takes", "default", "what it is"), [_param(param) for param in rule.params]),
        _table(("reason", "what it says"), [(f"`{each}`", OF_STRATEGIES[rule.id][each]) for each in rule.reasons[1:]]),
        _table(("indicator", "what it is"), [(f"`{name}`", what) for name, what in words.columns.items()]),
        f"```bash\n{command(rule.id)}\n```\n",
    ]
    return "\n".join(part for part in parts if part)


def _param(param: Param) -> tuple[str, str, str, str]:
    return f"`{param.name}`", param.allowed, str(param.default), param.says


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    lines = (head, ("---",) * len(head), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines).replace("| --- ", "|---").replace("---| |", "---|")


if __name__ == "__main__":
    sys.stdout.write(page())
