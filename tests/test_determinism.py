"""The same inputs give the same bytes, whatever surrounds the process; and no decision knows what comes after it."""

import hashlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import golden_strategies
from buff.datasets import DatasetWriter
from buff.files import RealDisk, read_chunks
from buff.market.ingest import ingest
from buff.market.options import CsvOptions
from buff.market.source import Source
from buff.sample import csv_chunks
from golden_run import GOLDEN, MINUTES, RUNS, hashes_of_made, write_sample
from whole import environment, make, process

TESTS = Path(__file__).parent
_LOCALE = shutil.which("locale")
LOCALES = subprocess.run([_LOCALE, "-a"], capture_output=True, text=True).stdout.split() if _LOCALE else ()
SURROUNDINGS = {
    "east, seed 0, one thread": {"PYTHONHASHSEED": "0", "TZ": "Asia/Kolkata", "ARROW_NUM_THREADS": "1"},
    "west, seed 4242, many threads, optimised": {
        "PYTHONHASHSEED": "4242",
        "TZ": "America/New_York",
        "ARROW_NUM_THREADS": "16",
        "OMP_NUM_THREADS": "16",
        "OPENBLAS_NUM_THREADS": "16",
        "PYTHONOPTIMIZE": "2",
    },
    "the other BLAS kernels, one thread": {"OPENBLAS_CORETYPE": "Prescott", "OPENBLAS_NUM_THREADS": "1"},
    "chance of its own, a zone of half hours": {"PYTHONHASHSEED": "random", "TZ": "Australia/Lord_Howe"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0"},
    "POSIX, in UTF-8": {"LC_ALL": "POSIX", "PYTHONUTF8": "1"},
    "Turkish": {"LC_ALL": "tr_TR.utf8"},
    "German": {"LC_ALL": "de_DE.utf8"},
}


def golden() -> dict[str, dict[str, str]]:
    """Return the hashes of every file of the golden runs."""
    tables = {name: (GOLDEN / name / "SHA256SUMS").read_text().splitlines() for name in RUNS}
    return {name: dict(line.split("  ")[::-1] for line in table) for name, table in tables.items()}


def made_by(python: str, folder: Path, **env: str) -> dict[str, dict[str, str]]:
    done = subprocess.run(
        [python, str(TESTS / "golden_run.py"), str(folder)], env=environment(**env), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_the_golden_runs_are_the_same_in_other_surroundings(tmp_path: Path, name: str) -> None:
    wanted = SURROUNDINGS[name].get("LC_ALL", "C")
    if wanted not in ("C", *LOCALES):
        pytest.skip(f"the locale {wanted} is not installed here")
    assert made_by(sys.executable, tmp_path, **SURROUNDINGS[name]) == golden()


EXP = """
import hashlib
import numpy
import numpy._core._multiarray_umath as kernels
print(" ".join(kernels.__cpu_dispatch__))
print(hashlib.sha256(numpy.exp(numpy.linspace(-20, 20, 10_001)).tobytes()).hexdigest())
"""


def test_the_golden_runs_are_the_same_without_the_cpu_features_numpy_uses(tmp_path: Path) -> None:
    """numpy ignores names it does not know, so it is first shown that the switch does something at all."""
    features, usual = process(["-c", EXP]).stdout.splitlines()
    off = {"NPY_DISABLE_CPU_FEATURES": features}
    switched = process(["-c", EXP], env=off)
    if switched.returncode != 0 or switched.stdout.splitlines()[1] == usual:
        pytest.skip(f"numpy's kernels could not be switched here, so nothing is shown: {features or 'none to switch'}")
    assert made_by(sys.executable, tmp_path, **off) == golden()


@pytest.mark.parametrize(("block_bytes", "chunk_bytes"), [(4_099, 997), (65_536, 1 << 20), (1 << 22, 10_007)])
def test_the_dataset_does_not_depend_on_the_size_of_blocks(tmp_path: Path, block_bytes: int, chunk_bytes: int) -> None:
    """A run is a function of its dataset, so the dataset is all that blocks could change."""
    path = tmp_path / "sample.csv"
    path.write_bytes(b"".join(csv_chunks(MINUTES)))
    writer = DatasetWriter(RealDisk(), str(tmp_path / "dataset"), CsvOptions().base)
    source = Source(name="sample.csv", chunks=partial(read_chunks, str(path), chunk_bytes))
    ingest([source], CsvOptions(), write=writer.write, rows_max=10**9, bytes_max=10**9, block_bytes=block_bytes)
    dataset = writer.finish()
    for name in RUNS:
        manifest = json.loads((GOLDEN / name / "manifest.json").read_text())
        assert dataset.id == manifest["data"]["dataset_id"]


@pytest.mark.parametrize("pool", ["processes", "threads"])
def test_the_golden_runs_are_the_same_made_by_many_at_once(
    tmp_path: Path, pool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them twice, in one root: who comes second finds the run that is there, or waits for it."""
    write_sample(tmp_path)
    monkeypatch.setenv("BUFF_BUILDS_MAX", "4")  # however few processors there are
    before = Path.cwd()
    workers = (
        ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn"))
        if pool == "processes"
        else ThreadPoolExecutor(4)
    )
    try:
        with workers:
            made = list(workers.map(partial(hashes_of_made, tmp_path), [*RUNS, *RUNS], timeout=300))
    finally:
        os.chdir(before)
    assert [dict([each]) for each in made] == [{name: golden()[name]} for name in [*RUNS, *RUNS]]


# Other Pythons, oldest and newest of what Buff stands on

LOWEST = TESTS.parent / ".ci" / "lowest.py"
PROJECT = TESTS.parent / "pyproject.toml"


def installed() -> list[str]:
    """Return the interpreters of this machine from 3.11 on: those of the path, and those of pyenv."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [shutil.which(f"python3.{minor}") for minor in range(11, 20)]
    found += sorted(str(path) for path in versions.glob("3.*/bin/python3.[1-9][0-9]"))
    real = {os.path.realpath(path): None for path in found if path is not None}
    return [path for path in real if _minor(path) >= 11]


def _minor(python: str) -> int:
    """Return 12 of Python 3.12, and 0 of what does not answer: pyenv leaves shims of versions that are not there."""
    asked = [python, "-c", "import sys; print(sys.version_info[1])"]
    done = subprocess.run(asked, capture_output=True, text=True)
    return int(done.stdout) if done.returncode == 0 else 0


@pytest.mark.nightly
@pytest.mark.parametrize("bounds", ["oldest", "newest"])
@pytest.mark.parametrize("python", installed())
def test_the_golden_runs_are_the_same_on_every_python(tmp_path: Path, python: str, bounds: str) -> None:
    """An environment of its own is made of wheels alone; where there are none for a pair, nothing is shown."""
    needed = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    lowest = subprocess.run([sys.executable, str(LOWEST), str(PROJECT)], capture_output=True, text=True, check=True)
    (tmp_path / "bounds.txt").write_text(lowest.stdout if bounds == "oldest" else "")
    subprocess.run([python, "-m", "venv", str(tmp_path / "venv")], check=True, capture_output=True)
    own = str(tmp_path / "venv" / "bin" / "python")
    install = [own, "-m", "pip", "install", "--only-binary", ":all:", "--constraint", str(tmp_path / "bounds.txt")]
    done = subprocess.run([*install, *needed], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"{python} cannot be given the {bounds} packages: {done.stderr.strip().splitlines()[-1]}")
    source = os.pathsep.join((str(TESTS.parent / "src"), str(TESTS)))
    assert made_by(own, tmp_path, PYTHONPATH=source) == golden()
    env = environment(PYTHONPATH=source)
    told = subprocess.run([own, str(TESTS / "golden_strategies.py")], env=env, capture_output=True, text=True)
    assert told.stdout == golden_strategies.GOLDEN.read_text(encoding="utf-8"), told.stderr


# No look-ahead, from CSV to records


@pytest.mark.parametrize(
    "values",
    [
        {"timeframe": "1h", "strategy": "ma_cross", "params": {"fast": 2, "slow": 5, "direction": "both"}},
        {"timeframe": "15m", "strategy": "ma_cross", "params": {"fast": 3, "slow": 8}},
        {"timeframe": "1d", "strategy": "hold", "params": None},
    ],
    ids=["1h both", "15m long", "1d hold"],
)
def test_a_run_on_a_prefix_of_the_data_is_the_prefix_of_the_run(tmp_path: Path, values: dict[str, object]) -> None:
    lines = b"".join(csv_chunks(7 * 1_440)).splitlines(keepends=True)
    whole_csv = tmp_path / "whole.csv"
    whole_csv.write_bytes(b"".join(lines))
    whole = make(tmp_path / "root", whole_csv, **values).run
    for days in (2, 3, 5):
        csv = tmp_path / f"{days}.csv"
        csv.write_bytes(b"".join(lines[: 1 + days * 1_440]))
        part = make(tmp_path / "root", csv, **values).run
        count = len(part.records)
        assert 0 < count < len(whole.records)
        assert part.artifact("decision_records.jsonl") == _first_lines(whole.artifact("decision_records.jsonl"), count)
        for name in ("equity", "drawdown", "position"):
            assert np.array_equal(getattr(part, name), getattr(whole, name)[:count]), name
        closed = [trade for trade in part.trades if trade["state"] == "closed"]
        assert closed == whole.trades[: len(closed)]


def _first_lines(data: bytes, count: int) -> bytes:
    return b"".join(data.splitlines(keepends=True)[:count])


def test_sample_data_are_the_same_bytes_everywhere() -> None:
    assert hashlib.sha256(b"".join(csv_chunks(MINUTES))).hexdigest() == SAMPLE_SHA256


SAMPLE_SHA256 = "aa2cd36c603c1682b5af1c667f310cd2924854a1d5827ea6e2d4da76b786f71d"
