"""A recipe: all that it takes to make one run, as a value that another process, or another machine, can be given.

A `Recipe` goes in; a `Product` comes out: the bytes of every artifact, the manifest and the event that would commit the
run. Whoever makes it reads the bars of one dataset, named by the hashes of their columns, and writes nothing: only the
committer, on the root's own disk, makes bytes true. What cannot be made comes back as a value, too, since exceptions
do not travel well. Between processes all of it is one value of bytes, which every executor carries at the least cost.
"""

import hashlib
import os
import pickle
import struct
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from attrs import asdict, frozen
from numpy.typing import NDArray

from buff import columns
from buff.datasets import Dataset, Reference
from buff.decisions.metrics import estimate, sparkline
from buff.decisions.returns import daily_equity
from buff.decisions.sharpe import numbers_of
from buff.decisions.strategy import packages, source_sha256, strategy
from buff.errors import BuffError, Internal, RunDamaged, StrategyInvalid
from buff.faults import told
from buff.jobs import M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, allocate
from buff.journal.events import RunCommitted
from buff.market.bars import COLUMNS, DTYPES, Bars
from buff.market.quality import report
from buff.market.timeframe import Timeframe
from buff.runs.artifacts import Built, build, pieces
from buff.runs.directory import Piece
from buff.runs.identity import ENGINE_VERSION
from buff.runs.manifest import Artifact, content_sha256, manifest_of, manifest_sha256
from buff.shelf import Place, lay
from buff.times import epoch_ms, iso

LISTED_METRICS = ("net_return", "cagr", "sharpe", "max_drawdown", "win_rate", "profit_factor")
KEPT_BYTES = 64 << 20  # so much memory that is free a process keeps; half of it is the largest block glibc allows
KEPT = 4  # so many datasets' bars a process keeps between recipes


@frozen(kw_only=True)
class Recipe:
    """One run that is to be made: its resolved `inputs`, its data, and what people say of it.

    `root` is where the columns that `references` name are to be found, if this machine has them. `bars` is how many
    the run has, `quality` the resample's part of the quality report, `source` what the manifest says of the file, `job`
    what it is made for.
    """

    root: str
    run_id: str
    bars: int
    inputs: Mapping[str, Any]
    inputs_hash: str
    dataset: Dataset
    quality: Mapping[str, Any]
    references: tuple[Reference, ...]
    source: Mapping[str, Any]
    name: str | None
    notes: str | None
    tags: tuple[str, ...]
    by: str
    job: str | None

    @property
    def timeframe(self) -> Timeframe:
        """That of the run, and of the columns it is made of."""
        return Timeframe(self.inputs["timeframe"])

    @property
    def bars_key(self) -> tuple[str, ...]:
        """What the bars are known by: their timeframe and the hash of each column."""
        hashes = {each.column: each.sha256 for each in self.references}
        return (self.inputs["timeframe"], *(hashes[name] for name in COLUMNS))


@frozen(kw_only=True)
class Product:
    """A run that is made and not yet written: every artifact as (name, schema, bytes), its manifest and its event."""

    run_id: str
    artifacts: tuple[tuple[str, str, bytes | memoryview], ...]
    manifest: Mapping[str, Any]
    event: RunCommitted

    def __reduce__(self) -> tuple[Any, ...]:
        """Let `packed` put the bytes beside the pickle, where nothing copies them."""
        artifacts = tuple((name, schema, pickle.PickleBuffer(data)) for name, schema, data in self.artifacts)
        return _product_again, (self.run_id, artifacts, self.manifest, self.event)


def _product_again(run_id: str, artifacts: Any, manifest: Mapping[str, Any], event: RunCommitted) -> Product:
    return Product(run_id=run_id, artifacts=artifacts, manifest=manifest, event=event)


@frozen(kw_only=True)
class Lacking:
    """The maker has no such columns: it is to be asked again, with their bytes."""


@frozen(kw_only=True)
class Refusal:
    """An error of the world as plain values, which every pickle can carry."""

    code: str
    message: str
    hint: str
    details: Mapping[str, Any]

    @property
    def error(self) -> BuffError:
        """The error again, as what `except` knows it by."""
        kinds = {kind.__dict__.get("code"): kind for kind in _kinds(BuffError)}
        found = kinds.get(self.code, BuffError)
        error = found.__new__(found)  # some need arguments of their own, which are in the details already
        BuffError.__init__(error, self.message, hint=self.hint, details=self.details)
        return error


Made = Product | Lacking | Refusal


def _kinds(kind: type[BuffError]) -> Sequence[type[BuffError]]:
    return (kind, *(each for child in kind.__subclasses__() for each in _kinds(child)))


# Making, anywhere


def make_all(
    recipes: Sequence[Recipe], shipped: Mapping[str, bytes] | None = None, attempt: int = 0, place: Place | None = None
) -> bytes | int:
    """Return what `make` comes to for each recipe, as `unpacked` takes it: what befalls one does not touch another.

    Which `attempt` it is makes no difference but to an executor that takes the same question for the same answer. Where
    there is a `place` to lay it, how many bytes lie there is returned in its stead.
    """
    _keep_memory()
    parts = packed([make(recipe, shipped) for recipe in recipes])
    laid = None if place is None else lay(parts, place)
    return b"".join(parts) if laid is None else laid


@cache
def _keep_memory() -> None:
    """Have this process keep the memory of one run for the next, where its C library is glibc.

    By default it gives everything above 128 KiB back to the system and is given it again, zeroed page by page: a fifth
    of the time of a run. Dask has its workers give back even more.
    """
    allocate({M_MMAP_THRESHOLD: KEPT_BYTES // 2, M_TRIM_THRESHOLD: KEPT_BYTES})


def packed(answers: "Sequence[Made]") -> list[bytes | memoryview]:
    """Return answers as parts of bytes: how many follow and their sizes (64 bits each), a pickle, what it refers to."""
    beside = list[memoryview]()
    head = pickle.dumps(list(answers), protocol=5, buffer_callback=lambda buffer: beside.append(buffer.raw()))
    parts: list[bytes | memoryview] = [head, *beside]
    return [struct.pack(f"<{len(parts) + 1}Q", len(parts), *map(len, parts)), *parts]


def unpacked(data: bytes | memoryview) -> "list[Made]":
    """Return the answers that were packed; the bytes of artifacts are views of `data`."""
    (count,) = struct.unpack_from("<Q", data)
    sizes = struct.unpack_from(f"<{count}Q", data, 8)
    ends = accumulate(sizes, initial=8 * (count + 1))
    head, *beside = (memoryview(data)[begin:end] for begin, end in pairwise(ends))
    answers: list[Made] = pickle.loads(head, buffers=beside)
    return answers


def make(recipe: Recipe, shipped: Mapping[str, bytes] | None = None) -> "Made":
    """Return what a recipe comes to. Nothing is raised but what ends a process, and nothing is written.

    `shipped` is the raw bytes of each column, for a machine that has none of the root's files.
    """
    try:
        bars = _bars(recipe, shipped)
        return Lacking() if bars is None else _product(recipe, bars)
    except BuffError as error:
        return Refusal(code=error.code, message=error.message, hint=error.hint, details=dict(error.details))
    except Exception as error:  # a bug: it fails this run alone, and is told of as such
        says = f"{type(error).__name__} while the run was made"
        return Refusal(code=Internal.code, message=says, hint="this is a bug in Buff", details=told(error))


def shipment(recipe: Recipe) -> dict[str, bytes]:
    """Return the raw bytes of the columns of a recipe, read from the root. Raises RunDamaged."""
    return {name: column.tobytes() for name, column in _columns(recipe).items()}


def _product(recipe: Recipe, bars: Bars) -> Product:
    built = built_of(recipe, windowed(bars, epoch_ms(recipe.inputs["start"]), epoch_ms(recipe.inputs["end"])))
    made = tuple((piece.name, piece.schema, b"".join(piece.chunks)) for piece in pieces(built))
    hashed = [
        Artifact(name=name, schema=schema, size=len(data), sha256=hashlib.sha256(data).hexdigest())
        for name, schema, data in made
    ]
    manifest, event = finished(recipe, built, hashed)
    return Product(run_id=recipe.run_id, artifacts=made, manifest=manifest, event=event)


_KEPT: "OrderedDict[tuple[str, ...], Bars]" = OrderedDict()


def _bars(recipe: Recipe, shipped: Mapping[str, bytes] | None) -> Bars | None:
    """Return the bars of a recipe, proven once in this process; None when they are nowhere to be had."""
    key = recipe.bars_key
    if key in _KEPT:
        _KEPT.move_to_end(key)
        return _KEPT[key]
    try:
        held = _columns(recipe) if shipped is None else _shipped(shipped)
    except RunDamaged:
        return None
    if columns.contents_sha256(held) != dict(zip(COLUMNS, key[1:], strict=True)):
        if shipped is None:
            return None
        raise RunDamaged(
            f"columns of dataset {recipe.dataset.id[:16]} are not what was stored",
            hint="`buff doctor` and `buff data verify` say which",
            details={"dataset_id": recipe.dataset.id},
        )
    _KEPT[key] = Bars(timeframe=recipe.timeframe, decimals=recipe.dataset.price_decimals, **held)
    if len(_KEPT) > KEPT:
        _KEPT.popitem(last=False)
    return _KEPT[key]


def _columns(recipe: Recipe) -> dict[str, NDArray[Any]]:
    """Return the columns of a recipe as the root has them, mapped. Raises RunDamaged when it has not."""
    places = {each.column: os.path.join(recipe.root, *each.file.split("/")) for each in recipe.references}
    return {name: columns.read(places[name], DTYPES[name]) for name in COLUMNS}


def _shipped(data: Mapping[str, bytes]) -> dict[str, NDArray[Any]]:
    return {name: np.frombuffer(data[name], DTYPES[name]) for name in COLUMNS}


# What a maker and a committer on one machine share


def windowed(bars: Bars, start: int, end: int) -> Bars:
    """Return the bars whose open stamps lie in [start, end)."""
    first, last = np.searchsorted(bars.ts, (start, end)).tolist()
    return bars[first:last]


def built_of(recipe: Recipe, window: Bars) -> Built:
    """Return the run that a recipe describes, over the bars of its window.

    Raises StrategyInvalid when the strategy or the engine here is not that of the inputs, and what `build` raises.
    """
    rule = strategy(recipe.inputs["strategy"]["id"])
    known = (source_sha256(rule), ENGINE_VERSION)
    if known != (recipe.inputs["strategy"]["source_sha256"], recipe.inputs["engine_version"]):
        raise StrategyInvalid(
            f"strategy {rule.id} or the engine is another one where this run was to be made",
            hint="install the same versions of Buff and of the strategy on every machine that makes runs",
            details={"strategy": rule.id, "engine_version": ENGINE_VERSION},
        )
    return build(recipe.inputs, window, report(recipe.dataset.quality, recipe.quality))


def finished(recipe: Recipe, built: Built, artifacts: Sequence[Artifact]) -> tuple[dict[str, Any], RunCommitted]:
    """Return the manifest of a run whose artifacts are made, and the event that commits it."""
    manifest = manifest_of(
        run_id=recipe.run_id,
        inputs=recipe.inputs,
        inputs_hash=recipe.inputs_hash,
        data=data_of(recipe.dataset, recipe.source),
        artifacts=artifacts,
        references=[asdict(reference) for reference in recipe.references],
        packages=[asdict(package) for package in packages(built.strategy)],
    )
    event = committed(
        manifest,
        metrics=built.metrics,
        equity=built.outcome.equity,
        daily_sharpe=numbers_of(estimate(daily_equity(built.bars, built.outcome.equity, built.outcome.initial_equity))),
        name=recipe.name,
        notes=recipe.notes,
        tags=recipe.tags,
        by=recipe.by,
        job=recipe.job,
    )
    return manifest, event


def stored_pieces(product: Product) -> tuple[Piece, ...]:
    """Return the artifacts of a product as what is written."""
    return tuple(Piece(name=name, schema=schema, chunks=(data,)) for name, schema, data in product.artifacts)


def data_of(dataset: Dataset, source: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest says of its dataset, which came from `source`."""
    return {
        "dataset_id": dataset.id,
        "base_timeframe": dataset.base.value,
        "rows": dataset.rows,
        "first_ts": iso(dataset.first_ts),
        "last_ts": iso(dataset.last_ts),
        "gaps": dataset.gaps,
        "filled": dataset.filled,
        "source": dict(source),
    }


def committed(
    manifest: Mapping[str, Any],
    *,
    metrics: Mapping[str, Mapping[str, Any]],
    equity: NDArray[np.float64],
    daily_sharpe: list[float | int] | None = None,
    name: str | None,
    notes: str | None,
    tags: Sequence[str],
    by: str,
    job: str | None = None,
) -> RunCommitted:
    """Return the event that commits a run: its manifest, its metrics and its equity in short, and what people say."""
    inputs = manifest["inputs"]
    return RunCommitted(
        run_id=manifest["run_id"],
        inputs_hash=manifest["inputs_hash"],
        manifest_sha256=manifest_sha256(manifest),
        content_sha256=content_sha256(manifest),
        job=job,
        dataset_id=inputs["dataset_id"],
        symbol=inputs["symbol"],
        timeframe=inputs["timeframe"],
        start=inputs["start"],
        end=inputs["end"],
        strategy=inputs["strategy"]["id"],
        strategy_version=inputs["strategy"]["version"],
        params=inputs["strategy"]["params"],
        risk_level=inputs["risk"]["level"],
        bars=len(equity),
        trades=metrics["trades"]["value"],
        metrics={each: metrics[each]["value"] for each in LISTED_METRICS},
        daily_sharpe=daily_sharpe,
        sparkline=sparkline(equity),
        name=name,
        notes=notes,
        tags=list(tags),
        by=by,
    )
