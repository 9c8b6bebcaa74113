"""The commands of a terminal that do what a page shows, ready to be copied.

A run or the filters of a list go in; one line for a shell comes out.
"""

import shlex
from collections.abc import Mapping, Sequence

from buff import Run, Strategy


def show(run_id: str) -> str:
    """Return the command that shows a run."""
    return shlex.join(("buff", "run", "show", run_id))


def compare(run_ids: Sequence[str]) -> str:
    """Return the command that compares the first of some runs with the second."""
    return shlex.join(("buff", "run", "diff", *run_ids[:2]))


def verify(run_id: str) -> str:
    """Return the command that recomputes a run and compares every byte."""
    return shlex.join(("buff", "run", "verify", run_id))


def export(run_id: str) -> str:
    """Return the commands that write a run as tables and as a page."""
    return "\n".join(shlex.join(("buff", "run", "export", run_id, "--out", f"{run_id}{end}")) for end in ("", ".html"))


def create(run: Run) -> str:
    """Return the command that makes this run again from its stored dataset, with every input written out."""
    return run.command


def list_runs(filters: Mapping[str, str]) -> str:
    """Return the command that lists the same runs."""
    words = ["buff", "run", "list"]
    for name, value in filters.items():
        words += [f"--{'risk' if name == 'risk_level' else name}", value]
    return shlex.join([*words, "--json"])


def show_sweep(sweep: str) -> str:
    """Return the command that shows a sweep."""
    return shlex.join(("buff", "sweep", "show", sweep))


def resume_sweep(sweep: str) -> str:
    """Return the command that goes on with a sweep."""
    return shlex.join(("buff", "sweep", "--resume", sweep))


def example(strategy: Strategy) -> str:
    """Return a command that runs a strategy with its defaults over a file; file and symbol are yours to change."""
    words = ["buff", "run", "create", "--csv", "candles.csv", "--symbol", "BTCUSDT", "--timeframe", "1h"]
    words += ["--strategy", strategy.id]
    for param in strategy.params:
        value = str(param.default).lower() if isinstance(param.default, bool) else str(param.default)
        words += ["--param", f"{param.name}={value}"]
    return shlex.join([*words, "--risk-level", "3"])
