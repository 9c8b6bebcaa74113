"""Fixtures and Hypothesis profiles that every test shares."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", max_examples=5_000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("dev")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real vendor files, kept beside the checkout and never in it."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("real vendor files (../shared/data) are not on this machine")
    return folder
