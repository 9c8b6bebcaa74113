"""`/api/v1`: the registry and the artifacts as JSON, and nothing else."""

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litestar.testing import TestClient

from buff.errors import CODES
from whole import events, make, opened


def _ids(client: TestClient[Any], query: str = "") -> list[str]:
    answer = client.get(f"/api/v1/runs{query}")
    assert answer.status_code == 200, answer.text
    return [item["timeframe"] for item in answer.json()["items"]]


@pytest.fixture
def run_id(client: TestClient[Any]) -> str:
    """The run at 1m."""
    return str(client.get("/api/v1/runs?timeframe=1m").json()["items"][0]["run_id"])


def test_a_list_of_runs(client: TestClient[Any], several: Path) -> None:
    told = client.get("/api/v1/runs").json()
    assert (told["total"], told["next"], told["problem"]) == (3, None, None)
    first = told["items"][0]
    entry = opened(several).runs().items[0]
    assert first["run_id"] == entry.run_id
    assert (first["state"], first["code"], first["symbol"], first["strategy"]) == ("committed", None, "ETHUSDT", "hold")
    assert (first["created"], first["metrics"], first["sparkline"]) == (entry.created, entry.metrics, entry.sparkline)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["1h", "15m", "1m"]),
        ("?symbol=BTCUSDT", ["15m", "1m"]),
        ("?symbol=btcusdt&risk_level=5", ["1m"]),
        ("?timeframe=15m", ["15m"]),
        ("?strategy=hold", ["1h"]),
        ("?tag=fine", ["15m", "1m"]),
        ("?tag=a/b", ["15m"]),
        ("?tag=fi", []),
        ("?sort=created", ["1m", "15m", "1h"]),
        ("?sort=-risk_level", ["1m", "15m", "1h"]),
        ("?limit=1", ["1h"]),
        ("?limit=1&after=2", ["1m"]),
        ("?after=3", []),
        ("?since=2999-01-01", []),
        ("?until=2999-01-01", ["1h", "15m", "1m"]),
        ("?symbol=&sort=", ["1h", "15m", "1m"]),
    ],
)
def test_filters_sorting_and_paging(client: TestClient[Any], query: str, found: list[str]) -> None:
    assert _ids(client, query) == found


def test_pages_add_up_to_the_whole(client: TestClient[Any]) -> None:
    seen, after = [], 0
    while after is not None:
        told = client.get(f"/api/v1/runs?limit=2&after={after}").json()
        seen += [item["run_id"] for item in told["items"]]
        after = told["next"]
    assert seen == [item["run_id"] for item in client.get("/api/v1/runs").json()["items"]]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/runs?colour=red", 400, "RUN_CONFIG_INVALID"),
        ("/runs?risk_level=6", 400, "RUN_CONFIG_INVALID"),
        ("/runs?sort=colour", 400, "RUN_CONFIG_INVALID"),
        ("/runs?symbol=A&symbol=B", 400, "RUN_CONFIG_INVALID"),
        ("/runs/run_0000000000000000", 404, "RUN_NOT_FOUND"),
        ("/runs/run_", 404, "RUN_NOT_FOUND"),
        ("/runs/RUN?x=1", 400, "RUN_CONFIG_INVALID"),
        ("/runs/RUN/bars?max=3001", 400, "RUN_CONFIG_INVALID"),
        ("/runs/RUN/bars?from=tomorrow", 400, "RUN_CONFIG_INVALID"),
        ("/runs/RUN/equity?from=2024-01-02&to=2024-01-01", 400, "RUN_CONFIG_INVALID"),
        ("/runs/RUN/trades?limit=1001", 400, "RUN_CONFIG_INVALID"),
        ("/runs/RUN/timeline?x=1", 400, "RUN_CONFIG_INVALID"),
        ("/runs/RUN/artifacts/nothing.json", 404, "ARTIFACT_NOT_FOUND"),
        ("/runs/RUN/artifacts/manifest.json", 404, "ARTIFACT_NOT_FOUND"),
        ("/runs/RUN/nothing", 404, "REQUEST_INVALID"),
        ("/nothing", 404, "REQUEST_INVALID"),
    ],
)
def test_a_refusal_is_a_problem_document(
    client: TestClient[Any], run_id: str, path: str, status: int, code: str
) -> None:
    answer = client.get("/api/v1" + path.replace("RUN", run_id))
    told = answer.json()
    assert (answer.status_code, told["status"], told["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert told.keys() == {"type", "title", "status", "detail", "code", "message", "details", "hint"}
    assert told["hint"]
    assert told["code"] in CODES


def test_the_beginning_of_an_id_is_not_an_id_but_a_hint(client: TestClient[Any], run_id: str) -> None:
    told = client.get(f"/api/v1/runs/{run_id[:-1]}").json()
    assert (told["code"], told["hint"]) == ("RUN_NOT_FOUND", f"did you mean {run_id}?")


def test_one_run(client: TestClient[Any], several: Path, run_id: str, minutes: Path) -> None:
    told = client.get(f"/api/v1/runs/{run_id}").json()
    run = opened(several).run(run_id)
    assert told["run_id"] == run_id
    assert told["registry"] == dict(run.facts)
    assert told["metrics"]["net_return"]["value"] == run.metrics["net_return"].value
    assert run.manifest["data"]["source"]["path"] == str(minutes)
    assert "path" not in told["manifest"]["data"]["source"]
    told["manifest"]["data"]["source"]["path"] = str(minutes)
    assert told["manifest"] == run.manifest


def test_bars_and_equity_are_the_stored_columns(client: TestClient[Any], several: Path, run_id: str) -> None:
    run = opened(several).run(run_id)
    bars = client.get(f"/api/v1/runs/{run_id}/bars").json()
    assert (bars["timeframe"], bars["bucket"], bars["bars"]) == ("1m", "1m", len(run.bars))
    assert (bars["first_ms"], bars["last_ms"]) == (run.bars.ts[0], run.bars.ts[-1])
    for name in ("ts", "open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(bars["columns"][name], getattr(run.bars, name))
    equity = client.get(f"/api/v1/runs/{run_id}/equity").json()["columns"]
    assert equity["ts"] == bars["columns"]["ts"]
    for name in ("equity", "drawdown", "position"):
        np.testing.assert_array_equal(equity[name], getattr(run, name))


def test_a_window_in_few_buckets(client: TestClient[Any], several: Path, run_id: str) -> None:
    run = opened(several).run(run_id)
    query = "?from=2024-01-01T10:00Z&to=2024-01-01T22:00Z&max=50"
    bars = client.get(f"/api/v1/runs/{run_id}/bars{query}").json()
    equity = client.get(f"/api/v1/runs/{run_id}/equity{query}").json()
    assert (bars["bucket"], bars["bars"], len(bars["columns"]["ts"])) == ("15m", 720, 48)
    assert equity["columns"]["ts"] == bars["columns"]["ts"]
    begin = int(np.searchsorted(run.bars.ts, bars["columns"]["ts"][7]))
    part = slice(begin, begin + 15)
    assert bars["columns"]["high"][7] == run.bars.high[part].max()
    assert equity["columns"]["equity"][7] == run.equity[part][-1]
    assert equity["columns"]["drawdown"][7] == run.drawdown[part].min()
    assert equity["columns"]["position"][7] == run.position[part][-1]


def test_a_window_without_bars_is_empty(client: TestClient[Any], run_id: str) -> None:
    for what in ("bars", "equity"):
        told = client.get(f"/api/v1/runs/{run_id}/{what}?to=2000-01-01").json()
        assert (told["bars"], told["columns"]["ts"]) == (0, [])


def test_trades_by_page_and_window(client: TestClient[Any], several: Path, run_id: str) -> None:
    every = list(opened(several).run(run_id).trades)
    told = client.get(f"/api/v1/runs/{run_id}/trades?limit=1000").json()
    assert (told["items"], told["total"], told["next"]) == (every, len(every), None)
    assert len(every) > 20
    page = client.get(f"/api/v1/runs/{run_id}/trades?limit=3&after=3").json()
    assert (page["items"], page["total"], page["next"]) == (every[3:6], len(every), 6)
    middle = every[9]
    alive = client.get(
        f"/api/v1/runs/{run_id}/trades?from={middle['entry']['ts']}&to={middle['exit']['ts']}&limit=1000"
    ).json()["items"]
    assert middle in alive
    first, last = middle["entry"]["ts"], middle["exit"]["ts"]
    assert alive == [
        trade
        for trade in every
        if trade["entry"]["ts"] < last and ("exit" not in trade or trade["exit"]["ts"] >= first)
    ]


def test_the_timeline(client: TestClient[Any], several: Path, run_id: str) -> None:
    told = client.get(f"/api/v1/runs/{run_id}/timeline").json()
    assert told == {"items": opened(several).run(run_id).timeline}


def test_artifacts_are_the_committed_bytes(client: TestClient[Any], several: Path, run_id: str) -> None:
    for item in opened(several).run(run_id).manifest["artifacts"]:
        answer = client.get(f"/api/v1/runs/{run_id}/artifacts/{item['name']}")
        assert answer.status_code == 200
        assert hashlib.sha256(answer.content).hexdigest() == item["sha256"]
        assert (answer.headers["etag"], answer.headers["content-length"]) == (f'"{item["sha256"]}"', str(item["size"]))
        assert f'filename="{run_id}.' in answer.headers["content-disposition"]


def test_a_large_artifact_is_streamed_whole(
    client: TestClient[Any], several: Path, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buff_web.downloads.CHUNK_BYTES", 1000)
    answer = client.get(f"/api/v1/runs/{run_id}/artifacts/decision_records.jsonl")
    assert answer.content == opened(several).run(run_id).artifact("decision_records.jsonl")
    assert answer.headers["content-length"] == str(len(answer.content))


@pytest.mark.parametrize("path", ["", "/RUN", "/RUN/bars", "/RUN/equity", "/RUN/trades", "/RUN/timeline"])
def test_what_a_client_has_is_not_sent_again(client: TestClient[Any], run_id: str, path: str) -> None:
    address = f"/api/v1/runs{path.replace('RUN', run_id)}"
    tag = client.get(address).headers["etag"]
    for known in (tag, f'"other", {tag}', "*", tag.removeprefix("W/")):
        answer = client.get(address, headers={"if-none-match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert client.get(address, headers={"if-none-match": '"other"'}).status_code == 200


def test_an_artifact_a_client_has_is_not_sent_again(client: TestClient[Any], run_id: str) -> None:
    address = f"/api/v1/runs/{run_id}/artifacts/trades.jsonl"
    tag = client.get(address).headers["etag"]
    assert client.get(address, headers={"if-none-match": tag}).status_code == 304


def test_head_tells_the_same_without_the_body(client: TestClient[Any], run_id: str) -> None:
    for path in (f"/api/v1/runs/{run_id}", "/runs", f"/api/v1/runs/{run_id}/artifacts/trades.jsonl"):
        got, told = client.get(path), client.head(path)
        assert (told.status_code, told.content) == (200, b"")
        assert told.headers["content-length"] == got.headers["content-length"]


def test_a_run_made_meanwhile_is_listed(client: TestClient[Any], several: Path, minutes: Path) -> None:
    assert len(_ids(client)) == 3
    make(several, minutes, timeframe="4h")
    assert _ids(client) == ["4h", "1h", "15m", "1m"]


def test_reading_writes_nothing(client: TestClient[Any], several: Path, run_id: str) -> None:
    def tree() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in several.rglob("*")}

    before, said = tree(), len(events(several))
    for path in ("/runs", f"/runs/{run_id}", f"/api/v1/runs/{run_id}", f"/api/v1/runs/{run_id}/bars", "/nothing"):
        client.get(path)
    assert (tree(), len(events(several))) == (before, said)


# Parts and packing -------------------------------------------------------------------------------------------------


@pytest.fixture
def trades(client: TestClient[Any], run_id: str) -> tuple[str, bytes, str]:
    """The address of an artifact, its bytes and its tag."""
    address = f"/api/v1/runs/{run_id}/artifacts/trades.jsonl"
    answer = client.get(address)
    return address, answer.content, answer.headers["etag"]


@pytest.mark.parametrize("chunk", [1 << 20, 50])
def test_a_part_of_an_artifact(
    client: TestClient[Any], trades: tuple[str, bytes, str], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buff_web.downloads.CHUNK_BYTES", chunk)
    address, data, tag = trades
    for asked, part in (("bytes=0-0", data[:1]), ("bytes=100-299", data[100:300]), ("bytes=-7", data[-7:])):
        answer = client.get(address, headers={"range": asked})
        first = data.index(part) if part != data[-7:] else len(data) - 7
        assert (answer.status_code, answer.content) == (206, part)
        assert answer.headers["content-range"] == f"bytes {first}-{first + len(part) - 1}/{len(data)}"
        assert (answer.headers["content-length"], answer.headers["etag"]) == (str(len(part)), tag)


def test_what_is_no_part_is_answered_whole(client: TestClient[Any], trades: tuple[str, bytes, str]) -> None:
    address, data, tag = trades
    assert client.get(address).headers["accept-ranges"] == "bytes"
    for asked in ("bytes=0-1,5-6", "bytes=9-1", "lines=1-2", "nonsense", "bytes=0-" + "9" * 30):
        answer = client.get(address, headers={"range": asked})
        assert (answer.status_code, answer.content) == (200, data)
    for unless in ('"other"', f"W/{tag}", "Wed, 21 Oct 2015 07:28:00 GMT"):
        assert client.get(address, headers={"range": "bytes=0-1", "if-range": unless}).status_code == 200
    assert client.get(address, headers={"range": "bytes=0-1", "if-range": tag}).status_code == 206
    assert client.get(address, headers={"range": "bytes=0-1", "if-none-match": tag}).status_code == 304


def test_bytes_that_are_not_there_cannot_be_asked_for(client: TestClient[Any], trades: tuple[str, bytes, str]) -> None:
    address, data, _ = trades
    answer = client.get(address, headers={"range": f"bytes={len(data)}-"})
    assert (answer.status_code, answer.json()["code"]) == (416, "REQUEST_INVALID")
    assert answer.headers["content-range"] == f"bytes */{len(data)}"


def test_head_has_no_parts(client: TestClient[Any], trades: tuple[str, bytes, str]) -> None:
    address, data, _ = trades
    answer = client.head(address, headers={"range": "bytes=0-1"})
    assert (answer.status_code, answer.headers["content-length"]) == (200, str(len(data)))


def test_a_part_of_a_damaged_artifact_is_not_sent(
    client: TestClient[Any], several: Path, trades: tuple[str, bytes, str]
) -> None:
    address, data, _ = trades
    path = several / address.split("/")[4] / "trades.jsonl"
    path.parent.chmod(0o755)
    path.chmod(0o644)
    path.write_bytes(data[:-2] + b"!" + data[-1:])
    answer = client.get(address, headers={"range": "bytes=0-1"})
    assert (answer.status_code, answer.json()["code"]) == (409, "RUN_DAMAGED")


def test_what_is_read_is_packed_for_who_can_unpack_it_and_says_so(client: TestClient[Any], run_id: str) -> None:
    for path in (f"/api/v1/runs/{run_id}/bars", f"/runs/{run_id}"):
        packed = client.get(path, headers={"accept-encoding": "gzip"})
        plain = client.get(path, headers={"accept-encoding": "gzip;q=0"})
        assert (packed.headers["content-encoding"], "content-encoding" in plain.headers) == ("gzip", False)
        for answer in (packed, plain):
            assert re.split(", *", answer.headers["vary"].lower()).count("accept-encoding") == 1
        assert packed.headers.get("etag") == plain.headers.get("etag")
        assert int(packed.headers["content-length"]) < len(plain.content) / 2
    assert client.get("/api/v1/csrf", headers={"accept-encoding": "gzip"}).headers.get("content-encoding") is None


def test_artifacts_are_sent_as_they_are_stored(client: TestClient[Any], trades: tuple[str, bytes, str]) -> None:
    answer = client.get(trades[0], headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    assert "accept-encoding" not in answer.headers.get("vary", "")
