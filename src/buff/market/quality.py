"""The quality report: what was looked for in the data, by which threshold, and what was found.

Bars and a resampling go in; plain dicts ready for canonical JSON come out. They are functions of the bars alone (what
a particular file looked like stands in the manifest's source). Medians are order statistics (the lower of two), no
float is summed, and nothing is ever repaired.

Thresholds, each a constant below:
- STALE: at least 10 equal OHLCV bars in a row, with volume.
- SPIKE: |close / previous close - 1| above 20 times the median of these; not judged where the median is 0.
- VOLUME: the median volume of a UTC day above 100 times, or below 1/100 of, that of the last day that had one above 0.
Verdict: WARN when anything was found (zero volume is legal and only counted); FAIL when at least half of the bars are
stale, or at least as many windows were dropped as kept.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from buff.market.bars import VALUES, Bars
from buff.market.resample import Resampling, windows
from buff.market.timeframe import Timeframe
from buff.times import iso

SCHEMA = "quality.v1"
LISTED_MAX = 1_000
STALE_BARS_MIN = 10
SPIKE_TIMES_MEDIAN = 20.0
VOLUME_TIMES_DAY = 100.0

PASS, WARN, FAIL = "PASS", "WARN", "FAIL"


def dataset_facts(bars: Bars, decimals: Mapping[str, int | None]) -> dict[str, Any]:
    """Return what the base bars (at least one) show. decimals: per column, as in the dataset's header."""
    return {
        "base_timeframe": bars.timeframe.value,
        "rows": len(bars),
        "first": iso(int(bars.ts[0])),
        "last": iso(int(bars.ts[-1])),
        "decimals": {name: decimals[name] for name in VALUES},
        "checks": {
            "gaps": _gaps(bars),
            "filled": _filled(bars),
            "zero_volume": {"count": int(np.count_nonzero(bars.volume == 0.0))},
            "stale": _stale(bars),
            "spikes": _spikes(bars),
            "volume_jumps": _volume_jumps(bars),
        },
    }


def resample_facts(made: Resampling) -> dict[str, Any]:
    """Return what became of the windows of one timeframe."""
    listed = zip(made.dropped_ts[:LISTED_MAX].tolist(), made.dropped_rows[:LISTED_MAX].tolist(), strict=True)
    return {
        "timeframe": made.bars.timeframe.value,
        "windows": len(made.bars),
        "dropped": {
            "count": len(made.dropped_ts),
            "ranges": [{"start": iso(ts), "bars": rows} for ts, rows in listed],
        },
        "empty": made.empty,
        "volume_sums": {"decimal": made.decimal, "fsum": made.fsum},
    }


def report(dataset: Mapping[str, Any], resampled: Mapping[str, Any]) -> dict[str, Any]:
    """Return the report of a dataset resampled to one timeframe, with a verdict for each check and for the whole."""
    checks = dataset["checks"]
    verdicts = {name: WARN if check["count"] else PASS for name, check in checks.items()}
    verdicts["zero_volume"] = PASS
    if checks["stale"]["bars"] * 2 >= dataset["rows"]:
        verdicts["stale"] = FAIL
    dropped = resampled["dropped"]["count"]
    verdicts["dropped_windows"] = FAIL if dropped and dropped >= resampled["windows"] else WARN if dropped else PASS
    return {
        "schema": SCHEMA,
        "verdict": max(verdicts.values(), key=(PASS, WARN, FAIL).index),
        "verdicts": verdicts,
        "dataset": dict(dataset),
        "resample": dict(resampled),
    }


def gap_ranges(ts: NDArray[np.int64], step_ms: int) -> tuple[int, int, list[tuple[int, int, int]]]:
    """Return (gaps, bars missing in them, the first 1,000 as (after, before, missing)) of increasing stamps."""
    steps = np.diff(ts)
    at = np.flatnonzero(steps != step_ms)
    missing = steps[at] // step_ms - 1
    listed = at[:LISTED_MAX]
    ranges = zip(ts[listed].tolist(), ts[listed + 1].tolist(), missing[:LISTED_MAX].tolist(), strict=True)
    return len(at), int(missing.sum()), list(ranges)


def _gaps(bars: Bars) -> dict[str, Any]:
    assert bars.timeframe.step_ms is not None
    count, missing, ranges = gap_ranges(bars.ts, bars.timeframe.step_ms)
    return {
        "count": count,
        "missing": missing,
        "ranges": [{"after": iso(after), "before": iso(before), "missing": bars} for after, before, bars in ranges],
    }


def _filled(bars: Bars) -> dict[str, Any]:
    starts, ends = _runs(bars.filled != 0)
    return {"count": int((ends - starts).sum()), "ranges": _listed(bars.ts, starts, ends)}


def _stale(bars: Bars) -> dict[str, Any]:
    same = bars.volume[1:] > 0.0
    for name in VALUES:
        column = getattr(bars, name)
        same &= column[1:] == column[:-1]
    starts, ends = _runs(same)
    ends = ends + 1  # n equal pairs are n + 1 equal bars
    long = ends - starts >= STALE_BARS_MIN
    starts, ends = starts[long], ends[long]
    return {
        "threshold": {"bars": STALE_BARS_MIN},
        "count": len(starts),
        "bars": int((ends - starts).sum()),
        "ranges": _listed(bars.ts, starts, ends),
    }


def _spikes(bars: Bars) -> dict[str, Any]:
    moves = np.abs(bars.close[1:] / bars.close[:-1] - 1.0)
    median = _median(moves) if len(moves) else 0.0
    limit = SPIKE_TIMES_MEDIAN * median
    at = np.flatnonzero(moves > limit) if median > 0.0 else np.empty(0, np.int64)
    listed = at[:LISTED_MAX]
    ranges = zip(bars.ts[listed + 1].tolist(), moves[listed].tolist(), strict=True)
    return {
        "threshold": {"times_median": SPIKE_TIMES_MEDIAN, "median": median, "move": limit if median > 0.0 else None},
        "count": len(at),
        "ranges": [{"ts": iso(ts), "move": move} for ts, move in ranges],
    }


def _volume_jumps(bars: Bars) -> dict[str, Any]:
    assert bars.timeframe.step_ms is not None
    first, days, rows = windows(bars.ts, Timeframe.DAY_1, bars.timeframe.step_ms)
    medians = day_medians(bars.volume, first, rows)
    traded = np.flatnonzero(medians > 0.0)
    now, before = medians[traded][1:], medians[traded][:-1]
    at = np.flatnonzero((now > before * VOLUME_TIMES_DAY) | (now * VOLUME_TIMES_DAY < before))
    listed = at[:LISTED_MAX]
    ranges = zip(days[traded][1:][listed].tolist(), before[listed].tolist(), now[listed].tolist(), strict=True)
    return {
        "threshold": {"times_day_before": VOLUME_TIMES_DAY},
        "count": len(at),
        "ranges": [{"day": iso(ts), "median": median, "median_before": old} for ts, old, median in ranges],
    }


def day_medians(values: NDArray[np.float64], first: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the lower median (float64) of each group of `rows` values that begins at `first`, both int64[m]."""
    medians = np.empty(len(first))
    for size in sorted(set(rows.tolist())):
        groups = np.flatnonzero(rows == size)
        held = values[first[groups][:, None] + np.arange(size)]
        middle = (size - 1) // 2
        medians[groups] = np.partition(held, middle, axis=1)[:, middle]
    return medians


def _median(values: NDArray[np.float64]) -> float:
    middle = (len(values) - 1) // 2
    return float(np.partition(values, middle)[middle])


def _runs(marked: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return first index and index after the last of each run of true, int64 each."""
    edges = np.flatnonzero(np.diff(marked, prepend=False, append=False))
    return edges[::2], edges[1::2]


def _listed(ts: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> list[dict[str, Any]]:
    return [
        {"first": iso(int(ts[start])), "last": iso(int(ts[end - 1])), "bars": end - start}
        for start, end in _pairs(starts[:LISTED_MAX], ends[:LISTED_MAX])
    ]


def _pairs(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Iterable[tuple[int, int]]:
    return zip(starts.tolist(), ends.tolist(), strict=True)
