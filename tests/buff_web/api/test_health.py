"""`/health/live`, `/health/ready` and `/metrics`: what looks after the service asks for."""

import re
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from litestar.testing import TestClient

from buff_web.app import create_app
from buff_web.gauges import Gauges
from buff_web.guard import Guard
from whole import opened

TOKEN = "a-token-of-twenty-characters"


def _with_token(root: Path) -> TestClient[Any]:
    store = opened(root)
    store.settings = evolve(store.settings, token=TOKEN)
    return TestClient(Guard(create_app(store), root=str(root)), base_url="http://127.0.0.1:8780")  # type: ignore[arg-type]


def test_a_sound_root_is_ready(client: TestClient[Any]) -> None:
    answer = client.get("/api/v1/health/ready")
    assert answer.status_code == 200
    told = answer.json()
    assert told["ready"] is True
    assert [check["name"] for check in told["checks"]] == [
        "root", "journal", "projection", "worker", "disk", "kill_switch",
    ]  # fmt: skip
    assert set(told["checks"][0]) == {"name", "ok", "code", "message", "time"}
    assert answer.headers["cache-control"] == "no-store"


def test_what_is_wrong_is_named_and_no_path_is(several: Path, client_over: Any) -> None:
    (several / "_kill_switch").write_text(f"see {several}/why.txt")
    with client_over(several) as client:
        answer = client.get("/api/v1/health/ready")
    assert answer.status_code == 503
    told = answer.json()
    assert (told["ready"], [check["code"] for check in told["checks"] if not check["ok"]]) == (
        False, ["KILL_SWITCH_ENGAGED"],
    )  # fmt: skip
    assert str(several) not in answer.text


def test_that_it_lives_is_said_whatever_is_wrong_and_without_a_token(several: Path) -> None:
    segment = next((several / "_journal").glob("0*.jsonl"))
    segment.write_bytes(b"nothing of this is an event\n")
    with _with_token(several) as client:
        answer = client.get("/api/v1/health/live")
        assert (answer.status_code, answer.json()) == (200, {"live": True})
        assert client.head("/api/v1/health/live").status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/health/ready", "/api/v1/metrics"])
def test_the_rest_is_behind_the_token(several: Path, path: str) -> None:
    with _with_token(several) as client:
        assert client.get(path).status_code == 401
        assert client.get(path, headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


# Numbers -----------------------------------------------------------------------------------------------------------


def _number(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, f"{name} is not in\n{text}"
    return float(found[1])


def test_the_service_in_numbers(several: Path, client_over: Any) -> None:
    with client_over(several) as client:
        run_id = client.get("/api/v1/runs").json()["items"][0]["run_id"]
        counted = 'buff_requests_total{app_name="buff",method="GET",path="/api/v1/runs/{run_id}",status_code="200"}'
        client.get(f"/api/v1/runs/{run_id}")
        before = _number(client.get("/api/v1/metrics").text, counted)
        client.get(f"/api/v1/runs/{run_id}")
        with opened(several) as store:
            store.archive(run_id)
        answer = client.get("/api/v1/metrics")
        assert client.get("/api/v1/nothing/here").status_code == 404
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = answer.text
    assert _number(text, counted) == before + 1
    assert _number(text, 'buff_runs{state="committed"}') == 2
    assert _number(text, 'buff_runs{state="archived"}') == 1
    assert _number(text, "buff_datasets") == 1
    assert _number(text, 'buff_builds{status="queued"}') == _number(text, 'buff_builds{status="running"}') == 0
    assert _number(text, "buff_journal_seq") == opened(several).state.seq
    assert _number(text, "buff_journal_whole") == 1
    assert _number(text, "buff_projection_lag_events") == 0
    assert _number(text, "buff_kill_switch_engaged") == 0
    assert _number(text, "buff_free_bytes") > 0
    assert "process_resident_memory_bytes" in text
    assert str(several) not in text
    assert run_id not in text


def test_the_page_names_every_number_and_every_check(several: Path, client: TestClient[Any]) -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "service.md").read_text(encoding="utf-8")
    assert client.get("/api/v1/health/live").status_code == 200  # requests are a number once there was one
    numbers = set(re.findall(r"^# HELP (buff_\w+)", client.get("/api/v1/metrics").text, re.MULTILINE))
    assert {"buff_requests", "buff_runs", "buff_free_bytes"} <= {name.removesuffix("_total") for name in numbers}
    checks = {each["name"] for each in client.get("/api/v1/health/ready").json()["checks"]}
    unnamed = {name for name in numbers | checks if f"`{name}`" not in page}
    assert {name for name in unnamed if not name.endswith("_created")} == set()  # of each counter there is one


def test_a_path_of_its_own_makes_no_number_of_its_own(client: TestClient[Any]) -> None:
    """What a stranger asks for must not grow what is kept in memory."""
    for number in range(20):
        client.get(f"/api/v1/runs/run_{number:016x}")
        client.get(f"/nothing/{number}")
        client.request(f"ODD{number}", "/api/v1/runs")
        client.get("/api/v1/runs", params={f"odd{number}": "x"})
    text = client.get("/api/v1/metrics").text
    paths = set(re.findall(r'path="([^"]*)"', text))
    assert all("run_0" not in path and "/nothing/" not in path for path in paths)
    assert not re.search(r'method="ODD', text)


def test_a_root_without_a_journal_has_numbers_too(tmp_path: Path) -> None:
    text = Gauges(opened(tmp_path)).text().decode()
    assert _number(text, "buff_datasets") == 0
    assert "buff_journal_seq" not in text


def test_damage_shows_and_hides_nothing_else(several: Path) -> None:
    segment = next((several / "_journal").glob("0*.jsonl"))
    segment.write_bytes(segment.read_bytes()[:-200])
    text = Gauges(opened(several)).text().decode()
    assert _number(text, "buff_journal_whole") == 0
    assert _number(text, "buff_projection_lag_events") > 0
    assert _number(text, "buff_kill_switch_engaged") == 1
    assert _number(text, "buff_free_bytes") > 0
