"""The subjects of `buff bench` as benches: measured whole where the benches are asked for, else once and small.

A subject goes in; its table is printed, and what was measured comes out for whoever asserts what noise cannot break.
"""

import tempfile
from collections.abc import Callable

import pytest
from attrs import evolve

from buff.bench.report import COLUMNS, rows
from buff.bench.suite import Found, measure
from buff.bench.turns import Subject, Taken
from whole import host


def asked(request: pytest.FixtureRequest) -> bool:
    """Whether the figures are wanted, and not only a test."""
    return bool(request.config.getoption("markexpr") == "bench")


def show(request: pytest.FixtureRequest, subject: Callable[..., Subject], *, only: str = "") -> Found:
    """Measure the cases of a subject whose names hold `only`, print its table, and return what was measured."""
    whole = asked(request)
    wanted = subject(quick=not whole)
    wanted = evolve(wanted, cases=tuple(case for case in wanted.cases if only in case.name))
    surroundings = host(environment={})
    with tempfile.TemporaryDirectory() as parent:
        limits = {"rounds": 7 if whole else 1, "seconds": 600.0 if whole else 0.0}
        (found,) = measure([wanted], parent=parent, host=surroundings, quick=not whole, **limits)
    print("\n" + "\n".join("  ".join(cells) for cells in (COLUMNS, *rows(found))))
    assert all(each.failed is None for case in found.cases for each in case.taken)
    return found


def taken(found: Found, who: str, case: int = 0) -> Taken:
    """Return the turns of one contender of a case."""
    return next(each for each in found.cases[case].taken if each.who == who)
