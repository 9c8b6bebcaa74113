"""The machine on which something was measured, and how it was measured: what every figure depends on.

The surroundings of a process go in; names and values for a table come out. No name of a host, a user or a path is
among them.
"""

import os
import platform
import sqlite3
from collections.abc import Mapping

from buff._version import __version__
from buff.bench.extras import RIVALS, version
from buff.host import Host
from buff.probe import medium

PARTS = ("numpy", "pyarrow", "msgspec", *RIVALS)
ABSENT = "not installed"


def load() -> str:
    """Return how busy the machine is: the processes that wanted to run in the last minute; unknown on Windows."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def machine(host: Host, folder: str) -> dict[str, str]:
    """Return what the machine is, by what a person calls it; `folder` is where files are written."""
    return {
        "processor": _processor(),
        "cores": str(host.cores),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "file system": medium(folder).kind,
        "Buff": __version__,
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        **{name: version(name) or ABSENT for name in PARTS},
    }


def _processor() -> str:
    return _lines("/proc/cpuinfo", ":").get("model name") or platform.processor() or "unknown"


def _memory() -> str:
    told = _lines("/proc/meminfo", ":").get("MemTotal", "")
    return f"{int(told.split()[0]) / 2**20:.1f} GiB" if told else "unknown"


def _lines(path: str, separator: str) -> Mapping[str, str]:
    """Return the first value of each name in a file of Linux that tells of the machine; nothing where there is none."""
    found: dict[str, str] = {}
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                name, _, value = line.partition(separator)
                found.setdefault(name.strip(), value.strip())
    except OSError:
        return {}
    return found
