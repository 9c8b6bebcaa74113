"""Sweeps in real processes, killed by kill -9 and stopped by Ctrl-C at moments drawn by chance, and asked for again.

Invariants checked, after every end and at the last: every run that is listed has all its bytes, none is there twice,
nothing is left in staging once somebody writes again, no process outlives the one that started it, and in the end there
are exactly the runs that a sweep nobody disturbed makes, byte for byte.
"""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from buff.audit import verify_all
from buff.crew import Here
from buff.journal.events import RunCommitted, SweepFinished, SweepPlanned
from buff.sweeps import carry_out, grid
from whole import events, files, make, names, opened, start

pytestmark = pytest.mark.crash

SLOW = "8..187"
KILLS = 6


def command(root: Path, dataset: str) -> list[str]:
    words = [
        "--timeframe",
        "5m",
        "--strategy",
        "ma_cross",
        "--param",
        "fast=7",
        "--param",
        f"slow={SLOW}",
        "--risk",
        "3",
    ]
    return ["-m", "buff", "sweep", "--dataset", dataset, *words, "--runs-root", str(root)]


def children(pid: int) -> list[int]:
    """Return the processes that one has started."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(text) for text in path.read_text().split()] if path.exists() else []


def gone(pids: list[int]) -> bool:
    """Say whether all of them end soon: a zombie has ended, too."""
    deadline = time.monotonic() + 30
    left = set(pids)
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = {pid for pid in left if (stat := _stat(pid)) is not None and stat != "Z"}
    return not left


def _stat(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


def judge(root: Path) -> None:
    with opened(root) as store:
        assert {verdict.outcome for verdict in verify_all(store, stored_bytes_only=True, record=False)} == {"whole"}
        store.journal()
        assert names(root)["_staging"] == [store.owner.name]
        assert sorted(store.state.runs) == names(root)["runs"]
    told = Counter(event.run_id for event in events(root) if isinstance(event, RunCommitted))
    assert set(told.values()) == {1}


def prepared(folder: Path, csv: Path) -> tuple[Path, str]:
    root = folder / "root"
    return root, make(root, csv, timeframe="1h").run.inputs["dataset_id"]


def disturb(root: Path, dataset: str, how: signal.Signals, chance: random.Random) -> int:
    """Begin the sweep, send a signal at some moment, and return the exit code."""
    with start(command(root, dataset)) as child:
        time.sleep(chance.uniform(0.5, 2.5))
        family = children(child.pid)
        if child.poll() is None:
            os.kill(child.pid, how)
        _, errors = child.communicate(timeout=120)
        assert "Traceback" not in errors
    assert gone(family), "processes outlived the one that started them"
    return child.returncode


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="it looks at processes as Linux shows them")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_sweep_that_is_ended_at_any_moment_goes_on_where_it_was(
    tmp_path: Path, minutes: Path, how: signal.Signals
) -> None:
    chance = random.Random(8)
    root, dataset = prepared(tmp_path, minutes)
    codes = Counter[int]()
    for _ in range(KILLS):
        codes[disturb(root, dataset, how, chance)] += 1
        judge(root)
    with start(command(root, dataset)) as child:
        out, errors = child.communicate(timeout=300)
    assert child.returncode == 0, errors
    judge(root)
    told = [event for event in events(root) if isinstance(event, SweepPlanned | SweepFinished)]
    assert [type(event) for event in told] == [SweepPlanned, SweepFinished]
    print(f"\n{how.name}: {dict(codes)}; at last: {out.splitlines()[1]}")
    undisturbed, _ = prepared(tmp_path / "other", minutes)
    with opened(undisturbed) as store:
        asked = grid(
            datasets=[dataset], timeframes="5m", strategy_id="ma_cross", params={"fast": "7", "slow": SLOW}, risk="3",
            common={},
        )  # fmt: skip
        carry_out(store, asked, executor=Here())
    assert files(root) == files(undisturbed)
