"""docs/explanation/durability.md names a test for each promise: every one of them exists."""

import ast
import re

from pages import REPOSITORY

PAGE = REPOSITORY / "docs" / "explanation" / "durability.md"
READERS = REPOSITORY / "docs" / "decisions" / "0006-two-readers-of-one-csv.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_test_that_the_page_names_exists() -> None:
    named = NAMED.findall(PAGE.read_text(encoding="utf-8"))
    assert len(named) >= 12
    for path, name in named:
        tree = ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{path}::{name}"


def test_every_attack_is_named_by_the_page() -> None:
    """Those on the store by the page on durability, those on the readers of files by the decision about them."""
    named = {path for path, _ in NAMED.findall(PAGE.read_text(encoding="utf-8"))}
    named |= set(re.findall(r"`(tests/attack/\w+\.py)`", READERS.read_text(encoding="utf-8")))
    here = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "tests" / "attack").glob("test_*.py")}
    assert here - named == {"tests/attack/test_proofs.py"}
