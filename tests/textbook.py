"""What the tests of the strategies share: markets in whole cents, and a rule played bar by bar as a reader would.

Each test file says, as a slow loop, on which bars its rule enters and leaves; `play` walks over that with one position
in hand, and `decided` is what the strategy says of the same bars.
"""

import random
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve
from hypothesis import reject
from hypothesis import strategies as st

from buff.decisions.strategy import decide, resolve, strategy
from buff.market.bars import Bars
from buff.market.timeframe import Timeframe
from worlds import bars_of

Signals = tuple[bool, bool, bool, bool]  # enter long, leave long, enter short, leave short
NOTHING: Signals = (False, False, False, False)
DIRECTIONS = st.sampled_from(("long", "short", "both"))
Candle = tuple[int, int, int, int]  # cents the close moves; cents of wick above and below; bars missing before it

_MOVES = st.sampled_from((0, 0, 1, -1, 5, -5, 50, -50)) | st.integers(-200, 200)
_CANDLES = st.tuples(_MOVES, st.integers(0, 40), st.integers(0, 40), st.sampled_from((0, 0, 0, 0, 1, 9)))


def market(candles: Iterable[Candle], *, start: int = 10_000) -> Bars:
    """Return hourly bars in cents: each opens at the close before it."""
    close, opens, closes, above, below, missing = start, [], [], [], [], []
    for move, up, down, gap in candles:
        opens.append(close)
        close = max(close + move, 50)
        closes.append(close)
        above.append(max(opens[-1], close) + up)
        below.append(max(min(opens[-1], close) - down, 1))
        missing.append(gap)
    bars = bars_of(Timeframe.HOUR_1, _money(opens), _money(closes), missing=missing, decimals=2)
    return evolve(bars, high=_money(above), low=_money(below))


MARKETS = st.builds(
    market, st.lists(_CANDLES, min_size=1, max_size=90), start=st.sampled_from((500, 10_000, 4_000_000))
)


def walk(seed: int, count: int = 700) -> Bars:
    """Return a market of many blocks of 64 bars from a seed: moves, still stretches, steps of one size, gaps."""
    rng = random.Random(seed)
    candles: list[Candle] = []
    while len(candles) < count:
        size = rng.choice((0, 1, 30, 150))
        for _ in range(rng.choice((5, 40, 120))):
            gap = 4 if rng.random() < 0.02 else 0
            wicks = rng.randint(0, size // 4), rng.randint(0, size // 4)
            candles.append((rng.choice((-size, 0, size, rng.randint(-size, size))), *wicks, gap))
    return market(candles[:count])


def closes(*prices: float) -> Bars:
    """Return bars that open and close at these prices."""
    return bars_of(Timeframe.HOUR_1, list(prices), list(prices), decimals=2)


def decided(id: str, bars: Bars, given: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Return the target and the reason of every bar, checked to be the same whether decimals are known or not."""
    rule = strategy(id)
    params = resolve(rule, given)
    answers = [decide(rule, evolve(bars, decimals=decimals), params) for decimals in (2, None)]
    with_decimals, without = (
        list(zip(answer.target.tolist(), (rule.reasons[code] for code in answer.reason), strict=True))
        for answer in answers
    )
    assert with_decimals == without
    return with_decimals


def play(signals: Iterable[Signals], direction: str, reasons: tuple[str, str, str, str]) -> list[tuple[int, str]]:
    """Return the target and the reason of every bar; `reasons` are for the signals, in their order.

    A position ends when its side is left or when the other side is entered.
    """
    side, played = 0, []
    for enter_long, leave_long, enter_short, leave_short in signals:
        reason = ""
        if side == 1 and leave_long:
            side, reason = 0, reasons[1]
        if side == -1 and leave_short:
            side, reason = 0, reasons[3]
        if side != 1 and enter_long and direction != "short":
            side, reason = 1, reasons[0]
        if side != -1 and enter_short and direction != "long":
            side, reason = -1, reasons[2]
        played.append((side, reason))
    return played


def crossing(up: bool, down: bool) -> Signals:
    """Return the signals of a rule that is long from `up` to `down` and short from `down` to `up`."""
    return up, down, down, up


def over(a: float, b: float) -> bool:
    """Whether a is greater than b by more than the dead band. An example on the very edge of the band is not used."""
    band = 1e-12 * abs(b)
    if b and 0.98 < abs(a - b) / band < 1.02:
        reject()
    return a - b > band


def cents(prices: Iterable[float]) -> list[int]:
    """Return prices as the whole cents they are."""
    return [round(price * 100) for price in prices]


def forgetting(values: list[float], window: int, share: float) -> list[float]:
    """Return an average that forgets, from bar `window - 1` on: the simple average, then `share` of what is new."""
    average = sum(values[:window]) / window
    averages = [average] if len(values) >= window else []
    for value in values[window:]:
        average = share * value + (1 - share) * average
        averages.append(average)
    return averages


def _money(units: list[int]) -> list[float]:
    return [unit / 100 for unit in units]
