"""The process that serves: one socket, one application, one line that says where it is, a log, and a quick end.

An open store and an address go in; pages and API come out until somebody ends it. Loopback is the default: whoever
reaches the port reads the runs, unless a token is set. SIGTERM, Ctrl-C and a closed terminal end it within three
seconds, whatever is under way; builds are processes of their own and go on.
"""

import contextlib
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

import uvicorn
from attrs import evolve
from litestar import Litestar

from buff import Store, __version__
from buff.errors import RunConfigInvalid
from buff.feed import Feed
from buff.jobs import M_MMAP_THRESHOLD, allocate
from buff_web.app import create_app
from buff_web.assets import library_path, load
from buff_web.guard import LOOPBACK, Guard
from buff_web.logs import Sink, Style, bridged, descriptor, logger
from buff_web.parser import Parser
from buff_web.requests import Requests, is_loopback
from buff_web.trail import Trail, follow

GOODBYE_SECONDS: Final = 2  # what running answers get when the server is told to end
END_SECONDS: Final = 2.6  # after which the process ends, even if a thread is still reading
AT_ONCE: Final = 130  # the exit code when it is told to end twice: what shells give a process ended by Ctrl-C
FILES_MAX: Final = 65_536
BLOCK_BYTES: Final = 1 << 20  # what is larger is the system's again as soon as it is freed
_BACKLOG = 128


def serve(
    store: Store, *, host: str, port: int, style: Style | None = None, level: str = "info", create: bool | None = None
) -> int:
    """Serve a store until Ctrl-C or SIGTERM; return the exit code. Port 0 takes any free port.

    Prints one line with the address once connections are accepted; the log goes to stderr, for people when that is a
    terminal unless `style` says how. `create` says whether runs may be created through the web, over what the settings
    say. Raises RunConfigInvalid when the address cannot be used.
    """
    if create is not None:
        store.settings = evolve(store.settings, web_create=create)
    _allow_files()
    _give_memory_back()
    assets = load(library_path())
    listening = listen(host, port)
    local = is_loopback(listening.getsockname()[0])
    address = f"http://{_in_url(host)}:{listening.getsockname()[1]}"
    names = {*LOOPBACK, _in_url(host), store.host.name} - {""}
    sink = Sink(descriptor(sys.stderr.fileno()))
    with _logging(store, sink, style, level) as log:
        app = create_app(store, assets=assets)
        guarded = Guard(app, root=store.root, names=names, any_address=not local)
        config = uvicorn.Config(
            Requests(guarded, log=log, token=store.host.token),
            http=Parser,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # whoever asks says of himself whatever he likes
            ws="none",
            timeout_graceful_shutdown=GOODBYE_SECONDS,
        )
        server = _Server(config, app, last=sink.close)
        with _ending(server):
            log.info("started", address=address, pid=store.host.pid, version=__version__, **_doors(store))
            for warning in _warnings(store, local=local, library_problem=assets.library_problem):
                log.warning(warning)
            print(f"Buff is at {address}/runs  (Ctrl-C ends it)", flush=True)  # noqa: T201 - said to whoever started us
            gc.collect()
            gc.freeze()  # what was made until now stays; to look through it again would stop every answer meanwhile
            server.run(sockets=[listening])
            listening.close()
            log.info("ended")
            store.close()
    return 0


@contextlib.contextmanager
def _logging(store: Store, sink: Sink, style: Style | None, level: str) -> Iterator[Any]:
    """Yield the log, to which the journal's events go as long as it is open."""
    terminal = sys.stderr.isatty()
    log = logger(
        sink,
        clock=store.host.clock,
        style=style or ("console" if terminal else "json"),
        level=level,
        colours=terminal and not store.host.environment.get("NO_COLOR"),
        hidden={store.settings.token or "": "TOKEN", store.root: "RUNS_ROOT"},
    )
    ended = threading.Event()
    following = threading.Thread(target=follow, args=(Feed(store), Trail(store), log, ended), name="trail", daemon=True)
    with bridged(log):
        following.start()
        try:
            yield log
        finally:
            ended.set()
            following.join(timeout=1)
            sink.close()


def _doors(store: Store) -> dict[str, bool]:
    return {"create": store.settings.web_create, "token": store.settings.token is not None}


def _warnings(store: Store, *, local: bool, library_problem: str | None) -> Iterator[str]:
    """Yield what whoever started the server should know."""
    if library_problem:
        yield f"charts are drawn as still pictures: {library_problem}"
    if store.settings.artifacts_root and not os.path.isdir(store.settings.artifacts_root):
        yield "no legacy runs are shown: ARTIFACTS_ROOT names no directory"
    if local:
        return
    if store.settings.token is None:
        yield (
            "this is not a loopback address and no token is set: whoever reaches it reads every run"
            + (" and creates others" if store.settings.web_create else "")
            + "; set BUFF_TOKEN"
        )
    else:
        yield "this is not a loopback address: the token travels in clear unless a proxy in front speaks TLS"


def _allow_files() -> None:
    """Let this process open as many files as it may: a page maps columns until its values are collected."""
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, FILES_MAX)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def _give_memory_back() -> None:
    """Let columns that were freed go back to the system at once, where the C library is glibc.

    By itself it keeps blocks as large as any that was freed, up to 32 MiB, for each thread: 600 MB after twenty clients
    read a run of millions of bars.
    """
    allocate({M_MMAP_THRESHOLD: BLOCK_BYTES})


class _Server(uvicorn.Server):
    """uvicorn's server, which says that it ends before it waits for anything, and does not wait for ever."""

    def __init__(self, config: uvicorn.Config, app: Litestar, *, last: Callable[[float], None]) -> None:
        """Keep the application, whose streams are to end, and what is done before a process is cut off."""
        super().__init__(config)
        self._app, self._last = app, last

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; a second signal ends at once. Not raised again afterwards: ending when asked is no failure."""
        if self.should_exit:
            os._exit(AT_ONCE)
        self.should_exit = True
        # A thread that reads a large file cannot be interrupted, and Python would wait for it. Nothing is lost with it:
        # whatever writes survives a kill.
        cut = threading.Timer(END_SECONDS, self._cut)
        cut.daemon = True
        cut.start()

    def _cut(self) -> None:
        self._last(0.1)
        os._exit(0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then do as uvicorn does."""
        self._app.state.closing.set()
        await super().shutdown(sockets)


@contextlib.contextmanager
def _ending(server: _Server) -> Iterator[None]:
    """Let signals end the server from the moment on at which it says where it is, before uvicorn looks after them."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    heard = [number for number in numbers if before[number] is not signal.SIG_IGN]  # nohup stays nohup
    for number in heard:
        signal.signal(number, server.handle_exit)
    try:
        yield
    finally:
        if not server.should_exit:
            for number in heard:
                signal.signal(number, before[number])


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


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
