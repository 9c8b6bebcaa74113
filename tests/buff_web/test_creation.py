"""From a file to a run through a real server: uploads, builds, their streams, and what is refused on the way."""

import hashlib
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from buff.audit import verify_all
from buff.builder import create
from buff.errors import CODES
from buff.journal.events import BuildRequested, RunCommitted
from buff.staging import pid_of
from clerk import Clerk, run_of, until
from whole import SETTINGS, events, host, make, names, opened, request

ON = {"BUFF_WEB_CREATE": "1", "BUFF_FREE_BYTES_MIN": "0"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def clerk(root: Path, serve: Any, tmp_path: Path) -> Clerk:
    """A client of a server that creates, over an empty root."""
    return Clerk(serve(root, env=ON, log=tmp_path / "log").local)


def left(root: Path) -> list[str]:
    """Return what there is of uploads: whole ones, and parts that are growing."""
    return sorted(path.name for path in root.rglob("*") if path.suffix == ".part" or path.parent.name == "_uploads")


# The whole way


def test_a_file_becomes_a_run(clerk: Clerk, root: Path, minutes: Path, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(minutes.read_bytes()).hexdigest()
    sent = clerk.ask("PUT", "/api/v1/uploads", minutes.read_bytes())
    assert (sent.status, sent.headers["location"]) == (201, f"/api/v1/uploads/{sha256}")
    assert sent.told == clerk.ask("GET", sent.headers["location"]).told
    asked = clerk.ask(
        "POST", "/api/v1/runs", request(upload=sha256, file_name="btc.csv"), x_request_id="from-the-tests"
    )
    build = asked.told
    assert (asked.status, asked.headers["location"]) == (202, f"/api/v1/builds/{build['build_id']}")
    assert (build["request_id"], build["by"], build["kind"]) == ("from-the-tests", "web", "run")
    with clerk.stream(f"{asked.headers['location']}/events") as told:
        found = list(told)
    assert (found[0].name, found[-1].data["status"]) == ("status", "succeeded")
    ids = [each.id for each in found if each.name == "status"]
    assert ids == sorted(ids, key=lambda each: each or 0)
    assert all(each.id is None for each in found if each.name == "progress")
    final = clerk.build(build["build_id"])
    assert final == found[-1].data
    run = clerk.ask("GET", f"/api/v1/runs/{final['run_id']}").told
    assert run["manifest"]["data"]["source"]["name"] == "btc.csv"
    assert final["run_id"] == make(tmp_path / "other", minutes).run.id
    committed = [event for event in events(root) if isinstance(event, RunCommitted)]
    assert [(each.by, each.job) for each in committed] == [("web", build["build_id"])]
    assert str(root) not in str((build, final, run))
    with opened(root) as store:
        assert [verdict.outcome for verdict in verify_all(store, record=False)] == ["identical"]


def test_the_same_again_is_one_upload_one_run(clerk: Clerk, root: Path, minutes: Path) -> None:
    first = clerk.ended(clerk.request(minutes.read_bytes()).told["build_id"])
    again = clerk.ended(clerk.request(minutes.read_bytes()).told["build_id"])
    assert (first["existed"], again["existed"]) == (False, True)
    assert first["run_id"] == again["run_id"]
    assert len(left(root)) == 1
    known = clerk.request(dataset=first["dataset_id"])
    assert (known.status, known.headers["location"]) == (200, f"/api/v1/runs/{first['run_id']}")
    assert known.told["run_id"] == first["run_id"]
    other = clerk.request(dataset=first["dataset_id"], timeframe="15m")
    assert other.status == 202
    assert clerk.ended(other.told["build_id"])["status"] == "succeeded"
    taken = clerk.request(dataset=first["dataset_id"], params={"fast": 4, "slow": 9}, run_id=first["run_id"])
    assert (taken.status, taken.told["code"]) == (409, "RUN_EXISTS")


def test_a_dataset_is_made_of_uploads(clerk: Clerk, minutes: Path) -> None:
    lines = minutes.read_bytes().splitlines(True)
    parts = [b"".join(lines[:1441]), b"".join([lines[0], *lines[1441:]])]
    body = {"upload": [clerk.upload(part) for part in parts], "file_name": ["a.csv", "b.csv"], "symbol": "BTCUSDT"}
    made = clerk.ended(clerk.ask("POST", "/api/v1/datasets", body).told["build_id"])
    assert (made["status"], made["kind"], made["run_id"]) == ("succeeded", "ingest", None)
    whole = clerk.ended(clerk.request(minutes.read_bytes()).told["build_id"])
    assert made["dataset_id"] == whole["dataset_id"]


def test_a_dry_run_makes_nothing(clerk: Clerk, root: Path, minutes: Path) -> None:
    body = request(upload=clerk.upload(minutes.read_bytes()))
    before = names(root)
    told = clerk.ask("POST", "/api/v1/runs?dry_run=true", body)
    assert (told.status, told.told["exists"]) == (200, False)
    assert (names(root), clerk.ask("GET", "/api/v1/builds").told["total"]) == (before, 0)
    made = clerk.ended(clerk.ask("POST", "/api/v1/runs", body).told["build_id"])
    assert made["run_id"] == told.told["run_id"]
    assert clerk.ask("POST", "/api/v1/runs?dry_run=true", body).told["exists"] is True


def test_a_file_is_looked_at_before_anything_is_made(clerk: Clerk, root: Path, minutes: Path) -> None:
    upload = clerk.upload(minutes.read_bytes())
    told = clerk.ask("POST", "/api/v1/inspections", {"upload": upload, "file_name": "BTCUSDT.csv"}).told
    assert (told["accepted"], told["rows"], told["files"]) == (True, 2_880, ["BTCUSDT.csv"])
    assert "--csv BTCUSDT.csv" in told["next"]
    gone = minutes.read_bytes().splitlines(True)
    del gone[100:120]
    held = clerk.ask("POST", "/api/v1/inspections", {"upload": clerk.upload(b"".join(gone))}).told
    assert (held["accepted"], held["problem"]["code"]) == (False, "DATA_INVALID")
    assert str(root) not in str((told, held))


def test_a_server_that_creates_makes_its_root(serve: Any, tmp_path: Path, minutes: Path) -> None:
    clerk = Clerk(serve(tmp_path / "new" / "root", env=ON, log=tmp_path / "log").local)
    assert clerk.ended(clerk.request(minutes.read_bytes()).told["build_id"])["status"] == "succeeded"


# What is refused


def test_creating_is_off_unless_somebody_turned_it_on(root: Path, serve: Any, tmp_path: Path, minutes: Path) -> None:
    clerk = Clerk(serve(root, log=tmp_path / "log").local)
    asked = {
        ("PUT", "/api/v1/uploads"): b"bytes",
        ("POST", "/api/v1/runs"): request(upload="0" * 64),
        ("POST", "/api/v1/datasets"): {"upload": "0" * 64, "symbol": "X"},
        ("POST", "/api/v1/inspections"): {"upload": "0" * 64},
        ("POST", "/api/v1/builds/bld_0/retry"): None,
    }
    for (verb, path), body in asked.items():
        answer = clerk.ask(verb, path, body)
        assert (answer.status, answer.told["code"]) == (403, "CREATION_DISABLED"), path
        assert "BUFF_WEB_CREATE=1" in answer.told["hint"]
    assert list(root.iterdir()) == [], "a server that is only read from writes nothing"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"csv": "/etc/passwd"}, "RUN_CONFIG_INVALID"),
        ({"upload": "/etc/passwd"}, "RUN_CONFIG_INVALID"),
        ({"upload": "0" * 64}, "UPLOAD_NOT_FOUND"),
        ({"dataset": "0" * 64}, "DATASET_NOT_FOUND"),
        ({}, "RUN_CONFIG_INVALID"),
        ({"upload": "0" * 64, "dataset": "0" * 64}, "RUN_CONFIG_INVALID"),
        ({"upload": "0" * 64, "file_name": "../x"}, "RUN_CONFIG_INVALID"),
        ({"upload": "0" * 64, "risk_level": "3"}, "RUN_CONFIG_INVALID"),
        ({"upload": "0" * 64, "risk_level": 9}, "RISK_INVALID"),
        ({"upload": "0" * 64, "strategy": "none"}, "STRATEGY_INVALID"),
        ({"upload": "0" * 64, "profile": "none"}, "PROFILE_INVALID"),
        ({"upload": "0" * 64, "run_id": "con"}, "RUN_ID_INVALID"),
    ],
)
def test_what_can_be_said_without_the_data_is_said_at_once(
    client_over: Any, root: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], code: str
) -> None:
    monkeypatch.setattr("whole.SETTINGS", _creating())
    with client_over(root) as client:
        mark = client.get("/api/v1/csrf").json()
        for path in ("/api/v1/runs", "/api/v1/runs?dry_run=true"):
            answer = client.post(path, json=request(**changes), headers={mark["header"]: mark["value"]})
            assert (answer.status_code, answer.json()["code"]) == (CODES[code].status, code)
            assert "--" not in answer.json()["hint"], "who asks over HTTP has no options"
        assert client.get("/api/v1/builds").json()["total"] == 0


def _creating() -> Any:
    from attrs import evolve

    return evolve(SETTINGS, web_create=True)


def test_refused_data_are_the_end_of_the_build_with_the_line_and_what_to_do(clerk: Clerk, minutes: Path) -> None:
    lines = minutes.read_bytes().splitlines(True)
    lines[7] = lines[7].replace(b",", b",-", 1)
    build = clerk.ended(clerk.request(b"".join(lines), file_name="mine.csv").told["build_id"])
    assert (build["status"], build["code"], build["run_id"]) == ("failed", "DATA_INVALID", None)
    assert build["details"]["offences"][0]["line"] == 8
    assert build["hint"]
    again = clerk.ask("POST", f"/api/v1/builds/{build['build_id']}/retry")
    assert (again.status, again.told["retry_of"], again.told["request"]) == (
        202, build["build_id"], build["request"],
    )  # fmt: skip
    assert clerk.ended(again.told["build_id"])["code"] == "DATA_INVALID"


def test_a_form_is_no_file(clerk: Clerk, root: Path) -> None:
    for kind in ("multipart/form-data; boundary=x", "application/x-www-form-urlencoded"):
        answer = clerk.ask("PUT", "/api/v1/uploads", b"a=b", content_type=kind)
        assert (answer.status, answer.told["code"]) == (415, "REQUEST_INVALID")
    assert left(root) == []


def test_one_that_says_it_is_too_large_is_refused_before_it_is_read(root: Path, serve: Any, tmp_path: Path) -> None:
    clerk = Clerk(serve(root, env={**ON, "BUFF_UPLOAD_BYTES_MAX": "1000"}, log=tmp_path / "log").local)
    connection = clerk.connect()
    connection.putrequest("PUT", "/api/v1/uploads")
    for name, text in {**clerk.marked(), "content-length": str(10**12)}.items():
        connection.putheader(name, text)
    connection.endheaders()  # and not one byte more
    answer = connection.getresponse()
    assert (answer.status, b"LIMIT_EXCEEDED" in answer.read()) == (413, True)
    connection.close()
    assert left(root) == []


def test_nothing_of_a_file_is_read_for_a_mark(clerk: Clerk, root: Path) -> None:
    """A form may hold the mark, and would be read for it; where a body is streamed it could be of any size."""
    connection = clerk.connect()
    connection.putrequest("PUT", "/api/v1/uploads")
    connection.putheader("content-length", str(10**9))
    connection.putheader("content-type", "application/x-www-form-urlencoded")
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, b"FORBIDDEN_ORIGIN" in answer.read()) == (403, True)
    connection.close()
    assert left(root) == []


def test_one_that_says_nothing_is_refused_while_it_comes(root: Path, serve: Any, tmp_path: Path) -> None:
    clerk = Clerk(serve(root, env={**ON, "BUFF_UPLOAD_BYTES_MAX": "3000000"}, log=tmp_path / "log").local)
    connection = clerk.connect()
    connection.putrequest("PUT", "/api/v1/uploads")
    for name, text in {**clerk.marked(), "transfer-encoding": "chunked"}.items():
        connection.putheader(name, text)
    connection.endheaders()
    for _ in range(12):  # and no end
        connection.send(b"%x\r\n%s\r\n" % (300_000, b"x" * 300_000))
    answer = connection.getresponse()
    assert (answer.status, b"LIMIT_EXCEEDED" in answer.read()) == (413, True)
    connection.close()
    until(lambda: not left(root))


def test_one_that_is_broken_off_leaves_nothing(clerk: Clerk, root: Path) -> None:
    headers = "".join(f"{name}: {text}\r\n" for name, text in clerk.marked().items())
    host_name, port = clerk.address.removeprefix("http://").split(":")
    with socket.create_connection((host_name, int(port))) as broken:
        place = f"{host_name}:{port}"
        head = f"PUT /api/v1/uploads HTTP/1.1\r\nHost: {place}\r\ncontent-length: 50000000\r\n{headers}\r\n"
        broken.sendall(head.encode() + b"x" * 5_000_000)
        until(lambda: any(name.endswith(".part") for name in left(root)))
    until(lambda: left(root) == [])
    assert clerk.ask("GET", "/api/v1/runs").status == 200


def test_the_kill_switch_stops_uploads_and_requests(clerk: Clerk, root: Path, minutes: Path) -> None:
    upload = clerk.upload(minutes.read_bytes())
    (root / "_kill_switch").write_text("maintenance")
    assert clerk.ask("GET", "/api/v1/kill-switch").told["engaged"] is True
    for answer in (
        clerk.ask("PUT", "/api/v1/uploads", b"more"),
        clerk.ask("POST", "/api/v1/runs", request(upload=upload)),
    ):
        assert (answer.status, answer.told["code"]) == (503, "KILL_SWITCH_ENGAGED")
    (root / "_kill_switch").unlink()
    assert clerk.ask("GET", "/api/v1/kill-switch").told["engaged"] is False
    assert clerk.ended(clerk.ask("POST", "/api/v1/runs", request(upload=upload)).told["build_id"])["run_id"]


# Builds that are cancelled, killed and followed


@pytest.fixture(scope="module")
def long_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Minutes enough for a build that takes a while."""
    lines = (f"{1_704_067_200 + 60 * i},{100 + i % 7},108,99,{101 + i % 5},{1 + i % 3}\n" for i in range(250_000))
    path = tmp_path_factory.mktemp("long") / "long.csv"
    path.write_text("ts,open,high,low,close,volume\n" + "".join(lines))
    return path


def _running(clerk: Clerk, csv: Path, **changes: Any) -> Any:
    job = clerk.request(csv.read_bytes(), timeframe="1m", **changes).told["build_id"]
    return until(lambda: build if (build := clerk.build(job))["status"] == "running" else None)


def test_a_build_is_cancelled_and_nothing_is_left_of_it(clerk: Clerk, root: Path, long_csv: Path) -> None:
    build = _running(clerk, long_csv)
    answer = clerk.ask("POST", f"/api/v1/builds/{build['build_id']}/cancel", {"why": "a test"})
    assert (answer.status, answer.told["cancelled_by"]) == (200, "web")
    ended = clerk.ended(build["build_id"])
    assert (ended["status"], ended["code"]) == ("failed", "BUILD_CANCELLED")
    assert names(root)["runs"] == []
    twice = clerk.ask("POST", f"/api/v1/builds/{build['build_id']}/cancel")  # no reason need be given
    assert (twice.status, twice.told["ended"]) == (200, ended["ended"])
    none = clerk.ask("POST", "/api/v1/builds/bld_none/cancel", {})
    assert (none.status, none.told["code"]) == (404, "BUILD_NOT_FOUND")


@pytest.mark.crash
def test_a_killed_server_finds_its_builds_again_and_a_killed_worker_is_lost(
    root: Path, serve: Any, tmp_path: Path, long_csv: Path
) -> None:
    server = serve(root, env=ON, log=tmp_path / "log")
    build = _running(Clerk(server.local), long_csv)
    server.process.kill()
    server.process.communicate()
    clerk = Clerk(serve(root, env=ON, log=tmp_path / "log2").local)
    assert clerk.ended(build["build_id"])["status"] == "succeeded"
    other = _running(clerk, long_csv, strategy="hold", params={})
    pid = pid_of(opened(root).state.builds[other["build_id"]].worker or "")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    lost = clerk.ended(other["build_id"])
    assert (lost["status"], lost["code"]) == ("failed", "BUILD_LOST")
    print(f"\na killed worker is lost after {time.monotonic() - began:.2f} s")
    again = clerk.ask("POST", f"/api/v1/builds/{other['build_id']}/retry").told
    assert clerk.ended(again["build_id"])["status"] == "succeeded"
    with opened(root) as store:
        assert [verdict.outcome for verdict in verify_all(store, stored_bytes_only=True)] == ["whole", "whole"]


def test_who_saw_the_end_of_a_build_is_told_nothing_more(clerk: Clerk, minutes: Path) -> None:
    job = clerk.request(minutes.read_bytes()).told["build_id"]
    with clerk.stream(f"/api/v1/builds/{job}/events") as told:
        last = list(told)[-1]
    path = f"/api/v1/builds/{job}/events"
    assert clerk.ask("GET", path, last_event_id=str(last.id)).status == 204
    with clerk.stream(path, last_event_id=str((last.id or 0) - 1)) as told:
        assert [(each.id, each.data["status"]) for each in told] == [(last.id, "succeeded")]
    wrong = clerk.ask("GET", path, last_event_id="x")
    assert (wrong.status, wrong.told["details"]) == (400, {"field": "Last-Event-ID"})
    assert clerk.ask("GET", "/api/v1/builds/bld_none/events").told["code"] == "BUILD_NOT_FOUND"


def test_the_journal_is_told_without_a_gap(clerk: Clerk, root: Path, minutes: Path) -> None:
    """A client that loses its connection again and again has every event once, in order."""
    job = clerk.request(minutes.read_bytes()).told["build_id"]
    seen: list[int] = []
    while not seen or clerk.build(job)["status"] in ("queued", "running") or seen[-1] < opened(root).state.seq:
        headers = {"last_event_id": str(seen[-1])} if seen else {}
        with clerk.stream("/api/v1/journal/events?after=0", **headers) as told:
            for _ in range(2):
                seen.append(next(told).id or 0)
                if seen[-1] == opened(root).state.seq:
                    break
    assert seen == list(range(1, opened(root).state.seq + 1))


def test_what_is_recorded_is_told_as_it_happens(clerk: Clerk, root: Path, minutes: Path) -> None:
    with clerk.stream("/api/v1/journal/events") as told:
        run_id = create(request(minutes), root=str(root), host=host(), settings=SETTINGS).run.id
        kinds = []
        while "run_committed" not in kinds:
            item = next(told).data
            kinds.append(item["type"].partition(".")[0])
        assert item["data"]["run_id"] == run_id
        assert str(minutes.parent) not in str(item)
    answer = clerk.ask("GET", "/api/v1/journal/events?after=100000")
    assert (answer.status, answer.told["details"]["field"]) == (400, "after")


def test_the_headers_of_a_stream_alone_have_an_end(clerk: Clerk) -> None:
    answer = clerk.ask("HEAD", "/api/v1/journal/events")
    assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")


def test_there_are_so_many_streams_at_most_and_left_ones_do_not_count(clerk: Clerk) -> None:
    path = "/api/v1/journal/events"

    def several(count: int) -> list[Any]:
        found: list[Any] = []
        for _ in range(count):
            connection = clerk.connect()
            connection.request("GET", path)
            response = connection.getresponse()
            assert response.status == 200
            found += [connection, response]
        return found

    for _ in range(3):
        opened_now = several(32)
        refused = clerk.ask("GET", path)
        assert (refused.status, refused.told["code"], refused.headers["retry-after"]) == (429, "RATE_LIMITED", "5")
        for each in opened_now:
            each.close()
        until(lambda: _free(clerk, path))


def _free(clerk: Clerk, path: str) -> bool:
    """Say whether no stream is counted any more: as many as there may be can be opened."""
    found: list[Any] = []
    try:
        for _ in range(32):
            connection = clerk.connect()
            connection.request("GET", path)
            response = connection.getresponse()
            found += [connection, response]
            if response.status != 200:
                return False
        return True
    finally:
        for each in found:
            each.close()
        time.sleep(0.3)


def test_the_server_ends_with_streams_open_and_leaves_builds_alone(
    root: Path, serve: Any, tmp_path: Path, long_csv: Path
) -> None:
    server = serve(root, env=ON, log=tmp_path / "log")
    clerk = Clerk(server.local)
    build = _running(clerk, long_csv)
    with (
        clerk.stream("/api/v1/journal/events") as told,
        clerk.stream(f"/api/v1/builds/{build['build_id']}/events") as b,
    ):
        next(b)
        began = time.monotonic()
        assert server.end()[0] == 0
        assert time.monotonic() - began < 5
        assert list(told) is not None, "it ended"
    assert "Traceback" not in (tmp_path / "log").read_text()
    reader = opened(root)
    until(lambda: not reader.state.builds[build["build_id"]].open)
    assert reader.state.builds[build["build_id"]].status == "succeeded"


# Runs that are kept otherwise


@pytest.fixture
def kept(clerk: Clerk, minutes: Path) -> tuple[Clerk, str]:
    return clerk, run_of(clerk, minutes)


def test_a_run_is_annotated_archived_restored_and_verified(kept: tuple[Clerk, str], root: Path) -> None:
    clerk, run_id = kept
    path = f"/api/v1/runs/{run_id}"
    named = clerk.ask("PATCH", path, {"name": "mine", "tags": ["a", "b"]}).told
    assert (named["name"], named["tags"], named["notes"]) == ("mine", ["a", "b"], None)
    assert clerk.ask("PATCH", path, {"notes": "x"}).told["name"] == "mine"
    assert clerk.ask("PATCH", path, {"name": None}).told["name"] is None
    assert clerk.ask("POST", f"{path}/archive", {"why": "old"}).told["state"] == "archived"
    assert clerk.ask("POST", f"{path}/restore").told["state"] == "committed"
    assert clerk.ask("POST", f"{path}/archive").told["why"] is None
    assert clerk.ask("POST", f"{path}/restore").told["state"] == "committed"
    verdict = clerk.ask("POST", f"{path}/verify").told
    assert (verdict["outcome"], verdict["exit_code"]) == ("identical", 0)
    assert clerk.ask("GET", path).told["registry"]["verdict"] == "identical"
    assert {item.by for item in events(root) if hasattr(item, "by")} == {"web"}
    damaged = root / run_id / "metrics.json"
    damaged.chmod(0o644)
    damaged.write_bytes(damaged.read_bytes().replace(b"0", b"1", 1))
    assert clerk.ask("POST", f"{path}/verify").told["outcome"] == "damaged"


@pytest.mark.parametrize(
    ("verb", "path", "body", "code"),
    [
        ("PATCH", "", {"colour": "red"}, "RUN_CONFIG_INVALID"),
        ("PATCH", "", {"name": 3}, "RUN_CONFIG_INVALID"),
        ("PATCH", "", {"name": "x" * 201}, "RUN_CONFIG_INVALID"),
        ("PATCH", "", {"tags": ["a b"]}, "RUN_CONFIG_INVALID"),
        ("PATCH", "_", {"name": "x"}, "RUN_NOT_FOUND"),
        ("POST", "_/archive", {}, "RUN_NOT_FOUND"),
        ("POST", "_/restore", None, "RUN_NOT_FOUND"),
        ("POST", "_/verify", None, "RUN_NOT_FOUND"),
        ("POST", "/archive", {"why": 3}, "RUN_CONFIG_INVALID"),
        ("POST", "/verify?x=1", None, "RUN_CONFIG_INVALID"),
    ],
)
def test_a_change_that_cannot_be_is_refused(
    client: Any, several: Path, verb: str, path: str, body: Any, code: str
) -> None:
    mark, before = client.get("/api/v1/csrf").json(), opened(several).state.seq
    run_id = opened(several).runs().items[0].run_id
    answer = client.request(verb, f"/api/v1/runs/{run_id}{path}", json=body, headers={mark["header"]: mark["value"]})
    assert answer.json()["code"] == code
    assert opened(several).state.seq == before


def test_what_a_web_user_asks_is_told_by_the_journal(kept: tuple[Clerk, str], root: Path) -> None:
    (asked,) = [event for event in events(root) if isinstance(event, BuildRequested)]
    assert (asked.by, asked.request["symbol"], "csv" in asked.request) == ("web", "BTCUSDT", False)
    assert asked.request_id is not None
