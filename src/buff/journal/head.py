"""HEAD: how far the journal is acknowledged, in two slots that are never both in danger.

A position goes in and 512 bytes come out, or the file's bytes go in and the slot that counts comes out. HEAD is written
only after what it names is durable, so it may lag the journal and never leads it. Nothing here reads a disk.
"""

import hashlib
from functools import lru_cache
from typing import Annotated

import msgspec

from buff.journal.line import ZEROS

SIZE = 8192
SLOT_SIZE = 512
SLOT_OFFSETS = (0, 4096)
READ_SIZE = SLOT_OFFSETS[1] + SLOT_SIZE
_TEXT = 446


class Position(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A place between two events: the end of event `seq`, at byte `offset` of the segment whose first seq is `segment`.

    `sha256` is that event's hash. Before the first event: segment 1, offset 0, seq 0 and 64 zeros.
    """

    segment: int
    offset: int
    seq: int
    sha256: str


Count = Annotated[int, msgspec.Meta(ge=0)]

START = Position(segment=1, offset=0, seq=0, sha256=ZEROS)


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one slot says: under kernel boot `boot`, journal `journal` was durable up to this place."""

    gen: Count
    boot: str
    journal: str
    segment: Count
    offset: Count
    seq: Count
    sha256: str

    @property
    def position(self) -> Position:
        """The place HEAD names."""
        return Position(segment=self.segment, offset=self.offset, seq=self.seq, sha256=self.sha256)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Head).decode


class Slots(msgspec.Struct, frozen=True, kw_only=True):
    """Both slots as read; None where the bytes are not a valid slot."""

    heads: tuple[Head | None, Head | None]

    @property
    def current(self) -> Head | None:
        """The slot that counts: valid, and of the largest generation."""
        first, second = self.heads
        if first is None or second is None:
            return first or second
        return first if first.gen >= second.gen else second

    @property
    def torn(self) -> bool:
        """Whether one slot must be written afresh, and synced, before the other is touched again."""
        return None in self.heads


def make(position: Position, *, gen: int, boot: str, journal: str) -> Head:
    """Return the head that names `position`."""
    return Head(
        gen=gen,
        boot=boot,
        journal=journal,
        segment=position.segment,
        offset=position.offset,
        seq=position.seq,
        sha256=position.sha256,
    )


def encode(head: Head) -> bytes:
    """Return the 512 bytes of one slot: JSON padded to 446, the SHA-256 of these in hex, two newlines."""
    text = _encode(head).ljust(_TEXT)
    assert len(text) == _TEXT, f"boot and journal id are too long for HEAD: {head}"
    return text + hashlib.sha256(text).hexdigest().encode() + b"\n\n"


@lru_cache(maxsize=8)  # between two looks at HEAD at most one slot changes
def decode(slot: bytes) -> Head | None:
    """Return what 512 bytes say, or None when they are not a valid slot."""
    text = slot[:_TEXT]
    if len(slot) != SLOT_SIZE or slot[_TEXT:] != hashlib.sha256(text).hexdigest().encode() + b"\n\n":
        return None
    try:
        return _decode(text)
    except msgspec.DecodeError:
        return None


def whole(head: Head) -> bytes:
    """Return a new HEAD file of 8,192 bytes with `head` in both slots, as it is before its first update."""
    slot = encode(head)
    return (slot.ljust(SLOT_OFFSETS[1], b"\n") + slot).ljust(SIZE, b"\n")


def slot_offset(gen: int) -> int:
    """Return where generation `gen` is written: the slots take turns, so one is always whole."""
    return SLOT_OFFSETS[gen % 2]


def read(data: bytes) -> Slots:
    """Return both slots of a HEAD file's first 4,608 bytes. A slot found in the other's place is not valid."""
    return Slots(heads=(_slot(data, 0), _slot(data, 1)))


def _slot(data: bytes, index: int) -> Head | None:
    offset = SLOT_OFFSETS[index]
    head = decode(data[offset : offset + SLOT_SIZE])
    return head if head is None or head.gen == 0 or head.gen % 2 == index else None
