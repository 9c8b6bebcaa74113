"""Time through a whole reading: zones, clocks that are changed, ends of bars, and the ends of the calendar."""

from typing import Any

import pytest

from csv_files import HEADER, bars_of, places, refused


def file(*times: str) -> bytes:
    """A file of flat bars at these times."""
    return HEADER + "".join(f"{time},1,1,1,1,1\n" for time in times).encode()


def times(*texts: str, **options: Any) -> list[str]:
    """The openings in UTC of bars at these times; both readers agree, whatever the size of the blocks."""
    found = [bars_of(file(*texts), block_bytes=size, **options) for size in (64, 1 << 20)]
    assert found[0] == found[1]
    return [time for time, *_ in found[0]]


@pytest.mark.parametrize(
    ("zone", "never", "twice"),
    [
        ("Europe/Berlin", "2021-03-28 02:30", "2021-10-31 02:30"),
        ("America/New_York", "2024-03-10 02:30", "2024-11-03 01:30"),
        ("Australia/Lord_Howe", "2024-10-06 02:15", "2024-04-07 01:45"),  # half an hour
        ("America/Sao_Paulo", "2018-11-04 00:30", "2018-02-17 23:30"),  # midnight itself is skipped
        ("Asia/Tehran", "2022-03-22 00:30", "2022-09-21 23:30"),
    ],
)
def test_a_local_time_that_was_never_or_twice_is_refused_by_its_line(zone: str, never: str, twice: str) -> None:
    for text, says in ((never, "never"), (twice, "twice")):
        first = text[:8] + "01 00:00"
        error = refused(file(first, text), timezone=zone, gaps="keep")
        assert places(error) == [("TIMEZONE", 3)]
        assert f"local time {text} happened {says} in {zone}" in error.message


def test_every_minute_of_an_hour_that_happened_twice_is_refused_and_those_beside_it_are_not() -> None:
    before = [f"2021-10-31 01:{minute:02d}" for minute in range(60)]
    twice = [f"2021-10-31 02:{minute:02d}" for minute in range(60)]
    after = [f"2021-10-31 03:{minute:02d}" for minute in range(60)]
    error = refused(file(*before, *twice, *after), timezone="Europe/Berlin", gaps="keep")
    assert error.details["counts"] == {"TIMEZONE": 60}
    assert places(error)[0] == ("TIMEZONE", 62)
    assert times(*before, timezone="Europe/Berlin")[-1] == "2021-10-30T23:59:00Z"
    assert times(*after, timezone="Europe/Berlin")[0] == "2021-10-31T02:00:00Z"


def test_the_minute_after_a_skipped_hour_follows_the_one_before_it() -> None:
    found = times("2021-03-28 01:58", "2021-03-28 01:59", "2021-03-28 03:00", timezone="Europe/Berlin")
    assert found == ["2021-03-28T00:58:00Z", "2021-03-28T00:59:00Z", "2021-03-28T01:00:00Z"]


def test_offsets_that_change_in_the_file_are_instants() -> None:
    found = times(
        "2021-03-28T01:59:00+01:00", "2021-03-28T03:00:00+02:00", "2021-03-28T01:01:00Z", "2021-03-27T20:02-05"
    )
    assert found == ["2021-03-28T00:59:00Z", "2021-03-28T01:00:00Z", "2021-03-28T01:01:00Z", "2021-03-28T01:02:00Z"]


@pytest.mark.parametrize(
    ("zone", "opening"),
    [("+05:30", "2023-12-31T18:30:00Z"), ("-12:00", "2024-01-01T12:00:00Z"), ("+14:00", "2023-12-31T10:00:00Z")],
)
def test_fixed_offsets_have_no_summer(zone: str, opening: str) -> None:
    assert times("2024-01-01 00:00", timezone=zone) == [opening]
    assert times("2024-07-01 00:00", timezone=zone) == [
        opening.replace("2023-12-31", "2024-06-30").replace("2024-01", "2024-07")
    ]


def test_a_leap_day_and_the_end_of_a_year() -> None:
    found = times("2024-02-28T23:59Z", "2024-02-29T00:00Z")
    assert found[1] == "2024-02-29T00:00:00Z"
    assert times("2024-02-29T23:59Z", "2024-03-01T00:00Z")[1] == "2024-03-01T00:00:00Z"
    assert times("2023-12-31T23:59Z", "2024-01-01T00:00Z")[1] == "2024-01-01T00:00:00Z"
    assert times("1900-02-28T23:59Z", "1900-03-01T00:00Z")[1] == "1900-03-01T00:00:00Z"  # no leap year
    assert times("2000-02-29T23:59Z", "2000-03-01T00:00Z")[1] == "2000-03-01T00:00:00Z"
    assert places(refused(file("1900-02-29T00:00Z"))) == [("CELL", 2)]
    assert places(refused(file("2023-02-29T00:00Z"))) == [("CELL", 2)]


def test_the_first_and_the_last_minute_of_the_years_that_are_known() -> None:
    assert times("0001-01-01T00:00Z", "0001-01-01T00:01Z")[0] == "0001-01-01T00:00:00Z"
    assert times("9998-12-31T23:58Z", "9998-12-31T23:59Z")[1] == "9998-12-31T23:59:00Z"
    for outside in ("9999-01-01T00:00Z", "0001-01-01T00:00+00:01", "9998-12-31T23:59-00:01", "0000-12-31T23:59Z"):
        assert places(refused(file(outside))) == [("CELL", 2)], outside
    assert places(refused(file("0001-01-01 00:00"), timezone="+01:00")) == [("CELL", 2)]
    assert times("0001-01-01 01:00", timezone="+01:00") == ["0001-01-01T00:00:00Z"]
    assert times("1883-11-18 00:00", timezone="UTC") == ["1883-11-18T00:00:00Z"]


def test_a_zone_whose_past_has_odd_seconds_is_off_the_grid_and_says_so() -> None:
    """Berlin was 53 minutes and 28 seconds ahead until 1893."""
    assert places(refused(file("1890-01-01 00:00"), timezone="Europe/Berlin")) == [("ALIGNMENT", 2)]


def test_bars_stamped_at_their_end_open_one_base_earlier() -> None:
    assert times("2024-01-01T00:00Z", "2024-01-01T00:01Z", stamp="close") == [
        "2023-12-31T23:59:00Z",
        "2024-01-01T00:00:00Z",
    ]
    assert times("1704067200", "1704067260", stamp="close") == ["2023-12-31T23:59:00Z", "2024-01-01T00:00:00Z"]
    hours = times("2024-01-01 01:00", "2024-01-01 02:00", stamp="close", base="1h", timezone="UTC")
    assert hours == ["2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"]
    assert places(refused(file("0001-01-01T00:00Z"), stamp="close")) == [("CELL", 2)]
    assert times("9999-01-01T00:00Z".replace("9999", "9998"), stamp="close") == ["9997-12-31T23:59:00Z"]


def test_the_end_of_a_bar_is_shifted_after_its_zone_was_applied() -> None:
    """03:00 is the end of the minute that opened at 01:59, an hour of the clock earlier."""
    found = times("2021-03-28 01:59", "2021-03-28 03:00", timezone="Europe/Berlin", stamp="close")
    assert found == ["2021-03-28T00:58:00Z", "2021-03-28T00:59:00Z"]


def test_an_end_of_the_last_millisecond_is_no_end_on_the_grid() -> None:
    """Some sources stamp 23:59:59.999; no rule here rounds."""
    error = refused(file("2024-01-01T00:00:59.999Z"), stamp="close")
    assert places(error) == [("ALIGNMENT", 2)]
