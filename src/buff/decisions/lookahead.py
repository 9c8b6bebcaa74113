"""Looking ahead: proof by trial that a strategy does not.

A strategy, bars and parameters go in; nothing comes out, or STRATEGY_INVALID with the bar that was decided otherwise.
A prefix of the bars must give the prefix of the decisions, whatever follows it. Nothing here is part of a run.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from buff.decisions.contract import Decisions, Params, Strategy, broken, decide, warmup
from buff.market.bars import PRICES, Bars

PREFIXES = 16
FUTURE_BARS = 256
_GOLDEN = 0.6180339887498949


def check_no_lookahead(strategy: Strategy, bars: Bars, params: Params) -> None:
    """Check that decisions on a prefix of the bars do not depend on what follows it. Raises StrategyInvalid.

    Sixteen prefixes are tried, each cut off, followed by 256 bars at eight times the price, and by 256 bars at an
    eighth of it. Cutting alone misses a rule that looks ahead and pads the end; the two false futures do not.
    """
    whole = decide(strategy, bars, params)
    for length in _prefix_lengths(whole.target, warmup(strategy, params)):
        prefix = bars[:length]
        futures = {
            "was cut off": prefix,
            "was 256 bars at 8 times the price": followed(prefix, times_eight),
            "was 256 bars at an eighth of the price": followed(prefix, _eighth),
        }
        for how, seen in futures.items():
            again = decide(strategy, seen, params)
            _check_prefix(strategy, whole, again, length, how)


def _check_prefix(strategy: Strategy, whole: Decisions, again: Decisions, length: int, how: str) -> None:
    differs = again.target[:length] != whole.target[:length]
    differs |= again.reason[:length] != whole.reason[:length]
    if not differs.any():
        return
    bar = int(differs.argmax())
    one, other = (
        f"target {each.target[bar]:+d} with reason {strategy.reasons[each.reason[bar]]!r}" for each in (whole, again)
    )
    says = f"it decides otherwise when what follows bar {length - 1} {how}: {other}, and not {one}"
    evidence = {"prefix": length, "future": how, "decided": one, "decided_then": other}
    raise broken(strategy, "lookahead", bar, says, **evidence)


def _prefix_lengths(target: NDArray[np.int8], warmup: int) -> list[int]:
    """Return up to sixteen distinct lengths in 1..n-1: both ends, ends on a change of target, then an even spread."""
    count = len(target)
    changes = (np.flatnonzero(target[1:] != target[:-1]) + 2).tolist()
    some = changes[:: max(1, len(changes) // 6)][:6]
    wanted = dict.fromkeys(length for length in (warmup + 1, count - 1, *some) if 0 < length < count)
    for length in _spread(count):
        if len(wanted) >= min(PREFIXES, count - 1):
            break
        wanted.setdefault(length)
    return list(wanted)


def _spread(count: int) -> Iterator[int]:
    """Yield lengths in 1..count-1 spread by the golden ratio, then every other one, so that none is out of reach."""
    for step in range(1, 4 * PREFIXES):
        yield 1 + int((step * _GOLDEN) % 1.0 * (count - 1))
    yield from range(1, count)


def followed(prefix: Bars, scale: Callable[[NDArray[np.float64], int | None], NDArray[np.float64]]) -> Bars:
    """Return the prefix and, after it, 256 of its own bars backwards, with scaled prices and volumes.

    Volumes are scaled as well: a rule that peeks at the trading of tomorrow is no better than one at its price.
    """
    source = len(prefix) - 1 - np.arange(FUTURE_BARS) % len(prefix)
    number = prefix.timeframe.index(prefix.ts[-1:]) + np.arange(1, FUTURE_BARS + 1)
    later: dict[str, NDArray[Any]] = {name: scale(getattr(prefix, name)[source], prefix.decimals) for name in PRICES}
    later["ts"] = prefix.timeframe.start(number)
    later["volume"] = scale(prefix.volume[source], None)
    later["filled"] = np.zeros(FUTURE_BARS, np.uint8)
    columns = {name: np.concatenate([getattr(prefix, name), column]) for name, column in later.items()}
    return Bars(timeframe=prefix.timeframe, decimals=prefix.decimals, **columns)


def times_eight(prices: NDArray[np.float64], decimals: int | None) -> NDArray[np.float64]:
    """Return prices eight times as high: exact, and whole numbers of the same unit."""
    return prices * 8.0


def _eighth(prices: NDArray[np.float64], decimals: int | None) -> NDArray[np.float64]:
    if decimals is None:
        return prices / 8.0
    unit = float(10**decimals)
    return np.maximum(np.rint(prices / 8.0 * unit), 1.0) / unit
