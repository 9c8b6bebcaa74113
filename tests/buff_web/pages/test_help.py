"""The page that explains the others: every code, every exit code, every metric and every risk level is on it."""

import re
from pathlib import Path
from typing import Any

from litestar.testing import TestClient

from buff.decisions.metrics import DEFINITIONS
from buff.errors import CODES
from buff_web.pages.help import EXIT_CODES
from outline import page_of

CLI = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"


def test_every_code_and_every_metric_is_explained(client: TestClient[Any]) -> None:
    _, page = page_of(client, "/help")
    for code, meaning in CODES.items():
        assert code in page.ids
        assert meaning.says in page.text
    assert [name for name in DEFINITIONS if name not in page.text] == []
    for says in EXIT_CODES.values():
        assert says in page.text


def test_exit_codes_are_those_of_the_command_line() -> None:
    """What the errors end with is in the table, and every code of the table is told in the command's own reference."""
    assert {meaning.exit_code for meaning in CODES.values()} <= set(EXIT_CODES)
    told = next(line for line in CLI.read_text().splitlines() if line.startswith("Exit codes: 0 done"))
    assert {int(code) for code in re.findall(r"\b(\d+) [a-z]", told)} - {129, 130, 143} == set(EXIT_CODES)
