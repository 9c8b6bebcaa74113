"""`python -m buff` and the `buff` command: the door that reads arguments and environment."""

import os
import sys


def main() -> int:
    """Run the command line; return its exit code."""
    # Buff never uses BLAS, whose threads would cost every start 40 ms of processor time. Set before numpy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # noqa: TID251 - a door
    from buff.cli.main import run
    from buff.cli.output import guarded_output
    from buff.jobs import end_on_signals

    guarded_output()
    end_on_signals()
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
