"""The contrast of two runs: nothing where they are one, the same from both sides, and each difference at its place."""

import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buff.runs.contrast import differing, flat
from buff.runs.run import Run
from whole import make, write_csv
from wild import wild_run, write_hours

ASKED: Mapping[str, dict[str, Any]] = {
    "plain": {},
    "slower": {"params": {"fast": 3, "slow": 9}},
    "careful": {"risk_level": 1},
    "dearer": {"commission_bps": 20.0},
    "later": {"start": "2024-01-03"},
    "shorter": {"end": "2024-01-09T07:00:00Z"},
    "coarser": {"timeframe": "4h"},
    "still": {"strategy": "hold", "params": {}},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """One run of a market without gaps, others in which one input is another, and one of another market."""
    folder = tmp_path_factory.mktemp("runs")
    common: dict[str, Any] = {"base_timeframe": "1h", "params": {"fast": 3, "slow": 8}}
    csv = write_hours(folder / "a.csv", 2, gaps=False)
    made = {name: make(folder / "root", csv, run_id=name, **{**common, **asked}).run for name, asked in ASKED.items()}
    made["again"] = make(folder / "root", csv, run_id="again", **common).run
    other = write_hours(folder / "b.csv", 3, gaps=False)
    made["market"] = make(folder / "root", other, run_id="market", **common).run
    made["gappy"] = wild_run(folder, 5, root=folder / "root", run_id="gappy", gaps="keep")
    return made


def test_two_runs_of_other_parameters_part_at_a_bar_and_end_elsewhere(runs: dict[str, Run]) -> None:
    found = runs["plain"].diff(runs["slower"])
    assert [(each["name"], each["a"], each["b"]) for each in found["inputs"]] == [("strategy.params.slow", 8, 9)]
    assert found["same_artifacts"] is False
    assert found["data"]["same"] is True
    first = found["records"]["first"]
    place = first["a"]["seq"]
    assert first["equal_before"] == place == first["b"]["seq"]
    assert runs["plain"].records[:place] == runs["slower"].records[:place]
    assert runs["plain"].records[place] == first["a"] != first["b"] == runs["slower"].records[place]
    assert found["equity"]["a"] == runs["plain"].equity[-1]
    assert found["equity"]["parts_at"] >= first["ts"]
    deltas = {each["name"]: each["delta"] for each in found["metrics"]}
    ends = [run.metrics["net_return"].value for run in (runs["plain"], runs["slower"])]
    assert deltas["net_return"] == ends[1] - ends[0]  # type: ignore[operator]


def test_a_run_does_not_differ_from_itself(runs: dict[str, Run]) -> None:
    for run in runs.values():
        found = run.diff(run)
        assert found["same_artifacts"] is True
        assert (found["inputs"], found["artifacts"], found["metrics"]) == ([], [], [])
        assert (found["records"]["differing"], found["records"]["compared"]) == (0, len(run.records))
        assert (found["trades"]["same"], found["trades"]["listed"]) == (len(run.trades), [])
        assert found["equity"]["delta"] == 0.0


def test_the_same_inputs_under_another_id_are_the_same_artifacts(runs: dict[str, Run]) -> None:
    found = runs["plain"].diff(runs["again"])
    assert (found["a"], found["b"]) == ("plain", "again")
    assert (found["same_artifacts"], found["inputs"]) == (True, [])


def slow(a: Run, b: Run) -> tuple[list[str], int, int, int]:
    """Return the stamps of records that differ and how many are compared and alone: a dictionary for each run."""

    def comparable(record: dict[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in record.items() if name not in ("seq", "signal")}
        if "signal" in record:
            kept["back"] = record["seq"] - record["signal"]
        if "fills" in record:
            kept["fills"] = [{name: fill[name] for name in fill if name != "trade"} for fill in record["fills"]]
        return kept

    one, other = ({record["ts"]: comparable(record) for record in run.records} for run in (a, b))
    both = sorted(one.keys() & other.keys())
    return [ts for ts in both if one[ts] != other[ts]], len(both), len(one) - len(both), len(other) - len(both)


@settings(max_examples=25)
@given(data=st.data())
def test_counts_are_those_of_a_slow_comparison_from_both_sides(runs: dict[str, Run], data: st.DataObject) -> None:
    """Invariants checked: the records that differ and the first of them; b with a is a with b, its sides exchanged."""
    names = sorted(runs.keys() - {"coarser"})
    a, b = (runs[data.draw(st.sampled_from(names))] for _ in range(2))
    found, turned = a.diff(b), b.diff(a)
    stamps, both, only_a, only_b = slow(a, b)
    records = found["records"]
    assert (records["differing"], records["compared"], records["only_a"], records["only_b"]) == (
        len(stamps), both, only_a, only_b,
    )  # fmt: skip
    assert (records["first"] or {}).get("ts") == (stamps[0] if stamps else None)
    assert turned == exchanged(found)
    trades = found["trades"]
    assert trades["same"] + trades["differing"] + trades["only_a"] == trades["a"] == len(a.trades)
    assert trades["same"] + trades["differing"] + trades["only_b"] == trades["b"] == len(b.trades)


def exchanged(found: Any) -> Any:
    """Return what was found with its two sides exchanged."""
    sides = {"a": "b", "b": "a", "only_a": "only_b", "only_b": "only_a"}
    match found:
        case {"command": str() as command, **rest}:
            *words, one, other = command.split(" ")
            return {**exchanged(rest), "command": " ".join([*words, other, one])}
        case dict():
            return {
                sides.get(name, name): -value + 0.0
                if name == "delta" and isinstance(value, float)
                else -value
                if name == "delta" and value is not None
                else value[::-1]
                if name == "notes"
                else [exchanged(each) for each in value[::-1]]
                if name == "windows"
                else exchanged(value)
                for name, value in found.items()
            }
        case list():
            return [exchanged(each) for each in found]
        case str():
            return sides.get(found, found) if found.startswith("only_") else found
    return found


@pytest.mark.parametrize(("name", "only_a", "only_b"), [("later", 48, 0), ("shorter", 201, 0)])
def test_other_windows_are_compared_where_both_have_bars(
    runs: dict[str, Run], name: str, only_a: int, only_b: int
) -> None:
    found = runs["plain"].diff(runs[name])
    records = found["records"]
    assert (records["only_a"], records["only_b"]) == (only_a, only_b)
    assert records["compared"] == len(runs[name].records)
    assert found["equity"]["parts_at"] is None


def test_a_prefix_of_the_data_decides_the_same(runs: dict[str, Run]) -> None:
    """A run that ends earlier does not differ in any record: the last decides as it does where more bars follow."""
    assert runs["plain"].diff(runs["shorter"])["records"]["differing"] == 0


def test_costs_change_fills_and_budgets_but_no_target(runs: dict[str, Run]) -> None:
    members = runs["plain"].diff(runs["dearer"])["records"]["members"]
    assert members["fills"] > 0
    assert "target" not in members


def test_bars_of_two_timeframes_are_not_compared(runs: dict[str, Run]) -> None:
    found = runs["plain"].diff(runs["coarser"])
    assert (found["records"], found["trades"]) == (None, None)
    assert [window["timeframe"] for window in found["windows"]] == ["1h", "4h"]
    assert found["metrics"]


def test_other_data_name_the_command_that_compares_them(runs: dict[str, Run], tmp_path: Path) -> None:
    a, b = runs["plain"], runs["market"]
    ids = [run.inputs["dataset_id"][:16] for run in (a, b)]
    assert a.diff(b)["data"]["command"] == f"buff data diff {ids[0]} {ids[1]}"
    minutes = make(tmp_path / "root", write_csv(tmp_path / "m.csv"), timeframe="1h").run
    data = a.diff(minutes)["data"]
    assert (data["same"], data["command"]) == (False, None)


def test_what_is_listed_is_limited_and_what_is_counted_is_not(runs: dict[str, Run]) -> None:
    whole, cut = (runs["plain"].diff(runs["dearer"], limit=limit)["trades"] for limit in (1000, 2))
    assert len(whole["listed"]) == whole["differing"] + whole["only_a"] + whole["only_b"] > 2
    assert cut == {**whole, "listed": whole["listed"][:2]}


def test_members_are_named_with_dots() -> None:
    assert list(flat({"a": {"b": 1}, "c": [{"d": 2}, 3]})) == [("a.b", 1), ("c.0.d", 2), ("c.1", 3)]
    assert differing({"a": 1}, {"a": 1.0}) == [{"name": "a", "a": 1, "b": 1.0}]
    assert differing({"a": {"b": True}}, {"a": {}}) == [{"name": "a.b", "a": True, "b": None}]


def test_memory_does_not_grow_with_the_runs(tmp_path: Path) -> None:
    """Three times the records, and the same peak: of both runs a block is held at a time."""
    csv = write_csv(tmp_path / "m.csv", minutes=75_000)
    peaks = []
    for end in ("2024-01-18", "2024-02-21"):
        values: dict[str, Any] = {"timeframe": "1m", "end": end, "commission_bps": 0.0, "slippage_bps": 0.0}
        a, b = (
            make(tmp_path / "root", csv, params={"fast": 400, "slow": slow}, **values).run for slow in (2_000, 2_001)
        )
        tracemalloc.start()
        try:
            assert a.diff(b)["records"]["compared"] == len(a.records)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
