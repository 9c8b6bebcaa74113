"""The documentation is true: every block runs, every link resolves, every page can be reached."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

import screenshots
from buff.sample import csv_chunks
from pages import PAGES, REPOSITORY, SAMPLE, Block, blocks, matches, place, run_page, steps

INDEX = REPOSITORY / "docs" / "index.md"
IMAGES = REPOSITORY / "docs" / "images"
SAMPLE_ROWS = 5_760
RUNNABLE = [page for page in PAGES if any(block.runs for block in blocks(page.read_text(encoding="utf-8")))]

_PICTURE = re.compile(r'(?:src|srcset)="([^"]+)"')
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def name(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def links(page: Path) -> list[Path]:
    """The files that a page links to; fences and addresses of other machines are left out."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = [target.partition("#")[0] for target in _LINK.findall(text) if "://" not in target]
    return [(page.parent / target).resolve() for target in targets if target]


@pytest.mark.skipif(sys.platform == "win32", reason="the pages are run by bash on a terminal")
@pytest.mark.parametrize("written", RUNNABLE, ids=name)
def test_every_block_of_a_page_does_what_it_says(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = place(tmp_path)
    monkeypatch.chdir(tmp_path)
    for variable in ("RUNS_ROOT", "BUFF_USER"):
        monkeypatch.setenv(variable, where.environment[variable])
    assert list(run_page(written, where)) == []


@pytest.mark.parametrize("written", PAGES, ids=name)
def test_every_link_leads_somewhere(written: Path) -> None:
    assert [str(target) for target in links(written) if not target.exists()] == []


def test_every_page_can_be_reached_from_the_index():
    reached, waiting = {INDEX}, [INDEX]
    while waiting:
        found = {target for target in links(waiting.pop()) if target.suffix == ".md" and target.exists()}
        waiting += found - reached
        reached |= found
    assert {name(page) for page in PAGES} - {name(page) for page in reached} - {"README.md"} == set()
    assert INDEX in links(REPOSITORY / "README.md")


def test_every_picture_is_there_small_and_shown():
    """What is shown is what `python tests/screenshots.py docs/images` makes, and the other way round."""
    made = {IMAGES / picture for picture in screenshots.names()}
    shown = {(page.parent / found).resolve() for page in PAGES for found in _PICTURE.findall(page.read_text("utf-8"))}
    assert shown == made == set(IMAGES.iterdir())
    assert all(picture.stat().st_size < 150_000 for picture in made)


def test_a_block_that_is_not_run_says_why():
    for page in PAGES:
        for block in blocks(page.read_text(encoding="utf-8")):
            assert block.comment != "not run" or len(str(block.says)) > 10, f"{name(page)}, line {block.line}"


def test_the_two_commands_of_the_readme_are_the_ones_the_gate_runs():
    """`.ci/run` takes them from here by the way they begin."""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    found = [line for block in blocks(text) if block.kind == "bash" for line in block.text.splitlines()]
    assert [line.rpartition("/")[2] for line in found if line.startswith("python3 -m venv")] == [
        "buff demo",
        "pytest -n 2",
    ]


def test_the_sample_is_what_the_code_makes():
    assert SAMPLE.read_bytes() == b"".join(csv_chunks(SAMPLE_ROWS))


def test_a_page_is_read_block_by_block():
    text = "a\n```bash\nls\n```\n<!-- not run: it needs a server -->\n```console\n$ x \\\n  y\nout\n$ z\n```\n"
    first, second = blocks(text)
    assert (first.kind, first.text, first.line, first.runs) == ("bash", "ls\n", 2, True)
    assert (second.kind, second.says, second.line, second.runs) == ("console", "it needs a server", 6, False)
    assert [(step.command, step.promised) for step in steps(second)] == [("x \\\n  y", "out\n"), ("z", "")]


@pytest.mark.parametrize(
    ("promised", "printed", "kept"),
    [
        ("a\n", "a\n", True),
        ("a\n", "a   \n", True),
        ("a\n", "b\n", False),
        ("a\n", "a\nb\n", False),
        ("a ... c\n", "a b c\n", True),
        ("a\n...\nd\n", "a\nb\nc\nd\n", True),
        ("a\n...\nd\n", "a\nb\nc\n", False),
        ("(.*)\n", "x\n", False),
    ],
)
def test_a_promise_is_kept_or_not(promised: str, printed: str, kept: bool) -> None:
    assert matches(promised, printed) is kept


def test_a_block_that_fails_is_told_with_its_page_and_line(tmp_path: Path) -> None:
    page = REPOSITORY / "docs" / "none.md"
    fake = type("Page", (), {"read_text": lambda self, encoding: TEXT, "relative_to": lambda self, _: page.name})()
    faults = list(run_page(fake, place(tmp_path)))
    assert [fault.partition(": ")[0] for fault in faults] == ["none.md, line 1", "none.md, line 4", "none.md, line 7"]


TEXT = "```python\n1 / 0\n```\n```bash\nfalse\n```\n```console\n$ echo a\nb\n```\n"


def test_the_blocks_of_a_page_are_of_known_kinds():
    """A fence without a language would be run by nobody and read as if it were."""
    known = {"python", "bash", "console", "powershell", "json", "toml", "text", "csv", "js", "mermaid"}
    unknown = [
        (name(page), block.line, block.kind) for page in PAGES for block in _blocks(page) if block.kind not in known
    ]
    assert unknown == []


def _blocks(page: Path) -> list[Block]:
    return list(blocks(page.read_text(encoding="utf-8")))


def test_the_page_of_the_architecture_names_every_module_and_no_other():
    text = (REPOSITORY / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    named = {path for path in re.findall(r"`([\w/]+\.py)`", text) if not path.startswith("journal_tools/")}
    source = REPOSITORY / "src" / "buff"
    modules = {path.relative_to(source).as_posix() for path in source.rglob("*.py")}
    packages = {module for module in modules if module.endswith("/__init__.py")}
    assert named - modules == set(), "there is no such file"
    assert modules - packages - named == set(), "the page does not say what it is for"


def test_the_page_of_the_architecture_shows_the_import_contract():
    text = (REPOSITORY / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    shown = next(block.text for block in blocks(text) if block.text.startswith("__main__"))
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    assert re.split(r"\s*>\s*", shown.strip()) == [layer.replace(" | ", ", ") for layer in layers]


@pytest.mark.parametrize("written", PAGES, ids=name)
def test_every_file_of_this_repository_that_a_page_names_is_there(written: Path) -> None:
    """Files of the code base before this one, which decision 0001 maps, begin otherwise or stand below `phase6`."""
    named = re.findall(r"`((?:tests|examples|docs|src|journal_tools)/[\w./]+)`", written.read_text(encoding="utf-8"))
    missing = [path for path in named if "phase6" not in path and not (REPOSITORY / path).exists()]
    assert missing == []
