"""The byte gate and the vectorised rules of the plain reader, one form at a time."""

import itertools
import random
from typing import Any

import numpy as np
import pytest

from buff.market import ingest
from buff.market.judge import judge
from buff.market.plain import PIECE_BYTES, is_plain, is_sound, shape
from buff.market.timestamps import Stamp, stamp
from csv_files import FORMS, HEADER, START_MS, mutated, outcome, read, rows

ISO_ROW = b"2020-01-01T00:00:00Z,10.5,11,9,1e-05,0\n"
EPOCH_ROW = b"1577836800,10.5,11,9,1e+05,0\n"
BARE_ROW = ISO_ROW.replace(b"1e-05", b"0.5")  # what most files have: nothing but digits, dots and a time
ISO_SHAPE, EPOCH_SHAPE = shape("2020-01-01T00:00:00Z", 6), shape("1577836800", 6)


@pytest.mark.parametrize(
    "row", [ISO_ROW, BARE_ROW, EPOCH_ROW, b"2020-01-01 00:00,-1,2,3,4,5\n", ISO_ROW.replace(b"Z", b"+01:00")]
)
def test_plain_rows_pass(row: bytes) -> None:
    assert is_plain(row * 3, EPOCH_SHAPE if row is EPOCH_ROW else ISO_SHAPE)


@pytest.mark.parametrize(
    "cell",
    [b"nan", b"0x10", b'"1"', b"+1", b".5", b"5.", b"1.e5", b" 1", b"1 ", b"\t1", b"1" * 33, b"\0", b"\r", b"\xc3\xa9",
     b"2020-01-01 00", b"2020-01-01T00Z", b"1.2345678901234567e+0000000000000003"],
)  # fmt: skip
def test_doubtful_cells_do_not_pass_wherever_they_stand(cell: bytes) -> None:
    for whole in (ISO_ROW, BARE_ROW):
        for row in (whole.replace(b"10.5", cell), cell + b"," + whole, whole[:-2] + cell + b"\n"):
            assert not is_plain(whole + row, ISO_SHAPE)
            assert not is_plain(row + whole, ISO_SHAPE)


def test_a_padded_epoch_does_not_pass_and_a_padded_price_does() -> None:
    assert not is_plain(b"0" + EPOCH_ROW, EPOCH_SHAPE)
    assert not is_plain(EPOCH_ROW + b"0" + EPOCH_ROW, EPOCH_SHAPE)
    assert is_plain(ISO_ROW.replace(b"10.5", b"010.5"), ISO_SHAPE)


def test_every_piece_of_a_long_block_is_looked_at() -> None:
    count = 3 * PIECE_BYTES // len(BARE_ROW)
    for at in (0, count // 2, count - 1):
        rows = [BARE_ROW] * count
        assert is_plain(b"".join(rows), ISO_SHAPE)
        rows[at] = BARE_ROW.replace(b"10.5", b".5")
        assert not is_plain(b"".join(rows), ISO_SHAPE)


@pytest.mark.parametrize("characters", range(1, 33))
def test_numbers_well_under_the_limit_are_never_doubted(characters: int) -> None:
    """24 characters may already be doubted (the judge then reads them); 33 always are."""
    rows = [whole.replace(b"10.5", b"1" * characters) for whole in (ISO_ROW, BARE_ROW)]
    passed = {is_plain(b"2020-01-01,"[:shift] + row, ISO_SHAPE) for row in rows for shift in range(8)}
    assert passed == {True} or characters >= 24


@pytest.mark.parametrize(
    ("name", "value", "sound"),
    [
        ("open", 1.0, True), ("high", 1.0, True), ("volume", 0.0, True), ("open", 0.0, False), ("low", -1.0, False),
        ("high", 0.5, False), ("low", 1.5, False), ("close", 2.5, False), ("high", np.inf, False),
        ("close", np.nan, False), ("low", np.nan, False), ("volume", -1.0, False),
        ("volume", np.inf, False), ("volume", np.nan, False),
    ],
)  # fmt: skip
def test_a_bar_is_sound_or_not(name: str, value: float, sound: bool) -> None:
    bar = {"open": 1.0, "high": 2.0, "low": 1.0, "close": 1.0, "volume": 1.0}
    table = {each: np.array([bar[each], value if each == name else bar[each]]) for each in bar}
    assert is_sound(table) == sound


def times(day: int) -> list[str]:
    """A midnight of January 2020 in many forms, some of which the contract refuses and pyarrow does not."""
    date, epoch = f"2020-01-{day:02}", 1577836800 + 86_400 * day
    forms = (
        "", "Z", " 00", "T00Z", "T0000Z", " 00:00", "T00:00Z", " 00:00:00", "T00:00:00", "T00:00:00Z", " 00:00:00Z",
        "T00:00:00.000Z", " 00:00:00.000", "T00:00:00+00:00", " 00:00:00+00:00", "T00:00+00", "T00+00:00",
    )  # fmt: skip
    return [*(date + form for form in forms), f"{epoch}", f"0{epoch}", f"{epoch}000"]


CELLS = ("1", " 1", "1 ", "  1", "+1", "-0", "1e0", "1e+0", "1e00", ".5", "5.", "nan", "inf", "INFINITY", "0x1", "1:1",
         "1" * 33)  # fmt: skip


@pytest.mark.parametrize("form", range(len(times(1))))
def test_what_one_row_has_too_little_does_not_make_up_for_what_another_has_too_much(form: int) -> None:
    """Invariants checked: the readers agree, whatever two rows leave out of the first row's form or add to it.

    The gate counts bytes over many rows, so the nasty cases are those in which two wrongs add up to the right count.
    """
    first, last = times(1)[form], times(3)[form]
    options = {"gaps": "keep", "timezone": "UTC" if stamped_naive(first) else None}
    for middle, volume, other in itertools.product(times(2), CELLS, ("1", " 1", ".5")):
        table = ((first, "1"), (middle, other), (last, volume))
        content = HEADER + "".join(f"{time},1,1,1,1,{cell}\n" for time, cell in table).encode()
        assert outcome(content, **options) == outcome(content, reference=True, **options), content


def stamped_naive(time: str) -> bool:
    found = stamp(time)
    return isinstance(found, Stamp) and not found.zoned


def test_only_the_pieces_of_a_block_that_are_in_doubt_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariants checked: the outcome is that of the judge alone, who reads little of a file with one odd cell."""
    judged: list[bytes] = []
    monkeypatch.setattr(ingest, "DOUBT_BYTES", 500)
    monkeypatch.setattr(ingest, "judge", lambda block, reading: judged.append(block) or judge(block, reading))
    chance = random.Random(20261120)
    for case in range(200):
        content = HEADER + mutated(rows(chance.randint(20, 60), form=chance.choice(FORMS), seed=case), chance)
        found = outcome(content, gaps="keep")
        assert found == outcome(content, gaps="keep", reference=True), content
    judged.clear()
    lines = rows(200)
    lines[120] = lines[120].replace(b",", b", ", 1)  # a space that the contract allows and the gate doubts
    columns, _ = read(HEADER + b"\n".join(lines))
    assert len(columns["ts"]) == 200
    assert len(judged) == 1
    assert lines[120] in judged[0]
    assert len(judged[0]) <= 500


def test_a_lone_carriage_return_ends_no_line() -> None:
    """It did for pyarrow: two rows in one line have as many bytes of every kind as two lines."""
    lines = rows(4)
    for content in (b"\r".join(lines), lines[0] + b"\n" + b"\r".join(lines[1:]), b"\r\n".join(lines[:2]) + b"\r"):
        assert outcome(HEADER + content) == outcome(HEADER + content, reference=True)
        assert outcome(HEADER + content)["details"]["rule"] == "ENCODING"


def wholesale(case: int, chance: random.Random) -> tuple[list[bytes], dict[str, Any]]:
    """A file nearly all rows of which offend a rule about times, and how it is read."""
    count, options = chance.randint(60, 120), {}
    lines = rows(count, form="naive", seed=case)
    kind = case % 6
    if kind == 1:
        lines = rows(count, form=chance.choice(FORMS[:-1]), seed=case)[::-1]  # newest first
    elif kind == 2:
        lines = rows(count, step_ms=chance.choice((120_000, 300_000, 3_600_000)), seed=case)
    elif kind == 3:
        lines = rows(count, seed=case)
        chance.shuffle(lines)
    elif kind == 4:
        lines = [line for line in rows(count, seed=case) for _ in range(2)]  # every row twice
    elif kind == 5:
        lines = rows(count, start_ms=START_MS + 30_000, seed=case)  # off the grid
        options = {"gaps": chance.choice(("keep", "reject"))}
    options |= {"timezone": "UTC"} if kind == 0 and case % 4 else {}
    for _ in range(chance.choice((0, 0, 1, 3))):
        del lines[chance.randrange(len(lines))]
    return lines, options


def test_offences_of_a_whole_file_are_counted_at_once_as_the_judge_counts_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Invariants checked: the same error as the judge alone, whatever else some rows offend; few rows are judged."""
    judged: list[int] = []
    monkeypatch.setattr(
        ingest, "judge", lambda block, reading: judged.append(block.count(b"\n")) or judge(block, reading)
    )
    chance = random.Random(20261120)
    for case in range(360):
        lines, options = wholesale(case, chance)
        content = HEADER + (mutated(lines, chance) if case % 3 else b"\n".join(lines))
        expected = outcome(content, reference=True, **options)
        for size in (400, 1_000, 1 << 20):
            assert outcome(content, block_bytes=size, **options) == expected, content
    for lines in (rows(2_000, form="naive"), rows(2_000)[::-1], rows(2_000, step_ms=300_000)):
        judged.clear()
        outcome(HEADER + b"\n".join(lines), block_bytes=2_000)
        assert sum(judged) < 100
