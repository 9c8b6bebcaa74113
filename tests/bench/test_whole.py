"""The whole job in a process of its own: CSV to run beside the way it is done today, and what an import costs.

`pytest -m bench -s tests/bench/test_whole.py` runs rounds of ours and theirs by turns and prints medians and ratios.
As an ordinary test each runs once over a month, and only what noise cannot break is asserted.
"""

import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from buff.bench.whole import subject
from contests import asked, show, taken
from costs import Cost, cost_of
from whole import environment

HEAVY = ("pyarrow", "litestar", "structlog", "pandas", "numpy", "rich")


def median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        cpu_seconds=statistics.median(cost.cpu_seconds for cost in costs),
        peak_bytes=max(cost.peak_bytes for cost in costs),
    )


def tell(name: str, cost: Cost, goal: str) -> None:
    print(f"{name:<44} {cost.cpu_seconds:6.2f} s CPU {cost.peak_bytes / 1e6:7.0f} MB   (goal: {goal})")


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often everything runs: five times where the benches were asked for, else once."""
    return 5 if asked(request) else 1


@pytest.mark.bench
def test_a_year_of_minutes_becomes_a_run(request: pytest.FixtureRequest) -> None:
    """Goals: 2.5 times less processor time than the usual script and 200 MB at 1h; 2.0 s and 300 MB at 1m."""
    found = show(request, subject, only="traded at")
    for case, most in ((0, 200e6), (1, 300e6)):
        peak = taken(found, "Buff", case).peak
        assert peak is None or peak <= most


@pytest.mark.bench
def test_importing_buff_costs_next_to_nothing(rounds: int) -> None:
    cost_of([sys.executable, "-c", "import buff"])
    bare = median([cost_of([sys.executable, "-c", "pass"]) for _ in range(3 * rounds)])
    ours = median([cost_of([sys.executable, "-c", "import buff"]) for _ in range(3 * rounds)])
    ready = median([cost_of([sys.executable, "-c", "import buff; buff.create_run"]) for _ in range(3 * rounds)])
    print()
    tell("python -c pass", bare, "-")
    tell("python -c 'import buff'", ours, "0.15 s")
    tell("python -c 'import buff; buff.create_run'", ready, "-")


def loaded_after(statement: str) -> set[str]:
    """Return which heavy packages a statement has imported."""
    code = f"{statement}\nimport sys\nprint(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_buff_loads_nothing_heavy() -> None:
    assert loaded_after("import buff") == set()


def test_creating_runs_loads_no_web_and_no_pandas() -> None:
    assert loaded_after("import buff; buff.create_run, buff.verify, buff.Store") <= {"numpy"}


def test_the_command_line_lists_without_pyarrow(tmp_path: Path) -> None:
    statement = f"from buff.cli.main import run\nrun(['run', 'list', '--runs-root', {str(tmp_path)!r}])"
    assert not loaded_after(statement) & {"pyarrow", "pandas", "litestar", "structlog"}
