"""Trades (`trades.v1`): one line of canonical JSON per round trip, in the order of entry; the last may be open.

Bars and an outcome go in, bytes come out. An open trade has a mark and what it would bring, not an exit or a result.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from buff.decisions.engine import Outcome, reason_names
from buff.decisions.records import stamps
from buff.market.bars import Bars


class Leg(msgspec.Struct, frozen=True, gc=False):
    """An entry or an exit: filled at the open of bar `seq`, decided at the close of bar `decided`."""

    decided: int
    fee: float
    price: float
    reason: str
    seq: int
    slippage: float
    ts: str


class Trade(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename={"return_": "return"}):
    """One round trip, members in the order of their names: `return` is pnl over the money the entry took."""

    bars: int | UnsetType = UNSET
    entry: Leg
    exit: Leg | UnsetType = UNSET
    mark_price: float | UnsetType = UNSET
    pnl: float | UnsetType = UNSET
    quantity: float
    return_: float | UnsetType = UNSET
    side: str
    state: str
    trade: int
    unrealised: float | UnsetType = UNSET


def unrealised(outcome: Outcome, bars: Bars) -> float | None:
    """Return what the open trade has made at the last close, its entry fee paid, or None where nothing is open."""
    trades = outcome.trades
    if not len(trades) or trades.exit[-1] < len(outcome):
        return None
    quantity, price, fee = (float(column[-1]) for column in (trades.quantity, trades.entry_price, trades.entry_fee))
    return quantity * (float(bars.close[-1]) - price) - fee + 0.0


def trade_lines(bars: Bars, outcome: Outcome, reasons: Sequence[str]) -> bytes:
    """Return the bytes of trades.jsonl; `reasons` are the strategy's reason codes. No trades give no bytes."""
    trades, closed = outcome.trades, int((outcome.trades.exit < len(outcome)).sum())
    entries = _legs(bars, outcome, reasons, trades.entry, trades.entry_price, trades.entry_fee, trades.entry_slippage)
    exits = _legs(
        bars,
        outcome,
        reasons,
        trades.exit[:closed],
        trades.exit_price[:closed],
        trades.exit_fee[:closed],
        trades.exit_slippage[:closed],
    )
    common = [
        {"entry": entry, "quantity": abs(quantity), "side": "long" if quantity > 0 else "short", "trade": trade}
        for trade, (entry, quantity) in enumerate(zip(entries, trades.quantity.tolist(), strict=True))
    ]
    lines = [
        Trade(bars=leaving.seq - part["entry"].seq, exit=leaving, pnl=pnl, return_=gain, state="closed", **part)
        for part, leaving, pnl, gain in zip(common, exits, trades.pnl.tolist(), trades.returns.tolist(), strict=False)
    ]
    value = unrealised(outcome, bars)
    if value is not None:
        lines.append(Trade(mark_price=float(bars.close[-1]), unrealised=value, state="open", **common[-1]))
    return msgspec.json.Encoder().encode_lines(lines)


def _legs(
    bars: Bars,
    outcome: Outcome,
    reasons: Sequence[str],
    seq: NDArray[np.int64],
    price: NDArray[np.float64],
    fee: NDArray[np.float64],
    slippage: NDArray[np.float64],
) -> list[Leg]:
    names: NDArray[Any] = np.array(reason_names(reasons), object)
    columns = (seq - 1, fee, price, names[outcome.reason[seq - 1]], seq, slippage)
    return list(map(Leg, *(column.tolist() for column in columns), stamps(bars.ts[seq])))
