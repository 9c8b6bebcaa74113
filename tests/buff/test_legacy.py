"""Legacy runs are shown as they are: every shape is read, what is broken is said, and nothing is ever written."""

import os
import stat
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as some

import buff
from buff import canonical
from buff.errors import RunConfigInvalid, RunNotFound, RunsRootInvalid, RunsRootUnset
from buff.legacy.bars import bars_of, spacing
from buff.legacy.fields import instant, number, text
from buff.legacy.folder import FOLDERS_MAX, Bounds, find
from buff.legacy.records import decision, trade
from buff.legacy.root import LegacyRoot, behind, is_legacy, page
from buff.legacy.run import LegacyEntry, LegacyRun, read
from buff.legacy.tables import Columns
from buff.market.timeframe import Timeframe
from buff.registry import queries
from buff.registry.projection import project
from buff.registry.queries import Page, Query
from histories import committed, recorded
from old_runs import (
    HOUR_MS,
    MINUTE_MS,
    NESTED_RECORD,
    NEW_YEAR_2024_MS,
    PHASE1_METRICS,
    candles,
    every_layout,
    fingerprint,
    phase1,
    phase6,
    plugin_validation,
    rows_of,
    stage5,
    write_json,
    write_lines,
    write_parquet,
)
from whole import process

NEW_YEAR = "2024-01-01T00:00:00Z"
REAL = Path(__file__).resolve().parents[3] / "shared" / "legacy_artifacts"


def says(run: LegacyRun) -> list[str]:
    return [f"{problem.kind} {problem.file}: {problem.says}" for problem in run.problems]


def at(folder: Path) -> LegacyRun:
    """The run in a directory, read whole."""
    return LegacyRoot(folder.parent).run(folder.name)


# Every layout


def test_a_phase_1_run_is_what_its_files_say(tmp_path: Path) -> None:
    run = at(phase1(tmp_path))
    assert (run.id, run.created, run.symbol, run.timeframe) == ("phase1_demo", "2026-02-01T00:00:00Z", None, None)
    assert (run.strategy, run.strategy_version, run.risk_level) == ("trend_follow", "1.2.0", 3)
    assert run.metrics == PHASE1_METRICS
    assert [each.blocked for each in run.decisions] == [False, True]
    blocked = run.decisions[1]
    assert (blocked.line, blocked.reason, blocked.policy, blocked.rule) == (2, "max_daily_loss", "hard_cap", None)
    assert [(each.type, each.severity) for each in run.timeline] == [("run", "INFO"), ("risk", "ERROR")]
    assert (run.trades, run.bars, run.problems) == ((), (), ())


def test_hourly_bars_in_a_file_called_1m_are_hourly(tmp_path: Path) -> None:
    """The stamps are integers of milliseconds; they were once read as nanoseconds, which is 1970."""
    run = at(stage5(tmp_path))
    (bars,) = run.bars
    assert (bars.label, bars.timeframe, len(bars)) == ("1m", "1h", 24)
    assert (bars.start, bars.end) == (NEW_YEAR, "2024-01-02T00:00:00Z")
    assert bars.ts.dtype == np.int64
    assert bars.close[:2].tolist() == [100.5, 101.5]
    assert not bars.close.flags.writeable
    assert (run.timeframe, run.timeframe_stated) == ("1h", "1m")
    assert says(run) == [
        "warning ohlcv_1m.parquet: the name says 1m, but the bars are 1h apart",
        "warning ohlcv_1m.parquet: the run states 1m, but the bars are 1h apart",
    ]


def test_fills_come_from_parquet_and_no_number_is_nothing(tmp_path: Path) -> None:
    run = at(stage5(tmp_path))
    first, second = run.trades
    assert (first.kind, first.side, first.ts, first.price) == ("fill", "BUY", NEW_YEAR_2024_MS + 600_000, 100.35)
    assert (first.pnl, first.raw["pnl"], second.pnl, second.exit_ts) == (None, None, 0.77, None)
    assert second.raw["trade_id"] == "demo-2"


def test_a_nested_record_is_seen_like_a_flat_one(tmp_path: Path) -> None:
    run = at(plugin_validation(tmp_path))
    (record,) = run.decisions
    assert (record.risk_level, record.risk_state, record.permission) == (2, "YELLOW", "DENY")
    assert (record.reason, record.rule, record.policy, record.blocked) == ("exposure", "cap_7", "user_policy", True)
    assert (record.symbols, record.strategy) == (("BTCUSDT", "ETHUSDT"), "demo_threshold")
    assert record.raw == NESTED_RECORD
    assert (run.created, run.symbol) == ("2025-06-01T12:00:00Z", None)
    assert says(run) == ["warning : 2 symbols are named: BTCUSDT, ETHUSDT"]


def test_a_run_of_the_last_layout_brings_its_request(tmp_path: Path) -> None:
    phase6(tmp_path)
    run = LegacyRoot(tmp_path).run("alice/run_41e3fb1b78d6")
    assert run.request is not None
    assert (run.request.source, run.request.params) == ("data/btc 2024.csv", {"fast_period": 3, "slow_period": 8})
    assert (run.request.start, run.request.end) == (NEW_YEAR_2024_MS, NEW_YEAR_2024_MS + 19 * MINUTE_MS)
    assert (run.strategy, run.risk_level, run.symbol, run.timeframe) == ("ma_cross", 2, "BTCUSDT", "5m")
    assert {bars.file: (bars.timeframe, len(bars)) for bars in run.bars} == {
        "ohlcv_1m.jsonl": ("1m", 20),
        "ohlcv_5m.jsonl": ("5m", 4),
    }
    (trip,) = run.trades
    assert (trip.kind, trip.price, trip.exit_price, trip.fees) == ("round_trip", 105.0, 104.0, 0.5)
    assert trip.as_dict()["exit_ts"] == "2024-01-01T00:10:00Z"
    assert run.metrics["max_drawdown"] == 0.25, "as it was written: positive here, negative in phase 1"
    assert run.problems == ()


def test_the_real_ones_are_read() -> None:
    if not REAL.is_dir():
        pytest.skip("real legacy runs (../shared/legacy_artifacts) are not on this machine")
    before = fingerprint(REAL)
    root = LegacyRoot(REAL)
    assert root.ids() == ("phase1_demo", "stage5_demo")
    first, second = (root.run(name) for name in root.ids())
    assert (first.created, len(first.decisions), len(first.timeline), first.problems) == (
        "2026-02-01T00:00:00Z", 2, 2, (),
    )  # fmt: skip
    assert (second.created, second.symbol, second.timeframe) == (NEW_YEAR, "BTCUSDT", "1h")
    assert [len(second.bars[0]), len(second.trades), len(second.decisions)] == [240, 3, 3]
    assert (second.metrics["max_drawdown"], second.entry.trades) == (-0.021, 3)
    assert len(root.plan()["runs"]) == 2
    assert fingerprint(REAL) == before


# Time


def test_the_time_of_a_run_is_its_datas_and_never_that_of_a_file(tmp_path: Path) -> None:
    folder = phase1(tmp_path)
    os.utime(folder / "metrics.json", (0, 0))
    assert at(folder).created == "2026-02-01T00:00:00Z"
    for name in ("decision_records.jsonl", "timeline.json"):
        (folder / name).unlink()
    assert at(folder).created is None


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        ("2024-01-01T00:00:00Z", NEW_YEAR_2024_MS),
        ("2024-01-01T02:00:00+02:00", NEW_YEAR_2024_MS),
        ("2024-01-01 00:00:00", NEW_YEAR_2024_MS),
        ("2024-01-01", NEW_YEAR_2024_MS),
        ("1704067200000", NEW_YEAR_2024_MS),
        (1_704_067_200_000, NEW_YEAR_2024_MS),
        (1_704_067_200_000.0, NEW_YEAR_2024_MS),
        (1_704_067_200, NEW_YEAR_2024_MS),
        (1_704_067_200_000_000_000, NEW_YEAR_2024_MS),
        (-1, None),
        (True, None),
        (1.5, None),
        (float("nan"), None),
        ("yesterday", None),
        ([], None),
        (None, None),
        (10**30, None),
    ],
)
def test_a_time_is_read_in_every_form_it_had(written: Any, ms: int | None) -> None:
    assert instant(written) == ms


@given(some.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)))
def test_what_is_written_as_a_time_is_read_as_that_time(when: datetime) -> None:
    exact = when.replace(tzinfo=UTC)
    ms = (exact - datetime(1970, 1, 1, tzinfo=UTC)) // (exact.resolution * 1000)
    assert instant(exact.isoformat()) == instant(when.isoformat(sep=" ")) == ms


@pytest.mark.parametrize("name", ["timestamp", "timestamp_utc", "ts_utc", "ts", "time", "date"])
def test_a_time_is_found_under_every_name_it_had(name: str) -> None:
    assert decision(1, {name: NEW_YEAR}).ts == NEW_YEAR_2024_MS
    assert decision(1, {"metadata": {name: NEW_YEAR}}).ts == NEW_YEAR_2024_MS
    assert trade(1, {name: NEW_YEAR}).ts == NEW_YEAR_2024_MS


# Fields


@pytest.mark.parametrize(
    ("raw", "field", "value"),
    [
        ({"strategy": {"id": "hold"}}, "strategy", "hold"),
        ({"strategy_name": "hold"}, "strategy", "hold"),
        ({"selection": {"strategy_id": "hold"}}, "strategy", "hold"),
        ({"risk_layer": "Hard caps"}, "policy", "hard_cap"),
        ({"risk_layer": "user"}, "policy", "user_policy"),
        ({"risk_layer": "other"}, "policy", None),
        ({"risk": {"risk_layer": "policy"}}, "policy", "user_policy"),
        ({"risk_rule": "r"}, "reason", "r"),
        ({"status": "FAIL_CLOSED"}, "blocked", True),
        ({"permission": "deny"}, "blocked", True),
        ({"action": "BLOCKED"}, "blocked", True),
        ({"action": "HOLD", "permission": "ALLOW"}, "blocked", False),
        ({"risk_level": 0, "risk": {"level": 5}}, "risk_level", 0),
        ({"price": "1.50000000"}, "price", 1.5),
        ({"risk": "no object"}, "risk_state", None),
    ],
)
def test_a_field_is_found_under_every_name_it_had(raw: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(decision(1, raw), field) == value


def test_text_of_others_cannot_write_on_the_terminal() -> None:
    assert text("a\x1b[31mb\nc") == "a�[31mb�c"
    assert len(text("x" * 5_000) or "") == 200
    assert [text(value) for value in ("", " ", None, True, [], 3, 1.5)] == [None, None, None, None, None, "3", "1.5"]
    assert [number(value) for value in ("1e3", "inf", "x", True, None, 10**400)] == [
        1000.0,
        None,
        None,
        None,
        None,
        None,
    ]


# The spacing of bars


@given(
    some.lists(some.integers(0, 400), min_size=2, max_size=40, unique=True),
    some.sampled_from([timeframe for timeframe in Timeframe if timeframe.step_ms]),
)
def test_the_spacing_is_the_most_frequent_distance_of_neighbours(places: list[int], timeframe: Timeframe) -> None:
    """Invariants checked: equal to a slow count; order and repeats of stamps do not matter."""
    step = timeframe.step_ms or 0
    stamps = [NEW_YEAR_2024_MS + 12_345 + place * step for place in sorted(places)]  # on no calendar window
    counted = Counter(after - before for before, after in pairwise(stamps))
    most = max(counted.values())
    expected = min(distance for distance, count in counted.items() if count == most)
    known = {each.step_ms: each for each in Timeframe if each.step_ms}
    assert spacing(np.array(stamps[::-1] + stamps[:1], np.int64)) == known.get(expected)


@pytest.mark.parametrize("name", ["1M", "3M", "6M", "1Y", "1w", "2w", "1d"])
def test_calendar_windows_are_told_from_days(name: str) -> None:
    timeframe = Timeframe(name)
    first = timeframe.index(np.array([NEW_YEAR_2024_MS], np.int64))[0]
    assert spacing(timeframe.start(np.arange(first, first + 9, dtype=np.int64))) == timeframe


def test_one_bar_has_no_spacing() -> None:
    assert spacing(np.array([NEW_YEAR_2024_MS], np.int64)) is None


def test_stamps_are_read_from_every_type_of_column(tmp_path: Path) -> None:
    import pyarrow as pa

    plain = candles(3, HOUR_MS)
    ms = plain["timestamp"]
    forms = {
        "ms": ("timestamp", pa.array(ms)),
        "seconds": ("ts", pa.array([value // 1000 for value in ms])),
        "datetime_ns": ("ts", pa.array([value * 1_000_000 for value in ms], pa.timestamp("ns", "UTC"))),
        "naive_us": ("ts", pa.array([value * 1_000 for value in ms], pa.timestamp("us"))),
        "zoned": ("ts", pa.array(ms, pa.timestamp("ms", "+02:00"))),
        "text": ("ts_utc", pa.array(["2024-01-01T00:00:00Z", "2024-01-01T01:00:00", "2024-01-01T03:00:00+01:00"])),
        "words": ("date", pa.array(["2024-01-01", "2024-01-01 01:00:00", "2024-01-01T02:00Z"]).dictionary_encode()),
    }
    for name, (column, values) in forms.items():
        folder = tmp_path / name
        folder.mkdir()
        others = {key: plain[key] for key in plain if key != "timestamp"}
        write_parquet(folder / "ohlcv.parquet", {column: values, **others})
        (bars,) = at(folder).bars
        assert (bars.ts.tolist(), bars.timeframe, bars.label) == (ms, "1h", None), name


def test_rows_that_are_no_bars_are_left_out_and_counted() -> None:
    columns = candles(6, HOUR_MS)
    columns["timestamp"][1] = "never"
    columns["close"][2] = None
    columns["volume"][3] = float("inf")
    bars, problems = bars_of(Columns(file="ohlcv.jsonl", values=columns, complete=True), None)
    assert bars is not None
    assert bars.ts.tolist() == [columns["timestamp"][place] for place in (0, 4, 5)]
    assert [problem.says for problem in problems] == [
        "3 rows without a time or with no finite number are left out",
        "1 gaps between bars",
    ]


def test_disorder_is_said_and_not_mended() -> None:
    columns = candles(5, HOUR_MS)
    columns["timestamp"][3] = columns["timestamp"][0]
    bars, problems = bars_of(Columns(file="ohlcv.jsonl", values=columns, complete=True), "1h")
    assert bars is not None
    assert bars.ts.tolist() == columns["timestamp"]
    assert [problem.says for problem in problems] == ["1 bars are not after the one before them"]


def test_a_spacing_that_is_no_timeframe_is_said() -> None:
    table = Columns(file="ohlcv_7m.jsonl", values=candles(5, 7 * MINUTE_MS), complete=True)
    bars, problems = bars_of(table, "7m")
    assert bars is not None
    assert (bars.timeframe, bars.end) == (None, "2024-01-01T00:28:00Z")
    assert [problem.says for problem in problems] == ["the spacing of the bars is that of no timeframe"]


def test_bars_without_a_column_are_damage(tmp_path: Path) -> None:
    folder = phase1(tmp_path)
    columns = candles(3, HOUR_MS)
    del columns["low"], columns["timestamp"]
    write_parquet(folder / "ohlcv_1h.parquet", columns)
    assert says(at(folder)) == ["damage ohlcv_1h.parquet: has no column low, timestamp"]


def test_parquet_wins_over_lines_and_lines_over_damaged_parquet(tmp_path: Path) -> None:
    folder = phase1(tmp_path)
    write_parquet(folder / "ohlcv_1h.parquet", candles(3, HOUR_MS))
    write_lines(folder / "ohlcv_1h.jsonl", rows_of(candles(5, HOUR_MS)))
    assert [(bars.file, len(bars)) for bars in at(folder).bars] == [("ohlcv_1h.parquet", 3)]
    (folder / "ohlcv_1h.parquet").write_bytes(b"PAR1 and then nothing")
    run = at(folder)
    assert [(bars.file, len(bars)) for bars in run.bars] == [("ohlcv_1h.jsonl", 5)]
    assert [problem.file for problem in run.problems] == ["ohlcv_1h.parquet"]


# What is broken


def test_malformed_lines_are_counted_and_listed(tmp_path: Path) -> None:
    folder = phase1(tmp_path)
    path = folder / "decision_records.jsonl"
    good = path.read_bytes().splitlines()
    lines = [good[0], b"{broken", b"", b"[1]", good[1], b'"text"', b"\xff\xfe", b"[" * 5_000, b'{"a":NaN}']
    path.write_bytes(b"\n".join(lines))
    run = at(folder)
    assert [each.line for each in run.decisions] == [1, 5]
    assert [each.line for each in run.malformed] == [2, 4, 6, 7, 8, 9]
    assert run.malformed_count == 6
    assert run.malformed[0].text == "{broken"
    assert [each.says for each in run.malformed[1:3]] == ["is JSON, but no object"] * 2
    assert says(run) == ["damage decision_records.jsonl: 6 of 8 lines are no JSON objects: 2, 4, 6, 7, 8, ..."]
    assert run.entry.problems == 1


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("metrics.json", b"{", "is not JSON: Input data was truncated"),
        ("metrics.json", b"[1]", "is JSON, but no object"),
        ("metrics.json", b'{"a": NaN}', "is not JSON: JSON is malformed: invalid character (byte 6)"),
        ("metrics.json", b"[" * 100_000, "is not JSON: maximum recursion depth exceeded ..."),
        ("manifest.json", b"\xff", "is not JSON: ..."),
        ("timeline.json", b"{}", "is JSON, but no list of events"),
        ("timeline.json", b'[1, {"type": "run"}]', "1 entries are no objects, the first is 1"),
        ("trades.parquet", b"", "is not readable as Parquet: ..."),
        ("trades.parquet", b"PAR1PAR1", "is not readable as Parquet: ..."),
        ("ohlcv_1m.parquet", b"PAR1" + bytes(200) + b"PAR1", "is not readable as Parquet: ..."),
        ("ohlcv_1m.jsonl", b'{"ts": 1}\nx\n', "line 2 is not JSON: ..."),
    ],
)
def test_a_damaged_file_is_a_problem_and_the_rest_is_shown(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    folder = phase1(tmp_path)
    (folder / name).write_bytes(content)
    run = at(folder)
    found = [each.says for each in run.problems if each.kind == "damage" and each.file == name]
    begin, dots, _ = problem.partition("...")
    assert len(found) == 1
    assert found[0].startswith(begin) if dots else found[0] == problem
    assert len(run.decisions) == 2
    assert canonical.encode(run.as_dict())


def test_every_type_of_a_parquet_row_becomes_a_plain_value(tmp_path: Path) -> None:
    import pyarrow as pa

    folder = phase1(tmp_path)
    columns = {
        "timestamp": pa.array([1_704_067_200_000_000_001], pa.timestamp("ns")),
        "price": pa.array([Decimal("1.50")]),
        "meta": pa.array([{"a": [1.5, float("nan")]}]),
        "blob": pa.array([b"\xff"]),
        "day": pa.array([date(2024, 1, 1)]),
        "flag": pa.array([True]),
        "none": pa.nulls(1),
    }
    write_parquet(folder / "trades.parquet", columns)
    run = at(folder)
    (fill,) = run.trades
    assert (fill.ts, fill.price) == (NEW_YEAR_2024_MS, 1.5)
    assert fill.raw == {
        "timestamp": "2024-01-01T00:00:00", "price": "1.50", "meta": {"a": [1.5, None]}, "blob": "/w==",
        "day": "2024-01-01", "flag": True, "none": None,
    }  # fmt: skip
    assert canonical.encode(run.as_dict())


def test_numbers_and_times_of_columns_may_have_holes(tmp_path: Path) -> None:
    folder = phase1(tmp_path)
    columns = candles(3, HOUR_MS)
    columns["open"] = ["1", None, "3.5"]
    columns["volume"] = [1, 2, 3]
    columns["timestamp"][0] = None
    write_parquet(folder / "ohlcv_1h.parquet", columns)
    (bars,) = at(folder).bars
    assert (bars.open.tolist(), bars.volume.dtype) == ([3.5], np.float64)
    columns["timestamp"] = [None] * 3
    write_parquet(folder / "ohlcv_1h.parquet", columns)
    (bars,) = at(folder).bars
    assert (len(bars), bars.start, bars.end) == (0, None, None)


READ_AS_ANOTHER_USER = """
import os, sys
from buff.legacy.root import LegacyRoot
from buff.legacy.fields import instant
root = LegacyRoot(sys.argv[1])
root.run("open").as_dict()  # imports all it needs while it may
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
print(root.ids(), [each.says for each in root.problems], [each.says for each in root.run("open").problems])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such permissions there")
def test_what_may_not_be_read_is_a_problem() -> None:
    """As another user where this one is root, whom no permission stops."""
    with tempfile.TemporaryDirectory(prefix="buff-legacy-") as place:
        Path(place).chmod(0o755)
        folder, closed = phase1(Path(place), "open"), phase1(Path(place), "closed")
        (folder / "metrics.json").chmod(0)
        closed.chmod(0)
        done = process(["-c", READ_AS_ANOTHER_USER, place])
        closed.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "('open',) ['cannot be listed: Permission denied'] ['cannot be opened: Permission denied']\n"
    )


def test_the_list_of_events_may_be_inside_an_object_or_another_file(tmp_path: Path) -> None:
    folder = phase1(tmp_path)
    write_json(folder / "timeline.json", {"run_id": "x", "events": [{"ts": NEW_YEAR, "title": "inside"}]})
    assert [each.title for each in at(folder).timeline] == ["inside"]
    (folder / "timeline.json").rename(folder / "timeline_events.json")
    assert [each.title for each in at(folder).timeline] == ["inside"]


def test_entries_without_a_time_are_said(tmp_path: Path) -> None:
    folder = phase1(tmp_path)
    write_json(folder / "timeline.json", [{"title": "when?"}])
    assert says(at(folder)) == ["warning timeline: 1 entries have no time that can be read"]


@given(some.binary(max_size=200), some.sampled_from(["metrics.json", "manifest.json", "timeline.json", "config.json"]))
def test_any_bytes_in_a_document_are_read_or_a_problem(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    folder = tmp_path_factory.mktemp("any") / "run"
    folder.mkdir()
    (folder / name).write_bytes(content)
    assert canonical.encode(at(folder).as_dict())


KEYS = some.sampled_from(
    ["timestamp", "risk", "symbol", "symbols", "strategy", "id", "action", "status", "risk_level", "level", "metadata",
     "selection", "qty", "price", "entry_time", "inputs", "data_source", "params", "costs", "events", "num_trades"]
) | some.text(max_size=5)  # fmt: skip
JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.text(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(some.lists(some.dictionaries(KEYS, JSON, max_size=6), max_size=4), some.dictionaries(KEYS, JSON, max_size=6))
def test_any_objects_are_read_and_kept(
    tmp_path_factory: pytest.TempPathFactory, objects: list[dict[str, Any]], document: dict[str, Any]
) -> None:
    """Invariants checked: no object is lost or changed, the view can be sent as JSON, a plan can be made."""
    folder = tmp_path_factory.mktemp("any") / "run"
    folder.mkdir()
    for name in ("decision_records.jsonl", "trades.jsonl", "ohlcv_1m.jsonl"):
        write_lines(folder / name, objects)
    write_json(folder / "metrics.json", document)
    write_json(folder / "manifest.json", {"inputs": document})
    write_json(folder / "timeline.json", objects)
    root = LegacyRoot(folder.parent)
    run = root.run("run")
    for family in (run.decisions, run.trades, run.timeline):
        assert [canonical.encode(each.raw) for each in family] == [canonical.encode(each) for each in objects]
    assert canonical.encode(run.as_dict())
    assert canonical.encode(root.plan())


def damaged(data: bytes) -> Iterator[bytes]:
    """Cuts and changed bytes all over a file."""
    for place in range(0, len(data), max(len(data) // 60, 1)):
        yield data[:place]
        yield data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :]
        yield data[:place] + bytes(min(16, len(data) - place)) + data[place + 16 :]


@pytest.mark.parametrize("name", ["trades.parquet", "ohlcv_1m.parquet"])
def test_parquet_damaged_anywhere_is_read_or_a_problem(tmp_path: Path, name: str) -> None:
    folder = stage5(tmp_path)
    data = (folder / name).read_bytes()
    damages = 0
    for content in damaged(data):
        (folder / name).write_bytes(content)
        run = at(folder)
        damages += any(problem.kind == "damage" for problem in run.problems)
        assert canonical.encode(run.as_dict())
        assert len(run.decisions) == 2
    assert damages > 60, "every cut at least"


# Bounds


def test_no_more_is_read_than_the_bounds_allow(tmp_path: Path) -> None:
    folder = stage5(tmp_path)
    write_lines(folder / "decision_records.jsonl", [{"timestamp": NEW_YEAR, "seq": seq} for seq in range(1_000)])
    (found,) = find(str(tmp_path)).folders
    run = read(found, Bounds(bytes_max=1_000, rows_max=5))
    assert [len(run.decisions), len(run.trades), len(run.bars[0])] == [5, 2, 5]
    assert run.complete == {"trades"}
    assert [problem.says for problem in run.problems if problem.kind == "limit"] == [
        "only the first 5 rows are read",
        "only the first 5 bars are read",
    ]
    assert (run.entry.bars, run.entry.end, run.entry.start) == (None, None, NEW_YEAR), "unknown is not guessed"
    assert len(read(found, Bounds(bytes_max=5 * 48, rows_max=1)).bars[0]) == 1
    (none,) = read(found, Bounds(bytes_max=1, rows_max=24)).bars
    assert (len(none), none.start, none.complete) == (0, None, False), "not even one row"
    lines = read(found, Bounds(bytes_max=1_000, rows_max=5_000)).decisions
    whole = (folder / "decision_records.jsonl").read_bytes()[:1_000].count(b"\n")
    assert (len(lines), read(found).complete) == (whole, {"decisions", "trades"})


def test_a_document_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    folder = phase1(tmp_path)
    with (folder / "metrics.json").open("wb") as file:
        file.truncate(1 << 40)
    assert says(at(folder)) == ["damage metrics.json: is larger than 16 MiB and is not read"]


def test_a_directory_of_too_many_runs_is_cut_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buff.legacy.folder.FOLDERS_MAX", 2)
    for name in "abc":
        phase1(tmp_path, name)
    found = find(str(tmp_path))
    assert [folder.run_id for folder in found.folders] == ["a", "b"]
    assert [problem.says for problem in found.problems] == ["3 legacy runs are here; the first 2 are listed"]
    assert FOLDERS_MAX == 10_000


# What is a run, and what leads elsewhere


def test_a_run_is_a_directory_with_a_known_artifact(tmp_path: Path) -> None:
    every_layout(tmp_path)
    phase1(tmp_path, "Any NAME (2)")
    phase1(tmp_path, ".tmp_run_1")
    (tmp_path / "empty").mkdir()
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "index.json").write_text("{}")
    (tmp_path / "metrics.json").write_text("{}")
    assert LegacyRoot(tmp_path).ids() == (
        "Any NAME (2)", "alice/run_41e3fb1b78d6", "phase1_demo", "plugin_validation", "stage5_demo",
    )  # fmt: skip


def test_runs_of_our_own_are_not_legacy(root: Path) -> None:
    phase1(root)
    assert LegacyRoot(root).ids() == ("phase1_demo",)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = phase1(tmp_path / "outside")
    inside = tmp_path / "artifacts"
    folder = phase1(inside)
    (inside / "linked").symlink_to(outside)
    (inside / "users").mkdir()
    (inside / "users" / "bob").symlink_to(outside.parent)
    (folder / "metrics.json").unlink()
    (folder / "metrics.json").symlink_to(outside / "metrics.json")
    root = LegacyRoot(inside)
    assert root.ids() == ("phase1_demo",)
    assert [(each.file, each.says) for each in root.problems] == [
        ("linked", "is a link; links are not followed"),
        ("users/bob", "is a link; links are not followed"),
    ]
    run = root.run("phase1_demo")
    assert says(run) == ["damage metrics.json: is a link; links are not followed"]
    assert run.metrics == {}


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes in directories there")
def test_a_pipe_or_directory_in_place_of_a_file_is_a_problem(tmp_path: Path) -> None:
    folder = phase1(tmp_path)
    for name in ("metrics.json", "timeline.json"):
        (folder / name).unlink()
    os.mkfifo(folder / "metrics.json")
    (folder / "timeline.json").mkdir()
    assert says(at(folder)) == [
        "damage metrics.json: is not a regular file",
        "damage timeline.json: is not a regular file",
    ]


@pytest.mark.parametrize("run_id", ["../outside/phase1_demo", "/etc", ".", "..", "", "phase1_demo/..", "a\0b", "users"])
def test_an_id_that_is_a_path_leads_nowhere(tmp_path: Path, run_id: str) -> None:
    phase1(tmp_path / "outside")
    phase1(tmp_path / "artifacts")
    with pytest.raises(RunNotFound):
        LegacyRoot(tmp_path / "artifacts").run(run_id)


def test_the_beginning_of_an_id_is_enough_when_it_is_the_only_one(tmp_path: Path) -> None:
    for name in ("demo", "demo_2", "other"):
        phase1(tmp_path, name)
    root = LegacyRoot(tmp_path)
    assert [root.run(name).id for name in ("demo", "demo_", "o")] == ["demo", "demo_2", "other"]
    with pytest.raises(RunNotFound, match="2 legacy runs begin with 'dem'"):
        root.run("dem")


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no text exist there only")
def test_names_that_are_no_text_can_be_shown_and_found(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/a\xff\x1b[31m\n"
    os.rename(os.fsencode(phase1(tmp_path)), odd)
    root = LegacyRoot(tmp_path)
    (run_id,) = root.ids()
    assert run_id == "a��[31m�"
    assert root.run(run_id).created == "2026-02-01T00:00:00Z"


def test_no_directory_is_no_artifacts_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARTIFACTS_ROOT", raising=False)
    with pytest.raises(RunsRootInvalid):
        buff.open_legacy(tmp_path / "none")
    with pytest.raises(RunsRootUnset):
        buff.open_legacy()
    monkeypatch.setenv("ARTIFACTS_ROOT", str(phase1(tmp_path).parent))
    assert buff.open_legacy().ids() == ("phase1_demo",)


# Lists


def entry(number: int, **changes: Any) -> LegacyEntry:
    values: dict[str, Any] = {
        "run_id": f"old_{number}", "created": None, "symbol": None, "timeframe": None, "start": None, "end": None,
        "strategy": None, "strategy_version": None, "params": {}, "risk_level": None, "bars": None, "trades": None,
        "metrics": {}, "problems": 0,
    }  # fmt: skip
    return LegacyEntry(**{**values, **changes})


def ids(found: Page[Any]) -> list[str]:
    return [each.run_id for each in found.items]


def test_a_list_shows_what_is_known(tmp_path: Path) -> None:
    every_layout(tmp_path)
    found = {each.run_id: each for each in LegacyRoot(tmp_path).entries()}
    assert all(each.legacy and each.state == "legacy" for each in found.values())
    assert found["stage5_demo"].timeframe == "1h"
    assert (found["stage5_demo"].bars, found["stage5_demo"].trades, found["stage5_demo"].problems) == (24, 3, 2)
    assert found["phase1_demo"].bars is None
    assert found["plugin_validation"].trades is None
    assert found["alice/run_41e3fb1b78d6"].params == {"fast_period": 3, "slow_period": 8}


def test_filters_and_order_apply_where_the_value_is_known(tmp_path: Path) -> None:
    every_layout(tmp_path)
    runs = LegacyRoot(tmp_path).runs
    new, old, plugin, first = "alice/run_41e3fb1b78d6", "stage5_demo", "plugin_validation", "phase1_demo"
    assert ids(runs()) == [first, plugin, old, new], "the newest first, equal times by id"
    assert ids(runs(sort="created")) == [new, old, plugin, first]
    assert ids(runs(symbol="btcusdt", sort="run_id")) == [new, old]
    assert ids(runs(timeframe="1h")) == [old]
    assert ids(runs(strategy="trend_follow")) == [first]
    assert ids(runs(risk_level=2, sort="run_id")) == [new, plugin]
    assert ids(runs(since="2025-01-01", until="2026-01-01")) == [plugin]
    assert ids(runs(tag="x")) == []
    assert ids(runs(sort="-net_return")) == [first, old, new, plugin], "total_return, and nothing comes last"
    assert ids(runs(sort="max_drawdown")) == [first, old, new, plugin], "signs as they are written"
    with pytest.raises(RunConfigInvalid):
        runs(sort="colour")
    with pytest.raises(RunConfigInvalid):
        runs(limit=0)


@given(some.integers(0, 5), some.integers(0, 5), some.integers(1, 4))
def test_pages_put_together_are_the_whole_list(runs: int, old: int, limit: int) -> None:
    """Invariants checked: every entry once, runs before legacy runs, the same total on every page."""
    ours = [entry(number, run_id=f"run_{number}") for number in range(runs)]  # any entries will do
    legacy = [entry(number) for number in range(old)]
    seen: list[str] = []
    after: int | None = 0
    while after is not None:
        items = tuple(ours[after : after + limit])
        end = after + len(items)
        first: Any = Page(items=items, total=runs, next=end if end < runs else None)
        joined = behind(first, legacy, Query(sort="run_id", limit=limit, after=after))
        assert joined.total == runs + old
        assert len(joined.items) <= limit
        seen += ids(joined)
        after = joined.next
    assert seen == [each.run_id for each in ours + legacy]


@given(
    some.integers(0, 5), some.integers(0, 5), some.integers(1, 4), some.sampled_from(["run_id", "-created", "-sharpe"])
)
def test_cursors_lead_through_both_lists(runs: int, old: int, limit: int, sort: str) -> None:
    """Invariants checked: the same entries in the same order as by offsets, and the same ends."""
    state = project([recorded(number, committed(f"run_{number}")) for number in range(1, runs + 1)])
    legacy = [entry(number) for number in range(old)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        by_cursor = Query(sort=sort, limit=limit, cursor=cursor)
        by_offset = Query(sort=sort, limit=limit, after=len(seen))
        found = behind(queries.runs(state, by_cursor), legacy, by_cursor)
        assert evolve(found, cursor=None) == evolve(
            behind(queries.runs(state, by_offset), legacy, by_offset), cursor=None
        )
        assert (found.cursor is None) == (found.next is None)
        seen += ids(found)
        if found.cursor is None:
            break
        cursor = found.cursor
    assert len(set(seen)) == len(seen) == runs + old


def test_text_and_state_are_looked_for_in_legacy_runs() -> None:
    entries = [entry(1, run_id="first", strategy="ma_cross"), entry(2, run_id="second")]
    assert ids(page(entries, Query(text="FIRST cross"))) == ["first"]
    assert ids(page(entries, Query(text="nothing"))) == []
    assert ids(page(entries, Query(state="legacy", sort="run_id"))) == ["first", "second"]
    assert ids(page(entries, Query(state="any", sort="run_id"))) == ["first", "second"]
    assert ids(page(entries, Query(state="committed"))) == []


def test_a_page_of_legacy_runs_ends_where_the_list_does() -> None:
    entries = [entry(number) for number in range(3)]
    assert page(entries, Query(limit=2)).next == 2
    assert page(entries, Query(limit=2, after=2)).next is None


def test_whole_ids_come_before_beginnings_and_runs_before_legacy_runs() -> None:
    known = (["run_1", "same"], ["run_12", "run", "same", "old"])
    assert [is_legacy(name, *known) for name in ("run_1", "same", "run", "run_12", "old", "ru", "o", "none", "")] == [
        False, False, True, True, True, False, True, False, False,
    ]  # fmt: skip


# The plan


def test_the_plan_of_a_run_with_a_request_lacks_only_the_csv(tmp_path: Path) -> None:
    phase6(tmp_path)
    (run,) = LegacyRoot(tmp_path).plan()["runs"]
    assert run["missing"] == {
        "CSV_FILE": "the candles the run was made from, as a CSV; it was data/btc 2024.csv",
    }
    assert run["command"] == (
        "buff run create --csv CSV_FILE --symbol BTCUSDT --timeframe 5m --strategy ma_cross --param fast=3"
        f" --param slow=8 --risk-level 2 --commission-bps 7.5 --slippage-bps 0.0 --start {NEW_YEAR}"
        " --end 2024-01-01T00:20:00Z --name 'legacy alice/run_41e3fb1b78d6' --tag legacy"
    )
    assert run["strategy"]["params"] == {"fast": "3", "slow": "8"}
    assert run["present"]["bars"][0]["timeframe"] == "1m"
    assert "ohlcv_1m.jsonl holds minutes" in run["notes"][0]


@pytest.mark.parametrize(
    ("strategy", "today"), [("hold", "hold"), ("demo_threshold", "hold"), ("zscore_reversion", None)]
)
def test_a_strategy_is_named_as_it_is_today(tmp_path: Path, strategy: str, today: str | None) -> None:
    phase6(tmp_path, strategy=strategy)
    (run,) = LegacyRoot(tmp_path).plan()["runs"]
    assert (run["strategy"]["legacy"], run["strategy"]["buff"], run["strategy"]["params"]) == (strategy, today, {})
    assert ("STRATEGY" in run["missing"]) == (today is None)


def test_the_plan_of_a_phase_1_run_has_a_placeholder_for_everything_unknown(tmp_path: Path) -> None:
    phase1(tmp_path)
    stage5(tmp_path)
    first, second = LegacyRoot(tmp_path).plan()["runs"]
    assert list(first["missing"]) == ["CSV_FILE", "SYMBOL", "TIMEFRAME", "STRATEGY"]
    assert list(second["missing"]) == ["CSV_FILE", "STRATEGY"], "the demo rule was no strategy of a builder"
    assert "--timeframe 1h" in second["command"]


def test_a_bound_that_begins_no_bar_is_left_out(tmp_path: Path) -> None:
    folder = phase6(tmp_path)
    for name in ("manifest.json", "config.json"):
        path = folder / name
        path.write_text(path.read_text().replace("00:19:00.000Z", "00:17:00.000Z"))
    (run,) = LegacyRoot(tmp_path).plan()["runs"]
    assert ("--start" in run["arguments"], "--end" in run["arguments"]) == (True, False)


# Nothing is written


def test_nothing_in_the_artifacts_root_is_ever_changed(tmp_path: Path) -> None:
    every_layout(tmp_path)
    (tmp_path / "phase1_demo" / "metrics.json").write_bytes(b"{broken")
    paths = [tmp_path, *tmp_path.rglob("*")]
    for path in paths:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & 0o555)
    before = fingerprint(tmp_path)
    try:
        root = LegacyRoot(tmp_path)
        for run_id in root.ids():
            root.run(run_id).as_dict()
        root.runs(sort="-created")
        root.plan()
        assert fingerprint(tmp_path) == before
    finally:
        for path in paths:
            path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o200)
