"""`buff build`: what a server makes in the background, as a person and as a script see it."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from attrs import evolve

from buff import builds
from buff.builds import Build, Progress
from buff.cli.build import _status
from buff.cli.main import run
from buff.store import Store
from buff.work import run as work
from whole import SETTINGS, host, opened, request


@pytest.fixture
def server(root: Path) -> Iterator[Store]:
    with opened(root) as store:
        yield store


def test_builds_are_listed_the_newest_first(
    root: Path, server: Store, minutes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = builds.request(server, request(minutes)).job
    second = builds.request(server, {"csv": [str(minutes)], "symbol": "X"}, kind="ingest").job
    work(str(root), first, host=host(), settings=SETTINGS)
    assert run(["build", "list", "--runs-root", str(root)]) == 0
    heads, *rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert heads == ["build", "requested", "status", "what", "result", "by"]
    assert [row[0] for row in rows] == [second, first]
    assert rows[0][2:5] == ["queued, number 1", "ingest X", "–"]
    assert rows[1][2:4] == ["succeeded", "run BTCUSDT 1h ma_cross"]
    assert rows[1][4] in server.state.runs
    assert run(["build", "list", "--runs-root", str(root), "--limit", "1"]) == 0
    captured = capsys.readouterr()
    assert (len(captured.out.splitlines()), captured.err) == (2, "1 more: --after 1\n")
    assert run(["build", "list", "--runs-root", str(root), "--json"]) == 0
    page = json.loads(capsys.readouterr().out)
    assert ([item["build_id"] for item in page["items"]], page["total"], page["next"]) == ([second, first], 2, None)


def test_a_build_is_shown_and_ended_by_the_beginning_of_its_id(
    root: Path, server: Store, minutes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = builds.request(server, request(minutes)).job
    assert run(["build", "show", job[:12], "--runs-root", str(root)]) == 0
    assert f"build      {job}\nstatus     queued, number 1\n" in capsys.readouterr().out
    assert run(["build", "cancel", job[:12], "--why", "a mistake", "--runs-root", str(root), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["build_id"], found["status"], found["code"]) == (job, "failed", "BUILD_CANCELLED")
    assert run(["build", "show", job, "--runs-root", str(root)]) == 0
    out = capsys.readouterr().out
    assert "failed     BUILD_CANCELLED: the build was cancelled" in out
    assert "what to do build it again" in out
    told = [item.event for item in server.events() if item.event.TYPE == "build_cancel_requested"]
    assert [event.why for event in told] == ["a mistake"]  # type: ignore[union-attr]


def test_a_build_that_is_not_there_is_not_found(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("show", "cancel"):
        assert run(["build", verb, "bld_0000000000000000", "--runs-root", str(root)]) == 5
        assert capsys.readouterr().err.startswith("BUILD_NOT_FOUND")


def test_how_far_a_build_is_stands_beside_its_status(server: Store, minutes: Path) -> None:
    entry = msgspec.structs.replace(builds.request(server, request(minutes)), status="running")
    reading = Progress(stage="reading", done=1, total=4, run_id=None, at=0.0)
    assert _status(Build(entry=entry, progress=reading)) == "running, reading 25 %"
    deciding = Build(entry=entry, progress=Progress(stage="deciding", done=0, total=0, run_id="run_a", at=0.0))
    assert _status(evolve(deciding, stalled=True)) == "running, deciding, no progress for a minute"
