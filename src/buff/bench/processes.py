"""Processes: what a whole command takes, as the kernel counts it.

An argument list and an environment go in; seconds and peak memory come out. Compiled code is cached, as it is for
every user after the first start. A command that fails raises `subprocess.CalledProcessError`.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from buff.bench.place import Place
from buff.bench.turns import Spent

RIVALS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rivals")

# The kernel counts what a process was before it became the command, too: so it starts from a small one.
_LAUNCH = """
import os, sys, time
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
begun = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, used = os.wait4(child, 0)
print(time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def environment(place: Place, **changes: str) -> dict[str, str]:
    """Return the environment of a process that is measured: this one's, without Buff's settings.

    The threads of a BLAS that nobody uses would cost all alike; the `buff` command says so itself.
    """
    kept = {
        name: value
        for name, value in place.host.environment.items()
        if not name.startswith("BUFF_") and name not in ("RUNS_ROOT", "ARTIFACTS_ROOT", "PYTHONDONTWRITEBYTECODE")
    }
    return {**kept, "OPENBLAS_NUM_THREADS": "1", **changes}


def cost_of(command: Sequence[str], *, environment: Mapping[str, str]) -> Spent:
    """Run a command to its end and return what it took. Processor time and memory are not known on Windows."""
    if sys.platform == "win32":
        begun = time.perf_counter()
        _run(command, environment)
        return Spent(wall=time.perf_counter() - begun, cpu=None)
    wall, cpu, peak = _run([sys.executable, "-c", _LAUNCH, *command], environment).split()
    return Spent(wall=float(wall), cpu=float(cpu), peak=int(peak) * (1 if sys.platform == "darwin" else 1024))


def script(name: str, *arguments: str) -> list[str]:
    """Return the command that runs a rival's file as its user would: nothing of Buff is imported."""
    return [sys.executable, "-P", os.path.join(RIVALS, f"{name}.py"), *arguments]


def told_by(command: Sequence[str], *, environment: Mapping[str, str]) -> Spent:
    """Run a command that prints the seconds it took itself, of the clock and of processors, as its last line."""
    wall, cpu = _run(command, environment).splitlines()[-1].split()
    return Spent(wall=float(wall), cpu=float(cpu))


def _run(command: Sequence[str], environment: Mapping[str, str]) -> str:
    return subprocess.run(
        command, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    ).stdout
