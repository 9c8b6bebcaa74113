"""Texts: where the words of a search stand at all, so that most rows need not be looked at. Pure.

Rows in order of seq go in; the texts of each few of them come out as one, folded. Words and these texts go in; the rows
among which all that match are come out. Which of them match is for `queries` to say.
"""

from collections.abc import Sequence

from buff.registry.rows import Row

ROWS = 16  # of one text: fewer make more texts to look through, more make more rows to look at


def texts_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the texts of rows, of each `ROWS` of them one: what `Query.text` is looked up in, folded."""
    return tuple(_text(rows[begin : begin + ROWS]) for begin in range(0, len(rows), ROWS))


def continued(texts: tuple[str, ...], rows: Sequence[Row], same: int) -> tuple[str, ...]:
    """Return the texts of rows, given those of other rows of which the first `same` are the same."""
    whole = same // ROWS
    return texts[:whole] + texts_of(rows[whole * ROWS :])


def among(rows: Sequence[Row], texts: Sequence[str], words: Sequence[str]) -> list[Row]:
    """Return the rows, in the same order, in whose text every word stands; the words are folded."""
    places: Sequence[int] = range(len(texts))
    for word in words:
        places = [place for place in places if word in texts[place]]
    return [row for place in places for row in rows[place * ROWS : (place + 1) * ROWS]]


def _text(rows: Sequence[Row]) -> str:
    shared = dict.fromkeys(text for row in rows for text in (row.symbol, row.strategy))
    own = (text for row in rows for text in (row.run_id, row.name, row.notes) if text is not None)
    return "\n".join((*shared, *own)).casefold()  # no word has a line end in it
