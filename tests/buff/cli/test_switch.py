"""`buff kill-switch` as people and scripts meet it."""

from pathlib import Path

import msgspec
import pytest

from buff.cli.main import run as command_line
from buff.safety import FILE

CAPTURE = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _surroundings(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNS_ROOT", str(root))
    monkeypatch.setenv("BUFF_USER", "ada")
    monkeypatch.delenv("BUFF_KILL_SWITCH", raising=False)


def said(capsys: CAPTURE, *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = command_line(["kill-switch", *words])
    return code, *capsys.readouterr()


def test_it_is_turned_on_looked_at_and_turned_off(capsys: CAPTURE) -> None:
    assert said(capsys, "status") == (0, "The kill switch is off.\n", "")
    code, out, err = said(capsys, "on", "--why", "the feed is wrong")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "The kill switch is on: new runs and ingests are stopped."
    assert "  by command: the feed is wrong (ada, since 20" in out
    code, out, err = said(capsys, "status")
    assert (code, err) == (0, "")
    assert "`buff kill-switch off`" in out
    assert said(capsys, "off") == (0, "The kill switch is off.\n", "")


def test_scripts_get_the_same_as_json(capsys: CAPTURE) -> None:
    code, out, _ = said(capsys, "on", "--why", "x", "--json")
    found = msgspec.json.decode(out)
    assert (code, found["engaged"], found["problem"]) == (0, True, None)
    assert [each["source"] for each in found["sources"]] == ["command", "file"]
    code, out, _ = said(capsys, "status", "--json")
    assert (code, msgspec.json.decode(out)["sources"]) == (0, found["sources"])
    code, out, _ = said(capsys, "off", "--json")
    assert (code, msgspec.json.decode(out)) == (0, {"elsewhere": None, "engaged": False, "sources": []})


@pytest.mark.parametrize("words", [("on",), ("on", "--why", " ")])
def test_why_it_is_turned_on_must_be_said(capsys: CAPTURE, root: Path, words: tuple[str, ...]) -> None:
    code, _, err = said(capsys, *words)
    assert code in (2, 3)
    assert "why" in err
    assert not (root / FILE).exists()


def test_off_that_leaves_it_on_says_so_by_its_exit_code(capsys: CAPTURE, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUFF_KILL_SWITCH", "maybe")
    code, out, _ = said(capsys, "off")
    assert code == 7
    assert "by environment: BUFF_KILL_SWITCH is set (ada)" in out
    assert said(capsys, "status")[0] == 0


def test_on_a_damaged_journal_it_is_on_and_what_could_not_be_done_is_told(capsys: CAPTURE, root: Path) -> None:
    (segment,) = (root / "_journal").glob("*.jsonl")
    segment.chmod(0o644)
    segment.write_bytes(segment.read_bytes().replace(b'"t":"2', b'"t":"3', 1))
    code, out, err = said(capsys, "on", "--why", "the disk is failing")
    assert code == 0
    assert "by file: the disk is failing" in out
    assert "by journal: " in out
    assert "JOURNAL_CORRUPT" in err
    assert msgspec.json.decode(said(capsys, "on", "--why", "x", "--json")[1])["problem"]["code"] == "JOURNAL_CORRUPT"
    assert said(capsys, "off")[0] == 8
    assert (root / FILE).exists()


def test_another_process_that_its_environment_stops_is_told_of(
    capsys: CAPTURE, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUFF_KILL_SWITCH", "1")
    ingest = ["data", "ingest", "none.csv", "--symbol", "X"]
    assert command_line(ingest) == 7
    monkeypatch.delenv("BUFF_KILL_SWITCH")
    code, out, _ = said(capsys, "status")
    assert code == 0
    assert out.splitlines()[0] == "The kill switch is off."
    assert "another process that its environment stops: BUFF_KILL_SWITCH is set (ada" in out
