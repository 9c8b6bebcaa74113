"""Every metric of a run has a name, a group and a way to be read."""

from pathlib import Path

import pytest

from buff import Metric
from buff_web import metrics
from whole import opened


def metric(value: float | int | bool | None, unit: str, null_reason: str | None = None) -> Metric:
    return Metric(
        value=value, unit=unit, samples=1, annualisation=None, formula="x.v1", null_reason=null_reason, flag=None
    )


def test_every_metric_of_a_run_has_a_group_of_its_own_or_stands_beside_one(root: Path) -> None:
    store = opened(root)
    run = store.run(store.runs().items[0].run_id)
    groups = metrics.groups(run.metrics, run.benchmark)
    assert [title for title, _ in groups][-1] != "Other"
    shown = [each for _, members in groups for _, *both in members for each in both[1:] if each is not None]
    assert sorted(each.formula for each in shown) == sorted(each.formula for each in run.metrics.values())
    beside = {name: other for _, members in groups for name, _, _, other in members if other is not None}
    assert beside == run.benchmark


def test_a_metric_nobody_named_is_shown_by_its_id() -> None:
    assert metrics.groups({"new_thing": metric(1.0, "ratio")}, {}) == [
        ("Other", [("new_thing", "new thing", metric(1.0, "ratio"), None)])
    ]


def test_a_calendar_has_a_place_for_every_month() -> None:
    months = [{"period": "2021-12"}, {"period": "2022-01"}]
    years = [{"period": "2021"}, {"period": "2022"}]
    found = metrics.calendar({"months": {"rows": months}, "years": {"rows": years}})
    assert found == [("2021", [*[None] * 11, months[0], years[0]]), ("2022", [months[1], *[None] * 11, years[1]])]


@pytest.mark.parametrize(
    ("name", "found", "says"),
    [
        ("net_return", metric(0.01, "ratio"), "+1.00\u202f%"),
        ("max_drawdown", metric(-0.5, "ratio"), "−50.00\u202f%"),
        ("sharpe", metric(1.234, "ratio"), "1.23"),
        ("sharpe", metric(None, "ratio", "zero_variance"), "–"),
        ("trades", metric(1234, "count"), "1,234"),
        ("mean_bars_held", metric(1.25, "bars"), "1.2"),
        ("expectancy", metric(-8.3754, "money"), "−8.38"),
        ("max_drawdown_recovered", metric(False, "bool"), "no"),
        ("max_drawdown_peak_ms", metric(1_704_067_200_000, "epoch_ms"), "2024-01-01 00:00"),
        ("longest_drawdown_ms", metric(3_600_000, "ms"), "1 h"),
    ],
)
def test_text(name: str, found: Metric, says: str) -> None:
    assert metrics.text(name, found) == says


def test_units_are_said_once() -> None:
    assert metrics.unit("net_return", metric(0.1, "ratio")) == ""
    assert metrics.unit("sharpe", metric(0.1, "ratio")) == "ratio"
    assert metrics.unit("fees", metric(0.1, "money")) == "money"


def test_reasons_are_words() -> None:
    assert metrics.reason(None) == ""
    assert metrics.reason("zero_variance") == "the values do not vary"
    assert metrics.reason("something_new") == "something new"
    assert metrics.because("cross_up", "ma_cross") == "the fast average is above the slow one"
    assert "the fall from the highest equity is at its limit" in metrics.because("risk_max_drawdown", "ma_cross")


@pytest.mark.parametrize(
    ("name", "unit", "by", "says"),
    [
        ("net_return", "ratio", 0.0474, "+4.74 points"),
        ("sharpe", "ratio", -1.5, "−1.50"),
        ("trades", "count", 3, "+3"),
        ("fees", "money", -12.345, "−12.35"),
        ("max_drawdown_peak_ms", "epoch_ms", -4 * 3_600_000, "−4 h"),
        ("longest_drawdown_ms", "ms", 86_400_000, "+1 d"),
        ("longest_drawdown_ms", "ms", 0, "same"),
    ],
)
def test_a_difference_has_its_sign(name: str, unit: str, by: float, says: str) -> None:
    assert metrics.delta(name, metric(1.0, unit), by) == says
