"""Every run of a root verified: damage of every kind is found and named, and hides no other run."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buff import proof
from buff.audit import STORED, WORST_FIRST, is_news, verify_all, worst
from buff.cli.main import run as command_line
from buff.journal.events import RunVerified
from buff.proof import EXITS, Verdict
from whole import events, make, names, opened, write_csv


@pytest.fixture(scope="module")
def made_three(tmp_path_factory: pytest.TempPathFactory, minutes: Path) -> Path:
    """Three runs of one dataset, the middle one archived."""
    root = tmp_path_factory.mktemp("three") / "root"
    for run_id in ("one", "two", "six"):
        make(root, minutes, run_id=run_id, timeframe={"one": "1h", "two": "4h", "six": "1h"}[run_id])
    with opened(root) as store:
        store.archive("two")
    return root


@pytest.fixture
def three(made_three: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_three, tmp_path / "root"))


def outcomes(root: Path, **options: bool) -> dict[str, str]:
    with opened(root) as store:
        return {verdict.run_id: verdict.outcome for verdict in verify_all(store, **options)}


def told(root: Path) -> list[tuple[str, str]]:
    return [(event.run_id, event.verdict) for event in events(root) if isinstance(event, RunVerified)]


def test_every_run_is_verified_in_the_order_of_its_commit_archived_ones_too(three: Path) -> None:
    found = outcomes(three)
    assert list(found) == ["one", "two", "six"]
    assert set(found.values()) == {"identical"}
    assert told(three) == [(run_id, "identical") for run_id in found]
    assert outcomes(three) == found
    assert len(told(three)) == 3, "what the journal says already is not said again"


def test_what_runs_share_is_proven_and_resampled_once(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()

    def counted(name: str) -> None:
        real = getattr(proof, name)

        def call(*values: object) -> object:
            asked.append(name)
            return real(*values)

        monkeypatch.setattr(proof, name, call)

    counted("check")
    counted("resample")
    assert set(outcomes(three).values()) == {"identical"}
    assert sorted(asked) == ["check", "resample", "resample"], "of one dataset, at 1h and at 4h"


def test_stored_bytes_alone_are_whole_and_that_is_no_news(three: Path) -> None:
    seq = opened(three).state.seq
    assert set(outcomes(three, stored_bytes_only=True).values()) == {"whole"}
    assert opened(three).state.seq == seq


# What somebody may do to a directory


def opened_up(path: Path) -> Path:
    for each in (path, *path.rglob("*")):
        each.chmod(0o755 if each.is_dir() else 0o644)
    return path


def edited(run: Path) -> None:
    path = opened_up(run) / "decision_records.jsonl"
    path.write_bytes(path.read_bytes().replace(b"HOLD", b"HALT", 1))


def removed(run: Path) -> None:
    shutil.rmtree(opened_up(run))


def half_copied(run: Path) -> None:
    """The copy ended inside a file, as `cp` interrupted does."""
    (opened_up(run) / "metrics.json").unlink()
    os.truncate(run / "columns" / "equity.npy", 200)


def emptied(run: Path) -> None:
    removed(run)
    run.mkdir()


def a_file(run: Path) -> None:
    removed(run)
    run.write_text("not a directory")


def another_run(run: Path) -> None:
    removed(run)
    shutil.copytree(run.parent / "six", run)


def endless_manifest(run: Path) -> None:
    (opened_up(run) / "manifest.json").write_bytes(b"[" * 100_000)


def huge_number(run: Path) -> None:
    (opened_up(run) / "manifest.json").write_bytes(b'{"a":1' + b"0" * 400 + b"}\n")


def piped_manifest(run: Path) -> None:
    (opened_up(run) / "manifest.json").unlink()
    os.mkfifo(run / "manifest.json")


def linked_manifest(run: Path) -> None:
    (opened_up(run) / "manifest.json").rename(run.parent / "elsewhere.json")
    (run / "manifest.json").symlink_to(run.parent / "elsewhere.json")


def something_more(run: Path) -> None:
    (opened_up(run) / "notes.txt").write_text("mine")


def piped_artifact(run: Path) -> None:
    (opened_up(run) / "trades.jsonl").unlink()
    os.mkfifo(run / "trades.jsonl")


HARM = (edited, removed, half_copied, emptied, a_file, another_run, endless_manifest, huge_number, piped_manifest,
        linked_manifest, something_more, piped_artifact)  # fmt: skip


@pytest.mark.parametrize("harm", HARM, ids=lambda harm: harm.__name__)
def test_harm_to_one_run_is_damage_with_what_is_wrong_and_the_others_stay_as_they_are(
    three: Path, harm: Callable[[Path], None]
) -> None:
    harm(three / "one")
    with opened(three) as store:
        found = {verdict.run_id: verdict for verdict in verify_all(store, stored_bytes_only=True)}
        assert {run_id: verdict.outcome for run_id, verdict in found.items()} == {
            "one": "damaged", "two": "whole", "six": "whole",
        }  # fmt: skip
        assert worst(found.values()) == 13
        assert found["one"].findings
        assert found["one"].difference is not None
        assert [entry.run_id for entry in store.runs(archived=True).items] == ["six", "two", "one"]
        assert store.entry("one").state == "damaged"
    assert told(three) == [("one", "damaged")]
    assert outcomes(three, record=False)["one"] == "damaged", "the recomputing look says the same"


def test_a_run_found_whole_again_is_told_so_once(three: Path) -> None:
    path = opened_up(three / "one") / "metrics.json"
    kept = path.read_bytes()
    path.write_bytes(kept + b" ")
    for _ in range(2):
        outcomes(three, stored_bytes_only=True)
    path.write_bytes(kept)
    for _ in range(2):
        outcomes(three, stored_bytes_only=True)
    assert told(three) == [("one", "damaged"), ("one", "whole")]
    assert (opened(three).entry("one").state, opened(three).entry("one").verdict) == ("committed", "whole")


def test_a_dataset_that_was_touched_blames_the_data_of_the_runs_that_use_it(three: Path) -> None:
    (resample,) = three.glob("_datasets/*/4h")
    path = opened_up(resample) / "close.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    assert outcomes(three, stored_bytes_only=True) == {"one": "whole", "two": "data_changed", "six": "whole"}
    path.unlink()
    assert outcomes(three, stored_bytes_only=True)["two"] == "data_changed"
    shutil.rmtree(opened_up(resample.parent))
    assert set(outcomes(three, stored_bytes_only=True).values()) == {"inputs_missing"}
    assert told(three) == [("two", "data_changed"), *((run_id, "inputs_missing") for run_id in ("one", "two", "six"))]
    assert set(outcomes(three).values()) == {"inputs_missing"}, "as recomputing says of each"


def test_nothing_is_recorded_when_nothing_shall_be(three: Path) -> None:
    removed(three / "one")
    before = sorted(three.rglob("*"))
    assert outcomes(three, record=False)["one"] == "damaged"
    assert sorted(three.rglob("*")) == before


def test_what_a_damaged_journal_proves_is_verified_and_nothing_is_recorded(three: Path) -> None:
    (segment,) = (three / "_journal").glob("*.jsonl")
    data = bytearray(segment.read_bytes())
    data[data.rindex(b"run_archived")] ^= 1
    segment.chmod(0o644)
    segment.write_bytes(data)
    removed(three / "one")
    assert outcomes(three) == {"one": "damaged", "two": "identical", "six": "identical"}
    assert segment.read_bytes() == data


def test_a_run_that_is_reclaimed_meanwhile_has_no_verdict(three: Path) -> None:
    from buff.journal.events import RunReclaimed

    with opened(three) as store:
        found = []
        for verdict in verify_all(store, stored_bytes_only=True):
            found.append(verdict.run_id)
            if verdict.run_id == "one":
                store.record(RunReclaimed(run_id="two", size_bytes=0, by="me"))
                removed(three / "two")
    assert found == ["one", "six"]


@given(st.lists(st.sampled_from(sorted(EXITS)), max_size=6))
def test_the_gravest_verdict_gives_the_exit_code(found: list[str]) -> None:
    """Invariants checked: damage outweighs all, success needs all, and every outcome has its place."""
    assert sorted(WORST_FIRST) == sorted(EXITS)
    code = worst(Verdict(run_id="r", outcome=outcome) for outcome in found)
    assert (code == 13) == ("damaged" in found)
    assert (code == 0) == all(EXITS[outcome] == 0 for outcome in found)
    assert code in {0, *(EXITS[outcome] for outcome in found)}


@given(st.sampled_from([None, *sorted(EXITS)]), st.sampled_from(sorted(EXITS)))
def test_the_same_verdict_is_never_news_and_whole_takes_back_only_what_bytes_can_show(known: str, outcome: str) -> None:
    assert is_news(known, outcome) == (known in STORED if outcome == "whole" else known != outcome)
    assert not is_news(outcome, outcome) or outcome in STORED


@settings(max_examples=25)
@given(st.data())
def test_one_changed_byte_anywhere_in_a_run_is_found(made_three: Path, data: st.DataObject) -> None:
    """Invariants checked: whatever byte of whatever file of a run is another, the run is damaged and the file named."""
    run = made_three / "one"
    path = data.draw(st.sampled_from(sorted(each for each in run.rglob("*") if each.is_file())))
    kept = path.read_bytes()
    at = data.draw(st.integers(0, len(kept) - 1))
    bit = data.draw(st.integers(0, 7))
    path.chmod(0o644)
    try:
        path.write_bytes(kept[:at] + bytes([kept[at] ^ 1 << bit]) + kept[at + 1 :])
        with opened(made_three) as store:
            found = next(iter(verify_all(store, stored_bytes_only=True, record=False)))
    finally:
        path.write_bytes(kept)
    assert found.difference is not None
    assert (found.outcome, found.difference.artifact) == ("damaged", path.relative_to(run).as_posix())


# The command line


def said(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = command_line(["run", "verify", *words, "--runs-root", str(root)])
    return code, *capsys.readouterr()


def test_all_is_a_count_and_what_is_wrong(capsys: pytest.CaptureFixture[str], three: Path) -> None:
    assert said(capsys, three, "--all") == (0, "3 runs: 3 identical\n", "")
    edited(three / "one")
    code, out, err = said(capsys, three, "--all", "--stored-bytes-only")
    assert (code, err) == (13, "")
    assert out == (
        "DAMAGED  one\n  decision_records.jsonl holds other bytes than were committed\n"
        "  first difference: decision_records.jsonl\n3 runs: 1 damaged, 2 whole\n"
    )
    code, out, err = said(capsys, three, "--all", "--json")
    document = msgspec.json.decode(out)
    assert (code, err, document["exit_code"]) == (13, "", 13)
    assert document["counts"] == {"damaged": 1, "identical": 2}
    assert document["items"][0]["difference"]["record"] is not None, "recomputing finds the record"
    assert names(three)["runs"] == ["one", "six", "two"]


@pytest.mark.parametrize("words", [
    (), ("one", "--all"), ("one", "--stored-bytes-only"), ("--all", "--source", "x.csv"),
], ids=" ".join)  # fmt: skip
def test_words_that_contradict_each_other_are_wrong_usage(
    capsys: pytest.CaptureFixture[str], three: Path, words: tuple[str, ...]
) -> None:
    assert said(capsys, three, *words)[0] == 2


def test_a_root_without_runs_has_nothing_to_say(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert said(capsys, tmp_path, "--all") == (0, "0 runs: none\n", "")
    assert list(tmp_path.iterdir()) == []


def test_the_gravest_of_several(capsys: pytest.CaptureFixture[str], three: Path, tmp_path: Path) -> None:
    make(three, write_csv(tmp_path / "other.csv", seed=8), run_id="other")
    other = opened(three).run("other").inputs["dataset_id"]
    shutil.rmtree(opened_up(three / "_datasets" / other))
    assert said(capsys, three, "--all")[0] == 12
    edited(three / "one")
    assert said(capsys, three, "--all")[0] == 13
