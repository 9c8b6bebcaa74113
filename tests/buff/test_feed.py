"""A journal followed from outside: everything once, in order, whoever wrote it."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buff.errors import JournalCorrupt
from buff.feed import Feed
from buff.journal.events import RunRejected
from buff.store import Store
from whole import SETTINGS, host, opened


def _note(text: str) -> RunRejected:
    return RunRejected(code="RUN_CONFIG_INVALID", message=text, details={}, by="tester")


def _said(feed: Feed) -> list[str]:
    return [item.event.message for item in feed.news() if isinstance(item.event, RunRejected)]


def test_news_are_what_others_recorded_since(root: Path) -> None:
    feed = Feed(opened(root))
    assert _said(feed) == []
    with opened(root) as writer:
        writer.record(_note("one"), _note("two"))
        assert _said(feed) == ["one", "two"]
        assert _said(feed) == []
        writer.record(_note("three"))
    assert _said(feed) == ["three"]
    assert feed.seq == opened(root).state.seq


def test_a_root_without_a_journal_has_news_when_it_gets_one(tmp_path: Path) -> None:
    feed = Feed(opened(tmp_path))
    assert list(feed.news()) == []
    with opened(tmp_path) as writer:
        writer.record(_note("first"))
    assert [item.seq for item in feed.news()] == [1, 2]


@settings(max_examples=15)
@given(data=st.data())
def test_every_event_is_given_once_from_wherever_one_begins(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Invariants checked: seqs are after+1, after+2, ... to the end, over batches, segments and looks of any size."""
    root = tmp_path_factory.mktemp("feed")
    batches = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=8))
    after = data.draw(st.integers(0, sum(batches) + 1))
    looks = data.draw(st.sets(st.integers(0, len(batches))))
    seen: list[int] = []
    with Store(str(root), host=host(), settings=SETTINGS, segment_bytes_max=1_500) as writer:
        writer.record(_note("-"))
        feed = Feed(opened(root), after=after)
        for number, count in enumerate(batches):
            if number in looks:
                seen += [item.seq for item in feed.news()]
            writer.record(*[_note("x" * 200)] * count)
        seen += [item.seq for item in feed.news()]
        last = writer.state.seq
    assert seen == list(range(after + 1, last + 1))


def test_a_damaged_journal_gives_what_is_proven_and_says_so(root: Path) -> None:
    last = opened(root).state.seq
    feed = Feed(opened(root), after=0)
    segment = root / "_journal" / f"{1:020d}.jsonl"
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join([*lines[:-1], lines[-1].replace(b'"by":', b'"bY":')]))
    assert [item.seq for item in feed.news()] == list(range(1, last))
    assert isinstance(feed.problem, JournalCorrupt)
