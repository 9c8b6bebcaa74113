"""What it would take to make a legacy run again as a run that can be verified: a plan, and nothing but a plan.

Legacy runs and the registered strategies go in; plain values come out: what is there, what is missing, what the
strategy is called today, and the command to type once the gaps are filled. Nothing is copied, converted or created.
"""

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import asdict, field, frozen

from buff.decisions.contract import Strategy
from buff.legacy.fields import text
from buff.legacy.problem import Problem
from buff.legacy.request import LegacyRequest
from buff.legacy.run import LegacyRun
from buff.market.timeframe import MINUTE_MS, Timeframe
from buff.times import iso

SCHEMA = "migration_plan.v1"
NOTES = (
    "Nothing was copied or changed.",
    "The command makes a new run under the rules of this engine; its numbers will not be those of the legacy run.",
    "Words in capitals stand for what is missing; `missing` says what belongs there.",
)

_SYMBOL = re.compile(r"[A-Za-z0-9._/-]{1,32}", re.ASCII)
_PLACEHOLDERS = {
    "CSV_FILE": "the candles the run was made from, as a CSV",
    "SYMBOL": "what was traded, such as BTCUSDT",
    "TIMEFRAME": "the length of a bar, such as 1h",
    "STRATEGY": "a registered strategy: see `buff strategies list`",
    "RISK_LEVEL": "1 (least) to 5 (most)",
}


@frozen(kw_only=True)
class Translation:
    """What a legacy strategy is today: an id of ours or None, parameters as `name -> value or placeholder`, and why."""

    legacy: str | None
    buff: str | None
    params: Mapping[str, str] = field(factory=dict)
    says: str


def plan(runs: Iterable[LegacyRun], problems: Iterable[Problem], strategies: Mapping[str, Strategy]) -> dict[str, Any]:
    """Return the migration plan of some legacy runs as plain values. `problems` are those of their directory."""
    return {
        "schema_version": SCHEMA,
        "notes": list(NOTES),
        "problems": [asdict(problem) for problem in problems],
        "runs": [_run(run, strategies) for run in runs],
    }


def _run(run: LegacyRun, strategies: Mapping[str, Strategy]) -> dict[str, Any]:
    strategy = translate(run, strategies)
    options = _options(run, strategy)
    arguments = ["run", "create", *(word for name, value in options for word in (f"--{name}", value))]
    wanted = _placeholders(run, strategy)
    return {
        "run_id": run.id,
        "created": run.created,
        "present": _present(run),
        "missing": {word: wanted[word] for _, value in options if (word := value.rpartition("=")[2]) in wanted},
        "strategy": {**asdict(strategy), "params": dict(strategy.params)},
        "command": shlex.join(["buff", *arguments]),
        "arguments": arguments,
        "notes": list(_notes(run)),
        "problems": [asdict(problem) for problem in run.problems],
    }


def translate(run: LegacyRun, strategies: Mapping[str, Strategy]) -> Translation:
    """Return what the strategy of a legacy run is today."""
    old = run.strategy
    given = {} if run.request is None else run.request.params
    match old:
        case None:
            return Translation(legacy=None, buff=None, says="the run does not say which strategy it followed")
        case "ma_cross":
            params = {name: text(given.get(f"{name}_period")) or name.upper() for name in ("fast", "slow")}
            says = "its parameters have other names; it acted at crossings only, today it is where the averages are"
            return Translation(legacy=old, buff=old, params=params, says=says)
        case "demo_threshold" if run.request is not None:
            return Translation(
                legacy=old, buff="hold", says="its engine ignored `threshold` and held from start to end"
            )
        case "demo_threshold":
            return Translation(
                legacy=old, buff=None, says="a demonstration rule that was never a strategy of a builder"
            )
        case "trend_follow":
            says = "no strategy of this name was ever built; ma_cross follows a trend, by a rule of its own"
            return Translation(legacy=old, buff=None, says=says)
        case _ if old in strategies:
            known = {param.name for param in strategies[old].params}
            kept = {name: text(value) or name.upper() for name, value in given.items() if name in known}
            return Translation(
                legacy=old, buff=old, params=kept, says="Buff has a strategy of this name; compare the rules"
            )
        case _:
            return Translation(legacy=old, buff=None, says="Buff has no strategy of this name")


def _options(run: LegacyRun, strategy: Translation) -> list[tuple[str, str]]:
    """Return the options of `buff run create` in the order a person would type them, placeholders in capitals."""
    symbol = run.symbol if run.symbol is not None and _SYMBOL.fullmatch(run.symbol) else None
    level = run.risk_level if run.risk_level in range(1, 6) else None
    found = [
        ("csv", "CSV_FILE"),
        ("symbol", symbol or "SYMBOL"),
        ("timeframe", _known(run.timeframe) or "TIMEFRAME"),
        ("strategy", strategy.buff or "STRATEGY"),
        *(("param", f"{name}={value}") for name, value in strategy.params.items()),
        ("risk-level", "RISK_LEVEL" if level is None else str(level)),
    ]
    if run.request is not None:
        found += _costs(run.request)
        found += _window(run.request, _known(run.timeframe))
    return [*found, ("name", f"legacy {run.id}"), ("tag", "legacy")]


def _known(timeframe: str | None) -> str | None:
    return timeframe if timeframe in [each.value for each in Timeframe] else None


def _costs(request: LegacyRequest) -> list[tuple[str, str]]:
    named = (("commission-bps", request.commission_bps), ("slippage-bps", request.slippage_bps))
    return [(name, repr(value)) for name, value in named if value is not None]


def _window(request: LegacyRequest, timeframe: str | None) -> list[tuple[str, str]]:
    """Return the bounds that lie on windows of the timeframe. The legacy end was the last minute inside, ours is the
    first one outside.
    """
    bounds = (("start", request.start), ("end", None if request.end is None else request.end + MINUTE_MS))
    if timeframe is None:
        return []
    fits = Timeframe(timeframe).floor
    return [(name, iso(value)) for name, value in bounds if value is not None and fits(value) == value]


def _placeholders(run: LegacyRun, strategy: Translation) -> dict[str, str]:
    """Return what each placeholder of a command stands for."""
    source = None if run.request is None else run.request.source
    words = dict(_PLACEHOLDERS)
    if source is not None:
        words["CSV_FILE"] += f"; it was {source}"
    return words | {name.upper(): f"the parameter {name} of {strategy.buff}" for name in strategy.params}


def _present(run: LegacyRun) -> dict[str, Any]:
    """Return what was read of a run, by family."""
    return {
        "metrics": sorted(run.metrics),
        "decisions": len(run.decisions),
        "trades": len(run.trades),
        "timeline": len(run.timeline),
        "bars": [bars.as_dict() for bars in run.bars],
        "request": run.request is not None,
        "files": list(run.files),
    }


def _notes(run: LegacyRun) -> Iterable[str]:
    minutes = next((bars for bars in run.bars if bars.timeframe == Timeframe.MINUTE_1.value), None)
    if minutes is not None:
        yield f"{minutes.file} holds minutes as they were drawn: a CSV made of them may stand in for one that is lost"
    elif run.bars:
        yield f"{run.bars[0].file} holds bars that were drawn, no minutes: the original CSV is needed"
    if run.request is not None and (run.request.start is not None or run.request.end is not None):
        yield "the window was inclusive at both ends; a bound that begins no bar of the timeframe is left out"
