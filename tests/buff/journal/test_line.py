"""One event, one line: what is written is read, and nothing else is."""

import hashlib
import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff import canonical
from buff.journal.line import (
    DEPTH_MAX,
    INTEGER_MAX,
    LINE_BYTES_MAX,
    LineInvalid,
    escape,
    parse,
    seal,
    seal_pieces,
    unseal,
    write,
)

FIRST = {
    "seq": 1,
    "prev": "0" * 64,
    "first": 1,
    "last": 1,
    "time": "2026-02-01T00:00:00.000000Z",
    "type": "journal_opened",
    "key": None,
    "data": b'{"journal_id":"jrn_0123456789abcdef"}',
}


def sealed(data: bytes, **changed: object) -> bytes:
    """Return a line around `data` with a hash that fits, whatever `data` is."""
    envelope = {**FIRST, **changed}
    key = "null" if envelope["key"] is None else f'"{envelope["key"]}"'
    body = (
        f'{{"v":1,"seq":{envelope["seq"]},"prev":"{envelope["prev"]}","b":[{envelope["first"]},{envelope["last"]}],'
        f'"t":"{envelope["time"]}","type":"{envelope["type"]}","key":{key},"data":'
    )
    return seal(body.encode() + data + b"}")


def test_a_line_is_what_the_format_says() -> None:
    """The envelope is fixed byte for byte; the hash is over the line without its last member, closed again."""
    raw = write(**FIRST).raw
    body = (
        b'{"v":1,"seq":1,"prev":"' + b"0" * 64 + b'","b":[1,1],"t":"2026-02-01T00:00:00.000000Z",'
        b'"type":"journal_opened","key":null,"data":{"journal_id":"jrn_0123456789abcdef"}}'
    )
    digest = hashlib.sha256(body).hexdigest()
    assert raw == body[:-1] + b',"sha256":"' + digest.encode() + b'"}\n'
    assert len(raw) - len(body) == 78 - 1
    assert parse(raw).sha256 == unseal(raw) == digest


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1.5,"b":[1,2,{"c":null}],"d":"\\u00e9\\n\\"x\\""}',
        b'{"sha256":"' + b"0" * 64 + b'"}',
        b'{"v":1,"seq":1,"data":{}}',
        b'{"a":9007199254740991,"b":-9007199254740991}',
        b'{"a":0.1234567890123456,"b":1e22,"c":-0.0,"d":5e-324}',
        b'{"a":"\\ud83d\\ude00"}',
        b'{"a b":"c d"}',
        b"{}",
        b'{"a":' * 15 + b"{}" + b"}" * 15,
        b'{"a":"1234567890123456789"}',
    ],
)
def test_good_data(data: bytes) -> None:
    assert parse(sealed(data)).data == data


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a": 1}',
        b'{"a":"\xc3\xa9"}',
        b'{"a":"\x7f"}',
        b'{"a":"\\ud83d"}',
        b'{"a":"\\ude00\\ud83d"}',
        b'{"a":9007199254740992}',
        b'{"a":-9007199254740992}',
        b'{"a":[9007199254740993]}',
        b'{"a":123456789012345678901234567890}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":1.50}',
        b'{"a":0.1000000000000000055}',
        b'{"a":1e999}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-0}',
        b'{"a":01}',
        b'{"a":' * 16 + b"{}" + b"}" * 16,
        b'{"a":' * 5000 + b"{}" + b"}" * 5000,
        b'{"a":1}x',
        b'{"a":1},"b":{}',
        b"{",
        b'{"a":tru}',
        b"[]",
        b"1",
    ],
)
def test_bad_data(data: bytes) -> None:
    """A hash that fits does not make bad JSON good."""
    with pytest.raises(LineInvalid):
        parse(sealed(data))


@pytest.mark.parametrize(
    "changed",
    [
        {"seq": 0},
        {"seq": "01"},
        {"seq": 10**16},
        {"seq": 2},
        {"first": 2, "last": 1},
        {"prev": "0" * 63},
        {"prev": "A" * 64},
        {"time": "2026-02-01T00:00:00Z"},
        {"type": "Journal"},
        {"type": "a" * 65},
        {"key": ""},
        {"key": "a b"},
        {"key": "a" * 129},
        {"key": 'a","x":"'},
    ],
)
def test_bad_envelope(changed: dict[str, object]) -> None:
    with pytest.raises(LineInvalid):
        parse(sealed(b"{}", **changed))


def test_other_bytes_are_no_line() -> None:
    raw = write(**FIRST).raw
    others = [b"", b"\n", raw[:-1], raw + b"\n", b" " + raw, raw.replace(b",", b", ", 1), raw[:-1] + b"\r\n", raw * 2]
    for other in others:
        with pytest.raises(LineInvalid):
            parse(other)


def test_a_line_is_at_most_a_mebibyte() -> None:
    room = LINE_BYTES_MAX - len(sealed(b'{"a":""}'))
    assert len(parse(sealed(b'{"a":"' + b"x" * room + b'"}')).raw) == LINE_BYTES_MAX
    with pytest.raises(LineInvalid, match="1 MiB"):
        parse(sealed(b'{"a":"' + b"x" * (room + 1) + b'"}'))


def test_every_flipped_bit_is_seen() -> None:
    raw = write(**{**FIRST, "data": b'{"a":1.5,"b":"x"}', "key": "k:1"}).raw
    for bit in range(8 * len(raw)):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(LineInvalid):
            parse(bytes(flipped))


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-INTEGER_MAX, INTEGER_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)
OBJECTS = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), VALUES, max_size=5)


def depth(value: object) -> int:
    """Return how deeply lists and objects are nested."""
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


@given(OBJECTS, st.integers(1, 10**16 - 1), st.text("abcXYZ019._:/+-", min_size=1, max_size=128) | st.none())
def test_any_plain_value_survives(value: dict[str, object], seq: int, key: str | None) -> None:
    """Invariants checked: ASCII only, one newline at the end, the same value back, the same envelope back."""
    data = escape(canonical.encode(value))
    if depth(value) > DEPTH_MAX:
        return
    line = write(**{**FIRST, "seq": seq, "first": seq, "last": seq, "key": key, "data": data})
    again = parse(line.raw)
    assert again == line
    assert (again.seq, again.key) == (seq, key)
    assert line.raw.isascii()
    assert line.raw.index(b"\n") == len(line.raw) - 1
    assert json.loads(again.data) == msgspec.json.decode(canonical.encode(value))
    assert json.loads(line.raw)["data"] == json.loads(data)


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_parse_judges_any_bytes(raw: bytes) -> None:
    """Arbitrary bytes, alone or as data under a hash that fits, give a line or LineInvalid, and nothing else."""
    for candidate in (raw, raw + b"\n", sealed(raw), sealed(b'{"a":%b}' % raw)):
        try:
            line = parse(candidate)
        except LineInvalid:
            continue
        assert isinstance(json.loads(line.data), dict)
        assert line.raw == candidate


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_float_is_its_shortest_form(value: float) -> None:
    line = parse(sealed(escape(canonical.encode({"a": value}))))
    back = json.loads(line.data)["a"]
    assert back == value
    assert math.isfinite(back)


def test_an_index_has_the_same_trailer() -> None:
    body = b'{"schema":"index.v1","seq":7}'
    raw = seal(body)
    assert unseal(raw) == hashlib.sha256(body).hexdigest()
    with pytest.raises(LineInvalid):
        unseal(raw.replace(b"7", b"8", 1))


@given(st.lists(st.binary(min_size=1, max_size=5), min_size=1, max_size=5))
def test_what_is_sealed_in_pieces_is_sealed_as_a_whole(pieces: list[bytes]) -> None:
    """Invariants checked: the same bytes, however an object is cut, and no piece is kept back for longer than one."""
    assert b"".join(seal_pieces(pieces)) == seal(b"".join(pieces))
    assert [len(piece) for piece in seal_pieces(pieces)][:-1] == [len(piece) for piece in pieces][:-1]
