"""A page of a run's decision records: found in its columns, and only then read.

A run, a window and actions go in; records come out, as they stand in the artifact. However long the run is, no record
ahead of the page is read.
"""

from collections.abc import Collection, Iterator, Mapping
from itertools import groupby
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from buff import Run
from buff.decisions.engine import ACTIONS
from buff.runs.run import RECORDS_PER_BLOCK


@frozen(kw_only=True)
class Decisions:
    """Some records: `total` match in all, `next` is the bar with which the following page begins, or None."""

    items: tuple[Mapping[str, Any], ...]
    total: int
    next: int | None


def page(
    run: Run, *, first_ms: int | None, last_ms: int | None, actions: Collection[str], begin: int, limit: int
) -> Decisions:
    """Return the records of the bars of a window from bar `begin` on; only those of some actions, if any are named.

    Raises RunDamaged.
    """
    ts = run.bars.ts
    low = 0 if first_ms is None else int(np.searchsorted(ts, first_ms))
    high = len(ts) if last_ms is None else int(np.searchsorted(ts, last_ms))
    if actions:
        codes = np.array([ACTIONS.index(action) for action in actions], np.int8)
        places: NDArray[np.int64] = np.flatnonzero(np.isin(run.action[low:high], codes)) + low
        ahead = int(np.searchsorted(places, begin))
        chosen, total = places[ahead : ahead + limit + 1].tolist(), len(places)
    else:
        start = max(low, begin)
        chosen, total = list(range(start, min(start + limit + 1, high))), max(high - low, 0)
    return Decisions(
        items=tuple(_read(run, chosen[:limit])), total=total, next=chosen[limit] if len(chosen) > limit else None
    )


def _read(run: Run, places: list[int]) -> Iterator[Mapping[str, Any]]:
    """Yield the records at some places, in order: each block of the file is read once."""
    for _, group in groupby(places, key=lambda place: place // RECORDS_PER_BLOCK):
        wanted = list(group)
        records = run.records[wanted[0] : wanted[-1] + 1]
        yield from (records[place - wanted[0]] for place in wanted)
