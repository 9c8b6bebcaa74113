"""The second form of an artifact: the same bytes, compressed, read from any place on as fast as from the first.

Chunks of an artifact go in; chunks of a gzip file come out, which `zcat` turns back. Reading goes the other way: of a
path an open file comes out that gives the plain bytes, wherever and in whatever form they lie. A compressed file that
is not whole is an OSError, like a disk that cannot be read, and never other bytes. Nothing here writes to a disk or
decides what is compressed (`buff.cold` does), and a hash that was committed is always one of the plain bytes.

The format, for who has only this file: RFC 1952, one member for every `frame` plain bytes (the last may be shorter),
then a member without content, whose header carries one extra field, `BF`. It holds the length of every member before it
(uint32), then the plain size (uint64), the frame (uint32), how many members there are (uint32), and the CRC-32 of all
of the field before itself (uint32); every number is little-endian.
"""

import errno
import io
import os
import stat
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final, cast

import numpy as np
from numpy.typing import NDArray

SUFFIX: Final = ".gz"
COMPRESSIBLE: Final = frozenset({"decision_records.jsonl"})
FRAME_BYTES: Final = 1 << 17  # a page of a hundred records lies in one or two; larger ones compress little better
FRAME_BYTES_MAX: Final = 1 << 26  # a reader never holds more
FRAMES_MAX: Final = 16_000  # their lengths fit one extra field, which is at most 65,535 bytes
LEVEL: Final = 6  # 9 takes three times as long for a tenth less

# Fixed: no name, no time, no system, so that the same bytes and the same zlib make the same file.
_HEADER: Final = b"\x1f\x8b\x08\x04" + bytes(4) + b"\x00\xff"
_NOTHING: Final = b"\x03\x00" + bytes(8)  # an empty deflate stream, its CRC-32 and its size
_FIELD: Final = b"BF"
_SUM: Final = struct.Struct("<QIII")
_BEFORE: Final = len(_HEADER) + 2 + len(_FIELD) + 2  # what the last member has before its lengths
_AFTER: Final = _SUM.size + len(_NOTHING)
_NOT_REGULAR: Final = "not a regular file"
_FLAGS: Final = (
    getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # opening a pipe would wait for ever
    | getattr(os, "O_BINARY", 0)  # Windows would translate line ends
)


class NotRegular(OSError):
    """What has an artifact's name is a link, a directory, a pipe or the like."""


def compressed(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield the gzip file of `size` plain bytes that come in chunks of any length, in bounded memory."""
    frame = frame_bytes(size)
    lengths: list[int] = []
    for part in _framed(chunks, frame):
        stream = zlib.compressobj(LEVEL, wbits=31)
        member = stream.compress(part) + stream.flush()
        lengths.append(len(member))
        yield member
    yield _table(lengths, size, frame)


def frame_bytes(size: int) -> int:
    """Return how many plain bytes a member holds, so that there are not too many of them."""
    frame = FRAME_BYTES
    while size > frame * FRAMES_MAX:
        frame *= 2
    return frame


def _framed(chunks: Iterable[bytes], frame: int) -> Iterator[bytes]:
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= frame:
            yield bytes(held[:frame])
            del held[:frame]
    if held:
        yield bytes(held)


def _table(lengths: list[int], size: int, frame: int) -> bytes:
    """Return the last member: nothing to decompress, and where every other one begins."""
    said = np.array(lengths, "<u4").tobytes() + _SUM.pack(size, frame, len(lengths), 0)[:-4]
    field = said + struct.pack("<I", zlib.crc32(said))
    return _opening(len(field)) + field + _NOTHING


def _opening(size: int) -> bytes:
    """Return how the last member begins: its header, up to a field of so many bytes."""
    return _HEADER + struct.pack("<H", size + 4) + _FIELD + struct.pack("<H", size)


class Compressed(io.RawIOBase):
    """The plain bytes of a compressed file, from any place on: what lies before it is not read.

    Raises OSError (EIO) when the file is not whole: at once for its table, at the member that is read for its bytes.
    """

    def __init__(self, path: str) -> None:
        """Open the file and read its table, four bytes for every member."""
        super().__init__()
        self._handle = -1
        self._handle = _descriptor(path)
        try:
            self.size, self._frame, self._starts = self._read_table()
        except BaseException:
            self.close()
            raise
        self._place, self._known, self._held = 0, -1, b""

    def _read_table(self) -> tuple[int, int, NDArray[np.int64]]:
        """Return the plain size, how many bytes a member holds, and where each begins; the last is the table."""
        stored = os.fstat(self._handle).st_size
        end = self._at(max(stored - _AFTER, 0), _AFTER)
        if len(end) != _AFTER or end[_SUM.size :] != _NOTHING:
            raise damaged("its end is missing")
        size, frame, count, check = _SUM.unpack(end[: _SUM.size])
        begin = stored - _AFTER - 4 * count - _BEFORE
        table = self._at(begin, _BEFORE + 4 * count) if begin >= 0 and count <= FRAMES_MAX else b""
        if zlib.crc32(table[_BEFORE:] + end[: _SUM.size - 4]) != check or not 0 < frame <= FRAME_BYTES_MAX:
            raise damaged("its table is another")
        if table[:_BEFORE] != _opening(4 * count + _SUM.size):
            raise damaged("its table is none")
        starts = np.zeros(count + 1, np.int64)
        np.cumsum(np.frombuffer(table, "<u4", offset=_BEFORE), out=starts[1:])
        if starts[-1] != begin or count != -(-size // frame):
            raise damaged("its table does not fit its size")
        return size, frame, starts

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that any place can be gone to."""
        return True

    def fileno(self) -> int:
        """Return the handle of the compressed file, which tells it from any other."""
        return self._handle

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place among the plain bytes; return it."""
        wanted = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self.size}[whence]
        if wanted < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._place = wanted
        return wanted

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        """Fill a buffer with the bytes from here on, at most up to the end of a member; return how many they are."""
        number, skipped = divmod(self._place, self._frame)
        if self._place >= self.size:
            return 0
        part = self._member(number)[skipped : skipped + len(buffer)]
        buffer[: len(part)] = part
        self._place += len(part)
        return len(part)

    def close(self) -> None:
        """Close the compressed file."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
        super().close()

    def _member(self, number: int) -> bytes:
        if number != self._known:
            begin, end = (int(each) for each in self._starts[number : number + 2])
            wanted = min(self._frame, self.size - number * self._frame)
            stream = zlib.decompressobj(wbits=31)
            try:
                part = stream.decompress(self._at(begin, end - begin), wanted + 1)
            except zlib.error as error:
                raise damaged(f"member {number} does not decompress") from error
            if len(part) != wanted or not stream.eof or stream.unused_data:
                raise damaged(f"member {number} is another")
            self._known, self._held = number, part
        return self._held

    def _at(self, offset: int, size: int) -> bytes:
        os.lseek(self._handle, offset, os.SEEK_SET)
        parts = []
        while size > 0 and (part := os.read(self._handle, size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def damaged(says: str) -> OSError:
    """Return the error of a compressed file that is not whole."""
    return OSError(errno.EIO, f"its compressed form is damaged: {says}")


def place(path: str) -> str:
    """Return where the bytes of an artifact lie: at its own path, or compressed beside it when only that is there."""
    other = path + SUFFIX
    return other if _may(path) and not os.path.lexists(path) and os.path.lexists(other) else path


def opened(path: str) -> BinaryIO:
    """Open an artifact for reading its plain bytes, in whatever form they lie. Raises OSError.

    A link is not followed. Where both forms are there, the plain one is read. Raises NotRegular, too.
    """
    # Another process may exchange one form for the other at this moment: one of them is always there.
    for each in (path, path + SUFFIX, path) if _may(path) else (path,):
        try:
            return opened_form(each)
        except FileNotFoundError as error:
            missing = error
    raise missing


def opened_form(path: str) -> BinaryIO:
    """Open one form of an artifact, compressed when its name says so, for reading its plain bytes. Raises OSError."""
    if path.endswith(SUFFIX) and _may(path.removesuffix(SUFFIX)):
        return cast(BinaryIO, io.BufferedReader(Compressed(path), FRAME_BYTES))
    return open(_descriptor(path), "rb")


def size_of(file: BinaryIO) -> int:
    """Return how many plain bytes an artifact has that `opened` opened."""
    raw = getattr(file, "raw", None)
    return raw.size if isinstance(raw, Compressed) else os.fstat(file.fileno()).st_size


def _may(path: str) -> bool:
    return os.path.basename(path) in COMPRESSIBLE


def _descriptor(path: str) -> int:
    """Open a regular file. Raises NotRegular for whatever else has the name: reading a pipe would wait for ever."""
    try:
        handle = os.open(path, os.O_RDONLY | _FLAGS)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotRegular(errno.ELOOP, _NOT_REGULAR) from error
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise NotRegular(errno.EINVAL, _NOT_REGULAR)
    return handle
