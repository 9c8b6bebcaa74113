"""The reference page of the strategies is what they declare, and its formulas are what the code does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.decisions.strategy import resolve, strategies, strategy
from buff.errors import StrategyInvalid
from pages import REPOSITORY
from strategies_page import WORDS, command, page
from textbook import walk

PAGE = REPOSITORY / "docs" / "reference" / "strategies.md"


def test_the_page_is_up_to_date() -> None:
    again = "write it again: python tests/strategies_page.py > docs/reference/strategies.md"
    assert PAGE.read_text(encoding="utf-8") == page(), again


def test_every_strategy_has_its_words_and_no_other() -> None:
    assert list(WORDS) == list(strategies())
    for id, words in WORDS.items():
        rule = strategy(id)
        columns = rule.indicators(walk(1, 80), resolve(rule, {})) if rule.indicators else {}
        assert list(words.columns) == list(columns)


def test_every_part_of_a_strategy_stands_on_the_page() -> None:
    text = page()
    for id, rule in strategies().items():
        section = text.partition(f"\n## {id}\n")[2].partition("\n## ")[0]
        assert rule.rule in section
        assert rule.citation in section
        assert command(id) in section
        for param in rule.params:
            assert f"| `{param.name}` | {param.allowed} | {param.default} | {param.says} |" in section


@pytest.mark.parametrize("id", WORDS)
@given(data=st.data())
def test_the_formula_of_a_warm_up_is_the_codes(id: str, data: st.DataObject) -> None:
    rule = strategy(id)
    windows = {param.name: data.draw(st.integers(2, 300)) for param in rule.params if param.kind == "int"}
    try:
        params = resolve(rule, windows)
    except StrategyInvalid:
        return
    assert rule.warmup(params) == eval(WORDS[id].warmup, {"max": max, **params})
