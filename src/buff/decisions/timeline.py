"""The timeline: what happened in a run, in order, on market time.

Bars and an outcome go in; plain entries `{ts, type, title, detail, severity, ref}` come out. `ref` names the decision
record (and the trade) an entry is about. Stamps are the opens of bars, except for the run's end, which is the end of
the last bar. No clock is read.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from buff.decisions.engine import MAX_DRAWDOWN, RED, RULES, STATES, Outcome
from buff.decisions.trades import unrealised
from buff.market.bars import Bars
from buff.times import iso

GAPS_MAX = 100
INFO, WARN, ERROR = "INFO", "WARN", "ERROR"
_SEVERITIES = {"GREEN": INFO, "YELLOW": WARN, "RED": ERROR}

Entry = dict[str, Any]


def timeline(bars: Bars, outcome: Outcome, *, warmup: int) -> list[Entry]:
    """Return every entry of a run in the order of its bars; of gaps the first 100 and, if there are more, the count."""
    between = [*_warmup_end(bars, warmup), *_gaps(bars), *_risk(bars, outcome)]
    between.sort(key=_seq)  # stable: at one bar a gap comes before the state at its close
    return [_start(bars, outcome), *between, *_open_at_end(bars, outcome), _end(bars, outcome)]


def _seq(entry: Entry) -> int:
    seq: int = entry["ref"]["seq"]
    return seq


def _entry(bars: Bars, seq: int, kind: str, title: str, detail: str, severity: str = INFO) -> Entry:
    ts = iso(int(bars.ts[seq]))
    return {"ts": ts, "type": kind, "title": title, "detail": detail, "severity": severity, "ref": {"seq": seq}}


def _start(bars: Bars, outcome: Outcome) -> Entry:
    detail = f"{len(bars)} bars of {bars.timeframe.value}, start equity {outcome.initial_equity!r}"
    return _entry(bars, 0, "run_start", "Run starts", detail)


def _warmup_end(bars: Bars, warmup: int) -> Iterator[Entry]:
    if warmup >= len(bars):
        detail = f"the warm-up takes {warmup} bars and there are {len(bars)}: nothing was decided"
        yield _entry(bars, len(bars) - 1, "warmup_end", "Warm-up does not end", detail, WARN)
    elif warmup:
        detail = f"{warmup} bars warmed up the indicators; this bar is the first to decide"
        yield _entry(bars, warmup, "warmup_end", "Warm-up ends", detail)


def _gaps(bars: Bars) -> Iterator[Entry]:
    missing = bars.missing
    gaps = np.flatnonzero(missing).tolist()
    for seq in gaps[:GAPS_MAX]:
        detail = f"{int(missing[seq])} bars of {bars.timeframe.value} are missing before this one"
        yield _entry(bars, seq, "gap", "Gap in the data", detail, WARN)
    if len(gaps) > GAPS_MAX:
        detail = f"{len(gaps)} gaps in all, {int(missing.sum())} bars; the first {GAPS_MAX} are listed"
        yield _entry(bars, gaps[GAPS_MAX], "gap", "More gaps in the data", detail, WARN)


def _risk(bars: Bars, outcome: Outcome) -> Iterator[Entry]:
    state, rule = outcome.state, outcome.rule
    changes = np.flatnonzero(np.diff(state, prepend=np.int8(0))).tolist()
    for seq in changes:
        name, before = STATES[state[seq]], STATES[state[seq - 1]] if seq else STATES[0]
        by = f" by {RULES[rule[seq]]}" if rule[seq] else ""
        detail = f"{before} to {name}{by}: equity {float(outcome.equity[seq])!r}"
        yield _entry(bars, seq, "risk_state_changed", f"Risk is {name}", detail, _SEVERITIES[name])
    halted = np.flatnonzero((state == RED) & (rule == MAX_DRAWDOWN))
    if len(halted):
        seq = int(halted[0])
        detail = f"drawdown {float(outcome.drawdown[seq])!r} is at the limit: no more entries in this run"
        yield _entry(bars, seq, "halted", "Trading is halted", detail, ERROR)


def _open_at_end(bars: Bars, outcome: Outcome) -> Iterator[Entry]:
    value = unrealised(outcome, bars)
    if value is not None:
        side = "long" if outcome.position[-1] > 0 else "short"
        detail = f"a {side} position is still open, unrealised {value!r} at the last close"
        entry = _entry(bars, len(bars) - 1, "open_at_end", "Position open at the end", detail)
        yield entry | {"ref": {"seq": len(bars) - 1, "trade": len(outcome.trades) - 1}}


def _end(bars: Bars, outcome: Outcome) -> Entry:
    last = len(bars) - 1
    detail = f"equity {float(outcome.equity[last])!r} after {len(outcome.trades)} trades"
    return _entry(bars, last, "run_end", "Run ends", detail) | {"ts": iso(int(bars.close_ms[last]))}
