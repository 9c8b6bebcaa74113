"""`buff data inspect` for people, for pipes and for scripts; the exit code is that of what was asked."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from buff.cli.main import run

KRAKEN = (
    b"1688671200,30306.1,30306.2,30305.7,30305.7,3.39,23\n1688671260,30305.7,30305.7,30303.5,30303.6,1.69,17\n"
    b"1688671380,30303.6,30303.6,30303.5,30303.5,2.27,11\n"
)
FLAT = "ts,high,open,low,close,volume,symbol\n" + "".join(
    f"2024-01-01T00:{minute:02}:00Z,2,1,1,2,5,BTC/USD\n" for minute in range(12)
)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = run(["data", "inspect", *words])
    return code, *capsys.readouterr()


def written(folder: Path, content: bytes, name: str = "bars.csv") -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def test_a_person_reads_what_it_is_how_it_was_read_and_what_to_do(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = written(tmp_path, KRAKEN)
    code, out, err = said(capsys, path)
    assert code == 4
    lines = out.splitlines()
    assert lines[1] == "2023-07-06T19:20:00Z\t30306.1\t30306.2\t30305.7\t30305.7\t3.39"
    for line in (
        "likely profile\tkraken: 7 cells and no header; times are epoch seconds",
        "times\tepoch seconds, for example 1688671200",
        "zone\tUTC, as epochs are",
        "spacing\trows are 1 min apart (1 of 2 steps)",
        "range\t2023-07-06T19:20:00Z to 2023-07-06T19:23:00Z",
        "gaps\t1 (1 bar missing, 0 filled)",
        "of these\t1 of a few bars, as where nobody traded or an exchange was down",
        "Read as if you had said: --profile kraken --gaps keep",
        "As you asked for it, the file is refused:",
        f"  or: buff data ingest {shlex.quote(path)} --profile kraken --gaps keep --symbol SYMBOL",
    ):
        assert line in lines
    assert "[HEADER]" in err, "the refusal is that of what was asked for"


def test_what_was_asked_for_is_no_suggestion(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = said(capsys, written(tmp_path, KRAKEN), "--profile", "kraken", "--gaps", "keep")
    assert (code, err) == (0, "")
    assert "Read as if" not in out
    assert "is refused" not in out
    assert "You decide: --symbol SYMBOL" in out


def test_the_command_printed_makes_a_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    content = "".join(f"{1_688_671_200 + at * 60},10,{11 + at % 3},9,10,1,1\n" for at in range(200))
    _, out, _ = said(capsys, written(tmp_path, content.encode()))
    (command,) = [line.removeprefix("Next: buff ") for line in out.splitlines() if line.startswith("Next: ")]
    assert run([*shlex.split(command), "--runs-root", str(tmp_path / "runs")]) == 0


@pytest.mark.parametrize(
    ("missing", "timeframe", "says"),
    [
        (lambda at: at == 70, "1h", "coarser bars\t1 of 25 windows of 1h lacks bars and would be dropped"),
        (lambda at: at % 60 == 7, "1m", "coarser bars\tall 25 windows of 1h lack bars, so that none could be made"),
    ],
)
def test_the_timeframe_suggested_has_windows_whatever_the_gaps(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, missing: Callable[[int], bool], timeframe: str, says: str
) -> None:
    content = "".join(f"{1_704_067_200 + at * 60},10,11,9,10,1,1\n" for at in range(1_500) if not missing(at))
    _, out, _ = said(capsys, written(tmp_path, content.encode()))
    assert says in out.splitlines()
    (command,) = [line.removeprefix("Next: buff ") for line in out.splitlines() if line.startswith("Next: ")]
    assert f"--timeframe {timeframe} " in command
    assert run([*shlex.split(command), "--runs-root", str(tmp_path / "runs")]) == 0


def test_rows_in_no_order_have_no_spacing_but_when_sorted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lines = "".join(f"2024-01-01T00:{minute:02}:00Z,1,2,1,2,5\n" for minute in (3, 0, 2, 1, 4))
    _, out, _ = said(capsys, written(tmp_path, b"ts,open,high,low,close,volume\n" + lines.encode()))
    assert "order\trows are not in order of time: 2 of 4 steps of the beginning go back" in out.splitlines()
    assert "spacing\tin order of time they would be 1 min apart (4 of 4 steps of the beginning)" in out.splitlines()


def test_offences_that_say_the_same_are_listed_five_times(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lines = "".join(f"2024-01-01T00:{minute:02}:00,1,2,1,2,x\n" for minute in range(30))
    _, _, err = said(capsys, written(tmp_path, b"ts,open,high,low,close,volume\n" + lines.encode()))
    assert err.count("[TIMEZONE]") == err.count("[CELL]") == 5
    assert "  ... and 50 more\n" in err


def test_quality_and_symbol_of_the_file_are_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = said(capsys, written(tmp_path, FLAT.encode()))
    assert code == 0
    assert "quality\t1 run of equal bars" in out
    assert "--symbol BTC/USD " in out
    assert "You decide" not in out


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"<!DOCTYPE html>", "the file\tis an HTML page"),
        (b"ts,open,high,low,x,volume\n2024-01-01T00:00:00Z,1,2,1,2,5\n", "would help\tno column for close: the header"),
        (b"1,2,3\n", "closest profile\t"),
        (KRAKEN + b"1688671440,oops,1,1,1,1,1\n", "  So read, it would be refused: bars.csv, line 4: "),
        (KRAKEN + b"1688671440,oops,1,1,1,1,1\n", "When the file is mended: buff data inspect "),
        (FLAT.replace(",", ";").encode(), '    delimiter = ";"'),
        (FLAT.replace("ts,", "odd,").encode(), "would help\t"),
    ],
)
def test_what_does_not_fit_is_said_with_what_would_help(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes, line: str
) -> None:
    code, out, err = said(capsys, written(tmp_path, content))
    assert code == 4
    assert any(each.startswith(line) for each in out.splitlines()), out
    assert err.startswith("DATA_INVALID: bars.csv, line ")


def test_a_second_profile_that_fits_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    content = b"timestamp,open,high,low,close,volume\n2020-01-02 04:00,1,2,1,2,5\n2020-01-02 04:01,1,2,1,2,5\n"
    _, out, _ = said(capsys, written(tmp_path, content))
    assert "also fits\tfirstrate (reads the first rows alike)" in out.splitlines()
    assert "You decide: --timezone UTC (no time in the file says its zone). Or: their zone" in out


@pytest.mark.parametrize("content", [KRAKEN, FLAT.encode(), b"", b"\xff\xfe\0", FLAT.replace(",", ";").encode()])
def test_scripts_get_the_same_as_json(capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, content)
    code, out, err = said(capsys, path, "--json")
    found: dict[str, Any] = msgspec.json.decode(out)
    assert err == ""
    assert found["accepted"] == (code == 0)
    assert found["files"] == [path]
    assert {"detected", "first_rows", "times", "spacing", "questions", "read_as", "choices", "commands", "next"} <= set(
        found
    )
    assert code == said(capsys, path)[0]
