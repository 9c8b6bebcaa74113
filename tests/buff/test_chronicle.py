"""The journal in pages: whatever the batches, the pages put together are the journal, from either end."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff import chronicle
from buff.chronicle import TYPES, newest, oldest
from buff.errors import RunConfigInvalid
from buff.journal.events import RunAnnotated, RunVerified
from buff.store import Store
from whole import make, opened


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, minutes: Path) -> Store:
    """A journal with batches of one to seven events, and every eleventh of another type."""
    root = tmp_path_factory.mktemp("chronicle") / "root"
    run = make(root, minutes).run
    with opened(root) as store:
        number = 0
        for size in (1, 2, 3, 7, 1, 5, 4, 7, 7, 1, 1, 2):
            events = []
            for _ in range(size):
                number += 1
                members = {"run_id": run.id, "by": "me"}
                if number % 11:
                    events.append(RunAnnotated(**members, notes=str(number)))
                else:
                    events.append(RunVerified(**members, verdict="identical", artifact=None))
            store.record(*events)
    return opened(root)


def test_the_newest_come_first(told: Store) -> None:
    last = told.state.seq
    page = newest(told, limit=3)
    assert [item.seq for item in page.items] == [last, last - 1, last - 2]
    assert (page.total, page.next) == (last, last - 2)
    assert [item.seq for item in newest(told, before=page.next, limit=2).items] == [last - 3, last - 4]
    assert newest(told, before=1).items == ()
    assert newest(told, before=0).next is None


def test_the_oldest_come_first_when_asked(told: Store) -> None:
    page = oldest(told, limit=3)
    assert ([item.seq for item in page.items], page.next) == ([1, 2, 3], 3)
    assert oldest(told, after=told.state.seq).items == ()
    assert oldest(told, after=10**9).next is None
    part = oldest(told, after=2, before=6, limit=2)
    assert ([item.seq for item in part.items], part.next) == ([3, 4], 4)
    assert [item.seq for item in oldest(told, after=4, before=6).items] == [5]
    assert oldest(told, after=5, before=6).items == oldest(told, after=7, before=2).items == ()


@given(
    st.integers(1, 60), st.sampled_from([(), ("run_verified",), ("run_verified", "run_committed")]), st.integers(1, 70)
)
def test_pages_are_the_journal(told: Store, limit: int, types: tuple[str, ...], scan: int) -> None:
    """Invariants checked: every event of the types once, in order, from both ends; no page longer than asked."""
    every = [item for item in told.events() if not types or item.event.TYPE.partition(".")[0] in types]
    before, chronicle.SCAN_MAX = chronicle.SCAN_MAX, scan
    try:
        found, place = [], 0
        while place is not None:
            page = oldest(told, after=place, limit=limit, types=types)
            assert len(page.items) <= limit
            found += page.items
            place = page.next
        assert found == every
        found, place = [], None
        while True:
            page = newest(told, before=place, limit=limit, types=types)
            assert len(page.items) <= limit
            found += page.items
            place = page.next
            if place is None:
                break
        assert found == every[::-1]
    finally:
        chronicle.SCAN_MAX = before


def test_a_root_without_a_journal_has_no_events(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    store = opened(tmp_path / "root")
    for page in (newest(store), oldest(store)):
        assert (page.items, page.total, page.next) == ((), 0, None)


def test_a_damaged_journal_shows_what_is_proven(told: Store, tmp_path: Path) -> None:

    root = Path(shutil.copytree(told.root, tmp_path / "root"))
    segment = next(path for path in (root / "_journal").iterdir() if path.suffix == ".jsonl")
    data = segment.read_bytes()
    segment.chmod(0o644)
    segment.write_bytes(data[:-50] + b"x" + data[-49:])
    store = opened(root)
    proven = [item.seq for item in store.events()]
    assert store.problem is None or proven
    assert [item.seq for item in newest(store, limit=1000).items] == proven[::-1]


@pytest.mark.parametrize(
    ("wrong", "field"), [({"limit": 0}, "limit"), ({"limit": 1001}, "limit"), ({"types": ["x"]}, "type")]
)
def test_what_cannot_be_is_refused(told: Store, wrong: dict[str, object], field: str) -> None:
    for read in (newest, oldest):
        with pytest.raises(RunConfigInvalid) as error:
            read(told, **wrong)  # type: ignore[arg-type]
        assert error.value.details["field"] == field


def test_the_types_are_those_of_the_events() -> None:
    assert "run_committed" in TYPES
    assert list(TYPES) == sorted(set(TYPES))
    assert not any("." in each for each in TYPES), "without the version of their form"
