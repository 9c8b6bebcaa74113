"""Looks: asked twice, answered once, brought up to date by what changed, and never about other runs."""

from buff.registry.looks import KEPT, Looks
from buff.registry.projection import apply, project
from buff.registry.rows import Changed
from histories import committed, recorded

STATE = project([recorded(1, committed("run_a"))])


def more(known: list[str], changed: Changed) -> list[str]:
    return [*known, *(f"+ {run_id}" for run_id in changed)]


def test_the_same_question_about_the_same_runs_is_answered_once() -> None:
    looks, asked = Looks(), []

    def find() -> list[str]:
        asked.append("find")
        return list(state.runs)

    state = STATE
    assert looks.of(state.runs, "ids", find, more) is looks.of(state.runs, "ids", find, more)
    assert asked == ["find"]
    state = apply(STATE, recorded(2, committed("run_b")))
    assert looks.of(state.runs, "ids", find, more) == ["run_a", "+ run_b"], "what changed, and nothing else"
    assert looks.of(STATE.runs, "ids", lambda: ["again"], more) == ["again"], "the runs before are other runs"
    other = apply(STATE, recorded(2, committed("run_c")))
    assert looks.of(other.runs, "ids", find, more) == ["again", "+ run_c"]
    assert looks.of(state.runs, "ids", find, more) == ["run_a", "run_b"], "they were not made of those of the other"
    assert asked == ["find", "find"]


def test_only_some_are_kept() -> None:
    looks = Looks()
    for number in range(3 * KEPT):
        looks.of(STATE.runs, number, lambda number=number: [number], lambda found, _: found)  # type: ignore[misc]
    assert looks.of(STATE.runs, 3 * KEPT - 1, list, more) == [3 * KEPT - 1]
    assert looks.of(STATE.runs, 0, lambda: ["anew"], more) == ["anew"]
    assert len(looks._kept) == KEPT
