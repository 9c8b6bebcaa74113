"""`/runs`, `/facets`, `/runs/{id}`, `/status` and `/legacy`: the list with all that narrows it, and one run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from litestar.testing import TestClient

from buff_web.app import create_app
from old_runs import every_layout
from whole import SETTINGS, make, opened


@pytest.fixture
def beside(several: Path, tmp_path: Path) -> Iterator[TestClient[Any]]:
    """A client over the root `several` with legacy runs beside it."""
    every_layout(tmp_path / "old")
    store = opened(several)
    store.settings = evolve(SETTINGS, artifacts_root=str(tmp_path / "old"))
    with TestClient(create_app(store), base_url="http://127.0.0.1:8780", raise_server_exceptions=False) as client:
        yield client


def listed(client: TestClient[Any], query: str = "") -> list[str]:
    return [item["run_id"] for item in client.get(f"/api/v1/runs{query}").json()["items"]]


def test_text_finds_name_notes_symbol_strategy_and_id(client: TestClient[Any]) -> None:
    every = client.get("/api/v1/runs").json()["items"]
    by = {item["timeframe"] if item["symbol"] == "BTCUSDT" else item["symbol"]: item["run_id"] for item in every}
    assert listed(client, "?text=BOLD") == [by["15m"]]
    assert listed(client, "?text=look+HERE") == [by["15m"]]
    assert listed(client, "?text=eth+hold") == [by["ETHUSDT"]]
    assert listed(client, f"?text={by['1m'][:10]}") == [by["1m"]]
    assert listed(client, "?text=nothing+of+it") == []


def test_states(client: TestClient[Any], several: Path) -> None:
    every = listed(client)
    with opened(several) as store:
        store.archive(every[0])
    assert listed(client) == every[1:]
    assert listed(client, "?state=archived") == every[:1]
    assert listed(client, "?state=any") == every
    told = client.get("/api/v1/facets").json()
    assert (told["total"], told["state"]) == (2, {"archived": 1, "committed": 2})
    refused = client.get("/api/v1/runs?state=happy")
    assert (refused.status_code, refused.json()["details"]["field"]) == (400, "state")


def test_facets_count_what_a_list_shows(client: TestClient[Any]) -> None:
    told = client.get("/api/v1/facets").json()
    for name in ("symbol", "timeframe", "strategy", "risk_level", "state", "tag"):
        for value, count in told[name].items():
            found = client.get("/api/v1/runs", params={name: value}).json()["total"]
            assert found == count, (name, value)
    assert told["tag"] == {"a/b": 1, "fine": 2}


def test_a_cursor_goes_on_where_the_page_ended(client: TestClient[Any], several: Path, minutes: Path) -> None:
    every = listed(client)
    first = client.get("/api/v1/runs?limit=2").json()
    make(several, minutes, timeframe="4h")
    second = client.get(f"/api/v1/runs?limit=2&cursor={first['cursor']}").json()
    assert [item["run_id"] for item in second["items"]] == every[2:]
    assert (second["next"], second["cursor"]) == (None, None)
    refused = client.get(f"/api/v1/runs?sort=symbol&cursor={first['cursor']}")
    assert (refused.status_code, refused.json()["details"]) == (400, {"field": "cursor"})


def test_legacy_runs_are_listed_and_flagged(beside: TestClient[Any]) -> None:
    told = beside.get("/api/v1/runs").json()
    flagged = [item for item in told["items"] if item["legacy"]]
    assert [item["legacy"] for item in told["items"]] == [False] * 3 + [True] * len(flagged)
    assert {item["state"] for item in flagged} == {"legacy"}
    assert beside.get("/api/v1/facets").json()["state"]["legacy"] == len(flagged)
    seen, cursor = [], ""
    while cursor is not None:
        page = beside.get(f"/api/v1/runs?limit=2{cursor}").json()
        seen += [item["run_id"] for item in page["items"]]
        cursor = None if page["cursor"] is None else f"&cursor={page['cursor']}"
    assert seen == [item["run_id"] for item in told["items"]]


def test_a_legacy_run_with_what_it_has(beside: TestClient[Any]) -> None:
    for item in beside.get("/api/v1/runs?state=legacy").json()["items"]:
        run_id = item["run_id"]
        answer = beside.get(f"/api/v1/legacy/{run_id}")
        told = answer.json()
        assert (answer.status_code, told["run_id"], told["legacy"], told["state"]) == (200, run_id, True, "legacy")
        assert told["metrics"] == item["metrics"]
        assert "source" not in (told["request"] or {})
        if "/" not in run_id:
            shown = beside.get(f"/api/v1/runs/{run_id}").json()
            assert (shown["registry"], shown["legacy"]) == (None, told)


@pytest.mark.parametrize("address", ["/runs/nothing", "/legacy/nothing", "/legacy/a/b", "/runs/nothing/status"])
def test_what_is_not_there_is_not_found(beside: TestClient[Any], address: str) -> None:
    answer = beside.get(f"/api/v1{address}")
    assert (answer.status_code, answer.json()["code"]) == (404, "RUN_NOT_FOUND")


def test_the_status_of_a_run(client: TestClient[Any], several: Path) -> None:
    run_id = listed(client)[0]
    told = client.get(f"/api/v1/runs/{run_id}/status").json()
    assert (told["state"], told["problem"], told["verdict"], told["by"]) == ("committed", None, None, "tester")
    path = several / run_id / "trades.jsonl"
    path.parent.chmod(0o755)
    path.unlink()
    told = client.get(f"/api/v1/runs/{run_id}/status").json()
    assert (told["state"], told["problem"]["code"]) == ("damaged", "RUN_DAMAGED")
    assert str(several) not in told["problem"]["message"]
