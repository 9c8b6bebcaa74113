"""A terminal: what a command sends to one, and the lines that stand there in the end."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_CONTROL = re.compile(r"(\r|\n|\x1b\[[0-9;?]*[A-Za-z])")


def run(command: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None) -> tuple[int, str]:
    """Return the exit code of a command whose output is a terminal, and what it sent there."""
    import pty

    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            command, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
        ) as process:
            os.close(theirs)
            sent = b"".join(_read(ours))
        return process.returncode, sent.decode()
    finally:
        os.close(ours)


def _read(handle: int) -> Iterator[bytes]:
    while True:
        try:
            data = os.read(handle, 65_536)
        except OSError:  # Linux's way of saying that the last writer has closed its end
            return
        if not data:
            return
        yield data


def shown(sent: str) -> str:
    """Return the lines that stand there: it knows the start of a line, the next, the one above, and to erase one."""
    lines, row, column = [""], 0, 0
    for part in _CONTROL.split(sent):
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
    return "\n".join(lines)
