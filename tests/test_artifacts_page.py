"""The reference page of the artifacts, its JSON Schemas and the files of real runs are one thing.

Invariants checked: every member that a run's files hold has a row on the page and every row a member; every line of
every run is valid by its schema; the examples on the page are lines of the run it makes.
"""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

import buff
from buff.decisions.engine import ACTIONS, STATES
from buff.decisions.records import Fill, Record
from buff.runs.artifacts import SCHEMAS
from pages import REPOSITORY, SAMPLE, blocks

FOLDER = REPOSITORY / "docs" / "reference"
PAGE = (FOLDER / "artifacts.md").read_text(encoding="utf-8")


def table(heading: str) -> list[list[str]]:
    """The rows of the one table whose first heading is this, as cells without quotes."""
    found = re.findall(rf"^\| {re.escape(heading)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, flags=re.MULTILINE)
    assert len(found) == 1, heading
    return [[cell.strip(" `") for cell in line.strip("|\n").split("|")] for line in found[0].splitlines()]


def names(heading: str) -> set[str]:
    return {row[0] for row in table(heading)}


def keys(objects: Iterable[dict[str, Any]]) -> set[str]:
    return {key for each in objects for key in each}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the run of the page, two over gaps, kept and filled, and one that risk rules stopped."""
    folder = tmp_path_factory.mktemp("artifacts")
    lines = SAMPLE.read_text(encoding="ascii").splitlines(keepends=True)
    gappy = folder / "gappy.csv"
    gappy.write_text("".join(line for at, line in enumerate(lines) if at % 13 != 12), encoding="ascii")
    holes = folder / "holes.csv"
    holes.write_text("".join(line for at, line in enumerate(lines) if at % 40 != 39), encoding="ascii")
    request = {"symbol": "BTCUSDT", "strategy": "ma_cross", "runs_root": folder / "root"}
    buff.create_run(csv=SAMPLE, timeframe="1h", params={"fast": 5, "slow": 12}, risk_level=3, **request)
    both = {"fast": 2, "slow": 5, "direction": "both"}
    buff.create_run(csv=gappy, gaps="keep", timeframe="1m", params=both, risk_level=5, min_fee=0.5, **request)
    buff.create_run(csv=holes, gaps="fill", timeframe="1m", params=both, risk_level=5, **request)
    buff.create_run(csv=SAMPLE, timeframe="1m", params=both, risk_level=1, commission_bps=100.0, **request)
    return folder / "root"


@pytest.fixture(scope="module")
def runs(root: Path) -> list[buff.Run]:
    store = buff.open(root)
    return [store.run(entry.run_id) for entry in store.runs(sort="created").items]


def fills(runs: Iterable[buff.Run]) -> Iterator[dict[str, Any]]:
    return (fill for run in runs for record in run.records for fill in record.get("fills", ()))


def test_the_runs_hold_every_kind_of_record(runs: list[buff.Run]) -> None:
    """Otherwise what follows would compare less than it says."""
    assert keys(record for run in runs for record in run.records) == set(Record.__struct_fields__)
    assert keys(fills(runs)) == set(Fill.__struct_fields__)
    assert {trade["state"] for run in runs for trade in run.trades} == {"open", "closed"}


def test_the_manifest(runs: list[buff.Run]) -> None:
    manifests = [run.manifest for run in runs]
    assert names("member of the manifest") == {*keys(manifests), "packages"}  # the latter of strategies from outside
    for part in ("inputs", "data"):
        assert names(f"member of `{part}`") == keys(manifest[part] for manifest in manifests)
    schema = json.loads((FOLDER / "manifest.schema.json").read_text(encoding="utf-8"))
    assert names("member of `source`") == set(schema["$defs"]["source"]["properties"])
    assert names("member of `source`") >= keys(manifest["data"]["source"] for manifest in manifests)


def test_records_and_trades(runs: list[buff.Run]) -> None:
    assert names("member of a record") == keys(record for run in runs for record in run.records)
    assert {row[0] for row in table("member of a record") if row[1] == "always"} == {
        key for key in keys(runs[0].records) if all(key in record for run in runs for record in run.records)
    }
    assert names("member of a fill") == keys(fills(runs))
    trades = [trade for run in runs for trade in run.trades]
    assert names("member of a trade") == keys(trades)
    for state in ("open", "closed"):
        told = {row[0] for row in table("member of a trade") if row[1] in ("always", state)}
        assert told == keys(trade for trade in trades if trade["state"] == state)
    assert names("member of an entry or exit") == keys(trade["entry"] for trade in trades)


def test_metrics_timeline_and_quality(runs: list[buff.Run]) -> None:
    assert names("member of a metric") == keys(json.loads(runs[0].artifact("metrics.json")).values())
    assert names("member of returns.json") == keys(run.returns for run in runs)
    tables = [run.returns[name] for run in runs for name in ("months", "years")]
    assert names("member of `months` and `years`") == keys(tables)
    assert names("member of a period") == keys(row for table in tables for row in table["rows"])
    entries = [entry for run in runs for entry in run.timeline]
    assert names("member of an entry") == keys(entries)
    types = next(row[1] for row in table("member of an entry") if row[0] == "type")
    assert {entry["type"] for entry in entries} <= set(re.findall(r"\w+", types))
    assert names("member of the report") == keys(run.quality for run in runs)
    for part in ("dataset", "resample"):
        assert names(f"member of `{part}`") == keys(run.quality[part] for run in runs)
    assert names("member of `checks`") == keys(run.quality["dataset"]["checks"] for run in runs)


def test_the_files_of_a_run_and_of_a_root(runs: list[buff.Run], root: Path) -> None:
    assert {row[0]: row[1] for row in table("file")} == {**SCHEMAS, "manifest.json": "manifest.v1"}
    told = {row[0].partition("/")[0] for row in table("name")}
    there = {path.name for path in root.iterdir() if not path.name.startswith("run_")}
    assert there - told == set()


def test_datasets_and_index(root: Path) -> None:
    with buff.open(root) as store:
        store.write_index()
    datasets = [json.loads(path.read_bytes()) for path in root.glob("_datasets/*/dataset.json")]
    assert names("member of dataset.json") == keys(datasets)
    index = json.loads((root / "index.json").read_bytes())
    assert names("member of index.json") == set(index)
    members, detail = ([row[1].split("`")[0] for row in table(f"place in {what}")] for what in ("a run", "a detail"))
    with buff.open(root) as store:
        assert len(index["runs"]) == len(store.state.runs) > 0
        for run, told in zip(index["runs"], chain.from_iterable(index["details"]), strict=True):
            found = dict(zip(members, run, strict=True))
            assert found.popitem()[1] is None
            assert found["seq"] == told[0]
            found |= zip(detail, told, strict=True)
            assert found == msgspec.structs.asdict(store.entry(found["run_id"]))


def test_the_numbers_of_actions_and_states() -> None:
    rows = table("number")
    assert [row[1] for row in rows] == list(ACTIONS)
    assert tuple(row[2] for row in rows if row[2]) == STATES


def test_the_examples_are_lines_of_the_run_of_the_page(runs: list[buff.Run]) -> None:
    stored = runs[0].artifact("decision_records.jsonl") + runs[0].artifact("trades.jsonl")
    examples = [block.text for block in blocks(PAGE) if block.kind == "json"]
    assert len(examples) == 2
    for example in examples:
        assert example.encode() in stored


@pytest.mark.parametrize("name", ["manifest", "decision_record", "trade"])
def test_every_document_is_valid_by_its_schema(name: str, runs: list[buff.Run]) -> None:
    schema = json.loads((FOLDER / f"{name}.schema.json").read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    valid = jsonschema.Draft202012Validator(schema)
    for run in runs:
        documents = {"manifest": [run.manifest], "decision_record": run.records[:1500], "trade": run.trades}[name]
        for document in documents:
            valid.validate(document)
            assert not valid.is_valid({**document, "unknown": 1})
