"""Events and the data of their lines: canonical, complete, and nothing guessed."""

import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff import canonical
from buff.errors import RunsRootInvalid
from buff.journal.codec import decode, encode, encode_all
from buff.journal.events import EVENTS, RunCommitted
from buff.journal.line import escape, write
from journals import TIME, commit, note

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
EVENT = commit("run_1").event


def line_of(kind: str, data: bytes):
    """Return a first line that carries `data`."""
    return write(seq=1, prev="0" * 64, first=1, last=1, time=TIME, type=kind, key=None, data=data)


def test_an_event_comes_back_as_it_was() -> None:
    data = encode(EVENT)
    assert data.startswith(b'{"bars":336,"by":"somebody","content_sha256":"ccc')
    assert b'"name":"premi\\u00e8re"' in data
    assert decode(line_of(RunCommitted.TYPE, data)) == EVENT


@given(
    metrics=st.dictionaries(st.text(max_size=5), NUMBERS | st.none(), max_size=4),
    sparkline=st.lists(NUMBERS | st.sampled_from([-0.0, 1e16, 5e-324]), max_size=4),
    params=st.dictionaries(st.text(max_size=3), st.integers(-10, 10) | st.booleans() | st.text(max_size=3), max_size=3),
)
def test_data_is_the_canonical_json_of_the_event(metrics, sparkline, params) -> None:
    """Whatever the values: the same bytes as the one encoder of Buff gives, and the same event back."""
    event = msgspec.structs.replace(EVENT, metrics=metrics, sparkline=sparkline, params=params)
    data = encode(event)
    assert data == escape(canonical.encode(event))
    assert decode(line_of(RunCommitted.TYPE, data)) == event


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_float_that_is_not_finite_is_never_recorded(value: float) -> None:
    for changed in ({"metrics": {"sharpe": value}}, {"sparkline": [value]}, {"params": {"x": [value]}}):
        with pytest.raises(ValueError, match="cannot be written"):
            encode(msgspec.structs.replace(EVENT, **changed))


def test_a_tuple_is_recorded_as_a_list() -> None:
    event = msgspec.structs.replace(EVENT, params={"fast": (1, 2)})
    assert json.loads(encode(event))["params"] == {"fast": [1, 2]}


def test_every_event_has_a_type_of_its_own_and_names_its_identity() -> None:
    assert len({event.TYPE for event in EVENTS}) == len(EVENTS)
    for event in EVENTS:
        assert set(event.IDENTITY) <= {field.name for field in msgspec.structs.fields(event)}
    assert RunCommitted.IDENTITY == ("run_id", "inputs_hash")


@pytest.mark.parametrize(
    ("kind", "data", "rule"),
    [
        ("run_committed.v9", b"{}", "EVENT_UNKNOWN"),
        ("segment_opened", b'{"a":1}', "EVENT_INVALID"),
        ("journal_opened", b"{}", "EVENT_INVALID"),
        ("journal_opened", b'{"journal_id":1}', "EVENT_INVALID"),
    ],
)
def test_what_this_version_does_not_know_is_refused_by_name(kind: str, data: bytes, rule: str) -> None:
    """A journal of a newer Buff is intact; this version says that it cannot read it."""
    with pytest.raises(RunsRootInvalid) as caught:
        decode(line_of(kind, data))
    assert caught.value.details == {"rule": rule, "type": kind, "seq": 1}
    assert caught.value.hint


def test_a_group_is_encoded_as_its_events_are_one_by_one() -> None:
    """One value that the plain encoder cannot write changes nothing about its neighbours."""
    odd = msgspec.structs.replace(EVENT, metrics={"net_return": -0.0}, params={"fast": (1, 2)})
    for group in ([], [EVENT], [EVENT, note("première\n").event, note("x").event], [note("x").event, odd, EVENT]):
        found = encode_all(group)
        assert [data for data, _ in found] == [escape(canonical.encode(event)) for event in group]
        assert [fact for _, fact in found] == [decode(line_of(event.TYPE, encode(event))) for event in group]
    with pytest.raises(ValueError, match="cannot be written"):
        encode_all([EVENT, msgspec.structs.replace(EVENT, metrics={"sharpe": math.nan})])
