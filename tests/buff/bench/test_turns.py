"""Contenders take turns; what is told of them are medians, of times and of the ratios of each round."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from buff.bench import turns
from buff.bench.place import Place, place
from buff.bench.turns import Case, Contender, Job, Spent, repeated, take_turns, timed
from whole import host


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place(str(tmp_path), host=host()) as found:
        yield found


class Course:
    """Contenders that take what they are told to, on a clock of their own."""

    def __init__(self) -> None:
        self.now, self.order = 0.0, list[str]()

    def contender(self, who: str, *seconds: float, needs: tuple[str, ...] = ()) -> Contender:
        times = iter(seconds)

        def turn() -> Spent:
            self.order.append(who)
            spent = next(times)
            self.now += spent
            return Spent(wall=spent, cpu=spent / 2, peak=int(spent))

        return Contender(who=who, prepare=lambda _: turn, needs=needs)

    def clock(self) -> float:
        return self.now


def test_each_begins_in_its_turn_and_the_first_turn_is_not_counted(here: Place) -> None:
    course = Course()
    case = Case(name="a job", contenders=(course.contender("ours", 90, 1, 2, 4), course.contender("b", 90, 3, 3, 2)))
    measured = take_turns(case, here, rounds=3, seconds=1e9, clock=course.clock)
    assert course.order == ["ours", "b", "ours", "b", "b", "ours", "ours", "b"]
    ours, other = measured.taken
    assert (ours.wall, ours.cpu, ours.peak, other.wall) == (2, 1, 4, 3)
    assert measured.wall_ratio(0) == measured.cpu_ratio(0) == 1
    assert measured.wall_ratio(1) == measured.cpu_ratio(1) == 1.5, "of 3/1, 3/2 and 2/4"


@pytest.mark.parametrize(
    ("seconds", "rounds"), [(0.0, 1), (19.0, 1), (20.0, 2), (29.0, 2), (30.0, 3), (1e9, 5)], ids=str
)
def test_no_round_begins_that_would_not_end_in_time_but_the_first(here: Place, seconds: float, rounds: int) -> None:
    course = Course()
    case = Case(name="a job", contenders=(course.contender("ours", *[10.0] * 9),), rounds=5)
    measured = take_turns(case, here, rounds=7, seconds=seconds, clock=course.clock)
    assert len(measured.taken[0].turns) == rounds


def test_who_is_not_installed_is_told_of_and_never_prepared(here: Place) -> None:
    course = Course()
    absent = evolve(course.contender("them"), needs=("numpy", "no-such-distribution"))
    measured = take_turns(
        Case(name="a job", contenders=(course.contender("ours", 1, 1), absent)),
        here,
        rounds=1,
        seconds=9,
        clock=course.clock,
    )
    ours, them = measured.taken
    assert (them.lacks, them.turns, them.wall, measured.wall_ratio(1)) == (("no-such-distribution",), (), None, None)
    assert len(ours.turns) == 1


def _broken(where: int) -> Contender:
    """A contender that raises: when it is prepared, in its first turn, or in a later one."""
    turn = iter(range(9))

    def job() -> Spent:
        if next(turn) >= where - 1:
            raise ValueError("a reason\nof two lines")
        return Spent(wall=1, cpu=1)

    def prepare(_: Place) -> Job:
        if where == 0:
            raise ValueError("a reason\nof two lines")
        return job

    return Contender(who="them", prepare=prepare, needs=("numpy",))


@pytest.mark.parametrize("where", range(4))
def test_a_rival_that_fails_is_told_of_and_stops_nobody_else(here: Place, where: int) -> None:
    course = Course()
    case = Case(name="a job", contenders=(course.contender("ours", *[1.0] * 9), _broken(where)))
    measured = take_turns(case, here, rounds=3, seconds=1e9, clock=course.clock)
    ours, them = measured.taken
    assert (them.failed, them.turns, len(ours.turns)) == ("ValueError: of two lines", (), 3)
    with pytest.raises(ValueError, match="a reason"):
        take_turns(
            Case(name="a job", contenders=(evolve(_broken(where), needs=()),)),
            here,
            rounds=3,
            seconds=1e9,
            clock=course.clock,
        )


def test_what_is_done_in_this_process_is_measured_by_both_clocks() -> None:
    calls: list[int] = []
    spent = repeated(lambda: calls.append(sum(range(10_000))), 20)()
    assert len(calls) == 20
    assert 0 < (spent.cpu or 0) < 1
    assert spent.wall > 0
    assert timed(lambda: None).per(4).wall < 1


def test_a_processor_time_that_is_not_known_has_no_median() -> None:
    known, unknown = Spent(wall=1, cpu=1), Spent(wall=1, cpu=None)
    assert turns.Taken(who="a", turns=(known, known)).cpu == 1
    assert turns.Taken(who="a", turns=(known, unknown)).cpu is None


def test_a_place_closes_what_was_entered_and_leaves_nothing(tmp_path: Path) -> None:
    closed: list[str] = []

    def ended(error: type[BaseException] | None) -> None:
        with place(str(tmp_path), host=host()) as here:
            here.closing(lambda: closed.append("first"))
            assert here.once("made", lambda: object()) is here.once("made", lambda: object())
            store = here.store("root")
            store.journal()
            assert here.store("root") is store
            locked = Path(here.directory("locked"))
            (locked / "file").write_text("x")
            (locked / "file").chmod(0o444)
            locked.chmod(0o555)
            here.closing(lambda: closed.append("last"))
            if error is not None:
                raise error

    ended(None)
    for error in (KeyboardInterrupt, ValueError):
        with pytest.raises(error):
            ended(error)
    assert closed == ["last", "first"] * 3
    assert list(tmp_path.iterdir()) == []
