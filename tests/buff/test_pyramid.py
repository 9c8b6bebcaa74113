"""Pyramids: what a slow loop over the bars gives, in whatever way they are kept, and never trusted over what they
were made of.
"""

import errno
import math
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from buff.errors import RunDamaged
from buff.files import RealDisk
from buff.market.bars import Bars
from buff.market.timeframe import Timeframe
from buff.pyramid import (
    BARS,
    EQUITY,
    STEP_MIN,
    Cut,
    Details,
    Series,
    Window,
    bars_series,
    cut,
    equity_series,
    levels_of,
    pyramid_of,
)
from buff.runs.run import Run
from buff.space import usage
from whole import make, opened
from worlds import bars_of

Row = dict[str, Any]


def series_of(bars: Bars) -> Series:
    return Series(
        timeframe=bars.timeframe,
        values={name: getattr(bars, name) for name in ("ts", "open", "high", "low", "close", "volume")},
        rules=BARS,
    )


def part_of(series: Series, low: int, high: int) -> Series:
    return evolve(series, values={name: values[low:high] for name, values in series.values.items()})


def held_of(bars: Bars, position: list[int], seed: int = 0) -> Series:
    chance = np.random.default_rng(seed)
    return Series(
        timeframe=bars.timeframe,
        values={
            "ts": bars.ts,
            "equity": chance.uniform(1, 100, len(bars)),
            "drawdown": -chance.uniform(0, 1, len(bars)),
            "position": np.array(position, np.int8),
            "state": chance.integers(0, 3, len(bars)).astype(np.int8),
        },
        rules=EQUITY,
    )


# By hand


def test_a_day_of_minutes_becomes_hours() -> None:
    """1,440 minutes in at most 50 buckets are 48 half hours: the finest timeframe that fits."""
    bars = bars_of(Timeframe.MINUTE_1, [float(i) for i in range(1, 1441)], [float(i) for i in range(2, 1442)])
    found = cut(series_of(bars), None, Window(buckets=50))
    columns = found.columns
    assert (found.bucket, found.bars, len(columns["ts"])) == (Timeframe.MINUTE_30, 1440, 48)
    assert [columns[name][0] for name in ("open", "high", "low", "close", "volume", "bars")] == [1, 31, 1, 31, 30, 30]


def test_few_bars_are_not_bucketed_and_no_bars_are_no_buckets() -> None:
    bars = bars_of(Timeframe.HOUR_1, [1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    every = cut(series_of(bars), None, Window(buckets=50))
    assert (every.bucket, every.columns["close"].tolist()) == (Timeframe.HOUR_1, [2.0, 3.0, 4.0])
    none = cut(series_of(bars), None, Window(first_ms=0, last_ms=1, buckets=50))
    assert (none.bars, set(none.columns)) == (0, {"ts", *BARS})
    assert all(len(values) == 0 for values in none.columns.values())


def test_a_window_is_widened_to_whole_buckets() -> None:
    """A bucket holds the same bars in whatever window it is asked for, so pictures do not flicker."""
    bars = bars_of(Timeframe.MINUTE_1, [1.0] * 3000, [2.0] * 3000)
    first = int(bars.ts[0])
    found = cut(series_of(bars), None, Window(first_ms=first + 7 * 60_000, last_ms=first + 400 * 60_000, buckets=50))
    assert (found.bucket, found.columns["ts"][0]) == (Timeframe.MINUTE_15, first)
    assert set(found.columns["bars"].tolist()) == {15}


def test_entries_and_exits_are_counted_where_they_are_filled() -> None:
    """A long, straight on to a short, out, a long to the end: six bars, three to a bucket of 3 months."""
    bars = bars_of(Timeframe.MONTH_1, [1.0] * 6, [1.0] * 6)
    found = cut(held_of(bars, [1, 1, -1, 0, 0, 1]), None, Window(buckets=2))
    columns = {name: values.tolist() for name, values in found.columns.items() if name[:2] in ("en", "ex")}
    assert found.bucket is Timeframe.MONTH_3
    assert columns == {
        "entries_long": [1, 1],
        "exits_long": [1, 0],
        "entries_short": [1, 0],
        "exits_short": [0, 1],
    }


def test_levels_begin_where_buckets_hold_enough() -> None:
    assert levels_of(Timeframe.MINUTE_1)[0] is Timeframe.MINUTE_15
    assert levels_of(Timeframe.HOUR_1)[0] is Timeframe.DAY_1
    assert levels_of(Timeframe.DAY_1)[0] is Timeframe.WEEK_2
    assert levels_of(Timeframe.YEAR_1) == ()
    assert STEP_MIN == 8


# By a slow loop


def slow(series: Series, bucket: Timeframe, window: Window) -> list[Row]:
    """Every bucket that a bar of the window lies in, of all bars in it, one bar at a time."""
    low = -math.inf if window.first_ms is None else window.first_ms
    high = math.inf if window.last_ms is None else window.last_ms
    stamps = series.ts.tolist()
    wanted = {bucket.floor(ts) for ts in stamps if low <= ts < high}
    members: dict[int, list[int]] = {begin: [] for begin in sorted(wanted)}
    for place, ts in enumerate(stamps):
        if bucket.floor(ts) in members:
            members[bucket.floor(ts)].append(place)
    return [{"ts": begin, **slow_bucket(series, places)} for begin, places in members.items()]


def slow_bucket(series: Series, places: list[int]) -> Row:
    values = {name: column.tolist() for name, column in series.values.items()}
    row: Row = {"bars": len(places)}
    if series.rules is BARS:
        row |= {
            "open": values["open"][places[0]],
            "high": max(values["high"][place] for place in places),
            "low": min(values["low"][place] for place in places),
            "close": values["close"][places[-1]],
            "volume": sum(values["volume"][place] for place in places),
        }
        return row
    row |= {
        "equity": values["equity"][places[-1]],
        "drawdown": min(values["drawdown"][place] for place in places),
        "position": values["position"][places[-1]],
        "state": max(values["state"][place] for place in places),
    }
    held = [0, *values["position"]]  # the place of a bar in this list is the bar before it
    for name, side in (("long", 1), ("short", -1)):
        row[f"entries_{name}"] = sum(held[place + 1] == side != held[place] for place in places)
        row[f"exits_{name}"] = sum(held[place] == side != held[place + 1] for place in places)
    return row


def rows_of(found: Cut) -> list[Row]:
    lists = {name: values.tolist() for name, values in found.columns.items()}
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


@st.composite
def markets(draw: st.DrawFn, most: int = 300) -> Bars:
    timeframe = draw(st.sampled_from(list(Timeframe)))
    count = draw(st.integers(1, most))
    chance = np.random.default_rng(draw(st.integers(0, 10_000)))
    opens, closes = (chance.uniform(1, 100, count).tolist() for _ in range(2))
    gaps = chance.choice([0, 0, 0, 1, 7, 100], count).tolist() if draw(st.booleans()) else None
    volume = [float(value) for value in chance.integers(0, 1000, count)]  # whole: summed alike in any order
    first = draw(st.sampled_from([1_640_995_200_000, 1_641_034_800_000, 951_782_400_000]))
    return bars_of(timeframe, opens, closes, missing=gaps, volume=volume, first=first)


@st.composite
def cuts(draw: st.DrawFn) -> tuple[Series, Series, Window]:
    """A whole series, a part of it, and a window."""
    bars = draw(markets())
    if draw(st.booleans()):
        sides = draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=9))
        series = held_of(bars, [sides[place * len(sides) // len(bars)] for place in range(len(bars))])
        part = series  # a run's own columns have no others around them
    else:
        series = series_of(bars)
        low = draw(st.integers(0, len(bars) - 1))
        part = part_of(series, low, draw(st.integers(low + 1, len(bars))))
    bounds = st.integers(int(bars.ts[0]) - 10, int(bars.ts[-1]) + 10)
    first, last = sorted(draw(st.tuples(bounds, bounds)))
    return (
        series,
        part,
        Window(
            first_ms=draw(st.sampled_from([None, first])),
            last_ms=draw(st.sampled_from([None, last])),
            buckets=draw(st.integers(2, 120)),
        ),
    )


@given(cuts())
def test_buckets_are_what_a_slow_loop_makes(world: tuple[Series, Series, Window]) -> None:
    """Invariants checked: no more buckets than asked (but for years, where there is nothing coarser); every bar of the
    window in exactly one; each the whole window of its timeframe within the series; with the pyramid of the longer
    series and without one the same to the last bit.
    """
    whole, part, window = world
    pyramid = pyramid_of(whole)
    found, plain = cut(part, pyramid, window), cut(part, None, window)
    assert len(found.columns["ts"]) <= window.buckets or found.bucket is Timeframe.YEAR_1
    assert found.bucket is plain.bucket
    assert found.bars == plain.bars == found.columns["bars"].sum()
    for name, values in plain.columns.items():
        assert values.dtype == found.columns[name].dtype, name
        np.testing.assert_array_equal(values, found.columns[name], name)
    assert rows_of(found) == slow(part, found.bucket, window)


@given(markets(most=600))
def test_every_level_is_what_a_slow_loop_makes(bars: Bars) -> None:
    series = series_of(bars)
    pyramid = pyramid_of(series)
    assert tuple(pyramid.levels) == levels_of(bars.timeframe)
    for timeframe, level in pyramid.levels.items():
        found = Cut(bucket=timeframe, bars=len(bars), columns=level)
        assert rows_of(found) == slow(series, timeframe, Window(buckets=1))


# Kept


@pytest.fixture(scope="module")
def _root(tmp_path_factory: pytest.TempPathFactory, minutes: Path) -> Path:
    root = tmp_path_factory.mktemp("pyramids") / "root"
    both = {"timeframe": "1m", "params": {"fast": 5, "slow": 20, "direction": "both"}, "risk_level": 5}
    make(root, minutes, run_id="whole", **both)
    make(root, minutes, run_id="part", start="2024-01-01T05:07:00Z", end="2024-01-02T13:11:00Z", **both)
    make(root, minutes, run_id="other", **{**both, "risk_level": 1})
    return root


@pytest.fixture
def root(_root: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(_root, tmp_path / "root"))


def details(root: Path, disk: RealDisk | None = None, *, bars_min: int = 1) -> Details:
    return Details(disk or RealDisk(), str(root), token="t", bars_min=bars_min)


def files(root: Path) -> list[Path]:
    folder = root / "_cache" / "pyramids"
    return sorted(folder.iterdir()) if folder.is_dir() else []


WINDOW = Window(buckets=60)


def told(found: Cut) -> list[Row]:
    """The buckets; volumes, which are summed in another order, to nine digits."""
    return [
        {name: float(f"{value:.9g}") if name == "volume" else value for name, value in row.items()}
        for row in rows_of(found)
    ]


def plain(run: Run) -> tuple[list[Row], list[Row]]:
    """What is cut of a run's columns with nothing kept."""
    return told(cut(bars_series(run), None, WINDOW)), told(cut(equity_series(run, run.bars.ts), None, WINDOW))


def kept(found: Details, run: Run) -> tuple[list[Row], list[Row]]:
    return told(found.bars(run).cut(WINDOW)), told(found.equity(run).cut(WINDOW))


def test_runs_of_the_same_resample_share_one_file(root: Path) -> None:
    """Three runs over one dataset: one file for their bars, one for the results of each."""
    store, found = opened(root), details(root)
    for run_id in ("whole", "part", "other"):
        run = store.run(run_id)
        assert kept(found, run) == plain(run)
    assert len(files(root)) == 4
    assert usage(store)["cache"].size_bytes == sum(path.stat().st_size for path in files(root))
    # What was written is what the next process reads.
    again = details(root)
    for run_id in ("whole", "part", "other"):
        assert kept(again, store.run(run_id)) == plain(store.run(run_id))
    assert len(files(root)) == 4


def test_a_short_series_leaves_nothing_behind(root: Path) -> None:
    run = opened(root).run("whole")
    found = Details(RealDisk(), str(root), token="t")
    assert kept(found, run) == plain(run)
    assert found.bars(run).pyramid is None
    assert not files(root)


def test_entries_and_exits_are_those_of_the_trades(root: Path) -> None:
    run = opened(root).run("whole")
    found = cut(equity_series(run, run.bars.ts), None, Window(buckets=len(run.bars)))
    columns = found.columns
    for side in ("long", "short"):
        trades = [trade for trade in run.trades if trade["side"] == side]
        assert np.flatnonzero(columns[f"entries_{side}"]).tolist() == [trade["entry"]["seq"] for trade in trades]
        left = [trade["exit"]["seq"] for trade in trades if "exit" in trade]
        assert np.flatnonzero(columns[f"exits_{side}"]).tolist() == left
    assert {trade["side"] for trade in run.trades} == {"long", "short"}


@pytest.mark.parametrize("kind", ["empty", "cut", "flipped", "foreign", "text", "folder"])
def test_a_file_that_is_not_the_one_is_made_anew(root: Path, kind: str) -> None:
    run = opened(root).run("whole")
    kept(details(root), run)
    before = {path: path.read_bytes() for path in files(root)}
    for path, data in before.items():
        path.unlink()
        if kind == "folder":
            path.mkdir()
            continue
        other = next(bytes_ for name, bytes_ in before.items() if name != path)
        flipped = data[:-100] + bytes([data[-100] ^ 1]) + data[-99:]
        path.write_bytes(
            {"empty": b"", "cut": data[:-8], "flipped": flipped, "foreign": other, "text": b"x" * 99}[kind]
        )
    assert kept(details(root), run) == plain(run)
    if kind != "folder":  # which nobody but its owner may take away: what was made stays in memory
        assert {path: path.read_bytes() for path in files(root)} == before


def test_every_changed_byte_is_noticed(root: Path) -> None:
    run = opened(root).run("whole")
    details(root).bars(run)
    (path,) = files(root)
    data = path.read_bytes()
    chance = np.random.default_rng(5)
    for at in chance.integers(0, len(data), 40).tolist():
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :])
        assert told(details(root).bars(run).cut(WINDOW)) == plain(run)[0]
        assert path.read_bytes() == data


class Full(RealDisk):
    """A disk without room, or one that may not be written."""

    def __init__(self, method: str, number: int) -> None:
        self.method, self.number = method, number

    def _fail(self, method: str) -> None:
        if method == self.method:
            raise OSError(self.number, os.strerror(self.number))

    def mkdir(self, path: str) -> None:
        self._fail("mkdir")
        super().mkdir(path)

    def create(self, path: str) -> int:
        self._fail("create")
        return super().create(path)

    def write(self, handle: int, data: bytes | memoryview) -> None:
        self._fail("write")
        super().write(handle, data)

    def rename(self, source: str, target: str) -> None:
        self._fail("rename")
        super().rename(source, target)

    def names(self, path: str) -> tuple[str, ...]:
        self._fail("names")
        return super().names(path)


@pytest.mark.parametrize("method", ["mkdir", "create", "write", "rename", "names"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_disk_that_cannot_be_written_is_read_all_the_same(root: Path, method: str, number: int) -> None:
    run = opened(root).run("whole")
    found = details(root, Full(method, number))
    assert kept(found, run) == plain(run)
    assert found.bars(run).pyramid is not None
    assert not files(root)  # and nothing half-made is left


def test_a_cache_that_is_a_link_or_a_file_is_left_alone(root: Path, tmp_path: Path) -> None:
    run = opened(root).run("whole")
    (tmp_path / "elsewhere").mkdir()
    (root / "_cache").symlink_to(tmp_path / "elsewhere")
    assert kept(details(root), run) == plain(run)
    assert not list((tmp_path / "elsewhere").iterdir())
    (root / "_cache").unlink()
    (root / "_cache").write_text("mine")
    assert kept(details(root), run) == plain(run)
    assert (root / "_cache").read_text() == "mine"


def test_what_a_dead_writer_left_is_taken_away(root: Path) -> None:
    run = opened(root).run("whole")
    details(root).bars(run)
    (path,) = files(root)
    path.rename(f"{path}.somebody")
    details(root).bars(run)
    assert files(root) == [path]


@pytest.mark.parametrize("bars_min", [1, 1_000_000], ids=["pyramid", "none"])
@pytest.mark.parametrize("what", ["bars", "equity"])
def test_columns_that_were_changed_since_are_not_drawn(root: Path, what: str, bars_min: int) -> None:
    """A pyramid is made only of bytes that have the hashes of the manifest, and so is what needs none."""
    run = opened(root).run("whole")
    reference = next(each for each in run.manifest["references"] if each["column"] == "close")
    name = reference["file"] if what == "bars" else f"{run.id}/columns/equity.npy"
    path = root / name
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))
    found = details(root, bars_min=bars_min)
    with pytest.raises(RunDamaged) as error:
        getattr(found, what)(run)
    assert error.value.details["run_id"] == run.id
    assert not files(root)


@pytest.mark.parametrize("kept_there", [False, True], ids=["restarted", "running"])
@pytest.mark.parametrize("bars_min", [1, 1_000_000], ids=["pyramid", "none"])
@pytest.mark.parametrize("name", ["ts", "close", "equity", "state"])
def test_a_stored_pyramid_does_not_hide_what_its_columns_became(
    root: Path, name: str, bars_min: int, kept_there: bool
) -> None:
    """A short window is cut of the columns themselves: they are held to their hashes however they came to be known."""
    run, found = opened(root).run("whole"), details(root, bars_min=bars_min)
    kept(found, run)
    path = _column(root, run, name)
    path.chmod(0o644)
    good = path.read_bytes()
    path.write_bytes(good[:-3] + bytes([good[-3] ^ 1]) + good[-2:])
    again = found if kept_there else details(root, bars_min=bars_min)
    run = opened(root).run("whole")
    with pytest.raises(RunDamaged, match=name):
        getattr(again, "bars" if name in ("ts", "close") else "equity")(run)
    with pytest.raises(RunDamaged, match="ts" if name == "ts" else "other bytes"):
        again.equity(run) if name != "close" else again.checked(run)
    path.write_bytes(good)
    assert kept(again, opened(root).run("whole")) == plain(run)


@pytest.mark.parametrize("name", ["filled", "open", "action", "record_offset", "drawdown"])
def test_whoever_reads_columns_has_all_of_them_checked(root: Path, name: str) -> None:
    run, found = opened(root).run("whole"), details(root)
    assert found.checked(run) is run
    path = _column(root, run, name)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    with pytest.raises(RunDamaged, match=name):
        found.checked(run)


def _column(root: Path, run: Run, name: str) -> Path:
    told = {each["column"]: each["file"] for each in run.manifest["references"]}
    return root / told.get(name, f"{run.id}/columns/{name}.npy")


def test_damage_is_what_is_told_whatever_else_it_leads_to(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns are folded while they are hashed; what folding damaged ones raises is nobody's concern."""

    def failing(series: Series) -> Any:
        raise OverflowError(len(series))

    monkeypatch.setattr("buff.pyramid.pyramid_of", failing)
    run = opened(root).run("whole")
    with pytest.raises(OverflowError):
        details(root).equity(run)
    path = root / run.id / "columns" / "drawdown.npy"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-8] + np.float64(0.5).tobytes())
    with pytest.raises(RunDamaged, match="drawdown"):
        details(root).equity(run)


def test_what_is_prepared_is_made_for_whoever_looks_next(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = opened(root).run("whole")
    details(root).prepare(run)
    assert len(files(root)) == 2
    monkeypatch.delattr("buff.pyramid.pyramid_of")
    assert kept(details(root), run) == plain(run)


def test_threads_make_it_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def counted(series: Series) -> Any:
        made.append(len(series))
        return pyramid_of(series)

    monkeypatch.setattr("buff.pyramid.pyramid_of", counted)
    store, found = opened(root), details(root)
    results: list[list[Row]] = []

    def look(run_id: str) -> None:
        results.append(told(found.bars(store.run(run_id)).cut(Window(buckets=3000))))

    threads = [threading.Thread(target=look, args=(run_id,)) for run_id in ("whole", "other") * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len(results) == 8
    assert all(result == results[0] for result in results)


def test_only_some_stay_open(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buff.pyramid.KEPT", 2)
    store, found = opened(root), details(root)

    def handles() -> Iterator[str]:
        return (path for path in os.listdir("/proc/self/fd"))

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("nothing counts the files that are open here")
    for _ in range(3):
        for run_id in ("whole", "part", "other"):
            kept(found, store.run(run_id))
    before = len(list(handles()))
    for _ in range(10):
        for run_id in ("whole", "part", "other"):
            kept(found, store.run(run_id))
    assert len(list(handles())) <= before + 5
