"""`buff doctor`: whether this machine and this root can keep Buff's promises, measured."""

import importlib.metadata
import os
import platform
from typing import Any

import rich_click as click

from buff._version import __version__
from buff.cli.output import json_option, print_json, root_option, surroundings, table

SHOWN_APART = ("disk", "load", "outlook", "checks", "expectations", "advice")
PARTS = ("numpy", "msgspec", "attrs", "cattrs", "pyarrow", "rich-click", "litestar", "litecharts", "pandas")


@click.command("doctor")
@root_option
@json_option
def command(runs_root: str | None, as_json: bool) -> None:
    """Check the root, its disk and what is installed; measure, say what to expect, and advise.

    Writes at most 32 MiB into the root, in files that are removed, and takes some seconds on a slow disk. The exit code
    is 0 whatever is found.
    """
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
    table(("root", "value"), [(name, str(value)) for name, value in told.items() if name not in SHOWN_APART])
    for part in ("disk", "load"):
        table((part, "value"), [(name, _shown(value)) for name, value in told.get(part, {}).items()])
    table(("check", "code", "says"), [(each["name"], each["code"], each["message"]) for each in told.get("checks", [])])
    for expectation in told.get("expectations", []):
        click.echo(f"- {expectation}")
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


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _root(root: str) -> dict[str, Any]:
    from buff import diagnosis
    from buff.catalogue import abandoned_bytes
    from buff.cli.datasets import remedy
    from buff.health import Health
    from buff.probe import medium
    from buff.space import tree_bytes
    from buff.staging import ORPHANS, STAGING
    from buff.store import Store

    if not os.path.isdir(root):
        return {"path": root, "says": "not a directory; `buff run create` makes it", "advice": []}
    host, settings = surroundings()
    disk = medium(root)
    speed, failure = _speed(root)
    store = Store(root, host=host, settings=settings)
    load = diagnosis.load(store, clock=host.monotonic)
    state = store.state
    orphaned, abandoned = tree_bytes(os.path.join(root, ORPHANS)), abandoned_bytes(store)
    left = [
        f"what dead processes left takes {size:,} bytes in {place}: {remedy(place)}"
        for place, size in ((STAGING, abandoned), (ORPHANS, orphaned))
        if size
    ]
    return {
        "path": root,
        "free_bytes": disk.free_bytes,
        "file_system": disk.kind,
        "mount_options": disk.options,
        "synced_write_microseconds": None if speed is None else speed.sync.median,
        "journal_id": state.journal_id or None,
        "seq": state.seq,
        "runs": len(state.runs),
        "datasets": len(state.datasets),
        "interrupted_ingests": len(state.ingests),
        "orphans": len(state.orphans),
        "orphan_bytes": orphaned,
        "abandoned_bytes": abandoned,
        "disk": {**_of_medium(disk.as_dict()), **({} if speed is None else speed.as_dict())},
        "load": load.as_dict(),
        "outlook": None if speed is None else diagnosis.outlook(speed, load).as_dict(),
        "checks": [check.as_dict() for check in Health(store).checks()],
        "expectations": [] if speed is None else list(diagnosis.expectations(disk, speed, load)),
        "advice": [
            *([] if failure is None else [failure]),
            *diagnosis.advice(disk, speed, load, busy=_busy(host.cores)),
            *left,
        ],
    }


def _busy(cores: int) -> float:
    """Return how many processes wanted to run in the last minute, for each core; 0 where the system does not say."""
    return os.getloadavg()[0] / cores if hasattr(os, "getloadavg") else 0.0


def _of_medium(found: dict[str, Any]) -> dict[str, Any]:
    """Return what is said of a disk and not of the root already."""
    return {name: value for name, value in found.items() if name not in ("kind", "options", "free_bytes")}


def _speed(root: str) -> tuple[Any, str | None]:
    """Return how fast the disk of a root is, or None and why that cannot be measured."""
    from buff.files import NO_SPACE, RealDisk
    from buff.probe import measure

    host, _ = surroundings()
    try:
        return measure(RealDisk(), root, token=host.token(), clock=host.monotonic), None
    except OSError as error:
        remedy = "free some space" if error.errno in NO_SPACE else "check its permissions"
        return None, f"nothing can be written in this root: {error.strerror}; {remedy}"
