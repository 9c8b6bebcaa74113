"""The command of a terminal that makes a run again.

The manifest of a run goes in; one line for a shell comes out.
"""

import shlex
from collections.abc import Mapping
from typing import Any

from buff.runs.identity import run_id_of


def create_command(manifest: Mapping[str, Any]) -> str:
    """Return the command that makes a run again from its stored dataset, with every input written out."""
    what = manifest["inputs"]
    words = ["buff", "run", "create", "--dataset", what["dataset_id"], "--symbol", what["symbol"]]
    words += ["--timeframe", what["timeframe"], "--strategy", what["strategy"]["id"]]
    for name, value in sorted(what["strategy"]["params"].items()):
        words += ["--param", f"{name}={_plain(value)}"]
    words += ["--risk-level", str(what["risk"]["level"]), "--start", what["start"], "--end", what["end"]]
    words += ["--initial-equity", _plain(what["initial_equity"])]
    for name, value in sorted(what["costs"].items()):
        words += [f"--{name.replace('_', '-')}", _plain(value)]
    if manifest["run_id"] != run_id_of(manifest["inputs_hash"]):
        words += ["--run-id", manifest["run_id"]]
    return shlex.join(words)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
