"""The pages, read without a browser: what they say, that they escape it, and what they do when something is wrong."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

import outside
from buff_web import words
from buff_web.assets import load
from whole import buff, make, opened


class Outline(HTMLParser):
    """The parts of a page that tests ask about."""

    VOID = frozenset({"meta", "link", "input", "br", "hr", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1:] == [tag], f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def _page(client: TestClient[Any], path: str, status: int = 200) -> tuple[str, Outline]:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.text, Outline(answer.text)


def _ids(client: TestClient[Any]) -> dict[str, str]:
    return {item["timeframe"]: item["run_id"] for item in client.get("/api/v1/runs").json()["items"]}


def _loosen(directory: Path) -> None:
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def test_the_front_door_leads_to_the_list(client: TestClient[Any]) -> None:
    answer = client.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (302, "/runs")


def test_the_list(client: TestClient[Any]) -> None:
    html, page = _page(client, "/runs")
    ids = _ids(client)
    links = [link["href"] for link in page.all("a") if link.get("class") == "id"]
    assert links == [f"/runs/{ids[timeframe]}" for timeframe in ("1h", "15m", "1m")]
    assert len([svg for svg in page.all("svg") if str(svg.get("class")).startswith("spark")]) == 3
    assert "3 of 3 runs, newest first." in re.sub(r"\s+", " ", page.text)
    assert html.count("committed</span>") == 3
    assert "/api/v1/runs" in [link["href"] for link in page.all("a")]
    assert "buff run list --json" in page.text


def test_a_filtered_and_sorted_list_says_what_it_shows(client: TestClient[Any]) -> None:
    html, page = _page(client, "/runs?symbol=BTCUSDT&sort=-trades")
    assert "2 of 3 runs, where symbol is BTCUSDT, by trades, largest first." in re.sub(r"\s+", " ", page.text)
    assert '<option value="BTCUSDT" selected>BTCUSDT (2)</option>' in html
    assert [th.get("aria-sort") for th in page.all("th") if th.get("aria-sort")] == ["descending"]
    links = [str(link["href"]) for link in page.all("a")]
    assert "/runs?symbol=BTCUSDT&sort=trades" in links
    assert "/runs?sort=-trades" in links
    assert "/api/v1/runs?symbol=BTCUSDT&sort=-trades" in links
    assert "buff run list --symbol BTCUSDT --sort -trades --json" in page.text


def test_an_archived_run_is_not_listed_and_its_page_says_so(client: TestClient[Any], several: Path) -> None:
    ids = _ids(client)
    done = buff("run", "archive", ids["1h"], "--why", "superseded", "--runs-root", str(several))
    assert done.returncode == 0, done.stderr
    html, page = _page(client, "/runs")
    assert "2 of 2 runs" in re.sub(r"\s+", " ", page.text)
    assert "ETHUSDT" not in html
    _, page = _page(client, f"/runs/{ids['1h']}")
    assert "archived" in page.text


def test_a_list_in_pages(client: TestClient[Any]) -> None:
    _, page = _page(client, "/runs?limit=2")
    assert [link["href"] for link in page.all("a") if link.get("rel") == "next"] == ["/runs?limit=2&after=2"]
    _, page = _page(client, "/runs?limit=2&after=2")
    assert [link["href"] for link in page.all("a") if link.get("rel") == "prev"] == ["/runs?limit=2"]
    assert "3–3 of 3" in page.text


def test_lists_without_rows_say_what_to_do(client: TestClient[Any], client_over: Any, tmp_path: Path) -> None:
    _, page = _page(client, "/runs?symbol=BTCUSDT&strategy=hold")
    assert "No run matches" in page.text
    assert "/runs" in [link["href"] for link in page.all("a")]
    _, page = _page(client, "/runs?after=9")
    assert "There are no more runs" in page.text
    (tmp_path / "empty").mkdir()
    with client_over(tmp_path / "empty") as empty:
        _, page = _page(empty, "/runs")
    assert "No runs yet" in page.text
    assert "buff run create --csv" in page.text


def test_a_wrong_filter_is_an_error_page(client: TestClient[Any]) -> None:
    _, page = _page(client, "/runs?risk_level=9", status=400)
    assert "RUN_CONFIG_INVALID" in page.text
    assert "Risk_level '9' is not a whole number from 1 to 5" in page.text


def test_what_people_typed_is_escaped(client: TestClient[Any]) -> None:
    ids = _ids(client)
    for path in ("/runs", f"/runs/{ids['15m']}", "/runs?tag=%3Cscript%3Ealert(1)%3C/script%3E", "/runs/%3Cb%3E"):
        html = client.get(path).text
        assert "<b>bold" not in html
        assert "<script>" not in html
    assert "&lt;b&gt;bold&lt;/b&gt;" in client.get("/runs").text


def test_a_run(client: TestClient[Any], several: Path) -> None:
    run_id = _ids(client)["15m"]
    run = opened(several).run(run_id)
    _, page = _page(client, f"/runs/{run_id}")
    text = re.sub(r"\s+", " ", page.text)
    assert [
        h for h in ("What was run", "Headline numbers", "Metrics", "Trades", "Timeline", "Provenance") if h not in text
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
    run_id = _ids(client)["15m"]
    answer = client.get(f"/runs/{run_id[:12]}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (302, f"/runs/{run_id}")


def test_trades_in_pages(client: TestClient[Any], several: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buff_web.query.TRADES_LIMIT", 10)
    run_id = _ids(client)["1m"]
    _, page = _page(client, f"/runs/{run_id}?after=10")
    rows = [row["id"] for row in page.all("tr") if str(row.get("id")).startswith("trade-")]
    assert rows == [f"trade-{number}" for number in range(10, 20)]
    assert [link["href"] for link in page.all("a") if link.get("rel") == "prev"] == [f"/runs/{run_id}#trades"]
    _, page = _page(client, f"/runs/{run_id}?after=99999")
    assert "There are only" in page.text


@pytest.mark.parametrize("path", ["/runs", "/runs/RUN", "/runs/nothing", "/nothing"])
def test_every_page_is_whole(client: TestClient[Any], path: str) -> None:
    """One h1, one main, landmarks, unique ids, labelled fields, no inline script or style, nothing from elsewhere."""
    answer = client.get(path.replace("RUN", _ids(client)["1m"]))
    page = Outline(answer.text)
    assert [len(page.all(tag)) for tag in ("h1", "main", "header", "footer", "title")] == [1] * 5
    assert len(page.ids) == len(set(page.ids))
    assert all("src" in script for script in page.all("script"))
    assert page.all("style") == []
    assert not any(
        "style" in attributes or any(name.startswith("on") for name in attributes) for _, attributes in page.tags
    )
    loaded = [tag.get("src") or tag.get("href") for name in ("script", "link", "img") for tag in page.all(name)]
    assert all(str(address).startswith("/assets/") for address in loaded)
    away = [str(link["href"]) for link in page.all("a") if not str(link["href"]).startswith(("/", "#"))]
    assert away == ["https://www.tradingview.com/"]
    assert page.all("html")[0]["lang"] == "en"


def test_everything_a_page_loads_is_there_and_immutable(client: TestClient[Any]) -> None:
    _, page = _page(client, f"/runs/{_ids(client)['1m']}")
    loaded = [str(tag.get("src") or tag.get("href")) for name in ("script", "link") for tag in page.all(name)]
    assert len(loaded) == 5
    for address in loaded:
        answer = client.get(address)
        assert (answer.status_code, "immutable" in answer.headers["cache-control"]) == (200, True)
    assert client.get("/assets/nothing.js").json()["code"] == "REQUEST_INVALID"


def test_a_chart_library_that_is_not_official_is_not_served(several: Path, client_over: Any, tmp_path: Path) -> None:
    """Fail closed: no script at all, the still picture, and a sentence that says why."""
    changed = tmp_path / "lightweight-charts.js"
    changed.write_text("alert(1)")
    with client_over(several, assets=load((str(changed), "0" * 64))) as client:
        run_id = _ids(client)["1m"]
        html, page = _page(client, f"/runs/{run_id}")
        assert page.all("script") == []
        assert "is not the official file: its SHA-256 differs" in page.text
        assert any(svg.get("class") == "still" for svg in page.all("svg"))
        assert "tradingview" not in html
        assert client.get("/assets/lwc-756b0ba9.js").status_code == 404


@pytest.mark.parametrize(
    "damage", ["no directory", "no manifest", "other manifest", "no metrics", "short column", "no data"]
)
def test_a_damaged_run_says_so_and_hides_no_other(client: TestClient[Any], several: Path, damage: str) -> None:
    ids = _ids(client)
    run = opened(several).run(ids["15m"])
    directory = Path(run.directory)
    _loosen(several)
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
    html, page = _page(client, f"/runs/{ids['15m']}", status=409)
    assert "RUN_DAMAGED" in page.text
    assert f"buff run verify {ids['15m']}" in page.text
    assert str(several) not in html
    _, page = _page(client, "/runs")
    assert len([link for link in page.all("a") if link.get("class") == "id"]) == 3
    if damage in ("no directory", "no manifest", "other manifest"):
        states = {item["timeframe"]: item["state"] for item in client.get("/api/v1/runs").json()["items"]}
        assert states == {"1m": "committed", "15m": "damaged", "1h": "committed"}
        assert page.text.count("RUN_DAMAGED") == 1
        assert client.get(f"/api/v1/runs/{ids['15m']}").json()["code"] == "RUN_DAMAGED"
    if damage != "no data":
        assert client.get(f"/runs/{ids['1m']}").status_code == 200


def test_a_damaged_journal_is_told_on_every_page_and_what_is_proven_is_served(client_over: Any, several: Path) -> None:
    segment = next((several / "_journal").glob("0*.jsonl"))
    segment.chmod(0o644)
    lines = segment.read_bytes().splitlines(keepends=True)
    lines[-1] = lines[-1].replace(b"ETHUSDT", b"XTHUSDT")
    segment.write_bytes(b"".join(lines))
    with client_over(several) as client:
        html, page = _page(client, "/runs")
        assert "JOURNAL_CORRUPT" in page.text
        assert str(several) not in html
        assert len([link for link in page.all("a") if link.get("class") == "id"]) == 2
        told = client.get("/api/v1/runs").json()
        assert (told["problem"]["code"], told["total"]) == ("JOURNAL_CORRUPT", 2)
        for path in (f"/runs/{told['items'][0]['run_id']}", "/nothing"):
            assert "JOURNAL_CORRUPT" in client.get(path).text


def test_a_root_that_goes_away_is_an_error_page(client: TestClient[Any], several: Path, minutes: Path) -> None:
    _loosen(several)
    make(several, minutes, timeframe="4h")
    shutil.rmtree(several / "_journal")
    html, page = _page(client, "/runs")
    assert "No runs yet" in page.text or "RUNS_ROOT" in page.text
    assert str(several) not in html


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
        html, page = _page(client, f"/runs/{run.id}")
        assert "riser" in client.get(f"/api/v1/runs/{run.id}").raise_for_status().text
    assert "riser" in page.text
    assert re.sub(r"\d+ (second|minute)s? ago|just now", "", html) == re.sub(
        r"\d+ (second|minute)s? ago|just now", "", before
    )
