"""The values that cross the journal's door: what is asked to be recorded, what was, and the proof of it.

They are structs because one of each is made for every event.
"""

from collections.abc import Mapping

import msgspec

from buff.journal.codec import decode
from buff.journal.events import Event, Fact
from buff.journal.head import Position
from buff.journal.line import Line


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """Proof that an event was acknowledged. It vouches for every event up to `seq`."""

    journal_id: str
    seq: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.journal_id}:{self.seq}:{self.sha256}"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An event to append. A `key` makes asking twice safe: the second time the first answer is given."""

    event: Event
    key: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a key was used for: the event, its type, and the values that another use must agree on.

    A `sha256` of None is looked up in the journal when it is asked for.
    """

    seq: int
    sha256: str | None
    type: str
    identity: tuple[object, ...]


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """A proven position of a journal, and the answers to the keys that were used before it."""

    journal_id: str
    position: Position
    answers: Mapping[str, Answer]


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """That somebody goes on with the events up to `kept`, although others were acknowledged; who, and why."""

    kept: int
    who: str
    why: str


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """An event as the journal holds it. `time` is when it was written, informative only: the order is that of `seq`."""

    seq: int
    time: str
    event: Fact
    sha256: str
    key: str | None


def recorded(line: Line) -> Recorded:
    """Return the event of a verified line. Raises RunsRootInvalid when this version of Buff does not know it."""
    return Recorded(seq=line.seq, time=line.time, event=decode(line), sha256=line.sha256, key=line.key)


def identity(event: Event) -> tuple[object, ...]:
    """Return the values that a repeated key must agree on."""
    return tuple(getattr(event, name) for name in event.IDENTITY)
