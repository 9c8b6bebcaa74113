"""Compressing what is seldom read: every reader gets the committed bytes, and no crash takes the last form of them."""

import shutil
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from attrs import evolve

from buff.audit import verify_all
from buff.backup import copy_root
from buff.bundle import bring, bundle
from buff.cli.main import run as command_line
from buff.cold import RECORDS, Figures, change, figures, plan
from buff.errors import ArtifactNotFound, ArtifactsWriteFailed, RunDamaged, RunNotFound, RunsRootInvalid, StorageFull
from buff.export import export
from buff.files import RealDisk, remove_tree
from buff.proof import verify
from buff.pyramid import Details
from buff.runs import compression
from buff.runs.run import Run
from buff.space import free
from buff.store import Store
from journal_tools.repair import salvage
from killing import change_in_another, change_until
from whole import SETTINGS, events, files, host, loosen, make, names, opened

ONE, OTHER, THIRD = "one", "other", "third"
HOUR = 3_600.0


@pytest.fixture(scope="module")
def made_three(tmp_path_factory: pytest.TempPathFactory, minutes: Path) -> Path:
    """Three runs of one dataset: a long one and two short ones."""
    root = tmp_path_factory.mktemp("three") / "root"
    make(root, minutes, run_id=ONE, timeframe="1m")
    make(root, minutes, run_id=OTHER)
    make(root, minutes, run_id=THIRD, params={"fast": 4, "slow": 9})
    return root


@pytest.fixture
def root(made_three: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_three, tmp_path / "root"))


@pytest.fixture
def packed(root: Path) -> Path:
    """The same root with the records of all runs compressed."""
    with opened(root) as store:
        assert len(change(store).items) == 3
    return root


def forms(root: Path) -> dict[str, list[str]]:
    return {run: sorted(path.name for path in (root / run).glob(f"{RECORDS}*")) for run in names(root)["runs"]}


def outcomes(root: Path, *, stored_bytes_only: bool = True) -> set[str]:
    verdicts = verify_all(opened(root), stored_bytes_only=stored_bytes_only, record=False)
    return {verdict.outcome for verdict in verdicts}


def run_of(root: Path, run_id: str = ONE) -> Run:
    return opened(root).run(run_id)


PLAIN, PACKED = [RECORDS], [f"{RECORDS}.gz"]


# What is done


def test_what_is_compressed_takes_less_and_can_be_made_plain_again(root: Path) -> None:
    before, told = files(root), len(events(root))
    with opened(root) as store:
        planned = plan(store)
        assert [item.run_id for item in planned.items] == [ONE, OTHER, THIRD]
        assert (planned.applied, files(root)) == (False, before)
        done = change(store)
        assert forms(root) == {ONE: PACKED, OTHER: PACKED, THIRD: PACKED}
        assert [item.before_bytes for item in done.items] == [item.before_bytes for item in planned.items]
        assert done.after_bytes == sum((root / run / PACKED[0]).stat().st_size for run in (ONE, OTHER, THIRD))
        assert 0.7 < planned.after_bytes / done.after_bytes < 1.4, "an estimate"
        assert done.before_bytes > 5 * done.after_bytes
        assert (root / ONE).stat().st_mode & 0o777 == 0o555
        assert (root / ONE / PACKED[0]).stat().st_mode & 0o777 == 0o444
        undone = change(store, undo=True)
    assert (undone.before_bytes, undone.after_bytes) == (done.after_bytes, done.before_bytes)
    assert files(root) == before
    assert (root / ONE / RECORDS).stat().st_mode & 0o777 == 0o444
    assert names(root)["_staging"] == []
    assert len(events(root)) == told, "what a run is did not change"


def test_only_runs_that_are_named_and_old_enough_are_chosen(root: Path) -> None:
    with opened(root) as store:
        assert [item.run_id for item in plan(store, ["oth"]).items] == [OTHER]
        assert plan(store, older_than_seconds=HOUR).items == ()
        assert plan(store, undo=True).items == ()
        with pytest.raises(RunNotFound):
            plan(store, ["absent"])
    late = opened(root, clock=lambda: "2999-01-01T00:00:00.000000Z")
    assert len(plan(late, older_than_seconds=HOUR).items) == 3


def test_a_root_without_a_journal_is_not_given_one(tmp_path: Path) -> None:
    with pytest.raises(RunsRootInvalid, match="no journal"):
        change(opened(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_archived_runs_are_compressed_and_reclaimed_ones_are_not_looked_for(root: Path) -> None:
    with opened(root) as store:
        store.archive(OTHER)
        store.archive(THIRD)
        assert len(change(store, [OTHER, ONE]).items) == 2
        free(store, ["archived-runs"])
        assert plan(store).items == ()
        assert [item.run_id for item in plan(store, undo=True).items] == [ONE]
        assert figures(store).compressed == 1
    assert not (root / OTHER).exists()


def test_the_kill_switch_does_not_keep_space_from_being_given_back(root: Path) -> None:
    with Store(str(root), host=host(), settings=evolve(SETTINGS, kill_switch=True)) as store:
        assert len(change(store).items) == 3


def test_the_figures_say_what_is_spared(root: Path) -> None:
    sizes = {run: (root / run / RECORDS).stat().st_size for run in (ONE, OTHER, THIRD)}
    with opened(root) as store:
        assert figures(store) == Figures(
            plain=3, plain_bytes=sum(sizes.values()), compressed=0, compressed_bytes=0, spared_bytes=0
        )
        change(store, [ONE])
        found = figures(store)
        size = (root / ONE / PACKED[0]).stat().st_size
        assert found == Figures(
            plain=2,
            plain_bytes=sizes[OTHER] + sizes[THIRD],
            compressed=1,
            compressed_bytes=size,
            spared_bytes=sizes[ONE] - size,
        )
        loosen(root / ONE)
        (root / ONE / PACKED[0]).write_bytes(b"no table")
        assert figures(store).spared_bytes == 0


# Whatever reads a run reads it as before


def test_records_are_the_same_at_any_place(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "FRAME_BYTES", 20_000)
    plain = list(run_of(root).records)
    with opened(root) as store:
        change(store)
    records = run_of(root).records
    assert list(records) == plain
    for at in (0, 255, 256, 1_000, len(plain) - 100):
        assert records[at : at + 100] == plain[at : at + 100]
    assert records[-1] == plain[-1]


def test_a_page_is_read_from_the_members_it_lies_in(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However deep a page lies, no more than two members of the file are decompressed for it."""
    records, read = run_of(packed).records, []
    real = compression.Compressed._member

    def counted(self: Any, number: int) -> bytes:
        read.append(number)
        return real(self, number)

    monkeypatch.setattr(compression.Compressed, "_member", counted)
    for at in range(0, len(records) - 100, 400):
        read.clear()
        records[at : at + 100]
        assert len(set(read)) <= 2


def test_every_reader_gets_the_bytes_that_were_committed(root: Path, tmp_path: Path) -> None:
    store, other = opened(root), opened(root)
    before = (
        store.run(ONE).explain(trade=0),
        store.run(OTHER).diff(store.run(THIRD)),
        store.run(ONE).artifact(RECORDS),
    )
    for name in ("plain", "compressed"):
        export(store, ONE, out=str(tmp_path / name))
        bundle(store, ONE, out=str(tmp_path / f"{name}.zip"))
        if name == "plain":
            with other:
                change(other, [ONE, OTHER])
    run = store.run(ONE)
    assert (run.explain(trade=0), store.run(OTHER).diff(store.run(THIRD)), run.artifact(RECORDS)) == before
    with run.open(RECORDS) as file:
        assert file.read() == before[2]
    for name in ("records", "trades", "equity"):
        assert (tmp_path / f"compressed/{name}.csv").read_bytes() == (tmp_path / f"plain/{name}.csv").read_bytes()
    assert (tmp_path / "compressed.zip").read_bytes() == (tmp_path / "plain.zip").read_bytes()
    taken = bring(str(tmp_path / "compressed.zip"), root=str(tmp_path / "new"), host=host(), settings=SETTINGS)
    assert Path(taken.run.artifact_path(RECORDS)).read_bytes() == before[2]
    with pytest.raises(ArtifactNotFound, match="is stored compressed"):
        run.artifact_path(RECORDS)


def test_a_compressed_run_is_verified_recomputed_and_backed_up(packed: Path, tmp_path: Path) -> None:
    assert outcomes(packed) == {"whole"}
    assert outcomes(packed, stored_bytes_only=False) == {"identical"}
    copied = copy_root(opened(packed), str(tmp_path / "copy"))
    assert (copied.exit_code, forms(tmp_path / "copy")) == (0, forms(packed))
    assert outcomes(tmp_path / "copy") == {"whole"}


def test_an_interrupted_backup_goes_on_after_its_source_was_compressed(root: Path, tmp_path: Path) -> None:
    def stop(stage: str, done: int, total: int) -> None:
        if stage == "verifying":
            partial = tmp_path / "copy.partial"
            partial.joinpath(ONE).chmod(0o755)
            partial.joinpath(ONE, f"{RECORDS}.partial").write_bytes(b"half a file")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_root(opened(root), str(tmp_path / "copy"), progress=stop)
    with opened(root) as store:
        change(store)
    assert copy_root(opened(root), str(tmp_path / "copy")).exit_code == 0
    assert files(tmp_path / "copy") == files(root)


def test_a_salvaged_root_holds_them_as_they_were(packed: Path, tmp_path: Path) -> None:
    (segment,) = (packed / "_journal").glob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    lines[-2] = lines[-2].replace(b'"t":"2', b'"t":"3', 1)
    segment.write_bytes(b"".join(lines))
    new = tmp_path / "new"
    report = salvage(RealDisk(), str(packed), str(new), host=host(), why="a test", planning=False)
    assert not report.values["not_whole"]
    assert forms(new)[ONE] == forms(new)[OTHER] == PACKED
    assert outcomes(new) == {"whole"}


# Damage


def test_damage_of_the_compressed_form_is_found_and_named(packed: Path) -> None:
    loosen(packed / OTHER)
    path = packed / OTHER / PACKED[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    store = opened(packed)
    verdict = verify(store, OTHER, record=False)
    assert verdict.outcome == "damaged"
    assert any("its compressed form is damaged" in says for says in verdict.findings)
    assert verdict.difference is not None
    assert verdict.difference.artifact == RECORDS
    run = store.run(OTHER)
    for read in (lambda: list(run.records), lambda: run.artifact(RECORDS), lambda: run.diff(store.run(THIRD))):
        with pytest.raises(RunDamaged, match="compressed form is damaged"):
            read()
    with opened(packed) as other:
        done = change(other, undo=True)
    assert [(failure.run_id, failure.code) for failure in done.failed] == [(OTHER, "RUN_DAMAGED")]
    assert (done.exit_code, len(done.items)) == (13, 2)
    assert forms(packed) == {ONE: PLAIN, OTHER: PACKED, THIRD: PLAIN}


def test_records_that_are_not_what_was_committed_are_not_compressed(root: Path) -> None:
    loosen(root / ONE)
    path = root / ONE / RECORDS
    path.write_bytes(path.read_bytes().replace(b"HOLD", b"HOLT", 1))
    with opened(root) as store:
        done = change(store)
    assert [failure.message for failure in done.failed] == [f"{RECORDS} of {ONE} holds other bytes than were committed"]
    assert forms(root) == {ONE: PLAIN, OTHER: PACKED, THIRD: PACKED}
    assert names(root)["_staging"] == []


@pytest.mark.parametrize("damage", ["other", "none", "cut", "link"])
def test_what_lies_beside_the_plain_form_is_looked_at_too(root: Path, damage: str) -> None:
    """A crash leaves both forms, and both are what was committed; anything else is not part of the run."""
    with opened(root) as store:
        good = b"".join(
            compression.compressed([(root / ONE / RECORDS).read_bytes()], (root / ONE / RECORDS).stat().st_size)
        )
        loosen(root / ONE)
        path = root / ONE / PACKED[0]
        path.write_bytes(good)
        assert outcomes(root) == {"whole"}
        match damage:
            case "other":
                path.write_bytes(b"".join(compression.compressed([b"x"], 1)))
            case "none":
                path.write_bytes(b"")
            case "cut":
                path.write_bytes(good[:-1])
            case "link":
                path.rename(root / "elsewhere.gz")
                path.symlink_to(root / "elsewhere.gz")
        assert outcomes(root) == {"whole", "damaged"}
        assert change(store, [ONE]).failed == (), "it is made anew from the plain form, never believed"
    assert (outcomes(root), forms(root)[ONE]) == ({"whole"}, PACKED)


def test_nothing_is_taken_away_that_does_not_read_back(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(RealDisk):
        def write(self, handle: int, data: bytes | memoryview) -> None:
            super().write(handle, bytes(data).replace(b"BF", b"BG"))

    with Store(str(root), host=host(), settings=SETTINGS) as store:
        store.owner  # noqa: B018 - the journal is opened on a disk that remembers
        store.disk = Forgetful()
        with pytest.raises(ArtifactsWriteFailed, match="could not be written"):
            change(store)
    assert forms(root) == {ONE: PLAIN, OTHER: PLAIN, THIRD: PLAIN}


# Interrupted


def test_ctrl_c_leaves_what_is_done_done_and_nothing_half(root: Path) -> None:
    def stop(stage: str, done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with opened(root) as store, pytest.raises(KeyboardInterrupt):
        change(store, progress=stop)
    assert forms(root) == {ONE: PACKED, OTHER: PLAIN, THIRD: PLAIN}
    assert (outcomes(root), names(root)["_staging"]) == ({"whole"}, [])


def test_a_full_disk_leaves_everything_as_it_was(root: Path) -> None:
    class Full(RealDisk):
        def write(self, handle: int, data: bytes | memoryview) -> None:
            super().write(handle, data[: len(data) // 2])
            raise OSError(28, "No space left on device")

    before = files(root)
    with opened(root) as store:
        store.owner  # noqa: B018 - the journal is opened on a disk that has room
        store.disk = Full()
        with pytest.raises(StorageFull) as caught:
            change(store)
    assert "0 of 3 runs are done" in str(caught.value.hint)
    assert (files(root), names(root)["_staging"]) == (before, [])


@pytest.mark.parametrize("undo", [False, True])
def test_a_process_that_dies_at_any_change_leaves_a_whole_form(minutes: Path, tmp_path: Path, undo: bool) -> None:
    """Invariants checked: after a kill each run is whole, and the next call ends as if nothing had happened."""
    base = tmp_path / "base"
    make(base, minutes)
    (run,) = names(base)["runs"]
    if undo:
        with opened(base) as store:
            change(store)
    for step in range(9, 100, 1 + undo):  # before that it opens the journal
        root = Path(shutil.copytree(base, tmp_path / f"root-{step}"))
        code = change_until(root, undo, step)
        assert outcomes(root) == {"whole"}, step
        assert forms(root)[run] in (PLAIN, PACKED, PLAIN + PACKED), step
        with opened(root) as store:
            store.journal()
            change(store, undo=undo)
        assert forms(root)[run] == (PLAIN if undo else PACKED), step
        assert (outcomes(root), names(root)["_staging"], names(root)["_orphans"]) == ({"whole"}, [], []), step
        remove_tree(RealDisk(), str(root))
        if code == 0:
            break
        assert code == -signal.SIGKILL
    else:
        pytest.fail("there are more changes than were tried")
    assert step > 20


# Others at work


def test_one_reads_while_another_compresses_and_makes_plain_again(root: Path, tmp_path: Path) -> None:
    """Pages, verdicts, a bundle and a backup in this process; the other exchanges the forms as fast as it can."""
    plain = list(run_of(root).records)
    child = change_in_another(root, [ONE, OTHER], rounds=30)
    seen, turns = set[str](), 0
    while child.is_alive() or not turns:
        turns += 1
        store = opened(root)
        records = store.run(ONE).records
        for at in range(0, len(plain), 500):
            assert records[at : at + 100] == plain[at : at + 100]
        assert outcomes(root) == {"whole"}
        assert verify(store, OTHER, record=False).outcome == "identical"
        bundle(store, OTHER, out=str(tmp_path / "run.zip"), force=True)
        assert copy_root(store, str(tmp_path / f"copy-{turns}")).exit_code == 0
        seen |= set(forms(root)[ONE])
    child.join()
    assert child.exitcode == 0
    assert forms(root) == {ONE: PLAIN, OTHER: PLAIN, THIRD: PLAIN}


@pytest.mark.parametrize("undo", [False, True])
def test_a_form_that_goes_while_it_is_proven_is_no_damage(
    root: Path, monkeypatch: pytest.MonkeyPatch, undo: bool
) -> None:
    with opened(root) as store:
        change(store, [ONE] if undo else [OTHER])
        run, place, done = store.run(ONE), compression.place, []

        def placed(path: str) -> str:
            found = place(path)
            if path.endswith(RECORDS) and not done:
                done.append(change(store, [ONE], undo=undo))
            return found

        monkeypatch.setattr(compression, "place", placed)
        assert Details(store.disk, store.root, token="t").checked(run) is run
        assert [len(report.items) for report in done] == [1]


def test_two_compress_the_same_runs(root: Path) -> None:
    children = [change_in_another(root, [], undo=undo, rounds=4) for undo in (False, True, False)]
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    with opened(root) as store:
        change(store)
    assert forms(root) == {ONE: PACKED, OTHER: PACKED, THIRD: PACKED}
    assert (outcomes(root), names(root)["_staging"]) == ({"whole"}, [])


# The command line


def said(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = command_line(["store", *words, "--runs-root", str(root)])
    return code, *capsys.readouterr()


def test_the_plan_is_the_default(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    code, out, _ = said(capsys, root, "compress")
    assert code == 0
    assert out.splitlines()[-1].startswith("would change 3 runs: ")
    assert forms(root)[ONE] == PLAIN
    assert said(capsys, root, "compress", "--older-than", "8w")[1] == "would change 0 runs: 0 bytes become about 0\n"
    assert said(capsys, root, "compress", "--older-than", "8 weeks")[0] == 2
    assert said(capsys, root, "compress", "absent")[0] == 5


def test_of_many_runs_some_are_listed_and_all_counted(
    capsys: pytest.CaptureFixture[str], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buff.cli.store.CHANGED_SHOWN", 1)
    lines = said(capsys, root, "compress")[1].splitlines()
    assert lines[0] == "run\tbytes", "what they come to is known of all together only"
    assert lines[2] == "... and 2 more runs: --json lists them"
    assert lines[3].startswith("would change 3 runs: ")


def test_what_was_done_is_said_and_counted(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    code, out, _ = said(capsys, root, "compress", ONE, "--apply")
    assert code == 0
    assert out.splitlines()[0] == "run\tbytes\tthen"
    assert out.splitlines()[-1].startswith("compressed 1 run: ")
    out = said(capsys, root, "stats")[1]
    assert "bytes in 2 plain, " in out.splitlines()[-1]
    assert msgspec.json.decode(said(capsys, root, "stats", "--json")[1])["decision_records"]["compressed"] == 1
    loosen(root / ONE)
    (root / ONE / PACKED[0]).write_bytes(b"x")
    code, out, err = said(capsys, root, "compress", "--undo", "--apply")
    assert (code, out) == (13, "made plain 0 runs: 0 bytes become 0\n")
    assert err.startswith(f"RUN_DAMAGED  {RECORDS} of {ONE} cannot be read: its compressed form is damaged")
    done = msgspec.json.decode(said(capsys, root, "compress", "--apply", "--json")[1])
    assert (done["applied"], done["undo"], done["exit_code"], len(done["items"])) == (True, False, 0, 2)
    assert done["before_bytes"] == sum(item["before_bytes"] for item in done["items"])
