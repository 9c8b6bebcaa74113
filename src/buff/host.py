"""What only a door may know: clock, environment, user, process, boot. Everything below takes it as an argument.

Nothing goes in; a frozen `Host` comes out, read from this machine. Tests pass one of their own.
"""

import getpass
import os
import platform
import secrets
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from attrs import frozen

BOOT_ID = "/proc/sys/kernel/random/boot_id"


@frozen(kw_only=True)
class Host:
    """The surroundings of a process. `clock` gives `YYYY-MM-DDTHH:MM:SS.ffffffZ`, `monotonic` seconds, `token`
    16 random hex digits; `cores` is how many processors this process may use; `program` is what a person types to
    start it.
    """

    clock: Callable[[], str]
    monotonic: Callable[[], float]
    token: Callable[[], str]
    environment: Mapping[str, str]
    user: str
    boot: str
    pid: int
    cores: int
    name: str
    program: str
    command: str

    @property
    def holder(self) -> dict[str, str | int]:
        """What the lock file says to people about who holds it."""
        return {"pid": self.pid, "started": self.clock(), "host": self.name, "command": self.command}


def this_host() -> Host:
    """Return the surroundings of this very process."""
    return Host(
        clock=_now,
        monotonic=time.monotonic,
        token=lambda: secrets.token_hex(8),
        environment=dict(os.environ),  # noqa: TID251 - its one home
        user=_user(),
        boot=_boot(),
        pid=os.getpid(),
        cores=_cores(),
        name=platform.node() or "unknown",
        program=_program(sys.argv[0]),
        command=_text(" ".join([_program(sys.argv[0]), *sys.argv[1:3]])[:120]),
    )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # noqa: TID251 - its one home


def _cores() -> int:
    """Return how many processors this process may use: a container is often given fewer than the machine has."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _text(words: str) -> str:
    """Return words as text that JSON can carry: bytes that are no UTF-8 become question marks."""
    return words.encode("utf-8", "replace").decode()


def _program(path: str) -> str:
    """Return what a person types to start this program: the path it was started by, `python -m NAME` for a module."""
    if os.path.basename(path) == "__main__.py":
        return f"python -m {os.path.basename(os.path.dirname(path))}"
    return path or "python"


def _user() -> str:
    try:
        return _text(getpass.getuser())
    except (KeyError, OSError):
        return "unknown"  # a container may have no name for its user


def _boot() -> str:
    """Return what changes with every boot: the kernel's id on Linux, the session's on macOS.

    Where neither can be had it is the machine's: then a reader never believes that the writers died in a power cut,
    which shows less and is never wrong.
    """
    if sys.platform == "darwin":
        asked = subprocess.run(["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True)
        if asked.returncode == 0:
            return asked.stdout.strip().lower()
    try:
        with open(BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return str(uuid.UUID(int=uuid.getnode()))
