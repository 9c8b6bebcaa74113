"""The tools on journals that are whole, torn, damaged, foreign or not there; and the verifier that knows no Buff."""

import json
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve

from buff.errors import JournalCorrupt
from buff.files import RealDisk
from buff.host import this_host
from buff.journal.events import JournalRecovered
from buff.journal.line import seal
from buff.journal.log import read
from buff.journal.reader import judge
from buff.journal.recovery import Action
from buff.journal.survey import read_head
from buff.registry.index import index_bytes
from buff.registry.projection import project
from journal_tools.__main__ import main
from journal_tools.show import follow
from journals import BOOT, commit, note, open_journal

GOLDEN = Path(__file__).parents[1] / "golden" / "journal_v1"
VERIFIER = Path(__file__).parents[2] / "journal_tools" / "verify_journal.py"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A journal of four events: the opening, a group of two, and a run."""
    path = tmp_path / "runs"
    path.mkdir()
    journal = open_journal(None, str(path))
    journal.append([note("a"), note("é")])
    journal.append([commit("run_1")])
    journal.close()
    return path


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run `buff-journal` in this process; return its exit code and what it printed."""
    code = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def segment(root: Path) -> Path:
    return max((root / "_journal").glob("*.jsonl"))


def files_of(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_show_prints_events_and_json_prints_lines_as_stored(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "show", root)
    assert code == 0
    assert [line.split()[2] for line in out.splitlines()] == [
        "journal_opened",
        "orphan_quarantined",
        "orphan_quarantined",
        "run_committed.v2",
    ]
    assert "key=run:run_1" in out
    code, out, _ = call(capsys, "show", root, "--json")
    assert out.encode() == segment(root).read_bytes()


def test_show_filters(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, seqs in (
        (("--type", "run_committed"), [4]),
        (("--type", "run_committed", "--type", "journal_opened"), [1, 4]),
        (("--after", "2"), [3, 4]),
        (("--limit", "2"), [3, 4]),
        (("--after", "4"), []),
    ):
        code, out, _ = call(capsys, "show", root, "--json", *arguments)
        assert code == 0
        assert [json.loads(line)["seq"] for line in out.splitlines()] == seqs


def test_show_serves_what_is_whole_and_says_what_is_not(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    segment(root).write_bytes(segment(root).read_bytes()[:-10])
    code, out, err = call(capsys, "show", root)
    assert code == 8
    assert len(out.splitlines()) == 3
    assert "JOURNAL_CORRUPT" in err


def test_verify_says_how_far_the_journal_is_whole(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files_of(root)
    code, out, _ = call(capsys, "verify", root, "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["row"], found["action"], found["events"], found["head"]) == ("R12", "keep", 4, "ok")
    code, out, _ = call(capsys, "verify", root)
    assert "R12" in out
    assert files_of(root) == before


@pytest.mark.parametrize(
    ("receipt", "code"),
    [("4:{sha}", 0), ("jrn_0123456789abcdef:4:{sha}", 0), ("jrn_other:4:{sha}", 8), ("3:{sha}", 8), ("9:{sha}", 8)],
)
def test_a_receipt_is_proven_or_refused(
    root: Path, receipt: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    sha = json.loads(segment(root).read_bytes().splitlines()[-1])["sha256"]
    assert call(capsys, "verify", root, "--receipt", receipt.format(sha=sha))[0] == code


def test_what_cannot_be_meant_is_a_usage_error(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "verify", root, "--receipt", "4")[0] == 2
    assert call(capsys, "shaw", root)[0] == 2
    assert call(capsys, "--help")[0] == 0


def test_a_root_without_a_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("verify", "repair"):
        code, _, err = call(capsys, verb, tmp_path)
        assert code == 8
        assert "RUNS_ROOT_INVALID" in err
    code, _, err = call(capsys, "verify", tmp_path / "missing", "--json")
    assert (code, json.loads(err)["code"]) == (8, "RUNS_ROOT_INVALID")


def test_the_plan_names_the_row_and_the_bytes_and_touches_nothing(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = segment(root).stat().st_size
    segment(root).write_bytes(segment(root).read_bytes() + b"torn")
    before = files_of(root)
    code, out, _ = call(capsys, "repair", root, "--json")
    found = json.loads(out)
    assert (code, found["row"]) == (0, "R11")
    assert found["plan"] == [
        f"copy bytes {size} to {size + 4} of 00000000000000000001.jsonl to quarantine/",
        "begin segment 00000000000000000005.jsonl with tail_quarantined; "
        "00000000000000000001.jsonl keeps all its bytes",
    ]
    assert files_of(root) == before


@pytest.mark.parametrize("row", ["R10", "R11", "R13", "R14"])
def test_apply_does_what_a_writer_does(root: Path, row: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing that was there is changed; a torn tail without HEAD is set aside only here, because somebody asked."""
    head = root / "_journal" / "HEAD"
    if row in ("R10", "R11"):
        segment(root).write_bytes(segment(root).read_bytes() + b"torn")
    if row == "R13":
        old = head.read_bytes()
        journal = open_journal(None, str(root), segment_bytes_max=100)
        journal.append([note("rotated")])
        journal.close()
        lines = segment(root).read_bytes().splitlines(keepends=True)
        segment(root).write_bytes(lines[0])  # as if it had died right after the new segment was born
        head.write_bytes(old)
    if row in ("R10", "R14"):
        head.unlink()
    assert json.loads(call(capsys, "repair", root, "--json")[1])["row"] == row
    before = segment(root).read_bytes()
    first = segment(root)
    code, out, _ = call(capsys, "repair", root, "--apply", "--json")
    assert code == 0
    assert json.loads(out)["row"] == "R12"
    assert first.read_bytes() == before
    assert call(capsys, "verify", root)[0] == 0
    assert call(capsys, "replay", root)[0] == 0
    assert subprocess.run([sys.executable, VERIFIER, root], check=False, capture_output=True).returncode == 0


def test_apply_refuses_what_is_damaged(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    segment(root).write_bytes(segment(root).read_bytes()[:-10])
    before = files_of(root)
    assert call(capsys, "repair", root)[0] == 8
    code, _, err = call(capsys, "repair", root, "--apply")
    assert code == 8
    assert "JOURNAL_CORRUPT" in err
    assert {path: data for path, data in files_of(root).items() if path.suffix == ".jsonl"} == {
        path: data for path, data in before.items() if path.suffix == ".jsonl"
    }


def test_apply_writes_a_foreign_index_anew(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "index.json").write_bytes(seal(b'{"journal":"jrn_other","seq":9,"head_sha256":"x"}'))
    code, out, _ = call(capsys, "repair", root, "--json")
    assert json.loads(out)["plan"][-1] == "write index.json anew: it is that of another journal"
    assert call(capsys, "replay", root)[0] == 9
    assert call(capsys, "repair", root, "--apply")[0] == 0
    code, out, _ = call(capsys, "replay", root, "--json")
    assert (code, json.loads(out)["index"]) == (0, "identical")


def test_replay_gives_the_index_of_any_moment(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(call(capsys, "replay", root, "--json")[1])["index"] == "absent"
    events = list(read(RealDisk(), str(root), boot=BOOT).events)
    for seq in range(1, 5):
        code, out, _ = call(capsys, "replay", root, "--as-of", seq)
        assert (code, out.encode()) == (0, index_bytes(project(events[:seq])))
    assert call(capsys, "replay", root, "--as-of", 9)[0] == 5


def test_the_tools_work_on_a_copy_that_cannot_be_written(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A copy of the segments alone: whole, but nobody says how far it was acknowledged."""
    (root / "_journal" / "HEAD").unlink()
    (root / "_journal" / "lock").unlink()
    code, out, err = call(capsys, "show", root)
    assert (code, len(out.splitlines())) == (0, 4)
    assert "may have been cut" in err
    assert json.loads(call(capsys, "verify", root, "--json")[1])["head"] == "none"


# The verifier that knows no Buff


def test_the_verifier_is_sixty_lines_of_the_standard_library() -> None:
    text = VERIFIER.read_text()
    assert len(text.splitlines()) <= 60
    assert "buff" not in text.replace("Buff", "")
    assert "assert " not in text


def stand_alone(root: Path, *receipts: str) -> bool:
    """Say whether the stand-alone verifier finds nothing wrong, in this process for speed."""
    namespace: dict[str, object] = {}
    source = VERIFIER.read_text().replace("print(verify(*sys.argv[1:]))", "")
    exec(compile(source, str(VERIFIER), "exec"), namespace)
    try:
        namespace["verify"](str(root), *receipts)  # type: ignore[operator]
    except (ValueError, KeyError, IndexError):
        return False
    return True


def ours(root: Path) -> bool:
    """Say whether our own verdict lets a writer go on."""
    disk = RealDisk()
    row = judge(disk, str(root), head=read_head(disk, str(root)).current).row
    return row.action not in (Action.REFUSE, Action.CREATE)


def test_the_verifier_runs_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-I", VERIFIER, GOLDEN], capture_output=True, text=True, check=True, cwd=VERIFIER.parent
    )
    assert done.stdout.startswith("jrn_0123456789abcdef: 8 events")
    last = json.loads(segment(GOLDEN).read_bytes().splitlines()[-1])
    assert stand_alone(GOLDEN, f"{last['seq']}:{last['sha256']}")
    assert not stand_alone(GOLDEN, f"{last['seq']}:{'0' * 64}")
    assert not stand_alone(GOLDEN, f"{last['seq'] + 1}:{last['sha256']}")


def mutate(path: Path, chance: random.Random) -> None:
    """Change a file as a disk, an editor or a careless copy would."""
    data = bytearray(path.read_bytes())
    lines = bytes(data).splitlines(keepends=True)
    match chance.randrange(7):
        case 0 if data:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        case 1:
            del data[chance.randrange(len(data) + 1) :]
        case 2:
            data += chance.choice([b"torn", b"\0" * 512, lines[-1], lines[0][:100], b"\n"])
        case 3:
            data = bytearray(b"".join(chance.sample(lines, len(lines))))
        case 4:
            data = bytearray(b"".join(lines[:-1]))
        case 5 if data:
            at = chance.randrange(len(data))
            data[at : at + 512] = b"\0" * min(512, len(data) - at)
        case _:
            lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))
            data = bytearray(b"".join(lines))
    path.chmod(0o644)
    path.write_bytes(data)


@pytest.mark.parametrize("seed", range(150))
def test_both_verifiers_agree(tmp_path: Path, seed: int) -> None:
    """On a golden journal changed in one or two places, with and without HEAD."""
    chance = random.Random(seed)
    root = tmp_path / "root"
    shutil.copytree(GOLDEN, root)
    if chance.random() < 0.3:
        (root / "_journal" / "HEAD").unlink()
    for _ in range(chance.choice([0, 1, 1, 1, 2])):
        mutate(chance.choice(sorted(path for path in (root / "_journal").iterdir() if path.is_file())), chance)
    assert stand_alone(root) == ours(root)


def test_looking_leaves_no_trace(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No lock text, no new name, not even a time of change."""
    before = {path: path.stat().st_mtime_ns for path in sorted(root.rglob("*"))}
    for verb in ("show", "verify", "replay", "repair"):
        assert call(capsys, verb, root)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in sorted(root.rglob("*"))} == before


# A loss that somebody accepts


def lose(root: Path, row: str) -> int:
    """Make acknowledged events be gone, or another history's; return how many events are left whole."""
    folder = root / "_journal"
    lines = segment(root).read_bytes().splitlines(keepends=True)
    if row == "R08":
        segment(root).write_bytes(b"".join(lines[:3]))
        return 3
    if row == "R08, one event in its segment":
        segment(root).write_bytes(lines[0])
        return 1
    if row == "R08, torn":
        segment(root).write_bytes(b"".join(lines[:3]) + lines[3][:50])
        return 3
    if row == "R07":
        other = root.parent / "other"
        other.mkdir()
        journal = open_journal(None, str(other), new_id=lambda: "jrn_other")
        journal.append([note("x")])
        journal.close()
        shutil.copy(other / "_journal" / "HEAD", folder / "HEAD")
        return 4
    assert row == "R03"
    for path in folder.glob("*.jsonl"):
        path.unlink()
    return 0


LOST = ["R08", "R08, one event in its segment", "R08, torn", "R07", "R03"]


@pytest.mark.parametrize("row", LOST)
@pytest.mark.parametrize("indexed", [True, False])
def test_a_loss_is_accepted_by_somebody_for_a_reason(
    root: Path, row: str, indexed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is whole stays, HEAD and the index go aside, who and why is an event, and both verifiers agree."""
    if indexed:
        assert call(capsys, "repair", root, "--apply")[0] == 0
    kept = lose(root, row)
    assert call(capsys, "repair", root, "--apply")[0] == 8
    before, head = files_of(root), root / "_journal" / "HEAD"
    asked = ["--accept-loss", kept, "--why", "the disk was full of holes"]
    code, out, _ = call(capsys, "repair", root, *asked, "--json")
    assert (code, len(json.loads(out)["plan"])) == (0, 4)
    assert files_of(root) == before
    old_head = head.read_bytes()
    code, out, _ = call(capsys, "repair", root, *asked, "--apply", "--json")
    assert (code, json.loads(out)["row"]) == (0, "R12")
    assert all(path.read_bytes().startswith(data) for path, data in before.items() if path.suffix == ".jsonl")
    assert old_head in {path.read_bytes() for path in (root / "_journal" / "quarantine").iterdir()}
    events = [item.event for item in read(RealDisk(), str(root), boot=BOOT).events]
    recovered = [event for event in events if isinstance(event, JournalRecovered)]
    assert len(recovered) == 1
    assert (recovered[0].kept, recovered[0].why) == (kept, "the disk was full of holes")
    assert recovered[0].who
    assert call(capsys, "verify", root)[0] == 0
    assert json.loads(call(capsys, "replay", root, "--json")[1])["index"] == "identical"
    assert subprocess.run([sys.executable, VERIFIER, root], check=False, capture_output=True).returncode == 0
    assert len(open_journal(None, str(root), boot=this_host().boot).append([note("on we go")])) == 1


def test_a_loss_that_is_another_or_none_is_not_accepted(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "repair", root, "--accept-loss", 4, "--why", "no reason")
    assert code != 0
    assert "there is no loss to accept" in err
    lose(root, "R08")
    for action in ("--plan", "--apply"):
        code, _, err = call(capsys, "repair", root, "--accept-loss", 2, "--why", "a guess", action)
        assert code != 0
        assert "whole up to event 3, not 2" in err
    assert call(capsys, "repair", root, "--accept-loss", 3)[0] == 2
    assert call(capsys, "repair", root, "--why", "x")[0] == 2


# Following, and everything


def test_following_shows_what_is_acknowledged_meanwhile(root: Path) -> None:
    """Each event once, in order, of the types asked for; damage ends it with the journal's own error."""
    disk = RealDisk()
    journal = open_journal(None, str(root))
    todo = iter([[note("c")], [commit("run_2"), note("d")], [], [note("e")]])

    def pause() -> None:
        for entries in todo:
            journal.append(entries)
            return
        journal.append([note("lost")])
        segment(root).write_bytes(segment(root).read_bytes()[:-10])

    coming = follow(disk, str(root), boot=BOOT, types=["orphan_quarantined"], since=journal.position, pause=pause)
    found = [next(coming) for _ in range(3)]
    assert [(line.seq, json.loads(line.data)["name"]) for line in found] == [(5, "c"), (7, "d"), (8, "e")]
    with pytest.raises(JournalCorrupt):
        next(coming)


def test_follow_prints_until_it_is_interrupted(root: Path) -> None:
    command = [sys.executable, "-m", "journal_tools", "show", str(root), "--json", "--follow"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = [json.loads(process.stdout.readline())["seq"] for _ in range(4)]
        journal = open_journal(None, str(root), boot=this_host().boot)
        journal.append([note("while it looks")])
        seen.append(json.loads(process.stdout.readline())["seq"])
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert seen == [1, 2, 3, 4, 5]


def test_verify_full_holds_every_snapshot_against_the_journal(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "repair", root, "--apply")[0] == 0
    events = list(read(RealDisk(), str(root), boot=BOOT).events)
    folder = root / "_journal" / "checkpoints"
    folder.mkdir()
    good, bad = folder / f"{2:020}.json", folder / f"{3:020}.json"
    good.write_bytes(index_bytes(project(events[:2])))
    code, out, _ = call(capsys, "verify", root, "--full", "--json")
    assert (code, json.loads(out)["snapshots"], json.loads(out)["differing"]) == (0, 2, [])
    bad.write_bytes(index_bytes(evolve(project(events[:3]), rejected=7)))
    code, out, _ = call(capsys, "verify", root, "--full", "--json")
    assert (code, json.loads(out)["differing"]) == (9, [f"_journal/checkpoints/{bad.name}"])
    assert call(capsys, "verify", root)[0] == 0
