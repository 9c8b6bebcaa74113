"""Annotate, archive, restore: facts about a run that change no byte of it."""

from pathlib import Path
from typing import Any

import pytest

from buff.cli.main import run as command_line
from buff.errors import BuffError
from buff.journal.events import RunAnnotated, RunArchived, RunCommitted, RunRestored
from buff.proof import verify
from whole import events, make, names, opened


def only(root: Path) -> str:
    return names(root)["runs"][0]


def content(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (root / only(root)).rglob("*") if path.is_file()}


def test_an_archived_run_is_out_of_the_lists_and_otherwise_as_it_was(root: Path) -> None:
    before = content(root)
    with opened(root) as store:
        assert store.archive(only(root), why="too few trades").state == "archived"
        assert store.runs().items == ()
        listed = store.runs(archived=True).items
        assert [(entry.state, entry.why) for entry in listed] == [("archived", "too few trades")]
        assert len(store.run(only(root)).records) == 48
        assert verify(store, only(root)).outcome == "identical"
        assert store.entry(only(root)).state == "archived"
        assert store.restore(only(root)).state == "committed"
        assert store.runs().total == 1
    assert content(root) == before
    assert opened(root).runs(as_of=opened(root).state.seq - 1, archived=True).items[0].state == "archived"


def test_twice_is_the_same_as_once(root: Path) -> None:
    with opened(root) as store:
        for _ in range(2):
            store.archive(only(root), why="first")
        for _ in range(2):
            store.restore(only(root))
        for _ in range(2):
            store.annotate(only(root), name="mine", tags=["a", "b"])
    told = [event for event in events(root) if isinstance(event, RunArchived | RunRestored | RunAnnotated)]
    assert [type(event) for event in told] == [RunArchived, RunRestored, RunAnnotated]
    assert told[0].by == "tester"


def test_annotating_changes_what_is_given_and_nothing_else(root: Path) -> None:
    with opened(root) as store:
        store.annotate(only(root), name="mine", notes="as it was", tags=["a", "a", "b"])
        entry = store.annotate(only(root), notes="")
        assert (entry.name, entry.notes, entry.tags) == ("mine", None, ["a", "b"])
        assert store.runs(tag="b").total == 1
        assert store.annotate(only(root), tags=None).tags == []
        seq = store.state.seq
        store.annotate(only(root))
        assert store.state.seq == seq


@pytest.mark.parametrize("given", [
    {"name": "x" * 201}, {"notes": "x" * 10_001}, {"tags": ["two words"]}, {"tags": "a b"}, {"name": 7},
    {"name": "\ud800"}, {"tags": [""]},
])  # fmt: skip
def test_what_a_request_may_not_say_an_annotation_may_not(root: Path, given: dict[str, Any]) -> None:
    with opened(root) as store, pytest.raises(BuffError) as caught:
        store.annotate(only(root), **given)
    assert caught.value.code == "RUN_CONFIG_INVALID"
    with opened(root) as store, pytest.raises(BuffError, match="why is longer than"):
        store.archive(only(root), why="x" * 1_001)


@pytest.mark.parametrize("what", ["archive", "restore", "annotate"])
def test_a_run_that_is_not_there_opens_no_journal(tmp_path: Path, what: str) -> None:
    with opened(tmp_path) as store, pytest.raises(BuffError) as caught:
        getattr(store, what)("run_0")
    assert caught.value.code == "RUN_NOT_FOUND"
    assert list(tmp_path.iterdir()) == []


def test_creating_an_archived_run_again_returns_it_and_says_so(root: Path, minutes: Path) -> None:
    with opened(root) as store:
        store.archive(only(root))
    again = make(root, minutes)
    assert (again.existed, again.archived, again.run.facts["state"]) == (True, True, "archived")
    assert sum(isinstance(event, RunCommitted) for event in events(root)) == 1


def test_another_process_changes_the_entry_we_decide_on(root: Path) -> None:
    """What is recorded is decided under the lock, not on what was read before."""
    with opened(root) as mine, opened(root) as theirs:
        mine.journal()
        theirs.archive(only(root), why="theirs")
        assert mine.archive(only(root), why="mine").why == "theirs"
    assert sum(isinstance(event, RunArchived) for event in events(root)) == 1


# The command line


def said(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = command_line(["run", *words, "--runs-root", str(root)])
    return code, *capsys.readouterr()


def test_the_verbs_by_the_beginning_of_an_id(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    run_id = only(root)
    assert said(capsys, root, "annotate", run_id[:8], "--name", "mine", "--tag", "a", "--tag", "b") == (
        0, f"committed {run_id}  name 'mine'  tags a, b\n", "",
    )  # fmt: skip
    assert said(capsys, root, "archive", run_id[:8], "--why", "old")[1].startswith(f"archived {run_id}")
    code, out, err = said(capsys, root, "list")
    assert (code, out) == (0, "")
    assert "--archived" in err
    assert "\tarchived\n" in said(capsys, root, "list", "--archived")[1]
    assert "archived: old\n" in said(capsys, root, "show", run_id)[1]
    assert said(capsys, root, "restore", run_id)[1].startswith(f"committed {run_id}")
    assert run_id in said(capsys, root, "list")[1]
    assert said(capsys, root, "annotate", run_id, "--no-tags", "--name", "")[1] == f"committed {run_id}\n"


@pytest.mark.parametrize("words", [("annotate", "run_"), ("annotate", "run_", "--tag", "a", "--no-tags")])
def test_an_annotation_of_nothing_is_wrong_usage(
    capsys: pytest.CaptureFixture[str], root: Path, words: tuple[str, ...]
) -> None:
    assert said(capsys, root, *words)[0] == 2


def test_a_run_whose_directory_is_gone_is_listed_as_damaged(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    """One look at one name: the journal is not changed, and the others are listed."""
    seq = opened(root).state.seq
    (root / only(root)).rename(root.parent / "elsewhere")
    code, out, _ = said(capsys, root, "list")
    assert code == 0
    assert out.endswith("\tdamaged\n")
    assert opened(root).state.seq == seq
    assert said(capsys, root, "list", "--as-of", str(seq))[1].endswith("\tcommitted\n")
