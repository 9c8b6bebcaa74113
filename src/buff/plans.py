"""Plans: the files under `_sweeps/` that say which runs each sweep is about, named by their hash and never changed.

A root and a hash go in; a plan comes out, or which runs it names. What is read is proven by the hash. Nothing here
writes.
"""

import os
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from buff.canonical import digest
from buff.errors import BuffError, RunDamaged, StorageUnreadable
from buff.files import Disk

FOLDER = "_sweeps"
_DIGITS = 32  # of an inputs_hash: enough to tell any two apart, at half the memory


class _Run(msgspec.Struct, gc=False):
    inputs_hash: str | None = None


class _Plan(msgspec.Struct):
    runs: list[_Run]


def plan_path(root: str, sha256: str) -> str:
    """Return where the plan of that hash lies, or would."""
    return os.path.join(root, FOLDER, f"{sha256}.json")


def plan_bytes(disk: Disk, root: str, sweep: str, sha256: str) -> bytes:
    """Return the plan of a sweep as it is stored. Raises StorageUnreadable, RunDamaged when it is not that plan."""
    try:
        data = disk.read(plan_path(root, sha256))
    except OSError as error:
        raise StorageUnreadable(
            f"the plan of {sweep} cannot be read: {error.strerror}", hint="bring it back from a copy of the root"
        ) from error
    if digest(data) != sha256:
        raise RunDamaged(
            f"the plan of {sweep} is not what was recorded",
            hint="bring it back from a copy of the root",
            details={"sweep": sweep},
        )
    return data


def read_plan(disk: Disk, root: str, sweep: str, sha256: str) -> dict[str, Any]:
    """Return the plan of a sweep as plain values. Raises as `plan_bytes`."""
    plan: dict[str, Any] = msgspec.json.decode(plan_bytes(disk, root, sweep, sha256))
    return plan


class Plans:
    """Which runs the plans of one root name. Each plan is read once, when somebody asks. Threads may share it."""

    def __init__(self, disk: Disk, root: str) -> None:
        """Read nothing yet."""
        self._disk, self._root = disk, root
        self._known: dict[str, NDArray[np.bytes_]] = {}  # by the plan's hash, the hashes of its inputs in order

    def having(self, sweep: str, sha256: str, inputs: Sequence[str]) -> list[bool] | None:
        """Return of each of some runs, by the hash of its inputs, whether a plan names it; None when it has no plan."""
        known = self._known.get(sha256)
        if known is None:
            try:
                known = self._known[sha256] = _named(plan_bytes(self._disk, self._root, sweep, sha256))
            except BuffError:
                return None  # who asks says so, and looks again the next time: a copy may have brought it back
        wanted = _keys(inputs)
        found: list[bool] = (known[np.searchsorted(known, wanted).clip(max=len(known) - 1)] == wanted).tolist()
        return found


def _named(plan: bytes) -> NDArray[np.bytes_]:
    runs = msgspec.json.decode(plan, type=_Plan).runs
    # One that no run has stands behind the others, so that there always is one.
    return np.sort(_keys([*(run.inputs_hash for run in runs if run.inputs_hash is not None), "~"]))


def _keys(inputs: Sequence[str]) -> NDArray[np.bytes_]:
    return np.array([each[:_DIGITS].encode("ascii") for each in inputs], f"S{_DIGITS}")
