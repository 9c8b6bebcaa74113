"""`buff run bundle`, `buff bundle verify` and `buff bundle import` as people and scripts meet them."""

from pathlib import Path

import msgspec
import pytest

from buff.cli.main import run as command_line
from whole import names

CAPTURE = pytest.CaptureFixture[str]


def said(capsys: CAPTURE, *words: str) -> tuple[int, str, str]:
    """Run one command line in this process; return its exit code, its output and its errors."""
    capsys.readouterr()
    code = command_line(list(words))
    return code, *capsys.readouterr()


@pytest.fixture
def zipped(root: Path, tmp_path: Path, capsys: CAPTURE) -> tuple[str, str]:
    """The id of a run, and the bundle it was written to."""
    run_id, out = names(root)["runs"][0], str(tmp_path / "run.zip")
    code, text, err = said(capsys, "run", "bundle", run_id[:8], "--out", out, "--runs-root", str(root))
    assert (code, err) == (0, "")
    assert text.startswith(f"wrote {out}, 32 files, ")
    return run_id, out


def test_a_bundle_is_proven_and_recomputed(zipped: tuple[str, str], capsys: CAPTURE) -> None:
    run_id, out = zipped
    code, text, _ = said(capsys, "bundle", "verify", out)
    assert (code, text.splitlines()[0]) == (0, f"WHOLE  {run_id}")
    code, text, _ = said(capsys, "bundle", "verify", out, "--recompute", "--json")
    found = msgspec.json.decode(text)
    assert (code, found["verdict"]["outcome"], found["exit_code"]) == (0, "identical", 0)


def test_a_run_is_taken_in_once(zipped: tuple[str, str], tmp_path: Path, capsys: CAPTURE) -> None:
    run_id, out = zipped
    other = ("--runs-root", str(tmp_path / "other"))
    code, text, _ = said(capsys, "bundle", "import", out, *other)
    assert (code, text.splitlines()[0]) == (0, f"imported {run_id}")
    assert said(capsys, "run", "verify", run_id, *other)[:2] == (0, f"IDENTICAL  {run_id}\n")
    code, text, _ = said(capsys, "bundle", "import", out, *other, "--json")
    found = msgspec.json.decode(text)
    assert (code, found["run_id"], found["existed"], found["dataset_existed"]) == (0, run_id, True, True)
    assert said(capsys, "run", "show", run_id, *other)[0] == 0


def test_a_refusal_has_its_code(zipped: tuple[str, str], tmp_path: Path, capsys: CAPTURE) -> None:
    path = Path(zipped[1])
    path.write_bytes(path.read_bytes()[:-1])
    other = str(tmp_path / "other")
    for words in (("verify", str(path)), ("import", str(path), "--runs-root", other)):
        code, _, err = said(capsys, "bundle", *words, "--json")
        assert (code, msgspec.json.decode(err)["code"]) == (4, "BUNDLE_INVALID")
    assert not Path(other).exists()
