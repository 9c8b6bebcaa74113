"""Extract: a dataset's bars as a file that other programs read, and that Buff can take in again.

A stored dataset and a path go in; a CSV, Parquet or Feather file comes out, whole or not at all. A CSV of base bars
which Buff did not make comes back as the same dataset, bit for bit: times in UTC with `Z`, every number in the shortest
form that reads back as itself. Of bars that `gaps=fill` made a CSV can only say so in a column which no reader uses.
"""

import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from attrs import frozen

from buff.builder import check_timeframe
from buff.datasets import Dataset, load, proven
from buff.errors import RunConfigInvalid
from buff.market.bars import COLUMNS, VALUES, Bars
from buff.market.timeframe import BASES
from buff.outlet import Sink, Write, check_target, publish
from buff.registry.queries import find_dataset
from buff.runs.request import instant, timeframe_from
from buff.store import Store
from buff.times import iso

CSV, PARQUET, FEATHER = "csv", "parquet", "feather"
FORMATS = (CSV, PARQUET, FEATHER)
ROWS_AT_ONCE = 1 << 16
STDOUT = "-"


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
    if out != STDOUT:
        check_target(store.disk, out, force=force)
    made = proven(store.root, dataset, wanted or dataset.base)
    bars = _between(made.bars, *bounds)
    if out == STDOUT:
        _write(bars, kind, stdout)
    else:
        publish(store.disk, out, lambda write: _write(bars, kind, write), token=store.host.token(), force=force)
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
    sink = pa.PythonFile(Sink(write), mode="w")
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
