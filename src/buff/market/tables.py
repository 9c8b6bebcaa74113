"""Tables: Parquet and Feather files, batch by batch, by the same rules as text.

The bytes of a file go in, with the `Reading` that begins there; accepted bars come out as columns. Whole batches of
plain types are judged at once; a batch that leaves any doubt is written out as rows of text and judged cell by cell, so
that one set of rules and messages serves every format. Rows are numbered as lines.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from buff.market import plain
from buff.market.header import named
from buff.market.judge import columns_of, judge_row
from buff.market.reading import Reading
from buff.market.source import Broken, Columns
from buff.market.timeframe import DAY_MS
from buff.market.timestamps import UNITS_NS

BATCH_ROWS = 1 << 16
NS = 1_000_000


def read(content: bytes, reading: Reading, *, reference: bool = False) -> Iterator[Columns | None]:
    """Yield the bars of each batch, or None where there were offences up to its end.

    reference: every batch is judged cell by cell (slow). Raises Halt for columns that are not there, Broken for a file
    that cannot be read.
    """
    import pyarrow as pa

    try:
        names, batches = _opened(content)
        reading.layout, reading.heading = named(names, reading.options.declaration, reading.file), False
        # A column may have two roles, and is still one column.
        for batch in batches([reading.layout.names[place] for place in sorted(set(reading.layout.places.values()))]):
            _validate(batch)
            columns = None if reference else _whole(batch, reading)
            yield _by_row(batch, reading) if columns is None else columns
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _broken(error) from error


def glimpse(content: bytes, rows: int) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return the names of all columns, and the first rows as texts. Raises Broken."""
    import pyarrow as pa

    try:
        names, batches = _opened(content)
        batch = next(iter(batches(names)), None)
        if batch is not None:
            _validate(batch)
        texts = [] if batch is None else [_texts(column) for column in batch.slice(0, rows).columns]
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _broken(error) from error
    return tuple(names), tuple(zip(*texts, strict=True))


def _validate(batch: Any) -> None:
    """Refuse what a damaged file says of its cells, which may point anywhere, and of their types. Raises Broken."""
    batch.validate(full=True)
    try:
        _ = batch.columns
    except KeyError as error:  # how pyarrow says that it has no array of a type, such as an interval of months
        raise Broken("the table cannot be read: a column has a type that no array has here") from error


def _broken(error: Exception) -> Broken:
    says = str(error).splitlines() or [type(error).__name__]
    return Broken(f"the table cannot be read: {says[0]}")


def _opened(content: bytes) -> tuple[list[str], Callable[[list[str]], Iterator[Any]]]:
    """Return the names of the columns, and how to get batches of some of them."""
    import pyarrow as pa

    if content.startswith(b"PAR1"):
        from pyarrow import parquet

        file = parquet.ParquetFile(pa.BufferReader(content))
        return file.schema_arrow.names, lambda names: file.iter_batches(BATCH_ROWS, columns=names)
    table = pa.ipc.open_file(pa.BufferReader(content))

    def batches(names: list[str]) -> Iterator[Any]:
        for at in range(table.num_record_batches):
            batch = table.get_batch(at).select(names)
            for first in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.slice(first, BATCH_ROWS)

    return table.schema.names, batches


def _whole(batch: Any, reading: Reading) -> Columns | None:
    """Return the bars of a batch of timestamps and floats and move the reading on, or None when in any doubt."""
    import pyarrow as pa

    layout, options = reading.layout, reading.options
    if not batch.num_rows or "time" in layout.places or "ticker" in layout.places or options.declaration.scale:
        return None
    columns = {role: batch.column(layout.name(role)) for role in layout.order}
    if any(column.null_count for column in columns.values()):
        return None
    times = columns.pop("ts")
    if not pa.types.is_timestamp(times.type) or any(column.type != pa.float64() for column in columns.values()):
        return None
    zoned = times.type.tz is not None
    if reading.kind not in (None, "iso") or zoned == options.zone_asked or not (zoned or reading.zone):
        return None
    table = {role: plain.values(column, "<f8") for role, column in columns.items()}
    return plain.take(plain.values(times, "<i8"), times.type.unit, zoned, table, reading)


def _by_row(batch: Any, reading: Reading) -> Columns | None:
    """Judge a batch row by row, as text."""
    texts = [_texts(batch.column(at)) for at in range(batch.num_columns)]
    at = {name: index for index, name in enumerate(batch.schema.names)}
    places = [(at[name], place) for place, name in enumerate(reading.layout.names) if name in at]
    bars = []
    for row in range(batch.num_rows):
        reading.line += 1
        cells = [""] * reading.layout.width
        for column, place in places:
            cells[place] = texts[column][row]
        bar = judge_row(cells, ",".join(cells), reading)
        if bar is not None:
            bars.append(bar)
    return None if reading.offences else columns_of(bars)


def _texts(column: Any) -> list[str]:
    """Return the cells of a column as a text file would have them: exactly, and empty where there is no value.

    What no text file has (lists, durations, bytes) is shown as its type, which is no number and no time.
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        return _texts(column.dictionary_decode())
    if pa.types.is_timestamp(kind):
        suffix = "Z" if kind.tz is not None else ""
        texts = [_iso(value * UNITS_NS[kind.unit]) + suffix for value in _whole_numbers(column, pa.int64())]
    elif pa.types.is_date32(kind):
        texts = [_iso(value * DAY_MS * NS)[:-9] for value in _whole_numbers(column, pa.int32())]
    elif pa.types.is_date64(kind):
        texts = [_iso(value * NS) for value in _whole_numbers(column, pa.int64())]
    elif pa.types.is_decimal(kind):
        texts = _texts(column.cast(pa.string()))  # by Arrow, since Python refuses the decimals of a damaged file
    elif pa.types.is_floating(kind) or pa.types.is_integer(kind) or _is_text(kind):
        texts = [str(value) for value in column.to_pylist()]
    else:
        texts = [f"<{kind}>"] * len(column)
    valid = column.is_valid().to_pylist()
    return [text if there else "" for text, there in zip(texts, valid, strict=True)]


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _whole_numbers(column: Any, kind: Any) -> list[int]:
    """Return what times and dates are stored as, 0 where there is no value."""
    numbers: list[int] = column.view(kind).fill_null(0).to_pylist()
    return numbers


def _iso(ns: int) -> str:
    seconds, fraction = divmod(ns, 1_000_000_000)
    return f"{np.datetime64(seconds, 's')}" + (f".{fraction:09d}" if fraction else "")
