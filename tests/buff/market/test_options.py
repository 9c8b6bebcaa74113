"""Options: what exists is valid, and what is not is refused by its field."""

import pytest

from buff.errors import ProfileInvalid, RunConfigInvalid
from buff.market.options import CsvOptions, options_of, table_of
from buff.market.profiles import PROFILES
from buff.market.timeframe import Timeframe

OHLCV = {name: name for name in ("ts", "open", "high", "low", "close", "volume")}


def test_defaults_are_the_strict_ones() -> None:
    options = CsvOptions()
    assert (options.profile.name, options.timezone, options.gaps, options.base) == (
        "buff",
        None,
        "reject",
        Timeframe.MINUTE_1,
    )
    assert (options.zone, options.step_ns, options.declaration.delimiter) == (None, 60 * 10**9, ",")


def test_a_base_may_be_named() -> None:
    assert CsvOptions(base="1h").base is Timeframe.HOUR_1  # type: ignore[arg-type]
    assert CsvOptions(base=Timeframe.HOUR_1) == CsvOptions(base="1h")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("gaps", "ignore"),
        ("gaps", ""),
        ("base", "1w"),
        ("base", Timeframe.MONTH_1),
        ("base", "2m"),
        ("timezone", "Mars/Olympus"),
    ],
)
def test_a_wrong_option_names_its_field(field: str, value: object) -> None:
    with pytest.raises(RunConfigInvalid) as caught:
        CsvOptions(**{field: value})  # type: ignore[arg-type]
    assert caught.value.details["field"] == {"base": "base_timeframe"}.get(field, field)
    assert caught.value.hint


def test_a_column_without_a_header_is_named_by_what_the_profile_calls_it() -> None:
    options = CsvOptions(profile="kraken", columns={"volume": " Trades"})  # type: ignore[arg-type]
    assert options.declaration.positions == ("ts", "open", "high", "low", "close", "volume (not read)", "volume")
    with pytest.raises(RunConfigInvalid, match="no column called 'count'") as caught:
        CsvOptions(profile="kraken", columns={"volume": "count"})  # type: ignore[arg-type]
    assert caught.value.details["field"] == "columns"
    assert "ts, open, high, low, close, volume, trades" in caught.value.hint


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ProfileInvalid) as caught:
        CsvOptions(profile="nobody")
    assert "binance" in caught.value.hint


@pytest.mark.parametrize(
    "table",
    [
        {"header": "none", "positions": ["ts", "open", "high", "low", "close", "volume"]},
        {"header": "none", "positions": ["ts", "open", "high", "low", "close"], "volume": False},
        {"formats": "json", "header": "none", "positions": ["ts", "open", "high", "low", "close", "volume"]},
        {"columns": {name: name for name in ("ts", "open", "high", "low", "close")}, "volume": False, "zone": "UTC"},
    ],
)
def test_a_declared_profile_is_described_whole(table: dict[str, object]) -> None:
    """Without a header, without a volume: the description in a manifest declares the same profile again."""
    options = CsvOptions(profile={"name": "own", **table})  # type: ignore[arg-type]
    assert options_of(options.described(), gaps=options.gaps, base=options.base) == options


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("formats", 5), ("formats", [["csv"]]), ("formats", []), ("columns", {"ts": 5}), ("columns", {"ts": [1]}),
        ("columns", {"ts": {}}), ("columns", {"ts": ""}), ("columns", []), ("local", 7),
        ("zone", "Mars/Olympus"), ("zone", ""),
        ("zone", 1), ("zone", "Europe"), ("zone", "../etc"), ("zone", "a\0b"), ("times", ["%Y"]), ("times", "%"),
    ],
)  # fmt: skip
def test_what_a_profile_cannot_be_is_refused_by_its_field(field: str, value: object) -> None:
    with pytest.raises(ProfileInvalid) as caught:
        CsvOptions(profile={"name": "own", "columns": OHLCV, field: value})  # type: ignore[arg-type]
    assert caught.value.details["field"] == field


@pytest.mark.parametrize(("field", "value"), [("header", "required"), ("banner", "15"), ("delimiter", ";")])
def test_a_profile_of_json_declares_nothing_that_only_text_has(field: str, value: str) -> None:
    """Its first row would be taken for a header, or left out as a banner."""
    own = {"name": "own", "formats": ["json", "csv"], "header": "none", "positions": list(OHLCV)}
    assert CsvOptions(profile=own).profile.formats == ("json", "csv")  # type: ignore[arg-type]
    with pytest.raises(ProfileInvalid) as caught:
        CsvOptions(profile={**own, "columns": OHLCV, field: value})  # type: ignore[arg-type]
    assert caught.value.details["field"] == field


@pytest.mark.parametrize("profile", ["buff", "kraken"], ids=["header", "no header"])
def test_a_column_that_is_named_is_not_another_one_too(profile: str) -> None:
    for columns in ({"volume": "close"}, {"volume": " Close "}, {"open": "Last", "close": "last"}):
        with pytest.raises(RunConfigInvalid, match="cannot be both") as caught:
            CsvOptions(profile=profile, columns=columns)  # type: ignore[arg-type]
        assert caught.value.details["field"] == "columns"


def test_a_column_may_be_named_that_no_other_role_takes() -> None:
    swapped = CsvOptions(columns={"open": "close", "close": "open"})
    assert swapped.declaration.columns["open"] == ("close",)
    without = CsvOptions(columns={"close": "volume"}, volume="none")
    assert without.declaration.columns["close"] == ("volume",)


def test_a_profile_of_ones_own_takes_no_name_of_buffs_unless_it_is_the_same() -> None:
    shipped = table_of(PROFILES["kraken"])
    assert CsvOptions(profile=shipped).profile == PROFILES["kraken"]  # type: ignore[arg-type]
    other = {**shipped, "stamp": "close"}
    with pytest.raises(ProfileInvalid, match="'kraken' is the name of a profile of Buff") as caught:
        CsvOptions(profile=other)  # type: ignore[arg-type]
    assert caught.value.details["field"] == "name"


def test_a_declaration_in_a_manifest_may_have_a_name_that_came_to_be_buffs() -> None:
    declared = {**table_of(PROFILES["kraken"]), "stamp": "close"}
    source = {"profile": "kraken", "timezone": None, "declaration": declared}
    assert options_of(source, gaps="keep", base=Timeframe.MINUTE_1).declaration.stamp == "close"
