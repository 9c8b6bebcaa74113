"""The registry is a fold: the same journal gives the same state, in one go or event by event."""

import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.journal import events as facts
from buff.journal.line import seal
from buff.registry.index import index_bytes, state_of
from buff.registry.projection import apply, fold, project
from buff.registry.state import RegistryState
from histories import committed, history, recorded, stored


def test_a_committed_run_is_listed_with_all_that_a_list_shows():
    state = project(history(facts.JournalOpened(journal_id="j1"), committed("run_a", symbol="BTCUSDT")))
    entry = state.runs["run_a"]
    assert (entry.seq, entry.symbol, entry.state, entry.verdict) == (2, "BTCUSDT", "committed", None)
    assert state.journal_id == "j1"


def test_an_ingest_without_an_end_stays_visible():
    started = facts.IngestStarted(
        ingest="ing_1", owner="1-a", files=["a.csv"], size_bytes=1, symbol="A", options={"gaps": "reject"}, by="me",
    )  # fmt: skip
    state = project(history(started))
    assert list(state.ingests) == ["ing_1"]
    assert list(apply(state, recorded(2, stored("ing_1", "d" * 64))).ingests) == []


def test_a_dataset_keeps_every_symbol_it_was_ever_called_by():
    names = ("B", "A", None)
    state = project(history(*(stored(f"i{at}", "d" * 64, symbol=name) for at, name in enumerate(names))))
    assert state.datasets["d" * 64].symbols == ["B", "A"]
    assert state.datasets["d" * 64].seq == 1


def test_a_damaged_verdict_marks_the_run_and_a_later_good_one_clears_it():
    damaged = facts.RunVerified(run_id="run_a", verdict="damaged", artifact="metrics.json", by="me")
    state = project(history(committed("run_a"), damaged))
    assert (state.runs["run_a"].state, state.runs["run_a"].verdict) == ("damaged", "damaged")
    healed = facts.RunVerified(run_id="run_a", verdict="identical", artifact=None, by="me")
    assert apply(state, recorded(3, healed)).runs["run_a"].state == "committed"


def test_the_fold_knows_every_event_there_is():
    known = set(typing.get_args(facts.Fact))
    assert set(facts.EVENTS) == known == set(facts.Event.__subclasses__())


def test_events_out_of_order_are_a_bug():
    with pytest.raises(AssertionError, match="folded after"):
        project([recorded(2, committed("run_a"))])


some_events = st.lists(
    st.one_of(
        st.sampled_from(["run_a", "run_b", "run_c"]).map(committed),
        st.sampled_from(["d" * 64, "e" * 64]).map(lambda id: stored("ing", id, symbol="X")),
        st.sampled_from(["run_a", "run_z"]).map(
            lambda id: facts.RunVerified(run_id=id, verdict="identical", artifact=None, by="me")
        ),
        st.just(facts.OrphanQuarantined(name="run_a.0", reason="died", identical=False)),
        st.just(facts.RunRejected(code="RISK_INVALID", message="no", details={}, by="me")),
        st.just(facts.SegmentOpened()),
    ),
    max_size=12,
)


@given(some_events, st.integers(0, 12))
def test_folding_in_two_parts_equals_folding_at_once(events, cut):
    """Invariants checked: one fold == any split of it == event by event; no state changes behind its holder's back."""
    whole = history(*events)
    state = project(whole)
    before = index_bytes(state)
    assert fold(project(whole[:cut]), whole[cut:]) == state
    stepped = RegistryState()
    for item in whole:
        stepped = apply(stepped, item)
    assert index_bytes(stepped) == before
    assert index_bytes(state) == before


@given(some_events)
def test_an_index_gives_back_the_state_it_was_made_of(events):
    """Invariants checked: index_bytes is canonical and self-hashed; any changed byte makes it no index at all."""
    state = project(history(facts.JournalOpened(journal_id="j"), *events))
    data = index_bytes(state)
    assert state_of(data) == state
    assert data.endswith(b'"}\n')
    for place in range(0, len(data), max(1, len(data) // 40)):
        broken = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        assert state_of(broken) is None


def test_an_index_of_another_projector_is_ignored():
    data = index_bytes(project(history(committed("run_a"))))
    body = data[:-78] + b"}"
    assert state_of(seal(body)) is not None
    for member, other in ((b'"projector":7', b'"projector":6'), (b'"schema":"index.v5"', b'"schema":"index.v4"')):
        assert body.count(member) == 1
        assert state_of(seal(body.replace(member, other))) is None
