"""The whole job in a process of its own: CSV to run beside the way it is done today, and what an import costs.

`pytest -m bench -s tests/bench/test_whole.py` runs rounds of ours and theirs by turns and prints medians and ratios.
As an ordinary test each runs once, without the rival, and only what noise cannot break is asserted.
"""

import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from costs import Cost, cost_of
from whole import environment, write_csv

YEAR = 525_600
RIVAL = Path(__file__).resolve().parents[3] / "shared" / "bench" / "typical_backtesting.py"
HEAVY = ("pyarrow", "litestar", "structlog", "pandas", "numpy", "rich")


def median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        cpu_seconds=statistics.median(cost.cpu_seconds for cost in costs),
        peak_bytes=max(cost.peak_bytes for cost in costs),
    )


def show(name: str, cost: Cost, goal: str) -> None:
    print(f"{name:<44} {cost.cpu_seconds:6.2f} s CPU {cost.peak_bytes / 1e6:7.0f} MB   (goal: {goal})")


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("year") / "year.csv", YEAR)


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often everything runs: five times where the benches were asked for, else once."""
    return 5 if request.config.getoption("markexpr") == "bench" else 1


@pytest.fixture
def run_at(year: Path, tmp_path: Path) -> Callable[[str], Cost]:
    """Return what creating a run of the year takes, each time in a new root."""
    count = iter(range(1_000))

    def run(timeframe: str) -> Cost:
        words = ["--csv", str(year), "--symbol", "DEMO", "--strategy", "ma_cross", "--risk-level", "3"]
        root = tmp_path / f"root-{next(count)}"
        command = [sys.executable, "-m", "buff", "run", "create", *words, "--timeframe", timeframe]
        return cost_of(command, RUNS_ROOT=str(root))

    run("1h")  # compiles what is not compiled yet
    return run


@pytest.mark.bench
def test_a_year_of_minutes_becomes_a_run_at_1h(
    run_at: Callable[[str], Cost], year: Path, tmp_path: Path, rounds: int
) -> None:
    rival = [sys.executable, str(RIVAL), str(year), str(tmp_path / "rival")]
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(run_at("1h"))
        if rounds > 1 and RIVAL.is_file():
            theirs.append(cost_of(rival))
    print()
    show("CSV of 525,600 minutes -> run at 1h", median(ours), "200 MB")
    if theirs:
        show("pandas and backtesting.py, nothing synced", median(theirs), "-")
        print(f"ratio: {median(theirs).cpu_seconds / median(ours).cpu_seconds:.2f} times less CPU (goal: 2.5)")
    assert median(ours).peak_bytes <= 200e6


@pytest.mark.bench
def test_a_year_of_minutes_becomes_a_run_at_1m(run_at: Callable[[str], Cost], rounds: int) -> None:
    ours = median([run_at("1m") for _ in range(rounds)])
    print()
    show("the same minutes as a run at 1m", ours, "2.0 s, 300 MB")
    assert ours.peak_bytes <= 300e6


@pytest.mark.bench
def test_importing_buff_costs_next_to_nothing(rounds: int) -> None:
    cost_of([sys.executable, "-c", "import buff"])
    bare = median([cost_of([sys.executable, "-c", "pass"]) for _ in range(3 * rounds)])
    ours = median([cost_of([sys.executable, "-c", "import buff"]) for _ in range(3 * rounds)])
    ready = median([cost_of([sys.executable, "-c", "import buff; buff.create_run"]) for _ in range(3 * rounds)])
    print()
    show("python -c pass", bare, "-")
    show("python -c 'import buff'", ours, "0.15 s")
    show("python -c 'import buff; buff.create_run'", ready, "-")


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
