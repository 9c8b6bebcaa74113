"""Processes: start one that outlives us, see whether it ended, end one, and end well ourselves when told to.

An argument list and an environment go in; a `Child` comes out. What is started has a session of its own, so that
neither a terminal that closes nor the end of its parent ends it. Nothing here knows what the processes are for.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

Output = IO[bytes] | int | None
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
NO_ROOM = 75  # exit code of a process that found no room to work: what sendmail calls "try again later"

if sys.platform == "win32":
    # A group of its own gets no Ctrl-C of ours, and without a console none closes under it.
    _APART = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
else:
    _APART = 0


class Ended(BaseException):
    """Somebody asked this process to end: SIGTERM, or SIGHUP of a terminal that closed."""

    def __init__(self, number: int) -> None:
        """Keep the signal's number, from which shells make the exit code."""
        super().__init__(number)
        self.exit_code = 128 + number


def end_on_signals() -> None:
    """Let SIGTERM and SIGHUP clean up as Ctrl-C does. One that is ignored, as under nohup, stays so; a second kills."""

    def end(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Ended(number)

    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)


class Child:
    """A process we started. It is ours to wait for, and goes on when we end."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        """Made by `spawn`."""
        self._process = process
        self.pid = process.pid

    def ended(self) -> int | None:
        """Return the exit code of a process that has ended, which then leaves no trace in the system; None before."""
        return self._process.poll()

    def leave(self) -> None:
        """Give it up: it goes on, and nobody here waits for it any more."""
        # Else its going on would be reported as a mistake when this is forgotten.
        self._process.returncode = self._process.returncode or 0


def spawn(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    stdout: Output = None,
    stderr: Output = None,
) -> Child:
    """Start this Python with some arguments, in a session of its own and without input.

    Its output goes where ours does, unless it is said. Raises OSError when the system starts no process.
    """
    return Child(
        subprocess.Popen(
            [sys.executable, *arguments],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            creationflags=_APART,
        )
    )


def kill(pid: int, word: str) -> None:
    """End a process at once, if it is one that was started with `word` among its arguments.

    Numbers of processes are used again, and mean others inside a container: where the system shows the arguments of a
    process, those are looked at first. A process that is not there, or not ours, is left alone.
    """
    if pid == os.getpid() or not _named(pid, word):
        return
    try:
        os.kill(pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)  # there it ends at once, too
    except (ProcessLookupError, PermissionError):
        return


def _named(pid: int, word: str) -> bool:
    if not os.path.isdir("/proc/self"):
        return True
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return word.encode() in file.read().split(b"\0")
    except OSError:
        return False


def allocate(parameters: Mapping[int, int]) -> None:
    """Say how this process keeps memory that it freed: parameters of mallopt(3). Without glibc nothing is done."""
    if sys.platform == "linux":
        import ctypes  # numpy has it by now where memory matters

        with suppress(AttributeError, OSError):  # another C library
            for parameter, value in parameters.items():
                ctypes.CDLL(None).mallopt(parameter, value)
