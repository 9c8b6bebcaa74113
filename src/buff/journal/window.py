"""Many lines at once: what `line.parse` proves of each, proven of all of them together, at a third of the price.

The bytes of whole lines go in; the lines come out, each made when it is asked for, or None. None is no verdict: it asks
for a look line by line. So this module may refuse what is good and must never accept what `parse` refuses; the tests
hold it against the plain walk. Nothing here reads a disk.
"""

import hashlib
import io
import re
import string
from collections.abc import Iterator, Sequence
from typing import Any, Literal, overload

import msgspec

from buff.journal.line import DEPTH_MAX, LINE_BYTES_MAX, Line, escape

_TRAILER = 78
_TIME = b"0000-00-00T00:00:00.000000Z"
_HASH = re.compile("[0-9a-f]{64}")
_TYPE = re.compile("[a-z][a-z0-9_.]{0,63}")
_KEY_CHARACTERS = (string.ascii_letters + string.digits + "._:/+-").encode()
_KEY_LENGTH_MAX = 128
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
# A digit is 0 and whatever may stand before a number is a colon, so that one search finds every long integer.
_NUMBERS = bytes.maketrans(b"123456789[,-", b"000000000:::")
_LONG_INTEGER = b":" + 16 * b"0"


class _Stored(msgspec.Struct, gc=False):
    """The members of a line in their order."""

    v: Literal[1]
    seq: int
    prev: str
    b: tuple[int, int]
    t: str
    type: str
    key: str | None
    data: msgspec.Raw
    sha256: str


_decode_lines = msgspec.json.Decoder(_Stored).decode_lines
_decode_objects = msgspec.json.Decoder(list[dict[str, Any]]).decode
_encode = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines


class Lines(Sequence[Line]):
    """The lines of a window, each made when it is asked for: whoever only verifies asks for few."""

    def __init__(self, raws: list[bytes], stored: list[_Stored]) -> None:
        """Made by `together`, which has judged them. `raws` are whole, with their newlines."""
        self._raws = raws
        self._stored = stored

    def __len__(self) -> int:
        return len(self._raws)

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> "Lines": ...
    def __getitem__(self, index: int | slice) -> "Line | Lines":
        if isinstance(index, slice):
            return Lines(self._raws[index], self._stored[index])
        return _line(self._raws[index], self._stored[index])

    def __iter__(self) -> Iterator[Line]:
        return map(_line, self._raws, self._stored)

    @property
    def size(self) -> int:
        """The lines' bytes, newlines included."""
        return sum(map(len, self._raws))

    @property
    def batches(self) -> list[tuple[int, int]]:
        """The first and last seq of each line's batch, as the line says."""
        return [line.b for line in self._stored]


def together(window: bytes, seq: int, prev: str) -> Lines | None:
    """Return the lines of `window` if each is surely valid and they follow event `seq` of hash `prev` without a gap.

    `window` holds whole lines. An empty `prev` takes the first line's word for it. What the lines say of their batches
    is not judged.
    """
    try:
        stored = _decode_lines(window)
        if not stored or _encode_lines(stored) != window:
            return None
        raws = io.BytesIO(window).readlines()
        if not (_follow(raws, stored, seq, prev) and _enveloped(stored) and _strict([line.data for line in stored])):
            return None
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None
    if len(window) > LINE_BYTES_MAX and max(map(len, raws)) > LINE_BYTES_MAX:
        return None
    return Lines(raws, stored)


def _line(raw: bytes, line: _Stored) -> Line:
    first, last = line.b
    return Line(line.seq, line.prev, first, last, line.t, line.type, line.key, bytes(line.data), line.sha256, raw)


def _follow(raws: list[bytes], stored: list[_Stored], seq: int, prev: str) -> bool:
    """Say whether every hash fits its bytes, and seq and prev are those that follow."""
    sha256 = hashlib.sha256
    digests = [sha256(raw[:-_TRAILER] + b"}").hexdigest() for raw in raws]
    before = [prev or stored[0].prev, *digests[:-1]]
    return (
        digests == [line.sha256 for line in stored]
        and before == [line.prev for line in stored]
        and _HASH.fullmatch(before[0]) is not None
        and [line.seq for line in stored] == list(range(seq + 1, seq + 1 + len(stored)))
    )


def _enveloped(stored: list[_Stored]) -> bool:
    """Say whether times, types and keys have their form. The order of the members is proven by encoding them again."""
    times = "".join([line.t for line in stored]).encode()
    keys = [line.key for line in stored if line.key is not None]
    return (
        times.translate(_DIGITS) == _TIME * len(stored)
        and all(map(_TYPE.fullmatch, {line.type for line in stored}))
        and (not keys or _keyed(keys))
    )


def _keyed(keys: list[str]) -> bool:
    lengths = list(map(len, keys))
    allowed = not "".join(keys).encode().translate(None, _KEY_CHARACTERS)
    return allowed and min(lengths) > 0 and max(lengths) <= _KEY_LENGTH_MAX


def _strict(data: list[msgspec.Raw]) -> bool:
    """Say whether every `data` is surely good, as `line._plain` says it of one."""
    joined = b"[%b]" % b",".join(data)
    opened = joined.count(b"{") + joined.count(b"[") - 1
    return (
        escape(_encode(_decode_objects(joined))) == joined
        and joined.translate(_NUMBERS).find(_LONG_INTEGER) < 0
        # Few objects inside others are no deep nesting, wherever they are; many are counted line by line.
        and (opened < len(data) + DEPTH_MAX or max(map(_openings, data)) <= DEPTH_MAX)
    )


def _openings(data: msgspec.Raw) -> int:
    raw = bytes(data)
    return raw.count(b"{") + raw.count(b"[")
