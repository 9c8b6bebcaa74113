"""Figures of the documentation: every one that was measured stands in a section that `buff bench --write` fills."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buff import crew, probe, settings
from buff.bench import page, plan, scale, suite
from buff.bench.page import named, section, without
from buff.bench.report import COLUMNS, CONSTANT_COLUMNS, Report
from buff.journal import line
from buff.market import judge
from pages import PAGES, REPOSITORY

EXPLANATION = REPOSITORY / "docs" / "explanation"
PERFORMANCE, SCALE = (EXPLANATION / name for name in ("performance.md", "scale.md"))
# Decisions and the changelog say what was so at their time.
HISTORY = (REPOSITORY / "docs" / "decisions", REPOSITORY / "docs" / "changelog.md")

_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_QUANTITY = r"(?:\d[\d.,]*|half|twice|an?|one|two|three|four|five|ten|fifteen|twenty|\w+teen|\w+ty)"
_FIGURES = (
    re.compile(r"(?<![\w.^⁻])\d(?:[\d.,]*\d)?\s?(?:ms|µs|us|ns|s|[kKMGT]i?B)\b(?!-)"),
    re.compile(rf"\b{_QUANTITY}(?: and a half)? (?:times|x) (?:as|faster|slower|less|more|what|the time)\b"),
    re.compile(rf"\b(?:takes?|took|needs?) (?:only |about |some )?{_QUANTITY}(?: or two)? (?:milli|micro)?seconds?\b"),
    re.compile(r"\d[\d.,]* (?:runs|bars|rows|events|MB|requests) (?:a|per) second\b"),
)
# Limits and intervals that the code sets: each is what the code says.
SET: dict[str, Any] = {
    "64 KiB": lambda: judge.LINE_BYTES_MAX,
    "1 MiB": lambda: line.LINE_BYTES_MAX,
    "8 MiB": lambda: line.BATCH_BYTES_MAX,
    "64 MiB": lambda: line.SEGMENT_BYTES_MAX,
    "32 MiB": lambda: probe.BYTES_MAX,
    "256 MB": lambda: crew.IN_HAND_BYTES,
    "1 GiB": lambda: settings.Settings().upload_bytes_max,
}
# What is no measurement and no constant of the code that a test could ask for: where it stands, and what it is.
SAID = {
    ("docs/explanation/determinism.md", "4 KB"): "blocks in which a test reads a file",
    ("docs/explanation/determinism.md", "4 MB"): "blocks in which a test reads a file",
    ("docs/how_to/choose_a_runs_root.md", "takes 5 milliseconds"): "from which on `buff doctor` advises",
    ("docs/reference/service.md", "5 s"): "how long an answer is kept",
    ("docs/reference/service.md", "30 s"): "how long an answer is kept",
    ("docs/reference/artifacts.md", "2 GiB"): "from which on members of compressed records are longer",
}
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "KB": 1 << 10, "MB": 1 << 20}


def name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def figures(text: str) -> Iterator[str]:
    """Yield what reads as a measured figure in the words of a page: not in its code, not in sections of the suite."""
    words = _CODE.sub("", without(text))
    for pattern in _FIGURES:
        yield from (found[0] for found in pattern.finditer(words))


def rows(text: str) -> list[list[str]]:
    """Return the cells of the tables of a section, rule lines left out."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines if not set("".join(line)) <= set("-: ")]


@pytest.mark.parametrize(
    "written", [each for each in PAGES if not any(each.is_relative_to(it) for it in HISTORY)], ids=name
)
def test_no_page_holds_a_measured_figure_that_the_suite_did_not_write(written: Path) -> None:
    known = {*SET, *(figure for place, figure in SAID if place == name(written))}
    assert [each for each in figures(written.read_text(encoding="utf-8")) if each not in known] == []


def test_a_limit_that_a_page_names_is_the_limit() -> None:
    for figure, found in SET.items():
        number, unit = figure.split()
        assert int(number) * UNITS[unit] == found(), figure
    texts = {name(each): set(figures(each.read_text(encoding="utf-8"))) for each in PAGES}
    assert [place for place in SAID if place[1] not in texts[place[0]]] == [], "said nowhere any more"
    assert [figure for figure in SET if not any(figure in each for each in texts.values())] == []


@pytest.mark.parametrize(
    "text",
    [
        "It takes 10 ms.",
        "a file of 1.6 MB",
        "about 0.27 s of processor time",
        "one and a half times as long",
        "It takes a second for much.",
        "3.3 times less memory",
        "some 50 runs a second",
    ],
)
def test_what_reads_as_a_figure_is_found(text: str) -> None:
    assert list(figures(text)) != []
    assert list(figures(f"`{text}`")) == list(figures(f"```text\n{text}\n```")) == []
    assert list(figures(f"<!-- bench: limits -->\n{text}\n<!-- bench: end -->")) == []


@pytest.mark.parametrize(
    "text", ["a second click", "17 decimals", "take 3 steps", "10^11 seconds", "5 × 6 − 2", "1,000 rows"]
)
def test_what_is_no_figure_is_none(text: str) -> None:
    assert list(figures(text)) == []


# The two pages of the suite


def test_the_page_of_performance_has_every_table_that_the_suite_prints_now() -> None:
    text = PERFORMANCE.read_text(encoding="utf-8")
    assert named(text) == (page.MACHINE, *suite.SUBJECTS)
    for subject in suite.subjects():
        found = section(text, subject.name)
        assert found.startswith(f"## {subject.title}\n\n" + "\n".join(subject.says) + "\n\n")
        head, *lines = rows(found)
        assert tuple(head) == COLUMNS
        expected = [
            ["" if at else case.name, each.who] for case in subject.cases for at, each in enumerate(case.contenders)
        ]
        assert [line[:2] for line in lines] == expected
        assert all(line[3] == "failed" or line[3].startswith("not installed") or float(line[2]) > 0 for line in lines)


@pytest.mark.parametrize("written", [PERFORMANCE, SCALE], ids=name)
def test_a_page_says_on_what_and_how_it_was_measured(written: Path) -> None:
    _, *lines = rows(section(written.read_text(encoding="utf-8"), page.MACHINE))
    facts = {line[0]: line[1] for line in lines}
    report = Report(date="", command="", machine={}, load=("", ""), seconds=0.0, found=(), constants=None)
    assert set(report.facts) < set(facts)
    assert {"processor", "cores", "memory", "system", "file system", "Python", "numpy", "pandas"} < set(facts)
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", facts["date"])
    assert facts["command"].startswith("buff bench --write ")
    assert "--quick" not in facts["command"]
    assert facts["command"].endswith(f"{name(PERFORMANCE)} --write {name(SCALE)}")


def test_both_pages_are_of_one_run() -> None:
    performance, plan_page = (each.read_text(encoding="utf-8") for each in (PERFORMANCE, SCALE))
    assert section(performance, page.MACHINE) == section(plan_page, page.MACHINE)


def test_the_sums_of_the_page_of_scale_are_right() -> None:
    """The constants are read from the page, and everything that is reckoned from them must be what it shows."""
    text = SCALE.read_text(encoding="utf-8")
    head, *lines = rows(section(text, suite.SCALE))
    assert tuple(head) == CONSTANT_COLUMNS
    constants = {line[0]: float(line[1]) for line in lines}
    assert list(constants) == [each.name for each in scale.CONSTANTS]
    found = page.scale_sections(constants)
    assert named(text) == (page.MACHINE, *found)
    assert [each.name for each in plan.tables(constants)] == ["runs", "symbols", "terabyte", "workers"]
    for each, expected in found.items():
        assert section(text, each) == expected, each
