"""What the service gives many readers at once while it builds: no error, quick answers, and no growth.

`pytest -m bench -s tests/bench/test_service.py` reads for a minute over fifty connections from a root of 1,000 runs,
with two builds running all the time, and prints the figures. As an ordinary test it reads for a few seconds from a
small root, and only what noise cannot break is asserted. The load comes from `wrk` where it is installed, else from a
client of our own, which takes more of the machine for itself.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from attrs import frozen

from visitor import Visitor
from whole import make, opened, start, write_csv

CONNECTIONS = 50
GROWTH_BYTES_MAX = 48 << 20  # of a server whose caches and threads fill while it is watched
PATIENCE_SECONDS = 60

pytestmark = [pytest.mark.bench, pytest.mark.skipif(sys.platform != "linux", reason="what a process takes is in /proc")]


@frozen(kw_only=True)
class Scale:
    """How much of everything."""

    seconds: int
    runs: int
    minutes: int


@frozen(kw_only=True)
class Load:
    """What came of a load. Latencies are milliseconds; an answer that is no 2xx is an error."""

    requests: int
    errors: int
    seconds: float
    median: float
    p99: float


@pytest.fixture(scope="module")
def scale(request: pytest.FixtureRequest) -> Scale:
    if request.config.getoption("markexpr") == "bench":
        return Scale(seconds=60, runs=1_000, minutes=500_000)
    return Scale(seconds=4, runs=6, minutes=100_000)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, scale: Scale) -> Path:
    """A root with so many runs over one dataset."""
    root = tmp_path_factory.mktemp("service") / "root"
    csv = write_csv(tmp_path_factory.mktemp("csv") / "minutes.csv", minutes=14_400)
    make(root, csv, params={"fast": 2, "slow": 40})
    dataset = opened(root).datasets()[0].dataset_id
    for number in range(1, scale.runs):
        make(root, dataset=dataset, params={"fast": 2 + number % 37, "slow": 40 + number // 37})
    return root


@pytest.fixture
def served(filled: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server over that root."""
    with serving(filled, tmp_path) as found:
        yield found


@contextlib.contextmanager
def serving(root: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Yield a server and its address, with its log in a file as a service has it."""
    with open(tmp_path / "log", "w") as log:
        command = ["-m", "buff", "serve", "--port", "0", "--create", "--runs-root", str(root)]
        # The thousand runs of the root were made just now, and count.
        env = {"BUFF_BUILDS_MAX": "2", "BUFF_FREE_BYTES_MIN": "0", "BUFF_REQUESTS_PER_MINUTE": "100000"}
        process = start(command, env=env, stderr=log)
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield process, line.split()[3].removesuffix("/runs")
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECONDS) == 0
            process.stdout.close()
    assert '"level":"error"' not in (tmp_path / "log").read_text()


@contextlib.contextmanager
def building(visitor: Visitor, csv: Path) -> Iterator[list[str]]:
    """Keep two builds running and one waiting, each another run of many minutes; yield those that were asked for."""
    values = {"symbol": "BTCUSDT", "timeframe": "1m", "strategy": "ma_cross", "params": {"fast": 5, "slow": 60}}
    upload = visitor.upload(csv)
    asked: list[str] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            open_ones = [job for job in asked if visitor.ask("GET", f"/api/v1/builds/{job}")[1]["status"] in OPEN]
            if len(open_ones) < 3:
                more = {"risk_level": 3, "commission_bps": len(asked) / 1000, "upload": upload}
                asked.append(visitor.build({**values, **more}))
            over.wait(0.1)

    OPEN = ("queued", "running")
    asking = threading.Thread(target=ask)
    asking.start()
    try:
        while len(asked) < 2:
            time.sleep(0.05)
        visitor.until(asked[1], "running", "succeeded")
        yield asked
    finally:
        over.set()
        asking.join(PATIENCE_SECONDS)
        for job in asked:
            visitor.ask("POST", f"/api/v1/builds/{job}/cancel")


API = ("/api/v1/runs/{}", "/api/v1/runs/{}/bars?max=500", "/api/v1/runs/{}/equity?max=500", "/api/v1/runs/{}/trades")
LISTS = ("/api/v1/runs", "/api/v1/runs?symbol=BTCUSDT&sort=-sharpe&limit=20", "/api/v1/health/live")
PAGES = ("/runs", "/runs/{}")


def paths_of(visitor: Visitor, patterns: Sequence[str], count: int = 40) -> list[str]:
    """Return what a reader asks for: each pattern for each of so many runs."""
    runs = [item["run_id"] for item in visitor.ask("GET", f"/api/v1/runs?limit={count}")[1]["items"]]
    return [pattern.format(run) for run in runs for pattern in patterns]


def test_many_read_while_two_builds_run(
    served: tuple[subprocess.Popen[str], str], scale: Scale, tmp_path: Path
) -> None:
    """First as programs read, lists and runs as JSON; then as people do beside them, with pages of HTML."""
    process, address = served
    visitor = Visitor(address)
    programs = paths_of(visitor, (*LISTS, *API))
    people = paths_of(visitor, (*LISTS, *API, *PAGES))
    csv = write_csv(tmp_path / "many.csv", minutes=scale.minutes)
    print(f"\n{CONNECTIONS} connections, two builds running; load of the machine {os.getloadavg()[0]:.1f}")
    with building(visitor, csv) as asked:
        load(address, people, max(scale.seconds // 4, 2), tmp_path)  # what fills once is full after it
        resident, files = resident_bytes(process.pid), open_files(process.pid)
        found = [
            watched(process.pid, name, address, paths, scale.seconds, tmp_path)
            for name, paths in (("as programs", programs), ("and people", people))
        ]
        for path in dict.fromkeys(people[: len((*LISTS, *API, *PAGES))]):
            print(f"    one reader: {path[:58]:<58} median {statistics.median(one_by_one(visitor, path)):6.1f} ms")
        states = {visitor.ask("GET", f"/api/v1/builds/{job}")[1]["status"] for job in asked}
    grown, more = resident_bytes(process.pid) - resident, open_files(process.pid) - files
    print(
        f"  {len(asked)} builds asked for meanwhile; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()}"
        f"\n  resident {resident / 1e6:.0f} MB, {grown / 1e6:+.1f} MB (goal: flat); open files {files}, {more:+d}"
    )
    assert [each.errors for each in found] == [0, 0]
    assert all(each.requests > scale.seconds for each in found)
    assert grown < GROWTH_BYTES_MAX
    assert more < CONNECTIONS
    assert "failed" not in states


def watched(pid: int, name: str, address: str, paths: Sequence[str], seconds: int, folder: Path) -> Load:
    """Make a load, and print what came of it and what it took of the server."""
    before = cpu_seconds(pid)
    found = load(address, paths, seconds, folder)
    cpu = cpu_seconds(pid) - before
    print(
        f"  {name:<12} {found.requests:,} answers in {found.seconds:.0f} s, errors {found.errors} (goal: 0), "
        f"median {found.median:.1f} ms, p99 {found.p99:.1f} ms (goal: 100), "
        f"{cpu / max(found.requests, 1) * 1e3:.2f} ms of processor time an answer"
    )
    return found


def one_by_one(visitor: Visitor, path: str, times: int = 20) -> list[float]:
    """Return how many milliseconds an answer took, each asked for when the one before was there."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        assert visitor.ask("GET", path)[0] == 200
        found.append((time.perf_counter() - began) * 1e3)
    return found


# What reads much ---------------------------------------------------------------------------------------------------

HEAVY = (
    "/api/v1/runs/{0}/trades",
    "/api/v1/runs/{0}/decisions?action=ENTER_LONG",
    "/api/v1/runs/{0}/explain?trade=7",
    "/api/v1/runs/{0}/explain?bar={2}",
    "/api/v1/compare?run={0}&run={1}",
    "/compare?run={0}&run={1}",
    "/runs/{0}",
    "/runs/{0}/report",
)
CROWD = 20
HEAVY_BYTES_MAX = 300 << 20


def test_a_crowd_that_reads_much_takes_little_more_than_a_few(tmp_path: Path, scale: Scale) -> None:
    """Twenty clients at once for what reads most of a run of many bars and very many trades."""
    minutes = scale.minutes * 5
    root, values = tmp_path / "root", {"timeframe": "1m", "risk_level": 1, "commission_bps": 0, "slippage_bps": 0}
    make(root, write_csv(tmp_path / "long.csv", minutes=minutes), params={"fast": 2, "slow": 5}, **values)
    dataset = opened(root).datasets()[0].dataset_id
    make(root, dataset=dataset, params={"fast": 2, "slow": 6}, **values)
    runs = opened(root).runs().items
    print(f"\n{CROWD} at once over {minutes:,} bars and {runs[0].trades:,} trades; load {os.getloadavg()[0]:.1f}")
    with serving(root, tmp_path) as (process, address):
        visitor = Visitor(address)
        for pattern in HEAVY:
            path = pattern.format(runs[0].run_id, runs[1].run_id, minutes // 2)
            assert visitor.ask("GET", path)[0] == 200  # each file is held to its hash once
            before = anonymous_bytes(process.pid)
            with watching(process.pid) as seen, ThreadPoolExecutor(CROWD) as crowd:
                began = time.perf_counter()
                answers = list(crowd.map(lambda _, path=path: visitor.ask("GET", path)[0], range(CROWD)))  # type: ignore[misc]
                seconds = time.perf_counter() - began
            more = max(seen, default=before) - before
            print(f"  {pattern:<48} {seconds:6.2f} s, {more / 1e6:+6.0f} MB (goal: {HEAVY_BYTES_MAX / 1e6:.0f})")
            assert answers == [200] * CROWD
            assert more < HEAVY_BYTES_MAX


@contextlib.contextmanager
def watching(pid: int) -> Iterator[list[int]]:
    """Yield what a process holds in memory of its own, looked at all the time."""
    seen: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.003):
            seen.append(anonymous_bytes(pid))

    looking = threading.Thread(target=watch)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join(PATIENCE_SECONDS)


def anonymous_bytes(pid: int) -> int:
    """Return what a process holds that is no file: mapped columns are the system's to give back."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


# What makes the load -----------------------------------------------------------------------------------------------

_LUA = """
local paths, at = {}, 0
for line in io.lines(os.getenv("PATHS")) do paths[#paths + 1] = line end
request = function()
  at = at % #paths + 1
  return wrk.format("GET", paths[at])
end
done = function(summary, latency)
  local errors = summary.errors
  local count = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("FOUND %d %d %d %d %d\\n", summary.requests, count, summary.duration,
    latency:percentile(50), latency:percentile(99)))
end
"""


def load(address: str, paths: Sequence[str], seconds: int, folder: Path) -> Load:
    """Ask for the paths in turn over many connections, each again as soon as it was answered."""
    wrk = shutil.which("wrk")
    if wrk is None:
        return asyncio.run(_load(address, paths, seconds))
    (folder / "paths").write_text("\n".join(paths))
    (folder / "load.lua").write_text(_LUA)
    command = [
        wrk,
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}",
        "--timeout",
        "30",
        "-s",
        str(folder / "load.lua"),
        address,
    ]
    done = subprocess.run(
        command, env={**os.environ, "PATHS": str(folder / "paths")}, capture_output=True, text=True, check=True
    )
    requests, errors, duration, median, p99 = map(int, done.stdout.split("FOUND ")[1].split())
    return Load(requests=requests, errors=errors, seconds=duration / 1e6, median=median / 1e3, p99=p99 / 1e3)


async def _load(address: str, paths: Sequence[str], seconds: int) -> Load:
    host, port = address.removeprefix("http://").split(":")
    end = time.perf_counter() + seconds
    milliseconds: list[float] = []
    errors = 0

    async def read(first: int) -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection(host, int(port))
        at = first
        while time.perf_counter() < end:
            at += 1
            began = time.perf_counter()
            writer.write(f"GET {paths[at % len(paths)]} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            await reader.readexactly(int(head.split("content-length:")[1].split("\r\n")[0]))
            milliseconds.append((time.perf_counter() - began) * 1e3)
            errors += not head.startswith("http/1.1 2")
        writer.close()

    await asyncio.gather(*(read(number * 7) for number in range(CONNECTIONS)))
    milliseconds.sort()
    p99 = milliseconds[len(milliseconds) * 99 // 100]
    median = statistics.median(milliseconds)
    return Load(requests=len(milliseconds), errors=errors, seconds=seconds, median=median, p99=p99)


def test_our_own_client_counts_like_the_tool(served: tuple[subprocess.Popen[str], str], tmp_path: Path) -> None:
    _, address = served
    paths = ["/api/v1/health/live", "/api/v1/nothing"]
    own = asyncio.run(_load(address, paths, 1))
    assert own.requests > 0
    assert 0 < own.errors < own.requests
    assert 0 < own.median <= own.p99


# What a process takes ----------------------------------------------------------------------------------------------


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
