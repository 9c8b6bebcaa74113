"""docs/explanation/execution.md shows the limits that the code has, and what it answers is what happens."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from buff.decisions.engine import Costs, Outcome, simulate
from buff.decisions.metrics import metrics
from buff.decisions.records import Records
from buff.decisions.risk import LEVELS
from buff.errors import RunConfigInvalid
from buff.market.bars import Bars
from buff.market.timeframe import Timeframe
from worlds import bars_of, decisions_of

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "execution.md"
TEXT = PAGE.read_text(encoding="utf-8")
FREE = Costs(commission_bps=0, slippage_bps=0)


def test_the_table_of_risk_levels_is_the_codes() -> None:
    rows = re.findall(r"^\| (\d) \| (.+) \|$", TEXT, re.MULTILINE)
    assert [int(level) for level, _ in rows] == sorted(LEVELS)
    for level, cells in rows:
        shown = [float(number) for number in re.findall(r"([\d.]+) %", cells)]
        each = LEVELS[int(level)]
        floors = (each.day_red, each.day_yellow, each.drawdown_red, each.drawdown_yellow)
        expected = [100 * each.fraction, 100 * each.half, *(100 * (1 - floor) for floor in floors)]
        assert [round(number, 9) for number in expected] == shown


# What happens if -------------------------------------------------------------------------------------------------


class Told:
    """A small run: its records and metrics as they are written."""

    def __init__(self, closes: list[float], target: list[int], **more: Any) -> None:
        """Simulate at level 5, without costs, each open at the close before it."""
        timeframe = more.pop("timeframe", Timeframe.HOUR_1)
        self.bars: Bars = bars_of(timeframe, [closes[0], *closes[:-1]], closes, **more)
        decisions = decisions_of(target)
        self.outcome: Outcome = simulate(self.bars, decisions, level=5, costs=FREE, initial_equity=10_000.0)
        lines = b"".join(Records(self.bars, decisions, self.outcome, ("", "up", "down")))
        self.records: list[dict[str, Any]] = [msgspec.json.decode(line) for line in lines.splitlines()]
        self.metrics = metrics(self.bars, self.outcome, warmup=0)

    def __getitem__(self, name: str) -> list[Any]:
        """Return one member of every record, None where a record has none."""
        return [record.get(name) for record in self.records]

    def value(self, metric: str) -> Any:
        """Return the value of a metric."""
        return self.metrics[metric]["value"]


def _gap() -> None:
    told = Told([100.0, 100.0, 110.0, 110.0], [1, 1, 0, 0], missing=[0, 30, 0, 0])
    assert told["action"][0] == "ENTER_LONG"
    assert told["gap_bars"] == [None, 30, None, None]
    assert [fill["after_gap"] for fill in told.records[1]["fills"]] == [True]
    assert told.value("fills_after_gap") == 1


def _filled() -> None:
    told = Told([100.0, 100.0, 100.0, 110.0], [1, 1, 1, 1], filled=[0, 1, 0, 0])
    assert told["action"][:3] == ["ENTER_LONG", "ENTER_LONG", "HOLD"]
    assert told["filled"] == [None, True, None, None]
    assert told["fills"][1] is None
    assert told["fills"][2] is not None
    assert told["budget"][:2] == [5_000.0, 5_000.0]
    assert told.value("bars_filled") == 1


def _no_volume() -> None:
    told = Told([100.0, 100.0, 110.0], [1, 1, 1], volume=[1.0, 0.0, 0.0])
    assert told["position"] == [0, 1, 1]
    assert told.value("fills_on_zero_volume") == 1


def _last_bar() -> None:
    told = Told([100.0, 100.0, 110.0], [0, 0, 1])
    assert told["action"] == ["HOLD", "HOLD", "ENTER_LONG"]
    assert told["fills"] == [None] * 3
    longer = Told([100.0, 100.0, 110.0, 110.0], [0, 0, 1, 1])
    assert longer.records[:3] == told.records


def _open_at_the_end() -> None:
    told = Told([100.0, 100.0, 110.0], [1, 1, 1])
    assert told["position"][-1] == 1
    assert (told.value("trades"), told.value("trades_open"), told.value("win_rate")) == (0, 1, None)
    assert told.outcome.equity[-1] == 10_500.0


def _market_halted() -> None:
    missing = Told([100.0, 100.0, 90.0, 90.0], [1, 0, 0, 0], missing=[0, 0, 5, 0])
    made = Told([100.0, 100.0, 100.0, 100.0, 90.0], [1, 0, 0, 0, 0], filled=[0, 0, 1, 1, 0])
    flat = Told([100.0, 100.0, 100.0, 90.0], [1, 0, 0, 0], volume=[1.0, 1.0, 0.0, 1.0])
    assert missing.records[2]["fills"][0]["effect"] == "CLOSE"
    assert made["action"][1:4] == ["EXIT_LONG"] * 3
    assert [bool(fills) for fills in made["fills"]] == [False, True, False, False, True]
    assert flat.records[2]["fills"][0]["effect"] == "CLOSE"
    assert flat.value("fills_on_zero_volume") == 1


def _turn() -> None:
    told = Told([100.0, 100.0, 100.0, 100.0], [1, -1, -1, -1])
    assert [fill["effect"] for fill in told.records[2]["fills"]] == ["CLOSE", "OPEN"]
    assert told["position"] == [0, 1, -1, -1]
    red = Told([100.0, 100.0, 50.0, 50.0, 50.0], [1, 1, -1, -1, -1])
    assert (red["action"][2], red["permission"][2]) == ("EXIT_LONG", "BLOCK")
    yellow = Told([100.0, 100.0, 94.0, 94.0], [1, 1, -1, -1])
    assert (yellow["permission"][2], yellow["budget"][2]) == ("RESTRICT", yellow.outcome.equity[2] * 0.25)


def _blocked() -> None:
    told = Told([100.0, 100.0, 50.0, 50.0, 50.0, 50.0], [1] * 6)
    assert told["action"][2:] == ["EXIT_LONG", "BLOCKED", "BLOCKED", "BLOCKED"]
    assert told["rule"][2:] == ["max_drawdown"] * 4
    assert told.value("blocked_entries") == 1


def _last_bar_of_a_day() -> None:
    closes = [100.0] * 23 + [88.0] + [88.0] * 5
    told = Told(closes, [1] * len(closes))
    assert told["risk_state"][22:26] == ["GREEN", "RED", "GREEN", "GREEN"]
    assert told["rule"][23] == "daily_loss"
    assert [bool(fills) for fills in told["fills"][23:26]] == [False, True, True]
    assert told["action"][23:25] == ["EXIT_LONG", "ENTER_LONG"]


def _halted() -> None:
    closes = [100.0, 100.0] + [50.0] * 60
    told = Told(closes, [1] * len(closes))
    assert set(told["action"][3:]) == {"BLOCKED"}
    stuck = Told([100.0, 100.0, 50.0, 50.0], [1] * 4, filled=[0, 0, 0, 1])
    assert stuck["position"][-1] == 1


def _longer_than_a_day() -> None:
    told = Told([100.0, 100.0, 80.0, 80.0], [1] * 4, timeframe=Timeframe.WEEK_1)
    assert told["risk_state"] == ["GREEN", "GREEN", "GREEN", "GREEN"]
    assert told.outcome.equity[2] == 9_000.0, "ten percent: twice what level 5 lets a day lose"


def _more_than_everything() -> None:
    told = Told([100.0, 100.0, 400.0, 400.0, 100.0], [-1] * 5)
    assert told.outcome.equity[2] < 0.0
    assert told.outcome.drawdown[2] < -1.0
    assert told["budget"][3:] == [None, None]


def _warm_up() -> None:
    told = Told([100.0, 100.0], [0, 0])
    found = metrics(told.bars, told.outcome, warmup=20)
    assert found["exposure"]["null_reason"] == found["buy_and_hold"]["null_reason"] == "no_tradable_bar"


def _absurd() -> None:
    bars = bars_of(Timeframe.HOUR_1, [1e-3, 1e-3, 1e3], [1e-3, 1e-3, 1e3])
    with pytest.raises(RunConfigInvalid):
        simulate(bars, decisions_of([1, 0, 0]), level=5, costs=FREE, initial_equity=1e308)


ANSWERS: Mapping[str, Callable[[], None]] = {
    "there is a gap in the data": _gap,
    "a gap was filled (`gaps=fill`)": _filled,
    "a bar has no volume": _no_volume,
    "a decision is made on the last bar": _last_bar,
    "a position is open at the end": _open_at_the_end,
    "an order should fill on a bar on which the market was halted": _market_halted,
    "the target turns from long to short": _turn,
    "an entry is blocked": _blocked,
    "a limit is met on a day's last bar": _last_bar_of_a_day,
    "the run is halted": _halted,
    "the bars are longer than a day": _longer_than_a_day,
    "a short loses more than everything": _more_than_everything,
    "the warm-up is longer than the data": _warm_up,
    "the numbers become absurd": _absurd,
}


def test_every_question_of_the_page_is_tried_and_no_other() -> None:
    assert re.findall(r"^\*\*…(.+)\?\*\*$", TEXT, re.MULTILINE) == list(ANSWERS)


@pytest.mark.parametrize("question", ANSWERS)
def test_what_happens_if(question: str) -> None:
    ANSWERS[question]()
