"""Creating a run in real processes: two at once, interrupted, and on a disk that is full."""

import os
import resource
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from buff.journal.events import RunCommitted
from buff.registry.index import index_bytes
from whole import arguments, buff, events, make, names, opened, process, request, start, write_csv

pytestmark = pytest.mark.crash


def words(minutes: Path, root: Path, **changes: object) -> list[str]:
    return ["run", "create", *arguments(request(minutes, **changes)), "--runs-root", str(root), "--json"]


# Two at once


@pytest.mark.parametrize("again", range(3))
def test_two_processes_creating_the_same_run_both_succeed_and_one_directory_exists(
    tmp_path: Path, minutes: Path, again: int
) -> None:
    root = tmp_path / "root"
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda _: buff(*words(minutes, root), env={"BUFF_BUILDS_MAX": "3"}), range(3)))
    assert [child.returncode for child in done] == [0, 0, 0], [child.stderr for child in done]
    found = [msgspec.json.decode(child.stdout) for child in done]
    assert len({each["run_id"] for each in found}) == 1
    assert sorted(each["existed"] for each in found) == [False, True, True]
    assert names(root) == {
        "runs": [found[0]["run_id"]],
        "_datasets": [found[0]["dataset_id"]],
        "_staging": [],
        "_orphans": [],
    }
    assert sum(isinstance(event, RunCommitted) for event in events(root)) == 1


RACE = """
import sys
from pathlib import Path
from whole import SETTINGS, host, opened, request
from buff.builder import create

root, csv, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
with opened(root) as store:
    store.journal()
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(count):
        values = request(csv, initial_equity=10_000 + n)
        print(create(values, root=store, host=store.host, settings=SETTINGS).existed, flush=True)
"""


def test_open_stores_of_two_processes_race_for_many_runs(tmp_path: Path, minutes: Path) -> None:
    """Invariants checked: every request of both succeeds; each run is committed once; nothing is left over."""
    count, root = 12, tmp_path / "root"
    root.mkdir()
    path = str(Path(__file__).parents[1])
    children = [
        start(["-c", RACE, str(root), str(minutes), str(count)], env={"PYTHONPATH": path}, stdin=subprocess.PIPE)
        for _ in range(2)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    answers = []
    for child in children:
        out, err = child.communicate(timeout=60)
        assert child.returncode == 0, err
        answers.append(out.split())
    assert all(sorted(pair) in (["False", "True"],) or pair == ("True", "True") for pair in zip(*answers, strict=True))
    committed = [event.run_id for event in events(root) if isinstance(event, RunCommitted)]
    assert len(committed) == len(set(committed)) == count
    assert names(root)["runs"] == sorted(committed)
    assert (names(root)["_staging"], names(root)["_orphans"]) == ([], [])
    store = opened(root)
    assert (root / "index.json").read_bytes() == index_bytes(store.state)


# Ctrl-C


@pytest.fixture(scope="session")
def many_minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two months: enough that an ingest and a build at 1m can be interrupted."""
    return write_csv(tmp_path_factory.mktemp("many") / "many.csv", minutes=86_400)


def interrupted_at(sign: str, root: Path, csv: Path) -> subprocess.CompletedProcess[str]:
    """Send SIGINT to a `buff run create` at the first moment that a path of some form is there; wait for its end."""
    with start(["-m", "buff", *words(csv, root, timeframe="1m")]) as child:
        deadline = time.monotonic() + 30
        while not list(root.glob(sign)) and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.0005)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
    return subprocess.CompletedProcess(child.args, child.returncode, out, err)


@pytest.mark.parametrize(
    "sign",
    ["_journal", "_staging/*/ing_*", "_datasets", "_staging/*/run_*", "_staging/*/run_*/columns/equity.npy"],
)
def test_ctrl_c_leaves_nothing_behind_and_the_next_create_works(tmp_path: Path, many_minutes: Path, sign: str) -> None:
    root = tmp_path / "root"
    done = interrupted_at(sign, root, many_minutes)
    assert "Traceback" not in done.stderr
    if done.returncode in (0, -signal.SIGINT):  # it was done before the signal came, which then ends Python itself
        assert len(names(root)["runs"]) == 1
    else:
        assert done.returncode == 130, done.stderr
        assert done.stderr.lstrip().startswith("Interrupted.")
        left = names(root)
        assert (left["_staging"], left["_orphans"]) == ([], [])
        listed = [entry.run_id for entry in opened(root).runs().items]
        assert left["runs"] == listed
    again = buff(*words(many_minutes, root, timeframe="1m"))
    assert again.returncode == 0, again.stderr
    assert names(root)["runs"] == [msgspec.json.decode(again.stdout)["run_id"]]
    assert (names(root)["_staging"], names(root)["_orphans"]) == ([], [])


# A disk that is full


LIMITED = """
import resource, signal, sys
from buff.cli.main import run
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(run(sys.argv[2:]))
"""


@pytest.mark.parametrize("size_bytes", [100, 600, 1_100, 4_000, 9_000, 23_000])
def test_files_that_may_not_grow_end_in_a_coded_error_and_nothing_half_made(
    tmp_path: Path, minutes: Path, size_bytes: int
) -> None:
    """A limit on the size of a file stops the journal, the dataset or an artifact, the smaller the earlier."""
    root = tmp_path / "root"
    # Python does not notice when it could write only a part of its compiled code, and fails on it the next time.
    done = process(["-c", LIMITED, str(size_bytes), *words(minutes, root)], env={"PYTHONDONTWRITEBYTECODE": "1"})
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 9, done.stderr
    error = msgspec.json.decode(done.stderr)
    assert error["code"] == "STORAGE_FULL"
    assert error["hint"]
    left = names(root)
    assert (left["runs"], left["_staging"], left["_orphans"]) == ([], [], [])
    again = make(root, minutes)
    assert not again.existed
    assert names(root)["_staging"] == []


def test_a_journal_that_there_is_no_room_for_could_not_be_made(tmp_path: Path, minutes: Path) -> None:
    done = process(["-c", LIMITED, "100", *words(minutes, tmp_path / "root")], env={"PYTHONDONTWRITEBYTECODE": "1"})
    assert msgspec.json.decode(done.stderr)["message"].startswith("the journal could not be made")


def mounted(path: Path, size_bytes: int) -> bool:
    """Mount a small file system in memory; say whether that was allowed."""
    path.mkdir()
    options = f"size={size_bytes}"
    return (
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], capture_output=True).returncode == 0
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
def test_a_full_disk_refuses_and_stays_usable(tmp_path: Path, minutes: Path) -> None:
    disk = tmp_path / "disk"
    if not mounted(disk, 1 << 20):
        pytest.skip("no file system can be mounted here")
    try:
        root = disk / "root"
        make(root, minutes)
        block = resource.getpagesize()
        with (disk / "ballast").open("wb") as ballast:
            free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
            ballast.write(b"x" * (free - 10 * block))
        before = names(root)
        no_reserve = {"BUFF_FREE_BYTES_MIN": "0"}  # else the limit refuses before the disk does
        done = buff(*words(minutes, root, run_id="mine"), env=no_reserve)
        assert done.returncode == 9, done.stderr
        assert msgspec.json.decode(done.stderr)["code"] == "STORAGE_FULL"
        assert names(root) == before
        assert len(opened(root).runs().items) == 1
        (disk / "ballast").unlink()
        assert buff(*words(minutes, root, run_id="mine"), env=no_reserve).returncode == 0
        assert names(root)["runs"] == sorted([*before["runs"], "mine"])
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
