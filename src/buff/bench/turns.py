"""Turns: contenders do one job one after the other, again and again, so that what else the machine does befalls all.

Cases go in; what every turn took comes out, with the median of the ratios of a round. Seconds of processors stand
beside seconds of the clock, because a busy machine has less to give than it has. Nothing here knows what the jobs are.
"""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import TypeVar

from attrs import evolve, frozen

from buff.bench.extras import lacking
from buff.bench.place import Place

_Found = TypeVar("_Found")


@frozen(kw_only=True)
class Spent:
    """What one turn took: seconds by the clock, seconds of processors, and the most memory in bytes where it is known.

    `cpu` is None where the system does not tell of processes that still live.
    """

    wall: float
    cpu: float | None
    peak: int | None = None

    def per(self, count: int) -> "Spent":
        """Return the share of one of `count` things that were done in the turn."""
        return evolve(self, wall=self.wall / count, cpu=None if self.cpu is None else self.cpu / count)


Job = Callable[[], Spent]


@frozen(kw_only=True)
class Contender:
    """Somebody who can do a job: `prepare` makes what it takes, once, and returns the turn that is measured.

    `needs` names the distributions without which it cannot. One that needs any is not ours: what it raises is told of
    in its row and stops nobody else.
    """

    who: str
    prepare: Callable[[Place], Job]
    needs: tuple[str, ...] = ()


@frozen(kw_only=True)
class Case:
    """One job and who does it. The others are compared with the first, who is Buff wherever Buff does it.

    `seconds` is about what all of its rounds take on two quiet cores, with what is made for it: its share of the time.
    """

    name: str
    contenders: tuple[Contender, ...]
    rounds: int = 7
    seconds: float = 1.0


@frozen(kw_only=True)
class Subject:
    """A table: what it is about and what is not measured, in whole sentences, and its cases."""

    name: str
    title: str
    says: tuple[str, ...]
    cases: tuple[Case, ...]


@frozen(kw_only=True)
class Taken:
    """The turns of one contender, one for each round; none where `lacks` says what is not installed, or `failed` what
    it raised.
    """

    who: str
    turns: tuple[Spent, ...] = ()
    lacks: tuple[str, ...] = ()
    failed: str | None = None

    @property
    def wall(self) -> float | None:
        """The median of the seconds by the clock."""
        return _middle([turn.wall for turn in self.turns])

    @property
    def cpu(self) -> float | None:
        """The median of the seconds of processors."""
        return _middle([turn.cpu for turn in self.turns])

    @property
    def peak(self) -> int | None:
        """The most memory of any turn, in bytes."""
        return max((turn.peak for turn in self.turns if turn.peak is not None), default=None)


@frozen(kw_only=True)
class Measured:
    """A case that was measured: who took what, in the order of its contenders."""

    case: str
    taken: tuple[Taken, ...]

    def wall_ratio(self, at: int) -> float | None:
        """Return how many times the seconds of the first a contender took by the clock: the median over the rounds."""
        return _ratio(*([turn.wall for turn in self.taken[which].turns] for which in (at, 0)))

    def cpu_ratio(self, at: int) -> float | None:
        """Return the same of seconds of processors."""
        return _ratio(*([turn.cpu for turn in self.taken[which].turns] for which in (at, 0)))


def _middle(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known and len(known) == len(values) else None


def _ratio(these: Sequence[float | None], first: Sequence[float | None]) -> float | None:
    pairs = zip(these, first, strict=False)
    return _middle([one / other if one is not None and other else None for one, other in pairs])


def timed(work: Callable[[], object]) -> Spent:
    """Return what a call in this process takes."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Spent(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)


def repeated(work: Callable[[], object], times: int = 1) -> Job:
    """Return a turn that does something so many times in this process and tells what once takes."""
    return lambda: timed(lambda: [work() for _ in range(times)]).per(times)


def take_turns(case: Case, place: Place, *, rounds: int, seconds: float, clock: Callable[[], float]) -> Measured:
    """Measure a case: a first turn of each that is not counted, then rounds in which each begins in its turn.

    There are at most `rounds` of them, or those of the case where those are fewer; no round but the first begins that
    would not end within `seconds` of `clock` from the first on, if it took what the longest did.
    """
    field = _Field(case, place)
    with _unburdened():
        field.round(0)
        field.forget()
        begun, longest = clock(), 0.0
        for at in range(min(rounds, case.rounds)):
            before = clock()
            if at and before - begun + longest > seconds:
                break
            field.round(at)
            longest = max(longest, clock() - before)
    return Measured(case=case.name, taken=tuple(field.fates.values()))


class _Field:
    """The contenders of a case, their jobs prepared, and what they took. A stranger who fails is out."""

    def __init__(self, case: Case, place: Place) -> None:
        self.fates = {each.who: Taken(who=each.who, lacks=lacking(each.needs)) for each in case.contenders}
        self._strangers = {each.who for each in case.contenders if each.needs}
        self._jobs: dict[str, Job] = {}
        for each in case.contenders:
            job = None if self.fates[each.who].lacks else self._let(each.who, partial(each.prepare, place))
            if job is not None:
                self._jobs[each.who] = job

    def round(self, number: int) -> None:
        """Let each have a turn; another begins in every round."""
        for who in _rotated(list(self._jobs), number):
            spent = self._let(who, self._jobs[who])
            if spent is not None:
                self.fates[who] = evolve(self.fates[who], turns=(*self.fates[who].turns, spent))

    def forget(self) -> None:
        """Count no turn until now."""
        self.fates = {who: evolve(fate, turns=()) for who, fate in self.fates.items()}

    def _let(self, who: str, work: Callable[[], _Found]) -> _Found | None:
        try:
            return work()
        except Exception as error:
            if who not in self._strangers:
                raise
            self.fates[who] = Taken(who=who, failed=_reason(error))
            self._jobs.pop(who, None)
            return None


def _reason(error: Exception) -> str:
    """Return why a stranger could not do it, in one line: what a process said last, or what was raised."""
    said = getattr(error, "stderr", None) or str(error)
    return f"{type(error).__name__}: {said.strip().splitlines()[-1][:200] if said.strip() else 'no reason given'}"


def _rotated(names: Sequence[str], by: int) -> Sequence[str]:
    first = by % len(names) if names else 0
    return [*names[first:], *names[:first]]


@contextmanager
def _unburdened() -> Iterator[None]:
    """Let the collector of garbage leave alone what rivals imported: else every contender would pay for it."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
