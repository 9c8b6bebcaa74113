"""Looks: asked twice, answered once, and never about other runs."""

from buff.registry.looks import KEPT, Looks
from buff.registry.projection import apply, project
from histories import committed, recorded

STATE = project([recorded(1, committed("run_a"))])


def test_the_same_question_about_the_same_runs_is_answered_once() -> None:
    looks, asked = Looks(), []

    def find() -> list[str]:
        asked.append("find")
        return list(state.runs)

    state = STATE
    assert looks.of(state.runs, "ids", find) is looks.of(state.runs, "ids", find)
    assert asked == ["find"]
    state = apply(STATE, recorded(2, committed("run_b")))
    assert looks.of(state.runs, "ids", find) == ["run_a", "run_b"]
    assert looks.of(STATE.runs, "ids", lambda: ["again"]) == ["again"], "the runs before are other runs"


def test_only_some_are_kept() -> None:
    looks = Looks()
    for number in range(3 * KEPT):
        looks.of(STATE.runs, number, lambda number=number: number)  # type: ignore[misc]
    assert looks.of(STATE.runs, 3 * KEPT - 1, lambda: None) == 3 * KEPT - 1
    assert looks.of(STATE.runs, 0, lambda: "anew") == "anew"
    assert len(looks._seen[1]) == KEPT
