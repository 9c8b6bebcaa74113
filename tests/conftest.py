"""Fixtures and Hypothesis profiles that every test shares."""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import outside
from whole import in_memory, make, write_csv

settings.register_profile("few", max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", max_examples=5_000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("dev")

# Under `nohup` every child would ignore a terminal that closes, and tests of what it does then would fail.
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real vendor files, kept beside the checkout and never in it."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("real vendor files (../shared/data) are not on this machine")
    return folder


@pytest.fixture(scope="session")
def minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of sample minutes."""
    return write_csv(tmp_path_factory.mktemp("minutes") / "minutes.csv")


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory, minutes: Path) -> Path:
    root = tmp_path_factory.mktemp("made") / "root"
    make(root, minutes)
    return root


@pytest.fixture
def root(_made: Path, tmp_path: Path) -> Path:
    """A root of its own for every test, with one run of `minutes` at 1h in it."""
    return Path(shutil.copytree(_made, tmp_path / "root"))


@pytest.fixture
def memory() -> Iterator[Path]:
    """A directory in memory where the machine has one, for tests in which processes die and the power does not go.

    No disk is waited for by thousands of syncs.
    """
    with tempfile.TemporaryDirectory(dir=in_memory(), prefix="buff-test-") as path:
        yield Path(path)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """A directory on the import path, for strategies from outside; nothing of it is left after the test."""
    with outside.site(tmp_path / "site") as folder:
        yield folder
