"""Trades: what a line says, against the oracle's round trips; and a golden file."""

from pathlib import Path
from typing import Any

import msgspec

from buff import canonical
from buff.decisions.engine import Costs, simulate
from buff.decisions.trades import trade_lines, unrealised
from buff.market.timeframe import Timeframe
from buff.times import iso
from worlds import REASONS, bars_of, decisions_of, golden, oracle, world

GOLDEN = Path(__file__).parents[2] / "golden" / "decisions"


def _written(args: dict[str, Any]) -> bytes:
    outcome = simulate(**{name: args[name] for name in ("bars", "decisions", "level", "costs", "initial_equity")})
    return trade_lines(args["bars"], outcome, args.get("reasons", REASONS))


def test_a_closed_and_an_open_trade() -> None:
    bars = bars_of(Timeframe.HOUR_1, [100.0, 100.0, 110.0, 110.0, 99.0], [100.0, 100.0, 110.0, 110.0, 99.0])
    args = {
        "bars": bars,
        "decisions": decisions_of([1, -1, -1, -1, -1]),
        "level": 5,
        "costs": Costs(commission_bps=0, slippage_bps=0, min_fee=1),
        "initial_equity": 1_000.0,
    }
    closed, still_open = map(msgspec.json.decode, _written(args).splitlines())
    assert closed["entry"] == {
        "decided": 0,
        "fee": 1.0,
        "price": 100.0,
        "reason": "up",
        "seq": 1,
        "slippage": 0.0,
        "ts": "2022-01-01T01:00:00Z",
    }
    assert (closed["exit"]["seq"], closed["exit"]["reason"], closed["bars"]) == (2, "down", 1)
    assert (closed["pnl"], closed["return"], closed["side"], closed["quantity"]) == (48.0, 0.096, "long", 5.0)
    assert set(still_open) == {"entry", "mark_price", "quantity", "side", "state", "trade", "unrealised"}
    size = 999.0 * 0.5 / 110.0
    assert still_open["side"] == "short"
    assert still_open["quantity"] == size
    assert still_open["unrealised"] == -size * (99.0 - 110.0) - 1.0


def test_no_trades_give_no_bytes() -> None:
    bars = bars_of(Timeframe.HOUR_1, [100.0], [100.0])
    outcome = simulate(bars, decisions_of([1]), level=1, costs=Costs(), initial_equity=1.0)
    assert trade_lines(bars, outcome, REASONS) == b""
    assert unrealised(outcome, bars) is None


def test_trades_equal_the_slow_loops() -> None:
    """Invariants checked: every number of every leg, order of entry, canonical lines, reasons of the deciding bars."""
    for seed in range(400):
        args = world(seed)
        rows, expected = oracle(args)
        lines = _written(args).splitlines()
        assert len(lines) == len(expected)
        for number, (line, trade) in enumerate(zip(lines, expected, strict=True)):
            found = msgspec.json.decode(line)
            assert canonical.encode(found) == line
            assert (found["trade"], found["quantity"]) == (number, abs(trade["quantity"]))
            for leg in ("entry", "exit") if trade["exit"] is not None else ("entry",):
                bar = trade[leg]
                assert found[leg] == {
                    "decided": bar - 1,
                    "fee": trade[f"{leg}_fee"],
                    "price": trade[f"{leg}_price"],
                    "reason": rows[bar - 1]["reason"],
                    "seq": bar,
                    "slippage": trade[f"{leg}_slippage"],
                    "ts": iso(int(args["bars"].ts[bar])),
                }
            if trade["exit"] is not None:
                assert (found["state"], found["pnl"], found["return"]) == ("closed", trade["pnl"], trade["returns"])


def test_the_golden_trades_are_written_again() -> None:
    assert _written(golden()) == (GOLDEN / "trades.jsonl").read_bytes()
