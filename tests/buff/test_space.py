"""Freeing disk: told before it happens, finished after a crash, and never what somebody needs."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buff.audit import verify_all
from buff.builder import create
from buff.cli.main import run as command_line
from buff.errors import BuffError, RunExists, RunNotFound
from buff.journal.events import DatasetReclaimed, RunCommitted, RunReclaimed, StorageReclaimed
from buff.proof import verify
from buff.registry.index import state_of
from buff.space import KINDS, Plan, free, plan, tree_bytes, usage
from buff.store import Store
from killing import free_until
from whole import SETTINGS, events, host, make, names, opened, request, write_csv


@pytest.fixture(scope="module")
def made_full(tmp_path_factory: pytest.TempPathFactory, minutes: Path) -> Path:
    """One run that is kept, one archived of the same dataset, one archived with a dataset of its own, and leavings."""
    folder = tmp_path_factory.mktemp("full")
    root = folder / "root"
    make(root, minutes, run_id="kept")
    make(root, minutes, run_id="old", timeframe="4h")
    make(root, write_csv(folder / "other.csv", seed=8), run_id="alone")
    (root / "_orphans").mkdir()
    (root / "_orphans" / "x.0").mkdir()
    (root / "_orphans" / "x.0" / "file").write_bytes(b"12345")
    (root / "_journal" / "quarantine").mkdir()
    (root / "_journal" / "quarantine" / "1-2-3.bin").write_bytes(b"123")
    (root / "_cache" / "pyramids").mkdir(parents=True)
    (root / "_cache" / "pyramids" / f"{'a' * 64}.pyramid").write_bytes(b"123456789")
    (root / "_uploads").mkdir()
    for name, age in (("old.csv", 2), ("young.csv", 0)):
        (root / "_uploads" / name).write_bytes(b"1234567")
        os.utime(root / "_uploads" / name, (1.7e9, 1.7e9) if age else None)
    with opened(root) as store:
        store.archive("old")
        store.archive("alone")
    return root


@pytest.fixture
def full(made_full: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_full, tmp_path / "root"))


def freed(root: Path, *kinds: str) -> Plan:
    with opened(root) as store:
        return free(store, kinds)


def told(root: Path) -> list[Any]:
    return [event for event in events(root) if isinstance(event, RunReclaimed | DatasetReclaimed | StorageReclaimed)]


def found(plan: Plan) -> set[tuple[str, str]]:
    return {(item.kind, item.name) for item in plan.items}


def files(root: Path) -> set[str]:
    """Every file of a root but its journal and its index."""
    return {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and path.parent.name != "_journal" and path.name != "index.json"
    }


def test_a_plan_names_everything_that_could_go_and_changes_nothing(full: Path) -> None:
    before = {path: path.lstat().st_mtime_ns for path in full.rglob("*")}
    alone = opened(full).run("alone").inputs["dataset_id"]
    says = plan(opened(full))
    assert found(says) == {
        ("archived-runs", "old"), ("archived-runs", "alone"), ("datasets", alone), ("orphans", "x.0"),
        ("quarantine", "1-2-3.bin"), ("uploads", "old.csv"), ("cache", "pyramids"),
    }  # fmt: skip
    assert says.totals["archived-runs"].size_bytes == tree_bytes(str(full / "old")) + tree_bytes(str(full / "alone"))
    assert {path: path.lstat().st_mtime_ns for path in full.rglob("*")} == before


def test_what_is_freed_is_gone_told_and_was_planned(full: Path) -> None:
    planned = plan(opened(full))
    before = tree_bytes(str(full))
    done = freed(full, *KINDS)
    assert (done.items, done.applied) == (planned.items, True)
    assert names(full) | {} == {"runs": ["kept"], "_datasets": names(full)["_datasets"], "_staging": [], "_orphans": []}
    assert len(names(full)["_datasets"]) == 1
    assert sorted(path.name for path in (full / "_uploads").iterdir()) == ["young.csv"]
    assert list((full / "_journal" / "quarantine").iterdir()) == list((full / "_trash").iterdir()) == []
    assert before - tree_bytes(str(full)) > sum(item.size_bytes for item in done.items) - 10_000
    assert [type(event).__name__ for event in told(full)] == [
        "RunReclaimed", "RunReclaimed", "DatasetReclaimed", "StorageReclaimed", "StorageReclaimed", "StorageReclaimed",
    ]  # fmt: skip
    assert opened(full).state.orphans == ()
    assert plan(opened(full)).items == ()
    with opened(full) as store:
        assert [verdict.outcome for verdict in verify_all(store)] == ["identical"]


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_is_named_is_freed(full: Path, kind: str) -> None:
    planned = plan(opened(full), [kind])
    others = found(plan(opened(full))) - found(planned)
    assert found(freed(full, kind)) == found(planned)
    assert found(plan(opened(full), [kind])) == set()
    assert others <= found(plan(opened(full)))


def test_a_dataset_goes_only_when_no_run_but_reclaimed_ones_refers_to_it(full: Path) -> None:
    assert found(plan(opened(full), ["datasets"])) == set(), "archived runs need theirs"
    freed(full, "archived-runs")
    alone = {("datasets", opened(full).entry("alone").dataset_id)}
    assert found(plan(opened(full), ["datasets"])) == alone
    assert found(freed(full, "datasets")) == alone
    assert verdicts(full) == {"kept": "identical"}


def verdicts(root: Path) -> dict[str, str]:
    with opened(root) as store:
        return {verdict.run_id: verdict.outcome for verdict in verify_all(store, record=False)}


def kept_whole(root: Path) -> dict[str, str]:
    with opened(root) as store:
        found = verify_all(store, record=False, stored_bytes_only=True)
        return {verdict.run_id: verdict.outcome for verdict in found}


# A run that was reclaimed


def test_a_reclaimed_run_is_remembered_and_can_be_made_again_with_its_id(full: Path, minutes: Path) -> None:
    entry = opened(full).entry("old")
    freed(full, "archived-runs")
    store = opened(full)
    assert store.entry("old").state == "reclaimed"
    for act in (store.run, store.archive, store.restore, lambda run_id: verify(store, run_id)):
        with pytest.raises(RunNotFound, match="given up"):
            act("old")
    assert [each.run_id for each in store.runs().items] == ["kept"]
    for times in (1, 2):
        again = make(full, minutes, run_id="old", timeframe="4h", name="again")
        assert not again.existed
        assert make(full, minutes, run_id="old", timeframe="4h").existed
        known = opened(full).entry("old")
        assert (known.state, known.reclaimed, known.name) == ("committed", times, "again")
        assert (known.content_sha256, known.seq > entry.seq) == (entry.content_sha256, True)
        assert verdicts(full)["old"] == "identical"
        with opened(full) as writing:
            writing.archive("old")
        freed(full, "archived-runs")
    keys = [item.key for item in opened(full).events() if isinstance(item.event, RunCommitted)]
    assert keys == ["run:kept", "run:old", "run:alone", "run:old:1", "run:old:2"]


def test_the_id_of_a_reclaimed_run_stays_that_of_its_inputs(full: Path, minutes: Path) -> None:
    freed(full, "archived-runs")
    with pytest.raises(RunExists):
        make(full, minutes, run_id="old", timeframe="2h")


def test_the_index_gives_back_what_is_reclaimed(full: Path) -> None:
    with opened(full) as store:
        free(store, KINDS)
        store.write_index()
        assert state_of((full / "index.json").read_bytes()) == store.state


def test_an_archived_run_whose_directory_is_gone_already_is_freed_too(full: Path) -> None:
    shutil.rmtree(full / "old", onerror=lambda call, path, _: (os.chmod(Path(path).parent, 0o755), call(path)))
    assert next(item for item in freed(full, "archived-runs").items if item.name == "old").size_bytes == 0
    assert opened(full).entry("old").state == "reclaimed"


def test_a_link_in_the_place_of_a_run_is_removed_and_not_followed(full: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (full / "old").chmod(0o755)
    (full / "old").rename(tmp_path / "elsewhere" / "old")
    (full / "old").symlink_to(tmp_path / "elsewhere" / "old")
    freed(full, "archived-runs")
    assert not (full / "old").is_symlink()
    assert (tmp_path / "elsewhere" / "old" / "manifest.json").is_file()


# The living


def test_what_a_living_process_may_use_is_kept_and_the_plan_says_so(full: Path) -> None:
    freed(full, "archived-runs")
    with opened(full) as living:
        owner = os.path.basename(living.owner.directory)
        says = plan(opened(full))
        assert set(says.kept) == {"datasets"}
        assert owner in says.kept["datasets"]
        assert {kind for kind, _ in found(says)} == {"orphans", "quarantine", "uploads", "cache"}
        assert {kind for kind, _ in found(freed(full, "datasets", "uploads"))} == {"uploads"}
    assert {kind for kind, _ in found(freed(full, "datasets", "uploads"))} == {"datasets"}


def test_a_restore_that_comes_first_keeps_the_run(full: Path) -> None:
    """What is freed is decided under the lock, whatever a plan said before."""
    with opened(full) as mine, opened(full) as theirs:
        assert ("archived-runs", "old") in found(plan(mine))
        theirs.restore("old")
        assert ("archived-runs", "old") not in found(free(mine, ["archived-runs"]))
    assert (full / "old" / "manifest.json").is_file()


def test_a_damaged_journal_and_a_root_without_one_free_nothing(full: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with opened(tmp_path / "empty") as store, pytest.raises(BuffError, match="holds no journal"):
        free(store, KINDS)
    assert list((tmp_path / "empty").iterdir()) == []
    (segment,) = (full / "_journal").glob("*.jsonl")
    segment.write_bytes(segment.read_bytes().replace(b'"run_committed.', b'"run_cammitted.', 1))
    before = files(full)
    for act in (plan, free):
        with opened(full) as store, pytest.raises(BuffError) as caught:
            act(store, KINDS)
        assert caught.value.code == "JOURNAL_CORRUPT"
    assert files(full) == before


# A crash anywhere


@pytest.mark.crash
def test_a_process_killed_at_any_change_leaves_what_the_next_call_finishes(made_full: Path, tmp_path: Path) -> None:
    """Invariants checked: before its event nothing is gone; after it the next call ends as if nothing had happened."""
    whole = Path(shutil.copytree(made_full, tmp_path / "whole"))
    freed(whole, *KINDS)
    left = files(whole)
    for step in (*range(40), *range(40, 400, 9)):  # from there on one file after the other is unlinked
        root = Path(shutil.copytree(made_full, tmp_path / f"root-{step}"))
        code = free_until(root, KINDS, step)
        state = opened(root).state
        for run_id, entry in state.runs.items():
            if entry.state != "reclaimed":
                assert kept_whole(root)[run_id] == "whole", (step, run_id)
        freed(root, *KINDS)
        freed(root, *KINDS)  # what a dead process moved aside is an orphan by now
        assert files(root) == left, step
        assert kept_whole(root) == {"kept": "whole"}
        assert {entry.state for entry in opened(root).state.runs.values()} == {"committed", "reclaimed"}
        shutil.rmtree(root, onerror=lambda call, path, _: (os.chmod(Path(path).parent, 0o755), call(path)))
        if code == 0:
            break
        assert code == -signal.SIGKILL
    else:
        pytest.fail("there are more changes than were tried")
    assert step > 25


def test_a_directory_that_a_crash_left_is_not_taken_for_the_run_made_again(full: Path, minutes: Path) -> None:
    """The journal gave it up and it is still there: making the run again sets it aside."""
    with opened(full) as store:
        store.record(RunReclaimed(run_id="old", size_bytes=1, by="me"))
    assert found(plan(opened(full), ["archived-runs"])) >= {("archived-runs", "old")}
    make(full, minutes, run_id="old", timeframe="4h")
    assert "old.0" in names(full)["_orphans"]
    assert verdicts(full)["old"] == "identical"
    assert ("archived-runs", "old") not in found(freed(full, "archived-runs"))
    assert verdicts(full)["old"] == "identical"


@settings(max_examples=20)
@given(steps=st.lists(st.sampled_from(["make", "archive", "restore", "free", "free data"]), max_size=8))
def test_any_order_of_keeping_and_freeing_agrees_with_a_plain_model(
    steps: list[str], minutes: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Invariants checked: a run can be read exactly when the model says so, and is then identical."""
    root = tmp_path_factory.mktemp("model") / "root"
    make(root, minutes, run_id="run")
    state = "committed"
    for step in steps:
        with Store(str(root), host=host(), settings=SETTINGS) as store:
            match step:
                case "make":
                    create(request(minutes, run_id="run"), root=store, host=host(), settings=SETTINGS)
                    state = "committed" if state == "reclaimed" else state
                case "archive" | "restore" if state != "reclaimed":
                    getattr(store, step)("run")
                    state = "archived" if step == "archive" else "committed"
                case "free" | "free data":
                    free(store, ["archived-runs", "datasets"] if step == "free data" else ["archived-runs"])
                    state = "reclaimed" if state == "archived" else state
            assert store.state.runs["run"].state == state
    assert verdicts(root) == ({} if state == "reclaimed" else {"run": "identical"})


# Figures


def test_the_figures_add_up_to_all_that_is_there(full: Path) -> None:
    with opened(full) as store:
        figures = usage(store)
    assert {name: each.count for name, each in figures.items()} == {
        "runs": 1, "archived runs": 2, "datasets": 2, "resamples": 3, "journal": 1, "quarantine": 1, "orphans": 1,
        "uploads": 2, "sweeps": 0, "staging": 0, "cache": 1, "trash": 0, "index": 1,
    }  # fmt: skip
    assert sum(each.size_bytes for each in figures.values()) == tree_bytes(str(full))
    assert tree_bytes(str(full)) == sum(path.lstat().st_size for path in full.rglob("*") if path.is_file())


def test_the_figures_of_an_empty_root_are_naught(tmp_path: Path) -> None:
    assert {each.size_bytes for each in usage(opened(tmp_path)).values()} == {0}


# The command line


def said(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = command_line(["store", *words, "--runs-root", str(root)])
    return code, *capsys.readouterr()


def test_the_plan_is_the_default_and_apply_wants_kinds(capsys: pytest.CaptureFixture[str], full: Path) -> None:
    code, out, _ = said(capsys, full, "gc")
    assert code == 0
    assert out.splitlines()[-1].startswith("would free ")
    assert told(full) == []
    assert said(capsys, full, "gc", "--apply")[0] == 2
    assert told(full) == []
    code, out, _ = said(capsys, full, "gc", "--apply", "--orphans", "--quarantine", "--json")
    assert code == 0
    document = msgspec.json.decode(out)
    assert (document["applied"], document["size_bytes"], document["kept"]) == (True, 8, {})
    assert [(event.kind, event.names) for event in told(full)] == [("orphans", ["x.0"]), ("quarantine", ["1-2-3.bin"])]
    assert said(capsys, full, "gc", "--orphans")[1] == "would free 0 bytes, 0 names\n"


def test_stats_as_a_table_and_as_json(capsys: pytest.CaptureFixture[str], full: Path) -> None:
    assert said(capsys, full, "stats")[1].splitlines()[0] == "what\tcount\tbytes"
    document = msgspec.json.decode(said(capsys, full, "stats", "--json")[1])
    assert document["orphans"] == {"count": 1, "size_bytes": 5}
