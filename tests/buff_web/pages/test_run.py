"""The page of one run, read without a browser: what it says, and what it says when something is wrong."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

import outside
from buff_web import words
from buff_web.assets import load
from outline import ids_of, page_of
from whole import loosen, make, opened


def test_a_run(client: TestClient[Any], several: Path) -> None:
    run_id = ids_of(client)["15m"]
    run = opened(several).run(run_id)
    _, page = page_of(client, f"/runs/{run_id}")
    text = re.sub(r"\s+", " ", page.text)
    assert [
        name
        for name in ("What was run", "Headline numbers", "Metrics", "Trades", "Decisions", "Timeline", "Provenance")
        if name not in text
    ] == []
    assert run.manifest["inputs_hash"] in text
    assert f"buff run verify {run_id}" in text
    assert f"event {run.facts['seq']}, recorded" in text
    assert len([row for row in page.all("tr") if str(row.get("id")).startswith("trade-")]) == len(run.trades)
    links = [str(link["href"]) for link in page.all("a")]
    for item in run.manifest["artifacts"]:
        assert item["sha256"] in text
        assert f"/api/v1/runs/{run_id}/artifacts/{item['name']}" in links
    for event in run.timeline:
        assert event["detail"] in text
    assert "2024 this run " + words.points(run.returns["months"]["rows"][0]["value"]) in text
    assert "buy and hold " + words.points(run.returns["years"]["rows"][0]["buy_and_hold"]) in text
    assert str(run.manifest["data"]["source"]["path"]) not in text


def test_a_run_is_found_by_the_beginning_of_its_id(client: TestClient[Any]) -> None:
    run_id = ids_of(client)["15m"]
    answer = client.get(f"/runs/{run_id[:12]}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (302, f"/runs/{run_id}")


def test_trades_in_pages(client: TestClient[Any], several: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buff_web.query.TRADES_LIMIT", 10)
    run_id = ids_of(client)["1m"]
    _, page = page_of(client, f"/runs/{run_id}?after=10")
    rows = [row["id"] for row in page.all("tr") if str(row.get("id")).startswith("trade-")]
    assert rows == [f"trade-{number}" for number in range(10, 20)]
    assert [link["href"] for link in page.all("a") if link.get("rel") == "prev"] == [f"/runs/{run_id}/trades"]
    _, page = page_of(client, f"/runs/{run_id}?after=99999")
    assert "There are only" in page.text


def test_a_chart_library_that_is_not_official_is_not_served(several: Path, client_over: Any, tmp_path: Path) -> None:
    """Fail closed: neither the library nor what needs it, the still picture, and a sentence that says why."""
    changed = tmp_path / "lightweight-charts.js"
    changed.write_text("alert(1)")
    with client_over(several, assets=load((str(changed), "0" * 64))) as client:
        run_id = ids_of(client)["1m"]
        html, page = page_of(client, f"/runs/{run_id}")
        assert [name for tag in page.all("script") if "lwc" in (name := str(tag["src"])) or "chart" in name] == []
        assert "is not the official file: its SHA-256 differs" in page.text
        assert len([svg for svg in page.all("svg") if svg.get("role") == "img"]) == 3
        assert "tradingview" not in html
        assert client.get("/assets/lwc-756b0ba9.js").status_code == 404


def test_a_place_in_a_run(client: TestClient[Any], several: Path) -> None:
    """Without scripts an address is enough: the page of the trade, its story, and the decisions around it."""
    run_id = ids_of(client)["1m"]
    run = opened(several).run(run_id)
    trade = run.trades[7]
    html, page = page_of(client, f"/runs/{run_id}?trade=7&from=2024-01-01T06:00:00Z&to=2024-01-01T07:00:00Z")
    assert [row["id"] for row in page.all("tr") if row.get("aria-current")] == [
        "trade-7",
        f"bar-{trade['entry']['decided']}",
    ]
    assert f'data-from="{1704088800000}" data-to="{1704092400000}"' in html
    text = re.sub(r"\s+", " ", page.text)
    assert f"Trade 7: {trade['side']}, " in text
    assert words.number(trade["pnl"], signed=True) in text
    _, page = page_of(client, f"/runs/{run_id}?bar=1500")
    assert [row["id"] for row in page.all("tr") if row.get("aria-current")] == ["bar-1500"]
    assert f"buff run explain {run_id} --bar 1500" in page.text


@pytest.mark.parametrize("query", ["trade=999999", "bar=999999", "trade=x", "from=2024-01-02&to=2024-01-01", "page=2"])
def test_a_place_that_is_not_there_is_an_error_page(client: TestClient[Any], query: str) -> None:
    _, page = page_of(client, f"/runs/{ids_of(client)['1m']}?{query}", status=400)
    assert "RUN_CONFIG_INVALID" in page.text


def test_the_parts_of_a_run_are_pages_of_their_own(client: TestClient[Any], several: Path) -> None:
    run_id = ids_of(client)["1m"]
    run = opened(several).run(run_id)
    trade, near = run.trades[3], run.records[1000]
    for path, part, said in (
        ("/trades?after=100", "trades", str(run.trades[100]["trade"])),
        ("/trades/3", "story", words.number(trade["pnl"], signed=True)),
        ("/decisions?after=200", "decisions", "bars 200–299 of 2,880"),
        (f"/decisions?at={near['ts']}", "decisions", "bars 950–1,049 of 2,880"),
        ("/decisions?bar=2879", "decisions", "bars 2,780–2,879 of 2,880"),
        ("/decisions/1000", "story", f"Bar 1,000, {words.short_time(near['ts'])}"),
    ):
        _, page = page_of(client, f"/runs/{run_id}{path}")
        assert part in page.ids
        assert said in re.sub(r"\s+", " ", page.text)
        assert f"/runs/{run_id}" in [link["href"] for link in page.all("a")]


def test_the_report_is_a_file_to_keep(client: TestClient[Any], several: Path) -> None:
    run_id = ids_of(client)["1m"]
    answer = client.get(f"/runs/{run_id}/report")
    store = opened(several)
    (tried,) = store.tried([store.entry(run_id)])
    assert answer.text == "".join(store.run(run_id).report(tried=tried.says))
    assert answer.headers["content-disposition"] == f'attachment; filename="{run_id}.html"'
    assert f"/runs/{run_id}/report" in client.get(f"/runs/{run_id}").text


def test_decisions_are_the_records(client: TestClient[Any], several: Path) -> None:
    run_id = ids_of(client)["1m"]
    html, page = page_of(client, f"/runs/{run_id}/decisions?after=40")
    rows = [str(row["id"]) for row in page.all("tr") if str(row.get("id")).startswith("bar-")]
    assert rows == [f"bar-{seq}" for seq in range(40, 140)]
    records = opened(several).run(run_id).records[40:140]
    fills = [fill for record in records for fill in record.get("fills", ())]
    assert fills
    assert all(f"{fill['effect'].lower()} {words.number(fill['quantity'], 6, signed=True)}" in html for fill in fills)
    acted = [row for row in page.all("tr") if row.get("class") == "acted"]
    assert len(acted) == sum(record["action"] != "HOLD" for record in records)


@pytest.mark.parametrize(
    "damage", ["no directory", "no manifest", "other manifest", "no metrics", "short column", "no data"]
)
def test_a_damaged_run_says_so_and_hides_no_other(client: TestClient[Any], several: Path, damage: str) -> None:
    ids = ids_of(client)
    run = opened(several).run(ids["15m"])
    directory = Path(run.directory)
    loosen(several)
    match damage:
        case "no directory":
            shutil.rmtree(directory)
        case "no manifest":
            (directory / "manifest.json").unlink()
        case "other manifest":
            text = (directory / "manifest.json").read_text()
            (directory / "manifest.json").write_text(text.replace('"15m"', '"30m"'))
        case "no metrics":
            (directory / "metrics.json").unlink()
        case "short column":
            equity = directory / "columns" / "equity.npy"
            equity.write_bytes(equity.read_bytes()[:-8])
        case "no data":
            shutil.rmtree(several / "_datasets")
    html, page = page_of(client, f"/runs/{ids['15m']}", status=409)
    assert "RUN_DAMAGED" in page.text
    assert f"buff run verify {ids['15m']}" in page.text
    assert str(several) not in html
    _, page = page_of(client, "/runs")
    assert len([link for link in page.all("a") if link.get("class") == "id"]) == 3
    if damage in ("no directory", "no manifest", "other manifest"):
        states = {item["timeframe"]: item["state"] for item in client.get("/api/v1/runs").json()["items"]}
        assert states == {"1m": "committed", "15m": "damaged", "1h": "committed"}
        assert page.text.count("RUN_DAMAGED") == 1
        assert client.get(f"/api/v1/runs/{ids['15m']}").json()["code"] == "RUN_DAMAGED"
    if damage != "no data":
        assert client.get(f"/runs/{ids['1m']}").status_code == 200


def test_a_run_of_a_strategy_that_is_not_installed_any_more_is_listed_and_drawn(
    tmp_path: Path, minutes: Path, site: Path, client_over: Any
) -> None:
    outside.install(site, "riser")
    run = make(tmp_path / "root", minutes, strategy="riser", params={}).run
    with client_over(tmp_path / "root") as client:
        before = client.get(f"/runs/{run.id}").text
    outside.uninstall(site, "riser")
    with client_over(tmp_path / "root") as client:
        assert run.id in client.get("/runs?strategy=riser").text
        html, page = page_of(client, f"/runs/{run.id}")
        assert "riser" in client.get(f"/api/v1/runs/{run.id}").raise_for_status().text
    assert "riser" in page.text
    assert re.sub(r"\d+ (second|minute)s? ago|just now", "", html) == re.sub(
        r"\d+ (second|minute)s? ago|just now", "", before
    )
