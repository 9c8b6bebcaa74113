"""The byte gate and the vectorised rules of the plain reader, one form at a time."""

import numpy as np
import pytest

from buff.market.plain import PIECE_BYTES, is_plain, is_sound

ISO_ROW = b"2020-01-01T00:00:00Z,10.5,11,9,1e-05,0\n"
EPOCH_ROW = b"1577836800,10.5,11,9,1e+05,0\n"


@pytest.mark.parametrize(
    "row", [ISO_ROW, EPOCH_ROW, b"2020-01-01 00:00,-1,2,3,4,5\n", ISO_ROW.replace(b"Z", b"+01:00")]
)
def test_plain_rows_pass(row: bytes) -> None:
    assert is_plain(row * 3, epoch=row is EPOCH_ROW)


@pytest.mark.parametrize(
    "cell",
    [b"nan", b"0x10", b'"1"', b"+1", b".5", b"5.", b"1.e5", b" 1", b"1 ", b"\t1", b"1" * 33, b"\0", b"\r", b"\xc3\xa9",
     b"2020-01-01 00", b"2020-01-01T00Z", b"1.2345678901234567e+0000000000000003"],
)  # fmt: skip
def test_doubtful_cells_do_not_pass_wherever_they_stand(cell: bytes) -> None:
    for row in (ISO_ROW.replace(b"10.5", cell), cell + b"," + ISO_ROW, ISO_ROW[:-2] + cell + b"\n"):
        assert not is_plain(ISO_ROW + row, epoch=False)
        assert not is_plain(row + ISO_ROW, epoch=False)


def test_a_padded_epoch_does_not_pass_and_a_padded_price_does() -> None:
    assert not is_plain(b"0" + EPOCH_ROW, epoch=True)
    assert not is_plain(EPOCH_ROW + b"0" + EPOCH_ROW, epoch=True)
    assert is_plain(ISO_ROW.replace(b"10.5", b"010.5"), epoch=False)


def test_every_piece_of_a_long_block_is_looked_at() -> None:
    count = 3 * PIECE_BYTES // len(ISO_ROW)
    for at in (0, count // 2, count - 1):
        rows = [ISO_ROW] * count
        assert is_plain(b"".join(rows), epoch=False)
        rows[at] = ISO_ROW.replace(b"10.5", b".5")
        assert not is_plain(b"".join(rows), epoch=False)


@pytest.mark.parametrize("characters", range(1, 33))
def test_numbers_well_under_the_limit_are_never_doubted(characters: int) -> None:
    """24 characters may already be doubted (the judge then reads them); 33 always are."""
    row = ISO_ROW.replace(b"10.5", b"1" * characters)
    passed = {is_plain(b"2020-01-01,"[:shift] + row, epoch=False) for shift in range(8)}
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
