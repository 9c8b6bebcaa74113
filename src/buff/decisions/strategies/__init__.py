"""The registered strategies, one file each, every one a textbook rule with its citation."""

from collections.abc import Mapping
from types import MappingProxyType

from buff.decisions.strategies.hold import HOLD
from buff.decisions.strategies.ma_cross import MA_CROSS
from buff.decisions.strategy import Strategy
from buff.errors import StrategyInvalid

_TABLE: Mapping[str, Strategy] = MappingProxyType({each.id: each for each in (HOLD, MA_CROSS)})


def strategies() -> Mapping[str, Strategy]:
    """Return every registered strategy by its id, in the order of the ids."""
    return _TABLE


def strategy(id: str) -> Strategy:
    """Return the strategy of that id. Raises StrategyInvalid, listing the known ones."""
    found = _TABLE.get(id) if isinstance(id, str) else None
    if found is None:
        raise StrategyInvalid(
            f"there is no strategy {id!r}",
            hint=f"the registered strategies are: {', '.join(_TABLE)}",
            details={"strategy": str(id), "known": list(_TABLE)},
        )
    return found
