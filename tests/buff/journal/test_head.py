"""HEAD: two slots that take turns, and the one that counts."""

import hashlib

from msgspec.structs import replace

from buff.journal import head
from buff.journal.head import START, Position, make

HERE = Position(segment=1, offset=262, seq=1, sha256="a" * 64)


def made(gen: int, position: Position = HERE) -> head.Head:
    return make(position, gen=gen, boot="boot", journal="jrn_1")


def test_a_slot_is_what_the_format_says() -> None:
    """446 bytes of JSON padded with spaces, the SHA-256 of these, two newlines: 512 in all."""
    slot = head.encode(made(3))
    assert len(slot) == 512
    assert slot.startswith(
        b'{"gen":3,"boot":"boot","journal":"jrn_1","segment":1,"offset":262,"seq":1,"sha256":"' + b"a" * 64 + b'"}   '
    )
    assert slot.endswith(b"\n\n")
    assert head.decode(slot) == made(3)
    assert made(3).position == HERE


def test_a_new_head_has_both_slots() -> None:
    """A crash while the first update is written must find the other slot valid."""
    data = head.whole(made(0, START))
    assert len(data) == 8192
    slots = head.read(data)
    assert slots.heads == (made(0, START), made(0, START))
    assert not slots.torn


def test_the_larger_generation_counts() -> None:
    data = bytearray(head.whole(made(0, START)))
    for gen in (1, 2, 3):
        at = head.slot_offset(gen)
        data[at : at + 512] = head.encode(made(gen, replace(HERE, seq=gen)))
        assert head.read(bytes(data)).current == made(gen, replace(HERE, seq=gen))


def test_any_flipped_bit_makes_a_slot_invalid_and_the_other_counts() -> None:
    data = bytearray(head.whole(made(0, START)))
    data[4096 : 4096 + 512] = head.encode(made(1))
    for bit in range(0, 8 * 512, 7):
        broken = bytearray(data)
        broken[4096 + bit // 8] ^= 1 << bit % 8
        slots = head.read(bytes(broken))
        assert slots.torn
        assert slots.current == made(0, START)


def test_a_slot_in_the_others_place_is_not_valid() -> None:
    data = bytearray(head.whole(made(0, START)))
    data[0:512] = head.encode(made(1))
    assert head.read(bytes(data)).heads == (None, made(0, START))


def test_no_bytes_no_head() -> None:
    for data in (b"", b"\0" * 8192, head.whole(made(0))[:400]):
        assert head.read(data).current is None


def test_a_slot_of_other_json_is_not_valid() -> None:
    for text in (b"[]", b'{"gen":-1}', b"x", head.encode(made(1))[:446].replace(b'"gen":1', b'"gem":1')):
        padded = text.ljust(446)
        assert head.decode(padded + hashlib.sha256(padded).hexdigest().encode() + b"\n\n") is None
