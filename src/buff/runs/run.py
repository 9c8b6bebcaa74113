"""A committed run, read back: its artifacts as values, its columns mapped and never parsed.

A run directory and its manifest go in; lazy views come out. Nothing here recomputes or writes anything, and a file
that is not what the manifest says is a RunDamaged, never a guess.
"""

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, BinaryIO, overload

import msgspec
import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from buff import columns
from buff.canonical import digest
from buff.errors import ArtifactNotFound, RunDamaged
from buff.files import Identity, identity_of
from buff.market.bars import COLUMNS, DTYPES, Bars, price_decimals
from buff.market.timeframe import Timeframe
from buff.runs.command import create_command
from buff.runs.compression import opened, place
from buff.runs.sketch import equity_svg, shown
from buff.times import epoch_ms

if TYPE_CHECKING:
    import pandas

Record = dict[str, Any]
RECORDS_PER_BLOCK = 256
TRADES = "trades.jsonl"
_PIECE_BYTES, _TRADES_AT_ONCE = 1 << 20, 1_024
HEADLINE = ("net_return", "max_drawdown", "sharpe", "trades", "win_rate", "buy_and_hold")
BENCHMARKS = {
    "net_return": "buy_and_hold",
    "volatility": "buy_and_hold_volatility",
    "sharpe": "buy_and_hold_sharpe",
    "max_drawdown": "buy_and_hold_max_drawdown",
}


@frozen(kw_only=True)
class Metric:
    """One number with what it means: `value` is None exactly when `null_reason` says why."""

    value: float | int | str | bool | None
    unit: str
    samples: int
    annualisation: float | int | None
    formula: str
    null_reason: str | None
    flag: str | None


class Records(Sequence[Record]):
    """The decision records of a run, one per bar. Any slice is read without reading what comes before it."""

    def __init__(self, path: str, offsets: NDArray[np.int64], length: int) -> None:
        """Keep where the blocks of 256 begin; nothing is read yet."""
        self._path, self._offsets, self._length = path, offsets, length

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> list[Record]: ...
    def __getitem__(self, place: int | slice) -> Record | list[Record]:
        if isinstance(place, slice):
            wanted = range(self._length)[place]
            if not wanted:
                return []
            low, high = min(wanted[0], wanted[-1]), max(wanted[0], wanted[-1]) + 1
            lines = self._lines(low, high)
            return [msgspec.json.decode(lines[index - low]) for index in wanted]
        index = range(self._length)[place]
        record: Record = msgspec.json.decode(self._lines(index, index + 1)[0])
        return record

    def __iter__(self) -> Iterator[Record]:
        for start in range(0, self._length, 8192):
            yield from self[start : start + 8192]

    def block_at(self, offset: int) -> int:
        """Return the first record of the block of 256 in which a byte of the file lies."""
        block = int(np.searchsorted(self._offsets, offset, side="right")) - 1
        return min(block * RECORDS_PER_BLOCK, self._length)

    def __repr__(self) -> str:
        return f"<Records {self._length:,}>"

    def _lines(self, low: int, high: int) -> list[bytes]:
        first, last = low // RECORDS_PER_BLOCK, -(-high // RECORDS_PER_BLOCK)
        start, end = int(self._offsets[first]), int(self._offsets[last])
        try:
            with opened(self._path) as file:
                file.seek(start)
                lines = file.read(end - start).split(b"\n")
        except OSError as error:
            raise RunDamaged(f"decision_records.jsonl cannot be read: {error.strerror}") from error
        if len(lines) <= high - first * RECORDS_PER_BLOCK:
            raise RunDamaged("decision_records.jsonl is shorter than its offsets say")
        return lines[low - first * RECORDS_PER_BLOCK : high - first * RECORDS_PER_BLOCK]


class Trades(Sequence[Record]):
    """The round trips of a run in order of entry; the last may be open. Each is parsed when it is asked for.

    What is kept of them is where they begin: of a quarter of a million, two megabytes.
    """

    def __init__(self, path: str, *, run_id: str) -> None:
        """Find where the lines of the file begin. Raises RunDamaged when it cannot be read."""
        self._path, self._run_id = path, run_id
        with self._reading() as file:
            self._bounds = _bounds(path, identity_of(file.fileno()))

    def __len__(self) -> int:
        return len(self._bounds) - 1

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> list[Record]: ...
    def __getitem__(self, place: int | slice) -> Record | list[Record]:
        wanted = range(len(self))[place]
        if isinstance(wanted, int):
            return self._read(wanted, wanted + 1)[0]
        if not wanted:
            return []
        low = min(wanted[0], wanted[-1])
        found = self._read(low, max(wanted[0], wanted[-1]) + 1)
        return found if wanted.step == 1 else [found[index - low] for index in wanted]

    def __iter__(self) -> Iterator[Record]:
        for low in range(0, len(self), _TRADES_AT_ONCE):
            yield from self[low : low + _TRADES_AT_ONCE]

    def __repr__(self) -> str:
        return f"<Trades {len(self):,}>"

    def _read(self, low: int, high: int) -> list[Record]:
        bounds = self._bounds[low : high + 1].tolist()
        with self._reading() as file:
            file.seek(bounds[0])
            data = memoryview(file.read(bounds[-1] - bounds[0]))
        return [
            self._record(data[begin - bounds[0] : end - bounds[0]], low + index)
            for index, (begin, end) in enumerate(pairwise(bounds))
        ]

    def _record(self, line: memoryview, number: int) -> Record:
        try:
            record: Record = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._damaged(f"line {number + 1} of {TRADES} of {self._run_id} is not JSON") from error
        return record

    @contextmanager
    def _reading(self) -> Iterator[BinaryIO]:
        try:
            with opened(self._path) as file:
                yield file
        except OSError as error:
            raise self._damaged(f"{TRADES} of {self._run_id} cannot be read: {error.strerror}") from error

    def _damaged(self, says: str) -> RunDamaged:
        return RunDamaged(
            says, hint=f"run `buff run verify {self._run_id}`", details={"run_id": self._run_id, "artifact": TRADES}
        )


@lru_cache(maxsize=16)
def _bounds(path: str, identity: Identity) -> NDArray[np.int64]:
    """Return where each line of a file begins and the last ends, looked for once for as long as it is the same.

    Raises OSError, also where the last line was cut.
    """
    ends, place = [], 0
    with opened(path) as file:
        if identity_of(file.fileno()) != identity:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        while piece := file.read(_PIECE_BYTES):
            ends.append(np.flatnonzero(np.frombuffer(piece, np.uint8) == ord("\n")) + place)
            place += len(piece)
    bounds = np.concatenate((np.zeros(1, np.int64), *(each + 1 for each in ends)))
    if bounds[-1] != place:
        raise OSError(errno.EIO, "its last line has no end")
    return bounds


class Run:
    """One committed run. Everything is read when it is asked for, from the artifacts only."""

    def __init__(self, *, root: str, manifest: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Keep the manifest and what the journal says (`seq`, `created`, name, notes, tags)."""
        self._root, self.manifest, self.facts = root, manifest, facts
        self._directory = os.path.join(root, self.id)

    @property
    def id(self) -> str:
        """The run's id."""
        return str(self.manifest["run_id"])

    @property
    def directory(self) -> str:
        """The directory of the artifacts."""
        return self._directory

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The resolved inputs, exactly the object that was hashed."""
        inputs: Mapping[str, Any] = self.manifest["inputs"]
        return inputs

    @property
    def command(self) -> str:
        """The command that makes this run again from its stored dataset, with every input written out."""
        return create_command(self.manifest)

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """The metrics by id: `run.metrics["sharpe"].value`."""
        found: Mapping[str, Metric] = self._document("metrics.json", dict[str, Metric])
        return found

    @cached_property
    def benchmark(self) -> Mapping[str, Metric]:
        """The metrics that buy and hold has, too, each by the id of the run's own: `run.benchmark["sharpe"].value`."""
        return {id: self.metrics[other] for id, other in BENCHMARKS.items() if other in self.metrics}

    @cached_property
    def returns(self) -> Record:
        """What every month and year made of the equity, beside buy and hold: `run.returns["months"]["rows"]`."""
        found: Record = self._document("returns.json")
        return found

    @cached_property
    def trades(self) -> Sequence[Record]:
        """Every round trip in order of entry, by position or slice; the last may be open."""
        return Trades(self._path(TRADES), run_id=self.id)

    @cached_property
    def timeline(self) -> list[Record]:
        """The run's events in order, on market time."""
        events: list[Record] = self._document("timeline.json")
        return events

    @cached_property
    def quality(self) -> Record:
        """What was checked in the data and what was found."""
        report: Record = self._document("quality_report.json")
        return report

    @cached_property
    def records(self) -> Records:
        """The decision records, one per bar, by position or slice."""
        offsets = self._column("record_offset", np.dtype("<i8"))
        return Records(self._path("decision_records.jsonl"), offsets, len(self.equity))

    @cached_property
    def bars(self) -> Bars:
        """The bars the run was decided on (a window of the dataset's columns, mapped)."""
        bars = self.resample
        first, last = (epoch_ms(self.inputs[bound]) for bound in ("start", "end"))
        return bars[slice(*np.searchsorted(bars.ts, (first, last)).tolist())]

    @cached_property
    def resample(self) -> Bars:
        """All bars of the run's timeframe that its dataset has, mapped: `bars` is a window of them."""
        found = {reference["column"]: reference for reference in self.manifest["references"]}
        mapped: dict[str, Any] = {}
        for name in COLUMNS:
            if name not in found:
                raise RunDamaged(f"the manifest of {self.id} references no column {name}")
            mapped[name] = columns.read(os.path.join(self._root, *found[name]["file"].split("/")), DTYPES[name])
        decimals = price_decimals(self.quality["dataset"]["decimals"])
        return Bars(timeframe=Timeframe(self.inputs["timeframe"]), decimals=decimals, **mapped)

    @cached_property
    def equity(self) -> NDArray[np.float64]:
        """Equity at every close, float64, mapped."""
        return self._column("equity", np.dtype("<f8"))

    @cached_property
    def drawdown(self) -> NDArray[np.float64]:
        """Equity over its running peak, less one, at every close, float64, mapped."""
        return self._column("drawdown", np.dtype("<f8"))

    @cached_property
    def position(self) -> NDArray[np.int8]:
        """Side held at every close: -1, 0 or 1, int8, mapped."""
        return self._column("position", np.dtype("|i1"))

    @cached_property
    def action(self) -> NDArray[np.int8]:
        """What was decided at every close, int8, mapped: a place in `buff.decisions.engine.ACTIONS`, 0 for HOLD."""
        return self._column("action", np.dtype("|i1"))

    @cached_property
    def state(self) -> NDArray[np.int8]:
        """The risk state at every close, int8, mapped: 0 GREEN, 1 YELLOW, 2 RED."""
        return self._column("state", np.dtype("|i1"))

    def explain(self, *, trade: int | None = None, bar: int | str | None = None) -> dict[str, Any]:
        """Return the story of one trade, or of one bar by its place or its open stamp, as plain values.

        It is what `buff run explain --json` prints. Raises RunConfigInvalid where there is no such trade or bar, or
        both or neither are given.
        """
        from buff.runs.story import explain

        return explain(self, trade=trade, bar=bar)

    def diff(self, other: "Run", *, limit: int = 20) -> dict[str, Any]:
        """Return what differs between this run and another as plain values: what `buff run diff --json` prints.

        Of lists that grow with the run at most `limit` are listed, all are counted. Raises RunDamaged.
        """
        from buff.runs.contrast import contrast

        return contrast(self, other, limit=limit)

    def report(self, *, tried: str | None = None) -> Iterator[str]:
        """Yield one self-contained HTML page about the run in pieces, the same for the same artifacts and words.

        It needs no network, no script and no other file. `tried` says how many runs were tried beside this one, which
        the registry knows and no artifact does: `Store.tried` has the words.
        """
        from buff.runs.report import report

        return report(self, tried)

    def artifact(self, name: str) -> bytes:
        """Return the bytes of one artifact the manifest names. Raises ArtifactNotFound, RunDamaged."""
        try:
            with self.open(name) as file:
                return file.read()
        except OSError as error:
            raise self._unreadable(name, error) from error

    def open(self, name: str) -> BinaryIO:
        """Open one artifact the manifest names for reading its bytes, also where it is stored compressed.

        Reading raises OSError where the disk, or the compressed form, is damaged. Raises ArtifactNotFound, RunDamaged.
        """
        path = self._path(name)
        try:
            return opened(path)
        except OSError as error:
            raise self._unreadable(name, error) from error

    def artifact_path(self, name: str) -> str:
        """Return the path of one artifact the manifest names. Raises ArtifactNotFound, also when it is compressed."""
        path = self._path(name)
        if place(path) != path:
            raise ArtifactNotFound(
                f"{name} of {self.id} is stored compressed",
                hint=f"read it with `open` or `artifact`, or `buff store compress --undo {self.id}` first",
                details={"artifact": name},
            )
        return path

    def to_pandas(self) -> "pandas.DataFrame":
        """Return bars, equity, drawdown and position as a DataFrame indexed by UTC time (needs pandas)."""
        import pandas

        data = {name: np.array(getattr(self.bars, name)) for name in COLUMNS[1:6]}
        data |= {name: np.array(getattr(self, name)) for name in ("equity", "drawdown", "position")}
        index = pandas.to_datetime(np.array(self.bars.ts), unit="ms", utc=True)
        return pandas.DataFrame(data, index=pandas.DatetimeIndex(index, name="ts"))

    def __repr__(self) -> str:
        what = self.inputs
        numbers = "  ".join(f"{name} {value}" for name, value in self._headline())
        return (
            f"<Run {self.id} {what['symbol']} {what['timeframe']} {what['strategy']['id']} "
            f"risk {what['risk']['level']}  {numbers}>"
        )

    def _repr_html_(self) -> str:
        """Return a small table and an inline equity curve, for notebooks."""
        import html

        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td style='text-align:right'>{html.escape(value)}</td></tr>"
            for name, value in self._headline()
        )
        what = self.inputs
        title = f"{what['symbol']} {what['timeframe']} {what['strategy']['id']} {self.id}"
        return f"<div><b>{html.escape(title)}</b>{equity_svg(self.equity)}<table>{rows}</table></div>"

    def _headline(self) -> list[tuple[str, str]]:
        found = ((name, self.metrics[name]) for name in HEADLINE if name in self.metrics)
        return [(name, shown(metric.value, metric.unit)) for name, metric in found]

    def _document(self, name: str, kind: Any = Any) -> Any:
        data = self.artifact(name)
        committed = next(item["sha256"] for item in self.manifest["artifacts"] if item["name"] == name)
        if digest(data) != committed:
            raise RunDamaged(
                f"{name} of {self.id} holds other bytes than were committed",
                hint=f"run `buff run verify {self.id}`",
                details={"run_id": self.id, "artifact": name},
            )
        try:
            return msgspec.json.decode(data, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RunDamaged(f"{name} of {self.id} is no such document: {error}", details={"artifact": name}) from error

    def _column(self, name: str, dtype: np.dtype[Any]) -> NDArray[Any]:
        return columns.read(self._path(f"columns/{name}.npy"), dtype)

    def _unreadable(self, name: str, error: OSError) -> RunDamaged:
        return RunDamaged(f"{name} of {self.id} cannot be read: {error.strerror}", details={"artifact": name})

    def _path(self, name: str) -> str:
        if name != "manifest.json" and name not in (item["name"] for item in self.manifest["artifacts"]):
            raise ArtifactNotFound(
                f"{self.id} has no artifact {name!r}", hint="the manifest lists them", details={"artifact": name}
            )
        return os.path.join(self._directory, *name.split("/"))
