"""Forms of times: by example, then one by one against strptime, and whole blocks against one by one."""

import random
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.errors import ProfileInvalid
from buff.market.forms import Form, form, read
from buff.market.profiles import PROFILES
from buff.market.timestamps import YEAR_1_NS, YEAR_9999_NS, Fault, Stamp

# Every form a profile declares, and some that a user may.
CODES = sorted(
    {word for each in PROFILES.values() for word in each.times if "%" in word}
    | {"%Y-%m-%dT%H:%M:%S%z", "%d/%m/%Y", "%m/%d/%Y %H:%M", "%H:%M %d.%m.%Y", "%Y%m%d%H%M%S%f", "%Y.%m.%d (%H)"}
)
EPOCH = datetime(1970, 1, 1)


def ns(year: int, *rest: int) -> int:
    """Nanoseconds from 1970 to a time on the same clock."""
    return (datetime(year, *rest) - EPOCH) // timedelta(microseconds=1) * 1000


@pytest.mark.parametrize(
    ("codes", "text", "expected"),
    [
        ("%Y%m%d %H%M%S", "20120201 000100", ns(2012, 2, 1, 0, 1)),
        ("%Y.%m.%d %H:%M", "2024.02.29 23:59", ns(2024, 2, 29, 23, 59)),
        ("%d.%m.%Y %H:%M:%S.%f", "31.12.1999 23:59:59.5", ns(1999, 12, 31, 23, 59, 59, 500_000)),
        ("%d.%m.%Y %H:%M:%S.%f GMT%z", "16.08.2025 00:00:00.000 GMT+0900", ns(2025, 8, 15, 15)),
        ("%Y-%m-%dT%H:%M:%S%z", "2025-08-16T00:00:00Z", ns(2025, 8, 16)),
        ("%Y-%m-%dT%H:%M:%S%z", "2025-08-16T00:00:00-03:30", ns(2025, 8, 16, 3, 30)),
        ("%Y-%m-%dT%H:%M:%S%z", "2025-08-16T00:00:00+05", ns(2025, 8, 15, 19)),
        ("%d/%m/%Y", "29/02/2000", ns(2000, 2, 29)),
        ("%d/%m/%Y", "01/01/0001", ns(1, 1, 1)),
        ("%d/%m/%Y", "31/12/9998", ns(9998, 12, 31)),
        ("%Y.%m.%d (%H)", "2020.01.02 (07)", ns(2020, 1, 2, 7)),
    ],
)
def test_a_text_of_the_form_is_its_time(codes: str, text: str, expected: int) -> None:
    found = form(codes).stamp(text)
    assert found == Stamp(kind=codes, zoned="%z" in codes, ns=expected)


@pytest.mark.parametrize(
    ("codes", "text"),
    [
        ("%Y%m%d %H%M%S", "20120201 0001"),
        ("%Y%m%d %H%M%S", "20120201  000100"),
        ("%Y%m%d %H%M%S", " 20120201 000100"),
        ("%Y.%m.%d %H:%M", "2024.2.29 23:59"),  # strptime would take it
        ("%Y.%m.%d %H:%M", "2024-02-29 23:59"),
        ("%d.%m.%Y %H:%M:%S.%f", "31.12.1999 23:59:59."),
        ("%d.%m.%Y %H:%M:%S.%f GMT%z", "16.08.2025 00:00:00.000 GMT"),
        ("%Y-%m-%dT%H:%M:%S%z", "2025-08-16T00:00:00"),
        ("%d/%m/%Y", "٢٩/02/2000"),
    ],
)
def test_what_is_not_of_the_form_is_none_of_it(codes: str, text: str) -> None:
    assert form(codes).stamp(text) is None


@pytest.mark.parametrize(
    ("codes", "text"),
    [
        ("%d/%m/%Y", "29/02/2001"),
        ("%d/%m/%Y", "31/04/2001"),
        ("%d/%m/%Y", "01/13/2001"),
        ("%d/%m/%Y", "00/01/2001"),
        ("%d/%m/%Y", "01/01/0000"),
        ("%Y.%m.%d %H:%M", "2024.01.01 24:00"),
        ("%Y.%m.%d %H:%M", "2024.01.01 23:60"),
        ("%Y%m%d %H%M%S", "20240101 000060"),
        ("%Y-%m-%dT%H:%M:%S%z", "2025-08-16T00:00:00+24:00"),
        ("%Y-%m-%dT%H:%M:%S%z", "0001-01-01T00:00:00+01:00"),
    ],
)
def test_a_day_or_hour_that_is_not_there_is_a_fault(codes: str, text: str) -> None:
    found = form(codes).stamp(text)
    assert isinstance(found, Fault)
    assert found.rule == "CELL"
    assert form(codes).instants(np.frombuffer(text.encode(), np.uint8).reshape(1, -1)) is None


@pytest.mark.parametrize("codes", ["%Y-%m", "%H:%M", "%Y-%m-%d %q", "%Y-%m-%d %Y", "%y-%m-%d", "%Y-%m-%d %", "", "%%"])
def test_a_form_that_names_no_day_or_unknown_codes_is_refused(codes: str) -> None:
    with pytest.raises(ProfileInvalid) as caught:
        Form(codes=codes)
    assert caught.value.details["field"] == "times"


@given(codes=st.sampled_from(CODES), at=st.datetimes(), offset=st.integers(-1439, 1439), digits=st.integers(1, 6))
def test_every_time_is_read_as_strptime_reads_it(codes: str, at: datetime, offset: int, digits: int) -> None:
    """Invariants checked: the same instant for every form, year, fraction and offset."""
    text = written(codes, at, offset, digits)
    expected = datetime.strptime(text, codes)
    shift = expected.utcoffset() or timedelta()
    instant_ns = ((expected.replace(tzinfo=None) - EPOCH - shift) // timedelta(microseconds=1)) * 1000
    found = form(codes).stamp(text)
    if expected.tzinfo is not None and not YEAR_1_NS <= instant_ns < YEAR_9999_NS:
        assert isinstance(found, Fault)
    else:
        assert found == Stamp(kind=codes, zoned=expected.tzinfo is not None, ns=instant_ns)


def written(codes: str, at: datetime, offset: int, digits: int) -> str:
    """Return a time in a form, with a fraction of some digits and an offset in minutes."""
    sign, minutes = ("-", -offset) if offset < 0 else ("+", offset)
    parts = {
        "Y": f"{at.year:04d}",
        "f": f"{at.microsecond:06d}"[:digits],
        "z": f"{sign}{minutes // 60:02d}{minutes % 60:02d}",
    }
    parts |= dict(
        zip("mdHMS", (f"{each:02d}" for each in (at.month, at.day, at.hour, at.minute, at.second)), strict=True)
    )
    pieces = codes.split("%")
    return pieces[0] + "".join(parts[piece[0]] + piece[1:] for piece in pieces[1:])


@pytest.mark.parametrize("codes", CODES)
def test_a_block_of_times_is_read_as_each_of_them_alone(codes: str) -> None:
    """Invariants checked: for blocks of one width, with and without an odd cell, whole is the same as one by one."""
    chance = random.Random(codes)
    accepted = refused = 0
    for _ in range(300):
        offset = chance.choice((0, 60, -210))
        start = datetime(
            chance.choice((1, 1600, 1969, 1999, 2000, 2024, 9998)), chance.randint(1, 12), chance.randint(2, 28)
        )
        texts = [written(codes, start + timedelta(minutes=at), offset, 3) for at in range(chance.randint(1, 5))]
        if chance.random() < 0.5:
            at, place = chance.randrange(len(texts)), chance.randrange(len(texts[0]))
            texts[at] = texts[at][:place] + chance.choice("0123456789 :.+-Z") + texts[at][place + 1 :]
        cells = np.frombuffer("".join(texts).encode(), np.uint8).reshape(len(texts), -1)
        whole = form(codes).instants(cells)
        alone = [form(codes).stamp(text) for text in texts]
        if whole is None:
            refused += 1
            continue
        accepted += 1
        assert all(isinstance(each, Stamp) for each in alone)
        assert whole.tolist() == [each.ns // 1_000_000 for each in alone if isinstance(each, Stamp)]
    assert accepted > 100
    assert refused > 20


def test_words_of_forms_are_tried_in_order_and_the_refusal_names_them() -> None:
    assert read("36000000", ("ms_of_day", "epoch"), day_ns=5) == Stamp(
        kind="ms_of_day", zoned=False, ns=36_000_000_000_005
    )
    assert read("36000000", ("ms_of_day", "epoch")) == Stamp(kind="s", zoned=True, ns=36_000_000 * 10**9)
    assert read("60.0", ("epoch", "epoch.0")) == Stamp(kind="s", zoned=True, ns=60 * 10**9)
    assert read("60", ("iso",)) == Fault(rule="CELL", says="'60' is not a time of the form iso")
    found = read("1.7E+12", ("epoch",))
    assert isinstance(found, Fault)
    assert (found.rule, "spreadsheet" in str(found.hint)) == ("UNIT", True)
    found = read("31/12/2020", ("iso",))
    assert isinstance(found, Fault)
    assert (found.rule, "%d/%m/%Y" in str(found.hint)) == ("CELL", True)
    assert read("31/12/2020", ("%d/%m/%Y",)) == Stamp(kind="%d/%m/%Y", zoned=False, ns=ns(2020, 12, 31))
