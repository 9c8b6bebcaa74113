"""The words of metrics are those of the reference page, for every metric there is."""

import re

from buff.decisions.metrics import DEFINITIONS
from buff.runs.words import GROUPS
from pages import REPOSITORY

PAGE = (REPOSITORY / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")


def test_every_metric_is_defined_in_the_words_of_the_page() -> None:
    rows = [[cell.strip() for cell in line.split("|")] for line in PAGE.splitlines() if line.startswith("| `")]
    said = {row[1].strip("`"): row[5] for row in rows if len(row) > 7}
    words = {name: says for _, members in GROUPS for name, says in members.items()}
    assert list(words) == [name for name in said if name in words]
    assert words.keys() == DEFINITIONS.keys()
    assert {name: says for name, says in said.items() if name in words} == words


def test_groups_are_the_headings_of_the_page() -> None:
    headings = re.findall(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    assert [title for title, _ in GROUPS] == [title for title in headings if title in dict(GROUPS)]
    assert len(dict(GROUPS)) == len(GROUPS)
