"""One legacy run as a value: everything that can be read of it, and every problem found on the way.

A folder and bounds go in; a frozen `LegacyRun` comes out, whatever state the files are in. Its time is the earliest
instant in its own data or unknown: never the clock, never the time of a file. Metrics are as they were written; the
sign of a drawdown is not touched: the previous generation wrote it negative, then positive.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import attrs
import msgspec
from attrs import frozen

from buff.legacy.bars import LegacyBars, read_bars
from buff.legacy.fields import POINT, number, text, time_of, whole
from buff.legacy.folder import (
    CONFIG,
    DECISIONS,
    EQUITY,
    MANIFEST,
    METRICS,
    TIMELINES,
    TRADES,
    WHOLE,
    Bounds,
    Folder,
    shown,
)
from buff.legacy.problem import Problem, damage, limit, warning
from buff.legacy.records import (
    LegacyDecision,
    LegacyMoment,
    LegacyTrade,
    decision,
    earliest,
    moment,
    strategy_of,
    symbols_of,
    trade,
)
from buff.legacy.request import LegacyRequest, request_of
from buff.legacy.tables import Malformed, Rows, document, rows
from buff.market.timeframe import Timeframe
from buff.times import iso

Value = TypeVar("Value")

STATE = "legacy"
_LINES_SHOWN = 5
_LENGTHS: list[str | None] = [timeframe.value for timeframe in Timeframe]  # the shortest first


class LegacyEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A legacy run in a list, with the member names of a committed run's entry where they mean the same.

    `created`, `start` and `end` are market time. `metrics` are as written: other formulas, other signs. None is what
    the data do not say, or what a list does not read far enough to know.
    """

    run_id: str
    created: str | None
    symbol: str | None
    timeframe: str | None
    start: str | None
    end: str | None
    strategy: str | None
    strategy_version: str | None
    params: dict[str, Any]
    risk_level: int | None
    bars: int | None
    trades: int | None
    metrics: dict[str, Any]
    problems: int
    state: str = STATE
    legacy: bool = True


@frozen(kw_only=True, eq=False)
class LegacyRun:
    """A run of the previous generation. `files` are the names in its directory, `malformed` the first 1,000 of
    `malformed_count` lines that are no objects, `complete` names which of decisions and trades are there and were read
    to their end. `equity` is its curve as written, instants in epoch ms and in order; a glance reads none of it.
    """

    id: str
    files: tuple[str, ...]
    request: LegacyRequest | None
    metrics: Mapping[str, Any]
    decisions: tuple[LegacyDecision, ...]
    trades: tuple[LegacyTrade, ...]
    timeline: tuple[LegacyMoment, ...]
    bars: tuple[LegacyBars, ...]
    equity: tuple[tuple[int, float], ...]
    malformed: tuple[Malformed, ...]
    malformed_count: int
    complete: frozenset[str]
    problems: tuple[Problem, ...]

    @property
    def created(self) -> str | None:
        """The earliest instant in timeline, decisions, trades and bars, `YYYY-MM-DDTHH:MM:SSZ`; None without any."""
        first = earliest(self.timeline, self.decisions, self.trades)
        known = [int(bars.ts.min()) for bars in self.bars if len(bars)] + ([] if first is None else [first])
        return iso(min(known)) if known else None

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol the run names, in the order of request, metrics, decisions, trades."""
        asked = None if self.request is None else self.request.symbol
        named = [asked, *symbols_of(self.metrics)]
        named += [symbol for each in self.decisions for symbol in each.symbols]
        named += [each.symbol for each in self.trades]
        return tuple(dict.fromkeys(symbol for symbol in named if symbol is not None))

    @property
    def symbol(self) -> str | None:
        """The one symbol the run names, or None."""
        return self.symbols[0] if len(self.symbols) == 1 else None

    @property
    def timeframe_stated(self) -> str | None:
        """The timeframe that request, metrics or most decisions state."""
        asked = None if self.request is None else self.request.timeframe
        return asked or text(self.metrics.get("timeframe")) or _usual(each.timeframe for each in self.decisions)

    @property
    def timeframe(self) -> str | None:
        """The measured spacing of the run's bars; what is stated where there are none."""
        drawn = self.drawn
        return self.timeframe_stated if drawn is None or drawn.timeframe is None else drawn.timeframe

    @property
    def drawn(self) -> LegacyBars | None:
        """The bars the run was decided on: those of the stated timeframe if they are there, else the coarsest."""
        measured = [bars for bars in self.bars if bars.timeframe is not None]
        stated = [bars for bars in measured if bars.timeframe == self.timeframe_stated]
        coarse = sorted(measured, key=lambda bars: _LENGTHS.index(bars.timeframe))
        found = stated or coarse[::-1] or self.bars
        return found[0] if found else None

    @property
    def strategy(self) -> str | None:
        """The strategy that request, metrics or most decisions name."""
        asked = None if self.request is None else self.request.strategy
        return asked or strategy_of(self.metrics) or _usual(each.strategy for each in self.decisions)

    @property
    def strategy_version(self) -> str | None:
        """The version of the strategy that most decisions name."""
        return _usual(each.strategy_version for each in self.decisions)

    @property
    def risk_level(self) -> int | None:
        """The risk level of request, metrics or decisions."""
        asked = None if self.request is None else self.request.risk_level
        stated = asked if asked is not None else whole(self.metrics.get("risk_level"))
        return stated if stated is not None else _usual(each.risk_level for each in self.decisions)

    @property
    def entry(self) -> LegacyEntry:
        """What a list shows of the run."""
        drawn = self.drawn
        known = drawn if drawn is not None and drawn.complete else None
        return LegacyEntry(
            run_id=self.id,
            created=self.created,
            symbol=self.symbol,
            timeframe=self.timeframe,
            start=None if drawn is None else drawn.start,
            end=None if known is None else known.end,
            strategy=self.strategy,
            strategy_version=self.strategy_version,
            params={} if self.request is None else dict(self.request.params),
            risk_level=self.risk_level,
            bars=None if known is None else len(known),
            trades=self._trade_count(),
            metrics=dict(self.metrics),
            problems=sum(problem.kind != "limit" for problem in self.problems),
        )

    def _trade_count(self) -> int | None:
        counted = whole(self.metrics.get("num_trades"))
        if counted is not None or "trades" not in self.complete:
            return counted
        return len(self.trades)

    def as_dict(self) -> dict[str, Any]:
        """Return all of the run as plain values; of bars only what they are, not their columns."""
        return {
            **msgspec.structs.asdict(self.entry),
            "symbols": list(self.symbols),
            "timeframe_stated": self.timeframe_stated,
            "files": list(self.files),
            "request": None if self.request is None else attrs.asdict(self.request),
            "bars": [each.as_dict() for each in self.bars],
            "trades": [each.as_dict() for each in self.trades],
            "timeline": [each.as_dict() for each in self.timeline],
            "decisions": [each.as_dict() for each in self.decisions],
            "malformed": [attrs.asdict(each) for each in self.malformed],
            "malformed_count": self.malformed_count,
            "problems": [attrs.asdict(each) for each in self.problems],
        }

    def __repr__(self) -> str:
        return f"<LegacyRun {self.id} {self.symbol} {self.timeframe} {self.strategy} {len(self.problems)} problems>"


def read(folder: Folder, bounds: Bounds = WHOLE) -> LegacyRun:
    """Return the run in a folder. What cannot be read is among its problems; nothing is raised and nothing written."""
    problems: list[Problem] = []
    decided = _family(folder, (DECISIONS,), bounds, problems)
    traded = _family(folder, TRADES, bounds, problems)
    families = (("decisions", decided), ("trades", traded))
    bars, said = read_bars(folder, bounds)
    run = LegacyRun(
        id=folder.run_id,
        files=tuple(shown(name) for name in folder.names),
        request=_request(folder, problems),
        metrics=_object(folder, METRICS, problems) or {},
        decisions=tuple(decision(line, raw) for line, raw in decided.rows),
        trades=tuple(trade(row, raw) for row, raw in traded.rows),
        timeline=_timeline(folder, problems),
        bars=bars,
        equity=_equity(folder, problems) if bounds == WHOLE else (),
        malformed=decided.malformed + traded.malformed,
        malformed_count=decided.malformed_count + traded.malformed_count,
        complete=frozenset(name for name, family in families if family.file and family.complete),
        problems=(),
    )
    return attrs.evolve(run, problems=(*problems, *said, *_contradictions(run)))


def _family(folder: Folder, names: Iterable[str], bounds: Bounds, problems: list[Problem]) -> Rows:
    """Return the rows of the first of the files that is there and readable; no rows without one."""
    for name in names:
        if name not in folder.names:
            continue
        found = rows(folder, name, bounds)
        if isinstance(found, Problem):
            problems.append(found)
            continue
        problems += _said(found)
        return found
    return Rows(file="", rows=())


def _said(found: Rows) -> Iterator[Problem]:
    if found.malformed_count:
        listed = ", ".join(str(each.line) for each in found.malformed[:_LINES_SHOWN])
        more = ", ..." if found.malformed_count > _LINES_SHOWN else ""
        total = found.malformed_count + len(found.rows)
        says = f"{found.malformed_count:,} of {total:,} lines are no JSON objects: {listed}{more}"
        yield damage(found.file, says)
    if not found.complete:
        yield limit(found.file, f"only the first {len(found.rows):,} rows are read")


def _object(folder: Folder, name: str, problems: list[Problem]) -> dict[str, Any] | None:
    if name not in folder.names:
        return None
    found = document(folder, name)
    if isinstance(found, Problem):
        problems.append(found)
        return None
    if not isinstance(found, dict):
        problems.append(damage(name, "is JSON, but no object"))
        return None
    return found


def _request(folder: Folder, problems: list[Problem]) -> LegacyRequest | None:
    for name in (MANIFEST, CONFIG):
        found = _object(folder, name, problems)
        request = None if found is None else request_of(found)
        if request is not None:
            return request
    return None


def _timeline(folder: Folder, problems: list[Problem]) -> tuple[LegacyMoment, ...]:
    for name in TIMELINES:
        if name not in folder.names:
            continue
        found = document(folder, name)
        if isinstance(found, dict):
            found = found.get("events")
        if isinstance(found, Problem):
            problems.append(found)
        elif not isinstance(found, list):
            problems.append(damage(name, "is JSON, but no list of events"))
        else:
            strange = [row for row, raw in enumerate(found, 1) if not isinstance(raw, dict)]
            if strange:
                problems.append(damage(name, f"{len(strange):,} entries are no objects, the first is {strange[0]}"))
            return tuple(moment(row, raw) for row, raw in enumerate(found, 1) if isinstance(raw, dict))
    return ()


def _equity(folder: Folder, problems: list[Problem]) -> tuple[tuple[int, float], ...]:
    """Return the points of the equity curve that have an instant and a value."""
    if EQUITY not in folder.names:
        return ()
    found = document(folder, EQUITY)
    if isinstance(found, Problem):
        problems.append(found)
        return ()
    if not isinstance(found, list):
        problems.append(damage(EQUITY, "is JSON, but no list of points"))
        return ()
    points = (raw if isinstance(raw, dict) else {} for raw in found)
    told = [(time_of(raw, POINT), number(raw.get("equity"))) for raw in points]
    known = {ts: value for ts, value in told if ts is not None and value is not None}
    strange = [row for row, point in enumerate(told, 1) if None in point]
    if strange:
        problems.append(damage(EQUITY, f"{len(strange):,} points have no time or no equity, the first is {strange[0]}"))
    return tuple(sorted(known.items()))


def _contradictions(run: LegacyRun) -> Iterator[Problem]:
    """Yield what the parts of a run say against each other."""
    stated, drawn = run.timeframe_stated, run.drawn
    if stated is not None and drawn is not None and drawn.timeframe is not None and stated != drawn.timeframe:
        yield warning(drawn.file, f"the run states {stated}, but the bars are {drawn.timeframe} apart")
    if len(run.symbols) > 1:
        yield warning("", f"{len(run.symbols)} symbols are named: {', '.join(run.symbols[:_LINES_SHOWN])}")
    families = ((DECISIONS, run.decisions), ("trades", run.trades), ("timeline", run.timeline))
    for name, family in families:
        timeless = sum(each.ts is None for each in family)
        if timeless:
            yield warning(name, f"{timeless:,} entries have no time that can be read")


def _usual(values: Iterable[Value | None]) -> Value | None:
    """Return the most frequent value that is not None, the first of several; None without any."""
    counted = Counter(value for value in values if value is not None)
    return next((value for value, _ in counted.most_common(1)), None)
