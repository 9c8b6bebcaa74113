"""How fast and how large ingest is: beside pandas doing the same checks, and beside pyarrow's bare parse.

`pytest -m bench -s tests/bench/test_ingest.py` prints the table of `buff bench ingest`. `pytest -m nightly -s
tests/bench/test_ingest.py` measures the memory of 20,000,000 rows as well (a file of 1.3 GB, removed afterwards).
"""

import os
import shutil
import sys
from pathlib import Path

import pytest

from buff.bench.ingest import read, subject
from buff.bench.made import write_minutes
from buff.bench.turns import timed
from buff.errors import DataInvalid
from buff.sample import MONTH, YEAR
from contests import asked, show, taken
from costs import cost_of

MANY = 20_000_000
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="peak memory of a process is read from /proc")

# The whole job in a process of its own, without a command line: what its memory is.
ALONE = """
import sys
from buff.bench.ingest import store
store(sys.argv[1], sys.argv[2])
"""


@pytest.mark.bench
def test_ingest_beside_pandas_and_the_bare_parse_of_pyarrow(request: pytest.FixtureRequest) -> None:
    """Goals: 1.8 times less processor time than pandas, 300 MB, and twice the bare parse for all that is kept."""
    peak = taken(show(request, subject), "Buff").peak
    assert peak is None or peak < 300e6


@pytest.mark.bench
def test_one_bad_cell_in_the_last_row_beside_a_clean_file(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    rows, rounds = (YEAR, 5) if asked(request) else (MONTH, 1)
    csv, bad = tmp_path / "minutes.csv", tmp_path / "bad.csv"
    write_minutes(str(csv), rows)
    shutil.copyfile(csv, bad)
    with bad.open("r+b") as file:
        file.seek(-200, os.SEEK_END)
        file.seek(file.read().rindex(b",") - 199, os.SEEK_END)
        file.write(b"x")

    def refuse() -> None:
        with pytest.raises(DataInvalid, match=f"line {rows + 1}"):
            read(str(bad), lambda block: None)

    read(str(csv), lambda block: None)  # imports what it takes
    clean, found = (
        min(timed(job).cpu or 0.0 for _ in range(rounds))
        for job in (lambda: read(str(csv), lambda block: None), refuse)
    )
    print(
        f"\nclean file {clean:.3f} s, with one bad cell in row {rows:,} {found:.3f} s: {found / clean:.2f} x (goal 2)"
    )
    assert found < max(clean, 0.1) * 6


@pytest.mark.nightly
@LINUX
def test_the_memory_of_twenty_million_rows(tmp_path: Path) -> None:
    path = write_minutes(str(tmp_path / "many.csv"), MANY)
    size = os.path.getsize(path)
    cost = cost_of([sys.executable, "-c", ALONE, path, str(tmp_path / "stored")])
    os.unlink(path)
    print(f"\n{MANY:,} ISO rows, {size / 1e9:.2f} GB: {cost.cpu_seconds:.1f} s CPU,", end=" ")
    print(f"peak {cost.peak_bytes / 1e6:.0f} MB")
    assert cost.peak_bytes < 600e6, "the goal"
