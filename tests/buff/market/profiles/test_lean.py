"""Profiles `lean` and `lean_equity`: zips of QuantConnect LEAN, whose date is in the name of the file."""

import zipfile
from pathlib import Path

import pytest

from buff.inputs import opened
from buff.market.ingest import ingest
from buff.market.options import CsvOptions
from csv_files import bars_of, places, refused

MINUTES = b"0,0.3067,0.3068,0.3066,0.3068,274004\n60000,0.3068,0.3072,0.3067,0.3071,1031647\n"
HOURS = b"20221213 00:00,0.3067,0.3073,0.3054,0.3056,12143174\n20221213 01:00,0.3057,0.3062,0.3047,0.3053,11303015\n"
NAME = "20221213_adausdt_minute_trade_perp.csv"
BARS = [
    ("2022-12-13T00:00:00Z", 0.3067, 0.3068, 0.3066, 0.3068, 274004.0),
    ("2022-12-13T00:01:00Z", 0.3068, 0.3072, 0.3067, 0.3071, 1031647.0),
]


def test_minutes_count_milliseconds_from_the_day_in_the_name_of_the_file() -> None:
    assert bars_of(MINUTES, names=[NAME], profile="lean", timezone="UTC") == BARS
    assert bars_of(MINUTES, names=[NAME], profile="lean", timezone="+01:00")[0][0] == "2022-12-12T23:00:00Z"


def test_hours_and_days_have_written_times() -> None:
    assert bars_of(HOURS, profile="lean", timezone="UTC", base="1h") == [
        ("2022-12-13T00:00:00Z", 0.3067, 0.3073, 0.3054, 0.3056, 12143174.0),
        ("2022-12-13T01:00:00Z", 0.3057, 0.3062, 0.3047, 0.3053, 11303015.0),
    ]


def test_equities_are_in_ten_thousandths_of_a_dollar_and_new_york_time() -> None:
    # 15300000 ms is 04:15; the example of LEAN's own readme, in summer and in winter.
    rows = b"15300000,6448000,6448100,6447999,6448000,90\n15360000,6448000,6448000,6448000,6448000,10\n"
    summer = bars_of(rows, names=["20140605_aapl_minute_trade.csv"], profile="lean_equity")
    assert summer[0] == ("2014-06-05T08:15:00Z", 644.8, 644.81, 644.7999, 644.8, 90.0)
    winter = bars_of(rows, names=["20140106_aapl_minute_trade.csv"], profile="lean_equity")
    assert winter[0][0] == "2014-01-06T09:15:00Z"
    hours = b"20131001 09:00,6448000,6448000,6448000,6448000,90\n20131001 10:00,6448000,6448000,6448000,6448000,90\n"
    assert bars_of(hours, profile="lean_equity", base="1h")[0] == ("2013-10-01T13:00:00Z", *[644.8] * 4, 90.0)


def test_a_week_of_zips_is_one_dataset(tmp_path: Path) -> None:
    paths = []
    for day in range(12, 19):
        path = tmp_path / f"202212{day}_trade.zip"
        with zipfile.ZipFile(path, "w") as archive:
            rows = "".join(f"{at * 60_000},1,1,1,1,{day}\n" for at in range(1440))
            archive.writestr(f"202212{day}_adausdt_minute_trade_perp.csv", rows)
        paths.append(str(path))
    blocks: list[int] = []
    done = ingest(
        opened(paths),
        CsvOptions(profile="lean", timezone="UTC"),  # type: ignore[arg-type]
        write=lambda columns: blocks.extend(columns["ts"].tolist()),
        rows_max=10**6,
        bytes_max=10**8,
    )
    assert blocks == list(range(1_670_803_200_000, 1_670_803_200_000 + 7 * 86_400_000, 60_000))
    assert (done.rows, done.gap_count) == (10_080, 0)
    assert [source["member"][:8] for source in done.sources] == [f"202212{day}" for day in range(12, 19)]
    assert done.sources[0]["archive"] == "zip"


@pytest.mark.parametrize(
    ("content", "name", "rule", "line"),
    [
        (MINUTES, "adausdt_minute_trade.csv", "CELL", 1),  # the name has no date
        (MINUTES, "20221332_adausdt.csv", "CELL", 1),  # nor this one
        (MINUTES.replace(b"60000,", b"86400000,"), NAME, "CELL", 2),
        (MINUTES.replace(b"60000,", b"060000,"), NAME, "CELL", 2),
        (MINUTES.replace(b"60000,", b"60001,"), NAME, "ALIGNMENT", 2),
        (MINUTES.replace(b"60000,", b"0,"), NAME, "DUPLICATE", 2),
        (MINUTES + HOURS, NAME, "UNIT", 3),
        (b"0,1,1,1,1,5,2,2,2,2,5\n", NAME, "COLUMNS", 1),  # a quote bar
        (HOURS, NAME, "SPACING", 2),
    ],
)
def test_what_cannot_be_read_is_refused_at_its_line(content: bytes, name: str, rule: str, line: int) -> None:
    assert places(refused(content, names=[name], profile="lean", timezone="UTC"))[0] == (rule, line)


def test_a_name_without_a_date_is_what_the_refusal_speaks_of() -> None:
    error = refused(MINUTES, names=["adausdt.csv"], profile="lean", timezone="UTC")
    assert error.hint == "times of this profile count from the day in the name of the file, such as 20221213_trade.zip"


@pytest.mark.parametrize("price", [b"644.8", b"6.448e6", b"-6448000"])
def test_prices_of_equities_are_whole_numbers(price: bytes) -> None:
    error = refused(b"0,6448000,%s,6448000,6448000,1\n" % price, names=["20140106.csv"], profile="lean_equity")
    assert places(error)[0] == ("CELL", 1)


def test_without_a_zone_the_times_of_a_day_are_refused() -> None:
    assert places(refused(MINUTES, names=[NAME], profile="lean")) == [("TIMEZONE", 1), ("TIMEZONE", 2)]


def test_milliseconds_of_a_day_are_of_the_clock_and_an_hour_that_never_was_is_refused() -> None:
    """02:30 of 2014-03-09 did not happen in New York; 03:00 is 07:00 UTC, the minute after 01:59."""
    rows = b"7140000,1,1,1,1,1\n10800000,1,1,1,1,1\n"
    times = [time for time, *_ in bars_of(rows, names=["20140309.csv"], profile="lean_equity")]
    assert times == ["2014-03-09T06:59:00Z", "2014-03-09T07:00:00Z"]
    error = refused(b"9000000,1,1,1,1,1\n", names=["20140309.csv"], profile="lean_equity")
    assert places(error) == [("TIMEZONE", 1)]
