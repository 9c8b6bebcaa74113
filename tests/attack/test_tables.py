"""Attacks on Parquet and Feather: whatever tables hold, Buff accepts or refuses them with a typed error.

Invariants checked: nothing but a `BuffError` is raised, by the reader of whole batches and by that of rows alike; the
two agree in everything they say; what is accepted has the values of the table.
"""

import random
from collections import Counter
from typing import Any

import pytest
from attrs import evolve

from buff.errors import BuffError
from buff.market.ingest import ingest
from buff.market.options import CsvOptions
from buff.market.profiles import PROFILES
from buff.market.source import Source
from odd_tables import NAMES, damaged, file_of, table_of

SHARES = pytest.mark.parametrize("share", [1, pytest.param(10, marks=pytest.mark.nightly)])


def outcome(content: bytes, options: CsvOptions, *, reference: bool) -> Any:
    """Return what a reading comes to, as values that can be compared."""
    written: list[Any] = []
    file = Source(name="bars.parquet", chunks=lambda: iter([content]))
    try:
        done = ingest([file], options, write=written.append, rows_max=10**6, bytes_max=10**9, reference=reference)
    except BuffError as error:
        return error.as_dict()
    return done, [b"".join(block[name].tobytes() for block in written) for name in NAMES]


# A profile may read one column twice; `--columns` may not.
TWICE = evolve(PROFILES["buff"], name="twice", columns={**PROFILES["buff"].columns, "open": ("close",)})


def attack(kind: str, count: int, content_of: Any) -> Counter[str]:
    counts: Counter[str] = Counter()
    for seed in range(count):
        chance = random.Random(f"{kind} {seed}")
        content = content_of(chance)
        options = CsvOptions(
            profile=PROFILES["buff"] if chance.random() < 0.9 else TWICE,
            gaps=chance.choice(("reject", "reject", "keep")),
            timezone=chance.choice((None, None, "UTC", "Europe/Berlin", "-00:45")),
            base=chance.choice(("1m", "1m", "1m", "5m", "1d")),  # type: ignore[arg-type]
            volume=chance.choice((None, None, None, "none")),
        )
        try:
            found = outcome(content, options, reference=False)
            assert outcome(content, options, reference=True) == found
        except Exception as error:
            raise AssertionError(f"seed '{kind} {seed}': {options}") from error
        counts["accepted" if isinstance(found, tuple) else "refused"] += 1
    print(f"\n{kind}: {sum(counts.values()):,} cases, {counts['accepted']:,} accepted")
    return counts


@SHARES
def test_tables_of_any_types_are_accepted_or_refused(share: int) -> None:
    counts = attack("tables", 1_200 * share, lambda chance: file_of(table_of(chance), chance))
    assert min(counts["accepted"], counts["refused"]) > 50 * share


def test_a_damaged_type_that_pyarrow_has_no_array_for_is_refused() -> None:
    """Found by the attack below at night: a flipped byte made an interval of months of a column."""
    chance = random.Random("damaged tables 1850")
    found = outcome(damaged(file_of(table_of(chance), chance), chance), CsvOptions(base="1d"), reference=False)  # type: ignore[arg-type]
    assert isinstance(found, dict)
    assert found["message"].startswith("bars.parquet, line 1: the table cannot be read: a column has a type")


@SHARES
def test_damaged_tables_are_accepted_or_refused(share: int) -> None:
    counts = attack("damaged tables", 1_200 * share, lambda chance: damaged(file_of(table_of(chance), chance), chance))
    assert counts["refused"] > 500 * share
