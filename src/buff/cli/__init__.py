"""The `buff` command: one file per verb over the public API."""
