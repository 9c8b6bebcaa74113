"""Where bars come from: a named stream of bytes on the way in, a description of it on the way out.

Whoever opens the file (the builder, a test, an upload) gives a `Source`; nothing in this package opens one.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import frozen
from numpy.typing import NDArray

# Equal-length arrays by the names and dtypes of `buff.market.bars.DTYPES`: one block of accepted bars.
Columns = Mapping[str, NDArray[Any]]


class Broken(Exception):
    """The bytes of a source cannot be had: its archive is damaged, locked or cut short. The text says which."""


@frozen(kw_only=True)
class Stored:
    """The bytes of a source as they are kept. size: in bytes. sha256: hex. archive: `gzip`, `zip`, or None."""

    size: int
    sha256: str
    archive: str | None = None


@frozen(kw_only=True)
class Source:
    """One file that somebody else opened.

    name: shown in messages, without a directory. path: as the user gave it, or None (standard input, an upload).
    chunks: called once, yields the content in pieces of any size; raises Broken.
    member: its name in an archive, or None. size: of the content in bytes, where that is known before it is read.
    stored: called after `chunks` has ended, describes the file as it is kept; None: as its content.
    ends_line: called after `chunks` has ended, says whether its last byte was a line end.
    changed: called after `chunks` has ended, says whether somebody wrote to the file since it was opened.
    sha256: of the bytes as they are kept, where they are known to be others if it differs.
    """

    name: str
    path: str | None = None
    chunks: Callable[[], Iterator[bytes]]
    member: str | None = None
    size: int | None = None
    stored: Callable[[], Stored] | None = None
    ends_line: Callable[[], bool] = lambda: True
    changed: Callable[[], bool] = lambda: False
    sha256: str | None = None
