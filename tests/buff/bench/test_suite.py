"""The suite as the command runs it: its subjects, its pages, its end."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from buff.bench import page, suite
from buff.bench.extras import INSTALL, RIVALS
from buff.bench.place import PREFIX, place
from buff.bench.processes import cost_of, environment, told_by
from buff.bench.report import COLUMNS, remarks, rows
from buff.bench.suite import Found
from buff.bench.turns import Measured, Spent, Subject, Taken
from buff.cli.main import run
from buff.errors import RunConfigInvalid, StorageFull
from buff.files import RealDisk
from whole import host, start


@pytest.fixture(params=[True, False], ids=["quick", "whole"])
def subjects(request: pytest.FixtureRequest) -> tuple[Subject, ...]:
    return suite.subjects(quick=bool(request.param))


def test_every_subject_is_declared_before_anything_is_measured(subjects: tuple[Subject, ...]) -> None:
    assert tuple(each.name for each in subjects) == suite.SUBJECTS
    for subject in subjects:
        names = [case.name for case in subject.cases]
        assert len(set(names)) == len(names) > 0
        for case in subject.cases:
            whos = [each.who for each in case.contenders]
            assert len(set(whos)) == len(whos)
            assert case.contenders[0].needs == (), "who the others are compared with is always there"
            assert {need for each in case.contenders for need in each.needs} <= set(RIVALS)
        assert all(sentence.endswith(".") for sentence in subject.says)


def test_a_subject_is_measured_printed_and_put_into_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = tmp_path / "root", tmp_path / "page.md"
    root.mkdir()
    words = ["bench", "limits", "--quick", "--rounds", "1", "--runs-root", str(root), "--write", str(out)]
    assert run(words) == 0
    printed = [line.split("\t") for line in capsys.readouterr().out.splitlines() if line.count("\t") == 7]
    (wanted,) = suite.subjects(("limits",), quick=True)
    assert tuple(printed[0]) == COLUMNS
    assert [(row[0], row[1], row[2]) for row in printed[1:]] == [
        (case.name, each.who, "1") for case in wanted.cases for each in case.contenders
    ]
    assert list(root.iterdir()) == [], "nothing is left of it"
    text = out.read_text(encoding="utf-8")
    assert page.named(text) == (page.MACHINE, "limits")
    assert f"buff bench limits --quick --write {out.name}" in page.section(text, page.MACHINE)
    assert all(case.name in page.section(text, "limits") for case in wanted.cases)


def test_rivals_take_part_and_words_of_a_page_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "page.md"
    out.write_text("# Mine\n\nMy words.\n\n<!-- bench: journal -->\nold\n<!-- bench: end -->\n\nMore.\n")
    assert run(["bench", "journal", "--quick", "--rounds", "1", "--json", "--write", str(out)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["facts"]["command"], told["constants"]) == (f"buff bench journal --quick --write {out.name}", None)
    (journal,) = told["subjects"]
    for case in journal["cases"]:
        assert [(each["failed"], each["lacks"], each["rounds"]) for each in case["taken"]] == [(None, [], 1)] * 4
        assert all(each["wall_seconds"] > 0 and each["wall_ratio"] > 0 for each in case["taken"])
    text = out.read_text(encoding="utf-8")
    assert page.without(text) == "# Mine\n\nMy words.\n\n\n\nMore.\n"
    assert "old" not in text
    assert "| | eventsourcing | 1 |" in page.section(text, "journal")


def test_a_page_is_refused_before_anything_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "page.md"
    out.write_text("Somebody's notes.\n")
    assert run(["bench", "limits", "--write", str(out)]) == 3
    assert "has no section" in capsys.readouterr().err
    out.write_text("<!-- bench: limits -->\n<!-- bench: end -->\n\n<!-- bench: sweep -->\n<!-- bench: end -->\n")
    assert run(["bench", "limits", "--write", str(out)]) == 3
    assert "not to be measured: sweep" in capsys.readouterr().err
    out.write_bytes(b"\xff\xfe")
    assert run(["bench", "limits", "--write", str(out)]) == 3
    assert "is no text" in capsys.readouterr().err
    assert run(["bench", "limits", "--runs-root", str(out)]) == 8
    assert "no directory that can be written" in capsys.readouterr().err
    with pytest.raises(RunConfigInvalid, match="is a directory"):
        page.check(str(tmp_path), suite.NAMES)
    page.check(str(tmp_path / "new.md"), ("limits",))


def test_what_can_be_measured_is_listed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buff.bench.extras.version", lambda name: None if name == "polars" else "1.0")
    assert run(["bench", "--list"]) == 0
    out = capsys.readouterr().out
    assert [line.partition("\t")[0] for line in out.splitlines()[1 : len(suite.NAMES) + 1]] == list(suite.NAMES)
    assert "polars\tnot installed\n" in out
    assert INSTALL in out
    assert run(["bench", "--list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rivals"]["polars"] is None
    assert run(["bench", "speed"]) == 2
    assert "one of limits, ingest" in capsys.readouterr().err


def test_a_disk_without_room_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RealDisk, "free_bytes", lambda self, path: 1 << 20)
    with pytest.raises(StorageFull, match="needs 4 GiB"):
        list(suite.measure((), parent=str(tmp_path), host=host(), quick=False, rounds=1, seconds=1))
    assert list(tmp_path.iterdir()) == []


def test_a_rival_that_is_not_there_or_fails_keeps_its_row() -> None:
    ours = Taken(who="Buff", turns=(Spent(wall=0.5, cpu=0.25, peak=10**8),))
    absent, broken = Taken(who="them", lacks=("polars",)), Taken(who="others", failed="ValueError: no")
    (subject,) = suite.subjects(("resample",))
    found = Found(subject=subject, cases=(Measured(case="a job", taken=(ours, absent, broken)),))
    assert list(rows(found)) == [
        ("a job", "Buff", "1", "500 ms", "250 ms", "100 MB", "1", "1"),
        ("a job", "them", "0", "not installed: polars", "–", "–", "–", "–"),
        ("a job", "others", "0", "failed", "–", "–", "–", "–"),
    ]
    assert list(remarks(found)) == [
        "a job: others failed: ValueError: no",
        f"Not installed: polars. `{INSTALL}` brings every rival.",
    ]


def test_what_a_process_takes_and_why_it_failed(tmp_path: Path) -> None:
    with place(str(tmp_path), host=host(environment={"PATH": "/bin", "RUNS_ROOT": "x", "BUFF_TOKEN": "y"})) as here:
        around = environment(here, EXTRA="1")
        assert around == {"PATH": "/bin", "OPENBLAS_NUM_THREADS": "1", "EXTRA": "1"}
        spent = cost_of([sys.executable, "-c", "x = b'x' * 50_000_000"], environment=around)
        assert spent.wall > 0
        assert spent.peak is None or spent.peak > 50e6
        with pytest.raises(subprocess.CalledProcessError):
            cost_of([sys.executable, "-c", "raise SystemExit(3)"], environment=around)
        told = told_by([sys.executable, "-c", "print('words'); print(1.5, 2.5)"], environment=around)
        assert (told.wall, told.cpu) == (1.5, 2.5)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent to a process by its number")
def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    child = start(["-m", "buff", "bench", "journal", "--runs-root", str(tmp_path)])
    while not any(tmp_path.glob(f"{PREFIX}*/*")):
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=120)
    assert (child.returncode, said.strip()) == (130, "Interrupted. Nothing was recorded that is not whole.")
    assert list(tmp_path.iterdir()) == []
