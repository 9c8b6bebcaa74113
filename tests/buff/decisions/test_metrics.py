"""Metrics: the page's hand-worked numbers, then independent arithmetic over many worlds, then what is null and why."""

import itertools
import math
import re
import statistics
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff import canonical
from buff.decisions import engine
from buff.decisions.engine import Costs, Outcome, simulate
from buff.decisions.metrics import DEFINITIONS, metrics, sparkline
from buff.decisions.reasons import OF_METRICS
from buff.decisions.trades import unrealised
from buff.market.timeframe import Timeframe
from worlds import bars_of, decisions_of, golden, oracle, worked_example, world

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
GOLDEN = ROOT / "tests" / "golden" / "decisions"
DAY_MS = 86_400_000
FREE = Costs(commission_bps=0, slippage_bps=0)
ROW = re.compile(r"^\| `(\w+)` \| `([\w.]+)` \| (\w+) \| ([\d.]*) \| .+? \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)


def _simulated(args: dict[str, Any]) -> Outcome:
    return simulate(**{name: args[name] for name in ("bars", "decisions", "level", "costs", "initial_equity")})


def _measured(args: dict[str, Any], warmup: int = 0) -> dict[str, dict[str, Any]]:
    return metrics(args["bars"], _simulated(args), warmup=warmup)


# The page --------------------------------------------------------------------------------------------------------


def test_the_page_defines_exactly_the_metrics_there_are() -> None:
    rows = [(id, formula, unit, float(days) if days else None) for id, formula, unit, days, _, _ in ROW.findall(PAGE)]
    assert rows == [(id, f"{id}.v1", each.unit, each.annualisation) for id, each in DEFINITIONS.items()]


@pytest.mark.parametrize(("id", "example"), [(row[0], row[5]) for row in ROW.findall(PAGE)])
def test_the_hand_worked_number_on_the_page_is_the_codes(id: str, example: str) -> None:
    """A shown number is right to the last digit shown; what the page says is null is null, with that reason."""
    found = _measured(worked_example())[id]
    shown = re.search(r"\*\*([^*]+)\*\*", example)
    if shown is None:
        assert found["value"] is None
        assert f"`{found['null_reason']}`" in example
        return
    text = shown[1].replace("−", "-")
    if text in ("true", "false"):
        assert found["value"] is (text == "true")
        return
    last_digit = Decimal(1).scaleb(int(Decimal(text).as_tuple().exponent))
    assert abs(Decimal(found["value"]) - Decimal(text)) <= last_digit / 2 + Decimal("1e-12")


def test_the_equity_worked_on_the_page_is_the_engines() -> None:
    rows = re.findall(r"^\| \d \| \d+ \| \d+ \|[^|]+\|[^|]*\| ([^|]+) \|$", PAGE, re.MULTILINE)
    shown = [float(row.split("=")[-1]) for row in rows]
    assert _simulated(worked_example()).equity.tolist() == pytest.approx(shown, abs=1e-9)


def _listed_reasons() -> dict[str, set[str]]:
    return {row[0]: set(re.findall(r"`(\w+)`", row[4])) - set(DEFINITIONS) for row in ROW.findall(PAGE)}


def test_every_null_reason_is_explained_on_the_page() -> None:
    explained = set(re.findall(r"^\| `(\w+)` \| [^|]+ \|$", PAGE, re.MULTILINE))
    assert set().union(*_listed_reasons().values()) == explained


def test_what_a_null_reason_means_begins_with_what_is_said_of_it_everywhere() -> None:
    said = re.findall(r"^\| `(\w+)` \| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert [code for code, _ in said] == list(OF_METRICS)
    assert [meaning for code, meaning in said if not meaning.startswith(OF_METRICS[code])] == []


# Many worlds -----------------------------------------------------------------------------------------------------


def test_metrics_of_many_worlds_are_finite_or_null_for_a_listed_reason() -> None:
    listed = _listed_reasons()
    for seed in range(600):
        for id, found in _measured(world(seed)).items():
            assert (found["value"] is None) == (found["null_reason"] is not None), (seed, id)
            assert found["value"] is None or math.isfinite(found["value"]), (seed, id)
            assert found["null_reason"] is None or found["null_reason"] in listed[id], (seed, id)
            assert canonical.encode(found)


def test_start_and_results_add_up_to_the_end() -> None:
    """E_0 + Σ pnl + unrealised is the last equity, to 1e-9."""
    for seed in range(600):
        args = world(seed)
        outcome = _simulated(args)
        pnl = outcome.trades.pnl[outcome.trades.exit < len(outcome)].tolist()
        total = math.fsum([outcome.initial_equity, *pnl, unrealised(outcome, args["bars"]) or 0.0])
        assert total == pytest.approx(outcome.equity[-1], rel=1e-9, abs=1e-9 * outcome.initial_equity)


def test_daily_ratios_equal_the_statistics_module_on_a_calendar_of_dictionaries() -> None:
    checked = 0
    for seed in range(400):
        args = world(seed)
        bars, rows = args["bars"], oracle(args)[0]
        closes = {(end - 1) // DAY_MS: row["equity"] for end, row in zip(bars.close_ms.tolist(), rows, strict=True)}
        daily = [args["initial_equity"]]
        for day in range(int(bars.ts[0]) // DAY_MS, max(closes) + 1):
            daily.append(closes.get(day, daily[-1]))
        found = _measured(args)
        if found["volatility"]["value"] is None:
            continue
        returns = [now / before - 1.0 for before, now in itertools.pairwise(daily)]
        mean, year = statistics.mean(returns), math.sqrt(365)
        assert found["volatility"]["samples"] == len(returns)
        assert found["volatility"]["value"] == pytest.approx(statistics.stdev(returns) * year, rel=1e-9, abs=1e-12)
        if found["sharpe"]["value"] is not None:
            sharpe = mean / statistics.stdev(returns) * year
            assert found["sharpe"]["value"] == pytest.approx(sharpe, rel=1e-9, abs=1e-12)
        if found["sortino"]["value"] is not None:
            downside = math.sqrt(statistics.mean(min(each, 0.0) ** 2 for each in returns))
            assert found["sortino"]["value"] == pytest.approx(mean / downside * year, rel=1e-9, abs=1e-12)
        checked += 1
    assert checked >= 100


def test_drawdowns_equal_a_walk_over_the_closes() -> None:
    for seed in range(400):
        args = world(seed)
        bars, rows = args["bars"], oracle(args)[0]
        found = {id: each["value"] for id, each in _measured(args).items()}
        peak, peak_ms, under = args["initial_equity"], int(bars.ts[0]), None
        stretches: list[dict[str, Any]] = []
        for end, row in zip(bars.close_ms.tolist(), rows, strict=True):
            if row["equity"] >= peak:
                if under is not None:
                    under["recovery"], under = end, None
                peak, peak_ms = row["equity"], end
                continue
            if under is None:
                under = {"peak": peak_ms, "depth": 0.0, "trough": 0, "recovery": None}
                stretches.append(under)
            if row["equity"] / peak - 1.0 < under["depth"]:
                under |= {"depth": row["equity"] / peak - 1.0, "trough": end}
        assert found["drawdowns"] == len(stretches)
        if not stretches:
            assert (found["max_drawdown"], found["longest_drawdown_ms"]) == (0.0, None)
            continue
        last = int(bars.close_ms[-1])
        worst = min(stretches, key=lambda each: each["depth"])
        lengths = [(each["recovery"] or last) - each["peak"] for each in stretches]
        assert found["max_drawdown"] == worst["depth"]
        assert found["max_drawdown_peak_ms"] == worst["peak"]
        assert found["max_drawdown_trough_ms"] == worst["trough"]
        assert found["max_drawdown_recovery_ms"] == worst["recovery"]
        assert found["max_drawdown_recovered"] is (worst["recovery"] is not None)
        assert found["max_drawdown_duration_ms"] == (worst["recovery"] or last) - worst["peak"]
        assert found["longest_drawdown_ms"] == max(lengths)
        assert found["mean_drawdown"] == pytest.approx(statistics.mean(each["depth"] for each in stretches))


def test_counts_equal_those_of_the_oracles_rows() -> None:
    for seed in range(400):
        args = world(seed)
        rows, trades = oracle(args)
        missing, volume = args["bars"].missing.tolist(), args["bars"].volume.tolist()
        found = {id: each["value"] for id, each in _measured(args, warmup=2).items()}
        for state in ("GREEN", "YELLOW", "RED"):
            assert found[f"bars_{state.lower()}"] == sum(row["state"] == state for row in rows)
        episodes = sum(
            row["action"] == "BLOCKED" and not (before["action"] == "BLOCKED" and before["signal"] == row["signal"])
            for before, row in zip([{"action": ""}, *rows], rows, strict=False)
        )
        assert found["blocked_entries"] == episodes
        assert found["bars_filled"] == args["bars"].filled.tolist().count(1)
        closed = [trade for trade in trades if trade["exit"] is not None]
        assert found["forced_exits"] == sum(rows[each["exit"] - 1]["reason"].startswith("risk_") for each in closed)
        fills = [bar for bar, row in enumerate(rows) for _ in row["fills"]]
        assert found["fills_after_gap"] == sum(missing[bar] > 0 for bar in fills)
        assert found["fills_on_zero_volume"] == sum(volume[bar] == 0.0 for bar in fills)
        assert (found["trades"], found["trades_open"]) == (len(closed), len(trades) - len(closed))
        held = sum(row["position"] != 0 for row in rows)
        assert found["exposure"] == (held / (len(rows) - 3) if len(rows) > 3 else None)
        paid = [fill[1] for row in rows for fill in row["fills"]]
        assert found["fees"] == pytest.approx(math.fsum(paid), rel=1e-12)
        wins = sum(each["pnl"] > 0 for each in closed)
        assert found["win_rate"] == (wins / len(closed) if closed else None)


# Rules one by one ------------------------------------------------------------------------------------------------


def _traded(prices: list[float], target: list[int], timeframe: Timeframe = Timeframe.DAY_1) -> dict[str, Any]:
    args = {"bars": bars_of(timeframe, prices, prices), "decisions": decisions_of(target), "level": 5, "costs": FREE}
    return _measured(args | {"initial_equity": 1_000.0})


def test_a_run_without_trades_says_so() -> None:
    found = _traded([100.0] * 4, [0] * 4)
    assert found["win_rate"]["null_reason"] == found["payoff"]["null_reason"] == "no_trades"
    assert found["sharpe"]["null_reason"] == "zero_variance"
    assert found["sortino"]["null_reason"] == "no_losing_day"
    assert found["calmar"]["null_reason"] == "no_drawdown"
    assert (found["volatility"]["value"], found["max_drawdown"]["value"], found["trades"]["value"]) == (0.0, 0.0, 0)


def test_only_wins_and_only_losses_have_no_ratio() -> None:
    wins = _traded([100.0, 100.0, 110.0, 110.0], [1, 0, 0, 0])
    assert (wins["profit_factor"]["null_reason"], wins["kelly"]["null_reason"]) == ("no_losses", "no_losses")
    losses = _traded([100.0, 100.0, 99.0, 99.0], [1, 0, 0, 0])
    assert (losses["profit_factor"]["value"], losses["payoff"]["null_reason"]) == (0.0, "no_wins")
    assert losses["cost_share"]["null_reason"] == "gross_not_positive"
    assert losses["sqn"]["null_reason"] == "fewer_than_2_trades"


def test_a_trade_that_breaks_even_is_neither_win_nor_loss_and_ends_a_streak() -> None:
    prices = [100.0, 100.0, 110.0, 110.0, 110.0, 100.0, 110.0]
    found = _traded(prices, [1, 0, 1, 0, 1, 0, 0], Timeframe.HOUR_1)  # +10, 0, +10
    assert [found[id]["value"] for id in ("trades", "win_rate")] == [3, 2 / 3]
    assert found["longest_win_streak"]["value"] == 1
    assert found["longest_loss_streak"]["value"] == 0


def test_less_than_a_day_is_not_annualised_and_less_than_90_is_flagged() -> None:
    short = _traded([100.0, 101.0, 102.0], [1, 1, 1], Timeframe.HOUR_1)
    assert {short[id]["null_reason"] for id in ("cagr", "sharpe", "turnover", "calmar")} == {"span_under_1_day"}
    assert _traded([100.0], [1])["sharpe"]["null_reason"] == "fewer_than_2_days"
    for days, flag in ((89, "span_under_90_days"), (90, None)):
        found = _traded([100.0 + day % 5 for day in range(days)], [1] * days)
        assert {found[id]["flag"] for id in ("cagr", "sharpe", "volatility", "turnover")} == {flag}
        assert found["net_return"]["flag"] is None


def test_equity_that_is_gone_has_no_rate() -> None:
    found = _traded([100.0, 100.0, 400.0, 400.0], [-1, -1, -1, -1])
    reasons = {found[id]["null_reason"] for id in ("cagr", "calmar", "volatility", "sharpe", "sortino", "turnover")}
    assert reasons == {"equity_not_positive"}
    assert found["max_drawdown"]["value"] == -1.5


def test_the_first_days_loss_is_in_the_drawdown() -> None:
    """The start equity is a peak: a run that only falls has drawn down from it, since its first open."""
    found = _traded([100.0, 100.0, 99.0], [1, 1, 1])
    assert found["max_drawdown"]["value"] == 995.0 / 1000.0 - 1.0
    assert found["max_drawdown_peak_ms"]["value"] == 1_641_168_000_000  # the second close is still at the start equity
    bars = bars_of(Timeframe.DAY_1, [100.0, 100.0], [100.0, 90.0])
    outcome = simulate(bars, decisions_of([1, 1]), level=5, costs=Costs(min_fee=5), initial_equity=1_000.0)
    assert metrics(bars, outcome, warmup=0)["max_drawdown_peak_ms"]["value"] == 1_641_081_600_000


def test_a_warm_up_that_leaves_no_bar_has_no_exposure_and_no_benchmark() -> None:
    args = worked_example()
    found = metrics(args["bars"], _simulated(args), warmup=7)
    assert found["exposure"]["null_reason"] == found["buy_and_hold_sharpe"]["null_reason"] == "no_tradable_bar"


def test_cagr_is_the_power_of_the_net_return() -> None:
    for seed in range(200):
        args = world(seed)
        found = _measured(args)
        span = int(args["bars"].close_ms[-1] - args["bars"].ts[0])
        if found["cagr"]["value"] is None:
            continue
        with localcontext() as context:
            context.prec = 40
            end = Decimal(float(_simulated(args).equity[-1])) / Decimal(args["initial_equity"])
            expected = end ** (Decimal(31_557_600_000) / Decimal(span)) - 1
        assert found["cagr"]["value"] == pytest.approx(float(expected), rel=1e-12, abs=1e-15)


@given(st.integers(1, 200))
def test_a_sparkline_has_32_points_from_first_to_last(count: int) -> None:
    found = sparkline(np.arange(count, dtype=np.float64))
    assert len(found) == 32
    assert (found[0], found[-1]) == (0.0, count - 1.0)
    assert found == sorted(found)


def test_slippage_is_what_the_fills_paid_over_the_open() -> None:
    args = worked_example() | {"costs": Costs(commission_bps=0, slippage_bps=5, min_fee=1)}
    outcome = _simulated(args)
    assert outcome.trades.entry_slippage[0] == pytest.approx(500 / 100.05 * 0.05)
    parts = [*outcome.trades.entry_slippage.tolist(), *outcome.trades.exit_slippage[:2].tolist()]
    assert metrics(args["bars"], outcome, warmup=0)["slippage"]["value"] == math.fsum(parts)


def test_state_codes_are_what_the_counts_read() -> None:
    assert (engine.STATES[engine.GREEN], engine.STATES[engine.YELLOW], engine.STATES[engine.RED]) == engine.STATES


def test_the_golden_metrics_are_written_again() -> None:
    args = golden()
    found = metrics(args["bars"], _simulated(args), warmup=args["warmup"])
    assert canonical.document(found) == (GOLDEN / "metrics.json").read_bytes()
