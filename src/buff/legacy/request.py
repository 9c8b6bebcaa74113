"""What a legacy run was asked to do, where it kept its request: manifest.json or config.json of the later layout.

The decoded documents go in; a frozen `LegacyRequest` comes out, or None. Phase-1 runs never wrote one.
"""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from buff.legacy.fields import Object, first, inner, instant, number, text, whole


@frozen(kw_only=True)
class LegacyRequest:
    """The request as far as it was kept: `start` and `end` are epoch ms, both inclusive then; `source` is the path of
    the CSV as it was given; `params` are as they were written.
    """

    symbol: str | None = None
    timeframe: str | None = None
    strategy: str | None = None
    params: Mapping[str, Any] = field(factory=dict)
    risk_level: int | None = None
    commission_bps: float | None = None
    slippage_bps: float | None = None
    start: int | None = None
    end: int | None = None
    source: str | None = None


def request_of(document: Object) -> LegacyRequest | None:
    """Return the request inside a manifest or config, or None when there is none in it."""
    inputs = inner(document, "inputs")
    if not inputs:
        return None
    source, strategy, costs = inner(inputs, "data_source"), inner(inputs, "strategy"), inner(inputs, "costs")
    return LegacyRequest(
        symbol=text(first(source, ("symbol",)) or inputs.get("symbol")),
        timeframe=text(first(source, ("timeframe",)) or inputs.get("timeframe")),
        strategy=text(strategy.get("id")),
        params=inner(strategy, "params"),
        risk_level=whole(inner(inputs, "risk").get("level")),
        commission_bps=number(costs.get("commission_bps")),
        slippage_bps=number(costs.get("slippage_bps")),
        start=instant(first(source, ("start_ts",)) or inputs.get("start_ts")),
        end=instant(first(source, ("end_ts",)) or inputs.get("end_ts")),
        source=text(source.get("path")),
    )
