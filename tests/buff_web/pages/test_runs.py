"""The list of runs, read without a browser: filters, sorting, pages, and what an empty one says."""

import re
from pathlib import Path
from typing import Any

from attrs import evolve
from litestar.testing import TestClient

import old_runs
from buff import builds
from buff.errors import DataInvalid
from buff_web.app import create_app
from buff_web.pages import runs
from outline import Outline, ids_of, page_of
from whole import SETTINGS, buff, loosen, opened, request


def with_settings(root: Path, **changes: Any) -> TestClient[Any]:
    """Return a client over a root whose settings are changed."""
    store = opened(root)
    store.settings = evolve(SETTINGS, **changes)
    return TestClient(create_app(store), base_url="http://127.0.0.1:8780", raise_server_exceptions=False)


def said(page: Outline) -> str:
    """Return the text of a page with single spaces."""
    return re.sub(r"\s+", " ", page.text)


def test_the_front_door_leads_to_the_list(client: TestClient[Any]) -> None:
    answer = client.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (302, "/runs")


def test_the_list(client: TestClient[Any]) -> None:
    html, page = page_of(client, "/runs")
    ids = ids_of(client)
    links = [link["href"] for link in page.all("a") if link.get("class") == "id"]
    assert links == [f"/runs/{ids[timeframe]}" for timeframe in ("1h", "15m", "1m")]
    assert len([svg for svg in page.all("svg") if str(svg.get("class")).startswith("spark")]) == 3
    assert "3 of 3 runs, newest first." in said(page)
    assert html.count("committed</span>") == 3
    assert "/api/v1/runs" in [link["href"] for link in page.all("a")]
    assert "buff run list --json" in page.text


def test_a_filtered_and_sorted_list_says_what_it_shows(client: TestClient[Any]) -> None:
    html, page = page_of(client, "/runs?symbol=BTCUSDT&sort=-trades")
    assert "2 of 3 runs, where symbol is BTCUSDT, by trades, largest first." in said(page)
    assert 'href="/runs?sort=-trades" aria-label="Drop the filter symbol BTCUSDT">' in html
    assert 'href="/runs?symbol=ETHUSDT&amp;sort=-trades">ETHUSDT <span class="count">1<' in html
    assert [th.get("aria-sort") for th in page.all("th") if th.get("aria-sort")] == ["descending"]
    links = [str(link["href"]) for link in page.all("a")]
    assert "/runs?symbol=BTCUSDT&sort=trades" in links
    assert "/runs?sort=-trades" in links
    assert "/api/v1/runs?symbol=BTCUSDT&sort=-trades" in links
    assert "buff run list --symbol BTCUSDT --sort -trades --json" in page.text


def test_an_archived_run_is_not_listed_and_its_page_says_so(client: TestClient[Any], several: Path) -> None:
    ids = ids_of(client)
    done = buff("run", "archive", ids["1h"], "--why", "superseded", "--runs-root", str(several))
    assert done.returncode == 0, done.stderr
    html, page = page_of(client, "/runs")
    assert "2 of 2 runs" in said(page)
    assert "ETHUSDT" not in html
    _, page = page_of(client, f"/runs/{ids['1h']}")
    assert "archived" in page.text


def test_facets_say_what_could_be_had_instead(client: TestClient[Any]) -> None:
    _, page = page_of(client, "/runs?symbol=BTCUSDT&timeframe=1m&limit=20")
    facets = said(page)
    assert "Symbol BTCUSDT ×" in facets
    assert "Timeframe 1m × 15m 1" in facets  # no 1h: with this symbol there is none
    links = [str(link["href"]) for link in page.all("a")]
    assert "/runs?symbol=BTCUSDT&timeframe=15m&limit=20" in links
    assert "/runs?symbol=BTCUSDT&limit=20" in links
    assert "State" not in facets  # all are committed, so it narrows nothing


def test_a_field_of_very_many_values_shows_those_that_most_runs_have() -> None:
    counts = {name: {} for name, _ in runs.FACETS} | {"tag": {f"tag-{number:03}": number for number in range(1, 301)}}
    (facet,) = runs._facets(counts, {"tag": "tag-001", "limit": "20"})
    assert [choice.value for choice in facet.few] == ["tag-001", *(f"tag-{number}" for number in range(294, 301))]
    assert [choice.chosen for choice in facet.few] == [True] + 7 * [False]
    assert (facet.few[0].link, facet.few[1].link) == ("/runs?limit=20", "/runs?tag=tag-294&limit=20")
    assert (len(facet.more), facet.left_out) == (runs.MANY, 300 - runs.FEW - runs.MANY)
    assert list(runs._facets({**counts, "tag": {}, "symbol": {"ONLY": 3}}, {})) == []  # it would narrow nothing


def test_words_and_dates_stay_in_the_form_and_can_be_dropped(client: TestClient[Any]) -> None:
    html, page = page_of(client, "/runs?text=eth&since=2020-01-01&sort=trades")
    assert "1 of 3 runs, where eth is in it and created since 2020-01-01, by trades" in said(page)
    assert {each.get("name"): each.get("value") for each in page.all("input") if each.get("value")} | {} == {
        "sort": "trades",
        "text": "eth",
        "since": "2020-01-01",
        "run": ids_of(client)["1h"],
    }
    assert 'href="/runs?since=2020-01-01&amp;sort=trades" aria-label="Drop the filter words eth"' in html
    assert "buff run list --text eth --since 2020-01-01 --sort trades --json" in page.text


def test_runs_are_chosen_in_a_form_that_leads_to_the_comparison(client: TestClient[Any], several: Path) -> None:
    ids = ids_of(client)
    loosen(several / ids["1m"])
    (several / ids["1m"] / "manifest.json").write_bytes(b"{}")
    html, page = page_of(client, "/runs")
    (form,) = [form for form in page.all("form") if form.get("id") == "pick"]
    assert (form["action"], form["method"], form["data-least"], form["data-most"]) == ("/compare", "get", "2", "8")
    boxes = [box["value"] for box in page.all("input") if box.get("type") == "checkbox"]
    assert boxes == [ids["1h"], ids["15m"]]  # the damaged one cannot be compared
    assert "RUN_DAMAGED" in html
    assert "▲</span> damaged" in html


def test_archived_and_legacy_runs_are_marked_and_filtered(several: Path, tmp_path: Path) -> None:
    old_runs.every_layout(tmp_path / "artifacts")
    with opened(several) as writing:
        archived = writing.runs().items[0].run_id
        writing.archive(archived, why="superseded")
    with with_settings(several, artifacts_root=str(tmp_path / "artifacts")) as client:
        _, page = page_of(client, "/runs")
        assert re.search(r"State committed 2 archived 1 legacy (\d) any \d", said(page))
        assert archived not in page.text
        html, page = page_of(client, "/runs?state=archived")
        assert [link["href"] for link in page.all("a") if link.get("class") == "id"] == [f"/runs/{archived}"]
        assert "archived</span>" in html
        html, page = page_of(client, "/runs?state=legacy")
        links = [str(link["href"]) for link in page.all("a") if link.get("class") == "id"]
        assert "/legacy/phase1_demo" in links
        assert all(link.startswith("/legacy/") and client.get(link).status_code == 200 for link in links)
        assert html.count("◆</span> legacy") == len(links)
        assert "by other formulas and signs" in html
        _, page = page_of(client, "/runs?state=any&limit=200")
        assert f"{len(links) + 3} of {len(links) + 3} runs" in said(page)
        assert "legacy" not in page_of(client, "/runs?state=committed")[0].split("<table")[1]


def test_builds_stand_above_the_list(client: TestClient[Any], several: Path, minutes: Path) -> None:
    assert "data-poll" not in page_of(client, "/runs")[0]
    with opened(several) as store:
        failed, waiting = (
            builds.request(store, request(minutes, symbol=symbol), kind="run").job
            for symbol in ("LOSTUSDT", "NEXTUSDT")
        )
        builds.drop(store, [failed], DataInvalid("line 2: low 9 is above high 8", rule="BAR", hint="correct the file"))
    html, page = page_of(client, "/runs")
    assert f'data-ids="{waiting}"' in html
    assert 'data-poll="true"' in html
    for each in (failed, "DATA_INVALID", "queued, 1.", "LOSTUSDT 1h ma_cross, risk 3"):
        assert each in page.text
    assert f"/builds/{failed}" in [link["href"] for link in page.all("a")]


def test_a_list_in_pages(client: TestClient[Any]) -> None:
    _, page = page_of(client, "/runs?limit=2")
    assert [link["href"] for link in page.all("a") if link.get("rel") == "next"] == ["/runs?limit=2&after=2"]
    _, page = page_of(client, "/runs?limit=2&after=2")
    assert [link["href"] for link in page.all("a") if link.get("rel") == "prev"] == ["/runs?limit=2"]
    assert "3–3 of 3" in page.text


def test_lists_without_rows_say_what_to_do(client: TestClient[Any], client_over: Any, tmp_path: Path) -> None:
    _, page = page_of(client, "/runs?symbol=BTCUSDT&strategy=hold")
    assert "No run matches" in page.text
    assert "/runs" in [link["href"] for link in page.all("a")]
    _, page = page_of(client, "/runs?after=9")
    assert "There are no more runs" in page.text
    (tmp_path / "empty").mkdir()
    with client_over(tmp_path / "empty") as empty:
        _, page = page_of(empty, "/runs")
        assert "No runs yet" in page.text
        assert "buff run create --csv" in page.text
        assert "buff serve --create" in page.text
    with with_settings(tmp_path / "empty", web_create=True) as empty:
        _, page = page_of(empty, "/runs")
        assert "/runs/new" in [link["href"] for link in page.all("a") if link.get("class") == "button primary"]


def test_a_wrong_filter_is_an_error_page(client: TestClient[Any]) -> None:
    _, page = page_of(client, "/runs?risk_level=9", status=400)
    assert "RUN_CONFIG_INVALID" in page.text
    assert "Risk_level '9' is not a whole number from 1 to 5" in page.text
