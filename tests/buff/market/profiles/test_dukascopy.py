"""Profile `dukascopy`: the web export in GMT or in local time, and JForex."""

import pytest

from csv_files import bars_of, places, refused

GMT = b"""\
Gmt time,Open,High,Low,Close,Volume
15.08.2025 14:59:00.000,146.851,146.878,146.851,146.876,192.5
15.08.2025 15:00:00.000,146.876,146.880,146.870,146.871,9899.999999999998
"""
LOCAL = b"""\
Local time,Open,High,Low,Close,Volume
15.08.2025 23:59:00.000 GMT+0900,146.851,146.878,146.851,146.876,192.5
16.08.2025 00:00:00.000 GMT+0900,146.876,146.880,146.870,146.871,9899.999999999998
"""
# JForex writes a space behind the last name.
JFOREX = b"""\
Time (UTC),Open,High,Low,Close,Volume\x20
2025.08.15 14:59:00,146.851,146.878,146.851,146.876,192.5
2025.08.15 15:00:00,146.876,146.880,146.870,146.871,9899.999999999998
"""
BARS = [
    ("2025-08-15T14:59:00Z", 146.851, 146.878, 146.851, 146.876, 192.5),
    ("2025-08-15T15:00:00Z", 146.876, 146.88, 146.87, 146.871, 9899.999999999998),
]


@pytest.mark.parametrize("content", [GMT, LOCAL, JFOREX, GMT.replace(b".000", b""), GMT.replace(b"\n", b"\r\n")])
@pytest.mark.parametrize("block_bytes", [64, 1 << 20])
def test_every_export_is_the_same_bars(content: bytes, block_bytes: int) -> None:
    assert bars_of(content, profile="dukascopy", block_bytes=block_bytes) == BARS


def test_offsets_that_change_in_the_file_are_instants() -> None:
    content = LOCAL.replace(b"15.08.2025 23:59:00.000 GMT+0900", b"31.03.2024 01:59:00.000 GMT+0100")
    content = content.replace(b"16.08.2025 00:00:00.000 GMT+0900", b"31.03.2024 03:00:00.000 GMT+0200")
    times = [time for time, *_ in bars_of(content, profile="dukascopy")]
    assert times == ["2024-03-31T00:59:00Z", "2024-03-31T01:00:00Z"]


def test_a_local_time_without_its_offset_is_not_taken_for_utc() -> None:
    error = refused(LOCAL.replace(b" GMT+0900", b""), profile="dukascopy")
    assert places(error) == [("TIMEZONE", 2), ("TIMEZONE", 3)]
    assert error.hint.startswith("export the file with GMT times")
    assert bars_of(GMT.replace(b"Gmt time", b"UTC"), profile="dukascopy") == BARS


@pytest.mark.parametrize(
    ("content", "rule", "line"),
    [
        (GMT.replace(b"15.08.2025 15", b"08/15/2025 15"), "CELL", 3),
        (GMT.replace(b"15.08.2025 15", b"08.15.2025 15"), "CELL", 3),  # the month first
        (GMT.replace(b"15:00:00.000", b"15:00:00"), "UNIT", 3),  # another form than the row before
        (GMT.replace(b"15:00:00.000", b"15:00:00.500"), "ALIGNMENT", 3),
        (GMT.replace(b"Gmt time", b"EET"), "COLUMNS", 1),
        (GMT + b"17.08.2025 21:00:00.000,146.876,146.880,146.870,146.871,1\n", "GAP", 4),  # the weekend
        (JFOREX.replace(b"14", b"1,4", 1), "RAGGED", 2),
    ],
)
def test_what_is_no_file_of_dukascopy_is_refused_at_its_line(content: bytes, rule: str, line: int) -> None:
    assert places(refused(content, profile="dukascopy"))[0] == (rule, line)


def test_a_file_with_decimal_commas_between_commas_gets_a_hint_that_says_so() -> None:
    row = b"2025.08.15 14:59:00,146,851,146,878,146,851,146,876,192,5\n"
    error = refused(JFOREX.split(b"\n")[0] + b"\n" + row, profile="dukascopy")
    assert places(error) == [("RAGGED", 2)]
    assert "decimal commas" in error.hint
