"""A committed run, read back: lazily, from its artifacts only, and never changed."""

import json
import mmap
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buff.errors import ArtifactNotFound, RunDamaged
from buff.runs.run import BENCHMARKS, Records, Run
from whole import make, names, opened, write_csv


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of 1,500 bars: several blocks of records, the last of them not full."""
    folder = tmp_path_factory.mktemp("long")
    csv = write_csv(folder / "long.csv", minutes=1_500)
    return make(folder / "root", csv, timeframe="1m").run


@pytest.fixture
def run(root: Path) -> Run:
    return opened(root).run(names(root)["runs"][0])


def plainly(run: Run) -> list[dict[str, Any]]:
    """Return all records by reading the whole file: the oracle."""
    return [json.loads(line) for line in (Path(run.directory) / "decision_records.jsonl").read_text().splitlines()]


# Records


def test_records_are_one_for_each_bar(long_run: Run) -> None:
    assert len(long_run.records) == len(long_run.bars) == 1_500
    assert list(long_run.records) == plainly(long_run)
    assert repr(long_run.records) == "<Records 1,500>"


@pytest.mark.parametrize("place", [0, 1, 255, 256, 257, 511, 512, 1_279, 1_280, 1_499, -1, -256, -1_500])
def test_any_record_is_read_by_its_position(long_run: Run, place: int) -> None:
    assert long_run.records[place] == plainly(long_run)[place]


@pytest.mark.parametrize("place", [1_500, -1_501, 10**9])
def test_a_position_that_is_not_there_is_an_index_error(long_run: Run, place: int) -> None:
    with pytest.raises(IndexError):
        long_run.records[place]


BOUND = st.none() | st.integers(-1_600, 1_600) | st.sampled_from([0, 255, 256, 257, 1_280, 1_499, 1_500])
STEP = st.none() | st.sampled_from([1, 2, 7, 256, 1_499, -1, -3, -256])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BOUND, BOUND, STEP)
def test_any_slice_is_what_slicing_a_list_gives(
    long_run: Run, start: int | None, stop: int | None, step: int | None
) -> None:
    assert long_run.records[start:stop:step] == _oracle(long_run)[start:stop:step]


_read: dict[str, list[dict[str, Any]]] = {}


def _oracle(run: Run) -> list[dict[str, Any]]:
    return _read.setdefault(run.directory, plainly(run))


def test_a_slice_opens_no_more_of_the_file_than_its_blocks(long_run: Run, tmp_path: Path) -> None:
    """What lies before and behind may be anything: it is not looked at."""
    data = (Path(long_run.directory) / "decision_records.jsonl").read_bytes()
    offsets = np.load(Path(long_run.directory) / "columns" / "record_offset.npy")
    first, last = int(offsets[2]), int(offsets[3])
    path = tmp_path / "records.jsonl"
    path.write_bytes(b"\xff" * first + data[first:last] + b"\xff" * (len(data) - last))
    records = Records(str(path), offsets, 1_500)
    assert records[512:768] == plainly(long_run)[512:768]


def test_a_file_cut_short_is_damage(long_run: Run, tmp_path: Path) -> None:
    data = (Path(long_run.directory) / "decision_records.jsonl").read_bytes()
    path = tmp_path / "records.jsonl"
    path.write_bytes(data[: len(data) // 2])
    offsets = np.load(Path(long_run.directory) / "columns" / "record_offset.npy")
    with pytest.raises(RunDamaged):
        Records(str(path), offsets, 1_500)[-1]


def test_trades_are_read_by_place_and_slice_without_reading_the_others(long_run: Run) -> None:
    every = [json.loads(line) for line in long_run.artifact("trades.jsonl").splitlines()]
    trades = long_run.trades
    assert len(trades) == len(every) > 8
    assert list(trades) == every
    assert [trades[place] for place in (0, 3, -1)] == [every[place] for place in (0, 3, -1)]
    for part in (slice(2, 7), slice(None, 3), slice(-2, None), slice(7, 2, -2), slice(0, None, 3), slice(5, 5)):
        assert trades[part] == every[part], part
    with pytest.raises(IndexError):
        trades[len(every)]


# Columns and documents


def test_columns_are_mapped_and_read_only(run: Run) -> None:
    columns = {name: getattr(run, name) for name in ("equity", "drawdown", "position")}
    columns |= {name: getattr(run.bars, name) for name in ("ts", "open", "high", "low", "close", "volume", "filled")}
    for name, column in columns.items():
        assert len(column) == 48, name
        assert not column.flags.writeable, name
        base = column
        while isinstance(base, np.ndarray):
            base = base.base
        assert isinstance(base.obj, mmap.mmap), name
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1


def test_a_run_tells_of_itself_what_its_records_do(run: Run) -> None:
    records = list(run.records)
    assert run.position.tolist() == [record["position"] for record in records]
    assert run.bars.close.tolist() == [record["price"] for record in records]
    assert run.equity[0] == run.inputs["initial_equity"]
    assert run.drawdown.max() <= 0.0
    assert run.metrics["trades"].value == len([trade for trade in run.trades if trade["state"] == "closed"])
    assert run.timeline[0]["type"] == "run_start"
    assert run.quality["verdict"] in ("PASS", "WARN", "FAIL")


def test_a_window_of_the_dataset_is_what_bars_are(root: Path, minutes: Path) -> None:
    run = make(root, minutes, start="2024-01-01T06:00:00Z", end="2024-01-01T12:00:00Z").run
    whole = opened(root).run(opened(root).runs().items[-1].run_id)
    assert run.bars.ts.tolist() == whole.bars.ts[6:12].tolist()
    assert run.bars.close.tolist() == whole.bars.close[6:12].tolist()


def test_metrics_say_null_exactly_when_they_have_a_reason(run: Run) -> None:
    for metric in run.metrics.values():
        assert (metric.value is None) == (metric.null_reason is not None)
        assert metric.formula
        assert metric.unit


def test_buy_and_hold_stands_by_the_names_of_the_runs_own_metrics(run: Run) -> None:
    assert run.benchmark["net_return"] is run.metrics["buy_and_hold"]
    assert run.benchmark["max_drawdown"] is run.metrics["buy_and_hold_max_drawdown"]
    assert {name for name in run.metrics if name.startswith("buy_and_hold")} == set(BENCHMARKS.values())


def test_months_and_years_multiply_to_the_net_return(run: Run) -> None:
    for name in ("months", "years"):
        (row,) = run.returns[name]["rows"]
        assert row["value"] == run.metrics["net_return"].value


def test_artifacts_are_read_by_the_names_of_the_manifest_and_no_other(run: Run) -> None:
    for item in run.manifest["artifacts"]:
        assert len(run.artifact(item["name"])) == item["size"]
    assert run.artifact("manifest.json").startswith(b'{"artifacts":')
    assert Path(run.artifact_path("metrics.json")).is_file()
    for name in ("absent.json", "../index.json", "/etc/passwd", "", "columns", "./metrics.json"):
        with pytest.raises(ArtifactNotFound):
            run.artifact(name)
        with pytest.raises(ArtifactNotFound):
            run.artifact_path(name)


@pytest.mark.parametrize("name", ["metrics.json", "timeline.json", "quality_report.json"])
def test_a_document_that_is_not_json_is_damage(run: Run, name: str) -> None:
    path = Path(run.directory) / name
    path.chmod(0o644)
    path.write_text("not json")
    with pytest.raises(RunDamaged, match=name):
        _ = (run.metrics, run.timeline, run.quality)


def test_metrics_of_another_shape_are_damage(run: Run) -> None:
    path = Path(run.directory) / "metrics.json"
    path.chmod(0o644)
    path.write_text('{"sharpe": {"value": [1]}}')
    with pytest.raises(RunDamaged, match=r"metrics\.json"):
        _ = run.metrics


def test_trades_whose_last_line_was_cut_are_damage(run: Run) -> None:
    path = Path(run.directory) / "trades.jsonl"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(RunDamaged, match="its last line has no end"):
        _ = run.trades


def test_an_artifact_that_is_gone_is_damage(run: Run) -> None:
    columns = Path(run.directory) / "columns"
    for folder in (columns, columns.parent):
        folder.chmod(0o755)
    (columns.parent / "trades.jsonl").unlink()
    (columns / "equity.npy").unlink()
    with pytest.raises(RunDamaged, match=re.escape("trades.jsonl")):
        _ = run.trades
    with pytest.raises(RunDamaged, match=re.escape("equity.npy")):
        _ = run.equity


def test_a_reference_that_is_missing_is_damage(run: Run) -> None:
    manifest = {**run.manifest, "references": run.manifest["references"][1:]}
    with pytest.raises(RunDamaged, match="references no column"):
        _ = Run(root=str(Path(run.directory).parent), manifest=manifest, facts={}).bars


# How it looks


def test_a_run_shows_itself_in_one_line(run: Run) -> None:
    shown = repr(run)
    assert shown.startswith(f"<Run {run.id} BTCUSDT 1h ma_cross risk 3  net_return ")
    assert "\n" not in shown
    assert "buy_and_hold" in shown


def test_a_notebook_shows_a_table_and_a_curve(run: Run) -> None:
    shown = run._repr_html_()
    assert run.id in shown
    assert shown.count("<svg") == shown.count("</svg>") == 1
    assert shown.count("<tr>") == shown.count("</tr>") == 6
    assert "<script" not in shown


def test_a_data_frame_has_the_bars_and_the_curves(run: Run) -> None:
    pytest.importorskip("pandas")
    frame = run.to_pandas()
    assert list(frame.columns) == ["open", "high", "low", "close", "volume", "equity", "drawdown", "position"]
    assert frame.index.name == "ts"
    assert str(frame.index.tz) == "UTC"
    assert frame.index[0].isoformat() == "2024-01-01T00:00:00+00:00"
    assert frame["equity"].tolist() == run.equity.tolist()
    assert len(frame) == 48
