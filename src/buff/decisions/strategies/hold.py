"""Hold: be long from the first bar to the last. The measure every other rule is compared with."""

import numpy as np

from buff.decisions.contract import Decisions, Params, Strategy
from buff.market.bars import Bars


def _warmup(params: Params) -> int:
    return 0


def _decide(bars: Bars, params: Params) -> Decisions:
    reason = np.zeros(len(bars), np.uint8)
    reason[:1] = 1
    return Decisions(target=np.ones(len(bars), np.int8), reason=reason)


HOLD = Strategy(
    id="hold",
    version="1",
    citation="Buy and hold; Malkiel, A Random Walk Down Wall Street (1973)",
    rule="Long from the first bar to the last.",
    params=(),
    reasons=("", "hold"),
    sides=("long",),
    warmup=_warmup,
    decide=_decide,
)
