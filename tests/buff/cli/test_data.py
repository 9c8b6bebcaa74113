"""`buff data`: ingest, ingests, list, show, diff and export, as scripts and people meet them."""

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bad_inputs import BAR, lines
from buff.cli.main import run as command_line
from whole import buff, events, names, opened, write_csv

CAPTURE = pytest.CaptureFixture[str]


def said(capsys: CAPTURE, *words: str) -> tuple[int, str, str]:
    """Run one command line in this process; return its exit code, its output and its errors."""
    capsys.readouterr()
    code = command_line(["data", *words])
    return code, *capsys.readouterr()


def told(capsys: CAPTURE, *words: str, code: int = 0) -> Any:
    """Run one command line with --json and return what it printed, decoded."""
    found, out, _ = said(capsys, *words, "--json")
    assert found == code
    assert out.count("\n") == 1
    return msgspec.json.decode(out)


def gap(folder: Path, *, missing: int = 7) -> Path:
    path = folder / "gap.csv"
    lines(*(f"+{n},{BAR}" for n in range(42) if n != missing))(path)
    return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root that is not there yet, named by the environment."""
    monkeypatch.setenv("RUNS_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("BUFF_USER", "tester")
    return tmp_path / "root"


def test_an_ingest_says_what_was_stored_and_what_to_type_next(capsys: CAPTURE, place: Path, minutes: Path) -> None:
    code, out, err = said(capsys, "ingest", str(minutes), "--symbol", "btcusdt")
    assert (code, err) == (0, "")
    first, facts, quality, look, following = out.splitlines()
    assert first.split() == ["stored", names(place)["_datasets"][0]]
    assert facts == "BTCUSDT 1m, 2,880 rows, 2024-01-01T00:00:00Z to 2024-01-02T23:59:00Z"
    assert quality == "quality PASS"
    assert look == f"look: buff data show {first.split()[1][:16]}"
    assert command_line(following.removeprefix("next: buff ").split()) == 0
    assert said(capsys, "ingest", str(minutes), "--symbol", "BTCUSDT")[1].startswith("exists ")


def test_an_ingest_in_json_has_the_documented_members(capsys: CAPTURE, place: Path, minutes: Path) -> None:
    found = told(capsys, "ingest", str(minutes), "--symbol", "X")
    assert set(found) == {
        "dataset_id", "existed", "symbol", "base_timeframe", "rows", "first", "last", "gaps", "missing", "filled",
        "source", "warnings", "verdict", "quality", "next",
    }  # fmt: skip
    assert found["existed"] is False
    assert told(capsys, "ingest", str(minutes), "--symbol", "X")["existed"] is True


def test_refused_data_is_exit_code_4_with_every_offence_in_a_file(capsys: CAPTURE, place: Path, tmp_path: Path) -> None:
    csv = tmp_path / "gaps.csv"
    lines(*(f"+{n},{BAR}" for n in range(90) if n % 3 != 2), f"+99,{BAR}")(csv)
    out = tmp_path / "all.jsonl"
    code, _, err = said(capsys, "ingest", str(csv), "--symbol", "X", "--errors-out", str(out))
    assert (code, err.partition(":")[0]) == (4, "DATA_INVALID")
    assert {msgspec.json.decode(line)["rule"] for line in out.read_bytes().splitlines()} == {"GAP"}
    assert len(out.read_bytes().splitlines()) == 30
    assert names(place)["_datasets"] == []
    (row,) = told(capsys, "ingests")["items"]
    assert (row["state"], row["rule"], row["line"]) == ("rejected", "GAP", 4)


def test_wrong_options_are_refused_before_there_is_a_root(capsys: CAPTURE, place: Path, minutes: Path) -> None:
    for words, code in ((("--symbol", "a b"), 3), ((), 3), (("--symbol", "X", "--gaps", "maybe"), 3)):
        assert said(capsys, "ingest", str(minutes), *words)[0] == code
    assert not place.exists()


def test_gaps_that_were_kept_are_said_everywhere(capsys: CAPTURE, place: Path, tmp_path: Path) -> None:
    code, out, err = said(capsys, "ingest", str(gap(tmp_path)), "--symbol", "X", "--gaps", "keep")
    assert code == 0
    assert "41 rows, 1 gap, " in out
    assert "(gaps WARN" in out
    assert "kept" in err
    dataset = out.split()[1]
    shown = said(capsys, "show", dataset)[1]
    assert "2024-01-01T00:06:00Z\t2024-01-01T00:08:00Z\t1" in shown
    assert "\tkeep\t" in shown
    words = ["--timeframe", "1m", "--strategy", "hold", "--risk-level", "3"]
    assert command_line(["run", "create", "--dataset", dataset, *words]) == 0
    capsys.readouterr()
    run = opened(place).runs().items[0].run_id
    assert command_line(["run", "show", run]) == 0
    assert "41 rows, gaps keep (1 of them), from gap.csv" in capsys.readouterr().out


def test_bars_that_were_made_are_said_everywhere(capsys: CAPTURE, place: Path, tmp_path: Path) -> None:
    out = said(capsys, "ingest", str(gap(tmp_path)), "--symbol", "X", "--gaps", "fill")[1]
    assert "42 rows, 1 filled" in out
    shown = said(capsys, "show", out.split()[1])[1]
    assert "(0 bars missing, 1 filled)" in shown
    assert "\tfill\t" in shown
    words = ["--timeframe", "1m", "--strategy", "hold", "--risk-level", "3"]
    assert command_line(["run", "create", "--dataset", out.split()[1], *words]) == 0
    capsys.readouterr()
    assert command_line(["run", "show", opened(place).runs().items[0].run_id]) == 0
    assert "42 rows, gaps fill (1 bar was made), from gap.csv" in capsys.readouterr().out


def test_names_of_files_break_no_row(capsys: CAPTURE, place: Path, minutes: Path, tmp_path: Path) -> None:
    odd = tmp_path / "a\tb\nc\x1b[2J.csv"
    odd.write_bytes(minutes.read_bytes())
    said(capsys, "ingest", str(odd), "--symbol", "X")
    for verb, cell in (("list", -1), ("ingests", 4)):
        rows = said(capsys, verb)[1].splitlines()
        assert len(rows) == 2
        assert rows[1].split("\t")[cell] == r"a\tb\nc\x1b[2J.csv"
        assert len(rows[1].split("\t")) == len(rows[0].split("\t"))


def test_a_ticker_that_chooses_nothing_is_refused(capsys: CAPTURE, place: Path, minutes: Path) -> None:
    code, _, err = said(capsys, "ingest", str(minutes), "--symbol", "X", "--ticker", "X")
    assert (code, err.partition(":")[0]) == (3, "RUN_CONFIG_INVALID")
    assert "files of buff name no tickers" in err


def test_a_limit_that_refuses_files_is_listed_with_them(
    capsys: CAPTURE, place: Path, minutes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUFF_FREE_BYTES_MIN", str(1 << 50))
    code, _, err = said(capsys, "ingest", str(minutes), "--symbol", "X")
    assert (code, err.partition(":")[0]) == (7, "LIMIT_EXCEEDED")
    (row,) = told(capsys, "ingests")["items"]
    assert (row["state"], row["code"], row["files"], row["symbol"]) == (
        "rejected",
        "LIMIT_EXCEEDED",
        ["minutes.csv"],
        "X",
    )


def test_a_refused_timeframe_says_that_the_data_are_stored(capsys: CAPTURE, place: Path, tmp_path: Path) -> None:
    """The dataset is there without an empty resample beside it."""
    words = ["--symbol", "X", "--gaps", "keep", "--timeframe", "1h", "--strategy", "hold", "--risk-level", "3"]
    capsys.readouterr()
    assert command_line(["run", "create", "--csv", str(gap(tmp_path)), *words, "--json"]) == 3
    error = msgspec.json.decode(capsys.readouterr().err)
    (dataset_id,) = names(place)["_datasets"]
    assert error["message"] == "the data hold no complete 1h window"
    assert error["details"]["dataset_id"] == dataset_id
    assert f"the data are stored as dataset {dataset_id[:16]}" in error["hint"]
    assert [path.name for path in (place / "_datasets" / dataset_id).iterdir() if path.is_dir()] == []


def test_windows_that_were_dropped_are_said_everywhere(capsys: CAPTURE, place: Path, tmp_path: Path) -> None:
    """Two of three quarters of an hour lack a minute; the report of the minutes themselves says nothing of windows."""
    dropped = "2 of 3 windows of 15m were dropped: they lack bars"
    words = ["run", "create", "--csv", str(gap(tmp_path)), "--symbol", "X", "--gaps", "keep", "--timeframe", "15m"]
    words += ["--strategy", "hold", "--risk-level", "3"]
    capsys.readouterr()
    assert command_line([*words, "--dry-run"]) == 0
    out, err = capsys.readouterr()
    assert msgspec.json.decode(out)["warnings"][-1] == dropped
    assert f"Warning: {dropped}" in err.splitlines()
    for existed in (False, True):  # a run that is there has the same windows
        assert command_line([*words, "--json"]) == 0
        out, err = capsys.readouterr()
        assert (msgspec.json.decode(out)["existed"], msgspec.json.decode(out)["warnings"][-1]) == (existed, dropped)
        assert f"Warning: {dropped}" in err.splitlines()
    run = opened(place).runs().items[0]
    assert command_line(["run", "show", run.run_id]) == 0
    assert f"windows\t{dropped}" in capsys.readouterr().out.splitlines()
    assert command_line(["run", "show", run.run_id, "--json"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["warnings"] == [dropped]
    shown = said(capsys, "show", run.dataset_id)[1]
    assert "dropped_windows" not in shown
    assert "timeframe\twindows\tdropped\tempty\tsize_bytes" in shown
    assert "15m\t1\t2\t0\t" in shown
    (stored,) = told(capsys, "show", run.dataset_id)["resamples"]
    assert (stored["timeframe"], stored["windows"], stored["dropped"], stored["empty"]) == ("15m", 1, 2, 0)
    sweep = ["sweep", "--dataset", run.dataset_id, "--timeframe", "1m,15m", "--strategy", "hold", "--risk", "1..2"]
    assert command_line([*sweep, "--json"]) == 0
    out, err = capsys.readouterr()
    assert msgspec.json.decode(out)["warnings"] == [f"dataset {run.dataset_id[:8]}: {dropped}"]
    assert err == f"Warning: dataset {run.dataset_id[:8]}: {dropped}\n", "once, however many runs there are"


def test_datasets_are_listed_with_what_they_take_and_where_they_are_from(
    capsys: CAPTURE, place: Path, minutes: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.csv"
    copy.write_text(minutes.read_text() + "\n")
    for path in (minutes, copy):
        assert said(capsys, "ingest", str(path), "--symbol", "X")[0] == 0
    head, row = (line.split("\t") for line in said(capsys, "list")[1].splitlines())
    found = dict(zip(head, row, strict=True))
    assert (found["symbols"], found["rows"], found["sources"], found["from"]) == ("X", "2,880", "2", "minutes.csv")
    (item,) = told(capsys, "list")["items"]
    assert f"{item['size_bytes']:,}" == found["bytes"]


def test_every_ingest_is_listed_the_newest_first(capsys: CAPTURE, place: Path, minutes: Path, tmp_path: Path) -> None:
    said(capsys, "ingest", str(minutes), "--symbol", "X")
    said(capsys, "ingest", str(gap(tmp_path)), "--symbol", "X")
    said(capsys, "ingest", str(minutes), "--symbol", "Y")
    rows = [line.split("\t") for line in said(capsys, "ingests")[1].splitlines()[1:]]
    assert [(row[2], row[3]) for row in rows] == [("stored", "Y"), ("rejected", "X"), ("stored", "X")]
    assert rows[1][-1] == "DATA_INVALID GAP, line 9"
    assert rows[0][-1].startswith("exists ")


def test_a_dataset_is_shown_with_its_quality_limited_and_counted(capsys: CAPTURE, place: Path, tmp_path: Path) -> None:
    csv = tmp_path / "gaps.csv"
    lines(*(f"+{n},{BAR}" for n in range(60) if n % 3 != 2), f"+60,{BAR}")(csv)
    dataset = told(capsys, "ingest", str(csv), "--symbol", "X", "--gaps", "keep")["dataset_id"]
    out = said(capsys, "show", dataset[:8], "--limit", "3")[1]
    assert "gaps: 20, the first 3" in out
    assert out.count("\t2024-01-01T00:") == 3
    assert told(capsys, "show", dataset)["quality"]["dataset"]["checks"]["gaps"]["count"] == 20


def test_two_datasets_are_compared_with_an_exit_code(
    capsys: CAPTURE, place: Path, minutes: Path, tmp_path: Path
) -> None:
    rows = minutes.read_text().splitlines()
    cells = rows[9].split(",")
    revised = tmp_path / "revised.csv"
    revised.write_text("\n".join([*rows[:9], ",".join([*cells[:5], "1.5"]), *rows[10:-1]]) + "\n")
    old = told(capsys, "ingest", str(minutes), "--symbol", "X")["dataset_id"]
    _, out, err = said(capsys, "ingest", str(revised), "--symbol", "X")
    command = err.strip().rpartition("buff data ")[2].split()
    assert command == ["diff", old[:16], out.split()[1][:16]]
    code, out, _ = said(capsys, *command)
    assert code == 1
    assert f"2024-01-01T00:08:00Z\tchanged\tvolume\t{float(cells[5])!r}\t1.5" in out
    assert "only in the first\t1\t2024-01-02T23:59:00Z" in out
    assert "same\t2,878" in out
    found = told(capsys, *command, "--limit", "1", code=1)
    assert (found["equal"], found["changed"]["count"], len(found["items"])) == (False, 1, 1)
    assert found["items"][0]["new"] == {"volume": 1.5}
    assert said(capsys, "diff", old, old)[0] == 0


def test_bars_of_two_bases_are_not_compared(capsys: CAPTURE, place: Path, minutes: Path, tmp_path: Path) -> None:
    lines(*(f"+{5 * n},{BAR}" for n in range(4)))(tmp_path / "five.csv")
    old = told(capsys, "ingest", str(minutes), "--symbol", "X")["dataset_id"]
    new = told(capsys, "ingest", str(tmp_path / "five.csv"), "--symbol", "X", "--base-timeframe", "5m")["dataset_id"]
    code, out, err = said(capsys, "diff", old, new)
    assert (code, out, err.partition(":")[0]) == (3, "", "RUN_CONFIG_INVALID")


def test_an_export_comes_back_by_the_command_it_names(
    capsys: CAPTURE, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dataset = told(capsys, "ingest", str(gap(tmp_path)), "--symbol", "X", "--gaps", "keep")["dataset_id"]
    code, out, err = said(capsys, "export", dataset[:12], "--out", "out.csv")
    assert (code, err) == (0, "")
    command = out.strip().rpartition("buff data ")[2].replace("SYMBOL", "X").split()
    assert told(capsys, *command)["dataset_id"] == dataset
    code, _, err = said(capsys, "export", dataset, "--out", "out.csv")
    assert (code, "exists already" in err) == (3, True)
    assert told(capsys, "export", dataset, "--out", "out.csv", "--force")["same"] is True


def test_an_export_of_made_bars_says_what_is_lost(capsys: CAPTURE, place: Path, tmp_path: Path) -> None:
    dataset = told(capsys, "ingest", str(gap(tmp_path)), "--symbol", "X", "--gaps", "fill")["dataset_id"]
    out = said(capsys, "export", dataset, "--out", str(tmp_path / "x.csv"))[1]
    assert "made by gaps=fill" in out
    assert "comes back" not in out


def test_an_export_to_standard_output_is_nothing_but_the_csv(place: Path, minutes: Path, tmp_path: Path) -> None:
    done = buff("data", "ingest", str(minutes), "--symbol", "X", "--json", env={"RUNS_ROOT": str(place)})
    dataset = msgspec.json.decode(done.stdout)["dataset_id"]
    done = buff("data", "export", dataset, "--out", "-", "--timeframe", "1h", env={"RUNS_ROOT": str(place)})
    assert done.returncode == 0
    assert done.stdout.startswith("ts,open,high,low,close,volume\n2024-01-01T00:00:00Z,")
    assert done.stdout.count("\n") == 49
    assert "48 bars of 1h" in done.stderr


@pytest.mark.parametrize(
    "words",
    [("ingest",), ("show",), ("diff", "a"), ("export", "a"), ("diff", "a", "b", "--limit", "-1"),
     ("export", "a", "--out", "-", "--json")],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_is_exit_code_2(capsys: CAPTURE, place: Path, words: tuple[str, ...]) -> None:
    assert said(capsys, *words)[0] == 2


@pytest.mark.parametrize("words", [("show", "f" * 64), ("diff", "f" * 64, "e" * 64), ("export", "f", "--out", "x.csv")])
def test_a_dataset_that_is_not_there_is_exit_code_5(capsys: CAPTURE, root: Path, words: tuple[str, ...]) -> None:
    code, out, err = said(capsys, *words, "--runs-root", str(root))
    assert (code, out, err.partition(":")[0]) == (5, "", "DATASET_NOT_FOUND")


def test_nothing_but_an_ingest_writes(capsys: CAPTURE, root: Path, tmp_path: Path) -> None:
    before = len(events(root))
    dataset = opened(root).datasets()[0].dataset_id
    shutil.rmtree(root / "_staging", ignore_errors=True)
    for words in (("list",), ("ingests",), ("show", dataset), ("diff", dataset, dataset),
                  ("export", dataset, "--out", str(tmp_path / "x.csv"))):  # fmt: skip
        assert said(capsys, *words, "--runs-root", str(root))[0] == 0
    assert len(events(root)) == before
    assert not (root / "_staging").exists()


def test_many_files_are_one_dataset(capsys: CAPTURE, place: Path, tmp_path: Path) -> None:
    whole = write_csv(tmp_path / "whole.csv", minutes=40).read_text().splitlines()
    for number in (0, 1):
        part = [whole[0], *whole[1 + 20 * number : 21 + 20 * number]]
        (tmp_path / f"{number}.csv").write_text("\n".join(part) + "\n")
    files = [str(tmp_path / f"{number}.csv") for number in (0, 1)]
    parts = told(capsys, "ingest", *files, "--symbol", "X")
    again = told(capsys, "ingest", str(tmp_path / "whole.csv"), "--symbol", "X")
    assert (again["dataset_id"], again["existed"]) == (parts["dataset_id"], True)
    assert told(capsys, "list")["items"][0]["sources"] == 2
