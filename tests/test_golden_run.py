"""The golden run: what released versions of Buff made of sample data, byte for byte."""

import json
from pathlib import Path

import pytest

import buff
from golden_run import GOLDEN, RUNS, golden_files, make_runs


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_runs(tmp_path_factory.mktemp("golden"))


@pytest.mark.parametrize("name", RUNS)
def test_the_run_is_made_again_byte_for_byte(made: dict[str, Path], name: str) -> None:
    found = golden_files(made[name])
    assert {path.name for path in (GOLDEN / name).iterdir()} == set(found)
    for file, data in found.items():
        assert data.decode() == (GOLDEN / name / file).read_text(encoding="utf-8"), file


@pytest.mark.parametrize("name", RUNS)
def test_the_golden_files_vouch_for_each_other(name: str) -> None:
    manifest = json.loads((GOLDEN / name / "manifest.json").read_text())
    table = dict(line.split("  ")[::-1] for line in (GOLDEN / name / "SHA256SUMS").read_text().splitlines())
    assert {item["name"]: item["sha256"] for item in manifest["artifacts"]} == {
        file: digest for file, digest in table.items() if file != "manifest.json"
    }
    assert manifest["run_id"] == f"run_{manifest['inputs_hash'][:16]}"


@pytest.mark.parametrize("name", RUNS)
def test_the_run_is_named_by_its_inputs_and_verifies(made: dict[str, Path], name: str) -> None:
    manifest = json.loads((GOLDEN / name / "manifest.json").read_text())
    assert made[name].name == manifest["run_id"]
    with buff.open(made[name].parent) as store:
        verdict = buff.verify(store, manifest["run_id"])
    assert (verdict.outcome, verdict.findings) == ("identical", ())
