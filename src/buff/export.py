"""Export: a run as files that other programs and people read: tables in CSV or Parquet, or one page of HTML.

A committed run and a path go in; whole files come out, or nothing. Numbers are the stored ones, in the shortest form
that reads back as itself; times are UTC. The same run gives the same bytes: no clock and no path of this machine is in
them. Only the page has something of the registry's: what people said, and how many runs were tried. Tables are written
some rows at a time, so memory does not grow with the run.
"""

import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen

from buff.decisions.engine import ACTIONS, STATES
from buff.decisions.records import stamps
from buff.outlet import Fill, Sink, Write, check_target, publish, publish_folder, refused
from buff.runs.run import Run
from buff.store import Store

CSV, PARQUET, HTML = "csv", "parquet", "html"
FORMATS = (CSV, PARQUET, HTML)
ROWS_AT_ONCE = 8_192
INTEGER, NUMBER, TEXT, TIME, FLAG = "int64", "float64", "string", "time", "bool"

Row = Mapping[str, Any]


@frozen(kw_only=True)
class Table:
    """A table of a run: its columns in order with their kinds, and its rows in pieces; what a row lacks is empty.

    Times are ISO stamps of UTC.
    """

    name: str
    columns: Mapping[str, str]
    pieces: Callable[[Run], Iterator[Sequence[Row]]]


@frozen(kw_only=True)
class Export:
    """What was written: which files, each with how many rows (a page has none), and in which form."""

    run_id: str
    format: str
    out: str
    files: Mapping[str, int | None]

    def as_dict(self) -> dict[str, Any]:
        """Return what `run export --json` prints."""
        return {"run_id": self.run_id, "format": self.format, "out": self.out, "files": dict(self.files)}


def export(
    store: Store, run_id: str, *, out: str, format: str | None = None, what: str | None = None, force: bool = False
) -> Export:
    """Write a run, named by its id or the beginning of it, to `out`.

    `format` is csv, parquet or html, by default what `out` ends in, else csv. `what` is one table (trades, equity or
    records) for a file; without it all three go into a folder. What is there is replaced only with `force`. Raises
    RunNotFound, RunConfigInvalid, RunDamaged, StorageFull, ArtifactsWriteFailed.
    """
    kind = format_of(out, format)
    _check_asked(out, kind, what)
    run = store.run(run_id)
    folder = kind != HTML and what is None
    check_target(store.disk, out, force=force, folder=folder)
    counts: dict[str, int | None] = {}
    if kind == HTML:
        counts[os.path.basename(out)] = None
        (tried,) = store.tried([store.entry(run.id)])
        fills = {os.path.basename(out): _page(run, tried.says)}
    else:
        wanted = [table for table in TABLES if what in (None, table.name)]
        names = {f"{table.name}.{kind}" if folder else os.path.basename(out): table for table in wanted}
        fills = {name: _table(run, table, kind, name, counts) for name, table in names.items()}
    token = store.host.token()
    if folder:
        publish_folder(store.disk, out, fills, token=token, force=force)
    else:
        (fill,) = fills.values()
        publish(store.disk, out, fill, token=token, force=force)
    return Export(run_id=run.id, format=kind, out=out, files=counts)


def write_rows(
    store: Store, rows: Sequence[Row], columns: Mapping[str, str], *, out: str, format: str, force: bool = False
) -> None:
    """Write rows of plain values as one file, `csv` or `parquet`; `columns` gives their order and kinds.

    Raises RunConfigInvalid, StorageFull, ArtifactsWriteFailed.
    """
    check_target(store.disk, out, force=force)
    writer = _write_csv if format == CSV else _write_parquet
    publish(store.disk, out, lambda write: writer(columns, iter((rows,)), write), token=store.host.token(), force=force)


def csv_pieces(rows: Iterable[Sequence[Row]], columns: Mapping[str, str]) -> Iterator[bytes]:
    """Yield rows of plain values as CSV, the header first; `columns` gives their order."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    yield _taken(buffer)
    for piece in rows:
        writer.writerows([_cell(row.get(name)) for name in columns] for row in piece)
        yield _taken(buffer)


def format_of(out: str, given: str | None) -> str:
    """Return the format: as given, else by the end of the name, else CSV for a folder. Raises RunConfigInvalid."""
    ending = os.path.splitext(out)[1].lower().removeprefix(".")
    kind = given or (ending if ending in FORMATS else CSV)
    if kind not in FORMATS:
        raise refused(f"{kind!r} is no format a run is exported to", f"give one of {', '.join(FORMATS)}", out)
    return kind


def _check_asked(out: str, kind: str, what: str | None) -> None:
    names = [table.name for table in TABLES]
    if what is not None and what not in names:
        raise refused(f"{what!r} is no table of a run", f"give one of {', '.join(names)}", out)
    if kind == HTML and what is not None:
        raise refused("a page has all of a run in it", "leave out --what, or choose --format csv or parquet", out)
    if kind != HTML and what is None and out.lower().endswith(f".{kind}"):
        says = f"{out} is the name of one file, and a run has {len(names)} tables"
        raise refused(says, f"give --what {', '.join(names[:-1])} or {names[-1]}, or name a folder", out)


def _page(run: Run, tried: str) -> Fill:
    def fill(write: Write) -> None:
        for piece in run.report(tried=tried):
            write(piece.encode())

    return fill


def _table(run: Run, table: Table, kind: str, name: str, counts: dict[str, int | None]) -> Fill:
    """Return what writes a table, and counts its rows under a name."""

    def fill(write: Write) -> None:
        counts[name] = 0

        def counted() -> Iterator[Sequence[Row]]:
            for rows in table.pieces(run):
                counts[name] = (counts[name] or 0) + len(rows)
                yield rows

        (_write_csv if kind == CSV else _write_parquet)(table.columns, counted(), write)

    return fill


# The tables


def _trade_rows(run: Run) -> Iterator[Sequence[Row]]:
    yield [_trade_row(trade) for trade in run.trades]


def _trade_row(trade: Row) -> Row:
    legs = {f"{leg}_{name}": value for leg in ("entry", "exit") for name, value in trade.get(leg, {}).items()}
    return {**{name: value for name, value in trade.items() if name not in ("entry", "exit")}, **legs}


def _equity_rows(run: Run) -> Iterator[Sequence[Row]]:
    bars = run.bars
    for at in range(0, len(run.equity), ROWS_AT_ONCE):
        part = slice(at, at + ROWS_AT_ONCE)
        columns = {
            "seq": range(at, at + len(run.equity[part])),
            "ts": stamps(bars.ts[part]),
            "close": bars.close[part].tolist(),
            "equity": run.equity[part].tolist(),
            "drawdown": run.drawdown[part].tolist(),
            "position": run.position[part].tolist(),
            "state": [STATES[code] for code in run.state[part].tolist()],
            "action": [ACTIONS[code] for code in run.action[part].tolist()],
        }
        yield [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _record_rows(run: Run) -> Iterator[Sequence[Row]]:
    for at in range(0, len(run.records), ROWS_AT_ONCE):
        yield [_record_row(record) for record in run.records[at : at + ROWS_AT_ONCE]]


def _record_row(record: Row) -> Row:
    """Return a record with its fills beside it: at most one closes a trade and one opens a trade."""
    fills = {
        f"{fill['effect'].lower()}_{name}": value
        for fill in record.get("fills", ())
        for name, value in fill.items()
        if name != "effect"
    }
    return {**record, **fills}


_LEG = {
    "seq": INTEGER, "decided": INTEGER, "ts": TIME, "price": NUMBER, "fee": NUMBER, "slippage": NUMBER, "reason": TEXT,
}  # fmt: skip
_FILL = {
    "trade": INTEGER, "price": NUMBER, "quantity": NUMBER, "fee": NUMBER, "slippage": NUMBER, "after_gap": FLAG,
}  # fmt: skip

TABLES = (
    Table(
        name="trades",
        columns={
            "trade": INTEGER,
            "side": TEXT,
            "state": TEXT,
            "quantity": NUMBER,
            **{f"{leg}_{name}": kind for leg in ("entry", "exit") for name, kind in _LEG.items()},
            "bars": INTEGER,
            "pnl": NUMBER,
            "return": NUMBER,
            "mark_price": NUMBER,
            "unrealised": NUMBER,
        },
        pieces=_trade_rows,
    ),
    Table(
        name="equity",
        columns={
            "seq": INTEGER,
            "ts": TIME,
            "close": NUMBER,
            "equity": NUMBER,
            "drawdown": NUMBER,
            "position": INTEGER,
            "state": TEXT,
            "action": TEXT,
        },
        pieces=_equity_rows,
    ),
    Table(
        name="records",
        columns={
            "seq": INTEGER,
            "ts": TIME,
            "price": NUMBER,
            "action": TEXT,
            "reason": TEXT,
            "signal": INTEGER,
            "target": INTEGER,
            "position": INTEGER,
            "permission": TEXT,
            "risk_state": TEXT,
            "rule": TEXT,
            "budget": NUMBER,
            "filled": FLAG,
            "gap_bars": INTEGER,
            **{f"{effect}_{name}": kind for effect in ("close", "open") for name, kind in _FILL.items()},
        },
        pieces=_record_rows,
    ),
)


# The formats


def _write_csv(columns: Mapping[str, str], pieces: Iterator[Sequence[Row]], write: Write) -> None:
    """Write a header and rows; an empty cell is what a row lacks, a flag is true."""
    for piece in csv_pieces(pieces, columns):
        write(piece)


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value)  # the shortest text that reads back as the same float
        case _:
            return str(value)


def _write_parquet(columns: Mapping[str, str], pieces: Iterator[Sequence[Row]], write: Write) -> None:
    """Write columns with nulls for what a row lacks, times as UTC timestamps in milliseconds."""
    import pyarrow as pa  # imported when data is written, not with every command
    from pyarrow import parquet

    kinds = {TIME: pa.timestamp("ms", tz="UTC"), INTEGER: pa.int64(), NUMBER: pa.float64(), TEXT: pa.string()}
    schema = pa.schema([pa.field(name, kinds.get(kind, pa.bool_())) for name, kind in columns.items()])
    with parquet.ParquetWriter(pa.PythonFile(Sink(write), mode="w"), schema) as writer:
        for piece in pieces:
            arrays = [pa.array(_column(piece, name, columns[name]), schema.field(name).type) for name in columns]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def _column(piece: Sequence[Row], name: str, kind: str) -> Any:
    values = [row.get(name) for row in piece]
    if kind != TIME:
        return values
    return np.array(["NaT" if stamp is None else stamp.removesuffix("Z") for stamp in values], "datetime64[ms]")
