"""Extract: a dataset's bars as a file that other programs read, and that Buff can take in again.

A stored dataset and a path go in; a CSV, Parquet or Feather file comes out, whole or not at all. A CSV of base bars
which Buff did not make comes back as the same dataset, bit for bit: times in UTC with `Z`, every number in the shortest
form that reads back as itself. Of bars that `gaps=fill` made a CSV can only say so in a column which no reader uses.
"""

import io
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from attrs import frozen

from buff.builder import check_timeframe
from buff.datasets import Dataset, load, proven
from buff.errors import RunConfigInvalid
from buff.files import Disk, not_written
from buff.market.bars import COLUMNS, VALUES, Bars
from buff.market.timeframe import BASES
from buff.registry.queries import find_dataset
from buff.runs.request import instant, timeframe_from
from buff.store import Store
from buff.times import iso

CSV, PARQUET, FEATHER = "csv", "parquet", "feather"
FORMATS = (CSV, PARQUET, FEATHER)
ROWS_AT_ONCE = 1 << 16
STDOUT = "-"

Write = Callable[[bytes], object]


@frozen(kw_only=True)
class Extract:
    """What was written: which bars (open stamps as ISO text), how, and what a reader of the file should know.

    `same`: a CSV that comes back as this very dataset; `options` are those it then has to be taken in with.
    """

    dataset_id: str
    timeframe: str
    format: str
    out: str
    rows: int
    first: str | None
    last: str | None
    filled: int
    dropped: int
    same: bool
    options: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return what `data export --json` prints."""
        return {name: getattr(self, name) for name in (
            "dataset_id", "timeframe", "format", "out", "rows", "first", "last", "filled", "dropped", "same",
        )} | {"options": list(self.options)}  # fmt: skip


def format_of(out: str, given: str | None) -> str:
    """Return the format of a file: as given, else by the end of its name. Raises RunConfigInvalid."""
    kind = given or (CSV if out == STDOUT else os.path.splitext(out)[1].lower().removeprefix("."))
    if kind not in FORMATS:
        raise RunConfigInvalid(
            f"{kind!r} is no format a dataset is exported to" if kind else f"{out!r} does not say its format",
            hint=f"end its name in .{', .'.join(FORMATS)}, or give --format",
            details={"field": "format", "value": kind},
        )
    if out == STDOUT and kind != CSV:
        raise RunConfigInvalid(
            f"{kind} is not written to standard output",
            hint="name a file, or choose --format csv",
            details={"field": "out", "value": out},
        )
    return kind


def extract(
    store: Store,
    dataset_id: str,
    *,
    out: str,
    format: str | None = None,
    timeframe: str | None = None,
    start: str | None = None,
    end: str | None = None,
    force: bool = False,
    stdout: Write,
) -> Extract:
    """Write the bars of a dataset, named by its id or the beginning of it, to the file `out`, or to `stdout` for `-`.

    `start` and `end` bound open stamps, end exclusive, as in a request. What is stored is hashed before it is written.
    A file that is there is replaced only with `force`, and then in one step. Raises DatasetNotFound, RunConfigInvalid,
    RunDamaged, StorageFull, ArtifactsWriteFailed.
    """
    kind = format_of(out, format)
    wanted = None if timeframe is None else timeframe_from(timeframe, "timeframe")
    bounds = instant(start, "from"), instant(end, "to")
    dataset = load(store.root, find_dataset(store.state, dataset_id).dataset_id)
    check_timeframe(wanted or dataset.base, dataset.base)
    _check_target(store.disk, out, force=force)
    made = proven(store.root, dataset, wanted or dataset.base)
    bars = _between(made.bars, *bounds)
    if out == STDOUT:
        _write(bars, kind, stdout)
    else:
        _publish(store, out, lambda write: _write(bars, kind, write), force=force)
    return _extracted(dataset, bars, len(made.dropped_ts), out, kind)


def _between(bars: Bars, start: int | None, end: int | None) -> Bars:
    first = 0 if start is None else int(np.searchsorted(bars.ts, start))
    last = len(bars) if end is None else int(np.searchsorted(bars.ts, end))
    if first >= last:
        raise RunConfigInvalid(
            "there is no bar in this range",
            hint=f"bars open from {iso(bars.ts[0])} to {iso(bars.ts[-1])}" if len(bars) else "choose a finer timeframe",
            details={"field": "from"},
        )
    return bars[first:last]


def _extracted(dataset: Dataset, bars: Bars, dropped: int, out: str, format: str) -> Extract:
    filled = int(np.count_nonzero(bars.filled))
    options = ["--base-timeframe", bars.timeframe.value] if bars.timeframe in BASES[1:] else []
    options += ["--gaps", "keep"] if np.count_nonzero(bars.missing) else []
    whole = bars.timeframe is dataset.base and len(bars) == dataset.rows
    return Extract(
        dataset_id=dataset.id,
        timeframe=bars.timeframe.value,
        format=format,
        out=out,
        rows=len(bars),
        first=iso(bars.ts[0]),
        last=iso(bars.ts[-1]),
        filled=filled,
        dropped=dropped,
        same=format == CSV and whole and not filled,
        options=tuple(options),
    )


# The file


def _check_target(disk: Disk, out: str, *, force: bool) -> None:
    if out == STDOUT:
        return
    if disk.is_directory(out):
        raise _refused(f"{out} is a directory", "name a file", out)
    if disk.exists(out) and not force:
        raise _refused(f"{out} exists already", "choose another name, or give --force to replace it", out)


def _refused(says: str, hint: str, out: str) -> RunConfigInvalid:
    return RunConfigInvalid(says, hint=hint, details={"field": "out", "value": out})


def _publish(store: Store, out: str, fill: Callable[[Write], None], *, force: bool) -> None:
    """Let `fill` write a temporary file beside `out`; then give it that name, durably. What fails leaves nothing."""
    disk, folder = store.disk, os.path.dirname(out) or "."
    temporary = os.path.join(folder, f".{os.path.basename(out)}.{store.host.token()}.tmp")
    try:
        handle = disk.create(temporary)
        try:
            _fill(disk, handle, fill)
            _check_target(disk, out, force=force)  # it may have been made since
            disk.rename(temporary, out)
        except BaseException:
            disk.unlink(temporary)
            raise
        # Without this the rename may be forgotten; both outcomes are whole, this makes the new one stay.
        disk.sync_directory(folder)
    except OSError as error:
        hint = "free some space, or choose another place; a file that was there is as it was"
        raise not_written(error, f"{out} could not be written", hint=hint) from error


def _fill(disk: Disk, handle: int, fill: Callable[[Write], None]) -> None:
    try:
        fill(lambda data: disk.write(handle, data))
        # Without this a crash after the rename may leave an empty file in the place of the old one.
        disk.sync(handle)
    finally:
        disk.close(handle)


# The formats


def _write(bars: Bars, format: str, write: Write) -> None:
    if format == CSV:
        for text in csv_blocks(bars):
            write(text.encode("ascii"))
    else:
        _arrow(bars, format, write)


def csv_blocks(bars: Bars, rows_at_once: int = ROWS_AT_ONCE) -> Iterator[str]:
    """Yield a CSV in pieces; the column `filled` is there only where Buff made a bar."""
    names = ("ts", *VALUES, "filled") if np.count_nonzero(bars.filled) else ("ts", *VALUES)
    yield ",".join(names) + "\n"
    for at in range(0, len(bars), rows_at_once):
        part = bars[at : at + rows_at_once]
        cells: list[Iterable[str]] = [
            map("{}Z".format, np.datetime_as_string(part.ts.view("M8[ms]"), unit="s").tolist())
        ]
        # repr is the shortest text that reads back as the same float, for -0.0 too.
        cells += [map(repr, getattr(part, name).tolist()) for name in names[1:]]
        yield "".join([",".join(row) + "\n" for row in zip(*cells, strict=True)])


def _arrow(bars: Bars, format: str, write: Write) -> None:
    """Write all seven columns, `ts` as a UTC timestamp in milliseconds, `filled` as 0 or 1, some rows at a time."""
    import pyarrow as pa  # imported when data is written, not with every command

    schema = pa.schema(
        [
            pa.field("ts", pa.timestamp("ms", tz="UTC"), nullable=False),
            *(pa.field(name, pa.float64(), nullable=False) for name in VALUES),
            pa.field("filled", pa.uint8(), nullable=False),
        ]
    )
    sink = pa.PythonFile(_Sink(write), mode="w")
    with _writer(format, sink, schema) as writer:
        for at in range(0, len(bars), ROWS_AT_ONCE):
            part = bars[at : at + ROWS_AT_ONCE]
            arrays = [pa.array(getattr(part, name), field.type) for name, field in zip(COLUMNS, schema, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def _writer(format: str, sink: Any, schema: Any) -> Any:
    if format == PARQUET:
        from pyarrow import parquet

        return parquet.ParquetWriter(sink, schema)
    from pyarrow import ipc

    return ipc.new_file(sink, schema, options=ipc.IpcWriteOptions(compression="lz4"))


class _Sink(io.RawIOBase):
    """A file for pyarrow that hands what is written to a function."""

    def __init__(self, write: Write) -> None:
        """Remember where the bytes go."""
        self._hand_on = write

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, data: Any) -> int:
        """Hand all of it on."""
        self._hand_on(bytes(data))
        return len(data)
