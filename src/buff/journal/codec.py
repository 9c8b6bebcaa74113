"""An event and the `data` object of its line, in both directions.

An Event goes in and ASCII JSON comes out, members in the order of their names; the type and bytes of a verified line go
in and the Event comes out. An event of an older version is decoded as what it was and lifted by its upcaster, so the
rest of Buff sees only the newest. Nothing here reads a disk, and nothing is ever guessed: what this version of Buff
does not know is refused.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from buff import canonical
from buff.errors import RunsRootInvalid
from buff.journal.events import EVENTS, Event, Fact
from buff.journal.line import Line, escape
from buff.journal.versions import UPCASTERS

_encode_lines = msgspec.json.Encoder(order="sorted").encode_lines
_DECODERS: Mapping[str, Callable[[bytes], Fact]] = {
    event.TYPE: msgspec.json.Decoder(event).decode for event in EVENTS
} | dict(UPCASTERS)


def encode(event: Event) -> bytes:
    """Return the `data` object of an event. Raises ValueError on a float that is not finite or a lone surrogate.

    It is the event's canonical JSON, which the plain encoder writes too for all but a few values.
    """
    return encode_all((event,))[0][0]


def encode_all(events: Sequence[Event]) -> list[tuple[bytes, Fact]]:
    """Return the `data` of each event, and the event that whoever reads it will see. Raises what `encode` does.

    The plain encoder's bytes are surely canonical when they come back equal and hold no negative zero. A float that is
    not finite was written as null, so it comes back as another value or not at all.
    """
    written = _encode_lines(events)
    datas = written.split(b"\n")[:-1]
    try:
        facts = [_DECODERS[event.TYPE](data) for event, data in zip(events, datas, strict=True)]
    except msgspec.ValidationError:
        return [_carefully(event) for event in events]
    if facts == list(events) and canonical.plain(written):
        return list(zip(map(escape, datas), facts, strict=True))
    return [_carefully(event) for event in events]


def _carefully(event: Event) -> tuple[bytes, Fact]:
    data = canonical.encode(event)
    return escape(data), _DECODERS[event.TYPE](data)


def decode(line: Line) -> Fact:
    """Return the event of a verified line. Raises RunsRootInvalid when this version of Buff does not know it."""
    decoder = _DECODERS.get(line.type)
    if decoder is None:
        raise _unknown(line, "EVENT_UNKNOWN", f"event {line.seq} is of type {line.type!r}, which is unknown here")
    try:
        return decoder(line.data)
    except msgspec.ValidationError as error:
        raise _unknown(line, "EVENT_INVALID", f"event {line.seq} is no {line.type} as known here: {error}") from error


def _unknown(line: Line, rule: str, message: str) -> RunsRootInvalid:
    return RunsRootInvalid(
        message,
        hint="the journal is intact but was written by another version of Buff: use that version or a newer one",
        details={"rule": rule, "type": line.type, "seq": line.seq},
    )
