"""What stands above the rows of a text file: a byte order mark, a banner, a header, more header lines.

The first blocks of a file go in, with the `Reading` that begins there; what follows the heading comes out, and the
reading knows its layout. A file that has no heading loses nothing but a byte order mark.
"""

from buff.market.forms import read
from buff.market.header import BOM, Layout, cells, delimited, first_text, halt, layout, looks_like_data, placed
from buff.market.judge import LINE_BYTES_MAX
from buff.market.profiles import NONE, REQUIRED
from buff.market.reading import NO_LAYOUT, Reading
from buff.market.timestamps import Stamp


def head(block: bytes, reading: Reading) -> bytes:
    """Return the block behind what of the heading stands in it. Raises Halt where rows could not be read by it."""
    if reading.line == 0:
        block = block.removeprefix(BOM)
    while reading.heading and block:
        line, _, rest = block.partition(b"\n")
        if not _take(line, reading):
            break
        block = rest
        reading.line += 1
    return block


def _take(line: bytes, reading: Reading) -> bool:
    """Learn what a line says of the file; return whether it is heading and no row."""
    number, profile = reading.line + 1, reading.options.declaration
    if len(line) > LINE_BYTES_MAX:
        says = f"the first line is longer than {LINE_BYTES_MAX:,} bytes"
        raise halt(reading.file, number, "SIZE", says, "")
    if reading.layout is not NO_LAYOUT:
        reading.heading = _first_cell(line, profile.delimiter) in profile.subheaders
        return reading.heading
    if not line.strip():  # an offence where something follows, and nothing else where the file is empty
        reading.blanks += 1
        return True
    if reading.blanks:
        says = f"line {number - reading.blanks} is blank, and the file begins below it"
        raise halt(reading.file, number - reading.blanks, "HEADER", says, "")
    if number == 1 and profile.banner is not None and line.lower().startswith(profile.banner.lower().encode()):
        reading.banners = 1
        return True
    if profile.header != REQUIRED:
        found = _without_header(line, reading, number)
        if found is not None:
            reading.layout, reading.heading = found, False
            return False
    reading.layout = layout(line, profile, reading.file, number)
    reading.heading = bool(profile.subheaders)
    return True


def _first_cell(line: bytes, delimiter: str) -> str:
    return line.partition(delimiter.encode())[0].decode("utf-8", "replace").strip().casefold()


def _without_header(line: bytes, reading: Reading, number: int) -> Layout | None:
    """Return the layout by position where the line is a row, or may be meant as one; None: it is a header."""
    profile = reading.options.declaration
    text = first_text(line, reading.file, number)
    row = cells(text, profile.delimiter) or [text]
    if profile.header == NONE:
        delimited(row, text, profile, reading.file, number)
        if not any(looks_like_data(cell) for cell in row):
            says = f"the first line names columns; profile {profile.name} has no header"
            raise halt(reading.file, number, "HEADER", says, text, hint=_OTHER)
        return placed(row, profile, reading.file, number)
    if len(row) != len(profile.positions) and not all(looks_like_data(cell) for cell in row):
        return None
    found = placed(row, profile, reading.file, number)
    is_row = isinstance(read(found.time(row), profile.times, reading.day_ns), Stamp)
    return found if is_row or all(looks_like_data(cell) for cell in row) else None


_OTHER = {"HEADER": "take out the header, or see with `buff data inspect FILE` which profile the file looks like"}
