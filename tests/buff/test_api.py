"""`import buff`: the main job in the words of its documentation."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import buff
from buff import api
from buff.crew import Here
from whole import names


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RUNS_ROOT", "BUFF_USER", "BUFF_ROWS_MAX"):
        monkeypatch.delenv(name, raising=False)


def create(csv: Path, root: object, **changes: object) -> buff.Run:
    values = {"symbol": "BTCUSDT", "timeframe": "1h", "strategy": "hold", "risk_level": 3, **changes}
    return buff.create_run(csv=csv, runs_root=root, **values)  # type: ignore[arg-type]


@pytest.mark.usefixtures("quiet")
def test_a_run_is_created_found_and_verified(tmp_path: Path, minutes: Path) -> None:
    run = create(minutes, tmp_path / "root")
    assert isinstance(run.metrics["net_return"].value, float)
    store = buff.open(tmp_path / "root")
    assert [entry.run_id for entry in store.runs().items] == [run.id]
    assert store.run(run.id).equity.tolist() == run.equity.tolist()
    with buff.open(tmp_path / "root") as store:
        assert buff.verify(store, run.id).outcome == "identical"


@pytest.mark.usefixtures("quiet")
def test_an_open_store_takes_many_runs(tmp_path: Path, minutes: Path) -> None:
    create(minutes, tmp_path / "root")
    with buff.open(tmp_path / "root") as store:
        ids = [create(minutes, store, risk_level=level).id for level in (1, 2, 3, 4, 5)]
        assert len(store.runs().items) == 5
    assert names(tmp_path / "root")["runs"] == sorted(ids)


@pytest.mark.usefixtures("quiet")
def test_paths_may_be_texts_paths_or_several(tmp_path: Path, minutes: Path) -> None:
    one = create(minutes, str(tmp_path / "root"))
    assert create([minutes], tmp_path / "root").id == one.id  # type: ignore[arg-type]
    assert create(str(minutes), tmp_path / "root").id == one.id  # type: ignore[arg-type]


def test_the_environment_names_the_root(tmp_path: Path, minutes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNS_ROOT", str(tmp_path / "root"))
    run = create(minutes, None)
    assert buff.open().run(run.id).id == run.id
    monkeypatch.delenv("RUNS_ROOT")
    for job in (lambda: create(minutes, None), buff.open):
        with pytest.raises(buff.BuffError) as caught:
            job()
        assert caught.value.code == "RUNS_ROOT_UNSET"


@pytest.mark.usefixtures("quiet")
def test_progress_is_told(tmp_path: Path, minutes: Path) -> None:
    stages: list[str] = []
    create(minutes, tmp_path / "root", progress=lambda stage, done, total: stages.append(stage))
    assert stages[0] == "reading"
    assert "writing decision_records.jsonl" in stages


def test_a_name_that_is_not_public_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'create_runz'"):
        _ = buff.create_runz
    assert set(buff.__all__) == set(dir(buff))
    for name in buff.__all__:
        assert getattr(buff, name) is not None


@pytest.mark.usefixtures("quiet")
def test_a_sweep_of_values_is_that_of_the_texts_and_is_read_again(root: Path) -> None:
    with buff.open(root) as store:
        dataset = store.datasets()[0].dataset_id
        given = {"timeframe": "1h", "strategy": "ma_cross", "runs_root": store, "executor": Here()}
        said = buff.create_sweep(dataset=dataset, params={"fast": "2..6..2", "slow": "6"}, risk_level=3, **given)  # type: ignore[arg-type]
        typed = buff.create_sweep(
            dataset=[dataset],
            params={"fast": range(2, 8, 2), "slow": [6]},
            risk_level=[3],
            **given,
        )  # type: ignore[arg-type]
        assert typed.id == said.id
        assert said.counts == {"made": 2, "existed": 0, "failed": 0}
        assert [each.request["params"]["fast"] for each in said.skipped] == [6]
        assert buff.resume_sweep(said.id, runs_root=store).counts == {"made": 0, "existed": 2, "failed": 0}
        assert [entry.sweep for entry in store.sweeps()] == [said.id]
        found = buff.sweep_results(said.id[:10], runs_root=store)
    assert buff.sweep_results(said.id, runs_root=str(root)) == found
    assert [row.params["fast"] for row in found.rows] == [2, 4]
    assert [row["sharpe"] for row in found.table] == [row.metrics["sharpe"] for row in found.rows]
    assert found.as_dict()["rows"][1]["trials"] == 2
    with pytest.raises(buff.BuffError) as caught:
        buff.sweep_results("swp_0", runs_root=root)
    assert caught.value.code == "SWEEP_NOT_FOUND"


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (0.5, "0.5"), (True, "true"), ("5..9", "5..9"), ((1, 2.5), "1,2.5"), (np.arange(3), "0,1,2")],
)
def test_values_are_spelt_in_the_grammar_of_a_sweep(value: Any, text: str) -> None:
    assert api._spelt(value) == text
