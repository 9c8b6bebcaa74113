"""Runs of the previous generation, as values: found, read and never written (docs/how_to/migrate.md)."""
