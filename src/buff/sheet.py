"""Sheets: named columns of numbers in one sequence of bytes, which can be mapped where they lie.

Arrays and a header go in; bytes come out, and back. One layout serves what is sent to a browser and what is kept in a
cache (docs/reference/http_api.md shows how JavaScript reads it). Everything is little-endian:

    0    8 bytes   `BUFFSHT1`
    8    uint32    H, the length of the header in bytes, so that 16 + H is a multiple of 8
    12   uint32    0
    16   H bytes   the header: JSON in UTF-8, padded with spaces; `columns` lists name, dtype, rows and offset of each
    16+H           the columns, each from its offset on, which counts from here and is a multiple of 8

Nothing here reads or writes a file.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import numpy as np
from attrs import frozen
from numpy.typing import NDArray

MAGIC = b"BUFFSHT1"
FIRST = 16  # where the header begins
DTYPES = frozenset({"<f8", "<i8", "<i4", "|i1", "|u1"})

_encode = msgspec.json.Encoder(order="sorted").encode


class SheetInvalid(ValueError):
    """Bytes that are no sheet."""


@frozen(kw_only=True, eq=False)
class Sheet:
    """What a sheet holds: the header without its list of columns, and the columns, each a view of the bytes given."""

    head: Mapping[str, Any]
    columns: Mapping[str, NDArray[Any]]


class _Column(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    dtype: str
    rows: int
    offset: int


def chunks(head: Mapping[str, Any], columns: Mapping[str, NDArray[Any]]) -> Iterator[bytes | memoryview]:
    """Yield the bytes of a sheet: vectors of the types DTYPES, in the order given; `head` is anything JSON can say."""
    listed, offset = [], 0
    for name, values in columns.items():
        assert values.dtype.str in DTYPES, f"a sheet holds no {values.dtype}"
        listed.append(_Column(name=name, dtype=values.dtype.str, rows=len(values), offset=offset))
        offset += _padded(values.nbytes)
    text = _encode({**head, "columns": listed})
    text = text.ljust(_padded(len(text)))
    yield MAGIC + len(text).to_bytes(4, "little") + bytes(4) + text
    for values in columns.values():
        raw = np.ascontiguousarray(values).view(np.uint8).data
        if len(raw):
            yield raw
        if len(raw) % 8:
            yield bytes(-len(raw) % 8)


def read(data: bytes | NDArray[np.uint8]) -> Sheet:
    """Return the sheet that some bytes are; columns are read-only views of them. Raises SheetInvalid."""
    raw = np.frombuffer(data, np.uint8)
    begin = raw[:FIRST].tobytes()
    if len(begin) < FIRST or not begin.startswith(MAGIC) or begin[12:] != bytes(4):
        raise SheetInvalid("it does not begin as a sheet")
    length = int.from_bytes(begin[8:12], "little")
    body = raw[FIRST + length :]
    if length % 8 or len(raw) < FIRST + length:
        raise SheetInvalid("its header is cut short")
    try:
        head = msgspec.json.decode(raw[FIRST : FIRST + length].tobytes(), type=dict[str, Any])
        listed = msgspec.convert(head.pop("columns"), list[_Column])
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, RecursionError) as error:
        raise SheetInvalid("its header cannot be read") from error
    return Sheet(head=head, columns={column.name: _view(body, column) for column in listed})


def _view(body: NDArray[np.uint8], column: _Column) -> NDArray[Any]:
    if column.dtype not in DTYPES or column.rows < 0 or column.offset < 0 or column.offset % 8:
        raise SheetInvalid(f"column {column.name!r} cannot be")
    dtype = np.dtype(column.dtype)
    end = column.offset + column.rows * dtype.itemsize
    if end > len(body):
        raise SheetInvalid(f"column {column.name!r} is cut short")
    values = body[column.offset : end].view(dtype)
    values.flags.writeable = False
    return values


def _padded(size: int) -> int:
    return -(-size // 8) * 8
