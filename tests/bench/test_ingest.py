"""How fast and how large ingest is: beside pandas doing the same checks, and beside pyarrow's bare parse.

`pytest -m bench -s tests/bench/test_ingest.py` runs rounds of ours and theirs and prints the least CPU of each, for a
year and for five years of minutes. `pytest -m nightly -s tests/bench/test_ingest.py` measures the memory of 20,000,000
rows as well (a file of 1.3 GB, removed afterwards). An ordinary run does the year once.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from buff.datasets import DatasetWriter
from buff.files import RealDisk
from buff.inputs import opened
from buff.market.ingest import ingest
from buff.market.options import CsvOptions
from buff.market.timeframe import Timeframe
from buff.sample import HEADER, START_MS, csv_chunks

MONTH, YEAR, FIVE_YEARS, MANY = 43_200, 525_600, 2_628_000, 20_000_000
MINUTE_MS = 60_000
# Five years take long: not in every run, yet in those that ask for the benches.
SIZES = (YEAR, pytest.param(FIVE_YEARS, marks=pytest.mark.nightly))
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="peak memory of a process is read from /proc")

# The whole job in a process of its own: a CSV becomes checked, stored, hashed and synced columns, with the facts of the
# quality report beside them.
OURS = """
import os, sys
from buff.datasets import DatasetWriter
from buff.files import RealDisk
from buff.inputs import opened
from buff.market.ingest import ingest
from buff.market.options import CsvOptions
from buff.market.timeframe import Timeframe

def job(path, folder):
    writer = DatasetWriter(RealDisk(), os.path.join(folder, "ours"), Timeframe.MINUTE_1)
    ingest(opened([path]), CsvOptions(), write=writer.write, rows_max=10**9, bytes_max=10**12)
    return writer.finish().rows
"""

# What a careful user of pandas would write for the same: those rules of the contract that can still be seen after its
# parse (which rows the file had, how its numbers were written and on which line an offence stands cannot), the same
# columns, the same hashes and every file and directory synced.
RULES = """
import hashlib, json, os, sys
import numpy as np
import pandas as pd

NAMES = ["open", "high", "low", "close"]

def synced(file):
    file.flush()
    os.fsync(file.fileno())

def job(path, folder):
    with open(path, "rb") as file:
        hashlib.file_digest(file, "sha256").hexdigest()
    frame = pd.read_csv(path, parse_dates=["timestamp"])
    assert list(frame.columns) == ["timestamp", *NAMES, "volume"]
    assert str(frame["timestamp"].dtype).endswith("UTC]") and not frame.isna().any().any()
    ts = frame["timestamp"].dt.as_unit("ms").astype("int64")
    assert (ts.diff().iloc[1:] == 60_000).all() and (ts % 60_000 == 0).all()
    assert (frame[NAMES] > 0).all().all() and (frame["volume"] >= 0).all()
    assert (frame[[*NAMES, "volume"]] < float("inf")).all().all()
    assert (frame["high"] >= frame[NAMES].max(axis=1)).all() and (frame["low"] <= frame[NAMES].min(axis=1)).all()
    frame["timestamp"] = ts
    facts = report(frame)
    frame["filled"] = np.zeros(len(frame), np.uint8)
    for name in frame:
        values = np.ascontiguousarray(frame[name].to_numpy())
        facts[name] = hashlib.sha256(values).hexdigest()
        with open(os.path.join(folder, f"{name}.npy"), "wb") as file:
            np.save(file, values)
            synced(file)
    with open(os.path.join(folder, "facts.json"), "w") as file:
        json.dump(facts, file)
        synced(file)
    directory = os.open(folder, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)
    return len(frame)

def report(frame):
    return {}
"""

# The checks of the quality report as well: decimals, spikes, stale runs, volume by day. Counted only, never listed.
SAME_CHECKS = (
    RULES
    + """
def decimals(column):
    for k in range(10):
        if ((column * 10**k).round() / 10**k == column).all():
            return k

def report(frame):
    values = frame[[*NAMES, "volume"]]
    moves = (frame["close"] / frame["close"].shift() - 1.0).abs()
    median = float(moves.median())
    same = (values == values.shift()).all(axis=1) & (frame["volume"] > 0)
    runs = same.groupby((~same).cumsum()).sum() if same.any() else same
    days = frame["volume"].groupby(frame["timestamp"] // 86_400_000).median()
    days = days[days > 0]
    return {
        "decimals": {name: decimals(frame[name]) for name in values},
        "spikes": int((moves > 20 * median).sum()),
        "stale": int((runs >= 9).sum()),
        "zero_volume": int((frame["volume"] == 0).sum()),
        "volume_jumps": int(((days > days.shift() * 100) | (days * 100 < days.shift())).sum()),
    }
"""
)

MEASURED = """
import tempfile
with tempfile.TemporaryDirectory() as folder:
    rows = job(sys.argv[1], folder)
import time
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(rows, time.process_time(), int(peak) // 1024)
"""


def _minutes(rows: int) -> Iterator[bytes]:
    """Yield ISO minutes: the cells of a sample month again and again, the times going on."""
    cells = [line.split(b",", 1)[1] for line in b"".join(csv_chunks(MONTH)).splitlines()[1:]]
    yield HEADER
    for first in range(0, rows, MONTH):
        count = min(MONTH, rows - first)
        stamps = (np.arange(first, first + count) * MINUTE_MS + START_MS).astype("datetime64[ms]")
        texts = np.datetime_as_string(stamps, unit="s").tolist()
        yield b"".join(b"%sZ,%s\n" % (text.encode(), cell) for text, cell in zip(texts, cells, strict=False))


def _write(path: Path, rows: int) -> Path:
    with path.open("wb") as file:
        file.writelines(_minutes(rows))
    return path


@pytest.fixture(scope="module", params=SIZES, ids="{:,}".format)
def rows(request: pytest.FixtureRequest) -> int:
    found: int = request.param
    return found


@pytest.fixture(scope="module")
def csv(rows: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = _write(tmp_path_factory.mktemp("bench") / "minutes.csv", rows)
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def rounds(request: pytest.FixtureRequest) -> int:
    """How often everything runs: five times where the benches were asked for, else once."""
    return 5 if request.config.getoption("markexpr") == "bench" else 1


def _seconds(rounds: int, job: Callable[[], object]) -> float:
    """The least CPU of some rounds, one after the other: each job finds the memory that it left; the first warms up."""
    best = float("inf")
    for _ in range(rounds + 1):
        begin = time.process_time()
        job()
        best = min(best, time.process_time() - begin)
    return best


def _read(path: Path, write: Callable[[object], None]) -> int:
    (file,) = opened([str(path)])
    return ingest([file], CsvOptions(), write=write, rows_max=10**9, bytes_max=10**12).rows


def _alone(path: Path, rows: int, rounds: int, *codes: str) -> list[tuple[float, int]]:
    """The least CPU seconds, imports included, and the peak memory in MB of jobs in processes of their own."""
    found = [(float("inf"), 0)] * len(codes)
    for _ in range(rounds):
        for at, code in enumerate(codes):
            done = subprocess.run(
                [sys.executable, "-c", code + MEASURED, str(path)],
                check=True,
                capture_output=True,
                text=True,
                # The `buff` command sets this: the threads of a BLAS that nobody uses would cost all alike.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )
            count, seconds, peak = done.stdout.split()
            assert int(count) == rows
            found[at] = min(found[at], (float(seconds), int(peak)))
    return found


@pytest.mark.bench
def test_ingest_beside_the_bare_parse_of_pyarrow(csv: Path, rows: int, rounds: int, tmp_path: Path) -> None:
    import pyarrow.csv

    one_thread = pyarrow.csv.ReadOptions(use_threads=False)

    def store() -> None:
        staged = tmp_path / "staged"
        writer = DatasetWriter(RealDisk(), str(staged), Timeframe.MINUTE_1)
        _read(csv, writer.write)
        assert writer.finish().rows == rows
        shutil.rmtree(staged)

    bare = _seconds(rounds, lambda: pyarrow.csv.read_csv(str(csv), read_options=one_thread))
    read, kept = _seconds(rounds, lambda: _read(csv, lambda block: None)), _seconds(rounds, store)
    print(f"\n{rows:,} ISO rows, {csv.stat().st_size / 1e6:.0f} MB, CPU after imports; pyarrow alone {bare:.3f} s")
    print(f"read: gate, parse, rules, source sha256 {read:.3f} = {read / bare:.2f} x pyarrow")
    print(f"and stored, hashed, synced, with facts  {kept:.3f} = {kept / bare:.2f} x pyarrow (goal 2)")
    assert read < bare * 10, "not even a noisy machine hides this much"


@pytest.mark.bench
@LINUX
def test_a_process_of_its_own_beside_pandas(csv: Path, rows: int, rounds: int) -> None:
    pandas = pytest.importorskip("pandas")
    (ours, peak), (rules, _), (same, their_peak) = _alone(csv, rows, rounds, OURS, RULES, SAME_CHECKS)
    print(f"\n{rows:,} ISO rows stored, hashed and synced in a process of its own, imports included")
    print(f"buff                            {ours:.3f} s CPU, peak {peak} MB (goal 300)")
    print(f"pandas {pandas.__version__:8} the same checks {same:.3f} s CPU, peak {their_peak} MB:", end=" ")
    print(f"{same / ours:.2f} x (goal 1.8); without those of the quality report {rules:.3f} s: {rules / ours:.2f} x")
    assert peak < 300


@pytest.mark.bench
def test_one_bad_cell_in_the_last_row_beside_a_clean_file(csv: Path, rows: int, rounds: int) -> None:
    from buff.errors import DataInvalid

    bad = csv.with_name("bad.csv")
    shutil.copyfile(csv, bad)
    with bad.open("r+b") as file:
        file.seek(-200, os.SEEK_END)
        file.seek(file.read().rindex(b",") - 199, os.SEEK_END)
        file.write(b"x")

    def refuse() -> None:
        with pytest.raises(DataInvalid, match=f"line {rows + 1}"):
            _read(bad, lambda block: None)

    clean, found = _seconds(rounds, lambda: _read(csv, lambda block: None)), _seconds(rounds, refuse)
    bad.unlink()
    print(
        f"\nclean file {clean:.3f} s, with one bad cell in row {rows:,} {found:.3f} s: {found / clean:.2f} x (goal 2)"
    )
    assert found < clean * 6


@pytest.mark.nightly
@LINUX
def test_the_memory_of_twenty_million_rows(tmp_path: Path) -> None:
    path = _write(tmp_path / "many.csv", MANY)
    size = path.stat().st_size
    (seconds, peak), *_ = _alone(path, MANY, 1, OURS)
    path.unlink()
    print(f"\n{MANY:,} ISO rows, {size / 1e9:.2f} GB: {seconds:.1f} s CPU, peak {peak} MB (goal 600)")
    assert peak < 600
