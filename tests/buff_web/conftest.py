"""What the tests of the web share: a client in this process, a real server beside it, and a real browser."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from litestar.testing import TestClient

from buff_web.app import create_app
from buff_web.guard import Guard
from visits import Visit
from whole import make, opened, start

LAUNCH = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_SECONDS = 20


@define
class Server:
    """A `buff serve` of its own, ended by its process id."""

    process: subprocess.Popen[str]
    url: str
    local: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.local = self.url.removesuffix("/runs")

    @classmethod
    def of(
        cls,
        root: Path,
        *options: str,
        module: str = "buff",
        env: Mapping[str, str] | None = None,
        command: Sequence[str] = (),
        log: Path | None = None,
    ) -> "Server":
        """Start one. Its log goes into a pipe that nobody reads, or into a file."""
        verb = ["serve"] if module == "buff" else []
        usual = ["-m", module, *verb, "--port", "0", "--runs-root", str(root), *options]
        with contextlib.ExitStack() as stack:
            kept = {"stderr": stack.enter_context(log.open("w"))} if log else {}
            process = start(command or usual, env=env, **kept)
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        if not found:
            process.kill()
            raise AssertionError(f"no address; stderr: {process.communicate()[1]}")
        return cls(process, found[0])

    def end(self, by: int = signal.SIGTERM) -> tuple[int, str]:
        """End the server; return its exit code and what it said on stderr."""
        self.process.send_signal(by)
        try:
            said = self.process.communicate(timeout=PATIENCE_SECONDS)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            said = self.process.communicate()[1]
        return self.process.returncode, said


@pytest.fixture(scope="session")
def _several(tmp_path_factory: pytest.TempPathFactory, minutes: Path) -> Path:
    root = tmp_path_factory.mktemp("several") / "root"
    make(
        root, minutes, timeframe="1m", params={"fast": 5, "slow": 20, "direction": "both"}, risk_level=5, tags=["fine"]
    )
    make(root, minutes, timeframe="15m", name="<b>bold</b>", notes="Look\nhere.", tags=["fine", "a/b"])
    make(root, minutes, symbol="ETHUSDT", strategy="hold", params={}, risk_level=1)
    return root


@pytest.fixture
def several(_several: Path, tmp_path: Path) -> Path:
    """A root with three runs: 1m, 15m with awkward texts, and one that holds."""
    return Path(shutil.copytree(_several, tmp_path / "several"))


def client_of(root: Path, **options: Any) -> TestClient[Any]:
    """Return a client of the whole application over a root, guard included."""
    app = Guard(create_app(opened(root), **options), root=str(root))
    return TestClient(app, base_url="http://127.0.0.1:8780", raise_server_exceptions=False)  # type: ignore[arg-type]


@pytest.fixture
def client(several: Path) -> Iterator[TestClient[Any]]:
    """A client over the root `several`."""
    with client_of(several) as found:
        yield found


@pytest.fixture
def client_over() -> Any:
    """The function that makes a client over any root."""
    return client_of


@pytest.fixture
def serve() -> Iterator[Any]:
    """A function that starts a real server over a root; all are ended with the test."""
    begun: list[Server] = []

    def begin(root: Path, *options: str, **more: Any) -> Server:
        begun.append(Server.of(root, *options, **more))
        return begun[-1]

    yield begin
    for server in begun:
        if server.process.poll() is None:
            server.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium of this machine; skipped where there is none, unless BUFF_TEST_BROWSER_REQUIRED is set.

    For one module: as long as it lives its thread has a running event loop, and no other test could begin one.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        if os.environ.get("BUFF_TEST_BROWSER_REQUIRED"):
            pytest.fail("BUFF_TEST_BROWSER_REQUIRED is set and no chromium was found on PATH")
        pytest.skip("no chromium on PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, headless=True, args=list(LAUNCH))
        yield found
        found.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Any]:
    """A function that opens a tab with a colour scheme; all are closed with the test."""
    begun: list[Visit] = []

    def begin(scheme: str = "light", **options: Any) -> Visit:
        begun.append(Visit(browser, scheme, **options))
        return begun[-1]

    yield begin
    for each in begun:
        each.context.close()
