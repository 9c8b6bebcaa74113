"""What the tests of the web share: a client in this process, a real server beside it, and a real browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from buff.crew import Here
from buff.store import Store
from buff.sweeps import Asked, Sweep, carry_out, grid
from buff.windows import Walk
from buff_web.app import create_app
from buff_web.guard import Guard
from every_page import Place, furnish
from visits import Server, Visit, chromium
from whole import SETTINGS, host, make, opened


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


@pytest.fixture(scope="session")
def _swept(_several: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Sweep, ...]]:
    """A root with a grid of which some was skipped, requests of which one failed, and a walk forward."""
    root = Path(shutil.copytree(_several, tmp_path_factory.mktemp("swept") / "root"))
    with Store(str(root), host=host(), settings=SETTINGS) as store:
        dataset, symbol = store.datasets()[0].dataset_id, {"symbol": "BTCUSDT"}
        common: Any = {"datasets": [dataset], "timeframes": "1h", "risk": "3", "common": symbol}
        asked = grid(strategy_id="ma_cross", params={"fast": "2,4,6", "slow": "4,6"}, **common)
        wrong = {**asked.requests[0], "risk_level": 9, "name": "at /home/somebody/notes"}
        walk = Walk(train="12h", test="6h", purge="1h")
        wanted = (
            asked,
            Asked(requests=(asked.requests[0], wrong)),
            grid(strategy_id="hold", params={}, walk=walk, **common),
        )
        return root, tuple(carry_out(store, each, executor=Here()) for each in wanted)


@pytest.fixture(scope="session")
def sweeps(_swept: tuple[Path, tuple[Sweep, ...]]) -> tuple[Sweep, ...]:
    """The sweeps of that root, in the order in which they were carried out."""
    return _swept[1]


@pytest.fixture(scope="session")
def swept_root(_swept: tuple[Path, tuple[Sweep, ...]]) -> Path:
    """A root with sweeps, which no test changes."""
    return _swept[0]


def client_of(root: Path, **options: Any) -> TestClient[Any]:
    """Return a client of the whole application over a root, guard included, whose clock stands.

    Pages say how long ago something was: one that is asked for twice is the same, whatever minute ends meanwhile.
    """
    now = host().clock()
    app = Guard(create_app(opened(root, clock=lambda: now), **options), root=str(root))
    return TestClient(app, base_url="http://127.0.0.1:8780", raise_server_exceptions=False)  # type: ignore[arg-type]


@pytest.fixture
def client(several: Path) -> Iterator[TestClient[Any]]:
    """A client over the root `several`."""
    with client_of(several) as found:
        yield found


@pytest.fixture(scope="session")
def client_over() -> Any:
    """The function that makes a client over any root."""
    return client_of


def _serving() -> Iterator[Any]:
    begun: list[Server] = []

    def begin(root: Path, *options: str, **more: Any) -> Server:
        begun.append(Server.of(root, *options, **more))
        return begun[-1]

    yield begin
    for server in begun:
        if server.process.poll() is None:
            server.end()


@pytest.fixture
def serve() -> Iterator[Any]:
    """A function that starts a real server over a root; all are ended with the test."""
    yield from _serving()


@pytest.fixture(scope="module")
def serve_all() -> Iterator[Any]:
    """The same for servers that the tests of a module share; all are ended with the module."""
    yield from _serving()


@pytest.fixture(scope="module")
def furnished(
    tmp_path_factory: pytest.TempPathFactory, minutes: Path, serve_all: Any
) -> Iterator[tuple[Place, Server]]:
    """A root where every page has something to show, and a server over it that lets runs be made."""
    place = furnish(tmp_path_factory.mktemp("furnished"), minutes)
    return place, serve_all(place.root, "--create", env={"ARTIFACTS_ROOT": str(place.artifacts)})


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium of this machine; skipped where there is none, unless BUFF_TEST_BROWSER_REQUIRED is set.

    For one module: as long as it lives its thread has a running event loop, and no other test could begin one.
    """
    with chromium() as found:
        yield found


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
