"""What the registry knows of builds: each event changes what it says, and nothing after the end does.

The model of the property is a child's: a dictionary of words.
"""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.errors import BuildCancelled, BuildLost, BuildNotFound, DataInvalid
from buff.files import RealDisk
from buff.journal import events as facts
from buff.journal.events import Fact
from buff.journal.log import read
from buff.registry import changes, projection
from buff.registry.index import index_bytes, state_of
from buff.registry.projection import fold, project
from buff.registry.queries import find_build
from buff.registry.state import RegistryState
from histories import history
from journals import BOOT

GOLDEN = Path(__file__).parents[2] / "golden" / "builds_v1"
RUN = "run_652012709a29c09a"
DATA = "67db9c0bd9977c1021a44b6d57054e84d16b447840f7b6ecada685e7960f483a"
A, B = "bld_000000000000000a", "bld_000000000000000b"


def asked(job: str, **members: Any) -> facts.BuildRequested:
    given = {"kind": "run", "request": {"symbol": "X"}, "owner": "1-a", "request_id": None, "retry_of": None}
    return facts.BuildRequested(job=job, **{**given, "by": "web", **members})


def begun(job: str) -> facts.BuildStarted:
    return facts.BuildStarted(job=job, owner="2-b")


def cancelled(job: str, by: str = "me") -> facts.BuildCancelRequested:
    return facts.BuildCancelRequested(job=job, why="a mistake", by=by)


def finished(job: str) -> facts.BuildFinished:
    return facts.BuildFinished(job=job, run_id="run_a", dataset_id="d" * 64, existed=False)


def failed(job: str) -> facts.BuildFailed:
    return facts.BuildFailed(job=job, code="DATA_INVALID", message="no", hint="look", details={"rule": "GAP"}, by="web")


def test_a_build_goes_from_queued_to_running_to_its_result() -> None:
    state = project(history(asked(A)))
    entry = state.builds[A]
    assert (entry.status, entry.open, entry.seq, entry.request, entry.by) == ("queued", True, 1, {"symbol": "X"}, "web")
    state = project(history(asked(A), begun(A)))
    entry = state.builds[A]
    assert (entry.status, entry.open, entry.worker, entry.ended) == ("running", True, "2-b", None)
    entry = project(history(asked(A), begun(A), finished(A))).builds[A]
    assert (entry.status, entry.open, entry.run_id, entry.dataset_id) == ("succeeded", False, "run_a", "d" * 64)
    assert None not in (entry.requested, entry.started, entry.ended)


def test_a_build_that_failed_says_why() -> None:
    entry = project(history(asked(A), begun(A), failed(A))).builds[A]
    assert (entry.status, entry.code, entry.message, entry.hint) == ("failed", "DATA_INVALID", "no", "look")
    assert entry.details == {"rule": "GAP"}


def test_that_somebody_wants_it_to_end_is_not_its_end() -> None:
    entry = project(history(asked(A), begun(A), cancelled(A))).builds[A]
    assert (entry.status, entry.cancelled_by) == ("running", "me")


@pytest.mark.parametrize("late", [begun, cancelled, finished, failed])
def test_nothing_changes_after_the_end(late: Any) -> None:
    before = project(history(asked(A), begun(A), failed(A)))
    after = project(history(asked(A), begun(A), failed(A), late(A)))
    assert after.builds == before.builds


def test_events_of_a_build_that_is_forgotten_change_nothing() -> None:
    assert project(history(begun(A), cancelled(A), finished(A), failed(A))).builds == {}


def test_the_oldest_that_ended_are_forgotten_and_never_one_that_did_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "BUILDS_MAX", 3)
    jobs = [f"bld_{n:016x}" for n in range(6)]
    events: list[Fact] = [asked(jobs[0]), begun(jobs[0])]
    for job in jobs[1:]:
        events += [asked(job), failed(job)]
    state = project(history(*events))
    assert list(state.builds) == [jobs[0], *jobs[-2:]]
    assert state.builds[jobs[0]].status == "running"


def test_a_build_is_found_by_the_beginning_of_its_id() -> None:
    state = project(history(asked(A), asked(B)))
    assert find_build(state, A).job == A
    with pytest.raises(BuildNotFound, match="2 builds begin"):
        find_build(state, "bld_")
    for unknown in ("bld_f", ""):
        with pytest.raises(BuildNotFound):
            find_build(state, unknown)


steps = st.lists(
    st.tuples(st.sampled_from([A, B]), st.sampled_from([asked, begun, cancelled, finished, failed])), max_size=20
)


@given(steps, st.integers(0, 20))
def test_the_state_is_that_of_a_simple_model_however_it_is_folded(steps: list[tuple[str, Any]], cut: int) -> None:
    model: dict[str, str] = {}
    words = {begun: "running", finished: "succeeded", failed: "failed"}
    for job, make in steps:
        if make is asked:
            model[job] = "queued"
        elif model.get(job) in ("queued", "running") and make in words:
            model[job] = words[make]
    items = history(*(make(job) for job, make in steps))
    state = project(items)
    assert {job: build.status for job, build in state.builds.items()} == model
    assert fold(fold(RegistryState(), items[:cut]), items[cut:]) == state
    again = state_of(index_bytes(state))
    assert again is not None
    assert (again.builds, list(again.builds)) == (state.builds, sorted(state.builds, key=lambda j: state.builds[j].seq))


# What is recorded


def test_a_dead_build_is_lost_unless_its_end_was_asked_for() -> None:
    running = project(history(asked(A), begun(A))).builds[A]
    assert changes.lost(running, by="x").code == BuildLost.code
    wanted = project(history(asked(A), begun(A), cancelled(A))).builds[A]
    assert changes.lost(wanted, by="x").code == BuildCancelled.code


def test_every_end_of_a_build_has_the_same_key() -> None:
    assert changes.end(finished(A)).key == changes.end(failed(A)).key == f"end:{A}"


def test_a_failure_says_all_that_its_error_does() -> None:
    entry = project(history(asked(A))).builds[A]
    error = DataInvalid("no", rule="GAP", hint="look", details={"offences": [{"line": 1}]})
    event = changes.failed(entry, error, by="me")
    assert (event.job, event.code, event.message, event.hint, event.by) == (A, "DATA_INVALID", "no", "look", "me")
    assert event.details == {"rule": "GAP", "offences": [{"line": 1}]}


# The golden journal


def test_the_golden_journal_of_the_first_builds_replays_for_ever() -> None:
    """A run and a dataset that were made, data refused, one cancelled while it waited and one while it ran, one whose
    process died and one that still waits; and a drill of the kill switch. It is added to, never edited.
    """
    reading = read(RealDisk(), str(GOLDEN), boot=BOOT)
    assert (reading.problem, reading.confirmed) == (None, True)
    told = {line.type for line in reading.lines}
    assert told >= {event.TYPE for event in facts.EVENTS if event.TYPE.startswith(("build_", "kill_switch_"))}
    state = project(reading.events)
    made, stored, refused, mistaken, dropped, lost, waiting = state.builds.values()
    assert (made.status, made.run_id, made.existed, made.request_id) == ("succeeded", RUN, False, "req-1")
    assert (stored.kind, stored.status, stored.dataset_id, stored.existed) == ("ingest", "succeeded", DATA, True)
    assert (refused.code, refused.details["rule"]) == ("DATA_INVALID", "SPACING")  # type: ignore[index]
    assert (mistaken.code, mistaken.started, mistaken.cancelled_by) == ("BUILD_CANCELLED", None, "web")
    assert (dropped.code, dropped.worker, dropped.cancelled_by) == ("BUILD_CANCELLED", "104-000000000000000d", "web")
    assert (lost.code, lost.retry_of, lost.started) == ("BUILD_LOST", mistaken.job, "2026-02-01T00:00:32.000000Z")
    assert (waiting.status, waiting.open, waiting.seq, waiting.owner) == ("queued", True, 34, made.owner)
    assert (list(state.runs), state.switch) == ([RUN], {})
    keys = {item.key for item in reading.events if item.event.TYPE in ("build_finished", "build_failed")}
    assert keys == {f"end:{build.job}" for build in state.builds.values() if not build.open}
