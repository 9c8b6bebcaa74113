"""The journal over HTTP: facts in pages from either end, with no path in any of them."""

from pathlib import Path
from typing import Any

from litestar.testing import TestClient

from whole import opened


def test_pages_from_either_end(client: TestClient[Any], several: Path, minutes: Path) -> None:
    every = opened(several).events()
    answer = client.get("/api/v1/journal?limit=1000")
    told = answer.json()
    assert str(minutes.parent) not in answer.text
    assert str(several) not in answer.text
    assert [item["seq"] for item in told["items"]] == [item.seq for item in every][::-1]
    assert [item["sha256"] for item in told["items"]] == [item.sha256 for item in every][::-1]
    assert (told["total"], told["next"]) == (len(every), None)
    behind = client.get("/api/v1/journal?after=2&limit=3").json()
    assert ([item["seq"] for item in behind["items"]], behind["next"]) == ([3, 4, 5], 5)
    ahead = client.get("/api/v1/journal?before=5&limit=2").json()
    assert ([item["seq"] for item in ahead["items"]], ahead["next"]) == ([4, 3], 3)
    both = client.get("/api/v1/journal?after=2&before=4").json()
    assert ([item["seq"] for item in both["items"]], both["next"]) == ([3], None)


def test_only_one_type(client: TestClient[Any], several: Path) -> None:
    told = client.get("/api/v1/journal?type=run_committed").json()["items"]
    assert [item["data"]["run_id"] for item in told] == [item.run_id for item in opened(several).runs().items]
    assert {item["type"] for item in told} == {"run_committed.v2"}
    refused = client.get("/api/v1/journal?type=nothing")
    assert (refused.status_code, refused.json()["details"]["field"]) == (400, "type")


def test_a_source_is_told_without_its_path(client: TestClient[Any], minutes: Path) -> None:
    (stored,) = client.get("/api/v1/journal?type=dataset_stored").json()["items"][-1:]
    assert stored["data"]["source"]["name"] == minutes.name
    assert "path" not in stored["data"]["source"]
