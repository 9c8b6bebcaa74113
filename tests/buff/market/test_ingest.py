"""Ingest: the CSV contract, by example first, then the plain reader against the judge."""

import hashlib
import random
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.errors import DataInvalid, LimitExceeded
from buff.market import plain
from buff.market.ingest import Gap, blocks, ingest
from buff.market.options import CsvOptions
from buff.market.source import Source
from buff.market.timeframe import Timeframe
from csv_files import (
    FORMS,
    HEADER,
    MINUTE_MS,
    NASTY,
    START_MS,
    csv_file,
    mutated,
    outcome,
    places,
    read,
    refused,
    rows,
    widened,
)

GOOD = (
    HEADER
    + b"2020-01-01T00:00:00Z,10,12,9,11,5\n"
    + b"2020-01-01T00:01:00Z,11,11.5,10.5,11,0\n"
    + b"2020-01-01T00:02:00Z,11,13,11,12.25,7.5\n"
)
BAR = "1,1,1,1,1"


def bars(*times: str, bar: str = BAR) -> bytes:
    """A file of flat bars at these times."""
    return HEADER + "".join(f"{time},{bar}\n" for time in times).encode()


# Examples


def test_a_clean_file_becomes_seven_columns() -> None:
    columns, done = read(GOOD)
    assert columns["ts"].tolist() == [START_MS, START_MS + MINUTE_MS, START_MS + 2 * MINUTE_MS]
    assert columns["close"].tolist() == [11.0, 11.0, 12.25]
    assert columns["filled"].tolist() == [0, 0, 0]
    assert (done.rows, done.zero_volume, done.gaps, done.filled) == (3, 1, (), 0)
    assert (done.first_ts, done.last_ts) == (START_MS, START_MS + 2 * MINUTE_MS)


def test_the_source_is_described_for_the_manifest() -> None:
    _, done = read(GOOD.replace(b"\n", b",x\n").replace(b"volume,x", b"volume,Trades"))
    assert done.sources == (
        {
            "type": "csv",
            "name": "bars.csv",
            "path": None,
            "size": len(GOOD) + 3 * 2 + 7,
            "sha256": hashlib.sha256(GOOD.replace(b"\n", b",x\n").replace(b"volume,x", b"volume,Trades")).hexdigest(),
            "profile": "buff",
            "timezone": None,
            "extra_columns": ["Trades"],
            "banner_lines": 0,
            "order": "ascending",
        },
    )
    assert done.warnings == ("bars.csv: columns ignored: Trades",)


def test_an_offence_names_line_column_text_and_what_to_do() -> None:
    error = refused(GOOD.replace(b"10.5", b"ten"))
    assert error.message == "bars.csv, line 3: 'ten' is not a plain decimal number"
    assert error.details == {
        "rule": "CELL",
        "counts": {"CELL": 1},
        "total": 1,
        "offences": [
            {"line": 3, "column": "low", "text": "ten", "rule": "CELL", "says": "'ten' is not a plain decimal number"}
        ],
    }
    assert error.hint


def test_several_rules_broken_at_once_are_all_reported_in_line_order() -> None:
    error = refused(
        HEADER
        + b"2020-01-01T00:00:00Z,10,9,9,11,5\n"  # high below open and close: one OHLC
        + b"2020-01-01T00:01:00Z,-1,12,nan,11,-5\n"  # in the order of the columns
        + b"2020-01-01T00:01:00Z,10,12,9,11\n"
        + b"2020-01-01T00:05:00Z,10,12,9,11,5\n"
        + b"2020-01-01T00:05:00Z,10,12,9,11,5\n"
        + b"2020-01-01T00:04:30Z,10,12,9,11,5\n"
    )
    assert error.rule == "OHLC"
    assert places(error) == [
        ("OHLC", 2), ("SIGN", 3), ("CELL", 3), ("SIGN", 3), ("RAGGED", 4), ("GAP", 5), ("DUPLICATE", 6),
        ("ALIGNMENT", 7), ("ORDER", 7),
    ]  # fmt: skip
    assert error.details["counts"] == {
        "ALIGNMENT": 1, "CELL": 1, "DUPLICATE": 1, "GAP": 1, "OHLC": 1, "ORDER": 1, "RAGGED": 1, "SIGN": 2,
    }  # fmt: skip
    assert "9 offences in all" in error.message


def test_only_the_first_twenty_offences_are_listed_and_all_are_counted() -> None:
    error = refused(HEADER + b"".join(row.replace(b",", b",-", 1) + b"\n" for row in rows(50)))
    assert len(places(error)) == 20
    assert error.details["counts"] == {"SIGN": 50}


@pytest.mark.parametrize(
    ("content", "rule", "line"),
    [
        (b"", "EMPTY", 1),
        (b"\xef\xbb\xbf", "EMPTY", 1),
        (b"\n\n", "EMPTY", 1),
        (HEADER, "EMPTY", 1),
        (HEADER + b"\n\n", "EMPTY", 3),
        (b"PK\x03\x04whatever", "ENCODING", 1),
        (b"\x1f\x8bwhatever", "ENCODING", 1),
        (GOOD.decode().encode("utf-16"), "ENCODING", 1),
        (GOOD.decode().encode("utf-16-le"), "ENCODING", 1),
        (b"\xff" + GOOD, "ENCODING", 1),
        (bytes(range(256)) * 100, "ENCODING", 1),
        (GOOD.replace(b"\n", b"\r"), "ENCODING", 1),
        (GOOD.replace(b"11.5", b"11.5\r"), "ENCODING", 3),
        (GOOD + b"2020-01-01T00:03:00Z,1,1,1,1,\0\0\0\n", "ENCODING", 5),
        (GOOD.replace(b"11.5", b"\xe9"), "ENCODING", 3),
        (GOOD.replace(b",", b";"), "DELIMITER", 1),
        (GOOD.replace(b",", b"\t"), "DELIMITER", 1),
        (GOOD.split(b"\n", 1)[1], "HEADER", 1),
        (GOOD.replace(b"high", b"Low"), "HEADER", 1),
        (GOOD.replace(b"volume", b"volume,date").replace(b"Z,", b"Z,1,"), "HEADER", 1),
        (b"," + GOOD, "HEADER", 1),
        (GOOD.replace(b"volume", b'"volume'), "HEADER", 1),
        (GOOD.replace(b"volume", b"vol"), "COLUMNS", 1),
        (GOOD.replace(b"ts", b"open_time"), "COLUMNS", 1),
        (GOOD + b"x" * 70_000, "SIZE", 5),
        (b"x" * 70_000 + GOOD, "SIZE", 1),
        (GOOD.replace(b",5\n", b"\n"), "RAGGED", 2),
        (GOOD.replace(b",5\n", b",5,\n"), "RAGGED", 2),
        (GOOD.replace(b"5\n2020", b"5\n\n2020", 1), "RAGGED", 3),
        (GOOD.replace(b"11.5", b'"11.5\n"'), "CELL", 3),
        (GOOD.replace(b"11.5", b'"11"5'), "CELL", 3),
        (GOOD.replace(b"11.5", b""), "CELL", 3),
        (GOOD.replace(b"11.5", b"inf"), "CELL", 3),
        (GOOD.replace(b"11.5", b"1" * 33), "CELL", 3),
        (GOOD.replace(b"11.5", b"1e400"), "CELL", 3),
        (GOOD.replace(b",0\n", b",1e-400\n"), "CELL", 3),
        (GOOD.replace(b"11.5", b'"1,000.5"'), "CELL", 3),
        (GOOD.replace(b",9,", b",0,"), "SIGN", 2),
        (GOOD.replace(b",0\n", b",-1\n"), "SIGN", 3),
        (GOOD.replace(b"11.5", b"10"), "OHLC", 3),
        (GOOD.replace(b"10.5", b"11.2"), "OHLC", 3),
        (GOOD.replace(b"10.5,11,", b"10.8,10.6,"), "OHLC", 3),
        (GOOD.replace(b"11.5,10.5,11,", b"11.5,11.8,11,"), "OHLC", 3),
        (bars("2020-01-01 00:00"), "TIMEZONE", 2),
        (bars("2020-01-01"), "TIMEZONE", 2),
        (bars("31/12/2020 10:00"), "CELL", 2),
        (bars("2020-01-01T24:00Z"), "CELL", 2),
        (bars("2020-01-01T00:00:60Z"), "CELL", 2),
        (bars("2021-02-29T00:00Z"), "CELL", 2),
        (bars("1.5778E+12"), "UNIT", 2),
        (bars("-60"), "UNIT", 2),
        (bars("0060"), "UNIT", 2),
        (bars("60.0"), "UNIT", 2),
        (bars("0x3c"), "UNIT", 2),
        (bars("1577836800", "1577836860000"), "UNIT", 3),
        (bars("1577836800", "2020-01-01T00:01:00Z"), "UNIT", 3),
        (bars("2020-01-01T00:01Z", "2020-01-01T00:00Z"), "ORDER", 3),
        (bars("2020-01-01T00:01Z", "2020-01-01T01:01+01:00"), "DUPLICATE", 3),
        (bars("2020-01-01T00:00:30Z", "2020-01-01T00:01:30Z"), "ALIGNMENT", 2),
        (bars("1577836800000001", "1577836860000001"), "ALIGNMENT", 2),
        (bars("2020-01-01T00:00Z", "2020-01-01T00:05Z", "2020-01-01T00:10Z"), "SPACING", 3),
        (bars("2020-01-01T00:00Z", "2020-01-01T00:01Z", "2020-01-01T00:03Z"), "GAP", 4),
    ],
)  # fmt: skip
@pytest.mark.parametrize("reference", [False, True])
def test_each_fault_gets_its_rule_and_its_line(content: bytes, rule: str, line: int, reference: bool) -> None:
    error = refused(content, reference=reference)
    assert (error.rule, places(error)[0]) == (rule, (rule, line))


@pytest.mark.parametrize("reference", [False, True])
def test_one_fault_is_counted_once(reference: bool) -> None:
    lines = rows(6)
    blank = refused(HEADER + b"\n".join([*lines[:2], b"", b"", *lines[2:]]), reference=reference)
    assert places(blank) == [("RAGGED", 4), ("RAGGED", 5)]
    seconds = rows(6, form="s")
    unit = refused(
        HEADER + b"\n".join([*seconds[:2], rows(6, form="ms")[2], *seconds[3:]]), reference=reference, gaps="keep"
    )
    assert places(unit) == [("UNIT", 4)]
    word = refused(HEADER + b"\n".join([*seconds[:2], b"x" + seconds[2], *rows(6, form="ms")[3:]]), reference=reference)
    assert places(word) == [("CELL", 4), ("UNIT", 5), ("UNIT", 6), ("UNIT", 7)]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + GOOD,
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(b"\n", b"\r\n", 2),
        GOOD.rstrip(b"\n"),
        GOOD + b"\n\r\n\n",
        GOOD.replace(b"11.5", b'"11.5"'),
        GOOD.replace(b"11.5", b"  11.5 "),
        GOOD.replace(b"11.5", b"1.15e1"),
        GOOD.replace(b"11.5", b"0011.500"),
        GOOD.replace(b",0\n", b",-0.0\n"),
        GOOD.replace(b",0\n", b",0.0e7\n"),
        GOOD.replace(b"ts,open,high", b" Time , OPEN,High"),
        GOOD.replace(b"T00", b" 00").replace(b"Z", b"+00:00"),
        GOOD.replace(b"T00", b"T01").replace(b":00Z", b"+01"),
        GOOD.replace(b":00Z", b":00.000000000Z"),
        GOOD.replace(b"\n", b',"x, ""y"""\n'),
        GOOD.replace(b"\n", b",\n").replace(b"volume,", b"volume,Note"),
    ],
)
@pytest.mark.parametrize("reference", [False, True])
def test_other_ways_to_write_the_same_bars_give_the_same_bytes(content: bytes, reference: bool) -> None:
    expected, _ = read(GOOD)
    columns, _ = read(content, reference=reference)
    assert {name: column.tobytes() for name, column in columns.items()} == {
        name: column.tobytes() for name, column in expected.items()
    }


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_time_is_the_same_instant(form: str) -> None:
    content = HEADER + b"\n".join(rows(3, form=form))
    columns, _ = read(content, timezone="UTC" if form == "naive" else None)
    assert columns["ts"].tolist() == [START_MS + at * MINUTE_MS for at in range(3)]


# Zones


def test_naive_times_are_read_in_the_declared_zone() -> None:
    content = bars("2021-07-01 02:00", "2021-07-01 02:01")
    for zone, hours in (("UTC", 0), ("+05:30", 5.5), ("-05:00", -5), ("Europe/Berlin", 2), ("America/New_York", -4)):
        columns, done = read(content, timezone=zone)
        assert columns["ts"][0] == 1_625_104_800_000 - hours * 3_600_000
        assert done.sources[0]["timezone"] == zone


@pytest.mark.parametrize(
    ("time", "says"),
    [
        ("2021-10-31 02:30", "happened twice in Europe/Berlin"),
        ("2021-03-28 02:30", "happened never in Europe/Berlin"),
    ],
)
def test_local_times_that_are_no_single_instant_are_refused_by_line(time: str, says: str) -> None:
    error = refused(bars("2021-03-27 00:00", time), timezone="Europe/Berlin", gaps="keep")
    assert places(error) == [("TIMEZONE", 3)]
    assert says in error.message


def test_the_hours_around_a_change_of_the_clocks_are_read() -> None:
    times = ["2021-03-28 01:58", "2021-03-28 01:59", "2021-03-28 03:00", "2021-03-28 03:01"]
    columns, _ = read(bars(*times), timezone="Europe/Berlin")
    assert np.diff(columns["ts"]).tolist() == [MINUTE_MS] * 3


@pytest.mark.parametrize("time", ["1577836800", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00+01:00"])
def test_a_declared_zone_is_refused_for_times_that_carry_one(time: str) -> None:
    assert places(refused(bars(time), timezone="UTC")) == [("TIMEZONE", 2)]


# Gaps, spacing, bases

GAPPED = bars("2020-01-01T00:00Z", "2020-01-01T00:01Z", "2020-01-01T00:04Z", "2020-01-01T00:05Z", bar="1,4,1,3,7")
GAP = Gap(after_ts=START_MS + MINUTE_MS, before_ts=START_MS + 4 * MINUTE_MS, missing=2)


def test_a_kept_gap_is_recorded_and_nothing_is_made() -> None:
    columns, done = read(GAPPED, gaps="keep")
    assert (len(columns["ts"]), done.gaps, done.gap_count, done.missing, done.filled) == (4, (GAP,), 1, 2, 0)


def test_a_filled_gap_has_flat_bars_at_the_last_close() -> None:
    with pytest.raises(LimitExceeded, match="5 %"):
        read(GAPPED, gaps="fill")
    whole = rows(100)
    columns, done = read(HEADER + b"\n".join(whole[:50] + whole[53:]), gaps="fill")
    assert (done.rows, done.missing, done.filled, len(done.gaps)) == (100, 3, 3, 1)
    assert np.flatnonzero(columns["filled"]).tolist() == [50, 51, 52]
    assert columns["ts"].tolist() == [START_MS + at * MINUTE_MS for at in range(100)]
    for name in ("open", "high", "low", "close"):
        assert (columns[name][50:53] == columns["close"][49]).all()
    assert columns["volume"][50:53].tolist() == [0, 0, 0]


def test_a_gap_of_more_than_seven_days_is_not_filled() -> None:
    hours = rows(10_000, step_ms=3_600_000)
    near, far = hours[:5000] + hours[5000 + 168 :], hours[:5000] + hours[5000 + 169 :]
    assert read(HEADER + b"\n".join(near), gaps="fill", base="1h")[1].filled == 168
    with pytest.raises(LimitExceeded, match="7 days"):
        read(HEADER + b"\n".join(far), gaps="fill", base="1h")


@pytest.mark.parametrize("gaps", ["reject", "keep", "fill"])
def test_a_file_of_another_spacing_is_one_error_whatever_the_gap_policy(gaps: str) -> None:
    error = refused(HEADER + b"\n".join(rows(9, step_ms=5 * MINUTE_MS)), gaps=gaps)
    assert places(error) == [("SPACING", 3)]
    assert error.hint == "pass --base-timeframe 5m"
    assert error.message.endswith("every row is 5 m after the one before: this looks like 5m, not 1m")


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("block_bytes", [60, 200, 1 << 20])
def test_steps_that_are_not_all_the_same_are_gaps(reference: bool, block_bytes: int) -> None:
    content = bars("2020-01-01T00:00Z", "2020-01-01T00:05Z", "2020-01-01T00:10Z", "2020-01-01T00:11Z")
    assert places(refused(content, reference=reference, block_bytes=block_bytes)) == [("GAP", 3), ("GAP", 4)]
    assert read(content, gaps="keep", reference=reference, block_bytes=block_bytes)[1].gap_count == 2


@pytest.mark.parametrize("base", ["5m", "1h", "1d"])
def test_a_declared_base_is_the_spacing(base: str) -> None:
    step = Timeframe(base).step_ms
    assert step is not None
    _, done = read(HEADER + b"\n".join(rows(3, step_ms=step)), base=base)
    assert done.rows == 3


# Files, blocks, limits


def test_several_files_are_one_dataset_in_the_given_order() -> None:
    first, second = rows(3), rows(3, start_ms=START_MS + 3 * MINUTE_MS, seed=1)
    shuffled = b"volume,ts,open,high,low,close\n" + b"\n".join(
        b",".join((row.split(b",")[-1], *row.split(b",")[:-1])) for row in second
    )
    columns, done = read(HEADER + b"\n".join(first) + b"\n\n", shuffled)
    assert columns["ts"].tolist() == [START_MS + at * MINUTE_MS for at in range(6)]
    assert [source["name"] for source in done.sources] == ["bars.csv", "bars2.csv"]


def test_rules_hold_across_the_seam_of_files_and_the_offence_names_its_file() -> None:
    error = refused(HEADER + b"\n".join(rows(3)), HEADER + b"\n".join(rows(2, start_ms=START_MS + 5 * MINUTE_MS)))
    listed: Any = error.details["offences"]
    assert [(each["file"], each["line"], each["rule"]) for each in listed] == [("bars2.csv", 2, "GAP")]
    assert refused(GOOD, GOOD).rule == "ORDER"
    assert refused(GOOD, HEADER).rule == "EMPTY"


def test_times_are_of_one_kind_in_a_file_and_may_be_of_another_in_the_next() -> None:
    seconds, millis = (rows(2, form=form, start_ms=START_MS + 3 * MINUTE_MS) for form in ("s", "ms"))
    assert refused(HEADER + b"\n".join((seconds[0], millis[1]))).rule == "UNIT"
    assert read(GOOD, HEADER + b"\n".join(seconds))[1].rows == 5


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
def test_the_size_of_chunks_and_blocks_changes_nothing(size: int) -> None:
    content = HEADER + b"\n".join(rows(40)) + b"\n"
    for text in (content, content.replace(b"00:20:00", b"00:99:00")):
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert b"".join(blocks(iter(pieces), size)) == text
        assert all(block.endswith(b"\n") for block in blocks(iter(pieces), max(size, 100)))
        assert outcome(text, block_bytes=size) == outcome(text)


@pytest.mark.parametrize("reference", [False, True])
def test_half_a_line_end_at_the_end_of_a_file_is_refused(reference: bool) -> None:
    """A carriage return is a line end only with its line feed: without it the file was cut short there."""
    whole = HEADER + b"\r\n".join(rows(3))
    assert len(read(whole, reference=reference)[0]["ts"]) == 3
    with pytest.raises(DataInvalid) as caught:
        read(whole + b"\r", reference=reference)
    assert (caught.value.rule, caught.value.details["offences"][0]["line"]) == ("ENCODING", 4)


def test_what_a_file_is_does_not_hang_on_its_first_chunk() -> None:
    content = b" \n[[1577836800000,1,1,1,1,1]]"
    options = CsvOptions(profile="ccxt")
    for size in (1, 2, 100):
        pieces = [content[at : at + size] for at in range(0, len(content), size)]
        file = Source(name="bars.json", chunks=lambda pieces=pieces: iter(pieces))
        assert ingest([file], options, write=lambda columns: None, rows_max=9, bytes_max=999).rows == 1


@pytest.mark.parametrize("gaps", ["keep", "fill"])
def test_a_gap_between_blocks_is_a_gap_like_any_other(gaps: str) -> None:
    lines = rows(60)
    content = HEADER + b"\n".join([*lines[:30], *lines[32:]])
    for size in range(len(HEADER), 600, 7):
        assert outcome(content, gaps=gaps, block_bytes=size) == outcome(content, gaps=gaps)
    assert read(content, gaps=gaps)[1].gaps[0].missing == 2


def test_what_was_written_before_an_offence_stays_a_prefix_and_nothing_follows_it() -> None:
    lines = rows(200)
    lines[150] = lines[150].replace(b",", b",-", 1)
    written: list[Any] = []
    with pytest.raises(DataInvalid):
        ingest(
            csv_file(HEADER + b"\n".join(lines)),
            CsvOptions(),
            write=written.append,
            rows_max=1000,
            bytes_max=10**6,
            block_bytes=1000,
        )
    stamps = np.concatenate([block["ts"] for block in written])
    assert 0 < len(stamps) <= 150
    assert stamps.tolist() == [START_MS + at * MINUTE_MS for at in range(len(stamps))]


def test_limits_are_kept_and_the_tick_may_stop_the_reading() -> None:
    with pytest.raises(LimitExceeded, match="rows"):
        read(GOOD, rows_max=2)
    with pytest.raises(LimitExceeded, match="bytes"):
        read(GOOD, bytes_max=len(GOOD) - 1)
    seen: list[int] = []

    def stop(size_bytes: int) -> None:
        seen.append(size_bytes)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(csv_file(GOOD), CsvOptions(), write=lambda block: None, tick=stop, rows_max=9, bytes_max=999)
    assert seen == [len(GOOD)]


def test_pyarrow_is_imported_when_a_block_is_read_and_pandas_never() -> None:
    code = (
        "import sys, buff.market.ingest as i\n"
        "assert 'pyarrow' not in sys.modules\n"
        "from buff.market.options import CsvOptions\n"
        "from buff.market.source import Source\n"
        f"i.ingest([Source(name='x', chunks=lambda: iter([{GOOD!r}]))], CsvOptions(), write=print, rows_max=9,"
        " bytes_max=999)\n"
        "assert 'pyarrow' in sys.modules and 'pandas' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


# The plain reader accepts what the judge accepts, as the same bytes, and leaves every offence to it.


NAMES = ("ts", "open", "high", "low", "close", "volume")


@pytest.mark.parametrize(
    ("name", "form"),
    [("ts", form) for form in FORMS] + [(name, form) for name in (*NAMES[1:], "extra") for form in "sZ"],
)
def test_the_readers_agree_on_every_nasty_cell(name: str, form: str) -> None:
    """Invariants checked: the same answer for each cell, in the first row and a later one, first in its line or not."""
    columns = {each: [b"1", b"1"] for each in NAMES[1:]} | {"ts": [row.split(b",")[0] for row in rows(2, form=form)]}
    columns["extra"] = [b"", b""]
    padded = tuple(b"0" + time for time in columns["ts"])
    for cell in (*NASTY, *padded):
        for row in (0, 1):
            cells = {**columns, name: [cell if at == row else old for at, old in enumerate(columns[name])]}
            for order in ((name, *(each for each in cells if each != name)), tuple(cells)):
                table = [[each.encode() for each in order], *([cells[each][at] for each in order] for at in (0, 1))]
                content = b"".join(b",".join(line) + b"\n" for line in table)
                for zone in ("+01:00", "-01:00") if form == "naive" else (None,):
                    plainly = outcome(content, timezone=zone, gaps="keep")
                    assert plainly == outcome(content, timezone=zone, gaps="keep", reference=True), content


def test_the_plain_reader_and_the_judge_agree_on_mutated_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariants checked: same acceptance, same columns, same offences; for every form, zone, gap policy and block."""
    taken = _count_plain(monkeypatch)
    chance = random.Random(20260101)
    accepted = 0
    for case in range(1_500):
        form = chance.choice(FORMS)
        lines = rows(chance.randint(1, 12), form=form, seed=case)
        if chance.random() < 0.3:
            header, *lines = widened([HEADER.strip(), *lines], chance)
        else:
            header = HEADER.strip()
        content = header + b"\n" + mutated(lines, chance)
        zone = chance.choice(("UTC", "Europe/Berlin")) if (form == "naive") != (chance.random() < 0.05) else None
        options = {"timezone": zone, "gaps": chance.choice(("reject", "keep", "fill"))}
        found = outcome(content, block_bytes=chance.choice((64, 200, 1 << 20)), **options)
        assert found == outcome(content, reference=True, **options), (content, options)
        accepted += isinstance(found, tuple)
    assert accepted > 150
    assert taken() > 400, "most clean blocks are read by the plain reader"


@given(text=st.text(alphabet='0123456789.,-+eETZ: \n"', max_size=60), epoch=st.booleans())
def test_the_readers_agree_on_any_text_in_a_row(text: str, epoch: bool) -> None:
    first, second = rows(2, form="s" if epoch else "Z")
    content = HEADER + first + b"\n" + text.encode() + second
    assert outcome(content, gaps="keep") == outcome(content, gaps="keep", reference=True)


@given(st.binary(max_size=200))
def test_any_bytes_get_a_typed_answer(content: bytes) -> None:
    outcome(content)
    outcome(HEADER + content)


def _count_plain(monkeypatch: pytest.MonkeyPatch) -> Any:
    taken = []
    real = plain.read

    def read(block: bytes, reading: Any) -> Any:
        columns = real(block, reading)
        taken.append(columns is not None)
        return columns

    monkeypatch.setattr(plain, "read", read)
    return lambda: sum(taken)


@pytest.mark.parametrize("reference", [False, True])
def test_the_end_of_the_last_bar_lies_within_the_years_too(reference: bool) -> None:
    content = HEADER + b"9998-12-31 23:59,1,1,1,1,1\n9999-01-01 00:00,1,1,1,1,1\n"
    options = {"timezone": "UTC", "stamp": "close", "reference": reference}
    assert refused(content, **options).rule == "CELL"
    assert len(read(content.rpartition(b"9999")[0], **options)[0]["ts"]) == 1


@pytest.mark.parametrize("gaps", ["keep", "fill"])
def test_hours_with_an_outage_do_not_pass_for_minutes_with_gaps(gaps: str) -> None:
    hours = rows(40, step_ms=60 * MINUTE_MS)
    content = HEADER + b"\n".join([*hours[:20], *hours[22:]])
    error = refused(content, gaps=gaps)
    assert (places(error), error.hint) == ([("SPACING", 3)], "pass --base-timeframe 1h")
    assert "no two rows are closer than 1 h: this looks like 1h, not 1m" in error.message
    assert read(content, gaps="keep", base="1h")[1].missing == 2
    thin = rows(40, step_ms=7 * MINUTE_MS)
    assert read(HEADER + b"\n".join([*thin[:20], *thin[22:]]), gaps="keep")[1].gap_count == 37
    few = [rows(1, start_ms=START_MS + at * MINUTE_MS)[0] for at in (0, 5, 15)]
    assert read(HEADER + b"\n".join(few), gaps="keep")[1].gap_count == 2


def test_a_single_step_is_no_spacing_where_rows_were_refused() -> None:
    content = bars("2024-10-27 01:59", "2024-10-27 02:00", "2024-10-27 02:01", "2024-10-27 03:00")
    error = refused(content, timezone="Europe/Berlin")
    assert "SPACING" not in error.details["counts"]
    assert error.details["counts"]["TIMEZONE"] == 2
