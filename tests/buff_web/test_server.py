"""The real process: one line with the address, answers on a socket, and a quick goodbye."""

import http.client
import itertools
import json
import platform
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from buff.errors import RunConfigInvalid
from buff_web.server import listen
from visitor import Visitor
from whole import buff, environment, opened, process, write_csv

SLACK_SECONDS = 2  # of a machine that is busy with other tests
READERS = """
import sys, threading
import numpy as np
from buff_web import server

if sys.argv[1] == "given back":
    server._give_memory_back()
kept, together = [], threading.Barrier(8)

def read():
    np.ones(3_000_000)  # freed at once: glibc learns from it that blocks are as large
    together.wait()
    column = np.ones(2_500_000)
    together.wait()
    kept.append(bytes(5_000))  # lies above the column and holds it down

threads = [threading.Thread(target=read) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(next(int(line.split()[1]) // 1024 for line in open("/proc/self/status") if line.startswith("RssAnon")))
"""


def _said(server: Any, code: int, by: int = signal.SIGTERM) -> list[tuple[str, int | None]]:
    """End a server; return its log: what happened, and the status where it was a request."""
    ended, text = server.end(by)
    assert ended == code, text
    lines = [json.loads(line) for line in text.splitlines()]
    return [(line["event"], line.get("status")) for line in lines]


def _until(true: Any, seconds: int = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def _get(server: Any, path: str, **headers: str) -> tuple[int, bytes]:
    host, port = server.local.removeprefix("http://").rsplit(":", 1)
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=20)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("module", ["buff", "buff_web"])
def test_it_says_where_it_is_and_answers(root: Path, serve: Any, module: str) -> None:
    server = serve(root, module=module)
    assert server.url.startswith("http://127.0.0.1:")
    status, page = _get(server, "/runs")
    assert (status, b"ma_cross" in page) == (200, True)
    assert _get(server, "/runs", Host="evil.example")[0] == 403
    assert _said(server, 0) == [("started", None), ("request", 200), ("request", 403), ("ended", None)]


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_and_well_with_a_connection_open(root: Path, serve: Any, by: int) -> None:
    server = serve(root)
    host, port = server.local.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as idle:
        idle.sendall(b"GET /runs HTTP/1.1\r\nHost: localhost\r\n")  # never finished
        _get(server, "/runs")
        began = time.monotonic()
        assert _said(server, 0, by)[-1] == ("ended", None)
        assert time.monotonic() - began < 3


# A server of which one address is as slow as a disk that does not answer.
_SLOW = """
import sys, time, buff
from buff_web.gauges import Gauges
from buff_web.server import serve
Gauges.text = lambda gauges: time.sleep(60)
sys.exit(serve(buff.open(sys.argv[1]), host="127.0.0.1", port=0))
"""


def _asked_what_takes_a_minute(root: Path, serve: Any) -> tuple[Any, socket.socket]:
    server = serve(root, command=["-c", _SLOW, str(root)])
    host, port = server.local.removeprefix("http://").split(":")
    asking = socket.create_connection((host, int(port)))
    asking.sendall(b"GET /api/v1/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert _get(server, "/api/v1/health/live")[0] == 200  # by then the other is being answered, or will never be
    return server, asking


def test_a_thread_that_waits_for_a_disk_does_not_keep_it_from_ending(root: Path, serve: Any) -> None:
    server, asking = _asked_what_takes_a_minute(root, serve)
    with asking:
        began = time.monotonic()
        code, text = server.end()
        assert time.monotonic() - began < 3 + SLACK_SECONDS
    assert code == 0
    assert [line for line in map(json.loads, text.splitlines()) if line.get("path") == "/api/v1/metrics"]


def test_a_second_signal_ends_it_at_once(root: Path, serve: Any) -> None:
    server, asking = _asked_what_takes_a_minute(root, serve)
    with asking:
        server.process.send_signal(signal.SIGINT)
        time.sleep(0.3)  # two at the same moment are one to the system
        assert server.process.poll() is None
        began = time.monotonic()
        assert server.end(signal.SIGINT)[0] == 130
        assert time.monotonic() - began < 1 + SLACK_SECONDS


def test_a_terminal_that_closes_ends_it_too(root: Path, serve: Any) -> None:
    assert _said(serve(root), 0, signal.SIGHUP)[-1] == ("ended", None)


def test_a_log_that_nobody_reads_any_more_does_not_end_it(root: Path, serve: Any) -> None:
    server = serve(root)
    server.process.stderr.close()
    for _ in range(20):
        assert _get(server, "/api/v1/health/live")[0] == 200
    server.process.stderr = None
    assert server.end()[0] == 0


def test_what_is_logged_can_be_chosen(root: Path, serve: Any) -> None:
    server = serve(root, "--log-format", "console", "--log-level", "warning")
    assert _get(server, "/api/v1/health/live")[0] == 200
    assert server.end() == (0, "")
    server = serve(root, "--log-format", "console")
    assert _get(server, "/api/v1/health/live")[0] == 200
    lines = server.end()[1].splitlines()
    assert [re.split(r"[ \]]+", line)[1:3] for line in lines] == [
        ["[info", "started"], ["[info", "request"], ["[info", "ended"],
    ]  # fmt: skip


@pytest.mark.parametrize(("option", "set_to", "says"), [("--create", "", True), ("--no-create", "1", False)])
def test_an_option_wins_over_the_environment(root: Path, serve: Any, option: str, set_to: str, says: bool) -> None:
    server = serve(root, option, env={"BUFF_WEB_CREATE": set_to})
    started = json.loads(server.end()[1].splitlines()[0])
    assert (started["event"], started["create"], started["token"]) == ("started", says, False)


def test_the_token_is_nowhere_in_the_log(root: Path, serve: Any) -> None:
    token = "Zq7-a-token-that-nobody-may-read"
    server = serve(root, "--host", "0.0.0.0", env={"BUFF_TOKEN": token})
    server.local = f"http://127.0.0.1:{server.local.rsplit(':', 1)[1]}"
    assert _get(server, "/api/v1/runs")[0] == 401
    assert _get(server, "/api/v1/runs", Authorization=f"Bearer {token}")[0] == 200
    assert _get(server, f"/api/v1/runs/{token}", Authorization=f"Bearer {token}")[0] == 404
    assert _get(server, f"/api/v1/runs?token={token}", Authorization=f"Bearer {token}x")[0] == 401
    code, said = server.end()
    assert code == 0
    assert token not in said
    assert "/api/v1/runs/TOKEN" in said
    assert "the token travels in clear" in said
    assert str(root) not in said


def test_a_name_of_loopback_will_do(root: Path, serve: Any) -> None:
    server = serve(root, "--host", "localhost")
    assert _get(server, "/api/v1/runs")[0] == 200


def test_another_address_is_warned_about(root: Path, serve: Any) -> None:
    server = serve(root, "--host", "0.0.0.0")
    port = server.local.rsplit(":", 1)[1]
    server.local = f"http://127.0.0.1:{port}"
    assert _get(server, "/api/v1/runs")[0] == 200
    assert _get(server, "/api/v1/runs", Host=f"192.0.2.1:{port}")[0] == 200
    assert _get(server, "/api/v1/runs", Host="evil.example")[0] == 403
    code, said = server.end()
    assert code == 0
    assert "not a loopback address" in said


def test_a_port_that_is_taken_is_refused(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = buff("serve", "--runs-root", str(root), "--port", port)
    assert done.returncode == 3
    assert "RUN_CONFIG_INVALID: cannot listen on 127.0.0.1:" in done.stderr


def test_answers_are_not_held_back() -> None:
    """Only for a socket that names TCP does asyncio send small packets at once; otherwise each answer waits 40 ms."""
    with listen("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP


@pytest.mark.parametrize("host", ["no.such.name.invalid", "203.0.113.1", "x" * 300])
def test_an_address_that_is_not_ours_is_refused(host: str) -> None:
    with pytest.raises(RunConfigInvalid, match="cannot listen on"):
        listen(host, 0)


def test_a_root_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for command in (["-m", "buff", "serve"], ["-m", "buff_web"]):
        done = process([*command, "--runs-root", str(tmp_path / "nothing")])
        assert (done.returncode, done.stderr.split(":")[0]) == (8, "RUNS_ROOT_INVALID")


def test_importing_buff_imports_no_web() -> None:
    code = "import sys, buff, buff.api; assert not {'litestar', 'uvicorn', 'jinja2', 'buff_web'} & set(sys.modules)"
    assert process(["-c", code]).returncode == 0


_UP = (
    "..",
    "%2e%2e",
    "..%2f",
    "%2e%2e%2f",
    "..%5c",
    "%252e%252e%252f",
    "..%00",
    "....//",
    "..;/",
    "%c0%ae%c0%ae/",
    "~root",
)
_GOALS = ("manifest.json", "_journal/HEAD", "etc/passwd", "%2fetc%2fpasswd", "index.json", "../../_journal/HEAD")
_ODD = (
    "%00", "%ff%fe", "a" * 5000, "%0d%0aset-cookie:a=b", "con", "nul", "..", ".", "%2e", "-", "_journal", "_datasets",
    "new", "run_*", "run_%25", "%7b%7b7*7%7d%7d", "%3Cscript%3E", "'%20or%201=1--", "%F0%9F%92%A5", "%E2%80%AE", "?",
)  # fmt: skip


def test_no_address_leaves_what_is_served(root: Path, serve: Any) -> None:
    """A corpus of traversals and odd names in every place of an address, sent raw over one connection.

    Each is refused with a type: never a 500, never a file, never a path of this machine.
    """
    server = serve(root)
    run_id = next(path.name for path in root.iterdir() if path.name.startswith("run_"))
    secret = (root / "_journal" / "HEAD").read_bytes()
    places = (
        f"/api/v1/runs/{run_id}/artifacts/",
        f"/api/v1/runs/{run_id}/artifacts/columns/",
        "/api/v1/runs/",
        "/assets/",
    )
    names = [f"{up}/{goal}" for up, goal in itertools.product(_UP, _GOALS)] + list(_ODD)
    host, port = server.local.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    found = {}
    for place, name in itertools.product(places, names):
        connection.request("GET", place + name)
        answer = connection.getresponse()
        body = answer.read()
        found[place + name] = answer.status
        assert answer.status in (400, 404) or place + name == "/api/v1/runs/?", (place + name, answer.status)
        assert secret not in body
        assert b"root:" not in body
        assert str(root.parent).encode() not in body
        assert answer.headers["content-type"] in ("application/problem+json", "application/json")
    connection.close()
    assert len(found) >= 300
    assert {status for event, status in _said(server, 0) if event == "request"} <= {200, 400, 404}


# Ending with work under way ----------------------------------------------------------------------------------------


def _streaming(server: Any, path: str) -> socket.socket:
    """Open an event stream and return its connection once the first bytes of it came."""
    host, port = server.local.removeprefix("http://").split(":")
    stream = socket.create_connection((host, int(port)), timeout=20)
    stream.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    got = b""
    while b"retry:" not in got:
        got += stream.recv(65536)
    return stream


def test_streams_and_an_upload_do_not_keep_it_and_leave_nothing(root: Path, serve: Any) -> None:
    server = serve(root, "--create")
    host, port = server.local.removeprefix("http://").split(":")
    streams = [_streaming(server, "/api/v1/journal/events") for _ in range(5)]
    upload = http.client.HTTPConnection(host, int(port), timeout=20)
    upload.putrequest("PUT", "/api/v1/uploads")
    for name, text in {**Visitor(server.local).mark, "content-type": "text/csv", "content-length": "10000000"}.items():
        upload.putheader(name, text)
    upload.endheaders(b"timestamp,open,high,low,close,volume\n" * 100_000)
    _until(lambda: any(path.stat().st_size for path in (root / "_staging").glob("*/*.part")))
    began = time.monotonic()
    code, text = server.end()
    took = time.monotonic() - began
    assert took < 3 + SLACK_SECONDS
    assert code == 0, text
    for stream in streams:
        while stream.recv(65536):
            pass
        stream.close()
    upload.close()
    assert not list(root.rglob("*.part"))
    lines = [json.loads(line) for line in text.splitlines()]
    ended = [line for line in lines if line.get("path") == "/api/v1/journal/events"]
    assert [line["status"] for line in ended] == [200] * 5
    assert not [line["frames"] for line in lines if "frames" in line]
    assert [(line["path"], line["status"]) for line in lines if line.get("whole") is False] == [
        ("/api/v1/uploads", None)
    ]


_RUN = {
    "symbol": "BTCUSDT",
    "timeframe": "1h",
    "strategy": "ma_cross",
    "params": {"fast": 2, "slow": 9},
    "risk_level": 3,
}


def test_one_id_goes_from_a_request_into_the_worker_and_to_the_commit(tmp_path: Path, serve: Any) -> None:
    (tmp_path / "root").mkdir()
    server = serve(tmp_path / "root", "--create", env={"BUFF_FREE_BYTES_MIN": "0"})
    visitor = Visitor(server.local)
    upload = visitor.upload(write_csv(tmp_path / "minutes.csv"))
    build = visitor.build({**_RUN, "upload": upload}, **{"X-Request-ID": "mine-7"})
    run_id = visitor.until(build, "succeeded")["run_id"]
    code, text = server.end()
    assert code == 0
    lines = [line for line in map(json.loads, text.splitlines()) if line.get("request_id") == "mine-7"]
    assert [(line["category"], line["event"]) for line in lines if line["event"] != "request"] == [
        ("create", "build_requested"),
        ("create", "build_started"),
        ("ingest", "ingest_started"),
        ("ingest", "ingest_parsed"),
        ("ingest", "ingest_validated"),
        ("ingest", "dataset_stored"),
        ("create", "run_committed"),
        ("create", "build_finished"),
    ]
    assert [(line["method"], line["path"], line["status"]) for line in lines if line["event"] == "request"] == [
        ("POST", "/api/v1/runs", 202)
    ]
    assert {line["job"] for line in lines if line["event"] != "request"} == {build}
    assert lines[-1]["run_id"] == run_id
    assert "milliseconds" in lines[-1]


def test_builds_go_on_when_the_server_ends(tmp_path: Path, serve: Any) -> None:
    root = tmp_path / "root"
    root.mkdir()
    server = serve(root, "--create", env={"BUFF_FREE_BYTES_MIN": "0"})
    visitor = Visitor(server.local)
    upload = visitor.upload(write_csv(tmp_path / "many.csv", minutes=600_000))
    build = visitor.build({**_RUN, "upload": upload})
    visitor.until(build, "running")
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0
    assert time.monotonic() - began < 3 + SLACK_SECONDS
    _until(lambda: opened(root).state.builds[build].status == "succeeded", seconds=60)
    assert opened(root).runs().total == 1
    assert server.end()[0] == 0  # its output is read to the end, which the worker had as well


def test_legacy_runs_that_are_nowhere_are_missed(root: Path, serve: Any, tmp_path: Path) -> None:
    for names, warned in (
        (tmp_path / "nowhere", ["no legacy runs are shown: ARTIFACTS_ROOT names no directory"]),
        (tmp_path, []),
    ):
        server = serve(root, "--log-level", "warning", env={"ARTIFACTS_ROOT": str(names)})
        assert _said(server, 0) == [(said, None) for said in warned]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc")
def test_columns_that_were_read_are_not_kept() -> None:
    """Eight readers free 160 MB of columns; what is left of them differs by more than half of that."""
    glibc_alone = {name: value for name, value in environment().items() if not name.startswith("MALLOC_")}
    kept, given_back = (
        int(
            subprocess.run(
                [sys.executable, "-c", READERS, how], check=True, stdout=subprocess.PIPE, env=glibc_alone
            ).stdout
        )
        for how in ("kept", "given back")
    )
    assert kept - given_back > 80, (kept, given_back)
