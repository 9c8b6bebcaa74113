"""JSON arrays of candles as lines of text: one row a line, so that the readers of text may read them.

Chunks of `[[ts, open, ...], ...]` go in; lines of comma-separated cells come out, texts without their quotes. Only the
frame is judged here, and what JSON refuses is refused: what a cell may hold is said by the rules for cells. Rows are
numbered as lines.
"""

import re
from collections.abc import Iterable, Iterator

from buff.market.judge import LINE_BYTES_MAX
from buff.market.source import Broken

_SPACE = b" \t\r\n"
_WS = rb"[ \t\r\n]*+"
# What JSON knows of scalars (and the three words for floats that its readers take), but no text with an escape, with a
# sign of the frame or with a byte order mark at its front: none of these is in a number or a time.
_CELL = (
    rb"(?:-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+"
    rb'|"(?!\xef\xbb\xbf)[^"\\,\[\]{}\x00-\x1f]*+"|true|false|null|NaN|-?Infinity)'
)
_BEGIN = re.compile(rb"(?:\xef\xbb\xbf)?" + _WS + rb"\[")
_EMPTY = re.compile(_WS + rb"\]")
_CELLS = _CELL + rb"(?:" + _WS + rb"," + _WS + _CELL + rb")*+"
# One row and what follows it: the comma before the next one, or the end.
_ROW = re.compile(_WS + rb"\[" + _WS + rb"((?:" + _CELLS + rb")?+)" + _WS + rb"\]" + _WS + rb"([,\]])")
_BETWEEN = re.compile(_WS + rb"," + _WS)


def lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the rows of one JSON array of arrays as LF-ended lines. Raises Broken where it is none, or not whole.

    A row with the white space around it may be as long as a line of text; nothing longer is held.
    """
    rest, begun, ended, rows = b"", False, False, 0
    for chunk in chunks:
        rest += chunk
        if not begun and (match := _BEGIN.match(rest)) is not None:
            begun, rest = True, rest[match.end() :]
        at, found = 0, []
        while begun and not ended and (match := _ROW.match(rest, at)) is not None:
            if match.end() - at > LINE_BYTES_MAX:
                break
            found.append(_line(match[1]))
            at, ended = match.end(), match[2] == b"]"
        rows += len(found)
        rest = rest[at:]
        if found:
            yield b"".join(found)
        if begun and not rows and (match := _EMPTY.match(rest)) is not None:
            ended, rest = True, rest[match.end() :]
        if ended:
            rest = rest.strip(_SPACE)
            if rest:
                raise Broken(f"something stands behind the end of the JSON array, after row {rows:,}")
        elif len(rest) > LINE_BYTES_MAX:
            break
    if not ended:
        says = "is not whole, or not one of arrays of numbers and texts, or a row is too long"
        raise Broken(f"the JSON array {says}, after row {rows:,}")


def _line(cells: bytes) -> bytes:
    """Return the cells of one row as a line."""
    if b'"' in cells:
        cells = b",".join([_bare(cell.strip(_SPACE)) for cell in cells.split(b",")])
    elif not cells:
        cells = b" "  # a row without cells is no blank line
    else:
        cells = _BETWEEN.sub(b",", cells)
    return cells + b"\n"


def _bare(cell: bytes) -> bytes:
    return cell[1:-1] if cell.startswith(b'"') else cell
