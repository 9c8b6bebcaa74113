"""A server in small, to be killed: it asks for builds without end and starts them.

It writes down what was acknowledged. Imported by the processes it starts. Every build is of other inputs, so that no
result of one hides what became of another.
"""

import multiprocessing
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import evolve

from buff import builds
from buff.errors import BuffError
from buff.foreman import Foreman
from buff.settings import Settings
from buff.staging import STAGING, alive, pid_of
from buff.store import Store
from whole import SETTINGS, environment, host, request

AT_ONCE = 2
OPEN = 4  # builds that are asked for and have not ended
CANCELLED = 0.1  # share of the builds that somebody cancels
LIMITS: Settings = evolve(SETTINGS, user="web", builds_max=AT_ONCE)

# A server without threads that has imported everything and forks: starting a process costs a few milliseconds.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["foremen", "pyarrow.csv", "cattrs"])


def opened(root: Path, settings: Settings = LIMITS) -> Store:
    """Return the store of another process, whose workers get an environment of their own."""
    return Store(str(root), host=host(environment=environment()), settings=settings)


def start(root: Path, csv: Path, answers: Path, seed: int, *, asking: bool = True) -> Any:
    """Start a server in a process of its own: one that asks for builds, or one that only looks after them."""
    child = _context.Process(target=_serve, args=(root, csv, answers, seed, asking), daemon=False)
    child.start()
    return child


def _serve(root: Path, csv: Path, answers: Path, seed: int, asking: bool) -> None:
    chance, told = random.Random(seed), os.open(answers, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    with (
        opened(root) as store,
        Foreman(store, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as foreman,
    ):
        count = 0
        while True:
            under_way = [build.job for build in store.state.builds.values() if build.open]
            if asking and len(under_way) < OPEN:
                values = request(csv, strategy="hold", params=None, commission_bps=seed + count / 1000)
                os.write(told, builds.request(store, values).job.encode() + b"\n")
                count += 1
                foreman.wake()
                if chance.random() < CANCELLED:
                    builds.cancel(store, chance.choice(under_way or [None]) or max(store.state.builds))
            time.sleep(0.01)


def acknowledged(answers: Path) -> set[str]:
    """Return the builds that a server was told are asked for."""
    return set(answers.read_text().split()) if answers.exists() else set()


def workers(root: Path, but: int | None) -> list[int]:
    """Return the processes that live and have a place in the root, without the server's."""
    folder = root / STAGING
    names = os.listdir(folder) if folder.is_dir() else []
    store = opened(root)
    pids = [pid_of(name) for name in names if alive(store.disk, store.root, name)]
    return sorted(pid for pid in pids if pid not in (None, but, os.getpid()))  # type: ignore[type-var]


def kill(pid: int) -> bool:
    """Kill a process at once, unless it has ended by itself since it was looked for; return whether it was there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def until(true: Callable[[], bool], seconds: float = 60.0) -> float:
    """Wait until something is true; return how many seconds that took."""
    began = time.monotonic()
    while not _holds(true):
        assert time.monotonic() - began < seconds, "it never came true"
        time.sleep(0.005)
    return time.monotonic() - began


def _holds(true: Callable[[], bool]) -> bool:
    try:
        return true()
    except (BuffError, OSError):  # read while a writer was killed: the next look sees a whole state
        return False
