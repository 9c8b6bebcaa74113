"""`python -m buff_web`: the same as `buff serve`, where only the module is at hand."""

import argparse
import sys

import buff
from buff.errors import BuffError
from buff_web.server import serve


def main() -> int:
    """Serve a root until it is ended; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m buff_web", description="Serve runs as read-only pages and API.")
    parser.add_argument("--runs-root", metavar="DIR", help="the runs root; else the environment's RUNS_ROOT")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8780, help="0 takes any free port (default: %(default)s)")
    given = parser.parse_args()
    try:
        return serve(buff.open(given.runs_root), host=given.host, port=given.port)
    except BuffError as error:
        print(f"{error.code}: {error.message}\n  What to do: {error.hint}", file=sys.stderr)  # noqa: T201 - a door
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
