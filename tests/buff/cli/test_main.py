"""The command line as scripts and people meet it: JSON, tables, exit codes, help, and Ctrl-C."""

import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from buff.cli.main import VERBS
from buff.cli.main import run as command_line
from buff.cli.show import MONTHS
from buff.errors import CODES
from whole import arguments, buff, environment, make, names, opened, process, request, write_csv

CAPTURE = pytest.CaptureFixture[str]


def said(capsys: CAPTURE, *words: str) -> tuple[int, str, str]:
    """Run one command line in this process; return its exit code, its output and its errors."""
    capsys.readouterr()
    code = command_line(list(words))
    return code, *capsys.readouterr()


def told(capsys: CAPTURE, *words: str) -> Any:
    """Run one command line with --json and return what it printed, decoded."""
    code, out, err = said(capsys, *words, "--json")
    assert (code, err) == (0, "")
    assert out.count("\n") == 1, "one line for a pipe"
    return msgspec.json.decode(out)


# Help and usage

COMMANDS = [
    (),
    *((verb,) for verb in sorted(VERBS)),
    *(("run", verb) for verb in ("create", "list", "show", "verify", "annotate", "archive", "restore")),
    *(("store", verb) for verb in ("backup", "gc", "restore", "stats")),
    *(("data", verb) for verb in ("diff", "export", "ingest", "ingests", "inspect", "list", "profiles", "show")),
    *(("strategies", verb) for verb in ("list", "new", "show")),
    *(("kill-switch", verb) for verb in ("off", "on", "status")),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "buff")
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_verb_has_help(capsys: CAPTURE, command: Sequence[str], flag: str) -> None:
    code, out, err = said(capsys, *command, flag)
    assert (code, err) == (0, "")
    assert "Usage:" in out
    assert len(out.splitlines()) > 3


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    """CPU time, as the best of three, so that a busy machine does not fail it."""
    seconds = []
    for _ in range(4):
        before = os.times()
        done = buff("--help")
        after = os.times()
        assert done.returncode == 0
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(seconds) < 1.0
    code = (
        "from buff.cli.main import run; run(['--help']); import sys; assert not {'numpy', 'pyarrow'} & set(sys.modules)"
    )
    assert process(["-c", code]).returncode == 0


def test_the_version_is_told(capsys: CAPTURE) -> None:
    import buff as package

    assert said(capsys, "--version")[:2] == (0, f"buff, version {package.__version__}\n")


@pytest.mark.parametrize(
    "words",
    [("fly",), ("run", "fly"), ("run", "list", "--limit", "many"), ("run", "show"), ("run", "create", "--fly"),
     ("run", "create", "--min-fee", "much"), ("data", "inspect"), ("strategies", "show")],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_is_exit_code_2(capsys: CAPTURE, words: Sequence[str]) -> None:
    code, out, err = said(capsys, *words)
    assert (code, out) == (2, "")
    assert "Error" in err


def test_a_verb_that_is_forgotten_shows_help() -> None:
    done = buff("run")
    assert done.returncode == 2
    assert "Usage:" in done.stdout + done.stderr


def test_no_verb_can_place_an_order() -> None:
    assert not {"order", "trade", "buy", "sell", "live", "broker", "connect"} & set(VERBS)


# Create


def test_create_prints_the_id_and_what_to_type_next(capsys: CAPTURE, root: Path, minutes: Path) -> None:
    words = ["run", "create", *arguments(request(minutes, risk_level=4)), "--runs-root", str(root)]
    code, out, err = said(capsys, *words)
    assert (code, err) == (0, "")
    run_id = re.match(r"created +(run_[0-9a-f]{16})\n", out)
    assert run_id is not None
    assert "run verify" in out
    assert said(capsys, *words)[1].startswith("exists ")


def test_create_in_json_has_the_documented_members(capsys: CAPTURE, root: Path, minutes: Path) -> None:
    found = told(capsys, "run", "create", *arguments(request(minutes)), "--runs-root", str(root))
    assert set(found) == {"run_id", "existed", "state", "dataset_id", "inputs_hash", "inputs", "warnings", "metrics"}
    assert found["existed"] is True
    assert found["run_id"] == f"run_{found['inputs_hash'][:16]}"


def test_every_field_of_a_request_has_an_option(capsys: CAPTURE, root: Path, minutes: Path) -> None:
    values = request(
        minutes,
        profile="buff",
        timezone="UTC",
        gaps="keep",
        base_timeframe="1m",
        start="2024-01-01T06:00:00Z",
        end="2024-01-02",
        commission_bps=1.5,
        slippage_bps=2.5,
        min_fee=0.5,
        initial_equity=5_000.0,
        run_id="mine",
        name="my run",
        notes="as it was",
        tags=["one", "two"],
    )
    values["timezone"] = None
    found = told(
        capsys,
        "run",
        "create",
        *arguments({name: value for name, value in values.items() if value is not None}),
        "--runs-root",
        str(root),
    )
    assert found["run_id"] == "mine"
    assert found["inputs"]["costs"] == {"commission_bps": 1.5, "slippage_bps": 2.5, "min_fee": 0.5}
    assert (found["inputs"]["start"], found["inputs"]["initial_equity"]) == ("2024-01-01T06:00:00Z", 5_000.0)
    entry = opened(root).entry("mine")
    assert (entry.name, entry.notes, entry.tags) == ("my run", "as it was", ["one", "two"])


def test_risk_is_short_for_risk_level(capsys: CAPTURE, root: Path, minutes: Path) -> None:
    words = arguments({name: value for name, value in request(minutes).items() if name != "risk_level"})
    assert told(capsys, "run", "create", *words, "--risk", "3", "--runs-root", str(root))["existed"]


def test_a_dry_run_prints_the_plan_and_commits_nothing(capsys: CAPTURE, tmp_path: Path, minutes: Path) -> None:
    root = tmp_path / "root"
    words = ["run", "create", *arguments(request(minutes)), "--runs-root", str(root)]
    code, out, err = said(capsys, *words, "--dry-run")
    assert (code, err) == (0, "")
    assert not root.exists()
    plan = msgspec.json.decode(out)
    assert plan["run_id"] == told(capsys, *words)["run_id"]


@pytest.mark.parametrize("pair", ["fast", "=3", "fast=3=4x"])
def test_a_parameter_that_is_no_pair_is_refused_and_told(capsys: CAPTURE, root: Path, minutes: Path, pair: str) -> None:
    words = arguments(request(minutes, params=None))
    code, _, err = said(capsys, "run", "create", *words, "--param", pair, "--runs-root", str(root))
    assert (code, err.partition(":")[0] in ("RUN_CONFIG_INVALID", "STRATEGY_INVALID")) == (3, True)
    assert opened(root).state.rejected == 1


def test_a_parameter_given_twice_is_refused(capsys: CAPTURE, root: Path, minutes: Path) -> None:
    words = arguments(request(minutes))
    code, _, err = said(capsys, "run", "create", *words, "--param", "fast=4", "--runs-root", str(root))
    assert (code, "given twice" in err) == (3, True)


# Request files


def config(folder: Path, text: str, name: str = "request.json") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_request_file_is_the_same_as_arguments(capsys: CAPTURE, root: Path, minutes: Path, tmp_path: Path) -> None:
    values = request(minutes)
    as_json = config(tmp_path, msgspec.json.encode(values).decode())
    as_toml = config(
        tmp_path,
        f'csv = "{minutes}"\nsymbol = "BTCUSDT"\ntimeframe = "1h"\nstrategy = "ma_cross"\nrisk_level = 3\n'
        "[params]\nfast = 3\nslow = 8\n",
        "request.toml",
    )
    for file in (as_json, as_toml):
        assert told(capsys, "run", "create", "--config", file, "--runs-root", str(root))["existed"]


def test_options_win_over_the_request_file(capsys: CAPTURE, root: Path, minutes: Path, tmp_path: Path) -> None:
    file = config(
        tmp_path, msgspec.json.encode(request(minutes, symbol="OTHER", params={"fast": 2, "slow": 8})).decode()
    )
    words = ("--config", file, "--symbol", "BTCUSDT", "--param", "fast=3")
    assert told(capsys, "run", "create", *words, "--runs-root", str(root))["existed"]


FILES = [
    ("{", "request.json", "REQUEST_INVALID"),
    ("", "request.json", "REQUEST_INVALID"),
    ("[]", "request.json", "REQUEST_INVALID"),
    ('"text"', "request.json", "REQUEST_INVALID"),
    ('{"symbol":"A","symbol":"B"}', "request.json", "REQUEST_INVALID"),
    ('{"params":{"fast":1,"fast":2}}', "request.json", "REQUEST_INVALID"),
    ("\ufeff{}", "request.json", None),
    ("a = 1\na = 2\n", "request.toml", "REQUEST_INVALID"),
    ("= 1", "request.toml", "REQUEST_INVALID"),
    ("{}", "request.yaml", "REQUEST_INVALID"),
    ("{}", "request", "REQUEST_INVALID"),
    ('{"quick":1}', "request.json", "RUN_CONFIG_INVALID"),
    ('{"symbol":1}', "request.json", "RUN_CONFIG_INVALID"),
    ('{"risk_level":"3"}', "request.json", None),
    ('{"risk_level":NaN}', "request.json", None),
    ('{"params":[1]}', "request.json", "RUN_CONFIG_INVALID"),
    ('{"strategy":7}', "request.json", "RUN_CONFIG_INVALID"),
    ('{"name":"\\ud800"}', "request.json", "RUN_CONFIG_INVALID"),
    ("start = 2024-01-01", "request.toml", "RUN_CONFIG_INVALID"),
    ("[" * 100_000, "request.json", "REQUEST_INVALID"),
]


@pytest.mark.parametrize(("text", "name", "code"), FILES, ids=lambda part: repr(part)[:30])
@pytest.mark.parametrize("typed", [(), ("--param", "fast=3")], ids=["", "param"])
def test_a_bad_request_file_is_refused_in_words(
    capsys: CAPTURE, root: Path, tmp_path: Path, text: str, name: str, code: str | None, typed: Sequence[str]
) -> None:
    words = ["run", "create", "--config", config(tmp_path, text, name), *typed, "--runs-root", str(root), "--json"]
    found, out, err = said(capsys, *words)
    error = msgspec.json.decode(err)
    assert (found, out) == (CODES[error["code"]].exit_code, "")
    if code is not None:
        assert error["code"] == code
    assert set(error) == {"code", "message", "details", "hint"}
    assert error["hint"]
    assert opened(root).state.rejected == 1


@pytest.mark.parametrize("kind", ["missing", "directory", "bytes"])
def test_a_request_file_that_cannot_be_read_is_refused(capsys: CAPTURE, root: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "request.json"
    if kind == "directory":
        path.mkdir()
    if kind == "bytes":
        path.write_bytes(b"\xff\xfe\x00")
    code, _, err = said(capsys, "run", "create", "--config", str(path), "--runs-root", str(root), "--json")
    assert (code, msgspec.json.decode(err)["code"]) == (3, "REQUEST_INVALID")


# List, show, verify


def test_lists_in_json_have_items_next_and_total(capsys: CAPTURE, root: Path, minutes: Path) -> None:
    make(root, minutes, run_id="mine", symbol="ETHUSDT", tags=["good"])
    found = told(capsys, "run", "list", "--runs-root", str(root))
    assert set(found) >= {"items", "next", "total"}
    assert [item["symbol"] for item in found["items"]] == ["ETHUSDT", "BTCUSDT"]
    assert (found["next"], found["total"]) == (None, 2)
    page = told(capsys, "run", "list", "--limit", "1", "--runs-root", str(root))
    assert (page["next"], page["total"]) == (1, 2)


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ((), 2), (("--symbol", "ethusdt"), 1), (("--symbol", "XRP"), 0), (("--timeframe", "1h"), 2),
        (("--timeframe", "1d"), 0), (("--strategy", "ma_cross"), 2), (("--risk", "3"), 1), (("--risk-level", "5"), 1),
        (("--tag", "good"), 1), (("--since", "2000-01-01"), 2), (("--until", "2000-01-01"), 0), (("--as-of", "6"), 1),
        (("--as-of", "0"), 0), (("--sort", "net_return"), 2), (("--sort", "-risk_level", "--after", "1"), 1),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else str(part),
)  # fmt: skip
def test_lists_are_filtered_sorted_and_cut(
    capsys: CAPTURE, root: Path, minutes: Path, words: Sequence[str], count: int
) -> None:
    make(root, minutes, run_id="mine", symbol="ETHUSDT", tags=["good"], risk_level=5)
    assert len(told(capsys, "run", "list", *words, "--runs-root", str(root))["items"]) == count


@pytest.mark.parametrize("words", [("--sort", "luck"), ("--limit", "0"), ("--limit", "5000"), ("--after", "-1")])
def test_a_list_that_cannot_be_is_refused(capsys: CAPTURE, root: Path, words: Sequence[str]) -> None:
    code, _, err = said(capsys, "run", "list", *words, "--runs-root", str(root))
    assert (code, err.partition(":")[0]) == (3, "RUN_CONFIG_INVALID")


def test_tables_in_a_pipe_are_separated_by_tabs(capsys: CAPTURE, root: Path) -> None:
    code, out, _ = said(capsys, "run", "list", "--runs-root", str(root))
    heading, row = (line.split("\t") for line in out.splitlines())
    assert (code, heading[0], row[0]) == (0, "run", names(root)["runs"][0])
    assert len(heading) == len(row)
    assert "\x1b" not in out


def test_an_empty_list_says_what_to_do(capsys: CAPTURE, tmp_path: Path) -> None:
    code, out, err = said(capsys, "run", "list", "--runs-root", str(tmp_path))
    assert (code, out) == (0, "")
    assert "buff run create" in err or "run create" in err


def test_a_run_is_shown_whole(capsys: CAPTURE, root: Path) -> None:
    run_id = names(root)["runs"][0]
    found = told(capsys, "run", "show", run_id[:8], "--runs-root", str(root))
    assert set(found) == {
        "run_id", "registry", "manifest", "metrics", "tried", "warnings", "returns", "trades", "timeline"
    }  # fmt: skip
    assert found["tried"] == {"trials": 1, "on_symbol": 1, "sweeps": [], "unread": []}
    assert found["run_id"] == found["manifest"]["run_id"] == found["registry"]["run_id"] == run_id
    code, out, _ = said(capsys, "run", "show", run_id, "--runs-root", str(root))
    assert code == 0
    assert "inputs hash" in out
    assert "\nthis is the only run tried of BTCUSDT in this root\n" in out
    assert "\nnet_return\t" in out
    assert "\nyear\tof\tJan\tFeb\t" in out


def test_verify_tells_and_exits_by_its_verdict(capsys: CAPTURE, root: Path, minutes: Path) -> None:
    run_id = names(root)["runs"][0]
    words = ("run", "verify", run_id, "--runs-root", str(root), "--source", str(minutes))
    assert said(capsys, *words)[:2] == (0, f"IDENTICAL  {run_id}\n")
    path = root / run_id / "metrics.json"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"null", b"0000", 1))
    seq = opened(root).state.seq
    code, out, _ = said(capsys, *words, "--json", "--no-record")
    verdict = msgspec.json.decode(out)
    assert (code, verdict["exit_code"], verdict["outcome"]) == (13, 13, "damaged")
    assert verdict["difference"]["artifact"] == "metrics.json"
    assert opened(root).state.seq == seq
    code, out, _ = said(capsys, *words)
    assert (code, out.splitlines()[0]) == (13, f"DAMAGED  {run_id}")
    assert "first difference: metrics.json" in out


@pytest.mark.parametrize("verb", ["show", "verify"])
def test_an_unknown_run_is_exit_code_5(capsys: CAPTURE, root: Path, verb: str) -> None:
    code, _, err = said(capsys, "run", verb, "run_ffff", "--runs-root", str(root), "--json")
    assert (code, msgspec.json.decode(err)["code"]) == (5, "RUN_NOT_FOUND")


@pytest.mark.parametrize("words", [("run", "list"), ("run", "show", "x"), ("run", "verify", "x"), ("data", "list")])
def test_without_a_root_every_verb_says_so(
    capsys: CAPTURE, monkeypatch: pytest.MonkeyPatch, words: Sequence[str]
) -> None:
    monkeypatch.delenv("RUNS_ROOT", raising=False)
    code, _, err = said(capsys, *words)
    assert (code, err.partition(":")[0]) == (8, "RUNS_ROOT_UNSET")
    code, _, err = said(capsys, *words, "--runs-root", "/nowhere/at/all")
    assert (code, err.partition(":")[0]) == (8, "RUNS_ROOT_INVALID")


# Data and strategies


def test_inspect_tells_what_a_file_is_and_stores_nothing(capsys: CAPTURE, minutes: Path) -> None:
    found = told(capsys, "data", "inspect", str(minutes))
    assert (found["accepted"], found["rows"], found["gaps"]) == (True, 2_880, 0)
    assert (found["first"], found["last"]) == ("2024-01-01T00:00:00Z", "2024-01-02T23:59:00Z")
    assert len(found["first_rows"]) == 5
    code, out, _ = said(capsys, "data", "inspect", str(minutes))
    assert code == 0
    assert f"run create --csv {minutes}" in out


def test_inspect_of_a_bad_file_is_exit_code_4_with_its_lines(capsys: CAPTURE, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("ts,open,high,low,close,volume\n2024-01-01T00:00:00Z,1,2,1,2,1\n2024-01-01T00:01:00Z,1,0.5,1,2,1\n")
    code, out, err = said(capsys, "data", "inspect", str(bad), "--json")
    assert (code, err) == (4, "")
    problem = msgspec.json.decode(out)["problem"]
    assert (problem["details"]["rule"], problem["details"]["offences"][0]["line"]) == ("OHLC", 3)
    code, _, err = said(capsys, "data", "inspect", str(bad))
    assert code == 4
    assert "line 3" in err
    assert "[OHLC]" in err
    assert said(capsys, "data", "inspect", str(tmp_path / "absent.csv"))[0] == 4


def test_datasets_are_listed(capsys: CAPTURE, root: Path) -> None:
    found = told(capsys, "data", "list", "--runs-root", str(root))
    assert [item["dataset_id"] for item in found["items"]] == names(root)["_datasets"]
    code, out, _ = said(capsys, "data", "list", "--runs-root", str(root))
    assert code == 0
    assert names(root)["_datasets"][0][:16] in out


def test_strategies_are_listed_and_shown(capsys: CAPTURE) -> None:
    listed = [item["id"] for item in told(capsys, "strategies", "list")["items"]]
    assert {"hold", "ma_cross"} <= set(listed)
    for known in listed:
        shown = told(capsys, "strategies", "show", known)
        assert (shown["id"], len(shown["source_sha256"])) == (known, 64)
        assert said(capsys, "strategies", "show", known)[0] == 0
    assert said(capsys, "strategies", "list")[1].startswith("id\tversion\t")
    assert said(capsys, "strategies", "show", "moonshot")[0] == 3


# Doctor and demo


def test_the_doctor_looks_at_a_root_and_changes_nothing(capsys: CAPTURE, root: Path) -> None:
    before = sorted(root.rglob("*"))
    found = told(capsys, "doctor", "--runs-root", str(root))
    assert (found["root"]["runs"], found["root"]["datasets"]) == (1, 1)
    assert {check["code"] for check in found["root"]["checks"]} == {"OK"}
    assert found["root"]["synced_write_microseconds"] == found["root"]["disk"]["sync_median_microseconds"] > 0
    assert found["root"]["load"]["runs"] == 1
    assert found["root"]["outlook"]["events_per_second"] > 0
    assert len(found["root"]["expectations"]) == 3
    assert found["parts"]["numpy"]
    assert sorted(root.rglob("*")) == before
    code, out, _ = said(capsys, "doctor", "--runs-root", str(root))
    assert code == 0
    assert "synced_write_microseconds\t" in out
    assert "kill_switch\tOK\tthe kill switch is off" in out
    assert "write_bytes_per_second\t" in out
    assert "\n- a synced write takes " in out


def test_the_doctor_says_that_nothing_can_be_written(root: Path) -> None:
    """A process that may write no byte to a file meets what a full disk says."""
    before = sorted(root.rglob("*"))
    no_byte = ["-c", "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (0, 0)); import buff.__main__ as b; b.main()"]
    done = process([*no_byte, "doctor", "--json", "--runs-root", str(root)])
    assert done.stderr == ""
    found = msgspec.json.decode(done.stdout)["root"]
    assert (found["synced_write_microseconds"], found["runs"]) == (None, 1)
    assert (found["outlook"], found["expectations"]) == (None, [])
    assert found["advice"][0] == "nothing can be written in this root: File too large; free some space"
    assert (found["checks"][0]["name"], found["checks"][0]["code"]) == ("root", "STORAGE_FULL")
    assert sorted(root.rglob("*")) == before


def test_the_doctor_says_what_dead_processes_left(capsys: CAPTURE, root: Path) -> None:
    for folder, size in (("_staging/dead/ing_1", 1_000), ("_orphans/ing_0.0", 2_000)):
        (root / folder).mkdir(parents=True)
        (root / folder / "ts.npy").write_bytes(bytes(size))
    found = told(capsys, "doctor", "--runs-root", str(root))["root"]
    assert (found["abandoned_bytes"], found["orphan_bytes"]) == (1_000, 2_000)
    assert [advice for advice in found["advice"] if "dead" in advice] == [
        "what dead processes left takes 1,000 bytes in _staging: the next writer moves it to _orphans; "
        "`buff store gc --apply --orphans` frees it",
        "what dead processes left takes 2,000 bytes in _orphans: `buff store gc --apply --orphans` frees it",
    ]


def test_the_doctor_needs_no_root(capsys: CAPTURE, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RUNS_ROOT", raising=False)
    assert "RUNS_ROOT is not set" in told(capsys, "doctor")["root"]["says"]
    assert "not a directory" in told(capsys, "doctor", "--runs-root", str(tmp_path / "absent"))["root"]["says"]


def test_the_demo_does_the_main_job_in_one_command(tmp_path: Path) -> None:
    """In a root that is given, and again in the same root: the run is then already there."""
    root = tmp_path / "demo"
    for says in ("committed", "already there"):
        done = buff("demo", "--runs-root", str(root), env={"TMPDIR": str(tmp_path)})
        assert (done.returncode, done.stderr) == (0, "")
        assert says in done.stdout
        assert "identical" in done.stdout
        assert "What to type next" in done.stdout
    assert len(names(root)["runs"]) == 1
    assert opened(root).runs().items[0].verdict == "identical"


# Surroundings


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([b"data", b"inspect", b"bad\xff.csv"], 4),
        ([b"data", b"inspect", b"minutes.csv", b"--columns", b"close=\xff", b"--profile", b"ccxt"], 3),
        ([b"data", b"export", b"DATASET", b"--out", b"o\xff.csv"], 0),
        ([b"data", b"show", b"\xff"], 5),
        ([b"doctor", b"--runs-root", b"no\xff"], 0),
    ],
    ids=["inspect", "columns", "export", "show", "doctor"],
)
def test_names_that_are_no_utf_8_can_be_said_in_json(
    root: Path, minutes: Path, tmp_path: Path, words: list[bytes], code: int
) -> None:
    (tmp_path / "minutes.csv").write_bytes(minutes.read_bytes())
    dataset_id = opened(root).datasets()[0].dataset_id.encode()
    given = [os.fsdecode(dataset_id if word == b"DATASET" else word) for word in (*words, b"--json")]
    done = buff(*given, env={"RUNS_ROOT": str(root)}, cwd=tmp_path)
    assert "Traceback" not in done.stderr
    found = msgspec.json.decode((done.stdout or done.stderr).encode())
    assert "?" in str(found)
    assert done.returncode == code


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("words", [("list",), ("list", "--json"), ("export", "DATASET", "--out", "-")])
def test_output_that_cannot_be_written_is_an_error_of_its_own(root: Path, words: Sequence[str]) -> None:
    dataset_id = opened(root).datasets()[0].dataset_id
    words = [dataset_id if word == "DATASET" else word for word in words]
    with open("/dev/full", "wb") as full:
        done = buff("data", *words, env={"RUNS_ROOT": str(root)}, stdout=full)
    assert done.returncode == CODES["OUTPUT_FAILED"].exit_code == 9
    assert "OUTPUT_FAILED" in done.stderr.splitlines()[0]
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("words", [("data", "inspect", "CSV"), ("data", "export", "DATASET", "--out", "-")])
def test_a_command_whose_reader_left_ends_quietly(root: Path, minutes: Path, words: Sequence[str]) -> None:
    named = {"CSV": str(minutes), "DATASET": opened(root).datasets()[0].dataset_id}
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as left:
        done = buff(*(named.get(word, word) for word in words), env={"RUNS_ROOT": str(root)}, stdout=left)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_command_needs_no_standard_output(root: Path) -> None:
    closed = ["-c", "import sys; sys.stdout = None; import buff.__main__ as b; sys.exit(b.main())"]
    done = process([*closed, "data", "list", "--runs-root", str(root)])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_json_errors_have_one_shape(capsys: CAPTURE, root: Path) -> None:
    code, out, err = said(capsys, "run", "create", "--runs-root", str(root), "--json")
    assert (code, out) == (3, "")
    assert set(msgspec.json.decode(err)) == {"code", "message", "details", "hint"}


def test_a_reader_that_leaves_early_is_no_error(root: Path) -> None:
    command = f"{sys.executable} -m buff run show {names(root)['runs'][0]} --runs-root {root} | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], env=environment(), capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert done.stdout.startswith("<Run run_")


def on_a_terminal(words: Sequence[str], **env: str) -> tuple[int, str]:
    """Run the command line on a pseudo terminal; return its exit code and all it drew."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "buff", *words],
        env=environment(TERM="xterm-256color", **env),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as child:
        os.close(theirs)
        drawn = b""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                part = os.read(ours, 65_536)
            except OSError:
                break  # Linux says EIO when the last writer left
            if not part:
                break
            drawn += part
        code = child.wait(30)
    os.close(ours)
    return code, drawn.decode("utf-8", "replace")


def test_a_terminal_gets_a_drawn_table_and_indented_json(root: Path) -> None:
    code, drawn = on_a_terminal(["run", "list", "--runs-root", str(root)])
    assert code == 0
    assert "─" in drawn
    assert "\t" not in drawn
    code, drawn = on_a_terminal(["run", "list", "--runs-root", str(root), "--json"])
    assert '\r\n  "items": [' in drawn


@pytest.mark.parametrize(("columns", "tables"), [("80", 2), ("200", 1)])
def test_months_are_shown_in_halves_where_a_year_does_not_fit(root: Path, columns: str, tables: int) -> None:
    run_id = names(root)["runs"][0]
    _, drawn = on_a_terminal(["run", "show", run_id, "--runs-root", str(root)], COLUMNS=columns, NO_COLOR="1")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", drawn)
    assert len(re.findall(r"^ *year +of ", plain, re.MULTILINE)) == tables
    assert all(month in plain for month in MONTHS)


def test_no_color_is_respected(root: Path) -> None:
    for words in (["run", "list", "--runs-root", str(root)], ["--help"], ["run", "create", "--help"]):
        _, drawn = on_a_terminal(words, NO_COLOR="1")
        colours = re.findall(r"\x1b\[[0-9;]*m", drawn)
        assert not [code for code in colours if re.search(r"[\[;](3[0-8]|4[0-8]|9[0-7]|10[0-7])[;m]", code)]


def test_a_terminal_sees_progress_for_what_takes_longer(tmp_path: Path) -> None:
    csv = write_csv(tmp_path / "many.csv", minutes=260_000)
    words = ["run", "create", *arguments(request(csv, timeframe="1m")), "--runs-root", str(tmp_path / "root")]
    code, drawn = on_a_terminal(words)
    assert code == 0, drawn
    assert "created" in drawn


def test_every_offence_can_be_written_to_a_file(tmp_path: Path, root: Path) -> None:
    """All of them, not the first twenty; and where long steps are the file's spacing, that one offence alone."""
    out = tmp_path / "offences.jsonl"
    rows = [f"2024-01-01T{hour:02d}:{minute:02d}:00Z,1,2,1,x,0" for hour in range(2) for minute in range(60)]
    for lines, rules in ((rows, ["CELL"] * 120), ([row.replace("x", "1") for row in rows[::5]], ["SPACING"])):
        csv = tmp_path / "bad.csv"
        csv.write_text("\n".join(["ts,open,high,low,close,volume", *lines]))
        words = ["--csv", str(csv), "--symbol", "X", "--timeframe", "1h", "--strategy", "hold", "--risk", "1"]
        done = buff("run", "create", *words, "--runs-root", str(root), "--errors-out", str(out))
        assert done.returncode == 4
        assert [msgspec.json.decode(line)["rule"] for line in out.read_bytes().splitlines()] == rules
