"""Two runs of sample data, made the same way by every test that compares their bytes.

`python tests/golden_run.py FOLDER` makes them in a root under a folder and prints their files' hashes: what the tests
of determinism start in other surroundings. With `--write` it writes `tests/golden/run_v1` anew; a golden that has been
released is never written again, its successor is `run_v2` beside it.
"""

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden" / "run_v1"
MINUTES = 20_160  # fourteen days
RUNS: Mapping[str, Mapping[str, Any]] = {
    "1h_ma_cross": {
        "timeframe": "1h",
        "strategy": "ma_cross",
        "params": {"fast": 5, "slow": 12, "direction": "both"},
        "risk_level": 3,
    },
    "1d_hold": {"timeframe": "1d", "strategy": "hold", "risk_level": 5},
}
WHOLE = ("manifest.json", "metrics.json", "quality_report.json", "returns.json", "timeline.json", "trades.jsonl")
FIRST_RECORDS = 24


def make_runs(folder: Path) -> dict[str, Path]:
    """Make both runs under a folder, from sample minutes given by a relative name; return their directories."""
    write_sample(folder)
    before = Path.cwd()
    try:
        return {name: make_run(folder, name) for name in RUNS}
    finally:
        os.chdir(before)


def write_sample(folder: Path) -> None:
    """Write the sample minutes of all golden runs."""
    from buff.sample import csv_chunks

    (folder / "sample.csv").write_bytes(b"".join(csv_chunks(MINUTES)))


def make_run(folder: Path, name: str) -> Path:
    """Make one run from the sample in a folder, which the process then works in; return its directory."""
    from buff import create_run

    os.chdir(folder)  # so that the manifest's path of the source is the same everywhere
    return Path(create_run(csv="sample.csv", symbol="DEMO", runs_root=folder / "root", **RUNS[name]).directory)


def hashes_of_made(folder: Path, name: str) -> tuple[str, dict[str, str]]:
    """Make one run and return its name and the hashes of its files: the work of one process of many."""
    return name, hashes(make_run(folder, name))


def hashes(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a run, by its name."""
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def first_records(directory: Path) -> bytes:
    """Return the first decision records of a run, as they are stored."""
    return b"".join((directory / "decision_records.jsonl").read_bytes().splitlines(keepends=True)[:FIRST_RECORDS])


def golden_files(directory: Path) -> dict[str, bytes]:
    """Return what is kept of a run: its small files whole, its first records, and a table of all hashes."""
    table = "".join(f"{digest}  {name}\n" for name, digest in hashes(directory).items())
    return {
        **{name: (directory / name).read_bytes() for name in WHOLE},
        "first_records.jsonl": first_records(directory),
        "SHA256SUMS": table.encode(),
    }


def main() -> None:
    """Make the runs; print their hashes, or write the golden."""
    made = make_runs(Path(sys.argv[1]).resolve())
    if "--write" not in sys.argv:
        print(json.dumps({name: hashes(directory) for name, directory in made.items()}))
        return
    for name, directory in made.items():
        (GOLDEN / name).mkdir(parents=True, exist_ok=True)
        for file, data in golden_files(directory).items():
            (GOLDEN / name / file).write_bytes(data)


if __name__ == "__main__":
    main()
