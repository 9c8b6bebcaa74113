"""Processes: apart from us, without input, told by their arguments from others of the same number."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from buff.jobs import Child, kill, spawn
from foremen import until
from whole import environment


def child(code: str, *words: str) -> Child:
    quiet = subprocess.DEVNULL
    return spawn(("-c", code, *words), environment=environment(), stdout=quiet, stderr=quiet)


def test_a_child_has_a_session_of_its_own_and_no_input(tmp_path: Path) -> None:
    said = tmp_path / "said"
    tell = f"import os, sys; open({str(said)!r}, 'w').write(f'{{os.getsid(0)}} {{sys.stdin.read()!r}}')"
    process = child(tell)
    until(lambda: process.ended() is not None)
    assert process.ended() == 0
    assert said.read_text() == f"{process.pid} ''"


def test_how_a_child_ended_is_known_more_than_once() -> None:
    process = child("raise SystemExit(7)")
    until(lambda: process.ended() is not None)
    assert (process.ended(), process.ended()) == (7, 7)


def test_a_child_that_is_given_up_goes_on(tmp_path: Path) -> None:
    done = tmp_path / "done"
    process = child(f"import time; time.sleep(0.3); open({str(done)!r}, 'w')")
    process.leave()
    del process
    until(done.exists)


def test_only_a_process_with_the_word_among_its_arguments_is_killed() -> None:
    process = child("import time; time.sleep(600)", "bld_1")
    kill(process.pid, "bld_2")
    time.sleep(0.1)
    assert process.ended() is None
    kill(process.pid, "bld_1")
    until(lambda: process.ended() is not None)
    assert process.ended() == -9
    kill(process.pid, "bld_1")  # it is gone by now


def test_nobody_kills_himself() -> None:
    kill(os.getpid(), sys.argv[0])


@pytest.mark.parametrize("sign", ["SIGTERM", "SIGHUP"])
def test_a_signal_cleans_up_and_a_second_one_ends_at_once(tmp_path: Path, sign: str) -> None:
    clean = tmp_path / "clean"
    process = child(
        "import os, signal; from buff.jobs import Ended, end_on_signals; end_on_signals()\n"
        f"try:\n os.kill(os.getpid(), signal.{sign})\n"
        f"except Ended as ended:\n open({str(clean)!r}, 'w').write(str(ended.exit_code))\n"
        f"os.kill(os.getpid(), signal.{sign})"
    )
    until(lambda: process.ended() is not None)
    number = {"SIGTERM": 15, "SIGHUP": 1}[sign]
    assert (clean.read_text(), process.ended()) == (str(128 + number), -number)
