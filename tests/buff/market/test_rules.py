"""The rule catalogue and its page are one: every rule is there, with its words, and its example breaks it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from buff.errors import DataInvalid
from buff.market.ingest import ingest
from buff.market.options import CsvOptions
from buff.market.profiles import PROFILES
from buff.market.rules import LISTED_MAX, RULES, Halt, Offence, Offences, clip
from buff.market.timeframe import BASES
from csv_files import HEADER, csv_file, places, read, refused, rows

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "csv_schema.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### ([A-Z]+)\n(.*?)(?=^### |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))
EXAMPLE = re.compile(r"Refused at line (\d+)(?: with `--timezone (\S+)`)?:\n\n```csv\n(.*?)```", re.DOTALL)


def test_every_rule_has_its_section_and_every_section_its_rule() -> None:
    assert list(SECTIONS) == list(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_a_section_says_what_the_catalogue_says_and_its_example_breaks_the_rule(rule: str) -> None:
    section = SECTIONS[rule]
    assert f"Asks for {RULES[rule].asks}{' (*stops*)' if RULES[rule].stops else ''}." in section
    assert f"What to do: {RULES[rule].hint}." in section
    found = EXAMPLE.search(section)
    assert found is not None
    line, zone, text = found.groups()
    content = text.replace("…", "x" * 70_000).replace("\\0", "\0").encode()
    with pytest.raises(DataInvalid) as caught:
        read(content, timezone=zone)
    listed: Any = caught.value.details["offences"]
    assert [(each["rule"], each["line"]) for each in listed] == [(rule, int(line))]


DAMAGED = re.compile(
    r"Refused as ([A-Z]+) at line (\d+)( \(saved as UTF-16\))?:\n\n```csv\n(.*?)```\n\nWhat to do: (.*?)\.\n", re.DOTALL
)


def test_what_a_spreadsheet_has_damaged_gets_the_code_and_the_hint_of_the_page() -> None:
    found = DAMAGED.findall(PAGE)
    assert [rule for rule, *_ in found] == ["UNIT", "DELIMITER", "CELL", "RAGGED", "ENCODING", "CELL", "CELL"]
    for rule, line, utf_16, text, hint in found:
        error = refused(text.encode("utf-16" if utf_16 else "utf-8"))
        assert places(error)[0] == (rule, int(line))
        assert error.hint == hint


def test_the_error_of_the_page_is_the_answer_to_its_file() -> None:
    error = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    file = re.search(r"answer to this file:\n\n```csv\n(.*?)```", PAGE, re.DOTALL)
    assert error is not None
    assert file is not None
    with pytest.raises(DataInvalid) as caught:
        read(file[1].encode())
    assert caught.value.as_dict() == json.loads(error[1])


def test_the_page_names_every_column_and_base() -> None:
    for names in PROFILES["buff"].columns.values():
        assert all(f"`{name}`" in PAGE for name in names)
    assert all(f"`{base.value}`" in PAGE for base in BASES)


def test_rules_that_stop_end_the_reading_and_the_others_do_not() -> None:
    lines = rows(40)
    for cell, stops in ((b"\0", True), (b"abc", False)):
        broken = [*lines[:10], lines[10].replace(b",", b"," + cell, 1), *lines[11:20], b"x", *lines[20:]]
        with pytest.raises(DataInvalid) as caught:
            read(HEADER + b"\n".join(broken))
        counts: Any = caught.value.details["counts"]
        assert ("RAGGED" in counts) is not stops


# The report


def offence(line: int, rule: str) -> Offence:
    return Offence(file="a.csv", line=line, column=None, text="", rule=rule, says=f"{rule} at {line}")


def test_the_first_twenty_are_in_line_order_over_all_rules_and_files() -> None:
    found = Offences()
    for line in range(2, 60, 2):
        found.add(offence(line, "GAP"), 1)
    for line in range(3, 60, 2):
        found.add(offence(line, "SIGN"), 1)
    found.add(offence(2, "CELL"), 2)
    listed: Any = found.error(several=False).details["offences"]
    assert [each["line"] for each in listed] == list(range(2, 2 + LISTED_MAX))
    assert found.error(several=False).details["counts"] == {"CELL": 1, "GAP": 29, "SIGN": 29}


def test_gaps_that_were_the_spacing_are_taken_back() -> None:
    found = Offences()
    for line in range(3, 40):
        found.add(offence(line, "GAP"), 1)
    found.add(offence(30, "CELL"), 1)
    found.forget_gaps()
    found.add(offence(3, "SPACING"), 1)
    listed: Any = found.error(several=False).details["offences"]
    assert [(each["rule"], each["line"]) for each in listed] == [("SPACING", 3), ("CELL", 30)]


def test_spacing_is_listed_even_where_twenty_others_were_found_before_it_was_known() -> None:
    lines = [row.replace(b",", b",-", 1) for row in rows(30, step_ms=300_000)]
    with pytest.raises(DataInvalid) as caught:
        read(HEADER + b"\n".join(lines))
    listed: Any = caught.value.details["offences"]
    assert [(each["rule"], each["line"]) for each in listed[:3]] == [("SIGN", 2), ("SIGN", 3), ("SPACING", 3)]
    assert len(listed) == LISTED_MAX


def test_long_cells_are_cut_in_the_report() -> None:
    assert clip("x" * 64) == "x" * 64
    assert clip("x" * 65) == "x" * 63 + "…"
    with pytest.raises(DataInvalid) as caught:
        read(HEADER + rows(1)[0] + b"," + b"y" * 500)
    listed: Any = caught.value.details["offences"]
    assert len(listed[0]["text"]) == 64


def test_a_halt_carries_its_offence() -> None:
    assert Halt(offence(1, "EMPTY")).offence.rule == "EMPTY"
    with pytest.raises(DataInvalid, match=r"a\.csv, line 1"):
        ingest(csv_file(b"", name="a.csv"), CsvOptions(), write=print, rows_max=1, bytes_max=1)
