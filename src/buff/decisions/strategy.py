"""The registered strategies: the table, what each says of itself, and the hash of its source.

An id goes in, a strategy comes out, or STRATEGY_INVALID; strategies are registered, by Buff or by an installed package
(`plugins.py`), and never invented at run time. The names of the contract are offered too, so that the rest of Buff
needs one import. Source hashes are the one thing in `buff.decisions` that reads more than its arguments: modules, as
package data, so that a wheel, an editable install and a zip give the same digest. It knows no path and never writes.
"""

import hashlib
import pkgutil
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from buff.decisions import plugins
from buff.decisions.contract import (
    Decisions,
    Param,
    Params,
    Strategy,
    Value,
    check_prices,
    decide,
    parse_text,
    resolve,
)
from buff.decisions.lookahead import check_no_lookahead
from buff.decisions.plugins import Package, Unusable
from buff.decisions.reasons import of_decision
from buff.decisions.strategies.atr_channel_breakout import ATR_CHANNEL_BREAKOUT
from buff.decisions.strategies.bollinger_reversion import BOLLINGER_REVERSION
from buff.decisions.strategies.donchian_breakout import DONCHIAN_BREAKOUT
from buff.decisions.strategies.ema_cross import EMA_CROSS
from buff.decisions.strategies.hold import HOLD
from buff.decisions.strategies.ma_cross import MA_CROSS
from buff.decisions.strategies.macd import MACD
from buff.decisions.strategies.roc_momentum import ROC_MOMENTUM
from buff.decisions.strategies.rsi_reversion import RSI_REVERSION
from buff.decisions.strategies.time_series_momentum import TIME_SERIES_MOMENTUM
from buff.errors import StrategyInvalid

__all__ = [
    "Decisions",
    "Package",
    "Param",
    "Params",
    "Strategy",
    "Unusable",
    "Value",
    "check_no_lookahead",
    "check_prices",
    "decide",
    "describe",
    "known",
    "packages",
    "parse_text",
    "resolve",
    "source_sha256",
    "strategies",
    "strategy",
    "unusable",
]

_BUILT_IN = (
    ATR_CHANNEL_BREAKOUT,
    BOLLINGER_REVERSION,
    DONCHIAN_BREAKOUT,
    EMA_CROSS,
    HOLD,
    MA_CROSS,
    MACD,
    ROC_MOMENTUM,
    RSI_REVERSION,
    TIME_SERIES_MOMENTUM,
)
_TABLE: Mapping[str, Strategy] = MappingProxyType({each.id: each for each in _BUILT_IN})
_PACKAGE = "buff.decisions"
_KERNELS = ("indicators.py", "signals.py")


def strategies() -> Mapping[str, Strategy]:
    """Return every registered strategy by its id: those built in, then those of installed packages that can be used.

    Looking up an id that is built in looks at no package; only going through all of them imports all.
    """
    return _Registered()


class _Registered(Mapping[str, Strategy]):
    def __getitem__(self, id: str) -> Strategy:
        try:
            return strategy(id)
        except StrategyInvalid as error:
            raise KeyError(id) from error

    def __iter__(self) -> Iterator[str]:
        outside, _ = plugins.load_all(_TABLE)
        return iter((*_TABLE, *(each.strategy.id for each in outside)))

    def __len__(self) -> int:
        return len(tuple(iter(self)))


def unusable() -> tuple[Unusable, ...]:
    """Return what installed packages register that gives no strategy, and why."""
    return plugins.load_all(_TABLE)[1]


def known() -> tuple[str, ...]:
    """Return the ids that are registered, those of Buff first. No package is imported for it."""
    return *_TABLE, *(name for name in plugins.names() if name not in _TABLE)


def strategy(id: str) -> Strategy:
    """Return the strategy of that id. Raises StrategyInvalid, listing the known ones.

    Installed packages are looked at only for an id that is not built in, and only its package is imported.
    """
    found = _TABLE.get(id)
    if found is not None:
        return found
    plugin = plugins.load(id)
    if plugin is None:
        raise StrategyInvalid(
            f"there is no strategy {id!r}",
            hint=f"the registered strategies are: {', '.join(known())}",
            details={"strategy": id, "known": list(known())},
        )
    return plugin.strategy


def describe(strategy: Strategy) -> dict[str, Any]:
    """Return what a strategy says of itself as plain values: its rule, its source, its parameters, its reasons."""
    return {
        "id": strategy.id,
        "version": strategy.version,
        "rule": strategy.rule,
        "citation": strategy.citation,
        "sides": list(strategy.sides),
        "reasons": list(strategy.reasons[1:]),
        "reasons_say": {code: of_decision(code, strategy.id) for code in strategy.reasons[1:]},
        "params": [
            {
                "name": param.name,
                "kind": param.kind,
                "default": param.default,
                "low": param.low,
                "high": param.high,
                "choices": list(param.choices),
                "says": param.says,
            }
            for param in strategy.params
        ],
    }


def packages(strategy: Strategy) -> tuple[Package, ...]:
    """Return the package a strategy came with and those it requires, with their versions; none for one built in."""
    return () if _is_built_in(strategy) else _plugin(strategy).packages


def source_sha256(strategy: Strategy) -> str:
    """Return the digest of a strategy's source.

    Built in: its own file, the indicators and the signals, by name. From outside: every file of its package. Each file
    counts as its path, a NUL and the SHA-256 of its bytes with CRLF read as LF: a checkout on Windows has the same
    identity. Raises StrategyInvalid when the files of a package cannot be read, or changed since they were loaded.
    """
    if not _is_built_in(strategy):
        return plugins.source_sha256(_plugin(strategy))
    module = strategy.decide.__module__
    assert module.startswith(f"{_PACKAGE}.strategies."), "what is built in lives there"
    digest = hashlib.sha256()
    for name in sorted((*_KERNELS, f"strategies/{module.rpartition('.')[2]}.py")):
        source = pkgutil.get_data(_PACKAGE, name)
        assert source is not None, "the sources of a package are installed with it"
        digest.update(name.encode() + b"\0" + hashlib.sha256(source.replace(b"\r\n", b"\n")).digest())
    return digest.hexdigest()


def _is_built_in(strategy: Strategy) -> bool:
    return _TABLE.get(strategy.id) is strategy


def _plugin(strategy: Strategy) -> plugins.Plugin:
    plugin = plugins.load(strategy.id)
    if plugin is None or plugin.strategy is not strategy:
        raise StrategyInvalid(
            f"strategy {strategy.id!r} is not the one that is registered",
            hint="install the package that registers it, and ask for it by its id",
            details={"strategy": strategy.id},
        )
    return plugin
