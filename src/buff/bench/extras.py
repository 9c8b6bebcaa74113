"""Extras: what a rival needs that Buff does not, whether it is installed, and how it is got.

Names of distributions go in; versions, or what is lacking, come out. Nothing is imported to find out.
"""

import importlib.metadata
from collections.abc import Sequence

INSTALL = 'pip install "buff[bench]"'
RIVALS = ("backtesting", "distributed", "eventsourcing", "pandas", "polars", "vectorbt")


def version(distribution: str) -> str | None:
    """Return the version of a distribution; None where it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def lacking(needs: Sequence[str]) -> tuple[str, ...]:
    """Return those of some distributions that are not installed."""
    return tuple(each for each in needs if version(each) is None)
