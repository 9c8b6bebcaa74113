"""Resampling: minutes to coarser bars, beside pandas, polars and a copy of the same memory."""

from collections.abc import Callable
from typing import Any

import numpy as np

from buff.bench.made import minutes
from buff.bench.place import Place
from buff.bench.turns import Case, Contender, Job, Subject, repeated
from buff.market.bars import VALUES, Bars
from buff.market.resample import resample
from buff.market.timeframe import Timeframe
from buff.sample import YEAR

TIMEFRAMES = (Timeframe.MINUTE_5, Timeframe.HOUR_1, Timeframe.DAY_1)


def subject(*, quick: bool) -> Subject:
    """Return what is measured."""
    count = YEAR if quick else 5 * YEAR

    def rival(who: str, maker: str, timeframe: Timeframe) -> Contender:
        def prepare(place: Place) -> Job:
            from buff.bench.rivals import frames

            make: Callable[[Bars], Callable[[str], Any]] = getattr(frames, maker)
            work = place.once(f"{who} frame", lambda: make(_bars(place, count)))
            return repeated(lambda: work(timeframe.value))

        return Contender(who=who, prepare=prepare, needs=(who,))

    def ours(timeframe: Timeframe) -> Contender:
        def prepare(place: Place) -> Job:
            bars = _bars(place, count)
            return repeated(lambda: resample(bars, timeframe))

        return Contender(who="Buff", prepare=prepare)

    return Subject(
        name="resample",
        title="Resampling",
        says=(
            "Minutes in memory become complete windows of a coarser timeframe.",
            "Buff also counts which windows lack bars, and its sums of volumes are those of the decimals, whatever "
            "order they are added in; pandas and polars do neither. polars uses all processors, the others one.",
            "The limit is a copy of the minutes' columns in memory.",
        ),
        cases=tuple(
            Case(
                name=f"{count:,} minutes to {timeframe.value}",
                contenders=(
                    ours(timeframe),
                    rival("pandas", "by_pandas", timeframe),
                    rival("polars", "by_polars", timeframe),
                    Contender(who="a copy of the memory (limit)", prepare=lambda place: _copy(place, count)),
                ),
                seconds=2,
            )
            for timeframe in TIMEFRAMES
        ),
    )


def _bars(place: Place, count: int) -> Bars:
    return place.once("bars", lambda: minutes(count))


def _copy(place: Place, count: int) -> Job:
    bars = _bars(place, count)
    columns = [getattr(bars, name) for name in ("ts", *VALUES)]
    targets = [np.empty_like(column) for column in columns]

    def copy() -> None:
        for target, column in zip(targets, columns, strict=True):
            np.copyto(target, column)

    return repeated(copy)
