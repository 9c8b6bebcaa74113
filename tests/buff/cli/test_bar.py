"""The progress bar on a real terminal: what is printed meanwhile has lines of its own, and in the end it is gone."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from whole import environment, make, write_csv

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
SCRIPT = (
    "import sys; from buff.cli import output; from buff.cli.main import run; "
    "output.PATIENCE_SECONDS = 0.0; sys.exit(run(sys.argv[1:]))"
)


def on_terminal(*words: str) -> tuple[int, str, list[str]]:
    """Return the exit code of a command, what it sends to a terminal, and the lines that stand there in the end."""
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", SCRIPT, *words]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env={**environment(), "TERM": "xterm"}
    )
    os.close(theirs)
    sent = b""
    while True:
        try:
            data = os.read(ours, 65_536)
        except OSError:  # Linux's way of saying that the last writer has closed its end
            break
        if not data:
            break
        sent += data
    os.close(ours)
    return process.wait(60), sent.decode(), shown(sent.decode())


def shown(sent: str) -> list[str]:
    """Return the lines of a terminal: it goes to the start of a line, to the next and the one above, and erases."""
    lines, row, column = [""], 0, 0
    for part in re.split(r"(\r|\n|\x1b\[[0-9;?]*[A-Za-z])", sent):
        if part == "\r":
            column = 0
        elif part == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part == "\x1b[1A":
            row -= 1
        elif not part.startswith("\x1b"):
            lines[row] = lines[row].ljust(column)[:column] + part + lines[row][column + len(part) :]
            column += len(part)
    return [line.rstrip() for line in lines if line.strip()]


def test_verdicts_have_lines_of_their_own_and_no_bar_is_left(tmp_path: Path) -> None:
    csv = write_csv(tmp_path / "minutes.csv")
    for run_id in ("one", "two", "six"):
        make(tmp_path / "root", csv, run_id=run_id)
    path = tmp_path / "root" / "two" / "metrics.json"
    path.parent.chmod(0o755)
    path.unlink()
    code, sent, lines = on_terminal("run", "verify", "--all", "--runs-root", str(tmp_path / "root"))
    assert code == 13
    assert sent.count("verifying") >= 3, "a bar was drawn"
    assert lines[:2] == ["DAMAGED  two", "  metrics.json is missing"]
    assert lines[-1] == "3 runs: 1 damaged, 2 identical"
    assert not [line for line in lines if "verifying" in line]
