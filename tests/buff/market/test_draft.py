"""Drafts: what stands in the first rows and nothing else; where two readings are possible there is none."""

import random
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.market.draft import clocks, day_first, drafts, forms, shape
from buff.market.forms import read
from buff.market.profiles import PROFILES, Profile
from buff.market.timestamps import Stamp
from csv_files import refused

GENERAL = PROFILES["buff"]
MS = 1_704_067_200_000


def drafted(*rows: str, form: str = "csv", delimiter: str = ",") -> list[Profile]:
    return list(drafts([row.split(delimiter) for row in rows], GENERAL, form=form, delimiter=delimiter))


@pytest.mark.parametrize(
    ("rows", "positions"),
    [
        (["1704067200000,10,12,9,11,5"], ("ts", "open", "high", "low", "close", "volume")),
        (["1704067200,10,12,9,11"], ("ts", "open", "high", "low", "close")),
        (["BTC,1704067200,10,12,9,11,5,x"], ("column1", "ts", "open", "high", "low", "close", "volume", "column8")),
        (["20240102,093000,10,12,9,11,5"], ("ts", "time", "open", "high", "low", "close", "volume")),
        (["2024.01.02,09:30,10,12,9,11"], ("ts", "time", "open", "high", "low", "close")),
        (["1704067200,9,12,10,11,5"], ("ts", "low", "high", "open", "close", "volume")),
        (["1704067200,10,11,12,9,5"], ("ts", "open", "close", "high", "low", "volume")),
        (["1704067200,11,12,9,10,5"], ("ts", "open", "high", "low", "close", "volume")),
        # An average price between low and high, as Kraken's API has it, is no volume.
        (["1704067200,10,12,9,11,10.5,5,3"], ("ts", "open", "high", "low", "close", "column6", "volume", "column8")),
    ],
)
def test_columns_without_a_header_are_told_by_their_places(rows: list[str], positions: tuple[str, ...]) -> None:
    for found in drafted(*rows):
        assert (found.header, found.positions) == ("none", positions)
        assert found.volume == ("volume" in positions)


def test_each_draft_comes_in_both_orders_of_rows() -> None:
    assert [each.order for each in drafted("1704067200,10,12,9,11,5")] == ["ascending", "descending"]


def test_rows_of_an_array_are_told_as_those_of_a_text() -> None:
    (first, _) = drafted("1704067200000,10,12,9,11,5,1704067259999,50,3,2,20,0", form="json")
    assert (first.formats, first.positions[5], len(first.positions)) == (("json",), "volume", 12)


@pytest.mark.parametrize("rows", [["1,2,3,4,5,6"], ["a,b"], ["x,1,2,3"], ["1704067200,1,2"], [""]])
def test_rows_that_cannot_be_told_have_no_draft_by_place(rows: list[str]) -> None:
    assert not [each for each in drafted(*rows) if each.header == "none"]
    assert list(drafts([], GENERAL, form="csv", delimiter=",")) == []


def test_a_day_and_a_time_of_day_in_two_columns_are_one_time() -> None:
    first = drafted("Day;Time;Open;High;Low;Close;Volume", "20.01.2024;09:30;1;2;1;2;5", delimiter=";")[0]
    assert (first.columns["ts"], first.columns["time"], first.times) == (("day",), ("time",), ("%d.%m.%Y %H:%M",))


def test_a_header_with_a_column_without_a_name_is_a_banner_and_its_columns_are_told_by_place() -> None:
    first = drafted(",ts,open,high,low,close,volume,time", "0,2024-01-01T00:00:00Z,1,2,1,2,5,x")[0]
    assert first.banner == ",ts,open,high,low,close,volume,time"
    assert first.positions == ("column1", "ts", "open", "high", "low", "close", "volume", "column8")
    (bare, _) = drafted(",open,high,low,close", "2024-01-01T00:00:00Z,1,2,1,2")
    assert (bare.positions[0], bare.volume) == ("ts", False)
    (other, _) = drafted("ts;open;high;low;close;volume;", "2024-01-01T00:00:00Z;1;2;1;2;5;", delimiter=";")
    assert (other.banner, other.positions[-1]) == ("ts;open;high;low;close;volume;", "column7")
    assert drafted(",ts,open,high", "0,2024-01-01T00:00:00Z,1,2") == []
    assert drafted(",open,high,low,close", "0,1,2,1,2") == []


# Forms of times


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2024-01-20T09:30:00Z", ("iso", "epoch")),
        ("2024-01-20", ("iso", "epoch")),
        ("1704067200000", ("iso", "epoch")),
        ("1704067200.0", ("epoch", "epoch.0")),
        ("20240120", ("%Y%m%d",)),
        ("20240120 093000", ("%Y%m%d %H%M%S",)),
        ("2024/01/20 09:30", ("%Y/%m/%d %H:%M",)),
        ("20/01/2024 09:30:15.250", ("%d/%m/%Y %H:%M:%S.%f",)),
        ("01-20-2024 09:30", ("%m-%d-%Y %H:%M",)),
        ("20.01.2024 09:30:00 GMT+0100", ("%d.%m.%Y %H:%M:%S GMT%z",)),
        ("20.01.2024;0930", ("%d.%m.%Y;%H%M",)),
        ("01/02/2024 09:30", None),
        ("1/20/2024 9:30", None),
        ("01/20/2024 09:30 AM", None),
        ("20.01.24 09:30", None),
        ("words", None),
    ],
)
def test_the_form_of_a_time_is_what_reads_it_or_nothing(text: str, found: tuple[str, ...] | None) -> None:
    assert forms([text]) == found


def test_the_day_is_where_a_number_above_twelve_stands() -> None:
    assert day_first(["01/02/2024", "13/02/2024"]) is True
    assert day_first(["01/02/2024", "02/13/2024"]) is False
    assert day_first(["01/02/2024", "13/02/2024", "02/13/2024"]) is None, "and where it stands in both places, nowhere"
    assert day_first(["01/02/2024"]) is None
    assert day_first(["2024-01-02"]) is None


@given(st.integers(0, 2**31), st.sampled_from(["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%Y.%m.%d %H:%M", "%d.%m.%Y"]))
def test_a_form_that_is_found_reads_every_text_as_it_was_written(seed: int, codes: str) -> None:
    """Invariants checked: whatever form is drafted reads the texts as the times that wrote them."""
    chance = random.Random(seed)
    begin = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=chance.randrange(3_000))
    days = [begin + timedelta(hours=step * chance.choice((1, 24))) for step in range(30)]
    texts = [day.strftime(codes) for day in days]
    found = forms(texts)
    if found is None:
        assert not any(int(part) > 12 for text in texts for part in re.split(r"[/.]", text[:5]))
        return
    for text in texts:
        stamp = read(text, found)
        assert isinstance(stamp, Stamp)
        wanted = datetime.strptime(text, codes).replace(tzinfo=UTC)
        assert stamp.ns == int(wanted.timestamp()) * 1_000_000_000


def test_times_of_day_stand_beside_days() -> None:
    assert clocks(["09:30", "09:31"], ["2024-01-01", "2024-01-01"])
    assert clocks(["0930"], ["20240101"])
    assert not clocks(["5"], ["2024-01-01"])
    assert not clocks(["09:30"], ["2024-01-01 09:30"])


@given(st.lists(st.lists(st.text("019.:/-, eT", max_size=12), min_size=1, max_size=9), max_size=6), st.booleans())
def test_drafting_never_raises(rows: list[list[str]], array: bool) -> None:
    """Invariants checked: whatever the cells, a draft is a valid profile or there is none."""
    for each in drafts(rows, GENERAL, form="json" if array else "csv", delimiter=","):
        assert each.name == "mine"
    if rows:
        shape([row for row in rows if len(row) == len(rows[0])])


def test_two_columns_that_may_be_the_time_are_refused_with_what_reads_both() -> None:
    error = refused(b"date,time,open,high,low,close,volume\n2024-01-01,00:00,1,2,1,2,5\n")
    assert error.message.endswith("line 1: the header has more than one time column: 'date' and 'time'")
    assert error.hint is not None
    assert "--columns ts=NAME" in error.hint
    assert "buff data inspect" in error.hint
