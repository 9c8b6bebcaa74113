"""Changes to how a run is kept: one event for what is new, none for what is so already."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from buff.journal import events as facts
from buff.journal.codec import decode, encode
from buff.journal.line import write
from buff.registry.changes import annotated, archived, restored
from buff.registry.projection import apply, project
from buff.registry.rows import RunEntry
from histories import committed, history, recorded
from journals import TIME

RUN = "run_a"


def entry_after(*events: facts.Fact) -> RunEntry:
    return project(history(committed(RUN), *events)).runs[RUN]


def test_archiving_hides_a_run_and_restoring_brings_it_back_as_it_was() -> None:
    archive = archived(entry_after(), why="too few trades", by="me")
    assert archive == facts.RunArchived(run_id=RUN, why="too few trades", by="me")
    hidden = entry_after(archive)
    assert (hidden.state, hidden.why) == ("archived", "too few trades")
    restore = restored(hidden, by="me")
    assert restore == facts.RunRestored(run_id=RUN, by="me")
    assert entry_after(archive, restore) == entry_after()


def test_what_is_so_already_is_not_recorded_again() -> None:
    archive = facts.RunArchived(run_id=RUN, why="a", by="me")
    assert archived(entry_after(archive), why="b", by="me") is None
    assert restored(entry_after(), by="me") is None
    assert annotated(entry_after(), name=None, tags=[], by="me") is None


@pytest.mark.parametrize(("event", "data"), [
    (facts.RunAnnotated(run_id="r", by="me", name=None, notes="n", tags=["a"]),
     b'{"by":"me","name":null,"notes":"n","run_id":"r","tags":["a"]}'),
    (facts.RunArchived(run_id="r", why=None, by="me"), b'{"by":"me","run_id":"r","why":null}'),
    (facts.RunRestored(run_id="r", by="me"), b'{"by":"me","run_id":"r"}'),
    (facts.RunReclaimed(run_id="r", size_bytes=7, by="me"), b'{"by":"me","run_id":"r","size_bytes":7}'),
    (facts.DatasetReclaimed(dataset_id="d", size_bytes=7, by="me"), b'{"by":"me","dataset_id":"d","size_bytes":7}'),
    (facts.StorageReclaimed(kind="orphans", names=["a.0"], size_bytes=7, by="me"),
     b'{"by":"me","kind":"orphans","names":["a.0"],"size_bytes":7}'),
], ids=lambda value: getattr(value, "TYPE", ""))  # fmt: skip
def test_the_bytes_of_these_events_never_change(event: facts.Fact, data: bytes) -> None:
    """They are on disk for ever: another form is another event, with another version."""
    assert encode(event) == data
    line = write(seq=1, prev="0" * 64, first=1, last=1, time=TIME, type=event.TYPE, key=None, data=data)
    assert decode(line) == event


def test_only_what_changed_is_in_the_event() -> None:
    change = annotated(entry_after(), name="trend", notes=None, by="me")
    assert change is not None
    assert encode(change) == b'{"by":"me","name":"trend","run_id":"run_a"}'
    taken = annotated(entry_after(change), name=None, by="me")
    assert taken is not None
    assert encode(taken) == b'{"by":"me","name":null,"run_id":"run_a"}'
    assert entry_after(change, taken) == entry_after()


@pytest.mark.parametrize("event", [
    facts.RunArchived(run_id="run_z", why=None, by="me"), facts.RunRestored(run_id="run_z", by="me"),
    facts.RunAnnotated(run_id="run_z", name="x", by="me"), facts.RunReclaimed(run_id="run_z", size_bytes=1, by="me"),
])  # fmt: skip
def test_an_event_about_a_run_that_is_not_there_changes_nothing(event: facts.Fact) -> None:
    assert project(history(committed(RUN), event)).runs == {RUN: entry_after()}


def test_damage_found_in_an_archived_run_shows_when_it_is_restored() -> None:
    """And what was found before it was archived is not forgotten."""
    archive = facts.RunArchived(run_id=RUN, why=None, by="me")
    damaged = facts.RunVerified(run_id=RUN, verdict="damaged", artifact=None, by="me")
    restore = facts.RunRestored(run_id=RUN, by="me")
    assert entry_after(archive, damaged).state == entry_after(damaged, archive).state == "archived"
    assert entry_after(archive, damaged, restore).state == entry_after(damaged, archive, restore).state == "damaged"


def test_a_reclaimed_run_stays_and_counts_how_often_it_was_given_up() -> None:
    gone = (facts.RunArchived(run_id=RUN, why=None, by="me"), facts.RunReclaimed(run_id=RUN, size_bytes=9, by="me"))
    assert (entry_after(*gone).state, entry_after(*gone).reclaimed) == ("reclaimed", 1)
    again = entry_after(*gone, committed(RUN))
    assert (again.state, again.reclaimed, again.seq) == ("committed", 1, 4)
    assert entry_after(*gone, committed(RUN), *gone).reclaimed == 2


def test_what_is_given_up_leaves_the_registry() -> None:
    orphans = [facts.OrphanQuarantined(name=name, reason="died", identical=False) for name in ("a.0", "b.0", "c.0")]
    state = project(history(*orphans))
    freed = facts.StorageReclaimed(kind="orphans", names=["a.0", "c.0"], size_bytes=5, by="me")
    assert apply(state, recorded(4, freed)).orphans == ("b.0",)
    other = facts.StorageReclaimed(kind="quarantine", names=["a.0"], size_bytes=5, by="me")
    assert apply(state, recorded(4, other)).orphans == state.orphans


texts = st.sampled_from([None, "a", "b"])
tags = st.lists(st.sampled_from(["x", "y"]), max_size=2, unique=True)
steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("annotate"), st.fixed_dictionaries({}, optional={"name": texts, "notes": texts, "tags": tags})
        ),
        st.tuples(st.just("archive"), st.fixed_dictionaries({"why": texts})),
        st.tuples(st.just("restore"), st.just({})),
    ),
    max_size=8,
)


@given(steps)
def test_any_changes_in_any_order_agree_with_a_plain_model(steps: list[tuple[str, dict[str, object]]]) -> None:
    """Invariants checked: the entry equals the model; a step that changes nothing records nothing, any other does."""
    decide = {"annotate": annotated, "archive": archived, "restore": restored}
    state = project(history(committed(RUN)))
    model: dict[str, object] = {"name": None, "notes": None, "tags": [], "state": "committed", "why": None}
    for what, given_ in steps:
        before = dict(model)
        match what:
            case "annotate":
                model |= given_
            case "archive" if model["state"] == "committed":
                model |= {"state": "archived", **given_}
            case "restore":
                model |= {"state": "committed", "why": None}
        event = decide[what](state.runs[RUN], **given_, by="me")  # type: ignore[operator]
        assert (event is not None) == (model != before)
        if event is not None:
            state = apply(state, recorded(state.seq + 1, event))
        entry = msgspec.structs.asdict(state.runs[RUN])
        assert {name: entry[name] for name in model} == model
    assert UNSET not in msgspec.structs.asdict(state.runs[RUN]).values()
