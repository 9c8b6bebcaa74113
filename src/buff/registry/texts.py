"""Texts: where the words of a search stand at all, so that most rows need not be looked at. Pure.

Rows in order of seq go in; the texts of each few of them come out as one, folded. Words and these texts go in; the rows
among which all that match are come out. Which of them match is for `queries` to say.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from operator import attrgetter

from buff.registry.rows import Row

ROWS = 16  # of one text: fewer make more texts to look through, more make more rows to look at


def texts_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the texts of rows, of each `ROWS` of them one: what `Query.text` is looked up in, folded."""
    ids, symbols, strategies = (list(map(attrgetter(name), rows)) for name in ("run_id", "symbol", "strategy"))
    said = _said(rows)
    return tuple(
        # No word has a line end in it.
        "\n".join(
            (
                *dict.fromkeys(symbols[begin : begin + ROWS]),
                *dict.fromkeys(strategies[begin : begin + ROWS]),
                *ids[begin : begin + ROWS],
                *said.get(begin // ROWS, ()),
            )
        ).casefold()
        for begin in range(0, len(rows), ROWS)
    )


def _said(rows: Sequence[Row]) -> Mapping[int, Sequence[str]]:
    """Return what people said of rows, which is of few, by the number of the text it belongs to."""
    found = defaultdict[int, list[str]](list)
    for place, row in enumerate(rows):
        if row.name is not None or row.notes is not None:
            found[place // ROWS] += [text for text in (row.name, row.notes) if text is not None]
    return found


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
