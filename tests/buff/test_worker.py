"""The process of one build, as a server starts it."""

import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from buff import builds
from buff.jobs import Ended
from buff.journal.events import BuildStarted
from buff.journal.log import Hold
from buff.journal.record import Entry
from buff.pyramid import BARS_MIN
from buff.staging import pid_of
from buff.work import run
from foremen import LIMITS, opened, until
from whole import host, names, request, start, write_csv


def test_a_worker_does_its_build_and_says_nothing(root: Path, minutes: Path) -> None:
    with opened(root) as store:
        job = builds.request(store, request(minutes, strategy="hold", params=None)).job
        for _ in range(2):  # the second one finds nothing to do
            with start(["-m", "buff.worker", store.root, job], env=LIMITS.as_env()) as child:
                assert (*child.communicate(timeout=60), child.returncode) == ("", "", 0)
        build = builds.status(store, job)
        assert (build.status, build.run_id in store.state.runs) == ("succeeded", True)
        assert [item.event.TYPE for item in store.events()].count("build_started") == 1


def test_of_many_workers_for_one_build_one_does_it(root: Path, minutes: Path) -> None:
    """As after a server was killed that had just started one, and the next one starts another."""
    with opened(root) as store:
        job = builds.request(store, request(minutes, strategy="hold", params=None)).job
        with contextlib.ExitStack() as stack:
            children = [
                stack.enter_context(start(["-m", "buff.worker", store.root, job], env=LIMITS.as_env()))
                for _ in range(4)
            ]
            assert [(*child.communicate(timeout=60), child.returncode) for child in children] == [("", "", 0)] * 4
        told = [item.event.TYPE for item in store.events()]
        assert (told.count("build_started"), told.count("build_finished"), len(store.state.runs)) == (1, 1, 2)
    assert (names(root)["_staging"], names(root)["_orphans"]) == ([], [])


def test_a_worker_that_is_told_to_end_leaves_nothing(root: Path, tmp_path: Path) -> None:
    long = write_csv(tmp_path / "long.csv", 600_000)
    before = names(root)
    with opened(root) as store:
        job = builds.request(store, request(long)).job
        with start(["-m", "buff.worker", store.root, job], env=LIMITS.as_env()) as child:
            until(lambda: builds.status(store, job).progress is not None)
            assert pid_of(store.state.builds[job].worker or "") == child.pid
            os.kill(child.pid, signal.SIGTERM)
            out, err = child.communicate(timeout=60)
        assert (out, err, child.returncode) == ("", "", 128 + signal.SIGTERM)
        assert store.state.builds[job].code == "BUILD_LOST"
    assert names(root) == before


@pytest.mark.parametrize("begun", [False, True])
def test_a_signal_that_comes_while_a_build_begins_ends_it_if_it_runs(
    root: Path, minutes: Path, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    """Before its start is in the journal it still waits, for another process; behind that it is lost at once."""
    append = Hold.append

    def ended(hold: Hold, entries: Sequence[Entry]) -> object:
        if not isinstance(entries[0].event, BuildStarted):
            return append(hold, entries)
        if begun:
            append(hold, entries)
        raise Ended(signal.SIGTERM)

    with opened(root) as store:
        job = builds.request(store, request(minutes, strategy="hold", params={})).job
        with monkeypatch.context() as patched:
            patched.setattr(Hold, "append", ended)
            with pytest.raises(Ended):
                run(str(root), job, host=host(), settings=LIMITS)
        build = store.state.builds[job]
        assert (build.status, build.code) == (("failed", "BUILD_LOST") if begun else ("queued", None))
        assert names(root)["_staging"] == [store.owner.name]


@pytest.mark.parametrize("cache", ["made", "in the way"])
def test_the_chart_of_a_long_run_is_made_behind_its_commit(root: Path, tmp_path: Path, cache: str) -> None:
    """The first look finds it; where it cannot be kept the build has ended as well as any other."""
    long = write_csv(tmp_path / "long.csv", BARS_MIN)
    folder = root / "_cache"
    if cache == "in the way":
        folder.write_text("mine")
    with opened(root) as store:
        job = builds.request(store, request(long, timeframe="1m", strategy="hold", params=None)).job
        with start(["-m", "buff.worker", store.root, job], env=LIMITS.as_env()) as child:
            assert (*child.communicate(timeout=60), child.returncode) == ("", "", 0)
        assert builds.status(store, job).status == "succeeded"
    if cache == "in the way":
        assert folder.read_text() == "mine"
    else:
        assert len(list((folder / "pyramids").iterdir())) == 2
    assert not names(root)["_staging"]


def test_a_build_nobody_asked_for_is_refused(root: Path) -> None:
    with start(["-m", "buff.worker", str(root), "bld_0000000000000000"], env=LIMITS.as_env()) as child:
        _, err = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "bld_0000000000000000" in err
