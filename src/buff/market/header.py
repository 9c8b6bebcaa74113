"""The first lines of a file: which column is which, or why that cannot be said.

The bytes before a line end and a profile go in; a `Layout` comes out, or a Halt: without one nothing below can be
judged. A file without header has the layout that its profile declares by position.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from attrs import field, frozen

from buff.market.profiles import CSV, JSON, ROLES, TABLE, Profile
from buff.market.rules import Halt, Offence

BOM = b"\xef\xbb\xbf"
_UNPACK = "unpack it first, and give the file that was in it"
_EXPORT = "save its sheet as CSV in UTF-8"
_AGAIN = "look at the file in an editor: what was asked for was not sent; download the data again"
# First bytes of things that are often named .csv, what they are, and what to do (None: what the rule says).
_MAGIC = (
    (b"PK\x03\x04", "a zip archive (or a spreadsheet)", None),
    (b"\x1f\x8b", "a gzip file", None),
    (b"PAR1", "a Parquet file", None),
    (b"ARROW1", "a Feather file", None),
    (b"\xff\xfe", "UTF-16 text", None),
    (b"\xfe\xff", "UTF-16 text", None),
    (b"\x28\xb5\x2f\xfd", "packed by Zstandard (.zst)", f"{_UNPACK}: zstd -d FILE"),
    (b"\xfd7zXZ\x00", "packed by xz", f"{_UNPACK}: unxz FILE"),
    *((b"BZh%d1AY&SY" % level, "packed by bzip2", f"{_UNPACK}: bunzip2 FILE") for level in range(1, 10)),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\x04\x22\x4d\x18", "packed by LZ4", f"{_UNPACK}: unlz4 FILE"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook", _EXPORT),
)
_TAR, _TAR_AT = b"ustar", 257
# Beginnings, in lower case, of texts that are saved as .csv and hold no candles.
_PAGES = ((b"<!doctype html", "an HTML page"), (b"<html", "an HTML page"), (b"<?xml", "XML"), (b"%pdf-", "a PDF"))
_OBJECT = re.compile(rb"\{|\[\s*\{")
# A byte above 127 alone among those of ASCII: no sequence of UTF-8, and none of the encodings of East Asia.
_LONE = re.compile(rb"(?<![\x80-\xff])[\x80-\xff](?![\x80-\xff])")
# What to do about a header whose first cell is empty.
UNNAMED = "pandas writes row numbers so; write the file with to_csv(..., index=False)"
_NO_HEADER = (
    "choose the profile of the file's vendor, or one of your own that says which column is where: `buff data inspect "
    "FILE` suggests it"
)
_TWO_TIMES = (
    "say which with --columns ts=NAME; where one is the day and the other the time of day, a profile of your own reads "
    "both, which `buff data inspect FILE` drafts"
)
CONVERT = "save the file as UTF-8, for example by: iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW"
NO_HINTS: Mapping[str, str] = MappingProxyType({})
_OTHER_PROFILE = "`buff data inspect FILE` says which profile the file looks like"
TABLES = (b"PAR1", b"ARROW1")
_DATA = re.compile(r"[+-]?[\d.:\-/TZ eE]+", re.ASCII)


@frozen(kw_only=True)
class Layout:
    """Where each column stands in the rows of one file.

    names: the header as written, or the profile's positions. places: role (`buff.market.profiles.ROLES`) -> index.
    extras: names of ignored columns. order: the roles in the order in which a row has them.
    """

    names: tuple[str, ...]
    places: Mapping[str, int]
    extras: tuple[str, ...]
    order: tuple[str, ...] = field(init=False)

    @order.default
    def _ordered(self) -> tuple[str, ...]:
        """The roles in the order in which the file has them."""
        return tuple(sorted(self.places, key=self.places.__getitem__))

    @property
    def width(self) -> int:
        """The number of cells in every row."""
        return len(self.names)

    def name(self, role: str) -> str:
        """Return what the file calls a column."""
        return self.names[self.places[role]]

    def time(self, row: list[str]) -> str:
        """Return the text of a row's time: one cell, or date and time of day with a space between."""
        day = row[self.places["ts"]]
        return f"{day} {row[self.places['time']]}" if "time" in self.places else day


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


def layout(line: bytes, profile: Profile, file: str, number: int = 1) -> Layout:
    """Return the layout that a header line declares. number: of the line. Raises Halt when it declares none."""
    text = first_text(line, file, number)
    names = cells(text, profile.delimiter)
    if names is None:
        raise halt(file, number, "HEADER", "the quotes of the header are not closed", text)
    names = [name.strip() for name in names]
    delimited(names, text, profile, file, number)
    if all(looks_like_data(name) for name in names):
        says = "the file has no header: its first line looks like data"
        raise halt(file, number, "HEADER", says, text, hint={"HEADER": _NO_HEADER})
    return named(names, profile, file, number)


def named(names: Sequence[str], profile: Profile, file: str, number: int = 1) -> Layout:
    """Return the layout of columns with these names. Raises Halt when one is missing, repeated or empty."""
    text, folded = ",".join(names), [name.casefold() for name in names]
    for index, name in enumerate(folded):
        if not name:
            hint = NO_HINTS if index else {"HEADER": f"{UNNAMED}, or give the column a name (index_label)"}
            raise halt(file, number, "HEADER", f"column {index + 1} of the header has no name", text, hint=hint)
        if folded.index(name) != index:
            says = f"the header has {names[index]!r} more than once"
            raise halt(file, number, "HEADER", says, names[index], column=names[index], hint=profile.hints)
    places = {}
    for role, known in profile.columns.items():
        if role == "volume" and not profile.volume:
            continue
        found = _place(role, known, names, folded, profile, file, number)
        if found is not None:
            places[role] = found
    return _layout(tuple(names), places)


def absent(names: Sequence[str], profile: Profile) -> tuple[str, ...]:
    """Return the roles of a profile for which none of these header names is known."""
    found, folded = [], [name.casefold() for name in names]
    for role, known in profile.columns.items():
        try:
            if role != "volume" or profile.volume:
                _place(role, known, names, folded, profile, "", 1)
        except Halt as refused:
            if refused.offence.rule == "COLUMNS":
                found.append(role)
    return tuple(found)


def placed(row: Sequence[str], profile: Profile, file: str, number: int = 1) -> Layout:
    """Return the layout that a profile declares for files without header. row: the first one. Raises Halt."""
    positions = profile.positions
    if not profile.volume and len(row) == len(positions) - 1:
        positions = tuple(name for name in positions if name != "volume")
    if len(row) != len(positions):
        says = f"the first row has {len(row)} cells; profile {profile.name} has {len(profile.positions)}"
        raise halt(file, number, "COLUMNS", says, ",".join(row), hint={"COLUMNS": _OTHER_PROFILE})
    wanted = [role for role in ROLES if role != "volume" or profile.volume]
    places = {role: positions.index(role) for role in wanted if role in positions}
    return _layout(positions, places)


def _layout(names: tuple[str, ...], places: Mapping[str, int]) -> Layout:
    extras = tuple(name for index, name in enumerate(names) if index not in places.values())
    return Layout(names=names, places=places, extras=extras)


def looks_like_data(cell: str) -> bool:
    """Say whether a cell is digits and the signs of times and numbers, so that it names no column."""
    return _DATA.fullmatch(cell.strip()) is not None


def content(first: bytes, profile: Profile, file: str) -> str:
    """Return which of the profile's formats a file is, by its first bytes. Raises Halt when it is another one."""
    table = first.startswith(TABLES)
    array = not table and first.removeprefix(BOM).lstrip(b" \t\r\n")[:1] == b"["
    found = TABLE if table else JSON if array else CSV
    what = None if table else foreign(first)
    if what is not None:
        raise _foreign(what, file)
    if found in profile.formats:
        return found
    if found == CSV and not first.removeprefix(BOM).strip():
        raise halt(file, 1, "EMPTY", "the file is empty", "")
    if found == CSV:
        first_text(first.partition(b"\n")[0], file, 1)  # names what else it may be
    is_a = {TABLE: "a Parquet or Feather file", JSON: "JSON", CSV: "CSV text"}
    reads = " or ".join(is_a[each] for each in profile.formats)
    says = f"the file is {is_a[found]}; profile {profile.name} reads {reads}"
    raise halt(file, 1, "ENCODING", says, "", hint={"ENCODING": _OTHER_PROFILE})


def foreign(first: bytes) -> tuple[str, str | None] | None:
    """Return what a file is by its first bytes that holds no candles whatever the profile, and what to do; or None.

    What to do is None where the hint of ENCODING says it.
    """
    for magic, what, hint in _MAGIC:
        if first.startswith(magic):
            return what, hint
    if first[_TAR_AT:].startswith(_TAR):
        return "a tar archive", f"{_UNPACK}: tar -xf FILE"
    text = first.removeprefix(BOM).lstrip()
    for begins, what in _PAGES:
        if text[:16].lower().startswith(begins):
            return f"{what}: a download that failed, or a page saved instead of the data", _AGAIN
    if _OBJECT.match(text):
        return (
            "JSON of another shape than an array of arrays: an answer of an API, or an error of one",
            "write what it holds as an array of arrays, [[time, open, high, low, close, volume], ...], or ask the API "
            "again if it is an error",
        )
    return None


def _foreign(found: tuple[str, str | None], file: str) -> Halt:
    what, hint = found
    return halt(file, 1, "ENCODING", f"the file is {what}", "", hint=NO_HINTS if hint is None else {"ENCODING": hint})


def encoding(text: bytes) -> str | None:
    """Return the encoding that bytes seem to be of which are not UTF-8, or None where nothing can be said."""
    return "Windows-1252 (or Latin-1)" if _LONE.search(text) else None


def first_text(line: bytes, file: str, number: int) -> str:
    """Return one of the first lines as text. Raises Halt where the file is none."""
    found = foreign(line) if number == 1 else None
    if found is not None:
        raise _foreign(found, file)
    line = line.removesuffix(b"\r")
    if b"\0" in line:
        raise halt(file, number, "ENCODING", "the first line has NUL bytes: the file is binary or UTF-16", "")
    if b"\r" in line:
        raise halt(file, number, "ENCODING", "a carriage return without a line feed stands in the first line", "")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        seems = encoding(line)
        says = f"the first line is not UTF-8 (byte {error.start + 1})" + (f": it seems to be {seems}" if seems else "")
        hint = {"ENCODING": CONVERT} if seems else NO_HINTS
        raise halt(file, number, "ENCODING", says, "", hint=hint) from error


def delimited(names: Sequence[str], text: str, profile: Profile, file: str, number: int) -> None:
    """Refuse a first line whose cells are separated by something else than the profile says."""
    if len(names) > 1:
        return
    for other, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars"), (",", "commas")):
        if other != profile.delimiter and other in text:
            raise halt(file, number, "DELIMITER", f"the cells of the first line are separated by {called}", text)


def _place(
    role: str,
    known: tuple[str, ...],
    names: Sequence[str],
    folded: Sequence[str],
    profile: Profile,
    file: str,
    number: int,
) -> int | None:
    """Return the index of a role's column, or None where it may be missing (`time`: the date says it all)."""
    wanted = tuple(name for name in known if not name.startswith("!"))
    never = _begun([name[1:] for name in known if name.startswith("!")])
    candidates = [(index, name) for index, name in enumerate(folded) if not never(name)]
    found = [index for index, name in candidates if name in wanted]
    found = found or [index for index, name in candidates if _begun(wanted)(name)]
    if len(found) > 1:
        both = " and ".join(repr(names[index]) for index in found)
        says = f"the header has more than one {'time' if role == 'ts' else wanted[0]} column: {both}"
        hint = {"HEADER": _TWO_TIMES} if role == "ts" else profile.hints
        raise halt(file, number, "HEADER", says, names[found[1]], hint=hint)
    if found:
        return found[0]
    if role == "time":
        return None
    called = f"time column ({', '.join(wanted)})" if role == "ts" and len(wanted) > 1 else f"{role} column"
    if role != "ts" and wanted != (role,):
        called += f" ({', '.join(wanted)})"
    raise halt(file, number, "COLUMNS", f"the header has no {called}", ",".join(names), hint=profile.hints)


def _begun(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return a test for names that are one of these, or begin with one that ends in `*`."""
    begins = tuple(pattern[:-1] for pattern in patterns if pattern.endswith("*"))
    return lambda name: name in patterns or name.startswith(begins)


def halt(
    file: str,
    line: int,
    rule: str,
    says: str,
    text: str,
    *,
    column: str | None = None,
    hint: Mapping[str, str] = NO_HINTS,
) -> Halt:
    """Return the offence that ends a reading. hint: rule -> what to do, where the rule's own says too little."""
    return Halt(Offence(file=file, line=line, column=column, text=text, rule=rule, says=says, hint=hint.get(rule)))
