"""Pyramids: a run's columns on the windows of coarser timeframes, so that a chart is cut from them in no time.

Mapped columns and a window go in; at most so many buckets come out, each a whole window of one timeframe. This is a
view of what is stored: no decision, fill or metric is computed again. What a long series is folded to is kept in
`_cache/pyramids/`, bound to the hashes of what it was made of and to its own: a file that is damaged, or of other
columns, is ignored and made anew, and where it cannot be written it is kept in memory. Nothing else here writes.
"""

import contextlib
import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from buff import sheet
from buff.canonical import digest_of
from buff.columns import HEADER_BYTES, Committed, Proven
from buff.errors import RunDamaged
from buff.files import Disk
from buff.market.timeframe import DAY_MS, Timeframe, coarser_or_equal
from buff.runs import compression
from buff.runs.run import Run

SCHEMA = "pyramid.v1"
FOLDER = "_cache/pyramids"
BARS_MIN = 65_536  # a shorter series is folded in about a millisecond: nothing of it is kept
STEP_MIN = 8  # a level has buckets of at least so many bars; finer ones are folded from the bars of their window
KINDS = ("bars", "equity")
KEPT = 64  # series that stay mapped: each takes up to seven file handles
HASH_BYTES = 32

Values = NDArray[Any]
Columns = dict[str, Values]
Fold = Callable[[Values, NDArray[np.int64]], Values]
Lift = Callable[[Values, int, int, NDArray[np.int64]], Values]


# What a bucket says of its bars


def _first(values: Values, starts: NDArray[np.int64]) -> Values:
    taken: Values = values[starts]
    return taken


def _last(values: Values, starts: NDArray[np.int64]) -> Values:
    return _first(values, np.append(starts[1:], len(values)) - 1)


def _highest(values: Values, starts: NDArray[np.int64]) -> Values:
    return np.maximum.reduceat(values, starts)


def _lowest(values: Values, starts: NDArray[np.int64]) -> Values:
    return np.minimum.reduceat(values, starts)


def _added(values: Values, starts: NDArray[np.int64]) -> Values:
    # A sum in any order will do: it is drawn a few pixels high and never becomes an artifact.
    added: Values = np.add.reduceat(values, starts, dtype=values.dtype)
    return added


def _counted(values: Values, low: int, high: int, starts: NDArray[np.int64]) -> Values:
    return np.diff(starts, append=high - low).astype(np.int32)


def _changes(side: int, *, into: bool) -> Lift:
    """Return the count of bars in a bucket at whose open a position of a side was entered, or left."""

    def count(values: Values, low: int, high: int, starts: NDArray[np.int64]) -> Values:
        now = values[low:high] == side
        # Before the first bar there was no position. Whoever reads a part looks one bar back.
        before = np.append(bool(low) and values[low - 1] == side, now[:-1])
        return np.add.reduceat((now & ~before if into else before & ~now).astype(np.int32), starts)

    return count


@frozen(kw_only=True)
class Rule:
    """One column of the buckets: how it is made of the bars' column `source`, and how of finer buckets."""

    source: str
    lift: Lift
    fold: Fold


def _same(source: str, fold: Fold) -> Rule:
    return Rule(source=source, lift=lambda values, low, high, starts: fold(values[low:high], starts), fold=fold)


_COUNT = {"bars": Rule(source="ts", lift=_counted, fold=_added)}
BARS: Mapping[str, Rule] = {
    "open": _same("open", _first),
    "high": _same("high", _highest),
    "low": _same("low", _lowest),
    "close": _same("close", _last),
    "volume": _same("volume", _added),
    **_COUNT,
}
EQUITY: Mapping[str, Rule] = {
    "equity": _same("equity", _last),
    "drawdown": _same("drawdown", _lowest),
    "position": _same("position", _last),
    "state": _same("state", _highest),
    **{
        f"{word}_{name}": Rule(source="position", lift=_changes(side, into=word == "entries"), fold=_added)
        for name, side in (("long", 1), ("short", -1))
        for word in ("entries", "exits")
    },
    **_COUNT,
}


# Values


@frozen(kw_only=True, eq=False)
class Series:
    """Columns of one length over stamps, and what their buckets say of them.

    values: by name, `ts` among them (int64, epoch ms, strictly increasing). rules: of the buckets' columns.
    """

    timeframe: Timeframe
    values: Mapping[str, Values]
    rules: Mapping[str, Rule]

    @property
    def ts(self) -> NDArray[np.int64]:
        """The stamps of the bars."""
        return self.values["ts"]

    def __len__(self) -> int:
        return len(self.ts)


@frozen(kw_only=True, eq=False)
class Pyramid:
    """The levels of a series by timeframe, the finest first; each the columns of its buckets, `ts` their begins."""

    levels: Mapping[Timeframe, Columns]


@frozen(kw_only=True)
class Window:
    """A stretch of market time, `[first_ms, last_ms)`, None where it is open, in at most `buckets` pieces."""

    first_ms: int | None = None
    last_ms: int | None = None
    buckets: int


@frozen(kw_only=True, eq=False)
class Cut:
    """A window of a series in buckets: `ts` (int64, epoch ms) is where each begins, `bars` how many bars are in all."""

    bucket: Timeframe
    bars: int
    columns: Columns


# Fold


def pyramid_of(series: Series) -> Pyramid:
    """Return every level of a series; each is made of the coarsest level before it whose windows it is made of."""
    levels: dict[Timeframe, Columns] = {}
    for timeframe in levels_of(series.timeframe):
        nested = [each for each in levels if _nests(each, timeframe)]
        levels[timeframe] = (
            _coarser(levels[nested[-1]], timeframe, series.rules) if nested else _level(series, timeframe)
        )
    return Pyramid(levels=levels)


def levels_of(timeframe: Timeframe) -> tuple[Timeframe, ...]:
    """Return the timeframes that a pyramid of bars of `timeframe` has levels of, the finest first."""
    least_ms = STEP_MIN * _least_ms(timeframe)
    return tuple(each for each in Timeframe if _least_ms(each) >= least_ms)


def _least_ms(timeframe: Timeframe) -> int:
    """Return how long the shortest window of a timeframe is."""
    return timeframe.step_ms or 28 * DAY_MS * (timeframe.months or 1)


def _nests(fine: Timeframe, coarse: Timeframe) -> bool:
    """Say whether every window of `coarse` is made of whole windows of `fine`."""
    if fine.months is not None:
        return coarse.months is not None and coarse.months % fine.months == 0
    return coarser_or_equal(coarse, fine)


def _level(series: Series, timeframe: Timeframe) -> Columns:
    return _lifted(series, timeframe, 0, len(series))


def _lifted(series: Series, timeframe: Timeframe, low: int, high: int) -> Columns:
    """Return the buckets of a part of a series, which holds at least one bar."""
    number = timeframe.index(series.ts[low:high])
    starts = _starts(number)
    made = {name: rule.lift(series.values[rule.source], low, high, starts) for name, rule in series.rules.items()}
    return {"ts": timeframe.start(number[starts]), **made}


def _coarser(level: Columns, timeframe: Timeframe, rules: Mapping[str, Rule]) -> Columns:
    number = timeframe.index(level["ts"])
    starts = _starts(number)
    made = {name: rule.fold(level[name], starts) for name, rule in rules.items()}
    return {"ts": timeframe.start(number[starts]), **made}


def _starts(number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each run of one window number begins."""
    return np.flatnonzero(np.concatenate(([True], number[1:] != number[:-1])))


# Cut


def cut(series: Series, pyramid: Pyramid | None, window: Window) -> Cut:
    """Return the finest cut of a window with at most `window.buckets` buckets; more only where years are too many.

    Outer buckets are whole: a window is widened to their edges, so that one bucket is the same in every answer. The
    pyramid may be of a longer series, of which this one is a part.
    """
    low = 0 if window.first_ms is None else int(np.searchsorted(series.ts, window.first_ms))
    high = len(series) if window.last_ms is None else int(np.searchsorted(series.ts, window.last_ms))
    if high <= low:
        return Cut(bucket=series.timeframe, bars=0, columns=_none(series))
    ends = np.array([series.ts[low], series.ts[high - 1]])
    bucket = finest(ends, high - low, series.timeframe, window.buckets)
    if bucket is series.timeframe:
        return Cut(bucket=bucket, bars=high - low, columns=_lifted(series, bucket, low, high))
    edges = bucket.start(bucket.index(ends) + np.array([0, 1]))
    low, high = np.searchsorted(series.ts, edges).tolist()
    level = None if pyramid is None else pyramid.levels.get(bucket)
    made = _lifted(series, bucket, low, high) if level is None else _from_level(series, bucket, level, edges)
    return Cut(bucket=bucket, bars=high - low, columns=made)


def finest(ends: NDArray[np.int64], count: int, own: Timeframe, most: int) -> Timeframe:
    """Return the finest timeframe that shows `count` bars, the first and last stamps of which are `ends`, in `most`."""
    if count <= most:
        return own
    ladder = list(Timeframe)
    coarser = ladder[ladder.index(own) + 1 :]
    fitting = (each for each in coarser if int(np.diff(each.index(ends))[0]) < most)
    return next(fitting, ladder[-1])


def _from_level(series: Series, bucket: Timeframe, level: Columns, edges: NDArray[np.int64]) -> Columns:
    """Return the buckets between two edges out of a level; where the series begins or ends within one, of its bars."""
    part = slice(*np.searchsorted(level["ts"], edges).tolist())
    made = {name: np.array(values[part]) for name, values in level.items()}
    last = len(made["ts"]) - 1
    for place in {0, last}:
        begin = made["ts"][place : place + 1]
        bounds = np.concatenate((begin, bucket.end(begin)))
        low, high = np.searchsorted(series.ts, bounds).tolist()
        if high - low != made["bars"][place]:
            own = _lifted(series, bucket, low, high)
            for name, values in own.items():
                made[name][place] = values[0]
    return made


def _none(series: Series) -> Columns:
    return {
        "ts": np.empty(0, np.int64),
        **{name: series.values[rule.source][:0] for name, rule in series.rules.items()},
    }


# Runs


def bars_series(run: Run) -> Series:
    """Return the bars that a run was decided on. Raises RunDamaged."""
    bars = run.bars
    names = {rule.source for rule in BARS.values()}
    return Series(timeframe=bars.timeframe, values={name: getattr(bars, name) for name in names}, rules=BARS)


def equity_series(run: Run, ts: NDArray[np.int64]) -> Series:
    """Return what a run made of its bars, whose stamps are `ts`. Raises RunDamaged."""
    values = {name: getattr(run, name) for name in ("equity", "drawdown", "position", "state")}
    for name, column in values.items():
        if len(column) != len(ts):
            raise RunDamaged(
                f"{name}.npy of {run.id} has {len(column)} rows, its bars are {len(ts)}",
                hint=f"run `buff run verify {run.id}`",
                details={"run_id": run.id, "artifact": f"columns/{name}.npy"},
            )
    return Series(timeframe=Timeframe(run.inputs["timeframe"]), values={"ts": ts, **values}, rules=EQUITY)


@frozen(kw_only=True, eq=False)
class _Source:
    """What a pyramid is made of: the whole series, the hashes it is bound to, and the files that must have them."""

    kind: str
    timeframe: str
    made_of: Mapping[str, Any]
    series: Callable[[], Series]
    files: Sequence[Committed]

    @property
    def key(self) -> str:
        return digest_of({"schema": SCHEMA, "kind": self.kind, "timeframe": self.timeframe, "made_of": self.made_of})


def _bars_source(run: Run) -> _Source:
    names = sorted({rule.source for rule in BARS.values()})
    hashes = {each["column"]: each["sha256"] for each in run.manifest["references"]}

    def series() -> Series:
        bars = run.resample
        return Series(timeframe=bars.timeframe, values={name: getattr(bars, name) for name in names}, rules=BARS)

    return _Source(
        kind="bars",
        timeframe=run.inputs["timeframe"],
        made_of={name: hashes[name] for name in names},
        series=series,
        files=_referenced(run, names),
    )


def _equity_source(run: Run, own: Series) -> _Source:
    hashes = {item["name"]: item["sha256"] for item in run.manifest["artifacts"]}
    names = [f"columns/{name}.npy" for name in sorted(own.values) if name != "ts"]
    stamps = next(each["sha256"] for each in run.manifest["references"] if each["column"] == "ts")
    return _Source(
        kind="equity",
        timeframe=run.inputs["timeframe"],
        made_of={
            **{name: hashes[name] for name in names},
            "ts": stamps,
            "start": run.inputs["start"],
            "end": run.inputs["end"],
        },
        series=lambda: own,
        files=(*_referenced(run, ["ts"]), *_written(run, names)),
    )


def _referenced(run: Run, names: Sequence[str] | None = None) -> tuple[Committed, ...]:
    """Return the files of the bars of a run's whole resample, all or those of some columns."""
    root = os.path.dirname(run.directory)
    return tuple(
        Committed(
            name=f"column {each['column']} of its bars",
            path=os.path.join(root, *each["file"].split("/")),
            sha256=each["sha256"],
            begin=HEADER_BYTES,
        )
        for each in run.manifest["references"]
        if names is None or each["column"] in names
    )


def _written(run: Run, names: Sequence[str] = ()) -> tuple[Committed, ...]:
    """Return the files that a run made, all or some of them, in whatever form they lie."""
    return tuple(
        Committed(
            name=item["name"],
            path=compression.place(os.path.join(run.directory, *item["name"].split("/"))),
            sha256=item["sha256"],
            opened=compression.opened_form,
        )
        for item in run.manifest["artifacts"]
        if not names or item["name"] in names
    )


# Keep


@frozen(kw_only=True, eq=False)
class Detail:
    """A series of a run with its pyramid, or none where the series is short, and the files that it is read from."""

    series: Series
    pyramid: Pyramid | None
    files: Sequence[Committed] = ()

    def cut(self, window: Window) -> Cut:
        """Return a window in at most so many buckets."""
        return cut(self.series, self.pyramid, window)


class Details:
    """The details of the runs of one root: mapped when first asked for, the latest kept. Threads may share it.

    No column and no record is shown that does not have the hash of the manifest: each file is read for it once, and
    again when it is another by its looks.
    """

    def __init__(self, disk: Disk, root: str, *, token: str, bars_min: int = BARS_MIN) -> None:
        """Keep where they are; `token` is part of the names of files under way, no two processes have the same."""
        self._disk, self._root, self._token, self._bars_min = disk, root, token, bars_min
        self._kept: OrderedDict[tuple[str, str, str], Detail] = OrderedDict()
        self._pyramids = {kind: WeakValueDictionary[str, Pyramid]() for kind in KINDS}
        self._proven = Proven()
        self._lock, self._building = threading.Lock(), {kind: threading.Lock() for kind in KINDS}

    def bars(self, run: Run) -> Detail:
        """Return the detail of a run's bars; their pyramid is that of all runs of the same resample.

        Raises RunDamaged when the columns are not what the manifest says.
        """
        return self._known("bars", run, lambda: (bars_series(run), _bars_source(run)))

    def equity(self, run: Run) -> Detail:
        """Return the detail of a run's equity, drawdown, position, risk state and of what was entered and left.

        Raises RunDamaged when the columns are not what the manifest says.
        """

        def made() -> tuple[Series, _Source]:
            own = equity_series(run, run.bars.ts)
            return own, _equity_source(run, own)

        return self._known("equity", run, made)

    def prepare(self, run: Run) -> None:
        """Make what charts of a run are cut from, so that nobody has to wait for it who looks first.

        A short run needs nothing. Raises RunDamaged when its columns are not what the manifest says.
        """
        self.bars(run)
        self.equity(run)

    def checked(self, run: Run, *names: str) -> Run:
        """Return a run whose files all are what its manifest says, those of its bars too; for whoever reads them.

        With names of artifacts, these alone are looked at. Raises RunDamaged.
        """

        def files() -> tuple[Committed, ...]:
            return _written(run, names) if names else (*_referenced(run), *_written(run))

        if self._proven.damaged(files()) is not None:
            self._check(run, files())  # a form that another process took away in this moment has another name by now
        return run

    def _check(self, run: Run, files: Sequence[Committed]) -> None:
        damaged = self._proven.damaged(files)
        if damaged is not None:
            raise RunDamaged(
                f"{damaged.name} of {run.id} holds other bytes than were committed",
                hint=f"run `buff run verify {run.id}`",
                details={"run_id": run.id},
            )

    def _known(self, kind: str, run: Run, make: Callable[[], tuple[Series, _Source]]) -> Detail:
        name = (kind, run.id, str(run.facts.get("manifest_sha256")))
        with self._lock:
            known = self._kept.get(name)
            if known is not None:
                self._kept.move_to_end(name)
        if known is not None:
            self._check(run, known.files)
            return known
        series, source = make()
        # One of a kind at a time: two threads that are asked for the same would both read and make it.
        with self._building[kind]:
            pyramid = self._pyramid(run, source) if len(series) >= self._bars_min else None
            self._check(run, source.files)
        detail = Detail(series=series, pyramid=pyramid, files=source.files)
        with self._lock:
            self._kept[name] = detail
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return detail

    def _pyramid(self, run: Run, source: _Source) -> Pyramid:
        key, pyramids = source.key, self._pyramids[source.kind]
        known = pyramids.get(key)
        if known is None:
            known = self._stored(key, source) or self._made(run, key, source)
            pyramids[key] = known
        return known

    def _path(self, key: str) -> str:
        return os.path.join(self._root, *FOLDER.split("/"), f"{key}.pyramid")

    def _stored(self, key: str, source: _Source) -> Pyramid | None:
        try:
            data: Values = np.memmap(self._path(key), np.uint8, mode="r").view(np.ndarray)
        except (OSError, ValueError):  # the latter for an empty file
            return None
        body = data[:-HASH_BYTES]
        if hashlib.sha256(body.data).digest() != data[-HASH_BYTES:].tobytes():
            return None
        with contextlib.suppress(sheet.SheetInvalid, KeyError):
            return _decoded(sheet.read(body), key, source)
        return None

    def _made(self, run: Run, key: str, source: _Source) -> Pyramid:
        series = source.series()
        with ThreadPoolExecutor(1, "buff-pyramid") as beside:
            making = beside.submit(pyramid_of, series)  # in vain where the columns are damaged, whatever it raises then
            self._check(run, source.files)
            pyramid = making.result()
        with contextlib.suppress(OSError):  # disposable: where there is no room for it, it stays in memory
            self._write(key, source, pyramid)
            return self._stored(key, source) or pyramid
        return pyramid

    def _write(self, key: str, source: _Source, pyramid: Pyramid) -> None:
        folder = self._root
        for name in FOLDER.split("/"):
            folder = os.path.join(folder, name)
            if not self._disk.is_directory(folder):
                with contextlib.suppress(FileExistsError):  # made by another process since we looked
                    self._disk.mkdir(folder)
                if not self._disk.is_directory(folder):
                    raise NotADirectoryError(folder)  # a link or a file of somebody's own
        path = self._path(key)
        temporary = f"{path}.{self._token}"
        for left in self._disk.names(folder):
            # Whoever was writing this died, or loses its file and keeps what it made in memory.
            if left.startswith(f"{key}.pyramid."):
                self._disk.unlink(os.path.join(folder, left))
        try:
            self._place(temporary, path, _encoded(key, source, pyramid))
        except OSError:
            with contextlib.suppress(OSError):
                self._disk.unlink(temporary)
            raise

    def _place(self, temporary: str, path: str, chunks: Iterator[bytes | memoryview]) -> None:
        """Write a file that whoever opens it finds whole, and that a power cut may take: its hash says so then."""
        handle = self._disk.create(temporary)
        try:
            for chunk in chunks:
                self._disk.write(handle, chunk)
        finally:
            self._disk.close(handle)
        self._disk.rename(temporary, path)  # and no sync, for which somebody would have to wait


def _encoded(key: str, source: _Source, pyramid: Pyramid) -> Iterator[bytes | memoryview]:
    head = {
        "schema": SCHEMA,
        "key": key,
        "kind": source.kind,
        "timeframe": source.timeframe,
        "made_of": source.made_of,
        "levels": [timeframe.value for timeframe in pyramid.levels],
    }
    named = {
        f"{timeframe.value}/{name}": values
        for timeframe, level in pyramid.levels.items()
        for name, values in level.items()
    }
    hashed = hashlib.sha256()
    for chunk in sheet.chunks(head, named):
        hashed.update(chunk)
        yield chunk
    yield hashed.digest()


def _decoded(found: sheet.Sheet, key: str, source: _Source) -> Pyramid | None:
    """Return the pyramid a sheet holds, or None when it is not the one of this source. Raises KeyError."""
    if found.head["schema"] != SCHEMA or found.head["key"] != key or found.head["made_of"] != source.made_of:
        return None
    names: Sequence[str] = ("ts", *(BARS if source.kind == "bars" else EQUITY))
    return Pyramid(
        levels={
            Timeframe(label): {name: found.columns[f"{label}/{name}"] for name in names}
            for label in found.head["levels"]
        }
    )
