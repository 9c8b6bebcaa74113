"""Buff: a local, deterministic, event-sourced research ledger."""

from buff._version import __version__

__all__ = ["__version__"]
