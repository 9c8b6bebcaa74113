"""What another CPU, BLAS or numpy does to the last bits: the figures of `docs/explanation/determinism.md`.

`python tests/evidence.py` prints, for each way of computing, the share of values that differ from this process's in a
process with another surrounding. `python tests/evidence.py PYTHON` compares with another interpreter, so another numpy.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy._core import _multiarray_umath as kernels
from numpy.typing import NDArray

SURROUNDINGS = {
    "CPU features off": {"NPY_DISABLE_CPU_FEATURES": " ".join(kernels.__cpu_dispatch__)},
    "other BLAS kernels": {"OPENBLAS_CORETYPE": "Prescott"},
    "one BLAS thread": {"OPENBLAS_NUM_THREADS": "1"},
}


def computed() -> Mapping[str, NDArray[np.float64]]:
    """Return values of a walk by integer arithmetic, computed in ways that Buff forbids and in ways that it allows."""
    state, steps = 2_026, []
    for _ in range(100_003):
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        steps.append((state >> 40) % 2_000_001 - 1_000_000)
    walk = np.array(steps) / 1_000_003.0
    size = np.abs(walk) + 0.1
    parts = [walk[:count] for count in range(1_000, 100_000, 499)]
    return {
        "exp": np.exp(walk * 20),
        "log": np.log(size),
        "power": np.power(size, 1.7),
        "dot": np.array([np.dot(part, part[::-1].copy()) for part in parts]),
        "convolve": np.convolve(walk, np.full(20, 0.05), "valid"),
        "sum": np.array([part.sum() for part in parts]),
        "mean": np.array([part.mean() for part in parts]),
        "var": np.array([part.var() for part in parts]),
        "std": np.array([part.std(ddof=1) for part in parts]),
        "+ − × ÷ √": (walk * 1.0001 + size) / 3.3 - np.sqrt(size),
        "cumsum": np.cumsum(walk),
        "maximum.accumulate": np.maximum.accumulate(walk),
    }


def elsewhere(python: str, **changes: str) -> Mapping[str, NDArray[np.float64]]:
    """Return the same values as a process of that interpreter has them."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "values.npz")
        subprocess.run([python, __file__, "--save", path], env={**os.environ, **changes}, check=True)
        with np.load(path) as found:
            return dict(found)


def main() -> None:
    """Save the values, or compare them."""
    ours = computed()
    if "--save" in sys.argv:
        np.savez(sys.argv[2], **ours)
        return
    others = {name: elsewhere(sys.executable, **changes) for name, changes in SURROUNDINGS.items()}
    others |= {python: elsewhere(python) for python in sys.argv[1:]}
    print("numpy", np.__version__, "|", " | ".join(others))
    for name, values in ours.items():
        shares = [f"{(values != other[name]).mean():7.2%}" for other in others.values()]
        print(f"{name:<20}", " ".join(shares))


if __name__ == "__main__":
    main()
