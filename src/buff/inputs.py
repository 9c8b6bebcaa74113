"""Inputs: the paths a user named become sources of bytes, unpacked where they are archives.

Paths go in; `Source` values come out, or DATA_SOURCE_NOT_FOUND. A path is a file, `-` for standard input, or
`ARCHIVE::MEMBER` for one file of a zip archive that holds several; a file that Buff keeps has the name its user gave it
(`Kept`). Nothing is judged here, and nothing is written but a temporary copy of standard input, which can be read only
once.
"""

import errno
import hashlib
import os
import re
import stat
import struct
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import IO, TypeAlias

from attrs import define, evolve, field, frozen

from buff.errors import DataSourceNotFound
from buff.files import read_chunks
from buff.market.source import Broken, Source, Stored

STANDARD_INPUT = "-"
CHUNK_BYTES = 1 << 20
_SLICE_BYTES = 1 << 14
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_TEXTS = (".csv", ".txt", ".json")
_ENCRYPTED = 1
# What zipfile raises over bytes that are no sound archive: places before its beginning and names that are no UTF-8
# (ValueError), places beyond any file (OverflowError), headers cut short (struct.error).
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, ValueError, OverflowError,
)  # fmt: skip
# The other methods give as much at once as a member holds, which may be anything.
_BOUNDED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What a Mac puts into an archive besides the files.
_BESIDES = re.compile(r"(^|/)(__MACOSX/|\._[^/]*$|\.DS_Store$)")
# Members by which an archive is a spreadsheet and no archive of files.
_WORKBOOKS = {"xl/workbook.xml": "an Excel workbook", "content.xml": "an OpenDocument spreadsheet"}


@frozen(kw_only=True)
class Kept:
    """A file that Buff keeps for its user under a name of its own.

    path: where it lies, which is shown to nobody. name: what its user calls it. typed: what names it in a request.
    member: its name in an archive, or "". sha256: of the bytes it must have.
    """

    path: str
    name: str
    typed: str
    member: str = ""
    sha256: str


Named: TypeAlias = str | Kept


def opened(paths: Sequence[Named]) -> tuple[Source, ...]:
    """Return the files of some paths, to be read in that order. Raises DataSourceNotFound."""
    return tuple(_kept(path) if isinstance(path, Kept) else _opened(path) for path in paths)


def called(path: Named) -> str:
    """Return what a file is called, without its directory."""
    return path.name if isinstance(path, Kept) else text(os.path.basename(path))


def sha256s(paths: Sequence[str]) -> tuple[str | None, ...]:
    """Return the SHA-256 of each file as it is kept; None for one that cannot be unpacked.

    Raises DataSourceNotFound.
    """
    return tuple(_sha256(file) for file in opened(paths))


def _sha256(file: Source) -> str | None:
    try:
        for _ in file.chunks():
            pass
    except Broken:
        return None
    return None if file.stored is None else file.stored().sha256


def text(name: str) -> str:
    """Return a file name as text that JSON can carry: bytes that are no UTF-8 become question marks."""
    return name.encode("utf-8", "replace").decode()


def _opened(path: str) -> Source:
    if path == STANDARD_INPUT:
        return _streamed("standard input", None, _standard_input().chunks, size=None)
    place, _, member = path.partition("::") if not os.path.lexists(path) else (path, "", "")
    return _found(place, text(os.path.basename(place)), text(path), member)


def _kept(file: Kept) -> Source:
    found = _found(file.path, file.name, file.typed, file.member)
    return evolve(found, path=None, sha256=file.sha256)


def _found(place: str, name: str, shown: str, member: str) -> Source:
    try:
        facts = os.stat(place)
    except (OSError, ValueError):  # the latter for a name with a NUL byte
        raise _absent(name, f"{shown} is not there", "check the path") from None
    mode = facts.st_mode
    if not stat.S_ISREG(mode):  # opening a pipe that nobody writes to would wait for ever
        says = "is a directory" if stat.S_ISDIR(mode) else "is not a file"
        raise _absent(name, f"{shown} {says}", "check the path")
    if not os.access(place, os.R_OK):
        raise _absent(name, f"{shown} cannot be read", "check its permissions")
    if _begins(place, _ZIP):
        return evolve(_zipped(place, name, shown, member), changed=partial(_changed, place, facts))
    if member:
        says = f"{shown.partition('::')[0]} is no zip archive, so it has no member {member}"
        raise _absent(name, says, "check the path")
    source = _streamed(name, shown, partial(read_chunks, place), size=facts.st_size)
    return evolve(source, changed=partial(_changed, place, facts))


def _changed(path: str, then: os.stat_result) -> bool:
    try:
        now = os.stat(path)
    except OSError:
        return True
    return (now.st_size, now.st_mtime_ns, now.st_ino) != (then.st_size, then.st_mtime_ns, then.st_ino)


def _absent(name: str, says: str, hint: str) -> DataSourceNotFound:
    return DataSourceNotFound(says, hint=hint, details={"name": name})


def _begins(path: str, magic: bytes) -> bool:
    with open(path, "rb") as file:
        return file.read(len(magic)) == magic


@define
class _Ending:
    """The last byte of what went by."""

    last: bytes = b""

    def watch(self, chunks: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
        """Yield the same pieces."""
        for piece in chunks():
            self.last = piece[-1:] or self.last
            yield piece

    def is_line_end(self) -> bool:
        return self.last == b"\n"


# Plain files, and gzip


@define
class _Seen:
    """What went by of the bytes as they are kept."""

    archive: str | None = None
    digest: "hashlib._Hash" = field(factory=hashlib.sha256)
    size: int = 0

    def watch(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the same pieces, and count them from the beginning."""
        self.digest, self.size = hashlib.sha256(), 0
        for chunk in chunks:
            self.digest.update(chunk)
            self.size += len(chunk)
            yield chunk

    def stored(self) -> Stored:
        return Stored(size=self.size, sha256=self.digest.hexdigest(), archive=self.archive)


def _streamed(name: str, path: str | None, chunks: Callable[[], Iterator[bytes]], *, size: int | None) -> Source:
    """Return a source that is read from its beginning to its end, through gzip where it begins so."""
    seen = _Seen()

    def content() -> Iterator[bytes]:
        raw = seen.watch(chunks())
        first = next(raw, b"")
        if first.startswith(_ZIP):
            raise Broken("a zip archive cannot be read from a stream: give the file itself")
        seen.archive = "gzip" if first.startswith(_GZIP) else None
        yield from _gunzipped(first, raw) if seen.archive else _with(first, raw)

    ending = _Ending()
    return Source(
        name=name,
        path=path,
        chunks=partial(ending.watch, content),
        stored=seen.stored,
        size=size,
        ends_line=ending.is_line_end,
    )


def _with(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _slices(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in small pieces: behind each of many tiny members the rest of a piece is copied."""
    for chunk in chunks:
        for at in range(0, len(chunk), _SLICE_BYTES):
            yield chunk[at : at + _SLICE_BYTES]


def _gunzipped(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the content of one gzip file of any number of members, in bounded pieces. Raises Broken."""
    unpack = zlib.decompressobj(wbits=31)
    for held in _slices(_with(first, rest)):
        while held:
            if unpack.eof:  # another member follows
                unpack = zlib.decompressobj(wbits=31)
            try:
                piece = unpack.decompress(held, CHUNK_BYTES)
            except zlib.error as error:
                raise Broken(f"the gzip file is damaged: {error}") from error
            if piece:
                yield piece
            held = unpack.unused_data if unpack.eof else unpack.unconsumed_tail
    if not unpack.eof:
        raise Broken("the gzip file is cut short: download it again")


# Zip archives


def _zipped(path: str, name: str, shown: str, member: str) -> Source:
    try:
        with zipfile.ZipFile(path) as archive:
            workbook = next((what for each, what in _WORKBOOKS.items() if each in archive.namelist()), None)
            if workbook is not None:
                says = f"the file is {workbook}, not CSV text: save its sheet as CSV"
                return Source(name=name, path=shown, chunks=partial(_raise, says))
            chosen = _member(archive, name, shown, member)
    except _DAMAGED as error:
        return Source(name=name, path=shown, chunks=partial(_raise, f"the zip archive is damaged: {error}"))

    def stored() -> Stored:
        seen = _Seen(archive="zip")
        for _ in seen.watch(read_chunks(path)):
            pass
        return seen.stored()

    ending = _Ending()
    return Source(
        name=name,
        path=shown,
        chunks=partial(ending.watch, partial(_unzipped, path, chosen)),
        stored=stored,
        member=text(chosen.filename),
        size=chosen.file_size,
        ends_line=ending.is_line_end,
    )


def _raise(says: str) -> Iterator[bytes]:
    raise Broken(says)
    yield b""


def _member(archive: zipfile.ZipFile, name: str, shown: str, member: str) -> zipfile.ZipInfo:
    """Return the file that is meant: the one named, the only one, or the only one that is a text by its name."""
    files = [each for each in archive.infolist() if not each.filename.endswith("/")]  # is_dir fails on an empty name
    if member:
        found = [each for each in files if each.filename == member]
    else:
        files = [each for each in files if not _BESIDES.search(each.filename)]
        texts = [each for each in files if each.filename.lower().endswith(_TEXTS)]
        tables = [each for each in texts if not each.filename.lower().endswith(".txt")]
        found = next((some for some in (files, texts, tables) if len(some) == 1), [])
    if found:
        return found[0]
    names = ", ".join(text(each.filename) for each in files[:5]) + (", ..." if len(files) > 5 else "")
    says = f"{shown} holds no {member}" if member else f"{shown} holds {len(files)} files, of which one must be named"
    hint = f"write {shown.partition('::')[0]}::MEMBER; it holds {names}" if files else "the archive is empty"
    raise _absent(name, says, hint)


def _unzipped(path: str, member: zipfile.ZipInfo) -> Iterator[bytes]:
    if member.flag_bits & _ENCRYPTED:
        raise Broken("the zip archive is encrypted: unpack it first")
    if member.compress_type not in _BOUNDED:
        raise Broken("the zip archive is packed by an unusual method: unpack it first")
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except _DAMAGED as error:
        raise Broken(f"the zip archive is damaged: {error}") from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # no place in any file; all else is trouble with the disk
            raise
        raise Broken("the zip archive is damaged: a place in it lies before its beginning") from error


# Standard input


@define
class _Spool:
    """A stream that can be read once, kept in a temporary file as it is read, so that it can be read again."""

    stream: IO[bytes]
    copy: IO[bytes] = field(factory=tempfile.TemporaryFile)

    def chunks(self) -> Iterator[bytes]:
        """Yield all bytes from the beginning: those that were read before, then what the stream still has."""
        self.copy.seek(0)
        while chunk := self.copy.read(CHUNK_BYTES):
            yield chunk
        while chunk := self.stream.read(CHUNK_BYTES):
            self.copy.write(chunk)
            yield chunk


@cache
def _standard_input() -> _Spool:
    if sys.stdin is None:  # closed by whoever started this process
        raise _absent("standard input", "standard input is closed", "give a file, or a pipe to read from")
    return _Spool(sys.stdin.buffer)
