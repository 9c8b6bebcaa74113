"""The commands of a terminal that do what a page shows, ready to be copied.

A run or the filters of a list go in; one line for a shell comes out.
"""

import shlex
from collections.abc import Mapping
from typing import Any

from buff import Run


def verify(run_id: str) -> str:
    """Return the command that recomputes a run and compares every byte."""
    return shlex.join(("buff", "run", "verify", run_id))


def create(run: Run) -> str:
    """Return the command that makes this run again from its stored dataset, with every input written out."""
    what = run.inputs
    words = ["buff", "run", "create", "--dataset", what["dataset_id"], "--symbol", what["symbol"]]
    words += ["--timeframe", what["timeframe"], "--strategy", what["strategy"]["id"]]
    for name, value in sorted(what["strategy"]["params"].items()):
        words += ["--param", f"{name}={_plain(value)}"]
    words += ["--risk-level", str(what["risk"]["level"]), "--start", what["start"], "--end", what["end"]]
    words += ["--initial-equity", _plain(what["initial_equity"])]
    for name, value in sorted(what["costs"].items()):
        words += [f"--{name.replace('_', '-')}", _plain(value)]
    if run.id != f"run_{run.manifest['inputs_hash'][:16]}":
        words += ["--run-id", run.id]
    return shlex.join(words)


def list_runs(filters: Mapping[str, str]) -> str:
    """Return the command that lists the same runs."""
    words = ["buff", "run", "list"]
    for name, value in filters.items():
        words += [f"--{'risk' if name == 'risk_level' else name}", value]
    return shlex.join([*words, "--json"])


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
