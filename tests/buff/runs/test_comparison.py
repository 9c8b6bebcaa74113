"""Runs side by side: what differs is marked, curves begin together, and where decisions part is found."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.errors import RunConfigInvalid
from buff.runs.comparison import RUNS_MAX, compare, thinned
from buff.runs.contrast import contrast
from buff.runs.run import Run
from whole import make, opened


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, minutes: Path) -> dict[str, Run]:
    root = tmp_path_factory.mktemp("comparison") / "root"
    make(root, minutes, run_id="base")
    make(root, minutes, run_id="slower", params={"fast": 3, "slow": 12})
    make(root, minutes, run_id="bolder", risk_level=5, name="Bolder")
    make(root, minutes, run_id="later", start="2024-01-01T06:00:00Z")
    make(root, minutes, run_id="coarse", timeframe="4h")
    store = opened(root)
    return {name: store.run(name) for name in ("base", "slower", "bolder", "later", "coarse")}


def test_inputs_that_differ_are_marked(runs: dict[str, Run]) -> None:
    told = compare([runs["base"], runs["slower"], runs["bolder"]], points=100)
    differing = {each["name"]: each["values"] for each in told["inputs"] if each["differs"]}
    assert differing == {"risk.level": [3, 3, 5], "strategy.params.slow": [8, 12, 8]}
    assert {each["name"] for each in told["inputs"]} > {"symbol", "strategy.params.fast", "costs.commission_bps"}
    assert [each["run_id"] for each in told["runs"]] == ["base", "slower", "bolder"]
    assert [each["name"] for each in told["runs"]] == [None, None, "Bolder"]


def test_metrics_are_measured_by_the_first_run(runs: dict[str, Run]) -> None:
    chosen = [runs["base"], runs["slower"], runs["coarse"]]
    told = {each["name"]: each for each in compare(chosen, points=100)["metrics"]}
    assert set(told) == {name for run in chosen for name in run.metrics}
    for name, metric in told.items():
        values = [run.metrics[name].value for run in chosen]
        assert metric["values"] == values
        for value, delta in zip(values, metric["deltas"], strict=True):
            plain = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (values[0], value))
            assert delta == (value - values[0] if plain else None)
    assert told["net_return"]["deltas"][0] == 0


def test_curves_stand_on_one_axis_and_begin_together(runs: dict[str, Run]) -> None:
    """By a slow loop: the last close at or before each instant, over the start equity, times 100."""
    chosen = list(runs.values())
    curves = compare(chosen, points=40)["curves"]
    assert len(curves["ts"]) == 40
    assert curves["ts"] == sorted(set(curves["ts"]))
    assert curves["ts"][0] == min(int(run.bars.close_ms[0]) for run in chosen)
    assert curves["ts"][-1] == max(int(run.bars.close_ms[-1]) for run in chosen)
    for run, equity, drawdown in zip(chosen, curves["equity"], curves["drawdown"], strict=True):
        ends = run.bars.close_ms.tolist()
        for at, value, fall in zip(curves["ts"], equity, drawdown, strict=True):
            before = [place for place, end in enumerate(ends) if end <= at]
            if not before or at > ends[-1]:
                assert (value, fall) == (None, None)
            else:
                assert value == pytest.approx(run.equity[before[-1]] / run.inputs["initial_equity"] * 100)
                assert fall == run.drawdown[before[-1]]


def test_where_decisions_part_is_what_a_contrast_says(runs: dict[str, Run]) -> None:
    told = compare([runs["base"], runs["slower"], runs["bolder"], runs["later"]], points=10)["decisions"]
    assert len(told) == 6
    for pair in told:
        first = contrast(runs[pair["a"]], runs[pair["b"]], limit=1)["records"]["first"]
        if "later" in (pair["a"], pair["b"]):
            assert (pair["same_bars"], pair["first"]) == (False, None)
        else:
            assert pair["same_bars"]
            assert {name: pair["first"][name] for name in ("ts", "members", "a", "b")} == {
                name: first[name] for name in ("ts", "members", "a", "b")
            }
            assert pair["first"]["seq"] == first["equal_before"]


def test_runs_of_the_same_decisions_do_not_part(tmp_path: Path, minutes: Path) -> None:
    make(tmp_path / "root", minutes, run_id="one", risk_level=3)
    make(tmp_path / "root", minutes, run_id="two", risk_level=3, symbol="OTHER")
    store = opened(tmp_path / "root")
    (pair,) = compare([store.run("one"), store.run("two")], points=10)["decisions"]
    assert (pair["same_bars"], pair["first"]) == (True, None)


@pytest.mark.parametrize("names", [[], ["base"], ["base", "base"], ["base"] * (RUNS_MAX + 1)])
def test_two_to_eight_different_runs(runs: dict[str, Run], names: list[str]) -> None:
    with pytest.raises(RunConfigInvalid) as error:
        compare([runs[name] for name in names], points=10)
    assert error.value.details["field"] == "run"


@given(st.lists(st.integers(0, 10**6), unique=True, min_size=1), st.integers(2, 50))
def test_thinning_keeps_the_ends_and_no_instant_twice(stamps: list[int], points: int) -> None:
    ts = np.array(sorted(stamps), np.int64)
    found = thinned(ts, points).tolist()
    assert len(found) == min(len(ts), points)
    assert (found[0], found[-1]) == (ts[0], ts[-1])
    assert found == sorted(set(found))
    assert set(found) <= set(stamps)
