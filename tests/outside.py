"""Strategies from outside, written into a directory of the import path as an installer would leave them.

A site is a directory on `sys.path`; `install` puts a package and its `.dist-info` there, and leaving the site takes all
of it away again: its path, its modules, its metadata. No installer runs, so that this is quick.
"""

import importlib
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

RULE = '''"""Long while the close is above the one before it."""

import numpy as np

from buff import Decisions, Strategy


def _warmup(params):
    return 1


def _decide(bars, params):
    target = np.zeros(len(bars), np.int8)
    target[1:] = bars.close[1:] > bars.close[:-1]
    changed = np.diff(target, prepend=np.int8(0))
    return Decisions(target=target, reason=np.where(changed > 0, 1, np.where(changed < 0, 2, 0)).astype(np.uint8))


STRATEGY = Strategy(
    id="{id}",
    version="1",
    citation="none",
    rule="Long while the close is above the one before it.",
    params=(),
    reasons=("", "rise", "fall"),
    sides=("long",),
    warmup=_warmup,
    decide=_decide,
)
'''


@contextmanager
def site(folder: Path) -> Iterator[Path]:
    """Put a new directory on the import path, and take it and what was imported from it away at the end."""
    folder.mkdir(exist_ok=True)
    sys.path.insert(0, str(folder))
    try:
        yield folder
    finally:
        sys.path.remove(str(folder))
        forget(folder)


def forget(folder: Path) -> None:
    """Take the modules of a directory out of this process, as a new process would not have them."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
    importlib.invalidate_caches()


def install(
    folder: Path,
    id: str = "riser",
    *,
    package: str | None = None,
    files: Mapping[str, str] | None = None,
    value: str | None = None,
    version: str = "0.1.0",
    requires: Sequence[str] = (),
    distribution: str | None = None,
) -> Path:
    """Write a distribution that registers one strategy, and return the directory of its package."""
    package = package or id
    distribution = distribution or package.replace("_", "-")
    for name, text in ({"__init__.py": RULE.replace("{id}", id)} if files is None else files).items():
        path = folder / package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}"]
    (info / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {each}" for each in requires), ""]))
    (info / "entry_points.txt").write_text(f"[buff.strategies]\n{id} = {value or f'{package}:STRATEGY'}\n")
    importlib.invalidate_caches()
    return folder / package


def uninstall(folder: Path, package: str) -> None:
    """Remove a distribution as `pip uninstall` does, and let this process forget what it had loaded."""
    shutil.rmtree(folder / package)
    for info in folder.glob(f"{package}-*.dist-info"):
        shutil.rmtree(info)
    forget(folder)
