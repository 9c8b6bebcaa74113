"""What a request takes, over HTTP on loopback: a page of very many runs, and a window of very many bars.

`pytest -m bench -s tests/bench/test_web.py` fills a root with 100,000 runs, makes a run of 2,628,000 one-minute bars,
and prints median and 99th percentile. As an ordinary test both are smaller, and only what noise cannot break is
asserted. The server is a process of its own; the time is that of the client, from the first byte sent to the last
received, and beside it stands what processor time the server had meanwhile: on a machine that does other things, too,
the rest is waiting for a processor. Every run of the list has a manifest with the hash that was committed, which is
what a list looks at.
"""

import http.client
import json
import os
import random
import re
import signal
import statistics
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from attrs import frozen

from crowds import fill
from whole import make, start, write_csv

SHEET = "application/vnd.buff.columns"
PATIENCE_SECONDS = 60

# A process that makes one run after another, as those of builds do, and as nice as they are.
BUILD = """
import itertools, os, sys
import buff
os.nice(10)
root, source, number = sys.argv[1:]
with buff.open(root) as store:
    for fast, slow in itertools.product(range(2, 100), range(100, 4_000)):
        buff.create_run(csv=source, symbol="BTCUSDT", timeframe="1m", strategy="ma_cross", risk_level=1 + int(number),
                        params={"fast": fast, "slow": slow}, runs_root=store)
        print(slow, flush=True)
"""

pytestmark = pytest.mark.bench


@pytest.fixture(scope="module")
def whole(request: pytest.FixtureRequest) -> bool:
    """Whether the figures are wanted, and not only a test."""
    return bool(request.config.getoption("markexpr") == "bench")


@frozen(kw_only=True)
class Served:
    """A server, and a connection that is kept open to it."""

    connection: http.client.HTTPConnection
    pid: int

    def cpu(self) -> float:
        """Return the processor time it had until now, in milliseconds; 0 where nothing tells."""
        spent = 0
        folder = f"/proc/{self.pid}/task"
        for task in os.listdir(folder) if os.path.isdir(folder) else ():
            with suppress(OSError), open(f"{folder}/{task}/schedstat") as file:
                spent += int(file.read().split()[0])
        return spent / 1e6

    def memory(self) -> int:
        """Return the most memory it ever had, in bytes; 0 where nothing tells."""
        with suppress(OSError), open(f"/proc/{self.pid}/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
        return 0


@frozen(kw_only=True)
class Answer:
    """How long a request took and what processor time of the server, in milliseconds, and what was answered."""

    milliseconds: float
    cpu: float
    body: bytes


@contextmanager
def server(root: Path) -> Iterator[Served]:
    """A real `buff serve` over a root."""
    process = start(["-m", "buff", "serve", "--port", "0", "--runs-root", str(root)])
    try:
        assert process.stdout is not None
        found = re.search(r"http://([^/\s]+)", process.stdout.readline())
        assert found, "no address"
        connection = http.client.HTTPConnection(found[1], timeout=PATIENCE_SECONDS)
        with closing(connection):
            yield Served(connection=connection, pid=process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_SECONDS)


@contextmanager
def building(root: Path, source: Path, count: int) -> Iterator[None]:
    """So many processes that commit runs all the time; each has begun."""
    unlimited = {"BUFF_REQUESTS_PER_MINUTE": str(10**9)}
    processes = [start(["-c", BUILD, str(root), str(source), str(number)], env=unlimited) for number in range(count)]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline(), process.stderr.read()
        yield
        assert all(process.poll() is None for process in processes)
    finally:
        for process in processes:
            process.kill()
            process.communicate(timeout=PATIENCE_SECONDS)


def ask(served: Served, path: str, accept: str = "application/json") -> Answer:
    """Ask for an address, which is answered well. A connection that was idle for long may have been closed."""
    try:
        return _ask(served, path, accept)
    except http.client.RemoteDisconnected:
        return _ask(served, path, accept)


def _ask(served: Served, path: str, accept: str) -> Answer:
    spent, begun = served.cpu(), time.perf_counter()
    served.connection.request("GET", path, headers={"accept": accept})
    answer = served.connection.getresponse()
    body = answer.read()
    milliseconds = (time.perf_counter() - begun) * 1e3
    assert answer.status == 200, body
    return Answer(milliseconds=milliseconds, cpu=served.cpu() - spent, body=body)


def figures(name: str, answers: Sequence[Answer], goal: str = "") -> None:
    """Print median and 99th percentile of some answers."""
    times, cpus = sorted(each.milliseconds for each in answers), sorted(each.cpu for each in answers)
    last = max(0, -(-len(answers) * 99 // 100) - 1)
    print(
        f"  {name:<34} median {statistics.median(times):7.2f} ms   p99 {times[last]:7.2f} ms   "
        f"CPU {statistics.median(cpus):6.2f} and {cpus[last]:6.2f} ms   {goal}"
    )


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

    def read() -> None:
        """Ask for pages of all kinds in any order, then for one after the other by cursors."""
        asked = [name for name in kinds for _ in range(rounds)]
        chance.shuffle(asked)
        answers: dict[str, list[Answer]] = {name: [] for name in kinds}
        for name in asked:
            answers[name].append(ask(served, f"/api/v1/runs{kinds[name]()}"))
        assert all("items" in json.loads(each.body) for some in answers.values() for each in some)
        cursor, seen = "", set[str]()
        followed: list[Answer] = []
        for _ in range(rounds):
            followed.append(ask(served, f"/api/v1/runs?limit=50{cursor}"))
            told = json.loads(followed[-1].body)
            seen |= {item["run_id"] for item in told["items"]}
            cursor = f"&cursor={told['cursor']}"
        assert len(seen) == 50 * rounds
        for name, some in {**answers, "by cursor": followed}.items():
            figures(name, some)
        figures("all of these", [each for some in (*answers.values(), followed) for each in some], "(goal: 10, 50)")
        figures("facets", [ask(served, "/api/v1/facets") for _ in range(rounds)])
        figures("the page of HTML", [ask(served, "/runs", "text/html") for _ in range(max(rounds // 4, 1))])

    with server(root) as served:
        opening = ask(served, "/api/v1/runs")
        assert json.loads(opening.body)["total"] == runs
        assert {item["state"] for item in json.loads(opening.body)["items"]} == {"committed"}
        print(f"\n{runs:,} runs: the very first page {opening.milliseconds:.0f} ms, the journal read for it; {load()}")
        read()
        with building(root, write_csv(tmp_path / "minutes.csv", 10_000), 2):
            before = json.loads(ask(served, "/api/v1/runs").body)["total"]
            print(f"while two builds run; {load()}")
            read()
            after = json.loads(ask(served, "/api/v1/runs").body)["total"]
        assert after >= before > runs
        print(
            f"  {after - before} runs were committed meanwhile; the server had {served.memory() / 1e6:.0f} MB at most"
        )


def load() -> str:
    """Say how busy the machine is with whatever."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores" if hasattr(os, "getloadavg") else "load unknown"


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
    every: list[Answer] = []
    with server(root) as served:
        opening = {what: ask(served, f"{address}/{what}?max=2000") for what in ("bars", "equity")}
        print(f"\n{minutes:,} minutes: made and stored when first asked; {load()}")
        print("  " + ", ".join(f"{answer.milliseconds:.0f} ms for {what}" for what, answer in opening.items()))
        for name, query in spans.items():
            asked = [ask(served, f"{address}/bars?{query()}", SHEET) for _ in range(rounds)]
            figures(name, asked)
            every += asked
            assert all(0 < rows_of(each.body) <= 2_000 for each in asked)
        figures("all windows, binary", every, "(goal: median 5)")
        figures("all of it as JSON", [ask(served, f"{address}/bars?max=2000") for _ in range(rounds)])
        figures("equity, binary", [ask(served, f"{address}/equity?max=2000", SHEET) for _ in range(rounds)])
        figures(
            "decisions, a page",
            [ask(served, f"{address}/decisions?after={minutes // 2}") for _ in range(rounds)],
        )
    with server(root) as served:
        again = {what: ask(served, f"{address}/{what}?max=2000").milliseconds for what in ("bars", "equity")}
        size = sum(path.stat().st_size for path in (root / "_cache" / "pyramids").iterdir())
        print(f"  a new server: {again['bars']:.0f} and {again['equity']:.0f} ms; {size / 1e6:.1f} MB in the cache")


def rows_of(body: bytes) -> int:
    """Return how many rows the first column of a sheet has."""
    head = json.loads(body[16 : 16 + struct.unpack_from("<I", body, 8)[0]])
    return int(head["columns"][0]["rows"])
