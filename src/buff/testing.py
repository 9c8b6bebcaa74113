"""A test kit for strategies: what every strategy must keep, tried on bars made to break it.

A `buff.Strategy` goes in; nothing comes out, or STRATEGY_INVALID with the bars, the parameters, the bar and the rule.
The rules are those of every run (`decisions/contract.py`) and of `buff run verify --no-lookahead`
(`decisions/lookahead.py`), by the same code. Bars are made by integer arithmetic, the same everywhere; no file is read,
and nothing here is part of a run. Only `check_processes` starts processes.

    from buff import testing
    from my_package import STRATEGY

    def test_it_keeps_the_contract():
        testing.check(STRATEGY)

    def test_every_process_decides_the_same():
        testing.check_processes(STRATEGY)
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from buff.decisions.contract import (
    Decisions,
    Params,
    Strategy,
    Value,
    broken,
    check_declared,
    home,
    indicators,
    resolve,
    warmup,
)
from buff.decisions.contract import decide as _decide
from buff.decisions.lookahead import check_no_lookahead, followed, times_eight
from buff.errors import StrategyInvalid
from buff.host import this_host
from buff.market.bars import COLUMNS, Bars
from buff.market.resample import resample
from buff.market.timeframe import Timeframe
from buff.sample import START_MS, rows
from buff.times import iso

__all__ = ["Case", "bars", "cases", "check", "check_case", "check_processes", "decide"]

BARS = 300  # behind the warm-up, of each kind
BARS_MAX = 20_000  # parameters that warm up longer are tried on short bars only
SAMPLE_MINUTES = 20_160
TINY = 8  # decimals of the smallest prices
HASH_SEEDS = ("1", "2")  # whatever this process has, one of the two is another


@frozen(kw_only=True, eq=False)
class Case:
    """Some bars of a kind, and resolved parameters: what a strategy is tried on."""

    name: str
    bars: Bars
    params: Params

    def __str__(self) -> str:
        return f"{self.name}{''.join(f', {name}={value}' for name, value in self.params.items())}"


def check(strategy: Strategy) -> None:
    """Check that a strategy keeps its contract on every case of `cases`. Raises StrategyInvalid for the first broken.

    That is: declared as it should be; pure (what it is given stays as it is, two calls are equal, nothing is kept from
    one call to the next); typed, shaped and ranged right; flat in its warm-up; on declared sides, with a declared
    reason exactly where its target changes; and without a look ahead. Parameters are tried at their bounds.
    """
    for case in _cases(strategy):
        check_case(strategy, case)


def cases(strategy: Strategy) -> tuple[Case, ...]:
    """Return what a strategy is tried on: its default parameters on bars of every kind, its bounds on some of them.

    For `pytest.mark.parametrize("case", testing.cases(STRATEGY), ids=str)`. Raises StrategyInvalid when the strategy
    declares itself wrongly. Bounds that its `check` objects to are left out.
    """
    return tuple(_cases(strategy))


def check_case(strategy: Strategy, case: Case) -> None:
    """Check that a strategy keeps its contract on these bars with these parameters. Raises StrategyInvalid."""
    try:
        _check(strategy, case.bars, case.params)
    except StrategyInvalid as error:
        bar = error.details.get("bar")
        stamp = {"ts": iso(int(case.bars.ts[bar]))} if isinstance(bar, int) else {}
        raise StrategyInvalid(
            f"{error.message} [tried on {len(case.bars)} bars: {case}]",
            hint=error.hint,
            details={**error.details, "case": case.name, "params": dict(case.params), **stamp},
        ) from error


def check_processes(strategy: Strategy) -> None:
    """Check that other processes decide the same, with other orders of sets. Raises StrategyInvalid.

    It takes as long as starting Python twice. The strategy must be a name of a module that can be imported.
    """
    reference, here = _reference(strategy), _digest(strategy)
    code = f"from buff import testing; from {reference[0]} import {reference[1]} as it; print(testing._digest(it))"
    for seed in HASH_SEEDS:
        environment = {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**this_host().environment, **environment},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
            raise broken(strategy, "process", None, f"another process cannot ask it: {last}", seed=seed)
        if done.stdout.split()[-1:] != [here]:
            says = f"another process, with PYTHONHASHSEED={seed}, decides otherwise on the same bars"
            raise broken(strategy, "process", None, says, seed=seed)


def decide(strategy: Strategy, bars: Bars, params: Mapping[str, Value] | None = None) -> Decisions:
    """Return what a strategy decides on these bars, with the parameters given and the defaults of the others.

    Raises StrategyInvalid as a run would.
    """
    return _decide(strategy, bars, resolve(strategy, params or {}))


def bars(closes: Sequence[float], *, timeframe: str = "1h", volumes: Sequence[float] | None = None) -> Bars:
    """Return bars of these closes, each opened at the close before it, without wicks, from 2024-01-01 on.

    Prices must be positive; volumes are 1 where none are given.
    """
    close = np.array(closes, np.float64)
    volume = np.ones(len(close)) if volumes is None else np.array(volumes, np.float64)
    return _bars(close, volume=volume, timeframe=Timeframe(timeframe), decimals=None)


# The check


def _cases(strategy: Strategy) -> Iterator[Case]:
    check_declared(strategy)
    default = resolve(strategy, {})
    for name, made in _kinds(warmup(strategy, default), _KINDS):
        yield Case(name=name, bars=made, params=default)
    yield Case(name="sample", bars=_sample(), params=default)
    for params in _bounds(strategy, default):
        length = warmup(strategy, params)
        kinds = _KINDS_AT_BOUNDS if length <= BARS_MAX else {}
        for name, made in _kinds(min(length, BARS_MAX), kinds):
            yield Case(name=name, bars=made, params=params)


def _check(strategy: Strategy, bars: Bars, params: Params) -> None:
    before = {name: getattr(bars, name).tobytes() for name in COLUMNS}
    first = _decide(strategy, bars, params)
    shown = indicators(strategy, bars, params)
    for name in COLUMNS:
        column = getattr(bars, name)
        if column.tobytes() != before[name]:
            bar = int((column != np.frombuffer(before[name], column.dtype)).argmax())
            raise broken(strategy, "inputs", bar, f"it changed the column {name} of the bars it was given")
    check_no_lookahead(strategy, bars, params)
    _check_memory(strategy, bars, params, first)
    _check_shown(strategy, bars, params, shown)


def _check_memory(strategy: Strategy, bars: Bars, params: Params, first: Decisions) -> None:
    """Check that other bars in between change nothing, also where they are as many. Raises StrategyInvalid.

    Whatever it kept of `bars` under their number, it has nothing of `others` with more bars behind them, and honest
    decisions on those begin with the decisions on `others`.
    """
    others = _backwards(bars)
    between = _decide(strategy, others, params)
    longer = _decide(strategy, followed(others, times_eight), params)
    again = _decide(strategy, bars, params)
    for name in ("target", "reason"):
        for one, other in (
            (getattr(first, name), getattr(again, name)),
            (getattr(between, name), getattr(longer, name)),
        ):
            differs = one != other[: len(one)]
            if differs.any():
                says = (
                    f"asked about other bars in between, it gives another {name}: it keeps something from call to call"
                )
                raise broken(strategy, "memory", int(differs.argmax()), says)


def _check_shown(strategy: Strategy, bars: Bars, params: Params, shown: Mapping[str, NDArray[np.float64]]) -> None:
    """Check that what a strategy shows beside a decision could be known at it. Raises StrategyInvalid."""
    for length in sorted({max(1, len(bars) // 2), max(1, len(bars) - 1)}):
        for name, column in indicators(strategy, bars[:length], params).items():
            whole = shown.get(name, column[:0])[:length]
            if not np.array_equal(whole, column, equal_nan=True):
                differs = len(whole) != length or (whole != column) & ~(np.isnan(whole) & np.isnan(column))
                says = f"its indicator {name} is another when what follows bar {length - 1} was cut off"
                raise broken(strategy, "lookahead", int(np.argmax(differs)), says)


def _reference(strategy: Strategy) -> tuple[str, str]:
    """Return the module and the name under which a strategy can be imported. Raises StrategyInvalid."""
    for module, content in sorted(sys.modules.items()):
        for name, value in getattr(content, "__dict__", {}).items():
            if value is strategy and name.isidentifier() and module.split(".")[0] == home(strategy.decide):
                return module, name
    raise broken(strategy, "process", None, "it is no name of a module of its package, so no other process can ask it")


def _digest(strategy: Strategy) -> str:
    """Return the SHA-256 of all that a strategy decides by its default parameters on bars of every kind."""
    digest, params = hashlib.sha256(), resolve(strategy, {})
    for _, made in _kinds(warmup(strategy, params), _KINDS):
        found = _decide(strategy, made, params)
        digest.update(found.target.tobytes() + found.reason.tobytes())
    return digest.hexdigest()


def _backwards(bars: Bars) -> Bars:
    """Return other bars of the same length: the prices and volumes backwards, on the same stamps."""
    turned = {name: getattr(bars, name)[::-1] for name in COLUMNS if name not in ("ts", "filled")}
    return evolve(bars, **turned)


# Parameters at their bounds


def _bounds(strategy: Strategy, default: Params) -> Iterator[Params]:
    """Yield parameters with one of them, or all, at a bound or a choice; not those that are refused together."""
    edges: dict[str, list[Value]] = {
        param.name: list(param.choices) or [edge for edge in (param.low, param.high) if edge is not None]
        for param in strategy.params
    }
    edges |= {param.name: [False, True] for param in strategy.params if param.kind == "bool"}
    given: list[dict[str, Value]] = [{name: edge} for name, some in edges.items() for edge in some]
    given += [{name: some[place] for name, some in edges.items() if some} for place in (0, -1)]
    seen = [default]
    for some in given:
        try:
            params = resolve(strategy, some)
        except StrategyInvalid as error:
            if "parameter" in error.details or "rule" in error.details:
                raise  # a bound that is not allowed, or a check that raises, is a fault of the declaration
            continue
        if params not in seen:
            seen.append(params)
            yield params


# Bars made to break a strategy


def _kinds(warmup: int, kinds: Mapping[str, Callable[[int], Bars]]) -> Iterator[tuple[str, Bars]]:
    """Yield bars of each kind by its name, long enough to decide on, and a few that are hardly long enough."""
    for name, make in kinds.items():
        yield name, make(warmup + BARS)
    walk = _walk(warmup + 2)
    for length in sorted({1, 2, warmup, warmup + 1, warmup + 2} - {0}):
        yield f"the first {length}", walk[:length]


@cache
def _cents(count: int) -> NDArray[np.int64]:
    """Return int64[count, 6]: stamp of a minute, open, high, low, close in cents, volume in 1e-5 units."""
    return np.array(list(islice(rows(count), count)), np.int64)


def _sample() -> Bars:
    """Return two weeks of the sample at 1h: minutes, resampled as a run's are."""
    ts, *prices, volume = _cents(SAMPLE_MINUTES).T
    columns = dict(zip(("open", "high", "low", "close"), (price / 100 for price in prices), strict=True))
    base = Bars(
        timeframe=Timeframe.MINUTE_1, ts=ts, volume=volume / 100_000, filled=_none(len(ts)), decimals=2, **columns
    )
    return resample(base, Timeframe.HOUR_1).bars


def _walk(count: int, *, timeframe: Timeframe = Timeframe.HOUR_1, decimals: int | None = 2) -> Bars:
    """Return a random walk with wicks: the sample's minutes as bars of another timeframe, in tenths of a percent."""
    _, *prices, volume = _cents(count).T
    unit = 100 if decimals == 2 else 300  # thirds of a cent are no whole number of any 10^-k
    opened, high, low, close = (price / unit for price in prices)
    ts = _stamps(timeframe, np.arange(count))
    return Bars(
        timeframe=timeframe, ts=ts, open=opened, high=high, low=low, close=close, volume=volume / 100_000,
        filled=_none(count), decimals=decimals,
    )  # fmt: skip


def _gaps(count: int) -> Bars:
    """Bars with one, and with many, missing between them."""
    walk, place = _walk(count), np.arange(count)
    return evolve(walk, ts=_stamps(walk.timeframe, place + place // 17 + 100 * (place // 90)))


def _filled(count: int) -> Bars:
    """Bars where stretches of nine in thirty were made up: flat, without volume, and marked."""
    walk, place = _walk(count), np.arange(count)
    made = place % 30 > 20
    close = walk.close[np.where(made, place - place % 30 + 20, place).clip(0, count - 1)]
    flat = {name: np.where(made, close, getattr(walk, name)) for name in ("open", "high", "low", "close")}
    return evolve(walk, volume=np.where(made, 0.0, walk.volume), filled=made.astype(np.uint8), **flat)


def _quiet(count: int) -> Bars:
    """Bars without any volume."""
    return evolve(_walk(count), volume=np.zeros(count))


def _spikes(count: int) -> Bars:
    """A walk with single bars at eight times, and at an eighth, of the price."""
    walk, place = _walk(count, decimals=None), np.arange(count)
    factor = np.where(place % 37 == 36, 8.0, np.where(place % 41 == 40, 0.125, 1.0))
    return evolve(walk, **{name: getattr(walk, name) * factor for name in ("open", "high", "low", "close")})


def _constant(count: int) -> Bars:
    """Bars of one price: every difference is 0, and every range is empty."""
    return _bars(np.full(count, 100.0), volume=np.ones(count))


def _rising(count: int) -> Bars:
    """Bars that only rise."""
    return _bars((np.arange(count) + 10_000) / 100, volume=np.ones(count))


def _falling(count: int) -> Bars:
    """Bars that only fall."""
    return _bars((2 * count + 100 - np.arange(count)) / 100, volume=np.ones(count))


def _steps(count: int) -> Bars:
    """Bars of few prices, so that many comparisons are ties."""
    return _bars((np.arange(count) // 3 % 4 + 100).astype(np.float64), volume=np.ones(count))


def _tiny(count: int) -> Bars:
    """Prices of a few units of the last decimal."""
    units = _cents(count)[:, 4] % 50 + 1
    return _bars(units / 10**TINY, volume=np.ones(count), decimals=TINY)


def _daily(count: int) -> Bars:
    """A walk of days, with weekends left out."""
    place = np.arange(count)
    walk = _walk(count, timeframe=Timeframe.DAY_1)
    return evolve(walk, ts=_stamps(walk.timeframe, place + place // 5 * 2))


_KINDS: Mapping[str, Callable[[int], Bars]] = {
    "walk": _walk,
    "walk of thirds": lambda count: _walk(count, decimals=None),
    "gaps": _gaps,
    "filled": _filled,
    "no volume": _quiet,
    "spikes": _spikes,
    "constant": _constant,
    "rising": _rising,
    "falling": _falling,
    "steps": _steps,
    "tiny prices": _tiny,
    "days": _daily,
}
_KINDS_AT_BOUNDS = {name: _KINDS[name] for name in ("walk", "spikes", "constant")}


def _bars(
    close: NDArray[np.float64],
    *,
    volume: NDArray[np.float64],
    timeframe: Timeframe = Timeframe.HOUR_1,
    decimals: int | None = 2,
) -> Bars:
    opened = np.concatenate([close[:1], close[:-1]])
    return Bars(
        timeframe=timeframe, ts=_stamps(timeframe, np.arange(len(close))), open=opened, close=close,
        high=np.maximum(opened, close), low=np.minimum(opened, close), volume=volume, filled=_none(len(close)),
        decimals=decimals,
    )  # fmt: skip


def _stamps(timeframe: Timeframe, place: NDArray[np.int64]) -> NDArray[np.int64]:
    first = timeframe.index(np.array([START_MS], np.int64))
    return timeframe.start(first + place)


def _none(count: int) -> NDArray[np.uint8]:
    return np.zeros(count, np.uint8)
