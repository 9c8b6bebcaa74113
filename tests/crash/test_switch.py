"""The kill switch and the limits between real processes: one turns it on, another is stopped in the middle."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from buff.journal.events import DatasetStored, IngestRejected, RunCommitted
from buff.safety import FILE
from whole import arguments, buff, events, names, opened, request, start, write_csv

pytestmark = pytest.mark.crash

ROWS = 1_000_000
PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A million rows: an ingest that can be met on its way."""
    return write_csv(tmp_path_factory.mktemp("many") / "many.csv", minutes=ROWS)


def _by_command(root: Path) -> None:
    done = buff("kill-switch", "on", "--why", "the feed is wrong", "--runs-root", str(root))
    assert done.returncode == 0, done.stderr


def _by_file(root: Path) -> None:
    (root / FILE).touch()


@pytest.mark.parametrize("turn_on", [_by_command, _by_file])
@pytest.mark.parametrize("sign", ["_staging/*/ing_*/ts.npy", "_staging/*/ing_*/dataset.json"])
def test_an_ingest_of_a_million_rows_is_stopped_in_the_middle_and_leaves_nothing(
    tmp_path: Path, many: Path, turn_on: Callable[[Path], None], sign: str
) -> None:
    root = tmp_path / "root"
    with _ingesting(root, many, sign) as child:
        turn_on(root)
        begin = time.monotonic()
        _, err = child.communicate(timeout=PATIENCE_SECONDS)
    if child.returncode == 0:  # it was done before the switch was on: then it is there whole, and before it
        assert sign.endswith("dataset.json")
        return
    print(f"\nstopped {time.monotonic() - begin:.2f} s after the switch was on")
    assert child.returncode == 7, err
    assert msgspec.json.decode(err)["code"] == "KILL_SWITCH_ENGAGED"
    assert names(root) == {"runs": [], "_datasets": [], "_staging": [], "_orphans": []}
    told = events(root)
    assert [event.code for event in told if isinstance(event, IngestRejected)] == ["KILL_SWITCH_ENGAGED"]
    assert not any(isinstance(event, DatasetStored) for event in told)
    assert buff("kill-switch", "off", "--runs-root", str(root)).returncode == 0
    again = buff("data", "ingest", str(many), "--symbol", "X", "--json", "--runs-root", str(root))
    assert again.returncode == 0, again.stderr
    assert msgspec.json.decode(again.stdout)["rows"] == ROWS


def _ingesting(root: Path, csv: Path, sign: str) -> subprocess.Popen[str]:
    """Start an ingest, and return it at the first moment that a path of some form is there."""
    child = start(["-m", "buff", "data", "ingest", str(csv), "--symbol", "X", "--json", "--runs-root", str(root)])
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not list(root.glob(sign)) and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.0005)
    return child


def test_an_ingest_that_is_paused_while_the_switch_goes_on_and_off_is_none_the_wiser(
    tmp_path: Path, many: Path
) -> None:
    """What counts is whether it is on when it is asked; nobody is stopped by what is over."""
    root = tmp_path / "root"
    with _ingesting(root, many, "_staging/*/ing_*/ts.npy") as child:
        child.send_signal(signal.SIGSTOP)
        try:
            # Paused outside the journal's lock, which an ingest holds for milliseconds of its seconds.
            turned = [
                buff("kill-switch", *words, "--runs-root", str(root)) for words in (("on", "--why", "x"), ("off",))
            ]
        finally:
            child.send_signal(signal.SIGCONT)
        out, err = child.communicate(timeout=PATIENCE_SECONDS)
    assert [done.returncode for done in turned] == [0, 0], [done.stderr for done in turned]
    assert child.returncode == 0, err
    assert msgspec.json.decode(out)["rows"] == ROWS


def test_a_run_that_is_asked_for_while_it_is_on_is_refused_and_afterwards_made(tmp_path: Path, minutes: Path) -> None:
    root = tmp_path / "root"
    words = ["run", "create", *arguments(request(minutes)), "--runs-root", str(root), "--json"]
    root.mkdir()
    _by_command(root)
    refused = buff(*words)
    assert refused.returncode == 7
    assert msgspec.json.decode(refused.stderr)["code"] == "KILL_SWITCH_ENGAGED"
    assert buff(*words, env={"BUFF_KILL_SWITCH": "perhaps"}).returncode == 7
    assert buff("kill-switch", "off", "--runs-root", str(root)).returncode == 0
    assert buff(*words, env={"BUFF_KILL_SWITCH": "perhaps"}).returncode == 7
    assert buff(*words, env={"BUFF_KILL_SWITCH": "off"}).returncode == 0
    assert sum(isinstance(event, RunCommitted) for event in events(root)) == 1
    assert len(opened(root).state.runs) == 1
