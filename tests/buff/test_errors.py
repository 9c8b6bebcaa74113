"""The tree of errors, the table of codes and the page that documents them are one thing."""

import re
from pathlib import Path

from buff import errors
from buff.errors import CODES, BuffError, DataInvalid
from buff.proof import EXITS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"


def tree(root: type[BuffError]) -> list[type[BuffError]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in tree(child))]


def test_an_error_says_what_was_wrong_where_and_what_to_do():
    error = DataInvalid("line 3: low 2.0 is above high 1.0", rule="OHLC", hint="correct it", details={"line": 3})
    assert error.as_dict() == {
        "code": "DATA_INVALID",
        "message": "line 3: low 2.0 is above high 1.0",
        "details": {"rule": "OHLC", "line": 3},
        "hint": "correct it",
    }
    assert (error.exit_code, error.status) == (4, 422)


def test_every_class_has_a_row_in_the_table_and_every_row_a_class():
    assert {kind.code for kind in tree(BuffError)} == set(CODES)


def test_the_drawn_tree_names_every_class():
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or ""))
    assert drawn == {kind.__name__ for kind in tree(BuffError)} - {"BuffError"}


def test_the_page_has_every_code_with_its_numbers():
    page = PAGE.read_text(encoding="utf-8")
    for code, meaning in CODES.items():
        assert f"| `{code}` | {meaning.exit_code} | {meaning.status} | {meaning.says} |" in page
    for verdict, exit_code in EXITS.items():
        assert f"| {exit_code} | `{verdict}` |" in page
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE))
    assert documented == set(CODES)
