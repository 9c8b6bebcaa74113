"""The first line of a file: which column is which, or why that cannot be said.

The bytes before the first line end and a profile go in; a `Layout` comes out, or a Halt: without a header nothing
below it can be judged.
"""

import re
from collections.abc import Mapping

from attrs import field, frozen

from buff.market.profiles import Profile
from buff.market.rules import Halt, Offence

BOM = b"\xef\xbb\xbf"
# First bytes of things that are often named .csv, and what they are.
MAGIC = (
    (b"PK\x03\x04", "a zip archive (or a spreadsheet)"),
    (b"\x1f\x8b", "a gzip file"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "a Feather file"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)
_DATA = re.compile(r"[+-]?[\d.:\-/TZ eE]+", re.ASCII)


@frozen(kw_only=True)
class Layout:
    """Where each canonical column stands in the rows of one file.

    names: the header as written, one per column. places: canonical name -> index. extras: names of ignored columns.
    order: the canonical names as they stand in a row.
    """

    names: tuple[str, ...]
    places: Mapping[str, int]
    extras: tuple[str, ...]
    order: tuple[str, ...] = field(init=False)

    @order.default
    def _ordered(self) -> tuple[str, ...]:
        """The canonical names in the order in which the file has them."""
        return tuple(sorted(self.places, key=self.places.__getitem__))

    @property
    def width(self) -> int:
        """The number of cells in every row."""
        return len(self.names)

    def name(self, canonical: str) -> str:
        """Return what the file calls a column."""
        return self.names[self.places[canonical]]


def cells(line: str, delimiter: str) -> list[str] | None:
    """Return the cells of one line without their quotes, or None when the quoting is not regular (RFC 4180)."""
    if '"' not in line:
        return line.split(delimiter)
    found, at = [], 0
    plain = re.compile(rf'"((?:[^"]|"")*)"|([^"{re.escape(delimiter)}]*)')
    while True:
        match = plain.match(line, at)
        assert match is not None, "the second branch matches everywhere"
        found.append(match[2] if match[1] is None else match[1].replace('""', '"'))
        at = match.end()
        if at == len(line):
            return found
        if line[at] != delimiter:
            return None
        at += 1


def layout(line: bytes, profile: Profile, file: str) -> Layout:
    """Return the layout that a header line declares. Raises Halt when it declares none."""
    text = _text(line, file)
    names = cells(text, profile.delimiter)
    if names is None:
        raise _halt(file, "HEADER", "the quotes of the header are not closed", text)
    names = [name.strip() for name in names]
    _delimited(names, text, profile, file)
    if all(_DATA.fullmatch(name) for name in names):
        raise _halt(file, "HEADER", "the file has no header: its first line looks like data", text)
    folded = [name.casefold() for name in names]
    for index, name in enumerate(folded):
        if not name:
            raise _halt(file, "HEADER", f"column {index + 1} of the header has no name", text)
        if folded.index(name) != index:
            raise _halt(file, "HEADER", f"the header has {names[index]!r} more than once", names[index], names[index])
    places = {canonical: _place(canonical, known, names, folded, file) for canonical, known in profile.columns.items()}
    extras = tuple(name for index, name in enumerate(names) if index not in places.values())
    return Layout(names=tuple(names), places=places, extras=extras)


def _text(line: bytes, file: str) -> str:
    for magic, what in MAGIC:
        if line.startswith(magic):
            raise _halt(file, "ENCODING", f"the file is {what}, not CSV text", "")
    line = line.removesuffix(b"\r")
    if b"\0" in line:
        raise _halt(file, "ENCODING", "the first line has NUL bytes: the file is binary or UTF-16", "")
    if b"\r" in line:
        raise _halt(file, "ENCODING", "a carriage return without a line feed stands in the first line", "")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _halt(file, "ENCODING", f"the first line is not UTF-8 (byte {error.start + 1})", "") from error


def _delimited(names: list[str], text: str, profile: Profile, file: str) -> None:
    if len(names) > 1:
        return
    for other, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars"), (",", "commas")):
        if other != profile.delimiter and other in text:
            raise _halt(file, "DELIMITER", f"the cells of the first line are separated by {called}", text)


def _place(canonical: str, known: tuple[str, ...], names: list[str], folded: list[str], file: str) -> int:
    found = [index for index, name in enumerate(folded) if name in known]
    if len(found) > 1:
        both = " and ".join(repr(names[index]) for index in found)
        raise _halt(file, "HEADER", f"the header has more than one {known[0]} column: {both}", names[found[1]])
    if not found:
        called = f"{canonical} column" if len(known) == 1 else f"time column ({', '.join(known)})"
        raise _halt(file, "COLUMNS", f"the header has no {called}", ",".join(names))
    return found[0]


def _halt(file: str, rule: str, says: str, text: str, column: str | None = None) -> Halt:
    return Halt(Offence(file=file, line=1, column=column, text=text, rule=rule, says=says))
