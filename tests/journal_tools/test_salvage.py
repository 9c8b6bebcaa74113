"""A damaged middle becomes a new root of what is proven, the rest is listed, and the old root keeps every byte."""

import errno
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from buff.files import RealDisk
from buff.host import this_host
from buff.journal.events import JournalRecovered
from buff.journal.line import BATCH_BYTES_MAX, parse
from buff.journal.reader import judge, read
from buff.journal.survey import read_head
from buff.proof import verify
from journal_tools.__main__ import main
from journal_tools.salvage import SALVAGEABLE, inspect
from journals import commit, note, open_journal
from whole import make, opened

VERIFIER = Path(__file__).parents[2] / "journal_tools" / "verify_journal.py"
WHY = ("--why", "the disk lost a sector")


def rotated(root: Path) -> None:
    """Begin a new segment, which holds its opening and a note."""
    journal = open_journal(None, str(root), boot=this_host().boot, segment_bytes_max=100)
    journal.append([note("rotated")])
    journal.close()


@pytest.fixture(scope="module")
def _source(tmp_path_factory: pytest.TempPathFactory, minutes: Path) -> Path:
    """Three runs, each in a segment of its own."""
    root = tmp_path_factory.mktemp("source") / "root"
    make(root, minutes, run_id="one")
    rotated(root)
    make(root, minutes, run_id="two", timeframe="4h")
    rotated(root)
    make(root, minutes, run_id="six", risk_level=2)
    return root


@pytest.fixture
def root(_source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(_source, tmp_path / "root"))


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any], str]:
    """Run `buff-journal repair --json` in this process; return its exit code, its report and its errors."""
    code = main(["repair", *(str(argument) for argument in arguments), "--json"])
    printed = capsys.readouterr()
    return code, json.loads(printed.out) if printed.out else {}, printed.err


def bytes_of(root: Path) -> dict[Path, tuple[int, bytes]]:
    """All of a root: every file, its bytes and when they were changed."""
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(root.rglob("*")) if path.is_file()}


def segments(root: Path) -> list[Path]:
    return sorted((root / "_journal").glob("0*.jsonl"))


def event_of(path: Path, run_id: str) -> bytes:
    """Return the line that commits a run."""
    return next(
        line for line in path.read_bytes().splitlines(keepends=True) if f'"key":"run:{run_id}"'.encode() in line
    )


def damage(root: Path, case: str) -> None:
    """Damage a journal so that the table gives the row its case begins with."""
    first, second, third = segments(root)
    match case:
        case "R04 missing":
            second.unlink()
        case "R04 stray":
            shutil.copy(third, third.with_name("copy.jsonl"))
        case "R05 flipped":
            line = event_of(second, "two")
            second.write_bytes(second.read_bytes().replace(line, line.replace(b'"by":"tester"', b'"by":"tasted"')))
        case "R05 empty":
            second.write_bytes(b"")
        case "R06 mixed":
            line = event_of(third, "six")
            third.write_bytes(
                third.read_bytes().replace(line, line[:100] + line) + event_of(first, "one") + line + line
            )
        case "R06 break":
            third.write_bytes(third.read_bytes() + event_of(first, "one"))
        case "R09 long":
            third.write_bytes(third.read_bytes() + b"\0" * (BATCH_BYTES_MAX + 1))
        case _:
            raise AssertionError(case)


CASES = {
    "R04 missing": ["one"],
    "R04 stray": ["one", "two", "six"],
    "R05 flipped": ["one"],
    "R05 empty": ["one"],
    "R06 mixed": ["one", "two"],
    "R06 break": ["one", "two", "six"],
    "R09 long": ["one", "two", "six"],
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_proven_becomes_a_new_root(
    root: Path, tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It lists exactly the runs before the damage, whole; it can be written, and both verifiers find it in order."""
    lines = [parse(line) for path in segments(root) for line in path.read_bytes().splitlines(keepends=True)]
    names = [path.name for path in segments(root)]
    damage(root, case)
    before, target = bytes_of(root), tmp_path / "new"
    code, plan, _ = call(capsys, root)
    assert (code, plan["row"]) == (8, case[:3])
    kept = plan["events"]
    assert plan["batches"] == sum(line.seq == line.last for line in lines[:kept])
    code, planned, _ = call(capsys, root, "--salvage", target, *WHY)
    assert (code, planned["runs"], target.exists()) == (0, CASES[case], False)
    code, done, _ = call(capsys, root, "--salvage", target, *WHY, "--apply")
    assert (code, done["row"], done["not_whole"], done["done"]) == (0, "R12", [], planned["plan"])
    assert bytes_of(root) == before

    reading = read(RealDisk(), str(target), boot=this_host().boot)
    assert [line.raw for line in reading.lines[:kept]] == [line.raw for line in lines[:kept]]
    (recovered,) = [item.event for item in reading.events][kept:]
    assert isinstance(recovered, JournalRecovered)
    assert [path.name for path in segments(target)] == [name for name in names if int(name[:20]) <= kept]
    assert (recovered.kept, recovered.claimed, recovered.why) == (kept, len(lines), WHY[1])
    assert case[:3] in recovered.reason
    assert subprocess.run([sys.executable, VERIFIER, target], check=False, capture_output=True).returncode == 0
    assert main(["verify", str(target), "--full", "--receipt", f"{kept}:{lines[kept - 1].sha256}"]) == 0
    with opened(target) as store:
        assert list(store.state.runs) == CASES[case]
        assert {path.name: path.stat().st_mode for path in (target / "one").rglob("*")} == {
            path.name: path.stat().st_mode for path in (root / "one").rglob("*")
        }
        assert {verify(store, run_id).outcome for run_id in CASES[case]} == {"identical"}
        store.archive("one")
    capsys.readouterr()
    assert call(capsys, root, "--salvage", target, *WHY, "--apply")[0] == 8
    assert not target.with_name("new.partial").exists()


@pytest.mark.parametrize("case", CASES)
def test_what_is_not_proven_is_listed_for_a_person(
    root: Path, tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every byte behind the damage is either damaged or in a line that the report names by place, seq, key and hash."""
    _, second, third = segments(root)
    flipped = len(event_of(second, "two"))
    damage(root, case)
    assert call(capsys, root, "--salvage", tmp_path / "new", *WHY, "--apply")[0] == 0
    report = json.loads((tmp_path / "new" / "salvage.json").read_text())
    assert (report["row"], report["why"], report["runs"]) == (case[:3], WHY[1], CASES[case])
    for each in report["unproven"]:
        raw = (root / "_journal" / each["segment"]).read_bytes()[each["offset"] :].splitlines(keepends=True)[0]
        line = parse(raw)
        assert (line.seq, line.type, line.key, line.sha256) == tuple(
            each[name] for name in ("seq", "type", "key", "sha256")
        )
        assert line.seq > report["kept"]
    listed = {each["key"] for each in report["unproven"] if each["key"]}
    assert {f"run:{run_id}" for run_id in ("one", "two", "six") if run_id not in CASES[case]} - listed == {
        "R04 missing": {"run:two"},
        "R05 flipped": {"run:two"},
        "R05 empty": {"run:two"},
    }.get(case, set())
    holes = [(each["segment"], each["end"] - each["start"]) for each in report["damage"]]
    assert holes == {
        "R05 flipped": [(second.name, flipped)],
        "R06 mixed": [(third.name, 100)],
        "R09 long": [(third.name, BATCH_BYTES_MAX + 1)],
    }.get(case, [])


@pytest.mark.parametrize("seed", range(100))
def test_every_line_is_proven_or_listed_or_damaged(tmp_path: Path, seed: int) -> None:
    """Whatever is zeroed or taken out: what is kept is the journal's beginning, and no valid line is passed over."""
    chance, root, disk = random.Random(seed), tmp_path / "root", RealDisk()
    root.mkdir()
    journal = open_journal(None, str(root), segment_bytes_max=2500)
    for number in range(12):
        journal.append([note(f"{number}.{each}") for each in range(chance.randrange(1, 4))])
        journal.append([commit(f"run_{number}")] if chance.random() < 0.3 else [note(f"n{number}")])
    journal.close()
    carried = chance.random() < 0.3
    if carried:  # the last batch now stands in two segments
        (root / "_journal" / "HEAD").unlink()
        open_journal(None, str(root), segment_bytes_max=2500).close()
    lines = list(dict.fromkeys(raw for path in segments(root) for raw in path.read_bytes().splitlines(keepends=True)))
    for path in chance.choices(segments(root), k=chance.choice([1, 1, 2])):
        data = path.read_bytes()
        at, size = chance.randrange(len(data)), chance.choice([1, 1, 64, 512])
        path.write_bytes(data[:at] + chance.choice([b"", b"\0" * size]) + data[at + size :])
    head = read_head(disk, str(root)).current
    verdict = judge(disk, str(root), head=head)
    wreck = inspect(disk, str(root), verdict, head)
    kept = [line.raw for each in wreck.kept.values() for line in each]
    listed = [each.line.raw for each in wreck.survivors]
    left = [raw for path in segments(root) for raw in path.read_bytes().splitlines(keepends=True)]
    assert kept == lines[: len(kept)]
    assert wreck.end.seq == len(kept) == verdict.findings.end.seq
    assert set(kept).isdisjoint(listed)
    assert {raw for raw in left if raw in lines} == {*kept, *listed}
    if not carried and verdict.row.name in SALVAGEABLE:
        spans = [each.end - each.start for each in wreck.damage]
        assert sum(map(len, [*kept, *listed])) + sum(spans) == sum(map(len, left))


def test_a_run_that_is_not_whole_is_copied_and_reported(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(root, "R05 flipped")
    artifact = next(
        path for path in sorted((root / "one").iterdir()) if path.name != "manifest.json" and path.is_file()
    )
    artifact.chmod(0o644)
    artifact.write_bytes(artifact.read_bytes() + b"more")
    code, done, _ = call(capsys, root, "--salvage", tmp_path / "new", *WHY, "--apply")
    assert code == 13
    assert [says.split(":")[0] for says in done["not_whole"]] == ["one damaged"]
    shutil.rmtree(root / "_datasets")
    code, done, _ = call(capsys, root, "--salvage", tmp_path / "other", *WHY, "--apply")
    assert code != 0
    assert any(says.startswith("dataset ") for says in done["not_whole"])


def test_nothing_is_overwritten_and_nothing_is_made_where_it_may_not_be(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A target that holds anything, lies in the old root, or has no parent; a journal that needs no salvage."""
    new = tmp_path / "new"
    code, _, err = call(capsys, root, "--salvage", new, *WHY, "--apply")
    assert code == 3
    assert "there is nothing to salvage" in err
    damage(root, "R05 flipped")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    (tmp_path / "begun.partial").mkdir()
    for target in (tmp_path / "full", root / "new", tmp_path / "no" / "new", tmp_path / "begun"):
        for action in ("--plan", "--apply"):
            code, _, err = call(capsys, root, "--salvage", target, *WHY, action)
            assert (code, json.loads(err)["code"]) == (8, "RUNS_ROOT_INVALID")
    assert main(["repair", str(root), "--salvage", str(new)]) == 2
    assert main(["repair", str(root), "--salvage", str(new), "--accept-loss", "4", *WHY]) == 2
    assert not new.exists()
    new.mkdir()
    assert call(capsys, root, "--salvage", new, *WHY, "--apply")[0] == 0


def test_a_journal_of_which_nothing_is_proven_is_refused(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    segments(root)[0].unlink()
    code, plan, _ = call(capsys, root)
    assert (code, plan["row"], plan["events"], plan["batches"]) == (8, "R04", 0, 0)
    assert plan["plan"] == ["nothing: no event is proven"]
    code, _, err = call(capsys, root, "--salvage", tmp_path / "new", *WHY, "--apply")
    assert code == 8
    assert "no event is proven" in err
    assert not (tmp_path / "new").exists()


def test_a_salvage_that_fails_leaves_nothing(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(root, "R05 flipped")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("journal_tools.salvage.verify_all", full)
        code, _, err = call(capsys, root, "--salvage", tmp_path / "new", *WHY, "--apply")
    assert (code, json.loads(err)["code"]) == (9, "STORAGE_FULL")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root"]
    assert call(capsys, root, "--salvage", tmp_path / "new", *WHY, "--apply")[0] == 0
