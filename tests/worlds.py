"""Made-up markets for the engine's tests: random walks, price lattices, gaps, closed stretches; all seeded."""

import random
from typing import Any

import numpy as np

import engine_oracle
from buff import canonical
from buff.decisions.contract import Decisions
from buff.decisions.engine import ACTIONS, PERMISSIONS, RULES, STATES, Costs, Outcome, reason_names
from buff.decisions.strategy import decide, resolve, strategy
from buff.market.bars import Bars
from buff.market.timeframe import Timeframe
from buff.times import iso

REASONS = ("", "up", "down")
TIMEFRAMES = (Timeframe.MINUTE_1, Timeframe.MINUTE_30, Timeframe.HOUR_1, Timeframe.HOUR_4, Timeframe.DAY_1)


def bars_of(
    timeframe: Timeframe,
    opens: list[float],
    closes: list[float],
    *,
    filled: list[int] | None = None,
    missing: list[int] | None = None,
    first: int = 1_640_995_200_000,
    volume: list[float] | None = None,
    decimals: int | None = None,
) -> Bars:
    """Return bars with these opens and closes; `missing[i]` bars are absent before bar i."""
    count = len(opens)
    skipped = np.cumsum(missing if missing is not None else [0] * count)
    number = int(timeframe.index(np.array([first]))[0]) + np.arange(count) + skipped
    both = np.array([opens, closes])
    return Bars(
        timeframe=timeframe,
        ts=timeframe.start(number),
        open=np.array(opens),
        high=both.max(axis=0),
        low=both.min(axis=0),
        close=np.array(closes),
        volume=np.array(volume if volume is not None else [1.0] * count),
        filled=np.array(filled if filled is not None else [0] * count, np.uint8),
        decimals=decimals,
    )


def decisions_of(target: list[int]) -> Decisions:
    """Return decisions with that target: reason 1 where it rises, 2 where it falls."""
    steps = np.diff(np.array(target, np.int8), prepend=np.int8(0))
    reason = np.where(steps > 0, 1, np.where(steps < 0, 2, 0)).astype(np.uint8)
    return Decisions(target=np.array(target, np.int8), reason=reason)


def world(seed: int) -> dict[str, Any]:
    """Return arguments of a simulation drawn from a seed: every kind of market, level, cost and timeframe."""
    rng = random.Random(seed)
    timeframe = rng.choice((*TIMEFRAMES, Timeframe.WEEK_1, Timeframe.MONTH_1))
    count = rng.choice((1, 2, 3, 5, 20, 60, 150, 400))
    opens, closes = _prices(rng, count)
    filled = [0] * count
    for _ in range(rng.choice((0, 0, 1, 4))):
        begin = rng.randrange(count)
        for i in range(begin, min(count, begin + rng.choice((1, 2, 10, 60)))):
            filled[i] = 1
    missing = [rng.choice((1, 3, 40)) if rng.random() < 0.03 else 0 for _ in range(count)]
    costs = rng.choice(
        (
            Costs(commission_bps=0, slippage_bps=0, min_fee=0),
            Costs(commission_bps=10, slippage_bps=5, min_fee=0),
            Costs(commission_bps=0, slippage_bps=0, min_fee=rng.choice((1.0, 25.0, 200.0))),
            Costs(commission_bps=rng.uniform(0, 1000), slippage_bps=rng.uniform(0, 1000), min_fee=rng.uniform(0, 5)),
        )
    )
    return {
        "bars": bars_of(
            timeframe,
            opens,
            closes,
            filled=filled,
            missing=missing if rng.random() < 0.4 else None,
            first=rng.choice((1_640_995_200_000, 1_641_034_800_000, 1_641_072_600_000)),
        ),
        "decisions": decisions_of(_targets(rng, count)),
        "level": rng.randint(1, 5),
        "costs": costs,
        "initial_equity": rng.choice((10_000.0, 1.0, 1234.5678)),
    }


def _prices(rng: random.Random, count: int) -> tuple[list[float], list[float]]:
    kind = rng.choice(("walk", "lattice", "wild", "calm"))
    step = {"walk": 0.02, "lattice": 0.0, "wild": 0.3, "calm": 0.002}[kind]
    price, opens, closes = 100.0, [], []
    for _ in range(count):
        if kind == "lattice":
            # Round prices on which, without costs, equity meets a limit exactly.
            opens.append(float(rng.choice((80, 90, 95, 97, 99, 100, 101, 105, 110))))
            closes.append(float(rng.choice((80, 85, 90, 95, 97, 98, 99, 100, 102, 105, 110))))
            continue
        opens.append(price * (1.0 + rng.gauss(0.0, step / 3)) if kind != "wild" else max(price, 0.5))
        price = (
            max(price * (1.0 + rng.gauss(0.0, step)), 0.01) if rng.random() > 0.005 else price * rng.choice((0.2, 5))
        )
        closes.append(price)
        opens[-1] = max(opens[-1], 0.01)
    return opens, closes


def _targets(rng: random.Random, count: int) -> list[int]:
    sides = rng.choice(((0, 1), (-1, 0, 1), (-1, 1), (0, -1), (1,)))
    stay = rng.choice((0.0, 0.5, 0.9, 0.98, 1.0))
    target, now = [], 0
    for _ in range(count):
        if rng.random() > stay or now not in sides:
            now = rng.choice(sides)
        target.append(now)
    return target


def golden() -> dict[str, Any]:
    """Return the simulation behind `golden/decisions`: four days of hours from integer arithmetic alone.

    With a gap, a closed stretch over midnight, and falls that reach YELLOW and RED.
    """
    state, price, opens, closes = 7, 10_000, [], []
    for bar in range(96):
        opens.append(price / 100)
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        price += (state >> 33) % 401 - 200 - (1_200 if bar in (30, 31, 80, 81, 82) else 0)
        closes.append(price / 100)
    rule = strategy("ma_cross")
    params = resolve(rule, {"fast": 2, "slow": 5, "direction": "both"})
    bars = bars_of(
        Timeframe.HOUR_1,
        opens,
        closes,
        filled=[1 if 45 <= bar < 50 else 0 for bar in range(96)],
        missing=[3 if bar == 60 else 0 for bar in range(96)],
        volume=[0.0 if bar % 7 == 0 else 1.5 for bar in range(96)],
        decimals=2,
    )
    costs = Costs(commission_bps=10, slippage_bps=5, min_fee=0)
    return {
        "bars": bars,
        "decisions": decide(rule, bars, params),
        "level": 5,
        "costs": costs,
        "initial_equity": 10_000.0,
        "warmup": rule.warmup(params),
        "reasons": rule.reasons,
    }


def worked_example() -> dict[str, Any]:
    """Return the simulation that `docs/reference/metrics.md` works by hand: eight days, two trades and an open one."""
    opens = [100.0, 100.0, 104.0, 106.0, 100.0, 95.0, 100.0, 97.0]
    closes = [100.0, 104.0, 102.0, 106.0, 98.0, 95.0, 98.0, 96.0]
    return {
        "bars": bars_of(Timeframe.DAY_1, opens, closes),
        "decisions": decisions_of([1, 1, 0, 1, 0, -1, -1, -1]),
        "level": 5,
        "costs": Costs(commission_bps=0, slippage_bps=0, min_fee=1),
        "initial_equity": 1_000.0,
    }


def record_lines(args: dict[str, Any]) -> bytes:
    """Return decision_records.jsonl as the slow way writes it: one dictionary per bar of the oracle, encoded alone."""
    bars, target = args["bars"], args["decisions"].target.tolist()
    missing = bars.missing.tolist()
    lines = []
    for seq, row in enumerate(oracle(args)[0]):
        record = {
            "action": row["action"],
            "permission": row["permission"],
            "position": row["position"],
            "price": bars.close[seq].item(),
            "risk_state": row["state"],
            "seq": seq,
            "target": target[seq],
            "ts": iso(int(bars.ts[seq])),
        }
        record |= {"rule": row["rule"]} if row["rule"] else {}
        record |= {"reason": row["reason"], "signal": row["signal"]} if row["action"] != "HOLD" else {}
        record |= {"budget": row["budget"]} if row["budget"] is not None else {}
        record |= {"gap_bars": missing[seq]} if missing[seq] else {}
        record |= {"filled": True} if bars.filled[seq] else {}
        late = {"after_gap": True} if missing[seq] else {}
        names = ("effect", "fee", "price", "quantity", "slippage", "trade")
        fills = [dict(zip(names, fill, strict=True)) | late for fill in row["fills"]]
        record |= {"fills": fills} if fills else {}
        lines.append(canonical.document(record))
    return b"".join(lines)


def oracle(args: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what the slow loop says about the arguments of a simulation."""
    bars, decisions, costs = args["bars"], args["decisions"], args["costs"]
    step = bars.timeframe.step_ms
    return engine_oracle.run(
        close_ms=bars.close_ms.tolist(),
        open=bars.open.tolist(),
        close=bars.close.tolist(),
        target=decisions.target.tolist(),
        reason=[args.get("reasons", REASONS)[code] for code in decisions.reason.tolist()],
        tradable=[not flag for flag in bars.filled.tolist()],
        level=args["level"],
        daily=step is not None and step <= engine_oracle.DAY_MS,
        commission_bps=costs.commission_bps,
        slippage_bps=costs.slippage_bps,
        min_fee=costs.min_fee,
        start=args["initial_equity"],
    )


def difference(outcome: Outcome, expected: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> str | None:
    """Return the first difference between an outcome and the oracle's, or None: every column, bit for bit."""
    bars, trades = expected
    names = reason_names(REASONS)
    acts = outcome.action != 0
    entering = np.flatnonzero((outcome.action == 1) | (outcome.action == 3))
    columns = {
        "equity": outcome.equity.tolist(),
        "drawdown": outcome.drawdown.tolist(),
        "position": outcome.position.tolist(),
        "state": [STATES[code] for code in outcome.state.tolist()],
        "rule": [RULES[code] for code in outcome.rule.tolist()],
        "action": [ACTIONS[code] for code in outcome.action.tolist()],
        "permission": [PERMISSIONS[code] for code in outcome.permission.tolist()],
        "signal": outcome.signal.tolist(),
        "reason": [
            names[code] if act else None for code, act in zip(outcome.reason.tolist(), acts.tolist(), strict=True)
        ],
        "budget": _scattered(len(bars), entering, outcome.budgets(entering)),
    }
    for name, column in columns.items():
        for bar, (ours, theirs) in enumerate(zip(column, (row[name] for row in bars), strict=True)):
            if _bits(ours) != _bits(theirs):
                return f"{name} at bar {bar}: {ours!r}, the oracle says {theirs!r}"
    return _trade_difference(outcome, trades, len(bars))


def _trade_difference(outcome: Outcome, trades: list[dict[str, Any]], count: int) -> str | None:
    if len(outcome.trades) != len(trades):
        return f"{len(outcome.trades)} trades, the oracle has {len(trades)}"
    for index, trade in enumerate(trades):
        for name, theirs in trade.items():
            ours = getattr(outcome.trades, name)[index].item()
            if _bits(ours) != _bits(count if name == "exit" and theirs is None else theirs):
                return f"{name} of trade {index}: {ours!r}, the oracle says {theirs!r}"
    return None


def _scattered(count: int, bars: np.ndarray, values: np.ndarray) -> list[float | None]:
    column: list[float | None] = [None] * count
    for bar, value in zip(bars.tolist(), values.tolist(), strict=True):
        column[bar] = value
    return column


def _bits(value: Any) -> Any:
    return value.hex() if isinstance(value, float) else value
