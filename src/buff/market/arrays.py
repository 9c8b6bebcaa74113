"""JSON arrays of candles as lines of text: one row a line, so that the readers of text may read them.

Chunks of `[[ts, open, ...], ...]` go in; lines of comma-separated cells come out, texts without their quotes. Only the
frame is judged here: what a cell may hold is said by the rules for cells. Rows are numbered as lines.
"""

import re
from collections.abc import Iterable, Iterator

from buff.market.judge import LINE_BYTES_MAX
from buff.market.source import Broken

_SPACE = b" \t\r\n"
# A row without arrays, objects, escapes or line feeds inside texts; then the comma before the next row, or the end.
_ROW = re.compile(rb'\s*\[((?:[^\[\]{}"\\]++|"[^\[\]{}"\\,\n]*+")*+)\]\s*([,\]])')
_BETWEEN = re.compile(rb"\s*,\s*")


def lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the rows of one JSON array of arrays as LF-ended lines. Raises Broken where it is none, or not whole."""
    rest, begun, ended, rows = b"", False, False, 0
    for chunk in chunks:
        rest += chunk
        if not begun:
            rest = rest.removeprefix(b"\xef\xbb\xbf").lstrip(_SPACE)
            begun, rest = rest[:1] == b"[", rest[1:]
            if begun and rest.strip(_SPACE) == b"]":
                rest, ended = b"", True
        at, found = 0, []
        while not ended and (match := _ROW.match(rest, at)) is not None:
            found.append(_line(match[1]))
            at, ended = match.end(), match[2] == b"]"
        rows += len(found)
        rest = rest[at:]
        if found:
            yield b"".join(found)
        if ended and rest.strip(_SPACE):
            raise Broken(f"something stands behind the end of the JSON array, after row {rows:,}")
        if not ended and len(rest) > LINE_BYTES_MAX + len(chunk):
            break
    if not ended:
        raise Broken(f"the JSON array is not whole, or not one of arrays, after row {rows:,}")


def _line(cells: bytes) -> bytes:
    """Return the cells of one row as a line."""
    if b'"' in cells:
        cells = cells.replace(b'"', b"")
    return _BETWEEN.sub(b",", cells.strip(_SPACE)).replace(b"\n", b" ") + b"\n"
