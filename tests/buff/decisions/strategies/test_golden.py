"""Indicators and decisions are the same bits everywhere: as they were written once, and without the CPU's features."""

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy._core import _multiarray_umath as kernels

import golden_strategies
from golden_strategies import GOLDEN, digests
from whole import process


def test_they_are_what_they_were_when_the_golden_was_written() -> None:
    assert "".join(digests()) == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("seed", ["0", "4242"])
def test_they_are_so_in_a_process_without_the_features_that_numpys_kernels_use(seed: str) -> None:
    """`tests/test_determinism.py` shows that the switch does something."""
    off = {"NPY_DISABLE_CPU_FEATURES": " ".join(kernels.__cpu_dispatch__), "PYTHONHASHSEED": seed}
    done = process([str(Path(golden_strategies.__file__))], env=off)
    assert done.returncode == 0, done.stderr
    assert done.stdout == GOLDEN.read_text(encoding="utf-8"), (sys.version, np.__version__)
