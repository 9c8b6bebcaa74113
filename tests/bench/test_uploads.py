"""What a large upload costs the server: memory that does not depend on the size of the file, and nothing left over.

`pytest -m bench -s tests/bench/test_uploads.py` sends 300 MB to a real server, an ordinary test a tenth of that; the
bound on memory is the same. Prints the peak of the server's memory and how fast the file came in.
"""

import hashlib
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clerk import Clerk, until
from whole import start

MB = 1_000_000
PEAK_MB = 120
PIECE = bytes(range(256)) * 4_096

pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc"),
]


@pytest.fixture
def size(request: pytest.FixtureRequest) -> int:
    """How many bytes are sent."""
    return (300 if request.config.getoption("markexpr") == "bench" else 30) * MB


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Clerk, "subprocess.Popen[str]", Path]]:
    """A client, the server's process, and its empty root."""
    (tmp_path / "root").mkdir()
    environment = {"BUFF_WEB_CREATE": "1", "BUFF_FREE_BYTES_MIN": "0", "BUFF_UPLOAD_BYTES_MAX": str(500 * MB)}
    with (tmp_path / "log").open("w") as log:
        command = ["-m", "buff", "serve", "--port", "0", "--runs-root", str(tmp_path / "root")]
        process = start(command, env=environment, stderr=log)
    assert process.stdout is not None
    address = re.search(r"http://[^/\s]+", process.stdout.readline())
    assert address is not None
    yield Clerk(address[0]), process, tmp_path / "root"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)


def peak_mb(pid: int) -> float:
    """Return the most memory a process ever held, in MB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1_024 / MB


def pieces(size: int) -> Iterator[bytes]:
    for at in range(0, size, len(PIECE)):
        yield PIECE[: size - at]


def parts(root: Path) -> list[str]:
    return [path.name for path in root.rglob("*") if path.suffix == ".part"]


def test_a_large_file_comes_in_without_being_held(
    served: tuple[Clerk, "subprocess.Popen[str]", Path], size: int
) -> None:
    clerk, process, root = served
    before, digest = peak_mb(process.pid), hashlib.sha256()
    connection = clerk.connect()
    connection.putrequest("PUT", "/api/v1/uploads")
    for name, text in {**clerk.marked(), "content-length": str(size)}.items():
        connection.putheader(name, text)
    connection.endheaders()
    began = time.perf_counter()
    for piece in pieces(size):
        connection.send(piece)
        digest.update(piece)
    answer = connection.getresponse()
    seconds = time.perf_counter() - began
    assert answer.status == 201
    answer.read()
    connection.close()
    (kept,) = (root / "_uploads").iterdir()
    assert (kept.name, kept.stat().st_size) == (f"{digest.hexdigest()}.csv", size)
    peak = peak_mb(process.pid)
    print(f"\nupload of {size / MB:.0f} MB: {seconds:.2f} s, server peak {peak:.0f} MB (idle {before:.0f} MB)")
    assert peak <= PEAK_MB


def test_one_that_is_broken_off_half_way_leaves_no_file(
    served: tuple[Clerk, "subprocess.Popen[str]", Path], size: int
) -> None:
    clerk, process, root = served
    host, port = clerk.address.removeprefix("http://").split(":")
    lines = [f"PUT /api/v1/uploads HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-length: {size}\r\n"]
    lines += [f"{name}: {text}\r\n" for name, text in clerk.marked().items()]
    with socket.create_connection((host, int(port))) as broken:
        broken.sendall("".join([*lines, "\r\n"]).encode())
        for piece in pieces(size // 2):
            broken.sendall(piece)
        until(lambda: parts(root))
    until(lambda: not parts(root))
    assert not (root / "_uploads").exists()
    assert clerk.ask("GET", "/api/v1/runs").status == 200
    assert peak_mb(process.pid) <= PEAK_MB
