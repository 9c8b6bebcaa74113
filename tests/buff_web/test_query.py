"""Query strings become values or a refusal that names the field."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.errors import RequestInvalid, RunConfigInvalid
from buff_web import query


def test_a_form_that_sends_everything_says_only_what_is_filled_in() -> None:
    sent = b"since=2026-02-01&timeframe=&risk_level=+3+&symbol=BTCUSDT"
    assert list(query.given(sent, allowed=query.RUNS_FIELDS)) == ["symbol", "risk_level", "since"]
    assert query.run_filters(query.given(sent, allowed=query.RUNS_FIELDS)) == {
        "symbol": "BTCUSDT",
        "risk_level": 3,
        "since": "2026-02-01T00:00:00.000000Z",
        "sort": "-created",
        "limit": 50,
        "after": 0,
    }


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"risk_level": "6"}, "risk_level"),
        ({"risk_level": "2.5"}, "risk_level"),
        ({"risk_level": "true"}, "risk_level"),
        ({"risk_level": "٣"}, "risk_level"),
        ({"timeframe": "7m"}, "timeframe"),
        ({"timeframe": "1H"}, "timeframe"),
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "1e2"}, "limit"),
        ({"after": "-1"}, "after"),
        ({"after": "9" * 400}, "after"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-02-30"}, "since"),
        ({"since": "2026-02-01T10:00"}, "since"),
        ({"until": "9" * 15}, "until"),
        ({"since": "-" + "9" * 15}, "since"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "since"),
    ],
)
def test_a_filter_that_cannot_be_is_refused_by_its_name(values: dict[str, str], field: str) -> None:
    with pytest.raises(RunConfigInvalid) as caught:
        query.run_filters(values)
    assert caught.value.details["field"] == field
    assert caught.value.hint


def test_a_text_in_any_script_is_read() -> None:
    assert query.given(b"tag=%C3%BC%F0%9D%93%90+x", allowed=("tag",)) == {"tag": "ü𝓐 x"}


def test_an_unknown_or_repeated_name_is_refused() -> None:
    with pytest.raises(RunConfigInvalid, match="no query parameter 'colour'"):
        query.given(b"colour=red", allowed=("symbol",))
    with pytest.raises(RunConfigInvalid, match="given twice"):
        query.given(b"symbol=A&symbol=", allowed=("symbol",))


@pytest.mark.parametrize("sent", [b"symbol=%ff", b"%ff=a", b"symbol=\xff", b"&".join([b"symbol=A"] * 51)])
def test_what_is_no_text_is_refused(sent: bytes) -> None:
    with pytest.raises(RequestInvalid):
        query.given(sent, allowed=("symbol",))


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2024-01-01", 1_704_067_200_000),
        ("2024-01-01T00:00Z", 1_704_067_200_000),
        ("2024-01-01T01:00:00+01:00", 1_704_067_200_000),
        ("2024-01-01T00:00:00.007Z", 1_704_067_200_007),
        ("1704067200000", 1_704_067_200_000),
        ("-1704067200000", -1_704_067_200_000),
        ("1000000000", 1_000_000_000),
    ],
)
def test_an_instant_is_a_date_a_time_with_a_zone_or_milliseconds(text: str, ms: int) -> None:
    assert query.instant_ms("from", text) == ms


@pytest.mark.parametrize("text", ["2024", "0", "-1", "20240101", "170406720", "202401", "1" * 16])
def test_a_year_is_no_number_of_milliseconds(text: str) -> None:
    """Digits that nobody can mean as milliseconds are refused, by the pattern of the description, too."""
    with pytest.raises(RunConfigInvalid) as error:
        query.instant_ms("since", text)
    assert error.value.details == {"field": "since", "value": text}
    assert "ten digits" in str(error.value.hint)
    assert not re.fullmatch(query.INSTANT_PATTERN, text)
    assert re.fullmatch(query.INSTANT_PATTERN, "1704067200000")


def test_a_window_that_ends_before_it_begins_is_refused() -> None:
    asked = {"from": "1704067200005", "to": "1704067200006", "max": "50"}
    assert query.read(asked, query.window) == query.Window(
        first_ms=1_704_067_200_005, last_ms=1_704_067_200_006, buckets=50
    )
    for values in ({"from": "1704067200000", "to": "1704067200000"}, {"from": "2024-01-02", "to": "2024-01-01"}):
        with pytest.raises(RunConfigInvalid, match="not later"):
            query.read(values, query.window)


@given(st.dictionaries(st.sampled_from((*query.RUNS_FIELDS, "from", "to", "max")), st.text(max_size=30)))
def test_any_text_is_read_or_refused(values: dict[str, Any]) -> None:
    """Invariants checked: no text whatever raises anything but RunConfigInvalid."""
    fields = set()
    for function in (query.runs_asked, query.window, query.trades_asked):
        try:
            query.read(values, function)
        except RunConfigInvalid as refused:
            fields.add(refused.details["field"])
    assert fields <= values.keys()
