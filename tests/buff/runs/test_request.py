"""What a user asks for: every field with every wrong value gives a code and names the field; nothing else escapes."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from buff import canonical
from buff.errors import CODES, BuffError
from buff.market.timeframe import Timeframe
from buff.runs.request import FIELDS, RunRequest, request_from

GOOD: Mapping[str, Any] = {
    "csv": ["candles.csv"],
    "symbol": "btcusdt",
    "timeframe": "1h",
    "strategy": "ma_cross",
    "params": {"fast": 10, "slow": 20},
    "risk_level": 3,
}
STORED: Mapping[str, Any] = {
    **{name: GOOD[name] for name in ("timeframe", "strategy", "risk_level")},
    "dataset": "a" * 64,
}
CONFIG = "RUN_CONFIG_INVALID"


def refused(values: Mapping[str, Any]) -> BuffError:
    with pytest.raises(BuffError) as caught:
        request_from(values)
    canonical.encode(caught.value.as_dict())  # whatever was typed, the refusal can be told in JSON
    return caught.value


def test_a_request_has_its_defaults_resolved() -> None:
    request = request_from(GOOD)
    assert request.csv == ("candles.csv",)
    assert request.symbol == "BTCUSDT"
    assert request.timeframe is Timeframe.HOUR_1
    assert request.options.base is Timeframe.MINUTE_1
    assert (request.options.profile.name, request.options.timezone, request.options.gaps) == ("buff", None, "reject")
    assert (request.costs.commission_bps, request.costs.slippage_bps, request.costs.min_fee) == (10.0, 5.0, 0.0)
    assert request.initial_equity == 10_000.0
    assert (request.start, request.end, request.run_id, request.name, request.tags) == (None, None, None, None, ())


def test_none_stands_for_not_given() -> None:
    assert request_from({**GOOD, **dict.fromkeys(set(FIELDS) - set(GOOD))}) == request_from(GOOD)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"csv": "one.csv"}, {"csv": ("one.csv",)}),
        ({"csv": ["one.csv", "two.csv"]}, {"csv": ("one.csv", "two.csv")}),
        ({"symbol": "brk.b"}, {"symbol": "BRK.B"}),
        ({"start": "2024-01-01"}, {"start": 1_704_067_200_000}),
        ({"start": "2024-01-01T01:00:00+01:00"}, {"start": 1_704_067_200_000}),
        ({"end": "2024-01-01T00:00:00Z"}, {"end": 1_704_067_200_000}),
        ({"end": "1969-12-31T23:59:59Z"}, {"end": -1_000}),
        ({"initial_equity": 5}, {"initial_equity": 5.0}),
        ({"tags": "one"}, {"tags": ("one",)}),
        ({"tags": ["b", "a", "b"]}, {"tags": ("b", "a")}),
        ({"run_id": "mine"}, {"run_id": "mine"}),
    ],
)
def test_values_are_brought_to_one_form(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    request = request_from({**GOOD, **given})
    assert {name: getattr(request, name) for name in wanted} == wanted


TEXTS = ("dataset", "symbol", "timeframe", "strategy", "timezone", "gaps", "base_timeframe", "start", "end")
NUMBERS = ("commission_bps", "slippage_bps", "min_fee", "initial_equity")


@pytest.mark.parametrize("name", [*TEXTS, "run_id", "name", "notes"])
@pytest.mark.parametrize("value", [1, 1.5, True, ["x"], {"x": 1}], ids=repr)
def test_a_text_is_a_text(name: str, value: object) -> None:
    error = refused({**(STORED if name == "dataset" else GOOD), name: value})
    assert (error.code, error.details["field"]) == (CONFIG, name)
    assert "must be text" in error.message


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["10", True, [1], {"x": 1}, float("nan"), float("inf"), -1.0], ids=repr)
def test_a_number_is_a_finite_number_that_is_not_negative(name: str, value: object) -> None:
    error = refused({**GOOD, name: value})
    assert (error.code, error.details["field"]) == (CONFIG, name)


WRONG = [
    ("csv", 1, CONFIG), ("csv", [], CONFIG), ("csv", "", CONFIG), ("csv", [""], CONFIG), ("csv", ["a", 1], CONFIG),
    ("csv", {"a": 1}, CONFIG),
    ("symbol", "", CONFIG), ("symbol", "a b", CONFIG), ("symbol", "x" * 33, CONFIG), ("symbol", "BTC\n", CONFIG),
    ("symbol", "straße", CONFIG),
    ("timeframe", "", CONFIG), ("timeframe", "7m", CONFIG), ("timeframe", "1H", CONFIG), ("timeframe", "60", CONFIG),
    ("strategy", "", CONFIG),
    ("params", 5, CONFIG), ("params", "fast=1", CONFIG), ("params", [1], CONFIG),
    ("risk_level", 0, "RISK_INVALID"), ("risk_level", 6, "RISK_INVALID"), ("risk_level", 2.5, "RISK_INVALID"),
    ("risk_level", 3.0, "RISK_INVALID"), ("risk_level", True, "RISK_INVALID"), ("risk_level", "3", "RISK_INVALID"),
    ("risk_level", [3], "RISK_INVALID"), ("risk_level", -1, "RISK_INVALID"),
    ("timezone", "Mars/Olympus", CONFIG), ("timezone", "../etc/passwd", CONFIG), ("timezone", "", CONFIG),
    ("gaps", "drop", CONFIG), ("base_timeframe", "1M", CONFIG), ("base_timeframe", "7m", CONFIG),
    ("start", "yesterday", CONFIG), ("start", "2024-01-01T00:00:00", CONFIG), ("start", "2024-13-01", CONFIG),
    ("end", "1704067200", CONFIG), ("end", "2024-01-01 00:00", CONFIG), ("end", "", CONFIG),
    ("commission_bps", 1001.0, CONFIG), ("slippage_bps", 1e300, CONFIG), ("initial_equity", 0, CONFIG),
    ("run_id", "", "RUN_ID_INVALID"), ("run_id", "UP", "RUN_ID_INVALID"), ("run_id", "new", "RUN_ID_INVALID"),
    ("run_id", "../../etc", "RUN_ID_INVALID"),
    ("start", "2024-01-01T00:00:00.5Z", CONFIG), ("end", "9999-12-31T23:59:59-14:00", CONFIG),
    ("name", "x" * 201, CONFIG), ("notes", "x" * 10_001, CONFIG), ("name", "\ud800", CONFIG),
    ("params", {"fast": ["\ud800"]}, CONFIG), ("strategy", "\udfff", CONFIG),
    ("tags", 1, CONFIG), ("tags", [1], CONFIG), ("tags", ["a b"], CONFIG), ("tags", [""], CONFIG),
    ("tags", {"a": 1}, CONFIG),
    ("whatever", 1, CONFIG), ("Symbol", "X", CONFIG),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "code"), WRONG, ids=lambda part: repr(part)[:40])
def test_a_wrong_value_names_its_field(name: str, value: object, code: str) -> None:
    error = refused({**GOOD, name: value})
    assert (error.code, error.details["field"]) == (code, name)
    assert error.hint


def test_the_hint_of_a_base_offers_bases_alone() -> None:
    assert refused({**GOOD, "base_timeframe": "7m"}).hint == "use one of: 1m, 5m, 15m, 30m, 1h, 2h, 4h, 1d"
    assert "1Y" in str(refused({**GOOD, "timeframe": "7m"}).hint)


def test_a_profile_nobody_ships_is_refused() -> None:
    assert refused({**GOOD, "profile": "nobody"}).code == "PROFILE_INVALID"


@pytest.mark.parametrize("value", [1, True, 1.5, ["x"]])
def test_a_profile_is_a_name_or_a_table(value: object) -> None:
    error = refused({**GOOD, "profile": value})
    assert (error.code, error.details["field"]) == ("RUN_CONFIG_INVALID", "profile")
    assert refused({**GOOD, "profile": {"x": 1}}).code == "PROFILE_INVALID"


def test_what_is_said_of_odd_files_and_of_tickers_is_kept() -> None:
    odd = {"columns": {"close": "Last"}, "stamp": "close", "volume": "none"}
    options = request_from({**GOOD, **odd}).options
    assert (dict(options.columns), options.stamp, options.volume) == ({"close": "Last"}, "close", "none")
    assert options.ticker == GOOD["symbol"]
    assert request_from({**GOOD, "profile": "polygon", "ticker": "C:X"}).options.ticker == "C:X"


def test_a_ticker_of_files_that_name_none_is_refused() -> None:
    assert refused({**GOOD, "ticker": "C:X"}).details["field"] == "ticker"


@pytest.mark.parametrize("name", ["symbol", "timeframe", "strategy", "risk_level"])
def test_what_a_run_cannot_do_without_must_be_given(name: str) -> None:
    error = refused({field: value for field, value in GOOD.items() if field != name})
    assert (error.code, error.message, error.details["field"]) == (CONFIG, f"{name} is missing", name)


@pytest.mark.parametrize("values", [{**GOOD, "dataset": "a" * 64}, {**GOOD, "csv": None}], ids=["both", "neither"])
def test_there_is_exactly_one_source_of_data(values: Mapping[str, Any]) -> None:
    assert refused(values).details["field"] == "csv"


@pytest.mark.parametrize(
    ("name", "value"), [("profile", "buff"), ("timezone", "UTC"), ("gaps", "keep"), ("base_timeframe", "1h")]
)
def test_a_stored_dataset_says_by_itself_how_it_was_read(name: str, value: str) -> None:
    error = refused({**STORED, name: value})
    assert (error.code, error.details["field"]) == (CONFIG, name)


def test_a_stored_dataset_may_settle_the_symbol() -> None:
    assert request_from(STORED).symbol is None


# Invariant checked: whatever plain values a document holds, it is a request or a coded error that says where.
_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
_LIKELY = st.sampled_from(
    [
        "1h",
        "2024-01-01",
        "0001-01-01",
        "9999-12-31T23:59:59-23:59",
        "UTC",
        "+05:30",
        "keep",
        "ma_cross",
        "a" * 64,
        3,
        10.0,
    ]
)
_MAPPINGS = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), _PLAIN | _LIKELY, max_size=8)


@given(_MAPPINGS, st.booleans())
@example({"start": "0001-01-01T00:00:00+23:59", "end": "9999-12-31T23:59:59-23:59"}, True)
@example({"timezone": "\0"}, True)
@example({"params": {"": None}}, True)
@example({"params": {"a": {"\ud800": 1}}, "\ud800": 2}, False)
def test_plain_values_are_a_request_or_a_coded_error(values: dict[str, Any], complete: bool) -> None:
    found: RunRequest | BuffError
    try:
        found = request_from({**GOOD, **values} if complete else values)
    except BuffError as error:
        found = error
    if isinstance(found, BuffError):
        assert found.code in CODES
        assert found.message
        canonical.encode(found.as_dict())
