"""Single documents of a run: as the artifacts have them, without any path; and the story of a trade."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient

from buff import Run
from whole import opened


@pytest.fixture
def run(several: Path) -> Run:
    store = opened(several)
    return store.run(next(entry.run_id for entry in store.runs().items if entry.timeframe == "1m"))


def test_documents_are_those_of_the_artifacts(client: TestClient[Any], run: Run, minutes: Path) -> None:
    address = f"/api/v1/runs/{run.id}"
    assert client.get(f"{address}/returns").json() == run.returns
    assert client.get(f"{address}/quality").json() == run.quality
    metrics = client.get(f"{address}/metrics").json()
    assert metrics["metrics"] == {name: msgspec.to_builtins(metric) for name, metric in run.metrics.items()}
    assert metrics["benchmark"] == {name: msgspec.to_builtins(metric) for name, metric in run.benchmark.items()}
    manifest = client.get(f"{address}/manifest")
    assert str(minutes) not in manifest.text
    told = manifest.json()
    told["data"]["source"]["path"] = str(minutes)
    assert told == run.manifest


@pytest.mark.parametrize(
    "what", ["manifest", "metrics", "returns", "quality", "explain?trade=0", "status", "decisions"]
)
def test_what_a_client_has_is_not_sent_again(client: TestClient[Any], run: Run, what: str) -> None:
    address = f"/api/v1/runs/{run.id}/{what}"
    tag = client.get(address).headers["etag"]
    assert client.get(address, headers={"if-none-match": tag}).status_code == 304


def test_the_story_of_a_trade_and_of_a_bar(client: TestClient[Any], run: Run) -> None:
    address = f"/api/v1/runs/{run.id}/explain"
    assert client.get(f"{address}?trade=3").json() == run.explain(trade=3)
    assert client.get(f"{address}?bar=40").json() == run.explain(bar=40)
    opened_at = run.records[40]["ts"]
    assert client.get(f"{address}?at={opened_at}").json() == run.explain(bar=40)
    for query in ("", "?trade=1&bar=1", "?trade=1000000", "?bar=1000000", "?at=1999-01-01", "?at=2024-01-01T00:00:30Z"):
        answer = client.get(f"{address}{query}")
        if query == "?at=1999-01-01":
            assert answer.status_code == 400
        assert (answer.status_code, answer.json()["code"]) == (400, "RUN_CONFIG_INVALID"), query
