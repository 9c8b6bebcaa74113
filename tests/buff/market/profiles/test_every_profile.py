"""Every profile: what is written in its form comes out as the same bars, and both readers agree on every file."""

import random
from typing import Any

import numpy as np
import pytest

from buff.market import plain, tables
from buff.market.bars import VALUES
from buff.market.profiles import CSV, PROFILES, Profile, profile_from
from csv_files import Vendor, outcome, read, vendor_file

CASES = 80
# What no vendor does: ends of bars, offsets of one's own, whole prices with tickers, and all of it at once.
OWN = {
    each["name"]: profile_from(each)
    for each in (
        {"name": "ends", "stamp": "close", "columns": {"ts": "end", **{name: name for name in VALUES}}},
        {
            "name": "offsets", "delimiter": ";", "header": "none", "times": "%H:%M %d/%m/%Y %z",
            "positions": ["note", "close", "low", "ts", "high", "volume", "open"],
        },
        {
            "name": "everything", "delimiter": "|", "banner": "# by", "header": "optional", "subheaders": "utc",
            "times": "%Y%m%d %H%M%S.%f", "zone": "Europe/Berlin", "stamp": "close", "order": "descending",
            "no_bar": "-", "scale": 4, "columns": {"ts": ["day"], "time": "clock", "ticker": ["who", "whose"],
            **{name: [f"{name} *", f"!{name} ask"] for name in VALUES}},
            "positions": ["ticker", "ts", "time", *VALUES, "note"], "formats": ["csv"],
        },
    )
}  # fmt: skip
EVERY = {**PROFILES, **OWN}


@pytest.mark.parametrize("profile", EVERY.values(), ids=EVERY)
def test_bars_written_in_the_form_of_a_profile_come_out_as_they_were(profile: Profile) -> None:
    """Invariants checked: exact times and values, for every choice that the form leaves open, by both readers."""
    chance = random.Random(f"written {profile.name}")
    for _ in range(CASES // 2):
        file = vendor_file(profile, chance, count=chance.randint(2, 30))
        for reference in (False, True):
            columns, done = read(file.content(), names=[file.name], reference=reference, **file.options)
            assert columns["ts"].tolist() == list(file.ts), file
            for name, expected in file.values.items():
                assert columns[name].tolist() == list(expected), (name, file)
            assert done.rows == len(file.ts)


@pytest.mark.parametrize("profile", EVERY.values(), ids=EVERY)
def test_the_readers_agree_on_every_file_of_a_profile_and_its_mutations(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariants checked: same acceptance, same columns, same errors; for every gap policy, stamp and block size."""
    whole = _count_whole(monkeypatch)
    chance = random.Random(f"mutated {profile.name}")
    accepted = refused = 0
    for _ in range(CASES):
        file = vendor_file(profile, chance, count=chance.randint(2, 14))
        content = file.mutated(chance)
        options = {**file.options, **_ways(file, chance)}
        found = outcome(content, names=[file.name], block_bytes=chance.choice((64, 200, 1 << 20)), **options)
        expected = outcome(content, names=[file.name], reference=True, **options)
        assert found == expected, (content, options)
        accepted += isinstance(found, tuple)
        refused += not isinstance(found, tuple)
    assert accepted > CASES // 20
    assert refused > CASES // 4
    assert whole() > CASES // 4, "most clean blocks are read whole"


def _ways(file: Vendor, chance: random.Random) -> dict[str, Any]:
    """Return options that may or may not fit the file, now and then."""
    odd: dict[str, Any] = {"gaps": chance.choice(("keep", "keep", "reject", "fill"))}
    if chance.random() < 0.1:
        odd["stamp"] = "close"
    if chance.random() < 0.1:
        odd["volume"] = "none"
    if chance.random() < 0.1 and file.options["profile"].zone is None:
        odd["timezone"] = chance.choice((None, "UTC", "Europe/Berlin"))
    return odd


def _count_whole(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Count the blocks and batches that were read without the judge."""
    taken = []

    def counted(module: Any, name: str) -> None:
        real = getattr(module, name)

        def read(*arguments: Any) -> Any:
            columns = real(*arguments)
            taken.append(columns is not None)
            return columns

        monkeypatch.setattr(module, name, read)

    counted(plain, "read")
    counted(tables, "_whole")
    return lambda: sum(taken)


def test_a_change_of_the_clocks_inside_a_file_is_judged_alike() -> None:
    """Invariants checked: around both changes of a zone, in blocks of any size, the readers agree."""
    chance = random.Random(7)
    local = [each for each in PROFILES.values() if each.zone is None and CSV in each.formats and not each.plural]
    for change in (1_616_893_200_000, 1_635_642_000_000):  # 2021-03-28 and 2021-10-31, 01:00 UTC
        for profile in local:
            file = vendor_file(profile, chance, count=40, start_ms=change - 20 * 60_000)
            options = {**file.options, "timezone": "Europe/Berlin"} if "timezone" in file.options else file.options
            for size in (64, 400, 1 << 20):
                found = outcome(file.content(), names=[file.name], block_bytes=size, **options)
                assert found == outcome(file.content(), names=[file.name], reference=True, **options)


@pytest.mark.parametrize("profile", EVERY.values(), ids=EVERY)
def test_two_files_of_a_profile_are_one_dataset(profile: Profile) -> None:
    """Invariants checked: for files given oldest first, in order and in whatever order their rows come."""
    chance = random.Random(f"two {profile.name}")
    for _ in range(3):
        first = second = None
        while first is None or second is None or first.options != second.options:
            first = vendor_file(profile, chance, count=5)
            second = vendor_file(profile, chance, count=5, start_ms=first.ts[-1] + 60_000)
        contents, names = (first.content(), second.content()), [first.name, second.name]
        columns, done = read(*contents, names=names, **first.options)
        assert columns["ts"].tolist() == [*first.ts, *second.ts]
        assert np.array_equal(columns["close"], [*first.values["close"], *second.values["close"]])
        assert len(done.sources) == 2
