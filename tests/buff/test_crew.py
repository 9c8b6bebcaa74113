"""Whoever makes recipes: processes that are replaced when they die, and executors that are somebody else's."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from buff import crew as crews
from buff.batch import admitted_batch, planned
from buff.builder import silent
from buff.crew import Crew, Here
from buff.recipe import Product, Recipe, Refusal
from whole import opened, request

RUNS = 12


@pytest.fixture
def recipes(tmp_path: Path, minutes: Path) -> list[Recipe]:
    asked = [request(minutes, params={"fast": 3, "slow": slow}) for slow in range(5, 5 + RUNS)]
    with opened(tmp_path) as store, admitted_batch(store, silent) as admission:
        plans = planned(store, asked, admission)
    return [plan.recipe for plan in plans if plan.recipe is not None]


def answers(crew: Crew, recipes: list[Recipe]) -> dict[str, Any]:
    """Have them made, all at once; return what became of each."""
    found: dict[str, Any] = {}
    for recipe in recipes:
        crew.ask(recipe)
    while len(found) < len(recipes):
        ended = crew.ended.get(timeout=120)
        answer = crew.answer(ended)
        if answer is not None:
            found[ended.recipe.run_id] = answer
    return found


def test_every_crew_makes_the_same(recipes: list[Recipe]) -> None:
    with Crew(Here(), recipes, cores=2) as crew:
        expected = answers(crew, recipes)
    assert all(isinstance(answer, Product) for answer in expected.values())
    with ThreadPoolExecutor(2) as threads, Crew(threads, recipes, cores=2) as crew:
        assert answers(crew, recipes) == expected
        assert crew.ahead > 2
    with Crew(None, recipes, cores=2) as crew:
        assert answers(crew, recipes) == expected


def test_few_recipes_are_made_here(recipes: list[Recipe]) -> None:
    with Crew(None, recipes[:3], cores=2) as crew:
        assert isinstance(crew._pool, Here)
    with Crew(None, recipes, cores=1) as crew:
        assert isinstance(crew._pool, Here)


def test_a_process_of_ours_that_is_killed_is_replaced(recipes: list[Recipe]) -> None:
    with Crew(None, recipes, cores=2) as crew:
        crew.ask(recipes[0])
        first = crew.ended.get(timeout=120)
        assert isinstance(crew.answer(first), Product)
        assert isinstance(crew._pool, ProcessPoolExecutor)
        os.kill(next(iter(crew._pool._processes)), signal.SIGKILL)
        assert all(isinstance(answer, Product) for answer in answers(crew, recipes).values())


class Dying(Executor):
    """An executor whose processes die whatever they are asked."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        future.set_exception(crews.BrokenExecutor("it died"))
        return future


def test_a_run_that_takes_every_process_with_it_is_given_up(
    recipes: list[Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crews, "_pool", lambda processes: Dying())
    with Crew(None, recipes, cores=2) as crew:
        (lost,) = answers(crew, recipes[:1]).values()
    assert isinstance(lost, Refusal)
    assert lost.code == "BUILD_LOST"


def test_an_executor_that_breaks_loses_its_runs_and_raises_nothing(recipes: list[Recipe]) -> None:
    with Crew(Dying(), recipes, cores=2) as crew:
        assert {answer.code for answer in answers(crew, recipes).values()} == {"BUILD_LOST"}


def test_what_is_in_hand_is_bounded_by_bytes(recipes: list[Recipe], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crews, "IN_HAND_BYTES", 3 * crews.BAR_BYTES * recipes[0].bars)
    with ThreadPoolExecutor(1) as threads, Crew(threads, recipes, cores=2) as crew:
        assert crew.ahead == 3
    monkeypatch.setattr(crews, "IN_HAND_BYTES", 1)
    with ThreadPoolExecutor(1) as threads, Crew(threads, recipes, cores=2) as crew:
        assert crew.ahead == 1
