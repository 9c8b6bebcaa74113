"""What a whole process takes, as the kernel counts it: processor time and peak memory."""

import sys
from collections.abc import Sequence

from attrs import frozen

from whole import process


@frozen(kw_only=True)
class Cost:
    """What a process took, as the kernel counted it."""

    cpu_seconds: float
    peak_bytes: int


# The kernel counts what a process was before it became the command, too: so it starts from a small one.
LAUNCH = """
import os, sys
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, used = os.wait4(child, 0)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def cost_of(command: Sequence[str], **env: str) -> Cost:
    """Run a command to its end and return what it took. Compiled code is cached, as it is for every real user."""
    done = process(["-c", LAUNCH, *command], env=env)
    assert done.returncode == 0, done.stderr
    seconds, peak = done.stdout.split()
    return Cost(cpu_seconds=float(seconds), peak_bytes=int(peak) * (1 if sys.platform == "darwin" else 1024))
