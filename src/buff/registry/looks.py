"""Looks: what was last asked of the runs of a registry, kept, and brought up to date when they change.

The runs, a name for the question, what answers it and what brings an earlier answer up to date go in; the answer comes
out, the one that is kept where the same was asked of the same runs. An answer is shared by whoever asks: nobody may
change it.
"""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from buff.registry.rows import Changed, Rows

KEPT = 32  # lists of every run that matches are long: one place in memory for each

Found = TypeVar("Found")


class Looks:
    """The latest answers about the runs of one root. Threads may share it: what two of them lose is asked for again."""

    def __init__(self) -> None:
        """Begin with nothing."""
        # By name, of which runs an answer is, and the answer. Replaced whole, so that nobody finds it half changed.
        self._kept: dict[Hashable, tuple[object, Any]] = {}

    def of(
        self, rows: Rows, name: Hashable, find: Callable[[], Found], follow: Callable[[Found, Changed], Found]
    ) -> Found:
        """Return the answer kept under a name if it is of these very rows, or else make and keep it.

        `follow` returns what an earlier answer becomes by changes of the rows, and `find` one that begins with nothing.
        """
        mark, found = self._kept.get(name, (None, None))
        if mark is not rows.mark:
            changed = None if mark is None else rows.since(mark)
            found = find() if changed is None else follow(found, changed)
        last = [(key, kept) for key, kept in self._kept.items() if key != name][1 - KEPT :]
        self._kept = {**dict(last), name: (rows.mark, found)}
        answer: Found = found
        return answer
