"""A copy of a root is whole or has no name; one that goes wrong says so; writers go on meanwhile."""

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from buff.audit import verify_all
from buff.backup import CLAIM, PARTIAL, copy_root
from buff.builder import create
from buff.cli.main import run as command_line
from buff.errors import BuffError, StorageFull, StorageUnreadable
from buff.files import RealDisk
from buff.journal.reader import read
from buff.journal.survey import read_head
from buff.proof import verify
from buff.store import Store
from watched_disk import WatchedDisk
from whole import SETTINGS, host, make, opened, request, start, write_csv


@pytest.fixture(scope="module")
def _source(tmp_path_factory: pytest.TempPathFactory, minutes: Path) -> Path:
    """A root of three runs over two datasets, one of them archived."""
    folder = tmp_path_factory.mktemp("source")
    make(folder / "root", minutes, run_id="one")
    make(folder / "root", minutes, run_id="two", timeframe="4h")
    make(folder / "root", write_csv(folder / "other.csv", seed=8), run_id="six")
    with opened(folder / "root") as store:
        store.archive("two")
    return folder / "root"


@pytest.fixture
def source(_source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(_source, tmp_path / "source"))


def content(root: Path) -> dict[str, bytes]:
    """All that a copy holds of a root."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name not in ("index.json", "lock", "turn")
    }


def copied(source: Path, target: Path) -> Any:
    with opened(source) as store:
        return copy_root(store, str(target))


def opened_up(path: Path) -> Path:
    for each in (path, *path.rglob("*")):
        each.chmod(0o755 if each.is_dir() else 0o644)
    return path


def test_a_copy_holds_the_same_bytes_and_is_a_root_like_any_other(source: Path, tmp_path: Path) -> None:
    before = {path: path.lstat().st_mtime_ns for path in source.rglob("*")}
    found = copied(source, tmp_path / "copy")
    assert {path: path.lstat().st_mtime_ns for path in source.rglob("*")} == before, "nothing is written into a source"
    assert (found.runs, found.datasets, found.damaged, found.exit_code) == (3, 2, (), 0)
    assert content(tmp_path / "copy") == content(source)
    assert found.size_bytes == sum(map(len, content(source).values()))
    for path in (tmp_path / "copy").rglob("*"):
        assert path.stat().st_mode == (source / path.relative_to(tmp_path / "copy")).stat().st_mode
    assert not (tmp_path / f"copy{PARTIAL}").exists()
    with opened(tmp_path / "copy") as store:
        assert [verdict.outcome for verdict in verify_all(store)] == ["identical"] * 3
        assert store.entry("two").state == "archived"
    make(tmp_path / "copy", write_csv(tmp_path / "third.csv", seed=9), run_id="fourth")


def test_a_copy_of_a_copy_is_the_way_back(source: Path, tmp_path: Path) -> None:
    copied(source, tmp_path / "backup")
    shutil.rmtree(opened_up(source))
    copied(tmp_path / "backup", tmp_path / "back")
    assert content(tmp_path / "back") == content(tmp_path / "backup")
    assert len(opened(tmp_path / "back").runs(archived=True).items) == 3


@pytest.mark.parametrize("place", ["there", "no/parent", "source/inside", "source"])
def test_a_target_that_may_not_be_is_refused_and_nothing_is_made(source: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "there").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(BuffError) as caught:
        copied(source, tmp_path / place)
    assert caught.value.code == "RUNS_ROOT_INVALID"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_root_without_a_journal_and_one_whose_journal_is_damaged_are_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BuffError, match="holds no journal"):
        copied(tmp_path / "empty", tmp_path / "copy")
    (segment,) = (source / "_journal").glob("*.jsonl")
    segment.chmod(0o644)
    segment.write_bytes(segment.read_bytes().replace(b"run_archived", b"run_brchived"))
    with pytest.raises(BuffError) as caught:
        copied(source, tmp_path / "copy")
    assert caught.value.code == "JOURNAL_CORRUPT"
    assert [path.name for path in tmp_path.iterdir() if "copy" in path.name] == []


def test_damage_of_the_source_is_copied_as_it_is_and_told(source: Path, tmp_path: Path) -> None:
    (opened_up(source / "one") / "metrics.json").write_bytes(b"{}\n")
    shutil.rmtree(opened_up(source / "six"))
    found = copied(source, tmp_path / "copy")
    assert {verdict.run_id: verdict.outcome for verdict in found.damaged} == {"one": "damaged", "six": "damaged"}
    assert (found.exit_code, content(tmp_path / "copy")) == (13, content(source))


class ForgetfulDisk(RealDisk):
    """A disk that writes other bytes than it was given into files of one name."""

    def __init__(self, name: str) -> None:
        self.name, self.handles = name, set[int]()

    def create(self, path: str) -> int:
        handle = super().create(path)
        if os.path.basename(path).startswith(self.name):
            self.handles.add(handle)
        return handle

    def write(self, handle: int, data: bytes | memoryview) -> None:
        super().write(handle, bytes(len(data)) if handle in self.handles else data)

    def close(self, handle: int) -> None:
        self.handles.discard(handle)
        super().close(handle)


@pytest.mark.parametrize("name", ["metrics.json", "manifest.json", "close.npy", "equity.npy"])
def test_a_disk_that_keeps_other_bytes_is_found_out_and_the_copy_gets_no_name(
    source: Path, tmp_path: Path, name: str
) -> None:
    with Store(str(source), host=host(), settings=SETTINGS, disk=ForgetfulDisk(name)) as store:  # noqa: SIM117
        with pytest.raises(StorageUnreadable, match="is not what was read"):
            copy_root(store, str(tmp_path / "copy"))
    assert not (tmp_path / "copy").exists()


def test_a_journal_that_was_not_kept_is_found_out(source: Path, tmp_path: Path) -> None:
    with Store(str(source), host=host(), settings=SETTINGS, disk=ForgetfulDisk("0000")) as store:  # noqa: SIM117
        with pytest.raises(BuffError):
            copy_root(store, str(tmp_path / "copy"))
    assert not (tmp_path / "copy").exists()


# Interrupted copies


class Cut(BaseException):
    """The copy ends here."""


def cut_at(source: Path, target: Path, step: int) -> int:
    """Copy until change number `step`; return how many changes there were before."""
    done = 0

    def count(what: str, path: str) -> None:
        nonlocal done
        if done == step:
            raise Cut
        done += 1

    with Store(str(source), host=host(), settings=SETTINGS, disk=WatchedDisk(str(source), count)) as store:
        copy_root(store, str(target))
    return done


def test_a_copy_cut_at_any_change_has_no_name_and_the_next_goes_on_from_it(source: Path, tmp_path: Path) -> None:
    """Every seventh change, and the last ones in turn."""
    changes = cut_at(source, tmp_path / "whole", -1)
    for step in (*range(0, changes - 5, 7), *range(changes - 5, changes)):
        target = tmp_path / f"copy-{step}"
        with pytest.raises(Cut):
            cut_at(source, target, step)
        if target.exists():
            assert step >= changes - 2, "all that is left is to sync the name and to take the claim away"
            (target / CLAIM).unlink()
        else:
            assert copied(source, target).damaged == ()
        assert content(target) == content(source)
        assert not any(path.name == CLAIM or path.name.endswith(PARTIAL) for path in target.rglob("*"))
        assert not Path(f"{target}{PARTIAL}").exists()


def test_the_next_attempt_does_not_copy_again_what_is_whole(source: Path, tmp_path: Path) -> None:
    trace: list[tuple[str, str]] = []
    with pytest.raises(Cut):
        cut_at(source, tmp_path / "copy", 150)
    disk = WatchedDisk(str(tmp_path), lambda what, path: trace.append((what, path)))
    there = {path.name for path in (tmp_path / f"copy{PARTIAL}").rglob("*.npy")}
    with Store(str(source), host=host(), settings=SETTINGS, disk=disk) as store:
        copy_root(store, str(tmp_path / "copy"))
    made = [path for what, path in trace if what == "create"]
    assert there
    assert len(made) < len(content(source))
    assert content(tmp_path / "copy") == content(source)


def test_a_directory_that_is_no_copy_is_not_taken_for_one(source: Path, tmp_path: Path) -> None:
    (tmp_path / f"copy{PARTIAL}").mkdir()
    (tmp_path / f"copy{PARTIAL}" / "mine.txt").write_text("mine")
    with pytest.raises(BuffError, match="is no copy"):
        copied(source, tmp_path / "copy")
    assert (tmp_path / f"copy{PARTIAL}" / "mine.txt").read_text() == "mine"


def test_two_processes_do_not_make_the_same_copy(source: Path, tmp_path: Path) -> None:
    disk = RealDisk()
    (tmp_path / f"copy{PARTIAL}").mkdir()
    handle = disk.open_lock(str(tmp_path / f"copy{PARTIAL}" / CLAIM))
    assert disk.try_lock(handle)
    with pytest.raises(BuffError, match="another process"):
        copied(source, tmp_path / "copy")
    disk.close(handle)
    assert copied(source, tmp_path / "copy").runs == 3


class FullDisk(RealDisk):
    def write(self, handle: int, data: bytes | memoryview) -> None:
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_a_coded_error(source: Path, tmp_path: Path) -> None:
    with Store(str(source), host=host(), settings=SETTINGS, disk=FullDisk()) as store, pytest.raises(StorageFull):
        copy_root(store, str(tmp_path / "copy"))
    assert not (tmp_path / "copy").exists()


# While others write


def test_a_copy_ends_where_head_was_whatever_is_written_meanwhile(source: Path, tmp_path: Path, minutes: Path) -> None:
    """A run committed between the journal and the datasets is not in the copy, nor is its event."""
    made = False

    def meanwhile(what: str, path: str) -> None:
        nonlocal made
        if not made and "_datasets" in path:
            made = True
            with opened(source) as other:
                create(request(minutes, run_id="late", timeframe="2h"), root=other, host=host(), settings=SETTINGS)

    before = opened(source).state.seq
    with Store(str(source), host=host(), settings=SETTINGS, disk=WatchedDisk(str(tmp_path), meanwhile)) as store:
        found = copy_root(store, str(tmp_path / "copy"))
    assert (made, found.seq, found.runs, found.damaged) == (True, before, 3, ())
    assert not (tmp_path / "copy" / "late").exists()
    head = read_head(RealDisk(), str(tmp_path / "copy")).current
    assert head is not None
    assert head.seq == before
    reading = read(RealDisk(), str(tmp_path / "copy"), boot=host().boot)
    assert (reading.problem, reading.position.seq) == (None, before)


def test_after_a_restart_all_that_was_acknowledged_is_copied_though_head_lags(source: Path, tmp_path: Path) -> None:
    with opened(source) as store:
        store.annotate("one", name="kept")
    lagging = (source / "_journal" / "HEAD").read_bytes()
    with opened(source) as store:
        store.annotate("one", name="kept, too")
    (source / "_journal" / "HEAD").write_bytes(lagging)
    (source / "index.json").unlink()
    with opened(source, boot="another") as store:
        copy_root(store, str(tmp_path / "copy"))
    assert opened(tmp_path / "copy", boot="third").entry("one").name == "kept, too"


WRITER = """
import sys
from pathlib import Path
from whole import make
for at in range(1_000):
    make(Path(sys.argv[1]), Path(sys.argv[2]), run_id=f"late-{at}", params={"fast": 2, "slow": 3 + at}, timeframe="4h")
    print(at, flush=True)
"""


@pytest.mark.crash
def test_copies_made_while_another_process_creates_runs_are_whole(source: Path, tmp_path: Path, minutes: Path) -> None:
    """Several copies in a row, each at least as long as the one before, all verified by recomputing."""
    writer = start(["-c", WRITER, str(source), str(minutes)], env={"PYTHONPATH": str(Path(__file__).parents[1])})
    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        found = []
        for at in range(4):
            found.append(copied(source, tmp_path / f"copy-{at}"))
            time.sleep(0.05)
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
    assert [each.damaged for each in found] == [()] * 4
    assert [each.runs for each in found] == sorted(each.runs for each in found)
    assert found[-1].runs > found[0].runs
    with opened(tmp_path / "copy-3") as store:
        assert {verdict.outcome for verdict in verify_all(store)} == {"identical"}
    acknowledged = opened(source).state.runs.keys()
    assert set(opened(tmp_path / "copy-3").state.runs) <= set(acknowledged)


# The command line


def test_backup_and_restore_as_a_user_types_them(
    capsys: pytest.CaptureFixture[str], source: Path, tmp_path: Path
) -> None:
    assert command_line(["store", "backup", str(tmp_path / "backup"), "--runs-root", str(source)]) == 0
    assert capsys.readouterr().out.startswith("backed up and verified: 3 runs, 2 datasets, ")
    assert command_line(["store", "backup", str(tmp_path / "backup"), "--runs-root", str(source)]) == 8
    assert "nothing is overwritten" in capsys.readouterr().err
    assert command_line(["store", "restore", str(tmp_path / "backup"), str(tmp_path / "back"), "--json"]) == 0
    told = msgspec.json.decode(capsys.readouterr().out)
    assert (told["runs"], told["damaged"], told["exit_code"]) == (3, [], 0)
    with opened(tmp_path / "back") as store:
        assert verify(store, "one").outcome == "identical"
    (opened_up(source / "one") / "metrics.json").unlink()
    assert command_line(["store", "backup", str(tmp_path / "second"), "--runs-root", str(source)]) == 13
    assert "DAMAGED  one  (so it is in the source, too)\n  metrics.json is missing\n" in capsys.readouterr().out
