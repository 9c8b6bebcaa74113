"""`buff data ingest` in real processes, stopped by Ctrl-C and killed, at the stages that can be seen from outside."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from whole import buff, names, opened, start, write_csv

pytestmark = pytest.mark.crash

# What is there once a stage has begun: a journal, a staged folder, its columns, all of them, the dataset in its place.
SIGNS = ["_journal/HEAD", "_staging/*/ing_*", "_staging/*/ing_*/ts.npy", "_staging/*/ing_*/dataset.json", "_datasets/*"]


@pytest.fixture(scope="session")
def many_minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a year: enough that an ingest can be met on its way."""
    return write_csv(tmp_path_factory.mktemp("many") / "many.csv", minutes=259_200)


def stopped_at(sign: str, root: Path, csv: Path, how: signal.Signals) -> subprocess.CompletedProcess[str]:
    """Send a signal to a `buff data ingest` at the first moment that a path of some form is there; wait for its end."""
    with start(["-m", "buff", "data", "ingest", str(csv), "--symbol", "X", "--runs-root", str(root)]) as child:
        deadline = time.monotonic() + 30
        while not list(root.glob(sign)) and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.0005)
        child.send_signal(how)
        out, err = child.communicate(timeout=30)
    return subprocess.CompletedProcess(child.args, child.returncode, out, err)


def states(root: Path) -> list[str]:
    done = buff("data", "ingests", "--json", "--runs-root", str(root))
    return [] if done.returncode else [item["state"] for item in msgspec.json.decode(done.stdout)["items"]]


@pytest.mark.parametrize("sign", SIGNS)
def test_ctrl_c_ends_an_ingest_without_a_trace_of_it(tmp_path: Path, many_minutes: Path, sign: str) -> None:
    root = tmp_path / "root"
    done = stopped_at(sign, root, many_minutes, signal.SIGINT)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, -signal.SIGINT, 130), done.stderr  # the first two when it was done before
    if done.returncode == 130:
        assert done.stderr.lstrip().startswith("Interrupted.")
        assert set(states(root)) <= {"interrupted", "stored"}
    left = names(root)
    assert (left["_staging"], left["_orphans"]) == ([], [])
    assert_usable(root, many_minutes)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("sign", SIGNS)
def test_a_signal_to_end_leaves_no_trace_of_an_ingest(
    tmp_path: Path, many_minutes: Path, sign: str, how: signal.Signals
) -> None:
    root = tmp_path / "root"
    done = stopped_at(sign, root, many_minutes, how)
    assert "Traceback" not in done.stderr
    # It may have been done before the signal came; Python itself is then killed by one that comes while it ends.
    assert done.returncode in (0, -how, 128 + how), done.stderr
    if done.returncode == -how:
        assert "buff run create --dataset" in done.stdout, "all that it had to say"
    elif done.returncode:
        assert done.stderr.lstrip().startswith("Ended by a signal.")
        assert set(states(root)) <= {"interrupted", "stored"}
    left = names(root)
    assert (left["_staging"], left["_orphans"]) == ([], [])
    assert_usable(root, many_minutes)


def test_a_hangup_that_is_ignored_ends_nothing(tmp_path: Path) -> None:
    """As under nohup."""
    ignoring = (
        "import signal, os, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.executable, sys.argv[1:])"
    )
    words = [sys.executable, "-c", "import signal, buff.__main__ as b; b.main(); print(signal.getsignal(1))"]
    with start(["-c", ignoring, *words, "data", "profiles", "--json"]) as child:
        out, err = child.communicate(timeout=60)
    assert (child.returncode, err, out.splitlines()[-1]) == (0, "", str(signal.SIG_IGN))


@pytest.mark.parametrize("sign", SIGNS)
def test_a_killed_ingest_is_shown_as_interrupted_and_nothing_of_it_is_listed(
    tmp_path: Path, many_minutes: Path, sign: str
) -> None:
    root = tmp_path / "root"
    done = stopped_at(sign, root, many_minutes, signal.SIGKILL)
    assert done.returncode in (0, -signal.SIGKILL)
    found = states(root)
    assert set(found) <= {"interrupted", "stored"}
    assert len(opened(root).datasets()) == found.count("stored")
    assert_usable(root, many_minutes)
    assert states(root)[0] == "stored"


def assert_usable(root: Path, csv: Path) -> None:
    """The next ingest of the same file works, clears staging, and the dataset it lists is whole."""
    again = buff("data", "ingest", str(csv), "--symbol", "X", "--runs-root", str(root), "--json")
    assert again.returncode == 0, again.stderr
    dataset = msgspec.json.decode(again.stdout)["dataset_id"]
    left = names(root)
    assert (left["_datasets"], left["_staging"]) == ([dataset], [])
    assert [entry.dataset_id for entry in opened(root).datasets()] == [dataset]
    assert buff("data", "export", dataset, "--out", "-", "--runs-root", str(root)).stdout.count("\n") == 259_201
