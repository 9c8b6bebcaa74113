"""Texts: what a search looks through first leaves out no run that has its words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.registry.rows import Row, committed
from buff.registry.texts import ROWS, among, continued, texts_of
from histories import committed as commit


def row(seq: int, **members: object) -> Row:
    return committed(commit(f"run_{seq:04d}", **members), seq=seq, created="2026-02-01", reclaimed=0)


def test_only_the_rows_beside_a_match_are_left() -> None:
    rows = [row(seq, notes="Überraschung" if seq == 40 else None) for seq in range(100)]
    texts = texts_of(rows)
    assert len(texts) == -(-100 // ROWS)
    found = among(rows, texts, ("überraschung",))
    assert rows[40] in found
    assert found == rows[40 // ROWS * ROWS :][:ROWS]
    assert among(rows, texts, ("überraschung", "nowhere")) == []
    assert among(rows, texts, ()) == rows


@pytest.mark.parametrize("text", ["run_0007", "btc", "hold", "a name", "noted"])
def test_every_text_is_looked_through(text: str) -> None:
    rows = [row(seq, symbol="BTC", strategy="hold", name="A Name", notes="Noted") for seq in range(20)]
    assert rows[7] in among(rows, texts_of(rows), (text,))


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_texts_are_continued_from_the_first_row_that_changed(before: int, same: int, more: int) -> None:
    """Invariants checked: whatever stood behind the rows that are the same, the texts are those of all rows anew."""
    old = [row(seq) for seq in range(before)]
    new = old[:same] + [row(1_000 + seq) for seq in range(more)]
    assert continued(texts_of(old), new, min(same, before)) == texts_of(new)
