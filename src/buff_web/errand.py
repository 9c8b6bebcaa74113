"""`python -m buff_web.errand`: the process of one errand, started by a server. No part of the command line.

A JSON document on standard input says what to do; one on standard output says what came of it, or the error. Settings
come from the environment, as everywhere.
"""

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec


def _verify(root: str, values: Mapping[str, Any], surroundings: Any) -> Mapping[str, Any]:
    from buff.proof import verify
    from buff.store import Store

    host, settings = surroundings
    with Store(root, host=host, settings=settings) as store:
        return verify(store, values["run_id"], no_lookahead=values["no_lookahead"]).as_dict()


def _preview(root: str, values: Mapping[str, Any], surroundings: Any) -> Mapping[str, Any]:
    from buff.preview import preview

    host, settings = surroundings
    return preview(values, root=root, host=host, settings=settings)


def _inspect(root: str, values: Mapping[str, Any], surroundings: Any) -> Mapping[str, Any]:
    from buff.builder import silent
    from buff.inspection import inspect_files
    from buff.runs.request import uploads_from
    from buff.uploads import kept

    _, settings = surroundings
    said = {name: value for name, value in values.items() if name not in ("upload", "file_name")}
    files = [kept(root, each) for each in uploads_from(values.get("upload"), values.get("file_name"))]
    return inspect_files(files, said, settings=settings, progress=silent)[0]


DEEDS: Mapping[str, Callable[[str, Mapping[str, Any], Any], Mapping[str, Any]]] = {
    "verify": _verify,
    "preview": _preview,
    "inspect": _inspect,
}


def main() -> int:
    """Do the errand; return the exit code, which is 0 also where an error came of it."""
    # Buff never uses BLAS, whose threads would cost every start 40 ms of processor time. Set before numpy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # noqa: TID251 - a door
    from buff import faults
    from buff.errors import BuffError
    from buff.host import this_host
    from buff.jobs import Ended, end_on_signals
    from buff.settings import Settings

    end_on_signals()
    asked = msgspec.json.decode(sys.stdin.buffer.read())
    host = this_host()
    sys.excepthook = faults.hook(host.clock, category="request", event="errand_failed", kind=asked["kind"])
    try:
        settings = Settings.from_env(host.environment, user=host.user, cores=host.cores)
        told = {"result": DEEDS[asked["kind"]](asked["root"], asked["values"], (host, settings))}
    except BuffError as error:
        told = {"error": error.as_dict()}
    except Ended as ended:
        return ended.exit_code
    sys.stdout.buffer.write(msgspec.json.encode(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
