"""The page about the format says what is on disk, and its examples can be checked with common tools."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import buff.journal
from buff.journal.events import EVENTS
from buff.journal.recovery import TABLE

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "journal_format.md"
LINES = (Path(__file__).parents[1] / "golden" / "journal_v1" / "_journal" / f"{1:020}.jsonl").read_text().splitlines()


def block(kind: str, text: str) -> str:
    """Return the first block of a kind behind `text`."""
    match = re.search(rf"{re.escape(text)}.*?```{kind}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert match is not None
    return match[1]


def test_the_example_is_the_golden_journal() -> None:
    assert block("json", "## A line").splitlines() == LINES[:2]


def test_the_page_names_every_event_there_is() -> None:
    part = PAGE.read_text().partition("## Events")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.*?`) \|", part, re.MULTILINE)
    assert sorted(name for cell in cells for name in re.findall(r"`([^`]+)`", cell)) == sorted(
        event.TYPE for event in EVENTS
    )


def test_the_docstring_of_the_package_shows_the_same_line() -> None:
    shown = "".join(line.strip() for line in (buff.journal.__doc__ or "").splitlines())
    assert LINES[0] in shown


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed")
def test_a_line_is_checked_by_hand(tmp_path: Path) -> None:
    (tmp_path / "two_lines.jsonl").write_text("\n".join(LINES[:2]) + "\n")
    shown = block("console", "## Check a line by hand").splitlines()
    commands = "\n".join(line.removeprefix("$ ") for line in shown if line.startswith("$ "))
    done = subprocess.run(["bash", "-euc", commands], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [line for line in shown if not line.startswith("$ ")]


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_the_chain_is_checked_by_hand(tmp_path: Path) -> None:
    """Over a whole segment, whose data holds quotes, newlines and characters beyond ASCII; a changed one fails."""
    script = block("bash", "## Check a line by hand")
    path = tmp_path / "two_lines.jsonl"
    path.write_text("\n".join(LINES) + "\n")
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, capture_output=True, check=True)
    path.write_text(path.read_text().replace("second", "sec0nd"))
    changed = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, capture_output=True, check=False)
    assert changed.returncode != 0


def test_the_page_has_every_row_of_the_table() -> None:
    rows = re.findall(r"^\| (R\d\d) \|", PAGE.read_text(), re.MULTILINE)
    assert rows == [row.name for row in TABLE]
