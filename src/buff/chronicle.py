"""Chronicle: the journal in pages, from either end, without reading what comes before a page.

An open store and a place go in; some events come out, and where the next page begins. Only what HEAD vouches for is
shown, and nothing is written.
"""

from collections.abc import Collection

from attrs import frozen

from buff.errors import RunConfigInvalid
from buff.journal.events import EVENTS, Event
from buff.journal.head import START, Position
from buff.journal.reader import between
from buff.journal.record import Recorded, recorded
from buff.journal.survey import Unreadable, locate
from buff.store import Store


def kind_of(event: Event | type[Event]) -> str:
    """Return the type of an event as its line names it, without the version of its form: `dataset_stored`."""
    return event.TYPE.partition(".")[0]


LIMIT_MAX = 1_000
SCAN_MAX = 5_000  # events that are looked at for one page: what is rare is found over several
TYPES = tuple(sorted({kind_of(each) for each in EVENTS}))
_STEP = 500


@frozen(kw_only=True)
class Chapter:
    """Some events in the order asked for. `next` is the place behind which the following page begins, None at the end.

    `total` is how many events the journal holds, of whatever type. A page may hold fewer than were asked for, and none,
    while `next` says that there is more: only so many events are looked at for one page.
    """

    items: tuple[Recorded, ...]
    total: int
    next: int | None


def newest(store: Store, *, before: int | None = None, limit: int = 100, types: Collection[str] = ()) -> Chapter:
    """Return events ahead of event `before`, the newest first; only those of some types (TYPES), if any are named.

    Raises RunConfigInvalid on a type that no event has or a limit that cannot be, StorageUnreadable.
    """
    _check(limit, types)
    last = store.state.seq
    top = last if before is None else min(max(before - 1, 0), last)
    floor = max(top - SCAN_MAX, 0)
    found: list[Recorded] = []
    step = _STEP if types else limit
    for end in range(top, floor, -step):
        for item in reversed(_between(store, max(end - step, floor), end)):
            if _is_of(item.event, types):
                found.append(item)
            if len(found) == limit:
                return Chapter(items=tuple(found), total=last, next=item.seq if item.seq > 1 else None)
    return Chapter(items=tuple(found), total=last, next=floor + 1 if floor else None)


def oldest(
    store: Store, *, after: int = 0, before: int | None = None, limit: int = 100, types: Collection[str] = ()
) -> Chapter:
    """Return events behind event `after` and ahead of event `before`, the oldest first; otherwise as `newest`."""
    _check(limit, types)
    total = store.state.seq
    last = total if before is None else min(max(before - 1, 0), total)
    begin = min(max(after, 0), last)
    ceiling = min(begin + SCAN_MAX, last)
    found: list[Recorded] = []
    step = _STEP if types else limit
    for start in range(begin, ceiling, step):
        for item in _between(store, start, min(start + step, ceiling)):
            if _is_of(item.event, types):
                found.append(item)
            if len(found) == limit:
                return Chapter(items=tuple(found), total=total, next=item.seq if item.seq < last else None)
    return Chapter(items=tuple(found), total=total, next=ceiling if ceiling < last else None)


def _check(limit: int, types: Collection[str]) -> None:
    for each in types:
        if each not in TYPES:
            raise RunConfigInvalid(
                f"no event is of the type {each!r}",
                hint=f"one of {', '.join(TYPES)}",
                details={"field": "type", "value": each},
            )
    if not 1 <= limit <= LIMIT_MAX:
        raise RunConfigInvalid(
            f"limit {limit} is not between 1 and {LIMIT_MAX}", details={"field": "limit", "value": limit}
        )


def _is_of(event: Event, types: Collection[str]) -> bool:
    return not types or kind_of(event) in types


def _between(store: Store, after: int, last: int) -> list[Recorded]:
    """Return the events behind `after` up to `last`, both of which the journal has."""
    start = _end_of(store, after)
    lines = None if start is None else between(store.disk, store.root, start, last)
    if lines is None:  # no writer has been here since the power came back, or the journal is damaged
        return [item for item in store.events(after=after) if item.seq <= last]
    return [recorded(line) for line in lines if line.seq > after]


def _end_of(store: Store, seq: int) -> Position | None:
    """Return the end of the last batch that does not go beyond event `seq`; None where it cannot be found."""
    try:
        found = locate(store.disk, store.root, seq) if seq else None
        if found is not None and found[1].last != seq:
            seq = found[1].first - 1
            found = locate(store.disk, store.root, seq) if seq else None
    except Unreadable:
        return None
    if seq == 0:
        return START
    return None if found is None else found[0]
