"""The progress bar on a real terminal: what is printed meanwhile has lines of its own, and in the end it is gone."""

import sys
from pathlib import Path

import pytest

import terminal
from whole import environment, make, write_csv

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
SCRIPT = (
    "import sys; from buff.cli import output; from buff.cli.main import run; "
    "output.PATIENCE_SECONDS = 0.0; sys.exit(run(sys.argv[1:]))"
)


def test_verdicts_have_lines_of_their_own_and_no_bar_is_left(tmp_path: Path) -> None:
    csv = write_csv(tmp_path / "minutes.csv")
    for run_id in ("one", "two", "six"):
        make(tmp_path / "root", csv, run_id=run_id)
    path = tmp_path / "root" / "two" / "metrics.json"
    path.parent.chmod(0o755)
    path.unlink()
    words = ["run", "verify", "--all", "--runs-root", str(tmp_path / "root")]
    code, sent = terminal.run([sys.executable, "-c", SCRIPT, *words], env=environment(TERM="xterm"))
    lines = terminal.shown(sent).splitlines()
    assert code == 13
    assert sent.count("verifying") >= 3, "a bar was drawn"
    assert lines[:2] == ["DAMAGED  two", "  metrics.json is missing"]
    assert lines[-1] == "3 runs: 1 damaged, 2 identical"
    assert not [line for line in lines if "verifying" in line]
