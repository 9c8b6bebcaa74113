"""`buff doctor`: whether this machine and this root can keep Buff's promises, measured."""

import importlib.metadata
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Mapping
from typing import Any

import rich_click as click

from buff._version import __version__
from buff.cli.output import json_option, print_json, root_option, surroundings, table

SYNCS = 20
SUSPICIOUS_MICROSECONDS = 20  # no disk that keeps its promise answers faster
NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "afs", "ceph", "glusterfs"})
PARTS = ("numpy", "msgspec", "attrs", "cattrs", "pyarrow", "rich-click", "litestar", "litecharts", "pandas")


@click.command("doctor")
@root_option
@json_option
def command(runs_root: str | None, as_json: bool) -> None:
    """Check the root, its file system and what is installed; measure a synced write."""
    from buff.builder import root_of

    _, settings = surroundings()
    found: dict[str, Any] = {"buff": __version__, "python": platform.python_version(), "system": platform.platform()}
    found["parts"] = dict(_versions())
    place = runs_root or settings.runs_root
    root = root_of(place) if place else None
    found["root"] = _root(root) if root else {"path": None, "says": "RUNS_ROOT is not set; give --runs-root"}
    if as_json:
        print_json(found)
        return
    table(("part", "version"), [("buff", __version__), ("python", found["python"]), *found["parts"].items()])
    told = found["root"]
    table(("root", "value"), [(name, str(value)) for name, value in told.items() if name not in ("advice", "checks")])
    table(("check", "code", "says"), [(each["name"], each["code"], each["message"]) for each in told.get("checks", [])])
    for advice in told.get("advice", []):
        click.echo(f"! {advice}")


def _versions() -> list[tuple[str, str]]:
    versions = []
    for part in PARTS:
        try:
            versions.append((part, importlib.metadata.version(part)))
        except importlib.metadata.PackageNotFoundError:
            versions.append((part, "not installed"))
    return versions


def _root(root: str) -> dict[str, Any]:
    from buff.catalogue import abandoned_bytes
    from buff.cli.datasets import remedy
    from buff.health import Health
    from buff.space import tree_bytes
    from buff.staging import ORPHANS, STAGING
    from buff.store import Store

    if not os.path.isdir(root):
        return {"path": root, "says": "not a directory; `buff run create` makes it", "advice": []}
    host, settings = surroundings()
    kind, options = _mount(root)
    median, failure = _synced_write(root)
    store = Store(root, host=host, settings=settings)
    state = store.state
    orphaned, abandoned = tree_bytes(os.path.join(root, ORPHANS)), abandoned_bytes(store)
    left = [
        f"what dead processes left takes {size:,} bytes in {place}: {remedy(place)}"
        for place, size in ((STAGING, abandoned), (ORPHANS, orphaned))
        if size
    ]
    return {
        "path": root,
        "free_bytes": shutil.disk_usage(root).free,
        "file_system": kind,
        "mount_options": options,
        "synced_write_microseconds": median,
        "journal_id": state.journal_id or None,
        "seq": state.seq,
        "runs": len(state.runs),
        "datasets": len(state.datasets),
        "interrupted_ingests": len(state.ingests),
        "orphans": len(state.orphans),
        "orphan_bytes": orphaned,
        "abandoned_bytes": abandoned,
        "checks": [check.as_dict() for check in Health(store).checks()],
        "advice": [*([] if failure is None else [failure]), *_advice(kind, options, median), *left],
    }


def _mount(path: str) -> tuple[str, str]:
    """Return the type and options of the file system a path is on, from Linux's mount table; elsewhere unknown."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            rows = [line.split() for line in file]
    except OSError:
        return "unknown", "unknown"
    best: Mapping[str, Any] = {"point": "", "kind": "unknown", "options": "unknown"}
    for row in rows:
        point, after = row[4], row.index("-")
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best["point"]):
            best = {"point": point, "kind": row[after + 1], "options": f"{row[5]},{row[after + 3]}"}
    return best["kind"], best["options"]


def _synced_write(root: str) -> tuple[int | None, str | None]:
    """Return the median time in microseconds of writing and syncing 300 bytes in the root, or why that cannot be."""
    from buff.files import NO_SPACE

    try:
        return _sync_microseconds(root), None
    except OSError as error:
        remedy = "free some space" if error.errno in NO_SPACE else "check its permissions"
        return None, f"nothing can be written in this root: {error.strerror}; {remedy}"


def _sync_microseconds(root: str) -> int:
    """Return the median time of writing and syncing 300 bytes in a directory."""
    from buff.files import RealDisk

    disk = RealDisk()
    folder = tempfile.mkdtemp(prefix=".doctor-", dir=root)
    try:
        handle = disk.create(os.path.join(folder, "probe"))
        times = []
        try:
            for _ in range(SYNCS):
                began = time.perf_counter_ns()
                disk.write(handle, b"x" * 300)
                disk.sync(handle)
                times.append(time.perf_counter_ns() - began)
        finally:
            disk.close(handle)
    finally:
        shutil.rmtree(folder)
    return sorted(times)[SYNCS // 2] // 1000


def _advice(kind: str, options: str, median: int | None) -> list[str]:
    advice = []
    if kind in NETWORK:
        advice.append(f"{kind} is a network file system: locks and syncs are not promised there; use a local disk")
    if kind == "overlay":
        advice.append("overlay: what is written here may vanish with the container; mount a volume")
    if kind in ("tmpfs", "ramfs"):
        advice.append(f"{kind} lives in memory: nothing survives a restart")
    if any(word in options.split(",") for word in ("nobarrier", "barrier=0", "volatile")):
        advice.append("this mount ignores syncs: a power cut may lose acknowledged runs")
    if median is not None and median < SUSPICIOUS_MICROSECONDS and kind not in ("tmpfs", "ramfs"):
        advice.append(f"a synced write took {median} microseconds: this disk may say it is done before it is")
    return advice
