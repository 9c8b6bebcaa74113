"""The whole of Buff in small: sample files, a root with one run in it, and every door to create another.

Used by the tests of what sits above the parts. Processes started here are real ones, with an environment that holds
nothing of the machine's own settings.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from attrs import evolve

from buff.builder import Created, create
from buff.host import Host, this_host
from buff.sample import csv_chunks
from buff.settings import Settings
from buff.store import Store

TWO_DAYS = 2_880
HEADER = "timestamp,open,high,low,close,volume\n"
SETTINGS = Settings(user="tester", free_bytes_min=0)


def in_memory() -> str | None:
    """Return a directory in memory where the machine has one with room: a kill leaves what was written there."""
    memory = "/dev/shm"
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= 1 << 30
    return memory if roomy else None


def host(**changes: Any) -> Host:
    """Return the surroundings of this process, with some of them changed."""
    return evolve(this_host(), **{"environment": {}, "user": "tester", **changes})


def write_csv(path: Path, minutes: int = TWO_DAYS, seed: int = 7) -> Path:
    """Write sample minutes, the same for the same count and seed, and return where."""
    path.write_bytes(b"".join(csv_chunks(minutes, seed)))
    return path


def request(path: Path | None = None, /, **changes: Any) -> dict[str, Any]:
    """Return the plain values of a request that succeeds on sample minutes; None takes a field out."""
    values = {
        "csv": None if path is None else [str(path)],
        "symbol": "BTCUSDT",
        "timeframe": "1h",
        "strategy": "ma_cross",
        "params": {"fast": 3, "slow": 8},
        "risk_level": 3,
        **changes,
    }
    return {name: value for name, value in values.items() if value is not None}


def make(root: Path, path: Path | None = None, /, **changes: Any) -> Created:
    """Create a run the way the doors do."""
    return create(request(path, **changes), root=str(root), host=host(), settings=SETTINGS)


def opened(root: Path, **changes: Any) -> Store:
    """Return the store of a root."""
    return Store(str(root), host=host(**changes), settings=SETTINGS)


def events(root: Path) -> list[Any]:
    """Return the events of a root's journal; none where there is no root."""
    return [item.event for item in opened(root).events()] if root.is_dir() else []


def loosen(directory: Path) -> None:
    """Make everything below a directory writable: what Buff committed is not, and a test damages it."""
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def files(root: Path) -> dict[str, bytes]:
    """Return the bytes of every file of every run of a root."""
    paths = [path for run in names(root)["runs"] for path in (root / run).rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def names(root: Path) -> dict[str, list[str]]:
    """Return what there is under a root, by folder: what a failed request must leave as it was."""
    if not root.is_dir():
        return {}
    return {
        "runs": sorted(path.name for path in root.iterdir() if not path.name.startswith("_") and path.is_dir()),
        **{
            folder: sorted(path.name for path in (root / folder).iterdir()) if (root / folder).is_dir() else []
            for folder in ("_datasets", "_staging", "_orphans")
        },
    }


@cache
def _pycache() -> str:
    """Return where child processes keep compiled code: they are many, and compiling is most of a short life."""
    folder = tempfile.mkdtemp(prefix="buff-pycache-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def environment(**changes: str) -> dict[str, str]:
    """Return an environment for a child: this one's, without Buff's own settings and with a cache for its code."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("BUFF_") and name not in ("RUNS_ROOT", "ARTIFACTS_ROOT", "PYTHONDONTWRITEBYTECODE")
    }
    return {**kept, "PYTHONPYCACHEPREFIX": _pycache(), "COLUMNS": "200", **changes}


def start(arguments: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
    """Start a Python process, with its output in pipes."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [sys.executable, *arguments], env=environment(**(env or {})), text=True, **{**pipes, **options}
    )


def process(
    arguments: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a Python process to its end; it may take a minute."""
    with start(arguments, env=env, **options) as child:
        out, err = child.communicate(timeout=60)
    return subprocess.CompletedProcess(child.args, child.returncode, out, err)


def buff(*arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line as a real process."""
    return process(["-m", "buff", *arguments], env=env, **options)


def arguments(values: Mapping[str, Any]) -> list[str]:
    """Return the options of `buff run create` that say the same as a request's plain values."""
    words: list[str] = []
    for name, value in values.items():
        option = (
            "--" + name.replace("_", "-").removesuffix("s")
            if name in ("params", "tags")
            else f"--{name}".replace("_", "-")
        )
        match value:
            case dict():
                words += [word for key, item in value.items() for word in (option, f"{key}={item}")]
            case list() | tuple():
                words += [word for item in value for word in (option, str(item))]
            case _:
                words += [option, str(value)]
    return words
