"""Whoever makes recipes: processes that are replaced when they die, and executors that are somebody else's."""

import multiprocessing
import os
import pickle
import queue
import signal
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from buff import crew as crews
from buff import recipe as recipe_module
from buff.batch import admitted_batch, planned
from buff.builder import silent
from buff.crew import Crew, Here
from buff.errors import BuildLost
from buff.recipe import Product, Recipe, Refusal
from whole import opened, request

RUNS = 12


@pytest.fixture
def recipes(tmp_path: Path, minutes: Path) -> list[Recipe]:
    asked = [request(minutes, params={"fast": 3, "slow": slow}) for slow in range(5, 5 + RUNS)]
    with opened(tmp_path) as store, admitted_batch(store, silent) as admission:
        plans = planned(store, asked, admission)
    return [plan.recipe for plan in plans if plan.recipe is not None]


def answers(crew: Crew, recipes: Sequence[Recipe], together: int = 1) -> dict[str, Any]:
    """Have them made, so many together; return what became of each."""
    found: dict[str, Any] = {}
    for at in range(0, len(recipes), together):
        crew.ask(recipes[at : at + together])
    while len(found) < len(recipes):
        found |= {recipe.run_id: answer for recipe, answer in crew.answers(crew.ended.get(timeout=120))}
    return found


def test_every_crew_makes_the_same(recipes: list[Recipe]) -> None:
    with Crew(Here(), recipes, cores=2) as crew:
        expected = answers(crew, recipes)
    assert all(isinstance(answer, Product) for answer in expected.values())
    with ThreadPoolExecutor(2) as threads, Crew(threads, recipes, cores=2) as crew:
        assert answers(crew, recipes, together=5) == expected
        assert crew.room == crew.ahead > 2
    with Crew(None, recipes, cores=2) as crew:
        assert answers(crew, recipes) == expected


def told(ended: Any) -> Any:
    return ended.future.result()


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no memory without a name")
def test_what_processes_of_this_machine_make_is_laid_down_and_not_carried(recipes: list[Recipe]) -> None:
    with Crew(Here(), recipes, cores=2) as crew:
        expected = answers(crew, recipes)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn) as given, Crew(given, recipes, cores=1) as crew:
        assert crew.ahead == 8
        for each in recipes:
            crew.ask([each])
        arrived = [crew.ended.get(timeout=120) for _ in recipes]
        assert [isinstance(told(each), int) for each in arrived] == [True] * 8 + [False] * 4, "more than there is room"
        found = {recipe.run_id: answer for each in arrived for recipe, answer in crew.answers(each)}
        assert found == expected
        for each in recipes:
            crew.done(each.run_id)
        again = {recipe.run_id: answer for each in recipes for recipe, answer in once(crew, each)}
        assert again == expected


def once(crew: Crew, recipe: Recipe) -> list[tuple[Recipe, Any]]:
    """Have one run made, laid down, and dealt with."""
    crew.ask([recipe])
    ended = crew.ended.get(timeout=120)
    assert isinstance(told(ended), int)
    found = [(each, pickle.loads(pickle.dumps(answer, protocol=5))) for each, answer in crew.answers(ended)]
    crew.done(recipe.run_id)
    return found


def test_where_no_memory_is_shared_everything_is_carried(
    recipes: list[Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    with Crew(None, recipes, cores=2) as crew:
        crew.ask(recipes[:1])
        ended = crew.ended.get(timeout=120)
        assert isinstance(told(ended), bytes)
        ((_, answer),) = crew.answers(ended)
    assert isinstance(answer, Product)


def test_few_recipes_are_made_here(recipes: list[Recipe]) -> None:
    with Crew(None, recipes[:3], cores=2) as crew:
        assert isinstance(crew._pool, Here)
    with Crew(None, recipes, cores=1) as crew:
        assert isinstance(crew._pool, Here)


def test_a_process_of_ours_that_is_killed_is_replaced(recipes: list[Recipe]) -> None:
    with Crew(None, recipes, cores=2) as crew:
        (first,) = answers(crew, recipes[:1]).values()
        assert isinstance(first, Product)
        assert isinstance(crew._pool, ProcessPoolExecutor)
        os.kill(next(iter(crew._pool._processes)), signal.SIGKILL)
        assert all(isinstance(answer, Product) for answer in answers(crew, recipes).values())


def half_an_answer(recipes: Sequence[Recipe], lent: Any, attempt: int, place: Any = None) -> bytes | int:
    """Make recipes; at the first attempt at the run whose name says so, die with half of the answer sent."""
    if attempt == 0 and recipes[0].name == "half":
        send = Connection._send  # type: ignore[attr-defined]

        def dying(self: Any, data: Any) -> None:
            send(self, bytes(data)[:3])
            os.kill(os.getpid(), signal.SIGKILL)

        Connection._send = dying  # type: ignore[attr-defined]
    return recipe_module.make_all(recipes, lent, attempt, place)


@pytest.mark.skipif(os.name != "posix", reason="it is about pipes")
@pytest.mark.parametrize("given_up", [False, True])
def test_a_process_that_is_killed_while_it_answers_holds_nobody_up(
    recipes: list[Recipe], monkeypatch: pytest.MonkeyPatch, given_up: bool
) -> None:
    monkeypatch.setattr(crews, "make_all", half_an_answer)
    recipes[0] = evolve(recipes[0], name="half")
    with Crew(None, recipes, cores=2) as crew:
        crew.ask(recipes[:1])
        dying = crew._pool
        while dying._processes and all(process.is_alive() for process in dying._processes.values()):  # type: ignore[attr-defined]
            time.sleep(0.01)
        crew.ask(recipes[1:])
        if given_up:
            return  # leaving must not wait for what never comes
        found: dict[str, Any] = {}
        deadline = time.monotonic() + 120
        while len(found) < RUNS:
            assert time.monotonic() < deadline, "it waits for the other half"
            try:
                found |= {recipe.run_id: each for recipe, each in crew.answers(crew.ended.get(timeout=0.1))}
            except queue.Empty:
                crew.look()
    assert all(isinstance(answer, Product) for answer in found.values())


class Dying(Executor):
    """An executor whose processes die whatever they are asked."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        future.set_exception(crews.BrokenExecutor("it died"))
        return future


def test_a_run_that_takes_every_process_with_it_is_given_up(
    recipes: list[Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun_and_dying(processes: int, begun: Any) -> Executor:
        begun.set()
        return Dying()

    monkeypatch.setattr(crews, "_pool", begun_and_dying)
    with Crew(None, recipes, cores=2) as crew:
        (lost,) = answers(crew, recipes[:1]).values()
    assert isinstance(lost, Refusal)
    assert lost.code == "BUILD_LOST"


def test_where_no_process_ever_begins_none_is_started_for_every_run(
    recipes: list[Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crews, "_pool", lambda processes, begun: Dying())
    with Crew(None, recipes, cores=2) as crew, pytest.raises(BuildLost, match="could begin"):
        answers(crew, recipes)


def test_an_executor_that_breaks_loses_its_runs_and_raises_nothing(recipes: list[Recipe]) -> None:
    with Crew(Dying(), recipes, cores=2) as crew:
        assert {answer.code for answer in answers(crew, recipes).values()} == {"BUILD_LOST"}


class Silent(Executor):
    """An executor that takes work and is never heard of again; then it is closed."""

    closed = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        if self.closed:
            raise RuntimeError("it is closed")
        return Future()


def test_what_a_silent_executor_has_in_hand_is_lost_when_it_takes_no_more(recipes: list[Recipe]) -> None:
    executor = Silent()
    with Crew(executor, recipes, cores=2) as crew:
        crew.ask(recipes[:2])
        for _ in range(crews.LOOKS):
            crew.look()
        assert crew.ended.empty(), "it may be at work"
        executor.closed = True
        for _ in range(crews.LOOKS):
            crew.look()
        found = [answer for _ in range(5) for _, answer in crew.answers(crew.ended.get(timeout=120))]
    assert [answer.code for answer in found if isinstance(answer, Refusal)] == ["BUILD_LOST"] * 2


class Poisoned(Executor):
    """An executor of which a process dies whenever it meets one run, and takes all that it was asked with it."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.asked: list[int] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        self.asked.append(len(args[0]))
        if any(recipe.run_id == self.run_id for recipe in args[0]):
            return Dying().submit(fn)
        return Here().submit(fn, *args, **kwargs)


def test_a_run_that_kills_is_given_up_and_those_asked_for_with_it_are_made(recipes: list[Recipe]) -> None:
    executor = Poisoned(recipes[3].run_id)
    with Crew(executor, recipes, cores=2) as crew:
        found = answers(crew, recipes, together=6)
        assert crew.room == crew.ahead
    assert executor.asked == [6, 6, *[1] * 7], "what was lost together is asked for alone, and the one twice"
    lost = [run_id for run_id, answer in found.items() if not isinstance(answer, Product)]
    assert lost == [executor.run_id]
    assert found[executor.run_id].code == "BUILD_LOST"


def test_nothing_new_is_asked_for_while_lost_ones_are_made_alone(recipes: list[Recipe]) -> None:
    with Crew(Poisoned(recipes[0].run_id), recipes, cores=2) as crew:
        crew.ask(recipes[:3])
        assert crew.answers(crew.ended.get(timeout=120)) == []
        assert crew.room == 0


def test_what_is_wrong_with_one_run_does_not_touch_those_it_is_made_with(recipes: list[Recipe]) -> None:
    wrong = evolve(recipes[1], inputs={**recipes[1].inputs, "engine_version": "0"})
    with ThreadPoolExecutor(1) as threads, Crew(threads, recipes, cores=2) as crew:
        found = answers(crew, [recipes[0], wrong, *recipes[2:6]], together=6)
    assert found.pop(wrong.run_id).code == "STRATEGY_INVALID"
    assert all(isinstance(answer, Product) for answer in found.values())


class Elsewhere(ThreadPoolExecutor):
    """Machines that do not see the root, each with columns of its own; they take turns, one at a time."""

    def __init__(self, machines: int) -> None:
        super().__init__(1)
        self.machines = [OrderedDict[Any, Any]() for _ in range(machines)]
        self.turn, self.copies, self.travelling, self.most = 0, 0, 0, 0

    def submit(self, fn: Callable[..., Any], recipes: Any, lent: Any, attempt: int, /, **kwargs: Any) -> "Future[Any]":
        self.copies += lent is not None
        self.travelling += lent is not None
        self.most = max(self.most, self.travelling)
        return super().submit(self.make, fn, tuple(evolve(recipe, root="nowhere") for recipe in recipes), lent, attempt)

    def make(self, fn: Callable[..., Any], recipes: Any, lent: Any, attempt: int) -> Any:
        self.turn = (self.turn + 1) % len(self.machines)
        held, recipe_module._KEPT = recipe_module._KEPT, self.machines[self.turn]
        try:
            return fn(recipes, lent, attempt)
        finally:
            recipe_module._KEPT = held
            self.travelling -= lent is not None


@pytest.mark.parametrize("machines", [1, 3])
def test_one_copy_of_the_columns_is_on_its_way_at_a_time(recipes: list[Recipe], machines: int) -> None:
    with Elsewhere(machines) as executor, Crew(executor, recipes, cores=2) as crew:
        found = answers(crew, recipes, together=2)
        assert crew.room == crew.ahead
    assert all(isinstance(answer, Product) for answer in found.values())
    assert executor.most == 1
    assert machines > 1 or executor.copies == 1


class Client:
    """What Dask has inside an executor."""

    def __init__(self) -> None:
        self.spread = list[Any]()
        self.workers = 2

    def nthreads(self) -> dict[str, int]:
        if self.workers < 0:
            raise RuntimeError("it is closed")
        return {f"tcp://{worker}": 1 for worker in range(self.workers)}

    def submit(self, fn: Callable[..., Any], value: Any, *, pure: bool) -> int:
        assert not pure
        self.spread.append(fn(value))
        return len(self.spread)


class Spreading(Elsewhere):
    """An executor that passes values on by reference, as Dask's does, and loses one."""

    __module__ = "distributed.cfexecutor"

    def __init__(self, machines: int) -> None:
        super().__init__(machines)
        self._client, self.gone = Client(), False

    def submit(self, fn: Callable[..., Any], recipes: Any, lent: Any, attempt: int, /, **kwargs: Any) -> "Future[Any]":
        if lent == 1 and self.gone:
            return Dying().submit(fn)  # the machine that had it is gone
        return super().submit(fn, recipes, None if lent is None else self._client.spread[lent - 1], attempt)


def test_columns_are_spread_once_and_again_when_they_are_lost(recipes: list[Recipe]) -> None:
    with Spreading(2) as executor, Crew(executor, recipes, cores=2) as crew:
        assert all(isinstance(answer, Product) for answer in answers(crew, recipes[:6], together=2).values())
        assert len(executor._client.spread) == 1
        executor.gone = True
        for machine in executor.machines:
            machine.clear()
        assert all(isinstance(answer, Product) for answer in answers(crew, recipes[6:], together=2).values())
    assert len(executor._client.spread) == 2


def test_shares_are_small_where_workers_might_wait(recipes: list[Recipe], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crews, "BAR_BYTES", 1)
    with Spreading(2) as cluster:
        with Crew(cluster, recipes, cores=2) as crew:
            assert [crew.share(left) for left in (1, 7, 8, 1_000)] == [1, 1, 2, crews.TOGETHER]
        cluster._client.workers = 40
        with Crew(cluster, recipes, cores=2) as crew:
            assert [crew.share(left) for left in (100, 1_000)] == [1, 3], "256 under way are 80 tasks"
        for unknown in (0, -1):
            cluster._client.workers = unknown
            with Crew(cluster, recipes, cores=2) as crew:
                assert crew.share(1_000) == 1
    with ThreadPoolExecutor(1) as threads, Crew(threads, recipes, cores=2) as crew:
        assert crew.share(1_000) == 1
    with Crew(None, recipes, cores=2) as crew:
        assert crew.share(1_000) == 1, "processes of ours hear of a run at no cost"


def test_what_is_in_hand_is_bounded_by_bytes(recipes: list[Recipe], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crews, "IN_HAND_BYTES", 3 * (crews.FIXED_BYTES + crews.BAR_BYTES * recipes[0].bars))
    with ThreadPoolExecutor(1) as threads, Crew(threads, recipes, cores=2) as crew:
        assert crew.ahead == 3
    monkeypatch.setattr(crews, "IN_HAND_BYTES", 1)
    with ThreadPoolExecutor(1) as threads, Crew(threads, recipes, cores=2) as crew:
        assert crew.ahead == 1
