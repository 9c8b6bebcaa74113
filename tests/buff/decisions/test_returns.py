"""Months and years: the page's example by hand, then a calendar of dictionaries over many worlds."""

import re
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from buff import canonical
from buff.decisions.engine import Costs, Outcome, simulate
from buff.decisions.returns import daily_equity, held, returns
from buff.market.timeframe import Timeframe
from worlds import bars_of, decisions_of, oracle, world

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
DAY_MS = 86_400_000
DECEMBER_30_MS = 1_640_822_400_000


def _simulated(args: dict[str, Any]) -> Outcome:
    return simulate(**{name: args[name] for name in ("bars", "decisions", "level", "costs", "initial_equity")})


def _returns(args: dict[str, Any], warmup: int = 0) -> dict[str, Any]:
    return returns(args["bars"], _simulated(args), warmup=warmup)


def _rows(found: dict[str, Any], name: str, *fields: str) -> list[tuple[Any, ...]]:
    return [tuple(row[field] for field in fields) for row in found[name]["rows"]]


def new_year() -> dict[str, Any]:
    """Half of 1000 bought at 100 on the last day of 2021: 102 at its close, 106.04 at the end of January, then 108."""
    closes = [100.0, 102.0, *[102.0] * 30, 106.04, 108.0]
    opens = [100.0, 100.0, *[102.0] * 32]
    return {
        "bars": bars_of(Timeframe.DAY_1, opens, closes, first=DECEMBER_30_MS),
        "decisions": decisions_of([1] * 34),
        "level": 5,
        "costs": Costs(commission_bps=0, slippage_bps=0),
        "initial_equity": 1_000.0,
    }


# Examples --------------------------------------------------------------------------------------------------------


def test_the_periods_worked_on_the_page_are_the_codes() -> None:
    """Every number of the page's table is right to the last digit shown."""
    table = re.findall(r"^\| (\d{4}(?:-\d\d)?) \| (\d+) \| .+? = \*\*(.+?)\*\* \| .+? = (\S+) \| (\S*) \|$", PAGE, re.M)
    assert len(table) == 5
    found = _returns(new_year())
    rows = {row["period"]: row for name in ("months", "years") for row in found[name]["rows"]}
    assert list(rows) == [period for period, *_ in table]
    for period, days, ours, theirs, flag in table:
        row = rows[period]
        assert (row["samples"], row["flag"]) == (int(days), flag.strip("`") or None)
        for shown, value in ((ours, row["value"]), (theirs, row["buy_and_hold"])):
            digits = len(shown.partition(".")[2])
            assert round(value, digits) == float(shown.replace("−", "-")), period


def test_a_period_that_the_bars_cover_to_its_edges_is_whole() -> None:
    """A month of hours is whole from its first open to its last close; one bar less at either end makes it partial."""
    hours = 31 * 24
    for low, high, flag in ((0, hours, None), (1, hours, "partial_period"), (0, hours - 1, "partial_period")):
        bars = bars_of(Timeframe.HOUR_1, [100.0] * hours, [100.0] * hours)[low:high]
        flat = {"bars": bars, "decisions": decisions_of([0] * len(bars))} | {"level": 1, "costs": Costs()}
        assert _rows(_returns(flat | {"initial_equity": 1.0}), "months", "period", "flag") == [("2022-01", flag)]


def test_a_month_without_bars_stands_with_nothing_gained() -> None:
    bars = bars_of(Timeframe.DAY_1, [100.0] * 3, [100.0, 101.0, 102.0], missing=[0, 0, 60])
    args = new_year() | {"bars": bars, "decisions": decisions_of([0, 0, 0])}
    found = _rows(_returns(args), "months", "period", "samples", "value", "buy_and_hold")
    assert [row[:3] for row in found] == [("2022-01", 31, 0.0), ("2022-02", 28, 0.0), ("2022-03", 4, 0.0)]
    assert found[1][3] == 0.0


def test_equity_that_is_gone_has_no_return_after_the_month_it_went_in() -> None:
    prices = [100.0] * 2 + [400.0] * 40
    args = new_year() | {"bars": bars_of(Timeframe.DAY_1, prices, prices), "decisions": decisions_of([-1] * 42)}
    found = _rows(_returns(args), "months", "value", "null_reason", "buy_and_hold")
    assert found == [(-1.5, None, 3.0), (None, "equity_not_positive", 0.0)]


def test_what_no_double_can_hold_has_no_return() -> None:
    prices = [1e-200, 1e-200, *[1e200] * 3]
    args = new_year() | {"bars": bars_of(Timeframe.DAY_1, prices, prices), "decisions": decisions_of([0] * 5)}
    with np.errstate(over="ignore"):
        found = _returns(args)
    assert found["years"]["rows"][0]["buy_and_hold_null_reason"] == "overflow"
    assert canonical.encode(found)


def test_a_warm_up_that_leaves_no_open_has_no_benchmark() -> None:
    found = _returns(new_year(), warmup=33)
    assert set(_rows(found, "months", "buy_and_hold", "buy_and_hold_null_reason")) == {(None, "no_tradable_bar")}


def test_weeks_belong_to_the_month_of_their_last_instant() -> None:
    """The first week ends on Sunday the 2nd of January; the day before it has the start equity."""
    bars = bars_of(Timeframe.WEEK_1, [100.0] * 3, [100.0] * 3, first=1_640_563_200_000)  # Monday 2021-12-27
    args = new_year() | {"bars": bars, "decisions": decisions_of([0] * 3)}
    assert _rows(_returns(args), "months", "period", "samples", "flag") == [
        ("2021-12", 5, "partial_period"),
        ("2022-01", 16, "partial_period"),
    ]


# Many worlds -----------------------------------------------------------------------------------------------------


def _calendar(closes_ms: list[int], first_ms: int, curve: list[float], start: float) -> dict[str, list[float]]:
    """Equity of every calendar day by its month and its year, led by the value before: a slow walk over days."""
    last = {(end - 1) // DAY_MS: value for end, value in zip(closes_ms, curve, strict=True)}
    found: dict[str, list[float]] = defaultdict(list)
    value = start
    for day in range(first_ms // DAY_MS, max(last) + 1):
        date = datetime.fromtimestamp(day * 86_400, UTC)
        for name in (f"{date:%Y-%m}", f"{date:%Y}"):
            found[name] = found[name] or [value]
        value = last.get(day, value)
        for name in (f"{date:%Y-%m}", f"{date:%Y}"):
            found[name].append(value)
    return found


def test_periods_equal_a_walk_over_the_days() -> None:
    """Invariants checked: names, days, values of both curves and their reasons; and what periods multiply to."""
    several = 0
    for seed in range(400):
        args = world(seed)
        bars, start = args["bars"], args["initial_equity"]
        found = _returns(args, warmup=2)
        ours = _calendar(bars.close_ms.tolist(), int(bars.ts[0]), [row["equity"] for row in oracle(args)[0]], start)
        curve = held(bars, start, 2)
        theirs = None if curve is None else _calendar(bars.close_ms.tolist(), int(bars.ts[0]), curve.tolist(), start)
        rows = [row for name in ("months", "years") for row in found[name]["rows"]]
        assert sorted(row["period"] for row in rows) == sorted(ours)
        for row in rows:
            before, *days = ours[row["period"]]
            assert row["samples"] == len(days)
            assert row["value"] == (days[-1] / before - 1.0 if before > 0 else None)
            assert row["null_reason"] == (None if before > 0 else "equity_not_positive")
            if theirs is None:
                assert row["buy_and_hold_null_reason"] == "no_tradable_bar"
            else:
                assert row["buy_and_hold"] == theirs[row["period"]][-1] / theirs[row["period"]][0] - 1.0
        several += len(found["months"]["rows"]) > 2
        if all(row["value"] is not None for row in rows):
            for name in ("months", "years"):
                grown = np.prod([1.0 + row["value"] for row in found[name]["rows"]])
                assert grown == pytest.approx(float(_simulated(args).equity[-1]) / start, rel=1e-9, abs=1e-12)
    assert several >= 50


def test_a_day_begins_at_midnight_for_the_bar_that_ends_there() -> None:
    """The bar that ends at midnight belongs to the day that ends."""
    bars = bars_of(Timeframe.HOUR_4, [1.0] * 7, [1.0] * 7)
    found = daily_equity(bars, np.arange(1.0, 8.0), 0.5)
    assert found.tolist() == [0.5, 6.0, 7.0]
