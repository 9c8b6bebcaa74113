"""Rows: the runs of a registry as index.json holds them, each made a `RunEntry` when somebody looks at it.

A commit goes in and its `Row` comes out: what a list filters and sorts by is there to be compared, and what no list
asks for stays JSON until it is, in memory or where it was read. `Rows` is a mapping of run ids to entries that never
changes: the next one shares all it can with the one before, so an event costs what it changes, however many runs there
are, and it tells what changed, so that a list of very many runs need not be made anew.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from operator import attrgetter
from typing import Any, Protocol, TypeAlias

import msgspec

from buff import canonical
from buff.journal.events import RunCommitted
from buff.journal.line import escape

STEPS_MAX, CHANGED_MAX = 64, 1_000  # so many steps back, and so many changed runs in all, it is told what changed


class RunEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One committed run. Times are text: `created` and `verified_at` wall clock, `start` and `end` market time.

    `state` is committed, damaged, archived or reclaimed; `why` says why it was archived. `reclaimed` counts how often
    the directories of this id were given up: the next commit of it is another fact than the last, with another key.
    `daily_sharpe` is the Sharpe ratio of a day and what its error depends on, [ratio, samples, skew, kurtosis]; empty
    where there is none, None where its commit did not say.
    """

    run_id: str
    seq: int
    created: str
    inputs_hash: str
    manifest_sha256: str
    content_sha256: str
    dataset_id: str
    symbol: str
    timeframe: str
    start: str
    end: str
    strategy: str
    strategy_version: str
    params: dict[str, Any]
    risk_level: int
    bars: int
    trades: int
    metrics: dict[str, float | None]
    sparkline: list[float]
    name: str | None
    notes: str | None
    tags: list[str]
    by: str
    state: str = "committed"
    verdict: str | None = None
    verified_at: str | None = None
    why: str | None = None
    reclaimed: int = 0
    daily_sharpe: list[float | int] | None = None


class Detail(msgspec.Struct, array_like=True, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the commit of a run, whose seq it is, said once for all and no list filters by.

    The metrics come before the others: some sorts ask.
    """

    seq: int
    metrics: dict[str, float | None]
    params: dict[str, Any]
    sparkline: list[float]
    end: str
    strategy_version: str
    inputs_hash: str
    manifest_sha256: str
    content_sha256: str
    by: str
    daily_sharpe: list[float | int] | None


class Told(Protocol):
    """Where the canonical, ASCII JSON of details is."""

    def of(self, seq: int) -> bytes:
        """Return the JSON of the `Detail` of the commit that is event `seq`. Raises what reading it raises."""
        ...


class Here:
    """The JSON of one `Detail`, in memory."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        """Hold it."""
        self._data = data

    def of(self, seq: int) -> bytes:
        """Return it."""
        return self._data


_one, _put = sys.intern, msgspec.structs.force_setattr  # a row is frozen for all but itself


class Row(msgspec.Struct, array_like=True, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One run: what lists compare and what later events change; `told` knows its `Detail` and is part of no JSON.

    The others have the names and meanings of `RunEntry`; none holds a float, so any encoder writes them canonically.
    """

    run_id: str
    seq: int
    created: str
    state: str
    symbol: str
    timeframe: str
    strategy: str
    dataset_id: str
    risk_level: int
    start: str
    bars: int
    trades: int
    name: str | None
    notes: str | None
    tags: tuple[str, ...]
    verdict: str | None
    verified_at: str | None
    why: str | None
    reclaimed: int
    told: Any = None  # a Told, which the decoder could not make

    def __post_init__(self) -> None:
        """Let equal texts of rows be one object, however they were made: kept, hashed and compared once for all."""
        _put(self, "state", _one(self.state))
        _put(self, "symbol", _one(self.symbol))
        _put(self, "timeframe", _one(self.timeframe))
        _put(self, "strategy", _one(self.strategy))
        _put(self, "dataset_id", _one(self.dataset_id))
        _put(self, "start", _one(self.start))

    def __eq__(self, other: object) -> bool:
        """Say whether the same is known of the same run, wherever its detail is."""
        if not isinstance(other, Row):
            return NotImplemented
        return self is other or (_head(self) == _head(other) and self.detail == other.detail)

    def __hash__(self) -> int:
        """Return a hash that equal rows share."""
        return hash((self.run_id, self.seq))

    @property
    def detail(self) -> bytes:
        """The canonical, ASCII JSON of its `Detail`."""
        told: Told = self.told
        return told.of(self.seq)

    @property
    def metrics(self) -> dict[str, float | None]:
        """The metrics alone, for a sort."""
        return _decode_metrics(self.detail).metrics

    @property
    def inputs_hash(self) -> str:
        """The hash of what it was made of."""
        return _decode_detail(self.detail).inputs_hash

    @property
    def entry(self) -> RunEntry:
        """All that is known of the run."""
        members, detail = msgspec.structs.asdict(self), _decode_detail(self.detail)
        del members["told"]
        return RunEntry(**{**members, **msgspec.structs.asdict(detail), "tags": list(self.tags)})


class _Metrics(msgspec.Struct, array_like=True, frozen=True):
    seq: int
    metrics: dict[str, float | None]


_SAID = tuple(name for name in Row.__struct_fields__ if name in RunCommitted.__struct_fields__ and name != "tags")
_encode = msgspec.json.Encoder(order="sorted").encode
_decode_detail = msgspec.json.Decoder(Detail).decode
_decode_metrics = msgspec.json.Decoder(_Metrics).decode
_head = attrgetter(*Row.__struct_fields__[:-1])


def committed(event: RunCommitted, *, seq: int, created: str, reclaimed: int) -> Row:
    """Return the row of a run as its commit leaves it, `reclaimed` as often before."""
    return Row(
        seq=seq,
        created=created,
        state="committed",
        tags=tuple(event.tags),
        verdict=None,
        verified_at=None,
        why=None,
        reclaimed=reclaimed,
        told=Here(detail_of(event, seq)),
        **{name: getattr(event, name) for name in _SAID},
    )


def detail_of(event: RunCommitted, seq: int) -> bytes:
    """Return the canonical JSON of the `Detail` of a commit.

    The plain encoder writes the same but for negative zero: a journal holds no NaN.
    """
    detail = Detail(seq=seq, **{name: getattr(event, name) for name in Detail.__struct_fields__ if name != "seq"})
    data = _encode(detail)
    return escape(data if canonical.plain(data) else canonical.encode(detail))


Changed: TypeAlias = Mapping[str, tuple[Row | None, Row]]  # by run id, the row before, None of a new run, and now


class Rows(Mapping[str, RunEntry]):
    """Runs by id, in the order in which they were committed. No method changes one that somebody holds."""

    __slots__ = ("_layers", "_steps")

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        """Hold some rows, given in order of seq."""
        # What is in front stands for what is behind it, or follows it. Both change at once: readers are threads.
        self._layers: tuple[dict[str, Row], dict[str, Row]] = ({row.run_id: row for row in rows}, {})
        self._steps: tuple[Changed, ...] = ({},)  # the latest; the last is of these rows alone

    def __getitem__(self, run_id: str) -> RunEntry:
        """Return the entry of a run, decoded anew each time."""
        row = self.row(run_id)
        if row is None:
            raise KeyError(run_id)
        return row.entry

    def __contains__(self, run_id: object) -> bool:
        """Say whether there is such a run."""
        behind, front = self._layers
        return run_id in behind or run_id in front

    def __iter__(self) -> Iterator[str]:
        """Yield the ids."""
        return iter(self._whole())

    def __len__(self) -> int:
        """Return how many runs there are."""
        behind, front = self._layers
        return len(behind) + sum(run_id not in behind for run_id in front)

    def __eq__(self, other: object) -> bool:
        """Say whether the same runs are known by the same facts."""
        return self._whole() == other._whole() if isinstance(other, Rows) else super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]  # as for every mapping

    def __repr__(self) -> str:
        """Say how many there are: all of them would fill a screen many times."""
        return f"<Rows of {len(self):,} runs>"

    def row(self, run_id: str) -> Row | None:
        """Return the row of a run, or None."""
        behind, front = self._layers
        return front.get(run_id) or behind.get(run_id)

    def rows(self) -> list[Row]:
        """Return every row, in order of seq."""
        return list(self._whole().values())

    def last(self, place: int) -> Row | None:
        """Return the row so many places from the end, 1 being the last; None when there are fewer.

        It looks at no row before that one. A place below 1 is that of the last.
        """
        behind, front = self._layers
        new = (row for run_id, row in reversed(front.items()) if run_id not in behind)
        old = (front.get(run_id, row) for run_id, row in reversed(behind.items()))
        return next(islice(chain(new, old), max(place, 1) - 1, None), None)

    def having(self, changed: Mapping[str, Row]) -> "Rows":
        """Return the same with other rows for some runs, and new runs behind the others, in the order given.

        A run that was committed again, which its other seq tells, moves to the end.
        """
        if not changed:
            return self
        behind, front = self._layers
        step = {run_id: (self.row(run_id), row) for run_id, row in changed.items()}
        again = {run_id for run_id, (known, row) in step.items() if known and known.seq != row.seq}
        if again:
            behind, front = {id: row for id, row in (behind | front).items() if id not in again}, {}
        front = {**front, **changed}
        # A small front is copied for each event and a large dict for each front that has grown: a square root of both.
        if len(front) ** 2 > len(behind):
            behind, front = behind | front, {}
        made = Rows()
        made._layers = behind, front
        made._steps = _latest((*self._steps, step))
        return made

    @property
    def mark(self) -> object:
        """What stands for these rows when `since` is asked about them later; it keeps none of them in memory."""
        return self._steps[-1]

    def since(self, mark: object) -> Changed | None:
        """Return what is different from earlier rows, whose mark is given: of each such run its row then and now.

        None where these rows were not made of those, or where too much has changed since to be told.
        """
        place = next((place for place, step in enumerate(self._steps) if step is mark), None)
        if place is None:
            return None
        changed: dict[str, tuple[Row | None, Row]] = {}
        for step in self._steps[place + 1 :]:
            for run_id, (before, now) in step.items():
                changed[run_id] = (changed[run_id][0] if run_id in changed else before, now)
        return changed

    def _whole(self) -> dict[str, Row]:
        """Return all rows in one dict, which nobody changes; looking at all of them puts the layers together."""
        behind, front = self._layers
        if front:
            behind = behind | front
            self._layers = behind, {}
        return behind


def _latest(steps: tuple[Changed, ...]) -> tuple[Changed, ...]:
    """Return the last of some steps, as many as are told of, and the one before them as a mark."""
    if len(steps[-1]) > CHANGED_MAX:
        return ({},)  # a mark that keeps nothing
    total = 0
    for count, step in enumerate(reversed(steps)):
        total += len(step)
        if total > CHANGED_MAX or count == STEPS_MAX:
            return steps[-count - 1 :]
    return steps
