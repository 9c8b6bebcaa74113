"""What a request takes, over HTTP on loopback: a page of very many runs, and a window of very many bars.

`pytest -m bench -s tests/bench/test_web.py` fills a root with 100,000 runs, makes a run of 2,628,000 one-minute bars,
and prints median and 99th percentile. As an ordinary test both are smaller, and only what noise cannot break is
asserted. The server is a process of its own; the time is that of the client, from the first byte sent to the last
received. Every run of the list has a manifest with the hash that was committed, which is what a list looks at.
"""

import http.client
import json
import random
import re
import signal
import statistics
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crowds import fill
from whole import make, start, write_csv

SHEET = "application/vnd.buff.columns"
PATIENCE_SECONDS = 60

pytestmark = pytest.mark.bench


@pytest.fixture(scope="module")
def whole(request: pytest.FixtureRequest) -> bool:
    """Whether the figures are wanted, and not only a test."""
    return bool(request.config.getoption("markexpr") == "bench")


@contextmanager
def server(root: Path) -> Iterator[http.client.HTTPConnection]:
    """A real `buff serve` over a root, and a connection that is kept open to it."""
    process = start(["-m", "buff", "serve", "--port", "0", "--runs-root", str(root)])
    try:
        assert process.stdout is not None
        found = re.search(r"http://([^/\s]+)", process.stdout.readline())
        assert found, "no address"
        connection = http.client.HTTPConnection(found[1], timeout=PATIENCE_SECONDS)
        yield connection
        connection.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_SECONDS)


def ask(connection: http.client.HTTPConnection, path: str, accept: str = "application/json") -> tuple[float, bytes]:
    """Return how long a request took, in milliseconds, and what was answered."""
    begun = time.perf_counter()
    connection.request("GET", path, headers={"accept": accept})
    answer = connection.getresponse()
    body = answer.read()
    milliseconds = (time.perf_counter() - begun) * 1e3
    assert answer.status == 200, body
    return milliseconds, body


def figures(name: str, times: list[float], goal: str = "") -> None:
    """Print median and 99th percentile of some times."""
    last = sorted(times)[max(0, -(-len(times) * 99 // 100) - 1)]
    print(f"  {name:<34} median {statistics.median(times):7.2f} ms   p99 {last:7.2f} ms   {goal}")


def test_a_page_of_very_many_runs(tmp_path: Path, whole: bool) -> None:
    runs, rounds = (100_000, 200) if whole else (2_000, 5)
    root = fill(tmp_path / "root", runs)
    chance = random.Random(1)
    kinds: dict[str, Callable[[], str]] = {
        "the first page": lambda: "",
        "a page anywhere": lambda: f"?after={chance.randrange(runs)}",
        "filtered": lambda: f"?symbol=ETHUSDT&risk_level={chance.randint(1, 5)}&strategy=macd",
        "by tag": lambda: f"?tag=sweep-{chance.randint(1, 20)}",
        "by words nobody asked before": lambda: f"?text={chance.getrandbits(12):03x}",
        "sorted by a metric": lambda: f"?sort=-sharpe&after={chance.randrange(runs)}",
        "sorted by symbol": lambda: f"?sort=symbol&after={chance.randrange(runs)}",
    }
    every: list[float] = []
    with server(root) as connection:
        opening, body = ask(connection, "/api/v1/runs")
        assert json.loads(body)["total"] == runs
        assert {item["state"] for item in json.loads(body)["items"]} == {"committed"}
        print(f"\n{runs:,} runs: the very first page {opening:.0f} ms, the journal read for it")
        for name, query in kinds.items():
            asked = [ask(connection, f"/api/v1/runs{query()}") for _ in range(rounds)]
            figures(name, [milliseconds for milliseconds, _ in asked])
            every += [milliseconds for milliseconds, _ in asked]
            assert all("items" in json.loads(body) for _, body in asked)
        cursor, seen = "", set[str]()
        for _ in range(rounds):
            milliseconds, body = ask(connection, f"/api/v1/runs?limit=50{cursor}")
            told = json.loads(body)
            seen |= {item["run_id"] for item in told["items"]}
            cursor = f"&cursor={told['cursor']}"
            every.append(milliseconds)
        assert len(seen) == 50 * rounds
        figures("all of these, and by cursor", every, "(goal: 10, 50)")
        figures("facets", [ask(connection, "/api/v1/facets")[0] for _ in range(rounds)])
        figures("the page of HTML", [ask(connection, "/runs", "text/html")[0] for _ in range(max(rounds // 4, 1))])


def test_a_window_of_very_many_bars(tmp_path: Path, whole: bool) -> None:
    minutes, rounds = (2_628_000, 200) if whole else (70_000, 5)
    root = tmp_path / "root"
    source = write_csv(tmp_path / "minutes.csv", minutes)
    run = make(root, source, timeframe="1m", params={"fast": 30, "slow": 120}, risk_level=3).run
    source.unlink()
    first, last = int(run.bars.ts[0]), int(run.bars.ts[-1])
    chance = random.Random(2)

    def window(days: float) -> str:
        begin = first + int(chance.random() * max(last - first - days * 86_400_000, 1))
        return f"from={begin}&to={begin + int(days * 86_400_000)}&max=2000"

    spans = {
        "all of it": lambda: "max=2000",
        "a year": lambda: window(365),
        "two months": lambda: window(60),
        "a week": lambda: window(7),
        "a day of minutes": lambda: window(1),
    }
    address = f"/api/v1/runs/{run.id}"
    every: list[float] = []
    with server(root) as connection:
        opening = {what: ask(connection, f"{address}/{what}?max=2000")[0] for what in ("bars", "equity")}
        print(f"\n{minutes:,} minutes: made and stored when first asked: {opening['bars']:.0f} ms for bars,", end=" ")
        print(f"{opening['equity']:.0f} ms for equity")
        for name, query in spans.items():
            asked = [ask(connection, f"{address}/bars?{query()}", SHEET) for _ in range(rounds)]
            figures(name, [milliseconds for milliseconds, _ in asked])
            every += [milliseconds for milliseconds, _ in asked]
            assert all(0 < rows_of(body) <= 2_000 for _, body in asked)
        figures("all windows, binary", every, "(goal: median 5)")
        figures("all of it as JSON", [ask(connection, f"{address}/bars?max=2000")[0] for _ in range(rounds)])
        figures("equity, binary", [ask(connection, f"{address}/equity?max=2000", SHEET)[0] for _ in range(rounds)])
        figures(
            "decisions, a page",
            [ask(connection, f"{address}/decisions?after={minutes // 2}")[0] for _ in range(rounds)],
        )
    with server(root) as connection:
        again = {what: ask(connection, f"{address}/{what}?max=2000")[0] for what in ("bars", "equity")}
        size = sum(path.stat().st_size for path in (root / "_cache" / "pyramids").iterdir())
        print(f"  a new server: {again['bars']:.0f} and {again['equity']:.0f} ms; {size / 1e6:.1f} MB in the cache")


def rows_of(body: bytes) -> int:
    """Return how many rows the first column of a sheet has."""
    head = json.loads(body[16 : 16 + struct.unpack_from("<I", body, 8)[0]])
    return int(head["columns"][0]["rows"])
