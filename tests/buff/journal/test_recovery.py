"""The fifteen rows: each on its own, and all combinations of facts at once."""

import itertools
from collections import Counter

import pytest
from attrs import fields

from buff.journal.recovery import TABLE, Action, Body, Claim, Facts, Layout, Tail, decide

# One situation for each row, the plainest there is. R15 has none: the test of all combinations shows it.
SITUATIONS = {
    "R01": Facts(layout=Layout.IO),
    "R02": Facts(layout=Layout.MISSING, head=Claim.NONE),
    "R03": Facts(layout=Layout.MISSING, head=Claim.NONE, has_runs=True),
    "R04": Facts(layout=Layout.BAD),
    "R05": Facts(body=Body.BAD),
    "R06": Facts(tail=Tail.MIXED),
    "R07": Facts(head=Claim.FOREIGN),
    "R08": Facts(head=Claim.AHEAD),
    "R09": Facts(tail=Tail.TORN, oversized=True),
    "R10": Facts(tail=Tail.TORN, head=Claim.NONE),
    "R11": Facts(tail=Tail.TORN, head_at_end=False),
    "R12": Facts(),
    "R13": Facts(head_at_end=False, born=True),
    "R14": Facts(head_at_end=False),
}
ACTIONS = {
    "R02": Action.CREATE,
    "R11": Action.SUPERSEDE,
    "R12": Action.KEEP,
    "R13": Action.ADOPT,
    "R14": Action.CARRY,
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_row(name: str) -> None:
    row = decide(SITUATIONS[name])
    assert row.name == name
    assert row.action is ACTIONS.get(name, Action.REFUSE)


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (Facts(layout=Layout.MISSING, head=Claim.OK, head_zero=True), "R02"),
        (Facts(layout=Layout.MISSING, head=Claim.AHEAD), "R03"),
        (Facts(tail=Tail.BREAK), "R06"),
        (Facts(head=Claim.CONFLICT), "R07"),
        (Facts(index=Claim.CONFLICT), "R07"),
        (Facts(receipt=Claim.FOREIGN), "R07"),
        (Facts(receipt=Claim.CONFLICT), "R07"),
        (Facts(index=Claim.AHEAD), "R08"),
        (Facts(receipt=Claim.AHEAD), "R08"),
        (Facts(index=Claim.FOREIGN), "R12"),
        (Facts(head=Claim.NONE, born=True), "R13"),
        (Facts(head=Claim.NONE), "R14"),
        (Facts(tail=Tail.TORN, head=Claim.AHEAD), "R08"),
        (Facts(tail=Tail.MIXED, head=Claim.FOREIGN), "R06"),
    ],
)
def test_other_cases_of_the_rows(facts: Facts, name: str) -> None:
    assert decide(facts).name == name


def test_every_combination_has_exactly_one_row_and_the_last_is_never_needed() -> None:
    """Total over all 128,000 combinations; R15 catches none, so the fourteen before it are complete by themselves."""
    values = [
        tuple(field.type) if isinstance(field.type, type) and field.type is not bool else (False, True)
        for field in fields(Facts)
    ]
    names = [field.name for field in fields(Facts)]
    counts = Counter(
        decide(Facts(**dict(zip(names, combination, strict=True)))).name for combination in itertools.product(*values)
    )
    assert sum(counts.values()) == 4 * 2 * 4 * 5**3 * 2**5
    assert set(counts) == set(SITUATIONS)
    assert "R15" not in counts


def test_the_rows_are_numbered_in_order_and_say_why() -> None:
    assert [row.name for row in TABLE] == [f"R{number:02}" for number in range(1, 16)]
    assert all(row.says and (row.hint or row.action is not Action.REFUSE) for row in TABLE)


def test_nothing_but_refusal_where_acknowledged_events_may_be_gone() -> None:
    """No row that writes covers a journal that is damaged, foreign or shorter than somebody was told."""
    names = ("layout", "body", "tail", "head", "index", "receipt")
    for combination in itertools.product(Layout, Body, Tail, Claim, Claim, Claim):
        facts = Facts(**dict(zip(names, combination, strict=True)), head_at_end=False)
        if decide(facts).action in (Action.SUPERSEDE, Action.ADOPT, Action.CARRY, Action.KEEP):
            assert facts.layout is Layout.OK
            assert facts.body is Body.OK
            assert facts.tail in (Tail.CLEAN, Tail.TORN)
            assert facts.head in (Claim.OK, Claim.NONE)
            assert facts.index in (Claim.OK, Claim.NONE, Claim.FOREIGN)
            assert facts.receipt in (Claim.OK, Claim.NONE)
