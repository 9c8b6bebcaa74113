"""The process that serves: one socket, one application, one line that says where it is.

An open store and an address go in; pages and API come out until somebody ends it. Loopback is the default, because
there is no password: whoever reaches the port reads the runs.
"""

import ipaddress
import os
import signal
import socket
import sys
from types import FrameType

import uvicorn

from buff import Store
from buff.errors import RunConfigInvalid
from buff_web.app import create_app
from buff_web.assets import library_path, load
from buff_web.guard import LOOPBACK, Guard

GOODBYE_SECONDS = 2  # what running answers get when the server is told to end
_BACKLOG = 128


def serve(store: Store, *, host: str, port: int) -> int:
    """Serve a store until Ctrl-C or SIGTERM; return the exit code. Port 0 takes any free port.

    Prints one line with the address once connections are accepted. Raises RunConfigInvalid when the address cannot be
    used.
    """
    assets = load(library_path())
    listening = listen(host, port)
    local = _is_loopback(listening)
    names = {*LOOPBACK, _in_url(host), store.host.name} - {""}
    app = Guard(create_app(store, assets=assets), root=store.root, names=names, any_address=not local)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=GOODBYE_SECONDS,
    )
    if assets.library_problem:
        _say(f"Charts are drawn as still pictures: {assets.library_problem}.")
    if not local:
        _say("Warning: this is not a loopback address. There is no password: whoever reaches it reads every run.")
    print(f"Buff is at http://{_in_url(host)}:{listening.getsockname()[1]}/runs  (Ctrl-C ends it)", flush=True)  # noqa: T201 - said to whoever started us
    _run(uvicorn.Server(config), listening)
    return 0


def _run(server: uvicorn.Server, listening: socket.socket) -> None:
    # uvicorn raises the signal that ended it once more when it is done; ending when asked to is no failure.
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
        listening.close()


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there. Raises RunConfigInvalid when the address cannot be used."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        family, kind, protocol, _, address = found[0]
        # asyncio turns Nagle's delay off only for sockets that name TCP; without it every answer takes 40 ms longer.
        listening = socket.socket(family, kind, protocol)
        try:
            if os.name == "posix":  # elsewhere this would let two servers have one port
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)
        except OSError:
            listening.close()
            raise
        return listening
    except (OSError, UnicodeError) as error:
        raise RunConfigInvalid(
            f"cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}",
            hint="choose another --port (0 takes any free one) or another --host",
            details={"field": "port"},
        ) from error


def _is_loopback(listening: socket.socket) -> bool:
    return ipaddress.ip_address(listening.getsockname()[0].partition("%")[0]).is_loopback


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - said to whoever started us
