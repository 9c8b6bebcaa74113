"""Text to instants: every form the contract has, and every one it does not."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.errors import RunConfigInvalid
from buff.market.timestamps import HOUR_MS, YEAR_1_NS, Fault, Stamp, place, stamp, zone
from buff.times import iso

MS = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ns(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


def test_the_same_instant_in_many_forms() -> None:
    for text in ("2020-01-01T00:00:00Z", "2020-01-01 00:00Z", "2020-01-01T05:30+05:30", "2019-12-31 19:00:00.0-05"):
        assert stamp(text) == Stamp(kind="iso", zoned=True, ns=1_577_836_800 * 1000 * MS)
    for unit, text in (("s", ""), ("ms", "000"), ("us", "000000"), ("ns", "000000000")):
        assert stamp("1577836800" + text) == Stamp(kind=unit, zoned=True, ns=1_577_836_800 * 1000 * MS)
    assert stamp("2020-01-01") == stamp("2020-01-01 00:00") == Stamp(kind="iso", zoned=False, ns=1_577_836_800_000 * MS)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("0", "s"), ("99999999999", "s"), ("100000000000", "ms"), ("99999999999999", "ms"), ("100000000000000", "us"),
        ("99999999999999999", "us"), ("100000000000000000", "ns"), ("9223372036854775807", "ns"),
    ],
)  # fmt: skip
def test_the_unit_of_an_epoch_is_its_magnitude(text: str, kind: str) -> None:
    found = stamp(text)
    assert isinstance(found, Stamp)
    assert found.kind == kind


CELLS = (
    "", "now", "01/02/2020", "2020-1-1", "2020-01-01T00", "2020-01-01T24:00", "2020-01-01T00:60", "2020-01-01T00:00:60",
    "2020-13-01", "2021-02-29", "0000-01-01", "2020-01-01T00:00:00.Z", "2020-01-01Z", "2020-01-01T00:00:00.0000000000Z",
    "2020-01-01T00:00z", "2020-01-01t00:00Z", " 2020-01-01T00:00Z", "2020-01-01T00:00Z ", "2020-01-01T00:00 Z",
    "2020-01-01T00:00+24:00", "2020-01-01T00:00+00:60", "2020-01-01T00:00+1", "0001-01-01T00:00+00:01",
    "9999-12-31T23:59-00:01", "\u0662\u0660\u0662\u0660-01-01T00:00Z", "\u0662",
)  # fmt: skip
UNITS = (
    "-1", "+1", "01", "00", "1.0", "1,7E+12", "1e9", "0x10", "9223372036854775808", "1" * 100,
)  # fmt: skip


@pytest.mark.parametrize(("text", "rule"), [*((text, "CELL") for text in CELLS), *((text, "UNIT") for text in UNITS)])
def test_other_texts_are_refused(text: str, rule: str) -> None:
    found = stamp(text)
    assert isinstance(found, Fault)
    assert found.rule == rule


@given(st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9998, 12, 29)), st.integers(-1439, 1439))
def test_iso_times_are_what_the_standard_library_says(moment: datetime, minutes: int) -> None:
    sign, rest = "-" if minutes < 0 else "+", abs(minutes)
    found = stamp(f"{moment.isoformat()}{sign}{rest // 60:02}:{rest % 60:02}")
    assert isinstance(found, Stamp)
    assert found.ns == ns(moment.replace(tzinfo=UTC) - timedelta(minutes=minutes))


@given(st.text(max_size=20))
def test_any_text_is_a_stamp_or_a_fault(text: str) -> None:
    assert isinstance(stamp(text), Stamp | Fault)


@pytest.mark.parametrize("name", ["UTC", "+00:00", "-23:59", "Europe/Berlin", "Asia/Kolkata", "Etc/GMT+5"])
def test_zones_people_name(name: str) -> None:
    assert zone(name).name == name


@pytest.mark.parametrize(
    "name",
    ["", "utc+1", "+1", "+24:00", "+01:60", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "America", "localtime",
     "+0\u0661:00"],
)  # fmt: skip
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(RunConfigInvalid) as caught:
        zone(name)
    assert caught.value.details == {"field": "timezone", "value": name}


ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/Sao_Paulo",
    "Africa/Casablanca",
)
LOCAL = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2037, 1, 1))


@given(st.sampled_from(ZONES), LOCAL)
def test_local_times_are_instants_exactly_when_there_is_one(name: str, local: datetime) -> None:
    """Invariants checked: an accepted time reads back as itself; a refused one has two instants or none."""
    found = zone(name).instant(ns(local.replace(tzinfo=UTC)), str(local))
    there = ZoneInfo(name)
    both = {local.replace(tzinfo=there, fold=fold).astimezone(UTC) for fold in (0, 1)}
    instants = {instant for instant in both if instant.astimezone(there).replace(tzinfo=None) == local}
    if isinstance(found, Fault):
        assert len(instants) != 1
    else:
        assert {ns(instant) for instant in instants} == {found}


@given(st.sampled_from(ZONES), LOCAL, st.integers(0, 3000))
def test_one_offset_for_a_range_is_that_of_every_time_in_it(name: str, local: datetime, hours: int) -> None:
    first = ns(local.replace(tzinfo=UTC)) // MS
    found = zone(name).offset_ms(first, first + hours * HOUR_MS)
    each = {zone(name).instant((first + hour * HOUR_MS) * MS, "") for hour in range(0, hours + 1, 7)}
    if found is not None:
        assert each == {(first + hour * HOUR_MS - found) * MS for hour in range(0, hours + 1, 7)}


def test_a_change_of_the_clocks_leaves_no_single_offset() -> None:
    berlin = zone("Europe/Berlin")
    march = ns(datetime(2021, 3, 28, tzinfo=UTC)) // MS
    assert berlin.offset_ms(march - 72 * HOUR_MS, march - 48 * HOUR_MS) == HOUR_MS
    assert berlin.offset_ms(march, march + 6 * HOUR_MS) is None
    assert berlin.offset_ms(march + 72 * HOUR_MS, march + 90 * HOUR_MS) == 2 * HOUR_MS
    assert berlin.offset_ms(march, march + 10_000 * HOUR_MS) is None, "long ranges are read row by row"
    assert zone("-01:30").offset_ms(march, march + 10_000 * HOUR_MS) == -5_400_000
    assert berlin.offset_ms(YEAR_1_NS // MS, YEAR_1_NS // MS + HOUR_MS) is not None


def test_a_time_is_placed_by_the_file_it_is_in() -> None:
    utc = zone("UTC")
    assert place("2020-01-01", stamp("2020-01-01"), None, utc) == 1_577_836_800_000 * MS
    assert place("1577836800", stamp("1577836800"), "s", None) == 1_577_836_800_000 * MS
    zoned = stamp("2020-01-01T00:00Z")
    assert place("2020-01-01T00:00Z", zoned, None, utc, asked=False) == 1_577_836_800_000 * MS
    for text, kind, declared, rule in (
        ("2020-01-01", None, None, "TIMEZONE"),
        ("2020-01-01T00:00Z", None, utc, "TIMEZONE"),
        ("1577836800", None, utc, "TIMEZONE"),
        ("1577836800", "ms", None, "UNIT"),
        ("1577836800", "iso", None, "UNIT"),
        ("2020-01-01T00:00Z", "s", None, "UNIT"),
        ("9999-12-31 23:59", None, zone("-01:00"), "CELL"),
    ):
        found = place(text, stamp(text), kind, declared)
        assert isinstance(found, Fault)
        assert found.rule == rule


def test_instants_are_shown_to_the_second() -> None:
    assert iso(1_577_836_800_000) == "2020-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "helps"), [("2024-11-03 01:30", "which of the two hours"), ("2024-03-10 02:30", "check --timezone")]
)
def test_what_to_do_about_an_hour_that_clocks_were_changed_in_is_not_to_declare_a_zone(text: str, helps: str) -> None:
    fault = place(text, stamp(text), None, zone("America/New_York"))
    assert isinstance(fault, Fault)
    assert fault.hint is not None
    assert helps in fault.hint
