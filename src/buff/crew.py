"""A crew: whoever makes recipes. Processes of our own, anything with the interface of `concurrent.futures.Executor`, or
this very process.

Recipes go in, a few at a time; each comes back with its product, or with why there is none. A maker without the data is
sent them. What is lost with whoever made it is asked for again, one by one, so that no run answers for another. Nothing
here writes to a disk, and nobody in the crew does.
"""

import multiprocessing
import multiprocessing.connection
import os
import queue
import signal
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from itertools import groupby
from multiprocessing.synchronize import Event
from types import TracebackType
from typing import Any, Self

from attrs import frozen

from buff.errors import BuildLost
from buff.faults import kind
from buff.recipe import Lacking, Product, Recipe, Refusal, make_all, shipment, unpacked
from buff.shelf import Place, Shelf

STILLBORN = 2  # so many pools of ours may break before any of their processes has begun
SPAWNED = multiprocessing.get_context("spawn")
ATTEMPTS = 3  # so often a run may be lost with whoever makes it: once in company, then alone
FEW = 8  # so many runs are made sooner than processes have begun
AHEAD = 256  # at most so many recipes are with an executor that we know nothing about
TOGETHER = 8  # so many of them are one task of a cluster at most: one of its own costs a quarter of what a run costs
SHARES = 2  # so many tasks for each of its workers there are at least
LOOKS = 25  # every so often that nothing is heard of an executor it is asked whether it is there
PATIENCE_SECONDS = 1.0  # how often processes of ours are looked after while they end
IN_HAND_BYTES = 256 << 20  # about so much of what was made may wait to be written
BAR_BYTES = 350  # what one bar of a run comes to
FIXED_BYTES = 1 << 18  # and what comes to it whatever its length, both at most: more than that is carried

Answer = Product | Refusal


@frozen(kw_only=True, eq=False)
class Ended:
    """Recipes of one dataset that came to an end together, one way or another.

    `lent`: its columns, if sent; `place`: where on the shelf they were to be laid, if anywhere.
    """

    recipes: tuple[Recipe, ...]
    future: "Future[Any]"
    pool: Executor
    lent: Any
    place: Place | None


class Here(Executor):
    """Does everything at once, in this process and this thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Return a future that has ended."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Crew:
    """Makes recipes with one executor. A context manager: in the end what has not begun never will."""

    def __init__(self, executor: Executor | None, recipes: Sequence[Recipe], *, cores: int) -> None:
        """Work with an executor, or with processes of our own where the recipes are worth starting them.

        `ended` is where everything arrives, put there by whatever thread; `ahead` is how many recipes are to be asked
        for before the first of them has been dealt with.
        """
        self._processes = min(cores, len(recipes))
        self._given = Here() if executor is None and (len(recipes) <= FEW or cores == 1) else executor
        self._begun: Event | None = None  # set when one process of ours comes so far that it could make runs
        self._stillborn = 0
        self._pool = self._given or self._own()
        near = type(self._pool) is ProcessPoolExecutor  # its processes are on this machine
        most = 1 if isinstance(self._given, Here) else 8 * cores if near else AHEAD
        each = FIXED_BYTES + BAR_BYTES * max(recipe.bars for recipe in recipes)
        self.ahead = max(1, min(most, IN_HAND_BYTES // each))
        self._shelf = _shelf(self.ahead, each) if near and each <= IN_HAND_BYTES else None
        self._places: dict[str, Place] = {}  # where what a run came to lies until it is written
        self._shares = SHARES * _workers(executor)
        self.ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._futures: dict[Future[Any], tuple[Recipe, ...]] = {}
        self._lent: dict[tuple[str, ...], Any] = {}  # columns that were lacked, as every worker fetches them once
        self._held: dict[tuple[str, ...], list[tuple[Recipe, ...]]] = {}  # what waits until columns have arrived
        self._suspects: deque[Recipe] = deque()  # what was lost and is to be asked for again
        self._attempts: dict[str, int] = {}
        self._looks = 0

    @property
    def room(self) -> int:
        """How many more recipes may be asked for: none as long as some that were lost are to be made alone."""
        held = (group for groups in self._held.values() for group in groups)
        return 0 if self._suspects else self.ahead - sum(map(len, (*self._futures.values(), *held)))

    def share(self, left: int) -> int:
        """Return how many recipes are worth asking for together when `left` remain: no worker is to wait for another.

        An executor whose workers nobody counts is asked for one at a time, as are processes of our own.
        """
        return max(1, min(TOGETHER, self.ahead // self._shares, left // self._shares)) if self._shares else 1

    def ask(self, recipes: Sequence[Recipe]) -> None:
        """Have recipes made: an `Ended` will arrive for those of one dataset that follow one another."""
        for key, group in groupby(recipes, key=lambda recipe: recipe.bars_key):
            self._submit(tuple(group), self._lent.get(key))

    def answers(self, ended: Ended) -> list[tuple[Recipe, Answer]]:
        """Return what became of recipes that ended, without those that were asked for again. Raises RunDamaged.

        A product may lie on the shelf until its run is said to be `done` with.
        """
        del self._futures[ended.future]
        try:
            found = list(zip(ended.recipes, self._taken(ended), strict=True))
        except (CancelledError, Exception) as error:
            found = self._lost(ended, error)
        for group in self._held.pop(ended.recipes[0].bars_key, ()) if ended.lent is not None else ():
            self.ask(group)
        lacking = tuple(recipe for recipe, answer in found if isinstance(answer, Lacking))
        if lacking:
            self._ship(lacking)
        if self._suspects and not self._futures:
            self.ask((self._suspects.popleft(),))
        return [(recipe, answer) for recipe, answer in found if not isinstance(answer, Lacking)]

    def done(self, run_id: str) -> None:
        """Use the memory again in which a product of this run lies: nobody looks at its bytes any more."""
        place = self._places.pop(run_id, None)
        if place is not None and self._shelf is not None:
            self._shelf.put_back(place)

    def _taken(self, ended: Ended) -> list[Any]:
        """Return the answers of a future, which travelled or lie on the shelf. Raises whatever it ended with."""
        told, place = ended.future.result(), ended.place
        if self._shelf is None or place is None:
            return unpacked(told)
        found = unpacked(self._shelf.seen(place, told) if isinstance(told, int) else told)
        (recipe,) = ended.recipes
        self._places[recipe.run_id] = place
        if not (isinstance(told, int) and isinstance(found[0], Product)):
            self.done(recipe.run_id)
        return found

    def look(self) -> None:
        """See whether an executor that says nothing still takes work. What one that does not has in hand is lost.

        Dask leaves some futures open for ever when its scheduler is gone, and processes of our own when one is killed
        while it answers.
        """
        self._looks += 1
        if self._looks % LOOKS:
            return
        if self._given is None:
            _let_go(self._pool)
            return
        try:
            self._pool.submit(int).cancel()
        except Exception:
            for future in list(self._futures):
                future.cancel()

    def _submit(self, recipes: tuple[Recipe, ...], lent: Any, *, spread: bool = False) -> None:
        """Ask for recipes of one dataset, with what was lent of its columns, which are to be spread at first or not."""
        pool = self._pool
        place = self._shelf.take() if self._shelf is not None and len(recipes) == 1 else None
        try:
            if spread:
                lent = self._lent[recipes[0].bars_key] = _spread(pool, lent)
            # Dask takes a question that it was asked before for answered, and what was lost is to be made again.
            attempt = max(self._attempts.get(recipe.run_id, 0) for recipe in recipes)
            future = pool.submit(make_all, recipes, lent, attempt, *(() if place is None else (place,)))
        except Exception as error:  # broken or closed: every executor says that in its own way
            future = Future()
            future.set_exception(error)
        self._futures[future] = recipes
        future.add_done_callback(
            lambda done: self.ended.put(Ended(recipes=recipes, future=done, pool=pool, lent=lent, place=place))
        )

    def _ship(self, recipes: tuple[Recipe, ...]) -> None:
        """Ask again for recipes whose columns a maker lacks.

        Where they can be spread, each worker fetches them once. Elsewhere nobody can be addressed: one copy is on its
        way at a time, and who else lacks them waits for its arrival.
        """
        key = recipes[0].bars_key
        if key in self._lent:
            self._submit(recipes, self._lent[key])
        elif key in self._held:
            self._held[key].append(recipes)
        elif _spreads(self._pool):
            self._submit(recipes, shipment(recipes[0]), spread=True)
        else:
            self._held[key] = []
            self._submit(recipes, shipment(recipes[0]))

    def _lost(self, ended: Ended, error: BaseException) -> list[tuple[Recipe, Any]]:
        """Keep what was lost to be asked for again; return those that were lost so often that it is their own doing.

        Its place on the shelf is not used again: whoever was lost may be at it still.
        """
        if self._given is None and isinstance(error, BrokenExecutor) and ended.pool is self._pool:
            ended.pool.shutdown(wait=False, cancel_futures=True)
            self._check_begun()
            self._pool = self._own()
        key, given_up = ended.recipes[0].bars_key, list[tuple[Recipe, Any]]()
        if self._lent.get(key) is ended.lent:  # it may have been lost with the only worker that had it
            self._lent.pop(key, None)
        for recipe in ended.recipes:
            self._attempts[recipe.run_id] = self._attempts.get(recipe.run_id, 0) + 1
            if self._attempts[recipe.run_id] < ATTEMPTS:
                self._suspects.append(recipe)
            else:
                given_up.append((recipe, _loss(recipe, error)))
        return given_up

    def _own(self) -> Executor:
        self._begun = self._begun or SPAWNED.Event()  # made late: it starts a process
        return _pool(self._processes, self._begun)

    def _check_begun(self) -> None:
        """Give up where no process of ours ever begins: asking again would start one for every recipe in vain."""
        self._stillborn += 1
        if self._stillborn >= STILLBORN and self._begun is not None and not self._begun.is_set():
            raise BuildLost(
                "no process that makes runs could begin; what they ended with was printed before",
                hint='a script needs `if __name__ == "__main__":` above what it does',
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shelf is not None:
            self._shelf.close()
        if self._given is not None:  # one that was given is its owner's to end
            for future in list(self._futures):
                future.cancel()
            return
        ending = threading.Thread(target=self._pool.shutdown, kwargs={"cancel_futures": True}, name="buff-end")
        ending.start()
        while ending.is_alive():
            ending.join(PATIENCE_SECONDS)
            _let_go(self._pool)


def _loss(recipe: Recipe, error: BaseException) -> Refusal:
    lost = BuildLost(
        f"the process that made this run did not come to its end ({kind(error)}); nothing of it was committed",
        hint="do the same again; a script that uses processes of its own needs `if __name__ == '__main__':`",
        details={"run_id": recipe.run_id, "error": kind(error)},
    )
    return Refusal(code=lost.code, message=lost.message, hint=lost.hint, details=lost.details)


def _spreads(executor: Executor | None) -> bool:
    """Say whether an executor passes values on by reference, as Dask's does and none of the standard library."""
    return type(executor).__module__.partition(".")[0] == "distributed"


def _shelf(places: int, size: int) -> Shelf | None:
    """Return memory to share with processes of this machine; None where there is none, and everything is carried."""
    try:
        return Shelf(places, size)
    except OSError:
        return None


def _workers(executor: Any) -> int:
    """Return how many tasks a cluster works at as the crew begins; 0 where nobody can tell."""
    try:
        return sum(executor._client.nthreads().values()) if _spreads(executor) else 0
    except Exception:  # it is closed, which is said of each run that it is asked for
        return 0


def _spread(executor: Any, value: Mapping[str, bytes]) -> Any:
    """Return a reference to a value, which every worker that is asked something with it fetches once.

    It is what comes of a task: values that Dask was merely given are gone with the workers that have them.
    """
    return executor._client.submit(dict, value, pure=False)


def _pool(processes: int, begun: Event) -> Executor:
    """Return processes of our own, spawned: a forked one would hold our locks and the threads' half-done work."""
    return ProcessPoolExecutor(processes, SPAWNED, initializer=_begin, initargs=(begun,))


def _let_go(pool: Any) -> None:
    """End processes of our own of which one is dead, so that nothing waits for it any more.

    One that is killed while it answers leaves half an answer, and the pool waits for the other half as long as anybody
    could write it: the other processes, who wait for their turn, and this one. A pool without them calls itself broken.
    """
    processes, answers = list((getattr(pool, "_processes", None) or {}).values()), getattr(pool, "_result_queue", None)
    if answers is None or not multiprocessing.connection.wait([process.sentinel for process in processes], 0):
        return
    for process in processes:
        process.kill()
    answers._writer.close()


def _begin(begun: Event) -> None:
    """Leave Ctrl-C to the process that started this one, and end with it, whatever ended it."""
    begun.set()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), name="buff-parent", daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)  # nothing here is worth cleaning up, and nobody waits for it
