"""The page of a legacy run: whatever layout it has, it is shown with what it has, and written to nowhere."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from attrs import evolve
from litestar.testing import TestClient

import old_runs
from buff_web.app import create_app
from outline import page_of
from whole import SETTINGS, opened


@pytest.fixture
def beside(several: Path, tmp_path: Path) -> Iterator[TestClient[Any]]:
    """A client over the root `several` with legacy runs of every layout beside it."""
    old_runs.every_layout(tmp_path / "artifacts")
    store = opened(several)
    store.settings = evolve(SETTINGS, artifacts_root=str(tmp_path / "artifacts"))
    with TestClient(create_app(store), base_url="http://127.0.0.1:8780", raise_server_exceptions=False) as client:
        yield client


def test_a_part_that_a_legacy_run_does_not_have_says_where_the_run_is(beside: TestClient[Any]) -> None:
    items = beside.get("/api/v1/runs?state=legacy").json()["items"]
    run_id = next(item["run_id"] for item in items if "/" not in item["run_id"])
    for part in ("bars", "equity", "trades", "explain?bar=0", "manifest", "artifacts/metrics.json"):
        answer = beside.get(f"/api/v1/runs/{run_id}/{part}")
        told = answer.json()
        assert (answer.status_code, told["code"]) == (404, "RUN_NOT_FOUND")
        assert "legacy run" in told["message"]
        where = told["hint"].split()[0]
        assert beside.get(where).json()["run_id"] == run_id
    assert "legacy" not in beside.get("/api/v1/runs/no_such_run/bars").json()["message"]
    assert beside.get(f"/api/v1/runs/{run_id}").status_code == 200


def test_every_layout_is_shown_with_what_it_has(beside: TestClient[Any], tmp_path: Path) -> None:
    before = old_runs.fingerprint(tmp_path / "artifacts")
    items = beside.get("/api/v1/runs?state=legacy").json()["items"]
    assert len(items) >= 4
    for item in items:
        told = beside.get(f"/api/v1/legacy/{item['run_id']}").json()
        html, page = page_of(beside, f"/legacy/{quote(item['run_id'])}")
        text = re.sub(r"\s+", " ", page.text)
        assert item["run_id"] in text
        assert "legacy" in text
        for problem in told["problems"]:
            assert problem["says"] in text
        for name in told["files"]:
            assert name in text
        for name, value in told["metrics"].items():
            if isinstance(value, int | float):
                assert name in text
                assert str(value) in text
        assert str(tmp_path) not in html
        if "/" not in item["run_id"]:
            assert page_of(beside, f"/runs/{item['run_id']}")[0].count("<h1>") == 1
    assert old_runs.fingerprint(tmp_path / "artifacts") == before


def test_one_that_is_not_there_is_an_error_page(beside: TestClient[Any]) -> None:
    assert "RUN_NOT_FOUND" in page_of(beside, "/legacy/nothing", status=404)[1].text


def test_bars_are_drawn_where_there_are_any(beside: TestClient[Any]) -> None:
    html, page = page_of(beside, "/legacy/stage5_demo")
    assert 'class="equity"' in html
    assert "Trades" in page.text


def test_what_is_missing_is_said(beside: TestClient[Any]) -> None:
    whole = re.sub(r"\s+", " ", page_of(beside, "/legacy/phase1_demo")[1].text)
    told = beside.get("/api/v1/legacy/phase1_demo").json()
    gone = [name for name in ("trades", "timeline", "decisions", "bars", "metrics") if not told[name]]
    assert gone  # of this layout something is
    said = whole.partition("Not in these files")[2].partition("Metrics as written")[0]
    for name in gone:
        assert {"bars": "prices"}.get(name, name) in said
    for name in {"trades", "decisions", "metrics"}.difference(gone):
        assert name not in said


def test_equity_is_drawn_where_trades_say_what_it_was(beside: TestClient[Any]) -> None:
    assert "Equity after 2 trades, 10,000.00 to 10,000.77" in page_of(beside, "/legacy/stage5_demo")[0]
    assert "Equity after" not in page_of(beside, "/legacy/phase1_demo")[0]


def test_an_equity_curve_of_its_own_is_drawn_and_what_is_no_point_of_it_said(
    beside: TestClient[Any], tmp_path: Path
) -> None:
    run_id = next(
        item["run_id"] for item in beside.get("/api/v1/runs?state=legacy").json()["items"] if "alice" in item["run_id"]
    )
    html, page = page_of(beside, f"/legacy/{quote(run_id)}")
    assert "Equity at 4 instants, 10,000.00 to 9,996.25" in html
    assert "As it was written, point by point" in page.text
    (path,) = (tmp_path / "artifacts").rglob("equity_curve.json")
    path.write_text('[{"t": "2024-01-01T00:05:00Z", "equity": 2}, 7, {"t": "2024-01-01T00:00:00Z", "equity": "1"}, {}]')
    html, page = page_of(beside, f"/legacy/{quote(run_id)}")
    assert "Equity at 2 instants, 1.00 to 2.00" in html
    assert "2 points have no time or no equity, the first is 2" in page.text
    path.write_text("{}")
    assert "no list of points" in page_of(beside, f"/legacy/{quote(run_id)}")[1].text
