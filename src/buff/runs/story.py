"""The story of one trade, or of one bar: what was decided and why, what was filled, what it cost, and the sums again.

A committed run and a trade's number (or a bar's place) go in; plain values come out, the same that the command line
prints and a page can show. Everything is read from the artifacts and the stored columns. The one thing computed anew
are the strategy's indicator values, over no bar after the one that is explained, and only while the strategy's source
is the one of the run. Nothing is written.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define
from numpy.typing import NDArray

from buff.decisions.contract import indicators
from buff.decisions.engine import ACTIONS, BLOCKED, HOLD, STATES
from buff.decisions.reasons import RULES, of_decision
from buff.decisions.risk import Limits, limits, watches_days
from buff.decisions.strategy import Strategy, known, source_sha256, strategy
from buff.errors import RunConfigInvalid, StrategyInvalid
from buff.market.timeframe import DAY_MS
from buff.times import iso

if TYPE_CHECKING:
    from buff.runs.run import Run

Record = Mapping[str, Any]
Story = dict[str, Any]

CHANGES_MAX = 20  # changes of the risk state that are listed of one trade; all are counted
ROUNDING = 1e-9  # what a sum may differ from itself in another order, beside its largest part
SIDES = {1: "long", 0: "flat", -1: "short"}
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def explain(run: "Run", *, trade: int | None = None, bar: int | str | None = None) -> Story:
    """Return the story of a trade by its number, or of a bar by its place or its open stamp.

    Raises RunConfigInvalid where the run has no such trade or bar, or both or neither are given; RunDamaged.
    """
    if (trade is None) == (bar is None):
        raise _no("trade", None, "one trade or one bar is explained", "give --trade N or --bar SEQ")
    return trade_story(run, trade) if trade is not None else bar_story(run, bar_at(run, bar or 0))


def trade_story(run: "Run", number: int) -> Story:
    """Return the story of one trade: decision, fill, the bars held, exit, result, and each sum with its numbers."""
    count = len(run.trades)
    if not 0 <= number < count:
        hint = f"the trades are 0 to {count - 1}: `buff run show {run.id}` lists them" if count else "it made no trade"
        raise _no("trade", number, f"run {run.id} has no trade {number}", hint)
    scene, trade = _Scene(run=run), run.trades[number]
    entry, leaving = trade["entry"], trade.get("exit")
    values, none = scene.indicators([leg["decided"] for leg in (entry, leaving) if leg])
    return {
        "run_id": run.id,
        "trade": number,
        "trades": count,
        "side": trade["side"],
        "state": trade["state"],
        "strategy": scene.declared(none),
        "entry": _leg(scene, trade, entry, values),
        "held": _held(scene, trade),
        "exit": None if leaving is None else _leg(scene, trade, leaving, values),
        "result": _result(scene, trade),
        "arithmetic": list(_arithmetic(scene, trade)),
    }


def bar_story(run: "Run", seq: int) -> Story:
    """Return the story of one bar: what was filled at its open, what was decided at its close, and why."""
    count = len(run.records)
    if not 0 <= seq < count:
        raise _no("bar", seq, f"run {run.id} has no bar {seq}", f"its bars are 0 to {count - 1}")
    scene = _Scene(run=run)
    record, bars = run.records[seq], run.bars
    values, none = scene.indicators([seq])
    return {
        "run_id": run.id,
        "seq": seq,
        "bars": count,
        "ts": record["ts"],
        "strategy": scene.declared(none),
        "bar": {
            **{name: float(getattr(bars, name)[seq]) for name in ("open", "high", "low", "close", "volume")},
            "filled": bool(bars.filled[seq]),
            "gap_bars": record.get("gap_bars", 0),
        },
        "fills": record.get("fills", []),
        "decision": _decision(scene, seq, values),
        "why": list(_why(scene, record)),
    }


def bar_at(run: "Run", place: int | str) -> int:
    """Return a bar's place from a number or the open stamp of a bar. Raises RunConfigInvalid."""
    text = str(place)
    if not _STAMP.fullmatch(text):
        if not text.isascii() or not text.isdigit():
            raise _no("bar", text, f"{text!r} names no bar", "give its number, or its open: 2024-01-01T06:00:00Z")
        return int(text)
    bars = run.bars
    stamp = np.datetime64(text[:-1], "ms").astype(np.int64)
    at = int(np.searchsorted(bars.ts, stamp))
    if at == len(bars) or bars.ts[at] != stamp:
        near = iso(bars.ts[min(at, len(bars) - 1)])
        raise _no("bar", text, f"no bar of run {run.id} opens at {text}", f"the nearest after it opens at {near}")
    return at


def strategy_of(manifest: Mapping[str, Any]) -> Strategy | str:
    """Return the strategy of a run, or what keeps it from being asked again: it is gone, unusable, or another."""
    wanted = manifest["inputs"]["strategy"]
    try:
        found = strategy(wanted["id"])
        if source_sha256(found) == wanted["source_sha256"]:
            return found
    except StrategyInvalid as error:
        if wanted["id"] in known():
            return error.message
        came = [
            f"; it came with {package['name']} {package['version']}" for package in manifest.get("packages", ())[:1]
        ]
        return f"strategy {wanted['id']} is not registered any more" + "".join(came)
    return f"the source of strategy {wanted['id']} is not the one of this run"


def _no(field: str, value: Any, says: str, hint: str) -> RunConfigInvalid:
    return RunConfigInvalid(says, hint=hint, details={"field": field, "value": value})


# What is read


@define(kw_only=True, slots=False)
class _Scene:
    """A run with what the story asks of it more than once."""

    run: "Run"

    @cached_property
    def rules(self) -> Limits:
        """What the run's risk level allows."""
        return limits(self.run.inputs["risk"]["level"], self.run.bars.timeframe)

    @cached_property
    def strategy(self) -> Strategy | str:
        """The strategy as it was, or why it cannot be asked."""
        return strategy_of(self.run.manifest)

    def says(self, reason: str) -> str:
        """Say a reason in words."""
        return of_decision(reason, self.run.inputs["strategy"]["id"])

    def declared(self, no_indicators: str | None) -> Story:
        """Return what is known of the strategy, its own words only while its source is that of the run."""
        found, wanted = self.strategy, self.run.inputs["strategy"]
        return {
            **{name: wanted[name] for name in ("id", "version", "params")},
            "rule": None if isinstance(found, str) else found.rule,
            "warmup": self.warmup,
            "no_indicators": no_indicators,
        }

    @cached_property
    def warmup(self) -> int:
        """How many bars warmed up, as the timeline says: all of them where it never ended."""
        ended = [each for each in self.run.timeline if each["type"] == "warmup_end"]
        if not ended:
            return 0
        seq: int = ended[0]["ref"]["seq"]
        return seq if ended[0]["severity"] == "INFO" else len(self.run.records)

    def indicators(self, places: Sequence[int]) -> tuple[dict[int, list[Story]] | None, str | None]:
        """Return the indicators at some bars and at the bar before each, over nothing later; or none and why."""
        found = self.strategy
        if isinstance(found, str):
            return None, found
        try:
            columns = indicators(found, self.run.bars[: max(places) + 1], self.run.inputs["strategy"]["params"])
        except StrategyInvalid as error:
            return None, error.message
        if not columns:
            return None, f"strategy {found.id} shows none"
        return {seq: [_around(name, column, seq) for name, column in columns.items()] for seq in places}, None

    def open_ts(self, seq: int) -> str:
        """Return the open stamp of a bar."""
        return iso(self.run.bars.ts[seq])

    def day_open(self, seq: int) -> float:
        """Return the equity that the day of a bar's last instant is measured against."""
        first = self.first_of_day(seq, 0)
        return float(self.run.equity[first - 1]) if first else float(self.run.inputs["initial_equity"])

    def first_of_day(self, seq: int, days: int) -> int:
        """Return the first bar of the UTC day that lies `days` after a bar's (or of a later one), or the count."""
        close_ms = self._close_ms
        day = (int(close_ms[seq]) - 1) // DAY_MS + days
        return int(np.searchsorted(close_ms, day * DAY_MS + 1))

    @cached_property
    def _close_ms(self) -> Any:
        return self.run.bars.close_ms

    def since(self, seq: int) -> int:
        """Return the first bar of the stretch of one risk state that a bar is in."""
        state = self.run.state
        others = np.flatnonzero(state[:seq] != state[seq])
        return int(others[-1]) + 1 if len(others) else 0


def _around(name: str, column: NDArray[np.float64], seq: int) -> Story:
    return {"name": name, "before": _finite(column[seq - 1]) if seq else None, "at": _finite(column[seq])}


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


# A decision


def _decision(scene: _Scene, seq: int, values: Mapping[int, list[Story]] | None) -> Story:
    """Return what was decided at a close, with what was known there."""
    record = scene.run.records[seq]
    signal = record.get("signal")
    return {
        "seq": seq,
        "ts": record["ts"],
        "close": record["price"],
        "action": record["action"],
        "reason": record.get("reason"),
        "reason_says": scene.says(record["reason"]) if "reason" in record else None,
        "signal": signal,
        "signal_ts": None if signal is None else scene.open_ts(signal),
        "waited": _waited(scene, signal, seq),
        "target": record["target"],
        "position": record["position"],
        "permission": record["permission"],
        "budget": record.get("budget"),
        "risk": _risk(scene, record),
        "indicators": None if values is None else values[seq],
    }


def _waited(scene: _Scene, signal: int | None, seq: int) -> Story | None:
    """Say what lay between a signal and the bar that acts on it; None where they are one bar."""
    if signal is None or signal == seq:
        return None
    between = scene.run.action[signal:seq]
    blocked = int(np.count_nonzero(between == BLOCKED))
    return {"bars": seq - signal, "blocked": blocked, "orders": int(np.count_nonzero(between != HOLD)) - blocked}


def _risk(scene: _Scene, record: Record) -> Story:
    """Return the risk state at a close, since when it holds, and how far equity is from each limit."""
    run, seq = scene.run, record["seq"]
    rules, since = scene.rules, scene.since(seq)
    equity, start = float(run.equity[seq]), float(run.inputs["initial_equity"])
    peak = max(start, float(run.equity[: seq + 1].max()))
    measured = [("max_drawdown", peak, rules.drawdown_yellow, rules.drawdown_red)]
    if watches_days(run.bars.timeframe):
        measured.append(("daily_loss", scene.day_open(seq), rules.day_yellow, rules.day_red))
    return {
        "state": record["risk_state"],
        "rule": record.get("rule"),
        "rule_says": RULES.get(record.get("rule", "")),
        "since": since,
        "since_ts": scene.open_ts(since),
        "equity": equity,
        "limits": [
            {"rule": rule, "from": base, "yellow_at": base * yellow, "red_at": base * red, "now": equity / base - 1.0}
            for rule, base, yellow, red in measured
        ],
    }


# A trade


def _leg(scene: _Scene, trade: Record, leg: Record, values: Mapping[int, list[Story]] | None) -> Story:
    """Return the entry or the exit of a trade: the decision, then its fill at the next open."""
    run, seq = scene.run, leg["seq"]
    record, costs, bars = run.records[seq], run.inputs["costs"], run.bars
    effect = "OPEN" if leg is trade["entry"] else "CLOSE"
    fill = next(each for each in record["fills"] if each["effect"] == effect)
    return {
        "decision": _decision(scene, leg["decided"], values),
        "fill": {
            "seq": seq,
            "ts": leg["ts"],
            "open": float(bars.open[seq]),
            "price": leg["price"],
            "quantity": fill["quantity"],
            "slippage": leg["slippage"],
            "slippage_bps": costs["slippage_bps"],
            "fee": leg["fee"],
            "commission_bps": costs["commission_bps"],
            "least_fee": leg["fee"] == costs["min_fee"] > 0.0,
            "gap_bars": record.get("gap_bars", 0),
            "volume": float(bars.volume[seq]),
            "reversal": len(record["fills"]) > 1,
        },
    }


def _held(scene: _Scene, trade: Record) -> Story:
    """Return the closes at which the trade was open: the best and the worst mark, and how the risk state changed."""
    run, entry = scene.run, trade["entry"]
    first = entry["seq"]
    end = trade["exit"]["seq"] if "exit" in trade else len(run.equity)
    marks = _signed(trade) * (run.bars.close[first:end] - entry["price"]) - entry["fee"]
    best, worst = int(marks.argmax()), int(marks.argmin())
    state = run.state[first - 1 : end]
    changes = (np.flatnonzero(state[1:] != state[:-1]) + first).tolist()
    return {
        "bars": end - first,
        "first": first,
        "last": end - 1,
        "best": _mark(scene, first + best, float(marks[best])),
        "worst": _mark(scene, first + worst, float(marks[worst])),
        "risk_changes": len(changes),
        "risk": [_change(scene, seq) for seq in changes[:CHANGES_MAX]],
    }


def _signed(trade: Record) -> float:
    size: float = trade["quantity"]
    return size if trade["side"] == "long" else -size


def _mark(scene: _Scene, seq: int, value: float) -> Story:
    return {"seq": seq, "ts": scene.open_ts(seq), "close": float(scene.run.bars.close[seq]), "unrealised": value}


def _change(scene: _Scene, seq: int) -> Story:
    run = scene.run
    record = run.records[seq]
    return {
        "seq": seq,
        "ts": record["ts"],
        "from": STATES[run.state[seq - 1]],
        "to": record["risk_state"],
        "rule": record.get("rule"),
        "equity": float(run.equity[seq]),
    }


def _result(scene: _Scene, trade: Record) -> Story:
    """Return what the trade made: the move of the market from open to open (or to the mark), less what it cost."""
    opens = scene.run.bars.open
    entry, leaving = trade["entry"], trade.get("exit")
    last = trade["mark_price"] if leaving is None else float(opens[leaving["seq"]])
    legs = [entry] if leaving is None else [entry, leaving]
    return {
        "market": _signed(trade) * (last - float(opens[entry["seq"]])),
        "slippage": math.fsum(leg["slippage"] for leg in legs),
        "fees": math.fsum(leg["fee"] for leg in legs),
        "pnl": trade.get("pnl"),
        "return": trade.get("return"),
        "mark_price": trade.get("mark_price"),
        "unrealised": trade.get("unrealised"),
    }


# The sums again


def _arithmetic(scene: _Scene, trade: Record) -> Iterator[Story]:
    """Yield each number of a trade as a sum of others, done again in the order of the engine (spec E4 to E7)."""
    run, entry, leaving = scene.run, trade["entry"], trade.get("exit")
    size, quantity, long = trade["quantity"], _signed(trade), trade["side"] == "long"
    decided = run.records[entry["decided"]]
    fraction = scene.rules.half if decided["risk_state"] == "YELLOW" else scene.rules.fraction
    budget, equity, price = decided["budget"], float(run.equity[entry["decided"]]), entry["price"]
    yield _sum("budget", "equity × fraction", f"{equity!r} × {fraction!r}", equity * fraction, budget)
    yield _price(scene, "entry price", entry, buying=long)
    yield _sum("quantity", "budget / entry price", f"{budget!r} / {price!r}", budget / price, size)
    yield _fee(scene, "entry fee", entry, size)
    if leaving is None:
        mark, value = trade["mark_price"], trade["unrealised"]
        text = f"{quantity!r} × ({mark!r} − {price!r}) − {entry['fee']!r}"
        gives = quantity * (mark - price) - entry["fee"]
        yield _sum("unrealised", "quantity × (mark − entry price) − entry fee", text, gives, value)
    else:
        value = trade["pnl"]
        yield _price(scene, "exit price", leaving, buying=not long)
        yield _fee(scene, "exit fee", leaving, size)
        text = f"{quantity!r} × ({leaving['price']!r} − {price!r}) − ({entry['fee']!r} + {leaving['fee']!r})"
        gives = quantity * (leaving["price"] - price) - (entry["fee"] + leaving["fee"])
        yield _sum("pnl", "quantity × (exit price − entry price) − fees", text, gives, value)
        text, gives = f"{value!r} / ({size!r} × {price!r})", value / (size * price)
        yield _sum("return", "pnl / the money the entry took", text, gives, trade["return"])
    parts = [_result(scene, trade)[name] for name in ("market", "slippage", "fees")]
    text = " − ".join(map(repr, parts))
    what, says = ("pnl" if leaving else "unrealised"), "the market's move − slippage − fees"
    yield _sum(what, says, text, parts[0] - parts[1] - parts[2], value, within=max(map(abs, parts)))


def _price(scene: _Scene, what: str, leg: Record, *, buying: bool) -> Story:
    sign, bps = "+" if buying else "−", scene.run.inputs["costs"]["slippage_bps"]
    opened = float(scene.run.bars.open[leg["seq"]])
    gives = opened * (1.0 + bps / 10000.0) if buying else opened * (1.0 - bps / 10000.0)
    return _sum(what, f"open × (1 {sign} slippage)", f"{opened!r} × (1 {sign} {bps!r} / 10000)", gives, leg["price"])


def _fee(scene: _Scene, what: str, leg: Record, size: float) -> Story:
    least, bps = scene.run.inputs["costs"]["min_fee"], scene.run.inputs["costs"]["commission_bps"]
    gives = size * leg["price"] * (bps / 10000.0)
    if gives < least:
        return _sum(what, "the minimum fee, which is more than the commission", repr(least), least, leg["fee"])
    text = f"{size!r} × {leg['price']!r} × ({bps!r} / 10000)"
    return _sum(what, "quantity × price × commission", text, gives, leg["fee"])


def _sum(what: str, says: str, text: str, gives: float, stored: float, *, within: float = 0.0) -> Story:
    """Return a sum done again: it `holds` where it gives the stored number, bit for bit unless added up otherwise."""
    gives += 0.0  # no -0.0 in an artifact
    return {
        "what": what,
        "says": says,
        "sum": text,
        "gives": gives,
        "stored": stored,
        "exact": gives == stored,
        "holds": abs(gives - stored) <= within * ROUNDING,
    }


# Why


def _why(scene: _Scene, record: Record) -> Iterator[str]:
    """Yield in sentences why a bar's decision is what it is, and what became of it."""
    yield from _before(scene, record)
    if record["action"] == "HOLD":
        yield from _held_still(scene, record)
    elif record["action"] == "BLOCKED":
        yield from _blocked(scene, record)
    else:
        yield from _ordered(scene, record)


def _before(scene: _Scene, record: Record) -> Iterator[str]:
    """Yield what happened at the bar's open: fills, or an order that found none."""
    for fill in record.get("fills", ()):
        verb = "opened" if fill["effect"] == "OPEN" else "closed"
        late = ", the first bar after a gap" if fill.get("after_gap") else ""
        yield f"At its open{late}, trade {fill['trade']} was {verb} at {fill['price']!r}."
    seq = record["seq"]
    if record.get("filled"):
        yield "The bar was made by gaps=fill: it has no open to trade at, so an order lapses here and is made anew."
        if seq and ACTIONS[scene.run.action[seq - 1]] not in ("HOLD", "BLOCKED"):
            yield f"The {ACTIONS[scene.run.action[seq - 1]]} of bar {seq - 1} lapsed."


def _held_still(scene: _Scene, record: Record) -> Iterator[str]:
    seq, side = record["seq"], SIDES[record["position"]]
    if seq < scene.warmup:
        yield f"Nothing is decided: the strategy warms up until bar {scene.warmup}."
        return
    wanted = "is flat and wants no position" if side == "flat" else f"is {side}, which is what it wants"
    yield f"Nothing is done: the strategy {wanted} (target {record['target']:+d})."
    acted = np.flatnonzero(scene.run.action[:seq])
    if len(acted):
        last = int(acted[-1])
        what = ACTIONS[scene.run.action[last]]
        yield f"The last bar that decided anything is {last} ({scene.open_ts(last)}): {what}."
    if record["risk_state"] == "RED":
        yield f"Were it to want a position, that would be blocked: {_red(scene, record)}"


def _blocked(scene: _Scene, record: Record) -> Iterator[str]:
    side = SIDES[record["target"]]
    yield (
        f"The strategy wants to be {side} since bar {record['signal']} ({scene.says(record['reason'])}), and that is "
        f"blocked by {record['rule']}: {_red(scene, record)}"
    )


def _red(scene: _Scene, record: Record) -> str:
    """Say since when RED blocks entries and when that ends."""
    seq, rule = record["seq"], record["rule"]
    since = scene.since(seq)
    begin = f"the state is RED since bar {since} ({scene.open_ts(since)}), {RULES[rule]} having met its limit"
    if rule == "max_drawdown":
        return f"{begin}; no entry is made any more in this run."
    free = scene.first_of_day(seq, 1)
    if free == len(scene.run.records):
        return f"{begin}; the run ends before the next UTC day."
    return f"{begin}; the first bar of the next UTC day that may decide is {free} ({scene.open_ts(free)})."


def _ordered(scene: _Scene, record: Record) -> Iterator[str]:
    """Yield what an order was for and what became of it at the next open."""
    run, seq = scene.run, record["seq"]
    turns = record["action"].startswith("ENTER") and record["position"]
    what = f"turn from {SIDES[record['position']]} to {SIDES[record['target']]}" if turns else _does(record["action"])
    yield f"At the close an order was made to {what} at the next open: {scene.says(record['reason'])}."
    waited = _waited(scene, record["signal"], seq)
    if waited is not None and not record["reason"].startswith("risk_"):
        yield (
            f"The signal is of bar {record['signal']}, {waited['bars']} bars before; since then {waited['blocked']} "
            f"bars were blocked and {waited['orders']} made orders."
        )
    if record["permission"] == "RESTRICT":
        yield f"The state is YELLOW by {record['rule']}, so the entry is made at half size."
    if record["permission"] == "BLOCK":
        yield f"Nothing may be opened instead: {_red(scene, record)}"
    if seq + 1 == len(run.records):
        yield "It is the last bar: the order is pending, nothing was filled."
        return
    fills = run.records[seq + 1].get("fills", ())
    if not fills:
        yield f"Bar {seq + 1} was made by gaps=fill and has no open to trade at: the order lapsed there."
    for fill in fills:
        verb = "opened" if fill["effect"] == "OPEN" else "closed"
        yield f"It was filled at the open of bar {seq + 1}: trade {fill['trade']} was {verb} at {fill['price']!r}."


def _does(action: str) -> str:
    verb, _, side = action.partition("_")
    return f"{'enter' if verb == 'ENTER' else 'leave'} {side.lower()}"
