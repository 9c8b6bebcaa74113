"""Rows and columns out of files, whichever of the two forms they have: JSON Lines or Parquet.

A folder, a name and bounds go in; decoded rows or columns come out with what could not be decoded, or a `Problem`.
What a row means is not decided here. Parquet is read through pyarrow, imported only when there is such a file.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np
from attrs import frozen

from buff.legacy.fields import TEXT_MAX, number
from buff.legacy.folder import DOCUMENT_BYTES_MAX, Bounds, Folder, open_file, read_bytes, shown
from buff.legacy.problem import Problem, damage

if TYPE_CHECKING:
    import pyarrow

BATCH_ROWS = 4_096
MALFORMED_MAX = 1_000  # listed; all are counted
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Value = TypeVar("Value")


@frozen(kw_only=True)
class Malformed:
    """A line that is no JSON object: its file, its number from 1, what is wrong, and how it begins."""

    file: str
    line: int
    says: str
    text: str


@frozen(kw_only=True)
class Rows:
    """The rows of a file as (number from 1, object). `malformed` lists the first 1,000 of `malformed_count` lines that
    are none; `complete` when the file has no more rows than were read.
    """

    file: str
    rows: tuple[tuple[int, dict[str, Any]], ...]
    malformed: tuple[Malformed, ...] = ()
    malformed_count: int = 0
    complete: bool = True


@frozen(kw_only=True)
class Columns:
    """The columns of a table by name: arrays of numbers or instants, else lists of plain values. All of one length."""

    file: str
    values: Mapping[str, Any]
    complete: bool


def document(folder: Folder, name: str) -> Any | Problem:
    """Return the JSON value of a file, or why there is none."""
    content = read_bytes(folder, name, DOCUMENT_BYTES_MAX)
    if isinstance(content, Problem):
        return content
    if not content.whole:
        return damage(name, f"is larger than {DOCUMENT_BYTES_MAX >> 20} MiB and is not read")
    try:
        return msgspec.json.decode(content.data)
    except _NOT_JSON as error:
        return damage(name, f"is not JSON: {error}")


def rows(folder: Folder, name: str, bounds: Bounds) -> Rows | Problem:
    """Return the rows of a JSON Lines or Parquet file, or why there are none."""
    if name.endswith(".parquet"):
        return _parquet(folder, name, bounds, _as_rows)
    content = read_bytes(folder, name, bounds.bytes_max)
    if isinstance(content, Problem):
        return content
    # A file that goes on is cut behind its last whole line.
    data = content.data if content.whole else content.data[: content.data.rfind(b"\n") + 1]
    return _lines(name, data, whole=content.whole, rows_max=bounds.rows_max)


def columns(folder: Folder, name: str, bounds: Bounds) -> Columns | Problem:
    """Return the columns of a JSON Lines or Parquet file, or why there are none. Every line must be an object."""
    if name.endswith(".parquet"):
        return _parquet(folder, name, bounds, _as_columns)
    read = rows(folder, name, bounds)
    if isinstance(read, Problem):
        return read
    if read.malformed_count:
        return damage(name, f"line {read.malformed[0].line} {read.malformed[0].says}")
    fields = sorted({field for _, row in read.rows for field in row})
    values = {field: [row.get(field) for _, row in read.rows] for field in fields}
    return Columns(file=name, values=values, complete=read.complete)


def _lines(name: str, data: bytes, *, whole: bool, rows_max: int) -> Rows:
    found: list[tuple[int, dict[str, Any]]] = []
    malformed: list[Malformed] = []
    count = 0
    decode = msgspec.json.Decoder().decode
    for line, written in enumerate(data.split(b"\n"), 1):
        if not written.strip():
            continue
        if len(found) + count == rows_max:
            whole = False
            break
        says = None
        try:
            value = decode(written)
        except _NOT_JSON as error:
            says = f"is not JSON: {error}"
        else:
            if isinstance(value, dict):
                found.append((line, value))
            else:
                says = "is JSON, but no object"
        if says is not None:
            count += 1
            if len(malformed) < MALFORMED_MAX:
                malformed.append(Malformed(file=name, line=line, says=says, text=_begin(written)))
    return Rows(file=name, rows=tuple(found), malformed=tuple(malformed), malformed_count=count, complete=whole)


def _begin(written: bytes) -> str:
    text = written[: 4 * TEXT_MAX].decode("utf-8", "replace")[:TEXT_MAX]
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _parquet(
    folder: Folder, name: str, bounds: Bounds, make: "Callable[[str, pyarrow.Table, bool], Value]"
) -> Value | Problem:
    """Return what `make` makes of the first rows of a Parquet file, or why they cannot be had."""
    import pyarrow
    import pyarrow.parquet

    file = open_file(folder, name)
    if isinstance(file, Problem):
        return file
    with file:
        try:
            table, complete = _first_rows(file, bounds)
            return make(name, table, complete)
        # pyarrow raises its own errors, and those of Python where it hands values or the file over to it.
        except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
            lines = str(error).splitlines() or [type(error).__name__]
            return damage(name, f"is not readable as Parquet: {shown(lines[0])[:TEXT_MAX]}")


def _first_rows(file: Any, bounds: Bounds) -> "tuple[pyarrow.Table, bool]":
    """Return the first rows of a Parquet file, in batches until a bound is reached, and whether they are all.

    What is bounded is the memory they take: a column of a few bytes on disk can be of any length.
    """
    import pyarrow
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(file, pre_buffer=False) as opened:
        batches: list[pyarrow.RecordBatch] = []
        rows_left, bytes_left = bounds.rows_max, bounds.bytes_max
        # One thread: a damaged or enormous file must not take the machine with it.
        for batch in opened.iter_batches(batch_size=min(rows_left, BATCH_ROWS), use_threads=False):
            bytes_left -= batch.nbytes
            if bytes_left < 0:
                break
            batches.append(batch.slice(0, rows_left))
            rows_left -= len(batches[-1])
            if rows_left == 0:
                break
        table = pyarrow.Table.from_batches(batches, schema=opened.schema_arrow)
        return _in_milliseconds(table), len(table) == opened.metadata.num_rows


def _in_milliseconds(table: "pyarrow.Table") -> "pyarrow.Table":
    """Return a table whose instants are in milliseconds, in which Python can hold every one of them."""
    import pyarrow

    for place, field in enumerate(table.schema):
        if pyarrow.types.is_timestamp(field.type):
            instants = table.column(place).cast(pyarrow.timestamp("ms", field.type.tz), safe=False)
            table = table.set_column(place, field.name, instants)
    return table


def _as_rows(name: str, table: "pyarrow.Table", complete: bool) -> Rows:
    listed = [(number, _plain(row)) for number, row in enumerate(table.to_pylist(), 1)]
    return Rows(file=name, rows=tuple(listed), complete=complete)


def _as_columns(name: str, table: "pyarrow.Table", complete: bool) -> Columns:
    import pyarrow

    is_number = (pyarrow.types.is_integer, pyarrow.types.is_floating, pyarrow.types.is_timestamp)
    values: dict[str, Any] = {}
    for field, column in zip(table.schema, table.columns, strict=True):
        if any(check(field.type) for check in is_number) and column.null_count == 0:
            values[field.name] = column.to_numpy()
        else:
            values[field.name] = [_plain(value) for value in column.to_pylist()]
    return Columns(file=name, values=values, complete=complete)


def _plain(value: Any) -> Any:
    """Return a value of a Parquet file as JSON can hold it: times and decimals as text, no number as null."""
    match value:
        case bool() | int() | str() | None:
            return value
        case float():
            return number(value)
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return msgspec.to_builtins(value, str_keys=True)


def stamps_from(values: Any, each: Callable[[Any], int | None]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return epoch milliseconds, int64[n], and which of them are known, bool[n]; `each` reads one value."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        known = ~np.isnat(values)
        return np.where(known, values.astype("datetime64[ms]").astype(np.int64), 0), known
    read = [each(value) for value in (values.tolist() if isinstance(values, np.ndarray) else values)]
    return (
        np.array([0 if value is None else value for value in read], np.int64),
        np.array([value is not None for value in read], np.bool_),
    )
