"""Parts of pages that are made once for the same values."""

from typing import Any

import pytest
from jinja2 import DictLoader, Environment, StrictUndefined, UndefinedError

from buff_web.parts import Parts

TEMPLATES = {"one": "{{ count() }} {{ name }}", "two": "{{ name }}", "page": "{{ now }}"}


@pytest.fixture
def made() -> list[str]:
    """What was rendered, in order."""
    return []


@pytest.fixture
def environment(made: list[str]) -> Environment:
    environment = Environment(loader=DictLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)

    def count() -> int:
        made.append("one")
        return len(made)

    environment.globals["count"] = count
    return environment


def test_the_same_values_are_rendered_once(environment: Environment, made: list[str]) -> None:
    part = Parts(environment)
    assert [part("one", name="a"), part("one", name="a"), part("one", name="b")] == ["1 a", "1 a", "2 b"]
    assert part("two", name="a") == "a"


@pytest.mark.parametrize(
    ("value", "other"), [(1, 1.0), (0, False), (0.0, -0.0), (None, ""), ([1], [[1]]), ({"a": 1}, {"a": 2})]
)
def test_values_that_are_shown_otherwise_are_others(environment: Environment, value: Any, other: Any) -> None:
    part = Parts(environment)
    assert part("two", name=value) != part("two", name=other)


def test_what_a_part_shows_is_escaped_once(environment: Environment) -> None:
    part = Parts(environment)
    for _ in range(2):
        shown = part("two", name="<b>&")
        assert shown == "&lt;b&gt;&amp;"
        assert environment.from_string("{{ shown }}").render(shown=shown) == shown


def test_a_part_sees_nothing_of_its_page(environment: Environment) -> None:
    with pytest.raises(UndefinedError):
        environment.from_string("{{ part('page') }}").render(now="today", part=Parts(environment))


def test_what_is_kept_is_bounded(environment: Environment, made: list[str]) -> None:
    """The part that was not shown for longest goes first."""
    part = Parts(environment, most=20)
    for name in ("a" * 8, "b" * 8, "a" * 8, "c" * 8):
        part("one", name=name)
    assert len(made) == 3
    part("one", name="a" * 8)
    assert len(made) == 3
    part("one", name="b" * 8)
    assert len(made) == 4
