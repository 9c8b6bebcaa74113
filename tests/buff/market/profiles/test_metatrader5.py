"""Profile `metatrader5`: exports with tabs, in the server time of a broker."""

import pytest

from csv_files import bars_of, places, read, refused

HEADER = b"<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\r\n"
FILE = (
    HEADER
    + b"2024.01.02\t00:00:00\t1.10432\t1.10500\t1.10300\t1.10450\t1234\t7\t5\r\n"
    + b"2024.01.02\t00:01:00\t1.10450\t1.10460\t1.10440\t1.10455\t88\t0\t5\r\n"
)
DAILY = (
    b"<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\r\n"
    b"2024.02.29\t1.10432\t1.10500\t1.10300\t1.10450\t1234\t7\t5\r\n"
    b"2024.03.01\t1.10450\t1.10460\t1.10440\t1.10455\t88\t0\t5\r\n"
)
VALUES = [(1.10432, 1.105, 1.103, 1.1045, 1234.0), (1.1045, 1.1046, 1.1044, 1.10455, 88.0)]


@pytest.mark.parametrize("block_bytes", [64, 1 << 20])
def test_minutes_of_a_server_two_hours_ahead(block_bytes: int) -> None:
    found = bars_of(FILE, profile="metatrader5", timezone="+02:00", block_bytes=block_bytes)
    assert found == [("2024-01-01T22:00:00Z", *VALUES[0]), ("2024-01-01T22:01:00Z", *VALUES[1])]
    assert read(FILE, profile="metatrader5", timezone="UTC")[1].sources[0]["extra_columns"] == ["<VOL>", "<SPREAD>"]


def test_a_daily_export_has_no_time_column() -> None:
    found = bars_of(DAILY, profile="metatrader5", timezone="UTC", base="1d")
    assert found == [("2024-02-29T00:00:00Z", *VALUES[0]), ("2024-03-01T00:00:00Z", *VALUES[1])]


def test_real_volume_is_read_when_it_is_named() -> None:
    found = bars_of(FILE, profile="metatrader5", timezone="UTC", columns={"volume": "<VOL>"})
    assert [volume for *_, volume in found] == [7.0, 0.0]


def test_summer_time_of_the_server_is_that_of_the_declared_zone() -> None:
    summer = FILE.replace(b"2024.01.02", b"2024.07.02")
    assert bars_of(summer, profile="metatrader5", timezone="Europe/Athens")[0][0] == "2024-07-01T21:00:00Z"


@pytest.mark.parametrize(
    ("content", "options", "rule", "line"),
    [
        (FILE, {}, "TIMEZONE", 2),
        (FILE.replace(b"\t", b","), {"timezone": "UTC"}, "DELIMITER", 1),
        (FILE.replace(b"<TIME>\t", b"").replace(b"00:00:00\t", b""), {"timezone": "UTC"}, "RAGGED", 3),
        (DAILY, {"timezone": "UTC"}, "SPACING", 3),  # a daily export taken for minutes
        (FILE.replace(b"<TICKVOL>", b"<TICKS>"), {"timezone": "UTC"}, "COLUMNS", 1),
        (FILE.replace(b"00:01:00", b"00:01"), {"timezone": "UTC"}, "UNIT", 3),
        (FILE.replace(b"2024.01.02\t00:01:00", b"2024.01.02\t"), {"timezone": "UTC"}, "CELL", 3),
        (FILE.decode().encode("utf-16"), {"timezone": "UTC"}, "ENCODING", 1),
        (
            FILE.replace(b"2024.01.02\t00:01:00", b"2024.03.31\t03:30:00"),
            {"timezone": "Europe/Athens", "gaps": "keep"}, "TIMEZONE", 3,
        ),
        (
            FILE.replace(b"2024.01.02\t00:01:00", b"2024.10.27\t03:30:00"),
            {"timezone": "Europe/Athens", "gaps": "keep"}, "TIMEZONE", 3,
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_at_its_line(
    content: bytes, options: dict[str, str], rule: str, line: int
) -> None:
    assert places(refused(content, profile="metatrader5", **options))[0] == (rule, line)
