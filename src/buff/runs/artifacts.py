"""From resolved inputs and bars to the artifacts of a run: pure, the same bytes everywhere.

The hashed inputs, the bars of the window and what is known of their quality go in; the decisions, their outcome and
every file's bytes come out, in the order in which they must be written. Creating and verifying a run both do exactly
this, and nothing else makes artifacts.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen
from numpy.typing import NDArray

from buff.canonical import document
from buff.columns import whole
from buff.decisions.engine import Costs, Outcome, simulate
from buff.decisions.metrics import metrics
from buff.decisions.records import Records
from buff.decisions.returns import SCHEMA as RETURNS_SCHEMA
from buff.decisions.returns import returns
from buff.decisions.strategy import Decisions, Strategy, decide, strategy
from buff.decisions.timeline import timeline
from buff.decisions.trades import trade_lines
from buff.market.bars import Bars
from buff.runs.directory import COLUMNS, Piece

SCHEMAS = {
    "quality_report.json": "quality.v1",
    "trades.jsonl": "trades.v1",
    "metrics.json": "metrics.v1",
    "returns.json": RETURNS_SCHEMA,
    "timeline.json": "timeline.v1",
    "decision_records.jsonl": "dr.v1",
    f"{COLUMNS}/equity.npy": "float64",
    f"{COLUMNS}/drawdown.npy": "float64",
    f"{COLUMNS}/position.npy": "int8",
    f"{COLUMNS}/action.npy": "int8",
    f"{COLUMNS}/state.npy": "int8",
    f"{COLUMNS}/record_offset.npy": "int64",
}


@frozen(kw_only=True, eq=False)
class Built:
    """A run that has been computed and not yet written."""

    inputs: Mapping[str, Any]
    strategy: Strategy
    bars: Bars
    decisions: Decisions
    outcome: Outcome
    metrics: Mapping[str, Mapping[str, Any]]
    quality: Mapping[str, Any]


def build(inputs: Mapping[str, Any], bars: Bars, quality: Mapping[str, Any]) -> Built:
    """Return the run that the resolved inputs describe, over the bars of their window (at least one).

    Raises StrategyInvalid when the strategy breaks its contract on these bars, RunConfigInvalid when a number leaves
    the range of a double.
    """
    rule = strategy(inputs["strategy"]["id"])
    params = inputs["strategy"]["params"]
    decisions = decide(rule, bars, params)
    outcome = simulate(
        bars,
        decisions,
        level=inputs["risk"]["level"],
        costs=Costs(**inputs["costs"]),
        initial_equity=inputs["initial_equity"],
    )
    return Built(
        inputs=inputs,
        strategy=rule,
        bars=bars,
        decisions=decisions,
        outcome=outcome,
        metrics=metrics(bars, outcome, warmup=rule.warmup(params)),
        quality=quality,
    )


def pieces(built: Built) -> Iterator[Piece]:
    """Yield every artifact but the manifest. Each must be read to its end before the next is asked for."""
    bars, outcome, reasons = built.bars, built.outcome, built.strategy.reasons
    yield _piece("quality_report.json", document(built.quality))
    yield _piece("trades.jsonl", trade_lines(bars, outcome, reasons))
    yield _piece("metrics.json", document(built.metrics))
    warmup = built.strategy.warmup(built.inputs["strategy"]["params"])
    yield _piece("returns.json", document(returns(bars, outcome, warmup=warmup)))
    yield _piece("timeline.json", document(timeline(bars, outcome, warmup=warmup)))
    records = Records(bars, built.decisions, outcome, reasons)
    yield Piece(name="decision_records.jsonl", schema=SCHEMAS["decision_records.jsonl"], chunks=records)
    yield _column("equity", outcome.equity)
    yield _column("drawdown", outcome.drawdown)
    yield _column("position", outcome.position)
    yield _column("action", outcome.action)
    yield _column("state", outcome.state)
    yield _column("record_offset", records.offsets)


def _piece(name: str, data: bytes) -> Piece:
    return Piece(name=name, schema=SCHEMAS[name], chunks=(data,))


def _column(name: str, values: NDArray[Any]) -> Piece:
    path = f"{COLUMNS}/{name}.npy"
    assert values.dtype.name == SCHEMAS[path], f"{name} is {values.dtype}"
    return Piece(name=path, schema=SCHEMAS[path], chunks=whole(values))
