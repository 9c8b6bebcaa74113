"""Looks: what was last asked of the runs of a registry, kept until they change.

The runs, a name for the question and what answers it go in; the answer comes out, the one that is kept where the same
was asked of the same runs. An answer is shared by whoever asks: nobody may change it.
"""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from buff.registry.rows import Rows

KEPT = 24  # lists of every run that matches are long: one place in memory for each

Found = TypeVar("Found")


class Looks:
    """The latest answers about one `Rows`. Threads may share it: what two of them lose is asked for again."""

    def __init__(self) -> None:
        """Begin with nothing."""
        # Both in one, so that nobody finds an answer about other runs between two changes.
        self._seen: tuple[Rows | None, dict[Hashable, Any]] = (None, {})

    def of(self, rows: Rows, name: Hashable, find: Callable[[], Found]) -> Found:
        """Return what is kept under a name for these very rows, or what `find` returns, which is kept from then on."""
        seen, kept = self._seen
        if seen is rows and name in kept:
            known: Found = kept[name]
            return known
        found = find()
        seen, kept = self._seen
        last = list(kept.items())[1 - KEPT :] if seen is rows else []
        self._seen = rows, {**dict(last), name: found}
        return found
