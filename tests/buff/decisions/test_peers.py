"""Metrics beside empyrical and quantstats on the same daily returns: equal where definitions agree, else as documented.

Both take a series of returns as it comes; what makes the series (calendar days, flat ones, the start equity) is Buff's.
quantstats is the library itself. empyrical cannot be installed from wheels (it holds peewee below 3.17.4), so its
formulas stand here as its documentation and its source (0.7.1) have them; where the library is there, they are checked
against it.
"""

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import frozen

from buff.decisions.engine import Costs, simulate
from buff.decisions.metrics import metrics
from buff.decisions.returns import daily_equity
from buff.decisions.sharpe import Estimate, probabilistic
from buff.market.timeframe import Timeframe
from worlds import bars_of, decisions_of, world

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what their plotting and downloading libraries have to say when imported
    pytest.importorskip("quantstats")
    import pandas as pd
    import quantstats.stats as quant

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
YEAR = {"periods": 365}
SAME = pytest.approx


class Empyrical:
    """The formulas of empyrical, of a series of returns and the periods of a year."""

    @staticmethod
    def annual_volatility(returns: Any, annualization: int) -> float:
        return float(np.std(returns, ddof=1) * annualization ** (1 / 2))

    @staticmethod
    def sharpe_ratio(returns: Any, annualization: int) -> float:
        return float(np.mean(returns) / np.std(returns, ddof=1) * np.sqrt(annualization))

    @staticmethod
    def sortino_ratio(returns: Any, annualization: int) -> float:
        downside = np.sqrt(np.mean(np.square(np.clip(returns, -np.inf, 0.0)))) * np.sqrt(annualization)
        return float(np.mean(returns) * annualization / downside)

    @staticmethod
    def max_drawdown(returns: Any) -> float:
        cumulative = np.append(100.0, 100.0 * np.cumprod(1.0 + np.asarray(returns)))
        highest = np.maximum.accumulate(cumulative)
        return float(np.min((cumulative - highest) / highest))

    @staticmethod
    def cum_returns_final(returns: Any) -> float:
        return float(np.prod(1.0 + np.asarray(returns)) - 1.0)

    @staticmethod
    def cagr(returns: Any, annualization: int) -> float:
        return float((1.0 + Empyrical.cum_returns_final(returns)) ** (annualization / len(returns)) - 1.0)


empyrical = Empyrical


@frozen(kw_only=True)
class Case:
    """A run of daily bars, so that what Buff takes from every close and what others take from days is one thing."""

    returns: pd.Series
    found: dict[str, Any]
    span_days: float

    def value(self, name: str) -> float:
        return self.found[name]["value"]


def _case(args: dict[str, Any]) -> Case | None:
    bars = args["bars"]
    outcome = simulate(**args)
    found = metrics(bars, outcome, warmup=0)
    if any(found[name]["value"] is None for name in ("sharpe", "sortino", "calmar")):
        return None
    daily = daily_equity(bars, outcome.equity, outcome.initial_equity)
    index = pd.date_range(pd.Timestamp(int(bars.ts[0]), unit="ms"), periods=len(daily) - 1, freq="D")
    series = pd.Series(daily[1:] / daily[:-1] - 1.0, index=index)
    return Case(returns=series, found=found, span_days=(int(bars.close_ms[-1]) - int(bars.ts[0])) / 86_400_000)


def _cases() -> Iterator[Case]:
    for seed in range(2_000):
        args = world(seed)
        if args["bars"].timeframe is Timeframe.DAY_1:
            case = _case(args)
            if case is not None:
                yield case


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    found = list(_cases())
    assert len(found) >= 60
    assert max(len(case.returns) for case in found) >= 300
    return found


# The same --------------------------------------------------------------------------------------------------------


def test_volatility_sharpe_and_sortino_are_those_of_both(cases: list[Case]) -> None:
    for case in cases:
        ours = [case.value(name) for name in ("volatility", "sharpe", "sortino")]
        formulas = (empyrical.annual_volatility, empyrical.sharpe_ratio, empyrical.sortino_ratio)
        theirs = [formula(case.returns, annualization=365) for formula in formulas]
        assert ours == SAME(theirs, rel=1e-12, abs=1e-12)
        theirs = [f(case.returns, **YEAR) for f in (quant.volatility, quant.sharpe, quant.sortino)]
        assert ours == SAME(theirs, rel=1e-12, abs=1e-12)


def test_drawdown_and_net_return_of_daily_bars_are_those_of_both(cases: list[Case]) -> None:
    """The first day's loss counts: both put a value before the first return."""
    begins_with_a_loss = 0
    for case in cases:
        ours = [case.value("max_drawdown"), case.value("net_return")]
        theirs = [empyrical.max_drawdown(case.returns), empyrical.cum_returns_final(case.returns)]
        assert ours == SAME(theirs, rel=1e-12, abs=1e-12)
        theirs = [quant.max_drawdown(case.returns), quant.comp(case.returns)]
        assert ours == SAME(theirs, rel=1e-12, abs=1e-12)
        begins_with_a_loss += bool(case.returns[case.returns != 0].iloc[0] < 0)
    assert begins_with_a_loss >= 10


def test_the_probability_of_a_ratio_is_that_of_quantstats_with_its_moments(cases: list[Case]) -> None:
    """Its skewness and kurtosis are the unbiased ones of pandas; Buff's are those of the sample, as in the paper."""
    apart = 0
    for case in cases:
        if len(case.returns) < 4:
            continue
        series, days = case.returns, len(case.returns)
        estimate = Estimate(
            ratio=case.value("sharpe") / math.sqrt(365),
            samples=days,
            skew=float(series.skew()),
            kurtosis=float(series.kurtosis()) + 3.0,
        )
        with np.errstate(invalid="ignore"):
            theirs = float(quant.probabilistic_ratio(series))
        ours = probabilistic(estimate)
        assert math.isnan(theirs) if ours is None else theirs == SAME(ours, rel=1e-11, abs=1e-12)
        apart += ours is not None and abs(ours - case.value("psr")) > 1e-6
    assert apart >= 20


def test_the_formulas_of_empyrical_are_its_own(cases: list[Case]) -> None:
    library = pytest.importorskip("empyrical", reason="empyrical cannot be installed from wheels")
    for case in cases:
        for name in ("annual_volatility", "sharpe_ratio", "sortino_ratio", "cagr"):
            ours, theirs = (getattr(each, name)(case.returns, annualization=365) for each in (empyrical, library))
            assert ours == SAME(theirs, rel=1e-12, abs=1e-12), name
        for name in ("max_drawdown", "cum_returns_final"):
            assert getattr(empyrical, name)(case.returns) == SAME(getattr(library, name)(case.returns), abs=1e-12)


# Not the same, by as much as the page says -----------------------------------------------------------------------


def test_their_growth_counts_rows_of_a_year_of_periods(cases: list[Case]) -> None:
    """One exponent: with it replaced, growth and Calmar are theirs."""
    for case in cases:
        counted = (1.0 + case.value("net_return")) ** (365 / len(case.returns)) - 1.0
        for theirs in (empyrical.cagr(case.returns, annualization=365), quant.cagr(case.returns, **YEAR)):
            assert theirs == SAME(counted, rel=1e-9, abs=1e-12)
        if case.span_days == len(case.returns) and case.value("net_return") > -1.0:
            timed = (1.0 + counted) ** (365.25 / 365) - 1.0
            assert case.value("cagr") == SAME(timed, rel=1e-9, abs=1e-12)
        ratio = counted / abs(case.value("max_drawdown"))
        assert quant.calmar(case.returns, **YEAR) == SAME(ratio, rel=1e-9, abs=1e-12)


def test_without_variance_they_have_a_number_and_buff_has_none() -> None:
    """Equity that grows by one and the same rate: rounding alone is left of its variance."""
    prices = [100.0 + 10.0 * day for day in range(40)]
    args = {"bars": bars_of(Timeframe.DAY_1, prices, prices), "decisions": decisions_of([0] * 40), "level": 5}
    found = metrics(args["bars"], simulate(**args, costs=Costs(), initial_equity=1_000.0), warmup=0)
    assert found["sharpe"]["null_reason"] == found["psr"]["null_reason"] == "zero_variance"
    assert found["sortino"]["null_reason"] == "no_losing_day"
    steady = pd.Series([0.001] * 39, index=pd.date_range("2022-01-01", periods=39, freq="D"))
    with np.errstate(all="ignore"):
        huge = (empyrical.sharpe_ratio(steady, annualization=365), quant.sharpe(steady, **YEAR))
    assert all(math.isinf(each) or each > 1e12 for each in huge)


def test_exposure_and_win_rate_of_quantstats_are_of_days(cases: list[Case]) -> None:
    case = max(cases, key=lambda each: len(each.returns))
    moved = case.returns[case.returns != 0]
    assert quant.exposure(case.returns) == math.ceil(len(moved) / len(case.returns) * 100) / 100
    assert quant.win_rate(case.returns) == SAME((moved > 0).mean())
    assert case.value("win_rate") != SAME(quant.win_rate(case.returns))
    assert quant.profit_factor(case.returns) == SAME(moved[moved > 0].sum() / -moved[moved < 0].sum())


@pytest.mark.parametrize("name", ["volatility", "sharpe", "sortino", "max_drawdown", "net_return"])
def test_the_page_says_same_where_it_is(name: str) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |") and "same" in line)
    assert row.count("| same") == 2
