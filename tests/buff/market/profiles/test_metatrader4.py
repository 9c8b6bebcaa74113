"""Profile `metatrader4`: history exports without header, in the server time of a broker."""

import pytest

from csv_files import bars_of, places, read, refused

FILE = b"""\
2024.01.02,00:14,1.10410,1.10455,1.10400,1.10432,88
2024.01.02,00:15,1.10432,1.10500,1.10300,1.10450,1234
"""
VALUES = [(1.1041, 1.10455, 1.104, 1.10432, 88.0), (1.10432, 1.105, 1.103, 1.1045, 1234.0)]


@pytest.mark.parametrize(
    ("zone", "first", "second"),
    [
        ("UTC", "2024-01-02T00:14:00Z", "2024-01-02T00:15:00Z"),
        ("+02:00", "2024-01-01T22:14:00Z", "2024-01-01T22:15:00Z"),
        ("Europe/Athens", "2024-01-01T22:14:00Z", "2024-01-01T22:15:00Z"),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_date_and_time_are_one_time_in_the_declared_zone(zone: str, first: str, second: str, end: bytes) -> None:
    found = bars_of(FILE.replace(b"\n", end), profile="metatrader4", timezone=zone)
    assert found == [(first, *VALUES[0]), (second, *VALUES[1])]


def test_without_a_zone_every_time_is_refused() -> None:
    error = refused(FILE, profile="metatrader4")
    assert places(error) == [("TIMEZONE", 1), ("TIMEZONE", 2)]
    assert "--timezone" in error.hint


def test_an_offence_of_the_time_shows_date_and_time_under_the_name_of_the_date() -> None:
    error = refused(FILE.replace(b"00:15", b"00:13"), profile="metatrader4", timezone="UTC")
    offence = error.details["offences"][0]  # type: ignore[index]
    assert (offence["rule"], offence["text"], offence["column"]) == ("ORDER", "2024.01.02 00:13", "ts")


def test_the_two_columns_of_the_time_are_no_columns_that_were_ignored() -> None:
    assert read(FILE, profile="metatrader4", timezone="UTC")[1].sources[0]["extra_columns"] == []


@pytest.mark.parametrize(
    ("content", "rule", "line"),
    [
        (FILE.replace(b"00:15", b"00:15:00"), "CELL", 2),
        (FILE.replace(b"00:15", b"24:00"), "CELL", 2),
        (FILE.replace(b"2024.01.02,00:15", b"2024-01-02,00:15"), "CELL", 2),
        (b"<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<TICKVOL>\n" + FILE, "HEADER", 1),
        (FILE.replace(b",", b"\t"), "DELIMITER", 1),
        (FILE.replace(b"2024.01.02,", b"2024.01.02 "), "COLUMNS", 1),
    ],
)
def test_what_is_no_export_is_refused_at_its_line(content: bytes, rule: str, line: int) -> None:
    assert places(refused(content, profile="metatrader4", timezone="UTC"))[0] == (rule, line)
