"""Profiles as declarations: what may be declared, and what is refused by its field."""

from typing import Any

import pytest

from buff.errors import ProfileInvalid
from buff.market.bars import VALUES
from buff.market.options import CsvOptions, options_of
from buff.market.profiles import PROFILES, Profile, profile, profile_from
from buff.market.timeframe import Timeframe
from csv_files import bars_of, places, refused

NAMES = {"ts": "when", **{name: name for name in VALUES}}
OWN: dict[str, Any] = {"name": "own", "columns": NAMES}


def test_a_table_of_a_name_and_the_names_of_columns_is_a_profile() -> None:
    found = profile_from(OWN)
    assert found == Profile(name="own", title="profile own", columns={role: (name,) for role, name in NAMES.items()})
    assert bars_of(b"When,Open,High,Low,Close,Volume\n2024-01-01T00:00Z,1,1,1,1,1\n", profile=OWN) == [
        ("2024-01-01T00:00:00Z", 1.0, 1.0, 1.0, 1.0, 1.0)
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Own"),
        ("name", ""),
        ("name", 7),
        ("name", "a" * 33),
        ("title", ""),
        ("says", 1),
        ("formats", "xml"),
        ("formats", []),
        ("delimiter", "::"),
        ("delimiter", "a"),
        ("banner", ""),
        ("header", "maybe"),
        ("subheaders", [1]),
        ("subheaders", [""]),
        ("columns", {**NAMES, "price": "p"}),
        ("columns", {name: name for name in VALUES}),
        ("columns", {**NAMES, "open": []}),
        ("columns", {**NAMES, "open": "!open"}),
        ("columns", {**NAMES, "open": ["*"]}),
        ("columns", "ts"),
        ("positions", ["ts", "ts", *VALUES]),
        ("times", []),
        ("times", "%H:%M"),
        ("times", "rfc"),
        ("times", 7),
        ("zone", 1),
        ("zone", "Europe/Bern"),
        ("zone", "localtime"),
        ("local", [""]),
        ("stamp", "end"),
        ("order", "random"),
        ("volume", "no"),
        ("scale", -1),
        ("scale", 16),
        ("scale", True),
        ("scale", "4"),
        ("no_bar", ""),
        ("hints", {"GAP": 1}),
        ("hints", "GAP"),
        ("separator", ";"),
    ],
)
def test_what_could_not_be_followed_is_refused_by_its_field(field: str, value: Any) -> None:
    with pytest.raises(ProfileInvalid) as caught:
        profile_from({**OWN, field: value})
    assert caught.value.details["field"] == field
    assert caught.value.hint


def test_a_profile_has_a_name_and_what_its_files_need() -> None:
    for table, field in (
        ({"columns": NAMES}, "name"),
        ({"name": "own"}, "columns"),
        ({"name": "own", "header": "none"}, "positions"),
        ({**OWN, "formats": ["csv", "json"]}, "positions"),
        ({"name": "own", "header": "none", "positions": ["ts", *VALUES], "formats": ["csv", "table"]}, "columns"),
        ({"name": "own", "header": "none", "positions": ["ts", "open", "high", "low", "close"]}, "positions"),
    ):
        with pytest.raises(ProfileInvalid) as caught:
            profile_from(table)
        assert caught.value.details["field"] == field
    assert not profile_from(
        {"name": "own", "header": "none", "positions": ["ts", "open", "high", "low", "close"], "volume": False}
    ).volume


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ProfileInvalid) as caught:
        profile("nobody")
    assert all(name in caught.value.hint for name in PROFILES)


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_what_a_manifest_can_say_and_read_again(name: str) -> None:
    """Invariants checked: described and read back, a profile of one's own and each of ours give the same options."""
    ticker = {"ticker": "AAA"} if PROFILES[name].plural else {}
    for chosen in (PROFILES[name], profile_from({**OWN, "zone": "UTC", "stamp": "close", "scale": 2})):
        columns = {"close": "Last"} if chosen.columns else {"volume": chosen.positions[-1]}
        options = CsvOptions(profile=chosen, columns=columns, **(ticker if chosen.plural else {}))
        again = options_of(options.described(), gaps="reject", base=Timeframe.MINUTE_1)
        assert again == options
        assert again.declaration == options.declaration


# Names of columns


@pytest.mark.parametrize(
    ("header", "names", "found"),
    [
        ("when,open,high,low,close,volume btc,n", ["volume *"], 6.0),
        ("when,open,high,low,close,volume btc,volume", ["volume *", "volume"], 7.0),  # a whole name goes first
        ("when,open,high,low,close,volume btc,volume usd", ["volume *", "!volume usd"], 6.0),
        ("when,open,high,low,close,volume usdt,volume btc", ["volume *", "!volume usd*"], 7.0),
        ("when,open,high,low,close,VOLUME BTC ,n", ["Volume *"], 6.0),
    ],
)
def test_a_star_stands_for_the_one_column_that_begins_so(header: str, names: list[str], found: float) -> None:
    content = f"{header}\n2024-01-01T00:00Z,1,1,1,1,6,7\n".encode()
    own = {**OWN, "columns": {**NAMES, "volume": names}}
    assert bars_of(content, profile=own)[0][-1] == found


@pytest.mark.parametrize(
    ("header", "names", "rule", "says"),
    [
        (
            "volume btc,volume eth",
            ["volume *"],
            "HEADER",
            "more than one volume * column: 'volume btc' and 'volume eth'",
        ),
        ("volume,vol", ["volume", "vol"], "HEADER", "more than one volume column: 'volume' and 'vol'"),
        ("volume usd,volume eur", ["volume *", "!volume usd", "!volume eur"], "COLUMNS", "no volume column (volume *)"),
        ("amount,n", ["volume *"], "COLUMNS", "no volume column (volume *)"),
    ],
)
def test_where_two_columns_or_none_may_be_meant_the_header_is_refused(
    header: str, names: list[str], rule: str, says: str
) -> None:
    content = f"when,open,high,low,close,{header}\n2024-01-01T00:00Z,1,1,1,1,6,7\n".encode()
    error = refused(content, profile={**OWN, "columns": {**NAMES, "volume": names}})
    assert places(error) == [(rule, 1)]
    assert says in error.message


def test_a_column_that_is_missing_is_named_with_what_to_do() -> None:
    columns = {name: name for name in ("ts", "open", "high", "low", "close")}
    with pytest.raises(ProfileInvalid, match="no column for volume: name it under"):
        profile_from({"name": "mine", "columns": columns})
    with pytest.raises(ProfileInvalid, match="no column for the time"):
        profile_from({"name": "mine", "header": "none", "positions": ["open", "high", "low", "close"]})
    assert not profile_from({"name": "mine", "columns": columns, "volume": False}).volume
