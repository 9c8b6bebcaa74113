"""`python -m buff.worker ROOT JOB`: the process of one build, started by a server. No part of the command line.

Settings come from the environment, as everywhere. Exit codes: 0 the build has ended, however, or was not this process's
to do; 75 there was no room and it still waits; anything else, it could not be begun.
"""

import os
import sys
from collections.abc import Sequence

NICENESS = 10  # somebody waits for every page that is read; who asked for a build looks in later


def main(arguments: Sequence[str]) -> int:
    """Do the build; return the exit code."""
    # Buff never uses BLAS, whose threads would cost every start 40 ms of processor time. Set before numpy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # noqa: TID251 - a door
    from buff import faults
    from buff.host import this_host
    from buff.jobs import NO_ROOM, Ended, end_on_signals
    from buff.settings import Settings
    from buff.work import run

    end_on_signals()
    if hasattr(os, "nice"):  # Windows has none
        os.nice(NICENESS)
    root, job = arguments
    host = this_host()
    sys.excepthook = faults.hook(host.clock, category="create", event="build_process_failed", job=job)
    settings = Settings.from_env(host.environment, user=host.user, cores=host.cores)
    try:
        build = run(root, job, host=host, settings=settings)
    except Ended as ended:
        return ended.exit_code
    return NO_ROOM if build.status == "queued" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
