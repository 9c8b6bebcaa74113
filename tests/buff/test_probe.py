"""Measuring a disk: figures within bounds, and nothing of it left, whatever happens."""

import errno
import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from buff import probe
from buff.files import RealDisk
from buff.probe import FOLDER, SECONDS_MAX, SYNCS, Medium, Speed, measure, medium, mount_of
from watched_disk import WatchedDisk


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """No long file of these tests is longer than four mebibytes."""
    assert probe.BYTES_MAX == 32 << 20
    monkeypatch.setattr(probe, "BYTES_MAX", 4 << 20)


def ticking(seconds: float) -> Callable[[], float]:
    """Return a clock that is `seconds` later whenever it is asked."""
    steps = count()
    return lambda: next(steps) * seconds


def measured(root: Path, disk: RealDisk | None = None, seconds: float = 0.001) -> Speed:
    return measure(disk or RealDisk(), str(root), token="t", clock=ticking(seconds))


def test_a_disk_is_measured_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"x")
    found = measured(tmp_path)
    assert (found.sync.median, found.sync.worst, found.sync.count) == (1_000, 1_000, SYNCS)
    assert (found.create.median, found.create.count) == (1_000, SYNCS)
    assert found.sample_bytes == 4 << 20
    assert found.write is not None
    assert found.read is not None
    assert found.hash == (8 << 20) * 1_000
    assert os.listdir(tmp_path) == ["mine"]
    assert {"sync_median_microseconds", "create_worst_microseconds", "read_bytes_per_second"} <= found.as_dict().keys()


def test_what_it_writes_and_syncs_is_what_it_says(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    measured(tmp_path, WatchedDisk(str(tmp_path), lambda kind, path: told.append((kind, path))))
    assert all(path.startswith(f"{FOLDER}t") for _, path in told)
    kinds = [kind for kind, _ in told]
    assert (kinds.count("sync"), kinds.count("sync_directory")) == (2 * SYNCS + 1, SYNCS)


def test_a_slow_disk_is_not_measured_for_long(tmp_path: Path) -> None:
    """A clock that runs a second at each look: two of everything, and a mebibyte or two."""
    found = measured(tmp_path, seconds=1.0)
    assert found.sync.count == found.create.count <= SECONDS_MAX
    assert found.sync.median == 1_000_000
    assert found.sample_bytes <= 2 << 20


class Small(RealDisk):
    """A disk with little room."""

    def __init__(self, free: int) -> None:
        self._free = free

    def free_bytes(self, path: str) -> int:
        return self._free


@pytest.mark.parametrize(("free", "sample"), [(0, 0), (16 << 20, 1 << 20), ((16 << 20) - 1, 0), (1 << 40, 4 << 20)])
def test_only_a_small_part_of_what_is_free_is_written(tmp_path: Path, free: int, sample: int) -> None:
    found = measured(tmp_path, Small(free))
    assert found.sample_bytes == sample
    assert (found.write is None) == (found.read is None) == (sample == 0)


@pytest.mark.parametrize("kind", ["sync", "write", "rename", "sync_directory", "create"])
def test_nothing_is_left_where_it_fails(tmp_path: Path, kind: str) -> None:
    def fail(what: str, path: str) -> None:
        if what == kind:
            raise OSError(errno.EIO, "no")

    with pytest.raises(OSError, match="no"):
        measured(tmp_path, WatchedDisk(str(tmp_path), fail))
    assert os.listdir(tmp_path) == []


def test_nothing_is_left_after_ctrl_c(tmp_path: Path) -> None:
    def stop(what: str, path: str) -> None:
        if what == "rename":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(tmp_path, WatchedDisk(str(tmp_path), stop))
    assert os.listdir(tmp_path) == []


def test_what_a_killed_probe_left_is_removed_and_a_living_one_is_not_touched(tmp_path: Path) -> None:
    disk = RealDisk()
    for name in ("dead", "living"):
        folder = tmp_path / f"{FOLDER}{name}"
        folder.mkdir()
        (folder / "lock").touch()
        (folder / "long").write_bytes(b"x")
    lock = disk.open_lock(str(tmp_path / f"{FOLDER}living" / "lock"))
    try:
        assert disk.try_lock(lock)
        measured(tmp_path)
    finally:
        disk.close(lock)
    assert os.listdir(tmp_path) == [f"{FOLDER}living"]


def test_the_medium_of_a_directory_is_known(tmp_path: Path) -> None:
    found = medium(str(tmp_path))
    assert 0 <= found.free_bytes <= found.total_bytes
    assert found.as_dict()["family"] == found.family


@pytest.mark.parametrize(
    ("device", "turns", "rotational"),
    [("ata1/sda", "1", True), ("nvme/nvme0n1", "0", False), ("virtio1/vda", "1", None), ("ata1/sda", None, None)],
)
def test_what_the_kernel_says_of_a_device_is_told_but_not_what_a_hypervisor_makes_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, turns: str | None, rotational: bool | None
) -> None:
    queue = tmp_path / device / "queue"
    queue.mkdir(parents=True)
    if turns is not None:
        (queue / "rotational").write_text(f"{turns}\n")
        (queue / "write_cache").write_text("write back\n")
    monkeypatch.setattr(probe, "_queue", lambda _: str(queue))
    found = medium(str(tmp_path))
    assert (found.rotational, found.volatile_cache) == (rotational, None if turns is None else True)


TABLE = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw,barrier=0
30 22 0:5 / /data rw - xfs /dev/vdb rw
31 22 0:6 / /data rw - nfs4 host:/x rw
32 22 0:7 / /data/deep rw shared:3 master:1 - tmpfs tmpfs rw
33 22 0:8 / /my\\040data rw - nfs host:/y rw
"""
MOUNTS = [line.split() for line in TABLE.splitlines()]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/database", "ext4"),
        ("/data", "nfs4"),
        ("/data/x", "nfs4"),
        ("/data/deep/x", "tmpfs"),
        ("/my data/x", "nfs"),
    ],
)
def test_the_deepest_and_last_mount_counts(path: str, kind: str) -> None:
    assert mount_of(path, MOUNTS)[0] == kind
    assert mount_of("/", MOUNTS)[1] == "rw,relatime,rw,barrier=0"


@pytest.mark.parametrize(
    ("kind", "family"),
    [("nfs4", "network"), ("tmpfs", "memory"), ("overlay", "overlay"), ("ext4", "local"), ("unknown", "unknown")],
)
def test_a_kind_has_a_family(kind: str, family: str) -> None:
    what = Medium(
        kind=kind, options="", rotational=None, volatile_cache=None, free_bytes=0, total_bytes=0, free_names=None
    )
    assert what.family == family
