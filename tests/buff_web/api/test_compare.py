"""Runs side by side over HTTP: what `buff.runs.comparison` says of them."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient

from buff.runs.comparison import compare
from whole import opened


def test_runs_side_by_side(client: TestClient[Any], several: Path) -> None:
    store = opened(several)
    run_ids = [entry.run_id for entry in store.runs().items]
    query = "&".join(f"run={run_id}" for run_id in run_ids)
    answer = client.get(f"/api/v1/compare?{query}&max=60")
    wanted = compare([store.run(run_id) for run_id in run_ids], points=60)
    told = answer.json()
    assert [each.pop("tried")["on_symbol"] for each in told["runs"]] == [1, 2, 2]
    assert told == msgspec.to_builtins(wanted)
    tag = answer.headers["etag"]
    assert client.get(f"/api/v1/compare?{query}&max=60", headers={"if-none-match": tag}).status_code == 304


@pytest.mark.parametrize("query", ["", "?run=one", "?run=one&run=one", "?" + "&".join(f"run=r{n}" for n in range(9))])
def test_two_to_eight_different_runs(client: TestClient[Any], query: str) -> None:
    answer = client.get(f"/api/v1/compare{query}")
    assert (answer.status_code, answer.json()["details"]["field"]) == (400, "run")


def test_a_run_that_is_not_there(client: TestClient[Any]) -> None:
    answer = client.get("/api/v1/compare?run=one&run=two")
    assert (answer.status_code, answer.json()["code"]) == (404, "RUN_NOT_FOUND")
