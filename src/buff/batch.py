"""Many runs at once: requests in, an outcome for each in the same order.

What can be decided before any work is decided here: which run each request is, whether it exists, what is wrong with
it. The rest is made by a `Crew` and committed by this process alone, many runs in one lock hold and one batch. What
ends this early, a full disk, the kill switch or Ctrl-C, leaves what was committed and nothing half-made.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from queue import Empty
from typing import Any

from attrs import asdict, evolve, frozen

from buff.admission import Admission, admitted
from buff.builder import checked, data_for, plan_of, recipe_of, written
from buff.crew import Crew
from buff.datasets import Resampled, resampled
from buff.errors import BuffError, Nondeterministic, RootError, StorageError
from buff.intake import Intake, Progress, check_free
from buff.journal.events import RunCommitted
from buff.market.timeframe import Timeframe
from buff.recipe import Product, Recipe, Refusal, stored_pieces
from buff.registry.rows import RunEntry
from buff.runs.directory import write_manifest, write_pieces
from buff.runs.request import RunRequest
from buff.store import Store, exists

TOGETHER = 16  # so many runs are committed in one batch, where so many are ready
PATIENCE_SECONDS = 0.2  # how long what is ready waits for more, and how often nobody's answer lets us look up
GO_ON = "what was committed stays; free some space, then ask again for the same, which goes on from there"
WRITERS = 4  # threads that write what was made: each waits for the disk most of its time


@frozen(kw_only=True)
class Outcome:
    """What became of one request: the run's `entry` in the registry, or the `error` that befell this request alone.

    `existed`: the run was there before. `run_id` is None when the request did not come so far as to have one.
    """

    request: Mapping[str, Any]
    run_id: str | None = None
    entry: RunEntry | None = None
    existed: bool = False
    error: BuffError | None = None

    @property
    def ok(self) -> bool:
        """Whether there is a run."""
        return self.error is None


@frozen(kw_only=True)
class Planned:
    """One request once its data are known: the recipe of its run, or what is wrong with it."""

    request: Mapping[str, Any]
    recipe: Recipe | None = None
    error: BuffError | None = None


# Decide which runs there are


def planned(store: Store, requests: Sequence[Mapping[str, Any]], admission: Admission) -> tuple[Planned, ...]:
    """Return what each request is. Files that several are about are read once, and each resample is made once.

    What is wrong with one request is said of it alone; a root, a disk or a switch that refuses is raised.
    """
    desk, found = _Desk(store, admission), list[Planned]()
    for done, values in enumerate(requests):
        admission.progress("planning", done, len(requests))
        try:
            found.append(Planned(request=values, recipe=desk.recipe(values)))
        except (RootError, StorageError):
            raise
        except BuffError as error:
            admission.check()  # that it stops everything is not one request's fault
            found.append(Planned(request=values, error=error))
    return tuple(found)


class _Desk:
    """Remembers the data that requests have in common."""

    def __init__(self, store: Store, admission: Admission) -> None:
        self._store, self._admission = store, admission
        self._intakes: dict[tuple[Any, ...], Intake] = {}
        self._resamples: dict[tuple[str, Timeframe], Resampled] = {}

    def recipe(self, values: Mapping[str, Any]) -> Recipe:
        request, params = checked(values)
        data = self._data(request)
        bars = self._resampled(data, request.timeframe)
        plan = plan_of(request, params, data.dataset, bars, request.symbol or data.symbol)
        return recipe_of(self._store, request, plan, data.source, job=None)

    def _data(self, request: RunRequest) -> Intake:
        key = (request.dataset, request.csv, request.uploads, request.symbol, repr(request.options))
        if key not in self._intakes:
            self._intakes[key] = data_for(self._store, request, self._admission)
        return self._intakes[key]

    def _resampled(self, data: Intake, timeframe: Timeframe) -> Resampled:
        key, store = (data.dataset.id, timeframe), self._store
        if key not in self._resamples:
            store.owner.discard("resample")  # what an attempt before this one left when its disk was full
            staged = store.owner.path("resample")
            self._resamples[key] = resampled(store.disk, store.root, data.dataset, timeframe, staged, fresh=data.fresh)
        return self._resamples[key]


# Make and commit them


@contextmanager
def admitted_batch(store: Store, progress: Progress) -> Iterator[Admission]:
    """Hold the one place that many runs take together. Raises what `admitted` raises, and coded errors of the disk."""
    store.journal()  # a root that cannot be written refuses before any work is done
    with written("some runs", hint=GO_ON), admitted(store, "run", progress=progress) as admission:
        yield admission


def carried_out(
    store: Store,
    plans: Sequence[Planned],
    admission: Admission,
    *,
    executor: Executor | None,
    job: str | None = None,
) -> tuple[Outcome, ...]:
    """Make and commit the runs of plans that do not exist; return an outcome for each plan, in order.

    Their events carry `job`.

    Raises what stops all of them: KillSwitchEngaged, LimitExceeded of the disk, RootError, StorageError.
    """
    settled: dict[str, bool | BuffError] = {}
    recipes: dict[str, Recipe] = {}
    for recipe in (plan.recipe for plan in plans if plan.recipe is not None):
        known = store.state.runs.get(recipe.run_id)
        if known is None or known.state == "reclaimed":
            recipes.setdefault(recipe.run_id, recipe)
        elif known.inputs_hash == recipe.inputs_hash:
            settled[recipe.run_id] = True
    if recipes:
        cores = store.settings.builds_max or store.host.cores
        asked = [evolve(recipe, job=job) for recipe in recipes.values()]
        with Crew(executor, asked, cores=min(cores, store.host.cores)) as crew:
            settled |= _Committer(store, crew, admission).all(asked)
    return tuple(_outcome(store, plan, recipes, settled) for plan in plans)


def _outcome(
    store: Store, plan: Planned, recipes: Mapping[str, Recipe], settled: Mapping[str, bool | BuffError]
) -> Outcome:
    if plan.recipe is None:
        return Outcome(request=plan.request, error=plan.error)
    run_id, entry = plan.recipe.run_id, store.state.runs.get(plan.recipe.run_id)
    if entry is not None and entry.inputs_hash != plan.recipe.inputs_hash:
        return Outcome(request=plan.request, run_id=run_id, error=exists(entry, plan.recipe.inputs_hash))
    made = recipes.get(run_id)
    found = settled[run_id]
    if isinstance(found, BuffError):
        return Outcome(request=plan.request, run_id=run_id, error=found)
    return Outcome(request=plan.request, run_id=run_id, entry=entry, existed=found or made is not plan.recipe)


class _Committer:
    """Keeps a crew busy, writes what it makes, and commits what is written."""

    def __init__(self, store: Store, crew: Crew, admission: Admission) -> None:
        self._store, self._crew, self._admission = store, crew, admission
        self._writers = ThreadPoolExecutor(WRITERS, "buff-write")
        self._written: dict[str, Future[None]] = {}  # what writers are at, and what they have done
        self._ready: list[RunCommitted] = []
        self._settled: dict[str, bool | BuffError] = {}

    def all(self, recipes: Sequence[Recipe]) -> dict[str, bool | BuffError]:
        """Return for each run whether it existed after all, or what befell it."""
        waiting = deque(recipes)
        try:
            while len(self._settled) < len(recipes):
                self._admission.progress("building", len(self._settled), len(recipes))
                self._ask(waiting)
                arrived = self._next()
                last = len(self._settled) + len(self._ready) == len(recipes)
                if len(self._ready) >= TOGETHER or (self._ready and (last or not arrived)):
                    self._commit()
        finally:
            self._writers.shutdown(cancel_futures=True)
            for run_id in self._written:
                with suppress(OSError):  # the next writer clears this away
                    self._store.owner.discard(run_id)
        return self._settled

    def _ask(self, waiting: deque[Recipe]) -> None:
        """Ask for as many more as may be on their way, as many together as the crew likes."""
        while waiting:
            share = self._crew.share(len(waiting))
            if self._crew.room - (len(self._written) - len(self._ready)) < share:
                return
            self._crew.ask([waiting.popleft() for _ in range(share)])

    def _next(self) -> bool:
        """Take in the next thing that comes to an end; False when none does for a moment."""
        try:
            ended = self._crew.ended.get(timeout=PATIENCE_SECONDS)
        except Empty:
            self._crew.look()
            return False
        if isinstance(ended, RunCommitted):
            self._written[ended.run_id].result()
            self._crew.done(ended.run_id)
            self._ready.append(ended)
            return True
        for recipe, answer in self._crew.answers(ended):
            if isinstance(answer, Refusal):
                self._settled[recipe.run_id] = answer.error
                continue
            future = self._writers.submit(_stage, self._store, answer)
            self._written[answer.run_id] = future
            future.add_done_callback(partial(self._arrive, answer.event))
        return True

    def _arrive(self, event: RunCommitted, written: "Future[None]") -> None:
        self._crew.ended.put(event)  # in a writer's thread: how that went is asked by the one who waits

    def _commit(self) -> None:
        check_free(self._store)
        found = self._store.commit_all(self._ready, guard=self._admission.check)
        for event, outcome in zip(self._ready, found, strict=True):
            self._settled[event.run_id] = outcome
            del self._written[event.run_id]
        self._ready.clear()


def _stage(store: Store, product: Product) -> None:
    """Write and sync what was made where nobody sees it. Its bytes are hashed again: they may have travelled."""
    staged = store.owner.path(product.run_id)
    store.owner.discard(product.run_id)  # what an attempt before this one left, when the disk did not let it clean up
    artifacts = write_pieces(store.disk, staged, stored_pieces(product))
    if [asdict(artifact) for artifact in sorted(artifacts, key=lambda each: each.name)] != product.manifest[
        "artifacts"
    ]:
        raise Nondeterministic(
            f"the bytes of {product.run_id} that arrived are not those that were made",
            hint="something between this machine and the one that made them changed them; do the same again",
            details={"run_id": product.run_id},
        )
    write_manifest(store.disk, staged, product.manifest)
