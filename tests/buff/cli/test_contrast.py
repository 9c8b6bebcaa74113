"""`buff run diff` as people and scripts meet it."""

from pathlib import Path

import msgspec
import pytest

from buff.cli.main import run as command_line
from whole import make, names, opened, write_csv

CAPTURE = pytest.CaptureFixture[str]


def said(capsys: CAPTURE, root: Path, *words: str) -> tuple[int, str, str]:
    """Run one command line in this process; return its exit code, its output and its errors."""
    capsys.readouterr()
    code = command_line(["run", "diff", *words, "--runs-root", str(root)])
    return code, *capsys.readouterr()


@pytest.fixture
def pair(root: Path, minutes: Path) -> tuple[Path, str, str]:
    """A root with two runs that differ in one parameter."""
    make(root, minutes, params={"fast": 3, "slow": 9}, run_id="slower")
    return root, names(root)["runs"][0], "slower"


def test_the_first_difference_is_named_with_the_commands_that_explain_it(
    capsys: CAPTURE, pair: tuple[Path, str, str]
) -> None:
    root, a, b = pair
    code, out, err = said(capsys, root, a, b)
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert lines[:2] == [f"a  {a}", f"b  {b}"]
    assert "strategy.params.slow\t8\t9" in lines
    first = opened(root).run(a).diff(opened(root).run(b))["records"]["first"]
    assert any(line.startswith(f"first at {first['ts']}, after {first['equal_before']} ") for line in lines)
    for line in lines:
        if line.startswith("why in "):
            assert command_line([*line.partition(": buff ")[2].split(), "--runs-root", str(root)]) == 0
    assert sum(line.startswith("why in ") for line in lines) == 2
    assert any(line.startswith("net_return\t") for line in lines)
    assert lines[-1].startswith("equity at the end: ")


def test_a_run_and_itself_are_exit_code_0(capsys: CAPTURE, pair: tuple[Path, str, str]) -> None:
    root, a, _ = pair
    code, out, _ = said(capsys, root, a, a)
    assert code == 0
    assert "same inputs" in out
    assert "same artifacts, byte for byte" in out


def test_json_is_what_python_returns(capsys: CAPTURE, pair: tuple[Path, str, str]) -> None:
    root, a, b = pair
    code, out, _ = said(capsys, root, a, b, "--json", "--limit", "1")
    assert code == 1
    store = opened(root)
    assert msgspec.json.decode(out) == store.run(a).diff(store.run(b), limit=1)


def test_other_data_other_windows_and_other_timeframes_are_said(capsys: CAPTURE, root: Path, tmp_path: Path) -> None:
    a = names(root)["runs"][0]
    other = write_csv(tmp_path / "other.csv", minutes=4_000, seed=8)
    make(root, other, run_id="other")
    make(root, other, run_id="coarser", timeframe="4h")
    code, out, _ = said(capsys, root, a, "other")
    assert code == 1
    command = next(line.partition(": ")[2] for line in out.splitlines() if line.startswith("the data differ"))
    assert command_line([*command.split()[1:], "--runs-root", str(root)]) == 1
    assert "compared by their open stamps (18 only in b)" in said(capsys, root, a, "other")[1]
    assert "bars of 1h and 4h are not the same bars" in said(capsys, root, a, "coarser")[1]


def test_a_run_that_is_not_there_is_exit_code_5(capsys: CAPTURE, root: Path) -> None:
    code, _, err = said(capsys, root, names(root)["runs"][0], "nothing")
    assert code == 5
    assert err.startswith("RUN_NOT_FOUND")
