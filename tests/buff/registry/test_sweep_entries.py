"""What the registry knows of sweeps, and the golden journal of the first of them."""

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from buff.canonical import digest
from buff.files import RealDisk
from buff.journal import events as facts
from buff.journal.log import read
from buff.registry.index import index_bytes, state_of
from buff.registry.projection import fold, project
from buff.registry.state import RegistryState
from histories import committed, history
from journals import BOOT

GOLDEN = Path(__file__).parents[2] / "golden" / "sweeps_v1"
A, B = "swp_000000000000000a", "swp_000000000000000b"


def planned(sweep: str) -> facts.SweepPlanned:
    counts = {"size_bytes": 10, "requests": 3, "trials": 2, "skipped": 1}
    return facts.SweepPlanned(sweep=sweep, plan_sha256="a" * 64, asked={"strategy": "x"}, by="me", **counts)


def finished(sweep: str, **members: Any) -> facts.SweepFinished:
    failures = [{"at": 1, "run_id": None, "code": "DATA_INVALID", "message": "no"}]
    given = {"made": 1, "existed": 1, "failed": 1, "failures": failures, "by": "me"}
    return facts.SweepFinished(sweep=sweep, **{**given, **members})


def run(sweep: str) -> facts.RunCommitted:
    return committed("run_a", job=sweep)


def test_a_sweep_counts_its_runs_until_it_is_finished() -> None:
    state = project(history(planned(A), committed("run_a", job=A), committed("run_b", job=A)))
    entry = state.sweeps[A]
    assert (entry.committed, entry.finished, entry.trials, entry.seq) == (2, None, 2, 1)
    assert entry.last == "2026-02-01T00:00:03.000000Z"
    entry = project(history(planned(A), committed("run_a", job=A), finished(A))).sweeps[A]
    assert (entry.committed, entry.made, entry.existed, entry.failed) == (1, 1, 1, 1)
    assert (entry.failures[0]["code"], entry.finished) == ("DATA_INVALID", "2026-02-01T00:00:03.000000Z")


def test_a_sweep_that_is_finished_again_says_what_it_says_then() -> None:
    again = finished(A, made=1, existed=2, failed=0, failures=[])
    entry = project(history(planned(A), finished(A), again)).sweeps[A]
    assert (entry.existed, entry.failed, entry.failures) == (2, 0, [])


def test_runs_of_builds_and_of_nobody_belong_to_no_sweep() -> None:
    runs = (committed("run_a", job="bld_000000000000000a"), committed("run_b"), committed("run_c", job=B), finished(B))
    state = project(history(planned(A), *runs))
    assert list(state.sweeps) == [A]
    assert state.sweeps[A].committed == 0


steps = st.lists(st.tuples(st.sampled_from([A, B]), st.sampled_from([planned, run, finished])), max_size=20)


@given(steps, st.integers(0, 20))
def test_the_state_is_that_of_a_simple_model_however_it_is_folded(steps: list[tuple[str, Any]], cut: int) -> None:
    model: dict[str, list[int]] = {}  # committed, finished
    for sweep, make in steps:
        if make is planned:
            model[sweep] = [0, 0]
        elif sweep in model:
            model[sweep][make is finished] += 1
    items = history(*(make(sweep) for sweep, make in steps))
    state = project(items)
    assert {sweep: [entry.committed, entry.finished is not None] for sweep, entry in state.sweeps.items()} == {
        sweep: [made, ended > 0] for sweep, (made, ended) in model.items()
    }
    assert fold(fold(RegistryState(), items[:cut]), items[cut:]) == state
    again = state_of(index_bytes(state))
    assert again is not None
    assert again.sweeps == state.sweeps


def test_the_golden_journal_of_the_first_sweeps_replays_for_ever() -> None:
    """A grid of which one combination was skipped, requests of which one failed and one existed, and a walk forward
    that was interrupted. It is added to, never edited.
    """
    reading = read(RealDisk(), str(GOLDEN), boot=BOOT)
    assert (reading.problem, reading.confirmed) == (None, True)
    told = {line.type for line in reading.lines}
    assert told >= {event.TYPE for event in facts.EVENTS if event.TYPE.startswith("sweep_")}
    state = project(reading.events)
    grid, file, walk = state.sweeps.values()
    assert (grid.requests, grid.trials, grid.skipped, grid.made, grid.failed) == (3, 3, 1, 3, 0)
    assert grid.asked["grid"]["params.fast"] == {"values": "2,4", "count": 2}
    assert (file.made, file.existed, file.failed) == (1, 1, 1)
    assert (file.failures[0]["at"], file.failures[0]["code"]) == (1, "RUN_CONFIG_INVALID")
    assert (walk.finished, walk.committed, walk.trials) == (None, 2, 8)
    assert walk.asked["walk"] == {"anchored": False, "purge": "1h", "step": "2h", "test": "1h", "train": "2h"}
    for entry in state.sweeps.values():
        plan = (GOLDEN / "_sweeps" / f"{entry.plan_sha256}.json").read_bytes()
        assert (digest(plan), len(plan), entry.sweep) == (
            entry.plan_sha256,
            entry.size_bytes,
            f"swp_{digest(plan)[:16]}",
        )
    keys = {item.key for item in reading.events if item.event.TYPE == "sweep_planned"}
    assert keys == {f"sweep:{sweep}" for sweep in state.sweeps}
