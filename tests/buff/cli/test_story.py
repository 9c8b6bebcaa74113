"""`buff run explain` as people and scripts meet it."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from buff.cli.main import run as command_line
from whole import make, names, opened
from wild import wild_run

CAPTURE = pytest.CaptureFixture[str]


def said(capsys: CAPTURE, root: Path, *words: str) -> tuple[int, str, str]:
    """Run one command line in this process; return its exit code, its output and its errors."""
    capsys.readouterr()
    code = command_line(["run", "explain", *words, "--runs-root", str(root)])
    return code, *capsys.readouterr()


def test_a_trade_is_told_from_its_decision_to_its_sums(capsys: CAPTURE, root: Path) -> None:
    run_id = names(root)["runs"][0]
    code, out, err = said(capsys, root, run_id, "--trade", "0")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"trade 0 of {run_id}, which has 1: long, closed, pnl ")
    titles = [line.partition(":")[0].partition(" ")[0] for line in lines if line[:1].isupper()]
    assert titles == ["Entry", "Entry", "Held", "Exit", "Exit"]
    sums = [line.split("\t") for line in lines if line.endswith(("\tsame", "\tsame to rounding"))]
    assert [cells[0] for cells in sums][-3:] == ["pnl", "return", "pnl"]
    assert sums[-1][2] == repr(opened(root).run(run_id).trades[0]["pnl"])


def test_json_is_what_python_returns(capsys: CAPTURE, root: Path) -> None:
    run = opened(root).run(names(root)["runs"][0])
    for words, asked in ((("--trade", "0"), {"trade": 0}), (("--bar", "9"), {"bar": 9})):
        code, out, _ = said(capsys, root, run.id, *words, "--json")
        assert code == 0
        assert msgspec.json.decode(out) == run.explain(**asked)  # type: ignore[arg-type]


def test_everything_that_happens_in_a_wild_run_can_be_told(capsys: CAPTURE, tmp_path: Path) -> None:
    seen = ""
    for seed in (1, 4):
        run = wild_run(tmp_path, seed)
        for words in [("--trade", str(at)) for at in range(0, len(run.trades), 4)] + [
            ("--bar", str(at)) for at in range(0, len(run.records), 23)
        ]:
            code, out, err = said(capsys, tmp_path / "root", run.id, *words)
            assert (code, err) == (0, "")
            seen += out
    for words in ("after a gap", "the minimum fee", "zero volume", "a reversal", "half of the usual", "blocked by"):
        assert words in seen


def test_a_changed_source_is_said(capsys: CAPTURE, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buff.runs.story.source_sha256", lambda strategy: "another")
    code, out, _ = said(capsys, root, names(root)["runs"][0], "--trade", "0")
    assert code == 0
    assert out.count("no indicator values: the source of strategy ma_cross is not the one of this run") == 2


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((), 2, "Give --trade N or --bar SEQ"),
        (("--trade", "0", "--bar", "0"), 2, "Give --trade N or --bar SEQ"),
        (("--trade", "7"), 3, "the trades are 0 to 0"),
        (("--bar", "48"), 3, "its bars are 0 to 47"),
    ],
)
def test_what_cannot_be_told_is_refused(
    capsys: CAPTURE, root: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    found, _, err = said(capsys, root, names(root)["runs"][0], *words)
    assert found == code
    assert says in err


def test_a_run_without_a_trade_has_bars_to_tell_of(capsys: CAPTURE, root: Path, minutes: Path) -> None:
    params: Any = {"fast": 30, "slow": 47}
    run = make(root, minutes, params=params, end="2024-01-02T12:00:00Z").run
    assert "it made no trade" in said(capsys, root, run.id, "--trade", "0")[2]
    assert "warms up" in said(capsys, root, run.id, "--bar", "3")[1]
