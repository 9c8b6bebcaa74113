"""A crew: whoever makes recipes. Processes of our own, anything with the interface of `concurrent.futures.Executor`, or
this very process.

Recipes go in, one at a time; each comes back with its product, or with why there is none. A maker without the data is
sent them, and a process of ours that dies is replaced. Nothing here writes to a disk, and nobody in the crew does.
"""

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from types import TracebackType
from typing import Any, Self

from attrs import frozen

from buff.errors import BuildLost
from buff.faults import kind
from buff.recipe import Lacking, Product, Recipe, Refusal, make, shipment

ATTEMPTS = 3  # so often a run may take the process that makes it down with it
FEW = 8  # so many runs are made sooner than processes have begun
AHEAD = 256  # at most so many recipes are with an executor that we know nothing about
IN_HAND_BYTES = 256 << 20  # about so much of what was made may wait to be written
BAR_BYTES = 350  # what one bar of a run comes to

Answer = Product | Refusal


@frozen(kw_only=True, eq=False)
class Ended:
    """A recipe that came to an end, one way or another."""

    recipe: Recipe
    future: "Future[Any]"
    pool: Executor


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
        self._pool = self._given or _pool(self._processes)
        most = 1 if isinstance(self._given, Here) else 8 * cores if self._given is None else AHEAD
        room = IN_HAND_BYTES // (BAR_BYTES * max(recipe.bars for recipe in recipes))
        self.ahead = max(1, min(most, room))
        self.ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._attempts: dict[str, int] = {}
        self._futures: dict[str, Future[Any]] = {}

    @property
    def busy(self) -> int:
        """How many recipes have not come back."""
        return len(self._futures)

    def ask(self, recipe: Recipe, shipped: Mapping[str, bytes] | None = None) -> None:
        """Have a recipe made: an `Ended` of it will arrive."""
        pool = self._pool
        try:
            future = pool.submit(make, recipe, shipped)
        except BrokenExecutor as error:
            future = Future()
            future.set_exception(error)
        self._futures[recipe.run_id] = future
        future.add_done_callback(lambda done: self.ended.put(Ended(recipe=recipe, future=done, pool=pool)))

    def answer(self, ended: Ended) -> Answer | None:
        """Return what became of a recipe that ended; None when it was asked for again. Raises RunDamaged."""
        recipe = ended.recipe
        del self._futures[recipe.run_id]
        try:
            found = ended.future.result()
        except (CancelledError, Exception) as error:
            return self._lost(recipe, error, ended.pool)
        if isinstance(found, Lacking):
            self.ask(recipe, shipment(recipe))
            return None
        assert isinstance(found, Product | Refusal), f"{type(found).__name__} of {recipe.run_id}"
        return found

    def _lost(self, recipe: Recipe, error: BaseException, pool: Executor) -> Answer | None:
        """Ask again when a process of ours died, unless it was the run's own doing; else say that the run is lost."""
        if self._given is None and isinstance(error, BrokenExecutor):
            if pool is self._pool:
                pool.shutdown(wait=False, cancel_futures=True)
                self._pool = _pool(self._processes)
            self._attempts[recipe.run_id] = self._attempts.get(recipe.run_id, 0) + 1
            if self._attempts[recipe.run_id] < ATTEMPTS:
                self.ask(recipe)
                return None
        lost = BuildLost(
            f"the process that made this run did not come to its end ({kind(error)}); nothing of it was committed",
            hint="do the same again; a script that uses processes of its own needs `if __name__ == '__main__':`",
            details={"run_id": recipe.run_id, "error": kind(error)},
        )
        return Refusal(code=lost.code, message=lost.message, hint=lost.hint, details=lost.details)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for future in list(self._futures.values()):
            future.cancel()
        if self._given is None:  # one that was given is its owner's to end
            self._pool.shutdown(cancel_futures=True)


def _pool(processes: int) -> Executor:
    """Return processes of our own, spawned: a forked one would hold our locks and the threads' half-done work."""
    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_begin)


def _begin() -> None:
    """Leave Ctrl-C to the process that started this one, and end with it, whatever ended it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), name="buff-parent", daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)  # nothing here is worth cleaning up, and nobody waits for it
