"""One value, one sequence of bytes: canonical JSON and the digests made of it.

Plain values go in (dicts with string keys, lists, tuples, str, int, float, bool, None, msgspec Structs); UTF-8 bytes
with sorted keys and shortest round-trip floats come out. Non-finite floats are refused, never written as null.
Nothing here reads a file or a clock.
"""

import hashlib
import math
import re
from typing import Any

import msgspec

_NEGATIVE_ZERO = re.compile(rb"-0\.0(?![0-9])")
_ENCODER = msgspec.json.Encoder(order="sorted")


def encode(value: Any) -> bytes:
    """Return the canonical JSON of `value`, without a newline at the end.

    `-0.0` is written as `0.0`. Raises ValueError on NaN or infinity, which msgspec alone would write as null.
    """
    return _ENCODER.encode(_finite(msgspec.to_builtins(value)))


def plain(data: bytes) -> bool:
    """Say whether JSON that the plain encoder wrote of finite floats, names sorted, is surely canonical.

    It is unless it has a negative zero, or a text that looks like one.
    """
    return b"-0.0" not in data or _NEGATIVE_ZERO.search(data) is None


def document(value: Any) -> bytes:
    """Return the canonical JSON of `value` as a file's bytes: one line that ends in `\\n`."""
    return encode(value) + b"\n"


def digest(data: bytes) -> str:
    """Return the SHA-256 of `data` as 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def digest_of(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of `value`."""
    return digest(encode(value))


def _finite(value: Any) -> Any:
    kind = type(value)  # exact: msgspec refuses what only derives from these, or has made them of it
    if kind is dict:
        return {key: _finite(item) for key, item in value.items()}
    if kind is float:
        if not math.isfinite(value):
            raise ValueError(f"{value} cannot be written as JSON")
        return value + 0.0  # -0.0 becomes 0.0
    if kind is list or kind is tuple:
        return [_finite(item) for item in value]
    return value
