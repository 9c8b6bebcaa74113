"""Real processes on a real file system, killed with SIGKILL while they append and commit.

Invariants checked: every answer a process wrote down before it died is in the journal, once and with its hash; seqs are
dense and nothing is refused; every run that was answered is listed and every listed one has its bytes; in the end no
directory is there that no event names.
"""

import hashlib
import multiprocessing
import random
import signal
import time
from pathlib import Path

import msgspec
import pytest

from buff.files import RealDisk
from buff.journal.events import RunCommitted
from buff.journal.log import Reading, read
from buff.store import Store
from journals import BOOT
from ledgers import SETTINGS, host

pytestmark = pytest.mark.crash
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["killed"])


@pytest.fixture
def chance() -> random.Random:
    return random.Random(8)


def answers(path: Path) -> dict[str, list[str]]:
    """Return what processes wrote down: the first word of each whole line, and the rest of it."""
    found: dict[str, list[str]] = {"run": [], "seq": []}
    if path.exists():
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                word, rest = line.split(maxsplit=1)
                found[word].append(rest.strip())
    return found


def hold(root: Path, told: dict[str, list[str]]) -> Reading:
    """Hold a root to what was told of it."""
    reading = read(RealDisk(), str(root), boot=BOOT)
    assert reading.problem is None
    assert [line.seq for line in reading.lines] == list(range(1, len(reading.lines) + 1))
    hashes = {f"{line.seq} {line.sha256}" for line in reading.lines}
    assert set(told["seq"]) <= hashes, "an acknowledged event is lost"
    assert len(set(told["seq"])) == len(told["seq"]), "one seq was given twice"
    return reading


def whole(root: Path) -> int:
    """Check every file of every listed run, and that nothing else looks like a run; return how many there are."""
    with Store(str(root), host=host(process=1 << 20), settings=SETTINGS) as store:
        store.journal()
        runs = store.state.runs
    for run_id in runs:
        manifest = msgspec.json.decode((root / run_id / "manifest.json").read_bytes())
        for item in manifest["artifacts"]:
            data = (root / run_id / item["name"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == item["sha256"]
    assert {path.name for path in root.iterdir() if path.name.startswith("run_")} == set(runs)
    assert {path.name for path in (root / "_orphans").glob("*")} == set(store.state.orphans)
    return len(runs)


def kill_often(root: Path, kills: int, chance: random.Random) -> tuple[int, int]:
    """Kill process after process on one root; return how many events and runs survived."""
    import killed

    path = root.with_suffix(".answers")
    root.mkdir()
    for number in range(kills):
        child = _context.Process(target=killed.commit_for_ever, args=(str(root), number, str(path)))
        child.start()
        # Some die while they open the root, most while they write to it.
        size = path.stat().st_size if path.exists() else 0
        deadline = time.monotonic() + 20
        while chance.random() < 0.995 and time.monotonic() < deadline:
            time.sleep(0.001)
            if path.exists() and path.stat().st_size > size + 80 * (number % 4):
                time.sleep(chance.random() * 0.004)
                break
        child.kill()
        child.join()
    told = answers(path)
    reading = hold(root, told)
    assert {line.split()[0] for line in told["run"]} <= {
        item.event.run_id for item in reading.events if isinstance(item.event, RunCommitted)
    }
    return len(reading.lines), whole(root)


@pytest.mark.parametrize("block", range(3))
def test_hundreds_of_kills_lose_nothing(memory: Path, block: int) -> None:
    chance, kills, rounds = random.Random(block), 20, 5
    found = [kill_often(memory / str(number), kills, chance) for number in range(rounds)]
    events, runs = map(sum, zip(*found, strict=True))
    print(f"\nkills: {rounds * kills} real SIGKILLs, {events:,} events and {runs} runs after them, 0 lost")


ROUNDS, PROCESSES, APPENDS = 10, 8, 500


def test_eight_processes_append_and_one_is_killed(memory: Path, chance: random.Random) -> None:
    import killed

    total, killed_in_time = 0, 0
    for number in range(ROUNDS):
        root, path = memory / str(number), memory / f"{number}.answers"
        root.mkdir()
        children = [
            _context.Process(target=killed.append, args=(str(root), each, APPENDS, str(path)))
            for each in range(PROCESSES)
        ]
        for child in children:
            child.start()
        least = chance.randrange(100, 1_500) * len(b"seq 1000 \n" + b"0" * 64)
        while (not path.exists() or path.stat().st_size < least) and all(child.is_alive() for child in children):
            time.sleep(0.005)
        victim = children.pop(number % PROCESSES)
        victim.kill()
        for child in (victim, *children):
            child.join()
        assert [child.exitcode for child in children] == [0] * (PROCESSES - 1)
        assert victim.exitcode in (0, -signal.SIGKILL), "it may have come to its end just before"
        killed_in_time += victim.exitcode != 0
        told = answers(path)
        assert len(told["seq"]) >= (PROCESSES - 1) * APPENDS
        hold(root, told)
        total += len(told["seq"])
    assert killed_in_time
    print(f"\nrivals: {ROUNDS} rounds of {PROCESSES} x {APPENDS}, one killed: {total:,} answers, each there once")
