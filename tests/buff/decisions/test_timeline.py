"""The timeline: entries in the order of the market; and a golden file."""

from pathlib import Path
from typing import Any

import pytest

from buff import canonical
from buff.decisions.engine import Costs, Outcome, simulate
from buff.decisions.timeline import GAPS_MAX, timeline
from buff.market.timeframe import Timeframe
from worlds import bars_of, decisions_of, golden, world

GOLDEN = Path(__file__).parents[2] / "golden" / "decisions"
FREE = Costs(commission_bps=0, slippage_bps=0)


def _simulated(args: dict[str, Any]) -> Outcome:
    return simulate(**{name: args[name] for name in ("bars", "decisions", "level", "costs", "initial_equity")})


def test_a_run_that_is_halted_tells_its_story_in_order() -> None:
    opens, closes = [100.0, 100.0, 100.0, 50.0, 50.0], [100.0, 100.0, 50.0, 50.0, 50.0]
    bars = bars_of(Timeframe.HOUR_1, opens, closes, missing=[0, 0, 2, 0, 0])
    outcome = simulate(bars, decisions_of([0, 1, 1, 1, 1]), level=5, costs=FREE, initial_equity=1_000.0)
    found = timeline(bars, outcome, warmup=1)
    assert [(entry["type"], entry["ref"]["seq"], entry["severity"]) for entry in found] == [
        ("run_start", 0, "INFO"),
        ("warmup_end", 1, "INFO"),
        ("gap", 2, "WARN"),
        ("risk_state_changed", 2, "ERROR"),
        ("halted", 2, "ERROR"),
        ("run_end", 4, "INFO"),
    ]
    assert found[2]["detail"] == "2 bars of 1h are missing before this one"
    assert found[3]["detail"] == "GREEN to RED by max_drawdown: equity 750.0"
    assert (found[0]["ts"], found[-1]["ts"]) == ("2022-01-01T00:00:00Z", "2022-01-01T07:00:00Z")


def test_a_position_that_stays_open_is_told() -> None:
    bars = bars_of(Timeframe.HOUR_1, [100.0, 100.0], [100.0, 101.0])
    outcome = simulate(bars, decisions_of([1, 1]), level=5, costs=FREE, initial_equity=1_000.0)
    entry = timeline(bars, outcome, warmup=0)[-2]
    assert (entry["type"], entry["ref"]) == ("open_at_end", {"seq": 1, "trade": 0})
    assert entry["detail"] == "a long position is still open, unrealised 5.0 at the last close"


@pytest.mark.parametrize("count", [3, 5])
def test_a_warm_up_longer_than_the_data_is_a_warning(count: int) -> None:
    bars = bars_of(Timeframe.HOUR_1, [100.0] * count, [100.0] * count)
    outcome = simulate(bars, decisions_of([0] * count), level=1, costs=FREE, initial_equity=1_000.0)
    entry = timeline(bars, outcome, warmup=5)[1]
    assert (entry["type"], entry["severity"]) == ("warmup_end", "WARN")


def test_of_many_gaps_the_first_hundred_and_the_count_are_told() -> None:
    bars = bars_of(Timeframe.MINUTE_1, [100.0] * 300, [100.0] * 300, missing=[bar % 2 for bar in range(300)])
    outcome = simulate(bars, decisions_of([0] * 300), level=1, costs=FREE, initial_equity=1_000.0)
    gaps = [entry for entry in timeline(bars, outcome, warmup=0) if entry["type"] == "gap"]
    assert len(gaps) == GAPS_MAX + 1
    assert gaps[-1]["detail"] == "150 gaps in all, 150 bars; the first 100 are listed"


def test_every_timeline_is_in_order_and_can_be_written() -> None:
    for seed in range(200):
        args = world(seed)
        found = timeline(args["bars"], _simulated(args), warmup=0)
        assert [entry["ts"] for entry in found] == sorted(entry["ts"] for entry in found)
        assert all(set(entry) == {"ts", "type", "title", "detail", "severity", "ref"} for entry in found)
        assert canonical.encode(found)


def test_the_golden_timeline_is_written_again() -> None:
    args = golden()
    found = timeline(args["bars"], _simulated(args), warmup=args["warmup"])
    assert canonical.document(found) == (GOLDEN / "timeline.json").read_bytes()
