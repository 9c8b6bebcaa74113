"""The slow, obvious engine: `spec/engine.md` sections 1 and 2 as one loop over bars. The oracle of the fast one.

It knows nothing of numpy and shares no code with `buff.decisions.engine`. Read it beside
`docs/explanation/execution.md`: every rule stands here in the order in which it acts.
"""

from typing import Any

DAY_MS = 86_400_000
# level: fraction, half fraction, daily RED and YELLOW floors, drawdown RED and YELLOW floors
LEVELS = {
    1: (0.10, 0.05, 0.99, 0.995, 0.95, 0.975),
    2: (0.20, 0.10, 0.98, 0.99, 0.90, 0.95),
    3: (0.30, 0.15, 0.97, 0.985, 0.85, 0.925),
    4: (0.40, 0.20, 0.96, 0.98, 0.80, 0.90),
    5: (0.50, 0.25, 0.95, 0.975, 0.75, 0.875),
}


def run(
    *,
    close_ms: list[int],
    open: list[float],
    close: list[float],
    target: list[int],
    reason: list[int],
    tradable: list[bool],
    level: int,
    daily: bool,
    commission_bps: float,
    slippage_bps: float,
    min_fee: float,
    start: float,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return (bars, trades): what holds at every close, and every round trip."""
    fraction, half, day_red, day_yellow, drawdown_red, drawdown_yellow = LEVELS[level]
    if not daily:
        day_red = day_yellow = 0.0
    bars: list[dict[str, Any]] = []
    trades: list[dict[str, Any]] = []
    cash, quantity, side = start, 0.0, 0
    peak, halted = start, False
    day, day_open, locked = None, start, False
    equity, order, signal = start, None, -1

    def fill(price_open: float, buying: bool, size: float) -> tuple[float, float, float]:
        slip = slippage_bps / 10000.0
        price = price_open * (1.0 + slip) if buying else price_open * (1.0 - slip)
        fee = size * price * (commission_bps / 10000.0)
        if fee < min_fee:
            fee = min_fee
        return price, fee, size * abs(price - price_open)

    for i in range(len(close)):
        # (1) the day rolls
        today = (close_ms[i] - 1) // DAY_MS
        if today != day:
            day, day_open, locked = today, equity, False
        # (2) the order made at the close before fills at this open, or lapses
        fills = []
        if order is not None and tradable[i]:
            wanted, budget = order
            if side != 0:
                trade = trades[-1]
                size = abs(quantity)
                price, fee, slippage = fill(open[i], side < 0, size)
                cash = cash + quantity * price - fee
                pnl = quantity * (price - trade["entry_price"]) - (trade["entry_fee"] + fee)
                trade |= {"exit": i, "exit_price": price, "exit_fee": fee, "exit_slippage": slippage, "pnl": pnl + 0.0}
                trade["returns"] = (pnl + 0.0) / (size * trade["entry_price"])
                fills.append(("CLOSE", fee, price, -quantity, slippage, len(trades) - 1))
                side, quantity = 0, 0.0
            if wanted != 0:
                buying = wanted > 0
                slip = slippage_bps / 10000.0
                size = budget / (open[i] * (1.0 + slip) if buying else open[i] * (1.0 - slip))
                price, fee, slippage = fill(open[i], buying, size)
                side, quantity = wanted, wanted * size
                cash = cash - quantity * price - fee
                trades.append(
                    {"entry": i, "quantity": quantity, "entry_price": price, "entry_fee": fee}
                    | {"entry_slippage": slippage, "exit": None}
                )
                fills.append(("OPEN", fee, price, quantity, slippage, len(trades) - 1))
        # (3) mark at the close
        equity = cash + quantity * close[i]
        # (4) the risk state
        peak = max(peak, equity)
        if equity <= peak * drawdown_red:
            halted = True
        if equity <= day_open * day_red:
            locked = True
        if halted:
            state, rule = "RED", "max_drawdown"
        elif locked:
            state, rule = "RED", "daily_loss"
        elif equity <= peak * drawdown_yellow:
            state, rule = "YELLOW", "max_drawdown"
        elif equity <= day_open * day_yellow:
            state, rule = "YELLOW", "daily_loss"
        else:
            state, rule = "GREEN", ""
        # (5) the decision for the next open
        if target[i] != (target[i - 1] if i else 0):
            signal = i
        wanted = 0 if state == "RED" else target[i]
        permission = "ALLOW"
        if state == "RED" and target[i] != 0:
            permission = "BLOCK"
        elif state == "YELLOW" and wanted not in (0, side):
            permission = "RESTRICT"
        budget, why = None, None
        if wanted == side:
            action = "BLOCKED" if permission == "BLOCK" else "HOLD"
            order = None
        elif wanted == 0:
            action = "EXIT_LONG" if side > 0 else "EXIT_SHORT"
            order = (0, 0.0)
        else:
            action = "ENTER_LONG" if wanted > 0 else "ENTER_SHORT"
            budget = equity * (half if state == "YELLOW" else fraction)
            order = (wanted, budget)
        if action != "HOLD":
            why = reason[signal]
            if action.startswith("EXIT") and target[i] == side:
                why = "risk_" + rule
        bars.append(
            {"equity": equity, "drawdown": equity / peak - 1.0, "position": side, "state": state, "rule": rule}
            | {"action": action, "permission": permission, "signal": signal, "reason": why, "budget": budget}
            | {"fills": fills}
        )
    return bars, trades
