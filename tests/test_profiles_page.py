"""The reference page of the profiles is what their declarations say, and its examples are read as it says."""

import pytest
from attrs import fields

from buff.market.profiles import PROFILES, Profile, profile_from
from csv_files import bars_of
from pages import REPOSITORY
from profiles_page import EXAMPLES, FIELDS, OWN_FILE, own, page

PAGE = REPOSITORY / "docs" / "reference" / "profiles.md"


def test_the_page_is_up_to_date() -> None:
    again = "write it again: python tests/profiles_page.py > docs/reference/profiles.md"
    assert PAGE.read_text(encoding="utf-8") == page(), again


def test_every_profile_has_a_section_and_an_example_and_every_field_its_words() -> None:
    assert list(EXAMPLES) == list(PROFILES)
    assert list(FIELDS) == [each.name for each in fields(Profile)]
    text = page()
    for each in PROFILES.values():
        assert f"\n## {each.name}\n\n{each.title}.\n" in text
        assert all(f"| `{rule}` | {hint} |" in text for rule, hint in each.hints.items())


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_read_as_its_command_says(name: str) -> None:
    example = EXAMPLES[name]
    ticker = {"ticker": example.symbol} if PROFILES[name].plural else {}
    found = bars_of(example.text.encode(), names=[example.file], profile=name, **example.options, **ticker)
    assert len(found) == example.rows
    assert f"--profile {name}" in example.command(f"--profile {name}")


def test_the_profile_of_ones_own_goes_through_the_same_checks_and_reads_its_example() -> None:
    table = own()
    assert set(table) <= set(FIELDS)
    found = bars_of(OWN_FILE.encode(), profile=profile_from(table), gaps="keep")
    assert found == [
        ("2023-12-31T23:00:00Z", 100.0, 101.0, 99.0, 100.5, 3.0),
        ("2023-12-31T23:02:00Z", 100.5, 100.5, 100.0, 100.25, 8.0),
        ("2023-12-31T23:03:00Z", 100.25, 100.5, 100.0, 100.5, 2.0),
    ]
