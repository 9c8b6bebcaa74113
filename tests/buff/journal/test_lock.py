"""The lock: who waits, who is told what, and what no lock file survives."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from buff.errors import JournalLockTimeout, RunsRootInvalid
from buff.files import RealDisk
from buff.journal.lock import Lock
from buff.journal.log import BESIDE
from journals import note, open_journal

HOLDER = """
    import os, platform, sys, time
    from buff.files import RealDisk
    from buff.journal.lock import Lock
    holder = {"pid": os.getpid(), "started": "then", "host": "here", "command": "holding on"}
    with Lock(RealDisk(), sys.argv[1], holder).held(5.0):
        print("held", flush=True)
        time.sleep(60)
"""


def lock(root: Path, command: str = "waiting") -> Lock:
    return Lock(RealDisk(), str(root), {"pid": os.getpid(), "started": "now", "host": "here", "command": command})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "_journal").mkdir()
    return tmp_path


@contextmanager
def held_elsewhere(root: Path) -> Iterator["subprocess.Popen[str]"]:
    """Hold the lock in another process until the block ends."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_held_lock_names_its_holder(root: Path) -> None:
    with lock(root, "buff run create").held(1.0):
        text = (root / "_journal" / "lock").read_bytes()
        assert json.loads(text) == {"pid": os.getpid(), "started": "now", "host": "here", "command": "buff run create"}
        assert len(text) == 512


def test_a_timeout_says_who_holds_it(root: Path) -> None:
    with held_elsewhere(root) as process:
        started = time.monotonic()
        with pytest.raises(JournalLockTimeout) as caught, lock(root).held(0.2):
            pass
        assert 0.2 <= time.monotonic() - started < 5.0
        assert caught.value.details["holder"]["pid"] == process.pid
        assert f"process {process.pid} (holding on)" in caught.value.message
        assert caught.value.hint
    with lock(root).held(5.0):  # the kernel gave it back when the process was killed
        pass


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system does not tell the state of a process")
def test_a_stopped_holder_is_said_to_be_stopped(root: Path) -> None:
    """A process under Ctrl-Z holds its locks for as long as it likes."""
    with held_elsewhere(root) as process:
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(JournalLockTimeout, match="it is stopped") as caught, lock(root).held(0.1):
            pass
        assert caught.value.details["state"] == "stopped"
        process.send_signal(signal.SIGCONT)


def test_a_lock_file_that_was_removed_locks_nobody_out_of_the_new_one(root: Path) -> None:
    """Two processes must never hold two files of one name: after locking, the name must still be the file's."""
    mine, other = lock(root), lock(root)
    with mine.held(1.0):
        pass
    (root / "_journal" / "lock").unlink()
    with other.held(1.0), pytest.raises(JournalLockTimeout), mine.held(0.05):
        pass


def test_an_exception_gives_the_lock_back(root: Path) -> None:
    mine, other = lock(root), lock(root)
    with pytest.raises(KeyboardInterrupt), mine.held(1.0):
        raise KeyboardInterrupt
    with other.held(0.5):
        pass
    with mine.held(0.5):
        pass


def test_a_process_waiting_for_its_turn_keeps_others_from_overtaking(root: Path) -> None:
    """Whoever waits for the lock holds `turn`, so a process that just had the lock queues behind it."""
    disk = RealDisk()
    turn = disk.open_lock(str(root / "_journal" / "turn"))
    assert disk.try_lock(turn)
    with pytest.raises(JournalLockTimeout), lock(root).held(0.05):
        pass
    disk.close(turn)
    with lock(root).held(0.5):
        pass


def test_a_folder_that_is_gone_is_no_timeout(tmp_path: Path) -> None:
    with pytest.raises(RunsRootInvalid), lock(tmp_path).held(0.1):
        pass


def test_the_lock_of_a_root_that_was_moved_is_not_taken_for_that_of_where_it_is_now(tmp_path: Path) -> None:
    """As of a root that was removed while its lock lived on: the next directory that is made may have its number."""
    then, now = tmp_path / "then", tmp_path / "now"
    then.mkdir()
    left = open_journal(None, str(then))
    then.rename(now)
    journal = open_journal(None, str(now))
    journal.append([note("a")])
    with pytest.raises(RunsRootInvalid):
        left.append([note("b")])
    journal.close()
    left.close()


def test_two_journals_of_one_root_in_one_process_share_one_lock(tmp_path: Path) -> None:
    """Otherwise the second would wait for the first for ever."""
    one, two = open_journal(None, str(tmp_path)), open_journal(None, str(tmp_path / "." / "_journal" / ".."))
    with one.exclusive(), pytest.raises(AssertionError, match="holds the journal already"):
        two.append([note("a")])
    assert two.append([note("b")])[0].seq == 2


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not list open files")
def test_a_closed_journal_holds_no_file_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        journal, other = open_journal(None, str(tmp_path)), open_journal(None, str(tmp_path))
        journal.append([note("a")])
        journal.close()
        other.append([note("b")])
        other.close()
        other.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_probe_leaves_nothing(tmp_path: Path) -> None:
    for name in BESIDE[1:]:
        (tmp_path / name).mkdir()
    open_journal(None, str(tmp_path)).close()
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.name.startswith(".")}
    assert left == set()
