"""Options: what exists is valid, and what is not is refused by its field."""

import pytest

from buff.errors import ProfileInvalid, RunConfigInvalid
from buff.market.options import CsvOptions, options_of
from buff.market.timeframe import Timeframe


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
