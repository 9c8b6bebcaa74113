"""What a form says as a request, and a request as a form: nothing typed is lost on the way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff.errors import RunConfigInvalid
from buff_web import forms

FILLED = {
    "upload": "a" * 64,
    "file_name": "btc.csv",
    "timezone": "UTC",
    "columns": "close=Last,ts=Time",
    "symbol": "BTCUSDT",
    "timeframe": "4h",
    "strategy": "ma_cross",
    "p.fast": "5",
    "p.direction": "both",
    "risk_level": "3",
    "commission_bps": "7.5",
    "tags": "a, b",
}


def test_a_form_as_a_request() -> None:
    assert forms.values({**FILLED, "p.slow": "  ", "notes": ""}) == {
        "upload": "a" * 64,
        "file_name": "btc.csv",
        "timezone": "UTC",
        "columns": {"close": "Last", "ts": "Time"},
        "symbol": "BTCUSDT",
        "timeframe": "4h",
        "strategy": "ma_cross",
        "params": {"fast": 5, "direction": "both"},
        "risk_level": 3,
        "commission_bps": 7.5,
        "tags": ["a", "b"],
    }


def test_what_was_asked_for_fills_the_form_again() -> None:
    assert forms.texts(forms.values(FILLED)) == FILLED


def test_data_that_are_stored_are_not_read_again() -> None:
    assert forms.values({"dataset": "d" * 64, "timezone": "UTC", "gaps": "keep"}) == {"dataset": "d" * 64}


def test_the_address_keeps_what_differs_from_an_empty_form() -> None:
    assert forms.address({**forms.DEFAULTS, "symbol": "A B", "unknown": "x"}) == "/runs/new?symbol=A+B"
    assert forms.address({}) == "/runs/new"


def test_parameters_are_those_of_the_strategy() -> None:
    assert "p.entry" in forms.allowed({"strategy": "donchian_breakout"})
    assert "p.entry" not in forms.allowed({})
    assert forms.allowed({"strategy": "no such"}) == forms.FIELDS


@pytest.mark.parametrize("text", ["ten", "1_000", "١", "1,5"])
def test_a_number_is_written_plainly(text: str) -> None:
    with pytest.raises(RunConfigInvalid) as refused:
        forms.values({"commission_bps": text})
    assert refused.value.details["field"] == "commission_bps"


@given(st.dictionaries(st.sampled_from([*forms.FIELDS, "p.fast", "p.x"]), st.text(max_size=30)))
def test_any_texts_are_values_or_a_refusal_that_names_the_field(texts: dict[str, str]) -> None:
    """Invariants checked: whatever a browser sends, the form either makes plain values or says which field is wrong."""
    said, field = _said(texts)
    assert set(said) <= {*forms.FIELDS, "params"}
    assert field is None or field in forms.FIELDS


def _said(texts: dict[str, str]) -> tuple[dict[str, object], object]:
    try:
        return forms.values(texts), None
    except RunConfigInvalid as refused:
        return {}, refused.details["field"]
