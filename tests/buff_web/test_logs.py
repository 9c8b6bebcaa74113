"""The log's lines: complete, in order, never in the way, and without what must not be in them."""

import io
import json
import logging
import os
import threading
import time
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buff_web.logs import REQUEST_ID, Sink, bridged, descriptor, logger

TIME = "2026-01-02T03:04:05.678901Z"
PATIENCE_SECONDS = 20


class Lines:
    """A place for lines, in memory."""

    def __init__(self) -> None:
        self.written = io.BytesIO()
        self.sink = Sink(self.written.write)

    def logger(self, **options: Any) -> Any:
        return logger(self.sink, clock=lambda: TIME, **options)

    @property
    def text(self) -> str:
        self.sink.close(PATIENCE_SECONDS)
        return self.written.getvalue().decode()

    @property
    def found(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


def test_a_line_is_one_object_that_says_when_how_loud_and_what() -> None:
    lines = Lines()
    lines.logger().info("run_committed", category="create", seq=7, run_id="run_1", request_id="req_1")
    assert lines.text == (
        f'{{"time":"{TIME}","level":"info","category":"create","event":"run_committed","seq":7,"run_id":"run_1",'
        '"request_id":"req_1"}\n'
    )


def test_what_is_not_loud_enough_is_left_out() -> None:
    lines = Lines()
    log = lines.logger(level="warning")
    log.info("quiet")
    log.warning("loud")
    assert [line["event"] for line in lines.found] == ["loud"]


def test_the_request_at_hand_is_named() -> None:
    lines = Lines()
    kept = REQUEST_ID.set("req_7")
    try:
        lines.logger().info("one")
    finally:
        REQUEST_ID.reset(kept)
    lines.logger().info("two")
    assert [line.get("request_id") for line in lines.found] == ["req_7", None]


def test_people_get_the_time_of_day_and_nothing_that_moves_a_cursor() -> None:
    lines = Lines()
    lines.logger(style="console").warning("request", category="request", path="/a\x1b[2J\n", status=404)
    assert lines.text.startswith("03:04:05.678 [warning  ] request")
    assert lines.text.count("\n") == 1
    assert "\x1b" not in lines.text
    assert "status=404" in lines.text


@pytest.mark.parametrize("style", ["json", "console"])
@given(
    token=st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    where=st.sampled_from(["event", "path", "encoded", "frames"]),
)
def test_a_token_is_never_in_a_line(style: Any, token: str, where: str) -> None:
    """Invariants checked: wherever it was put, as it is or as an address writes it, the line does not hold it."""
    marked = f"Zq7{token}7qZ"  # what hypothesis makes alone may be part of any line
    lines = Lines()
    log = lines.logger(style=style, hidden={marked: "TOKEN"})
    put = {
        "event": {"event": marked},
        "path": {"path": f"/a/{marked}"},
        "encoded": {"path": f"/a/{quote(marked)}/b"},
        "frames": {"frames": ["one", marked]},
    }[where]
    log.info(**{"event": "request", **put})
    assert "TOKEN" in lines.text
    assert "Zq7" not in lines.text


def test_who_logs_is_never_kept_waiting() -> None:
    """While nobody reads, lines that wait are bounded and later ones are dropped, and how many is said afterwards."""
    go, written = threading.Event(), io.BytesIO()

    def slow(data: bytes) -> None:
        go.wait(PATIENCE_SECONDS)
        written.write(data)

    sink = Sink(slow, lines_max=10)
    log = logger(sink, clock=lambda: TIME)
    began = time.monotonic()
    for number in range(1000):
        log.info("line", number=number)
    assert time.monotonic() - began < PATIENCE_SECONDS / 2
    go.set()
    while b"lines_dropped" not in written.getvalue() and time.monotonic() - began < PATIENCE_SECONDS:
        time.sleep(0.01)
    found = [json.loads(line) for line in written.getvalue().splitlines()]
    dropped = found.pop()
    assert dropped["event"] == "lines_dropped"
    assert len(found) + dropped["lines"] == 1000
    numbers = [line["number"] for line in found]
    assert numbers == sorted(numbers), "some in the middle may be lost, where the writer began late"
    assert numbers[:10] == list(range(10))
    sink.close()


def test_lines_that_come_together_are_written_together() -> None:
    """All of them, in order, in far fewer pieces than there are lines; the first at once."""
    pieces: list[bytes] = []
    first = threading.Event()

    def write(data: bytes) -> None:
        pieces.append(data)
        first.set()

    sink = Sink(write)
    sink.put("0")
    assert first.wait(PATIENCE_SECONDS)
    for number in range(1, 2000):
        sink.put(str(number))
    sink.close(PATIENCE_SECONDS)
    assert b"".join(pieces).decode().split() == [str(number) for number in range(2000)]
    assert len(pieces) < 1000


def test_a_reader_that_left_ends_the_log_and_nothing_else() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    sink = Sink(descriptor(writing))
    log = logger(sink, clock=lambda: TIME)
    for _ in range(100):
        log.info("line")
    sink.close(PATIENCE_SECONDS)
    assert not sink._thread.is_alive()
    os.close(writing)


def test_a_reader_that_stopped_does_not_hold_back_the_end() -> None:
    reading, writing = os.pipe()
    sink = Sink(descriptor(writing))
    for _ in range(2000):
        sink.put("x" * 200)
    began = time.monotonic()
    sink.close(0.1)
    assert time.monotonic() - began < PATIENCE_SECONDS / 2
    os.close(reading)  # lets the thread go
    sink.close(PATIENCE_SECONDS)
    os.close(writing)


def test_a_descriptor_that_does_not_wait_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    data = b"x" * 1_000_000
    got = bytearray()

    def read() -> None:
        while len(got) < len(data):
            got.extend(os.read(reading, 65536))

    reader = threading.Thread(target=read)
    reader.start()
    descriptor(writing)(data)
    reader.join(PATIENCE_SECONDS)
    assert bytes(got) == data
    os.close(reading)
    os.close(writing)


def _failing(secret: str) -> None:
    held = secret
    raise RuntimeError(f"it was {held}")


# What others log ---------------------------------------------------------------------------------------------------


def test_the_words_of_other_loggers_come_without_the_values() -> None:
    lines = Lines()
    before = logging.getLogger().handlers[:]
    with bridged(lines.logger()):
        logging.getLogger("uvicorn.error").warning("Invalid thing %s received", "hunter2")
        logging.getLogger("uvicorn.error").info("not loud enough")
        logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: <hunter2>")
        try:
            _failing("hunter2")
        except RuntimeError:
            logging.getLogger("buff_web").exception("a bug: an answer failed")
    assert logging.getLogger().handlers == before
    assert [(line["level"], line["logger"], line["event"]) for line in lines.found] == [
        ("warning", "uvicorn.error", "Invalid thing %s received"),
        ("error", "asyncio", "Task exception was never retrieved"),
        ("error", "buff_web", "a bug: an answer failed"),
    ]
    assert "test_logs._failing" in lines.text
    assert "hunter2" not in lines.text


def test_a_thread_that_ends_by_a_bug_is_told() -> None:
    lines = Lines()
    with bridged(lines.logger()):
        thread = threading.Thread(target=_failing, args=("hunter2",))
        thread.start()
        thread.join()
    assert [line["event"] for line in lines.found] == ["thread_failed"]
    assert "hunter2" not in lines.text
