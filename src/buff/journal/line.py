"""One event, one line: the layout, the hash and the one judge of both.

Plain values go in and a line's bytes come out (`write`), or the bytes go in and the values come out (`parse`). Every
reader and every writer of the journal uses these two, and index.json has the same trailer (`seal`, `unseal`).
The layout is described in the docstring of the package. Nothing here reads a disk, and nothing here knows what an
event means.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import msgspec

LINE_BYTES_MAX = 1 << 20
BATCH_BYTES_MAX = 8 << 20
BATCH_LINES_MAX = 4096
SEGMENT_BYTES_MAX = 64 << 20
DEPTH_MAX = 16
INTEGER_MAX = (1 << 53) - 1
SEQ_MAX = 10**16 - 1
ZEROS = "0" * 64
MARKER = b'{"v":1,"seq":'

TRAILER_BYTES = 78
_SEALED = b',"sha256":"'
_ENVELOPE_MAX = 512  # the longest envelope, to its data, has 396 bytes
_ENVELOPE = re.compile(
    r'\{"v":1,"seq":([1-9][0-9]{0,15}),"prev":"([0-9a-f]{64})","b":\[([1-9][0-9]{0,15}),([1-9][0-9]{0,15})\],'
    r'"t":"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)","type":"([a-z][a-z0-9_.]{0,63})",'
    r'"key":(?:null|"([A-Za-z0-9._:/+-]{1,128})"),"data":(?=\{)'
)
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_LONG_INTEGER = re.compile(rb"[:\[,]-?[0-9]{16,}[,\]}]")
_PADDED = re.compile(r"\.[0-9]+0(?![0-9])|\.0[eE]")
_UNPRINTABLE = re.compile("[^\x20-\x7e]")
_DIGITS = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else ord(".") for byte in range(256))
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class LineInvalid(ValueError):
    """The bytes are not a line of the journal; the message says what is wrong with them."""


class Line(msgspec.Struct, frozen=True, gc=False):
    """One parsed line. `first` and `last` are its batch, `data` the JSON object as stored, `raw` the whole line."""

    seq: int
    prev: str
    first: int
    last: int
    time: str
    type: str
    key: str | None
    data: bytes
    sha256: str
    raw: bytes


def write(*, seq: int, prev: str, first: int, last: int, time: str, type: str, key: str | None, data: bytes) -> Line:
    """Return one line, parsed back from its own bytes, so that nothing is written that could not be read.

    `data` is one JSON object as `escape` gives it. Raises LineInvalid when any part breaks the format.
    """
    return parse(form(seq=seq, prev=prev, first=first, last=last, time=time, type=type, key=key, data=data))


def form(*, seq: int, prev: str, first: int, last: int, time: str, type: str, key: str | None, data: bytes) -> bytes:
    """Return the bytes of one line, not yet judged. Raises LineInvalid when they would not be ASCII."""
    name = "null" if key is None else f'"{key}"'
    head = f'{{"v":1,"seq":{seq},"prev":"{prev}","b":[{first},{last}],"t":"{time}","type":"{type}","key":{name},"data":'
    try:
        return seal(b"".join((head.encode("ascii"), data, b"}")))
    except UnicodeEncodeError as error:
        raise LineInvalid("time, type or key is not ASCII") from error


def parse(raw: bytes) -> Line:
    """Return the values of one whole line with its newline, or raise LineInvalid.

    Proven by it: the layout byte for byte, the hash, and that `data` is strict JSON within the limits. Not proven: that
    the line follows the one before, which only a reader of both can say.
    """
    if len(raw) > LINE_BYTES_MAX:
        raise LineInvalid("longer than 1 MiB")
    digest = unseal(raw)
    match = _ENVELOPE.match(raw[:_ENVELOPE_MAX].decode("latin-1"))
    if match is None:
        raise LineInvalid("the envelope is not in its fixed form")
    seq, prev, first, last, time, kind, key = match.groups()
    data = raw[match.end() : -TRAILER_BYTES]
    _judge(data)
    line = Line(int(seq), prev, int(first), int(last), time, kind, key, data, digest, raw)
    if not line.first <= line.seq <= line.last:
        raise LineInvalid("the line is outside its own batch")
    return line


def digest_of(raw: bytes) -> str:
    """Return the SHA-256 a sealed line carries, as it says it."""
    return raw[-67:-3].decode("ascii")


def seal(body: bytes) -> bytes:
    """Return a JSON object's bytes with their own SHA-256 as its last member, and a newline: a fixed 78 bytes more."""
    return b"".join((body[:-1], _SEALED, hashlib.sha256(body).hexdigest().encode(), b'"}\n'))


def seal_pieces(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what `seal` returns of the pieces put together, piece by piece: a snapshot may be large."""
    hashed, held = hashlib.sha256(), b""
    for piece in pieces:
        if held:
            yield held
        hashed.update(piece)
        held = piece
    yield b"".join((held[:-1], _SEALED, hashed.hexdigest().encode(), b'"}\n'))


def unseal(raw: bytes) -> str:
    """Return the SHA-256 a sealed line carries, after checking it. Raises LineInvalid when it does not fit."""
    if len(raw) < LINE_BYTES_MAX:
        digest = hashlib.sha256(raw[:-TRAILER_BYTES] + b"}").hexdigest()
    else:  # a snapshot may be large: no copy of it
        hashed = hashlib.sha256(memoryview(raw)[:-TRAILER_BYTES])
        hashed.update(b"}")
        digest = hashed.hexdigest()
    if not raw.endswith(b"".join((_SEALED, digest.encode(), b'"}\n'))):
        raise LineInvalid("the hash does not fit the bytes")
    return digest


def unseal_pieces(pieces: Iterable[bytes], trailer: bytes) -> Iterator[bytes]:
    """Yield the pieces of a sealed line, all but its last 78 bytes, the trailer: a snapshot may be large.

    Raises LineInvalid behind the last of them when the hash does not fit: until then nothing of them is to be believed.
    """
    hashed = hashlib.sha256()
    for piece in pieces:
        hashed.update(piece)
        yield piece
    hashed.update(b"}")
    if trailer != b"".join((_SEALED, hashed.hexdigest().encode(), b'"}\n')):
        raise LineInvalid("the hash does not fit the bytes")


def escape(document: bytes) -> bytes:
    """Return JSON with every character outside 0x20-0x7E as `\\uXXXX`, as `data` must be."""
    if document.isascii() and b"\x7f" not in document:
        return document
    return _UNPRINTABLE.sub(_escaped, document.decode()).encode("ascii")


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _judge(data: bytes) -> None:
    if not _plain(data):
        _judge_strictly(data)


def _plain(data: bytes) -> bool:
    """Say whether `data` is surely good because it is exactly what the encoder would write. False means: look closer.

    An equal re-encoding rules out spaces, duplicate names, non-finite and long-winded floats and lone surrogates at
    a fifth of the price of looking for each; what it cannot rule out is screened by counting.
    """
    try:
        same = _encode(_decode(data)) == data
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return False
    return (
        same
        and data.isascii()
        and b"\x7f" not in data
        and data.count(b"{") + data.count(b"[") <= DEPTH_MAX
        and (data.translate(_DIGITS).find(b"0000000000000000") < 0 or _LONG_INTEGER.search(data) is None)
    )


def _judge_strictly(data: bytes) -> None:
    """Raise LineInvalid unless `data` is one JSON object within every limit of the format, rule by rule."""
    if not data.isascii() or _UNPRINTABLE.search(data.decode("ascii")):
        raise LineInvalid("data has bytes outside 0x20-0x7E")
    skeleton = _STRING.sub(b'""', data)
    if b" " in skeleton:
        raise LineInvalid("data has spaces outside strings")
    if _depth(skeleton) > DEPTH_MAX:
        raise LineInvalid("data is nested too deeply")
    try:
        value = json.loads(
            data, object_pairs_hook=_unique, parse_int=_integer, parse_float=_float, parse_constant=_constant
        )
        _encode(value)  # refuses a lone surrogate
    except LineInvalid:
        raise
    except ValueError as error:
        raise LineInvalid(f"data is not strict JSON: {error}") from error
    if not isinstance(value, dict):
        raise LineInvalid("data is not an object")


def _depth(skeleton: bytes) -> int:
    depth = deepest = 0
    for byte in skeleton:
        if byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise LineInvalid("data has a member twice")
    return members


def _integer(token: str) -> int:
    if len(token) > 17 or abs(int(token)) > INTEGER_MAX or token == "-0":
        raise LineInvalid(f"data has the integer {token[:40]}, which not every reader keeps exactly")
    return int(token)


def _float(token: str) -> float:
    value = float(token)
    if not math.isfinite(value) or Decimal(token) != Decimal(repr(value)) or _PADDED.search(token):
        raise LineInvalid(f"data has the number {token[:40]}, which is not the shortest form of a finite float")
    return value


def _constant(token: str) -> float:
    raise LineInvalid(f"data has {token}")
