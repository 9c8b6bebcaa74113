"""`python -m buff_web`: the same as `buff serve`, where only the module is at hand."""

import sys

from buff.__main__ import main as buff


def main() -> int:
    """Serve a root until it is ended; return the exit code."""
    sys.argv.insert(1, "serve")
    return buff()


if __name__ == "__main__":
    sys.exit(main())
