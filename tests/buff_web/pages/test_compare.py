"""Runs side by side, read without a browser: what differs is marked, and the numbers are those of the API."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from litestar.testing import TestClient

from buff.errors import RateLimited
from buff_web import metrics
from buff_web.turns import Turns
from outline import Outline, ids_of, page_of
from whole import make, opened


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def _text(page: Outline) -> str:
    return _plain(page.text)


def _address(ids: list[str]) -> str:
    return "/compare?" + "&".join(f"run={each}" for each in ids)


@pytest.fixture
def trio(several: Path, minutes: Path) -> list[str]:
    """Three runs over the same bars: two of one strategy, one that holds."""
    base = make(several, minutes, timeframe="1h").run.id
    other = make(several, minutes, timeframe="1h", params={"fast": 4, "slow": 8}).run.id
    return [base, other, make(several, minutes, strategy="hold", params={}).run.id]


def test_who_only_chooses_waits_for_no_turn(
    client: TestClient[Any], trio: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none_left(*_: object, **__: object) -> None:
        raise RateLimited("66 requests are under way already", hint="try again", details={"retry_after_seconds": 2})

    monkeypatch.setattr(Turns, "read", none_left)
    page_of(client, _address(trio[:1]))
    refused = client.get(_address(trio))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")


def test_inputs_metrics_and_the_first_decision_that_differs(
    client: TestClient[Any], several: Path, trio: list[str]
) -> None:
    html, page = page_of(client, _address(trio))
    text = _text(page)
    told = client.get("/api/v1" + _address(trio)).json()
    differing = [row["name"] for row in told["inputs"] if row["differs"]]
    assert "strategy.params.fast" in differing
    rows = re.findall(r'<tr class="differs"><th scope="row">([^<]+)</th>', html)
    assert rows[: len(differing)] == differing
    runs = [opened(several).run(run_id) for run_id in trio]
    for run in runs:
        assert _plain(metrics.text("net_return", run.metrics["net_return"])) in text
    by = told["metrics"][0]["deltas"][1]
    assert told["metrics"][0]["name"] == "net_return"
    assert metrics.delta("net_return", runs[0].metrics["net_return"], by) in text
    first = told["decisions"][0]["first"]
    assert f"bar {first['seq']:,}" in text
    assert f"/runs/{trio[1]}?bar={first['seq']}#story" in [link["href"] for link in page.all("a")]
    assert f"buff run diff {trio[0]} {trio[1]}" in text


def test_the_curves_of_all_runs_are_drawn_in_their_order(client: TestClient[Any], trio: list[str]) -> None:
    html, _ = page_of(client, _address(trio))
    drawn = re.findall(r'<svg viewBox="0 0 960 300" role="img".*?</svg>', html)
    assert len(drawn) == 2
    for each in drawn:
        kinds = [str(path.get("class")) for path in ElementTree.fromstring(each).iter("path")]
        assert [kind for kind in kinds if kind.startswith("r")] == ["r1", "r2", "r3"]


def test_only_what_differs(client: TestClient[Any], trio: list[str]) -> None:
    _, page = page_of(client, _address(trio))
    other = next(str(link["href"]) for link in page.all("a") if "differing" in str(link.get("href")))
    html, page = page_of(client, other)
    assert "initial_equity" not in html
    assert "strategy.params.fast" in html
    assert page.all("tr")
    assert all("differs" in str(row.get("class")) or "group" in str(row.get("class")) for row in _body_rows(html))


def _body_rows(html: str) -> list[dict[str, str | None]]:
    tables = re.findall(r'<table class="versus.*?</table>', html, flags=re.S)
    return [row for table in tables for row in Outline(re.sub(r"<thead>.*?</thead>", "", table, flags=re.S)).all("tr")]


def test_the_base_can_be_changed_and_a_run_left_out(client: TestClient[Any], trio: list[str]) -> None:
    _, page = page_of(client, _address(trio))
    links = [str(link.get("href")) for link in page.all("a")]
    assert _address([trio[2], trio[0], trio[1]]) in links
    assert _address([trio[0], trio[2]]) in links
    html, _ = page_of(client, _address(trio[:2]))
    assert "Leave" not in html


def test_fewer_than_two_can_be_chosen_from(client: TestClient[Any], trio: list[str]) -> None:
    for path in ("/compare", f"/compare?run={trio[0]}"):
        _, page = page_of(client, path)
        boxes = [each for each in page.all("input") if each.get("name") == "run"]
        assert {str(each["value"]) for each in boxes} >= set(trio)
        assert [each["value"] for each in boxes if "checked" in each] == ([trio[0]] if "run=" in path else [])


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/compare?run=A&run=A", 400, "RUN_CONFIG_INVALID"),
        ("/compare?run=A&run=nothing", 404, "RUN_NOT_FOUND"),
        ("/compare?run=nothing", 404, "RUN_NOT_FOUND"),
        ("/compare?" + "&".join(f"run=r{each}" for each in range(9)), 400, "RUN_CONFIG_INVALID"),
        ("/compare?runs=A", 400, "RUN_CONFIG_INVALID"),
    ],
)
def test_what_cannot_be_compared_is_an_error_page(client: TestClient[Any], path: str, status: int, code: str) -> None:
    _, page = page_of(client, path.replace("A", ids_of(client)["1m"]), status=status)
    assert code in page.text


def test_runs_over_other_bars_are_compared_by_what_they_made(client: TestClient[Any]) -> None:
    ids = ids_of(client)
    _, page = page_of(client, _address([ids["1m"], ids["15m"]]))
    assert "They were not decided on the same bars." in _text(page)
