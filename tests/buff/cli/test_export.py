"""`buff run export` as people and scripts meet it."""

from pathlib import Path

import msgspec
import pytest

from buff.cli.main import run as command_line
from whole import names

CAPTURE = pytest.CaptureFixture[str]


def said(capsys: CAPTURE, root: Path, *words: str) -> tuple[int, str, str]:
    """Run one command line in this process; return its exit code, its output and its errors."""
    capsys.readouterr()
    code = command_line(["run", "export", names(root)["runs"][0], *words, "--runs-root", str(root)])
    return code, *capsys.readouterr()


def test_what_was_written_is_said(capsys: CAPTURE, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, text, err = said(capsys, root, "--out", str(out))
    assert (code, err) == (0, "")
    assert text.splitlines() == [
        f"wrote {out / 'trades.csv'}, 1 row",
        f"wrote {out / 'equity.csv'}, 48 rows",
        f"wrote {out / 'records.csv'}, 48 rows",
    ]
    page = tmp_path / "run.html"
    assert said(capsys, root, "--out", str(page))[:2] == (0, f"wrote {page}\n")
    assert page.read_text().startswith("<!doctype html>")


def test_json_names_the_files(capsys: CAPTURE, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.parquet"
    code, text, _ = said(capsys, root, "--out", str(out), "--what", "trades", "--json")
    assert code == 0
    assert msgspec.json.decode(text) == {
        "run_id": names(root)["runs"][0], "format": "parquet", "out": str(out), "files": {"t.parquet": 1},
    }  # fmt: skip


def test_what_is_there_is_not_overwritten_without_force(capsys: CAPTURE, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run.html"
    out.write_text("mine")
    code, _, err = said(capsys, root, "--out", str(out))
    assert code == 3
    assert "--force" in err
    assert out.read_text() == "mine"
    assert said(capsys, root, "--out", str(out), "--force")[0] == 0


def test_a_place_that_is_not_there_is_exit_code_9(capsys: CAPTURE, root: Path, tmp_path: Path) -> None:
    code, _, err = said(capsys, root, "--out", str(tmp_path / "none" / "run.html"))
    assert code == 9
    assert err.startswith("ARTIFACTS_WRITE_FAILED")
