"""At the command line: legacy runs stand behind the others, are shown, cannot be verified, and can be planned anew."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from buff.cli.main import run as command_line
from old_runs import every_layout, fingerprint, phase1, stage5
from whole import events, opened

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    return every_layout(tmp_path / "artifacts")


@pytest.fixture
def buff(root: Path, artifacts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run one command over both roots; return exit code, output and errors."""
    monkeypatch.setenv("RUNS_ROOT", str(root))
    monkeypatch.setenv("ARTIFACTS_ROOT", str(artifacts))

    def command(*words: str) -> tuple[int, str, str]:
        code = command_line(words)
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


def items(told: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(told)["items"]
    return found


def test_the_list_shows_legacy_runs_behind_the_others(buff: Command, root: Path) -> None:
    code, out, err = buff("run", "list")
    cells = [line.split("\t") for line in out.splitlines()]
    ours = opened(root).runs().items[0].run_id
    assert (code, err) == (0, "")
    assert [row[0] for row in cells] == [
        "run", ours, "phase1_demo", "plugin_validation", "stage5_demo", "alice/run_41e3fb1b78d6",
    ]  # fmt: skip
    assert {len(row) for row in cells} == {len(cells[0])}
    assert cells[4][1:9] == [
        "2024-01-01 00:00", "BTCUSDT", "1h", "demo_threshold", "3", "2024-01-01", "2024-01-02", "+8.30 %",
    ]  # fmt: skip
    assert [row[-1] for row in cells[2:]] == ["legacy", "legacy, problems 1", "legacy, problems 2", "legacy"]


def test_the_json_of_a_list_flags_legacy_runs_under_the_same_names(buff: Command) -> None:
    code, out, _ = buff("run", "list", "--json")
    ours, *old = items(out)
    assert (code, json.loads(out)["total"], ours.get("legacy")) == (0, 5, None)
    assert all(each["legacy"] and each["state"] == "legacy" for each in old)
    assert set(old[0]) - set(ours) == {"legacy", "problems"}


def test_the_list_can_be_of_legacy_runs_only_or_of_none(
    buff: Command, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seq = opened(root).state.seq
    assert len(items(buff("run", "list", "--json", "--no-legacy")[1])) == 1
    assert len(items(buff("run", "list", "--json", "--as-of", str(seq))[1])) == 1, "they are in no journal"
    monkeypatch.delenv("RUNS_ROOT")
    assert len(items(buff("run", "list", "--json", "--legacy")[1])) == 4
    code, _, err = buff("run", "list", "--legacy", "--as-of", "3")
    assert (code, err.partition(":")[0]) == (3, "RUN_CONFIG_INVALID")


def test_pages_go_on_from_runs_to_legacy_runs(buff: Command) -> None:
    seen: list[str] = []
    after: int | None = 0
    while after is not None:
        page = json.loads(buff("run", "list", "--json", "--limit", "2", "--after", str(after))[1])
        seen += [each["run_id"] for each in page["items"]]
        after = page["next"]
    assert seen == [each["run_id"] for each in items(buff("run", "list", "--json")[1])]
    assert [each["run_id"] for each in items(buff("run", "list", "--json", "--strategy", "trend_follow")[1])] == [
        "phase1_demo"
    ]


def test_an_artifacts_root_that_is_not_there_hides_nothing(
    buff: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTIFACTS_ROOT", str(tmp_path / "none"))
    code, out, err = buff("run", "list")
    assert (code, len(out.splitlines())) == (0, 2)
    assert "ARTIFACTS_ROOT names no directory" in err
    assert str(tmp_path) not in err
    code, out, err = buff("run", "list", "--artifacts-root", str(tmp_path / "none"))
    assert (code, out, err.partition(":")[0]) == (8, "", "RUNS_ROOT_INVALID")
    monkeypatch.delenv("ARTIFACTS_ROOT")
    code, out, err = buff("run", "import-legacy")
    assert (code, err.partition(":")[0]) == (8, "RUNS_ROOT_UNSET")


def test_one_legacy_run_is_shown_with_its_problems(buff: Command) -> None:
    code, out, _ = buff("run", "show", "stage5")
    assert code == 0
    assert "created\t2024-01-01T00:00:00Z (the earliest time in its data)" in out
    assert "max_drawdown\t-0.0210" in out, "the sign as it was written"
    assert "warning\tohlcv_1m.parquet\tthe name says 1m, but the bars are 1h apart" in out
    document = json.loads(buff("run", "show", "stage5_demo", "--json")[1])
    assert (document["legacy"], document["bars"][0]["timeframe"], len(document["trades"])) == (True, "1h", 2)
    assert json.loads(buff("run", "show", "alice", "--json")[1])["trades"][0]["kind"] == "round_trip"


def test_a_run_comes_before_a_legacy_run_of_the_same_name(buff: Command, root: Path, artifacts: Path) -> None:
    ours = opened(root).runs().items[0].run_id
    stage5(artifacts, ours)
    assert "manifest" in json.loads(buff("run", "show", ours, "--json")[1])
    assert json.loads(buff("run", "show", ours, "--legacy", "--json")[1])["legacy"]
    code, _, err = buff("run", "show", "nothing")
    assert (code, err.partition(":")[0]) == (5, "RUN_NOT_FOUND")


def test_a_legacy_run_cannot_be_verified_and_says_why(buff: Command, root: Path) -> None:
    before = len(events(root))
    code, out, _ = buff("run", "verify", "phase1_demo")
    assert code == 12
    assert out.startswith("INPUTS_MISSING  phase1_demo\n  a legacy run cannot be verified")
    code, out, _ = buff("run", "verify", "phase1_demo", "--json")
    assert (code, json.loads(out)["outcome"]) == (12, "inputs_missing")
    assert len(events(root)) == before, "no verdict on it is recorded"


def test_the_plan_is_a_table_a_document_and_a_file(buff: Command, tmp_path: Path) -> None:
    target = tmp_path / "plan.json"
    code, out, _ = buff("run", "import-legacy", "--out", str(target))
    assert code == 0
    assert "buff run create --csv CSV_FILE --symbol BTCUSDT --timeframe 5m --strategy ma_cross" in out
    assert "Nothing was copied or changed." in out
    document = json.loads(buff("run", "import-legacy", "--json")[1])
    assert document == json.loads(target.read_bytes())
    assert (document["schema_version"], len(document["runs"])) == ("migration_plan.v1", 4)


def test_the_command_of_a_plan_makes_a_run_once_the_gap_is_filled(buff: Command, minutes: Path, tmp_path: Path) -> None:
    plan = json.loads(buff("run", "import-legacy", "--json")[1])
    (run,) = [each for each in plan["runs"] if list(each["missing"]) == ["CSV_FILE"]]
    code, out, err = buff(*(str(minutes) if word == "CSV_FILE" else word for word in run["arguments"]), "--json")
    assert (code, err) == (0, "")
    inputs = json.loads(out)["run_id"]
    document = json.loads(buff("run", "show", inputs, "--json")[1])
    assert document["manifest"]["inputs"]["strategy"]["params"] == {"direction": "long", "fast": 3, "slow": 8}
    assert document["registry"]["tags"] == ["legacy"]


@pytest.mark.parametrize("name", ["artifacts/plan.json", "artifacts/phase1_demo/plan.json", "there", "none/plan.json"])
def test_a_plan_is_written_into_a_new_file_outside_the_artifacts_root(
    buff: Command, artifacts: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "there").write_text("mine")
    before = fingerprint(artifacts)
    code, out, err = buff("run", "import-legacy", "--out", str(tmp_path / name))
    assert (code, out, err.partition(":")[0]) == (3, "", "RUN_CONFIG_INVALID")
    assert (tmp_path / "there").read_text() == "mine"
    assert fingerprint(artifacts) == before


def test_no_command_changes_the_artifacts_root(buff: Command, artifacts: Path) -> None:
    before = fingerprint(artifacts)
    for words in (
        ("list",), ("list", "--legacy", "--json"), ("show", "stage5_demo"), ("verify", "stage5_demo"),
        ("import-legacy",),
    ):  # fmt: skip
        buff("run", *words)
    assert fingerprint(artifacts) == before


def test_links_that_were_passed_over_are_told(buff: Command, artifacts: Path, tmp_path: Path) -> None:
    (artifacts / "elsewhere").symlink_to(phase1(tmp_path / "outside"))
    assert "legacy: elsewhere is a link; links are not followed" in buff("run", "list")[2]
    assert "legacy: elsewhere is a link; links are not followed" in buff("run", "import-legacy")[2]


def test_an_artifacts_root_without_runs_says_so(buff: Command, tmp_path: Path) -> None:
    empty = ("--artifacts-root", str(tmp_path))
    assert "No legacy runs here" in buff("run", "list", "--legacy", *empty)[2]
    assert "No legacy runs here" in buff("run", "import-legacy", *empty)[1]
