"""Real files of vendors: each gets the verdict, the first line and the counts that a plain count by hand gives.

The hand knows nothing of Buff: the csv module, datetime and fractions. Files are kept beside the checkout; without them
these tests are skipped.
"""

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from buff.errors import DataInvalid
from buff.inputs import opened
from buff.market.bars import COLUMNS, VALUES, Bars
from buff.market.ingest import Ingested, ingest
from buff.market.options import CsvOptions
from buff.market.resample import resample
from buff.market.timeframe import Timeframe
from csv_files import places

BINANCE = "binance_12col_noheader_ADABTC-1m-2021-11-27.csv"
CLEAN = "clean_1m_BTC-PERP_2022-01-01_14d.csv"
FX = "fx_1m_histdata_EURUSD_2017-03-01_10.csv"
GAPS = "gaps_1m_6EH4_2024-01.csv"
OUTAGE = "outage_1h_BTCUSDT-2023-03.csv"
HOURS = "pair_lean_binance-um_ADAUSDT_hour_trade.zip"
MINUTES = "pair_lean_binance-um_ADAUSDT_minute_20221213_trade.zip"

Row = tuple[int, datetime, tuple[str, ...]]


def taken(path: Path, *, reference: bool = False, **options: Any) -> tuple[dict[str, np.ndarray[Any, Any]], Ingested]:
    """Read a real file as a user would; return its columns and what was seen."""
    written: list[Any] = []
    done = ingest(
        opened([str(path)]),
        CsvOptions(**options),
        write=written.append,
        rows_max=10**7,
        bytes_max=10**9,
        reference=reference,
    )
    return {name: np.concatenate([block[name] for block in written]) for name in COLUMNS}, done


def refusal(path: Path, **options: Any) -> DataInvalid:
    """The error of a real file; the judge alone must say the same."""
    errors = []
    for reference in (False, True):
        with pytest.raises(DataInvalid) as caught:
            taken(path, reference=reference, **options)
        errors.append(caught.value)
    assert errors[0].as_dict() == errors[1].as_dict()
    return errors[0]


# The hand


def text_of(path: Path) -> str:
    """The text of a file, or of the only file in a zip."""
    if path.suffix != ".zip":
        return path.read_text(encoding="ascii")
    with zipfile.ZipFile(path) as archive:
        (name,) = archive.namelist()
        return archive.read(name).decode("ascii")


def hand(path: Path) -> Iterator[Row]:
    """Yield (line, opening, open to volume as written) of each row, by the form that the file's vendor documents."""
    delimiter = ";" if path.name == FX else ","
    for line, cells in enumerate(csv.reader(io.StringIO(text_of(path)), delimiter=delimiter), start=1):
        if line == 1 and not cells[0][0].isdigit():
            continue  # a header
        yield line, opening(path.name, cells[0]), tuple(cells[1:6])


def opening(name: str, text: str) -> datetime:
    """The time of a row, by what is known of the file."""
    if name in (BINANCE, OUTAGE):
        return datetime.fromtimestamp(int(text) // 1000, UTC)
    if name == FX:
        return datetime.strptime(text, "%Y%m%d %H%M%S").replace(tzinfo=timezone(timedelta(hours=-5)))
    if name == MINUTES:
        return datetime(2022, 12, 13, tzinfo=UTC) + timedelta(milliseconds=int(text))
    if name == HOURS:
        return datetime.strptime(text, "%Y%m%d %H:%M").replace(tzinfo=UTC)
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def gaps_of(rows: list[Row], step: timedelta) -> list[tuple[int, int]]:
    """(line, missing bars) of each row that does not follow the one before it by one step."""
    found = []
    for (_, before, _), (line, now, _) in pairwise(rows):
        assert now > before
        if now - before != step:
            found.append((line, (now - before) // step - 1))
    return found


def compare(columns: dict[str, np.ndarray[Any, Any]], rows: list[Row]) -> None:
    """Every bar is the row that the hand read, to the last bit."""
    assert columns["ts"].tolist() == [int(at.timestamp()) * 1000 for _, at, _ in rows]
    for index, name in enumerate(VALUES):
        assert columns[name].tolist() == [float(values[index]) for _, _, values in rows], name


# The verdicts


@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        (BINANCE, {"profile": "binance"}, 10),
        (CLEAN, {"timezone": "UTC"}, 20_160),
        (HOURS, {"profile": "lean", "timezone": "UTC", "base": "1h"}, 24),
        (MINUTES, {"profile": "lean", "timezone": "UTC"}, 1_440),
    ],
)
@pytest.mark.parametrize("reference", [False, True])
def test_a_whole_file_is_taken_row_by_row(
    shared_data: Path, name: str, options: dict[str, str], count: int, reference: bool
) -> None:
    rows = list(hand(shared_data / name))
    assert (len(rows), gaps_of(rows, timedelta(hours=1) if "base" in options else timedelta(minutes=1))) == (count, [])
    columns, done = taken(shared_data / name, reference=reference, **options)
    compare(columns, rows)
    assert (done.rows, done.gap_count) == (count, 0)


@pytest.mark.parametrize(
    ("name", "options", "first", "count"),
    [
        (GAPS, {"timezone": "UTC"}, 11, 375),
        (FX, {"profile": "histdata"}, 2449, 9),
        (OUTAGE, {"profile": "binance", "base": "1h"}, 567, 1),
    ],
)
def test_a_file_with_gaps_is_refused_at_the_first_and_kept_when_asked(
    shared_data: Path, name: str, options: dict[str, str], first: int, count: int
) -> None:
    path = shared_data / name
    rows = list(hand(path))
    gaps = gaps_of(rows, timedelta(hours=1) if "base" in options else timedelta(minutes=1))
    assert (gaps[0][0], len(gaps)) == (first, count)
    error = refusal(path, **options)
    assert error.details["counts"] == {"GAP": count}
    assert places(error) == [("GAP", line) for line, _ in gaps[:20]]
    columns, done = taken(path, gaps="keep", **options)
    compare(columns, rows)
    assert (done.rows, done.gap_count) == (len(rows), count)
    assert done.missing == sum(missing for _, missing in gaps)
    assert [gap.missing for gap in done.gaps] == [missing for _, missing in gaps]


def test_times_without_a_zone_are_refused_from_their_first_line(shared_data: Path) -> None:
    for name in (CLEAN, GAPS):
        error = refusal(shared_data / name)
        assert places(error)[0] == ("TIMEZONE", 2)
        counts: Any = error.details["counts"]
        assert counts["TIMEZONE"] == len(list(hand(shared_data / name)))


def test_hours_taken_for_minutes_get_the_base_as_their_hint(shared_data: Path) -> None:
    error = refusal(shared_data / OUTAGE, profile="binance")
    assert places(error)[0] == ("GAP", 3)
    assert "--base-timeframe 1h" in error.hint
    whole = refusal(shared_data / HOURS, profile="lean", timezone="UTC")
    assert places(whole) == [("SPACING", 2)]
    assert whole.hint == "pass --base-timeframe 1h"


def test_what_was_not_filled_by_the_vendor_is_too_much_to_fill_for_futures(shared_data: Path) -> None:
    """13,263 missing minutes for 29,996 rows are far above 5 %; the one hour of the outage is not."""
    columns, done = taken(shared_data / OUTAGE, profile="binance", base="1h", gaps="fill")
    rows = list(hand(shared_data / OUTAGE))
    (line, missing), = gaps_of(rows, timedelta(hours=1))  # fmt: skip
    assert (done.filled, done.rows) == (missing, len(rows) + missing)
    made = np.flatnonzero(columns["filled"]).tolist()
    assert made == list(range(line - 2, line - 2 + missing))
    assert columns["open"][made].tolist() == [columns["close"][line - 3]] * missing


@pytest.mark.parametrize(
    ("name", "rule"),
    [(BINANCE, "HEADER"), (FX, "DELIMITER"), (OUTAGE, "COLUMNS"), (HOURS, "HEADER"), (MINUTES, "HEADER")],
)
def test_under_the_profile_of_nobody_they_are_refused_at_their_first_line(
    shared_data: Path, name: str, rule: str
) -> None:
    assert places(refusal(shared_data / name)) == [(rule, 1)]


def test_minutes_resampled_to_hours_are_the_hours_of_the_vendor(shared_data: Path) -> None:
    """Ours, the vendor's file and a sum by hand in exact fractions are the same, volume included."""
    minutes, _ = taken(shared_data / MINUTES, profile="lean", timezone="UTC")
    hours, _ = taken(shared_data / HOURS, profile="lean", timezone="UTC", base="1h")
    found = resample(Bars(timeframe=Timeframe.MINUTE_1, **minutes), Timeframe.HOUR_1)
    for name in ("ts", *VALUES):
        assert getattr(found.bars, name).tobytes() == hours[name].tobytes(), name
    assert (len(found.bars), len(found.dropped_ts), found.empty) == (24, 0, 0)

    by_hour: dict[datetime, list[tuple[Fraction, ...]]] = {}
    for _, at, values in hand(shared_data / MINUTES):
        by_hour.setdefault(at.replace(minute=0), []).append(tuple(Fraction(value) for value in values))
    vendor = {at: tuple(Fraction(value) for value in values) for _, at, values in hand(shared_data / HOURS)}
    for at, bars in by_hour.items():
        opens, highs, lows, closes, volumes = zip(*bars, strict=True)
        assert vendor[at] == (opens[0], max(highs), min(lows), closes[-1], sum(volumes)), at
