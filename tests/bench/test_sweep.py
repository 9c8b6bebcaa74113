"""A thousand runs of a year of hours: on one core, on processes of our own, on Dask, and as backtesting.py optimizes.

`pytest -m bench -s tests/bench/test_sweep.py` prints the figures beside their goals; `buff bench sweep` prints the same
of fewer runs. As an ordinary test it is small, without Dask and the rival, and asserts only what noise cannot break:
that all make the same bytes.
"""

from pathlib import Path

import pytest
from attrs import evolve

from buff.audit import verify_all
from buff.bench.machine import load
from buff.bench.place import place
from buff.bench.report import COLUMNS, rows
from buff.bench.suite import Found
from buff.bench.sweep import POOL, ROOTS, subject
from buff.bench.turns import take_turns
from contests import asked
from whole import files, host, opened

RUNS, ROUNDS = 1_000, 4


@pytest.mark.bench
def test_a_thousand_runs(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Goals: at most 40 s for all with two processes, 1.7 times one core, 3 times backtesting.py; Dask at most 1.3."""
    full = asked(request)
    wanted = subject(quick=not full, together=RUNS // (1 + ROUNDS) if full else None)
    (case,) = wanted.cases
    kept = tuple(each for each in case.contenders if full or not each.needs)
    with place(str(tmp_path), host=host()) as here:
        before = load()
        rounds = ROUNDS if full else 1
        found = take_turns(evolve(case, contenders=kept), here, rounds=rounds, seconds=1e9, clock=here.host.monotonic)
        roots = [Path(here.path(ROOTS[each.who])) for each in kept if each.who in ROOTS]
        assert all(each == files(roots[0]) for each in map(files, roots[1:]))
        with opened(Path(here.path(ROOTS[POOL]))) as store:
            assert len(store.state.runs) == (RUNS if full else 20)
            assert {each.outcome for each in verify_all(store, stored_bytes_only=True, record=False)} == {"whole"}
    print(f"\nload {before} to {load()}")
    print("\n".join("  ".join(cells) for cells in (COLUMNS, *rows(Found(subject=wanted, cases=(found,))))))
    assert all(each.failed is None for each in found.taken)
