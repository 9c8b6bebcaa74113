"""Datasets over HTTP: what is stored, where it is from without any path, and what was made of it."""

from pathlib import Path
from typing import Any

from litestar.testing import TestClient

from buff import catalogue
from whole import make, opened, write_csv


def test_datasets_in_pages(client: TestClient[Any], several: Path, tmp_path: Path) -> None:
    make(several, write_csv(tmp_path / "other.csv", seed=9), symbol="SOLUSDT")
    told = client.get("/api/v1/datasets").json()
    stored = catalogue.listed(opened(several))
    assert (told["total"], told["next"]) == (2, None)
    assert [item["dataset_id"] for item in told["items"]] == [item["dataset_id"] for item in stored]
    for item, known in zip(told["items"], stored, strict=True):
        assert {**known, "source": None} == {**item, "source": None}
        assert "path" not in item["source"]
    first = client.get("/api/v1/datasets?limit=1").json()
    second = client.get(f"/api/v1/datasets?limit=1&after={first['next']}").json()
    assert [*first["items"], *second["items"]] == told["items"]
    assert second["next"] is None
    assert client.get("/api/v1/datasets?symbol=solusdt").json()["total"] == 1
    assert client.get("/api/v1/datasets?symbol=none").json() == {
        "items": [],
        "next": None,
        "total": 0,
        "cursor": None,
    }


def test_datasets_are_sorted_and_a_cursor_holds(client: TestClient[Any], several: Path, tmp_path: Path) -> None:
    hold: Any = {"strategy": "hold", "params": {}}
    make(several, write_csv(tmp_path / "short.csv", minutes=600, seed=9), symbol="SOLUSDT", **hold)
    make(several, write_csv(tmp_path / "long.csv", minutes=9_000, seed=10), symbol="ADAUSDT", **hold)
    for sort, name in (("rows", "rows"), ("last", "last_ts"), ("first", "first_ts"), ("created", "seq")):
        for sign in ("", "-"):
            rows = client.get(f"/api/v1/datasets?sort={sign}{sort}").json()["items"]
            key = [(item[name], item["seq"]) for item in rows]
            assert key == sorted(key, reverse=bool(sign))
            assert len(rows) == 3
    first = client.get("/api/v1/datasets?sort=-created&limit=1").json()
    make(several, write_csv(tmp_path / "newest.csv", minutes=700, seed=11), symbol="XRPUSDT", **hold)
    rest = client.get(f"/api/v1/datasets?sort=-created&cursor={first['cursor']}").json()
    assert [item["symbols"] for item in [*first["items"], *rest["items"]]][:2] == [["ADAUSDT"], ["SOLUSDT"]]
    assert len(rest["items"]) == 2
    for wrong in ("sort=symbol", "sort=rows&cursor=" + first["cursor"], "cursor=x"):
        refused = client.get(f"/api/v1/datasets?{wrong}")
        assert (refused.status_code, refused.json()["code"]) == (400, "RUN_CONFIG_INVALID")


def test_a_dataset_with_its_runs(client: TestClient[Any], several: Path, minutes: Path) -> None:
    store = opened(several)
    (entry,) = store.datasets()
    answer = client.get(f"/api/v1/datasets/{entry.dataset_id}")
    told, known = answer.json(), catalogue.described(store, entry.dataset_id)
    assert str(minutes.parent) not in answer.text
    for name in ("columns", "quality", "resamples", "rows", "gaps", "symbols", "size_bytes"):
        assert told[name] == known[name]
    assert [run["run_id"] for run in told["runs"]] == [item.run_id for item in store.runs().items]
    assert told["run_count"] == len(known["runs"]) == 3
    with opened(several) as writing:
        writing.archive(told["runs"][0]["run_id"])
    again = client.get(f"/api/v1/datasets/{entry.dataset_id}").json()
    assert [run["state"] for run in again["runs"]] == ["archived", "committed", "committed"]


def test_a_dataset_that_is_not_there(client: TestClient[Any], several: Path) -> None:
    (entry,) = opened(several).datasets()
    for dataset_id in ("nothing", entry.dataset_id[:12]):
        answer = client.get(f"/api/v1/datasets/{dataset_id}")
        assert (answer.status_code, answer.json()["code"]) == (404, "DATASET_NOT_FOUND")
    assert answer.json()["hint"] == f"did you mean {entry.dataset_id}?"
