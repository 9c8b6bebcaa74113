"""index.json: what its bytes are, what is kept of it in memory, and what becomes of a state whose index went away."""

import hashlib
import json
import random
from pathlib import Path

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from buff.journal import events as facts
from buff.journal.line import seal
from buff.registry.index import LINE_RUNS, index_bytes, opened, state_of
from buff.registry.projection import fold, project
from buff.registry.rows import detail_of
from buff.registry.state import RegistryState
from histories import Item, committed, history, stored

GOLDEN = Path(__file__).parents[2] / "golden" / "index.v5.json"


@define
class Place:
    """Where an index is: its bytes, which may change, and what was asked of it."""

    data: bytes
    items: list[Item]
    read_bytes: int = 0
    again: list[int] = field(factory=list)

    def read(self, begin: int, size: int) -> bytes:
        found = self.data[begin : begin + size]
        self.read_bytes += len(found)
        return found

    def told_again(self, seq: int) -> bytes:
        self.again.append(seq)
        event = self.items[seq - 1].event
        assert isinstance(event, facts.RunCommitted)
        return detail_of(event, seq)

    @property
    def state(self) -> RegistryState:
        found = opened(self.read, len(self.data), again=self.told_again)
        assert found is not None
        return found


def commits(count: int) -> list[Item]:
    """So many commits, no two alike, as long as those of real runs."""
    chance = random.Random(count)
    digests = (hashlib.sha256(b"%d" % seq).hexdigest() for seq in range(1, count + 1))
    return history(
        *(
            committed(f"run_{each[:16]}", inputs_hash=each, sparkline=[chance.randint(1, 10**6) / 100] * 32)
            for each in digests
        )
    )


def placed(count: int) -> Place:
    items = commits(count)
    return Place(index_bytes(project(items)), items)


def test_an_index_that_was_written_once_is_read_forever_and_written_the_same() -> None:
    """A dataset, a refusal, an orphan, a switch, and runs on two lines, of which some changed: version 5 of it."""
    events = [
        facts.JournalOpened(journal_id="jrn_0000000000000001"),
        stored("ing_1", "d" * 64, symbol="DEMO"),
        *(committed(f"run_{at:02}", name="première" if at == 3 else None) for at in range(LINE_RUNS + 2)),
        facts.RunArchived(run_id="run_01", why="tried", by="me"),
        facts.RunVerified(run_id="run_02", verdict="identical", artifact=None, by="me"),
        facts.OrphanQuarantined(name="run_x.1", reason="a test", identical=False),
        facts.RunRejected(code="RISK_INVALID", message="no", details={}, by="me"),
        facts.KillSwitchEngaged(source="command", why=None, by="me"),
    ]
    state = project(history(*events))
    assert index_bytes(state) == GOLDEN.read_bytes()
    assert state_of(GOLDEN.read_bytes()) == state


def test_details_stand_on_lines_of_their_own_that_their_hashes_prove() -> None:
    data = placed(2 * LINE_RUNS + 1).data
    first, *lines, last = data.decode().splitlines()
    index = json.loads(data)
    assert (first, last[:2]) == ('{"details":[', "],")
    assert [json.loads(line.removesuffix(",")) for line in lines] == index["details"]
    assert [hashlib.sha256(line.removesuffix(",").encode()).hexdigest() for line in lines] == index["details_sha256"]
    assert [detail[0] for line in index["details"] for detail in line] == [run[1] for run in index["runs"]]


def test_a_state_keeps_where_details_are_and_reads_them_when_somebody_looks() -> None:
    place = placed(20 * LINE_RUNS)
    state, rows = place.state, place.state.runs.rows()
    place.read_bytes = 0
    assert [row.run_id for row in rows if row.symbol == "DEMO" and row.start] == list(state.runs)
    assert place.read_bytes == 0, "a list compares what is there"
    some = rows[LINE_RUNS : LINE_RUNS + 10]
    assert [row.entry for row in some] == [project(place.items).runs[row.run_id] for row in some]
    assert 0 < place.read_bytes < len(place.data) / 10, "one line, and once"
    assert place.again == []


@pytest.mark.parametrize("become", ["gone", "another", "cut"])
def test_a_detail_is_had_from_the_journal_where_the_index_is_not_what_it_was(become: str) -> None:
    """Another process wrote a newer one, or somebody removed or damaged it: what is believed was proven."""
    place = placed(3 * LINE_RUNS)
    state, plain = place.state, project(place.items)
    place.data = {"gone": b"", "another": place.data.replace(b",", b";"), "cut": place.data[:100]}[become]
    assert dict(state.runs) == dict(plain.runs)
    assert place.again, "which the line did not tell any more"
    assert index_bytes(state) == index_bytes(plain), "and it can be written anew"


def test_a_file_that_is_gone_is_as_one_that_changed() -> None:
    place = placed(LINE_RUNS)
    missing = False

    def read(begin: int, size: int) -> bytes:
        if missing:
            raise FileNotFoundError
        return place.read(begin, size)

    state = opened(read, len(place.data), again=place.told_again)
    assert state is not None
    missing = True
    assert dict(state.runs) == dict(project(place.items).runs)


def test_lines_stay_where_they_are_while_runs_are_added() -> None:
    """So that a state which knows them reads them in the newer index too."""
    before, after = placed(3 * LINE_RUNS), placed(5 * LINE_RUNS + 3)
    after.items[: len(before.items)] = before.items
    after.data = index_bytes(fold(before.state, after.items[len(before.items) :]))
    assert after.data == index_bytes(project(after.items))
    state = before.state
    before.data = after.data
    assert dict(state.runs) == dict(project(before.items).runs)
    assert before.again == []


@pytest.mark.parametrize("lost", ["details_sha256", "line", "run"])
def test_an_index_whose_parts_do_not_fit_is_none(lost: str) -> None:
    """Sealed as it is: whoever wrote it was no Buff."""

    place = placed(2 * LINE_RUNS)
    lines = place.data[:-78].splitlines(keepends=True)
    if lost == "line":
        lines[1:2] = []
    else:
        rest = json.loads(b"{" + lines[-1][2:] + b"}")
        rest[lost if lost == "details_sha256" else "runs"][:LINE_RUNS] = []
        lines[-1] = b"]," + json.dumps(rest, separators=(",", ":")).encode()[1:-1]
    assert state_of(seal(b"".join(lines) + b"}")) is None
    assert state_of(place.data) is not None


@given(st.integers(0, 40), st.integers(0, 40), st.lists(st.integers(0, 10**6), max_size=3))
def test_whatever_becomes_of_an_index_a_state_says_what_the_journal_says(
    count: int, more: int, hits: list[int]
) -> None:
    """Invariants checked: with any bytes of the index changed after it was opened, and any runs committed behind it,
    entries and the next index are those of the journal.
    """
    items = commits(count + more)
    place = Place(index_bytes(project(items[:count])), items)
    state = fold(place.state, items[count:])
    data = bytearray(place.data)
    for hit in hits:
        data[hit % len(data)] ^= 1
    place.data = bytes(data)
    assert dict(state.runs) == dict(project(items).runs)
    assert index_bytes(state) == index_bytes(project(items))
