"""`buff sweep`: what a person and a script see of many runs at once."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from buff.cli.main import run
from whole import names, opened, write_csv

GRID = ["--timeframe", "1h", "--strategy", "ma_cross", "--param", "fast=2..4..2", "--param", "slow=4,6", "--risk", "3"]

HEADS = ["net_return", "sharpe", "max_drawdown"]


@pytest.fixture(autouse=True)
def _free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUFF_FREE_BYTES_MIN", "0")


@pytest.fixture
def asked(root: Path) -> list[str]:
    """A grid of four combinations, of which the strategy does not allow one."""
    return ["sweep", "--runs-root", str(root), "--dataset", opened(root).datasets()[0].dataset_id, *GRID]


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_sweep_says_what_it_did_and_where_to_look(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(asked) == 0
    out = capsys.readouterr().out
    assert ": ma_cross, fast 2 x slow 2\nruns     3 tried, 1 skipped, 3 made, 0 existed, 0 failed\nlook: buff" in out
    assert run([*asked, "--json"]) == 0
    found = printed(capsys)
    assert (found["sweep"]["trials"], len(found["runs"]), found["failures"]) == (3, 3, [])
    assert [each["request"]["params"] for each in found["skipped"]] == [{"fast": 4, "slow": 4}]


def test_whoever_interrupts_a_sweep_is_told_how_it_goes_on(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("buff.sweeps.carried_out", interrupted)
        assert run(asked) == 130
    assert "the same command goes on from there" in capsys.readouterr().err
    assert run(asked) == 0


def test_a_dry_run_makes_nothing(asked: list[str], root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = names(root)
    assert run([*asked, "--dry-run"]) == 0
    assert capsys.readouterr().out == "3 runs; 1 combination skipped; nothing was made\n"
    assert run([*asked, "--dry-run", "--sample", "2", "--json"]) == 0
    assert printed(capsys)["runs"] == 2
    assert names(root) == before


def test_a_dry_run_refuses_what_would_be_refused(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BUFF_SWEEP_RUNS_MAX", "2")
    assert run([*asked, "--dry-run"]) == 7
    assert "3 runs, 2 are allowed" in capsys.readouterr().err
    assert run([*asked[:-6], "--param", "fast=6", "--param", "slow=4", "--risk", "3", "--dry-run"]) == 3
    assert "the sweep has no runs: 1 combination skipped" in capsys.readouterr().err


def test_results_are_shown_and_written_in_the_order_of_the_requests(
    asked: list[str], root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--csv", str(tmp_path / "r.csv"), "--parquet", str(tmp_path / "r.parquet")]
    assert run([*asked, "--json", *files]) == 0
    found = printed(capsys)
    show = ["sweep", "show", found["sweep"]["sweep"][:10], "--runs-root", str(root)]
    assert run(show) == 0
    captured = capsys.readouterr()
    lines = [line.split("\t") for line in captured.out.splitlines() if line.startswith(("run\t", "run_"))]
    assert lines[0] == ["run", "params", "risk", "trials", *HEADS, "deflated", "trades", "state"]
    assert [line[0] for line in lines[1:]] == found["runs"]
    assert {line[3] for line in lines[1:]} == {"3"}
    assert captured.err.startswith("skipped: fast=4 slow=4: strategy ma_cross: ")
    assert run([*show, "--json"]) == 0
    rows = printed(capsys)["rows"]
    with (tmp_path / "r.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["run_id"] for row in table] == [row["run_id"] for row in rows] == found["runs"]
    assert [float(row["sharpe"]) for row in table] == [row["metrics"]["sharpe"] for row in rows]
    assert [row["trials"] for row in table] == ["3"] * 3
    columns = parquet.read_table(tmp_path / "r.parquet").to_pydict()
    assert columns["params.slow"] == [4, 6, 6]
    assert run([*show, *files]) == 3, "what is there is not replaced"
    assert run([*show, *files, "--force"]) == 0


def test_sweeps_are_listed_the_newest_first(asked: list[str], root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sweep", "list", "--runs-root", str(root)]) == 0
    assert "No sweeps here yet" in capsys.readouterr().err
    assert run([*asked, "--json"]) == 0
    first = printed(capsys)["sweep"]["sweep"]
    assert run([*asked, "--train", "12h", "--test", "6h", "--json"]) == 0
    second = printed(capsys)["sweep"]["sweep"]
    assert run(["sweep", "list", "--runs-root", str(root)]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows[1:]] == [second, first]
    assert rows[1][6] == "ma_cross, fast 2 x slow 2, walk forward"
    assert run(["sweep", "list", "--runs-root", str(root), "--json"]) == 0
    assert [item["sweep"] for item in printed(capsys)["items"]] == [second, first]
    assert run(["sweep", "show", second, "--runs-root", str(root)]) == 0
    assert "net_return train\tnet_return test" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["requests.json", "requests.jsonl"])
def test_requests_of_a_file_are_run_and_failures_are_listed(
    root: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = opened(root).datasets()[0].dataset_id
    given = {"dataset": dataset, "timeframe": "1h", "strategy": "hold"}
    requests = [{**given, "risk_level": 1}, {**given, "risk_level": 7}, {**given, "risk_level": 2}]
    path = tmp_path / name
    path.write_text(json.dumps(requests) if name.endswith("json") else "\n".join(map(json.dumps, requests)))
    assert run(["sweep", "--runs-root", str(root), "--requests", str(path)]) == 3
    captured = capsys.readouterr()
    assert "runs     2 tried, 0 skipped, 2 made, 0 existed, 1 failed" in captured.out
    assert captured.err.startswith("failed: request 1: RISK_INVALID: ")
    assert captured.err.count("  What to do: 1 is the most careful") == 1
    sweep = captured.out.split("buff sweep show ")[1].strip()
    assert run(["sweep", "--runs-root", str(root), "--resume", sweep, "--json"]) == 3
    failure = printed(capsys)["failures"][0]
    assert (failure["at"], failure["error"]["code"]) == (1, "RISK_INVALID")


@pytest.mark.parametrize(
    ("content", "says"), [("{", "not valid JSON"), ("{}", "does not hold requests"), ("[1]", "does not hold requests")]
)
def test_a_file_that_holds_no_requests_is_refused(
    tmp_path: Path, content: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "requests.json"
    path.write_text(content)
    assert run(["sweep", "--runs-root", str(tmp_path / "root"), "--requests", str(path)]) == 3
    assert says in capsys.readouterr().err
    assert run(["sweep", "--runs-root", str(tmp_path / "root"), "--requests", str(tmp_path / "none.json")]) == 3
    assert not (tmp_path / "root").exists()


def test_the_line_of_a_file_that_is_no_json_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text('{"strategy": "hold"}\n\n{"strategy":\n')
    assert run(["sweep", "--runs-root", str(tmp_path / "root"), "--requests", str(path)]) == 3
    err = capsys.readouterr().err
    assert "Expecting value: line 3 column 13" in err
    assert "write a JSON object in each line" in err


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--dataset", "d" * 64],
        [*GRID],
        ["--dataset", "d" * 64, *GRID, "--train", "10d"],
        ["--dataset", "d" * 64, *GRID, "--anchored"],
        ["--requests", "x.json", "--strategy", "hold"],
        ["--resume", "swp_", "--dry-run"],
        ["--strategy", "hold", "list"],
        ["--requests", "x.json", "--sample", "2"],
        ["--requests", "x.json", "--commission-bps", "0"],
        ["--resume", "swp_", "--dataset", "d" * 64],
        ["--resume", "swp_", "--requests", "x.json"],
        ["--resume", "swp_", "--anchored"],
        ["--dataset", "d" * 64, *GRID, "--seed", "0"],
    ],
)
def test_what_does_not_go_together_is_a_mistake_of_use(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sweep", "--runs-root", str(tmp_path), *words]) == 2
    assert capsys.readouterr().err


def test_an_unknown_sweep_is_not_found(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["show", "swp_none"], ["--resume", "swp_none"]):
        at = ["--runs-root", str(root)]
        assert run(["sweep", *words, *at]) == 5
        assert capsys.readouterr().err.startswith("SWEEP_NOT_FOUND")


def test_a_list_says_of_every_run_how_many_were_tried_also_in_the_past(
    asked: list[str], root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*asked, "--json"]) == 0
    sweep = printed(capsys)["sweep"]
    assert run(["run", "list", "--runs-root", str(root), "--json"]) == 0
    newest, *_, oldest = printed(capsys)["items"]
    assert newest["tried"] == {
        "trials": 4, "on_symbol": 4, "sweeps": [{"sweep": sweep["sweep"], "trials": 3}], "unread": [],
    }  # fmt: skip
    assert (oldest["tried"]["trials"], oldest["tried"]["sweeps"]) == (4, [])
    assert run(["run", "list", "--runs-root", str(root), "--json", "--as-of", str(oldest["seq"])]) == 0
    (alone,) = printed(capsys)["items"]
    assert alone["tried"] == {"trials": 1, "on_symbol": 1, "sweeps": [], "unread": []}
    out = root.parent / "page.html"
    assert run(["run", "export", newest["run_id"], "--out", str(out), "--runs-root", str(root)]) == 0
    assert out.read_text().count("This run is one of 4 runs tried: 4 of BTCUSDT in this root") == 2


def shown(root: Path, sweep: str, monkeypatch: pytest.MonkeyPatch, columns: int) -> str:
    """Return what `sweep show` draws on a terminal of a width."""
    screen = Screen()
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout", screen)
        patched.setenv("COLUMNS", str(columns))
        assert run(["sweep", "show", sweep, "--runs-root", str(root)]) == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue())


class Screen(io.StringIO):
    """A terminal that remembers."""

    def isatty(self) -> bool:
        return True


def test_a_narrow_terminal_gets_whole_numbers_and_says_once_what_all_have_in_common(
    asked: list[str], root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*asked, "--json"]) == 0
    sweep = printed(capsys)["sweep"]["sweep"]
    assert run(["sweep", "show", sweep, "--runs-root", str(root), "--json"]) == 0
    ratios = [f"{row['metrics']['sharpe']:.4f}" for row in printed(capsys)["rows"]]
    wide, narrow = (shown(root, sweep, monkeypatch, columns) for columns in (200, 80))
    assert "in all" not in wide
    assert wide.count("direction=long") == len(ratios)
    assert "in all   direction=long, risk level 3\n" in narrow
    assert narrow.count("direction=long") == 1
    assert all(ratio in text for ratio in ratios for text in (wide, narrow))
    assert "…" not in narrow
    assert max(map(len, narrow.splitlines())) <= 80


def test_what_tells_runs_apart_has_a_column(
    asked: list[str], root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without it, the rows of two datasets or timeframes would look the same."""
    other = write_csv(tmp_path / "other.csv", seed=8)
    assert run(["data", "ingest", str(other), "--symbol", "OTHER", "--runs-root", str(root), "--json"]) == 0
    other_id = printed(capsys)["dataset_id"]
    assert run([*asked, "--dataset", other_id, "--timeframe", "30m,1h", "--json"]) == 0
    sweep = printed(capsys)["sweep"]["sweep"]
    assert run(["sweep", "show", sweep, "--runs-root", str(root)]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines() if "\t" in line]
    assert lines[0][:4] == ["run", "symbol", "timeframe", "params"]
    assert len({tuple(line[1:5]) for line in lines[1:]}) == len(lines) - 1
