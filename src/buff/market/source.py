"""Where bars come from: a named stream of bytes on the way in, a description of it on the way out.

Whoever opens the file (the builder, a test, an upload) gives a `CsvFile`; nothing in this package opens one.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import frozen
from numpy.typing import NDArray

# Equal-length arrays by the names and dtypes of `buff.market.bars.DTYPES`: one block of accepted bars.
Columns = Mapping[str, NDArray[Any]]


@frozen(kw_only=True)
class CsvFile:
    """One CSV file that somebody else opened.

    name: shown in messages, without a directory. path: as the user gave it, or None (standard input, an upload).
    chunks: called once, yields the bytes of the file in pieces of any size.
    """

    name: str
    path: str | None = None
    chunks: Callable[[], Iterator[bytes]]
